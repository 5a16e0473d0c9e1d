"""A store of stages that machines share: what is published is whole, checked, and found again.

The machines are output roots that have nothing in common but the store.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import sys
import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from small import Here, Stages, make_world, weights, xlt

from xlt.config.consent import requests
from xlt.config.load import load_config
from xlt.config.places import check_place
from xlt.config.schema import Output
from xlt.errors import XltError
from xlt.files import DamagedFile, write_sealed
from xlt.runs import object_store, shared_store
from xlt.runs.object_store import MARKER, ObjectStore, Unreachable
from xlt.runs.shared_stages import SharedStages, opened, stage_store
from xlt.runs.shared_store import push
from xlt.runs.study import study as run_study
from xlt.runs.train import train
from xlt.training import checkpoint as ckpt
from xlt.training.divergence import Diverged
from xlt.training.finished import read_done
from xlt.training.identity import read as read_identity
from xlt.training.trainer import TransferTrainer

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "strategy": "zero_shot",
    "training__max_steps": 8,
    "training__batch_tokens": 60,
    "seeds": [1],
}


thorough = pytest.mark.skipif(
    "XLT_THOROUGH" not in os.environ, reason="takes a while; XLT_THOROUGH=1 runs it"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("shared"), size=6)


@pytest.fixture(scope="module")
def alone(world):
    """A machine without a store that has trained the stage."""
    stages = machine(world, "alone", None)
    stages.run()
    return stages


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture(params=["memory", "folder"])
def place(request, tmp_path):
    name = uuid4().hex
    return f"memory://{name}/prefix" if request.param == "memory" else str(tmp_path / name)


def machine(world, name, place, *, every=1e5, has=None):
    """A machine of its own, that resumes what is not finished. has: what another one has."""
    root = world.folder / "machines" / name
    shutil.rmtree(root, ignore_errors=True)
    if has is not None:
        shutil.copytree(has.root.parent, root)
    path = world.config(
        f"run-{name}", output={"root": str(root), "store": place, "store_every": every}, **SETTINGS
    )
    store = stage_store(load_config(path).config.output)
    store.check()
    return Stages(path, store=store, resume=True)


def trained(stages):
    return weights(stages.root.parent)


def store_of(stages):
    return stages.runner.store.store


def folder_of(stages):
    """Of its one stage."""
    return next(stages.root.glob("*/key.json")).parent


@pytest.fixture
def steps(monkeypatch):
    """The steps that are trained."""
    made = []
    real = TransferTrainer.training_step

    def step(self, *arguments, **keywords):
        made.append(self.state.global_step)
        return real(self, *arguments, **keywords)

    monkeypatch.setattr(TransferTrainer, "training_step", step)
    return made


def objects(store):
    return [store._path(name) for name in store._names() if len(Path(name).name) == 64]


def corrupt(store, path):
    """Change one bit of a file in a store."""
    content = bytearray(store._fs.cat_file(path))
    content[-1] ^= 1
    store._fs.pipe_file(path, bytes(content))


# Bundles -----------------------------------------------------------------------------------------


@pytest.fixture
def store(place):
    return ObjectStore(place)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_text("first")
    (folder / "inner" / "b").write_text("second")
    return {"a": folder / "a", "inner/b": folder / "inner" / "b"}


def fetched(store, bundle, into):
    store.fetch(bundle, store.record(bundle), into)
    return {p.relative_to(into).as_posix(): p.read_text() for p in into.rglob("*") if p.is_file()}


def test_a_bundle_comes_back_as_it_was(store, files, tmp_path):
    assert store.record("x/one") is None
    assert store.bundles() == []
    store.publish("x/one", files, {"n": 1})
    store.publish("x/one", files, {"n": 2})  # twice is harmless
    store.publish("y/two", {"a": files["a"]}, {})
    assert store.bundles() == ["x/one", "y/two"]
    assert store.bundles("x") == ["x/one"]
    record = store.record("x/one")
    assert record.about == {"n": 2}
    assert record.bytes == 11
    assert fetched(store, "x/one", tmp_path / "to") == {"a": "first", "inner/b": "second"}
    assert list(store.damage("x/one", record)) == []
    assert len(objects(store)) == 3
    store.remove("x/one")
    assert store.bundles() == ["y/two"]
    assert len(objects(store)) == 1
    store.remove("x/one")


def test_what_is_half_written_is_not_there(store, files, monkeypatch):
    """Its record comes last."""
    real, written = store._fs.put_file, []

    def put(source, to, **keywords):
        written.append(to)
        if len(written) > 2:
            raise KeyboardInterrupt
        return real(source, to, **keywords)

    monkeypatch.setattr(store._fs, "put_file", put)
    with pytest.raises(KeyboardInterrupt):
        store.publish("x/one", files, {})
    assert ".json" in written[-1]
    if "://" not in store.place:  # under their names files are whole; at a server all are
        assert all(path.endswith(".part") for path in written)
    assert store.record("x/one") is None
    assert store.bundles() == []


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_damage_is_found(store, files, tmp_path, how):
    store.publish("x/one", files, {})
    (path, *_) = objects(store)
    corrupt(store, path) if how == "changed" else store._fs.rm(path)
    with pytest.raises(DamagedFile, match="is damaged" if how == "changed" else "is missing"):
        fetched(store, "x/one", tmp_path / "to")
    (found,) = store.damage("x/one", store.record("x/one"))
    assert ("is damaged" if how == "changed" else "is missing") in found
    store.publish("x/one", files, {})  # which replaces it
    assert list(store.damage("x/one", store.record("x/one"))) == []


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a\\b", "", ".", "c:a", "a//b"])
def test_a_record_leads_nowhere_else(store, files, name):
    store.publish("x/one", {name: files["a"]}, {})
    with pytest.raises(DamagedFile, match="can be no file of it"):
        store.record("x/one")


def test_a_record_that_was_changed_is_none(store, files):
    store.publish("x/one", files, {})
    path = store._path("x/one.json")
    store._fs.pipe_file(path, store._fs.cat_file(path).replace(b"5", b"6", 1))
    with pytest.raises(DamagedFile, match="not what was written"):
        store.record("x/one")
    store._fs.pipe_file(path, b"{}")
    with pytest.raises(DamagedFile):
        store.record("x/one")


def test_what_was_left_behind_goes_after_a_day(store, files, monkeypatch):
    store.publish("x/one", files, {})
    store.publish("x/gone", files, {})
    store._fs.rm(store._path("x/gone.json"))
    stray = store._path(f"x/one/{'0' * 64}.abc.part")
    store._fs.pipe_file(stray, b"half")
    store.sweep()
    assert len(objects(store)) == 4
    monkeypatch.setattr(object_store, "ABANDONED", timedelta(seconds=-60))
    store.sweep()
    assert len(objects(store)) == 2
    assert not store._fs.exists(stray)
    assert list(store.damage("x/one", store.record("x/one"))) == []


def test_a_store_that_is_away_is_waited_for(store, files, monkeypatch, caplog):
    slept, left = [], [4]
    monkeypatch.setattr("time.sleep", slept.append)
    real = store._fs.put_file

    def put(*arguments, **keywords):
        if left[0]:
            left[0] -= 1
            raise TimeoutError("no answer")
        return real(*arguments, **keywords)

    monkeypatch.setattr(store._fs, "put_file", put)
    store.publish("x/one", files, {})
    assert slept == [1, 2, 4, 8]
    assert "does not answer (no answer); again in 8 s" in caplog.text
    left[0] = 1000
    with pytest.raises(Unreachable, match="does not answer: no answer"):
        store.publish("x/one", files, {})
    assert sum(slept) == 15 + sum(object_store.PAUSES)
    with pytest.raises(Unreachable):  # not again for minutes
        store.publish("x/one", files, {})
    assert sum(slept) == 15 + sum(object_store.PAUSES)


def test_what_stays_as_it_is_is_not_waited_for(store, files, monkeypatch):
    def put(*_, **__):
        raise PermissionError("403")

    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waits"))
    monkeypatch.setattr(store._fs, "put_file", put)
    with pytest.raises(Unreachable, match="refuses: 403"):
        store.publish("x/one", files, {})


def test_another_format_is_refused(store, monkeypatch):
    store.check()
    assert store.is_store()
    monkeypatch.setattr(object_store, "FORMAT", 2)
    with pytest.raises(XltError, match="another version"):
        store.is_store()


# Stages ------------------------------------------------------------------------------------------


def test_a_stage_is_trained_once_for_all_machines(world, alone, place, steps, caplog):
    caplog.set_level("INFO", "xlt")
    first = machine(world, "first", place, has=alone)
    first.run()  # which publishes it
    second = machine(world, "second", place)
    (found,) = second.run()
    assert steps == []
    assert found.reused
    assert "comes from" in caplog.text
    assert trained(second) == trained(alone)
    assert not list(second.root.glob("*.part"))
    done, there = ((folder_of(s) / "done.json") for s in (first, second))
    assert done.read_bytes() == there.read_bytes()
    assert store_of(first).bundles() == [f"{found.folder.name}/finished"]


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "store")


def test_damage_in_the_store_is_said_and_replaced(world, alone, folder, steps, caplog):
    machine(world, "first", folder, has=alone).run()
    store = opened(folder)
    for path in objects(store):
        corrupt(store, path)
    second = machine(world, "second", folder)
    second.run()
    assert steps
    assert "is damaged: its content is not what was written: the stage is trained again" in (
        caplog.text
    )
    assert trained(second) == trained(alone)
    assert shared_store.verify(store) == []
    steps.clear()
    third = machine(world, "third", folder)
    third.run()
    assert steps == []
    assert trained(third) == trained(alone)


def wanted(stages):
    identity = read_identity(folder_of(stages))
    assert identity is not None
    return identity


def test_only_what_was_asked_for_is_fetched(world, alone, folder, caplog):
    caplog.set_level(logging.WARNING, logger="xlt")
    first = machine(world, "first", folder, has=alone)
    stage, identity = folder_of(first), wanted(first)
    done = read_done(stage)
    second = machine(world, "second", folder)
    to = second.root / stage.name

    def fetched(needed):
        found = second.runner.store.fetch(to, identity, needed)
        assert to.exists() == found
        shutil.rmtree(to, ignore_errors=True)
        return found

    assert not fetched({})
    first.runner.store.publish(stage)
    assert fetched({})
    assert fetched({"dev:xx": ["later"]})  # with the weights, they can be had
    write_sealed(stage / "done.json", {**done, "keep": "best"})
    first.runner.store.publish(stage)  # no: what is there has more
    assert fetched({"dev:xx": ["later"]})
    first.runner.store.publish(stage, anew=True)
    assert fetched(done["observed"])
    assert not fetched({"dev:xx": ["later"]})
    write_sealed(stage / "done.json", {**done, "observed": {"dev:xx": ["later"]}})
    first.runner.store.publish(stage)
    assert fetched({"dev:xx": ["later"]})
    assert caplog.text == ""
    (stage / "key.json").unlink()
    first.runner.store.publish(stage, anew=True)
    assert not fetched({})
    assert "it is another stage" in caplog.text


@pytest.mark.parametrize("which", ["selected/*/model.safetensors", "done.json"])
def test_what_is_damaged_here_is_not_published(world, alone, folder, which, caplog):
    first = machine(world, "first", folder, has=alone)
    stage = folder_of(first)
    damaged = next(stage.glob(which))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    first.runner.store.publish(stage, anew=True)
    (said,) = caplog.messages
    assert said.startswith(str(stage))
    assert damaged.name in said
    assert said.endswith(": it stays here")
    assert push(first.root.parent, folder) == []
    assert caplog.messages == [said, said]
    assert store_of(first).bundles() == []


@pytest.mark.parametrize("of_records", [False, True])
def test_a_disk_that_is_full_here_is_not_the_stores_fault(
    world, alone, folder, monkeypatch, of_records
):
    first = machine(world, "first", folder, has=alone)
    store, stage = store_of(first), folder_of(first)
    first.runner.store.publish(stage)
    second = machine(world, "second", folder)
    real = store._fs.get_file
    written = []

    def get(path, to, **keywords):
        if path.endswith(".json") is of_records:
            written.append(Path(to))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), to)
        real(path, to, **keywords)

    monkeypatch.setattr(store._fs, "get_file", get)
    with pytest.raises(XltError, match="the disk is full") as caught:
        second.run()
    assert not isinstance(caught.value, Unreachable)
    place = written[0].parent if of_records else second.root / stage.name
    assert caught.value.where == str(place)
    assert not list(second.root.glob("*.part"))


def test_a_store_that_went_away_costs_nothing(world, alone, folder, steps, monkeypatch, caplog):
    first = machine(world, "first", folder, has=alone)
    store, stage, identity = store_of(first), folder_of(first), wanted(first)

    def away(*_, **__):
        raise TimeoutError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store._fs, "put_file", away)
        assert first.run()
    assert "is here alone until `xlt store push` publishes it" in caplog.text
    assert store.bundles() == []
    first.run()  # the same command again
    assert store.bundles() == [f"{stage.name}/finished"]
    second = machine(world, "second", folder)
    monkeypatch.setattr(store._fs, "get_file", away)
    monkeypatch.setattr(store._fs, "find", away)
    assert not second.runner.store.fetch(second.root / stage.name, identity, {})
    assert f"{stage.name} is not looked for there" in caplog.text
    second.runner.store.resume(second.root / stage.name, lambda _: True)
    assert f"checkpoints of {stage.name} are not looked for there" in caplog.text
    assert steps == []


def interrupted(stages, monkeypatch, at, happens):
    """Train until a step, at which something happens."""
    real = TransferTrainer.training_step

    def step(self, *arguments, **keywords):
        if self.state.global_step == at:
            happens()
        return real(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(TransferTrainer, "training_step", step)
        stages.run()


def stop():
    raise KeyboardInterrupt


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_another_machine_goes_on_where_this_one_ended(
    world, alone, folder, steps, monkeypatch, caplog
):
    """At the end of the process the last checkpoint (every 2 steps) goes to the store."""
    caplog.set_level("INFO", "xlt")
    first = machine(world, "first", folder)
    with pytest.raises(SystemExit, match="143"):
        interrupted(first, monkeypatch, 5, terminate)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    store = store_of(first)
    (bundle,) = store.bundles()
    assert bundle.endswith("/step-4")
    (row,) = shared_store.list_stages(store)
    assert row["state"] == "unfinished"
    steps.clear()
    second = machine(world, "second", folder)
    second.run()
    assert steps == [4, 5, 6, 7]
    assert "step 4 comes from" in caplog.text
    assert trained(second) == trained(alone)
    assert [one.partition("/")[2] for one in store.bundles()] == ["finished"]
    assert len({Path(one).parent for one in objects(store)}) == 1


@pytest.fixture
def unfinished(tmp_path):
    """Makes checkpoints, which hold nothing that trains."""

    def make(stage, *steps, text="weights"):
        work = stage / "work"
        for step in steps:
            part = work / f"writing-{step}.part"
            part.mkdir(parents=True)
            (part / "weights").write_text(f"{text} {step}")
            ckpt.publish(part, work / f"checkpoint-{step}")
        return work

    return make


def test_the_newest_checkpoint_is_taken(place, tmp_path, unfinished, caplog):
    first, second = tmp_path / "1" / "stage-0", tmp_path / "2" / "stage-0"
    store = opened(place)
    shared = SharedStages(store, every=1)
    write_sealed(unfinished(first, 2) / "observed.json", {"observed": {}})
    for step in (2, 4):
        unfinished(first, *([step] if step > 2 else []))
        with pytest.raises(KeyboardInterrupt), shared.keeping(first):
            raise KeyboardInterrupt
    assert store.bundles() == ["stage-0/step-4"]  # the one before went

    def resumed(goes_on=lambda work: (work / "observed.json").is_file()):
        shared.resume(second, goes_on)
        newest, _ = ckpt.last_intact(second / "work")
        return None if newest is None else newest.name

    assert resumed(goes_on=lambda _: False) is None
    assert resumed() == "checkpoint-4"
    unfinished(second, 6)
    assert resumed() == "checkpoint-6"
    assert (second / "work" / "checkpoint-4").is_dir()  # nothing was replaced
    shutil.rmtree(second)
    store.publish("stage-0/step-3", {"checkpoint-3/a": first / "work/checkpoint-4/weights"}, {})
    for path in objects(store):
        if "/step-4/" in path:
            corrupt(store, path)
    assert resumed(goes_on=lambda _: True) is None  # of step 3 there is no list
    assert "going back to what was before it" in caplog.text
    assert (second / "work" / "checkpoint-3" / "a").is_file()
    assert not list(second.glob("*.part"))
    unfinished(first, 7)
    with pytest.raises(Diverged), shared.keeping(first):
        raise Diverged("the loss is nan")
    assert store.bundles() == ["stage-0/step-3", "stage-0/step-4"]
    shared.forget(first)
    assert store.bundles() == []


def test_a_store_that_is_away_hides_no_error(folder, tmp_path, unfinished, monkeypatch, caplog):
    shared, stage = SharedStages(ObjectStore(folder), every=1), tmp_path / "stage-0"
    unfinished(stage, 2)

    def away(*_, **__):
        raise TimeoutError("away")

    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("training waits"))
    monkeypatch.setattr(shared.store._fs, "put_file", away)
    with pytest.raises(KeyboardInterrupt), shared.keeping(stage):
        raise KeyboardInterrupt
    assert "step 2 of stage-0 is on this machine alone" in caplog.text


@thorough
def test_checkpoints_go_there_every_so_often(world, alone, place, monkeypatch):
    """Here whenever a step is done; of all, the newest stays."""
    seen = []
    real = ObjectStore.publish

    def publish(self, bundle, *arguments, **keywords):
        real(self, bundle, *arguments, **keywords)
        seen.append(bundle.partition("/")[2])
        left = [one for one in self.bundles() if "/step-" in one]
        assert len(left) <= 2

    monkeypatch.setattr(ObjectStore, "publish", publish)
    stages = machine(world, "first", place, every=1e-9)
    stages.run()
    assert seen == [*(f"step-{n}" for n in range(1, 8)), "finished"]
    assert trained(stages) == trained(alone)
    seen.clear()
    machine(world, "second", f"{place}-2", every=1e5).run()
    assert seen == ["finished"]


@thorough
def test_a_stage_that_begins_again_leaves_no_checkpoint(world, alone, folder, monkeypatch):
    """Else another machine would go on with what has diverged."""
    stages = machine(world, "first", folder, every=1e-9)
    stage = stages.plan[-1]
    training = stage.training.model_copy(update={"on_divergence": "halve"})
    left = []
    real = SharedStages.forget

    def forget(self, folder):
        left.append(self.store.bundles())
        real(self, folder)
        left.append(self.store.bundles())

    monkeypatch.setattr(SharedStages, "forget", forget)

    once = iter([Diverged("the loss is nan")])

    def diverge():
        for error in once:
            raise error

    monkeypatch.setattr(stages, "plan", [replace(stage, training=training)])
    interrupted(stages, monkeypatch, 5, diverge)
    before, after = left
    assert [one.partition("/")[2] for one in before] == ["step-5"]
    assert after == []


@thorough
def test_two_machines_at_one_stage(world, alone, place, monkeypatch):
    """The second begins and ends while the first is at step 5."""
    first, second = (machine(world, name, place, every=1e-9) for name in ("first", "second"))
    interrupted(first, monkeypatch, 5, lambda done=[]: done or done.append(1) or second.run())
    assert trained(first) == trained(second) == trained(alone)
    store = store_of(first)
    assert shared_store.verify(store) == []
    third = machine(world, "third", place)
    third.run()
    assert trained(third) == trained(alone)


# Runs and studies --------------------------------------------------------------------------------


def test_a_run_says_before_training_that_the_store_is_none(world, tmp_path, steps):
    (tmp_path / "file").write_text("")
    path = world.config("refused", output={"store": str(tmp_path / "file")}, **SETTINGS)
    with pytest.raises(XltError, match="refuses") as caught:
        train(load_config(path), quiet=True)
    assert "output.store" in str(caught.value)
    assert steps == []


def test_a_remote_store_needs_consent(world, monkeypatch):
    path = world.config("remote", output={"store": "s3://bucket/x"}, **SETTINGS)
    (request,) = requests(load_config(path))
    assert request.permission == "store"
    assert not request.typed
    (request,) = requests(load_config(path, ["output.store=s3://bucket/y"]))
    assert request.typed
    for here in ("shared", "/mnt/shared", "file:///mnt/shared", "memory://x"):
        assert requests(load_config(path, [f"output.store={here}"])) == []
    with pytest.raises(XltError, match="keeps trained stages in s3://bucket/x, which needs your"):
        train(load_config(path), quiet=True)


def test_what_cannot_stand_in_a_config(world):
    path = world.config("secret", output={"store": "s3://id:secret@bucket/x"}, **SETTINGS)
    with pytest.raises(XltError, match="may hold no name or password") as caught:
        load_config(path)
    assert "secret@" not in str(caught.value)
    for text in ("", "://x", "s3://", "s3://bucket?key=1", "a b://x"):
        with pytest.raises(ValueError):
            check_place(text)


def test_the_environment_names_a_store(tmp_path, monkeypatch):
    assert not isinstance(stage_store(Output()), SharedStages)
    monkeypatch.setenv("XLT_STORE", str(tmp_path / "env"))
    assert stage_store(Output()).store.place == str(tmp_path / "env")
    assert stage_store(Output(store=str(tmp_path / "own"))).store.place == str(tmp_path / "own")
    monkeypatch.setenv("XLT_STORE", "s3://id:secret@bucket")
    with pytest.raises(XltError, match="may hold no name") as caught:
        stage_store(Output())
    assert "secret@" not in str(caught.value)


def test_a_package_that_is_missing_is_named(monkeypatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [f'{one}; extra == "s3"' for one in project["optional-dependencies"]["s3"]]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: declared)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(XltError, match="s3fs") as caught:
        ObjectStore("s3://bucket")
    assert caught.value.fix == "pip install 'xlt[s3]'"
    with pytest.raises(XltError, match="Protocol not known"):
        ObjectStore("no-such://bucket")
    with pytest.raises(XltError, match="one file system"):
        ObjectStore("simplecache::s3://bucket")


class OtherMachine(Here):
    """Does jobs in a folder that the caller does not look into."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def submit(self, job):
        with contextlib.chdir(self.folder):
            return super().submit(replace(job, folder=str(self.folder)))


@thorough
def test_workers_that_share_nothing_but_the_store(world, tmp_path, steps, monkeypatch):
    from xlt.config.study import load_study

    here, elsewhere = tmp_path / "here", tmp_path / "there"
    for folder in (here, elsewhere):
        folder.mkdir()
    base = world.config("base", output={"root": "runs", "store": str(tmp_path / "st")}, **SETTINGS)
    path = world.folder / "study.yaml"
    path.write_text(json.dumps({"extends": str(base), "study": {"cells": {"a": None}}}))
    monkeypatch.chdir(here)
    monkeypatch.setattr("xlt.runs.study.make_executor", lambda _: OtherMachine(elsewhere))
    outcome = run_study(load_study(path), on="other", quiet=True)
    assert outcome["failed"] == {}
    assert outcome["cells"] == {"a": True}
    assert len(steps) == 8  # once
    there, own = weights(elsewhere / "runs"), weights(here / "runs")
    assert there == own
    assert own
    steps.clear()
    shutil.rmtree(here / "runs")
    assert run_study(load_study(path), on="other", quiet=True)["failed"] == {}
    assert steps == []


# xlt store ---------------------------------------------------------------------------------------


@pytest.fixture
def published(world, alone, folder):
    """A store with a stage and one that is not finished; the stage's folder."""
    stages = machine(world, "published", folder, has=alone)
    store, stage = store_of(stages), folder_of(stages)
    stages.runner.store.publish(stage)
    store.publish("other-0/step-3", {"a": stage / "key.json"}, {"step": 3})
    return store, stage


def test_the_list_reads_no_weights(published, monkeypatch):
    store, folder = published
    read = []
    real = store._fs.get_file

    def get(path, to, **keywords):
        read.append(path)
        return real(path, to, **keywords)

    monkeypatch.setattr(store._fs, "get_file", get)
    finished, unfinished = shared_store.list_stages(store)
    assert all(path.endswith(".json") for path in read)
    assert finished["stage"] == folder.name
    assert (finished["state"], unfinished["state"]) == ("finished", "unfinished")
    below = [p for p in folder.rglob("*") if p.is_file()]
    assert finished["bytes"] == sum(p.stat().st_size for p in below)
    later = [p for p in below if "evaluated" in p.parts]
    assert finished["later"] == sum(p.stat().st_size for p in later) > 0
    assert finished["runs"] is None


def test_everything_is_verified(published):
    store, folder = published
    assert shared_store.verify(store) == []
    (path,) = (p for p in objects(store) if "/step-3/" in p)
    corrupt(store, path)
    store._fs.pipe_file(store._path(f"{folder.name}/finished.json"), b"{}")
    found = {one["stage"]: one["what"] for one in shared_store.verify(store)}
    assert "record is damaged" in found[folder.name]
    assert "step-3: a is damaged" in found["other-0"]
    assert [row["state"] for row in shared_store.list_stages(store)] == ["damaged", "unfinished"]


def test_what_is_pruned(world, published, steps):
    store, folder = published
    with pytest.raises(XltError, match="not known in a store"):
        shared_store.prune(store, "used")
    store.publish(f"{folder.name}/step-2", {"a": folder / "key.json"}, {"step": 2})
    before = shared_store.list_stages(store)
    told = shared_store.prune(store, "best", dry_run=True)
    assert shared_store.list_stages(store) == before
    assert shared_store.prune(store, "best") == told
    assert told["bytes"] == before[0]["later"]
    after = shared_store.list_stages(store)
    assert [row["state"] for row in after] == ["finished", "unfinished"]
    assert after[0]["later"] == 0
    assert f"{folder.name}/step-2" not in store.bundles()
    assert shared_store.verify(store) == []
    size = sum(store._fs.size(path) for path in objects(store))
    assert size == sum(row["bytes"] for row in after)
    assert shared_store.prune(store, "best")["removed"] == []
    steps.clear()
    (found,) = machine(world, "pruned", store.place).run()
    assert steps == []
    assert json.loads((found.folder / "done.json").read_text())["keep"] == "best"
    assert len(shared_store.prune(store, "none")["removed"]) == 1
    assert store.bundles() == ["other-0/step-3"]
    assert len(objects(store)) == 1


def test_the_commands(alone, tmp_path):
    root, place = alone.root.parent, tmp_path / "store"
    done = xlt("store", "push", root, place)
    assert done.code == 0, done.text
    assert "1 published" in done.out
    assert push(root, str(place)) == []
    (tmp_path / "empty").mkdir()
    assert xlt("store", "push", tmp_path / "empty", place).out == "nothing to publish\n"
    assert (place / MARKER).is_file()
    done = xlt("store", "list", f"file://{place}")
    assert done.code == 0, done.text
    assert "finished" in done.out
    assert "?" in done.out
    assert shared_store.find_store(str(place)) is not None
    assert shared_store.find_store(str(root)) is None
    assert shared_store.find_store(str(tmp_path / "nowhere")) is None
    with pytest.raises(XltError, match="there is no store of stages here"):
        shared_store.find_store(f"file://{tmp_path}")
    done = xlt("store", "prune", place, "--keep", "used")
    assert done.code == 2
    assert "not known in a store" in done.err
    assert xlt("store", "prune", place, "--keep", "none").code == 0
    assert opened(str(place)).bundles() == []
