"""What `xlt train` refuses before its first step, `xlt plan` lists: both ask one function."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import runner
from small import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=4)


def _set(file: str, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size // 2)


def _without_a_layer(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(path).items() if "layer.1." not in name}
    save_file(kept, path, metadata={"format": "pt"})


ENCODERS: dict[str, Callable[[Path], object]] = {
    "weights cut": _cut,
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "weights of another shape": _set("config.json", hidden_size=48),
    "weights without a layer": _without_a_layer,
    "no config": lambda folder: (folder / "config.json").unlink(),
    "an unknown architecture": _set("config.json", model_type="no-such-model"),
    "a million layers": _set("config.json", num_hidden_layers=10**6),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "no unknown subword": lambda folder: (folder / "tokenizer_config.json").unlink(),
    "windows of one subword": _set("tokenizer_config.json", model_max_length=1),
    "windows of text": _set("tokenizer_config.json", model_max_length="x"),
    "fewer rows than subwords": _set("config.json", vocab_size=20),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "no such encoder": {"model__encoder": "no-such/encoder"},
    "FlashAttention": {"model__attention": "flash_attention_2"},
    "long windows": {"model__max_length": 4096},
    "a revision of a folder": {"model__revision": "main"},
    "no module for LoRA": {"model__lora": {"modules": ["no_such_module"]}},
    "layers that are not there": {"training__freeze": ["layers:99"]},
    "no decoder to freeze": {"training__freeze": ["decoder"]},
    "all is frozen in a stage": {
        "strategy": {
            "name": "hierarchical",
            "through": ["ind"],
            "stages": {"ind": {"freeze": ["layers:7"]}},
        },
    },
    "reports to nobody": {"training__report_to": ["no_such_service"]},
    "below a file": {"output__root": "{world}/eng-train.bio/runs"},
    "a file as a folder": {"output__root": "{world}/eng-train.bio"},
    "no translator": {"strategy": {"name": "projection"}},
    "no translation": {
        "strategy": {"name": "translate_test"},
        "projection": {"translator": {"name": "given", "files": ["/nowhere"]}},
    },
    "no such metric": {"selection__metric": "no_such_metric"},
    "data that are not there": {"data__eng__train": "/nowhere.bio"},
    "a folder as data": {"data__eng__train": "{world}"},
    "another format": {"data__eng__train": {"ref": "{world}/eng-train.bio", "format": "conllu"}},
    "no column": {"data__eng__train": {"ref": "{world}/eng-train.bio", "tag": 77}},
    "a limit of nothing": {
        "data__eng__train": {"ref": "{world}/eng-train.bio", "limit": {"no_such_unit": 3}}
    },
    "another task": {"task": "dependency_parsing"},
    "a type that nobody is taught": {
        "task": {"name": "ner", "types": ["PER"]},
        "data__jav__test": "{world}/places.bio",
        "data__eng__train": "{world}/places.bio",
        "data__eng__dev": "{world}/eng-dev.bio",
    },
}
DEFAULTS = {"strategy": "zero_shot", "training__epochs": 1, "training__max_steps": 1}


def _agree(world: World, tmp_path: Path, changes: dict[str, Any]) -> None:
    (world.folder / "places.bio").write_text("Solo\tB-PLACE\n\n")
    text = json.dumps({"output__root": str(tmp_path / "runs"), **DEFAULTS, **changes})
    config = world.config("case", **json.loads(text.replace("{world}", str(world.folder))))
    planned = runner.xlt(["plan", str(config)], seconds=60)
    trained = runner.xlt(["train", str(config)], seconds=60)
    for outcome in (planned, trained):
        assert outcome.code == 2, outcome
        assert "bug" not in outcome.said
    assert all(error["where"] and error["fix"] for error in trained.errors), trained.said
    listed = json.loads(planned.out)["missing"] if planned.out else planned.errors
    assert {e["fix"] for e in trained.errors} & {e["fix"] for e in listed}, (listed, trained.errors)
    assert not (tmp_path / "runs" / "stages").exists(), "training had begun"


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders(world, tmp_path, name):
    shutil.copytree(world.folder / "encoder", tmp_path / "encoder")
    ENCODERS[name](tmp_path / "encoder")
    _agree(world, tmp_path, {"model__encoder": str(tmp_path / "encoder")})


@pytest.mark.parametrize("name", CONFIGS)
def test_configs(world, tmp_path, name):
    _agree(world, tmp_path, CONFIGS[name])


def test_a_good_config_passes_both(world, tmp_path):
    config = world.config("good", output__root=str(tmp_path / "runs"), **DEFAULTS)
    assert runner.xlt(["plan", str(config)], seconds=60).code == 0
    assert not (tmp_path / "runs").exists()
    assert runner.xlt(["train", str(config)], seconds=60).code == 0
