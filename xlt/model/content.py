"""What tells the files of one model from another's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from xlt.data.checksums import sha256

_NO_PART = {".md", ".h5", ".msgpack", ".onnx", ".ot", ".tflite"}
"""Prose, and weights for other libraries than PyTorch."""

_PICKLED = {".bin", ".pt", ".pth"}
"""Weights that are not read where there are others."""


def folder_hash(folder: Path) -> str:
    """A hash of the names and contents of all files that a model in a folder may be loaded from."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    left_out = _NO_PART
    if any(path.suffix == ".safetensors" for path in files):
        left_out = left_out | _PICKLED
    parts = [
        (path.name, sha256(path))
        for path in files
        if path.suffix not in left_out and not path.name.startswith(".")
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
