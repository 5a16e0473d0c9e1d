"""A user's own scores: what is read, what is refused, and what they change in a ranking."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from scripts.evaluate_own_scores import regret_after
from scripts.evaluate_ranker.world import Row
from xlt.errors import XltError
from xlt.typology import own_scores
from xlt.typology.explain import as_dict
from xlt.typology.own_evidence import TYPICAL_SPREAD
from xlt.typology.own_scores import add, remove, stored
from xlt.typology.ranking import rank
from xlt.typology.scores import matrices

GOOD = "source,target,score\nind,jav,50\nspa,jav,70\nTagalog,Javanese,40\n"


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


def parsing(target: str, candidates=("ind", "spa", "eng", "hin"), **options):
    return rank(
        target,
        candidates,
        **{"task": "dependency_parsing", "measured_as": ("dep",)} | options,
    )


def first(target: str, **options) -> str:
    return parsing(target, **options).sources[0].language


def test_what_is_stored_can_be_added_again(write, tmp_path):
    done = add(write(GOOD), task="dependency_parsing", encoder="some-model")
    assert [(s.source, s.target, s.score) for s in done.scores] == [
        ("ind", "jav", 50), ("spa", "jav", 70), ("fil", "jav", 40)
    ]  # fmt: skip
    assert stored() == {"mine": done.scores}
    again = add(done.path, name="again")
    assert again.scores == done.scores
    assert remove("again") == again.path
    assert set(stored()) == {"mine"}


def test_a_measured_target_is_ranked_as_it_was_measured(write):
    assert first("jav") == "ind"
    before = parsing("jav")
    add(write(GOOD), task="dep")
    after = parsing("jav")
    by_code = {source.language: source for source in after.sources}
    assert by_code["spa"].rank < by_code["ind"].rank
    assert by_code["spa"].expected == by_code["spa"].measured == 70
    assert by_code["spa"].confidence == "own run"
    assert sum(by_code["spa"].terms.values()) == pytest.approx(by_code["spa"].score)
    assert {code for code, source in by_code.items() if source.own} == {"ind", "spa"}
    assert after.own == {
        "names": ["mine"], "task": "dependency_parsing", "metric": "score", "encoder": "",
        "on_target": 3, "on_others": 0, "ignored": 0,
    }  # fmt: skip
    assert as_dict(after)["own"]["on_target"] == 3
    assert parsing("jav", own_scores=False) == before
    assert before.own is None
    remove("mine")
    assert parsing("jav") == before


def test_other_targets_learn_from_it_by_likeness(write):
    before = {s.language: s for s in parsing("sun").sources}
    add(write("source,target,score\nind,jav,5\nspa,jav,30\n"), task="dependency_parsing")
    after = {s.language: s for s in parsing("sun").sources}
    assert parsing("sun").own["on_target"] == 0
    gained = {code: after[code].score - before[code].score for code in before}
    assert gained["spa"] > 0 > gained["ind"]
    # The level too: what was expected of Javanese was too much.
    assert after["hin"].expected < before["hin"].expected


def test_they_count_in_the_largest_table_too(write):
    """Of 799 Bible translations some are fitted; the user's targets count beside them."""
    asked = {"candidates": ["ind", "spa", "deu"], "task": "topic", "measured_as": ("topic",)}
    before = {s.language: s.score for s in rank("sun", **asked).sources}
    add(
        write("source,target,score\nind,jav,20\nspa,jav,70\nind,ban,20\nspa,ban,70\n"), task="topic"
    )
    after = {s.language: s.score for s in rank("sun", **asked).sources}
    assert after["spa"] - before["spa"] > after["ind"] - before["ind"]


def test_other_tasks_do_not(write):
    before = rank("jav", ["ind", "spa"], task="ner", measured_as=("ner",))
    add(write(GOOD), task="dependency_parsing")
    assert rank("jav", ["ind", "spa"], task="ner", measured_as=("ner",)) == before


def test_one_source_alone_says_only_the_level(write):
    before = [source.language for source in parsing("jav").sources]
    add(write("source,target,score\nspa,jav,90\n"), task="dependency_parsing")
    after = parsing("jav")
    assert [source.language for source in after.sources] == before
    assert next(s for s in after.sources if s.language == "spa").measured == 90


def test_the_encoder_asked_for_goes_first(write):
    rows = "source,target,score,encoder\nind,jav,10,a\nspa,jav,90,a\nhin,jav,50,a\n"
    add(write(rows + "ind,jav,90,b\nspa,jav,10,b\n"), task="dependency_parsing")
    assert first("jav", encoder="a") == "spa"
    assert first("jav", encoder="b") == "ind"
    assert parsing("jav").own["encoder"] == "a"  # the most
    assert parsing("jav").own["ignored"] == 2


def test_a_task_that_nobody_has_published(write):
    """A language's own matrix, once five sources were measured on a target."""
    asked = {"task": "word_tags", "measured_as": ()}
    sources = ["ind", "spa", "eng", "hin", "tur"]
    rows = [
        f"{source},{target},{50 + 5 * n}" for target in ("jav", "sun", "mlg")
        for n, source in enumerate(sources)
    ]  # fmt: skip
    from xlt.registry import tasks
    from xlt.tasks.ner import NER

    tasks.register("word_tags", type("WordTags", (NER,), {"name": "word_tags", "measured_as": ()}))
    try:
        add(write("source,target,score\n" + "\n".join(rows)), task="word_tags")
    finally:
        tasks.unregister("word_tags")
    ranking = rank("ban", sources, **asked)
    assert ranking.sources[0].expected is not None
    assert [matrix["name"] for matrix in ranking.evidence] == ["own"]
    assert rank("jav", sources, **asked).sources[0].language == "tur"


def test_the_same_pair_twice_is_their_mean(write):
    add(write("source,target,score\nind,jav,50\nind,jav,60\nspa,jav,54\n"), task="dep")
    by_code = {source.language: source for source in parsing("jav").sources}
    assert by_code["ind"].measured == 55


@pytest.mark.parametrize(
    ("text", "task", "what", "where"),
    [
        ("source,target\nind,jav\n", "dep", "columns score are missing", ":1"),
        ("source,target,score\nind,jav,50\n", None, "of which task", ":1"),
        ("source,target,score\nind,jav,50\n", "prasing", "no task called", ""),
        ("source,target,score\nind,jav,150\n", "dep", "'150' is no number from 0 to 100", ":2"),
        ("source,target,score\nind,jav,-1\n", "dep", "'-1' is no number", ":2"),
        ("source,target,score\nind,jav,nan\n", "dep", "'nan' is no number", ":2"),
        ("source,target,score\nind,jav,\n", "dep", "'' is no number", ":2"),
        ("source,target,score\n\nind,Klingonese,50\n", "dep", "unknown language", ":3"),
        ("source,target,score\n,jav,50\n", "dep", "there is no source", ":2"),
        ("source,target,score\nind,jav,50,x\n", "dep", "4 cells under 3 columns", ":2"),
        ("source,target,score\nind,jav,0.83\n", "dep", "shares of one", ""),
        ("source,target,score\njav,jav,50\n", "dep", "jav is source and target", ""),
        ("source,target,score\nind,jav,6_0\n", "dep", "'6_0' is no number", ":2"),
        ("source,target,score\nind,jav,٣\n", "dep", "'٣' is no number", ":2"),
        ("source,target,score\nind,jav\n", "dep", "2 cells under 3 columns", ":2"),
        ("source;target;score\nind;jav;50\n", "dep", "separated by semicolons", ":1"),
        ("source,target,score,score\nind,jav,5,6\n", "dep", "two columns are called", ":1"),
        ('source,target,score\nind,jav,"5\n', "dep", "quotation mark that does not fit", ":2"),
        ('source,target,score,encoder\nind,jav,5,"a\rb"\n', "dep", "cannot be shown", ":2"),
        ("", "dep", "is empty", ""),
    ],
)
def test_bad_csv(write, text, task, what, where):
    path = write(text)
    with pytest.raises(XltError) as caught:
        add(path, task=task)
    assert what in caught.value.render()
    assert caught.value.fix
    if where:
        assert caught.value.where == f"{path}{where}"
    assert stored() == {}


def test_all_bad_lines_are_reported_together(write):
    with pytest.raises(XltError) as caught:
        add(write("source,target,score\nind,jav,150\nind,xyzzy,50\n"), task="dep")
    assert "mine.csv:2" in caught.value.render()
    assert "mine.csv:3" in caught.value.render()


def test_names(write, tmp_path):
    path = write(GOOD)
    add(path, task="dep")
    with pytest.raises(XltError, match="stored already"):
        add(path, task="dep")
    add(write("source,target,score\nind,jav,51\n"), task="dep", overwrite=True)
    assert len(stored()["mine"]) == 1
    with pytest.raises(XltError, match="is no name"):
        add(path, task="dep", name="../mine")
    with pytest.raises(XltError, match="did you mean 'mine'"):
        remove("min")
    with pytest.raises(XltError, match="no such file"):
        add(tmp_path / "nowhere.csv", task="dep")
    with pytest.raises(XltError, match="no transfer score here"):
        add(tmp_path)


def test_a_file_that_is_no_text(write, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(b"source,target,score\n\xff\xfe,jav,1\n")
    with pytest.raises(XltError, match=r"mine.csv:2: byte 0xff"):
        add(path, task="dep")


def test_scores_that_were_changed_are_not_used_until_they_are_added_again(write):
    done = add(write(GOOD), task="dependency_parsing")
    done.path.write_text(done.path.read_text(encoding="utf-8").replace("50", "51"), "utf-8")
    with pytest.raises(XltError, match="were changed") as error:
        stored()
    assert error.value.where == str(done.path)
    assert str(error.value.fix).count(f"xlt scores add {done.path} --overwrite") == 1
    assert [s.score for s in add(done.path, overwrite=True).scores] == [51, 70, 40]
    assert stored() == {"mine": add(done.path, overwrite=True).scores}
    remove("mine")
    assert stored() == {}
    assert not list(done.path.parent.iterdir())


def test_the_weakest_scores_of_a_run_disable_no_ranking(write, tmp_path, monkeypatch):
    """A first run that has learnt nothing: what is kept of it is read as it was kept."""
    weak = own_scores.OwnScore("ner", "ind", "jav", "f1", 0.6, "enc", "a run")
    monkeypatch.setattr(own_scores, "_from_runs", lambda _: ([weak], []))
    done = add(tmp_path)
    assert stored() == {done.name: [weak]}
    assert rank("jav", ["ind", "spa"], task="ner", measured_as=("ner",)).own is not None


def test_too_many_languages(write, monkeypatch):
    monkeypatch.setattr(own_scores, "MAX_LANGUAGES", 3)
    with pytest.raises(XltError, match="4 languages, more than the 3"):
        add(write(GOOD), task="dep")


def test_columns_that_are_not_read_are_named(write):
    done = add(write("source,target,score,scroe\nind,jav,50,60\n"), task="dep")
    assert done.skipped == ["the column 'scroe'"]


def test_a_damaged_store_is_said(write):
    add(write(GOOD), task="dep")
    path = own_scores.folder() / "mine.csv"
    path.write_text(path.read_text() + "dep,ind,jav,score,much,,\n")
    path.with_name("mine.csv.sha256").unlink()  # which an older xlt did not write
    own_scores.folder().touch()
    with pytest.raises(XltError) as caught:
        parsing("jav")
    assert caught.value.where == f"{path}:5"


@pytest.mark.parametrize(
    ("unit", "left"),
    [(10.0, 0), (100.0, 10), (np.nan, 0)],  # NaN: no other paper has the task
)
def test_what_a_measurement_is_worth(unit, left):
    """What is measured is in the order in which it was measured; the third is close behind, and is
    believed to be ahead where ten points are little."""
    matrix = next(m for m in matrices() if m.percent)
    row = Row(
        matrix,
        "jav",
        ("a", "b", "c", "d"),
        scores=np.array([10.0, 30, 20, 25]),
        predicted=np.array([1.0, 0.5, 0.9, -1]),
        expected=unit * np.array([6.0, 5.5, 5.3, 4]),
        unit=unit,
    )
    assert regret_after(row, [0]) == 20
    assert regret_after(row, [0, 1]) == left
    assert regret_after(row, [0, 2]) == 10


def test_a_typical_spread_is_the_median_of_the_packaged_targets():
    units = np.concatenate([matrix.units for matrix in matrices() if matrix.percent])
    assert round(np.nanmedian(units)) == TYPICAL_SPREAD


@pytest.mark.parametrize("name", ["evaluate_sets", "evaluate_text", "build_few_shot"])
def test_what_measures_is_up_to_date(name):
    """These need data that a test has not; what they import from the package must be there."""
    assert callable(import_module(f"scripts.{name}").main)
