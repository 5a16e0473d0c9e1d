"""Models that choose among options at each place: what they learn from labels, and from others.

The labels of a batch say what is right at each place, and the loss is the cross-entropy. A teacher
says instead how probable each option is (Hinton et al. 2015, "Distilling the Knowledge in a Neural
Network", arXiv 1503.02531); the places are the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.model.task_model import TaskModel, summed_cross_entropy

IMPOSSIBLE = -1e9
"""The score of an option that cannot be chosen."""


@dataclass(frozen=True)
class Choices:
    """A layer of decisions of one kind, in a batch.

    layer:   whose labels (`TaskModel.labels`) are the options, in their order; None where the
        options are others, such as the words that may be a head.
    scores:  of each option before the softmax, (rows, …, options).
    targets: the option that is right, (rows, …); `IGNORED` where there is nothing to choose.
    owner:   the example of each row, ascending; None where the rows are the examples.
    """

    layer: str | None
    scores: torch.Tensor
    targets: torch.Tensor
    owner: torch.Tensor | None = None

    @property
    def known(self) -> torch.Tensor:
        """At which places there is something to choose, (rows, …)."""
        return self.targets != IGNORED


@dataclass(frozen=True)
class Classifying:
    """What a linear layer classifies in a batch, words or texts.

    layer:    whose labels (`TaskModel.labels`) are its outputs, in their order.
    linear:   it.
    features: what it is given of each, (things, d); its outputs are the scores of `Choices`.
    """

    layer: str
    linear: nn.Linear
    features: torch.Tensor


@contextmanager
def passing(linear: nn.Linear) -> Iterator[None]:
    """In the block the layer gives what it is given. Whatever is a weighted mean of its outputs is
    then the mean of its features, of which it would make the same."""
    handle = linear.register_forward_hook(lambda _, given, __: given[0])
    try:
        yield
    finally:
        handle.remove()


class ChoosingModel(TaskModel):
    """A model that is taught by labels, or by how probable others think each option.

    Subclasses define `choices` and `predicted` in the place of `forward`.
    """

    @abstractmethod
    def choices(self, labels: torch.Tensor, **batch: torch.Tensor) -> list[Choices]:
        """What there is to choose in a batch that the task's `collate` made with labels. The same
        labels give the same places, whatever the weights."""

    @abstractmethod
    def predicted(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the task's `decode` reads, of a batch without labels."""

    def classifying(self, **batch: torch.Tensor) -> list[Classifying]:
        """What linear layers classify in a batch without labels; nothing of a model whose options
        are no fixed classes, or have no weights of their own."""
        return []

    def forward(
        self,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
        soft_targets: Sequence[torch.Tensor] | None = None,
        temperature: float = 1.0,
        hard_weight: float = 0.0,
        smoothing: float = 0.0,
        **batch: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """As `TaskModel` says.

        soft_targets: for each of `choices` the teachers' probabilities at `temperature`, (places,
            options): of the known places of all rows, one after the other. Options that are not
            there at the end of a row have none. Without it, the labels are learnt.
        hard_weight: with `soft_targets`, what the labels count; the teachers count 1 - hard_weight.
        smoothing: with it, labels are learnt as `smoothed`, and their loss is the divergence.
        """
        if labels is None:
            return self.predicted(**batch)
        if num_items_in_batch is None:
            num_items_in_batch = (labels != IGNORED).sum()
        loss = torch.zeros((), device=labels.device)
        for number, one in enumerate(self.choices(labels, **batch)):
            own = weights if weights is None or one.owner is None else weights[one.owner]
            if soft_targets is None or hard_weight:
                if smoothing:
                    learnt = distillation(one, smoothed(one, smoothing), num_items_in_batch, own)
                else:
                    learnt = summed_cross_entropy(one.scores, one.targets, num_items_in_batch, own)
                loss = loss + (learnt if soft_targets is None else hard_weight * learnt)
            if soft_targets is not None and hard_weight < 1:
                soft = soft_targets[number]
                learnt = distillation(one, soft, num_items_in_batch, own, temperature)
                loss = loss + (1 - hard_weight) * learnt
        return {"loss": loss}


def smoothed(choices: Choices, share: float) -> torch.Tensor:
    """The labels of known places as probabilities, (places, options): all that is right, but for a
    share that is spread evenly over the options that are possible (label smoothing; Szegedy et al.
    2016, arXiv 1512.00567, section 7)."""
    scores = choices.scores[choices.known]
    possible = (scores > IMPOSSIBLE / 2).float()
    right = nn.functional.one_hot(choices.targets[choices.known], scores.shape[-1])
    return (1 - share) * right + share * possible / possible.sum(-1, keepdim=True)


def distillation(
    choices: Choices,
    soft_targets: torch.Tensor,
    num_items: torch.Tensor | int,
    weights: torch.Tensor | None = None,
    temperature: float = 1.0,
) -> torch.Tensor:
    """The sum over known places of T² KL(teachers ‖ model at temperature T), over `num_items`.

    soft_targets: the teachers' probabilities at T, (places, options). weights: of the rows.

    T² makes the gradient independent of T where T is large (Hinton et al. 2015, section 2.1). At
    T = 1 the gradient with respect to the scores of a place is p - p_teachers.
    """
    known = choices.known
    scores = choices.scores[known].float()
    if not len(scores):  # a blank example (`xlt.data.batch.StepSampler`): of nobody's places
        return choices.scores.sum() * 0.0
    soft_targets = nn.functional.pad(soft_targets, (0, scores.shape[-1] - soft_targets.shape[-1]))
    logs = (scores / temperature).log_softmax(-1)
    losses = nn.functional.kl_div(logs, soft_targets, reduction="none").sum(-1) * temperature**2
    if weights is not None:
        each = weights.view(-1, *[1] * (known.ndim - 1)).expand(known.shape)
        losses = losses * each[known]
    return losses.sum() / torch.as_tensor(num_items).clamp(min=1)
