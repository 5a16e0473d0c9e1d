"""Dev data that are a share of the training data."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np

from xlt.data.comments import DOCUMENT
from xlt.document import Document
from xlt.errors import XltError

log = logging.getLogger(__name__)


NOTABLE = 0.03
"""Share of all records by which those that are held out may be more or fewer in silence."""


def hold_out(
    parts: Sequence[Iterable[Document]], share: float, seed: int, *, where: str
) -> tuple[list[int], list[int]]:
    """Which records to train on, and which to hold out: positions over all parts, in order.

    parts: the records of each file or reference.
    share: of the records that are held out, at least one and not all, or as near to it as can be:
        whole documents are, so that nothing of a document is on both sides, where the files say
        what is one; and all records that share their first text, such as the questions about a
        passage.

    Raises XltError where there are fewer than two records.
    """
    numbers = count()
    groups: dict[object, list[int]] = {}
    for part, documents in enumerate(parts):
        for document in documents:
            known = document.meta.get(DOCUMENT)
            key = document.text.surface if known is None else (part, known)
            groups.setdefault(key, []).append(next(numbers))
    size = next(numbers)
    if size < 2:
        raise XltError(
            "there is one record, and none could be learnt from if it were dev data",
            where=where,
            fix="remove it, or add data",
        )
    wholes = list(groups.values())
    if len(wholes) < 2:
        log.warning("%s: all is one document, which is divided", where)
        wholes = [[n] for n in range(size)]
    held: list[int] = []
    order = [wholes[n] for n in np.random.default_rng(seed).permutation(len(wholes))]
    goal = share * size
    for whole in order:
        more = len(held) + len(whole)
        # A group that leads further away than the goal is, is left where it is.
        if (
            len(held) < goal
            and more < size
            and (len(whole) == 1 or more - goal <= goal - len(held))
        ):
            held += whole
    dev = sorted(held or min(order, key=len))
    if abs(len(dev) - goal) > max(1, NOTABLE * size):
        log.warning(
            "%s: %d of %d records are held out, %.0f %% and not %.0f %%: what belongs together "
            "(a document, equal texts) stays together",
            where,
            len(dev),
            size,
            100 * len(dev) / size,
            100 * share,
        )
    out = set(dev)
    return [n for n in range(size) if n not in out], dev
