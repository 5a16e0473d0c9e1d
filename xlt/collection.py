"""The cyclic garbage collector, out of the way where all that is made stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
