"""Records in one language become records in another: translate, align, project, filter."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from xlt.errors import XltError
from xlt.projection import markers
from xlt.projection.matching import Match, match_candidates, with_matches
from xlt.projection.pair import AlignedPair, Links, Projection, Span
from xlt.registry import Registry, aligners, translators

if TYPE_CHECKING:
    from xlt.config.schema import Plugin, ProjectionSettings
    from xlt.projection.align.base import Aligner
    from xlt.projection.candidates import Candidates
    from xlt.projection.ranking import TranslationScore
    from xlt.projection.translate.base import Translator
    from xlt.projection.translate.cache import Cache
    from xlt.projection.translate.run import TranslatedWords
    from xlt.task import Record, Task

_Pairs = tuple["Record", dict[str, AlignedPair], bool]
"""A record, its texts with their translations, and whether the translator failed."""

CHUNK = 512
"""Records whose candidates are found together."""

VERSION = 1
"""Part of what a projection depends on: raise it when the same input would give another result."""


@dataclass(frozen=True)
class Projected:
    """A record, the translations of its texts, and what became of it on them.

    failed: the translator could not be asked for one of the texts; worth trying again.
    """

    source: Record
    pairs: Mapping[str, AlignedPair]
    projection: Projection
    failed: bool = False


class Projector:
    """Carries a task's records from one language to another.

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
        by_spans = {
            "method": settings.method == "markers",
            "candidates": settings.candidates,
            "ranking": settings.ranking,
        }
        asked = next((key for key, value in by_spans.items() if value), None)
        if annotate and asked is not None and (lacking := task.lacks(["spans"])):
            raise XltError(
                f"the task {task.name} has no spans to mark or to match",
                where=f"projection.{asked}",
                fix=f"implement {lacking[0]}, or project along word links only",
            )
        self.marks = annotate and settings.method == "markers"
        self.translator: Translator = _plugin(translators, settings.translator, "translator")
        self.translator.check(source, target)
        self.aligner: Aligner | None = None
        if task.aligned and not self.marks:
            self.aligner = _plugin(aligners, settings.aligner, "aligner")
            self.aligner.check(source, target)

    @property
    def in_order(self) -> bool:
        """Whether texts or links come from files, line by line: nothing can be left out."""
        aligner = self.aligner is not None and self.aligner.in_order
        return self.translator.in_order or aligner

    def identity(self) -> str:
        """Everything but the records that the result depends on, as one hash."""
        languages = self.source, self.target
        value = {
            "version": VERSION,
            "task": self.task.name,
            "annotate": self.annotate,
            "options": self.task.options.model_dump(mode="json"),
            "languages": languages,
            "settings": self.settings.model_dump(mode="json", exclude={"weighting"}),
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
        return {"translator": self.translator.identity(*languages), "aligner": aligner}

    def stream(
        self, records: Iterable[Record], *, part: str = "", cache: Cache | None = None
    ) -> Iterator[Projected]:
        """Every record with its projection, in order; memory holds what the aligner takes at once.

        part:  which records these are (`train`), for translators and aligners that read files.
        cache: of translations.
        """
        for record, pairs, failed in self._matched(self._pairs(records, part, cache)):
            projection = self._project(record, pairs) if self.annotate else Projection(None)
            yield Projected(record, pairs, projection, failed)

    def translates_any(self, records: Sequence[Record], *, cache: Cache | None = None) -> bool:
        """Whether the translator, which has failed on these records, can do one of them now."""
        texts = (words for _, found in self._texts(records) for words in found.values())
        return any(not one.failed for one in self._translate(texts, "", cache))

    def _pairs(self, records: Iterable[Record], part: str, cache: Cache | None) -> Iterator[_Pairs]:
        """Every record with its texts, their translations and links."""
        waiting: deque[tuple[Record, list[str]]] = deque()
        if self.marks:
            found = self._marked(records, waiting, part, cache)
        else:
            found = self._aligned(self._translated(records, waiting, part, cache), part)
        for first in found:
            record, names = waiting.popleft()
            texts = [first, *(next(found) for _ in names[1:])]
            pairs = {name: pair for name, (pair, _) in zip(names, texts, strict=True)}
            yield record, pairs, any(failed for _, failed in texts)

    def _matched(self, found: Iterator[_Pairs]) -> Iterator[_Pairs]:
        """With links from the record's spans to those that a tagger finds, or that are ranked
        first, where there are any."""
        if self._candidates is None and self._score is None:
            yield from found
            return
        while chunk := list(islice(found, CHUNK)):
            spans = self._candidates(chunk) if self._candidates else [{} for _ in chunk]
            asked = [
                (self.task.spans(record).get(name, ()), proposed.get(name, ()), pair)
                for (record, pairs, _), proposed in zip(chunk, spans, strict=True)
                for name, pair in pairs.items()
            ]
            matches = iter(self._matches(asked))
            for record, pairs, failed in chunk:
                linked = {name: with_matches(pair, next(matches)) for name, pair in pairs.items()}
                yield record, linked, failed

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

    def _project(self, record: Record, pairs: Mapping[str, AlignedPair]) -> Projection:
        projection = self.task.project(record, pairs, self.settings)
        return filtered(projection, pairs, self.settings, partial=self.task.partial)

    def _translated(
        self,
        records: Iterable[Record],
        waiting: deque[tuple[Record, list[str]]],
        part: str,
        cache: Cache | None,
    ) -> Iterator[tuple[Sequence[str], TranslatedWords]]:
        """Every text of every record with its translation; `waiting` says whose they are."""
        asked: deque[list[str]] = deque()

        def texts() -> Iterator[list[str]]:
            for record, found in self._texts(records):
                waiting.append((record, list(found)))
                for words in found.values():
                    asked.append(words)
                    yield words

        for translation in self._translate(texts(), part, cache):
            yield asked.popleft(), translation

    def _texts(self, records: Iterable[Record]) -> Iterator[tuple[Record, dict[str, list[str]]]]:
        for record in records:
            found = self.task.texts(record)
            if not found:
                raise AssertionError(f"record {record['id']} has no text")
            yield record, found

    def _translate(
        self, texts: Iterator[list[str]], part: str, cache: Cache | None
    ) -> Iterator[TranslatedWords]:
        from xlt.projection.translate.run import translate_words

        return translate_words(
            self.translator,
            texts,
            self.source,
            self.target,
            part=part,
            cache=cache,
            rules=self.settings.tokenise,
        )

    def _marked(
        self,
        records: Iterable[Record],
        waiting: deque[tuple[Record, list[str]]],
        part: str,
        cache: Cache | None,
    ) -> Iterator[tuple[AlignedPair, bool]]:
        """Every text and its translation, linked where brackets say so; as `_aligned`."""
        asked: deque[tuple[list[str], list[Span], tuple[str, str] | None]] = deque()

        def texts() -> Iterator[list[str]]:
            for record, found in self._texts(records):
                waiting.append((record, list(found)))
                spans = self.task.spans(record)
                for name, words in found.items():
                    brackets = markers.brackets_for(words)
                    inside = markers.outermost(spans.get(name, ())) if brackets else []
                    asked.append((words, inside, brackets))
                    yield markers.mark(words, inside, brackets) if brackets else words
                    for span in inside:  # each for itself as well, to be recognised
                        yield words[span.start : span.end]

        translations = self._translate(texts(), part, cache)
        for whole in translations:
            words, spans, brackets = asked.popleft()
            alone = [next(translations).words for _ in spans]
            target, spaces = list(whole.words), list(whole.space_after)
            regions: list[Span] = []
            if brackets:
                target, spaces, regions = markers.unmark(target, spaces, brackets)
            matches = markers.match(spans, alone, regions, target)
            pair = AlignedPair(words, target, {}, whole.warning, spaces)
            yield with_matches(pair, matches), whole.failed

    def _aligned(
        self, translated: Iterator[tuple[Sequence[str], TranslatedWords]], part: str
    ) -> Iterator[tuple[AlignedPair, bool]]:
        """Every text and its translation with their links, and whether the translator failed."""
        if self.aligner is None:
            for words, translation in translated:
                yield _pair(words, translation, {}), translation.failed
            return
        waiting: deque[tuple[Sequence[str], TranslatedWords]] = deque()

        def word_pairs() -> Iterator[tuple[Sequence[str], Sequence[str]]]:
            for words, translation in translated:
                waiting.append((words, translation))
                yield words, translation.words

        for links in self.aligner.stream(word_pairs(), self.source, self.target, part=part):
            words, translation = waiting.popleft()
            yield _pair(words, translation, links), translation.failed


def filtered(
    projection: Projection,
    pairs: Mapping[str, AlignedPair],
    settings: ProjectionSettings,
    *,
    partial: bool,
) -> Projection:
    """The projection, or none of it where the record fails what `settings.require` asks for.

    partial: see `Task.partial`.
    """
    if projection.record is None:
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
    return replace(projection, record=None, outcomes=tuple(outcomes))


def _pair(words: Sequence[str], translation: TranslatedWords, links: Links) -> AlignedPair:
    return AlignedPair(
        words, translation.words, links, translation.warning, translation.space_after
    )


def _plugin(registry: Registry, chosen: Plugin | None, kind: str) -> Any:
    where = f"projection.{kind}"
    if chosen is None:
        raise XltError(
            f"no {kind} is chosen, and labels are to be projected",
            where=where,
            fix=f"write `projection: {{{kind}: …}}`; there are {', '.join(registry.names())}",
        )
    plugin = registry.get(chosen.name, where=where)
    try:
        return plugin(plugin.Options.model_validate(chosen.options))
    except XltError as error:
        raise XltError(error.what, where=where, fix=error.fix) from error
