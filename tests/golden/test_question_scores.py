"""Scores of generated questions against sacrebleu, rouge-score and nltk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from xlt.tasks.question_generation import metrics

PAIRS = [
    ("When was the bridge built?", "In which year was the bridge (the old one) built?"),
    ("Who wrote it", "Who wrote the book?"),
    ("", "Where?"),
    ("Where is the town hall of the old town, which burnt down?", "Where is the town hall?"),
    ("How many people live there?", "How many people live there?"),
]
CHINESE = [("谁回到了公园？", "谁去了公园里？"), ("许多孩子回到了哪里？", "孩子们在哪里？")]
WORDS = st.lists(
    st.sampled_from(["the", "a", "Who", "saw", "it?", "(old)", "tree,", "3.5", "dogs", "x"]),
    max_size=12,
).map(" ".join)


def summed(pairs, language="eng"):
    rows = [[*metrics.bleu_counts(a, b, language), *metrics.chrf_counts(a, b)] for a, b in pairs]
    total = np.array(rows, float).sum(0)
    return total[: 2 * metrics.BLEU_ORDERS + 2], total[2 * metrics.BLEU_ORDERS + 2 :]


def check(pairs, language="eng"):
    found, references = [a for a, _ in pairs], [b for _, b in pairs]
    bleu, chrf = summed(pairs, language)
    expected = BLEU(tokenize=metrics.bleu_tokens(language)).corpus_score(found, [references])
    assert metrics.bleu(bleu) == pytest.approx(expected.score, abs=1e-9)
    expected = CHRF(word_order=2).corpus_score(found, [references])
    assert metrics.chrf(chrf) == pytest.approx(expected.score, abs=1e-9)


@pytest.mark.parametrize("language", ["eng", "tha", "zho"])
def test_bleu_and_chrf_are_those_of_sacrebleu(language):
    check(CHINESE if language == "zho" else PAIRS, language)
    for pair in PAIRS:
        check([pair], language)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_bleu_and_chrf_for_any_text(pairs):
    check(pairs)


def test_signatures_say_the_settings():
    assert "tok:zh" in metrics.signatures("zho")["bleu"]
    assert "tok:13a" in metrics.signatures("spa")["bleu"]
    assert "tok:char" in metrics.signatures("tha")["bleu"]
    assert "nw:2" in metrics.signatures("spa")["chrf"]


@settings(deadline=None, max_examples=60)
@given(WORDS, WORDS)
def test_rouge_l(found, reference):
    from rouge_score.rouge_scorer import RougeScorer

    plain = [text.replace(".", "") for text in (found, reference)]
    expected = RougeScorer(["rougeL"]).score(plain[1], plain[0])["rougeL"].fmeasure
    ours = metrics.rouge_l(*(metrics.units(text, "eng") for text in plain))
    if any(plain):  # of two empty texts we say that they are the same
        assert ours == pytest.approx(expected)


def test_rouge_l_of_characters():
    assert metrics.units("谁去了？", "zho") == ["谁", "去", "了"]
    assert metrics.rouge_l(["谁", "去"], ["谁", "来", "去"]) == pytest.approx(4 / 5)


def test_meteor_stems_where_there_is_a_stemmer():
    same = metrics.meteor(["los", "gatos", "negros"], ["los", "gato", "negro"], "spa")
    assert same > 0.9
    assert metrics.meteor(["gatos"], ["gato"], "jav") == 0
