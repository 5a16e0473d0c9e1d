"""Two models of a task that are trained side by side, and teach each other which examples to trust.

Han et al. 2018, "Co-teaching", arXiv 1804.06872: models that began differently make different
mistakes, so that what one of them would learn by mistake the other leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from xlt.model.task_model import TaskModel


class Pair(nn.Module):
    """Models as one network, for training alone; gradients are clipped together."""

    def __init__(self, models: Sequence[TaskModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    @property
    def config(self) -> Any:
        return members(self)[0].config

    def activation_checkpointing_enable(self, **options: Any) -> None:
        for model in members(self):
            model.activation_checkpointing_enable(**options)

    def forward(self, weights: torch.Tensor, **batch: Any) -> dict[str, torch.Tensor]:
        """The sum of the losses. weights: (models, examples), for each model its own."""
        own = zip(members(self), weights, strict=True)
        losses = [model(**batch, weights=its)["loss"] for model, its in own]
        return {"loss": torch.stack(losses).sum()}


def members(network: TaskModel | Pair) -> list[TaskModel]:
    """The models that are trained in a network; the first of them is the one that is kept."""
    return (
        [network] if isinstance(network, TaskModel) else cast("list[TaskModel]", [*network.models])
    )
