"""What is kept of a user's runs and tables, and the folder that it is kept in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from xlt.config import load
from xlt.errors import XltError
from xlt.results import CONFIG
from xlt.typology import own_scores
from xlt.typology.own_scores import OwnScore, add, mean_by_pair, remove, stamp, stored

GOOD = "source,target,score\nind,jav,50\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# Runs --------------------------------------------------------------------------------------------


def row(target: str, split: str, mean: float, primary: bool = True) -> dict[str, object]:
    metrics = {"f1": {"mean": mean}, "accuracy": {"mean": 1.0}}
    return {"target": target, "split": split, "primary": primary, "metrics": metrics}


def result(*rows: dict[str, object], strategy: str = "zero_shot", source=("ind",)):
    return {
        "task": "ner", "strategy": strategy, "source": list(source), "metrics": ["f1", "accuracy"],
        "summary": list(rows),
    }  # fmt: skip


@pytest.fixture
def runs(monkeypatch):
    """Name → what `read_result` has of the run."""
    known: dict[str, dict[str, object]] = {}
    monkeypatch.setattr(own_scores, "read_result", lambda run: known[run.name])
    monkeypatch.setattr(own_scores, "finished_runs", lambda place: [place / n for n in known])
    config = SimpleNamespace(config=SimpleNamespace(model=SimpleNamespace(encoder="enc")))
    monkeypatch.setattr(load, "load_config", lambda path: config)
    return known


def test_a_zero_shot_run_says_what_its_source_is_worth(runs, tmp_path):
    """By the first metric, on test data where there are some; a member under its macrolanguage."""
    folder = tmp_path / "one"
    runs["one"] = result(
        row("jav", "dev", 10.0), row("jav", "test", 61.234567), row("ind", "test", 90.0),
        row("swh", "dev", 5.0), row("sun", "test", 1.0, primary=False),
    )  # fmt: skip
    scores, skipped = own_scores._from_run(folder)
    assert scores == [
        OwnScore("ner", "ind", "jav", "f1", 61.2346, "enc", f"{folder} (test)"),
        OwnScore("ner", "ind", "swa", "f1", 5.0, "enc", f"{folder} (dev)"),
    ]
    assert skipped == ["one: ind is source and target"]


@pytest.mark.parametrize(
    ("strategy", "source"), [("joint", ["ind"]), ("zero_shot", ["ind", "eng"])]
)
def test_other_runs_say_nothing_of_one_source(runs, tmp_path, strategy, source):
    runs["one"] = result(row("jav", "test", 60.0), strategy=strategy, source=source)
    found = own_scores._from_run(tmp_path / "one")
    assert found == ([], [f"one: {strategy} is no transfer from one source alone"])


def test_a_folder_is_a_run_or_holds_runs(runs, tmp_path):
    runs["one"] = result(row("jav", "test", 60.0))
    runs["two"] = result(row("sun", "test", 50.0), strategy="joint")
    runs["three"] = result(row("sun", "test", 0.5), source=["eng"])
    scores, skipped = own_scores._from_runs(tmp_path)
    assert [(s.source, s.target, s.score) for s in scores] == [
        ("ind", "jav", 60), ("eng", "sun", 0.5)
    ]  # fmt: skip
    assert len(skipped) == 1
    folder = tmp_path / "three"
    folder.mkdir()
    (folder / CONFIG).touch()
    assert [s.source for s in own_scores._from_runs(folder)[0]] == ["eng"]
    done = add(folder)  # of a run the unit is known: 0.5 is no share
    assert (done.name, done.skipped) == ("three", [])
    assert stored() == {"three": done.scores}


def test_why_there_is_nothing_is_said(runs, tmp_path):
    runs["two"] = result(strategy="joint")
    with pytest.raises(XltError, match="no transfer score here; two: joint is no transfer"):
        add(tmp_path)


# Tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["0", "100", "0.0"])
def test_both_ends_of_the_range_are_scores(write, score):
    path = write(f"source,target,score\nind,jav,{score}\nspa,jav,50\n")
    assert add(path, task="ner").scores[0].score == float(score)


@pytest.mark.parametrize(("score", "refused"), [("1", True), ("1.5", False)])
def test_shares_of_one_are_refused(write, score, refused):
    path = write(f"source,target,score\nind,jav,{score}\nspa,jav,0.5\n")
    if refused:
        with pytest.raises(XltError, match="shares of one"):
            add(path, task="ner")
    else:
        assert len(add(path, task="ner").scores) == 2


def test_what_a_table_does_not_say_is_given(write):
    """A row's own task and encoder win over what is asked for."""
    text = (
        "task,source,target,score,encoder,metric,origin\n"
        "dep,ind,jav,50,mine,LAS,a paper\n"
        ",spa,jav,40,,,\n"
    )
    path = write(text)
    assert add(path, task="ner", encoder="given").scores == [
        OwnScore("dep", "ind", "jav", "LAS", 50.0, "mine", "a paper"),
        OwnScore("ner", "spa", "jav", "score", 40.0, "given", f"{path}:3"),
    ]
    bare = add(write(GOOD, "bare.csv"), task="ner").scores
    assert bare[0][3:6] == ("score", 50.0, "")


def test_a_row_of_a_language_to_itself_is_left_out(write):
    done = add(write("source,target,score\nswh,swa,90\nind,jav,50\n"), task="ner")
    assert [s.source for s in done.scores] == ["ind"]
    assert done.skipped == ["mine.csv:2: swa is source and target"]


@pytest.mark.parametrize("most", [2, 1])
def test_as_many_languages_as_may_be(write, monkeypatch, most):
    monkeypatch.setattr(own_scores, "MAX_LANGUAGES", most)
    path = write("source,target,score\nind,jav,50\njav,ind,50\n")
    if most == 2:
        assert len(add(path, task="ner").scores) == 2
    else:
        with pytest.raises(XltError, match="2 languages, more than the 1"):
            add(path, task="ner")


def test_an_unknown_task_is_said_where_it_stands(write):
    path = write("source,target,score,task\nind,jav,50,ner\nind,jav,50,nre\nspa,jav,5,nre\n")
    with pytest.raises(XltError, match="no task called 'nre'") as caught:
        add(path)
    assert caught.value.where == f"{path}:3"
    with pytest.raises(XltError, match="no task called") as caught:
        add(write(GOOD, "other.csv"), task="nre")
    assert caught.value.where == "--task"


def test_a_missing_side_and_an_unprintable_word(write):
    with pytest.raises(XltError, match="there is no target"):
        add(write("source,target,score\nind,,5\n"), task="ner")
    for column in ("metric", "origin"):
        with pytest.raises(XltError, match=f"the {column} .* cannot be shown"):
            add(write(f"source,target,score,{column}\nind,jav,5,a\x07b\n", "a.csv"), task="ner")


@pytest.mark.parametrize(
    ("name", "good"), [("a", True), ("1.b_c-D", True), (".a", False), ("a b", False), ("ä", False)]
)
def test_names_of_what_is_stored(write, name, good):
    if good:
        assert add(write(GOOD), task="ner", name=name).path == own_scores.folder() / f"{name}.csv"
        assert list(stored()) == [name]
    else:
        with pytest.raises(XltError, match="is no name"):
            add(write(GOOD), task="ner", name=name)


def test_the_same_pair_is_averaged_target_by_target():
    rows = [
        OwnScore("ner", source, target, "f1", score, "", "")
        for source, target, score in [("b", "t", 1), ("a", "t", 4), ("b", "t", 3), ("a", "s", 8)]
    ]
    found = mean_by_pair(rows)
    assert found == {"s": {"a": 8}, "t": {"b": 2, "a": 4}}
    assert list(found) == ["s", "t"]


# The folder --------------------------------------------------------------------------------------


def test_the_stamp_changes_with_what_is_kept(write):
    place = own_scores.folder()
    assert stamp() == (str(place), 0, 0)
    seen = [stamp()]
    add(write(GOOD), task="ner")
    seen.append(stamp())
    assert stamp() == seen[-1]
    add(write(GOOD), task="ner", overwrite=True)
    seen.append(stamp())
    remove("mine")
    seen.append(stamp())
    assert len(set(seen)) == 4
    assert len({changes for *_, changes in seen[1:]}) == 3  # even within one tick of the clock


def test_what_is_written_is_in_the_columns_that_are_promised(write):
    path = add(write(GOOD), task="ner", encoder="=1+1").path
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert first == "task,source,target,metric,score,encoder,origin"
    assert second.startswith("ner,ind,jav,score,50.0,'=1+1,")
    checksum = path.with_name("mine.csv.sha256").read_text(encoding="utf-8")
    assert checksum == f"{own_scores.sha256(path)}  mine.csv\n"
    assert stored()["mine"][0].encoder == "=1+1"


def test_removing_names_the_nearest(write):
    add(write(GOOD), task="ner")
    with pytest.raises(XltError, match="no scores are stored as 'nime'"):
        remove("nime")
    remove("mine")
    assert list(own_scores.folder().iterdir()) == []


def test_what_an_older_version_kept_without_a_checksum_is_read_and_forgotten(write):
    done = add(write(GOOD), task="ner")
    done.path.with_name("mine.csv.sha256").unlink()
    assert stored() == {"mine": done.scores}
    assert remove("mine") == done.path
    assert stored() == {}
