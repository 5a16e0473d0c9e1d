"""A run's folder and its result: what is named, what is counted, what can be read again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from small import World, make_world, predict_with

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.evaluation.statistics import bootstrap_interval
from xlt.files import write_sealed
from xlt.inference.loading import find_model
from xlt.model import calibration
from xlt.model.folder import read_info
from xlt.results import read_confidence, read_counts, read_result
from xlt.runs.compare import compare, counts_of
from xlt.runs.evaluate import evaluate
from xlt.runs.folder import RunFolder
from xlt.runs.listing import list_runs
from xlt.runs.predict import predict
from xlt.runs.train import train
from xlt.tasks.ner import NER


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


def config(world: World, name: str, **changes):
    settings = {
        "strategy": {"name": "zero_shot"},
        "target": ["jav", "ind"],
        "training__batch_tokens": 300,
        "training__epochs": 4,
        "training__learning_rate": 5e-3,
        "training__evaluate_every": 1,
        "evaluation__splits": ["dev", "test"],
        "seeds": [1, 2],
    }
    return load_config(world.config(name, **settings | changes))


@pytest.fixture(scope="module")
def finished(world):
    return train(config(world, "first"), quiet=True)


@pytest.fixture(scope="module")
def folder(world, finished):
    return world.runs() / "first"


def test_the_result_names_how_it_was_selected(finished):
    assert finished["selection"] == "source_dev"
    found = {(r["target"], r["split"], r["seed"], r["selected_on"]) for r in finished["rows"]}
    assert found == {
        (target, split, seed, on)
        for target in ("jav", "ind")
        for split in ("dev", "test")
        for seed in (1, 2)
        for on in ("dev:eng", f"dev:{target}")
    }
    assert {r["selected_on"] for r in finished["rows"] if r["primary"]} == {"dev:eng"}


def test_selecting_on_the_target_is_at_least_as_good_on_its_dev(finished):
    rows = {
        (r["target"], r["seed"], r["primary"]): r["metrics"]["f1"]
        for r in finished["rows"]
        if r["split"] == "dev"
    }
    for (target, seed, primary), value in rows.items():
        if primary:
            assert rows[target, seed, False] >= value


@pytest.mark.parametrize(("on", "name"), [("target_dev", "dev:jav"), ("last", "last")])
def test_other_ways_of_selecting_are_named(world, on, name):
    result = train(
        config(world, on, selection__on=on, target=["jav"], seeds=[1], training__epochs=2),
        quiet=True,
    )
    assert result["selection"] == on
    rows = {row["selected_on"]: row["primary"] for row in result["rows"]}
    assert rows == ({"dev:jav": True, "dev:eng": False} if on == "target_dev" else {"last": True})
    text = (world.runs() / on / "README.md").read_text(encoding="utf-8")
    assert f"| {name} * |" in text
    fitted = {row["calibrated_on"] for row in result["rows"] if row["primary"]}
    assert fitted == {None if on == "last" else name}


def test_mean_and_standard_deviation_over_seeds(finished):
    for row in finished["summary"]:
        same = [
            r["metrics"]["f1"]
            for r in finished["rows"]
            if all(r[k] == row[k] for k in ("target", "split", "selected_on"))
        ]
        assert row["metrics"]["f1"]["mean"] == pytest.approx(np.mean(same))
        assert row["metrics"]["f1"]["sd"] == pytest.approx(np.std(same, ddof=1))
        assert row["metrics"]["f1"]["seeds"] == 2
        assert row["metrics"]["f1"]["over"] == "seeds and records"
        assert 0 <= row["metrics"]["f1"]["low"] <= np.mean(same) <= row["metrics"]["f1"]["high"]


def test_intervals_hold_the_score(finished):
    for row in finished["rows"]:
        low, high = row["interval"]["f1"]
        assert low - 1e-9 <= row["metrics"]["f1"] <= high + 1e-9


def test_predictions_on_disk_are_the_models(folder, world):
    for seed in (1, 2):
        base = folder / f"seed-{seed}" / "jav"
        gold = list(NER().read(world.folder / "jav-test.bio", "bio"))
        stored = list(NER().read(base / "test.bio", "bio"))
        again = predict_with(base / "model", gold)
        assert [d.layers for d in stored] == [d.layers for d in again]
        assert [d.words for d in stored] == [d.words for d in gold]


def test_confidences_are_stored_beside_predictions(folder, finished):
    means = []
    for row in (one for one in finished["rows"] if one["primary"]):
        base = f"seed-{row['seed']}/{row['target']}/{row['split']}"
        predicted = list(NER().read(folder / f"{base}.bio", "bio"))
        stored = read_confidence(folder, finished, f"{base}.confidence.json")
        if "entities" not in row["reliability"]:  # nothing was predicted
            assert not any(one["entities"] for one in stored or ())
            continue
        assert stored is not None
        assert [len(one["entities"]) for one in stored] == [
            len(document.layers["entities"].spans) for document in predicted
        ]
        every = [value for one in stored for value in one["entities"]]
        means.append((np.mean(every), row["reliability"]["entities"]["confidence"] / 100))
    assert means
    for mean, expected in means:
        assert mean == pytest.approx(expected, abs=1e-4)
    assert read_confidence(folder, finished, "seed-3/jav/test.confidence.json") is None


def test_the_folder_is_complete(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["processes"] == 1
    assert {d["language"] for d in manifest["data"]} == {"eng", "ind", "jav"}
    assert all(len(d["sha256"]) == 64 for d in manifest["data"])
    assert manifest["packages"]["torch"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert '- "jv"' in card
    names = {path.name for path in (folder / "seed-1" / "jav" / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "xlt.json"} <= names
    assert not list(folder.rglob("*.part"))


def test_truncated_words_are_none(finished):
    for splits in finished["languages"].values():
        for statistics in splits.values():
            assert statistics["truncated_words"] == 0
            assert statistics["words"] > 0
            assert statistics["fertility"] >= 1


def test_the_stored_config_is_read_again(folder, finished, world):
    again = load_config(folder / "config.yaml")
    assert train(again, quiet=True) == json.loads(json.dumps(finished))


def test_evaluate_repeats_the_runs_score(folder, finished, world):
    model = folder / "seed-1" / "jav" / "model"
    found = evaluate(model, str(world.folder / "jav-test.bio"), language="jav")
    (row,) = [
        r
        for r in finished["rows"]
        if (r["target"], r["split"], r["seed"], r["primary"]) == ("jav", "test", 1, True)
    ]
    assert found["metrics"] == pytest.approx(row["metrics"])


def test_predict_writes_every_word(folder, world, tmp_path):
    model = folder / "seed-2" / "ind" / "model"
    out = tmp_path / "out.bio"
    done = predict(model, str(world.folder / "ind-test.bio"), str(out), quiet=True)
    assert done["records"] == 8
    assert out.read_text(encoding="utf-8") == (folder / "seed-2" / "ind" / "test.bio").read_text(
        encoding="utf-8"
    )


def test_one_model_of_several_targets_is_found(folder, tmp_path):
    """Zero-shot, all targets share the model; else one has to be named."""
    assert find_model(folder) == folder / "seed-1" / "ind" / "model"
    run = tmp_path / "run"
    for target, step in (("ind", 1), ("jav", 2)):
        stage = folder / f"seed-{step}" / target / "model"
        shutil.copytree(stage, run / "seed-1" / target / "model")
    with pytest.raises(XltError, match="several targets: ind, jav") as caught:
        find_model(run)
    assert "--language" in str(caught.value.fix)
    assert find_model(run, "jav") == run / "seed-1" / "jav" / "model"


def test_a_model_says_which_language_it_is_for(folder, tmp_path):
    assert read_info(folder / "seed-1" / "jav" / "model").languages == ["jav"]
    (tmp_path / "in.txt").write_text("Budi lunga menyang Solo.\n", encoding="utf-8")
    done = predict(folder, str(tmp_path / "in.txt"), str(tmp_path / "o.bio"), language="jv")
    assert done["model"].endswith("seed-1/jav/model")


def test_confidence_is_calibrated_on_the_dev_data_that_selected(folder, finished):
    fitted = calibration.load(folder / "seed-1" / "jav" / "model")
    assert fitted.fitted_on == "dev:eng"
    assert fitted.temperatures.keys() == {"entities"}
    for row in finished["rows"]:
        found = row["reliability"].get("entities")
        if found is not None:
            assert found["things"] == sum(one["things"] for one in found["bins"])
            assert 0 <= found["ece"] <= 100
    assert "## Confidence" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_model_folder_is_found(folder):
    assert find_model(folder / "seed-1" / "jav" / "model").name == "model"
    assert find_model(folder, "jav") == folder / "seed-1" / "jav" / "model"
    with pytest.raises(XltError, match="no trained model"):
        find_model(folder / "seed-1" / "nowhere")


def test_a_run_compared_with_itself_differs_in_nothing(folder):
    found = compare(folder, folder, resamples=50)
    assert {(r["target"], r["split"]) for r in found["rows"]} == {
        (t, s) for t in ("jav", "ind") for s in ("dev", "test")
    }
    for row in found["rows"]:
        assert row["difference"] == 0
        assert row["p"] == 1
        assert row["a_seeds"] == 2
        assert (row["over"], row["conclusive"], row["sure"]) == ("seeds and records", True, False)


def test_the_interval_of_a_mean_is_over_all_its_seeds(finished, folder):
    sides = counts_of(folder, finished)
    for row in finished["summary"]:
        if row["primary"]:
            runs = sides[row["target"], row["split"]].counts
            score, wanted = row["metrics"]["f1"], bootstrap_interval(runs, NER().metrics, seed=1)
            assert (score["low"], score["high"]) == pytest.approx(wanted["f1"])


def test_p_is_adjusted_for_what_is_shown(world, folder):
    other = world.runs() / "again"
    if not other.exists():
        train(config(world, "again", training__epochs=1), quiet=True)
    rows = compare(folder, other, resamples=50)["rows"]
    assert {row["metric"] for row in rows} == {"f1", "precision", "recall"}
    least = min(rows, key=lambda row: row["p"])
    assert least["p_adjusted"] == pytest.approx(min(1, len(rows) * least["p"]))
    alone = compare(folder, other, metric="f1", resamples=50)["rows"]
    assert len(alone) * 3 == len(rows)
    with pytest.raises(XltError, match="reports no 'f2'") as error:
        compare(folder, other, metric="f2")
    assert error.value.where == "--metric"


def test_the_same_models_are_pairs(folder):
    """A seed's model is as good for both, and what seeds differ by says nothing."""
    sides = counts_of(folder, read_result(folder))
    assert all(len(scored.models) == len(set(scored.models)) == 2 for scored in sides.values())
    assert sides["jav", "dev"].models == sides["jav", "test"].models


def test_counts_that_are_no_numbers(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = copy / "seed-2/jav/test.counts.json"
    stored = read_counts(path)
    stored["counts"][0][0] = float("nan")
    write_sealed(path, stored)
    with pytest.raises(XltError, match="not all finite numbers") as error:
        compare(copy, folder)
    assert error.value.where == str(path)


def test_runs_are_listed(world, folder):
    (found,) = [run for run in list_runs(world.runs()) if run["name"] == "first"]
    assert found["state"] == "finished"


# The folder's lock ---------------------------------------------------------------------------


def test_one_at_a_time(tmp_path):
    with RunFolder(tmp_path / "run"), pytest.raises(XltError, match="another process"):
        RunFolder(tmp_path / "run").__enter__()
    with RunFolder(tmp_path / "run"):
        pass  # free again


def test_states_of_a_folder(tmp_path):
    with RunFolder(tmp_path / "run") as folder:

        def ask(text, **flags):
            return folder.start(lambda: text, **{"resume": False, "overwrite": False} | flags)

        one, other = "task: {name: a}\nseeds: [1]\n", "task: {name: b}\nseeds: [1]\n"
        assert ask(one) is None
        assert not (folder.path / "config.yaml").exists()
        folder.claim(one, {"started": "now"})
        with pytest.raises(XltError, match="did not finish"):
            ask(one)
        assert ask(one, resume=True) is None
        keys = ("task", "strategy", "source", "metrics", "rows", "summary")
        folder.finish(dict.fromkeys(keys, "x"))
        assert ask(one) == ask(one, resume=True)
        assert ask(one)["task"] == "x"
        with pytest.raises(XltError, match=r"different config \(task.name\)"):
            ask(other)
        more, fewer = "task: {name: a}\nseeds: [2, 1]\n", "task: {name: a}\nseeds: [2]\n"
        with pytest.raises(XltError, match="fewer seeds"):
            ask(more)
        assert ask(more, resume=True) is None
        with pytest.raises(XltError, match=r"different config \(seeds\)"):
            ask(fewer, resume=True)
        assert ask(other, overwrite=True) is None
        folder.claim(other, {"started": "now"})
        assert not (folder.path / "result.json").exists()


def test_a_config_writes_over_no_folder_of_other_things(tmp_path):
    home = tmp_path / "Downloads"
    (home / "seed-1" / "eng").mkdir(parents=True)
    files = [home / "film.mkv.part", home / "README.md", home / "seed-1" / "eng" / "a.part"]
    for path in files:
        path.write_text("precious")
    with pytest.raises(XltError, match=r"something else than a run \(README.md\)"), RunFolder(home):
        pass
    assert [path.read_text() for path in files] == ["precious"] * 3
    assert sorted(path.name for path in home.iterdir()) == ["README.md", "film.mkv.part", "seed-1"]
    # A config of others has their names, too: nothing is swept before it is known to be the run's.
    (home / "config.yaml").write_text("theme: dark\n")
    with pytest.raises(XltError, match="different config"), RunFolder(home) as folder:
        folder.start(lambda: "task: {name: a}\n", resume=True, overwrite=False)
    assert [path.read_text() for path in files] == ["precious"] * 3


def test_errors_are_in_the_log(tmp_path):
    with pytest.raises(XltError), RunFolder(tmp_path / "run"):
        raise XltError("something broke", where="here", fix="mend it")
    assert "something broke" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
