"""`xlt data list | show | check`: cards are executed and every fault is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xlt.data.inspection import check, list_cards, normalised, show
from xlt.document import Document, Tags, Text
from xlt.errors import XltError
from xlt.reader_options import ColumnOptions
from xlt.task import TaskOptions


class Tagging:
    """The part of a task that `check` uses, on word-tag columns."""

    name = "tagging"
    options = TaskOptions()

    def options_of(self, format: str) -> type[ColumnOptions]:
        return ColumnOptions

    @property
    def schema(self) -> Any:
        raise AssertionError("check must not need Arrow")

    def documents(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        from xlt.data.columns import read_columns

        for i, sentence in enumerate(read_columns(path, **options)):
            tags = Tags(tuple(sentence.tags))
            yield Document(str(i), {"text": Text.from_words(sentence.words)}, {"tags": tags})

    def format_of(self, path: Path, declared: str | None) -> str:
        return declared or "bio"

    def labels(self, records: Any) -> dict[str, tuple[str, ...]]:
        return {"tag": tuple({tag for one in records for tag in one.layers["tags"].tags})}

    def given_texts(self, document: Document) -> list[Text]:
        return [document.text]


TASK: Any = Tagging()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))

    def split(name: str) -> dict[str, Any]:
        return {"files": [{"local": [f"{name}.txt"], "note": "made here"}]}

    card = {
        "identifier": "toy", "name": "Toy", "task": "tagging", "licence": "CC0",
        "citation": "nobody", "origin": "native", "format": "bio",
        "labels": {"tag": ["O", "B-PER", "I-PER"]},
        "languages": {"swa": {"train": split("train"), "test": split("test")}},
    }  # fmt: skip
    (tmp_path / "toy.yaml").write_text(json.dumps(card))
    (tmp_path / "train.txt").write_text("Asha B-PER\nasema O\n. O\n\nna O\n\nna O\n")
    (tmp_path / "test.txt").write_text("ASHA B-PER\nasema O\n\nleo O\n")
    return tmp_path


def test_a_sound_card(data: Path) -> None:
    report = check("toy", task=TASK)
    assert report.ok
    train, test = report.splits
    assert (train.records, test.records) == (3, 2)
    assert train.duplicates == 1
    assert train.unused == {"tag": ["I-PER"]}
    (overlap,) = report.overlaps
    assert (overlap.first, overlap.second, overlap.count, overlap.share) == (
        "train",
        "test",
        1,
        0.5,
    )
    assert overlap.examples == ("ASHA asema",)
    assert any("train.txt: not a publisher's file; made here" in note for note in report.notes)
    assert any("1 texts of test (50.0%) are in train too" in note for note in report.notes)


def test_every_malformed_record_is_found(data: Path) -> None:
    (data / "train.txt").write_text("a B\n\nb O\n\nc Y\n\nd X\n")
    report = check("toy", task=TASK, limit=2)
    assert not report.ok
    train = report.splits[0]
    assert train.malformed_total == 3
    assert [p.where for p in train.malformed] == [f"{data}/train.txt:1", f"{data}/train.txt:5"]
    assert report.problems == ["toy:swa:train: 3 malformed record(s)"]
    assert report.splits[1].records == 2


def test_unstated_labels(data: Path) -> None:
    (data / "test.txt").write_text("a B-LOC\n")
    report = check("toy", task=TASK)
    assert report.splits[1].unexpected == {"tag": ["B-LOC"]}
    assert report.problems == ["toy:swa:test: labels that the card does not state (tag): ['B-LOC']"]


def test_missing_file(data: Path) -> None:
    (data / "test.txt").unlink()
    report = check("toy", task=TASK)
    assert report.problems == [
        "toy:swa:test: 1 file(s) not here (only in a data folder (XLT_DATA))"
    ]
    assert report.splits[1].files[0].path is None
    _, splits = show("toy")
    assert [s.files[0].path is None for s in splits] == [False, True]
    listing = next(line for line in list_cards() if line.identifier == "toy")
    assert (listing.available, listing.files) == (1, 2)


def test_task_without_plugin(data: Path) -> None:
    report = check("toy")
    assert "no plugin for the task 'tagging': records were not read" in report.notes
    assert report.splits[0].records is None


def test_one_language(data: Path) -> None:
    assert len(check("toy", language="swh", task=TASK).splits) == 2
    with pytest.raises(XltError, match="has no Hausa"):
        check("toy", language="hau", task=TASK)


def test_list_by_task_and_language(data: Path) -> None:
    assert [line.identifier for line in list_cards(task="tagging")] == ["toy"]
    assert list_cards(task="tagging", language="eng") == []
    assert "toy" in {line.identifier for line in list_cards(language="Swahili")}


@pytest.mark.parametrize(
    ("a", "b"),
    [("A b!", "ab"), ("Ａｂ", "ab"), ("STRASSE", "straße"), ("na\u0308", "nä"), ("१ २", "१२")],
)
def test_normalised(a: str, b: str) -> None:
    assert normalised(a) == normalised(b)
    assert normalised("नमस्ते") != normalised("नमसत")


def test_a_card_is_read_as_its_task_reads_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's plugin wants tags from CoNLL-U, not trees; and need not know of `check`."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "contract" / "plugin")
    from word_tags import WordTags

    from xlt.registry import tasks

    row = "{0}\tw\t_\tNOUN\t_\t_\t{1}\tdep\t_\t_\n"
    cycle = row.format(1, 2) + row.format(2, 1) + "\n"
    (data / "train.txt").write_text(cycle)
    (data / "test.txt").write_text("1\tw\n\n" + cycle + "2\tw\n\n")
    card = json.loads((data / "toy.yaml").read_text())
    card |= {"task": "word_tags", "format": "conllu", "labels": {"tag": ["NOUN"]}}
    (data / "toy.yaml").write_text(json.dumps(card))
    tasks.register("word_tags", WordTags)
    try:
        report = check("toy")
    finally:
        tasks.unregister("word_tags")
    train, test = report.splits
    assert (train.records, train.malformed_total) == (1, 0)
    assert [problem.where for problem in test.malformed] == [
        f"{data}/test.txt:1",
        f"{data}/test.txt:6",
    ]


def test_malformed_records_are_errors_again_after_a_check(data: Path) -> None:
    (data / "train.txt").write_text("d X\n")
    assert check("toy", task=TASK).splits[0].malformed_total == 1
    with pytest.raises(XltError, match="'X' is not a tag"):
        list(TASK.documents(data / "train.txt", "bio"))
