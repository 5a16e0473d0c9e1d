"""`xlt predict` of standard input in a task's format: as it comes, and all before an error."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from models import make_model

from xlt.data.columns import LOOK_AHEAD
from xlt.data.files import STDIN_PATH, lines
from xlt.errors import XltError
from xlt.registry import tasks
from xlt.runs import predict
from xlt.runs.reading import read_input


@pytest.fixture
def pipe(monkeypatch):
    """Standard input that is a pipe, and what writes into it."""
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, encoding="utf-8") as source,
        os.fdopen(writing, "w", encoding="utf-8", buffering=1) as stream,
    ):
        monkeypatch.setattr(sys, "stdin", source)
        timer = threading.Timer(30, stream.close)  # who waits for the end waits for this
        timer.start()
        yield stream
        timer.cancel()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), "ner")


def piped(monkeypatch, text: str | bytes) -> None:
    data = text.encode() if isinstance(text, str) else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


ROW = {
    "ner": "Ana\tB-PER\nsleeps\tO\n\n",
    "dependency_parsing": "1\tGo\t_\t_\t_\t_\t0\troot\t_\t_\n\n",
    "nli": json.dumps({"premise": "Ana sleeps.", "hypothesis": "She sleeps."}) + "\n",
    "event_extraction": json.dumps({"words": ["Ana", "sleeps"]}) + "\n",
}
FORMATS = {"ner": "bio", "dependency_parsing": "conllu"}


@pytest.mark.parametrize("task", list(ROW))
def test_records_come_before_the_input_ends(pipe, task):
    records = read_input(tasks.get(task)(), "-", FORMATS.get(task, "jsonl"), None)
    pipe.write(ROW[task] * (LOOK_AHEAD + 2))
    first = next(records)
    assert first.texts
    pipe.write(ROW[task])
    pipe.close()
    assert len(list(records)) == LOOK_AHEAD + 2


def test_an_error_comes_after_all_that_was_before_it(model, monkeypatch, capsys):
    monkeypatch.setattr(predict, "MAX_SENTENCES_HELD", 4)
    piped(monkeypatch, ROW["ner"] * 6 + "Ana\tB-PER\tO\n\n" + ROW["ner"])
    with pytest.raises(XltError, match="columns") as raised:
        predict.predict(model, "-", "-", input_format="bio", quiet=True)
    assert raised.value.where == "<stdin>:19"
    written = capsys.readouterr().out
    assert written.count("Ana\t") == 6
    assert written.endswith("\n\n")


def test_what_was_predicted_before_an_error_is_kept(model, monkeypatch, tmp_path, caplog):
    piped(monkeypatch, ROW["ner"] * 3 + "Ana\n\n")
    with caplog.at_level(logging.WARNING), pytest.raises(XltError, match="column"):
        predict.predict(model, "-", str(tmp_path / "out.bio"), input_format="bio", quiet=True)
    assert not (tmp_path / "out.bio").exists()
    assert (tmp_path / "out.bio.part").read_text(encoding="utf-8").count("Ana\t") == 3
    assert "before the error is in" in caplog.text


def test_a_reader_may_look_at_the_beginning_first(monkeypatch):
    piped(monkeypatch, "a\nb\nc\n")
    assert next(lines(STDIN_PATH)) == (1, "a")
    assert [line for _, line in lines(STDIN_PATH)] == ["a", "b", "c"]
    assert [line for _, line in lines("-")] == ["a", "b", "c"]


def test_but_not_far(monkeypatch):
    monkeypatch.setattr("xlt.data.files._MAX_KEPT", 3)
    piped(monkeypatch, "a\nb\nc\n")
    assert [line for _, line in lines(STDIN_PATH)] == ["a", "b", "c"]
    with pytest.raises(XltError, match="read more than once") as raised:
        next(lines(STDIN_PATH))
    assert "write it to a file" in str(raised.value.fix)


def test_standard_input_is_not_kept(monkeypatch):
    """What is held of it is bounded, however long it is."""
    monkeypatch.setattr("xlt.data.files._MAX_KEPT", 1000)
    piped(monkeypatch, "word\n" * 100_000)
    found = lines(Path("/dev/stdin"))
    next(found)
    from xlt.data.files import _pipe

    assert sum(1 for _ in found) == 99_999
    assert _pipe(sys.stdin.buffer).kept is None


@pytest.mark.parametrize("format", ["doccano", "label-studio", "prodigy", "brat"])
def test_texts_go_back_to_the_tool_that_they_came_from(model, tmp_path, format):
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": 7, "text": "Ana  sleeps.", "by": "me"}))
    out = tmp_path / "out"
    given = {"input_format": "doccano", "output_format": format, "language": "eng"}
    predict.predict(model, str(tmp_path / "in.jsonl"), str(out), quiet=True, **given)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    (document,) = tasks.get("ner")().documents(out, format, labelled=False)
    assert document.text.surface == "Ana  sleeps."
    assert document.id == "7"
    if format != "brat":
        assert document.meta["fields"]["by"] == "me"


def test_a_folder_is_not_written_over_another_nor_to_standard_output(model, tmp_path):
    (tmp_path / "in.txt").write_text("Ana sleeps.")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    for output in ("-", str(tmp_path / "out")):
        with pytest.raises(XltError, match=r"brat is not text|something of this name"):
            predict.predict(
                model, str(tmp_path / "in.txt"), output, language="eng", output_format="brat"
            )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_progress_that_is_no_terminal_s_is_lines_of_the_log(monkeypatch, capsys, caplog):
    caplog.set_level(logging.INFO)
    seconds = iter([0.0, 1.0, 60.0, 60.0, 61.0])
    monkeypatch.setattr(predict.time, "monotonic", lambda: next(seconds))
    chunks = [[SimpleNamespace(documents=(1, 2))]] * 3
    assert list(predict._progress(iter(chunks), quiet=False)) == chunks
    assert caplog.messages == ["predict: 4 sentences so far"]
    assert capsys.readouterr().err == ""
