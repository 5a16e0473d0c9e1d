"""What a stage trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xlt.task import Record
from xlt.transfer.stage import Portion


@dataclass(frozen=True)
class Data:
    """One portion's records, and the fingerprint of the files and readers they came from.

    weights: one a record, for its loss in training; None means that all count alike. What they
        are made from is part of the fingerprint.
    """

    portion: Portion
    fingerprint: str
    records: Sequence[Record] = field(repr=False)
    weights: Sequence[float] | None = field(default=None, repr=False)
