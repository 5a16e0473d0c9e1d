"""Spans ranked by translation and links together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import aligned_pair
from records import documents
from small import all_texts
from tiny import make_encoder

from xlt.config.schema import ProjectionSettings, Ranking
from xlt.document import Span
from xlt.errors import XltError
from xlt.projection.matching import with_matches
from xlt.projection.ranking import TranslationScore, assign_apart, candidates, rank
from xlt.projection.spans import project_spans

SETTINGS = ProjectionSettings()
SOURCE = ["Ana", "Lee", "visits", "New", "York", "."]
TARGET = ["New", "York", "recibe", "a", "Ana", "Lee", "."]
LINKS = {(0, 4): 0.9, (1, 5): 0.8, (3, 0): 0.9, (4, 1): 0.9, (2, 2): 0.5}
PAIR = aligned_pair(SOURCE, TARGET, LINKS)
ANA, YORK = Span("PER", 0, 2), Span("LOC", 3, 5)


def equal(pairs):
    """What a translation model of names would say."""
    return [1.0 if a == b else 0.1 for a, b in pairs]


def nothing(pairs):
    raise AssertionError("not asked for")


def test_without_weight_it_is_the_projection():
    (matches,) = rank([([ANA, YORK], [], PAIR)], SETTINGS, nothing, 0.0)
    assert [(s, t.start, t.end) for s, t, _ in matches] == [(ANA, 4, 6), (YORK, 0, 2)]
    assert [score for *_, score in matches] == [1.0, 1.0]


def test_translation_mends_what_links_miss():
    links = {key: value for key, value in LINKS.items() if key != (1, 5)}
    pair = aligned_pair(SOURCE, TARGET, links)
    proposed = [Span("X", 4, 6), Span("X", 3, 4)]
    alone = project_spans([ANA], pair, SETTINGS)[0].target
    assert alone == (4, 5)
    ((match,),) = rank([([ANA], proposed, pair)], SETTINGS, equal, 0.6)
    assert match[:2] == (ANA, Span("PER", 4, 6))
    outcome = project_spans([ANA], with_matches(pair, [match]), SETTINGS)[0]
    assert outcome.target == (4, 6)
    assert outcome.confidence == pytest.approx(match[2])


def test_a_span_that_no_link_leaves_may_still_be_found():
    pair = aligned_pair(SOURCE, TARGET, {})
    ((match,),) = rank([([YORK], [Span("?", 0, 2)], pair)], SETTINGS, equal, 0.5)
    assert match[1][1:] == (0, 2)
    assert match[2] == pytest.approx(0.5)
    assert rank([([YORK], [], pair)], SETTINGS, equal, 0.5) == [[]]


def test_candidates_come_from_links_with_gaps_too():
    pair = aligned_pair(["a", "b"], list("wxyz"), {(0, 0): 1.0, (1, 3): 0.5})
    (found,) = candidates([Span("T", 0, 2)], [], pair, SETTINGS)
    assert {(0, 1), (3, 4), (0, 4)} <= {span[1:] for span in found}


def test_candidates_begin_and_end_near_where_links_say():
    words = ["x", "(", *"abcdefghij", ")", "y"]
    pair = aligned_pair(list("abcdefghij"), words, {(n, n + 2): 1.0 for n in range(10)})
    (found,) = candidates([Span("T", 0, 10)], [Span("?", 0, 1)], pair, SETTINGS)
    near = {(start, end) for start in range(2, 6) for end in range(9, 13)}
    assert {span[1:] for span in found} == near | {(0, 1)}
    (found,) = candidates([Span("T", 4, 5)], [], pair, SETTINGS)
    assert {span[1:] for span in found} == {(6, 7), (5, 7), (6, 8), (5, 8)}


def test_a_good_pair_is_not_given_up_for_two_bad_ones():
    table = np.array([[-0.2, 0.1], [0.7, -0.1]])
    assert assign_apart(table, [Span("T", 0, 1), Span("T", 0, 2)]) == [(1, 0)]
    table = np.array([[0.6, -0.1], [-0.1, -0.9]])
    assert assign_apart(table, [Span("T", 0, 1), Span("T", 1, 2)]) == [(0, 0)]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4), st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), max_size=6),
       st.integers(0, 10**6))  # fmt: skip
def test_assignments_never_overlap(rows, places, seed):
    targets = list(dict.fromkeys(Span("T", a, a + n) for a, n in places))
    table = np.random.default_rng(seed).uniform(-0.5, 1, (rows, len(targets)))
    before = table.copy()
    chosen = assign_apart(table, targets)
    assert (table == before).all()
    assert len({i for i, _ in chosen}) == len({j for _, j in chosen}) == len(chosen)
    taken = [k for _, j in chosen for k in range(targets[j].start, targets[j].end)]
    assert len({*taken}) == len(taken)
    if not chosen and rows and targets:
        assert table.max() < 0.05


def test_joint_is_better_than_one_after_the_other():
    targets = [Span("T", 0, 1), Span("T", 2, 3)]
    assert assign_apart(np.array([[0.9, 0.8], [0.85, 0.1]]), targets) == [(0, 1), (1, 0)]


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    """An untrained model that is told its target language as MADLAD is."""
    import torch

    from xlt.config.schema import Model
    from xlt.model.backbone import Backbone

    folder = tmp_path_factory.mktemp("translator")
    make_encoder(folder / "encoder", all_texts(), "umt5")
    backbone = Backbone(str(folder / "encoder"), Model(encoder=str(folder / "encoder")))
    torch.manual_seed(0)
    model = backbone.seq2seq()
    backbone.tokenizer.add_tokens(["<2en>", "<2es>", "<2id>"], special_tokens=True)
    model.resize_token_embeddings(len(backbone.tokenizer), mean_resizing=False)
    model.save_pretrained(folder / "model")
    backbone.tokenizer.save_pretrained(folder / "model")
    return str(folder / "model")


def test_translation_scores(translator):
    score = TranslationScore(Ranking(model=translator), "eng", "spa")
    pairs = [("Rome", "Rome"), ("Ann sees", "lihat itu tua merah"), ("Paris", "x")]
    found = score(pairs)
    assert all(0 < value <= 1 for value in found)
    assert [score([pair])[0] for pair in pairs] == pytest.approx(found, rel=1e-3)
    back = TranslationScore(Ranking(model=translator), "spa", "eng")
    assert back([(b, a) for a, b in pairs]) == pytest.approx(found, rel=1e-4)


def test_translation_scores_need_the_languages(translator):
    with pytest.raises(XltError, match="no code for Xhosa") as error:
        TranslationScore(Ranking(model=translator), "eng", "xho")
    assert error.value.where == "projection.ranking"


def test_ranking_in_a_projector(tmp_path, translator, monkeypatch):
    from xlt.config.schema import Plugin
    from xlt.projection.project import Projector
    from xlt.tasks.ner import NER
    from xlt.tasks.nli import NLI
    from xlt.testing import translation

    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    chosen = {"translator": Plugin(name="backwards"), "aligner": Plugin(name="same_words")}
    wanted = ProjectionSettings(**chosen, ranking=Ranking(model=translator, weight=0.2))
    row = {"id": "1", "words": ["Ann", "sees", "Rome"], "tags": ["B-PER", "O", "B-LOC"]}
    with translation.registered():
        projector = Projector(NER(), wanted, "eng", "spa")
        (found,) = projector.stream(documents("ner", [row]))
        plain = Projector(NER(), ProjectionSettings(**chosen), "eng", "spa")
        assert projector.identity() != plain.identity()
        with pytest.raises(XltError, match="no spans to mark or to match") as caught:
            Projector(NLI(), wanted, "eng", "spa")
        assert caught.value.where == "projection.ranking"
    assert NER().tags(found.projection.document) == ["B-LOC", "O", "B-PER"]
    assert all(o.confidence > 0.8 for o in found.projection.outcomes)


# What a score is made of ----------------------------------------------------------------------


def test_a_score_is_of_the_translation_and_of_the_links():
    """Quality times weight, and what the candidate shares with the span that the links say."""
    pair = aligned_pair(list("ab"), list("wxyz"), {(0, 1): 1.0, (1, 2): 1.0})
    source = Span("T", 0, 2)
    shared = {(1, 3): 1.0, (1, 2): 2 / 3, (0, 4): 4 / 6, (2, 4): 2 / 4, (3, 4): 0.0, (0, 3): 4 / 5}
    proposed = [Span("?", *place) for place in shared]
    (found,) = candidates([source], proposed, pair, SETTINGS)
    assert {place: found[Span("T", *place)] for place in shared} == pytest.approx(shared)
    for best, weight in (((0, 4), 0.9), ((3, 4), 0.9), ((2, 4), 0.75), ((0, 4), 0.1)):
        wanted = ("a b", " ".join("wxyz"[slice(*best)]))

        def quality(texts, wanted=wanted):
            assert len(set(texts)) == len(texts), "each pair of texts is asked for once"
            return [0.9 if text == wanted else 0.2 for text in texts]

        ((match,),) = rank([([source], proposed, pair)], SETTINGS, quality, weight)
        scores = {
            place: weight * (0.9 if place == best else 0.2) + (1 - weight) * share
            for place, share in shared.items()
        }
        assert match[1][1:] == max(scores, key=scores.__getitem__)
        assert match[2] == pytest.approx(max(scores.values()))


@pytest.mark.parametrize(("value", "found"), [(0.49, False), (0.5, True), (0.9, True)])
def test_where_nothing_is_linked_the_translation_has_to_be_good(value, found):
    pair = aligned_pair(SOURCE, TARGET, {})
    asked = ([YORK], [Span("?", 0, 2)], pair)
    (matches,) = rank([asked, asked], SETTINGS, lambda texts: [value] * len(texts), 0.9)[:1]
    assert [m[2] for m in matches] == ([pytest.approx(0.9 * value)] if found else [])


def test_several_pairs_are_asked_for_at_once():
    other = aligned_pair(["Rome"], ["Roma"], {(0, 0): 1.0})
    asked = []

    def quality(texts):
        asked.extend(texts)
        return [0.5] * len(texts)

    first, second = rank(
        [([ANA], [], PAIR), ([Span("LOC", 0, 1)], [], other)], SETTINGS, quality, 0.5
    )
    assert ("Rome", "Roma") in asked
    assert [(m[0], m[1][1:]) for m in first] == [(ANA, (4, 6))]
    assert second == [(Span("LOC", 0, 1), Span("LOC", 0, 1), 0.75)]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 7), st.integers(1, 6), st.sets(st.integers(0, 11)))
def test_candidates_about_the_span_that_the_links_say(start, length, marks):
    """They begin up to one word before and three after it, end likewise, and not at a mark."""
    from xlt.projection.ranking import _near

    own = Span("T", start, start + length)
    words = ["." if n in marks else "w" for n in range(13)]
    expected = {
        (a, b)
        for a in range(14)
        for b in range(a + 1, 14)
        if own.start - 1 <= a <= own.start + 3
        and own.end - 3 <= b <= own.end + 1
        and a < own.end
        and b > own.start
        and "." not in (words[a], words[b - 1])
    }
    assert {span[1:] for span in _near(own, words)} == expected | {(own.start, own.end)}


def test_the_worse_of_two_that_overlap_is_given_up():
    targets = [Span("T", 0, 2), Span("T", 1, 3), Span("T", 3, 4)]
    table = np.array([[0.9, 0.0, 0.0], [0.0, 0.8, 0.3]])
    assert assign_apart(table, targets) == [(0, 0), (1, 2)]
    assert assign_apart(table[::-1], targets) == [(0, 2), (1, 0)]
    assert assign_apart(np.array([[0.05, 0.0, 0.0], [0.0, 0.0, 0.049]]), targets) == [(0, 0)]


class Model:
    """Scores translations by a table of log-probabilities; one a batch of texts."""

    class options:
        batch_tokens = 40

    def __init__(self, known, coded):
        self.known, self.coded, self.batches = known, coded, []

    def direction(self, source, target):
        return (source, target) if self.coded else None

    def score_input(self, a, b, direction):
        return list(a), list(b)

    def score(self, batch, direction):
        self.batches.append(len(batch))
        return [self.known["".join(a), "".join(b), direction] for a, b in batch]


@pytest.mark.parametrize("coded", [True, False])
def test_the_score_of_a_translation_is_the_mean_of_both_directions(coded):
    """Each over what the model says of a text as its own translation, if it can be asked."""
    there, back = (("e", "s"), ("s", "e")) if coded else (None, None)
    known = {("a", "b", there): -2.0, ("b", "a", back): -3.0,
             ("a", "c", there): -0.5, ("c", "a", back): -4.0}  # fmt: skip
    if coded:
        known |= {("b", "b", ("s", "s")): -1.0, ("c", "c", ("s", "s")): -1.0,
                  ("a", "a", ("e", "e")): -0.5}  # fmt: skip
    score = TranslationScore.__new__(TranslationScore)
    score.languages = "e", "s"
    score._forward = score._backward = Model(known, coded)
    found = score([("a", "b"), ("a", "c")])
    e = np.exp
    expected = (
        [(e(-1.0) + e(-2.5)) / 2, (1.0 + e(-3.5)) / 2]  # -0.5 is better than the text itself
        if coded
        else [(e(-2.0) + e(-3.0)) / 2, (e(-0.5) + e(-4.0)) / 2]
    )
    assert found == pytest.approx(expected)
