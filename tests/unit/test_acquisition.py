"""Which texts are chosen for correction: worth, similarity, and the greedy choice of both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from xlt.document import Document, Text
from xlt.runs.acquisition import WAYS, expected_errors, greedy, values, vectors


def rows(*given):
    """Vectors of length 1."""
    made = np.array(given, float)
    return csr_array(made / np.linalg.norm(made, axis=1, keepdims=True))


def indices(picks):
    return [pick.text for pick in picks]


def test_expected_errors_are_summed_over_all_that_has_a_confidence():
    document = Document("1", {"text": Text.from_words(["a"])})
    assert expected_errors(document) == 0
    sure = {"entities": (0.5, 0.75), "entities.rest": (0.25,), "events": ()}
    assert expected_errors(document.with_confidence(sure)) == pytest.approx(0.5 + 0.25 + 0.75)


def test_errors_are_paid_for_by_words_of_which_there_are_at_least_ten():
    errors, words = [2.0, 2.0, 1.0], [20, 4, 10]
    for by in ("uncertainty", "mixed"):
        assert values(by, errors, words).tolist() == [0.1, 0.2, 0.1]
    for by in ("diversity", "random"):
        assert values(by, errors, words).tolist() == [1, 1, 1]
    assert set(WAYS) == {"uncertainty", "mixed", "diversity", "random"}


def test_similarity_is_the_cosine_of_weighted_trigrams():
    texts = ["abc", "ABC ", "abd", "xyz", ""]
    found = vectors(texts)
    similar = (found @ found.T).toarray()
    assert np.diag(similar)[:4] == pytest.approx([1, 1, 1, 1])
    assert similar[0, 1] == pytest.approx(1)
    assert similar[0, 3] == 0
    assert not similar[4].any()
    # " ab" is in three of five texts, "abc" and "bc " in two, "abd" and "bd " in one.
    two, three, one = (np.log(6 / (1 + n)) + 1 for n in (2, 3, 1))
    lengths = np.sqrt(three**2 + 2 * two**2), np.sqrt(three**2 + 2 * one**2)
    assert similar[0, 2] == pytest.approx(three**2 / (lengths[0] * lengths[1]), rel=1e-5)


def test_trigrams_do_not_reach_into_the_next_text():
    apart, other = vectors(["ab", "cd"]), vectors(["ab", "xy"])
    assert set(apart[[0]].indices) == set(other[[0]].indices)
    assert apart[[0]].nnz == 2  # " ab", "ab "


def test_worth_alone_chooses_the_best_first():
    picks = greedy(rows([1, 0], [0, 1], [1, 1]), [0.2, 0.3, 0.1], [5, 5, 5], 2, diverse=False)
    assert picks == [(1, 0.3), (0, 0.2)]


def test_what_is_similar_to_a_chosen_one_is_worth_less():
    # 0 and 1 have a cosine of 0.6, 2 none with either: 0.5 · (1 − 0.6) < 0.3.
    near = rows([1, 0, 0], [0.6, 0.8, 0], [0, 0, 1])
    picks = greedy(near, [1.0, 0.5, 0.3], [5, 5, 5], 3, diverse=True)
    assert indices(picks) == [0, 2, 1]
    assert [pick.score for pick in picks] == pytest.approx([1.0, 0.3, 0.2])
    assert indices(greedy(near, [1.0, 0.5, 0.3], [5, 5, 5], 3, diverse=False)) == [0, 1, 2]


def test_with_equal_worth_the_farthest_is_next():
    angles = np.deg2rad([0, 30, 60, 90])
    circle = rows(*np.stack([np.cos(angles), np.sin(angles)], axis=1))
    for seed in range(20):
        first, second, *_ = indices(
            greedy(circle, np.ones(4), np.ones(4), 3, diverse=True, seed=seed)
        )
        assert second == {0: 3, 1: 3, 2: 0, 3: 0}[first]


@pytest.mark.parametrize("diverse", [True, False])
def test_near_duplicates_are_never_chosen(diverse):
    texts = ["The minister arrived in Kano at 9 today", "The minister arrived in Kano at 8 today"]
    texts += texts[:1]
    other = "Something else entirely was said there"
    picks = greedy(vectors([*texts, other]), [3, 2, 3, 1], [8, 8, 8, 6], 4, diverse=diverse)
    assert len(picks) == 2
    assert picks[0].text in (0, 2)
    assert picks[1].text == 3


def test_words_of_all_together_are_limited_and_what_fits_is_still_taken():
    apart = rows([1, 0, 0], [0, 1, 0], [0, 0, 1])
    picks = greedy(apart, [3, 2, 1], [6, 5, 4], 3, diverse=False, max_words=10)
    assert indices(picks) == [0, 2]
    assert greedy(apart, [3, 2, 1], [6, 5, 4], 3, diverse=False, max_words=3) == []


def test_the_seed_decides_between_equals_and_nothing_else():
    apart = csr_array(np.eye(30))
    equal = [
        indices(greedy(apart, np.ones(30), np.ones(30), 5, diverse=False, seed=seed))
        for seed in (1, 1, 2)
    ]
    assert equal[0] == equal[1]
    assert equal[0] != equal[2]
    assert equal[0] != sorted(equal[0])
    worth = np.arange(30)
    for seed in (1, 2):
        picks = greedy(apart, worth, np.ones(30), 3, diverse=True, seed=seed)
        assert indices(picks) == [29, 28, 27]


def test_no_more_than_there_are():
    assert len(greedy(rows([1, 0], [0, 1]), [0, 0], [1, 1], 5, diverse=True)) == 2


def test_rarity_may_be_that_in_other_texts():
    others = ["the cat", "the dog", "the owl"]
    both, alone = (vectors(texts, among=others) for texts in (["the cat", "xyz"], ["the cat"]))
    assert (both[[0]] - alone).nnz == 0
    assert (vectors(["the cat", "xyz"])[[0]] - alone).nnz > 0
    assert (vectors(others) - vectors(others, among=others)).nnz == 0
