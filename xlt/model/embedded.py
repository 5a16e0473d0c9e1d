"""`xlt-mini`, the encoder in the package: where it is, and what it was made from.

::

    from xlt.model import embedded

    AutoTokenizer.from_pretrained(embedded.folder())
    AutoModelForTextEncoding.from_pretrained(embedded.folder())
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.errors import XltError
from xlt.registry import EMBEDDED

FORMAT = 1
FOLDER = Path(__file__).resolve().parents[1] / "mini"
INFO, CONFIG, WEIGHTS = "mini.json", "config.json", "model.safetensors"
FILES = (INFO, CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json")

_WHERE = "model.encoder"
_AGAIN = (
    "install xlt again, name another encoder, or build it in a checkout "
    "(`python -m scripts.pretrain_mini WORK --out xlt/mini`)"
)


@dataclass(frozen=True)
class MiniInfo:
    """What the packaged model was trained on.

    languages: ISO 639-3 → {"tokens", "script"}.
    scripts:   ISO 15924 → tokens.
    """

    version: str
    languages: Mapping[str, Mapping[str, Any]]
    scripts: Mapping[str, int]


def folder() -> Path:
    """The model's folder, for any `from_pretrained`.

    Raises XltError if files are missing, damaged, or of a newer xlt.
    """
    info()
    # Before the header of the weights is read: a newer format may mean other files.
    _refuse_newer(_read(CONFIG), CONFIG)
    _check_weights()
    return FOLDER


def info() -> MiniInfo:
    """What the model says of itself. Raises XltError as `folder` does."""
    missing = [name for name in FILES if not (FOLDER / name).is_file()]
    if missing:
        raise XltError(
            f"this installation of xlt lacks {', '.join(missing)} of its encoder {EMBEDDED} "
            f"({FOLDER})",
            where=_WHERE,
            fix=_AGAIN,
        )
    stated = _read(INFO)
    _refuse_newer(stated, INFO)
    try:
        return MiniInfo(str(stated["version"]), dict(stated["languages"]), dict(stated["scripts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(INFO, repr(error)) from error


def _read(name: str) -> dict[str, Any]:
    try:
        value = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(name, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(name, "it is no mapping")
    return value


def _refuse_newer(stated: Mapping[str, Any], name: str) -> None:
    format = stated.get("format", FORMAT)
    if not isinstance(format, int):
        raise _damaged(name, f"its format is {format!r}")
    if format > FORMAT:
        raise XltError(
            f"{FOLDER / name} was written by a newer xlt (format {format}, here {FORMAT})",
            where=_WHERE,
            fix="upgrade xlt, or name another encoder",
        )


def _check_weights() -> None:
    """The header against the file's length: what a broken download or a full disk leaves."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(FOLDER / WEIGHTS, "numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise _damaged(WEIGHTS, str(error)) from error


def _damaged(name: str, why: str) -> XltError:
    return XltError(f"{FOLDER / name} is damaged ({why})", where=_WHERE, fix=_AGAIN)
