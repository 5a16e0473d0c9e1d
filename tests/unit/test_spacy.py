"""Trained models as a component of spaCy pipelines."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from records import OPTIONS, RECORDS

from xlt.config.schema import Model
from xlt.document import Text
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.folder import ModelInfo, save_model
from xlt.registry import tasks
from xlt.spacy_component import XltComponent
from xlt.testing import make_encoder

TEXTS = ["Budi tuku buku . Sri lunga menyang Yogyakarta !", "", "   ", "Ya\n\n  wis . "]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Task name → a folder with a random model of it."""
    root = tmp_path_factory.mktemp("models")

    def make(name):
        kind = tasks.get(name)
        folder = root / name
        if not folder.exists():
            task = kind(kind.Options(**OPTIONS.get(name, [{}])[0]))
            texts = [document.text.surface for document in RECORDS[name]]
            encoder = make_encoder(root / f"{name}-encoder", texts)
            backbone = Backbone(str(encoder), Model(encoder=str(encoder)))
            labels = task.labels(RECORDS[name])
            made = task.build(backbone, labels)
            options = task.options.model_dump(mode="json")
            info = ModelInfo(name, options, labels, str(encoder), backbone.max_length)
            save_model(made, info, backbone.tokenizer, folder)
        return folder

    return make


def pipeline(model, language="xx", **config):
    nlp = spacy.blank(language)
    nlp.add_pipe("xlt", config={"model": str(model), **config})
    return nlp


def annotation(docs):
    return [
        [(t.text, t.ent_iob_, t.ent_type_, t.head.i, t.dep_, t.is_sent_start) for t in doc]
        for doc in docs
    ]


@pytest.mark.parametrize("language", ["xx", "id", "eu", "ar"])
def test_entities(model, language):
    nlp = pipeline(model("ner"), language)
    (doc,) = nlp.pipe(["Budi and Sri Mulyani visit Yogyakarta . Ya !"])
    assert doc.has_annotation("ENT_IOB")
    assert {ent.label_ for ent in doc.ents} <= {"PER", "LOC", "ORG"}
    assert not doc.has_annotation("SENT_START")


def test_predictions_are_the_models_own(model):
    from xlt.projection.predict import make_predictor

    nlp = pipeline(model("ner"))
    task, backbone, predictor = make_predictor(model("ner"), batch_tokens=100)
    for record in RECORDS["ner"]:
        text = Text.from_words(record.words, [True] * len(record.words))
        plain = task.from_text(record.id, text)
        (expected,) = predictor([plain], task.encode([plain], backbone, None))
        doc = nlp(spacy.tokens.Doc(nlp.vocab, words=list(record.words)))
        found = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc]
        assert found == task.tags(expected)


def test_trees(model):
    doc = pipeline(model("dependency_parsing"))(TEXTS[0])
    assert doc.has_annotation("DEP")
    sentences = [s.text for s in doc.sents]
    assert sentences == ["Budi tuku buku .", "Sri lunga menyang Yogyakarta !"]
    for sentence in doc.sents:
        assert [t.dep_ for t in sentence].count("ROOT") == 1
        assert all(t.head in sentence for t in sentence)


def test_known_sentences_are_kept(model):
    nlp = spacy.blank("xx")

    @spacy.Language.component("second_word_starts")
    def second_word_starts(doc):
        for token in doc:
            token.is_sent_start = token.i <= 1
        return doc

    nlp.add_pipe("second_word_starts")
    nlp.add_pipe("xlt", config={"model": str(model("dependency_parsing"))})
    assert [len(s) for s in nlp("Budi tuku buku . Sri lunga").sents] == [1, 5]


@pytest.mark.parametrize("name", ["ner", "dependency_parsing"])
def test_batches_change_nothing(model, name):
    nlp = pipeline(model(name), batch_tokens=64)
    texts = TEXTS * 3
    one_by_one = annotation(map(nlp, texts))
    assert annotation(nlp.pipe(texts, batch_size=5)) == one_by_one
    assert [doc.text for doc in nlp.pipe(texts)] == texts


def test_white_space_hangs_on_a_neighbour(model):
    doc = pipeline(model("dependency_parsing"))("\n Ya\n\n  wis . ")
    for token in doc:
        if token.is_space:
            assert not token.head.is_space
            assert token.dep_ == "dep"
    assert len(list(doc.sents)) == 1


@pytest.mark.parametrize("name", ["ner", "dependency_parsing"])
def test_serialisation(model, name, tmp_path):
    nlp = pipeline(model(name), batch_tokens=99)
    expected = annotation(map(nlp, TEXTS))
    nlp.to_disk(tmp_path / "pipeline")
    moved = (tmp_path / "pipeline").rename(tmp_path / "moved")
    again = spacy.load(moved)
    assert Path(again.get_pipe("xlt").model).is_relative_to(moved)
    assert again.get_pipe("xlt").batch_tokens == 99
    assert annotation(map(again, TEXTS)) == expected
    again.to_disk(moved)  # onto itself
    assert annotation(map(spacy.load(moved), TEXTS)) == expected
    other = spacy.blank("xx")
    other.add_pipe("xlt", config={"model": "elsewhere"})
    other.from_bytes(nlp.to_bytes())
    assert annotation(map(other, TEXTS)) == expected


def test_pickle_leaves_the_weights_behind(model):
    component = pipeline(model("ner")).get_pipe("xlt")
    component(spacy.blank("xx")("Ya"))
    assert len(pickle.dumps(component)) < 1000
    assert pickle.loads(pickle.dumps(component)).model == component.model  # noqa: S301


def test_no_model_there(tmp_path):
    with pytest.raises(XltError, match="there is no trained model here"):
        pipeline(tmp_path)("Ya")


def test_model_must_be_named():
    with pytest.raises(ValueError, match="model"):
        spacy.blank("xx").add_pipe("xlt")


def test_every_pipeline_loads_it_so_it_loads_nothing():
    code = "import xlt.spacy_component, sys; print({'transformers', 'xlt.model'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "set()"


def test_component_is_usable_alone(model):
    component = XltComponent(model("ner"))
    doc = component(spacy.blank("xx")("Budi tuku buku"))
    assert doc.has_annotation("ENT_IOB")


def test_predict_draws_what_it_writes(model, tmp_path, monkeypatch):
    from xlt.runs import predict

    monkeypatch.setattr(predict, "MAX_SENTENCES_HELD", 2)
    (tmp_path / "in.txt").write_text("Budi tuku buku\nYa\nSri\n\nYa wis\nYa\n", encoding="utf-8")
    page, output = tmp_path / "page.html", tmp_path / "out.bio"
    done = predict.predict(
        model("ner"),
        str(tmp_path / "in.txt"),
        str(output),
        input_format="words",
        html=page,
        quiet=True,
    )
    assert done["records"] == 5
    assert page.read_text(encoding="utf-8").count("<figure") == 5
    # Sentences are numbered through, so none needs its name written.
    lines = output.read_text(encoding="utf-8").splitlines()
    assert [line.partition("\t")[0] for line in lines] == (
        ["Budi", "tuku", "buku", "", "Ya", "", "Sri", "", "Ya", "wis", "", "Ya", ""]
    )
