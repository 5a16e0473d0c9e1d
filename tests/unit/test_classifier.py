"""Classifiers of texts and pairs over every family of encoders; where transformers has one, it is
that."""

from __future__ import annotations

import json

import pytest
import torch
from records import RECORDS
from tiny import SHAPES, make_encoder

from xlt.config.schema import Model
from xlt.data.subwords import TOKENISATION
from xlt.document import Text
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.classifier import AlignedClassifier, PooledClassifier, StandardClassifier
from xlt.model.folder import ModelInfo, load_model, save_model
from xlt.tasks.classification import Classification
from xlt.tasks.nli import NLI

TASK, PAIRS = NLI(), RECORDS["nli"]
LABELS = TASK.labels(PAIRS)


def classifier(folder, kind):
    make_encoder(
        folder / "encoder",
        [text.surface for record in PAIRS for text in record.texts.values()],
        kind,
    )
    backbone = Backbone(str(folder / "encoder"), Model())
    torch.manual_seed(1)
    return backbone, TASK.build(backbone, LABELS).eval()


def scores(backbone, model, records=PAIRS):
    with torch.no_grad():
        return model(**TASK.collate(TASK.encode(records, backbone, None)))["scores"]


@pytest.mark.parametrize("kind", SHAPES)
def test_saved_and_loaded(tmp_path, kind):
    backbone, model = classifier(tmp_path, kind)
    assert isinstance(model, AlignedClassifier if kind == "umt5" else StandardClassifier)
    info = ModelInfo("nli", {}, LABELS, "", backbone.max_length)
    save_model(model, info, backbone.tokenizer, tmp_path / "model")
    _, again, loaded = load_model(tmp_path / "model")
    expected = scores(backbone, model)
    torch.testing.assert_close(scores(again, loaded.eval()), expected, rtol=0, atol=0)
    if kind != "umt5":
        torch.testing.assert_close(without_xlt(tmp_path / "model"), expected)


def test_what_compares_the_texts_over_any_encoder(tmp_path):
    backbone, _ = classifier(tmp_path, "bert")
    task = NLI(NLI.Options(classifier="aligned"))
    model = task.build(backbone, LABELS).eval()
    assert isinstance(model, AlignedClassifier)
    info = ModelInfo("nli", task.options.model_dump(), LABELS, "", backbone.max_length)
    save_model(model, info, backbone.tokenizer, tmp_path / "model")
    _, again, loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, AlignedClassifier)
    expected = scores(backbone, model)
    torch.testing.assert_close(scores(again, loaded.eval()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["bert", "umt5"])
def test_texts_alone(tmp_path, kind):
    """Where transformers has a classifier it is that one, on just what its tokenizer makes."""
    texts = RECORDS["classification"]
    task, labels = Classification(), Classification().labels(texts)
    make_encoder(tmp_path / "encoder", [one.text.surface for one in texts], kind)
    backbone = Backbone(str(tmp_path / "encoder"), Model())
    model = task.build(backbone, labels).eval()
    assert isinstance(model, StandardClassifier if kind == "bert" else PooledClassifier)

    def scored(backbone, model, records=texts):
        with torch.no_grad():
            return model(**task.collate(task.encode(records, backbone, None)))["scores"]

    expected = scored(backbone, model)
    # Padding and special subwords have no part in it.
    alone = torch.cat([scored(backbone, model, [one]) for one in texts])
    torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-5)
    info = ModelInfo("classification", {}, labels, "", backbone.max_length)
    save_model(model, info, backbone.tokenizer, tmp_path / "model")
    again, other, loaded = load_model(tmp_path / "model")
    assert again.all_labels == labels["label"]
    torch.testing.assert_close(scored(other, loaded.eval()), expected, rtol=0, atol=0)
    if kind == "bert":
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
        surfaces = [one.text.surface for one in texts]
        with torch.no_grad():
            logits = plain(**tokenizer(surfaces, padding=True, return_tensors="pt")).logits
        torch.testing.assert_close(logits.log_softmax(-1), expected)
    else:
        with pytest.raises(XltError, match="no sequence classifier for umt5") as caught:
            Classification(Classification.Options(classifier="standard")).build(backbone, labels)
        assert caught.value.fix == "write `pooled`, or leave it out"


def test_a_standard_classifier_that_there_is_not(tmp_path):
    backbone, _ = classifier(tmp_path, "umt5")
    with pytest.raises(XltError, match="no sequence classifier for umt5 encoders") as caught:
        NLI(NLI.Options(classifier="standard")).build(backbone, LABELS)
    assert caught.value.where == "task.classifier"


def without_xlt(folder):
    """Log-probabilities of a folder's model as one gets them from transformers."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert tuple(model.config.id2label.values()) == LABELS["label"]
    texts = [[d.texts[name].surface for d in PAIRS] for name in ("premise", "hypothesis")]
    batch = AutoTokenizer.from_pretrained(folder)(*texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits.log_softmax(-1)


def test_a_record_of_many_windows_is_the_mean_of_its_parts(tmp_path):
    backbone, model = classifier(tmp_path, "bert")
    long = PAIRS[0].with_texts(premise=Text(" ".join([PAIRS[0].text.surface] * 20)))
    (example,) = TASK.encode([long], backbone, None)
    pair = example.inputs["pair"]
    assert len(pair.windows) > 3
    with torch.no_grad():
        parts = [model.encoder(torch.from_numpy(w)[None].long()).logits for w in pair.windows]
    expected = torch.cat(parts).mean(0).log_softmax(-1)
    found = scores(backbone, model, [PAIRS[1], long, PAIRS[2]])
    torch.testing.assert_close(found[1], expected)
    torch.testing.assert_close(found[::2], scores(backbone, model)[1:3])


def test_alignment_leaves_out_padding_and_special_subwords(tmp_path):
    backbone, model = classifier(tmp_path, "umt5")
    alone = torch.cat([scores(backbone, model, [record]) for record in PAIRS])
    torch.testing.assert_close(alone, scores(backbone, model), rtol=1e-4, atol=1e-5)
    blank = PAIRS[0].with_texts(premise=Text(""))
    assert scores(backbone, model, [blank]).isfinite().all()
    assert not torch.equal(scores(backbone, model, [blank])[0], scores(backbone, model)[0])


def test_a_model_that_learnt_other_subwords(tmp_path):
    """Pairs are encoded as ever; words are not, and no prediction is made of what they are now."""
    backbone, model = classifier(tmp_path, "bert")
    info = ModelInfo("nli", {}, LABELS, "", backbone.max_length)
    folder = tmp_path / "model"
    save_model(model, info, backbone.tokenizer, folder)
    assert load_model(folder)[1].words
    stated = json.loads((folder / "xlt.json").read_text())
    assert stated.pop("tokenisation") == TOKENISATION
    del stated["seal"], stated["files"]
    stated["format"] = 1
    (folder / "xlt.json").write_text(json.dumps(stated))
    _, old, loaded = load_model(folder)
    torch.testing.assert_close(scores(old, loaded.eval()), scores(backbone, model))
    with pytest.raises(XltError, match="each word tokenised by itself") as told:
        _ = old.words
    assert "train it again" in told.value.fix
    assert str(folder) in str(told.value.where)


@pytest.mark.parametrize("kind", ["bert", "umt5"])
def test_room_for_another_label(tmp_path, kind):
    backbone, model = classifier(tmp_path, kind)
    before = scores(backbone, model)
    model.grow({"label": (*LABELS["label"], "other")})
    after = scores(backbone, model)
    assert after.shape == (len(PAIRS), 4)
    torch.testing.assert_close(after[:, :3].log_softmax(-1), before, rtol=1e-4, atol=1e-5)
