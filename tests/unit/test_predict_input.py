"""What `xlt predict` reads: the same files by the same rules as training, and text of no task."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from xlt.errors import XltError
from xlt.registry import tasks
from xlt.runs.reading import files_of, input_formats, read_input

CONLLU = """\
# sent_id = a-1
# text = Delle case, sì.
1-2\tDelle\t_\t_\t_\t_\t_\t_\t_\t_
1\tDi\t_\tADP\t_\t_\t3\tcase\t_\t_
2\tle\t_\tDET\t_\t_\t3\tdet\t_\t_
3\tcase\t_\tNOUN\t_\t_\t_\t_\t_\tSpaceAfter=No
4\t,\t_\tPUNCT\t_\t_\t_\t_\t_\t_
5\tsì\t_\tINTJ\t_\t_\t_\t_\t_\tSpaceAfter=No
6\t.\t_\tPUNCT\t_\t_\t_\t_\t_\t_

1\tno\t_\t_\t_\t_\t_\t_\t_\t_

"""
WORDS = ["Di", "le", "case", ",", "sì", "."]


def read(task: str, source: Path | str, format: str | None = None, **more: Any) -> list[Any]:
    language = more.pop("language", None)
    return list(read_input(tasks.get(task)(), str(source), format, language, **more))


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    # As Python opens it in the C locale; only the bytes count.
    stream = io.TextIOWrapper(io.BytesIO(data), "ascii", "surrogateescape")
    monkeypatch.setattr(sys, "stdin", stream)


@pytest.mark.parametrize("task", ["ner", "event_extraction", "dependency_parsing"])
@pytest.mark.parametrize("name", ["in.conllu", "in.CoNLLU", "in.conllu.gz"])
def test_conllu_is_read_by_every_task_of_words(tmp_path: Path, task: str, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".gz"):
        import gzip

        path.write_bytes(gzip.compress(CONLLU.encode()))
    else:
        path.write_text(CONLLU, encoding="utf-8")
    first, second = read(task, path)
    assert (first.id, list(first.words)) == ("a-1", WORDS)
    assert (second.id, second.words) == ("2", ("no",))


def test_the_surface_of_conllu_reaches_the_task(tmp_path: Path) -> None:
    (tmp_path / "in.conllu").write_text(CONLLU, encoding="utf-8")
    first, _ = read("ner", tmp_path / "in.conllu")
    assert first.text.surface == "Delle case, sì."
    assert first.text.offsets[:3] == ((0, 5), (0, 5), (6, 10))
    assert first.text.space_after == [False, True, False, True, False, True]


def test_conllu_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in ("ner", "dependency_parsing"):
        stdin(monkeypatch, b"\xef\xbb\xbf" + CONLLU.replace("\n", "\r\n").encode())
        assert [d.id for d in read(task, "-", "conllu")] == ["a-1", "2"]


def test_a_table_with_the_suffix_of_conllu_is_the_tasks(tmp_path: Path) -> None:
    path = tmp_path / "in.conllu"
    path.write_text("1\tgo\t_\t_\t_\t_\t0\troot\t_\t_\tgo.01\t_\n", encoding="utf-8")
    (record,) = read("event_extraction", path)
    assert record.layers["given"].structures[0].head.kind == "go.01"
    path.write_text(
        "# global.columns = ID FORM UP:PRED UP:ARGSPANS\n1\tgo\tgo.01\t_\n", encoding="utf-8"
    )
    (record,) = read("event_extraction", path)
    assert record.layers["given"].structures[0].head.kind == "go.01"
    assert read("ner", path)[0].words == ("go",)


@pytest.mark.parametrize("name", ["in.json", "in.html", "in", "in.bio.zip"])
def test_an_unknown_suffix_is_no_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Ana B-PER\n")
    with pytest.raises(XltError, match="does not say what is in the file") as caught:
        read("ner", tmp_path / name, language="eng")
    assert caught.value.fix.startswith(
        "pass --input-format, one of text, words, conllu, bio, jsonl, doccano, "
    )
    assert read("ner", tmp_path / name, "bio")[0].words == ("Ana",)


def test_formats_are_those_that_the_task_can_take(tmp_path: Path) -> None:
    tools = ["doccano", "label-studio", "prodigy"]
    assert input_formats(tasks.get("nli")()) == ["jsonl", "tsv", "csv", "json", *tools]
    assert input_formats(tasks.get("dependency_parsing")()) == ["text", "words", "conllu"]
    with pytest.raises(XltError, match="no input format 'txt'") as caught:
        read("nli", "-", "txt")
    assert caught.value.fix == "valid: csv, doccano, json, jsonl, label-studio, prodigy, tsv"
    (tmp_path / "in.txt").write_text("a b\n")
    for source, format in ((tmp_path / "in.txt", None), (tmp_path / "in.txt", "conllu")):
        with pytest.raises(XltError, match="a premise and a hypothesis are needed"):
            read("nli", source, format)


def test_text_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.TXT").write_text("Ana O\n", encoding="utf-8")  # columns for training only
    assert read("ner", tmp_path / "in.TXT", language="eng")[0].words == ("Ana", "O")
    with pytest.raises(XltError, match="running text needs a language"):
        read("ner", tmp_path / "in.TXT")
    stdin(monkeypatch, "\ufeffAna läuft.\r\n".encode())
    assert read("ner", "-", language="deu")[0].words == ("Ana", "läuft", ".")


def test_a_text_beside_its_annotation_is_read_once(tmp_path: Path) -> None:
    for name in ("a.ann", "a.txt", "b.txt"):
        (tmp_path / name).write_text("Ta zo.")
    ner, names = tasks.get("ner")(), [str(tmp_path / name) for name in ("a.ann", "a.txt", "b.txt")]
    assert files_of(ner, [str(tmp_path)], None) == [names[0], names[2]]
    assert files_of(ner, names, None) == [names[0], names[2]]
    assert files_of(ner, [str(tmp_path)], "text") == names
    assert files_of(tasks.get("dependency_parsing")(), [str(tmp_path)], None) == names[1:]


def test_it_is_said_why_a_file_of_a_folder_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, text in (("a.txt", "Ta zo."), ("b.txt", ""), ("c.pdf", "%PDF")):
        (tmp_path / name).write_text(text)
    assert files_of(tasks.get("ner")(), [str(tmp_path)], None) == [str(tmp_path / "a.txt")]
    assert "b.txt is left out: the file is empty" in caplog.text
    assert "c.pdf is left out: the name 'c.pdf' does not say" in caplog.text


def test_columns_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "in.BIO").write_text("Ana B-PER\nruns O\n")
    assert read("ner", tmp_path / "in.BIO")[0].words == ("Ana", "runs")


def test_words_are_what_stands_between_spaces(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    lines = ["10\u00a0000 villes \u3000  ici ", " lannée\u202fs «\u00a0Kano\u00a0»\u2028x", "", " "]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    assert [list(d.words) for d in read("ner", path, "words")] == [
        ["10\u00a0000", "villes", "\u3000", "ici"],
        ["lannée\u202fs", "«\u00a0Kano\u00a0»\u2028x"],
    ]
    path.write_text("a b\na\tb\n")
    with pytest.raises(XltError, match=f"{path}:2: there is a tab"):
        read("ner", path, "words")


@pytest.mark.parametrize("format", ["words", "bio", "conllu", "jsonl"])
def test_standard_input_is_strict(monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    stdin(monkeypatch, b"\n\n\xff\n")
    with pytest.raises(XltError, match="byte 0xff at position 1") as caught:
        read("ner", "-", format)
    assert caught.value.where == "<stdin>:3"
    assert "/tmp" not in str(caught.value)


def test_options_of_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "in.bio"
    path.write_text("Ana I-PER\n")
    assert read("ner", path, options={"scheme": "IOB1"})[0].words == ("Ana",)
    with pytest.raises(XltError, match="no option 'shceme'") as caught:
        read("ner", path, options={"shceme": "IOB1"})
    assert caught.value.where == "--option (shceme)"
    with pytest.raises(XltError, match="no options for reading words") as caught:
        read("ner", path, "words", options={"scheme": "IOB1"})
    assert caught.value.where == "--option (scheme)"


TAGGED = "Ana B-PER\nlives O\n\nHere O\n"
IOB1 = "-DOCSTART- -X- O O\n\nAna NNP I-NP I-PER\nleft VBD I-VP O\n"
TEXTS = ["Wir nehmen die U-Bahn\n", "Ana B-PER\nlives here\n", "O\nO\n", "We took\nthe U-Bahn\n"]


def test_columns_that_are_called_text_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("# a = b\n" + TAGGED)
    ner = [one.words for one in read("ner", path, language="eng")]
    assert ner == [("Ana", "lives"), ("Here",)]
    path.write_text(IOB1)
    with pytest.raises(XltError, match=r"in.txt:3: I-PER after O continues no entity"):
        read("ner", path, language="eng", options={"scheme": "IOB2"})
    (document,) = read("ner", path, language="eng")
    assert document.words == ("Ana", "left")
    # Another task does not read columns: to it they are text.
    path.write_text(TAGGED)
    assert len(read("dependency_parsing", path, language="eng")[0].words) > 2
    path.write_text(CONLLU, encoding="utf-8")
    for task in ("ner", "dependency_parsing"):
        assert read(task, path, language="ita")[0].words == tuple(WORDS)


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_ends_like_columns_is_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "in.txt").write_text(text)
    words = [word for one in read("ner", tmp_path / "in.txt", language="deu") for word in one.words]
    assert "".join(words) == "".join(text.split())


@pytest.mark.parametrize("format", ["text", "words"])
def test_a_file_of_empty_lines_is_no_text(tmp_path: Path, format: str) -> None:
    (tmp_path / "in.txt").write_text("\n \n")
    with pytest.raises(XltError, match=r"in\.txt: there is no text in it"):
        read("ner", tmp_path / "in.txt", format, language="eng")
