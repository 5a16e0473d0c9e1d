"""What the readers of texts with one label may be told about a file."""

from __future__ import annotations

from pydantic import Field

from xlt.reader_options import CsvOptions, JsonlOptions, ReaderOptions, TsvOptions


class LabelOptions(ReaderOptions):
    """Holds the options of any file of texts with one label a record."""

    where: dict[str, str] = Field(
        default_factory=dict, description="field in the file → value: only the records that have it"
    )
    drop_empty: bool = Field(default=False, description="leave out records that lack a text")
    label_names: dict[str, str] = Field(
        default_factory=dict, description="label in the file → our label"
    )


class LabelObjectOptions(LabelOptions, JsonlOptions):
    """Holds the options of JSON objects."""


class LabelTsvOptions(LabelOptions, TsvOptions):
    """Holds the options of a table with tabs."""


class LabelCsvOptions(LabelOptions, CsvOptions):
    """Holds the options of a table that quotes cells."""
