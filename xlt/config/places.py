"""Where stages are shared: the path or URL that `output.store`, or XLT_STORE, says."""

from __future__ import annotations

import os
import re

from xlt.errors import XltError
from xlt.options import path_text

VARIABLE = "XLT_STORE"
_HERE = ("file", "local", "memory")
"""Schemes of URLs that need no network."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


def check_place(text: str) -> str:
    """The path or URL of a folder, as it may stand in a config: every run stores that.

    Raises ValueError for a URL with a name or password in it, or of several file systems at once.
    """
    path_text(text)
    scheme, separator, rest = text.partition("://")
    if separator and not (_SCHEME.fullmatch(scheme) and rest.strip("/")):
        raise ValueError("is no URL of a folder; one is written as s3://bucket/prefix")
    if separator and ("@" in rest.partition("/")[0] or "?" in rest):
        raise ValueError(
            "may hold no name or password, since every run stores it; say them in the environment, "
            "or in the configuration of fsspec"
        )
    return text


def is_remote(place: str | None) -> bool:
    """Whether it is reached by the network."""
    scheme, separator, _ = (place or "").partition("://")
    return bool(separator) and scheme.lower() not in _HERE


def place_of(stated: str | None) -> str | None:
    """What the config says, or the environment, which is its user's own word.

    Raises XltError for what the latter cannot be.
    """
    if stated is not None or not (given := os.environ.get(VARIABLE)):
        return stated
    try:
        return check_place(given)
    except ValueError as error:
        raise XltError(
            f"the store {error}", where=VARIABLE, fix="correct it, or unset it"
        ) from error
