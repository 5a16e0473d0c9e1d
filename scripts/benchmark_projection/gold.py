"""Gold to compare with, from data cards, and the parallel text that aligners may learn from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from scripts.build_encoder.text import column, paths, premises
from xlt import languages
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.files import lines
from xlt.data.references import resolve
from xlt.data.segment import tokenised
from xlt.data.store import read_documents
from xlt.document import Document, FlatSpans, Span, Text
from xlt.projection.align.base import WordPair
from xlt.projection.pair import Links
from xlt.tasks.ner import NER

MAX_WORDS = 120
"""Words of a sentence of parallel text; longer ones cost much and teach little."""


def words_of(pairs: Iterable[tuple[Text, Text]]) -> list[WordPair]:
    """What aligners take."""
    return [(one.words, other.words) for one, other in pairs]


def parallel(names: Sequence[str], source: str, target: str, rows: int) -> list[tuple[Text, Text]]:
    """Sentence pairs of cards; what a card does not have in these languages is nothing."""
    pairs: dict[tuple[str, str], tuple[Text, Text]] = {}
    for name in names:
        for one, other in _texts(name, source, target, rows):
            if one and other and (one, other) not in pairs:
                pair = tokenised(one, source), tokenised(other, target)
                if max(len(text.words) for text in pair) <= MAX_WORDS:
                    pairs[one, other] = pair
    return list(pairs.values())


def _texts(name: str, source: str, target: str, rows: int) -> Iterator[tuple[str, str]]:
    card = cards.get(name)
    codes = [languages.match(code, card.languages) for code in (source, target)]
    if name == "xl-wa":  # its training pairs, without their silver links
        if codes[1] and source == "eng" and "train" in card.languages[codes[1]]:
            yield from ((one, other) for one, other, _ in _rows(f"xl-wa:{codes[1]}:train"))
        return
    if None in codes:
        return
    if name == "multinli-mt":
        sides = [list(premises(f"{name}:{code}:train"))[:rows] for code in codes]
    else:
        split = next(iter(card.languages[str(codes[0])]))
        sides = [column(name, str(code), split)[:rows] for code in codes]
    yield from zip(*sides, strict=True)


def europarl(language: str) -> list[Document]:
    """The sentences with their entities; number n is the same sentence in every language."""
    reference = Reference(ref=f"europarl-ner:{language}:test")
    return list(read_documents(NER(), resolve(reference, language, "test")))


def entities_of(sentence: Document) -> tuple[Span, ...]:
    """The entities of a sentence of `europarl`."""
    return sentence.layer(FlatSpans, "entities").spans


@dataclass(frozen=True)
class Gold:
    """Pairs with sure and possible links (all of them, the sure ones too)."""

    pairs: list[WordPair]
    sure: list[set[tuple[int, int]]]
    possible: list[set[tuple[int, int]]]


def alignment_scores(links: Sequence[Links], gold: Gold) -> tuple[float, float, float, float]:
    """AER (Och & Ney 2003), F1, precision against possible and recall of sure links, percent."""
    made = sum(len(one) for one in links)
    sure = sum(map(len, gold.sure))
    in_sure = sum(len(set(a) & b) for a, b in zip(links, gold.sure, strict=True))
    in_possible = sum(len(set(a) & b) for a, b in zip(links, gold.possible, strict=True))
    precision, recall = in_possible / max(1, made), in_sure / max(1, sure)
    aer = 1 - (in_sure + in_possible) / max(1, made + sure)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return 100 * aer, 100 * f1, 100 * precision, 100 * recall


def gold_sets(split: str) -> Iterator[tuple[str, str, str, Gold]]:
    """Name, source, target, gold: those that are on this machine."""
    for language in cards.get("xl-wa").languages:
        pairs: list[WordPair] = []
        sure = []
        for one, other, links in _rows(f"xl-wa:{language}:{split}"):
            pairs.append((one.split(), other.split()))
            sure.append({(int(a), int(b)) for a, b in (x.split("-") for x in links.split())})
        yield "XL-WA", "eng", language, Gold(pairs, sure, sure)
    if split == "dev":  # the others have a test part only
        return
    for language, first in (("fra", "eng"), ("ron", "ron"), ("jpn", "jpn"), ("zho", "zho")):
        second = "fra" if first == "eng" else "eng"
        yield "awesome", first, second, _awesome(language)
    yield "WPT-05", "eng", "hin", _wpt()


def _rows(reference: str) -> Iterator[list[str]]:
    for path, _ in paths(reference):
        for _, line in lines(path):
            if line:
                yield line.split("\t")


def _awesome(language: str) -> Gold:
    (text, _), (links, _) = paths(f"awesome-align-examples:{language}:test")
    pairs = [tuple(side.split() for side in line.split("|||")) for _, line in lines(text)]
    sure, possible = [], []
    for _, line in lines(links):
        marked_links = re.findall(r"(\d+)([-p])(\d+)", line)
        sure.append({(int(a) - 1, int(b) - 1) for a, mark, b in marked_links if mark == "-"})
        possible.append({(int(a) - 1, int(b) - 1) for a, _, b in marked_links})
    return Gold([(a, b) for a, b in pairs], sure, possible)


def _wpt() -> Gold:
    english, hindi, links = (path for path, _ in paths("wpt05-eng-hin:hin:test"))
    texts = []
    for path in (english, hindi):
        numbered = re.findall(r"<s snum=(\d+)>(.*?)</s>", path.read_text("utf-8"), re.S)
        texts.append({int(number): text.split() for number, text in numbered})
    place = {number: n for n, number in enumerate(texts[0])}
    sure: list[set[tuple[int, int]]] = [set() for _ in place]
    possible: list[set[tuple[int, int]]] = [set() for _ in place]
    for _, line in lines(links):
        number, one, other, *mark = line.split()
        link = (int(one) - 1, int(other) - 1)
        possible[place[int(number)]].add(link)
        if mark != ["P"]:
            sure[place[int(number)]].add(link)
    return Gold([(texts[0][n], texts[1][n]) for n in place], sure, possible)
