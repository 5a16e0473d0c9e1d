"""Saved models of every kind, ready to predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.config.schema import Model
from xlt.inference.onnx import is_exported, make_onnx_predictor
from xlt.task import Task

if TYPE_CHECKING:
    from xlt.inference.base import BatchPredictor
    from xlt.model.backbone import Backbone
    from xlt.projection.predict import ThroughTranslation


def open_predictor(
    folder: Path,
    *,
    batch_tokens: int,
    precision: str = "auto",
    options: Model | None = None,
    confident: bool = False,
) -> tuple[Task, Backbone, BatchPredictor | ThroughTranslation]:
    """A saved model: with ONNX Runtime if it was exported so, which needs no PyTorch; else as
    `make_predictor`, whose arguments and errors these are.

    precision, options: of PyTorch's models alone; a network in ONNX computes as it was exported.
    """
    if is_exported(folder):
        return make_onnx_predictor(folder, batch_tokens=batch_tokens, confident=confident)
    from xlt.projection.predict import make_predictor

    return make_predictor(
        folder,
        batch_tokens=batch_tokens,
        precision=precision,
        options=options,
        confident=confident,
    )
