"""`apertium`: rule-based translation by the program of that name (https://www.apertium.org).

It needs no model to download (Debian and others have it, a package for each pair of languages), and
translates about a thousand sentences a second on one core. Many sentences go through one process;
null characters between them make it treat each by itself. Where the process crashes or hangs, the
batch is halved until the sentence that did it stands alone and gets a warning.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from pydantic import Field

from xlt import languages
from xlt.errors import XltError
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions

_PACKAGES = (  # words, to be split
    "afr-nld arg-cat bel-rus br-fr cat-ita cat-srd dan-nor en-gl eng-cat eng-spa eo-ca eo-en "
    "eo-es eo-fr es-gl es-pt es-ro eu-en eu-es fr-es fra-cat fra-frp hbs-eng hbs-mkd hbs-slv "
    "ind-zlm is-sv isl-eng mk-bg mk-en nno-nob oc-es oci-fra pol-szl por-cat pt-gl rus-ukr "
    "spa-arg spa-ast spa-cat spa-ita srd-ita swe-dan swe-nor urd-hin"
)
"""Debian's packages for pairs of languages, without "apertium-"."""

_SPECIAL = re.compile(r"([\[\]{}^$/\\@<>])")
_ESCAPED = re.compile(r"\\(.)")
_MARK = re.compile(r"(?<![^\W_])[*@#](?=\w)")
_END = "[][\n]"  # what apertium-destxt puts at the end of a text: the last full stop needs it
_MAX_START_SECONDS = 10.0  # seconds that loading the dictionaries may take, on top of the timeout


class ApertiumOptions(TranslatorOptions):
    timeout: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        description="seconds that the slowest batch of 256 sentences may take",
    )
    unknown: float = Field(
        default=0.5, ge=0, le=1,
        description="a translation of which more words than this share were unknown gets a warning",
    )  # fmt: skip


class Apertium(Translator):
    """The installed program; words that it does not know stay as they are."""

    Options: ClassVar[type[TranslatorOptions]] = ApertiumOptions
    options: ApertiumOptions

    def check(self, source: str, target: str) -> None:
        mode(source, target)

    def identity(self, source: str, target: str) -> str:
        return f"apertium {mode(source, target)} {_version()} unknown={self.options.unknown}"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        name = mode(source, target)
        marked = self._run(texts, name)
        # Marks (*unknown, @untranslated, #not generated) cannot be told from the text's own.
        again = [n for n, one in enumerate(marked) if not one.failed and _MARK.search(one.text)]
        plain = self._run([texts[n] for n in again], name, "-u")
        for n, one in zip(again, plain, strict=True):
            marked[n] = _checked(one, texts[n], marked[n].text, self.options.unknown)
        return marked

    def _run(self, texts: Sequence[str], name: str, *flags: str) -> list[Translation]:
        """All translations; a batch that fails is halved until one sentence is left to blame."""
        if not texts:
            return []
        seconds = _MAX_START_SECONDS + self.options.timeout * len(texts) / self.chunk
        result = _call(texts, name, flags, seconds)
        if not isinstance(result, str):
            return [Translation(text) for text in result]
        if len(texts) == 1:
            return [Translation("", f"apertium {result}", failed=True)]
        half = len(texts) // 2
        return self._run(texts[:half], name, *flags) + self._run(texts[half:], name, *flags)


def mode(source: str, target: str) -> str:
    """Apertium's name for a direction (`eng-spa`), of those that are installed.

    Raises XltError: the program or the pair is not there, with the command that installs it.
    """
    installed = _installed()
    # Plain names before variants (`spa-eng_US`), then in order.
    for name in sorted(installed, key=lambda name: ("_" in name, name)):
        sides = [_language(side) for side in name.split("-", 1)]
        if len(sides) == 2 and sides == [languages.shared(source), languages.shared(target)]:
            return name
    raise XltError(
        f"Apertium has no translation from {languages.name(source)} to {languages.name(target)} "
        f"here (it has {', '.join(installed) or 'none at all'})",
        where="translator apertium",
        fix=_how_to_install(source, target),
    )


def _installed() -> list[str]:
    program = shutil.which("apertium")
    if program is None:
        raise XltError(
            "the program apertium is not installed",
            where="translator apertium",
            fix="apt-get install apertium, and a package for the languages, e.g. apertium-eng-spa",
        )
    return _modes(program)


@lru_cache(maxsize=4)
def _modes(program: str) -> list[str]:
    try:
        done = subprocess.run(
            [program, "-l"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise XltError(
            f"apertium does not run: {error}", where=program, fix="reinstall the package apertium"
        ) from error
    return done.stdout.split()


@lru_cache(maxsize=1)
def _version() -> str:
    done = subprocess.run(["apertium", "-V"], capture_output=True, text=True, timeout=60)
    return " ".join((done.stdout or done.stderr).split())


@lru_cache(maxsize=512)
def _language(side: str) -> str | None:
    try:
        return languages.shared(side.split("_")[0])
    except XltError:
        return None


def _how_to_install(source: str, target: str) -> str:
    wanted = {languages.shared(source), languages.shared(target)}
    for package in _PACKAGES.split():
        if {_language(side) for side in package.split("-")} == wanted:
            return f"apt-get install apertium-{package} (if it has this direction)"
    return "see `apt-cache search ^apertium-` for what there is, or choose another translator"


def _call(texts: Sequence[str], name: str, flags: Sequence[str], seconds: float) -> list[str] | str:
    """The translations, or what went wrong."""
    given = "".join(_SPECIAL.sub(r"\\\1", text) + _END + "\0" for text in texts)
    process = subprocess.Popen(
        ["apertium", *flags, "-z", "-f", "none", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        encoding="utf-8", errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(given, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"did not answer within {seconds:.0f} s"
    finally:
        # The program is a pipe of ten others, which outlive the shell that started them.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    outputs = output.split("\0")[: len(texts)]
    if process.returncode or len(outputs) < len(texts) or not all(_END in one for one in outputs):
        return f"crashed (exit status {process.returncode})"
    return [_ESCAPED.sub(r"\1", one.replace(_END, "")).strip() for one in outputs]


def _checked(plain: Translation, source: str, marked: str, limit: float) -> Translation:
    """The translation without marks; with a warning where too many words have one."""
    unknown = len(_MARK.findall(marked)) - len(_MARK.findall(source))
    words = max(1, len(marked.split()))
    if plain.failed or unknown / words <= limit:
        return plain
    return Translation(plain.text, f"{unknown} of {words} words unknown")
