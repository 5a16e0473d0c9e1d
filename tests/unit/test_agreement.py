"""How far source models agree on the target's text, as a term of the ranking."""

from pathlib import Path

import pytest

from tasks.ner import NER
from xlt.document import FlatSpans, Span, Text
from xlt.errors import XltError
from xlt.typology import agreement
from xlt.typology.ranking import rank

WORDS = ("Siti", "lan", "Budi", "ing", "Solo")


def document(*entities):
    spans = FlatSpans(tuple(Span("PER", n, n + 1) for n in entities))
    return NER().from_text("1", Text.from_words(WORDS), "jav").with_layers(entities=spans)


SAID = {"ind": [document(0, 2)], "eng": [document(0)], "spa": [document(3)]}
"""Indonesian and English agree with F1 2/3, Spanish with neither."""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    (tmp_path / "jv.txt").write_text(" ".join(WORDS), encoding="utf-8")
    task = NER()
    monkeypatch.setattr(
        agreement, "_predictions", lambda folder, ranking, lines: (task, SAID[folder.name])
    )
    ranking = rank("jav", list(SAID), task="ner", measured_as=("ner",), own_scores=False)

    def ask(*models):
        return agreement.apply(ranking, tmp_path / "jv.txt", models)

    ask.ranking = ranking
    return ask


def test_who_agrees_rises_and_who_does_not_falls(asked):
    before = {source.language: source.score for source in asked.ranking.sources}
    ranking, about = asked("ind=ind", "eng=eng", "spa=spa")
    moved = {s.language: s.score - before[s.language] for s in ranking.sources}
    assert moved["ind"] == pytest.approx(moved["eng"])
    assert moved["spa"] < 0 < moved["ind"]
    assert sum(moved.values()) == pytest.approx(0)
    assert [s.rank for s in ranking.sources] == [1, 2, 3]
    assert all(s.terms["agreement"] == pytest.approx(moved[s.language]) for s in ranking.sources)
    assert about["agreement"] == {"ind": 33.33, "eng": 33.33, "spa": 0.0}


@pytest.mark.parametrize(
    ("models", "what"),
    [
        (["ind"], "names no language"),
        (["ind=ind", "eng=eng"], "models of 2 languages"),
        (["ind=ind", "eng=eng", "eng=spa", "spa=spa"], "two models of English (eng)"),
        (["ind=ind", "eng=eng", "fra=spa"], "French (fra) is not among the candidates"),
        (["xyzzy=ind"], "unknown language"),
    ],
)
def test_bad_models(asked, models, what):
    with pytest.raises(XltError) as caught:
        asked(*models)
    assert what in caught.value.what
    assert caught.value.where == "--source-model"
    assert caught.value.fix


def test_a_model_of_another_task_is_refused(asked, monkeypatch, tmp_path):
    from tasks.nli import NLI

    monkeypatch.undo()
    from xlt.inference import loading

    monkeypatch.setattr(loading, "find_model", lambda folder: folder)
    monkeypatch.setattr(loading, "make_direct_predictor", lambda *_, **__: (NLI(), None, None))
    with pytest.raises(XltError, match="the model is one of nli, and --task is ner"):
        agreement._predictions(Path("run"), asked.ranking, ["Siti"])
