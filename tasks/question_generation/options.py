"""What the readers of questions may be told about a file."""

from __future__ import annotations

from pydantic import Field

from xlt.reader_options import JsonlOptions, ReaderOptions


class AfriqaOptions(ReaderOptions):
    """Holds the options of AfriQA's files.

    Their questions without an answer in the context are always left out.
    """

    types: dict[str, str] = Field(
        default_factory=dict,
        description="a file's own name of a type of questions → ours; `*` for all that are not "
        "named, empty text for none",
    )


class QuestionOptions(AfriqaOptions):
    """Holds the options of SQuAD's format."""

    drop: bool = Field(
        default=False,
        description="leave out what is no question with an answer in its context, instead of an "
        "error",
    )


class QuestionLineOptions(QuestionOptions, JsonlOptions):
    """Holds the options of files with one question a line."""
