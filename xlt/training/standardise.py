"""Vectors of an encoder, each dimension with mean 0 and variance 1 where training begins.

Encoders trained to tell sentences apart (E5 and the like) give all words nearly one vector: the
mean is longer than what tells words apart. A new head, and through it the layers, then learn from
small differences of large numbers, or do not learn. The encoder's last layer norm ends in a weight
and a bias for each dimension, so standardising is a change of these two, made once from some of the
training data (as in "All you need is a good init", Mishkin and Matas 2016, arXiv 1511.06422). What
is saved is an ordinary model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.inference.predictor import SubwordTable, trimmed
from xlt.model.backbone import Backbone
from xlt.model.task_model import TaskModel
from xlt.task import Example, Task

ENOUGH = 4096
"""Subwords whose vectors say where the mean is."""

_ROWS = 8  # of a batch
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def standardises(options: Model, backbone: Backbone, task: Task) -> bool:
    """Whether the weights that training begins with are standardised: not where they are random,
    and not for a decoder, which was trained to read the vectors as they are."""
    return options.standardise and not (backbone.random or task.generates)


def check_norms(model: TaskModel) -> None:
    """Raise XltError for an encoder that cannot be standardised, which has no layer norm with
    weight and bias at all; weights are not needed."""
    _norms(model)


def standardise(
    model: TaskModel,
    task: Task,
    examples: Sequence[Example],
    subwords: SubwordTable | None,
    seed: int,
) -> None:
    """Change the encoder's last layer norm so that its vectors of a sample are standardised.

    seed: draws the sample, of as many examples as hold `ENOUGH` subwords.
    Raises XltError if the encoder's vectors do not come out of a layer norm with weight and bias.
    """
    encoder = model.encoder.base_model
    came_from: dict[nn.Module, torch.Tensor] = {}
    norms = _norms(model)
    hooks = [
        norm.register_forward_hook(lambda norm, _, output: came_from.update({norm: output}))
        for norm in norms
    ]
    vectors: list[torch.Tensor] = []
    last: nn.LayerNorm | None = None
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(task, examples, subwords, seed):
            with torch.no_grad():
                hidden = encoder(**batch).last_hidden_state
            last = next((norm for norm in norms if came_from.get(norm) is hidden), None)
            if last is None:
                break
            vectors.append(hidden[batch["attention_mask"].bool()])
            if sum(map(len, vectors)) >= ENOUGH:
                break
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)
    if last is None:
        raise _cannot()
    found = torch.cat(vectors)
    with torch.no_grad():
        deviation = found.std(0).clamp(min=1e-6)
        last.weight.div_(deviation)
        last.bias.sub_(found.mean(0)).div_(deviation)


def _norms(model: TaskModel) -> list[nn.LayerNorm]:
    """The encoder's layer norms with weight and bias. Raises XltError if there are none."""
    modules = model.encoder.base_model.modules()
    norms = [m for m in modules if isinstance(m, nn.LayerNorm) and m.bias is not None]
    if not norms:
        raise _cannot()
    return norms


def _cannot() -> XltError:
    return XltError(
        "the vectors of this encoder do not come out of a layer norm with weight and bias, so they "
        "cannot be standardised",
        where="model.standardise",
        fix="write `model.standardise: false`",
    )


def _batches(
    task: Task, examples: Sequence[Example], subwords: SubwordTable | None, seed: int
) -> Iterator[dict[str, torch.Tensor]]:
    """What the encoder takes of all examples, a few at a time, in random order."""
    order = np.random.default_rng(seed).permutation(len(examples))
    for begin in range(0, len(order), _ROWS):
        batch = trimmed(task.collate([examples[i] for i in order[begin : begin + _ROWS]]), subwords)
        yield {name: batch[name] for name in _INPUTS if name in batch}
