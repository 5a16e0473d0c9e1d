"""Reading, scoring and predicting texts with one label each, whose labels the data say."""

from __future__ import annotations

import json
from itertools import count

import pytest
import torch
from models import make_model
from records import LABELLED, RECORDS
from tiny import make_encoder

from xlt.config.load import load_config
from xlt.config.schema import ProjectionSettings
from xlt.display import render, spacy_doc
from xlt.document import Document, Label, Text
from xlt.errors import XltError
from xlt.evaluation.criteria import agreement
from xlt.projection.layers import project_document
from xlt.projection.pair import AlignedPair
from xlt.reader_options import read_with
from xlt.report.errors import read_errors
from xlt.runs.compare import compare
from xlt.runs.evaluate import evaluate
from xlt.runs.probe import probe
from xlt.runs.reading import sentences_of
from xlt.runs.train import train
from xlt.tasks.classification import Classification
from xlt.training.consensus import agreed
from xlt.training.raw_text import sentences

TASK, RECORDS = Classification(), RECORDS["classification"]
OWN = {"id": "1", "text": "It rains. It pours.", "label": "weather"}
OTHER = {"id": "2", "text": "They voted.", "label": "politics"}


def read(tmp_path, text, format="jsonl", task=TASK, **options):
    path = tmp_path / f"data.{format}"
    path.write_text(text, encoding="utf-8", newline="\n")
    documents = read_with(task, path, format, options, where=str)
    return [task.to_row(document) for document in documents]


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_published_formats(tmp_path):
    sib = 'index_id\tcategory\ttext\n1523\tscience/technology\t"A ""new"" cell. It is small."\n'
    assert read(tmp_path, sib, "tsv", quoted=True) == [
        {"id": "1523", "text": 'A "new" cell. It is small.', "label": "science/technology",
         "phenomena": []}
    ]  # fmt: skip
    (taxi,) = read(tmp_path, 'id,classification,verse\n7,Faith,"He said, go"\n', "csv")
    assert (taxi["id"], taxi["text"], taxi["label"]) == ("7", "He said, go", "Faith")
    massive = [
        {"id": "0", "partition": split, "intent": "alarm_set", "utt": "wake me"}
        for split in ("train", "test")
    ]
    (asked,) = read(tmp_path, jsonl(*massive), where={"partition": "test"})
    assert (asked["text"], asked["label"]) == ("wake me", "alarm_set")
    (named,) = read(
        tmp_path, "tweet;mood\nEs goed!;1\n", "csv",
        columns={"text": "tweet", "label": "mood"}, label_names={"1": "positive"},
    )  # fmt: skip
    assert (named["text"], named["label"]) == ("Es goed!", "positive")


BAD = {
    "no label": ("jsonl", jsonl(OWN, OTHER | {"label": None}), ":2: the record has no label"),
    "empty label": ("tsv", "text\tlabel\nA\t\n", ":2: the record has no label"),
    "number": ("jsonl", jsonl(OWN | {"label": 1}), ":1: the label is 1, not a text"),
    "several": ("jsonl", jsonl(OWN | {"label": ["a"]}), r":1: the label is \['a'\], not a text"),
    "space": ("tsv", "text\tlabel\nA\tweather \n", ":2: the label is 'weather ', not a text"),
    "header": ("csv", "txt,label\nA,b\n", ":2: the field 'text' is missing"),
    "header's label": ("tsv", "text\ttopic\nA\tb\n", ":2: the field 'label' is missing"),
    "text": ("jsonl", jsonl(OWN | {"text": " "}), ":1: the text is empty"),
    "type": ("jsonl", jsonl(OWN | {"text": ["A"]}), ":1: the text is no text"),
    "ids": ("jsonl", jsonl(OWN, OWN), ":2: the id '1' has been used before, in .*:1"),
}


@pytest.mark.parametrize(("format", "text", "complaint"), BAD.values(), ids=BAD)
def test_bad_records(tmp_path, format, text, complaint):
    with pytest.raises(XltError, match=complaint) as error:
        read(tmp_path, text, format)
    assert error.value.fix


def test_labels_are_those_of_the_data_unless_they_are_listed(tmp_path):
    assert TASK.labels(RECORDS) == {"label": ("culture", "health", "politics", "weather")}
    assert TASK.metrics_reported == ("accuracy", "macro_f1")
    listed = Classification(Classification.Options(labels=["weather", "politics"]))
    assert listed.metrics_reported[2:] == ("f1_weather", "f1_politics")
    read(tmp_path, jsonl(OWN, OTHER), task=listed)
    sport = jsonl(OWN, OTHER | {"label": "sport"})
    with pytest.raises(XltError, match=r":2: there is no label 'sport'"):
        read(tmp_path, sport, task=listed)
    # What is read, and stored, is the same whatever labels are counted.
    counting = TASK.for_labels({"label": ("weather", "politics")})
    assert read(tmp_path, sport, task=counting) == read(tmp_path, sport)
    assert counting.labels(RECORDS)["label"] == ("weather", "politics", "culture", "health")
    assert TASK.for_labels({}) is TASK
    renamed = Classification(Classification.Options(rename={"weather": "nature"}))
    assert [row["label"] for row in read(tmp_path, jsonl(OWN), task=renamed)] == ["nature"]


def test_labels_may_be_missing_where_that_is_said(tmp_path):
    rows = [OWN | {"label": label} for label in ("", None, " ")]
    del rows[1]["label"]
    rows = [row | {"id": str(n)} for n, row in enumerate(rows)]
    assert [row["label"] for row in read(tmp_path, jsonl(*rows), labelled=False)] == [""] * 3


def test_what_is_counted_has_to_be_known():
    known = TASK.for_labels(TASK.labels(RECORDS))
    assert known.options is TASK.options
    counts = sum(known.counts(one, one) for one in RECORDS)
    assert {k: float(v) for k, v in known.metrics(counts).items()} == {
        "accuracy": 100, "macro_f1": 100
    }  # fmt: skip
    for task in (TASK, TASK.for_labels({"label": ("culture", "health")})):
        with pytest.raises(XltError, match="the label 'politics' is counted"):
            task.counts(RECORDS[1], RECORDS[0])
    unknown = RECORDS[0].with_layers(label=Label(None))
    assert not known.counts(unknown, RECORDS[0]).any()


def test_models_that_know_different_labels_are_compared():
    """Whoever compares predictions counts all labels that are in any of them."""
    other = [one.with_layers(label=Label("sport")) for one in RECORDS]
    assert agreement(TASK, [RECORDS, other, RECORDS]) == [50, 0, 50]
    found = agreed(TASK, [RECORDS, other, RECORDS], [1, 1, 1])
    assert [one.document.layers["label"] for one in found] == [
        one.layers["label"] for one in RECORDS
    ]


def test_a_text_is_one_document_and_not_its_sentences():
    surface = "  Budi slept. Siti did not.\nThey left. "
    documents, starts = sentences_of(TASK, surface, "eng", count(1))
    assert [one.text.surface for one in documents] == [surface.strip()]
    assert (starts, documents[0].words[:3]) == ((2,), ("Budi", "slept", "."))
    assert sentences_of(TASK, " \n ", "eng", count(1)) == ((), ())
    raw = [Document("7", {"text": Text("Budi slept. Siti did not.")})]
    assert [(one.id, one.text.surface) for one in sentences(TASK, raw, "eng")] == [
        ("7.1", "Budi slept. Siti did not.")
    ]


def test_a_label_moves_with_its_text():
    document = RECORDS[0]

    def project(surface):
        pairs = {"text": AlignedPair(document.text, Text(surface), {})}
        return project_document(TASK, document, pairs, ProjectionSettings())

    moved = project("Budi compró libros.")
    assert TASK.to_row(moved.document) == {
        **TASK.to_row(document), "text": "Budi compró libros.",
    }  # fmt: skip
    assert project("").outcomes[0].reason == "empty"
    outputs = {"scores": torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()}
    found = TASK.project_predictions(outputs, 0, {}, moved, {})
    assert torch.equal(torch.from_numpy(found["scores"]), outputs["scores"][0])


def test_a_page_and_spacy_show_the_label(tmp_path):
    document = RECORDS[0].with_confidence({"label": [0.75]})
    assert spacy_doc(document, TASK).cats == {"culture": 0.75}
    assert spacy_doc(RECORDS[0], TASK).cats == {"culture": 1.0}
    render([document], TASK, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<summary>t1: culture (least sure: 0.75)</summary>" in page
    assert "<li>culture: 1</li>" in page
    assert "Yogyakarta" in page


def test_spacy_gives_the_model_the_whole_text(tmp_path):
    import spacy

    nlp = spacy.blank("xx")
    nlp.add_pipe("xlt", config={"model": str(make_model(tmp_path, "classification"))})
    (_, component) = nlp.pipeline[0]
    ((sentence,),) = component._predict([nlp.make_doc("Budi slept . Siti did not .")])
    assert len(sentence[1]) == 7
    assert len(nlp("Budi slept . Siti did not .").cats) == 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two seeds, whose labels only its training data say."""
    folder = tmp_path_factory.mktemp("run")
    make_encoder(folder / "encoder", [text for text, _ in LABELLED])
    path = folder / "data.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        TASK.write(RECORDS, stream, "jsonl")
    config = {
        "name": "topics",
        "task": "classification",
        "model": {"encoder": "encoder"},
        "data": {
            "eng": {"train": "data.jsonl", "dev": "data.jsonl"}, "jav": {"test": "data.jsonl"},
        },
        "source": "eng",
        "target": "jav",
        "training": {"max_steps": 1, "precision": "fp32"},
        "evaluation": {"bootstrap": 10, "ensemble": True},
        "seeds": [1, 2],
        "output": {"root": str(folder / "runs")},
    }  # fmt: skip
    (folder / "topics.yaml").write_text(json.dumps(config), encoding="utf-8")
    result = train(load_config(folder / "topics.yaml"), quiet=True)
    return folder, result


def test_a_run_finds_its_labels(run):
    folder, result = run
    done = folder / "runs" / "topics"
    row = next(row for row in result["rows"] if row["primary"])
    assert set(row["metrics"]) == {"accuracy", "macro_f1"}
    assert row["reliability"]["label"]["things"] == len(RECORDS)
    found = read_errors(done, load_config(done / "config.yaml"), TASK, result, row, 5)
    right = round(row["metrics"]["accuracy"] * len(RECORDS) / 100)
    assert found.wrong == len(RECORDS) - right
    assert compare(done, done)["rows"][0]["a"] == compare(done, done)["rows"][0]["b"]
    scored = evaluate(done, str(folder / "data.jsonl"), language="jav", resamples=10)
    assert scored["metrics"] == pytest.approx(row["metrics"])
    suite = probe(done, [str(folder / "data.jsonl")], language="jav", resamples=10)
    assert {one["group"] for one in suite["rows"]} == {"all", "short", "names"}


def test_a_label_that_is_nowhere_in_the_training_data(run):
    folder, _ = run
    (folder / "odd.jsonl").write_text(jsonl(OWN, OTHER | {"label": "sport"}))
    with pytest.raises(XltError, match=r"label 'sport'.*not in what the model knows") as error:
        evaluate(folder / "runs" / "topics", str(folder / "odd.jsonl"), language="jav")
    assert str(error.value.where) == str(folder / "odd.jsonl")
    config = json.loads((folder / "topics.yaml").read_text())
    config["data"]["jav"]["test"] = "odd.jsonl"
    (folder / "odd.yaml").write_text(json.dumps(config | {"name": "odd"}, indent=1))
    with pytest.raises(XltError, match=r"label 'sport'.*not in what the model knows") as error:
        train(load_config(folder / "odd.yaml"), quiet=True)
    assert "odd.yaml:" in str(error.value.where)
    assert "data.jav.test" in str(error.value.where)
