"""What xlt-mini learns from: raw sentences and sentence pairs of the data cards. No test file, and
no text whose licence forbids commercial use or is not known (`licences`).

NTREX has only a test split; its first lines are read, the last `HELD_OUT` are kept back, so that
sentence retrieval can be measured on them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scripts.build_encoder.build import Parallel
from scripts.build_encoder.text import column, json_sentences, normal, premises, tagged, treebank
from xlt.data import cards
from xlt.errors import XltError
from xlt.registry import data_cards

from . import licences

log = logging.getLogger(__name__)

HELD_OUT = 197
"""Lines at the end of NTREX that are never read."""
PIVOT = "eng"
NTREX, MULTINLI, BIBLE = "ntrex", "multinli-mt", "bible-nt"
MAX_PAIR_CHARACTERS = 700_000
"""Characters of a pair of languages, both sides together; more text aligns little better."""
MACRO = {"ara": "arb", "zho": "cmn", "swa": "swh", "fas": "pes", "est": "ekk", "lav": "lvs"}
TASKS = ("dependency_parsing", "ner", "nli")
READ = ("train", "dev")
"""Splits: not test, diagnostic or challenge sets."""
READERS = {"conllu": treebank, "bio": tagged, "tsv": premises, "jsonl": json_sentences}


Sources = dict[tuple[str, str], set[str]]
"""(card, licence) → languages."""


@dataclass
class Corpus:
    """What is read, by language codes, and what its licence keeps out.

    texts: language → sentences, each once. parallel: pairs of sentences, by languages.
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    parallel: list[Parallel] = field(default_factory=list)
    read: Sources = field(default_factory=lambda: defaultdict(set))
    left_out: Sources = field(default_factory=lambda: defaultdict(set))

    def may_read(self, card: cards.Card, language: str, split: str) -> bool:
        """Whether the licence of a split allows it; if not, that is noted."""
        reason = licences.obstacle(card, card.languages[language][split])
        if reason is not None:
            self.left_out[card.identifier, reason].add(one_code(language))
        return reason is None

    def note(self, card: cards.Card, language: str, split: str) -> None:
        """This was read."""
        licence = card.languages[language][split].licence or card.licence
        self.read[card.identifier, licence].add(one_code(language))


def collect() -> Corpus:
    """Everything free that the cards' train and dev splits offer on this machine."""
    corpus = Corpus()
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    forbidden = {normal(s) for name in _of_task(*TASKS) for s in _tests(name)}
    forbidden.add("")

    def add(language: str, sentences: Iterable[str]) -> None:
        language = one_code(language)
        kept = texts[language]
        for sentence in sentences:
            key = normal(sentence)
            if key not in forbidden:
                kept.setdefault(key, sentence)

    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for source, target, sides in _parallel(corpus):
        source, target = one_code(source), one_code(target)
        add(source, (a for a, _ in sides))
        add(target, (b for _, b in sides))
        pairs[source, target] += [
            (a, b) for a, b in sides if not {normal(a), normal(b)} & forbidden
        ]
    for name in _of_task(*TASKS):
        card = cards.get(name)
        for language, split, _ in card.splits():
            read = READERS.get(card.format)
            if split not in READ or read is None or name == MULTINLI:  # read above, as pairs
                continue
            if not corpus.may_read(card, language, split):
                continue
            reference = f"{name}:{language}:{split}"
            try:
                add(language, read(reference))
                corpus.note(card, language, split)
            except (XltError, KeyError, ValueError) as error:
                log.warning("%s left out: %s", reference, error)
    corpus.texts = {language: list(unique.values()) for language, unique in texts.items()}
    corpus.parallel = [
        Parallel(a, b, list(within_budget(both_sides)))
        for (a, b), both_sides in sorted(pairs.items())
    ]
    return corpus


def one_code(language: str) -> str:
    """One code where cards use the macrolanguage or its main member."""
    for macro, member in MACRO.items():
        if language == member:
            return macro
    return language


def within_budget(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    total = 0
    for a, b in pairs:
        total += len(a) + len(b)
        if total > MAX_PAIR_CHARACTERS:
            return
        if len(a) < 600 and len(b) < 600:
            yield a, b


def _of_task(*names: str) -> list[str]:
    return [
        name
        for name in sorted(data_cards())
        if cards.get(name).task in names and not name.startswith("sample-")
    ]


def _tests(name: str) -> Iterator[str]:
    card = cards.get(name)
    read = READERS.get(card.format)
    for language, split, _ in card.splits():
        if split not in READ and split != "whole" and read:
            try:
                yield from read(f"{name}:{language}:{split}")
            except (XltError, KeyError, ValueError) as error:
                log.warning("%s", error)


def _parallel(corpus: Corpus) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """(source, target, pairs), short and human translations first."""
    yield from card_pairs(NTREX, corpus, "test", keep=-HELD_OUT)
    for name in _of_task("parallel_text"):
        if name in (NTREX, BIBLE, "udhr") or cards.get(name).format not in ("lines", "csv"):
            continue
        for split in READ:
            yield from card_pairs(name, corpus, split)
    yield from _multinli(corpus)
    yield from card_pairs(BIBLE, corpus, "train")


def _multinli(corpus: Corpus) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    card = cards.get(MULTINLI)
    codes = [code for code in card.languages if corpus.may_read(card, code, "train")]
    translated = {code: list(premises(f"{MULTINLI}:{code}:train")) for code in codes}
    for code in codes:
        corpus.note(card, code, "train")
    for language, side in translated.items():
        if language != PIVOT:
            # Hypotheses first: short sentences align best.
            rows = list(zip(side, translated[PIVOT], strict=True))
            yield language, PIVOT, rows[1::2] + rows[::2]


def card_pairs(
    name: str, corpus: Corpus, split: str, keep: int | None = None
) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Each language of a card with English, or with the card's first language.

    keep: the end of the lines that are read, as in a slice.
    """
    card = cards.get(name)
    codes = [
        code
        for code, splits in card.languages.items()
        if split in splits and corpus.may_read(card, code, split)
    ]
    hub = PIVOT if PIVOT in codes else codes[0] if codes else ""
    for language in codes:
        if language == hub:
            continue
        sides = column(name, language, split), column(name, hub, split)
        if len(sides[0]) == len(sides[1]):
            corpus.note(card, language, split)
            corpus.note(card, hub, split)
            yield language, hub, list(zip(*sides, strict=True))[:keep]
        else:
            log.warning("%s:%s: %d and %d lines", name, split, *map(len, sides))
