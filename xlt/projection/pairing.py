"""The texts of documents beside their translations, with links between their words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from xlt.data.segment import tokenised
from xlt.document import Document, Span, Text
from xlt.projection import markers
from xlt.projection.layers import spans_of
from xlt.projection.matching import with_matches
from xlt.projection.pair import AlignedPair, Links
from xlt.projection.translate.base import MarkedText, SpanTranslator
from xlt.projection.translate.run import TranslatedText, split_words, translate_texts

if TYPE_CHECKING:
    from xlt.projection.align.base import Aligner, WordPair
    from xlt.projection.translate.base import Translator
    from xlt.projection.translate.cache import Cache
    from xlt.task import Task


class Translated(NamedTuple):
    """A document, and by their names its texts, in words, each with its translation."""

    document: Document
    texts: Mapping[str, tuple[Text, TranslatedText]]


class Paired(NamedTuple):
    """A document, its texts with their translations, and whether the translator failed."""

    document: Document
    pairs: Mapping[str, AlignedPair]
    failed: bool


@dataclass(frozen=True)
class Pairing:
    """Translates and links the texts of a task's documents.

    source, target: ISO 639-3 codes.
    aligner: None leaves words without links.
    marks: spans go to the translator in brackets, which then say what is linked.
    rules: as of `translate_texts`.
    """

    task: Task
    source: str
    target: str
    translator: Translator
    aligner: Aligner | None
    marks: bool
    rules: bool

    def pairs(
        self, documents: Iterable[Document], part: str, cache: Cache | None
    ) -> Iterator[Paired]:
        """Every document with its texts, their translations and links, in order."""
        if self.marks:
            return self._marked(documents, part, cache)
        return self.aligned(self.translated(documents, part, cache), part)

    def translated(
        self, documents: Iterable[Document], part: str, cache: Cache | None
    ) -> Iterator[Translated]:
        """Every document with the translations of its texts, in order."""
        waiting: deque[tuple[Document, dict[str, Text]]] = deque()

        def texts() -> Iterator[Text]:
            for document, by_name in self.texts(documents):
                waiting.append((document, by_name))
                yield from by_name.values()

        translations = self._translate(texts(), part, cache)
        for first in translations:
            document, by_name = waiting.popleft()
            found = [first, *(next(translations) for _ in range(len(by_name) - 1))]
            pairs = zip(by_name.values(), found, strict=True)
            yield Translated(document, dict(zip(by_name, pairs, strict=True)))

    def aligned(self, translated: Iterable[Translated], part: str) -> Iterator[Paired]:
        """Every document with the links between its texts and their translations, in order."""
        waiting: deque[Translated] = deque()

        def word_pairs() -> Iterator[WordPair]:
            for one in translated:
                waiting.append(one)
                for text, translation in one.texts.values():
                    yield text.words, translation.text.words

        links = self._links(word_pairs(), part)
        for first in links:
            document, texts = waiting.popleft()
            found = [first, *(next(links) for _ in range(len(texts) - 1))]
            pairs = {
                name: AlignedPair(text, translation.text, one, translation.warning)
                for (name, (text, translation)), one in zip(texts.items(), found, strict=True)
            }
            yield Paired(document, pairs, any(one.failed for _, one in texts.values()))

    def contextual(self, paired: Iterable[Paired]) -> Iterator[Paired]:
        """The same, with spans linked to what the translator says they are in the translation.

        Contextual label projection (CLaP; Parekh et al. 2024, arXiv 2309.08943): a span is
        translated in the context of its sentence, whose translation is fixed, so that it can be
        found there. What is not found keeps the links that it has, and a document for which the
        translator could not be asked has failed.
        """
        assert isinstance(self.translator, SpanTranslator)
        first = self.task.texts[0]
        remaining = iter(paired)
        while some := list(islice(remaining, self.translator.chunk)):
            spans = [spans_of(self.task, document) for document, _, _ in some]
            asked = [
                n for n, of_one in enumerate(spans) if of_one and some[n].pairs[first].target.words
            ]
            found = self.translator.translate_spans(
                [_marked_text(some[n].pairs[first], spans[n]) for n in asked],
                self.source,
                self.target,
            )
            by_document = dict(zip(asked, found, strict=True))
            for n, (document, pairs, failed) in enumerate(some):
                target = pairs[first].target
                places = by_document.get(n, [])
                regions = [
                    (span, target.words_at(*place))
                    for span, place in zip(spans[n], places or (), strict=False)
                    if place is not None
                ]
                matches = [
                    (span, Span("", start, end), 1.0)
                    for span, (start, end) in regions
                    if start < end
                ]
                linked = with_matches(pairs[first], matches) if matches else pairs[first]
                yield Paired(document, {**pairs, first: linked}, failed or places is None)

    def translates_any(
        self, documents: Iterable[Document], cache: Cache | None, *, contextual: bool
    ) -> bool:
        """Whether the translator can do one of these documents; with contextual, its spans, too."""
        unlinked = replace(self, aligner=None, marks=False)
        paired = unlinked.pairs(documents, "", cache)
        return any(not one.failed for one in (self.contextual(paired) if contextual else paired))

    def _links(self, pairs: Iterable[WordPair], part: str) -> Iterator[Links]:
        if self.aligner is None:
            return ({} for _ in pairs)
        return self.aligner.stream(pairs, self.source, self.target, part=part)

    def texts(self, documents: Iterable[Document]) -> Iterator[tuple[Document, dict[str, Text]]]:
        """Every document with those of its texts that say something, in words."""
        for document in documents:
            by_name = {
                name: text if text.words else tokenised(text.surface, self.source)
                for name, text in document.texts.items()
                if text.surface.strip()
            }
            if self.task.texts[0] not in by_name:
                raise AssertionError(f"document {document.id} has no text")
            yield document, by_name

    def _translate(
        self, texts: Iterable[Text], part: str, cache: Cache | None
    ) -> Iterator[TranslatedText]:
        return translate_texts(
            self.translator, texts, self.source, self.target,
            part=part, cache=cache, rules=self.rules,
        )  # fmt: skip

    def _marked(
        self, documents: Iterable[Document], part: str, cache: Cache | None
    ) -> Iterator[Paired]:
        """As `pairs`, linked where brackets say so."""
        waiting: deque[tuple[Document, list[str]]] = deque()
        asked: deque[tuple[Text, list[Span], tuple[str, str] | None]] = deque()

        def texts() -> Iterator[Text]:
            for document, by_name in self.texts(documents):
                waiting.append((document, list(by_name)))
                for name, text in by_name.items():
                    brackets = markers.brackets_for(text.surface)
                    spans = spans_of(self.task, document) if name == self.task.texts[0] else []
                    inside = markers.outermost(spans) if brackets else []
                    asked.append((text, inside, brackets))
                    yield markers.mark(text, inside, brackets) if brackets else text
                    for span in inside:  # each for itself as well, to be recognised
                        yield Text(text.between(span.start, span.end))

        translations = self._translate(texts(), part, cache)

        def pair(whole: TranslatedText) -> tuple[AlignedPair, bool]:
            text, spans, brackets = asked.popleft()
            alone = [next(translations).text.surface for _ in spans]
            target, regions = whole.text, list[Span]()
            if brackets:
                surface, inside = markers.unmark(target.surface, brackets)
                target = split_words(surface, self.target, rules=self.rules)
                regions = [Span("", *target.words_at(*offsets)) for offsets in inside]
            matches = markers.match(spans, alone, regions, target)
            linked = with_matches(AlignedPair(text, target, {}, whole.warning), matches)
            return linked, whole.failed

        for first in translations:
            document, names = waiting.popleft()
            found = [pair(first), *(pair(next(translations)) for _ in names[1:])]
            pairs = {name: one for name, (one, _) in zip(names, found, strict=True)}
            yield Paired(document, pairs, any(failed for _, failed in found))


def _marked_text(pair: AlignedPair, spans: Iterable[Span]) -> MarkedText:
    offsets = pair.source.offsets
    places = tuple((offsets[span.start][0], offsets[span.end - 1][1]) for span in spans)
    return MarkedText(pair.source.surface, pair.target.surface, places)
