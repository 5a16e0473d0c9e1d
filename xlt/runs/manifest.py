"""What a run ran on: package versions, hardware, git state."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xlt.config.schema import Model
from xlt.model import named
from xlt.model.folder import fingerprint_folder

PACKAGES = (
    *("xlt", "torch", "transformers", "datasets", "accelerate", "peft", "tokenizers"),
    *("safetensors", "numpy", "scipy", "spacy", "pydantic"),
)


def manifest() -> dict[str, Any]:
    """JSON-able; `packages` leaves out what is not installed."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: v for name in PACKAGES if (v := _version(name))},
        "hardware": hardware(),
        "git": git_state(),
    }


def describe_encoder(model: Model) -> dict[str, Any]:
    """What a run starts from: the name in the config, and what it stood for on that day."""
    about: dict[str, Any] = {"name": model.encoder, "revision": model.revision}
    about |= named.about(model.encoder)
    source = Path(named.located(model.encoder))
    if source.is_dir():
        about["sha256"] = fingerprint_folder(source)
    return about


def hardware() -> dict[str, Any]:
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": gpus,
    }


def git_state() -> dict[str, Any] | None:
    """Commit and whether files differ from it, of the folder the command was run in."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no repository: nothing to record


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:  # noqa: PTH123
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform module's answer is all there is
    return platform.processor()
