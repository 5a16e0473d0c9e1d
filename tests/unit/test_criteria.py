"""What is expected of a model on text without labels, by its own behaviour."""

from statistics import NormalDist

import numpy as np
import pytest

from tasks.ner import NER
from tasks.nli import NLI
from xlt.document import Document, FlatSpans, Label, Span, Text
from xlt.evaluation.criteria import (
    AGREEMENT,
    CONFIDENCE,
    DIFFERENCE,
    THRESHOLD,
    OnDev,
    OnText,
    Sure,
    Threshold,
    agreement,
    along_the_line,
    combined,
    difference_of_confidences,
    estimates,
    fit_threshold,
    on_dev,
    on_text,
    share_above,
)
from xlt.evaluation.reliability import things

SURE = [0.9, 0.2, 0.8, 0.5, 0.6]
RIGHT = [True, False, True, False, True]


def test_as_many_things_lie_above_the_threshold_as_are_right():
    """Garg et al. 2022 by hand: 3 of 5 are right, so the third highest confidence is the lowest
    above; on another text 1 of 4 is as sure."""
    threshold = fit_threshold(SURE, RIGHT)
    assert threshold == Threshold(0.6, 1.0)
    assert share_above(SURE, threshold) == pytest.approx(3 / 5)
    assert share_above([0.59, 0.7, 0.1, 0.3], threshold) == pytest.approx(1 / 4)


@pytest.mark.parametrize("right", [[True] * 4, [False] * 4, [True, True, True, False]])
def test_things_of_one_confidence_are_parted_by_their_share(right):
    """A model that says 1.0 of everything is right as often elsewhere, as far as it can tell."""
    threshold = fit_threshold([1.0] * 4, right)
    assert share_above([1.0] * 10, threshold) == pytest.approx(np.mean(right))
    assert share_above([1.0, 0.2], threshold) == pytest.approx(np.mean(right) / 2)


def test_a_threshold_of_random_things_gives_their_share_back():
    random = np.random.default_rng(3)
    sure = random.integers(0, 20, 500) / 20
    right = random.random(500) < sure
    assert share_above(sure, fit_threshold(sure, right)) == pytest.approx(right.mean())


def test_without_a_thing_there_is_no_threshold():
    with pytest.raises(ValueError, match="shape"):
        fit_threshold([], [])
    with pytest.raises(ValueError, match="no confidence"):
        share_above([], Threshold(0.5, 1.0))


def test_a_share_falls_by_as_much_as_confidence_does():
    assert difference_of_confidences(0.8, 0.85, 0.7) == pytest.approx(0.65)


def test_agreement_moves_a_score_on_the_probit_scale():
    normal = NormalDist()
    expected = normal.cdf(normal.inv_cdf(0.9) + normal.inv_cdf(0.6) - normal.inv_cdf(0.8))
    assert along_the_line(90, 80, 60) == pytest.approx(100 * expected)
    assert along_the_line(70, 55, 55) == pytest.approx(70)
    assert 0 < along_the_line(50, 100, 0) < along_the_line(50, 100, 100) < 100


WORDS = ("Siti", "lan", "Budi", "ing", "Solo")


def document(*entities):
    spans = FlatSpans(tuple(Span("PER", n, n + 1) for n in entities))
    return NER().from_text("1", Text.from_words(WORDS), "jav").with_layers(entities=spans)


def test_models_agree_by_the_score_of_each_against_the_others():
    """The first two agree with F1 2/3, the third with neither."""
    found = agreement(NER(), [[document(0, 2)], [document(0)], [document(3)]])
    assert found == [pytest.approx(100 / 3), pytest.approx(100 / 3), 0]


DEV = OnDev(60.0, Sure(0.8, 0.85, Threshold(0.5, 1.0), 0.1), agreement=70.0)


def test_a_score_falls_in_the_proportion_of_right_things():
    text = OnText(np.array([0.9, 0.7, 0.4, 0.6]), 40, agreement=70.0)
    found = estimates(DEV, text)
    assert found == {
        CONFIDENCE: pytest.approx(60 * 0.65 / 0.8),
        DIFFERENCE: pytest.approx(60 * 0.6 / 0.8),
        THRESHOLD: pytest.approx(60 * 0.75 / 0.8),
        AGREEMENT: pytest.approx(60),
    }
    assert combined(found) == pytest.approx((45 + 56.25 + 60) / 3)


def test_the_share_of_right_things_itself_is_predicted_as_in_the_papers():
    dev = OnDev(80.0, Sure(0.8, 0.85, Threshold(0.5, 1.0), 1.0))
    text = OnText(np.array([0.9, 0.7, 0.4, 0.6]), 4)
    assert estimates(dev, text)[THRESHOLD] == pytest.approx(75)
    assert estimates(dev, text)[DIFFERENCE] == pytest.approx(60)


def test_a_score_stays_a_score():
    dev = OnDev(99.0, Sure(0.9, 0.5, Threshold(0.5, 1.0), 1.0))
    assert estimates(dev, OnText(np.array([0.9, 0.95]), 2))[DIFFERENCE] == 100


def test_what_nothing_can_be_said_by_is_left_out():
    text = OnText(np.array([]), 40)
    assert estimates(DEV, text) == {}
    assert combined({}) is None
    assert estimates(OnDev(60.0, agreement=50.0), OnText(np.array([]), 4, 50.0)) == {
        AGREEMENT: pytest.approx(60)
    }
    never = OnDev(0.0, Sure(0.0, 0.5, Threshold(0.5, 0.0), 1.0))
    assert estimates(never, OnText(np.array([0.5]), 1)) == {}


def test_what_gold_says_nothing_of_is_found_all_the_same():
    """As in text, where gold says nothing of anything; right or wrong it is neither."""
    texts = {"premise": Text.from_words(["A"]), "hypothesis": Text.from_words(["B"])}
    gold = [
        Document(str(n), texts, {"label": Label(one)}) for n, one in enumerate(["neutral", None])
    ]
    said = [
        one.with_layers(label=Label("neutral")).with_confidence({"label": [0.9]}) for one in gold
    ]
    sure = on_dev(NLI(), gold, said).sure
    (text,) = on_text(NLI(), [said])
    assert sure is not None
    assert sure.found == len(text.confidences) / text.words == 0.5
    assert (sure.right, sure.confidence) == (1.0, 0.9)


def test_that_nothing_else_is_there_is_no_thing():
    sure = {"events": [0.5], "events.parts": [0.25, 1.0], "entities.rest": [0.1]}
    assert things(sure) == [0.5, 0.25, 1.0]
