"""Several models that decide together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from xlt.inference.predictor import Predictor
from xlt.task import Example


@dataclass
class Ensemble(Predictor):
    """Several models of one task and label inventory that decide together."""

    members: tuple[Predictor, ...] = ()

    @classmethod
    def of(cls, members: Sequence[Predictor]) -> Ensemble:
        first = members[0]
        if any(one.model.labels != first.model.labels for one in members):
            raise ValueError("the models have different labels")
        for one in members:
            one.model.eval()
        return cls(
            first.task, first.model, first.budget, first.precision, first.device,
            members=tuple(members),
        )  # fmt: skip

    @contextmanager
    def prepared(self, examples: Sequence[Example]) -> Iterator[None]:
        with ExitStack() as stack:
            for one in self.members:
                stack.enter_context(one.prepared(examples))
            yield

    def forward(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        return dict(self.task.combine([one.forward(examples) for one in self.members]))
