"""Settings of generated text, for the options of the tasks that generate."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from xlt.options import Section


class Generation(Section):
    """How text is generated. Beam search, never sampling: a run gives the same text again."""

    beams: PositiveInt = 4
    max_pieces: PositiveInt = Field(64, description="of an output; what is cut there is marked")
    length_penalty: float = 1.0
    repetition_penalty: PositiveFloat = 1.0
    copy_bias: bool = Field(
        False,
        description="learn how much likelier the subwords of the input are: a help for small "
        "models, above all for those whose languages share their vectors",
    )
    no_repeat_ngram: int = Field(0, ge=0, description="subwords in a row that may not come twice")
