"""What the readers of pairs may be told about a file."""

from __future__ import annotations

from pydantic import Field

from xlt.reader_options import JsonlOptions, TsvOptions


class PairOptions(JsonlOptions):
    """Holds the options of a file of premises and hypotheses."""

    where: dict[str, str] = Field(
        default_factory=dict, description="field in the file → value: only the pairs that have it"
    )
    drop_empty: bool = Field(default=False, description="leave out pairs that lack a text")
    label_names: dict[str, str] = Field(
        default_factory=dict, description="label in the file → our label"
    )


class PairTableOptions(PairOptions, TsvOptions):
    """Holds the options of a table of premises and hypotheses."""
