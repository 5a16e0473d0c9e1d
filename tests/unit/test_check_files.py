"""`xlt data check FILE`: what is said of files of annotation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from bad_inputs.runner import command_of_its_own
from records import RECORDS, ROWS

from xlt.cli import main
from xlt.errors import XltError
from xlt.registry import tasks
from xlt.runs.check_files import check_files
from xlt.testing import make_encoder

TRAIN = """\
Ana B-PER
ndelok O
Solo B-LOC

ana B-Per
ndelok O
solo B-LOC

Ана B-PER
видит O
Рим B-LOC

"""
TEST = "Ana B-PER\nndelok O\nSolo B-LOC\n\nBudi B-Persona\n\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, text in (("train.bio", TRAIN + "Joko B-PER\n\n" * 10), ("test.bio", TEST)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return [str(tmp_path / "train.bio"), str(tmp_path / "test.bio")]


def test_labels_texts_and_scripts(files):
    checked = check_files(tasks.get("ner")(), files, language="jav")
    train, test = checked["files"]
    assert (train["records"], train["words"], test["records"]) == (13, 19, 2)
    assert checked["labels"] == {
        "entities": {"LOC": [3, 1], "PER": [12, 1], "Per": [1, 0], "Persona": [0, 1]}
    }
    assert checked["overlaps"] == [{"first": files[0], "second": files[1], "texts": 1}]
    assert train["repeated"] == 10
    assert train["foreign"] == ["3"]
    assert train["contradictory"] == []
    notes = "\n".join(checked["notes"])
    assert "entities: 'PER' (13) and 'Per' (1) are spelt alike" in notes
    assert "Persona" not in notes.splitlines()[0]
    assert "fewer than 10 times: LOC (4), Per (1), Persona (1)" in notes
    assert f"{files[0]}: Javanese is written in Latin letters, and record 3" in notes
    assert f"1 texts of {files[1]} are in {files[0]} too" in notes
    assert not checked["problems"]
    assert not any("letters" in one for one in check_files(tasks.get("ner")(), files)["notes"])


def test_the_same_text_with_other_labels(tmp_path):
    path = tmp_path / "a.bio"
    path.write_text("Ana B-PER\nran O\n\nAna O\nran O\n\nAna B-PER\nran O\n\n")
    (file,) = check_files(tasks.get("ner")(), [str(path)])["files"]
    assert (file["repeated"], file["contradictory"]) == (2, ["2"])


def test_what_an_encoder_makes_of_them(files, tmp_path):
    texts = [one.text.surface for one in RECORDS["ner"]]
    encoder = make_encoder(tmp_path / "encoder", texts)
    long = tmp_path / "long.bio"
    long.write_text("Budi B-PER\n" * 2000 + "\nœuvre O\nЖщю O\n", encoding="utf-8")
    (file,) = check_files(tasks.get("ner")(), [str(long)], encoder=str(encoder))["files"]
    assert file["long"] == ["1"]
    checked = check_files(tasks.get("ner")(), files, encoder=str(encoder))
    assert [one["long"] for one in checked["files"]] == [[], []]
    assert all(0 <= one["unknown_subwords"] <= 1 for one in checked["files"])
    with pytest.raises(XltError, match="nowhere"):
        check_files(tasks.get("ner")(), files, encoder=str(tmp_path / "nowhere"))


def test_layers_of_other_tasks(tmp_path):
    word = "1\tYa\t_\tINTJ\t_\t_\t0\troot\t_\t_\n\n"
    (tmp_path / "a.conllu").write_text(word)
    found = check_files(tasks.get("dependency_parsing")(), [str(tmp_path / "a.conllu")])
    assert found["labels"] == {"upos": {"INTJ": [1]}, "tree": {"root": [1]}}
    events = tasks.get("event_extraction")()
    with (tmp_path / "e.jsonl").open("w", encoding="utf-8") as stream:
        events.write(RECORDS["event_extraction"], stream, "jsonl")
    labels = check_files(events, [str(tmp_path / "e.jsonl")])["labels"]
    assert {"entities", "events", "events.parts"} <= labels.keys()


def test_words_are_those_of_training(tmp_path):
    """By the rules of the language that is named, as of an option."""
    path = tmp_path / "a.jsonl"
    row = {"text": "She doesn't know Ana's dog.", "label": [[17, 20, "PER"]]}
    path.write_text(json.dumps(row) + "\n")

    def words(**more: Any) -> int:
        told = {"input_format": "doccano", **more}
        (file,) = check_files(tasks.get("ner")(), [str(path)], **told)["files"]
        return int(file["words"])

    assert words(language="eng") == words(options={"language": "eng"}) != words()


PAIR = {"premise": "Ana sleeps.", "hypothesis": "She does.", "label": "neutral"}


@pytest.mark.parametrize(
    ("task", "format", "good", "bad"),
    [
        ("nli", "csv", PAIR, {"hypothesis": ""}),
        ("nli", "jsonl", PAIR, {"hypothesis": ""}),
        ("nli", "json", PAIR, {"label": "maybe"}),
        ("ner", "jsonl", {"words": ["Ana"], "tags": ["B-PER"]}, {"tags": ["X-PER"]}),
        ("event_extraction", "jsonl", ROWS["event_extraction"][0], {"words": 3}),
    ],
)
def test_all_records_are_read_whatever_some_hold(tmp_path, task, format, good, bad):
    rows = [{**good, "id": str(n), **(bad if n in (3, 6) else {})} for n in range(8)]
    path = tmp_path / f"a.{format}"
    with path.open("w", encoding="utf-8", newline="") as stream:
        if format == "csv":
            table = csv.DictWriter(stream, [*rows[0]])
            table.writeheader()
            table.writerows(rows)
        else:
            text = [json.dumps(row) for row in rows]
            stream.write(f"[{','.join(text)}]" if format == "json" else "\n".join(text))
    (file,) = check_files(tasks.get(task)(), [str(path)])["files"]
    assert (file["records"], len(file["malformed"]), file["stopped"]) == (6, 2, None)


def test_where_the_reading_ended_is_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('premise,hypothesis,label\na,b,neutral\n"a"x,b,neutral\na,c,neutral\n')
    checked = check_files(tasks.get("nli")(), [str(path)])
    assert (checked["files"][0]["records"], checked["files"][0]["stopped"]) == (1, f"{path}:3")
    assert f"cannot be read further than {path}:3" in " ".join(checked["problems"])


def test_a_format_that_the_name_does_not_say_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "Ana", "label": [[0, 3, "PER"]]}) + "\n")
    with pytest.raises(XltError, match="'words' is missing") as caught:
        check_files(tasks.get("ner")(), [str(path)])
    assert "`--input-format doccano`;" in (caught.value.fix or "")
    assert "prodigy" not in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("doccano", {"text": "Ana", "label": [[0, 3, "PER"]]}),
        ("prodigy", {"text": "Ana", "spans": [{"start": 0, "end": 3, "label": "PER"}]}),
        ("label-studio", {"data": {"text": "Ana"}, "annotations": [{"result": []}]}),
        ("jsonl", {"words": ["Ana"], "tags": ["B-PER"]}),
    ],
)
def test_an_id_that_is_there_twice_is_malformed(tmp_path, format, row):
    rows = [json.dumps({"id": id, **row}) for id in (7, 8, 7)]
    path = tmp_path / "a.json"
    path.write_text(f"[{','.join(rows)}]" if format == "label-studio" else "\n".join(rows))
    checked = check_files(tasks.get("ner")(), [str(path)], input_format=format)
    (problem,) = checked["files"][0]["malformed"]
    assert "the id '7' has been used before" in problem["what"]
    assert checked["files"][0]["records"] == 2


def test_the_command(files, tmp_path, capsys):
    def run(*arguments: str) -> tuple[object, str, str]:
        with command_of_its_own(), pytest.raises(SystemExit) as ended:
            main(["data", "check", *arguments])
        return ended.value.code, *capsys.readouterr()

    code, out, err = run(*files, "--task", "ner", "--language", "jv")
    assert (code, err) == (0, "")
    assert "entities  PER" in out
    (tmp_path / "bad.bio").write_text("Ana B-PER O\nran\n\nYa O\n")
    code, out, _ = run(str(tmp_path / "bad.bio"), "--task", "ner")
    assert code == 2
    assert "bad.bio:2" in out
    for more in ([], ["--input-format", "bio"]):
        code, _, err = run(files[0], *more)
        assert code == 2
        assert "does not say for which task" in err
    code, _, err = run("sample-ner", "--task", "ner")
    assert (code, "sample-ner is a data card" in err) == (2, True)
    code, _, err = run("--task", "ner")
    assert (code, "no file is named" in err) == (2, True)
