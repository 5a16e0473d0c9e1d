"""What a translator is: sentences in one language in, sentences in another out.

`Translator.stream` is what callers use: it takes texts of any length from any iterator, splits
them into sentences, asks the translator only for what it has not translated before, and marks
suspicious results. A subclass writes `translate`, for a few hundred single sentences at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from xlt.document import Offsets
from xlt.options import Count, Factor, Section
from xlt.projection.translate import sentences

if TYPE_CHECKING:
    from xlt.projection.translate.cache import Cache


@dataclass(frozen=True, slots=True)
class Translation:
    """A text's translation.

    warning: what is suspicious about it, or None. Without text it is why there is none.
    failed:  the translator could not be asked (it crashed, it hung): to be tried again another
        time, and never kept in the cache.
    """

    text: str
    warning: str | None = None
    failed: bool = False


class TranslatorOptions(Section):
    """Base of every translator's `Options`: what holds for all of them."""

    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Options that no translation depends on."""

    sentences: bool = Field(
        default=True, description="split a text into sentences first, and join their translations"
    )
    max_ratio: Factor = Field(
        default=3.0,
        description="a translation that is so many times longer or shorter gets a warning",
    )
    max_repeats: Count = Field(
        default=4,
        description="so many repetitions in a row that the source has not give a warning",
    )


class Translator(ABC):
    """One translator. Register a subclass under the entry-point group ``xlt.translators``."""

    Options: ClassVar[type[TranslatorOptions]] = TranslatorOptions
    chunk: ClassVar[int] = 256
    """Sentences in a call of `translate`; what is translated is kept after each."""

    online: ClassVar[bool] = False
    """Whether texts leave this machine: then `xlt.permissions` asks before any is sent."""

    in_order: ClassVar[bool] = False
    """Whether text n is known by its number: then all texts come in one stream, from the first."""

    def __init__(self, options: TranslatorOptions) -> None:
        self.options = options

    def check(self, source: str, target: str) -> None:
        """Raise XltError where it cannot translate from `source` to `target` on this machine.

        Called before anything is computed; languages are ISO 639-3 codes, here and below.
        """
        return

    @classmethod
    def service(cls, name: str, options: Mapping[str, Any]) -> str:
        """Whom texts go to, where it is `online`: for the question whether they may.

        name, options: under which it is registered, and of the config.
        """
        return f"the service behind the translator {name}"

    @abstractmethod
    def identity(self, source: str, target: str) -> str:
        """Everything but the text that a translation depends on: program, version, options."""

    @abstractmethod
    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """One translation for each text, in order. The texts are not empty, and each is one line.

        What fails for one text is that text's `Translation.warning`; the others still come.
        """

    def parts(self, text: str, source: str) -> list[str]:
        """What `translate` is given of a text, which is one line; the results are joined."""
        if not text:
            return []
        return sentences.split(text, source) if self.options.sentences else [text]

    def stream(
        self,
        texts: Iterable[str],
        source: str,
        target: str,
        *,
        part: str = "",
        cache: Cache | None = None,
    ) -> Iterator[Translation]:
        """The translation of every text, in order, in constant memory.

        part:  which texts these are (`train`), for translators that read them from files.
        cache: where translations are looked up and kept; None keeps nothing.

        Raises XltError where `check` does, and if the cache cannot be written.
        """
        from xlt.projection.translate.run import stream

        self.check(source, target)
        return stream(self, texts, source, target, cache)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text, its translation, and where in the text labelled spans stand, by characters."""

    text: str
    translation: str
    spans: tuple[Offsets, ...]


@runtime_checkable
class SpanTranslator(Protocol):
    """A translator that says what a part of a text is in a translation of that text."""

    def translate_spans(
        self, marked: Sequence[MarkedText], source: str, target: str
    ) -> list[list[Offsets | None] | None]:
        """Where in each translation its spans are, in their order; None for what is not there, and
        instead of all of a text for which it could not be asked: to be tried again another time."""
