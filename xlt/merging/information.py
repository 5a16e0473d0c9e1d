"""The diagonal of a model's Fisher information: how much its predictions depend on each weight.

The mean over examples of the squared gradient of log p(y|x), with y drawn from the model: one draw
for each word or text is an unbiased estimate of the sum over all labels (Matena & Raffel 2022,
arXiv 2111.09832). Gradients are of one example at a time, since the square of a mean is not the
mean of squares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from xlt.data.batch import IGNORED
from xlt.document import Document
from xlt.inference.device import best_device
from xlt.merging.weights import Place
from xlt.model.folder import load_model
from xlt.model.task_model import TaskModel

DRAWN, GOLD = "drawn from the model", "of the data"
"""Where the labels are from."""


def write_information(folder: Path, documents: Sequence[Document], target: Path, seed: int) -> str:
    """Write the information of a model's weights, from labelled documents, to a safetensors file.

    seed: of the labels that are drawn.
    Returns whose labels were used: those of the data where the model's output is not one
    distribution for each label, as a parser's.
    """
    task, backbone, model = load_model(folder)
    model.to(best_device()).eval()
    examples = task.encode(documents, backbone, model.labels)
    generator = torch.Generator().manual_seed(seed)
    parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
    sums = {name: torch.zeros_like(one, device="cpu") for name, one in parameters.items()}
    whose = DRAWN
    for example in examples:
        batch = {k: v.to(best_device()) for k, v in task.collate([example]).items()}
        drawn = _drawn(model, batch, generator)
        if drawn is None:
            whose = GOLD
        else:
            batch["labels"] = drawn
        loss = model(**batch, num_items_in_batch=1)["loss"]
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                sums[name] += gradient.detach().cpu() ** 2
    means = {name: one / max(1, len(examples)) for name, one in sums.items()}
    # A tied weight has several names, and any of them may be the one in a model's file.
    first = {id(one): name for name, one in parameters.items()}
    for name, one in model.named_parameters(remove_duplicate=False):
        if id(one) in first and name not in means:
            means[name] = means[first[id(one)]].clone()
    save_file(means, target)
    return whose


def _drawn(
    model: TaskModel, batch: dict[str, torch.Tensor], generator: torch.Generator
) -> torch.Tensor | None:
    """Labels drawn from what the model says, where the data has one; None where it says more."""
    labels = batch["labels"]
    with torch.no_grad():
        scores = model(**{k: v for k, v in batch.items() if k != "labels"}).get("scores")
    if scores is None or scores.shape[:-1] != labels.shape:
        return None
    probabilities = scores.float().softmax(-1).reshape(-1, scores.shape[-1]).cpu()
    drawn = torch.multinomial(probabilities, 1, generator=generator).view(labels.shape)
    return torch.where(labels == IGNORED, labels, drawn.to(labels.device))


def reader(path: Path) -> Callable[[Place, tuple[int, ...]], torch.Tensor]:
    """Reads what `write_information` wrote, by place and shape; 0 where nothing depends on it."""
    opened = safe_open(path, "pt")
    names = set(opened.keys())

    def read(place: Place, shape: tuple[int, ...]) -> torch.Tensor:
        name = place.parameter
        return opened.get_tensor(name) if name in names else torch.zeros(shape)

    return read
