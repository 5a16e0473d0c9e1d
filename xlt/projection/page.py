"""Projections to look at: a text and its translation side by side, with labels and word links."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from xlt.display import direction
from xlt.html import macros
from xlt.projection.pair import AlignedPair, Outcome
from xlt.projection.project import Projected

_LETTER, _SPACE, _TOP, _BOTTOM = 8, 14, 14, 84


@dataclass
class Sample:
    """Some records of a stream, drawn evenly: half of them with something lost, if there are such.

    Its size does not grow with the stream, and the same stream gives the same sample.
    """

    size: int
    seed: int = 1
    _whole: list[Projected] = field(default_factory=list)
    _lossy: list[Projected] = field(default_factory=list)
    _seen: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def watch(self, stream: Iterable[Projected]) -> Iterator[Projected]:
        """The stream itself, sampled as it passes."""
        for one in stream:
            self.add(one)
            yield one

    def add(self, one: Projected) -> None:
        lossy = one.projection.document is None or any(o.reason for o in one.projection.outcomes)
        drawn, self._seen[lossy] = self._lossy if lossy else self._whole, self._seen[lossy] + 1
        if len(drawn) < self.size:
            drawn.append(one)
        elif (place := self._random.randrange(self._seen[lossy])) < self.size:
            drawn[place] = one

    def records(self) -> list[Projected]:
        lossy = self._lossy[: max(self.size // 2, self.size - len(self._whole))]
        return [*lossy, *self._whole[: self.size - len(lossy)]]


def write(projected: Sequence[Projected], output: str | Path) -> None:
    """One HTML page of these records. Raises XltError if it cannot be written."""
    from xlt.files import disk_error, publishing

    path = Path(output)
    try:
        with publishing(path) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(macros("projection").opening(path.stem))
            stream.writelines(figure(one) for one in projected)
            stream.write(macros("projection").closing())
    except OSError as error:
        raise disk_error(error, path) from error


def figure(one: Projected) -> str:
    """One record with all its texts."""
    texts = []
    for name, pair in one.pairs.items():
        outcomes = [o for o in one.projection.outcomes if o.text == name]
        texts.append((pair.warning, _source(pair, outcomes), _target(pair, outcomes), links(pair)))
    used = one.projection.document is not None
    return str(macros("projection").figure(one.source.id, used, texts))


def links(pair: AlignedPair) -> Markup:
    """Both texts in rows, linked words joined by lines that are darker the higher the score."""
    sides = [_places(pair.source.words), _places(pair.target.words)]
    width = max(edge for places in sides for _, edge in places) + _SPACE if any(sides) else 0
    lines = [
        (_middle(sides[0][i]), _TOP + 6, _middle(sides[1][j]), _BOTTOM - 14, f"{score:.2f}")
        for (i, j), score in pair.links.items()
    ]
    rows = ((pair.source, sides[0], _TOP), (pair.target, sides[1], _BOTTOM))
    words = [
        (_middle(place), y, word)
        for text, places, y in rows
        for word, place in zip(text.words, places, strict=True)
    ]
    return Markup(macros("projection").joined(f"{width:.0f}", _BOTTOM + 16, lines, words))


def _source(pair: AlignedPair, outcomes: Sequence[Outcome]) -> Markup:
    marks = [
        (o.source, o.kind, o.reason or f"{o.confidence:.2f}", o.reason is not None)
        for o in outcomes
    ]
    linked = [
        ", ".join(f"{pair.target.words[j]} {s:.2f}" for j, s in pair.by_source.get(i, {}).items())
        for i in range(len(pair.source.words))
    ]
    return _text(pair.source.words, marks, linked)


def _target(pair: AlignedPair, outcomes: Sequence[Outcome]) -> Markup:
    marks = [(o.target, o.kind, f"{o.confidence:.2f}", False) for o in outcomes if o.target]
    linked = [
        ", ".join(f"{pair.source.words[i]} {s:.2f}" for i, s in pair.by_target.get(j, {}).items())
        for j in range(len(pair.target.words))
    ]
    return _text(pair.target.words, marks, linked)


def _text(
    words: Sequence[str],
    marks: Sequence[tuple[tuple[int, int], str, str, bool]],
    linked: Sequence[str],
) -> Markup:
    """Words with marks around some, as displaCy draws entities; marks may lie inside others."""
    opened: dict[int, list[bool]] = {}
    closed: dict[int, list[tuple[str, str]]] = {}
    for (start, end), kind, note, lost in sorted(marks, key=lambda m: (m[0][0], -m[0][1])):
        opened.setdefault(start, []).append(lost)
        closed.setdefault(max(start, end - 1), []).insert(0, (kind, note))
    marked = [
        (opened.get(n, []), word, links, closed.get(n, []))
        for n, (word, links) in enumerate(zip(words, linked, strict=True))
    ]
    return Markup(macros("projection").marked(direction(words), marked))


def _places(words: Sequence[str]) -> list[tuple[float, float]]:
    """Where each word begins and ends in its row, in pixels."""
    places, x = [], float(_SPACE)
    for word in words:
        width = _LETTER * sum(1 + (ord(letter) > 0x2E80) for letter in word)
        places.append((x, x + width))
        x += width + _SPACE
    return places


def _middle(place: tuple[float, float]) -> str:
    return f"{sum(place) / 2:.0f}"
