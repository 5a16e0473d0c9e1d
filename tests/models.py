"""Model folders with random weights, for what does not depend on what a model has learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from records import RECORDS

from xlt.config.schema import Model
from xlt.model.backbone import Backbone
from xlt.model.folder import ModelInfo, save_model
from xlt.registry import tasks
from xlt.testing import make_encoder


def make_model(
    root: Path, name: str, languages: tuple[str, ...] = (), family: str = "bert", **options: Any
) -> Path:
    """A model of a task with these options over an encoder of a family, for the labels of its
    `RECORDS`, below `root`."""
    torch.manual_seed(1)
    kind = tasks.get(name)
    task = kind(kind.Options(**options))
    texts = [document.text.surface for document in RECORDS[name]]
    encoder = make_encoder(root / f"{name}-encoder", texts, family)
    backbone = Backbone(str(encoder), Model(encoder=str(encoder)))
    labels = task.labels(RECORDS[name])
    info = ModelInfo(
        name,
        task.options.model_dump(mode="json"),
        labels,
        str(encoder),
        backbone.max_length,
        list(languages),
    )
    model = task.build(backbone, labels)
    for parameter in model.parameters():
        if not parameter.any() and parameter.ndim > 2:  # biaffine layers begin at zero
            torch.nn.init.normal_(parameter, std=0.3)
    save_model(model, info, backbone.tokenizer, root / name)
    return root / name
