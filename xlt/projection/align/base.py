"""What an aligner is: pairs of sentences, word by word, in; scored links out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from xlt.options import Count, LearningRate, LocalPath, Section, Seed, Width, as_list
from xlt.projection.pair import Links

WordPair = tuple[Sequence[str], Sequence[str]]
"""The words of a sentence and of its translation."""


class AlignerOptions(Section):
    """Base of every aligner's `Options`."""


class ParallelOptions(AlignerOptions):
    parallel: Annotated[
        list[Annotated[str, LocalPath("data")]],
        BeforeValidator(as_list, json_schema_input_type=str | list[str]),
    ] = Field(
        default_factory=list,
        description="more text to learn from: a file `source TAB target` a line, a path with "
        "{language} in it, or a card of parallel text such as `ntrex`",
    )
    max_parallel: Count = Field(
        default=20_000, description="sentence pairs of `parallel` that are used at most"
    )


class FineTune(Section):
    """How an encoder learns from parallel text (`xlt.projection.align.fine_tuning`)."""

    steps: Count = 300
    batch_tokens: Count = Field(default=1024, description="subwords of both sides in a step")
    learning_rate: LearningRate = 1e-3
    rank: Width = Field(default=8, description="of the low-rank updates (LoRA)")
    consistency: float = Field(
        default=1.0,
        ge=0,
        le=1e6,
        description="weight of both directions' agreement, beside self-training",
    )
    seed: Seed = 1


class Aligner(ABC):
    """One aligner. Register a subclass under the entry-point group ``xlt.aligners``."""

    Options: ClassVar[type[AlignerOptions]] = AlignerOptions
    chunk: ClassVar[int] = 1000
    """Pairs in a call of `align` from `stream`. A statistical aligner learns from all of them."""

    def __init__(self, options: AlignerOptions) -> None:
        self.options = options

    in_order: ClassVar[bool] = False
    """Whether pair n is known by its number: then all pairs come in one stream, from the first."""

    def identity(self, source: str, target: str) -> str:
        """Everything but the pairs that the links depend on: method, version, options."""
        return f"{type(self).__module__} {self.options.model_dump_json()}"

    def check(self, source: str, target: str) -> None:
        """Raise XltError where it cannot align these languages (ISO 639-3) on this machine.

        Called before anything is computed.
        """
        return

    @abstractmethod
    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        """The links of every pair, in order; none where a side has no words."""

    def stream(
        self, pairs: Iterable[WordPair], source: str, target: str, *, part: str = ""
    ) -> Iterator[Links]:
        """The links of every pair, in order, in constant memory.

        part: which pairs these are (`train`), for aligners that read links from files.
        """
        self.check(source, target)
        remaining = iter(pairs)
        while some := list(islice(remaining, self.chunk)):
            yield from self.align(some, source, target)
