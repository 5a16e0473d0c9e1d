"""What an encoder has read in pretraining, and how much text a language has at all.

``pretraining.json`` holds the published language lists of the usual encoders, with tokens
(millions) where they were published. CC-100's (XLM-R's) also stand for a language's resources.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt import languages
from xlt.model import embedded
from xlt.registry import EMBEDDED

PATH = Path(__file__).with_name("pretraining.json")


@dataclass(frozen=True)
class Pretraining:
    """What an encoder was pretrained on.

    languages: code of `languages.shared` → tokens in millions, None where only the language is
        known.
    adapted: those that an encoder, which was trained on all before, was adapted to in the end.
    partial: there are more languages than these, which are not known.
    """

    name: str
    source: str
    languages: Mapping[str, float | None]
    adapted: frozenset[str] = frozenset()
    partial: bool = False

    def has_read(self, code: str) -> bool | None:
        """Whether it has read the language; None where that is not known."""
        return True if code in self.languages else None if self.partial else False

    def says(self, code: str) -> str:
        """Say in words how much of the language it has read."""
        if code not in self.languages:
            return "not known" if self.partial else "never read"
        if code in self.adapted:
            return "adapted to it"
        tokens = self.languages[code]
        if tokens is None:
            return "read"
        return f"{tokens:,.10g} million tokens" if tokens >= 1 else f"{tokens:.2g} million tokens"


def of_encoder(encoder: str | None) -> Pretraining | None:
    """What is known of a model id or folder by its name; None where nothing is.

    `xlt-mini` says it of itself. Raises XltError where it is asked for and damaged or missing.
    """
    if encoder == EMBEDDED:
        stated = embedded.info()
        read = {
            languages.shared(code): float(about["tokens"]) / 1e6
            for code, about in stated.languages.items()
        }
        return Pretraining(EMBEDDED, f"mini.json, version {stated.version}", read)
    name = (encoder or "").rstrip("/").rpartition("/")[2].casefold()
    for entry in _entries():
        if any(re.fullmatch(pattern, name) for pattern in entry["models"]):
            return _pretraining(entry)
    return None


def tokens(codes: Sequence[str]) -> NDArray[np.float64]:
    """Tokens in CC-100, in millions; 0 for a language that it has not. Shape (len(codes),)."""
    known = _resources()
    return np.array([known.get(code) or 0.0 for code in codes])


def read_by_mbert(codes: Sequence[str]) -> NDArray[np.float64]:
    """1 for each language that multilingual BERT has read, else 0. Shape (len(codes),)."""
    known = _languages_of("mBERT")
    return np.array([float(code in known) for code in codes])


@cache
def _languages_of(name: str) -> frozenset[str]:
    return frozenset(*(_pretraining(e).languages for e in _entries() if e["name"] == name))


@cache
def _resources() -> Mapping[str, float | None]:
    return _pretraining(_entries()[0]).languages


@cache
def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["encoders"]
    return entries


def _pretraining(entry: dict[str, Any]) -> Pretraining:
    read = entry.get("tokens") or dict.fromkeys(entry["languages"].split())
    adapted = frozenset(entry.get("adapted", "").split())
    return Pretraining(entry["name"], entry["source"], read, adapted, entry.get("partial", False))
