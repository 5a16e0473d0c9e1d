"""`xlt report` of a study, or of several runs: what came out, side by side in one HTML page."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from xlt import __version__
from xlt.errors import XltError
from xlt.evaluation.report import Table, score_cell
from xlt.evaluation.source_choice import choice_table, notes
from xlt.evaluation.square import sentences
from xlt.evaluation.study import (
    Conclusion,
    by_place,
    conclusions,
    duration,
    factor_value,
    mean,
    opponent,
)
from xlt.files import refuse_overwriting, write_text, writing
from xlt.html import template
from xlt.report import figures, images
from xlt.report.curves import chart
from xlt.report.labels import read_labels
from xlt.report.run import MAX_BYTES, data_row
from xlt.report.stages import Stage, Stages, read_stages
from xlt.report.tables import (
    as_csv,
    as_latex,
    as_markdown,
    by_family,
    conclusion_table,
    cost_table,
    differences,
    every_table,
    named_by_family,
    ranked,
    regret_table,
    sample,
    score_tables,
    square_tables,
)
from xlt.results import read_manifest
from xlt.runs.cells import SOURCE, STRATEGY, Cells
from xlt.runs.regret import regret_of
from xlt.runs.table import tabulate

log = logging.getLogger(__name__)

FORMATS = {"latex": ".tex", "markdown": ".md", "csv": ".csv"}
"""Of the tables, beside the page → suffix of the file; `images.FORMATS` are those of figures."""
MAX_OPEN = 3
"""Targets whose tables are open when the page is."""


def report(cells: Cells, output: Path, formats: Sequence[str] = ()) -> dict[str, Any]:
    """Write the page of several runs, and their tables and figures in further formats beside it.

    formats: of `FORMATS` and `images.FORMATS`.
    Returns, JSON-able: "output", the files, figures last; "cells", how many there are, "finished",
    how many of them are on the page; "left_out", name → why.
    Raises XltError where no cell is finished, and for a figure that cannot be drawn.
    """
    if not cells.finished:
        name, why = next(iter(_absent(cells).items()))
        raise XltError(
            f"no cell is finished, so there is nothing to report ({name}: {why})",
            where=cells.title,
            fix="run the cells (`xlt study`); to have those of other settings, name the settings",
        )
    result = by_family(tabulate(cells))
    if not result["rows"]:
        raise XltError(
            "the runs have no scores",
            where=cells.title,
            fix="add test data of the targets (`data.TARGET.test`), and run them again",
        )
    stages = read_stages(cells.finished)
    regrets = _regrets(cells, result)
    groups = _colour(result)
    drawings = _Drawings(
        grids=_heat(result),
        forests=_forest(result),
        lanes=_dots(result, groups) if groups not in (SOURCE, "cell") else None,
        costs=_costs(result, groups, stages),
        curves=list(_curves(stages)),
    )
    of_tables = [one for one in formats if one in FORMATS]
    of_figures = [one for one in formats if one in images.FORMATS]
    drawn = images.drawn(drawings.images(groups), of_figures, output)
    paths = [output, *(output.with_suffix(FORMATS[one]) for one in of_tables)]
    own = [path for cell in cells.finished.values() for path in cell.folder.rglob("*")]
    refuse_overwriting([*paths, *drawn], own)
    found = list(conclusions(result, stages.seconds))
    tables = list(every_table(result, stages.seconds, regrets))
    write = {
        "latex": lambda: as_latex(tables),
        "markdown": lambda: as_markdown(cells.title, found, tables),
        "csv": lambda: as_csv(result, stages.seconds),
    }
    page = _page(cells, result, stages, regrets, found, drawings)
    texts = [page, *(write[one]() for one in of_tables)]
    for path, text in zip(paths, texts, strict=True):
        with writing(path):
            write_text(path, text)
    images.write(drawn)
    return {
        "output": [str(path) for path in (*paths, *drawn)],
        "cells": len(cells.names),
        "finished": len(cells.finished),
        "left_out": _absent(cells),
    }


@dataclass(frozen=True)
class _Drawings:
    """What is drawn. costs: (place, figure). curves: "name", "key", "drawn" and "said" of each."""

    grids: Sequence[dict[str, Any]]
    forests: Sequence[dict[str, Any]]
    lanes: figures.Plot | None
    costs: Sequence[tuple[str, figures.Plot]]
    curves: Sequence[dict[str, Any]]

    def images(self, factor: str) -> Iterator[images.Image]:
        """The same for files. factor: what colours tell apart."""
        for grid in self.grids:
            yield images.of_heat("scores", grid["about"].caption, grid)
        if self.lanes is not None:
            title = f"Scores by {factor} and target, in percent, with 95 % intervals"
            yield images.of_plot(f"scores-by-{factor}", title, self.lanes)
        for one in self.forests:
            yield images.of_forest(f"differences-{one['place']}", one["caption"], one["table"], one)
        for place, plot in self.costs:
            title = f"{place}: score in percent by training time of one seed"
            yield images.of_plot(f"cost-{place}", title, plot)
        for one in self.curves:
            title = f"{one['name']} ({one['key']}): score on dev data in percent, by step"
            yield images.of_chart(f"curve-{one['name']}-{one['key']}", title, one["drawn"])


def _page(
    cells: Cells,
    result: dict[str, Any],
    stages: Stages,
    regrets: dict[str, Any] | None,
    found: Sequence[Conclusion],
    drawings: _Drawings,
) -> str:
    costs = cost_table(result, stages.seconds)
    errors = read_labels(cells, result)
    page = partial(
        template("study").render,
        version=__version__,
        name=cells.title,
        about=_about(cells, result),
        conclusions=conclusion_table(found) if found else None,
        grids=drawings.grids,
        opponent=opponent(result),
        differences=drawings.forests,
        forest_width=figures.FOREST_WIDTH,
        sample=sample(result),
        factor=_colour(result),
        lanes=drawings.lanes,
        squares=[
            (one["target"], square_tables(one), list(sentences(one))) for one in result["squares"]
        ],
        cost=costs,
        costs=drawings.costs,
        total=duration(stages.total) if stages.total else "",
        untimed=_untimed(result, stages),
        sources=choice_table(result["sources"]) if result["sources"] else None,
        chosen=notes(result["sources"]),
        regret=regret_table(regrets) if regrets else None,
        predicted=sorted({one["predicted"] for one in regrets["targets"]}) if regrets else [],
        stages=_forest_of_stages(stages),
        unknown=stages.unknown,
        curves=drawings.curves,
        labels=errors.tables,
        problems=errors.problems,
        unread=errors.unread,
        data=_data(cells),
        absent=_absent(cells),
    )
    room = MAX_BYTES - len(page(confusions=[], hidden=0).encode())
    shown: list[str] = []
    for number, text in enumerate(errors.confusions):
        room -= len(text.encode())
        if room < 0:
            return page(confusions=shown, hidden=len(errors.confusions) - number)
        shown.append(text)
    return page(confusions=shown, hidden=0)


def _about(cells: Cells, result: Mapping[str, Any]) -> dict[str, str]:
    finished = list(cells.finished.values())
    settings = {
        name: list(dict.fromkeys(cell.settings[name] for cell in finished))
        for name in ("encoder", STRATEGY)
    }
    languages = [row["target"] for row in result["rows"]]
    languages += [code for cell in finished for code in cell.result["source"]]
    return {
        "task": finished[0].result["task"],
        **{name: ", ".join(values) for name, values in settings.items()},
        "cells": f"{len(finished)} of {len(cells.names)} finished",
        "differ in": ", ".join(result["factors"]) or "nothing",
        "languages": named_by_family(languages),
        "scored on": sample(result),
        "selected on": ", ".join({one.result.get("selection", "?"): None for one in finished}),
    }


def _absent(cells: Cells) -> dict[str, str]:
    """Cell → why it is not on the page."""
    stale = {n: f"its run has another config ({', '.join(k)})" for n, k in cells.stale.items()}
    known = {**stale, **cells.left_out}
    return {
        name: known.get(name, "not finished") for name in cells.names if name not in cells.finished
    }


def _regrets(cells: Cells, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the cells differ in their source."""
    if SOURCE not in result["factors"]:
        return None
    try:
        found = regret_of([cell.folder for cell in cells.finished.values()])
    except (XltError, FileNotFoundError) as error:  # a damaged manifest, say, or none
        log.warning("what was predicted of the sources is left out: %s", error)
        return None
    return found if found["compared"] else None


# Scores ------------------------------------------------------------------------------------------


def _heat(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of scores whose cells have a shade: 0 for the lowest of all, 1 for the highest."""
    found = []
    tables = score_tables(result)
    scores = [_number(cell) for one in tables for row in one.table.rows for cell in row[1:] if cell]
    low, high = min(scores), max(scores)
    for one in tables:
        rows = [
            (
                row[0],
                [
                    (
                        cell,
                        f"{(_number(cell) - low) / ((high - low) or 1):.2f}" if cell else "",
                        (number, column) in one.table.best,
                    )
                    for column, cell in enumerate(row[1:], 1)
                ],
            )
            for number, row in enumerate(one.table.rows)
        ]
        found.append({"about": one, "header": one.table.header, "rows": rows})
    return found


def _number(cell: str) -> float:
    return float(cell.split()[0])


def _forest(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of differences, and what is drawn in each row: all on one axis."""
    known = [row["against"] for row in result["rows"] if row["against"]]
    if not known:
        return []
    axis = figures.forest_axis([(one["low"], one["high"]) for one in known])
    tables = differences(result)
    drawn = []
    for place, rows in by_place(result).items():
        marks = [
            None
            if row["against"] is None
            else {
                **{end: axis(row["against"][end]) for end in ("low", "high", "difference")},
                "sure": row["against"]["sure"],
            }
            for row in ranked(rows, result["metric"])
        ]
        drawn.append(
            {
                "place": " ".join(place),
                "caption": tables[place].caption,
                "table": tables[place].table,
                "marks": marks,
                "axis": axis,
                "zero": axis(0.0),
                "open": len(tables) <= MAX_OPEN,
            }
        )
    return drawn


def _colour(result: Mapping[str, Any]) -> str:
    """The factor that colours tell apart."""
    factors = list(result["factors"])
    if STRATEGY in factors:
        return STRATEGY
    return next((one for one in factors if one != SOURCE), factors[0] if factors else "cell")


def _score(result: Mapping[str, Any], row: Mapping[str, Any], factor: str) -> figures.Score:
    score = row["metrics"][result["metric"]]
    said = score_cell(score)
    return figures.Score(
        f"{row['target']} {row['split']}",
        factor_value(result, factor, row["cell"]),
        f"{row['cell']} on {row['target']}: {said}, {score['seeds']} seeds",
        mean(row, result["metric"]),
        score.get("low"),
        score.get("high"),
    )


def _dots(result: Mapping[str, Any], factor: str) -> figures.Plot:
    return figures.lanes([_score(result, row, factor) for row in result["rows"]])


def _costs(
    result: Mapping[str, Any], factor: str, stages: Stages
) -> list[tuple[str, figures.Plot]]:
    """Place → a figure of those cells whose time is known, where there are two."""
    plots = []
    for (target, split), rows in by_place(result).items():
        points = [
            (stages.seconds[row["cell"], target], _score(result, row, factor))
            for row in rows
            if (row["cell"], target) in stages.seconds
        ]
        if len(points) > 1:
            plots.append((f"{target} {split}", figures.cost(points)))
    return plots


def _untimed(result: Mapping[str, Any], stages: Stages) -> list[str]:
    cells = dict.fromkeys((row["cell"], row["target"]) for row in result["rows"])
    return [f"{cell} ({target})" for cell, target in cells if (cell, target) not in stages.seconds]


# Stages ------------------------------------------------------------------------------------------


def _first_seed(stages: Stages) -> int:
    return min((stage.seed for stage in stages.first.values()), default=0)


def _forest_of_stages(stages: Stages) -> list[dict[str, Any]]:
    return [_tree(stage) for stage in stages.of_seed(_first_seed(stages))]


def _tree(stage: Stage) -> dict[str, Any]:
    curve = stage.curve
    return {
        "name": stage.name,
        "key": stage.key[:8],
        "trained": stage.trained,
        "time": "" if stage.seconds is None else duration(stage.seconds),
        "kept": None if curve is None else curve.kept,
        "problem": stage.problem,
        "ends": stage.ends,
        "after": [_tree(one) for one in stage.after.values()],
    }


def _curves(stages: Stages) -> Iterator[dict[str, Any]]:
    """Of one seed. A stage of which many cells make use is there once."""
    for first in stages.of_seed(_first_seed(stages)):
        for stage in first.all():
            curve = stage.curve
            if curve is None or not any(curve.scores.values()):
                continue
            yield {
                "name": stage.name,
                "key": stage.key[:8],
                "drawn": chart(curve.scores, curve.kept),
                "said": "; ".join(
                    f"{name}: {values[0][1]:.1f} after {values[0][0]:.0f} steps, highest "
                    f"{max(value for _, value in values):.1f}, last {values[-1][1]:.1f} after "
                    f"{values[-1][0]:.0f}"
                    for name, values in curve.scores.items()
                    if values
                ),
            }


def _data(cells: Cells) -> Table:
    """What the runs were made on, each once, and by how many cells."""
    used: dict[tuple[str, ...], int] = {}
    for cell in cells.finished.values():
        try:
            manifest = read_manifest(cell.folder)
        except (XltError, FileNotFoundError) as error:
            log.warning("the data of %s are left out: %s", cell.name, error)
            continue
        for row in {data_row(one) for one in manifest["data"]}:
            used[row] = used.get(row, 0) + 1
    header = ("language", "split", "data", "licence", "SHA-256", "cells")
    lines = tuple((*row, str(number)) for row, number in sorted(used.items()))
    return Table(header, lines, frozenset((5,)))
