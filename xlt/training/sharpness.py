"""Flat minima: each step follows the gradient at nearby weights, where the loss is higher.

Sharpness-aware minimisation (SAM; Foret et al. 2021, arXiv 2010.01412) and its adaptive form
(ASAM; Kwon et al. 2021, arXiv 2102.11600). A step computes everything twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xlt.config.schema import Sharpness
from xlt.errors import XltError


class Perturbation:
    """The step to where the loss is higher, of the trained weights of a model.

    For every batch of an accumulated step it is another one (m-sharpness; Foret et al., section
    4.1), as for every process.

    divided: each process holds a part of the model, as with FSDP; raises XltError, since such
        weights are no tensors that can be moved and put back.
    """

    def __init__(self, options: Sharpness, model: nn.Module, *, divided: bool = False) -> None:
        if divided:
            raise XltError(
                "weights that are divided among processes (FSDP, DeepSpeed) are not moved to where "
                "the loss is higher",
                where="training.sharpness",
                fix="leave it out, or let each process hold the whole model",
            )
        self._options = options
        named = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
        self.weights = [one for _, one in named]
        # As in the authors' code; not biases, which begin at 0.
        self._scaled = ["weight" in name for name, _ in named]

    @contextmanager
    def applied(self, loss: Tensor) -> Iterator[None]:
        """A block in which the weights are where this loss, a scalar, is higher; afterwards they
        are what they were, to the bit. Accumulated gradients (`grad`) are left alone.

        The weights move by ρ T² g / ‖T g‖ (Kwon et al., section 3), g the gradient of the loss, ρ
        the radius; T is 1, or with `asam` |w| + η of each weight that is no bias.
        """
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        before = [one.detach().clone() for one in self.weights]
        try:
            with torch.no_grad():
                self._move(gradients)
            del gradients  # two copies of all weights would be in memory in the second pass
            yield
        finally:
            with torch.no_grad():
                for weight, value in zip(self.weights, before, strict=True):
                    weight.copy_(value)

    def _move(self, gradients: Sequence[Tensor | None]) -> None:
        moved = []
        for weight, scaled, gradient in zip(self.weights, self._scaled, gradients, strict=True):
            if gradient is not None:
                moved.append((weight, self._scale(weight, scaled), gradient))
        if not moved:
            return
        norms = [torch.linalg.vector_norm(scale * gradient) for _, scale, gradient in moved]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        if not (torch.isfinite(norm) and norm > 0):
            return  # at a minimum already, or diverging, which the loss shows
        for weight, scale, gradient in moved:
            weight.add_(scale * scale * gradient * (self._options.radius / norm))

    def _scale(self, weight: Tensor, scaled: bool) -> Tensor | float:
        if self._options.method == "asam" and scaled:
            return weight.abs() + self._options.eta
        return 1.0
