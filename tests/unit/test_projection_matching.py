"""Markers around spans, and candidates on the target side: whole spans matched to whole spans."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import aligned_pair
from records import row
from small import Stages, make_world
from test_projector import records, settings

from xlt.document import Span, Text
from xlt.errors import XltError
from xlt.projection import markers
from xlt.projection.matching import assign, link_score, match_candidates, with_matches
from xlt.projection.project import Projector
from xlt.projection.spans import project_spans
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.ner import NER
from xlt.testing import translation


@pytest.fixture(autouse=True)
def _fakes(monkeypatch, tmp_path):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    with translation.registered():
        yield


# Candidates -----------------------------------------------------------------------------------


def test_candidates_are_assigned_for_the_best_total():
    """Alone, the first span would take the second's only candidate."""
    sources = [Span("PER", 0, 1), Span("LOC", 1, 2)]
    targets = [Span("", 0, 1), Span("", 2, 3)]
    pair = aligned_pair(["a", "b"], ["A", "x", "B"], {(0, 0): 0.9, (0, 2): 0.8, (1, 0): 0.8})
    matches = match_candidates(sources, targets, pair)
    assert [(s, t) for s, t, _ in matches] == [(sources[0], targets[1]), (sources[1], targets[0])]
    assert match_candidates(sources, [Span("", 1, 2)], pair) == []
    assert match_candidates([], targets, pair) == match_candidates(sources, [], pair) == []


def test_spans_linked_word_by_word_score_1_wherever_they_stand():
    pair = aligned_pair(list("abcd"), list("ABCD"), {(n, n): 1.0 for n in range(4)})
    assert link_score(Span("PER", 2, 4), Span("", 2, 4), pair) == 1
    assert link_score(Span("PER", 1, 4), Span("", 2, 4), pair) == 0.8


def test_a_candidate_says_where_a_span_ends():
    """Links cover two of the three words; the third is known from the candidate."""
    links = {(0, 0): 1.0, (1, 1): 1.0, (2, 3): 1.0}
    pair = aligned_pair(["New", "York", "is"], ["Ciudad", "Nueva", "York", "es"], links)
    source = Span("LOC", 0, 2)
    matched = with_matches(pair, match_candidates([source], [Span("", 0, 3)], pair))
    (outcome,) = project_spans([source], matched, settings())
    assert outcome.target == (0, 3)
    assert outcome.confidence == pytest.approx(0.8)
    assert matched.links[2, 3] == 1.0
    free = with_matches(pair, match_candidates([source], [], pair))
    assert free == pair


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        (((0, 3), (1, 2)), ((0, 3), (2, 3))),  # nested
        (((0, 3), (1, 2)), ((0, 2), (5, 6))),  # and told to be elsewhere
        (((0, 2), (1, 3)), ((1, 3), (2, 4))),  # crossing
        (((0, 2), (1, 3)), ((0, 2), (2, 4))),  # and told not to
        (((0, 2), (0, 2)), ((1, 3), (1, 3))),  # the same
        (((0, 2), (1, 2)), ((2, 3), (2, 3))),  # told to be the same
    ],
)
def test_spans_that_share_words_go_each_to_its_own_target(sources, targets):
    pair = aligned_pair(list("abc"), list("ABCDEF"), {(0, 5): 1.0})
    own = [Span(str(n), *place) for n, place in enumerate(sources)]
    matched = with_matches(
        pair, [(o, Span("", *t), 1.0) for o, t in zip(own, targets, strict=True)]
    )
    outcomes = project_spans(own, matched, settings(), exclusive=False)
    assert tuple(outcome.target for outcome in outcomes) == targets


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=2),
)
def test_the_total_is_as_high_as_that_of_any_assignment(table):
    from itertools import permutations

    sources = [Span("s", n, n + 1) for n in range(2)]
    targets = [Span("t", n, n + 1) for n in range(3)]
    found = assign(sources, targets, lambda s, t: table[s.start][t.start])
    best = max(table[0][a] + table[1][b] for a, b in permutations(range(3), 2))
    assert sum(score for _, _, score in found) >= best - 2 * 0.05 - 1e-9
    assert len({t for _, t, _ in found}) == len(found)


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_a_trained_tagger_proposes(tmp_path):
    world = make_world(tmp_path, size=40)
    path = world.config(
        strategy={"name": "zero_shot"}, training__epochs=30, selection={"on": "last"}
    )
    from xlt.config.load import load_config
    from xlt.runs.train import train

    train(load_config(path), quiet=True)
    run = Stages(path)
    gold = run.records("eng")
    model = str(world.runs("runs") / "run")
    plain = Projector(NER(), settings(), "eng", "jav")
    snapped = Projector(NER(), settings(candidates=model), "eng", "jav")
    assert plain.identity() != snapped.identity()
    found = [one.projection for one in snapped.stream(gold)]
    assert len(found) == len(gold)
    kept = [o for one in found for o in one.outcomes if o.target]
    assert len(kept) > len(gold) / 2
    other = Projector(Chunking(), settings(candidates=model), "eng", "jav")
    with pytest.raises(XltError, match="the model does ner, not chunking"):
        other.identity()
    with pytest.raises(XltError, match="no trained model here"):
        Projector(NER(), settings(candidates=str(tmp_path)), "eng", "jav").identity()


class Chunking(NER):
    name = "chunking"


@pytest.mark.parametrize("changes", [{"candidates": "x"}, {"method": "markers"}])
def test_tasks_without_spans(changes):
    with pytest.raises(XltError, match="no spans to mark or to match") as caught:
        Projector(DependencyParsing(), settings(**changes), "eng", "spa")
    assert caught.value.where == f"projection.{next(iter(changes))}"


# Markers --------------------------------------------------------------------------------------


def test_marked_text_is_translated_and_unmarked():
    """Backwards, so that brackets come closed before open: their words are read as they are."""

    class Kept(translation.Backwards):
        def translate(self, texts, source, target):
            swap = str.maketrans("[]", "][")
            made = super().translate(texts, source, target)
            return [
                translation.Translation(
                    " ".join(_turned(word.translate(swap)) for word in one.text.split())
                )
                for one in made
            ]

    translation.translators.register("backwards", Kept)
    projector = Projector(NER(), settings(method="markers", aligner=None), "eng", "spa")
    found = list(projector.stream(records()))
    assert row(NER(), found[0].projection.document) == {
        "id": "1",
        "words": ["Marley", "Bob", "likes", "Ana"],
        "tags": ["B-PER", "I-PER", "O", "B-PER"],
    }
    assert [s.kind for s in entities(found[2])] == ["LOC", "LOC"]
    assert not entities(found[1])
    assert all(o.confidence > 0.5 for o in found[0].projection.outcomes)


def entities(projected):
    return projected.projection.document.layers["entities"].spans


def _turned(word: str) -> str:
    """`]word` is `[word`, once brackets are swapped on the other side of it."""
    core = word.strip("[]")
    return ("[" if word.endswith("[") else "") + core + ("]" if word.startswith("]") else "")


def test_brackets_that_a_text_does_not_have():
    assert markers.brackets_for("a (b)") == ("[", "]")
    assert markers.brackets_for("[1] {") == ("(", ")")
    assert markers.brackets_for("[{(<") is None


def test_only_spans_that_do_not_cross_are_marked():
    long, inner, crossing, after = (
        Span("a", 0, 3), Span("b", 1, 2), Span("c", 2, 4), Span("d", 3, 4),
    )  # fmt: skip
    assert markers.outermost([inner, crossing, long, after]) == [long, after]


def test_unmark_reads_what_translators_make_of_brackets():
    brackets = ("[", "]")

    def read(text):
        clean, regions = markers.unmark(text, brackets)
        return clean, [clean[start:end].strip() for start, end in regions]

    assert read("[Ana] ve") == ("Ana ve", ["Ana"])
    assert read("[ Nueva York ] y [Roma] .") == (" Nueva York y Roma .", ["Nueva York", "Roma"])
    assert read("Ana] ve [Roma]") == ("Ana ve Roma", [])  # one is missing: none can be trusted
    assert read("[Ana ve") == ("Ana ve", [])
    assert read("[ ] ve") == (" ve", [])
    assert read("¡[A]!") == ("¡A!", ["A"])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_marks_come_off_as_they_were_put_on(lengths):
    words = [f"w{n}" for n in range(sum(lengths) + len(lengths))]
    inside, start = [], 0
    for length in lengths:
        if length:
            inside.append(Span("X", start, start + length))
        start += length + 1
    brackets = ("[", "]")
    text = Text.from_words(words, [n % 3 != 0 for n in range(len(words))])
    marked = markers.mark(text, inside, brackets)
    plain, regions = markers.unmark(marked.surface, brackets)
    assert plain == text.surface
    assert [text.words_at(*region) for region in regions] == [(s.start, s.end) for s in inside]


def test_a_multiword_token_is_marked_once():
    text = Text("delle case", ("di", "le", "case"), ((0, 5), (0, 5), (6, 10)))
    assert markers.mark(text, [Span("X", 1, 3)], ("[", "]")).surface == "[delle case]"
    assert markers.mark(text, [Span("X", 0, 2)], ("[", "]")).surface == "[delle] case"


def test_regions_are_recognised_by_their_translations():
    inside = [Span("PER", 0, 1), Span("LOC", 2, 4)]
    target = Text.from_words(["Nueva", "York", "ve", "Ana"], [True] * 4)
    regions = [Span("", 0, 2), Span("", 3, 4)]
    found = markers.match(inside, ["Ana", "Nueva York"], regions, target)
    assert {source: target for source, target, _ in found} == {
        inside[0]: regions[1],
        inside[1]: regions[0],
    }


@pytest.mark.apertium("eng-spa")
def test_apertium_keeps_brackets():
    chosen = settings(translator="apertium", aligner=None, method="markers")
    sentence = ["Emma/B-PER Smith/I-PER lives/O in/O New/B-LOC York/I-LOC ./O"]
    (one,) = Projector(NER(), chosen, "eng", "spa").stream(records(sentence))
    text = one.projection.document.text
    names = [text.between(span.start, span.end) for span in entities(one)]
    assert names == ["Emma Smith", "Nueva York"]
