"""What is reported to TensorBoard, W&B and MLflow outlives the stage: one run a stage and seed."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from small import Stages, make_world

from xlt.errors import XltError
from xlt.training import reports


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), size=8)


def trained(world, name, **settings):
    """Two stages of one seed, of two steps each, and what they report."""
    stages = Stages(
        world.config(
            name=name, strategy={"name": "few_shot", "k": 2}, training__max_steps=2,
            output__root=str(world.folder / name),
            training__report_to=[name], seeds=[3], **settings,
        )
    )  # fmt: skip
    results = stages.run()
    assert len(results) == 2
    return results


def test_tensorboard(world, monkeypatch):
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for result in trained(world, "tensorboard"):
        events = EventAccumulator(str(result.folder / "reports" / "tensorboard")).Reload()
        assert {"train/loss", "train/train_loss"} & set(events.Tags()["scalars"])
        (text,) = events.Tensors("config/text_summary")
        shown = text.tensor_proto.string_val[0].decode().strip("`").removeprefix("json")
        config = json.loads(shown)
        assert config["stage"] == result.folder.name.rpartition("-")[0]
        assert config["seed"] == 3
        assert config["data"].keys() >= {"eng"}
        assert not (result.folder / "work").exists()


def test_wandb(world, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_DIR", raising=False)
    for result in trained(world, "wandb"):
        (run,) = (result.folder / "reports" / "wandb").glob("offline-run-*")
        stored = b"".join(path.read_bytes() for path in run.glob("*.wandb"))
        stage = result.folder.name.rpartition("-")[0]
        assert f"wandb/{stage}/seed-3".encode() in stored
        assert b"train/global_step" in stored
        assert b'"few_shot"' in stored


def test_mlflow(world, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the store that mlflow-skinny has, too
    monkeypatch.chdir(tmp_path)
    results = trained(world, "mlflow")
    client = mlflow.MlflowClient()
    runs = {run.info.run_name: run for run in client.search_runs(["0"])}
    stages = [result.folder.name.rpartition("-")[0] for result in results]
    assert sorted(runs) == sorted(f"mlflow/{stage}/seed-3" for stage in stages)
    for stage in stages:
        run = runs[f"mlflow/{stage}/seed-3"]
        assert run.info.status == "FINISHED"
        assert "train_loss" in run.data.metrics
        (path,) = Path(run.info.artifact_uri.removeprefix("file://")).glob("config.json")
        assert json.loads(path.read_text())["stage"] == stage


# Of packages that are not there.


def begin(monkeypatch, error=None):
    """A service that writes down what it is asked; it refuses with `error`."""
    said = []

    @reports.contextmanager
    def service(here, title, config):
        if error is not None:
            raise error
        said.append(f"begin {title}")
        try:
            yield
        except BaseException:
            said.append("failed")
            raise
        said.append("end")

    monkeypatch.setitem(reports.BEGIN, "wandb", service)
    return said


def test_a_run_ends_with_its_stage(monkeypatch, tmp_path):
    said = begin(monkeypatch)
    with reports.reporting(["wandb", "comet_ml"], tmp_path, "a/eng/seed-1", {}):
        assert said == ["begin a/eng/seed-1"]
    with (
        pytest.raises(KeyboardInterrupt),
        reports.reporting(["wandb"], tmp_path, "a/jav/seed-1", {}),
    ):
        raise KeyboardInterrupt
    assert said == ["begin a/eng/seed-1", "end", "begin a/jav/seed-1", "failed"]


def test_a_service_that_refuses(monkeypatch, tmp_path):
    begin(monkeypatch, RuntimeError("api_key not configured\nat line 3"))
    with (
        pytest.raises(XltError, match=r"take what is .*: api_key not configured\n") as caught,
        reports.reporting(["wandb"], tmp_path, "a/eng/seed-1", {}),
    ):
        raise AssertionError("not begun")
    assert "WANDB_MODE=offline" in caught.value.fix


@pytest.mark.parametrize("resumed", [True, False])
def test_what_an_earlier_try_reported_stays_if_it_is_resumed(tmp_path, resumed):
    earlier = tmp_path / "reports" / "tensorboard" / "events"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("")
    with reports.reporting([], tmp_path, "a/eng/seed-1", {}, resumed=resumed):
        assert earlier.exists() is resumed


def test_a_study_is_reported_together(monkeypatch, tmp_path):
    pytest.importorskip("tensorboard")
    asked = {}

    def wandb_init(**settings):
        asked["wandb"] = settings["group"]
        return nullcontext()

    def start_run(run_name, tags):
        asked.setdefault("mlflow", []).append((run_name, tags))
        return nullcontext()

    mlflow = SimpleNamespace(
        start_run=start_run,
        log_dict=lambda *_: None,
        set_experiment=lambda name: asked.setdefault("experiments", []).append(name),
    )
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=wandb_init))
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "logs"))
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    names = ["tensorboard", "wandb", "mlflow"]

    def report(title):
        with reports.reporting(names, tmp_path / "stage", title, {}):
            pass

    report("a/eng/seed-1")
    assert asked == {"wandb": "a", "mlflow": [("a/eng/seed-1", {})]}
    with reports.part_of("mine"):
        report("mine-a/eng/seed-1")
        assert asked["wandb"] == "mine"
        assert asked["mlflow"][1:] == [("mine-a/eng/seed-1", {"study": "mine"})]
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "stated")
        report("mine-b/eng/seed-1")
    assert asked["experiments"] == ["mine"]
    made = {str(path.parent.relative_to(tmp_path / "logs")) for path in tmp_path.rglob("events.*")}
    cells = {"mine/mine-a/eng/seed-1", "mine/mine-b/eng/seed-1"}
    assert made == {"a/eng/seed-1", *cells}
