"""What `xlt init` finds in files, and what it makes of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from records import RECORDS

from xlt.config.families import family
from xlt.config.load import load_config
from xlt.config.schema import LanguageData, Training
from xlt.data import cards
from xlt.data.references import for_split
from xlt.data.store import load_documents
from xlt.errors import XltError
from xlt.registry import data_cards, tasks
from xlt.runs import first_config
from xlt.runs.first_config import Proposal, Reading, propose, read_files
from xlt.runs.write_config import render, write

WORDS = "Amina Bello met him in Kano ."


def read(path: Path, task: str | None = None, **changes: Any) -> Reading:
    settings = {"input_format": None, "options": {}, "source": "eng", "target": "hau"} | changes
    return read_files({"train": path}, task=task, **settings)["train"]


def doccano(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


ENTITIES = [{"id": 0, "label": "PER", "start_offset": 0, "end_offset": 11},
            {"id": 1, "label": "Meet", "start_offset": 12, "end_offset": 15}]  # fmt: skip
RELATIONS = [{"id": 0, "from_id": 1, "to_id": 0, "type": "Agent"}]


def test_spans_are_entities_and_spans_with_relations_are_events(tmp_path):
    row = {"id": 1, "text": WORDS, "entities": ENTITIES, "relations": []}
    assert read(doccano(tmp_path / "a.jsonl", row)).task == "ner"
    found = read(doccano(tmp_path / "b.jsonl", row | {"relations": RELATIONS}))
    assert found.task == "event_extraction"
    assert found.format == "doccano"
    assert found.declared


@pytest.mark.parametrize("name", tasks.names())
def test_files_of_every_task_and_format_are_read_as_what_they_are(name, tmp_path):
    task = tasks.get(name)()
    documents = next(_samples(task))
    for format in task.formats:
        path = tmp_path / f"{format}{task.suffix(format)}"
        with path.open("w", encoding="utf-8") as stream:
            task.write_any(documents, stream, format)
        found = read(path)
        assert found.task == name, (format, found)
        assert found.records == len(documents)
        assert not found.declared


def _samples(task: Any) -> Iterator[list[Any]]:
    for identifier in data_cards():
        if identifier.startswith("sample-") and cards.get(identifier).task == task.name:
            (data,) = for_split(LanguageData(all=identifier), "eng", "train")
            yield list(load_documents(task, data, 1).select(range(4)))
    yield RECORDS[task.name]  # of a task that the sample has nothing for


def test_two_tasks_that_could_learn_from_it(tmp_path, monkeypatch):
    readings = [Reading(task, "jsonl", False, 1, 3, {"a": Counter("a")}) for task in ("one", "two")]
    monkeypatch.setattr(first_config, "_sniff", lambda *_: readings)
    with pytest.raises(XltError, match="for several tasks: one, two") as caught:
        read(tmp_path / "a.jsonl")
    assert caught.value.fix == "add --task one (say)"


def proposal(tmp_path: Path, **changes: Any) -> Proposal:
    train = doccano(tmp_path / "train.jsonl", {"id": 1, "text": WORDS, "label": [[0, 11, "PER"]]},
                    {"id": 2, "text": "Nobody came.", "label": []})  # fmt: skip
    settings = {"target": "hau", "source": "eng", "encoder": "xlt-mini", "folder": tmp_path}
    return propose({"train": train}, **settings | changes)


@pytest.mark.parametrize(
    ("changes", "said", "fix"),
    [
        ({"source": "rus"}, "not in a script of Russian", "--source"),
        ({"options": {"cut": 7}}, "no task can be learnt from it", "--input-format"),
        ({"input_format": "brat"}, "no task can be learnt from it", "--input-format"),
        ({"task": "ner", "input_format": "brat"}, "no .txt file beside", ""),
        ({"task": "ner", "input_format": "nothing"}, "does not say what is in", "add --input-for"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, changes, said, fix):
    with pytest.raises(XltError, match=said) as caught:
        proposal(tmp_path, **changes)
    assert fix in (caught.value.fix or "")
    assert str(tmp_path) in (caught.value.where or "")


def test_nothing_is_transferred_to_the_same_language(tmp_path):
    with pytest.raises(XltError, match="--source: source and target are both Hausa"):
        proposal(tmp_path, source="hau")


@pytest.mark.parametrize("told", [{}, {"task": "ner"}, {"task": "ner", "input_format": "doccano"}])
def test_one_wrong_record_is_named_alone(tmp_path, told):
    """Of a file that plainly is something: not each way in which it could be read."""
    rows = [{"text": text, "label": [[0, 5, "PER"]]} for text in (WORDS, " ", WORDS)]
    path = doccano(tmp_path / "a.jsonl", *rows)
    with pytest.raises(XltError) as caught:
        read(path, **told)
    assert caught.value.where == f"{path}:2"
    assert caught.value.what == "`text` is empty"
    assert "remove this record" in (caught.value.fix or "")


def test_a_table_is_no_folder_of_texts(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(XltError) as caught:
        read(tmp_path / "a.csv")
    assert "brat" not in caught.value.what


def test_what_a_reader_leaves_out_is_said_once(tmp_path, caplog):
    path = doccano(tmp_path / "a.jsonl", {"text": WORDS, "label": [[0, 3, "PER"]]})
    read(path)
    assert [record.message.count("ended within a word") for record in caplog.records] == [1]


@pytest.mark.parametrize("content", ["", "{}\n", '{"text": "a", "label": []}\n'])
def test_files_without_annotation(tmp_path, content):
    (tmp_path / "a.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(XltError, match="no task can be learnt from it"):
        read(tmp_path / "a.jsonl")
    with pytest.raises(XltError, match=r"no\.jsonl"):
        read(tmp_path / "no.jsonl")


def test_what_is_written_can_be_read_whatever_names_hold(tmp_path):
    folder = tmp_path / "a: b # 'c' [d]\u2028\uffff"
    folder.mkdir()
    made = proposal(folder, options={"nested": "inner"}, encoder="e5-small")
    path = folder / "yes: no.yaml"
    write(made, path)
    config = load_config(path).config
    (reference,) = config.data["eng"].train
    assert Path(reference.ref) == folder / "train.jsonl"
    assert reference.options == {"nested": "inner"}
    assert config.model.standardise
    assert config.name == "yes-no"
    assert config.training.head_learning_rate == 1e-3


def test_labels_stay_in_their_comment(tmp_path):
    made = proposal(tmp_path)
    made.readings["train"].labels["tags"] = Counter({"A\nmodel: 1": 2, "\uffff": 1})
    assert (
        "\n# tags: A\N{REPLACEMENT CHARACTER}model: 1 2, \N{REPLACEMENT CHARACTER} 1\n"
        in render(made, tmp_path / "a.yaml")
    )


def test_a_config_that_is_none_is_not_left_there(tmp_path):
    path = tmp_path / "a.yaml"
    with pytest.raises(XltError):
        write(proposal(tmp_path, encoder="x\0y"), path)
    assert not path.exists()
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(XltError):
        write(proposal(tmp_path, encoder="x\0y"), path)
    assert path.read_text(encoding="utf-8") == "mine"


def test_with_dev_and_test_data_nothing_is_held_out(tmp_path):
    row = {"id": 1, "text": WORDS, "label": [[0, 11, "PER"]]}
    files = {split: doccano(tmp_path / f"{split}.jsonl", row) for split in ("train", "dev", "test")}
    made = propose(files, target="hau", source="eng", encoder="xlt-mini", folder=tmp_path)
    path = tmp_path / "a.yaml"
    write(made, path)
    data = load_config(path).config.data
    assert data["eng"].dev_share is None
    assert data["eng"].dev[0].ref.endswith("dev.jsonl")
    assert data["hau"].test[0].ref.endswith("test.jsonl")


def test_a_file_whose_name_does_not_say_its_format_is_named_with_it(tmp_path):
    files = {"train": tmp_path / "a.bio", "dev": tmp_path / "b.dat"}
    for path in files.values():
        path.write_text("Amina\tB-PER\ncame\tO\n", encoding="utf-8")
    made = propose(files, target="hau", source="eng", encoder="xlt-mini", folder=tmp_path)
    assert made.references == {"train": {"ref": "a.bio"}, "dev": {"ref": "b.dat", "format": "bio"}}


@pytest.mark.parametrize(
    ("subwords", "encoder", "batch", "epochs"),
    [
        (10, "xlm-roberta-base", 512, 30),
        (20_000, "xlm-roberta-base", 512, 21),
        (60_000, "xlm-roberta-base", 2048, 28),
        (10_000_000, "xlm-roberta-base", 2048, 3),
        (20_000, "e5-small", 512, 21),
    ],
)
def test_little_data_are_read_more_often_in_smaller_steps(subwords, encoder, batch, epochs):
    found = first_config._training(subwords, encoder)
    kind = family(encoder)
    usual = Training().batch_tokens if kind is None else kind.sections["training"]["batch_tokens"]
    assert found.get("batch_tokens", usual) == batch
    assert found["epochs"] == epochs
    assert ("evaluate_every" in found) == (subwords / batch < 20)


@pytest.mark.parametrize(
    ("subwords", "encoder", "rate"),
    [
        (20_000, "e5-small", 1e-4),
        (39_999, "intfloat/multilingual-e5-base", 1e-4),
        (40_000, "e5-small", 2e-4),
        (20_000, "xlt-mini", 2e-4),
        (20_000, "xlm-roberta-base", None),
    ],
)
def test_sentence_encoders_learn_more_slowly_from_few_sentences(subwords, encoder, rate):
    found = first_config._training(subwords, encoder)
    assert found.get("learning_rate") == rate
    assert found.get("head_learning_rate") == (None if rate is None else 1e-3)


def test_without_the_hub_only_what_is_here_is_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(first_config, "offline", lambda: True)
    monkeypatch.setattr(first_config, "accelerated", lambda: True)
    assert proposal(tmp_path, encoder=None).advice.here
    monkeypatch.setattr(first_config, "offline", lambda: False)
    chosen = proposal(tmp_path, encoder=None, max_gib=6.0)
    assert not chosen.advice.here
    assert chosen.advice.memory_gib <= 6
    with pytest.raises(XltError, match="so little memory"):
        proposal(tmp_path, encoder=None, max_gib=0.1)


def test_what_takes_too_long_here_is_not_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(first_config, "offline", lambda: False)
    monkeypatch.setattr(first_config, "accelerated", lambda: False)
    monkeypatch.setattr(first_config, "MAX_HOURS", 0.0)
    monkeypatch.setattr(first_config, "hours", lambda _, one: one.facts.parameters)
    smallest = proposal(tmp_path, encoder=None).advice
    monkeypatch.setattr(first_config, "MAX_HOURS", 1e30)
    assert proposal(tmp_path, encoder=None).advice.facts.parameters > smallest.facts.parameters
