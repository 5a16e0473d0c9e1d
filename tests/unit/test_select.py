"""`xlt select`: what is written of the texts that are chosen, and what is refused."""

from __future__ import annotations

import json

import pytest
from models import make_model

from xlt.errors import XltError
from xlt.registry import tasks
from xlt.runs.select import select

LINES = ["Ana sleeps in Bilbao", "Bilbao sleeps", "She sleeps", "Ana sleeps in Bilbao"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), "ner")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("\n".join([*LINES[:2], "", *LINES[2:]]) + "\n", encoding="utf-8")
    return path


def chosen(model, source, output, **told):
    return select(model, str(source), str(output), input_format="words", quiet=True, **told)


def test_label_studio_gets_the_best_first_and_why(model, source, tmp_path, caplog):
    output = tmp_path / "tasks.json"
    summary = chosen(model, source, output)
    given = json.loads(output.read_text(encoding="utf-8"))
    assert summary["records"] == len(given) == 3  # the last line is there twice
    assert summary["of"] == 4
    assert "3 of 4 texts are chosen: the others are near duplicates of these" in caplog.text
    assert summary["words"] == sum(len(one["data"]["text"].split()) for one in given) == 8
    reasons = [one["data"]["selection"] for one in given]
    assert [reason["rank"] for reason in reasons] == [1, 2, 3]
    assert reasons[0]["score"] >= reasons[1]["score"] >= reasons[2]["score"] > 0
    # None has ten words: the first is worth its errors by ten.
    assert reasons[0]["score"] == pytest.approx(reasons[0]["expected_errors"] / 10, abs=1e-4)
    places = {"Bilbao sleeps": f"{source}:2", "She sleeps": f"{source}:4"}
    for one, reason in zip(given, reasons, strict=True):
        assert 0 < one["predictions"][0]["score"] < 1
        text = one["data"]["text"]
        assert reason["words"] == len(text.split())
        if text in places:
            assert reason["from"] == places[text]
        else:
            assert text == LINES[0]
            assert reason["from"] in (f"{source}:1", f"{source}:5")
    # What is corrected comes back as data, and what else the file says with it.
    task = tasks.get("ner")()
    back = list(task.documents(output, "label-studio", predictions=True))
    assert [document.text.surface for document in back] == [one["data"]["text"] for one in given]
    assert back[0].meta["fields"]["selection"] == reasons[0]


def test_other_formats_and_ways(model, source, tmp_path):
    written = {}
    for name, format in (("a.jsonl", "doccano"), ("b.jsonl", "prodigy"), ("c.bio", None)):
        output = tmp_path / name
        told = {"number": 2, "by": "random", "seed": 3, "output_format": format}
        assert chosen(model, source, output, **told)["records"] == 2
        written[name] = output.read_text(encoding="utf-8")
    doccano, prodigy = (
        [json.loads(line) for line in written[name].splitlines()] for name in ("a.jsonl", "b.jsonl")
    )
    assert [row["text"] for row in doccano] == [row["text"] for row in prodigy]
    assert doccano[0]["selection"]["rank"] == prodigy[0]["meta"]["rank"] == 1
    assert written["c.bio"].count("\n\n") == 2
    again = tmp_path / "again.bio"
    chosen(model, source, again, number=2, by="random", seed=3)
    assert again.read_text(encoding="utf-8") == written["c.bio"]


def test_words_are_limited(model, source, tmp_path):
    summary = chosen(model, source, tmp_path / "out.json", max_words=3)
    assert (summary["records"], summary["words"]) == (1, 2)


def test_why_there_are_fewer_is_said(model, source, tmp_path, caplog):
    """And nothing, where there are no more texts than are chosen."""
    chosen(model, source, tmp_path / "a.json", max_words=1)
    assert "0 of 4 texts are chosen: the others have too many words" in caplog.text
    caplog.clear()
    source.write_text("\n".join(LINES[:3]) + "\n", encoding="utf-8")
    chosen(model, source, tmp_path / "b.json")
    assert "are chosen" not in caplog.text


def test_each_way_has_its_score(model, source, tmp_path):
    def reasons(by):
        output = tmp_path / f"{by}.json"
        chosen(model, source, output, by=by)
        tasks = json.loads(output.read_text(encoding="utf-8"))
        return [one["data"]["selection"] for one in tasks]

    for reason in reasons("uncertainty"):
        assert reason["score"] == pytest.approx(reason["expected_errors"] / 10, abs=1e-4)
    assert {reason["score"] for reason in reasons("random")} == {1.0}
    last = reasons("mixed")[-1]  # the most like what is chosen already
    assert last["score"] < last["expected_errors"] / 10 - 1e-4


def test_an_output_that_cannot_be_is_said_before_anything_is_predicted(model, source, monkeypatch):
    monkeypatch.setattr("xlt.runs.predict.FileAnnotator.annotated", None)
    with pytest.raises(XltError, match="brat is not text"):
        chosen(model, source, "-", output_format="brat")


def test_a_field_meta_of_another_tool_stays(model, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "Ana sleeps", "label": [], "meta": "web"}\n', encoding="utf-8")
    output = tmp_path / "out.jsonl"
    told = {"input_format": "doccano", "output_format": "prodigy", "language": "eng"}
    select(model, str(source), str(output), quiet=True, **told)
    row = json.loads(output.read_text(encoding="utf-8"))
    assert (row["meta"]["meta"], row["meta"]["rank"]) == ("web", 1)


def test_what_is_refused(model, source, tmp_path):
    before = source.read_text(encoding="utf-8")
    for told, where, what in (
        ({"by": "length"}, "--by", "'length'"),
        ({"output_format": "standoff"}, "--format", "does not write 'standoff'"),
        ({"output": source}, "--output", "a file of the input"),
    ):
        with pytest.raises(XltError, match=what) as raised:
            chosen(model, source, **{"output": tmp_path / "out.json", **told})
        assert raised.value.where == where
        assert raised.value.fix
    assert source.read_text(encoding="utf-8") == before
    assert not (tmp_path / "out.json").exists()


def test_a_model_without_confidence_chooses_by_what_needs_none(tmp_path):
    """One that writes text."""
    model = make_model(tmp_path / "model", "ner", model="slots")
    source = tmp_path / "in.txt"
    source.write_text("Ana sleeps\n", encoding="utf-8")
    output = tmp_path / "out.json"
    for by in ("mixed", "uncertainty"):
        with pytest.raises(XltError, match="how sure") as raised:
            chosen(model, source, output, by=by)
        assert (raised.value.where, raised.value.fix) == (
            "--by",
            "pass --by diversity or --by random",
        )
    chosen(model, source, output, by="diversity")
    (one,) = json.loads(output.read_text(encoding="utf-8"))
    assert "score" not in one["predictions"][0]
    assert one["data"]["selection"] == {
        "rank": 1, "score": 1.0, "words": 2, "from": f"{source}:1",
    }  # fmt: skip
