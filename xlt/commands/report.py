"""What `xlt report` does: of one run, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xlt.console import console
from xlt.errors import XltError


def of_the_run(
    run: Path,
    output: Path | None,
    target: str | None,
    seed: int | None,
    max_errors: int | None,
    formats: Sequence[str],
) -> None:
    """The page of a run's errors."""
    from xlt.report.images import FORMATS
    from xlt.report.run import report

    tables = [one for one in formats if one not in FORMATS]
    if tables:
        raise XltError(
            f"--{tables[0]} is for the tables of several runs",
            where=run,
            fix="name a study's file, or two runs or more",
        )
    made = report(run, output, target=target, seed=seed, max_errors=max_errors, formats=formats)
    console.result(
        made,
        lambda _: (
            f"{made['with_errors']:,} of {made['records']:,} records have an error, "
            f"{made['shown']:,} of them on the page → {made['output']}"
            + _figures(made.get("figures", []))
        ),
    )


def of_several(
    paths: Sequence[Path],
    settings: Sequence[str],
    output: Path | None,
    formats: Sequence[str],
    asked: Sequence[str],
) -> None:
    """The page of a study's cells, or of runs.

    settings: of the study. asked: options that are for the page of one run.
    """
    from xlt.config.study import load_study
    from xlt.report.images import FORMATS
    from xlt.report.study import report
    from xlt.runs.cells import run_cells, run_folder, study_cells

    if asked:
        raise XltError(
            f"{asked[0]} is for the page of one run", where="xlt report", fix="name one run alone"
        )
    files = [path for path in paths if path.is_file()]
    if files and len(paths) > 1:
        raise XltError(
            "a study has its own runs",
            where=files[0],
            fix="name the study's file alone, or the runs' folders",
        )
    if settings and not files:
        raise XltError(
            f"{settings[0]!r} is a setting, and these are no study",
            where="xlt report",
            fix="name a study's file before its settings",
        )
    if files:
        study = load_study(files[0], settings)
        cells = study_cells(study)
        root = run_folder(next(iter(study.cells.values()))).parent
        path = output or root / f"{study.title}.html"
    else:
        cells = run_cells(paths)
        path = output or paths[0].resolve().parent / "runs.html"
    made = report(cells, path, formats)
    figures = [one for one in made["output"] if Path(one).suffix[1:] in FORMATS]
    console.result(
        made,
        lambda _: [
            f"{made['finished']} of {made['cells']} cells are on the page → "
            + ", ".join(made["output"][: len(made["output"]) - len(figures)])
            + _figures(figures),
            *(f"{name} is left out: {why}" for name, why in made["left_out"].items()),
        ],
    )


def _figures(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    return f", {len(paths)} figure{'s'[: len(paths) != 1]} in {Path(paths[0]).parent}"
