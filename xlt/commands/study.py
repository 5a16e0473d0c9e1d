"""xlt study"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from xlt.commands.arguments import ConfigFile, Overrides
from xlt.console import console


def study(
    config: ConfigFile,
    overrides: Overrides = None,
    only_table: Annotated[
        bool, typer.Option("--table", help="Run nothing; the table of what is finished.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Forget what the cells' folders hold.")
    ] = False,
) -> None:
    """Run the cells of a study that are not finished, and print one table.

    The file is a config with a key `study`: `cells` (name → what differs) or `matrix` (key →
    values). What is finished is not run again, what was interrupted is resumed.
    """
    from xlt.config.study import load_study
    from xlt.runs.study import study, table

    console.log()
    definition = load_study(config, overrides or ())
    result = (
        table(definition)
        if only_table
        else study(definition, overwrite=overwrite, quiet=console.quiet)
    )
    console.result(result, _table)


def _table(result: dict[str, Any]) -> Iterator[str]:
    from xlt.evaluation.report import Table, score_cell

    rows = []
    for row in result["rows"]:
        against = row["against"]
        change = ""
        if against is not None:
            sure = " *" if against["low"] > 0 or against["high"] < 0 else ""
            change = "{difference:+z.1f} [{low:+z.1f}, {high:+z.1f}]".format(**against) + sure
        score = score_cell(row["metrics"][result["metric"]])
        rows.append((row["target"], row["split"], row["cell"], score, change))
    if rows:
        header = ("target", "split", "cell", result["metric"], f"against {result['baseline']}")
        yield Table(header, tuple(rows), frozenset((3, 4))).text()
        yield "95 % paired bootstrap over records; * leaves out zero"
        yield from _best(result)
    missing = [name for name, done in result["cells"].items() if not done]
    if missing:
        yield f"not finished: {', '.join(missing)}"


def _best(result: dict[str, Any]) -> Iterator[str]:
    """One sentence a target: which cell to take, and whether the baseline would do as well."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault((row["target"], row["split"]), []).append(row)
    for (target, split), rows in groups.items():
        if len(rows) < 2:
            continue
        best = max(rows, key=lambda row: float(row["metrics"][result["metric"]]["mean"]))
        against = best["against"]
        if against is None:
            verdict = "no other cell scores higher"
        else:
            sure = "better" if against["low"] > 0 else "not for sure better"
            verdict = f"{sure} than {result['baseline']}"
        yield f"{target} {split}: take {best['cell']} ({verdict})"
