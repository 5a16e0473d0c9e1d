"""How long and how large a stage will be: an estimate, from counts alone.

Time: subwords × layers × what one layer takes on the machine (`xlt.runs.estimate` measures it),
plus AdamW's traffic divided by the speed of memory. Memory: four numbers a trained parameter
(weight, gradient, two moments) and the activations of one batch (Korthikanti et al. 2022, arXiv
2205.05198, equation 2). A machine that does other things at the same time, and data of uneven
length, make the truth differ: expect a factor of two.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from xlt.config.schema import Model, Training
from xlt.transfer.kind import Effort

_PROCESS_GIB = {"cpu": 0.7, "cuda": 1.0, "mps": 1.0}
"""GiB that Python with torch and transformers takes before there is a model."""

_OPTIMIZER_BYTES = 32
"""Fused AdamW and clipping, per parameter: weight, gradient and two moments read, three written,
and the gradient once more for its norm."""

OVERHEAD_FACTOR = 1.15
"""Embeddings, the task's own layers, batching: on top of what the layers take."""


@dataclass(frozen=True)
class Shape:
    """What the estimate needs to know of an encoder.

    embeddings: parameters of the subword embedding, before anything is trimmed.
    rest:       all other parameters.
    """

    embeddings: int
    vocabulary: int
    rest: int
    layers: int
    width: int
    heads: int

    def trimmed(self, subwords: int | None) -> int:
        """Parameters when only `subwords` rows of the embedding are kept."""
        kept = self.vocabulary if subwords is None else min(subwords, self.vocabulary)
        return self.rest + self.embeddings * kept // self.vocabulary


@dataclass(frozen=True)
class Machine:
    """forward, backward: seconds a subword and layer; bandwidth: bytes a second; memory in GiB.

    busy: share of the processors that other work had while the speed was measured.
    """

    device: str
    precision: str
    threads: int
    forward: float
    backward: float
    bandwidth: float
    memory: float
    free: float
    busy: float = 0.0


@dataclass(frozen=True)
class Load(Effort):
    """A stage's work for one seed."""

    @property
    def length(self) -> float:
        return self.subwords / max(1, self.records)

    def all_steps(self, training: Training) -> int:
        return max(1, -(-self.subwords // training.batch_tokens)) * training.epochs

    def steps(self, training: Training) -> int:
        steps = self.all_steps(training)
        return min(steps, training.max_steps or steps)


@dataclass(frozen=True)
class Estimate:
    steps: int
    minutes: float
    memory_gib: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    shape: Shape, load: Load, training: Training, model: Model, machine: Machine, kept: int | None
) -> Estimate:
    """Minutes and peak memory of a stage. kept: subwords left after trimming, None for all."""
    total = shape.trimmed(kept)
    trained = _trained(shape, total, training, model)
    steps = load.steps(training)
    done = load.subwords * training.epochs * steps / max(1, load.all_steps(training))
    # Through frozen weights goes only the gradient by activations: half of the way back.
    back = machine.backward * (1 + trained / total) / 2
    ahead = machine.forward * (1 + training.gradient_checkpointing)
    # Twelve matrices of width by width a layer, and for what is predicted one by the vocabulary.
    rows = shape.vocabulary if kept is None else min(kept, shape.vocabulary)
    depth = shape.layers + load.predicted * rows / (12 * shape.width)
    learnt = training.computed * done * (ahead + back)
    layers = depth * (learnt + load.evaluated * machine.forward)
    optimizer = training.models * steps * trained * _OPTIMIZER_BYTES / machine.bandwidth
    return Estimate(
        steps=steps,
        minutes=(layers * OVERHEAD_FACTOR + optimizer) / 60,
        memory_gib=training_gib(
            shape, load.length, training, model, kept, machine.device, machine.precision
        ),
    )


def training_gib(
    shape: Shape,
    length: float,
    training: Training,
    model: Model,
    kept: int | None,
    device: str,
    precision: str,
) -> float:
    """Peak memory of a stage. length: mean subwords of a record; kept: as in `estimate`."""
    total = shape.trimmed(kept)
    trained = _trained(shape, total, training, model)
    activations = _activations(shape, length, training, _bytes(precision))
    model_bytes = 4 * total + 12 * trained + activations
    return _PROCESS_GIB[device] + training.models * model_bytes / 2**30


def scoring_gib(
    shape: Shape, length: float, batch_tokens: int, kept: int | None, device: str, precision: str
) -> float:
    """Peak memory of prediction, in batches of so many subwords; otherwise as `training_gib`."""
    layer = _layer(shape, length, batch_tokens, _bytes(precision))
    return _PROCESS_GIB[device] + (4 * shape.trimmed(kept) + layer) / 2**30


def _trained(shape: Shape, total: int, training: Training, model: Model) -> int:
    if model.lora is not None:
        return 8 * model.lora.rank * shape.width * shape.layers  # four square matrices a layer
    if "encoder" in training.freeze:
        return 1
    body = shape.rest
    lowest = max(
        (int(t[7:]) for t in training.freeze if t.startswith("layers:") and t[7:].isdigit()),
        default=0,
    )
    trained = body - body * min(lowest, shape.layers) // max(1, shape.layers)
    frozen_table = "embeddings" in training.freeze
    return max(1, trained + (0 if frozen_table else total - shape.rest))


def _activations(shape: Shape, length: float, training: Training, number: int) -> float:
    """Bytes of one pass over a batch."""
    subwords = training.batch_tokens / training.accumulate
    layer = _layer(shape, length, subwords, number)
    if training.gradient_checkpointing:
        return shape.layers * subwords * shape.width * number + layer
    return shape.layers * layer


def _layer(shape: Shape, length: float, subwords: float, number: int) -> float:
    """Bytes of the activations of one layer. number: bytes of one."""
    return subwords * (34 * shape.width + 5 * shape.heads * length) * number / 2


def _bytes(precision: str) -> int:
    return 4 if precision == "fp32" else 2
