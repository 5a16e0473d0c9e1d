"""Figures of several runs, in pixels of SVG images; the templates draw them.

Whatever a figure shows stands in a table, too: who does not see it misses nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xlt.evaluation.study import duration
from xlt.report.curves import ticks

FOREST_WIDTH = 220
_FOREST_MARGIN = 8
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 96, 16, 8, 34
_LANE, _GAP = 14, 10


@dataclass(frozen=True)
class Axis:
    """From values to pixels. marks: (pixel, text)."""

    low: float
    high: float
    first: float
    last: float
    logarithmic: bool = False
    marks: Sequence[tuple[float, str]] = ()

    def __call__(self, value: float) -> float:
        low, high, value = (
            (math.log(one) if self.logarithmic else one) for one in (self.low, self.high, value)
        )
        share = (value - low) / ((high - low) or 1)
        return round(self.first + share * (self.last - self.first), 1)


def linear(values: Sequence[float], first: float, last: float) -> Axis:
    """An axis with round numbers from one that is at most the least value on."""
    at = ticks(min(values), max(values))
    axis = Axis(at[0], at[-1], first, last)
    return replace(axis, marks=[(axis(one), f"{one:g}") for one in at])


def logarithmic(values: Sequence[float], first: float, last: float) -> Axis:
    """An axis of durations, of which the shortest and the longest are written."""
    ends = list(dict.fromkeys((min(values), max(values))))
    axis = Axis(ends[0] / 1.1, ends[-1] * 1.1, first, last, True)
    return replace(axis, marks=[(axis(one), duration(one)) for one in ends])


def forest_axis(intervals: Sequence[tuple[float, float]]) -> Axis:
    """The axis of all differences, with 0 on it."""
    ends = [0.0, *(end for interval in intervals for end in interval)]
    return linear(ends, _FOREST_MARGIN, FOREST_WIDTH - _FOREST_MARGIN)


@dataclass(frozen=True)
class Point:
    """x, y and the ends of its interval in pixels; what it is of. group: number of its colour."""

    x: float
    y: float
    group: int
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Plot:
    """Points. rows: (pixel, text) of what stands at the left."""

    width: int
    height: int
    left: int
    x: Axis
    rows: Sequence[tuple[float, str]]
    points: Sequence[Point]
    groups: Sequence[str]
    y: Axis | None = None


@dataclass(frozen=True)
class Score:
    """What a point is of: a mean with the ends of its interval, where it has one."""

    place: str
    group: str
    text: str
    mean: float
    low: float | None
    high: float | None


def lanes(scores: Sequence[Score]) -> Plot:
    """A band for each place, in it a lane for each group; intervals where a lane has one point."""
    groups = list(dict.fromkeys(one.group for one in scores))
    places = list(dict.fromkeys(one.place for one in scores))
    sizes = Counter((one.place, one.group) for one in scores)
    drawn = [
        one if sizes[one.place, one.group] == 1 else replace(one, low=None, high=None)
        for one in scores
    ]
    ends = [end for one in drawn for end in (one.mean, one.low, one.high) if end is not None]
    x = linear(ends, _LEFT, _WIDTH - _RIGHT)
    band = _LANE * len(groups) + _GAP
    points = []
    for one in drawn:
        group = groups.index(one.group)
        lane = places.index(one.place) * band + group * _LANE
        y = _TOP + lane + _LANE / 2 + _GAP / 2
        interval = (None if end is None else x(end) for end in (one.low, one.high))
        points.append(Point(x(one.mean), y, group, one.text, *interval))
    rows = [(_TOP + n * band + band / 2 + 4, place) for n, place in enumerate(places)]
    height = _TOP + band * len(places) + _BOTTOM
    return Plot(_WIDTH, height, _LEFT, x, rows, points, groups)


def cost(scores: Sequence[tuple[float, Score]]) -> Plot:
    """Scores over seconds."""
    groups = list(dict.fromkeys(one.group for _, one in scores))
    x = logarithmic([max(one, 0.1) for one, _ in scores], 60, 404)
    y = linear([one.mean for _, one in scores], 220 - _BOTTOM, _TOP)
    points = [
        Point(x(max(seconds, 0.1)), y(one.mean), groups.index(one.group), one.text)
        for seconds, one in scores
    ]
    return Plot(420, 220, 60, x, (), points, groups, y)
