"""Small encoders made on the spot: see `xlt.testing`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from xlt.testing import OTHER_SHAPES, SHAPES, make_encoder, make_tokenizer

__all__ = [
    "MINI_LANGUAGES",
    "OTHER_SHAPES",
    "SHAPES",
    "make_encoder",
    "make_mini",
    "make_tokenizer",
]

MINI_LANGUAGES = ("eng", "ind", "jav", "swa")


def make_mini(folder: Path, texts: Iterable[str]) -> Path:
    """What stands in for the encoder in the package: `xlt.model.embedded.FOLDER`."""
    from safetensors.torch import load_file, save_file

    make_encoder(folder, texts, "umt5")
    weights = folder / "model.safetensors"
    half = {name: tensor.half() for name, tensor in load_file(weights).items()}
    save_file(half, weights, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float16"}), encoding="utf-8")
    about = {
        "format": 1,
        "version": "0-test",
        "languages": {code: {"tokens": 100, "script": "Latn"} for code in MINI_LANGUAGES},
        "scripts": {"Latn": 400},
    }
    (folder / "mini.json").write_text(json.dumps(about), encoding="utf-8")
    return folder
