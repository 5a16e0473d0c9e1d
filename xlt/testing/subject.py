"""What the clauses of the contract look at, and how they compare."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.errors import XltError
from xlt.task import Example, Labels, Record, Task
from xlt.testing.encoder import make_encoder

if TYPE_CHECKING:
    import torch

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

STEPS = 20
"""Of overfitting, in the clause `learning`."""


class Subject:
    """A task under test with what its clauses need, each made once and only if asked for."""

    def __init__(
        self, kind: type[Task], records: list[Record], folder: Path, options: dict[str, Any]
    ) -> None:
        self.kind, self.records, self.folder, self.options = kind, records, folder, options

    @cached_property
    def task(self) -> Task:
        return self.kind(self.kind.Options(**self.options))

    @cached_property
    def encoder(self) -> Path:
        texts = [self.task.text(record) for record in self.records]
        # A generator writes more pieces than the small BERT has positions for.
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
        for _ in range(STEPS):
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
        records: Sequence[Record] | None = None,
        backbone: Backbone | None = None,
        budget: int = 100_000,
    ) -> list[Record]:
        from xlt.inference.predictor import Predictor

        records = self.records if records is None else records
        examples = self.task.encode(records, backbone or self.backbone, None)
        return Predictor(self.task, model, budget)(records, examples)


def written(task: Task, records: Sequence[Record], format: str) -> str:
    stream = io.StringIO()
    task.write(records, stream, format)
    return stream.getvalue()


def plain(task: Task, record: Record) -> Record | None:
    """The record without annotation, None where the task's options rule plain words out."""
    found = task.words(record)
    try:
        return task.from_words(record["id"], found, [True] * len(found))
    except XltError:
        return None


def other_answer(subject: Subject, record: Record) -> Record | None:
    """The record with another label, where a record has just one; else None."""
    task, answer = subject.task, subject.task.answer(record)
    if answer is None:
        return None
    (values,) = subject.labels.values()
    return task.answered(record, next(value for value in values if value != answer))


def pieces_of(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The rows that the encoder reads; not what a model may choose from to put into them."""
    return {k: v for k, v in batch.items() if k.endswith("input_ids") and v.ndim == 2}


def same(before: Sequence[Record], after: Sequence[Record], what: str) -> None:
    assert len(before) == len(after), f"{what} {len(before)} records into {len(after)}"
    for a, b in zip(before, after, strict=True):
        for key in a:
            assert a[key] == b.get(key), f"{what} `{key}` of {a['id']}: {a[key]!r} → {b.get(key)!r}"


def same_words(task: Task, before: Sequence[Record], after: Sequence[Record]) -> None:
    assert len(before) == len(after), f"{len(before)} records in, {len(after)} out"
    for a, b in zip(before, after, strict=True):
        assert a["id"] == b["id"], f"{b['id']} came out where {a['id']} went in"
        assert task.words(a) == task.words(b), f"the words of {a['id']} changed"
        assert set(a) == set(b), f"the columns of {a['id']} changed"
        task.counts(a, b)


def same_state(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], what: str
) -> None:
    assert before.keys() == after.keys(), f"{what} changed the names of the weights"
    for name, tensor in before.items():
        same = tensor.shape == after[name].shape and bool((tensor == after[name]).all())
        assert same, f"{what} changed {name}"
