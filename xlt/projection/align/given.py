"""`given`: links that somebody has made already, from a file in the Pharaoh format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from xlt.data.files import lines
from xlt.data.numbers import MAX_DIGITS, decimal
from xlt.errors import XltError
from xlt.options import LocalPath
from xlt.projection.align.base import Aligner, AlignerOptions, WordPair
from xlt.projection.filled import filled
from xlt.projection.pair import Links

_LINK = re.compile(rf"([0-9]{{1,{MAX_DIGITS}}})([-p])([0-9]{{1,{MAX_DIGITS}}})(?::([^:]+))?")


class GivenOptions(AlignerOptions):
    file: Annotated[str, LocalPath("always")] = Field(
        description="one pair a line: `0-0 1-2`, source word, target word, both from 0; "
        "`1-2:0.8` has a score. {source}, {target} and {part} in its name are filled in"
    )
    reverse: bool = Field(default=False, description="the file has the target word first")


class Given(Aligner):
    """Line n of a Pharaoh file holds the links of pair n."""

    Options: ClassVar[type[AlignerOptions]] = GivenOptions
    options: GivenOptions
    in_order = True

    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        return list(self.stream(pairs, source, target))

    def stream(
        self, pairs: Iterable[WordPair], source: str, target: str, *, part: str = ""
    ) -> Iterator[Links]:
        """As `Aligner.stream`.

        Raises XltError with ``file:line``: malformed link, no such word, more or fewer lines.
        """
        path = filled(self.options.file, source, target, part)
        given = lines(path)
        number = 0
        for number, pair in enumerate(pairs, 1):
            line = next(given, None)
            if line is None:
                raise XltError(
                    f"the file has {number - 1} lines, but there is a pair number {number}",
                    where=f"{path}:{number}",
                    fix="every pair of sentences needs one line, in order; it may be empty",
                )
            links = parse(line[1], where=f"{path}:{number}", reverse=self.options.reverse)
            _check(links, pair, f"{path}:{number}")
            yield links
        if next(given, None) is not None:
            raise XltError(
                f"there are only {number} pairs, but more lines",
                where=f"{path}:{number + 1}",
                fix="every pair of sentences needs one line, in order",
            )


def parse(line: str, *, where: object, reverse: bool = False) -> dict[tuple[int, int], float]:
    """The links of a Pharaoh line; a link without a score has 1, a possible one (`1p2`) 0.5."""
    links = {}
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise XltError(
                f"{text!r:.60} is no link",
                where=where,
                fix="write `0-1`, or `0-1:0.8` with a score",
            )
        one, mark, other, score = match.groups()
        value = decimal(score) if score else (1.0 if mark == "-" else 0.5)
        if value is None or not 0 < value <= 1:
            raise XltError(
                f"the score of {text!r:.60} is no number between 0 and 1",
                where=where,
                fix="leave the link out, or scale the scores",
            )
        ends = (int(other), int(one)) if reverse else (int(one), int(other))
        links[ends] = value
    return links


def _check(links: Links, pair: WordPair, where: str) -> None:
    for i, j in links:
        for index, words, side in ((i, pair[0], "source"), (j, pair[1], "target")):
            if index >= len(words):
                raise XltError(
                    f"link {i}-{j}: the {side} has {len(words)} words, the last is number "
                    f"{len(words) - 1}",
                    where=where,
                    fix="the links must be of this data, tokenised like it, counted from 0"
                    + ("" if index != len(words) else " (these seem to be counted from 1)"),
                )
