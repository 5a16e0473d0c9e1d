"""Prediction in length-sorted batches; every record gets its prediction, in the order it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from xlt.data.batch import prediction_batches
from xlt.inference.base import BatchPredictor
from xlt.inference.device import autocast, out_of_memory
from xlt.task import Example, Labels, Task

if TYPE_CHECKING:
    from xlt.model.task_model import TaskModel
    from xlt.model.vocabulary import Trimmed

R = TypeVar("R")


@dataclass
class Predictor(BatchPredictor):
    """A model ready to predict.

    budget: subwords in a batch, padding included.
    subwords: between the tokenizer and a trimmed vocabulary, or None.
    """

    task: Task
    model: TaskModel
    budget: int
    precision: str = "fp32"
    device: str = "cpu"
    subwords: SubwordTable | None = None
    temperatures: Mapping[str, float] | None = None

    @property
    def labels(self) -> Labels:
        return self.model.labels

    @contextmanager
    def prepared(self, examples: Sequence[Example]) -> Iterator[None]:
        """A generator's vocabulary made smaller for these examples, unless it is already."""
        if self.subwords is not None or not examples:
            yield
            return
        with self.model.narrowed(lambda: subwords_in(self.task, [examples])) as vocabulary:
            self.subwords = None if vocabulary is None else subword_table(vocabulary)
            try:
                yield
            finally:
                self.subwords = None

    def batches(
        self, examples: Sequence[Example]
    ) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """Positions of examples of about equal length, and the model's outputs for them."""
        was_training = self.model.training
        self.model.eval()
        try:
            with self.prepared(examples):
                for batch in prediction_batches([e.length for e in examples], self.budget):
                    yield [int(i) for i in batch], self.forward([examples[i] for i in batch])
        finally:
            self.model.train(was_training)

    def each(
        self,
        examples: Sequence[Example],
        work: Callable[[dict[str, torch.Tensor]], Iterable[R]],
    ) -> Iterator[tuple[int, R]]:
        """Every example's position and its row of what `work` makes of batches of them."""
        with self.prepared(examples):
            for batch in prediction_batches([e.length for e in examples], self.budget):
                rows = self.run([examples[i] for i in batch], work)
                yield from ((int(i), row) for i, row in zip(batch, rows, strict=True))

    def forward(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        outputs: dict[str, Any] = self.run(examples, lambda batch: self.model(**batch))
        tensors = {
            k: v.float().cpu() if v.is_floating_point() else v.cpu()
            for k, v in outputs.items()
            if isinstance(v, torch.Tensor)
        }
        return untrimmed(tensors, self.subwords)

    def run(
        self, examples: Sequence[Example], work: Callable[[dict[str, torch.Tensor]], Any]
    ) -> Any:
        """What `work` makes of a batch, on the model's device and in its precision."""
        batch = trimmed(self.task.collate(examples), self.subwords)
        batch = {k: v.to(self.device) for k, v in batch.items() if k != "labels"}
        with (
            out_of_memory(
                f"predicting a batch of shape {shape_of(batch)}",
                where="evaluation.batch_tokens",
                fix=f"lower evaluation.batch_tokens (now {self.budget}; `--batch-tokens` where "
                "there is no config)",
            ),
            torch.inference_mode(),
            autocast(self.precision, self.device),
        ):
            return work(batch)


@dataclass(frozen=True)
class SubwordTable:
    """Subword ids of the tokenizer ↔ rows of a trimmed vocabulary.

    to_trimmed: (full vocabulary,), the unknown subword's row where a subword was not kept.
    to_full:    (trimmed vocabulary,)
    """

    to_trimmed: torch.Tensor
    to_full: torch.Tensor


def trimmed(batch: dict[str, Any], subwords: SubwordTable | None) -> dict[str, Any]:
    """The batch with its subword ids (all that is called `input_ids`) in the trimmed vocabulary."""
    if subwords is None:
        return batch
    table = subwords.to_trimmed
    return {k: table[v] if k.endswith("input_ids") else v for k, v in batch.items()}


def untrimmed(
    outputs: dict[str, torch.Tensor], subwords: SubwordTable | None
) -> dict[str, torch.Tensor]:
    """A model's outputs with their subword ids (what is called `output_ids`) the tokenizer's."""
    if subwords is None:
        return outputs
    return {k: subwords.to_full[v] if k.endswith("output_ids") else v for k, v in outputs.items()}


def subword_table(vocabulary: Trimmed) -> SubwordTable:
    """As `trimmed` and `untrimmed` take it."""
    return SubwordTable(
        torch.from_numpy(vocabulary.table.astype(np.int64)),
        torch.from_numpy(vocabulary.kept.astype(np.int64)),
    )


def subwords_in(
    task: Task, sets: Sequence[Sequence[Example]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Every subword id that these examples need, sorted."""
    ids = [np.zeros(0, np.int64)]
    for examples in sets:
        for begin in range(0, len(examples), 256):
            batch = task.collate(examples[begin : begin + 256])
            ids += [np.unique(v.numpy()) for k, v in batch.items() if k.endswith("input_ids")]
    return np.unique(np.concatenate(ids))


def shape_of(batch: Mapping[str, torch.Tensor]) -> tuple[int, ...]:
    """The shape of a batch: (rows, subwords)."""
    return tuple(next(v.shape for k, v in batch.items() if k.endswith("input_ids")))
