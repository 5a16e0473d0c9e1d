"""xlt store, and `output.keep`: what is kept, and what that costs."""

from __future__ import annotations

import json
import shutil

import pytest
from filelock import FileLock
from small import make_world, xlt

from xlt.config.load import load_config
from xlt.config.stored import differing_keys
from xlt.config.study import load_study
from xlt.errors import XltError
from xlt.files import write_sealed
from xlt.permissions import PUSH, allowing
from xlt.report.curves import read_curves
from xlt.results import read_result
from xlt.runs.folder import RunFolder
from xlt.runs.store import list_stages, prune, using, verify
from xlt.runs.study import study as run_study
from xlt.runs.table import table
from xlt.runs.train import train
from xlt.training.finished import read_done

SETTINGS = {
    "strategy": "zero_shot",
    "training__max_steps": 8,
    "training__batch_tokens": 60,
    "seeds": [1, 2],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two seeds, and a stage that belongs to no run."""
    folder = tmp_path_factory.mktemp("store")
    world = make_world(folder, size=6)
    path = world.config(**SETTINGS)
    train(load_config(path), quiet=True)
    train(load_config(path, ["name=other", "source=ind", "seeds=[1]"]), quiet=True)
    shutil.rmtree(folder / "runs" / "other")
    return path


@pytest.fixture
def root(finished, tmp_path):
    shutil.copytree(finished.parent / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def names(root):
    return sorted(path.parent.name for path in root.glob("stages/*/done.json"))


def test_the_list_says_which_runs_a_stage_is_part_of(root):
    rows = list_stages(root)
    assert [row["state"] for row in rows] == ["finished"] * 3
    by_name = {row["stage"].partition("-")[0]: row for row in rows}
    assert by_name["eng"]["runs"] == ["run"]
    assert by_name["ind"]["runs"] == []
    for row in rows:
        folder = root / "stages" / row["stage"]
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        assert row["bytes"] == sum(sizes)
        assert 0 <= row["later"] < row["bytes"]
    assert any(row["later"] for row in rows)


def test_damage_is_found(root):
    assert verify(root) == []
    weights = sorted(root.glob("stages/*/selected/*/model.safetensors"))[0]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (*_, later) = sorted(root.glob("stages/*/evaluated/*/difference.json"))
    later.write_text("{}")
    found = verify(root)
    stage = weights.parents[2].name
    assert any(one["stage"] == stage and "damaged" in one["what"] for one in found)
    assert any(
        one["stage"] == later.parents[2].name and "evaluated/" in one["what"] for one in found
    )
    done = xlt("store", "verify", root)
    assert done.code == 2
    assert stage in done.out
    assert "  fix: " in done.out


@pytest.mark.parametrize("keep", ["best", "used", "none"])
def test_what_is_pruned(root, keep):
    before = list_stages(root)
    told = prune(root, keep, dry_run=True)
    assert list_stages(root) == before
    assert prune(root, keep) == told
    after = list_stages(root)
    freed = sum(row["bytes"] for row in before) - sum(row["bytes"] for row in after)
    assert freed == pytest.approx(told["bytes"], abs=100)  # `done.json` says what is kept
    kept = {"best": before, "used": [row for row in before if row["runs"]], "none": []}[keep]
    assert [row["stage"] for row in after] == [row["stage"] for row in kept]
    assert all(row["later"] == 0 for row in after)
    later = {row["stage"] for row in before if row["later"]}
    for row in after:  # of what has lost nothing, later dev sets can be scored as before
        done = read_done(root / "stages" / row["stage"])
        assert done["keep"] == ("best" if row["stage"] in later else "all")
    assert verify(root) == []
    assert prune(root, keep)["removed"] == []
    assert not list(root.glob("stages/*.part"))


def test_a_pruned_run_is_as_it_was(root, finished):
    """Its models are its own; and what is trained again is the same."""
    models = {path: path.read_bytes() for path in root.glob("run/**/*.safetensors")}
    assert len(models) == 2
    prune(root, "none")
    config = load_config(finished, [f"output.root={json.dumps(str(root))}"])
    result = read_result(root / "run")
    assert train(config, quiet=True) == result  # finished already
    assert {path: path.read_bytes() for path in models} == models
    shutil.rmtree(root / "run")
    assert train(config, quiet=True)["summary"] == result["summary"]
    assert {path: path.read_bytes() for path in models} == models


def test_a_run_of_an_older_version_has_no_lineage(root):
    path = root / "run" / "result.json"
    result = read_result(root / "run")
    del result["lineage"]
    write_sealed(path, result)
    assert [row["runs"] for row in list_stages(root)] == [[], [], []]
    with pytest.raises(XltError, match="run: not finished, or made by an older xlt"):
        prune(root, "used")
    assert read_curves(root / "run", result, 1, ["jav"]) == []


def test_what_is_in_use_stays(root):
    (stage, *_) = names(root)
    with FileLock(root / "stages" / f"{stage}.lock"):
        told = prune(root, "none")
    assert told["in_use"] == [stage]
    assert names(root) == [stage]


def test_what_an_unfinished_run_needs_is_not_known(root):
    before = names(root)
    (root / "run" / "result.json").unlink()
    with pytest.raises(XltError, match="run: not finished") as caught:
        prune(root, "used")
    assert "--keep best" in caught.value.fix
    assert names(root) == before
    assert prune(root, "best")["in_use"] == []
    assert names(root) == before


@pytest.mark.parametrize("keep", ["used", "none"])
def test_nothing_goes_while_runs_are_made(root, keep):
    before = names(root)
    with using(root), pytest.raises(XltError, match="in use by a study"):
        prune(root, keep)
    with FileLock(root / "run" / ".lock"), pytest.raises(XltError, match="in use by run"):
        prune(root, keep)
    assert names(root) == before
    (root / "stages" / "killed.in-use").touch()  # of a process that is gone
    prune(root, keep)
    assert names(root) != before
    assert not list(root.glob("stages/*.in-use"))


def test_the_command(root, tmp_path):
    done = xlt("store", "list", root)
    assert done.code == 0, done.text
    assert "MB in all" in done.out
    done = xlt("store", "prune", root, "--keep", "used", "--dry-run")
    assert "would be removed" in done.out
    assert len(names(root)) == 3
    done = xlt("store", "prune", root, "--keep", "used")
    assert "MB removed" in done.out
    assert len(names(root)) == 2
    done = xlt("store", "list", tmp_path / "nowhere")
    assert done.code == 2
    assert "there is no such folder" in done.err


@pytest.mark.parametrize("keep", ["best", "scores"])
def test_a_run_keeps_no_more_than_it_was_told(finished, keep):
    folder = finished.parent / "runs"
    config = load_config(finished, [f"output.keep={keep}", f"name={keep}"])
    result = train(config, quiet=True)
    models = {path.parent for path in (folder / keep).glob("seed-*/*/model/xlt.json")}
    whole = read_result(folder / "run")
    assert result["summary"] == whole["summary"]
    best = max(
        config.config.seeds,
        key=lambda seed: next(
            one["selected"]["dev:eng"]["score"] for one in result["lineage"][f"seed-{seed}/jav"]
        ),
    )
    expected = {folder / keep / f"seed-{best}" / "jav" / "model"} if keep == "best" else set()
    assert models == expected
    card = (folder / keep / "README.md").read_text()
    assert (f"{keep}/seed-{best}/jav/model" in card) == (keep == "best")
    assert ("The run keeps no model" in card) == (keep == "scores")
    assert sorted(folder.glob(f"{keep}/seed-*/jav/test.counts.json"))[1:]  # of both seeds
    assert train(config, quiet=True) == read_result(folder / keep)  # nothing of it is missing
    done = xlt("predict", folder / keep, finished.parent / "jav-test.bio", "--language", "jav")
    assert done.code == (0 if keep == "best" else 2), done.text
    if keep == "scores":
        assert "output.keep" in done.err


def test_a_key_that_an_older_version_did_not_have_is_its_default():
    old = {"output": {"root": "runs", "push_to_hub": None}, "seeds": [1]}
    now = {"output": {"root": "runs", "push_to_hub": None, "keep": "all"}, "seeds": [1]}
    assert differing_keys(old, now) == differing_keys(now, old) == []
    now["output"] |= {"keep": "best", "push_to_hub": "me/ner"}
    assert differing_keys(old, now) == []  # it is the same run


# Finished runs that are to keep or publish something else -----------------------------------------


def again(finished, root, *overrides):
    return load_config(finished, [f"output.root={json.dumps(str(root))}", *overrides])


def models(root):
    return {path.parent.parent.parent.name for path in root.glob("run/seed-*/jav/model/xlt.json")}


def second_is_best(run):
    """Rewrite the result so that the second seed was selected with the higher score."""
    result = read_result(run)
    for seed, score in ((1, 0.25), (2, 0.75)):
        stage = result["lineage"][f"seed-{seed}/jav"][-1]
        stage["selected"][stage["primary"]]["score"] = score
    write_sealed(run / "result.json", result)


def stages(root):
    return {path: path.stat().st_mtime_ns for path in root.glob("stages/**/*.safetensors")}


def test_a_finished_run_gives_up_models_and_is_made_again_with_more(root, finished):
    run = root / "run"
    whole, trained = read_result(run), stages(root)
    own = {path: path.read_bytes() for path in run.glob("**/*.safetensors")}
    second_is_best(run)
    card = run / "README.md"
    card.write_text(card.read_text() + "mine\n")
    for keep, left, shown in (
        ("best", {"seed-2"}, "xlt predict run/seed-2/jav/model INPUT"),
        ("scores", set(), "The run keeps no model"),
    ):
        config = again(finished, root, f"output.keep={keep}")
        result = train(config, quiet=True)
        assert result["rows"] == whole["rows"]
        assert models(root) == left
        assert result == read_result(run)
        assert {n.partition("/")[0] for n in result["files"] if n.endswith("xlt.json")} == left
        assert RunFolder(run).damage() is None
        assert f"keep: {keep}" in (run / "config.yaml").read_text()
        assert shown in card.read_text()
        assert card.read_text().count("seed-") == len(left)
        assert card.read_text().endswith("mine\n")
        assert train(config, quiet=True) == result
    more = train(again(finished, root, "output.keep=all"), quiet=True)
    assert more["summary"] == whole["summary"]
    assert {path: path.read_bytes() for path in run.glob("**/*.safetensors")} == own
    assert stages(root) == trained  # nothing of it was trained again


def test_what_a_kill_leaves_of_models_goes_next_time(root, finished, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    config = again(finished, root, "output.keep=scores")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "forget_model", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config, quiet=True)
    assert RunFolder(root / "run").damage() is None
    assert models(root) == {"seed-1", "seed-2"}
    train(config, quiet=True)
    assert models(root) == set()


def test_an_older_result_does_not_say_which_is_best(root, finished, caplog):
    result = read_result(root / "run")
    for some in result["lineage"].values():
        del some[-1]["primary"]
    write_sealed(root / "run" / "result.json", result)
    train(again(finished, root, "output.keep=best"), quiet=True)
    assert "run keeps all its models: an older xlt made it" in caplog.text
    assert models(root) == {"seed-1", "seed-2"}


@pytest.mark.parametrize(("keep", "seed"), [("all", 1), ("best", 2)])
def test_a_finished_run_is_pushed_once(root, finished, monkeypatch, keep, seed):
    """Of its models the one that the card names."""
    pushed = []
    second_is_best(root / "run")

    class Hub:
        def create_repo(self, *_, **__): ...

        def upload_folder(self, repo_id, folder_path):
            pushed.append((repo_id, folder_path.parent.parent.parent.name))

        def upload_file(self, path_or_fileobj, **_):
            pushed.append(path_or_fileobj.read_text())

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    config = again(finished, root, f"output.keep={keep}", "output.push_to_hub=me/ner")
    with allowing(PUSH):
        result = train(config, quiet=True)
        assert train(config, quiet=True) == result == read_result(root / "run")
    assert result["pushed"] == {"jav": "me/ner"}
    assert pushed[0] == ("me/ner", f"seed-{seed}")
    assert f"xlt predict run/seed-{seed}/jav/model INPUT" in pushed[1]
    assert len(pushed) == 2


def test_scores_alone_cannot_be_pushed(finished):
    with pytest.raises(XltError, match="keeps no model that `push_to_hub` could upload") as caught:
        load_config(finished, ["output.keep=scores", "output.push_to_hub=me/ner"])
    assert "output.keep" in str(caught.value)


@pytest.mark.parametrize("on", [None, pytest.param("local:1", marks=pytest.mark.thorough)])
def test_a_finished_study_may_keep_less(root, finished, on):
    (root / "run").rename(root / "run-a")
    path = root.parent / "study.yaml"
    path.write_text(json.dumps({"extends": str(finished), "study": {"cells": {"a": None}}}))
    place = f"output.root={json.dumps(str(root))}"
    study = load_study(path, [place, "output.keep=scores"])
    assert table(study)["cells"] == {"a": True}
    assert table(study)["stale"] == {}
    trained = stages(root)
    outcome = run_study(study, on=on, quiet=True)
    assert outcome["failed"] == {}
    assert outcome["cells"] == {"a": True}
    assert not list(root.glob("run-a/seed-*/jav/model"))
    assert stages(root) == trained
