"""How long and how large a stage will be on this machine: an estimate, from counts alone.

Time: one layer of the encoder's width is run forward and backward on random numbers, for a second
or two, once per machine; subwords × layers × that, plus AdamW's traffic divided by the measured
speed of memory. Memory: four numbers a trained parameter (weight, gradient, two moments) and the
activations of one batch (Korthikanti et al. 2022, arXiv 2205.05198, equation 2). A machine that
does other things at the same time, and data of uneven length, make the truth differ: expect a
factor of two.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlt.config.schema import Model, Training
from xlt.data.checksums import cache_dir
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.inference.device import autocast
from xlt.model.backbone import Backbone
from xlt.runs.manifest import hardware

_PROCESS_GIB = {"cpu": 0.7, "cuda": 1.0, "mps": 1.0}
"""GiB that Python with torch and transformers takes before there is a model."""

_OPTIMIZER_BYTES = 32
"""Fused AdamW and clipping, per parameter: weight, gradient and two moments read, three written,
and the gradient once more for its norm."""

_OVERHEAD_FACTOR = 1.15
"""Embeddings, the task's own layers, batching: on top of what the layers take."""

_MAX_AGE_SECONDS = 86_400
"""After which a machine's speed is measured again."""

_TIMED_SUBWORDS = 1024
"""In the batch that is timed."""


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


def encoder_shape(model: Model) -> Shape | None:
    """From the architecture alone, without weights or network; None if it is not here, or if
    something of it may not be used."""
    backbone = Backbone(model.encoder, model, local=True, random=True, weightless=True)
    try:
        encoder = backbone.encoder()
    except Exception:  # whatever a damaged or unknown architecture raises: the encoder is unknown
        return None
    config: Any = backbone.config
    table = encoder.get_input_embeddings().weight
    total = sum(parameter.numel() for parameter in encoder.parameters())
    return Shape(
        embeddings=table.numel(),
        vocabulary=table.shape[0],
        rest=total - table.numel(),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        heads=config.num_attention_heads,
    )


# This machine --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """forward, backward: seconds a subword and layer; bandwidth: bytes a second; memory in GiB."""

    device: str
    precision: str
    threads: int
    forward: float
    backward: float
    bandwidth: float
    memory: float
    free: float


def measure(device: str, precision: str, shape: Shape, length: float) -> Machine:
    """The machine's speed for an encoder: measured for a second or two, then remembered.

    length: mean subwords of a record; attention depends on it.
    """
    import psutil
    import torch

    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
    else:
        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
    path = cache_dir() / "machine.json"
    rounded = 1 << max(3, min(9, round(math.log2(max(1.0, length)))))
    of = [hardware(), torch.__version__, device, precision, shape.width, shape.heads, rounded]
    key = json.dumps(of)
    known = _read(path)
    # Measured while others used the machine, the figures would be wrong for ever.
    if key not in known or time.time() - known[key][0] > _MAX_AGE_SECONDS:
        speed = _layer_speed(device, precision, shape, rounded)
        known[key] = [time.time(), *speed, _copy_speed(device)]
        with contextlib.suppress(OSError):  # measuring again costs a second
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, known, cache=True)
    _, forward, backward, bandwidth = known[key]
    threads, gib = torch.get_num_threads(), 2**30
    return Machine(
        device, precision, threads, forward, backward, bandwidth, total / gib, free / gib
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        known = read_sealed(path, fix="delete it")
    except (OSError, DamagedFile):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, list) and len(v) == 4}


def _layer_speed(device: str, precision: str, shape: Shape, length: int) -> tuple[float, float]:
    """Seconds a subword for one layer, forward and backward."""
    import torch

    layer = torch.nn.TransformerEncoderLayer(
        shape.width, shape.heads, 4 * shape.width, activation="gelu", batch_first=True
    ).to(device)
    x = torch.randn(max(1, _TIMED_SUBWORDS // length), length, shape.width, device=device)
    x.requires_grad_()

    def forward() -> torch.Tensor:
        with autocast(precision, device):
            return layer(x).float().sum()  # type: ignore[no-any-return]

    ahead = _seconds(forward, device)
    both = _seconds(lambda: torch.autograd.backward(forward()), device)
    subwords = x.shape[0] * x.shape[1]
    return ahead / subwords, max(both - ahead, ahead) / subwords


def _copy_speed(device: str) -> float:
    import torch

    a = torch.ones(1 << 25, device=device)
    b = torch.empty_like(a)
    return 2 * a.numel() * 4 / _seconds(lambda: b.copy_(a), device)


def _seconds(work: Callable[[], Any], device: str) -> float:
    """Of one run; the best of as many as fit into half a second, after one to warm up."""
    import torch

    def once() -> float:
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    once()
    end = time.perf_counter() + 0.5
    best = once()
    while time.perf_counter() < end:
        best = min(best, once())
    return best


# A stage -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """A stage's work for one seed.

    subwords, records: of one epoch; evaluated: subwords scored over the whole stage.
    """

    subwords: int
    records: int
    evaluated: int

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
    layers = shape.layers * (done * (ahead + back) + load.evaluated * machine.forward)
    optimizer = steps * trained * _OPTIMIZER_BYTES / machine.bandwidth
    number = 4 if machine.precision == "fp32" else 2
    return Estimate(
        steps=steps,
        minutes=(layers * _OVERHEAD_FACTOR + optimizer) / 60,
        memory_gib=_PROCESS_GIB[machine.device]
        + (4 * total + 12 * trained + _activations(shape, load.length, training, number)) / 2**30,
    )


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
    layer = subwords * (34 * shape.width + 5 * shape.heads * length) * number / 2
    if training.gradient_checkpointing:
        return shape.layers * subwords * shape.width * number + layer
    return shape.layers * layer
