"""Encoders that go by a name of their own in a config, without a hub."""

from __future__ import annotations

from typing import Any

from xlt.model import e5_small, embedded
from xlt.registry import E5_SMALL, EMBEDDED


def located(encoder: str) -> str:
    """What `from_pretrained` takes for the `model.encoder` of a config.

    Raises XltError where a named encoder is missing or damaged.
    """
    if encoder == EMBEDDED:
        return str(embedded.folder())
    if encoder == E5_SMALL:
        return str(e5_small.folder())
    return encoder


def about(encoder: str) -> dict[str, Any]:
    """What a named encoder says of itself; {} for any other."""
    if encoder == EMBEDDED:
        return {"version": embedded.info().version}
    if encoder == E5_SMALL:
        return e5_small.about()
    return {}
