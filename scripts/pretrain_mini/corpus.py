"""What xlt-mini learns from: raw sentences and sentence pairs of the data cards. No test file.

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

log = logging.getLogger(__name__)

HELD_OUT = 197
"""Lines at the end of NTREX that are never read."""
PIVOT = "eng"
MAX_PAIR_CHARACTERS = 700_000
"""Characters of a pair of languages, both sides together; more text aligns little better."""
MACRO = {"ara": "arb", "zho": "cmn", "swa": "swh", "fas": "pes", "est": "ekk", "lav": "lvs"}
TASKS = ("dependency_parsing", "ner", "nli")
READ = ("train", "dev")
"""Splits: not test, diagnostic or challenge sets."""
READERS = {"conllu": treebank, "bio": tagged, "tsv": premises, "jsonl": json_sentences}


@dataclass
class Corpus:
    """texts: language → sentences, each once. parallel: pairs of sentences, by languages."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    parallel: list[Parallel] = field(default_factory=list)
    sources: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def collect() -> Corpus:
    """Everything that the cards' train and dev splits offer on this machine."""
    corpus = Corpus()
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    forbidden = {normal(s) for name in _of_task(*TASKS) for s in _tests(name)}
    forbidden.add("")

    def add(card: str, language: str, sentences: Iterable[str]) -> None:
        language = one_code(language)
        kept = texts[language]
        for sentence in sentences:
            key = normal(sentence)
            if key not in forbidden:
                kept.setdefault(key, sentence)
        corpus.sources[language].add(card)

    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for name, source, target, sides in _parallel():
        source, target = one_code(source), one_code(target)
        add(name, source, (a for a, _ in sides))
        add(name, target, (b for _, b in sides))
        pairs[source, target] += [
            (a, b) for a, b in sides if not {normal(a), normal(b)} & forbidden
        ]
    for name in _of_task(*TASKS):
        card = cards.get(name)
        for language, split, _ in card.splits():
            if split not in READ:
                continue
            reference = f"{name}:{language}:{split}"
            read = READERS.get(card.format)
            if read is None or name in ("multinli-mt", "xnli"):  # read above, as pairs
                continue
            try:
                add(name, language, read(reference))
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


def _parallel() -> Iterator[tuple[str, str, str, list[tuple[str, str]]]]:
    """(card, source, target, pairs), short and human translations first."""
    ntrex = {
        lang: column("ntrex", lang, "test")[:-HELD_OUT] for lang in cards.get("ntrex").languages
    }
    for language, side in ntrex.items():
        if language != PIVOT:
            yield "ntrex", language, PIVOT, list(zip(side, ntrex[PIVOT], strict=True))
    for name in _of_task("parallel_text"):
        card = cards.get(name)
        if name in ("ntrex", "bible-nt", "udhr") or card.format not in ("lines", "csv"):
            continue
        yield from _card_pairs(name)
    for name, split in (("xnli", "dev"), ("multinli-mt", "train")):
        codes = [k for k, splits in cards.get(name).languages.items() if split in splits]
        translated = {k: list(premises(f"{name}:{k}:{split}")) for k in codes}
        for language, side in translated.items():
            # The German rows of XNLI are shuffled, and not as many.
            if language != PIVOT and len(side) == len(translated[PIVOT]):
                # Hypotheses first: short sentences align best.
                rows = list(zip(side, translated[PIVOT], strict=True))
                yield name, language, PIVOT, rows[1::2] + rows[::2]
    bible = {lang: column("bible-nt", lang, "train") for lang in cards.get("bible-nt").languages}
    for language, side in bible.items():
        if language != PIVOT:
            yield "bible-nt", language, PIVOT, list(zip(side, bible[PIVOT], strict=True))


def _card_pairs(name: str) -> Iterator[tuple[str, str, str, list[tuple[str, str]]]]:
    """Each language of a card with English, or with the card's first language."""
    card = cards.get(name)
    codes = list(card.languages)
    hub = PIVOT if PIVOT in codes else codes[0]
    for language in codes:
        if language == hub:
            continue
        for split in ("train", "dev"):
            if split in card.languages[hub] and split in card.languages[language]:
                sides = column(name, language, split), column(name, hub, split)
                if len(sides[0]) == len(sides[1]):
                    yield name, language, hub, list(zip(*sides, strict=True))
                else:
                    log.warning("%s:%s: %d and %d lines", name, split, *map(len, sides))
