"""Weights of examples, decided while they are learnt from, by the losses that they have had.

Labels that are wrong, as projected or taught ones may be, are learnt last: until then their losses
are the largest (Arpit et al. 2017, arXiv 1706.05394). And what has been learnt teaches little.

A loss is linear in the weights of its examples (`xlt.model.task_model.TaskModel`): its gradient by
them is what each example adds to it, whatever the task, and part of the same graph. So one pass
gives the losses, of these the weights, and with the weights the gradient.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from xlt.config.schema import Weighting
from xlt.data.batch import StepSampler
from xlt.errors import XltError
from xlt.training.processes import gathered

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]

_DRAWN = 2**31
"""What is drawn here is apart from what orders the data of the same seed and epoch."""


class Method:
    """How weights come about: of all examples before an epoch, of those of a pass once their losses
    are known, or both. It has no state."""

    steady: ClassVar[bool] = True
    """Whether the losses of different epochs are those of like examples."""

    def __init__(self, options: Weighting) -> None:
        self.options = options

    def of_epoch(
        self, losses: Values, epoch: int, epochs: int, random: np.random.Generator
    ) -> Values | None:
        """Of all examples, by their index; 0 of those that are not computed. None: all count alike.

        losses: the mean loss of each when it was last learnt from; NaN where it has not been.
        """
        return None

    def of_pass(self, losses: torch.Tensor, progress: float) -> torch.Tensor:
        """Of the examples of a pass, (examples,); of several models (`xlt.model.pair`) for each its
        own, (models, examples).

        losses: their mean losses, the same shape. progress: share of all steps that are done.
        """
        return torch.ones_like(losses)


class SmallLoss(Method):
    """The examples with the smallest losses alone (Han et al. 2018, "Co-teaching", arXiv
    1804.06872, section 2; one model)."""

    def of_pass(self, losses: torch.Tensor, progress: float) -> torch.Tensor:
        warmup = self.options.warmup
        forget = self.options.forget * (min(1.0, progress / warmup) if warmup else 1.0)
        kept = max(1, round((1 - forget) * losses.shape[-1]))
        smallest = losses.argsort(dim=-1, stable=True)[..., :kept]
        return torch.zeros_like(losses).scatter(-1, smallest, 1.0)


class CoTeaching(SmallLoss):
    """Each of two models learns from those with which the other has the smallest losses."""

    def of_pass(self, losses: torch.Tensor, progress: float) -> torch.Tensor:
        return super().of_pass(losses, progress).flip(0)


class InfoBatch(Method):
    """Some of the examples with a loss below the mean count for the others of these (Qin et al.
    2024, arXiv 2303.04947, section 3): what is learnt is on average what all of them teach."""

    PRUNE = 0.5

    def of_epoch(
        self, losses: Values, epoch: int, epochs: int, random: np.random.Generator
    ) -> Values | None:
        known = losses[~np.isnan(losses)]
        if not len(known) or epoch >= self.options.whole_from * epochs:
            return None
        prune = self.options.prune or self.PRUNE
        small = losses < known.mean()
        left_out = small & (random.random(len(losses)) < prune)
        return np.where(left_out, 0.0, np.where(small, 1 / (1 - prune), 1.0))


class SeTa(Method):
    """A window over the examples, in the order of their losses, that moves from easy to hard ones
    (Zhou et al. 2025, "Scale Efficient Training for Large Datasets", CVPR).

    What is read counts for all: as much as in InfoBatch. Groups are of equal size, and not clusters
    of the losses; examples that were never read are taken to be hard.
    """

    steady: ClassVar[bool] = False
    PRUNE = 0.1

    def of_epoch(
        self, losses: Values, epoch: int, epochs: int, random: np.random.Generator
    ) -> Values | None:
        number = len(losses)
        keep = max(1, round((1 - (self.options.prune or self.PRUNE)) * number))
        chosen = np.sort(random.permutation(number)[:keep])
        if 0 < epoch < self.options.whole_from * epochs:
            chosen = chosen[np.argsort(losses[chosen], kind="stable")]  # NaN is last
            groups = np.array_split(chosen, min(self.options.groups, keep))
            window = self.window(epoch, len(groups))
            chosen = np.concatenate(groups[window.start : window.stop])
        weights = np.zeros(number)
        weights[chosen] = number / len(chosen)
        return weights

    def window(self, epoch: int, groups: int) -> range:
        """The groups that an epoch reads, the first of which has the smallest losses."""
        size = max(1, round(groups * self.options.window))
        begin = epoch % (groups - size + 1)
        return range(begin, begin + size)


METHODS: dict[str, type[Method]] = {
    "small_loss": SmallLoss,
    "co_teaching": CoTeaching,
    "infobatch": InfoBatch,
    "seta": SeTa,
}
"""By the names that a config has for them."""


class ExampleWeights:
    """The weights of a stage's examples, in one process.

    targets: what there is to learn of each example, by its index.
    sampler: which examples a step has. seed: of what is drawn.
    divided: each process holds a part of the model, as with FSDP; raises XltError, since what is
        known of the losses is no part of such checkpoints.
    """

    def __init__(
        self,
        options: Weighting,
        targets: Numbers,
        sampler: StepSampler,
        seed: int,
        *,
        divided: bool = False,
    ) -> None:
        if divided:
            raise XltError(
                "examples are not weighted by their losses where weights are divided among "
                "processes (FSDP, DeepSpeed)",
                where="training.weighting",
                fix="leave it out, or let each process hold the whole model",
            )
        self.options, self.method = options, METHODS[options.method](options)
        self._targets, self._sampler, self._seed = targets, sampler, seed
        self._epoch = -1
        self._weights: Values | None = None
        self._losses, self._seen = (np.full(len(targets), np.nan) for _ in range(2))
        self._counts = (0, 0)  # examples that came, and those of them that were left out

    def of_epoch(self, step: int) -> Values | None:
        """Of all examples in the epoch that the step after `step` is in; 0 of those that need not
        be computed. None: all count alike. All processes have to ask at the same time."""
        epoch = bisect_right(self._sampler.boundaries, step)
        if epoch != self._epoch:
            for seen in gathered(self._seen):
                known = ~np.isnan(seen)
                self._losses[known] = seen[known]
            self._seen = np.full_like(self._seen, np.nan)
            random = np.random.default_rng([self._seed, _DRAWN, epoch])
            epochs = len(self._sampler.boundaries)
            self._weights = self.method.of_epoch(self._losses, epoch, epochs, random)
            self._epoch = epoch
        return self._weights

    def targets_in(self, step: int) -> int:
        """Of all examples of a step, in all processes, those that are not computed among them."""
        return int(self._targets[self._sampler.steps[step]].sum())

    def of_pass(self, examples: Sequence[int], losses: torch.Tensor, step: int) -> torch.Tensor:
        """Of the examples of a pass after `step` steps, beside those of the epoch; shapes as in
        `Method.of_pass`. losses: of each the sum over its targets."""
        targets = torch.from_numpy(self._targets[list(examples)]).to(losses.device)
        some = targets > 0  # of others nothing is learnt, and their loss says nothing
        means = (losses / targets.clamp(min=1))[..., some].detach()
        weights = torch.ones_like(losses)
        if means.shape[-1]:
            progress = step / len(self._sampler.steps)
            weights[..., some] = self.method.of_pass(means, progress)
        first, known = (means[0] if means.ndim > 1 else means), some.cpu().numpy()
        self._seen[np.asarray(examples)[known]] = first.double().cpu().numpy()
        self.count(len(examples), int((weights == 0).sum()) // self.options.models)
        return weights

    def count(self, read: int, left_out: int) -> None:
        """So many examples came, and of so many of them nothing is learnt; for `report`."""
        self._counts = (self._counts[0] + read, self._counts[1] + left_out)

    def report(self, name: str) -> dict[str, Any]:
        """Of how many of the examples that all steps have nothing was learnt, in a stage of this
        name; what a stage says of itself."""
        read, left_out = (sum(counts) for counts in zip(*gathered(self._counts), strict=True))
        method = self.options.method
        return {
            "weighting": {"method": method, "examples": read, "left_out": left_out},
            "note": f"{name}: {method} left out {left_out / max(1, read):.1%} of the examples",
        }

    def save(self, path: Path) -> None:
        """What a stage that goes on needs to know, as a safetensors file."""
        state = {
            "losses": self._losses,
            "seen": self._seen,
            "counts": np.array([self._epoch, *self._counts]),
            **({} if self._weights is None else {"weights": self._weights}),
        }
        save_file({name: torch.from_numpy(array) for name, array in state.items()}, path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        state = {name: tensor.numpy() for name, tensor in load_file(path).items()}
        self._losses, self._seen = state["losses"], state["seen"]
        self._epoch, *counts = map(int, state["counts"])
        self._counts = (counts[0], counts[1])
        self._weights = state.get("weights")


def own_losses(loss: torch.Tensor, weights: torch.Tensor) -> torch.Tensor | None:
    """What each example adds to a loss, in its graph; None where no example has a part in it.

    weights: that the loss was computed with, of whatever shape, which require a gradient.
    """
    own: torch.Tensor | None
    (own,) = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    return own
