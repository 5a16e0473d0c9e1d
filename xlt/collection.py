"""The cyclic garbage collector, out of the way where all that is made stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no cycles within it. A decorator, too.

    Of thousands of configs each object stays, and a third of the time went to looking through all
    of them again and again for cycles that nobody holds.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def freeze_existing() -> None:
    """Look no more for cycles among what there is now, once in a process: modules stay anyway.

    A training ends with a collection (transformers), which takes half a second to go through the
    objects of PyTorch and transformers. To be called before there is a model, whose memory a
    collection is to free.
    """
    gc.collect()
    gc.freeze()
