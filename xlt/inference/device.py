"""Where a model runs and in which precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from xlt.errors import XltError
from xlt.model.vocabulary_tensors import embedding_table

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from xlt.model.task_model import TaskModel


DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Precision → the type that products are computed in; all others stay as they are."""


def best_device() -> str:
    """The accelerator of this machine, `cuda` or `mps`, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_precision(wanted: str, device: str) -> str:
    """`auto` becomes bf16 where the hardware computes it natively, else fp32."""
    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device == "cpu":
        return "bf16" if _cpu_has_bf16() else "fp32"
    return "fp32"


_OVERFLOWING = {"t5": "T5", "gemma": "Gemma"}
"""Part of a `model_type` → family. Pretrained in bf16, their activations exceed fp16's 65,504."""


def refuse_fp16(precision: str, config: PreTrainedConfig, *, where: str) -> None:
    """Raise XltError for fp16 with an architecture of which it makes NaN."""
    for part, family in _OVERFLOWING.items():
        if precision == "fp16" and part in config.model_type:
            raise XltError(
                f"the {family} family overflows in fp16 (NaN)",
                where=where,
                fix="use `bf16`, `fp32` or `auto`",
            )


_ISA_WITHOUT_BF16 = frozenset(
    ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
)
"""Values of oneDNN's ONEDNN_MAX_CPU_ISA under which it computes no bf16 product natively."""


def _cpu_has_bf16() -> bool:
    """Native bf16 products, which oneDNN computes: emulation would be slower than fp32.

    A processor that is told to do less (ONEDNN_MAX_CPU_ISA, oneDNN's "CPU dispatcher control")
    counts as one that can do no more.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _ISA_WITHOUT_BF16:
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags


def autocast(precision: str, device: str) -> torch.autocast:
    """A context in which products are computed in this precision; without effect for fp32."""
    if precision not in DTYPES:
        return torch.autocast(device.split(":")[0], enabled=False)
    return torch.autocast(device.split(":")[0], dtype=DTYPES[precision])


def cast_for_inference(model: TaskModel, precision: str) -> None:
    """Store the weights of linear layers in the precision that autocast would cast them to.

    The results are the same, bit for bit; the cast of every weight in every batch is saved, and
    half of the memory. Not for a model that will train.
    """
    dtype = DTYPES.get(precision)
    if dtype is None:
        return
    embedding = embedding_table(model.encoder)
    table = None if embedding is None else embedding.weight
    for module in model.encoder.modules():
        if type(module) is not torch.nn.Linear:
            continue
        # An output layer that is tied to the embedding.
        if table is not None and module.weight is table:
            module.weight = torch.nn.Parameter(table.to(dtype), requires_grad=False)
        module.to(dtype)


_LACKING = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")
"""In messages of the CPU's allocator, of Metal's and of libraries of CUDA."""


@contextmanager
def out_of_memory(
    doing: str, *, where: str, fix: str, kind: type[XltError] = XltError
) -> Iterator[None]:
    """Turns the accelerator's and the CPU allocator's errors into one that names a setting.

    kind: of the error that is raised.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        lacking = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
            text in str(error).lower() for text in _LACKING
        )
        if not lacking:
            raise
        raise kind(f"out of memory {doing}", where=where, fix=fix) from error
