"""Projections to look at: a text and its translation side by side, with labels and word links."""

from __future__ import annotations

import html
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xlt.display import direction
from xlt.projection.pair import AlignedPair, Outcome
from xlt.projection.project import Projected

_HEAD = """\
<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: system-ui, sans-serif; padding: 2rem; font-size: 16px }}
figure {{ border-top: 1px solid #ddd; margin: 0; padding: 1rem 0; overflow-x: auto }}
figcaption {{ color: #777; font-size: 0.8em }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; line-height: 2.2 }}
mark {{ background: #bfe1d9; padding: 0.3em; border-radius: 0.35em }}
mark.lost {{ background: #f5c6c6 }}
mark b {{ font-size: 0.7em; margin-left: 0.5em; vertical-align: middle }}
svg text {{ font-size: 13px }}
.warning {{ color: #a00 }}
</style></head><body>
<p>Green: labels that were kept, with their confidence. Red: labels that were lost, with the reason.
Hover over a word to see what it is linked to.</p>
"""
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


def write(found: Sequence[Projected], output: str | Path) -> None:
    """One HTML page of these records. Raises XltError if it cannot be written."""
    from xlt.files import disk_error

    path = Path(output)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(_HEAD.format(title=html.escape(path.stem)))
            stream.writelines(figure(one) for one in found)
            stream.write("</body></html>\n")
        part.replace(path)
    except OSError as error:
        raise disk_error(error, path) from error


def figure(one: Projected) -> str:
    """One record with all its texts."""
    parts = []
    for name, pair in one.pairs.items():
        outcomes = [o for o in one.projection.outcomes if o.text == name]
        warning = f'<p class="warning">{html.escape(pair.warning)}</p>' if pair.warning else ""
        parts.append(
            f'{warning}<div class="pair">{_source(pair, outcomes)}{_target(pair, outcomes)}</div>'
            f"{links(pair)}"
        )
    used = "" if one.projection.document is not None else " – not used"
    caption = f"<figcaption>{html.escape(one.source.id)}{used}</figcaption>"
    return f"<figure>{caption}{''.join(parts)}</figure>\n"


def links(pair: AlignedPair) -> str:
    """Both texts in rows, linked words joined by lines that are darker the higher the score."""
    sides = [_places(pair.source.words), _places(pair.target.words)]
    width = max(edge for places in sides for _, edge in places) + _SPACE if any(sides) else 0
    size = f'width="{width:.0f}" height="{_BOTTOM + 16}"'
    found = [f'<svg {size} xmlns="http://www.w3.org/2000/svg">']
    for (i, j), score in pair.links.items():
        found.append(
            f'<line x1="{_middle(sides[0][i])}" y1="{_TOP + 6}" x2="{_middle(sides[1][j])}" '
            f'y2="{_BOTTOM - 14}" stroke="#357" stroke-opacity="{score:.2f}"/>'
        )
    for words, places, y in (
        (pair.source.words, sides[0], _TOP),
        (pair.target.words, sides[1], _BOTTOM),
    ):
        for word, place in zip(words, places, strict=True):
            at = f'x="{_middle(place)}" y="{y}" text-anchor="middle"'
            found.append(f"<text {at}>{html.escape(word)}</text>")
    return "".join([*found, "</svg>"])


def _source(pair: AlignedPair, outcomes: Sequence[Outcome]) -> str:
    marks = [
        (o.source, o.kind, o.reason or f"{o.confidence:.2f}", o.reason is not None)
        for o in outcomes
    ]
    linked = [
        ", ".join(f"{pair.target.words[j]} {s:.2f}" for j, s in pair.by_source.get(i, {}).items())
        for i in range(len(pair.source.words))
    ]
    return _text(pair.source.words, marks, linked)


def _target(pair: AlignedPair, outcomes: Sequence[Outcome]) -> str:
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
) -> str:
    """Words with marks around some, as displaCy draws entities; marks may lie inside others."""
    opened: dict[int, list[str]] = {}
    closed: dict[int, list[str]] = {}
    for (start, end), kind, note, lost in sorted(marks, key=lambda m: (m[0][0], -m[0][1])):
        opened.setdefault(start, []).append('<mark class="lost">' if lost else "<mark>")
        label = f"<b>{html.escape(kind)} {html.escape(note)}</b></mark>"
        closed.setdefault(max(start, end - 1), []).insert(0, label)
    found = []
    for n, (word, links) in enumerate(zip(words, linked, strict=True)):
        text = f'<span title="{html.escape(links)}">{html.escape(word)}</span>'
        found.append("".join([*opened.get(n, []), text, *closed.get(n, [])]))
    return f'<div dir="{direction(words)}">{" ".join(found)}</div>'


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
