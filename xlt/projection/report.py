"""The yield of a projection: what was kept, what was lost and why, by what it depends on."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlt.projection.pair import AlignedPair
from xlt.projection.project import Projected

LENGTHS = {"1 word": 1, "2 words": 2, "3 words": 3, "4–5 words": 5, "6–10 words": 10, "more": 10**9}
"""Groups of labels by the words they have in the source: name → most words."""

MOVES = {"≤ 0.5": 0.5, "≤ 1": 1, "≤ 2": 2, "≤ 4": 4, "≤ 8": 8, "more": 1e9, "no links": 1e10}
"""Groups of texts by how many places a word moves in the translation: name → most places."""

BINS = 10
"""Of the confidence histogram, from 0 to 1."""

_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass
class Tally:
    """Labels that were kept, and the others by reason."""

    kept: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.kept + self.lost.total()

    def add(self, reason: str | None) -> None:
        if reason is None:
            self.kept += 1
        else:
            self.lost[reason] += 1

    def as_dict(self) -> dict[str, Any]:
        return {"labels": self.total, "kept": self.kept, "lost": dict(self.lost.most_common())}


@dataclass
class ProjectionStatistics:
    """Counts of a stream of projected records. Its size does not grow with the stream."""

    records: int = 0
    used: int = 0
    labels: Tally = field(default_factory=Tally)
    types: dict[str, Tally] = field(default_factory=dict)
    lengths: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in LENGTHS})
    moves: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in MOVES})
    confidence: list[int] = field(default_factory=lambda: [0] * BINS)
    warnings: Counter[str] = field(default_factory=Counter)

    def add(self, one: Projected) -> None:
        self.records += 1
        self.used += one.projection.document is not None
        moves = {}
        for name, pair in one.pairs.items():
            moves[name] = _group(movement(pair), MOVES)
            if pair.warning:  # those that differ in their numbers only are one
                self.warnings[_NUMBER.sub("n", pair.warning)] += 1
        for outcome in one.projection.outcomes:
            length = _group(outcome.source[1] - outcome.source[0], LENGTHS)
            move = self.moves[moves.get(outcome.text, "no links")]
            kind = self.types.setdefault(outcome.kind, Tally())
            for tally in (self.labels, kind, self.lengths[length], move):
                tally.add(outcome.reason)
            if outcome.confidence is not None:
                self.confidence[min(BINS - 1, int(outcome.confidence * BINS))] += 1

    def watch(self, stream: Iterable[Projected]) -> Iterator[Projected]:
        """The stream itself, counted as it passes."""
        for one in stream:
            self.add(one)
            yield one

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; groups in the order in which a person reads them."""
        types = sorted(self.types.items(), key=lambda item: (-item[1].total, item[0]))
        tables = {"type": dict(types), "length": self.lengths, "places moved": self.moves}
        return {
            "records": self.records,
            "used": self.used,
            **self.labels.as_dict(),
            "by": {
                by: {name: tally.as_dict() for name, tally in table.items() if tally.total}
                for by, table in tables.items()
            },
            "confidence": self.confidence,
            "warnings": dict(self.warnings.most_common()),
        }


def movement(pair: AlignedPair) -> float:
    """Places that a linked word moves, on average, if both texts are drawn as long as the source;
    more than any number for a pair without links."""
    if not pair.links:
        return MOVES["no links"]
    stretch = len(pair.target.words) / len(pair.source.words)
    moved = [abs((j + 0.5) / stretch - (i + 0.5)) for i, j in pair.links]
    return sum(moved) / len(moved)


def lines(report: Mapping[str, Any]) -> list[str]:
    """`ProjectionStatistics.as_dict` for a person: a few tables."""
    used, records, kept, labels = (report[k] for k in ("used", "records", "kept", "labels"))
    rows = [
        f"{used} of {records} records ({_percent(used, records)}), "
        f"{kept} of {labels} labels ({_percent(kept, labels)})"
    ]
    reasons = list(report["lost"])
    for by, groups in report["by"].items():
        if not groups:
            continue
        width = max([len(by), *(len(name) for name in groups)])
        rows += ["", f"{by:<{width}}  labels     kept" + "".join(f"  {r:>9}" for r in reasons)]
        for name, group in groups.items():
            lost = "".join(f"  {group['lost'].get(r, 0):>9}" for r in reasons)
            share = _percent(group["kept"], group["labels"])
            rows.append(f"{name:<{width}}  {group['labels']:>6}  {share:>7}{lost}")
    most = max(report["confidence"])
    if most:
        rows += ["", "confidence  labels"]
        for n, count in enumerate(report["confidence"]):
            bar = "█" * round(40 * count / most)
            rows.append(f"{n / BINS:.1f} – {(n + 1) / BINS:.1f}  {count:>7}  {bar}".rstrip())
    rows += [f"warning: {number} translations: {w}" for w, number in report["warnings"].items()]
    return rows


def _group(value: float, groups: Mapping[str, float]) -> str:
    return list(groups)[bisect_left(list(groups.values()), value)]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
