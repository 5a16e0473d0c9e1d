"""xlt.runs.continued: the config that follows a run, with labelled texts of its target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xlt.config.load import dump, load_config
from xlt.errors import XltError
from xlt.results import CONFIG
from xlt.runs import continued as module
from xlt.runs.continued import continued, next_name

SENTENCE = "Ani\tB-PER\nlunga\tO\nSolo\tB-LOC\n\n"


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Makes the folder of a run that is taken to be finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "read_result", lambda folder: {})
    for name, count in (("eng", 4), ("first", 2), ("second", 3)):
        text = SENTENCE.replace("lunga", name) * count
        (tmp_path / f"{name}.bio").write_text(text, encoding="utf-8")
    (tmp_path / "copy.bio").write_text(SENTENCE.replace("lunga", "first"), encoding="utf-8")
    (tmp_path / "none.bio").write_text("Ani\tO\n\n", encoding="utf-8")

    def run(**changes):
        config = {
            "name": "given",
            "task": "ner",
            "data": {"eng": {"train": "eng.bio"}, "jav": {"test": "eng.bio"}},
            "source": "eng",
            "target": ["jav"],
            "strategy": "zero_shot",
            **changes,
        }
        (tmp_path / "given.yaml").write_text(json.dumps(config), encoding="utf-8")
        return folder_of(load_config(tmp_path / "given.yaml"))

    def folder_of(loaded):
        folder = tmp_path / "runs" / loaded.config.name
        folder.mkdir(parents=True)
        (folder / CONFIG).write_text(dump(loaded.config), encoding="utf-8")
        return folder

    run.of = folder_of
    return run


def test_what_trains_the_source_again_is_said(finished, caplog):
    run = finished()
    continued(run, ["first.bio", "strategy.target_stage.epochs=3", "training.report_to=[]"])
    assert not caplog.messages
    continued(run, ["first.bio", "training.epochs=7", "task.rename={X: PER}"])
    (said,) = caplog.messages
    assert said.startswith("task.rename, training.epochs: not as in the run, so its first stage")


def test_a_second_and_a_third_round(finished, tmp_path):
    first = continued(finished(), ["first.bio", "training.epochs=3"])
    assert first.config.output.root == tmp_path / "runs"
    assert first.config.name == "given-2"
    assert first.config.strategy.name == "few_shot"
    assert first.config.strategy.options["k"] == 2
    assert first.config.training.epochs == 3
    second = continued(finished.of(first), ["second.bio", "name=other"])
    assert second.config.name == "other"
    assert second.config.strategy.options["k"] == 5
    files = [str(tmp_path / name) for name in ("first.bio", "second.bio")]
    assert [one.ref for one in second.config.data["jav"].train] == files
    assert second.config.training.epochs == 3


def test_what_a_zero_shot_run_has_not_learnt_from_is_not_taken(finished):
    data = {"eng": {"train": "eng.bio"}, "jav": {"train": "second.bio"}}
    found = continued(finished(data=data), ["first.bio"]).config
    assert [one.ref.rpartition("/")[2] for one in found.data["jav"].train] == ["first.bio"]


def test_what_is_held_out_is_not_learnt_from(finished):
    data = {"eng": {"train": "eng.bio"}, "jav": {"dev_share": 0.34}}
    assert continued(finished(data=data), ["second.bio"]).config.strategy.options["k"] == 1


def test_texts_where_nothing_is_marked(finished):
    found = continued(finished(), ["none.bio", "first.bio"]).config
    assert found.strategy.options["k"] == 3


def test_a_tools_file_is_recognised(finished, tmp_path):
    row = {"text": "Ani lunga", "label": [[0, 3, "PER"]]}
    (tmp_path / "export.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (found,) = continued(finished(), ["export.jsonl"]).config.data["jav"].train
    assert found.format == "doccano"
    (found,) = (
        continued(finished(name="b"), ["first.bio"], options={"scheme": "IOB2"})
        .config.data["jav"]
        .train
    )
    assert found.options == {"scheme": "IOB2"}


ALL = {
    "data": {"eng": {"train": "eng.bio"}, "jav": {"train": "second.bio"}},
    "strategy": {"name": "few_shot", "k": 3},
}
FEW = {
    "data": {"eng": {"train": "eng.bio"}, "jav": {"train": "second.bio"}},
    "strategy": {"name": "few_shot", "k": 2},
}


@pytest.mark.parametrize(
    ("changes", "arguments", "what"),
    [
        ({}, [], "there are no labelled texts to go on with"),
        ({}, ["training.epochs=3"], "there are no labelled texts to go on with"),
        ({}, ["nowhere.bio"], "there is no such file"),
        ({}, ["none.bio"], "there is no annotation in what is given"),
        (ALL, ["first.bio", "second.bio"], "3 of 5 texts are among those that the run has learnt"),
        ({}, ["first.bio", "second.bio", "copy.bio"], "1 of 2 texts are in several of the files"),
        ({"target": ["jav", "eng"]}, ["first.bio"], "the run has several targets: jav, eng"),
        ({"strategy": "joint"}, ["first.bio"], "strategy is joint, which labelled texts cannot"),
        (FEW, ["first.bio"], "learnt from 2 of the 3 records of data.jav.train"),
    ],
)
def test_what_is_refused(finished, changes, arguments, what):
    with pytest.raises(XltError, match=what) as caught:
        continued(finished(**changes), arguments)
    assert caught.value.where
    assert caught.value.fix


def test_only_finished_runs(tmp_path):
    with pytest.raises(XltError, match="this is not a run folder"):
        continued(tmp_path, ["first.bio"])


@pytest.mark.parametrize(
    ("name", "following"),
    [
        ("a", "a-2"),
        ("a-2", "a-3"),
        ("a-9", "a-10"),
        ("a-0", "a-0-2"),
        ("7", "7-2"),
        ("a-b", "a-b-2"),
    ],
)
def test_names_are_numbered(name, following):
    assert next_name(name) == following


def test_what_comes_after_training_can_be_pasted():
    from xlt.commands.train import _next

    said = _next(Path("my runs/a"), {"summary": [{}]})
    assert "`xlt predict 'my runs/a' FILE`" in said
    assert "`xlt report 'my runs/a'`" in said
    assert "report" not in _next(Path("a"), {"summary": []})


def test_labels_that_the_run_has_not_learnt(finished, tmp_path, caplog):
    (tmp_path / "odd.bio").write_text("Ani\tB-PRE\nmangan\tO\nSolo\tB-LOC\n\n", encoding="utf-8")
    continued(finished(), ["odd.bio"])
    (said,) = caplog.messages
    assert said.startswith("odd.bio: the run has not learnt the label 'PRE' (entities)")
    assert "did you mean 'PER'?" in said
    caplog.clear()
    continued(finished(name="other"), ["odd.bio", "task.rename={PRE: PER}"])
    assert "PRE" not in caplog.text


def test_annotation_of_which_nothing_counts(finished, tmp_path):
    (tmp_path / "odd.bio").write_text("Ani\tB-PRE\nmangan\tO\n\n", encoding="utf-8")
    run = finished(task={"name": "ner", "types": ["PER", "LOC"]})
    with pytest.raises(XltError, match="nothing of the annotation counts") as caught:
        continued(run, ["odd.bio"])
    assert "LOC, PER" in caught.value.fix
    assert continued(run, ["odd.bio", "task.rename={PRE: PER}"]).config.task.options


@pytest.mark.parametrize("key", ["target=[jav]", "data.jav.train=[first.bio]", "data={}"])
def test_what_the_files_say_is_not_said_again(finished, key):
    with pytest.raises(XltError, match="the run and the files say this") as caught:
        continued(finished(), ["first.bio", key])
    assert key.partition("=")[0] in caught.value.where


def test_trees_without_the_relations_of_the_run_count(finished, tmp_path):
    line = "{0}\tAni\t_\tNOUN\t_\t_\t{1}\t{2}\t_\t_\n"
    source = line.format(1, 0, "root") + line.format(2, 1, "nmod:poss") + "\n"
    (tmp_path / "eng.conllu").write_text(source, encoding="utf-8")
    text = source.replace("nmod:poss", "nmod").replace("Ani", "Budi")
    (tmp_path / "new.conllu").write_text(text, encoding="utf-8")
    run = finished(
        task={"name": "dependency_parsing", "subtypes": True},
        data={"eng": {"train": "eng.conllu"}, "jav": {"test": "eng.conllu"}},
    )
    assert continued(run, ["new.conllu"]).config.strategy.options["k"] == 1
