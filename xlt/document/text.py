"""A text as it was written, and where in it its words stand.

Nothing in xlt puts words together to guess what a text looked like: whoever reads a file keeps the
text, and whoever needs running text (a translator, a subword tokenizer) takes `Text.surface`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]

from xlt.scripts import is_spaceless

Offsets = tuple[int, int]
"""The first character of a word in the surface, and the one after its last."""

_SPACE = regex.compile(r"[\s\x1C-\x1F]*", regex.VERSION1)
"""What `str.isspace` calls so; Unicode has four separators less."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text and its words.

    surface: the text as it was written.
    words:   what annotation is attached to; none where nobody has split the text yet.
    offsets: of each word in the surface, in order. The words of a multiword token (*delle*: di,
        le) all have the token's, and need not be what is written there.
    joined:  the file had no surface but only words, which are joined here by single spaces, or by
        none in scripts that write none. What is between two words is then a guess.

    Raises ValueError for offsets that are out of order or outside the surface.
    """

    surface: str
    words: tuple[str, ...] = ()
    offsets: tuple[Offsets, ...] = ()
    joined: bool = False

    def __post_init__(self) -> None:
        if len(self.words) != len(self.offsets):
            raise ValueError(f"{len(self.words)} words, but {len(self.offsets)} offsets")
        before = (0, 0)
        for start, end in self.offsets:
            if not 0 <= start <= end <= len(self.surface):
                raise ValueError(f"a word from {start} to {end} in {len(self.surface)} characters")
            if start < before[1] and (start, end) != before:
                raise ValueError(f"words overlap at character {start}")
            before = start, end

    @classmethod
    def from_words(cls, words: Iterable[str], space_after: Sequence[bool] | None = None) -> Text:
        """The text of these words.

        space_after: whether white space follows each; without it the text is `joined`.
        """
        words = tuple(words)
        parts: list[str] = []
        offsets: list[Offsets] = []
        at = 0
        for number, word in enumerate(words):
            offsets.append((at, at + len(word)))
            if number + 1 == len(words):
                space = False
            elif space_after is not None:
                space = space_after[number]
            else:
                space = not (is_spaceless(word[-1:]) and is_spaceless(words[number + 1][:1]))
            parts.append(word + " " * space)
            at += len(word) + space
        return cls("".join(parts), words, tuple(offsets), joined=space_after is None)

    @classmethod
    def locate(cls, surface: str, words: Iterable[str]) -> Text:
        """The surface with these words in it, which make it up but for white space.

        White space within a word stands for any white space in the surface.
        Raises ValueError where the words are not those of the surface.
        """
        words = tuple(words)
        offsets: list[Offsets] = []
        at = 0
        for word in words:
            start = _SPACE.match(surface, at).end()
            at = _end_of(word, surface, start)
            offsets.append((start, at))
        if surface[at:].strip():
            raise ValueError(f"no word stands for {surface[at:].strip()[:40]!r}")
        return cls(surface, words, tuple(offsets))

    def with_multiword(self, words: Sequence[str], ranges: Iterable[tuple[int, int]]) -> Text:
        """The text with other words in the places of its own, which are tokens.

        ranges: of each token, the words [i, j) that it stands for; several where it is a multiword
            token (*delle*: di, le).
        """
        places = zip(self.offsets, ranges, strict=True)
        offsets = [place for place, (first, last) in places for _ in range(first, last)]
        return Text(self.surface, tuple(words), tuple(offsets), self.joined)

    @property
    def space_after(self) -> list[bool]:
        """For each word, whether white space (or the end) follows; False within a multiword token
        up to its last word."""
        following = [*(start for start, _ in self.offsets[1:]), None]
        return [
            start is None or start > end
            for (_, end), start in zip(self.offsets, following, strict=False)
        ]

    def between(self, first: int, last: int) -> str:
        """What is written from word `first` up to and without word `last`."""
        if first >= last:
            return ""
        return self.surface[self.offsets[first][0] : self.offsets[last - 1][1]]

    def words_at(self, start: int, end: int) -> tuple[int, int]:
        """The words that touch the characters from `start` to `end`: the first, and the one after
        the last; (0, 0) for none."""
        touched = [n for n, (a, b) in enumerate(self.offsets) if a < end and b > start]
        return (touched[0], touched[-1] + 1) if touched else (0, 0)


def _end_of(word: str, surface: str, start: int) -> int:
    """Where the word ends that begins at `start`. Raises ValueError where another one does."""
    if surface.startswith(word, start):
        return start + len(word)
    at = start
    for part in word.split():
        at = _SPACE.match(surface, at).end()
        if not surface.startswith(part, at):
            actual = surface[start : start + len(word) + 10]
            raise ValueError(f"the word {word!r} where the text has {actual!r}")
        at += len(part)
    return at
