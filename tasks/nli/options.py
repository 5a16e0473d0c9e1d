"""What the readers of pairs may be told about a file."""

from __future__ import annotations

from pydantic import Field

from xlt.reader_options import CsvOptions, JsonlOptions, ReaderOptions, TsvOptions


class PairOptions(ReaderOptions):
    """Holds the options of any file of premises and hypotheses."""

    where: dict[str, str] = Field(
        default_factory=dict, description="field in the file → value: only the pairs that have it"
    )
    drop_empty: bool = Field(default=False, description="leave out pairs that lack a text")
    label_names: dict[str, str] = Field(
        default_factory=dict, description="label in the file → our label"
    )


class PairObjectOptions(PairOptions, JsonlOptions):
    """Holds the options of JSON objects."""


class PairTsvOptions(PairOptions, TsvOptions):
    """Holds the options of a table with tabs."""


class PairCsvOptions(PairOptions, CsvOptions):
    """Holds the options of a table that quotes cells."""
