"""`xlt report`: a run in one HTML page: scores, confusions, errors, learning curves."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from xlt import __version__, languages
from xlt.config.load import load_config
from xlt.errors import XltError, choose
from xlt.escape import without_folders
from xlt.evaluation.forgetting import forgetting_scope, forgetting_table
from xlt.evaluation.report import (
    Table,
    confidence_table,
    estimate_scope,
    estimate_table,
    score_scope,
    score_table,
)
from xlt.files import refuse_overwriting, write_text, writing
from xlt.html import macros, template
from xlt.report import images
from xlt.report.curves import StageCurve, chart, read_curves
from xlt.report.errors import Found, read_errors
from xlt.report.pairs import KINDS, LabelScore, Tally
from xlt.report.record_view import Row, error_row, view
from xlt.results import CONFIG, MANIFEST, check_file, measured, read_manifest, read_result
from xlt.task import generated_texts, make_task

PAGE = "report.html"

MAX_ERRORS = 500
MAX_LABELS = 40
"""In a table of confusions; the most frequent ones."""
MAX_BYTES = 4_800_000
"""Of a page: browsers are slow with more."""
SUREST = 20
"""Errors of which the model was surest, in their own table."""


def report(
    run: Path,
    output: Path | None = None,
    *,
    target: str | None = None,
    seed: int | None = None,
    max_errors: int | None = None,
    formats: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the page of a run; no model is needed, only what the run has stored and the gold data.

    output: by default `PAGE` in the run's folder.
    target: this one alone. seed: whose errors are shown; by default the first one's.
    max_errors: records with errors on the page, shared evenly by targets and splits; by default
        `MAX_ERRORS`.
    formats: of `images.FORMATS`: the curves as files, too.

    Returns, JSON-able, how many records there are, how many have errors and how many are shown,
    and with formats "figures", the files of the curves.
    Raises XltError where there are neither scores nor estimates, the target or seed is none of the
    run's, or the gold data are not those that were scored; DamagedFile for files of the run.
    """
    result = read_result(run)
    loaded = load_config(run / CONFIG)
    targets = _targets(run, result, target)
    seed = _seed(loaded.config.seeds, seed)
    rows = [
        row
        for row in result["rows"]
        if row["primary"] and row["seed"] == seed and row["target"] in targets
    ]
    task = make_task(loaded.config)
    most = max(1, (max_errors or MAX_ERRORS) // max(1, len(rows)))
    found = [read_errors(run, loaded, task, result, row, most) for row in rows]
    written = generated_texts(task)
    check_file(run, result, MANIFEST)
    manifest = read_manifest(run)
    path = run / PAGE if output is None else output
    gold = [file for data in manifest["data"] for file in data.get("files", ())]
    curves = [_curve(one) for one in read_curves(run, result, seed, targets)]
    drawn = images.drawn(_images(curves), formats, path)
    own = [*(one for one in run.rglob("*") if one.name != PAGE and one not in drawn), *gold]
    refuse_overwriting([path, *drawn], own)
    page = partial(
        template("report").render,
        version=__version__,
        name=result["name"],
        about=_about(result, loaded.config.model.encoder, loaded.config.seeds, targets, seed),
        data=_data(manifest),
        scores=_scores(result, targets),
        expected=_expected(result, targets),
        forgotten=_forgotten(result, targets),
        sections=[
            _section(one, row, written, f"s{number}")
            for number, (one, row) in enumerate(zip(found, rows, strict=True), 1)
        ],
        curves=curves,
        kinds=_seen_kinds(found),
        filters=_filters(found, written),
        notes=result.get("notes", []),
    )
    room = MAX_BYTES - len(page(records=[], limits=[]).encode())
    records, shown = _rendered(found, written, room // max(1, len(found)))
    text = page(records=records, limits=_limits(found, shown))
    with writing(path):
        write_text(path, text)
    images.write(drawn)
    return {
        "output": str(path),
        "records": sum(one.total for one in found),
        "with_errors": sum(one.wrong for one in found),
        "shown": sum(shown),
        **({"figures": [str(one) for one in drawn]} if formats else {}),
    }


def _targets(run: Path, result: dict[str, Any], target: str | None) -> list[str]:
    """Those that the page is about: of which there are scores, or what is expected of text."""
    rows = [*result["rows"], *result.get("estimates", ())]
    there = list(dict.fromkeys(row["target"] for row in rows))
    if not there:
        raise XltError(
            "the run has no scores, so there is nothing to compare its predictions with",
            where=run,
            fix="add test data of the target to its config (`data.TARGET.test`), or text "
            "(`data.TARGET.text`), and run it again",
        )
    if target is None:
        return there
    code = languages.code(target, where="--target")
    if code not in there:
        raise XltError(
            f"the run has no scores on {code}", where="--target", fix=choose(code, there)
        )
    return [code]


def _seed(seeds: Sequence[int], asked: int | None) -> int:
    if asked is not None and asked not in seeds:
        raise XltError(
            f"the run has no seed {asked}",
            where="--seed",
            fix=f"valid: {', '.join(map(str, sorted(seeds)))}",
        )
    return seeds[0] if asked is None else asked


# Parts of the page -------------------------------------------------------------------------------


def _about(
    result: Mapping[str, Any],
    encoder: str,
    seeds: Sequence[int],
    targets: Sequence[str],
    seed: int,
) -> dict[str, str]:
    def named(codes: Sequence[str]) -> str:
        return ", ".join(f"{languages.name(code)} ({code})" for code in codes)

    return {
        "task": result["task"],
        "encoder": without_folders(encoder),
        "strategy": result["strategy"],
        "source": named(result["source"]) or "none",
        "target": named(targets),
        "selected on": result["selection"],
        "seeds": ", ".join(map(str, seeds)),
        "errors of": f"seed {seed}",
    }


def _data(manifest: Mapping[str, Any]) -> Table:
    rows = tuple(data_row(one) for one in manifest["data"])
    return Table(("language", "split", "data", "licence", "SHA-256"), rows)


def data_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Language, split, reference, licence and SHA-256 of a manifest's data, as they are shown."""
    return (
        one["language"],
        one["split"],
        without_folders(one["reference"]),
        one["licence"] or "not stated",
        one["sha256"][:12],
    )


def _scores(result: Mapping[str, Any], targets: Sequence[str]) -> tuple[Table, str]:
    """As `xlt train` prints them, and what the figures beside them are."""
    lines = [row for row in result["summary"] if row["target"] in targets]
    first = result["metrics"][0]
    table = score_table(lines, result["languages"], result["metrics"])
    return table, score_scope([row["metrics"][first] for row in lines])


def _expected(result: Mapping[str, Any], targets: Sequence[str]) -> tuple[Table, list[str]] | None:
    """What was expected of text without labels, beside what was measured; None where there was no
    such text."""
    rows = [row for row in result.get("estimates", ()) if row["target"] in targets]
    if not rows:
        return None
    metric = result["metrics"][0]
    scores = {one["target"]: one["metrics"][metric]["mean"] for one in measured(dict(result))}
    shown = [{**row, "measured": scores.get(row["target"])} for row in rows]
    return estimate_table(shown), estimate_scope(rows)


def _forgotten(result: Mapping[str, Any], targets: Sequence[str]) -> tuple[Table, list[str]] | None:
    """What was left after each stage; None where nobody looked."""
    rows = [row for row in result.get("forgetting", ()) if row["target"] in targets]
    return (forgetting_table(rows), forgetting_scope(rows)) if rows else None


def _section(
    found: Found, row: Mapping[str, Any], written: Sequence[str], id: str
) -> dict[str, Any]:
    reliability = row.get("reliability") or {}
    return {
        "id": id,
        "name": _name(found),
        "total": found.total,
        "wrong": found.wrong,
        "unpredicted": found.unpredicted,
        "unknown": found.unknown,
        "layers": [_layer(key, tally, key in written) for key, tally in found.tallies.items()],
        "confident": found.confident,
        "surest": _surest(found, written, id),
        "reliability": confidence_table([row]).part(2) if reliability else None,
        "bins": [(key, _bins(one["bins"])) for key, one in reliability.items()],
    }


def _name(found: Found) -> str:
    return f"{found.target} {found.split}"


def _layer(key: str, tally: Tally, is_text: bool) -> dict[str, Any]:
    """Tables of a layer; of texts that are written, only how many are equal."""
    kinds = Table(
        ("error", "number", "what it means"),
        tuple((kind, f"{n:,}", KINDS[kind]) for kind, n in tally.kinds.most_common()),
        frozenset((1,)),
    )
    if is_text:
        return {
            "key": key,
            "equal": tally.total.right,
            "labels": None,
            "confusion": None,
            "kinds": kinds,
        }
    labels = sorted(tally.labels, key=lambda label: (-tally.labels[label].gold, label))
    scored = [(label, tally.labels[label]) for label in labels]
    header = ("label", "gold", "predicted", "right", "precision", "recall", "F1")
    return {
        "key": key,
        "equal": None,
        "labels": Table(
            header,
            tuple(_label_row(name, one) for name, one in [*scored, ("all", tally.total)]),
            frozenset(range(1, len(header))),
        ),
        "confusion": _confusion(tally, labels[:MAX_LABELS]),
        "hidden": max(0, len(labels) - MAX_LABELS),
        "kinds": kinds,
    }


def _label_row(name: str, one: LabelScore) -> tuple[str, ...]:
    numbers = (f"{n:,}" for n in (one.gold, one.predicted, one.right))
    return (name, *numbers, *(f"{x:.1f}" for x in (one.precision, one.recall, one.f1)))


def _confusion(tally: Tally, labels: Sequence[str]) -> Table:
    """Gold labels in rows, predicted ones in columns, in the same order."""
    rows = [
        (
            label,
            *(f"{tally.confusion[label, other]:,}" for other in labels),
            f"{tally.elsewhere[label]:,}",
            f"{tally.confusion[label, None]:,}",
        )
        for label in labels
    ]
    spurious = (f"{tally.confusion[None, other]:,}" for other in labels)
    rows.append(("(spurious)", *spurious, "", ""))
    header = ("gold ↓ predicted →", *labels, "(elsewhere)", "(missed)")
    return Table(header, tuple(rows), frozenset(range(1, len(header))))


def _bins(bins: Sequence[Mapping[str, Any]]) -> Table:
    header = ("confidence from", "number", "mean confidence", "right")
    rows = tuple(
        (
            f"{100 * one['from']:.0f} %",
            f"{one['things']:,}",
            f"{one['confidence']:.1f}",
            f"{one['right']:.1f}",
        )
        for one in bins
    )
    return Table(header, rows, frozenset(range(len(header))))


def _surest(found: Found, written: Sequence[str], id: str) -> list[tuple[str, str, Row]]:
    """The errors of which the model was surest, surest first: address and id of the record, row."""
    every = (
        (f"{id}-{record.number}", record.gold, key, pair)
        for record in found.records[:SUREST]  # which are in that order
        for key, pair in record.errors
        if pair.confidence is not None
    )
    surest = heapq.nlargest(SUREST, every, key=lambda one: one[3].confidence or 0.0)
    return [
        (address, gold.id, error_row(gold, key, pair, key in written))
        for address, gold, key, pair in surest
    ]


def _curve(curve: StageCurve) -> dict[str, Any]:
    scores = chart(curve.scores, curve.kept)
    loss = chart({"loss": curve.loss}, curve.kept) if curve.loss else None
    steps = sorted({step for one in curve.scores.values() for step, _ in one})
    values = {name: dict(one) for name, one in curve.scores.items()}
    rows = tuple(
        (
            f"{step:,.0f}",
            *(f"{one[step]:.2f}" if step in one else "" for one in values.values()),
        )
        for step in steps
    )
    table = Table(("step", *values), rows, frozenset(range(1 + len(values))))
    return {"about": curve, "scores": scores, "loss": loss, "table": table if rows else None}


def _images(curves: Sequence[Mapping[str, Any]]) -> Iterator[images.Image]:
    for one in curves:
        stage = one["about"].stage
        for what, title in (
            ("scores", "score on dev data in percent, by step"),
            ("loss", "loss by step"),
        ):
            if one[what] is not None:
                yield images.of_chart(f"{what}-{stage}", f"{stage}: {title}", one[what])


def _seen_kinds(found: Sequence[Found]) -> list[str]:
    seen = {kind for one in found for tally in one.tallies.values() for kind in tally.kinds}
    return [kind for kind in KINDS if kind in seen]


def _filters(found: Sequence[Found], written: Sequence[str]) -> dict[str, list[str]]:
    """Name of a filter → its values, of what is on the page."""
    pairs = [(key, pair) for one in found for record in one.records for key, pair in record.errors]
    labelled = [pair for key, pair in pairs if key not in written]
    return {
        "group": [_name(one) for one in found],
        "layer": list(dict.fromkeys(key for one in found for key in one.tallies)),
        "gold": sorted({pair.gold.label for pair in labelled if pair.gold is not None}),
        "predicted": sorted(
            {pair.predicted.label for pair in labelled if pair.predicted is not None}
        ),
    }


def _rendered(
    found: Sequence[Found], written: Sequence[str], room: int
) -> tuple[list[str], list[int]]:
    """The records as HTML, and how many of each group there was room for; one is always shown.

    room: bytes for those of one group.
    """
    write = macros("report_parts").record
    texts: list[str] = []
    shown = []
    for number, one in enumerate(found, 1):
        left, before = room, len(texts)
        for text in _texts(one, written, f"s{number}", write):
            left -= len(text.encode())
            if left < 0 and len(texts) > before:
                break
            texts.append(text)
        shown.append(len(texts) - before)
    return texts, shown


def _texts(found: Found, written: Sequence[str], id: str, write: Any) -> Iterator[str]:
    for record in found.records:
        address = f"{id}-{record.number}"
        yield write(address, _name(found), record.number, view(record, written))


def _limits(found: Sequence[Found], shown: Sequence[int]) -> list[str]:
    """What is not on the page, and why."""
    return [
        f"{_name(one)}: {number:,} of {one.wrong:,} records with errors are shown, "
        + ("those of which the model was surest" if one.confident else "the first of the data")
        + (
            "; --max-errors shows more"
            if number == len(one.records)
            else "; the page has no room for more"
        )
        for one, number in zip(found, shown, strict=True)
        if number < one.wrong
    ]
