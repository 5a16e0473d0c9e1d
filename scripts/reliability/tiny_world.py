"""Runs of a second or two: every task and strategy on a few sentences of the sample corpus."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import xlt
from scripts.reliability.process import run

SAMPLE = Path(xlt.__file__).parent / "sample" / "data"
LANGUAGES = ("eng", "ind", "jav")
SOURCES, TARGET = ("eng", "ind"), "jav"
"""`Strategy.example` names them: the middle one is what hierarchical transfer goes through."""
SPLITS = {"train": (0.0, 1.0), "dev": (0.0, 0.5), "test": (0.5, 1.0)}
"""From where to where of the records: what is scored has no label that is not taught."""

SHORT = {"beams": 2, "max_pieces": 12}


@dataclass(frozen=True)
class Small:
    """A task as it is trained here.

    suffix:  of its files in the sample.
    size:    records that are taken of them.
    """

    name: str
    suffix: str
    size: int = 12
    options: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = "bert"


TASKS = {
    small.name: small
    for small in (
        Small("ner", "ner"),
        Small("dependency_parsing", "conllu", options={"arc_size": 16, "relation_size": 8}),
        Small("nli", "nli.jsonl"),
        Small("event_extraction", "events.jsonl"),
        Small(
            "question_generation",
            "qa.jsonl",
            size=6,
            options={"exemplars": 0, "generation": SHORT},
            encoder="umt5",
        ),
    )
}


def possible() -> Iterator[tuple[str, str]]:
    """Task, strategy: every pair of which the task has what the strategy needs."""
    from xlt.registry import strategies, tasks

    for task in TASKS:
        plugin = tasks.get(task)
        made = plugin(plugin.Options(**TASKS[task].options))
        for name in strategies.names():
            kind = strategies.get(name)
            needs = kind(kind.Options.model_validate(kind.example)).needs()
            if all(isinstance(made, ability) for ability in needs):
                yield task, name


@dataclass(frozen=True)
class World:
    """Data and encoder of a task below `folder`, which no run changes; runs are in `place`.

    place: `runs`, and `cache`: what xlt stores, all of it.
    """

    folder: Path
    task: str

    @property
    def place(self) -> Path:
        return self.folder / "place"

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    @property
    def graveyard(self) -> Path:
        return self.folder / "graveyard"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "XLT_CACHE": str(self.place / "cache"),
            "XLT_DATA": str(self.folder / "nothing"),
            "XLT_CARDS": str(self.folder / "cards"),
            "HF_HOME": str(self.folder / "hub"),
            "HOME": str(self.folder / "home"),
        }

    def data(self, language: str, split: str) -> Path:
        return self.folder / f"{language}-{split}.{TASKS[self.task].suffix}"

    def clear(self) -> None:
        """As before the first run."""
        for folder in (self.place, self.graveyard):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    def config(self, strategy: str, name: str | None = None, **changes: Any) -> Path:
        """A config file; `name` is the run's, by default the strategy's."""
        from xlt.errors import XltError
        from xlt.registry import strategies

        kind = strategies.get(strategy)
        small = TASKS[self.task]
        name = name or strategy
        path = self.folder / f"{name}.yaml"
        for count in range(1, len(SOURCES) + 1):
            content = {
                "name": name,
                "task": {"name": small.name, **small.options},
                "model": {"encoder": str(self.folder / "encoder")},
                "data": {
                    language: {split: str(self.data(language, split)) for split in SPLITS}
                    for language in LANGUAGES
                },
                "source": list(SOURCES[:count]),
                "target": [TARGET],
                "strategy": {"name": strategy, **kind.example},
                "projection": {"translator": "backwards", "aligner": "same_words"},
                "training": {
                    "epochs": 2,
                    "batch_tokens": 160,
                    "learning_rate": 2e-3,
                    "precision": "fp32",
                    "checkpoint_every": 2,
                },
                "evaluation": {"bootstrap": 10, "batch_tokens": 1024},
                "seeds": [1],
                "output": {"root": str(self.runs)},
                **changes,
            }
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
            try:
                _plan(path)
            except XltError as error:
                if error.where != "source" or count == len(SOURCES):
                    raise
            else:
                return path
        raise AssertionError("no number of source languages suits it")


def make_world(folder: Path, task: str) -> World:
    """The first records of the sample's files, and an encoder with random weights for them."""
    world = World(folder, task)
    if (folder / "encoder").is_dir():
        return world
    folder.mkdir(parents=True, exist_ok=True)
    for empty in ("cards", "nothing"):
        (folder / empty).mkdir(exist_ok=True)
    texts = []
    for language in LANGUAGES:
        source = SAMPLE / language / f"train.{TASKS[task].suffix}.gz"
        records = list(islice(_records(source), TASKS[task].size))
        texts += records
        for split, (start, end) in SPLITS.items():
            some = records[round(start * len(records)) : round(end * len(records))]
            world.data(language, split).write_text("".join(some), encoding="utf-8")

    def make() -> None:
        from xlt.testing import make_encoder

        make_encoder(folder / "encoder", texts, TASKS[task].encoder)

    made = run(make)  # the tokenizer's threads must not be those of a process that forks
    assert made.code == 0, made.text
    return world


def _records(path: Path) -> Iterator[str]:
    """The text of one record after the other."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        if ".jsonl" in path.name:
            yield from map(_plain, stream)
            return
        for blank, lines in groupby(stream, str.isspace):
            if not blank:
                yield "".join(lines) + "\n"


def _plain(line: str) -> str:
    """A JSON line as it is read without options."""
    row = json.loads(line)
    if "lang" in row:
        row["language"] = row.pop("lang")
    row.pop("question_type", None)
    return json.dumps(row, ensure_ascii=False) + "\n"


def _plan(path: Path) -> None:
    from xlt.config.load import load_config
    from xlt.runs.experiment import make_strategy

    config = load_config(path).config
    make_strategy(config).plan(config, TARGET)
