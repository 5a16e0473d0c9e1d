"""Prediction in length-sorted batches; every record gets its prediction, in the order it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.data.batch import prediction_batches
from xlt.errors import XltError
from xlt.task import Example, Record, Task

if TYPE_CHECKING:
    from xlt.model.task_model import TaskModel
    from xlt.model.vocabulary import Trimmed


@dataclass
class Predictor:
    """A model ready to predict.

    budget: pieces in a batch, padding included.
    pieces: between the tokenizer and a trimmed vocabulary, or None.
    """

    task: Task
    model: TaskModel
    budget: int
    precision: str = "fp32"
    device: str = "cpu"
    pieces: PieceTable | None = None

    def __call__(self, records: Sequence[Record], examples: Sequence[Example]) -> list[Record]:
        """Copies of the records with predicted annotation, in their order."""
        predicted: list[Record | None] = [None] * len(examples)
        for batch, outputs in self.batches(examples):
            decoded = self.decode(records, examples, batch, outputs)
            for i, record in zip(batch, decoded, strict=True):
                predicted[i] = record
        complete = [record for record in predicted if record is not None]
        if len(complete) != len(records):
            raise AssertionError(f"{len(records)} records in, {len(complete)} predictions out")
        return complete

    @contextmanager
    def prepared(self, examples: Sequence[Example]) -> Iterator[None]:
        """A generator's vocabulary made smaller for these examples, unless it is already."""
        if self.pieces is not None or not examples:
            yield
            return
        with self.model.narrowed(lambda: pieces_in(self.task, [examples])) as vocabulary:
            self.pieces = None if vocabulary is None else piece_table(vocabulary)
            try:
                yield
            finally:
                self.pieces = None

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

    def decode(
        self,
        records: Sequence[Record],
        examples: Sequence[Example],
        batch: Sequence[int],
        outputs: Mapping[str, torch.Tensor],
    ) -> list[Record]:
        """What the outputs for a batch (of `batches`) mean."""
        chosen = [examples[i] for i in batch]
        found = [records[example.index] for example in chosen]
        return self.task.decode(found, chosen, outputs, self.model.labels)

    def each(
        self,
        examples: Sequence[Example],
        work: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Every example's position and its row of what `work` makes of batches of them."""
        with self.prepared(examples):
            for batch in prediction_batches([e.length for e in examples], self.budget):
                rows = self.run([examples[i] for i in batch], work)
                yield from ((int(i), row) for i, row in zip(batch, rows, strict=True))

    def forward(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        outputs: dict[str, Any] = self.run(examples, lambda batch: self.model(**batch))
        found = {
            k: v.float().cpu() if v.is_floating_point() else v.cpu()
            for k, v in outputs.items()
            if isinstance(v, torch.Tensor)
        }
        return untrimmed(found, self.pieces)

    def run(
        self, examples: Sequence[Example], work: Callable[[dict[str, torch.Tensor]], Any]
    ) -> Any:
        """What `work` makes of a batch, on the model's device and in its precision."""
        batch = trimmed(self.task.collate(examples), self.pieces)
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


@contextmanager
def out_of_memory(doing: str, *, where: str, fix: str) -> Iterator[None]:
    """Turns the accelerator's and the CPU allocator's errors into one that names a setting."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        lacking = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
            text in str(error).lower() for text in ("can't allocate memory", "not enough memory")
        )
        if not lacking:
            raise
        raise XltError(f"out of memory {doing}", where=where, fix=fix) from error


def shape_of(batch: Mapping[str, torch.Tensor]) -> tuple[int, ...]:
    """(rows, pieces) of a batch."""
    return tuple(next(v.shape for k, v in batch.items() if k.endswith("input_ids")))


@dataclass(frozen=True)
class PieceTable:
    """Piece ids of the tokenizer ↔ rows of a trimmed vocabulary.

    to_trimmed: (full vocabulary,), the unknown piece's row where a piece was not kept.
    to_full:    (trimmed vocabulary,)
    """

    to_trimmed: torch.Tensor
    to_full: torch.Tensor


def trimmed(batch: dict[str, torch.Tensor], pieces: PieceTable | None) -> dict[str, torch.Tensor]:
    """The batch with its piece ids (all that is called `input_ids`) in the trimmed vocabulary."""
    if pieces is None:
        return batch
    table = pieces.to_trimmed
    return {k: table[v] if k.endswith("input_ids") else v for k, v in batch.items()}


def untrimmed(
    outputs: dict[str, torch.Tensor], pieces: PieceTable | None
) -> dict[str, torch.Tensor]:
    """A model's outputs with their piece ids (all that is called `output_ids`) the tokenizer's."""
    if pieces is None:
        return outputs
    return {k: pieces.to_full[v] if k.endswith("output_ids") else v for k, v in outputs.items()}


def count_matrix(
    task: Task, gold: Sequence[Record], predicted: Sequence[Record]
) -> NDArray[np.float64]:
    """Sufficient statistics of every record, shape (records, len(task.count_names))."""
    if not gold:
        return np.zeros((0, len(task.count_names)))
    return np.stack([task.counts(g, p) for g, p in zip(gold, predicted, strict=True)])


def score(task: Task, counts: NDArray[np.float64]) -> dict[str, float]:
    """The task's metrics over all records, in percent."""
    return {name: float(value) for name, value in task.metrics(counts.sum(axis=0)).items()}


@dataclass
class Ensemble(Predictor):
    """Several models of one task and label inventory that decide together."""

    members: tuple[Predictor, ...] = ()

    @classmethod
    def of(cls, members: Sequence[Predictor]) -> Ensemble:
        first = members[0]
        if any(one.model.labels != first.model.labels for one in members):
            raise ValueError("the models have different labels")
        for one in members:
            one.model.eval()
        return cls(
            first.task, first.model, first.budget, first.precision, first.device,
            members=tuple(members),
        )  # fmt: skip

    @contextmanager
    def prepared(self, examples: Sequence[Example]) -> Iterator[None]:
        with ExitStack() as stack:
            for one in self.members:
                stack.enter_context(one.prepared(examples))
            yield

    def forward(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        return dict(self.task.combine([one.forward(examples) for one in self.members]))


def cast_for_inference(model: TaskModel, precision: str) -> None:
    """Store the weights of linear layers in the precision that autocast would cast them to.

    The results are the same, bit for bit; the cast of every weight in every batch is saved, and
    half of the memory. Not for a model that will train.
    """
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    if dtype is None:
        return
    table = model.encoder.get_input_embeddings().weight
    for module in model.encoder.modules():
        if type(module) is not torch.nn.Linear:
            continue
        if module.weight is table:  # an output layer that is tied to the embedding
            module.weight = torch.nn.Parameter(table.to(dtype), requires_grad=False)
        module.to(dtype)


def autocast(precision: str, device: str) -> torch.autocast:
    kind = device.split(":")[0]
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.bfloat16)
    return torch.autocast(kind, dtype=dtype, enabled=precision in ("bf16", "fp16"))


def choose_precision(wanted: str, device: str) -> str:
    """`auto` becomes bf16 where the hardware computes it natively, else fp32."""
    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device == "cpu":
        return "bf16" if _cpu_has_bf16() else "fp32"
    return "fp32"


_ISA_WITHOUT_BF16 = frozenset(
    ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
)
"""Values of oneDNN's ONEDNN_MAX_CPU_ISA under which it computes no bf16 product natively."""


def _cpu_has_bf16() -> bool:
    """Native bf16 products, which oneDNN computes: emulation would be slower than fp32.

    A processor that is told to do less (ONEDNN_MAX_CPU_ISA, oneDNN's "CPU dispatcher control")
    counts as one that can do no more.
    """
    import os
    from pathlib import Path

    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _ISA_WITHOUT_BF16:
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags


def best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def piece_table(vocabulary: Trimmed) -> PieceTable:
    """As `trimmed` and `untrimmed` take it."""
    return PieceTable(
        torch.from_numpy(vocabulary.table.astype(np.int64)),
        torch.from_numpy(vocabulary.kept.astype(np.int64)),
    )


def pieces_in(task: Task, sets: Sequence[Sequence[Example]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Every piece id that these examples need, sorted."""
    found = [np.zeros(0, np.int64)]
    for examples in sets:
        for begin in range(0, len(examples), 256):
            batch = task.collate(examples[begin : begin + 256])
            found += [np.unique(v.numpy()) for k, v in batch.items() if k.endswith("input_ids")]
    return np.unique(np.concatenate(found))


def distributed_counts(
    predictor: Predictor, records: Sequence[Record], examples: Sequence[Example]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """`count_matrix` of a data set, computed by all processes together; rows in record order."""
    from accelerate import PartialState
    from accelerate.utils import gather_object

    state = PartialState()
    mine = range(state.process_index, len(examples), state.num_processes)
    chosen = [records[examples[i].index] for i in mine]
    local = [Example(j, examples[i].length, examples[i].inputs) for j, i in enumerate(mine)]
    counts = count_matrix(predictor.task, chosen, predictor(chosen, local))
    if state.num_processes == 1:
        return counts
    rows = gather_object(list(zip(mine, counts.tolist(), strict=True)))
    return np.array([row for _, row in sorted(rows, key=lambda pair: pair[0])])
