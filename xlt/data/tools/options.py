"""What readers of annotation tools' files may be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xlt.reader_options import CsvOptions, ReaderOptions


class ToolOptions(ReaderOptions):
    """Of all of them: how characters become words."""

    language: str | None = Field(
        default=None,
        description="by whose rules the text is split into words; by default the data's language, "
        "else Unicode's rules",
    )
    split: Literal["none", "sentences", "lines"] = Field(
        default="none", description="make a record of each sentence, or line, of a text"
    )
    cut: Literal["widen", "split"] = Field(
        default="widen",
        description="of a span that ends within a word: `widen` it, or `split` the word",
    )
    nested: Literal["outer", "inner"] = Field(
        default="outer",
        description="which of overlapping spans stay where the task takes no overlap",
    )
    discontinuous: Literal["cover", "drop"] = Field(
        default="cover",
        description="of a span with gaps: `cover` the gaps, too, or `drop` it",
    )
    triggers: list[str] | None = Field(
        default=None,
        description="labels, by patterns as in file names, of spans that are triggers of events; "
        "by default those from which a relation goes out (brat says it itself)",
    )


class FieldOptions(ToolOptions):
    """Of files of JSON objects."""

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="our field name → theirs, of the text or texts: `{text: review}`",
    )


class TableToolOptions(ToolOptions, CsvOptions):
    """Of tables."""


class LabelStudioOptions(FieldOptions):
    """Of Label Studio's files."""

    several: Literal["last", "first", "all"] = Field(
        default="last",
        description="which annotations of a task count if there are several and none is marked as "
        "ground truth; `all` makes a record of each",
    )
    annotator: str | None = Field(
        default=None, description="only what this one has annotated: the e-mail address or the id"
    )
    predictions: bool = Field(
        default=False, description="read the predictions instead of the annotations"
    )


class DocBinOptions(ToolOptions):
    """Of spaCy's DocBin."""

    group: str | None = Field(
        default=None,
        description="a group of spans (`sc`, as of the span categoriser) instead of the entities",
    )


class WebAnnoOptions(ToolOptions):
    """Of WebAnno's TSV 3."""

    layer: str | None = Field(
        default=None,
        description="the layer of spans, by the end of its name; by default NamedEntity, or the "
        "only one",
    )
    feature: str | None = Field(
        default=None,
        description="the feature that is the label; by default `value`, or the only one",
    )
