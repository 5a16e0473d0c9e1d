"""What the linear layers of models classify: of its features each makes what the model predicts."""

from __future__ import annotations

import pytest
import torch
from records import RECORDS
from tiny import make_encoder

from xlt.config.schema import Model
from xlt.evaluation.transfer_score import mutual_information, uniformity
from xlt.inference import transfer_score
from xlt.inference.predictor import Predictor
from xlt.inference.transfer_score import classified, transfer_score_of
from xlt.model.backbone import Backbone
from xlt.model.bio import outside
from xlt.tasks.classification import Classification
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.event_extraction import EventExtraction
from xlt.tasks.ner import NER
from xlt.tasks.nli import NLI

BUDGET = 100
"""Subwords, so that there are several batches."""


def ready(folder, task, name, kind="bert"):
    """A predictor with random layers, and examples of the task's records."""
    records = RECORDS[name]
    texts = [text.surface + " $" for record in records for text in record.texts.values()]
    make_encoder(folder, texts * 3, kind)
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    torch.manual_seed(0)
    model = task.build(backbone, task.labels(records)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases begin at 0
            parameter += 0.1 * torch.randn_like(parameter)
    return Predictor(task, model, BUDGET), task.encode(records, backbone, None)


def outputs_of(predictor, examples):
    """What the model gives of all examples in one batch, and what its layers classify there."""
    predictor.budget = 10_000
    found = predictor.run(examples, lambda batch: predictor.model.classifying(**batch))
    return predictor.forward(examples), found


def logarithms(one):
    with torch.no_grad():
        return one.linear(one.features).log_softmax(-1)


@pytest.mark.parametrize("kind", ["bert", "umt5"])
def test_words_of_a_tagger(tmp_path, kind):
    predictor, examples = ready(tmp_path, NER(), "ner", kind)
    scores, (found,) = outputs_of(predictor, examples)
    words = sum(example.inputs["words"].n_words for example in examples)
    assert found.layer == "tag"
    assert len(found.features) == words
    mask = predictor.task.collate(examples)["word_mask"]
    torch.testing.assert_close(logarithms(found), scores["scores"][mask], rtol=1e-4, atol=1e-4)
    again, _ = outputs_of(predictor, examples)
    torch.testing.assert_close(again["scores"], scores["scores"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (NLI(), "nli"),
        (NLI(NLI.Options(classifier="aligned")), "nli"),
        (Classification(), "classification"),
        (Classification(Classification.Options(classifier="pooled")), "classification"),
    ],
)
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_texts_of_a_classifier(tmp_path, task, name, kind):
    predictor, examples = ready(tmp_path, task, name, kind)
    scores, (found,) = outputs_of(predictor, examples)
    assert found.layer == "label"
    torch.testing.assert_close(logarithms(found), scores["scores"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", ["pipeline", "joint"])
@pytest.mark.parametrize("parts", [["entities"], ["entities", "triggers", "arguments"]])
def test_words_of_events(tmp_path, model, parts):
    """Also where sentences are marked for triggers that are given: those are not among them."""
    task = EventExtraction(EventExtraction.Options(model=model, role_size=8, parts=parts))
    predictor, examples = ready(tmp_path, task, "event_extraction")
    scores, found = outputs_of(predictor, examples)
    expected = [("entity", level) for level in scores["entity"]]
    if "triggers" in parts:
        expected.append(("trigger", scores["trigger"]))
    mask = task.collate(examples)["word_mask"]
    assert [one.layer for one in found] == [layer for layer, _ in expected]
    for one, (_, tags) in zip(found, expected, strict=True):
        torch.testing.assert_close(logarithms(one), tags[mask], rtol=1e-4, atol=1e-4)


def test_arcs_are_no_classes(tmp_path):
    predictor, examples = ready(tmp_path, DependencyParsing(), "dependency_parsing")
    assert classified(predictor, examples) == []
    assert transfer_score_of(predictor, examples) is None


def test_words_in_spans_alone_count_and_as_if_there_were_no_others(tmp_path):
    predictor, examples = ready(tmp_path, NER(), "ner")
    tags = predictor.model.labels["tag"]
    (seen,) = classified(predictor, examples)
    _, (every,) = outputs_of(predictor, examples)
    found = logarithms(every)
    assert outside(tags) == 0
    inside = found.argmax(-1) != 0
    assert 0 < inside.sum() < len(inside)
    kept = found[inside][:, 1:].softmax(-1).double().numpy()
    assert seen.weights.shape == (len(tags) - 1, every.features.shape[1])
    assert len(seen.features) == len(kept)
    # The longest sentences come first, however they are batched.
    assert mutual_information(seen.probabilities) == pytest.approx(mutual_information(kept))
    assert seen.probabilities.sum(0) == pytest.approx(kept.sum(0), abs=1e-4)
    weights = every.linear.weight.detach()[1:]
    assert uniformity(seen.weights) == pytest.approx(uniformity(weights))


def test_batches_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("xlt.evaluation.transfer_score.MIN_THINGS", 3)
    predictor, examples = ready(tmp_path, NER(), "ner")
    small = transfer_score_of(predictor, examples)
    predictor.budget = 10_000
    assert small == pytest.approx(transfer_score_of(predictor, examples), abs=1e-5)


def test_of_several_layers_it_is_the_mean(tmp_path, monkeypatch):
    task = EventExtraction(EventExtraction.Options(role_size=8, levels=2))
    predictor, examples = ready(tmp_path, task, "event_extraction")
    scores = iter([1.0, None, 0.5])
    monkeypatch.setattr(transfer_score, "transfer_score", lambda _: next(scores))
    assert transfer_score_of(predictor, examples) == 0.75


def test_tags_that_are_no_spans_have_no_outside():
    assert outside(["B-X", "I-X", "O"]) == 2
    assert outside(["NOUN", "O"]) is None
    assert outside(["B-X", "I-X"]) is None
