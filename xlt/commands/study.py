"""xlt study"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, ConfigFile, Overrides, Reuse
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
    reuse: Reuse = False,
    allow: Allow = None,
) -> None:
    """Run the cells of a study that are not finished, and print one table.

    The file is a config with a key `study`: `cells` (name → what differs) or `matrix` (key →
    values). What is finished is not run again, what was interrupted is resumed. A cell that fails
    does not stop the others; what failed is told at the end.
    """
    from xlt.config.study import load_study
    from xlt.errors import XltError, raise_all
    from xlt.runs.study import study, table

    console.log()
    definition = load_study(config, overrides or ())
    with console.consent(allow):
        result = (
            table(definition)
            if only_table
            else study(definition, overwrite=overwrite, reuse=reuse, quiet=console.quiet)
        )
    console.result(result, _table)
    failures = chain.from_iterable(result.get("failed", {}).values())
    raise_all([XltError(one["what"], where=one["where"], fix=one["fix"]) for one in failures])


def _table(result: dict[str, Any]) -> Iterator[str]:
    from xlt.evaluation.report import Table, p_value, scope, score_cell

    rows, compared = [], []
    for row in result["rows"]:
        against = row["against"]
        change, p = "", ""
        if against is not None:
            compared.append(against)
            change = "{difference:+z.1f} [{low:+z.1f}, {high:+z.1f}]".format(**against)
            p = p_value(against["p_adjusted"]) + (" *" if against["sure"] else "  ")
        score = score_cell(row["metrics"][result["metric"]], interval=False)
        rows.append((row["target"], row["split"], row["cell"], score, change, p))
    if rows:
        p_name = "adjusted p  " if len(compared) > 1 else "p  "
        header = ("target", "split", "cell", result["metric"], f"against {result['baseline']}")
        yield Table((*header, p_name), tuple(rows), frozenset((3, 4, 5))).text()
        yield from scope(compared, f"differs from {result['baseline']} for sure")
        yield from _best(result)
    stale = result["stale"]
    missing = [name for name, done in result["cells"].items() if not done and name not in stale]
    if missing:
        yield f"not finished: {', '.join(missing)}"
    for name, keys in stale.items():
        yield (
            f"{name} is left out: its run has a different config ({', '.join(keys)}); "
            + (
                "the study adds seeds; to have fewer, --overwrite, or another `name`"
                if keys == ["seeds"]
                else "--overwrite runs it as the file says now, another `name` keeps both"
            )
        )


def _best(result: dict[str, Any]) -> Iterator[str]:
    """One sentence a target: which cell has the highest mean, and whether that is to be trusted.

    A cell is only said to be the one to take where it is surely better than the baseline.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault((row["target"], row["split"]), []).append(row)
    for (target, split), rows in groups.items():
        if len(rows) < 2:
            continue
        best = max(rows, key=lambda row: float(row["metrics"][result["metric"]]["mean"]))
        against, baseline = best["against"], result["baseline"]
        here = f"{target} {split}:"
        if best["cell"] == baseline:
            yield f"{here} no cell has a higher mean than {baseline}"
        elif against is None:
            yield f"{here} {best['cell']} has the highest mean; it is not compared"
        elif against["sure"]:
            yield f"{here} take {best['cell']} (better than {baseline}, p {_is(against)})"
        elif against["conclusive"]:
            yield (
                f"{here} {best['cell']} has the highest mean, but is not shown to be better than "
                f"{baseline} (p {_is(against)})"
            )
        else:
            yield (
                f"{here} {best['cell']} has the highest mean; one seed cannot show whether it is "
                f"better than {baseline}"
            )


def _is(against: dict[str, Any]) -> str:
    from xlt.evaluation.report import p_value

    text = p_value(against["p_adjusted"])
    return text if text.startswith("<") else f"= {text}"
