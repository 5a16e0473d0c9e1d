"""Finished runs side by side: those of a study's cells, or any others, and in what they differ."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.config.load import LoadedConfig, dump, resolved
from xlt.config.stored import config_values, differing_keys
from xlt.config.study import Study
from xlt.errors import XltError, raise_all
from xlt.escape import without_folders
from xlt.results import CONFIG, RESULT, read_result
from xlt.runs.experiment import resolve_source

log = logging.getLogger(__name__)

SOURCE, STRATEGY, ENCODER = "source", "strategy", "encoder"
"""Factors that have a short name; others are dotted keys of the config."""

NO_SOURCE = "none"
"""The source of a run that learns from its target alone."""
_NO_FACTORS = ("name", "output.", "target", "evaluation.")
"""What makes no run another: where it is, what it is called, what it was scored on."""
_BROUGHT = {SOURCE: ("data.",), STRATEGY: ("strategy.",), ENCODER: ("model.", "training.")}
"""Factor → keys that it may decide: data that a run with another source need not name, options of a
strategy, defaults of a kind of encoder."""


@dataclass(frozen=True)
class Cell:
    """A finished run. settings: key → value of its config, flat, as text."""

    name: str
    folder: Path
    result: dict[str, Any]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Cells:
    """What is compared.

    names:    of all cells, finished or not, in order.
    finished: name → cell.
    baselines: target → the cell that the others are compared with on it.
    stale:    name → keys in which its run has another config than the cell has now.
    left_out: name → why it is not among the finished, where it has a result.
    square: cell → the test data of the kind that it learns from (`study.square`).
    """

    title: str
    names: Sequence[str]
    finished: Mapping[str, Cell]
    baselines: Mapping[str, str]
    stale: Mapping[str, list[str]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    square: Mapping[str, str] = field(default_factory=dict)

    @property
    def factors(self) -> dict[str, dict[str, str]]:
        """Factor → cell → value, of the factors in which the finished cells differ.

        What a source, a strategy or an encoder brings along is no factor of its own.
        """
        every = {name: cell.settings for name, cell in self.finished.items()}
        keys = dict.fromkeys(key for settings in every.values() for key in settings)
        found: dict[str, dict[str, str]] = {}
        for key in (SOURCE, STRATEGY, ENCODER, *keys):
            values = {name: settings.get(key, "") for name, settings in every.items()}
            if key in found or len(set(values.values())) < 2:
                continue
            by = next((one for one, some in _BROUGHT.items() if key.startswith(some)), None)
            if by in found and len({*zip(found[by].values(), values.values(), strict=True)}) == len(
                {*found[by].values()}
            ):
                continue
            found[key] = values
        return found


def study_cells(study: Study) -> Cells:
    """The cells of a study. What cannot be read is left out, with a warning."""
    finished, stale, left_out = {}, {}, {}
    for name, loaded in study.cells.items():
        folder = run_folder(loaded)
        if not folder.joinpath(RESULT).is_file():
            continue
        try:
            result = read_result(folder)
            values, differ = _stored(loaded, folder)
        except (XltError, OSError, ValueError) as error:
            log.warning("%s is left out: %s", name, error)
            left_out[name] = _why(error)
            continue
        if differ:
            stale[name] = differ
        else:
            finished[name] = Cell(name, folder, result, _settings(values, result))
    names = tuple(study.cells)
    return Cells(study.title, names, finished, study.baselines, stale, left_out, study.square)


def _why(error: Exception) -> str:
    return error.what if isinstance(error, XltError) else str(error)


def run_cells(folders: Sequence[Path]) -> Cells:
    """Any runs of one task as cells, each under its folder's name; the first one of each target is
    the baseline.

    What is not finished, was damaged or is of another task is left out, with a warning.
    Raises XltError for what is no run's folder, and where nothing is left.
    """
    problems = [problem for folder in folders if (problem := _no_run(folder)) is not None]
    raise_all(problems)
    names = [folder.resolve().name for folder in folders]
    if len({*names}) < len(names):
        names = [str(folder) for folder in folders]
    finished: dict[str, Cell] = {}
    left_out: dict[str, str] = {}
    for name, folder in dict(zip(names, folders, strict=True)).items():
        try:
            result = read_result(folder)
            values = _values(folder)
        except (XltError, OSError, ValueError) as error:
            left_out[name] = _why(error)
        else:
            task = next((cell.result["task"] for cell in finished.values()), result["task"])
            if result["task"] == task:
                finished[name] = Cell(name, folder, result, _settings(values, result))
            else:
                left_out[name] = f"it is a run of {result['task']}, not of {task}"
        if name in left_out:
            log.warning("%s is left out: %s", name, left_out[name])
    if not finished:
        raise XltError(
            "none of these is a finished run that can be read",
            where=names[0],
            fix="`xlt runs` lists the runs of a folder, and how they stand",
        )
    baselines: dict[str, str] = {}
    for name, cell in finished.items():
        for line in cell.result["summary"]:
            baselines.setdefault(line["target"], name)
    return Cells("runs", tuple(names), finished, baselines, {}, left_out)


def _no_run(folder: Path) -> XltError | None:
    if (folder / CONFIG).is_file():
        return None
    return XltError(
        "this is not a run folder" if folder.is_dir() else "there is no such folder",
        where=folder,
        fix="`xlt runs` lists the runs of a folder, and how they stand",
    )


def run_folder(loaded: LoadedConfig) -> Path:
    """Where a config's run is."""
    return loaded.config.output.root / loaded.config.name


def _values(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    return config_values(path.read_text(encoding="utf-8"), path)


def _stored(loaded: LoadedConfig, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The values that a cell's finished run was made with, and the keys in which the cell differs
    from them now."""
    config = resolve_source(loaded)[0].config
    now = dump(config)
    if (folder / CONFIG).read_text(encoding="utf-8") == now:  # most often; parsing takes long
        return resolved(config), []
    stored = _values(folder)
    return stored, differing_keys(stored, config_values(now, loaded.path))


def _settings(values: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, str]:
    model = values.get("model") or {}
    encoder = str(model.get("encoder", "")) if isinstance(model, dict) else ""
    flat = {
        key: text
        for key, text in _flat(values)
        if not key.startswith(_NO_FACTORS)
        and key not in (SOURCE, "strategy", "strategy.name", "model.encoder")
    }
    return {
        SOURCE: "+".join(result["source"]) or NO_SOURCE,
        STRATEGY: str(result["strategy"]),
        ENCODER: without_folders(encoder),
        **flat,
    }


def _flat(values: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key → value as text; lists of plain values are one."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list) and any(isinstance(one, dict | list) for one in values):
        for number, value in enumerate(values):
            yield from _flat(value, f"{key}.{number}")
    elif isinstance(values, list):
        yield key, "+".join(_text(one) for one in values)
    else:
        yield key, _text(values)


def _text(value: Any) -> str:
    if value is None or value == {}:
        return ""
    return without_folders(value) if isinstance(value, str) else json.dumps(value)
