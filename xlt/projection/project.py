"""Documents in one language become documents in another: translate, align, project, filter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from xlt.document import Document, Span, Text
from xlt.errors import XltError
from xlt.projection.layers import (
    is_aligned,
    is_partial,
    project_document,
    span_layer,
    spans_of,
    unprojectable,
)
from xlt.projection.matching import Match, match_candidates, with_matches
from xlt.projection.pair import AlignedPair, Projection
from xlt.projection.pairing import Paired, Pairing, Translated
from xlt.projection.translate.base import SpanTranslator
from xlt.registry import Registry, aligners, translators

if TYPE_CHECKING:
    from xlt.config.schema import Plugin, ProjectionSettings
    from xlt.projection.align.base import Aligner
    from xlt.projection.candidates import Candidates
    from xlt.projection.ranking import TranslationScore
    from xlt.projection.translate.base import Translator
    from xlt.projection.translate.cache import Cache
    from xlt.task import Task

Begun = Document | Translated | Paired
"""A document, with what has to come in the order of all: see `Projector.begin`."""

CHUNK = 512
"""Documents whose candidates are found together."""

VERSION = 3
"""Part of what a projection depends on: raise it when the same input would give another result."""


@dataclass(frozen=True)
class Projected:
    """A document, the translations of its texts, and what became of it on them.

    failed: the translator could not be asked for one of the texts; worth trying again.
    """

    source: Document
    pairs: Mapping[str, AlignedPair]
    projection: Projection
    failed: bool = False


class Projector:
    """Projects a task's documents from one language to another.

    source, target: ISO 639-3 codes.
    annotate: without, only texts are translated and aligned, and every projection is empty.
    Raises XltError where the settings name no translator (or no aligner, for a task that needs
    one), and where one of them cannot do these languages on this machine.
    """

    def __init__(
        self,
        task: Task,
        settings: ProjectionSettings,
        source: str,
        target: str,
        *,
        annotate: bool = True,
    ) -> None:
        self.task, self.settings, self.source, self.target = task, settings, source, target
        self.annotate = annotate
        check_settings(task, settings, annotate=annotate)
        self.marks = annotate and settings.method == "markers"
        self.translator: Translator = _plugin(translators, settings.translator, "translator")
        self.contextual = annotate and settings.method == "contextual"
        if self.contextual and not isinstance(self.translator, SpanTranslator):
            assert settings.translator is not None
            raise XltError(
                f"the translator {settings.translator.name} cannot say what a span is in the "
                "translation",
                where="projection.method",
                fix="write `projection.translator: {name: chat, …}`, or leave out "
                "`projection.method`",
            )
        self.translator.check(source, target)
        self.aligner: Aligner | None = None
        if is_aligned(task) and not self.marks and settings.aligner is not None:
            self.aligner = _plugin(aligners, settings.aligner, "aligner")
            self.aligner.check(source, target)
        self._pairing = Pairing(
            task, source, target, self.translator, self.aligner, self.marks, settings.tokenise
        )

    @property
    def _links_in_order(self) -> bool:
        by_number = self.translator if self.marks else self.aligner
        return by_number is not None and by_number.in_order

    def identity(self) -> str:
        """Everything but the records that the result depends on, as one hash."""
        languages = self.source, self.target
        without: dict[str, Any] = {
            "weighting": True,
            "translator": set(self.translator.options.without_effect),
        }
        value = {
            "version": VERSION,
            "task": self.task.name,
            "annotate": self.annotate,
            "options": self.task.options.model_dump(mode="json"),
            "languages": languages,
            "settings": self.settings.model_dump(mode="json", exclude=without),
            "translator": self.translator.identity(*languages),
            "aligner": None if self.aligner is None else self.aligner.identity(*languages),
            "candidates": None if self._candidates is None else self._candidates.identity,
            "ranking": None if self._score is None else self._score.identity(),
        }
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        """What translates and what aligns, with their versions and options."""
        languages = self.source, self.target
        aligner = "markers" if self.marks else "nothing is aligned"
        if self.aligner is not None:
            assert self.settings.aligner is not None
            aligner = self.settings.aligner.name
        if self.contextual:
            aligner = "contextual" if self.aligner is None else f"contextual, {aligner}"
        return {"translator": self.translator.identity(*languages), "aligner": aligner}

    def stream(
        self, documents: Iterable[Document], *, part: str = "", cache: Cache | None = None
    ) -> Iterator[Projected]:
        """Every document with its projection, in order; memory holds what the aligner takes at
        once.

        part:  which documents these are (`train`), for translators and aligners that read files.
        cache: of translations.
        """
        begun = self.begin(documents, part=part, cache=cache)
        return self.finish(begun, part=part, cache=cache)

    def begin(
        self, documents: Iterable[Document], *, part: str = "", cache: Cache | None = None
    ) -> Iterator[Begun]:
        """Every document with those of its translations and links that are known by their number
        (`in_order`), of which none can be left out: quick, while `finish` may take any part of it.
        """
        if self._links_in_order:
            return self._pairing.pairs(documents, part, cache)
        if self.translator.in_order:
            return self._pairing.translated(documents, part, cache)
        return iter(documents)

    def finish(
        self, begun: Iterable[Begun], *, part: str = "", cache: Cache | None = None
    ) -> Iterator[Projected]:
        """The projection of every document that `begin` gave; as `stream`."""
        paired = self._paired(begun, part, cache)
        if self.contextual:
            paired = self._pairing.contextual(paired)
        for document, pairs, failed in self._matched(paired):
            projection = self._project(document, pairs) if self.annotate else Projection(None)
            yield Projected(document, pairs, projection, failed)

    @property
    def in_parts(self) -> bool:
        """Whether what `begin` leaves to do is most of it; else it translates and aligns all."""
        return self.translator.in_order or not self._links_in_order

    def texts(self, document: Document) -> Mapping[str, Text]:
        """Those of a document's texts that are translated, in words."""
        ((_, by_name),) = self._pairing.texts([document])
        return by_name

    def translates_any(self, documents: Sequence[Document], *, cache: Cache | None = None) -> bool:
        """Whether the translator, which has failed on these documents, can do one of them now."""
        return self._pairing.translates_any(documents, cache, contextual=self.contextual)

    def _paired(self, begun: Iterable[Any], part: str, cache: Cache | None) -> Iterator[Paired]:
        if self._links_in_order:
            return iter(begun)
        if self.translator.in_order:
            return self._pairing.aligned(begun, part)
        return self._pairing.pairs(begun, part, cache)

    def _matched(self, projected: Iterator[Paired]) -> Iterator[Paired]:
        """With links from the document's spans to those that a tagger finds, or that are ranked
        first, where there are any."""
        if self._candidates is None and self._score is None:
            yield from projected
            return
        first = self.task.texts[0]
        while chunk := list(islice(projected, CHUNK)):
            proposed = self._candidates(chunk) if self._candidates else [() for _ in chunk]
            asked = [
                (spans_of(self.task, document), spans, pairs[first])
                for (document, pairs, _), spans in zip(chunk, proposed, strict=True)
            ]
            for (document, pairs, failed), matches in zip(chunk, self._matches(asked), strict=True):
                linked = with_matches(pairs[first], matches)
                yield Paired(document, {**pairs, first: linked}, failed)

    def _matches(
        self, asked: Sequence[tuple[Sequence[Span], Sequence[Span], AlignedPair]]
    ) -> list[list[Match]]:
        ranking = self.settings.ranking
        if ranking is None or self._score is None:
            return [match_candidates(*one) for one in asked]
        from xlt.projection.ranking import rank

        return rank(asked, self.settings, self._score, ranking.weight)

    @cached_property
    def _score(self) -> TranslationScore | None:
        if not self.annotate or self.settings.ranking is None:
            return None
        from xlt.projection.ranking import TranslationScore

        return TranslationScore(self.settings.ranking, self.source, self.target)

    @cached_property
    def _candidates(self) -> Candidates | None:
        if not self.annotate or self.settings.candidates is None:
            return None
        from xlt.projection.candidates import Candidates

        return Candidates(
            self.task,
            self.settings.candidates,
            target=self.target,
            within_words=self.settings.within_words,
        )

    def _project(self, document: Document, pairs: Mapping[str, AlignedPair]) -> Projection:
        projection = project_document(self.task, document, pairs, self.settings)
        if projection.document is not None:
            spoken = replace(projection.document, language=self.target)
            projection = replace(projection, document=spoken)
        return filtered(projection, pairs, self.settings, partial=is_partial(self.task))


def filtered(
    projection: Projection,
    pairs: Mapping[str, AlignedPair],
    settings: ProjectionSettings,
    *,
    partial: bool,
) -> Projection:
    """The projection, or none of it where the document fails what `settings.require` asks for.

    partial: whether a document that lacks some labels is still true.
    """
    if projection.document is None:
        return projection
    wanted = settings.require
    lost = "labels" in wanted and not partial and any(o.reason for o in projection.outcomes)
    if not lost and "words" in wanted:
        lost = not all(
            i in pairs[o.text].by_source
            for o in projection.outcomes
            if o.reason is None
            for i in range(*o.source)
        )
    if not lost:
        return projection
    outcomes = (o if o.reason else o.lost("filtered") for o in projection.outcomes)
    return replace(projection, document=None, outcomes=tuple(outcomes))


def check_settings(task: Task, settings: ProjectionSettings, *, annotate: bool = True) -> None:
    """Raise XltError for what can never be projected, whatever the languages: a task that nothing
    says how to, settings that it has no use for, no translator or no aligner.

    annotate: as of `Projector`.
    """
    if annotate and (unknown := unprojectable(task)):
        raise XltError(
            f"nothing says how `{unknown[0]}` of the task {task.name} is projected",
            where="strategy",
            fix="register it with xlt.projection.layers.project_layer, implement "
            f"{type(task).__name__}.project, or choose a strategy without projection",
        )
    by_spans = {
        "method": settings.method != "alignment",
        "candidates": settings.candidates,
        "ranking": settings.ranking,
    }
    asked = next((key for key, value in by_spans.items() if value), None)
    if annotate and asked is not None and span_layer(task) is None:
        raise XltError(
            f"the task {task.name} has no spans to mark or to match",
            where=f"projection.{asked}",
            fix=f"leave out `projection.{asked}`: its labels are projected along word links",
        )
    if settings.translator is None:
        raise _none_chosen(translators, "translator")
    needs_links = not annotate or settings.method == "alignment"
    if settings.aligner is None and is_aligned(task) and needs_links:
        raise _none_chosen(aligners, "aligner")


def _none_chosen(registry: Registry, kind: str) -> XltError:
    return XltError(
        f"no {kind} is chosen, and labels are to be projected",
        where=f"projection.{kind}",
        fix=f"write `projection: {{{kind}: …}}`; there are {', '.join(registry.names())}",
    )


def _plugin(registry: Registry, chosen: Plugin | None, kind: str) -> Any:
    where = f"projection.{kind}"
    assert chosen is not None, "`check_settings` lets no other pass"
    plugin = registry.get(chosen.name, where=where)
    try:
        return plugin(plugin.Options.model_validate(chosen.options))
    except XltError as error:
        raise error.at(where) from error
