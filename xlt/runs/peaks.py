"""How much memory steps took at their peak, for steps that are like them.

What a step is like is a hash of what decides its memory (`likeness`); what such steps took lies in
the cache, a file for each.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from xlt.config.intermediate import learning
from xlt.config.schema import Config
from xlt.data.checksums import cache_dir
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.inference.device import best_device, choose_precision
from xlt.transfer.stage import Stage

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Peak:
    """GiB of the machine's memory, and of a GPU's."""

    memory: float
    gpu: float = 0.0


def likeness(config: Config, stage: Stage | None) -> str:
    """Of training a stage with a config, or, without one, of evaluating its run."""
    device = best_device()
    about: list[object] = [config.task, config.model, config.evaluation.batch_tokens, device]
    if stage is None:
        about += [config.data, config.source, config.target, config.strategy, config.projection]
        precision = config.training.precision
    else:
        splits = (*stage.train, *stage.dev)
        read = {
            one.origin.name: learning(config, one.task).data.get(one.origin.language)
            for one in splits
        }
        training = stage.training
        about += [splits, read, training.batch_tokens, training.accumulate, training.freeze]
        about += [training.gradient_checkpointing, training.average, stage.kind, stage.options]
        precision = training.precision
    text = repr([*about, choose_precision(precision, device)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def peak(like: str) -> Peak | None:
    """The highest that such steps took, if any was measured on this machine."""
    try:
        return Peak(**read_sealed(_path(like), fix="delete it"))
    except (FileNotFoundError, DamagedFile, TypeError):
        return None


def remember(like: str) -> None:
    """That a step that began with `reset` in this process has ended."""
    now, before = _now(), peak(like) or Peak(0.0)
    if now is None or (now.memory <= before.memory and now.gpu <= before.gpu):
        return
    higher = Peak(max(now.memory, before.memory), max(now.gpu, before.gpu))
    with suppress(OSError):  # an estimate does without
        _path(like).parent.mkdir(parents=True, exist_ok=True)
        write_sealed(_path(like), asdict(higher), cache=True)


def _path(like: str) -> Path:
    return cache_dir() / "peaks" / f"{like}.json"


def reset() -> None:
    """Let the peak of this process be what is in use now, where the system can do that (proc(5)).

    It is that of its resource usage, too (getrusage(2)).
    """
    import torch

    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _now() -> Peak | None:
    """Since `reset`; None where the system does not say."""
    import torch

    try:
        text = _STATUS.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        return None
    gpu = torch.cuda.max_memory_reserved() / 2**30 if torch.cuda.is_available() else 0.0
    return Peak(round(int(found[1]) / 2**20, 3), round(gpu, 3))
