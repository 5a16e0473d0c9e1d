"""What the clauses of the contract look at, and how they compare."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.document import Document, Label, Text
from xlt.errors import XltError
from xlt.task import Example, Labels, Task, label_layer
from xlt.testing.encoder import make_encoder

if TYPE_CHECKING:
    import torch

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

OVERFITTING_STEPS = 20
"""Optimiser steps on the same batch, in the clause `learning`."""


class Subject:
    """A task under test with what its clauses need, each made once and only if asked for."""

    def __init__(
        self, kind: type[Task], records: list[Document], folder: Path, options: dict[str, Any]
    ) -> None:
        self.kind, self.records, self.folder, self.options = kind, records, folder, options

    @cached_property
    def task(self) -> Task:
        """Of the labels that the records have, as predictors have it."""
        task = self.kind(self.kind.Options(**self.options))
        return task.for_labels(task.labels(self.records))

    @cached_property
    def encoder(self) -> Path:
        texts = [t.surface for d in self.records for t in d.texts.values() if t.surface]
        # A generator writes more subwords than the small BERT has positions for.
        kind = "umt5" if self.task.generates else "bert"
        return make_encoder(self.folder / "encoder", texts, kind)

    @cached_property
    def backbone(self) -> Backbone:
        return self.backbone_with()

    def backbone_with(self, **settings: Any) -> Backbone:
        from xlt.config.schema import Model
        from xlt.model.backbone import Backbone

        model = Model(encoder=str(self.encoder), **settings)
        return Backbone(str(self.encoder), model, labels=self.labels)

    @cached_property
    def labels(self) -> Labels:
        return self.task.labels(self.records)

    @cached_property
    def examples(self) -> list[Example]:
        return self.task.encode(self.records, self.backbone, self.labels)

    @cached_property
    def untrained(self) -> TaskModel:
        return self.build(self.labels)

    def build(self, labels: Labels) -> TaskModel:
        import torch

        torch.manual_seed(0)
        return self.task.build(self.backbone, labels).eval()

    @cached_property
    def losses(self) -> list[float]:
        """Of every step in which `trained` was trained."""
        import torch

        model = self.build(self.labels).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(OVERFITTING_STEPS):
            loss = model(**self.task.collate(self.examples))["loss"]
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
        self._trained = model.eval()
        return losses

    @cached_property
    def trained(self) -> TaskModel:
        assert self.losses
        return self._trained

    def predict(
        self,
        model: TaskModel,
        records: Sequence[Document] | None = None,
        backbone: Backbone | None = None,
        budget: int = 100_000,
    ) -> list[Document]:
        from xlt.inference.predictor import Predictor

        records = self.records if records is None else records
        examples = self.task.encode(records, backbone or self.backbone, None)
        return Predictor(self.task, model, budget)(records, examples)


def written(task: Task, records: Sequence[Document], format: str) -> str:
    stream = io.StringIO()
    task.write(records, stream, format)
    return stream.getvalue()


def plain(task: Task, document: Document) -> Document | None:
    """The document without annotation, None where the task's options rule a plain text out."""
    try:
        return task.from_text(document.id, document.text, document.language)
    except XltError:
        return None


def other_answer(subject: Subject, document: Document) -> Document | None:
    """The document with another label, where it has just one; else None."""
    name = label_layer(subject.task)
    if name is None:
        return None
    (values,) = subject.labels.values()
    other = next(v for v in values if v != document.layer(Label, name).label)
    return document.with_layers(**{name: Label(other)})


def subwords_of(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The rows that the encoder reads; not what a model may choose from to put into them."""
    return {k: v for k, v in batch.items() if k.endswith("input_ids") and v.ndim == 2}


def same(before: Sequence[Document], after: Sequence[Document], what: str) -> None:
    """Raise AssertionError unless the documents are equal, in their texts, layers and groups."""
    assert len(before) == len(after), f"{what} {len(before)} documents into {len(after)}"
    for a, b in zip(before, after, strict=True):
        pairs = {
            "id": (a.id, b.id),
            "groups": (a.groups, b.groups),
            **{name: _comparable(text, b.texts[name]) for name, text in a.texts.items()},
            **{name: (layer, b.layers.get(name)) for name, layer in a.layers.items()},
        }
        for name, (one, other) in pairs.items():
            assert one == other, f"{what} `{name}` of {a.id}: {one!r} → {other!r}"


def _comparable(before: Text, after: Text) -> tuple[object, object]:
    """Two texts; their words alone where the surface was only a guess: no format keeps that."""
    return (before.words, after.words) if before.joined else (before, after)


def same_words(task: Task, before: Sequence[Document], after: Sequence[Document]) -> None:
    """Raise AssertionError unless the documents have the same words, and can be compared."""
    assert len(before) == len(after), f"{len(before)} documents in, {len(after)} out"
    for a, b in zip(before, after, strict=True):
        assert a.id == b.id, f"{b.id} came out where {a.id} went in"
        assert task.words(a) == task.words(b), f"the words of {a.id} changed"
        assert a.layers.keys() == b.layers.keys(), f"the layers of {a.id} changed"
        task.counts(a, b)


def same_state(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], what: str
) -> None:
    assert before.keys() == after.keys(), f"{what} changed the names of the weights"
    for name, tensor in before.items():
        same = tensor.shape == after[name].shape and bool((tensor == after[name]).all())
        assert same, f"{what} changed {name}"
