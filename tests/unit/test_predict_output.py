"""What `xlt predict` writes: offsets into the very input, one record out for one in, any files."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from models import make_model

from xlt.document import Document, Label, Text, Tree
from xlt.errors import XltError
from xlt.model import calibration
from xlt.registry import tasks
from xlt.runs.evaluate import evaluate
from xlt.runs.predict import _outputs, open_target, predict
from xlt.standoff import entries, standoff

LINES = [
    "  Budi bought three books. Sri Mulyani will visit  Yogyakarta!",
    "",
    "\u00a0北京的天气很好。  Ya ",
    "   ",
    "Dr. Abebe\u0301 ist 👩‍🔬 in Köln",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "ner": make_model(root, "ner", ("eng",)),
        "dependency_parsing": make_model(root, "dependency_parsing"),
        "nli": make_model(root, "nli"),
    }


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8", newline="\n")
    return path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def standoff_of(model: Path, source: Path | str, output: Path, **more: Any) -> list[dict[str, Any]]:
    more = {"output_format": "standoff", "quiet": True} | more
    predict(model, str(source), str(output), **more)
    return records(output)


@pytest.mark.parametrize("format", ["text", "words"])
def test_a_line_out_for_a_line_in(models, text, tmp_path, format):
    out = standoff_of(models["ner"], text, tmp_path / "out", input_format=format)
    assert [one["text"] for one in out] == LINES
    assert [(one["file"], one["line"]) for one in out] == [(str(text), n) for n in range(1, 6)]
    assert out[1]["entities"] == out[3]["entities"] == []
    entities = [(one["text"], entity) for one in out for entity in one["entities"]]
    assert {entity["label"] for _, entity in entities} <= {"PER", "LOC", "ORG"}
    assert len(entities) > 3
    for line, entity in entities:
        assert line[entity["start"] : entity["end"]] == entity["text"]
        assert entity["text"].strip()


def test_annotation_tools_says_what_the_tasks_format_says(models, text, tmp_path):
    ner = tasks.get("ner")()
    predict(models["ner"], str(text), str(tmp_path / "out.bio"), quiet=True)
    sentences = list(ner.read(tmp_path / "out.bio", "bio"))
    spans = [list(one.layers["entities"].spans) for one in sentences]
    found = [
        [s.kind, " ".join(one.words[s.start : s.end])]
        for one, of_one in zip(sentences, spans, strict=True)
        for s in of_one
    ]
    out = standoff_of(models["ner"], text, tmp_path / "out")
    entities = [entity for one in out for entity in one["entities"]]
    assert [e["label"] for e in entities] == [kind for kind, _ in found]
    for entity, (_, words) in zip(entities, found, strict=True):
        assert "".join(entity["text"].split()) == "".join(words.split())


@pytest.mark.parametrize("format", ["doccano", "prodigy", "label-studio"])
def test_an_empty_text_gets_an_empty_answer(models, tmp_path, format):
    texts = ["Ana met Budi in Solo.", " ", "Sri sleeps."]
    rows: list[dict[str, Any]] = [{"id": n, "text": text} for n, text in enumerate(texts)]
    if format == "label-studio":
        rows = [{"id": row["id"], "data": {"text": row["text"], "by": "me"}} for row in rows]
        path = tmp_path / "in.json"
        path.write_text(json.dumps(rows))
    else:
        path = tmp_path / "in.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
    told = {"input_format": format, "quiet": True}
    found = standoff_of(models["ner"], path, tmp_path / "out", **told)
    assert [one["text"] for one in found] == texts
    assert found[1]["entities"] == []
    predict(models["ner"], str(path), str(tmp_path / "out2"), output_format=format, **told)
    written = (tmp_path / "out2").read_text()
    again = json.loads(written) if format == "label-studio" else records(tmp_path / "out2")
    assert [one.get("data", one)["text"] for one in again] == texts
    if format == "label-studio":
        assert again[1]["predictions"][0]["result"] == []
        assert again[1]["data"]["by"] == "me"


def test_an_empty_text_is_neither_scored_nor_learnt_from(models, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": " ", "label": []}) + "\n")
    for options in ({}, {"labelled": False}):
        with pytest.raises(XltError, match=r"text.* is empty") as caught:
            evaluate(models["ner"], str(path), format="doccano", options=options)
        assert "remove this record" in (caught.value.fix or "")


def test_a_format_that_the_name_does_not_say_is_named(models, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "Ana", "label": [[0, 3, "PER"]]}) + "\n")
    for read in (
        lambda: evaluate(models["ner"], str(path)),
        lambda: predict(models["ner"], str(path), str(tmp_path / "out"), quiet=True),
    ):
        with pytest.raises(XltError, match="'words' is missing") as caught:
            read()
        assert "--input-format doccano" in (caught.value.fix or "")


def test_data_are_in_the_language_that_a_model_is_for(models, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "Ana doesn't.", "label": [[0, 3, "PER"]]}) + "\n")
    found = evaluate(models["ner"], str(path), format="doccano", resamples=2)
    assert found == evaluate(
        models["ner"], str(path), format="doccano", resamples=2, language="eng"
    )
    several = make_model(tmp_path, "ner", ("eng", "jav"))
    with pytest.raises(XltError, match="which nobody has said") as caught:
        evaluate(several, str(path), format="doccano")
    assert "--language" in (caught.value.fix or "")


def test_trees_of_the_sentences_of_a_line(models, text, tmp_path):
    first, blank, *_ = standoff_of(
        models["dependency_parsing"], text, tmp_path / "out", language="eng"
    )
    words = first["tree"]
    assert blank["tree"] == []
    assert [word["id"] for word in words] == list(range(1, len(words) + 1))
    assert [word["head"] for word in words].count(0) == 2  # a root a sentence
    second = next(n for n, word in enumerate(words) if word["text"] == "Sri")
    for n, word in enumerate(words):
        assert first["text"][word["start"] : word["end"]] == word["text"]
        if word["head"]:
            assert (word["head"] - 1 >= second) == (n >= second)


def test_records_of_a_task(models, tmp_path):
    pair = {"premise": "Ana sleeps.", "hypothesis": "She does."}
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"id": "x"} | pair) + "\n\n" + json.dumps(pair) + "\n")
    first, second = standoff_of(models["nli"], path, tmp_path / "out")
    assert first["id"] == "x"
    assert {key: first[key] for key in pair} == {key: second[key] for key in pair} == pair
    assert len(first["label"]) == 1
    assert "line" not in first


def test_heads_and_offsets_count_on() -> None:
    a, b = Text.from_words(["Go", "!"], [False, False]), Text.from_words(["du", "le"])
    b = Text("del", b.words, ((0, 3), (0, 3)))
    trees = Tree((0, 1), ("root", "punct")), Tree((2, 0), ("x", "root"))
    sentences = [
        Document("", {"text": t}, {"tree": tree}) for t, tree in zip((a, b), trees, strict=True)
    ]
    found = entries("tree", zip(sentences, (2, 9), strict=True))
    assert [(e["id"], e["head"], e["start"], e["end"], e["text"]) for e in found] == [
        (1, 0, 2, 4, "Go"),
        (2, 1, 4, 5, "!"),
        (3, 4, 9, 12, "du"),
        (4, 0, 9, 12, "le"),
    ]
    assert standoff(Label("yes"), a, 0, 0) == [{"label": "yes"}]
    with pytest.raises(XltError, match="nothing says how str is written"):
        standoff("no layer", a, 0, 0)  # type: ignore[arg-type]


def test_the_outputs_suffix_says_the_format(models, text, tmp_path):
    predict(models["ner"], str(text), str(tmp_path / "out.jsonl"), quiet=True)
    assert records(tmp_path / "out.jsonl")[0].keys() >= {"id", "words", "tags"}
    parser = models["dependency_parsing"]
    predict(parser, str(text), str(tmp_path / "o.jsonl"), language="eng", quiet=True)
    assert records(tmp_path / "o.jsonl")[0]["tree"]
    predict(parser, str(text), str(tmp_path / "out"), language="eng", quiet=True)
    assert (tmp_path / "out").read_text(encoding="utf-8").startswith("# sent_id = 1\n")
    with pytest.raises(XltError, match="does not write 'bio'") as caught:
        predict(parser, str(text), output_format="bio", language="eng")
    assert caught.value.fix == "valid: conllu, standoff"


def test_several_files_and_folders(models, text, tmp_path, caplog):
    folder = tmp_path / "texts"
    (folder / "b" / ".git").mkdir(parents=True)
    (folder / "a.txt").write_text("Budi. Sri.\n")
    (folder / "b" / "c.conllu").write_text("1\tYa\t_\t_\t_\t_\t_\t_\t_\t_\n\n")
    (folder / "b" / ".git" / "d.txt").write_text("hidden\n")
    (folder / "e.pdf").write_bytes(b"%PDF")
    out = tmp_path / "all.jsonl"
    done = predict(models["ner"], [str(folder), str(text)], str(out), quiet=True)
    assert done["records"] == 2 + 1 + 5
    assert "e.pdf is left out" in caplog.text
    # Sentences without an id of their own are numbered over all files.
    assert [one["id"] for one in records(out)] == ["1", "2", "1", "3", "4", "5", "6", "7"]
    many = tmp_path / "many"
    predict(models["ner"], [str(folder), str(text)], f"{many}/", quiet=True)
    assert sorted(path.name for path in many.iterdir()) == ["a.bio", "c.bio", "in.bio"]
    (folder / "empty").mkdir()
    with pytest.raises(XltError, match="no file in this folder"):
        predict(models["ner"], str(folder / "empty"))


def test_no_output_is_written_over_another(models, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.bio").write_text("Ana O\n")
    both = [str(tmp_path / name / "x.bio") for name in ("a", "b")]
    with pytest.raises(XltError, match="would be written to"):
        predict(models["ner"], both, str(tmp_path / "a"), quiet=True)
    assert (tmp_path / "a" / "x.bio").read_text() == "Ana O\n"


@pytest.mark.parametrize(
    ("output", "html"),
    [
        ("x.bio", None),
        ("./", None),
        ("{}/", None),
        ("link.bio", None),
        ("linked/", None),
        ("out.bio", "x.bio"),
        ("out.bio", "./out.bio"),
    ],
)
def test_no_file_of_the_input_is_written_over(models, tmp_path, monkeypatch, output, html):
    """By whatever name: relative, absolute, or through a link."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.bio").write_text("Ana O\n")
    (tmp_path / "link.bio").symlink_to("x.bio")
    (tmp_path / "linked").symlink_to(tmp_path)
    for given in ("x.bio", str(tmp_path / "x.bio")):
        with pytest.raises(XltError, match=r"written to this file|a file of the input"):
            predict(models["ner"], given, output.format(tmp_path), html=html, quiet=True)
    assert (tmp_path / "x.bio").read_text() == "Ana O\n"
    assert (tmp_path / "link.bio").is_symlink()


def test_a_text_is_an_input_beside_its_annotation(models, tmp_path):
    (tmp_path / "x.txt").write_text("Ana sleeps.")
    (tmp_path / "x.ann").write_text("T1\tPER 0 3\tAna\n")
    with pytest.raises(XltError, match="a file of the input"):
        predict(models["ner"], str(tmp_path / "x.ann"), str(tmp_path / "x.txt"), quiet=True)
    assert (tmp_path / "x.txt").read_text() == "Ana sleeps."


@pytest.mark.parametrize("left", [Path.write_text, Path.mkdir])
@pytest.mark.parametrize("format", ["docbin", "brat"])
def test_what_a_stopped_run_has_left_is_no_obstacle(tmp_path, format, left):
    pytest.importorskip("spacy")
    left(tmp_path / "out.part", *(["old"] if left is Path.write_text else []))
    ner = tasks.get("ner")()
    with open_target(str(tmp_path / "out"), format) as target:
        ner.write_any([ner.from_text("1", Text.from_words(["Ana"]))], target, format)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [d.words for d in ner.documents(tmp_path / "out", format)] == [("Ana",)]


def test_what_was_written_before_an_error_is_kept(tmp_path, caplog):
    def fail(format, name):
        with open_target(str(tmp_path / name), format) as target:
            if format == "brat":
                target.mkdir()
            raise XltError("malformed", where="a:1")

    with pytest.raises(XltError, match="malformed"):
        fail("brat", "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out.part"]
    assert "before the error is in" in caplog.text
    caplog.clear()
    with pytest.raises(XltError, match="malformed"):
        fail("docbin", "b")
    assert not caplog.records


def test_files_of_a_binary_format_are_files(tmp_path):
    ner = tasks.get("ner")()
    assert _outputs(ner, ["a.bio", "b.bio"], f"{tmp_path}/", "docbin") == {
        f"{tmp_path}/a.spacy": ["a.bio"],
        f"{tmp_path}/b.spacy": ["b.bio"],
    }
    assert _outputs(ner, ["a.bio"], f"{tmp_path}/", "brat") == {str(tmp_path): ["a.bio"]}
    (tmp_path / "a.spacy").write_text("old")
    with open_target(f"{tmp_path}/a.spacy", "docbin") as target:
        target.write_text("new")
    assert (tmp_path / "a.spacy").read_text() == "new"
    with pytest.raises(XltError, match="docbin is not text"), open_target("-", "docbin"):
        pass


def test_a_limit_counts_lines_of_all_files(models, text, tmp_path):
    out = standoff_of(models["ner"], text, tmp_path / "out", limit=2)
    assert [one["line"] for one in out] == [1, 2, 3]
    (tmp_path / "b.txt").write_text("Ana.\nBudi.\n")
    predict(
        models["ner"], [str(text), str(tmp_path / "b.txt")], str(tmp_path / "out"),
        output_format="standoff", limit=4, quiet=True,
    )  # fmt: skip
    assert [(Path(one["file"]).name, one["line"]) for one in records(tmp_path / "out")][-2:] == [
        ("in.txt", 5),
        ("b.txt", 1),
    ]


def test_the_language_is_needed_where_it_is_open(models, text, tmp_path):
    predict(models["ner"], str(text), str(tmp_path / "out"), quiet=True)
    with pytest.raises(XltError, match="running text needs a language"):
        predict(models["dependency_parsing"], str(text), str(tmp_path / "out"))


def test_it_is_said_that_confidences_are_not_calibrated(models, text, tmp_path, caplog):
    told = "confidences are not calibrated"
    with caplog.at_level(logging.INFO):
        predict(models["ner"], str(text), str(tmp_path / "out"), quiet=True)
    assert told in caplog.text
    caplog.clear()
    shutil.copytree(models["ner"], tmp_path / "model")
    calibration.save(tmp_path / "model", calibration.Calibration({}, "dev:eng", {}))
    with caplog.at_level(logging.INFO):
        predict(tmp_path / "model", str(text), str(tmp_path / "out"), quiet=True)
    assert told not in caplog.text
