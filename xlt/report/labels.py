"""What several runs got wrong: scores of each label side by side, and what was taken for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlt.config.load import LoadedConfig, load_config
from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.evaluation.study import by_place
from xlt.html import macros
from xlt.report.errors import Found, read_errors
from xlt.report.tables import Captioned, ranked
from xlt.results import CONFIG
from xlt.runs.cells import Cells
from xlt.task import Task, make_task

MAX_LABELS = 12
"""In the table of one target; the most frequent ones. As many confusions of each cell are shown."""
MAX_RECORDS = 20_000
"""Whose predictions are read again, of all cells together: some ten seconds."""

Place = tuple[str, str]
"""Target and split."""


@dataclass
class Labels:
    """tables: one a target and layer. confusions: HTML, one a cell, target and layer; the best cell
    of each target and what it is compared with first. problems: cell and target → why it has none.
    unread: of how many cells and targets nothing was read."""

    tables: list[Captioned] = field(default_factory=list)
    confusions: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    unread: int = 0


def read_labels(cells: Cells, result: Mapping[str, Any]) -> Labels:
    """What the first seed's model of every cell got wrong, as long as there is time for it."""
    labels = Labels()
    found: dict[Place, dict[str, Found]] = defaultdict(dict)
    loaded: dict[str, tuple[LoadedConfig, Task]] = {}
    read = 0
    for name, row in _by_importance(cells, result):
        place = row["target"], row["split"]
        cell = cells.finished[name]
        if read > MAX_RECORDS:
            labels.unread += 1
            continue
        try:
            if name not in loaded:
                config = load_config(cell.folder / CONFIG)
                loaded[name] = config, make_task(config.config)
            one = read_errors(cell.folder, *loaded[name], cell.result, row, 0)
        except XltError as error:
            labels.problems[f"{name} ({' '.join(place)})"] = error.what
            continue
        read += one.total
        found[place][name] = one
    important: list[str] = []
    others: list[str] = []
    write = macros("study_parts").confusions
    for place, rows in by_place(result).items():
        here = found[place]
        order = [row["cell"] for row in ranked(rows, result["metric"]) if row["cell"] in here]
        for key in dict.fromkeys(key for one in here.values() for key in one.tallies):
            where = f"{' '.join(place)}, {key}"
            table = _scores({name: here[name] for name in order}, key)
            if table is not None:
                labels.tables.append(Captioned(f"{where}: F1 of each label, first seed", table))
            for name in order:
                confused = _confusions(here[name], key)
                if confused is not None:
                    first = name in (order[0], result["baseline"].get(place[0]))
                    text = write(f"{name} on {where}", confused)
                    (important if first else others).append(text)
    labels.confusions = [*important, *others]
    return labels


def _by_importance(cells: Cells, result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Cells with the first seed's row of each target: the best of every target and the baselines
    first, then the others by their means."""
    rows: dict[tuple[str, Place], dict[str, Any]] = {}
    for name, cell in cells.finished.items():
        for row in cell.result["rows"]:
            if row["primary"] and row["seed"] is not None:
                rows.setdefault((name, (row["target"], row["split"])), row)
    order: dict[tuple[str, Place], int] = {}
    for place, some in by_place(result).items():
        for number, one in enumerate(ranked(some, result["metric"])):
            is_baseline = one["cell"] == result["baseline"].get(place[0])
            order[one["cell"], place] = 0 if is_baseline else number
    for key in sorted(order, key=lambda one: order[one]):
        if key in rows:
            yield key[0], rows[key]


def _scores(found: Mapping[str, Found], key: str) -> Table | None:
    """Cells in rows, labels in columns, the most frequent of gold first."""
    tallies = {name: one.tallies[key] for name, one in found.items() if key in one.tallies}
    if not tallies:
        return None
    gold = next(iter(tallies.values())).labels
    labels = sorted(
        (one for one in gold if one and gold[one].gold), key=lambda one: (-gold[one].gold, one)
    )[:MAX_LABELS]
    if not labels:
        return None
    header = ("cell", *(f"{label} ({gold[label].gold:,})" for label in labels))
    rows = [
        (name, *(f"{t.labels[one].f1:.1f}" if one in t.labels else "" for one in labels))
        for name, t in tallies.items()
    ]
    best = set()
    for column, label in enumerate(labels, 1):
        values = [t.labels[label].f1 if label in t.labels else 0.0 for t in tallies.values()]
        if len(values) > 1:
            best |= {(n, column) for n, value in enumerate(values) if value == max(values)}
    return Table(header, tuple(rows), frozenset(range(1, len(header))), frozenset(best))


def _confusions(found: Found, key: str) -> Table | None:
    """The most frequent errors: gold label, what was predicted there, how often."""
    tally = found.tallies.get(key)
    if tally is None:
        return None
    wrong = {pair: n for pair, n in tally.confusion.items() if pair[0] != pair[1]}
    wrong |= {(label, "(other words)"): n for label, n in tally.elsewhere.items()}
    most = sorted(wrong.items(), key=lambda one: (-one[1], str(one[0])))[:MAX_LABELS]
    if not most or all(not (gold or said) for (gold, said), _ in most):
        return None
    rows = tuple(
        (
            "(nothing)" if gold is None else gold,
            "(nothing)" if said is None else said,
            f"{n:,}",
            f"{100 * n / tally.labels[gold].gold:.0f} %" if gold in tally.labels else "",
        )
        for (gold, said), n in most
    )
    return Table(("gold", "predicted", "number", "of gold"), rows, frozenset((2, 3)))
