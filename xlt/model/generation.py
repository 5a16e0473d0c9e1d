"""Settings of generated text, for the options of the tasks that generate."""

from __future__ import annotations

from pydantic import Field

from xlt.options import Beams, Section


class Generation(Section):
    """How text is generated. Beam search, never sampling: a run gives the same text again."""

    beams: Beams = 4
    max_pieces: int = Field(
        64, ge=1, le=4096, description="of an output; what is cut there is marked"
    )
    length_penalty: float = Field(1.0, ge=-10, le=10)
    repetition_penalty: float = Field(1.0, gt=0, le=100)
    copy_bias: bool = Field(
        False,
        description="learn how much likelier the subwords of the input are: a help for small "
        "models, above all for those whose languages share their vectors",
    )
    no_repeat_ngram: int = Field(
        0, ge=0, le=4096, description="subwords in a row that may not come twice"
    )
