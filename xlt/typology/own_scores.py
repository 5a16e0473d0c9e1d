"""A user's own transfer scores, kept as CSV files beside the data cache.

One file for each `xlt scores add`: ``<cache>/scores/<name>.csv``, where the cache is XLT_CACHE or
``xlt`` in the user's cache folder. Its columns are `COLUMNS`, the same that a CSV to be added may
have, so a stored file can be sent to others, edited and added again. Beside it stands its SHA-256,
as `sha256sum` writes it: scores that changed since they were added are refused.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from xlt import escape, languages
from xlt.data.checksums import cache_dir
from xlt.data.numbers import decimal
from xlt.data.table import read_csv
from xlt.errors import XltError, choose, flat, raise_all
from xlt.files import publishing, sha256, write_text, writing
from xlt.results import CONFIG, finished_runs, measured, read_result
from xlt.typology.scores import measured_as

COLUMNS = ("task", "source", "target", "metric", "score", "encoder", "origin")
REQUIRED = ("source", "target", "score")
MIN_SCORE, MAX_SCORE = 0.0, 100.0
"""Bounds of a score, in per cent."""

MAX_LANGUAGES = 1000
"""Most languages of what is added at once: each target's sources are predicted in every ranking."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class OwnScore(NamedTuple):
    """One measured transfer. Languages are codes of `xlt.languages.shared`.

    origin: the run's folder, or the file and line.
    """

    task: str
    source: str
    target: str
    metric: str
    score: float
    encoder: str
    origin: str


class Added(NamedTuple):
    """What `add` has stored. skipped: runs and rows that say nothing about one source, and why."""

    name: str
    path: Path
    scores: list[OwnScore]
    skipped: list[str]


def folder() -> Path:
    """The folder of the files. Not created here."""
    return cache_dir() / "scores"


def add(
    results: Path,
    *,
    task: str | None = None,
    encoder: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Added:
    """Keep the scores of a run, of all runs in a folder, or of a CSV file.

    task, encoder: for a CSV without such columns.
    name: of what is stored; by default that of the folder or file.
    Raises XltError: nothing usable, malformed rows (all of them, with ``file:line``), a name that
    is taken.
    """
    if results.is_dir():
        scores, skipped = _from_runs(results)
    else:
        scores, skipped = _from_csv(results, task, encoder)
        # Of what is kept here the unit is known, and the scores of a run may be that weak.
        kept = results.parent == folder()
        if scores and not kept and max(row.score for row in scores) <= 1:
            raise XltError(
                "no score is larger than 1: these look like shares of one",
                where=results,
                fix="write them in per cent (0.83 is 83)",
            )
    if (number := len({code for s in scores for code in (s.source, s.target)})) > MAX_LANGUAGES:
        raise XltError(
            f"{number} languages, more than the {MAX_LANGUAGES} whose pairs a ranking can weigh",
            where=results,
            fix="leave some out",
        )
    named = {} if task is None else {task: "--task"}
    for called, where in ({s.task: s.origin for s in reversed(scores)} | named).items():
        try:
            measured_as(called)
        except XltError as error:
            raise error.at(where) from error
    if not scores:
        raise XltError(
            "there is no transfer score here" + "".join(f"; {why}" for why in skipped),
            where=results,
            fix="add finished `zero_shot` runs, or a CSV with the columns source, target, score",
        )
    chosen = name or results.resolve().name.removesuffix(".csv")
    if not _NAME.fullmatch(chosen):
        raise XltError(
            f"{chosen!r} is no name for stored scores",
            fix="pass --name with letters, digits, `.`, `_`, `-`",
        )
    path = folder() / f"{chosen}.csv"
    if path.exists() and not overwrite:
        raise XltError(
            f"scores called {chosen!r} are stored already",
            where=path,
            fix="pass --overwrite, or another --name",
        )
    _write(path, scores)
    return Added(chosen, path, scores, skipped)


def remove(name: str) -> Path:
    """Forget what was stored under a name. Raises XltError if there is no such thing."""
    path = folder() / f"{name}.csv"
    if path not in _files():
        raise XltError(
            f"no scores are stored as {name!r}", fix=choose(name, [p.stem for p in _files()])
        )
    with writing(path):
        _checksum(path).unlink(missing_ok=True)
        path.unlink()
    _changed()
    return path


def stored() -> dict[str, list[OwnScore]]:
    """Name → scores, of everything that was added. Raises XltError for a file damaged since.

    A task whose plugin is no longer installed is no error: its scores are only of no use.
    """
    scores: dict[str, list[OwnScore]] = {}
    for path in _files():
        _check(path)
        try:
            scores[path.stem] = _from_csv(path, None, None)[0]
        except XltError as error:
            fix = f"mend the file, or forget it: xlt scores remove {path.stem}"
            raise_all([XltError(one.what, where=one.where, fix=fix) for one in flat(error)])
    return scores


def stamp() -> tuple[str, int, int]:
    """Folder, time and size of it: changes when something is added or removed, by any process.

    Costs one question to the file system; (folder, 0, 0) if there is none.
    """
    place = folder()
    try:
        state = place.stat()
    except OSError:
        return str(place), 0, 0
    # File systems count time in ticks of milliseconds; this process's own changes are counted too.
    return str(place), state.st_mtime_ns, _changes


_changes = 0


def _changed() -> None:
    global _changes
    _changes += 1


def mean_by_pair(scores: Iterable[OwnScore]) -> dict[str, dict[str, float]]:
    """Target → source → mean over what was measured of the pair."""
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in scores:
        cells[row.target][row.source].append(row.score)
    return {
        target: {source: sum(values) / len(values) for source, values in sources.items()}
        for target, sources in sorted(cells.items())
    }


def _files() -> list[Path]:
    return sorted(folder().glob("*.csv"))


def _checksum(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _check(path: Path) -> None:
    """Refuse scores that are not as they were added. An older xlt kept no checksum."""
    try:
        known = _checksum(path).read_text(encoding="utf-8", errors="replace").split(" ")[0]
    except FileNotFoundError:
        return
    if known != sha256(path):
        raise XltError(
            "these scores were changed since they were added, or damaged",
            where=path,
            fix=f"look at them; `xlt scores add {path} --overwrite` keeps them as they are, "
            f"`xlt scores remove {path.stem}` forgets them",
        )


def _write(path: Path, scores: Sequence[OwnScore]) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _checksum(path).unlink(missing_ok=True)  # at no time are the two of different scores
        with publishing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(
                [escape.for_cell(v) if isinstance(v, str) else v for v in row] for row in scores
            )
        write_text(_checksum(path), f"{sha256(path)}  {path.name}\n")
    _changed()


# Runs ----------------------------------------------------------------------------------------


def _from_runs(place: Path) -> tuple[list[OwnScore], list[str]]:
    """The scores of one run's folder, or of every finished run below it."""
    if (place / CONFIG).is_file():
        return _from_run(place)
    scores: list[OwnScore] = []
    skipped: list[str] = []
    for run in finished_runs(place):
        of_run, why = _from_run(run)
        scores += of_run
        skipped += why
    return scores, skipped


def _from_run(run: Path) -> tuple[list[OwnScore], list[str]]:
    """The scores of a finished zero-shot run: there what the target gets is the source's doing."""
    from xlt.config.load import load_config  # 40 ms, which `xlt predict-source` does without

    result = read_result(run)
    if result["strategy"] != "zero_shot" or len(result["source"]) != 1:
        return [], [f"{run.name}: {result['strategy']} is no transfer from one source alone"]
    source = languages.shared(result["source"][0])
    encoder = load_config(run / CONFIG).config.model.encoder
    metric = result["metrics"][0]
    scores, skipped = [], []
    for row in measured(result):
        target = languages.shared(row["target"])
        if target == source:
            skipped.append(f"{run.name}: {target} is source and target")
            continue
        mean = round(row["metrics"][metric]["mean"], 4)
        origin = f"{run} ({row['split']})"
        scores.append(OwnScore(result["task"], source, target, metric, mean, encoder, origin))
    return scores, skipped


# CSV -----------------------------------------------------------------------------------------


def _from_csv(
    path: Path, task: str | None, encoder: str | None
) -> tuple[list[OwnScore], list[str]]:
    header, rows = read_csv(path)
    lacking = [name for name in REQUIRED if name not in header]
    if "task" not in header and task is None:
        raise XltError(
            "the scores do not say of which task they are",
            where=f"{path}:1",
            fix="pass --task, or add a column `task`",
        )
    if lacking:
        raise XltError(
            f"the columns {', '.join(lacking)} are missing",
            where=f"{path}:1",
            fix=f"name the columns {', '.join(REQUIRED)}; and perhaps "
            f"{', '.join(name for name in COLUMNS if name not in REQUIRED)}",
        )
    given = {"task": task or "", "encoder": encoder or "", "metric": "score"}
    scores: list[OwnScore] = []
    skipped = [f"the column {name!r}" for name in header if name not in COLUMNS]
    problems: list[XltError] = []
    for line, row in rows:
        try:
            stated = {k: escape.from_cell(v) for k, v in row.items() if v}
            one = _row({**given, **stated}, f"{path}:{line}")
        except XltError as error:
            problems.append(error)
            continue
        if one.source == one.target:
            skipped.append(f"{path.name}:{line}: {one.source} is source and target")
        else:
            scores.append(one)
    raise_all(problems)
    return scores, skipped


def _row(row: dict[str, str], where: str) -> OwnScore:
    codes = []
    for side in ("source", "target"):
        if not row.get(side):
            raise XltError(f"there is no {side}", where=where, fix="write a language")
        try:
            codes.append(languages.shared(row[side]))
        except XltError as error:
            raise error.at(where) from error
    score = decimal(row.get("score", ""))
    if score is None or not MIN_SCORE <= score <= MAX_SCORE:
        raise XltError(
            f"the score {row.get('score', '')!r} is no number from {MIN_SCORE:g} to {MAX_SCORE:g}",
            where=where,
            fix="write it in per cent, or leave the line out",
        )
    for name in ("task", "metric", "encoder", "origin"):
        if not row.get(name, "").isprintable():
            raise XltError(
                f"the {name} {row[name]!r:.60} has a character that cannot be shown",
                where=where,
                fix="remove it",
            )
    source, target = codes
    origin = row.get("origin") or where
    return OwnScore(row["task"], source, target, row["metric"], score, row["encoder"], origin)
