"""Damaged model folders: each file in every way in which a file can be wrong, each key of
`xlt.json` and `prediction.json` with what it may not hold, and halves of two models."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from small import make_world

from bad_inputs.case import FOLDER, Case, Either, Expected, Refused
from bad_inputs.mutations import JSON_VALUES

SEED = 14
Damage = Callable[[Path], object]
COMMAND = ("predict", f"{FOLDER}/model", f"{FOLDER}/in.txt", "--input-format", "words")
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def cases(scratch: Path) -> list[Case]:
    """scratch: a folder in which one good model is made, which the cases copy."""
    return [
        *_file_cases(scratch),
        *_key_cases(scratch),
        *_label_cases(scratch),
        *_prediction_cases(scratch),
    ]


@cache
def model(scratch: Path) -> Path:
    """A model folder with random weights, as training writes it."""
    from xlt.config.schema import Model
    from xlt.model.backbone import Backbone
    from xlt.model.folder import ModelInfo, save_model
    from xlt.registry import tasks

    encoder = str(make_world(scratch, size=2).folder / "encoder")
    kind = tasks.get("ner")
    task = kind(kind.Options())
    backbone = Backbone(encoder, Model(encoder=encoder))
    labels = {"tag": LABELS}
    options = task.options.model_dump(mode="json")
    info = ModelInfo("ner", options, labels, encoder, backbone.max_length)
    save_model(task.build(backbone, labels), info, backbone.tokenizer, scratch / "model")
    return scratch / "model"


def case(scratch: Path, name: str, damage: Damage, expected: Expected) -> Case:
    def prepare(folder: Path) -> None:
        shutil.copytree(model(scratch), folder / "model")
        damage(folder / "model")

    return Case(f"model: {name}", COMMAND, expected, {"in.txt": "Joko lihat\n"}, prepare=prepare)


def _file_cases(scratch: Path) -> Iterator[Case]:
    """What a bad disk, a broken copy or an editor makes of a file."""

    def shorter(path: Path) -> None:
        os.truncate(path, path.stat().st_size // 2)

    def flipped(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def replaced(make: Callable[[Path], object]) -> Damage:
        return lambda path: (path.unlink(), make(path))

    ways: dict[str, Damage] = {
        "missing": Path.unlink,
        "empty": lambda path: path.write_bytes(b""),
        "half": shorter,
        "with a bit flipped": flipped,
        "full of NUL": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
        "a list": lambda path: path.write_text("[]"),
        "deep": lambda path: path.write_text("[" * 100_000),
        "a folder": replaced(Path.mkdir),
        "a pipe": replaced(os.mkfifo),
        "a link to itself": replaced(lambda path: path.symlink_to(path)),
    }
    names = (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "xlt.json",
    )
    for name in names:
        for way, damage in ways.items():
            yield case(
                scratch,
                f"{name} is {way}",
                lambda folder, name=name, damage=damage: damage(folder / name),
                Refused(),
            )


def _key_cases(scratch: Path) -> Iterator[Case]:
    """Each key of the JSON files with another value, in a folder without checksums."""
    for file in ("config.json", "tokenizer_config.json", "xlt.json"):
        keys = {
            "config.json": ("architectures", "hidden_size", "id2label", "max_position_embeddings",
                            "model_type", "num_attention_heads", "num_hidden_layers",
                            "pad_token_id", "vocab_size", "hidden_act", "type_vocab_size"),
            "tokenizer_config.json": ("model_max_length", "tokenizer_class", "unk_token",
                                      "pad_token", "extra_special_tokens"),
            "xlt.json": ("task", "options", "labels", "max_length", "languages", "tokenisation",
                         "format", "unknown_key"),
        }[file]  # fmt: skip
        for key in keys:
            draw = random.Random(f"{SEED} {file} {key}")
            for label in draw.sample(sorted(JSON_VALUES), 3):
                yield case(
                    scratch,
                    f"{key} of {file} is {label}",
                    _with(file, **{key: JSON_VALUES[label]}),
                    Either(),
                )


def _label_cases(scratch: Path) -> Iterator[Case]:
    """`xlt.json` of another model, in a folder without checksums."""
    other: dict[str, Mapping[str, Any]] = {
        "fewer labels": {"labels": {"tag": LABELS[:3]}},
        "more labels": {"labels": {"tag": (*LABELS, "B-X", "I-X")}},
        "other labels": {"labels": {"tag": ("O", "B-A", "I-A", "B-C", "I-C")}},
        "labels in another order": {"labels": {"tag": LABELS[::-1]}},
        "a label twice": {"labels": {"tag": ("O", "B-LOC", "B-LOC", "B-PER", "I-PER")}},
        "no labels": {"labels": {}},
        "labels that are numbers": {"labels": {"tag": [1, 2, 3, 4, 5]}},
        "labels of another layer": {"labels": {"relation": LABELS}},
        "a task that is not there": {"task": "no_such_task"},
        "an option that is not there": {"options": {"no_such_option": 1}},
        "an option out of bounds": {"options": {"beams": -1}},
        "a window of nothing": {"max_length": 0},
        "a window of a billion": {"max_length": 10**9},
        "a newer format": {"format": 99},
        "no format": {"format": None},
        "an older way to tokenise": {"tokenisation": 1},
    }
    for task in ("dependency_parsing", "nli", "event_extraction", "question_generation"):
        other[f"the task {task}"] = {"task": task, "options": {}}
    for name, changes in other.items():
        yield case(scratch, name, _with("xlt.json", **changes), Refused())


def _prediction_cases(scratch: Path) -> Iterator[Case]:
    good: dict[str, Any] = {
        "language": "jav",
        "prediction": {"mode": "translate", "through": "eng"},
        "projection": {"translator": {"name": "apertium"}},
    }
    changes: list[dict[str, Any]] = [
        {"language": 3},
        {"language": "no such language"},
        {"prediction": {}},
        {"prediction": {"mode": "sideways", "through": "eng"}},
        {"prediction": {"mode": "translate", "through": None}},
        {"prediction": {"mode": "translate", "through": "no such language"}},
        {"projection": 3},
        {"projection": {"no_such_key": 1}},
        {"projection": {"translator": "no such translator"}},
        {"projection": {"translator": {"name": "apertium", "timeout": -1}}},
        {"projection": {"translator": {"name": "given", "no_such_option": 1}}},
        {"projection": {"translator": None}},
        {"no_such_key": 1},
    ]
    for change in changes:
        text = json.dumps({**good, **change})
        yield case(
            scratch, f"prediction.json with {json.dumps(change)}", _predicts(text), Refused()
        )
    for text in ("", "[]", "{}", "[" * 100_000, "\0", "3"):
        yield case(scratch, f"prediction.json is {text[:3]!r}", _predicts(text), Refused())


def _predicts(text: str) -> Damage:
    return lambda folder: (folder / "prediction.json").write_text(text)


def _with(file: str, **changes: Any) -> Damage:
    """A change of a JSON file, in a folder as an older xlt wrote it: nothing has a checksum."""

    def damage(folder: Path) -> None:
        info = folder / "xlt.json"
        values = json.loads(info.read_text(encoding="utf-8"))
        values = {k: v for k, v in values.items() if k not in ("files", "seal")} | {"format": 1}
        info.write_text(json.dumps(values), encoding="utf-8")
        path = folder / file
        values = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps(values), encoding="utf-8")

    return damage
