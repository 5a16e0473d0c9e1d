"""Trained models as a component of spaCy pipelines."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from models import make_model
from records import OPTIONS, RECORDS

from xlt.document import Text
from xlt.errors import XltError
from xlt.spacy_component import XltComponent

TEXTS = ["Budi tuku buku . Sri lunga menyang Yogyakarta !", "", "   ", "Ya\n\n  wis . "]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Task name → a folder with a random model of it."""
    root = tmp_path_factory.mktemp("models")

    def make(name):
        folder = root / name
        return folder if folder.exists() else make_model(root, name, **OPTIONS.get(name, [{}])[0])

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


def failing(nlp, monkeypatch, word):
    """A pipeline whose task cannot read documents with this word."""
    task, *_ = nlp.get_pipe("xlt")._loaded
    real = task.from_text

    def from_text(id, text, language=""):
        if word in text.words:
            raise XltError(f"there is {word}")
        return real(id, text, language)

    monkeypatch.setattr(task, "from_text", from_text)


@pytest.mark.parametrize("name", ["ner", "dependency_parsing"])
def test_what_fails_goes_to_the_error_handler_alone(model, name, monkeypatch):
    nlp = pipeline(model(name))
    texts = ["Budi tuku buku .", "Bad Budi .", "Sri lunga", "Bad ."]
    expected = annotation(map(nlp, texts[::2]))
    failing(nlp, monkeypatch, "Bad")
    with pytest.raises(XltError, match="there is Bad"):
        list(nlp.pipe(texts))
    with pytest.raises(XltError, match="there is Bad"):
        nlp(texts[1])
    failed = []
    nlp.set_error_handler(lambda name, component, docs, error: failed.append((name, docs, error)))
    assert annotation(nlp.pipe(texts)) == expected
    assert [(name, [doc.text for doc in docs]) for name, docs, _ in failed] == [
        ("xlt", [texts[1]]), ("xlt", [texts[3]])
    ]  # fmt: skip
    assert all(isinstance(error, XltError) for *_, error in failed)


def test_an_error_of_the_annotation_is_the_documents_too(model, monkeypatch):
    import xlt.display

    real = xlt.display.annotate

    def annotate(task, doc, sentences):
        if doc.text == "Sri":
            raise ValueError("no")
        real(task, doc, sentences)

    monkeypatch.setattr("xlt.display.annotate", annotate)
    nlp = pipeline(model("ner"))
    failed = []
    nlp.set_error_handler(lambda name, component, docs, error: failed.extend(docs))
    assert [doc.text for doc in nlp.pipe(["Budi", "Sri", "Ya"])] == ["Budi", "Ya"]
    assert [doc.text for doc in failed] == ["Sri"]


def test_a_model_that_is_not_there_is_no_fault_of_the_documents(tmp_path):
    nlp = pipeline(tmp_path)
    nlp.set_error_handler(lambda *_: None)
    with pytest.raises(XltError, match="there is no trained model here"):
        list(nlp.pipe(["Ya"]))


def entities(doc):
    return [(ent.start, ent.end, ent.label_, ent.ent_id_) for ent in doc.ents]


@pytest.fixture
def predicted(monkeypatch):
    """The model always finds PER, a word each, in words 0, 2 and 3 to 4."""
    from xlt.tasks.ner import NER

    tags = ["B-PER", "O", "B-PER", "B-PER", "I-PER", "O"]
    monkeypatch.setattr(
        NER, "best", lambda self, scores, mask, known: [[known.index(tag) for tag in tags]]
    )
    return [(0, 1, "PER", ""), (2, 3, "PER", ""), (3, 5, "PER", "")]


def test_entities_that_are_set_are_kept(model, predicted):
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "WORK", "pattern": "buku abang", "id": "q1"}])
    nlp.add_pipe("xlt", config={"model": str(model("ner"))})
    text = "Budi tuku buku abang iku ."
    (piped,) = nlp.pipe([text])
    for doc in (nlp(text), piped):
        assert entities(doc) == [predicted[0], (2, 4, "WORK", "q1")]
    assert entities(nlp("Budi tuku buku biru iku .")) == predicted
    again = spacy.blank("xx")
    again.add_pipe("entity_ruler").add_patterns(ruler.patterns)
    again.add_pipe("xlt", config={"model": str(model("ner")), "overwrite_ents": True})
    assert entities(again(text)) == predicted


def test_blocked_tokens_are_in_no_entity(model, predicted):
    nlp = spacy.blank("xx")

    @spacy.Language.component("blocks_the_first")
    def blocks_the_first(doc):
        doc.set_ents([], blocked=[doc[:1]], default="missing")
        return doc

    nlp.add_pipe("blocks_the_first")
    nlp.add_pipe("xlt", config={"model": str(model("ner"))})
    doc = nlp("Budi tuku buku abang iku .")
    assert entities(doc) == predicted[1:]
    assert (doc[0].ent_iob_, doc[0].ent_type_) == ("B", "")


def test_parsing_leaves_entities_as_they_are(model):
    nlp = pipeline(model("dependency_parsing"))
    doc = nlp.make_doc("Budi tuku buku")
    doc.set_ents([spacy.tokens.Span(doc, 0, 1, "PER")], default="missing")
    before = [t.ent_iob for t in doc]
    assert [t.ent_iob for t in nlp(doc)] == before


def test_overwriting_is_saved(model, tmp_path):
    nlp = pipeline(model("ner"), overwrite_ents=True)
    nlp.to_disk(tmp_path / "pipeline")
    assert spacy.load(tmp_path / "pipeline").get_pipe("xlt").overwrite_ents
    settings = tmp_path / "pipeline" / "xlt" / "settings.json"
    settings.write_text('{"batch_tokens": 7}')  # of an older xlt
    component = spacy.load(tmp_path / "pipeline").get_pipe("xlt")
    assert (component.batch_tokens, component.overwrite_ents) == (7, False)


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
