"""Predictions made on a translation and carried back; averaged with those on the text."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from pairs import aligned_pair
from records import documents

from xlt.config.schema import ProjectionSettings
from xlt.document import Document, Span, Tags, Text, Tree
from xlt.errors import XltError
from xlt.inference.predictor import Predictor
from xlt.model.folder import ModelInfo, write_info
from xlt.model.task_model import TaskModel
from xlt.projection import predict
from xlt.projection.merge import merge
from xlt.projection.pair import Outcome, Projection
from xlt.projection.words import log_probabilities
from xlt.task import Averaging, Example
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.ner import NER
from xlt.tasks.ner.spans import project_tag_scores
from xlt.testing import translation
from xlt.transfer.stage import Prediction

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
ENGLISH = {"Ana": "B-PER", "Bob": "B-PER", "Marley": "I-PER", "Rome": "B-LOC"}


class Dictionary(translation.Backwards):
    """Translates Spanish words, backwards; knows no sentence with `nada`."""

    words: ClassVar = {"Roma": "Rome", "visita": "visits"}

    def translate(self, texts, source, target):
        return [
            translation.Translation(
                "" if "nada" in text
                else " ".join(self.words.get(word, word) for word in text.split()[::-1])
            )
            for text in texts
        ]  # fmt: skip


class Mirror(translation.SameWords):
    """Word n is linked to word n from the end."""

    def align(self, pairs, source, target):
        return [
            {(i, len(a) - 1 - i): 1.0 for i in range(len(a))} if len(a) == len(b) else {}
            for a, b in pairs
        ]


class Lookup(NER):
    """Its examples are the words; see `Words`."""

    def encode(self, documents, backbone, labels):
        return [
            Example(n, len(d.words), {"words": SimpleNamespace(n_words=len(d.words), is_=d.words)})
            for n, d in enumerate(documents)
        ]


class Words(Predictor):
    """Sure of the English names it knows; everything else is O, as far as it can tell."""

    def forward(self, examples):
        width = max(e.length for e in examples)
        scores = np.zeros((len(examples), width, len(TAGS)), np.float32)
        for row, example in enumerate(examples):
            for column, word in enumerate(example.inputs["words"].is_):
                if word in ENGLISH:
                    scores[row, column, TAGS.index(ENGLISH[word])] = 5.0
                else:
                    scores[row, column, 0] = 0.5
        return {"scores": torch.from_numpy(scores).log_softmax(-1)}


@pytest.fixture
def through(monkeypatch, tmp_path):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    with translation.registered():
        translation.translators.register("backwards", Dictionary)
        translation.aligners.register("same_words", Mirror)

        def make(mode, task=None):
            model = TaskModel(torch.nn.Identity(), {"tag": TAGS})
            direct = Words(task or Lookup(), model, 1000)
            return predict.through_translation(
                direct, None, Prediction(mode, "eng"), settings(), "spa"
            )

        yield make


def settings(**changes):
    return ProjectionSettings(**{**translation.SETTINGS, **changes})


SENTENCES = [["Ana", "visita", "Roma"], ["nada", "Ana"], ["Marley", "Bob", "visita"]]


def records():
    tags = [["B-LOC"] * len(words) for words in SENTENCES]  # nobody is to look at them
    rows = enumerate(zip(SENTENCES, tags, strict=True))
    return documents("ner", [{"id": str(n), "words": w, "tags": t} for n, (w, t) in rows])


def tags_of(predictor):
    task = predictor.task
    found = predictor(records(), task.encode(records(), None, None))
    assert [d.id for d in found] == ["0", "1", "2"]
    assert [list(d.words) for d in found] == SENTENCES
    return [task.tags(d) for d in found]


def test_on_the_text_on_its_translation_and_on_both(through):
    # Without a translation a record keeps what is predicted directly.
    assert tags_of(through("direct")) == [["B-PER", "O", "O"], ["O", "B-PER"], ["O", "B-PER", "O"]]
    expected = [["B-PER", "O", "B-LOC"], ["O", "B-PER"], ["B-PER", "I-PER", "O"]]
    assert tags_of(through("translate")) == expected
    assert tags_of(through("ensemble")) == expected


def test_on_the_way_back_everything_is_wanted(monkeypatch, tmp_path):
    """Whatever the settings ask of training data."""

    class Warning(Dictionary):
        def translate(self, texts, source, target):
            made = super().translate(texts, source, target)
            return [translation.Translation(one.text, "suspicious") for one in made]

    class Doubtful(Mirror):
        def align(self, pairs, source, target):
            return [{k: 0.1 for k in links if k[0] < 2} for links in super().align(pairs, "", "")]

    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    strict = settings(guard="drop", require=["labels", "words"], min_confidence=0.9)
    with translation.registered():
        translation.translators.register("backwards", Warning)
        translation.aligners.register("same_words", Doubtful)
        direct = Words(Lookup(), TaskModel(torch.nn.Identity(), {"tag": TAGS}), 1000)
        through = predict.through_translation(
            direct, None, Prediction("translate", "eng"), strict, "spa"
        )
        assert through.window is None
        # Rome is the third word, which is linked to nothing.
        assert tags_of(through) == [["B-PER", "O", "O"], ["O", "B-PER"], ["B-PER", "I-PER", "O"]]


def test_averaged_scores_are_the_mean_of_both(through):
    """Of the words that come back; others, and padding, are as the model has them."""
    made = through("ensemble")
    own = torch.tensor([[[1.0, 3.0], [5.0, 7.0], [9.0, 9.0]], [[2.0, 2.0]] * 3])
    seen = {}

    class Fixed:
        def batches(self, examples):
            yield (0, 1), {"scores": own}

        def decode(self, documents, examples, batch, outputs):
            seen.update(outputs)
            return [documents[i] for i in batch]

    made.predictor = Fixed()
    back = {0: predict._Projected(None, {"scores": torch.tensor([[3.0, 0.0], [5.0, -7.0]])})}
    some = records()[:2]
    assert made._averaged(some, [None, None], back) == some
    assert seen["scores"].tolist() == [
        [[2.0, 1.5], [5.0, 0.0], [9.0, 9.0]], [[2.0, 2.0]] * 3,
    ]  # fmt: skip
    assert own[0, 0].tolist() == [1.0, 3.0], "what the model gave is not written to"


def test_the_model_folder_says_how_it_predicts(tmp_path):
    write_info(ModelInfo("ner", {}, {}, "", 8), tmp_path)
    assert predict.load(tmp_path) is None
    predict.save(tmp_path, Prediction(), settings(), "spa")
    assert predict.load(tmp_path) is None
    saved = Prediction("translate", "eng"), settings(gap=2), "spa"
    predict.save(tmp_path, *saved)
    with translation.registered():
        assert predict.load(tmp_path) == saved
    path = tmp_path / predict.FILE
    path.write_text(path.read_text().replace("projection", "projektion"))
    with pytest.raises(XltError, match="the file is damaged") as caught:
        predict.load(tmp_path)
    assert caught.value.where == str(path)
    path.write_text(json.dumps({"prediction": {}})[:-4])
    with pytest.raises(XltError, match="the file is damaged"):
        predict.load(tmp_path)


def test_a_task_that_cannot_average():
    class Cannot(NER):
        project_predictions = None

    assert not isinstance(Cannot(), Averaging)
    assert isinstance(NER(), Averaging)


# What tasks do --------------------------------------------------------------------------------


def test_entity_types_follow_links_and_beginnings_follow_spans():
    """`Marley Bob` on `Bob Marley`: B and I change places; an unlinked word inside is I too."""
    scores = log_probabilities(np.array([[0, 0, 0, 0, 9.0], [0, 0, 0, 9, 0], [9, 0, 0, 0, 0]]))
    pair = aligned_pair(["M", "B", "x"], ["B", "de", "M", "y"], {(1, 0): 1.0, (0, 2): 0.5})
    found = np.exp(project_tag_scores(scores, pair, [Span("PER", 0, 3)], TAGS))
    assert found.argmax(1).tolist()[:3] == [3, 4, 4]
    assert found[3] == pytest.approx([0.2] * 5)
    assert found.sum(1) == pytest.approx([1] * 4)
    alone = np.exp(project_tag_scores(scores, pair, [], TAGS)).argmax(1).tolist()
    assert (alone[0], alone[2]) == (3, 3)


def parsed(heads, relations):
    words = [f"w{n}" for n in range(len(heads))]
    layers = {"upos": Tags(("X",) * len(words)), "tree": Tree(tuple(heads), tuple(relations))}
    return Document("1", {"text": Text.from_words(words)}, layers, meta={"lines": ["# its own"]})


def test_a_partial_tree_is_completed_to_a_tree():
    own = parsed([2, 0, 2, 3], ["a", "root", "b", "c"])
    found = merge(own, parsed([-1, 3, 0, -1], ["_", "x", "root", "_"]))
    assert found.layer(Tree, "tree") == Tree((2, 3, 0, 3), ("a", "x", "root", "c"))
    assert found.meta == own.meta
    assert merge(own, parsed([-1] * 4, ["_"] * 4)) == own
    everything = parsed([0, 1, 1, 1], ["root", "x", "y", "z"])
    assert merge(own, everything).layer(Tree, "tree").heads == (0, 1, 1, 1)


def test_heads_follow_links_on_both_sides():
    """`w1 → w0 → root` backwards, with a word between that is linked to nothing."""
    arcs = log_probabilities(np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]))[None]
    pair = aligned_pair(["a", "b"], ["B", "x", "A"], {(0, 2): 1.0, (1, 0): 1.0})
    projection = Projection(None, (Outcome("x", (0, 1), (2, 3), 1.0),))
    outputs = {"arcs": torch.from_numpy(arcs)}
    found = DependencyParsing().project_predictions(outputs, 0, {"text": pair}, projection, {})
    heads = np.exp(found["arcs"])
    assert heads.shape == (4, 4)
    assert heads[1:].argmax(1).tolist()[::2] == [3, 0]
    assert heads[2] == pytest.approx([0.25] * 4)


def test_word_labels_that_did_not_come_back():
    from xlt.word_task import WordLabelTask

    class Tagging(WordLabelTask):
        name = "tags"

    def tagged(*tags):
        return Tagging().with_tags(Document("1", {"text": Text.from_words(["a", "b"])}), tags)

    assert Tagging().tags(merge(tagged("X", "Y"), tagged("_", "Z"))) == ["X", "Z"]
    own, projected = (
        NER().with_tags(Document("1", {"text": Text.from_words(["a", "b"])}), tags)
        for tags in (["B-X", "B-Y"], ["O", "B-Z"])
    )
    assert NER().tags(merge(own, projected)) == ["O", "B-Z"]
    pair = aligned_pair(["a", "b"], ["B", "A"], {(0, 1): 1.0, (1, 0): 1.0})
    scores = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]]).log()
    found = Tagging().project_predictions(
        {"scores": scores}, 0, {"text": pair}, Projection(None), {}
    )
    assert np.exp(found["scores"]) == pytest.approx(np.array([[0.2, 0.8], [0.9, 0.1]]), abs=1e-3)
