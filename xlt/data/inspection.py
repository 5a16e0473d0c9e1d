"""`xlt data list | show | check`: what cards say, and whether the data agree.

`check` executes a card: files and checksums, licence, every malformed record, labels stated and
found, and texts that occur in two splits.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.data import cards
from xlt.data.malformed import collect_malformed
from xlt.data.references import difference, locate, resolve
from xlt.data.resolved import ResolvedData
from xlt.errors import XltError, choose, flat
from xlt.registry import data_cards

if TYPE_CHECKING:
    from xlt.task import Task


@dataclass(frozen=True)
class Listing:
    """One line of `xlt data list`."""

    identifier: str
    name: str
    task: str
    languages: tuple[str, ...]
    splits: tuple[str, ...]
    licence: str
    origin: str
    available: int
    files: int


@dataclass(frozen=True)
class FileState:
    """One file of a split on this machine.

    path:       None if it is not here.
    difference: how it differs from the publisher's; None if it does not.
    """

    path: Path | None
    url: str | None
    difference: str | None


@dataclass
class SplitReport:
    """What was found in one split.

    records:    None if it could not be read: file missing, or no plugin for the task.
    malformed:  the first problems, and their number in all.
    unexpected: labels found that the card does not state; `unused`: the other way round.
    """

    language: str
    split: str
    files: list[FileState]
    records: int | None = None
    malformed: list[XltError] = field(default_factory=list)
    malformed_total: int = 0
    duplicates: int = 0
    unexpected: dict[str, list[str]] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Overlap:
    """Texts of `second` that `first` has too, after normalisation."""

    language: str
    first: str
    second: str
    count: int
    share: float
    examples: tuple[str, ...]


@dataclass
class CheckReport:
    """The outcome of `check`. `problems` is what makes it fail; `notes` is good to know."""

    card: cards.Card
    splits: list[SplitReport]
    overlaps: list[Overlap]
    problems: list[str]
    notes: list[str]

    @property
    def ok(self) -> bool:
        return not self.problems


def list_cards(*, task: str | None = None, language: str | None = None) -> list[Listing]:
    """All cards, or those of a task and with a language.

    Raises XltError for a broken card, and for a task that no card is for.
    """
    from xlt import languages

    listings = []
    known = [cards.get(identifier) for identifier in data_cards()]
    if task is not None and task not in (tasks := {card.task for card in known}):
        raise XltError(f"no data card is for {task!r:.60}", where="--task", fix=choose(task, tasks))
    for card in known:
        if task is not None and card.task != task:
            continue
        if language is not None and languages.match(language, card.languages) is None:
            continue
        files = [file for _, _, split in card.splits() for file in split.files]
        listings.append(
            Listing(
                identifier=card.identifier,
                name=card.name,
                task=card.task,
                languages=tuple(card.languages),
                splits=tuple(dict.fromkeys(name for _, name, _ in card.splits())),
                licence=card.licence,
                origin=card.origin,
                available=sum(locate(card, file) is not None for file in files),
                files=len(files),
            )
        )
    return listings


def show(identifier: str) -> tuple[cards.Card, list[SplitReport]]:
    """A card, and for each split where its files are on this machine; nothing is read."""
    card = cards.get(identifier)
    return card, [
        SplitReport(language, name, _states(card, split, checksums=False))
        for language, name, split in card.splits()
    ]


def check(
    identifier: str, *, language: str | None = None, task: Task | None = None, limit: int = 20
) -> CheckReport:
    """Execute a card.

    language: only this one.
    task:     reads the records; by default the registered plugin that the card names.
    limit:    malformed records to describe in each split; all are counted.
    """
    card = cards.get(identifier)
    report = CheckReport(card, [], [], [], list(card.caveats))
    if task is None:
        task = _plugin(card, report)
    wrong = _check_readers(card, report)
    only = None if language is None else card.language(language)
    texts: dict[str, dict[str, dict[bytes, str]]] = {}
    for code, name, split in card.splits():
        if only is not None and code != only:
            continue
        split_report = SplitReport(code, name, _states(card, split, checksums=True))
        report.splits.append(split_report)
        where = f"{identifier}:{code}:{name}"
        report.notes += [f"{where}: {f.difference}" for f in split_report.files if f.difference]
        missing = [f for f in split_report.files if f.path is None]
        if missing:
            fix = "xlt data get" if missing[0].url else "only in a data folder (XLT_DATA)"
            report.problems.append(f"{where}: {len(missing)} file(s) not here ({fix})")
        elif task is not None and (code, name) not in wrong:
            seen = _read(task, _resolved(card, code, name), split_report, card, limit)
            texts.setdefault(code, {})[name] = seen
            report.problems += _split_problems(where, split_report)
    for code, by_split in texts.items():
        report.overlaps += _overlaps(card, code, by_split)
    for overlap in report.overlaps:
        report.notes.append(
            f"{identifier}:{overlap.language}: {overlap.count} texts of {overlap.second} "
            f"({overlap.share:.1%}) are in {overlap.first} too"
        )
    return report


def normalised(text: str) -> str:
    """A text as overlap is measured: NFKC, case folded, letters and digits alone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")


def _states(card: cards.Card, split: cards.Split, *, checksums: bool) -> list[FileState]:
    states = []
    for file in split.files:
        path = locate(card, file)
        differs = difference(file, path) if checksums and path is not None else None
        states.append(FileState(path, file.url, differs))
    return states


def _plugin(card: cards.Card, report: CheckReport) -> Task | None:
    from xlt.registry import tasks

    if card.task not in tasks.names():
        report.notes.append(f"no plugin for the task {card.task!r}: records were not read")
        report.notes.append("nor were the reader's options checked: the plugin knows them")
        return None
    task: Task = tasks.get(card.task)()
    return task.for_labels({layer: tuple(values) for layer, values in card.labels.items()})


def _check_readers(card: cards.Card, report: CheckReport) -> set[tuple[str, str]]:
    """Put wrong formats and options into the report, each once; the splits that have any."""
    wrong: set[tuple[str, str]] = set()
    told: dict[str, None] = {}
    for code, name, _ in card.splits():
        try:
            cards.check_reader(card, code, name)
        except XltError as error:
            wrong.add((code, name))
            told |= {problem.render(): None for problem in flat(error)}
    report.problems += told
    return wrong


def _resolved(card: cards.Card, language: str, split: str) -> ResolvedData:
    from xlt.config.schema import Reference

    return resolve(Reference(ref=f"{card.identifier}:{language}:{split}"), language, split)


def _read(
    task: Task, resolved: ResolvedData, split_report: SplitReport, card: cards.Card, limit: int
) -> dict[bytes, str]:
    """Fill in the report; returns the split's texts, by digest."""
    seen: dict[bytes, str] = {}
    labels: dict[str, set[str]] = {}
    count = 0
    with collect_malformed() as malformed:
        try:
            for batch_labels, text in _records(task, resolved):
                count += 1
                digest = hashlib.blake2b(normalised(text).encode(), digest_size=16).digest()
                split_report.duplicates += digest in seen
                seen.setdefault(digest, text[:80])
                for layer, values in batch_labels.items():
                    labels.setdefault(layer, set()).update(values)
        except XltError as error:
            malformed += flat(error)
    if malformed:
        split_report.malformed_total, split_report.malformed = len(malformed), malformed[:limit]
        split_report.duplicates = 0
        return {}
    split_report.records = count
    for layer, stated in card.labels.items():
        there = labels.get(layer, set())
        if extra := sorted(there - set(stated)):
            split_report.unexpected[layer] = extra
        if unused := sorted(set(stated) - there):
            split_report.unused[layer] = unused
    return seen


def _records(
    task: Task, resolved: ResolvedData
) -> Iterator[tuple[dict[str, tuple[str, ...]], str]]:
    from xlt.data.store import read_documents

    for document in read_documents(task, resolved):
        text = " ".join(text.surface for text in task.given_texts(document))
        yield dict(task.labels([document])), text


def _split_problems(where: str, split_report: SplitReport) -> list[str]:
    problems = []
    if split_report.malformed_total:
        problems.append(f"{where}: {split_report.malformed_total} malformed record(s)")
    for layer, values in split_report.unexpected.items():
        problems.append(f"{where}: labels that the card does not state ({layer}): {values}")
    return problems


def _overlaps(
    card: cards.Card, language: str, by_split: dict[str, dict[bytes, str]]
) -> list[Overlap]:
    """Between splits of the same files too, unless one is the whole that others are part of."""
    overlaps = []
    names = list(by_split)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if _nested(card.languages[language][first], card.languages[language][second]):
                continue
            both = by_split[first].keys() & by_split[second].keys()
            if both:
                examples = tuple(sorted(by_split[second][digest] for digest in both)[:3])
                share = len(both) / len(by_split[second])
                overlaps.append(Overlap(language, first, second, len(both), share, examples))
    return overlaps


def _nested(a: cards.Split, b: cards.Split) -> bool:
    return a.files == b.files and (a.select is None or b.select is None)
