"""What a run ran on: package versions, hardware, git state."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xlt.config.schema import Model
from xlt.data.checksums import sha256
from xlt.extras import installed
from xlt.model import named
from xlt.model.content import folder_hash
from xlt.model.pretrained import Pretrained, cached_commit

_SECRET = re.compile(
    r"(^|[._-])(api_?key|access_?key|key|token|secret|password|credentials?)$", re.IGNORECASE
)

PACKAGES = (
    *("xlt", "torch", "transformers", "datasets", "accelerate", "peft", "tokenizers"),
    *("safetensors", "numpy", "scipy", "spacy", "pydantic"),
)


def manifest() -> dict[str, Any]:
    """JSON-able; `packages` leaves out what is not installed."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: v for name in PACKAGES if (v := installed(name))},
        "hardware": hardware(),
        "git": git_state(),
    }


def command(arguments: Sequence[str]) -> list[str]:
    """How a run was started, without what is nobody else's business: runs are shared.

    The program's name, and if it is xlt's, its arguments: paths in the current folder relative to
    it, others below the home folder from ``~``; no values of keys that are called like secrets.
    """
    program, *rest = arguments or [""]
    path = Path(program)
    ours = path.name == "xlt" or (path.parent.name, path.name) == ("xlt", "__main__.py")
    return ["xlt", *map(_shareable, rest)] if ours else [path.name]


def _shareable(argument: str) -> str:
    key, equals, _ = argument.partition("=")
    if equals and _SECRET.search(key):
        return f"{key}=…"
    for folder, short in ((Path.cwd(), ""), (Path.home(), "~/")):
        argument = argument.replace(f"{folder}/", short) if folder != Path("/") else argument
    return argument


def describe_encoder(model: Model) -> dict[str, Any]:
    """What a run starts from: the name in the config, and what it stood for on that day."""
    about: dict[str, Any] = {"name": model.encoder, "revision": model.revision}
    about |= named.about(model.encoder)
    source = Path(named.located(model.encoder))
    if source.is_dir():
        about["sha256"] = folder_hash(source)
    elif (commit := cached_commit(str(source), model.revision)) is not None:
        about["commit"] = commit
    if model.vocabulary is not None:
        about["text"] = {path: sha256(Path(path)) for path in model.vocabulary.extend}
        about["extension"] = Pretrained(model.encoder, model, local=True).extension
        if model.vocabulary.donor is not None:
            about["donor"] = describe_encoder(Model(encoder=model.vocabulary.donor))
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


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:  # noqa: PTH123
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform module's answer is all there is
    return platform.processor()
