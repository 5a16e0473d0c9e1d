"""All imports done, for processes that are forked from this one: most of a command's time."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import xlt
from xlt.cli import command_tree
from xlt.errors import XltError

LIBRARIES = (
    *("datasets", "spacy", "torch"),
    *(f"transformers.models.{name}.modeling_{name}" for name in ("bert", "umt5", "xlm_roberta")),
)


@cache
def import_all() -> None:
    """Import what commands import, with what they make once; what is not installed is left out."""
    with warnings.catch_warnings(action="ignore"):
        for name in (*LIBRARIES, *_modules()):
            with suppress(ModuleNotFoundError, XltError):  # an extra is not there
                importlib.import_module(name)
    command_tree()
    gc.collect()
    gc.freeze()


def _modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(xlt.__path__, "xlt."):
        if not module.name.endswith("__main__"):
            yield module.name
