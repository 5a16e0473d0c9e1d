"""What an estimate needs (`xlt.runs.cost`): an encoder's shape, and how fast this machine is.

One layer of the encoder's width is run forward and backward on random numbers, for a second or
two, once per machine.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xlt.config.schema import Model
from xlt.data.checksums import cache_dir
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.inference.device import autocast
from xlt.model.backbone import Backbone
from xlt.model.vocabulary_tensors import embedding_table
from xlt.runs.cost import Machine, Shape
from xlt.runs.manifest import hardware

_MAX_AGE_SECONDS = 86_400
"""After which a machine's speed is measured again."""

_BUSY = 0.2
"""Share of the processors in use by others from which on a speed is not relied on later."""

_measured: dict[tuple[Path, str], list[float]] = {}
"""By this process, so that it estimates all steps of a plan alike, however busy the machine is."""

_TIMED_SUBWORDS = 1024
"""In the batch that is timed."""


def encoder_shape(model: Model) -> Shape | None:
    """From the architecture alone, without weights or network; None if it is not here, or if
    something of it may not be used."""
    backbone = Backbone(model.encoder, model, local=True, random=True, weightless=True)
    try:
        encoder = backbone.encoder()
    except Exception:  # whatever a damaged or unknown architecture raises: the encoder is unknown
        return None
    config: Any = backbone.config
    table = embedding_table(encoder)
    rows, embeddings = (1, 0) if table is None else (len(table.weight), table.weight.numel())
    total = sum(parameter.numel() for parameter in encoder.parameters())
    return Shape(
        embeddings=embeddings,
        vocabulary=rows,
        rest=total - embeddings,
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        heads=config.num_attention_heads,
    )


# This machine --------------------------------------------------------------------------------


def measure(device: str, precision: str, shape: Shape, length: float) -> Machine:
    """The machine's speed for an encoder: measured for a second or two, then remembered.

    What was measured while others used the machine is measured again the next time, and the faster
    of the two counts.

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
    here = _measured.get((path, key))
    found = here or _read(path).get(key)
    if found is not None and time.time() - found[0] > _MAX_AGE_SECONDS:
        found = None
    if found is None or (found[-1] > _BUSY and here is None):
        busy = psutil.cpu_percent(0.2) / 100 if device == "cpu" else 0.0
        speed = [*_layer_speed(device, precision, shape, rounded), 1 / _copy_speed(device)]
        if found is not None:
            speed = [min(pair) for pair in zip(speed, found[1:4], strict=True)]
        found = [time.time(), *speed, busy]
        with contextlib.suppress(OSError):  # measuring again costs a second
            path.parent.mkdir(parents=True, exist_ok=True)
            # What others have measured meanwhile stays.
            write_sealed(path, {**_read(path), key: found}, cache=True)
    _measured[path, key] = found
    _, forward, backward, copying, busy = found
    threads, gib = torch.get_num_threads(), 2**30
    return Machine(
        device,
        precision,
        threads,
        forward=forward,
        backward=backward,
        bandwidth=1 / copying,
        memory=total / gib,
        free=free / gib,
        busy=busy,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        known = read_sealed(path, fix="delete it")
    except (OSError, DamagedFile):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, list) and len(v) == 5}


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
