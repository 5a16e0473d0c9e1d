"""Studies: one file for several runs, what is wrong with it, and one table of the outcomes."""

from __future__ import annotations

import json
import re
import threading

import pytest
from filelock import FileLock
from small import Here, make_world, xlt

from xlt.commands.study import _table
from xlt.commands.work import compare as run_compare
from xlt.config.load import load_config
from xlt.config.study import load_study, outline
from xlt.errors import XltError
from xlt.evaluation.statistics import holm
from xlt.files import write_sealed
from xlt.results import read_result
from xlt.runs import schedule, train
from xlt.runs import study as study_module
from xlt.runs.compare import compare
from xlt.runs.folder import RunFolder
from xlt.runs.study import study
from xlt.runs.table import table
from xlt.training.trainer import TransferTrainer

BASE = """\
name: toy
task: ner
model: {encoder: ./encoder}
data:
  eng: {train: a.bio, dev: a.bio}
  ind: {train: a.bio, dev: a.bio}
  jav: {test: a.bio}
source: eng
target: jav
"""


def write(folder, text):
    (folder / "study.yaml").write_text(BASE + text, encoding="utf-8")
    return folder / "study.yaml"


def test_cells_and_combinations(tmp_path):
    path = write(tmp_path, """\
study:
  cells:
    en:
    both: {source: [eng, ind], strategy: {name: joint, temperature: 2}}
  matrix: {training.epochs: [2, 4], selection: [{on: last}]}
  baseline: both-4-last
""")  # fmt: skip
    found = load_study(path, ["training.learning_rate=1e-4"])
    assert list(found.cells) == ["en-2-last", "en-4-last", "both-2-last", "both-4-last"]
    assert found.baselines == {"jav": "both-4-last"}
    assert found.title == "toy"
    both = found.cells["both-4-last"].config
    assert (both.name, both.source, both.strategy.name) == (
        "toy-both-4-last",
        ["eng", "ind"],
        "joint",
    )
    assert (both.training.epochs, both.training.learning_rate, both.selection.on) == (
        4,
        1e-4,
        "last",
    )
    assert found.cells["en-2-last"].config.strategy.name == "zero_shot"


WRONG = {
    "no study": ("", "the key 'study' is missing"),
    "unknown key": ("study: {cell: {a: {}}}\n", r":10 \(study.cell\): unknown key 'cell'"),
    "nothing": ("study: {baseline: a}\n", "needs cells or a matrix"),
    "no list": ("study:\n  matrix:\n    source: eng\n", r":12 \(study.matrix.source\): a list"),
    "no mapping": ("study: {cells: [a]}\n", "a mapping is needed"),
    "name": ("study: {cells: {a/b: {}}}\n", "'a/b' cannot be part of a folder's name"),
    "baseline": ("study: {cells: {a: {}}, baseline: b}\n", "there is no cell called 'b'"),
    "cell": ("study:\n  cells:\n    a: {}\n    b: {sorce: ind}\n", r":13 \(sorce\)"),
}


def test_a_cell_is_what_it_is_when_it_is_read_alone(tmp_path):
    """Though what cells have in common is read once, whatever plugins they choose."""
    path = write(tmp_path, """\
strategy: {name: joint, temperature: 3}
study:
  cells:
    zero: {strategy: zero_shot}
    joint: {source: [eng, ind], strategy: {temperature: 2}}
    few: {strategy: {name: few_shot, k: 5}, data: {jav: {train: a.bio}}}
    other: {source: [ind, eng]}
  matrix: {training.epochs: [2, 4], selection: [{on: last}]}
""")  # fmt: skip
    layers, _ = outline(path)
    cells = load_study(path, ["training.learning_rate=1e-4"]).cells
    assert list(cells) == list(layers)
    for name, layer in layers.items():
        alone = load_config(path, ["training.learning_rate=1e-4"], cell=layer)
        assert cells[name].config == alone.config
        for key in ("strategy", "source", "data.jav", "training.epochs", "model.encoder"):
            assert cells[name].where(key) == alone.where(key)


def test_what_is_wrong_in_one_cell_is_said_as_if_it_were_alone(tmp_path):
    path = write(tmp_path, """\
study:
  cells:
    good: {}
    bad: {trainig: {epochs: 2}, training: {epochs: x}}
""")  # fmt: skip
    with pytest.raises(XltError) as alone:
        load_config(path, cell=outline(path)[0]["bad"])
    with pytest.raises(XltError) as together:
        load_study(path)
    assert together.value.render() == alone.value.render()
    assert "training.epochs" in together.value.render()


@pytest.mark.parametrize(("text", "complaint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong(tmp_path, text, complaint):
    with pytest.raises(XltError, match=complaint) as error:
        load_study(write(tmp_path, text))
    assert "fix: " in error.value.render()


def test_a_cell_with_dotted_keys_is_shown_the_nested_ones(tmp_path):
    path = write(tmp_path, """\
study:
  cells:
    a: {training: {batch_tokens: 64}, source: ind, training.epochs: 2}
""")  # fmt: skip
    with pytest.raises(XltError, match=r"'training.epochs' is a dotted one") as caught:
        load_study(path)
    assert f"{path}:12 (study.cells.a.training.epochs)" == caught.value.where
    nested = re.fullmatch("write `(.*)`", caught.value.fix)[1]
    config = load_study(write(tmp_path, f"study:\n  cells:\n    {nested}\n")).cells["a"].config
    assert (config.training.epochs, config.training.batch_tokens) == (2, 64)
    assert config.source == ["ind"]


def test_a_study_is_not_one_run(tmp_path):
    with pytest.raises(XltError, match="several runs") as error:
        load_config(write(tmp_path, "study: {cells: {a: {}}}\n"))
    assert "xlt study" in error.value.render()
    (tmp_path / "one.yaml").write_text("extends: study.yaml\nname: one\n", encoding="utf-8")
    assert load_config(tmp_path / "one.yaml").config.name == "one"
    assert list(outline(write(tmp_path, "study: {matrix: {source: [eng, [eng, ind]]}}\n"))[0]) == [
        "eng", "eng+ind",
    ]  # fmt: skip


def test_cells_are_run_once_and_compared(tmp_path):
    path = make_world(tmp_path).config(
        strategy="zero_shot",
        training__max_steps=2,
        study={"cells": {"eng": {"source": "eng"}, "both": {"source": ["eng", "ind"]}}},
    )
    with pytest.raises(XltError, match="one source"):  # before any cell is run
        study(load_study(path), quiet=True)
    assert not (tmp_path / "runs").exists()
    content = json.loads(path.read_text(encoding="utf-8"))
    content["study"]["cells"]["both"]["strategy"] = "joint"
    path.write_text(json.dumps(content), encoding="utf-8")
    found = study(load_study(path), quiet=True)
    assert found["cells"] == {"eng": True, "both": True}
    first, second = found["rows"]
    assert (first["cell"], first["target"], first["against"]) == ("eng", "jav", None)
    against = second["against"]
    assert against["low"] <= against["difference"] <= against["high"]
    assert (against["over"], against["sure"]) == ("records", False)  # one seed
    stages = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "runs/stages").iterdir()}
    assert study(load_study(path), quiet=True) == found
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "runs/stages").iterdir()} == stages
    for result in (tmp_path / "runs").glob("*/result.json"):  # the task's first metric, not a to z
        written = read_result(result.parent)
        write_sealed(result, {**written, "metrics": written["metrics"][::-1]})
    assert table(load_study(path))["metric"] == written["metrics"][-1] != found["metric"]
    content["study"]["cells"]["ind"] = {"source": "ind"}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert table(load_study(path))["cells"]["ind"] is False


TWO_CELLS = {
    "strategy": "zero_shot",
    "training__max_steps": 2,
    "study": {"cells": {"eng": {"source": "eng"}, "ind": {"source": "ind"}}},
}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no such kernel\nmore"), "eng: RuntimeError: no such kernel"),
        (MemoryError(), "eng: MemoryError: "),
        (XltError("it is broken", where="x", fix="mend it"), "x: eng: it is broken"),
    ],
)
def test_a_cell_that_fails_does_not_stop_the_others(tmp_path, error, told):
    path = make_world(tmp_path, size=6).config(**TWO_CELLS)

    def break_() -> None:
        real = train.evaluate_all

        def fail(experiment, *rest):
            if experiment.config.source == ["eng"]:
                raise error
            return real(experiment, *rest)

        train.evaluate_all = fail

    outcome = xlt("study", path, before=break_)
    assert outcome.code == 2, outcome.text
    assert re.search(r"^jav +test +ind ", outcome.out, re.M)
    assert "not finished: eng" in outcome.out
    assert told in outcome.err
    assert "  fix: " in outcome.err
    assert "Traceback" not in outcome.err
    logged = (tmp_path / "runs" / "run-eng" / "log.txt").read_text(encoding="utf-8")
    assert ("Traceback" in logged) == (not isinstance(error, XltError))
    result = study(load_study(path), quiet=True)
    assert result["failed"] == {}
    assert result["cells"] == {"eng": True, "ind": True}


def test_a_fault_in_what_this_process_does_of_a_cell_is_that_cells_alone(tmp_path):
    path = make_world(tmp_path, size=6).config(**TWO_CELLS)

    def break_() -> None:
        def run(experiment, **_):
            print(f"{experiment.config.name} is evaluated")
            if experiment.config.source == ["eng"]:
                raise RuntimeError("no such kernel\nmore")

        study_module.make_executor = lambda *_: Here()
        schedule.run_on = lambda *_, **__: {}  # all of it elsewhere
        train.run = run

    outcome = xlt("study", path, "--on", "there", before=break_)
    assert outcome.code == 2, outcome.text
    assert "run-eng is evaluated" in outcome.out
    assert "run-ind is evaluated" in outcome.out
    assert "eng: RuntimeError: no such kernel" in outcome.err
    assert "  fix: " in outcome.err
    assert "Traceback" not in outcome.err


def test_an_interrupt_stops_a_study(tmp_path, monkeypatch):
    path = make_world(tmp_path, size=6).config(**TWO_CELLS)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "evaluate_all", interrupt)
    with pytest.raises(KeyboardInterrupt):
        study(load_study(path), quiet=True)
    assert not (tmp_path / "runs" / "run-ind").exists()


def test_a_damaged_cell_is_left_out_of_the_table(tmp_path, caplog):
    path = make_world(tmp_path, size=6).config(**TWO_CELLS)
    study(load_study(path), quiet=True)
    counts = tmp_path / "runs" / "run-ind" / "seed-1" / "jav" / "test.counts.json"
    counts.write_text("{}")
    found = table(load_study(path))
    assert found["cells"] == {"eng": True, "ind": True}
    assert [row["against"] for row in found["rows"]] == [None, None]
    (tmp_path / "runs" / "run-ind" / "result.json").write_text("{}")
    assert table(load_study(path))["cells"] == {"eng": True, "ind": False}
    assert "ind is not compared" in caplog.text
    assert "ind is left out" in caplog.text
    assert "it lacks 'task'" in "\n".join(_table(table(load_study(path))))


def test_common_stages_are_trained_once_whatever_their_targets(tmp_path, caplog):
    """Though they are scored on the dev sets of different targets, and end one plan and begin
    another."""
    through = {"name": "hierarchical", "through": ["ind"], "target_stage": False}
    path = make_world(tmp_path, size=6).config(
        training__max_steps=2,
        source="eng",
        study={
            "cells": {
                "through": {"strategy": through},
                "jav": {"strategy": "zero_shot"},
                "ind": {"strategy": "zero_shot", "target": "ind"},
            }
        },
    )
    trained = []
    real = TransferTrainer.train

    def train(trainer, *rest, **more):
        trained.append(trainer.folder.parent.name.partition("-")[0])
        return real(trainer, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransferTrainer, "train", train)
        study(load_study(path), quiet=True)
    assert trained == ["eng", "ind"]
    assert "lacks scores" not in caplog.text
    for cell, selectors in {"jav": {"dev:eng", "dev:jav"}, "ind": {"dev:eng", "dev:ind"}}.items():
        rows = read_result(tmp_path / "runs" / f"run-{cell}")["rows"]
        assert {row["selected_on"] for row in rows} == selectors


def test_seeds_can_be_added(tmp_path):
    path = make_world(tmp_path).config(
        strategy="zero_shot", training__max_steps=2, study={"cells": {"a": {"source": "eng"}}}
    )
    study(load_study(path, ["seeds=[1]"]), quiet=True)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "runs/stages").iterdir()}
    study(load_study(path, ["seeds=[1,2]"]), quiet=True)
    (run,) = (tmp_path / "runs").glob("*/result.json")
    rows = json.loads(run.read_text(encoding="utf-8"))["rows"]
    assert {row["seed"] for row in rows if row["primary"]} == {1, 2}
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "runs/stages").iterdir()}
    assert before.items() < after.items()  # the first seed was not trained again


def row(cell, target, mean, against=None, conclusive=True):
    metrics = {"f1": {"mean": mean, "sd": None, "seeds": 1}}
    if against:
        against = dict(
            zip(("difference", "low", "high", "p_adjusted", "sure"), against, strict=True)
        )
        against |= {"conclusive": conclusive, "over": "seeds and records", "cell": "a"}
        against |= {"of_seeds": 0.5 if conclusive else None}
    same = {"split": "test", "metrics": metrics, "against": against, "records": 100}
    return {"cell": cell, "target": target, **same}


def said(rows):
    cells = {"a": True, "b": True, "c": False}
    result = {
        "baseline": dict.fromkeys((row["target"] for row in rows), "a"),
        "cells": cells,
        "stale": {},
        "left_out": {},
        "squares": [],
        "sources": [],
        "factors": {"strategy": {"a": "joint", "b": "zero_shot"}},
        "metric": "f1",
        "rows": rows,
    }
    return "\n".join(_table(result))


def test_the_sentence_says_how_sure_it_is():
    rows = [row("a", "jav", 50.0), row("b", "jav", 52.0, (2.0, 0.5, 3.5, 0.01, True))]
    rows += [row("a", "tur", 50.0), row("b", "tur", 51.0, (1.0, -0.5, 2.5, 0.2, False))]
    rows += [row("a", "fin", 50.0), row("b", "fin", 48.0, (-2.0, -3.0, -1.0, 0.00001, True))]
    text = said(rows)
    assert "jav test: take b (better than a by 2.0 points [0.5, 3.5], p = 0.0100)" in text
    assert "tur test: b has the highest mean, but is not shown to be better than a (p = 0.2" in text
    assert "fin test: no cell has a higher mean than a" in text
    assert re.search(r"\+2.0 \[\+0.5, \+3.5\] +0.0100 \*", text)
    assert "<0.0001 *" in text
    assert "after Holm (3 comparisons)" in text
    assert "not finished: c" in text


def test_one_seed_recommends_nothing():
    """Whatever the records say: an interval far from 0, and the smallest p."""
    against = (9.0, 8.0, 10.0, 0.0001, False)
    text = said([row("a", "jav", 50.0), row("b", "jav", 59.0, against, conclusive=False)])
    assert "one seed cannot show whether it is better than a" in text
    assert "over records alone" in text
    assert "take" not in text
    assert "*" not in text


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A study of three cells and two seeds, with the second as its baseline."""
    world = make_world(tmp_path_factory.mktemp("cells"))
    path = world.config(
        strategy="zero_shot",
        target=["jav", "ind"],
        training__max_steps=3,
        seeds=[1, 2],
        study={
            "cells": {
                "eng": {"source": "eng"},
                "longer": {"source": "eng", "training": {"max_steps": 30}},
                "rare": {"source": "eng", "training": {"learning_rate": 1e-9}},
            },
            "baseline": "longer",
        },
    )
    return path, study(load_study(path), quiet=True)


def test_every_cell_is_compared_with_the_baseline(cells):
    path, found = cells
    assert found["baseline"] == {"jav": "longer", "ind": "longer"}
    rows = {(row["cell"], row["target"]): row for row in found["rows"]}
    assert len(rows) == 6
    assert [rows["longer", target]["against"] for target in ("jav", "ind")] == [None, None]
    compared = [row["against"] for row in rows.values() if row["against"]]
    assert {(row["over"], row["conclusive"]) for row in compared} == {("seeds and records", True)}
    assert [row["p_adjusted"] for row in compared] == holm([row["p"] for row in compared])
    for (_, target), row in rows.items():
        if row["against"]:
            difference = row["against"]["difference"]
            means = row["metrics"]["f1"]["mean"], rows["longer", target]["metrics"]["f1"]["mean"]
            assert difference == pytest.approx(means[0] - means[1])
    root = path.parent / "runs"
    same = compare(root / "run-eng", root / "run-longer", metric="f1")["rows"]
    for row in same:
        kept = rows["eng", row["target"]]["against"]
        assert {k: kept[k] for k in ("difference", "low", "high", "p")} == {
            k: row[k] for k in ("difference", "low", "high", "p")
        }


def test_what_is_printed_of_it(cells, capsys):
    path, found = cells
    text = "\n".join(_table(found))
    assert "against longer" in text
    assert "95 % intervals over seeds and records; * differs from longer for sure" in text
    assert "after Holm (4 comparisons)" in text
    stars = sum(row["against"]["sure"] for row in found["rows"] if row["against"])
    assert text.count(" *\n") == stars
    root = path.parent / "runs"
    run_compare(root / "run-eng", root / "run-longer")
    printed = capsys.readouterr().out
    assert "A = run-eng, B = run-longer" in printed
    assert "after Holm (6 comparisons)" in printed  # two targets, three metrics
    assert "adjusted p" in printed
    run_compare(root / "run-eng", root / "run-longer", metric="recall")
    assert "after Holm (2 comparisons)" in capsys.readouterr().out


def test_two_runs_of_the_same_models_pair_their_seeds(cells, tmp_path):
    """The same stages: what seeds differ by is the same in both, and nothing is left to chance."""
    path, _ = cells
    content = json.loads(path.read_text(encoding="utf-8"))
    content |= {"name": "twin", **{"training": content["training"] | {"max_steps": 30}}}
    del content["study"]
    twin = path.parent / "twin.yaml"
    twin.write_text(json.dumps(content), encoding="utf-8")
    train.train(load_config(twin), quiet=True)
    rows = compare(path.parent / "runs/twin", path.parent / "runs/run-longer")["rows"]
    assert {(row["difference"], row["low"], row["high"], row["p"]) for row in rows} == {
        (0.0, 0.0, 0.0, 1.0)
    }


def test_the_result_of_another_config_is_no_cells_result(tmp_path):
    path = make_world(tmp_path, size=6).config(**TWO_CELLS)
    found = study(load_study(path), quiet=True)
    assert found["stale"] == {}
    for overrides, keys in (
        (["training.max_steps=3"], ["training.max_steps"]),
        (["data.jav.test={ref: jav.bio, limit: 3}"], ["data.jav"]),
        (["seeds=[1,2,3,4]"], ["seeds"]),
    ):
        other = table(load_study(path, overrides))
        assert (other["rows"], other["stale"]) == ([], {"eng": keys, "ind": keys})
        told = "\n".join(_table(other))
        assert f"eng is left out: its run has a different config ({keys[0]})" in told
        assert "not finished" not in told


def test_a_cell_that_another_process_runs_comes_last_and_is_waited_for(tmp_path, monkeypatch):
    definition = load_study(make_world(tmp_path, size=6).config(**TWO_CELLS))
    home = tmp_path / "runs" / "run-eng"
    home.mkdir(parents=True)
    other = FileLock(home / ".lock", thread_local=False)
    thread = threading.Thread(target=other.acquire)
    thread.start()
    thread.join()
    asked = []

    def run(experiment, *, wait, **rest):
        asked.append((experiment.config.name, wait))
        if wait:
            threading.Timer(0.05, other.release).start()
        with RunFolder(tmp_path / "runs" / experiment.config.name, wait=wait):
            pass

    monkeypatch.setattr("xlt.runs.train.run", run)
    assert study(definition, quiet=True)["failed"] == {}
    assert asked == [("run-eng", False), ("run-ind", False), ("run-eng", True)]
