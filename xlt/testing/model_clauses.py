"""The clauses of a task's contract that are about its model: what it is given, learns and keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xlt.task import Labels, Network, Portable, confident, extend_labels
from xlt.testing.subject import (
    OVERFITTING_STEPS,
    Subject,
    other_answer,
    plain,
    same,
    same_state,
    same_words,
    subwords_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xlt.data.batch import Arrays
    from xlt.model.task_model import TaskModel

MAX_WINDOW_SUBWORDS = 10
"""Subwords that the encoder takes at once in the clause `windows`."""


def encoding(s: Subject) -> None:
    """`encode` keeps order and counts subwords; `collate` pads; `labels` are there when asked for;
    forward gives a loss with them, and tensors to decode without."""
    import torch

    for given in (s.labels, None):
        examples = s.task.encode(s.records, s.backbone, given)
        assert [e.index for e in examples] == list(range(len(s.records))), "the order changed"
        batch = s.task.collate(examples)
        inputs = [name for name in batch if name.endswith("input_ids")]
        assert inputs, "no tensor of the batch is called `input_ids` (or ends in it)"
        assert ("labels" in batch) == (given is not None), "`labels` are wrong in the batch"
        output = s.untrained(**batch)
        if given is None:
            assert "loss" not in output, "there is a loss without labels"
            assert any(isinstance(v, torch.Tensor) for v in output.values()), "forward gave nothing"
        else:
            assert output["loss"].shape == (), "the loss is no scalar"
        for example in examples:
            alone = s.task.collate([example])
            if "attention_mask" in alone:
                subwords = int(alone["attention_mask"].sum())
                assert example.length == subwords, (
                    f"length {example.length}, but {subwords} subwords"
                )


def prediction(s: Subject) -> None:
    """Every record gets a prediction with its own id and all of its words, in the order in which
    it came, whatever is in the same batch."""
    together = s.predict(s.trained)
    same_words(s.task, s.records, together)
    alone = s.predict(s.trained, budget=1)
    same(together, alone, "being in a batch of its own changed")


def portability(s: Subject) -> None:
    """Of a task whose exported models predict without PyTorch: `arrays` are what `collate` gives,
    `outputs` are those of `forward`, and `decode` and `confidence` make of arrays what they make of
    tensors."""
    import numpy as np
    import torch

    if not isinstance(s.task, Portable) or s.trained.graph is None:
        return
    examples = s.task.encode(s.records, s.backbone, None)
    batch, arrays = s.task.collate(examples), s.task.arrays(examples)
    assert batch.keys() == arrays.keys(), f"`arrays` has {', '.join(arrays)}"
    for name, tensor in batch.items():
        assert (tensor.numpy() == arrays[name]).all(), f"`arrays` has another {name}"
    with torch.no_grad():
        outputs = s.trained(**batch)
    found = s.task.outputs(_network_of(s.trained), arrays, s.labels)
    assert found.keys() == outputs.keys(), f"`outputs` gives {', '.join(found)}"
    bare = {name: tensor.numpy() for name, tensor in outputs.items()}
    for name, array in bare.items():
        close = np.allclose(found[name], array, rtol=1e-4, atol=1e-4)
        assert close, f"`outputs` gives another {name} than forward"
    decoded = s.task.decode(s.records, examples, outputs, s.labels)
    again = s.task.decode(s.records, examples, bare, s.labels)
    same(decoded, again, "arrays in place of tensors changed")
    sure = confident(s.task)
    if sure is not None:
        chances = [sure.confidence(decoded, examples, o, s.labels, {}) for o in (outputs, bare)]
        assert chances[0] == chances[1], "arrays in place of tensors changed a confidence"


def _network_of(model: TaskModel) -> Network:
    """The model's network, which has to have the shapes that it is asked for."""

    def network(arrays: Arrays, **shapes: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
        found = model.network(arrays, **shapes)
        for name, shape in shapes.items():
            assert found[name].shape == shape, f"`graph` gives {name} another shape than {shape}"
        return found

    return network


def windows(s: Subject) -> None:
    """A record longer than the encoder takes is split, not cut: every subword is computed, every
    word has a prediction."""
    narrow = s.backbone_with(max_length=MAX_WINDOW_SUBWORDS)
    whole, split = (
        s.task.encode(s.records, s.backbone, None),
        s.task.encode(s.records, narrow, None),
    )
    for a, b in zip(whole, split, strict=True):
        subwords, windowed = subwords_of(s.task.collate([a])), subwords_of(s.task.collate([b]))
        for name, tensor in windowed.items():
            width = tensor.shape[-1]
            assert width <= MAX_WINDOW_SUBWORDS, (
                f"{name} has {width} subwords where {MAX_WINDOW_SUBWORDS} is the most"
            )
            kept = {*tensor.flatten().tolist(), s.backbone.pad_id}
            lost = set(subwords[name].flatten().tolist()) - kept
            record = s.records[a.index].id
            assert not lost, f"record {record} lost {len(lost)} subwords of {name}"
    same_words(s.task, s.records, s.predict(s.trained, backbone=narrow))


def independence(s: Subject) -> None:
    """A prediction does not depend on the annotation that a record comes with, but for what
    `counts_given_gold` names."""
    import numpy as np

    bare = [plain(s.task, record) or other_answer(s, record) for record in s.records]
    if any(record is None for record in bare):
        return
    seen = s.predict(s.untrained)
    unseen = s.predict(s.untrained, [record for record in bare if record is not None])
    own = [name not in s.task.counts_given_gold for name in s.task.count_names]
    for gold, a, b in zip(s.records, seen, unseen, strict=True):
        same = np.array_equal(s.task.counts(gold, a)[own], s.task.counts(gold, b)[own])
        assert same, f"record {gold.id} is predicted differently when its gold is removed"


def learning(s: Subject) -> None:
    """The loss is finite and falls when a model overfits a few records."""
    assert all(map(math.isfinite, s.losses)), f"the losses are {s.losses}"
    first, last = sum(s.losses[:3]) / 3, sum(s.losses[-3:]) / 3
    assert last < 0.9 * first, (
        f"the loss went from {first:.3f} to {last:.3f} in {OVERFITTING_STEPS} steps"
    )


def loss(s: Subject) -> None:
    """The loss is a sum over targets divided by `num_items_in_batch` (by default their number in
    `labels`), so it adds up over the parts of a batch."""
    import torch
    from torch.testing import assert_close

    from xlt.data.batch import IGNORED

    model = s.trained
    with torch.no_grad():
        batch = s.task.collate(s.examples)
        items = (batch["labels"] != IGNORED).sum()
        whole = model(**batch, num_items_in_batch=items)["loss"]
        halves = (s.examples[::2], s.examples[1::2])
        parts = [model(**s.task.collate(h), num_items_in_batch=items)["loss"] for h in halves]
        assert_close(sum(parts), whole, rtol=1e-3, atol=1e-5, msg=lambda m: f"parts: {m}")
        double = model(**batch, num_items_in_batch=2 * items)["loss"]
        assert_close(2 * double, whole, rtol=1e-3, atol=1e-5, msg=lambda m: f"twice as many: {m}")
        default = model(**batch)["loss"]
        assert_close(default, whole, rtol=1e-3, atol=1e-5, msg=lambda m: f"default: {m}")


def weighting(s: Subject) -> None:
    """`weights` multiply each example's part of the loss, which is so the gradient by them; the
    number of targets stays as it is."""
    import torch
    from torch.testing import assert_close

    from xlt.data.batch import IGNORED

    model = s.trained
    with torch.no_grad():
        batch = s.task.collate(s.examples)
        items = (batch["labels"] != IGNORED).sum()
        alone = [model(**s.task.collate([e]), num_items_in_batch=items)["loss"] for e in s.examples]
        for weights in (torch.ones(len(alone)), torch.linspace(0, 2, len(alone))):
            weighted = model(**batch, num_items_in_batch=items, weights=weights)["loss"]
            assert_close(
                weighted, weights @ torch.stack(alone), rtol=1e-3, atol=1e-5,
                msg=lambda m: f"the weighted sum: {m}",
            )  # fmt: skip
    ones = torch.ones(len(alone), requires_grad=True)
    weighted = model(**batch, num_items_in_batch=items, weights=ones)["loss"]
    (own,) = torch.autograd.grad(weighted, ones, create_graph=True)
    assert_close(
        own.detach(), torch.stack(alone), rtol=1e-3, atol=1e-5,
        msg=lambda m: f"the gradient by the weights: {m}",
    )  # fmt: skip
    assert own.requires_grad, "what the weights multiply has no gradient"


def ignored(s: Subject) -> None:
    """Where `labels` is -100 nothing is learnt: a batch of nothing else has no loss and no
    gradient."""
    import torch

    from xlt.data.batch import IGNORED

    model = s.build(s.labels).train()
    batch = s.task.collate(s.examples)
    batch["labels"] = torch.full_like(batch["labels"], IGNORED)
    without_targets = model(**batch, num_items_in_batch=torch.tensor(7))["loss"]
    value = float(without_targets.detach())
    assert value == 0, f"the loss of ignored targets is {value}"
    without_targets.backward()
    for name, parameter in model.named_parameters():
        flat = parameter.grad is None or not parameter.grad.any()
        assert flat, f"ignored targets give {name} a gradient"


def saving(s: Subject) -> None:
    """A saved model, loaded again from its folder, predicts the same."""
    from xlt.model.folder import ModelInfo, load_model, save_model

    folder = s.folder / "saved"
    info = ModelInfo(
        task=s.kind.name,
        options=s.task.options.model_dump(mode="json"),
        labels=s.trained.labels,
        encoder=str(s.encoder),
        max_length=s.backbone.max_length,
    )
    save_model(s.trained, info, s.backbone.tokenizer, folder)
    task, backbone, model = load_model(folder)
    assert task.options == s.task.options, "the options changed"
    assert dict(model.labels) == dict(s.trained.labels), "the labels changed"
    same_state(s.trained.state_dict(), model.state_dict(), "saving and loading")
    again = s.predict(model.eval(), backbone=backbone)
    same(s.predict(s.trained), again, "saving and loading changed")


def growth(s: Subject) -> None:
    """`grow` adds room for new labels behind the known ones, whose weights stay; without new
    labels it changes nothing."""
    known = _some_labels(s)
    grown = extend_labels(known, s.labels)
    model = s.build(known)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.grow(known)
    same_state(before, model.state_dict(), "growing by nothing")
    model.grow(grown)
    assert dict(model.labels) == dict(grown), "`labels` of the model are not the new ones"
    for name, tensor in model.state_dict().items():
        old = before[name]
        corner = tensor[tuple(slice(0, size) for size in old.shape)]
        kept = old.shape == corner.shape and bool((old == corner).all())
        assert kept, f"{name} lost what it knew"
    output = model(**s.task.collate(s.task.encode(s.records, s.backbone, grown)))
    assert output["loss"].isfinite(), "the grown model has no finite loss for the new labels"
    same_words(s.task, s.records, s.predict(model))


def _some_labels(s: Subject) -> Labels:
    """Those of the first records that lack some of all labels; all, if there are no such."""
    for count in range(1, len(s.records)):
        first = s.task.labels(s.records[:count])
        if all(first.values()) and extend_labels(first, s.labels) != first:
            return first
    return s.labels


MODEL_CLAUSES = (
    encoding,
    learning,
    loss,
    weighting,
    ignored,
    prediction,
    portability,
    windows,
    independence,
    saving,
    growth,
)
"""In the order in which they are checked, cheap ones first."""
