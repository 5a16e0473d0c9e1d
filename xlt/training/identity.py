"""What decides the weights of a stage, in parts: what was asked for, and what it was made with.

A stage is filed under the hash of both. The parts stand beside it, so that it can be said of a
stage that was made with something else what that is.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xlt.data.code import READING, code_hashes
from xlt.extras import installed
from xlt.files import DamagedFile, read_sealed, write_sealed

FILE = "key.json"
"""In a stage's folder, from the moment when it begins."""

PACKAGES = (
    *("torch", "transformers", "tokenizers", "sentencepiece", "accelerate", "numpy"),
    *("spacy", "regex"),  # words of running text
)
"""Libraries that compute what a stage learns, or what it learns from.

pyarrow and datasets only store what was read."""

MAX_NAME = 120
"""Letters of a stage's name that its folder has: sixty sources are more than a file name holds."""

_PARTS = (*READING, "model", "inference", "evaluation", "training")
"""What of xlt reads, encodes, trains and selects.

No strategy is among them: what one plans is a `Stage`, which is all that it has to do with the
weights."""


@dataclass(frozen=True)
class Identity:
    """settings: config, data and seed, in the words of the config.
    environment: "code" (package → hash), "versions" (library → version), "precision" and "device".

    Both JSON-able, with strings as keys.
    """

    settings: Mapping[str, Any]
    environment: Mapping[str, Any]

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Say in a stage's folder what it is."""
        write_sealed(folder / FILE, asdict(self))


def folder_name(name: str, identity: Identity) -> str:
    """Of the stage called `name`."""
    return f"{name[:MAX_NAME]}-{identity.key[:12]}"


def environment(
    plugins: Iterable[type], precision: str, device: str, *, lora: bool
) -> dict[str, Any]:
    """What this process would make a stage with.

    plugins: classes that have a part in it: the stage's kind, the task.
    precision, device: as they were chosen, not as `auto`.
    lora: whether peft has a part in it.
    """
    code = code_hashes(object, *_PARTS)
    for plugin in plugins:
        if not plugin.__module__.startswith("xlt.training."):  # which is one of the parts
            code |= code_hashes(plugin, *_PARTS)
    return {
        "code": code,
        "versions": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            **_versions((*PACKAGES, "peft") if lora else PACKAGES),
        },
        "precision": precision,
        "device": device,
    }


@cache
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Of those that are installed, which stay what this process began with."""
    return {name: known for name in packages if (known := installed(name))}


def read(folder: Path) -> Identity | None:
    """What is said in a stage's folder; None where nothing is, or nothing that can be trusted."""
    try:
        stated = read_sealed(folder / FILE, fix="the stage has to be trained again")
        return Identity(stated["settings"], stated["environment"])
    except (FileNotFoundError, DamagedFile, KeyError):
        return None


def made_otherwise(root: Path, name: str, wanted: Identity) -> Iterator[tuple[Path, Identity]]:
    """Folders of stages called `name` for which the same was asked, but made with something else.

    The newest first.
    """
    stages = [path.parent for path in root.glob(f"{name[:MAX_NAME]}-*/{FILE}")]
    for folder in sorted(stages, key=lambda path: -path.stat().st_mtime_ns):
        found = read(folder)
        if found is not None and found.settings == wanted.settings and found != wanted:
            yield folder, found


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What an environment has otherwise than the one now, in words: "torch 2.6.0 (now 2.7.1)"."""
    found = [
        f"{name} {then[name]} (now {now[name]})"
        for name in ("device", "precision")
        if then[name] != now[name]
    ]
    for name in dict.fromkeys([*then["versions"], *now["versions"]]):
        one, other = then["versions"].get(name, "absent"), now["versions"].get(name, "absent")
        if one != other:
            found.append(f"{name} {one} (now {other})")
    changed = [
        name
        for name in dict.fromkeys([*then["code"], *now["code"]])
        if then["code"].get(name) != now["code"].get(name)
    ]
    return [*found, f"other code in {', '.join(changed)}"] if changed else found
