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


class Ascent:
    """The step to where the loss is higher, of the trained weights of a model.

    For every batch of an accumulated step it is another one (m-sharpness; Foret et al., section
    4.1), as for every process.
    """

    def __init__(self, options: Sharpness, model: nn.Module) -> None:
        self._options = options
        named = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
        self.weights = [one for _, one in named]
        # As in the authors' code; not biases, which begin at 0.
        self._scaled = ["weight" in name for name, _ in named]

    @contextmanager
    def taken(self, loss: Tensor) -> Iterator[None]:
        """A block in which the weights are away, where this loss is higher; afterwards they are
        what they were, to the bit. Gradients of weights (`grad`) are left alone."""
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        before = [one.detach().clone() for one in self.weights]
        try:
            with torch.no_grad():
                self._away(gradients)
            yield
        finally:
            with torch.no_grad():
                for weight, value in zip(self.weights, before, strict=True):
                    weight.copy_(value)

    def _away(self, gradients: Sequence[Tensor | None]) -> None:
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
