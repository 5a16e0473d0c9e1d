"""Stages: what decides their key, what is reused, which weights are kept."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from small import Stages, World, bio, make_world, predict_with, sentences

from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix, score
from xlt.files import write_sealed
from xlt.model.folder import load_model, read_info
from xlt.training import learner
from xlt.training.data import Data
from xlt.training.finished import DONE, read_done
from xlt.training.observing import observe
from xlt.transfer.stage import DataSplit


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


@pytest.fixture
def config(world, tmp_path):
    def config(name: str = "run", **changes):
        settings = {
            "output__root": str(tmp_path / "runs"),
            "strategy": {"name": "zero_shot"},
            "training__batch_tokens": 300,
            "training__checkpoint_every": 1000,
        }
        return world.config(name, **settings | changes)

    return config


def key(path) -> str:
    run = Stages(path)
    stage = run.plan[0]
    train, dev = (
        [run.runner.load(p) for p in data_splits] for data_splits in (stage.train, stage.dev)
    )
    return run.runner.identity(stage, [], train, dev).key


CHANGES = {
    "training__epochs": 3,
    "training__learning_rate": 1e-3,
    "training__batch_tokens": 301,
    "training__freeze": ["embeddings"],
    "seeds": [2],
    "task": {"name": "ner", "types": ["PER"]},
    "model__lora": {"rank": 2},
    "model__max_length": 32,
    "model__initialise": "random",
    "selection__patience": 3,
    "data__eng__train": ["other"],
}

SAME = {
    "training__checkpoint_every": 7,
    "training__report_to": [],
    "model__trim_vocabulary": False,
    "model__attention": "eager",
    "evaluation__bootstrap": 77,
    "selection__keep": "all",
    "evaluation__batch_tokens": 99,
    "target": ["ind"],
    "data_seed": 5,
    "strategy": {"name": "few_shot", "k": 2},  # its first stage is that of zero-shot
}


def with_other_data(world, config, changes):
    path = world.folder / "other.bio"
    path.write_text(bio(sentences("eng", 8, 5)), encoding="utf-8")
    if changes.get("data__eng__train") == ["other"]:
        changes = {"data__eng__train": str(path)}
    return config(**changes)


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_the_weights_changes_the_key(world, config, name):
    changed = with_other_data(world, config, {name: CHANGES[name]})
    assert key(changed) != key(config())


@pytest.mark.parametrize("name", SAME)
def test_what_leaves_the_weights_leaves_the_key(config, name):
    changed = key(config(**{name: SAME[name]}))
    assert changed == key(config())


def test_the_key_follows_content_not_folders(world, config, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(world.folder / "encoder", copy / "encoder")
    shutil.copy(world.folder / "eng-train.bio", copy / "eng-train.bio")
    moved = config(
        "moved", model__encoder=str(copy / "encoder"), data__eng__train=str(copy / "eng-train.bio")
    )
    assert key(moved) == key(config())
    state = load_file(copy / "encoder" / "model.safetensors")
    name = next(iter(state))
    from safetensors.torch import save_file

    save_file(state | {name: state[name] + 1}, copy / "encoder" / "model.safetensors")
    assert key(moved) != key(config())


def test_a_finished_stage_is_reused_and_a_later_one_knows_its_parent(config):
    chain = config(strategy={"name": "hierarchical", "through": ["ind"]})
    first = Stages(chain).run()
    assert [stage.reused for stage in first] == [False] * 3
    assert [stage.reused for stage in Stages(chain).run()] == [True] * 3
    other = config(
        "other",
        strategy={"name": "hierarchical", "through": ["ind"], "stages": {"ind": {"epochs": 1}}},
    )
    again = Stages(other).run()
    assert [stage.reused for stage in again] == [True, False, False]
    assert again[0].folder == first[0].folder
    assert again[2].key != first[2].key
    done = json.loads((again[2].folder / "done.json").read_text(encoding="utf-8"))
    assert done["parent"] == again[1].folder.name


def test_weights_are_carried_from_stage_to_stage(config, monkeypatch):
    """The second stage starts where the first ended: with nothing to learn, it ends there, too."""
    chain = config(
        strategy={
            "name": "hierarchical",
            "through": ["ind"],
            "target_stage": False,
            "stages": {"ind": {"learning_rate": 1e-30, "weight_decay": 0.0}},
        },
        selection__on="last",
    )
    fresh = []
    real = learner.TransferTrainer
    monkeypatch.setattr(
        learner, "TransferTrainer", lambda *a, **k: (fresh.append(k["fresh"]), real(*a, **k))[1]
    )
    first, second = Stages(chain).run()
    assert fresh == [True, False]
    states = [load_file(stage.model_folder() / "model.safetensors") for stage in (first, second)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=1e-12, msg=name)


def test_new_labels_join_the_old_ones(world, config, tmp_path):
    text = bio(sentences("ind", 8)).replace("-LOC", "-GPE")
    (tmp_path / "ind.bio").write_text(text, encoding="utf-8")
    run = Stages(
        config(
            strategy={"name": "hierarchical", "through": ["ind"], "target_stage": False},
            data__ind__train=str(tmp_path / "ind.bio"),
            data__ind__dev=str(tmp_path / "ind.bio"),
        )
    )
    first, second = run.run()
    old = first.labels["tag"]
    assert second.labels["tag"][: len(old)] == old
    assert set(second.labels["tag"]) - set(old) == {"B-GPE", "I-GPE"}
    assert read_info(second.model_folder()).labels == second.labels
    predicted = predict_with(second.model_folder(), run.records("ind"))
    assert len(predicted) == 8


def test_labels_that_share_nothing_stop_the_stage(world, config, tmp_path):
    text = bio(sentences("ind", 8)).replace("-LOC", "-GPE").replace("-PER", "-MAN")
    (tmp_path / "ind.bio").write_text(text, encoding="utf-8")
    chain = {"name": "hierarchical", "through": ["ind"], "target_stage": False}
    path = config(strategy=chain, data__ind__train=str(tmp_path / "ind.bio"))
    from xlt.config.load import load_config
    from xlt.runs.train import train

    with pytest.raises(XltError, match="share none"):
        train(load_config(path), quiet=True)


# Selection -----------------------------------------------------------------------------------


def dev_score(run: Stages, folder, language: str) -> float:
    gold = run.records(language, "dev")
    return score(run.task, count_matrix(run.task, gold, predict_with(folder, gold)))["f1"]


def history(stage) -> list[dict[str, float]]:
    return json.loads((stage.folder / "done.json").read_text(encoding="utf-8"))["history"]


SLOW = {"training__evaluate_every": 1, "training__epochs": 6, "training__learning_rate": 5e-3}


def test_the_best_checkpoint_is_the_one_saved(config):
    run = Stages(config(**SLOW))
    (stage,) = run.run()
    seen = history(stage)
    assert len({row["dev:eng"] for row in seen}) > 2  # it does make a difference
    for selector, language in (("dev:eng", "eng"), ("dev:jav", "jav")):
        best = max(row[selector] for row in seen)
        step = next(row["step"] for row in seen if row[selector] == best)
        assert stage.selected[selector] == {"step": step, "score": best}
        assert dev_score(run, stage.model_folder(selector), language) == pytest.approx(best)
    assert stage.primary == "dev:eng"


def test_metric_of_the_users_choice(config):
    (stage,) = Stages(config(selection__metric="recall", **SLOW)).run()
    (other,) = Stages(config(**SLOW)).run()
    assert history(stage) != history(other)


def test_target_dev(config):
    (stage,) = Stages(config(selection__on="target_dev", **SLOW)).run()
    assert stage.primary == "dev:jav"
    assert set(stage.selected) == {"dev:eng", "dev:jav"}


def test_last_looks_at_no_dev_data(config, world):
    missing = {
        f"data__{language}": {
            split: str(world.folder / f"{language}-{split}.bio") for split in ("train", "test")
        }
        for language in ("eng", "jav")
    }
    (stage,) = Stages(config(selection__on="last", **missing)).run()
    assert stage.primary == "last"
    assert list(stage.selected) == ["last"]
    assert history(stage) == []
    steps = json.loads((stage.folder / "done.json").read_text(encoding="utf-8"))["steps"]
    assert stage.selected["last"]["step"] == steps


def test_few_shot_keeps_the_last_checkpoint(config, caplog):
    """Source dev data would choose the one that has learnt least of the target's examples."""
    few = {"name": "few_shot", "k": 4}
    first, second = Stages(config(strategy=few, **SLOW)).run()
    assert (first.primary, second.primary) == ("dev:eng", "last")
    assert set(second.selected) == {"last", "dev:jav"}  # what target dev data would have given
    done = json.loads((second.folder / "done.json").read_text(encoding="utf-8"))
    assert second.selected["last"]["step"] == done["steps"]
    assert len(done["history"]) == done["steps"]
    assert not caplog.records
    (_, second) = Stages(config(strategy=few, selection__on="target_dev", **SLOW)).run()
    assert second.primary == "dev:jav"
    (_, second) = Stages(config(strategy=few, selection__on="last", **SLOW)).run()
    assert list(second.selected) == ["last"]
    (_, second) = Stages(config(strategy={**few, "select": "source"}, **SLOW)).run()
    assert second.primary == "dev:eng"
    assert "favours what has learnt least" in caplog.text


def test_more_examples_than_there_are(config):
    from xlt.config.load import load_config
    from xlt.runs.plan import plan
    from xlt.runs.train import train

    loaded = load_config(config(strategy={"name": "few_shot", "k": 9}))
    with pytest.raises(XltError, match="9 records are wanted, and there are 8") as error:
        train(loaded, quiet=True)
    assert "ask for 8 at most (`strategy.k`, `strategy.replay`)" in error.value.fix
    assert "data.jav.train" in str(error.value.where)
    (problem,) = plan(loaded)["missing"]
    assert problem["what"] == error.value.what


def test_patience_stops(config):
    (stage,) = Stages(config(selection__patience=1, **SLOW | {"training__epochs": 40})).run()
    seen = history(stage)
    assert seen[-1]["dev:eng"] <= seen[-2]["dev:eng"]
    assert stage.selected["dev:eng"]["step"] == seen[-2]["step"]
    assert len(seen) < 40


def test_more_observers_add_to_a_finished_stage(config):
    """The stage is trained again to look at more; the weights that others use stay as they are."""
    (first,) = Stages(config(**SLOW)).run()
    stamps = {p: p.stat().st_mtime_ns for p in first.model_folder().iterdir()}
    (second,) = Stages(config("second", target=["ind"], **SLOW)).run()
    assert second.folder == first.folder
    assert set(second.selected) == {"dev:eng", "dev:jav", "dev:ind"}
    assert second.selected["dev:eng"] == first.selected["dev:eng"]
    assert stamps == {p: p.stat().st_mtime_ns for p in first.model_folder().iterdir()}
    (third,) = Stages(config(**SLOW)).run()
    assert third.reused


def test_a_stage_that_was_never_evaluated_has_seen_no_dev_set(tmp_path):
    """No weights of it are left that could be scored on another one."""
    write_sealed(tmp_path / DONE, {"keep": "all", "history": [], "selected": {}, "observed": {}})
    watched = [[Data(DataSplit("jav", "dev"), "content", [])]]
    observe(tmp_path, watched, [], task=None, config=None, metric="f1")
    assert read_done(tmp_path)["observed"] == {}


def test_damaged_weights_of_another_run_are_its_own_business(world, config, caplog):
    """Trained again without its dev set, the stage would never have them."""
    settings = SLOW | {"selection__keep": "best"}
    (both,) = Stages(config(target=["ind"], **settings)).run()
    assert both.selected["dev:ind"]["step"] != both.selected["dev:eng"]["step"]
    alone = {"data__jav": {"test": str(world.folder / "jav-test.bio")}, **settings}
    for spoilt in (["dev:ind"], ["dev:ind", "dev:eng"]):
        for name in spoilt:
            (both.model_folder(name) / "model.safetensors").write_bytes(b"")
        caplog.clear()
        (own,) = Stages(config("own", **alone)).run()
        assert own.folder == both.folder
        assert own.reused == (spoilt == ["dev:ind"])
        assert set(own.selected) == {"dev:eng"}
        assert ("only runs that select by dev:ind have use for it" in caplog.text) == own.reused
        assert ("the stage is trained again" in caplog.text) == (not own.reused)
    caplog.clear()
    assert Stages(config("own", **alone)).run()[0].reused
    assert not caplog.records  # what was damaged is forgotten
    (again,) = Stages(config(target=["ind"], **settings)).run()
    assert not again.reused
    assert again.selected == both.selected
    assert Stages(config(target=["ind"], **settings)).run()[0].reused


@pytest.fixture
def untrained(monkeypatch):
    """Stages that are trained fail."""

    def refuse(*_):
        raise AssertionError("it is trained again")

    monkeypatch.setattr("xlt.training.learner.TransferTrainer.train", refuse)


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("lora", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_target_that_comes_later_selects_among_all_weights(config, request, lora):
    settings = SLOW | ({"model__lora": {"rank": 2}} if lora else {})
    expected = Stages(config(target=["ind"], output__root=str(config().parent / "own"), **settings))
    (whole,) = expected.run()
    (first,) = Stages(config(**settings)).run()
    best = {str(first.selected[name]["step"]) for name in first.selected}
    assert names(first.folder / "selected") == best
    assert names(first.folder / "evaluated") == {str(r["step"]) for r in history(first)} - best
    request.getfixturevalue("untrained")
    (later,) = Stages(config("second", target=["ind"], **settings)).run()
    assert later.folder == first.folder
    assert later.selected["dev:eng"] == first.selected["dev:eng"] == whole.selected["dev:eng"]
    assert later.selected["dev:ind"]["step"] == whole.selected["dev:ind"]["step"]
    found = later.selected["dev:ind"]["score"]
    assert found == pytest.approx(whole.selected["dev:ind"]["score"])
    alone, there = (one.model_folder("dev:ind") for one in (whole, later))
    for name in ("model.safetensors", "calibration.json"):
        assert (there / name).read_bytes() == (alone / name).read_bytes()
    assert not list((first.folder / "evaluated").glob("*/calibration.json"))
    assert not list(first.folder.glob("*.part"))
    assert Stages(config("second", target=["ind"], **settings)).run()[0].reused


def test_too_large_weights_are_not_kept_unless_asked_for(config, monkeypatch, caplog):
    monkeypatch.setattr("xlt.training.trainer.KEPT", 1000)
    (first,) = Stages(config(**SLOW)).run()
    assert not (first.folder / "evaluated").exists()
    (second,) = Stages(config("second", target=["ind"], **SLOW)).run()
    assert second.folder == first.folder
    assert not second.reused
    assert "lacks scores of dev:ind: it is trained again" in caplog.text
    (other,) = Stages(config(seeds=[2], selection__keep="all", **SLOW)).run()
    assert (other.folder / "evaluated").exists()


def test_damaged_weights_are_not_scored(config, caplog):
    (first,) = Stages(config(**SLOW)).run()
    (path, *_) = (first.folder / "evaluated").glob("*/model.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    (second,) = Stages(config("second", target=["ind"], **SLOW)).run()
    assert "model.safetensors is damaged" in caplog.text
    assert not second.reused
    assert second.folder == first.folder
    caplog.clear()
    (third,) = Stages(config("third", target=["ind", "jav"], **SLOW)).run()
    assert third.reused  # what was damaged has been made again
    assert not caplog.records


def test_dev_data_of_the_same_name_are_not_the_same(world, config, tmp_path, caplog):
    settings = SLOW | {"selection__keep": "best"}
    (first,) = Stages(config(**settings)).run()
    path = tmp_path / "jav.bio"
    path.write_text(bio(sentences("jav", 8, seed=9)), encoding="utf-8")
    run = Stages(config("second", data__jav__dev=str(path), **settings))
    (second,) = run.run()
    assert second.folder == first.folder
    assert f"{first.folder.name} lacks scores of dev:jav" in caplog.text
    best = second.selected["dev:jav"]["score"]
    assert dev_score(run, second.model_folder("dev:jav"), "jav") == pytest.approx(best)
    assert Stages(config("second", data__jav__dev=str(path), **settings)).run()[0].reused


def test_what_another_run_left_unfinished_lacks_scores(config, monkeypatch, caplog):
    """Its checkpoints have no scores of this run's dev set, so the best would be that of a few."""
    from xlt.training import training_run as module

    whole = Stages(
        config(target=["ind"], output__root=str(config().parent / "whole"), **SLOW)
    ).run()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_selected", stop)
    with pytest.raises(KeyboardInterrupt):
        Stages(config(**SLOW)).run()
    monkeypatch.undo()
    (stage,) = Stages(config(target=["ind"], **SLOW), resume=True).run()
    assert "has no scores of dev:ind: the stage starts again" in caplog.text
    assert stage.selected == whole[0].selected


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"selection__keep": "all"}, "was begun with `selection.keep: all`"),
        ({"target": ["ind", "jav"]}, "has scores of dev:ind, which nobody wants now"),
    ],
)
def test_why_an_unfinished_stage_starts_again_is_said(config, monkeypatch, caplog, before, said):
    from xlt.training import training_run as module

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_selected", stop)
    with pytest.raises(KeyboardInterrupt):
        Stages(config(**SLOW | before)).run()
    monkeypatch.undo()
    Stages(config(**SLOW), resume=True).run()
    assert f"{said}: the stage starts again" in caplog.text


def test_max_length_is_kept_for_prediction(config):
    (stage,) = Stages(config(model__max_length=16, training__max_steps=1)).run()
    _, backbone, _ = load_model(stage.model_folder())
    assert backbone.max_length == 16


def test_from_scratch_leaves_the_encoders_weights(config, world):
    scratch = {"name": "in_language", "scratch": True}
    paths = [
        config(
            name,
            strategy={**scratch, "scratch": flag},
            training__max_steps=1,
            training__learning_rate=1e-30,
            selection__on="last",
        )
        for name, flag in (("a", True), ("b", False))
    ]
    original = load_file(world.folder / "encoder" / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    random, pretrained = (
        load_file(Stages(path).run()[0].model_folder() / "model.safetensors")[f"bert.{name}"]
        for path in paths
    )
    torch.testing.assert_close(pretrained, original[name], rtol=0, atol=1e-12)
    assert (random - original[name]).abs().max() > 1e-3
