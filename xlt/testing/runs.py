"""The last clause of a task's contract: every strategy, from a config file to its run folder."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.document import Document
from xlt.errors import XltError
from xlt.registry import strategies
from xlt.task import Task
from xlt.testing import translation

if TYPE_CHECKING:
    from xlt.config.load import LoadedConfig

SOURCES, TARGET = ("eng", "ind"), "jav"
"""The languages of the data: `Strategy.example` may name them."""


def check_strategies(
    task: Task,
    records: Sequence[Document],
    options: Mapping[str, Any],
    encoder: Path,
    folder: Path,
    names: Collection[str] | None = None,
) -> None:
    """Train the task with every registered strategy, or those with these names; AssertionError
    names the one that fails.

    Those that need what the task cannot do are left out.
    """
    for name in strategies.names() if names is None else names:
        kind = strategies.get(name)
        needs = kind(kind.Options.model_validate(kind.example)).needs()
        if not all(isinstance(task, ability) for ability in needs):
            continue
        try:
            with translation.registered():
                _check(name, task, records, options, encoder, folder)
        except Exception as error:
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            raise AssertionError(f"strategy {name!r}: {kind}{error}") from error


def _check(
    name: str,
    task: Task,
    records: Sequence[Document],
    options: Mapping[str, Any],
    encoder: Path,
    folder: Path,
) -> None:
    from xlt.results import RESULT
    from xlt.runs.train import train

    loaded = _config(name, task, records, options, encoder, folder)
    result = train(loaded, quiet=True)
    run = loaded.config.output.root / loaded.config.name
    assert (run / RESULT).is_file(), f"there is no {RESULT}"
    rows = [row for row in result["rows"] if row["primary"]]
    assert [(row["target"], row["split"]) for row in rows] == [(TARGET, "test")], (
        f"the rows are {rows}"
    )
    assert tuple(rows[0]["metrics"]) == task.metrics_reported, f"scores: {rows[0]['metrics']}"
    assert rows[0]["records"] == len(records), f"{rows[0]['records']} of {len(records)} scored"
    truncated = result["languages"][TARGET]["test"]["truncated_words"]
    assert truncated == 0, f"{truncated} words are truncated"
    _check_predictions(task, _data_file(task, folder), run / "seed-1" / TARGET)


def _check_predictions(task: Task, data: Path, folder: Path) -> None:
    from xlt.projection.predict import make_predictor

    format = next(iter(task.formats))
    path = folder / f"test{data.suffix}"
    assert path.is_file(), f"there are no predictions at {path}"
    # As the run read them: a format need not keep whether the spaces of a text are its own.
    records = list(task.read(data, format))
    read = [task.words(record) for record in task.read(path, format, labelled=False)]
    assert read == [task.words(record) for record in records], "predictions lack words"
    loaded, backbone, predictor = make_predictor(
        folder / "model", batch_tokens=1024, precision="fp32", confident=True
    )
    stream = io.StringIO()
    loaded.write(predictor(records, loaded.encode(records, backbone, None)), stream, format)
    same = stream.getvalue() == path.read_text(encoding="utf-8")
    assert same, "the saved model does not give the predictions of its run"


def _data_file(task: Task, folder: Path) -> Path:
    suffixes = next(iter(task.formats.values()))
    return folder / f"data{suffixes[0]}"


def _config(
    name: str,
    task: Task,
    records: Sequence[Document],
    options: Mapping[str, Any],
    encoder: Path,
    folder: Path,
) -> LoadedConfig:
    """A config file for this strategy, with as many source languages as it wants."""
    from xlt.config.load import load_config
    from xlt.runs.experiment import make_strategy

    folder.mkdir(exist_ok=True)
    format = next(iter(task.formats))
    data = _data_file(task, folder)
    with data.open("w", encoding="utf-8", newline="\n") as stream:
        task.write(records, stream, format)
    example = strategies.get(name).example
    for count in range(1, len(SOURCES) + 1):
        path = folder / f"{name}.yaml"
        content = {
            "name": name,
            "task": {"name": task.name, **options},
            "model": {"encoder": str(encoder)},
            "data": {
                language: dict.fromkeys(("train", "dev", "test"), data.name)
                for language in (*SOURCES, TARGET)
            },
            "source": SOURCES[:count],
            "target": TARGET,
            "strategy": {"name": name, **example},
            "projection": translation.SETTINGS,
            "training": {"epochs": 1, "learning_rate": 0.001, "precision": "fp32"},
            "evaluation": {"bootstrap": 10, "batch_tokens": 1024},
            "seeds": [1],
            "output": {"root": str(folder / "output")},
        }
        # Every JSON text is YAML 1.2.
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        loaded = load_config(path)
        try:
            for target in loaded.config.target:
                make_strategy(loaded.config).plan(loaded.config, target)
        except XltError as error:
            if error.where == "source" and count < len(SOURCES):
                continue
            raise
        return loaded
    raise AssertionError("no number of source languages suits it")
