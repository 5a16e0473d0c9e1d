"""The aligner `agreement` against its definition, summed over all alignments in plain loops."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.projection.align import hmm, lexical
from xlt.projection.align.agreement import Agreement, AgreementOptions, _links
from xlt.projection.align.base import WordPair
from xlt.projection.align.lexical import Forms, look_alikes, similarity

Entry = tuple[str, str]
Table = dict[Entry, float]

PAIRS: list[WordPair] = [
    (["Reading", "the", "books"], ["das", "Lesen"]),
    (["the", "reader", "sees", "the"], ["der", "Leser", "sieht"]),
    (["books"], ["der", "Leser", "und", "Hamburg", "Hamburgs"]),
    (["hamburg", "sees", "Readings"], ["Hamburg"]),
    (["the", "Hamburgers"], ["das", "Hamburger"]),
]


def reference(
    pairs: Sequence[WordPair], known: Table, null: float, iterations: tuple[int, int]
) -> list[dict[tuple[int, int], float]]:
    """√(p(i | j) · p(j | i)) of each pair's links, by EM over all alignments (see `hmm`)."""
    jump_range = range(-hmm.MAX_JUMP, hmm.MAX_JUMP + 1)

    def clip(distance: int) -> int:
        return max(-hmm.MAX_JUMP, min(hmm.MAX_JUMP, distance))

    def turned(table: Mapping[Entry, float]) -> Table:
        return {(b, a): value for (a, b), value in table.items()}

    def start(ways: Sequence[WordPair], prior: Table) -> Table:
        entries = {(a, b) for one, other in ways for a in one for b in other}
        often = Counter(a for a, _ in entries)
        total = {a: 1 + sum(prior.get(e, 0) for e in entries if e[0] == a) for a in often}
        return {e: (prior.get(e, 0) + 1 / often[e[0]]) / total[e[0]] for e in entries}

    def estimate(counts: Table, prior: Table, entries: Table) -> Table:
        counts = {e: counts.get(e, 0) + prior.get(e, 0) for e in entries}
        total = {a: 1 + sum(c for e, c in counts.items() if e[0] == a) for a, _ in entries}
        return {e: c / total[e[0]] for e, c in counts.items()}

    def frequencies(ways: Sequence[WordPair]) -> dict[str, float]:
        counts = Counter(w for _, other in ways for w in other)
        return {w: (c + 1) / (counts.total() + len(counts)) for w, c in counts.items()}

    def of_words(pair: WordPair, table: Table, empty: Mapping[str, float]):
        source, target = pair
        found = np.zeros((len(source), len(target)))
        for j, word in enumerate(target):
            weights = [(1 - null) / len(source) * table[a, word] for a in source]
            found[:, j] = np.array(weights) / (sum(weights) + null * empty[word])
        return found

    def of_positions(pair: WordPair, table: Table, empty: Mapping[str, float], jump):
        source, target = pair
        size = range(len(source))
        move = [[jump[clip(k - i)] for k in size] for i in size]
        move = [[value / sum(row) for value in row] for row in move]
        begin = [jump[clip(k + 1)] for k in size]
        begin = [value / sum(begin) for value in begin]
        found, jumps, whole = np.zeros((len(source), len(target))), Counter(), 0.0
        for first in itertools.product(size, (True, False)):
            for rest in itertools.product((*size, None), repeat=len(target) - 1):
                at, linked = first
                weight, steps = begin[at], []
                places = [at if linked else None, *rest]
                for j, place in enumerate(places):
                    if place is None:
                        weight *= null * empty[target[j]]
                        continue
                    if j:
                        weight *= move[at][place]
                        steps.append(clip(place - at))
                        at = place
                    weight *= (1 - null) * table[source[place], target[j]]
                whole += weight
                for step in steps:
                    jumps[step] += weight
                for j, place in enumerate(places):
                    if place is not None:
                        found[place, j] += weight
        return found / whole, {step: value / whole for step, value in jumps.items()}

    sides = [list(pairs), [(b, a) for a, b in pairs]]
    priors = [known, turned(known)]
    tables = [start(way, prior) for way, prior in zip(sides, priors, strict=True)]
    empty = [frequencies(way) for way in sides]
    jumps = [{d: math.exp(-0.3 * abs(d)) for d in jump_range}] * 2
    for _ in range(iterations[0]):
        for k, way in enumerate(sides):
            counts: Table = defaultdict(float)
            for pair in way:
                found = of_words(pair, tables[k], empty[k])
                for (i, a), (j, b) in itertools.product(*map(enumerate, pair)):
                    counts[a, b] += found[i, j]
            tables[k] = estimate(counts, priors[k], tables[k])

    def both(n: int):
        ways = [of_positions(sides[k][n], tables[k], empty[k], jumps[k]) for k in (0, 1)]
        return ways[0][0] * ways[1][0].T, [way[1] for way in ways]

    for _ in range(iterations[1]):
        counts = defaultdict(float)
        moved: list[Counter[int]] = [Counter(), Counter()]
        for n, pair in enumerate(pairs):
            found, steps = both(n)
            for (i, a), (j, b) in itertools.product(*map(enumerate, pair)):
                counts[a, b] += found[i, j]
            for total, own in zip(moved, steps, strict=True):
                total.update(own)
        tables = [estimate(counts, priors[0], tables[0]),
                  estimate(turned(counts), priors[1], tables[1])]  # fmt: skip
        jumps = [
            {d: 0.99 * m[d] / max(1e-9, m.total()) + 0.01 / len(jump_range) for d in jump_range}
            for m in moved
        ]
    return [dict(np.ndenumerate(np.sqrt(both(n)[0]))) for n in range(len(pairs))]


@pytest.mark.parametrize(
    ("stem", "weight", "null", "jump", "cells"),
    [(6, 1.0, 0.1, 60, 400_000), (0, 0.0, 0.3, 1, 30), (4, 2.5, 0.1, 2, 15)],
)
def test_links_are_those_of_the_model(monkeypatch, stem, weight, null, jump, cells) -> None:
    monkeypatch.setattr(hmm, "MAX_JUMP", jump)
    monkeypatch.setattr(hmm, "_MAX_CELLS", cells)
    options = AgreementOptions(stem=stem, lexical=weight, null=null, threshold=1e-6, parts="none")
    stems = [tuple([w.casefold()[: stem or None] for w in side] for side in pair) for pair in PAIRS]
    firsts: tuple[dict[str, str], ...] = ({}, {})  # a stem looks as the first word with it
    for pair, cut in zip(PAIRS, stems, strict=True):
        for side in (0, 1):
            for word, part in zip(pair[side], cut[side], strict=True):
                firsts[side].setdefault(part, word)
    known: Table = {}
    for one, other in stems:
        for a, b in itertools.product(one, other):
            words = firsts[0][a], firsts[1][b]
            known[a, b] = weight * look_alikes([([words[0]], [words[1]])]).get(words, 0.0)
    assert any(known.values()) is (weight > 0)
    expected = reference(stems, known, null, (4, 4))
    found = Agreement(options).align(PAIRS, "eng", "deu")
    for links, by_definition in zip(found, expected, strict=True):
        for link, score in by_definition.items():
            assert links.get(link, 0.0) == pytest.approx(score, abs=2e-4)
    sure = Agreement(options.model_copy(update={"threshold": 0.5})).align(PAIRS, "eng", "deu")
    assert sure == [{k: s for k, s in links.items() if s > 0.5} for links in found]
    # Parallel text counts for the model and gets no links of its own.
    helped = Agreement(options)
    helped.learn_from(PAIRS[2:])
    assert [set(links) for links in helped.align(PAIRS[:2], "eng", "deu")] == [
        set(links) for links in found[:2]
    ]


def test_a_score_that_rounding_leaves_above_one_is_one() -> None:
    data = hmm.corpus([(np.zeros(1, np.int32), np.zeros(1, np.int32))], 1, 1)
    table = _links(data.batches[0], *[np.full((1, 1, 1), 1.0001, np.float32)] * 2, 0.5)
    assert table.links(1) == [{(0, 0): 1.0}]


def test_batches_are_of_similar_length_and_bounded(monkeypatch) -> None:
    monkeypatch.setattr(hmm, "_MAX_CELLS", 12)
    lengths = [(3, 4), (1, 2), (0, 2), (2, 2), (2, 1), (5, 5), (1, 1)]
    pairs = [(np.arange(a, dtype=np.int32), np.arange(b, dtype=np.int32)) for a, b in lengths]
    data = hmm.corpus(pairs, 5, 5)
    # By target, then source length; a pair that is too big stands alone, an empty one nowhere.
    assert [batch.index.tolist() for batch in data.batches] == [[6, 4, 1], [3], [0], [5]]
    first = data.batches[0]
    assert first.source.tolist() == [[0, 0, 0], [-1, 1, -1]]
    assert first.target.tolist() == [[0, 0, 0], [-1, -1, 1]]
    entries = list(zip(data.first.tolist(), data.second.tolist(), strict=True))
    assert entries == sorted({(a, b) for m, n in lengths for a in range(m) for b in range(n)})
    padding = len(entries)
    assert first.cell[0].tolist() == [
        [entries.index((0, 0)), padding],
        [entries.index((0, 0)), entries.index((1, 0))],
        [entries.index((0, 0)), padding],
    ]
    assert (first.turned == first.cell.transpose(2, 1, 0)).all()
    nothing = hmm.corpus([(np.zeros(0, np.int32), np.zeros(0, np.int32))], 0, 0)
    assert nothing.batches == []
    assert len(nothing.first) == 0


# How alike words look -------------------------------------------------------------------------


def alike(one: str, other: str) -> float:
    """`lexical.similarity` of two ASCII words, as its docstring has it."""

    def form(word: str) -> tuple[str, bool]:
        kept = "".join(c for c in word.lower() if c.isalnum())
        return (kept or word.lower())[: lexical.MAX_LETTERS], bool(kept)

    (x, x_wordlike), (y, y_wordlike) = form(one), form(other)
    if not x or not y:
        return 0.0
    bigrams = [
        {(ord(a) * 31 + ord(b)) % 61 for a, b in itertools.pairwise(text)} for text in (x, y)
    ]
    if 2 * len(bigrams[0] & bigrams[1]) < min(map(len, bigrams)):
        return 0.0
    if x == y:
        return 1.0
    if min(len(x), len(y)) < 4 or not (x_wordlike and y_wordlike):
        return 0.0
    row = list(range(len(y) + 1))
    for i, a in enumerate(x, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(y, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    prefix = next((n for n, (a, b) in enumerate(zip(x, y, strict=False)) if a != b),
                  min(len(x), len(y)))  # fmt: skip
    begun = 0.9 * prefix / min(len(x), len(y)) if prefix >= 4 else 0.0
    return max(1 - row[-1] / max(len(x), len(y)), begun)


texts = st.text("abcA1.-", max_size=19)


@given(texts, texts, st.integers(0, 19), texts)
@settings(max_examples=150, deadline=None)
def test_likeness_is_as_defined(one: str, other: str, at: int, put: str) -> None:
    changed = one[:at] + put[:2] + one[at + 1 :]
    for a, b in ((one, other), (one, changed), (one, one + put), (one + "!", one)):
        value = similarity(Forms.of([a]), Forms.of([b]), np.array([0]), np.array([0]))[0]
        assert value == pytest.approx(alike(a, b), abs=1e-6), (a, b)


def test_look_alikes_are_those_of_a_pair_that_are_alike_enough() -> None:
    pairs = [
        (["Hamburg", "is", "Hamburg"], ["Hamburgo", "es", "1"]),
        (["grand", "hotel"], ["gross", "hotels"]),
        ([], ["Hamburg"]),
    ]
    assert look_alikes(pairs) == {
        ("Hamburg", "Hamburgo"): pytest.approx(0.9),  # the beginning counts for more
        ("hotel", "hotels"): pytest.approx(0.9),
    }
    # 7 of 10 letters are just enough, 6 of 10 are not.
    enough, less = ("abcdefghij", "XbcdefghXX"), ("abcdefghij", "XbcdefgXXX")
    assert look_alikes([([one], [other]) for one, other in (enough, less)]) == {
        enough: pytest.approx(0.7)
    }
    assert look_alikes([]) == {}
