"""Data that were found: where they are, how they are read, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.data import cards


@dataclass(frozen=True)
class ResolvedData:
    """Data that can be read now.

    reference:   as the config has it.
    files:       read one after the other; empty for hub data.
    hub:         for ``hf:`` data: path or id, configuration, split.
    format:      a format of the task; None: the file's suffix says it.
    options:     of the task's reader, as the card and the reference give them.
    select:      which records, by index over all files.
    fingerprint: SHA-256 over the content of the files and all that the records depend on, but
        not over `limit`, which is a sample of them.
    control:     what is done to the records (`xlt.data.controls`); they are what they are in the
        files without.
    differs:     some file is not the publisher's (its checksum differs or it was rebuilt); the
        caveats say which.
    """

    reference: str
    language: str
    split: str
    files: tuple[Path, ...]
    format: str | None
    fingerprint: str
    hub: tuple[str, str | None, str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    select: cards.Select | None = None
    limit: int | dict[str, int] | None = None
    control: str | None = None
    card: str | None = None
    licence: str | None = None
    citation: str | None = None
    origin: str | None = None
    caveats: tuple[str, ...] = ()
    differs: bool = False
