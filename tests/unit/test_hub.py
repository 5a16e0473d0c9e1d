"""Data sets of the hub with numbers for labels, in folders as the library writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from xlt.data.hub import hub_rows, open_hub
from xlt.data.references import reference_to, resolve
from xlt.data.store import read_documents
from xlt.document import Document, FlatSpans, Label
from xlt.errors import XltError
from xlt.registry import tasks

NER, NLI = tasks.get("ner")(), tasks.get("nli")()
TAGS = ["O", "B-PER", "I-PER"]
COLUMNS = {"words": "tokens", "tags": "ner_tags"}
ROWS = [{"tokens": ["Amina", "Bello", "left"], "ner_tags": [1, 2, 0]}]


def data_set(label: Any = None, rows: list[dict[str, Any]] = ROWS) -> Dataset:
    """Tagged words, whose tags are of this feature."""
    features = Features(
        {"tokens": List(Value("string")), "ner_tags": List(label or ClassLabel(names=TAGS))}
    )
    return Dataset.from_list(rows, features=features)


def read(folder: Path, task: Any = NER, **options: Any) -> list[Document]:
    reference = reference_to(f"hf:{folder}:train").model_copy(update={"options": options})
    return list(read_documents(task, resolve(reference, "eng", "train")))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")


@pytest.mark.parametrize("kind", ["parquet", "split", "splits"])
def test_numbers_of_classes_become_names(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    if kind == "parquet":
        folder.mkdir()
        data_set().to_parquet(folder / "train.parquet")
    elif kind == "split":
        data_set().save_to_disk(folder)
    else:
        DatasetDict({"train": data_set(), "test": data_set()}).save_to_disk(folder)
    (document,) = read(folder, columns=COLUMNS)
    assert NER.tags(document) == ["B-PER", "I-PER", "O"]
    assert len(document.layer(FlatSpans, "entities").spans) == 1


def rows(task: Any, dataset: Dataset, columns: Any = COLUMNS, **options: Any) -> list[Any]:
    return list(hub_rows(dataset, task, columns, **options, where="hf:x"))


def test_one_class_a_row() -> None:
    features = Features(
        {"premise": Value("string"), "hypothesis": Value("string"),
         "label": ClassLabel(names=["neutral", "entailment"])}
    )  # fmt: skip
    pair = {"premise": "A", "hypothesis": "B"}
    dataset = Dataset.from_list([{**pair, "label": n} for n in (1, 0, -1)], features=features)
    found = [NLI.validate_row(row, where="x") for row in rows(NLI, dataset, {})]
    assert [d.layer(Label, "label").label for d in found] == ["entailment", "neutral", None]


@pytest.mark.parametrize("label", [Value("int64"), Value("uint8"), ClassLabel(num_classes=3)])
def test_mere_numbers_need_names(label: Any) -> None:
    with pytest.raises(XltError, match="the labels in tags are numbers") as caught:
        rows(NER, data_set(label))
    assert caught.value.where == "hf:x"
    assert "`label_names: {tags: [NAME, NAME]}`" in str(caught.value.fix)
    (row,) = rows(NER, data_set(label), label_names={"tags": TAGS})
    assert row["tags"] == ["B-PER", "I-PER", "O"]


def test_names_are_over_those_of_the_data_set() -> None:
    (row,) = rows(NER, data_set(), label_names={"tags": ["O", "B-HUM", "I-HUM"]})
    assert row["tags"] == ["B-HUM", "I-HUM", "O"]


@pytest.mark.parametrize(
    ("names", "label", "what", "where"),
    [
        ({"tags": TAGS[:2]}, Value("int64"), "class 2, but names of 2 classes", "hf:x[0]: tags"),
        ({"tag": TAGS}, Value("int64"), "`label_names` names 'tag'", "hf:x"),
        ({"words": TAGS}, Value("int64"), "`label_names` names 'words'", "hf:x"),
        ({"tags": TAGS}, Value("string"), "tags, which has no numbers", "hf:x"),
    ],
)
def test_names_that_do_not_fit(names: Any, label: Any, what: str, where: str) -> None:
    given = [{"tokens": ["a"], "ner_tags": ["O"]}] if label == Value("string") else ROWS
    with pytest.raises(XltError) as caught:
        rows(NER, data_set(label, given), label_names=names)
    assert what in caught.value.what
    assert caught.value.where == where
    assert caught.value.fix


def test_classes_within_lists_of_objects() -> None:
    task = tasks.get("event_extraction")()
    kind = ClassLabel(names=["LOC", "PER"])
    number = Value("int64")
    entity = {"start": number, "end": number, "type": kind}
    features = Features(
        {"words": List(Value("string")), "entities": List(entity), "events": List(number)}
    )
    row = {"words": ["Amina"], "entities": [{"start": 0, "end": 1, "type": 1}], "events": []}
    (found,) = rows(task, Dataset.from_list([row], features=features), {})
    assert found["entities"] == [{"start": 0, "end": 1, "type": "PER"}]


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    DatasetDict({"train": data_set()}).save_to_disk(tmp_path / "data")
    with pytest.raises(XltError, match="there is no split 'dev'") as caught:
        open_hub((str(tmp_path / "data"), None, "dev"))
    assert "train" in str(caught.value.fix)
    Dataset.from_list(ROWS, split="train").save_to_disk(tmp_path / "one")
    with pytest.raises(XltError, match="this is the split 'train', not 'dev'"):
        open_hub((str(tmp_path / "one"), None, "dev"))


def test_a_saved_data_set_takes_nothing_but_its_own_files(tmp_path: Path) -> None:
    data_set().save_to_disk(tmp_path / "data")
    data_set().save_to_disk(tmp_path / "other")
    path = tmp_path / "data" / "state.json"
    state = json.loads(path.read_text())
    (file,) = state["_data_files"]
    for name in (f"../other/{file['filename']}", "no.arrow", str(tmp_path / "other/state.json")):
        path.write_text(json.dumps({**state, "_data_files": [{"filename": name}]}))
        with pytest.raises(XltError, match="which is no part of it") as caught:
            open_hub((str(tmp_path / "data"), None, "train"))
        assert caught.value.where == str(path)
