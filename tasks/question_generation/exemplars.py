"""Exemplar questions and interrogatives of each language: one YAML a language, in `exemplars/`.

::

    language: ind
    interrogatives:          # every form that asks for a type; `*`: any ending
      who: [siapa]
    ignored: []              # words that only look like one of them
    exemplars:               # questions of the type, the first ones used first
      who:
        - Siapa yang menulis buku itu?

All questions were written for this project. A folder of one's own files (`exemplar_folder`) comes
before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import regex

from xlt import languages
from xlt.errors import XltError, choose
from xlt.yaml.nodes import parse, read_text

TYPES = ("what", "who", "which", "where", "when", "why", "how-way", "how-num")
"""`how-way` asks for a manner, `how-num` for a quantity or degree (Hwang et al. 2024, QuIST)."""

FOLDER = Path(__file__).with_name("exemplars")
SPACELESS = frozenset({"zho", "cmn", "yue", "jpn", "tha", "lao", "khm", "mya", "bod"})
"""Languages that put no spaces between words: their words have no boundaries to look for."""


@dataclass(frozen=True)
class Exemplars:
    """Holds what is known of one language.

    questions:      type → exemplars.
    interrogatives: type → forms, casefolded.
    ignored:        words that only look like one of them.
    """

    language: str
    questions: Mapping[str, tuple[str, ...]]
    interrogatives: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()

    @cached_property
    def meanings(self) -> dict[str, list[str]]:
        """Return form → the types that it may ask for; none for what is `ignored`."""
        types_of: dict[str, list[str]] = {form: [] for form in self.ignored}
        for kind, forms in self.interrogatives.items():
            for form in forms:
                types_of.setdefault(form, []).append(kind)
        return types_of

    @cached_property
    def forms(self) -> list[str]:
        """Return all forms, the longest first."""
        return sorted(self.meanings, key=len, reverse=True)

    @cached_property
    def pattern(self) -> Any:
        """Return what finds the longest interrogative at each place of a casefolded question."""
        bounded = self.language not in SPACELESS
        before, after = (
            (r"(?<![\p{L}\p{M}\p{N}])", r"(?![\p{L}\p{M}\p{N}])") if bounded else ("", "")
        )
        parts = [
            f"({regex.escape(f.rstrip('*'))}{'' if f.endswith('*') else after})" for f in self.forms
        ]
        return regex.compile(f"{before}(?:{'|'.join(parts)})")

    def key(self, match: Any) -> str:
        """Return the form that a match of `pattern` is."""
        number: int = match.lastindex
        return self.forms[number - 1]


def get(language: str, folder: str | None = None) -> Exemplars:
    """Return the exemplars of a language.

    Raises XltError if it is not known, or has no file, saying how to add one.
    """
    if language in ("", "und"):
        raise XltError(
            "it is not known which language the questions are to be in",
            where="task.exemplars",
            fix="pass --language, or put `language` into the records",
        )
    known = find(language, folder)
    if known is None:
        raise XltError(
            f"there are no exemplar questions in {languages.name(language)} ({language})",
            where="task.exemplars",
            fix=f"write {language}.yaml, as docs/tasks/question-generation.md shows, into a "
            "folder that `task.exemplar_folder` names; or say `task.exemplars: 0` to generate "
            f"without. There are exemplars in: {', '.join(available(folder))}",
        )
    return known


def find(language: str, folder: str | None = None) -> Exemplars | None:
    """Return the exemplars of a language, None if there are none."""
    if not language or language == "und":
        return None
    return _find(language, folder)


def available(folder: str | None = None) -> list[str]:
    """Return the languages that have exemplars, as ISO 639-3 codes, sorted.

    Raises XltError if `folder` is no folder.
    """
    return sorted(_files(folder))


@lru_cache(maxsize=256)
def _find(language: str, folder: str | None) -> Exemplars | None:
    files = _files(folder)
    code = languages.match(language, files)
    return None if code is None else _read(files[code], code)


@lru_cache(maxsize=16)
def _files(folder: str | None) -> dict[str, Path]:
    if folder is not None and not Path(folder).is_dir():
        raise XltError("there is no such folder", where=f"task.exemplar_folder: {folder}",
                       fix="correct the path, or leave it out")  # fmt: skip
    folders = [FOLDER, *([Path(folder)] if folder is not None else [])]
    return {path.stem: path for one in folders for path in sorted(one.glob("*.yaml"))}


def _read(path: Path, code: str) -> Exemplars:
    root = parse(read_text(path), str(path), path.parent)
    content = None if root is None else root.plain()
    if not isinstance(content, dict):
        raise _malformed(path, "it is no mapping")
    parts: dict[str, dict[str, tuple[str, ...]]] = {}
    for name in "exemplars", "interrogatives":
        given = content.get(name) or {}
        if not isinstance(given, dict):
            raise _malformed(path, f"`{name}` is no mapping")
        for kind, texts in given.items():
            if kind not in TYPES:
                raise XltError(
                    f"there is no type {kind!r} of questions", where=f"{path}: {name}",
                    fix=choose(str(kind), TYPES),
                )  # fmt: skip
            if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts):
                raise _malformed(path, f"`{name}.{kind}` is no list of texts")
        parts[name] = {kind: tuple(given[kind]) for kind in TYPES if given.get(kind)}
    missing = [kind for kind in TYPES if kind not in parts["exemplars"]]
    if missing:
        raise _malformed(path, f"there are no exemplars for {', '.join(missing)}")
    forms = {
        kind: tuple(form.casefold() for form in spelt)
        for kind, spelt in parts["interrogatives"].items()
    }
    ignored = content.get("ignored") or []
    if not isinstance(ignored, list) or not all(isinstance(t, str) and t for t in ignored):
        raise _malformed(path, "`ignored` is no list of texts")
    return Exemplars(code, parts["exemplars"], forms, tuple(t.casefold() for t in ignored))


def _malformed(path: Path, why: str) -> XltError:
    return XltError(
        f"this is no file of exemplars: {why}",
        where=path,
        fix="see tasks/question_generation/exemplars/eng.yaml for the form",
    )
