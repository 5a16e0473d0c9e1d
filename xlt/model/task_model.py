"""A task's network: a Hugging Face model, and task layers of our own where it has none.

In a folder, `model.safetensors` is the Hugging Face model (it loads without xlt), and
`head.safetensors` holds the layers beside it, if there are any.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from xlt.data.batch import IGNORED, Arrays
from xlt.errors import XltError
from xlt.model.finite import first_broken

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.vocabulary import Trimmed
    from xlt.task import Labels

HEAD_FILE = "head.safetensors"


class TaskModel(nn.Module):
    """Base of every task's model.

    Subclasses define (those of `xlt.model.choosing.ChoosingModel` two parts of it)::

        forward(..., labels=None, num_items_in_batch=None, weights=None)
            -> {"loss": ..., output tensors}

    With `labels`, the loss is a sum over the positions where labels != -100 divided by
    num_items_in_batch (by their number in the batch if it is None): so the gradient of an
    optimisation step is the same however the step is split over passes and processes. Without
    `labels` there is no "loss", only what the task's `decode` reads.

    weights: shape (examples,), float: what each example's terms of the sum are multiplied by, so
        that these are the gradient by the weights (`xlt.training.weighting`).
        The denominator stays the number of targets, so that doubtful examples move the weights
        less, and not only relative to their neighbours in the batch.
    """

    generates: ClassVar[bool] = False
    """Whether its outputs are subwords, so that its vocabulary is what it can say."""

    graph: Callable[..., dict[str, torch.Tensor]] | None = None
    """What of `forward` is exported as ONNX, a method that takes some of a batch's tensors by their
    names and gives outputs by theirs, of which `xlt.task.Portable.outputs` makes what the task
    decodes. None for a network that is not exported."""

    def __init__(self, encoder: PreTrainedModel, labels: Labels) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = dict(labels)

    @property
    def config(self) -> Any:
        return self.encoder.config

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """What transformers.Trainer calls for `training.gradient_checkpointing`."""
        self.encoder.activation_checkpointing_enable(**options)

    def head_state(self) -> dict[str, torch.Tensor]:
        return {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.state_dict().items()
            if not name.startswith("encoder.")
        }

    def network(self, arrays: Arrays, **shapes: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
        """`graph` as an `xlt.task.Network`."""
        assert self.graph is not None
        device = next(self.parameters()).device
        read = [name for name in graph_inputs(self) if name in arrays]
        found = self.graph(**{name: torch.from_numpy(arrays[name]).to(device) for name in read})
        return {name: found[name].detach().float().cpu().numpy() for name in shapes}

    def grow(self, labels: Labels) -> None:
        """Give the output layers room for `labels`, which begin with the model's own.

        New rows are random, from torch's global seed; a model without new labels is unchanged.
        """
        raise NotImplementedError(f"{type(self).__name__} has a fixed label inventory")

    def needed(self) -> NDArray[np.int32]:
        """Subwords that a trimmed vocabulary keeps, whatever is in the data."""
        return np.zeros(0, np.int32)

    def narrowed(
        self, subwords: Callable[[], NDArray[Any]]
    ) -> AbstractContextManager[Trimmed | None]:
        """The model with a smaller vocabulary while it predicts, if that is worth it.

        subwords: gives those in the data that is to be predicted.
        """
        return nullcontext()

    def save(self, folder: Path) -> None:
        """Write the weights (fp32 safetensors) and the encoder's config to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.encoder.save_pretrained(folder)
        head = self.head_state()
        if head:
            save_file(head, folder / HEAD_FILE)

    def load_head(self, folder: Path) -> None:
        """Fill the task layers from `folder`. Raises XltError for a damaged or foreign file."""
        path = folder / HEAD_FILE
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise XltError(
                f"the task layers cannot be read: {error}", where=path, fix="train the model again"
            ) from error
        expected = self.head_state()
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in expected.items()}:
            raise XltError(
                "the task layers do not fit the model's configuration",
                where=path,
                fix="the folder mixes files of two models; train again or restore it",
            )
        broken = first_broken(state.items())
        if broken is not None:
            raise XltError(
                f"the task layers hold NaN or infinite values, e.g. in {broken}",
                where=path,
                fix="copy the model again from where it came, or train it again",
            )
        self.load_state_dict(state, strict=False)


def graph_inputs(model: TaskModel) -> list[str]:
    """The names of the tensors that the model's `graph` takes, in their order."""
    assert model.graph is not None
    return list(inspect.signature(model.graph).parameters)


def grow_linear(linear: nn.Linear, outputs: int) -> nn.Linear:
    """A layer whose first rows are those of `linear` and whose new rows are freshly initialised."""
    if outputs == linear.out_features:
        return linear
    grown = nn.Linear(linear.in_features, outputs, bias=linear.bias is not None)
    nn.init.normal_(grown.weight, std=float(linear.weight.detach().std().clamp(min=1e-3)))
    with torch.no_grad():
        grown.weight[: linear.out_features] = linear.weight
        if linear.bias is not None:
            grown.bias.zero_()
            grown.bias[: linear.out_features] = linear.bias
    return grown.to(linear.weight.device)


def name_labels(values: Sequence[str]) -> dict[str, Any]:
    """What a Hugging Face config says of these labels."""
    return {
        "id2label": dict(enumerate(values)),
        "label2id": {value: i for i, value in enumerate(values)},
    }


def classifier_of(encoder: PreTrainedModel, classes: int) -> tuple[str, nn.Linear]:
    """The linear layer, by its name, in which a Hugging Face classifier for so many classes
    ends."""
    return next(
        (name, module)
        for name, module in reversed(list(encoder.named_modules()))
        if isinstance(module, nn.Linear) and module.out_features == classes
    )


def grow_classifier(encoder: PreTrainedModel, old: Sequence[str], new: Sequence[str]) -> None:
    """Give a Hugging Face classifier for the labels `old` room for `new`, in place."""
    if len(new) == len(old):
        return
    name, classifier = classifier_of(encoder, len(old))
    encoder.set_submodule(name, grow_linear(classifier, len(new)))
    for key, value in name_labels(new).items():
        setattr(encoder.config, key, value)
    encoder.num_labels = len(new)


def summed_cross_entropy(
    logits: torch.Tensor,
    targets: torch.Tensor,
    num_items: torch.Tensor | int | None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """The sum of the cross-entropy over targets != -100, over `num_items` (default: their number).

    logits: (examples, ..., labels); targets: (examples, ...); weights: (examples,).
    """
    losses = nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(),
        targets.reshape(-1),
        ignore_index=IGNORED,
        reduction="sum" if weights is None else "none",
    )
    if weights is not None:
        # Flattened so, there may be no rows at all; a product of matrices would be in bf16 where
        # precision is mixed.
        losses = (weights * losses.view(*targets.shape, 1).flatten(1).sum(1)).sum()
    if num_items is None:
        num_items = (targets != IGNORED).sum()
    # A step without any target (trees without heads) teaches nothing; it must not be NaN.
    return losses / torch.as_tensor(num_items).clamp(min=1)
