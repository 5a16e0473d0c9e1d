"""An exponential moving average of the weights, which is what is evaluated and kept.

Averaging along the trajectory (Polyak and Juditsky 1992; Tarvainen and Valpola 2017, arXiv
1703.01780) evens out the last steps of a high learning rate; it costs a copy of the trained
weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

BEGIN = 0.3
"""Share of the steps before the average begins: the earliest weights would only spoil it."""


class WeightAverage:
    """The average of a model's trainable parameters.

    decay: the share of the old average in the new one, per step.
    begin: the first step that counts.
    """

    def __init__(self, model: nn.Module, decay: float, begin: int) -> None:
        self.decay, self.begin = decay, begin
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.average: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the current weights into account, after optimisation step `step`."""
        if step < self.begin:
            return
        if not self.average:
            self.average = {name: p.detach().clone() for name, p in self.trained.items()}
            return
        now = [self.trained[name].detach() for name in self.average]
        torch._foreach_lerp_(list(self.average.values()), now, 1 - self.decay)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The model computes with the average inside the block, if there is one yet."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def finish(self) -> None:
        """Leave the average in the model for good."""
        self._swap()
        self.average = {}

    @torch.no_grad()
    def _swap(self) -> None:
        for name, average in self.average.items():
            parameter = self.trained[name]
            held = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(held)
