"""Records in one language become records in another: translate, align, project, filter."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xlt.errors import XltError
from xlt.projection.pair import AlignedPair, Links, Projection
from xlt.registry import Registry, aligners, translators

if TYPE_CHECKING:
    from xlt.config.schema import Plugin, ProjectionSettings
    from xlt.projection.align.base import Aligner
    from xlt.projection.translate.base import Translator
    from xlt.projection.translate.cache import Cache
    from xlt.projection.translate.run import TranslatedWords
    from xlt.task import Record, Task

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
        self.translator: Translator = _plugin(translators, settings.translator, "translator")
        self.translator.check(source, target)
        self.aligner: Aligner | None = None
        if task.aligned:
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
        }
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    def stream(
        self, records: Iterable[Record], *, part: str = "", cache: Cache | None = None
    ) -> Iterator[Projected]:
        """Every record with its projection, in order; memory holds what the aligner takes at once.

        part:  which records these are (`train`), for translators and aligners that read files.
        cache: of translations.
        """
        waiting: deque[tuple[Record, list[str]]] = deque()
        found = self._aligned(self._translated(records, waiting, part, cache), part)
        for pairs_of_text in found:
            record, names = waiting.popleft()
            texts = [pairs_of_text, *(next(found) for _ in names[1:])]
            pairs = {name: pair for name, (pair, _) in zip(names, texts, strict=True)}
            projection = self._project(record, pairs) if self.annotate else Projection(None)
            yield Projected(record, pairs, projection, any(failed for _, failed in texts))

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
        from xlt.projection.translate.run import translate_words

        asked: deque[list[str]] = deque()

        def texts() -> Iterator[list[str]]:
            for record in records:
                found = self.task.texts(record)
                if not found:
                    raise AssertionError(f"record {record['id']} has no text")
                waiting.append((record, list(found)))
                for words in found.values():
                    asked.append(words)
                    yield words

        translations = translate_words(
            self.translator,
            texts(),
            self.source,
            self.target,
            part=part,
            cache=cache,
            rules=self.settings.tokenise,
        )
        for translation in translations:
            yield asked.popleft(), translation

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
