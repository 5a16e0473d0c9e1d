"""What the readers of events may be told about a file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xlt.options import CountOrZero
from xlt.reader_options import JsonlOptions, ReaderOptions


class EventOptions(ReaderOptions):
    """Holds the options of all formats."""

    repeated_ids: Literal["refuse", "number"] = Field(
        default="refuse",
        description="`number`: the line's number is put behind an id that was there before",
    )


class EventLineOptions(EventOptions, JsonlOptions):
    """Holds the options of our own JSON Lines."""


class PropositionOptions(EventOptions):
    """Holds the options of columns without names (`propositions.read_propositions`)."""

    word: CountOrZero = Field(default=1, description="the column of the words, from 0")
    predicate: CountOrZero = Field(default=10, description="the column of their frames, from 0")


class AceOptions(EventOptions):
    """Holds the options of ACE's JSON."""

    ends: Literal["exclusive", "inclusive"] = Field(
        default="exclusive", description="`inclusive` where `end` is the last word of a mention"
    )
