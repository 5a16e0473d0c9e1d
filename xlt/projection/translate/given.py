"""`given`: translations that somebody has made already, from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from xlt.data.files import lines
from xlt.errors import XltError
from xlt.options import LocalPath
from xlt.projection.filled import filled
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions

if TYPE_CHECKING:
    from xlt.projection.translate.cache import Cache


class GivenOptions(TranslatorOptions):
    file: Annotated[str, LocalPath("always")] = Field(
        description="one translation a line; {source}, {target} and {part} (train, dev, test) in "
        "its name are filled in"
    )
    originals: Annotated[str, LocalPath("always")] | None = Field(
        default=None,
        description="the texts that `file` translates, line by line: translations are then found "
        "by text; without it line n is the translation of text n",
    )


class Given(Translator):
    """Line n of a file is the translation of text n, or of the same line in `originals`."""

    Options: ClassVar[type[TranslatorOptions]] = GivenOptions
    options: GivenOptions
    in_order = True

    def identity(self, source: str, target: str) -> str:
        return f"given {self.options.file}"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        return list(self.stream(texts, source, target))

    def stream(
        self,
        texts: Iterable[str],
        source: str,
        target: str,
        *,
        part: str = "",
        cache: Cache | None = None,
    ) -> Iterator[Translation]:
        """As `Translator.stream`; nothing is split or cached.

        Raises XltError at the end if there are more lines than texts, or fewer.
        """
        from xlt.projection.translate.guard import warning_for

        path = filled(self.options.file, source, target, part)
        if self.options.originals is None:
            pairs = _in_order(texts, path)
        else:
            pairs = _by_text(texts, path, filled(self.options.originals, source, target, part))
        for text, translation in pairs:
            yield Translation(translation, warning_for(text, translation, self.options))


def _in_order(texts: Iterable[str], path: Path) -> Iterator[tuple[str, str]]:
    given = lines(path)
    number = 0
    for number, text in enumerate(texts, 1):
        line = next(given, None)
        if line is None:
            raise XltError(
                f"the file has {number - 1} lines, but there is a text number {number}",
                where=f"{path}:{number}",
                fix="every text needs one line, in the order of the data; or name `originals`",
            )
        yield text, line[1].strip()
    if next(given, None) is not None:
        raise XltError(
            f"there are only {number} texts, but more lines",
            where=f"{path}:{number + 1}",
            fix="every text needs one line, in the order of the data; or name `originals`",
        )


def _by_text(texts: Iterable[str], path: Path, originals: Path) -> Iterator[tuple[str, str]]:
    known: dict[str, str] = {}
    given = lines(path)
    number = 0
    for number, original in lines(originals):
        line = next(given, None)
        if line is None:
            raise XltError(
                f"the file has {number - 1} lines, {originals.name} has more",
                where=f"{path}:{number}",
                fix="the two files must be parallel, line by line",
            )
        known.setdefault(_key(original), line[1].strip())
    if next(given, None) is not None:
        raise XltError(
            f"{originals.name} has only {number} lines",
            where=f"{path}:{number + 1}",
            fix="the two files must be parallel, line by line",
        )
    for text in texts:
        if _key(text) not in known:
            raise XltError(
                f"there is no translation of {text[:60]!r}",
                where=originals,
                fix="add the text to this file and its translation to the other",
            )
        yield text, known[_key(text)]


def _key(text: str) -> str:
    """A text without its spaces: how words were split must not matter."""
    return "".join(text.split())
