"""Attachment scores equal the definitions of the CoNLL 2018 shared task, written out naively.

The reference below follows the task's description of its metrics for gold tokenisation: words
are aligned one to one, relations lose their subtype, F1 = 2PR / (P + R) over the counted words.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.tasks.dependency_parsing.metrics import (
    COUNT_NAMES,
    METRICS,
    is_punctuation,
    punctuation,
    tree_counts,
    tree_metrics,
)

FUNCTIONAL = {"aux", "cop", "mark", "det", "clf", "case", "cc"}
RELATIONS = [
    "nsubj", "nsubj:pass", "obj", "obl:agent", "aux", "aux:pass", "case", "det", "punct", "root",
    "cc", "conj", "dep", "mark", "cop", "flat:name", "weird", "clf",
]  # fmt: skip


def conll18(gold, system, metric: str) -> float:
    """gold and system: lists of (head, relation) of aligned words."""

    def strip(relation):
        return relation.split(":")[0]

    def is_content(relation):
        # "all relations except for function words and punctuation" among the universal ones
        return strip(relation) not in FUNCTIONAL | {"punct", "weird"}

    if metric == "UAS":
        counted_gold = counted_system = len(gold)
        correct = sum(g[0] == s[0] for g, s in zip(gold, system, strict=True))
    else:
        keep = is_content if metric == "CLAS" else (lambda relation: True)
        counted_gold = sum(keep(g[1]) for g in gold)
        counted_system = sum(keep(s[1]) for s in system)
        correct = sum(
            keep(g[1]) and g[0] == s[0] and strip(g[1]) == strip(s[1])
            for g, s in zip(gold, system, strict=True)
        )
    precision = correct / counted_system if counted_system else 0.0
    recall = correct / counted_gold if counted_gold else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def words(n):
    return st.lists(
        st.tuples(st.integers(0, n), st.sampled_from(RELATIONS)), min_size=n, max_size=n
    )


sentence = st.integers(1, 8).flatmap(lambda n: st.tuples(words(n), words(n)))


def count(gold, system, punct=None, subtypes=False):
    punct = np.zeros(len(gold), bool) if punct is None else punct
    return tree_counts(
        [g[0] for g in gold],
        [g[1] for g in gold],
        [s[0] for s in system],
        [s[1] for s in system],
        punct,
        subtypes=subtypes,
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(sentence, min_size=1, max_size=5))
def test_equals_the_shared_task(corpus):
    ours = tree_metrics(np.sum([count(*pair) for pair in corpus], axis=0))
    offset, gold, system = 0, [], []
    for gold_words, system_words in corpus:  # heads of different sentences are different words
        gold += [(head + offset, relation) for head, relation in gold_words]
        system += [(head + offset, relation) for head, relation in system_words]
        offset += 100
    for name in ("UAS", "LAS", "CLAS"):
        assert ours[name.lower()] == pytest.approx(100 * conll18(gold, system, name))


def test_by_hand():
    gold = [(2, "nsubj:pass"), (0, "root"), (2, "obl"), (2, "punct")]
    system = [(2, "nsubj"), (0, "root"), (2, "obj"), (3, "punct")]
    punct = punctuation(["We", "went", "home", "."], ["PRON", "VERB", "NOUN", "PUNCT"])
    stripped = tree_metrics(count(gold, system, punct))
    assert {name: float(stripped[name]) for name in METRICS} == pytest.approx(
        {"las": 50, "uas": 75, "clas": 200 / 3, "las_no_punct": 200 / 3, "uas_no_punct": 100}
    )
    kept = tree_metrics(count(gold, system, punct, subtypes=True))
    assert kept["las"] == pytest.approx(25)
    assert kept["las_no_punct"] == pytest.approx(100 / 3)


def test_vectorised_over_leading_axes_and_defined_on_nothing():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (3, 4, len(COUNT_NAMES))).astype(float)
    together = tree_metrics(counts)
    assert tuple(together) == METRICS
    for name in METRICS:
        assert together[name].shape == (3, 4)
        assert together[name][1, 2] == tree_metrics(counts[1, 2])[name]
    assert all(value == 0 for value in tree_metrics(np.zeros(len(COUNT_NAMES))).values())


def test_punctuation():
    forms = ["،", "»", "...", "don't", "$", "。", "", "-"]
    assert [is_punctuation(form) for form in forms] == [
        True,
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert punctuation(["-", ".", "x"], ["NOUN", "_", None]).tolist() == [False, True, False]
    assert punctuation(["-", "x"], None).tolist() == [True, False]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 gold words but 1 predicted"):
        count([(0, "root"), (1, "obj")], [(0, "root")])
