"""`xlt estimate`: what a run is expected to score without labels, fitted to finished runs."""

import errno
import gc
import json
import random
import re
import shutil
import sys
import weakref
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small import World, bio, make_world, sentences, xlt

from scripts.experiments import estimate as experiment
from scripts.experiments import estimate_checkpoints, source_sets
from xlt.config.load import load_config
from xlt.data.checksums import cache_dir
from xlt.document import FlatSpans
from xlt.errors import XltError
from xlt.evaluation.combination import MIN_LANGUAGES
from xlt.evaluation.criteria import CRITERIA, OnDev, OnText, Sure, Threshold
from xlt.files import write_sealed
from xlt.inference import loading
from xlt.model.folder import INFO, read_info
from xlt.runs import evidence, remembered, transfer_scores, unlabelled
from xlt.runs.evidence import gather
from xlt.runs.experiment import prepare
from xlt.runs.folder import RunFolder
from xlt.runs.graph import EVALUATE, build
from xlt.runs.sources import Sources
from xlt.runs.workload import Workload
from xlt.task import make_task
from xlt.training.raw_text import evaluated_subwords
from xlt.transfer.stage import DataSplit
from xlt.typology.ranking import rank
from xlt.typology.scores import measured_as

TARGETS = ["deu", "fra", "spa", "ita", "nld", "por", "swe", "fin", "hun", "tur"]
"""English in which so many tenths of the words are Javanese."""


def mixed(tenths, number=20):
    """English sentences; each word is Javanese, of the same tag, with this chance."""
    draw = random.Random(tenths)
    own = [pair for sentence in sentences("jav", 20, 3) for pair in sentence]
    return [
        [
            draw.choice([one for one in own if one[1] == pair[1]] or [pair])
            if draw.random() < tenths / 10
            else pair
            for pair in sentence
        ]
        for sentence in sentences("eng", number, 7 + tenths)
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """A run from English with two seeds, which was scored in ten languages."""
    world = make_world(tmp_path_factory.mktemp("estimate"), size=40)
    data = json.loads(world.config("any").read_text(encoding="utf-8"))["data"]
    for tenths, language in enumerate(TARGETS):
        path = world.folder / f"{language}-test.bio"
        path.write_text(bio(mixed(tenths)), encoding="utf-8")
        data[language] = {"test": str(path)}
    lines = (" ".join(word for word, _ in one) for one in mixed(4, 30))
    (world.folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    config = world.config(
        data=data, target=TARGETS, strategy="zero_shot", training__epochs=5, seeds=[1, 2]
    )
    done = xlt("train", config)
    assert done.code == 0, done.text
    return world


def estimate(world, *, models=("runs/run",), language="jav", **options):
    folders = [world.folder / model for model in models]
    return unlabelled.estimate(
        folders, str(world.folder / "text.txt"), language=language, **options
    )


def test_without_runs_it_is_the_mean_of_the_criteria_and_not_calibrated(world):
    found = estimate(world)
    assert found["fitted_to"] is None
    assert (found["metric"], found["language"], found["sentences"]) == ("f1", "jav", 30)
    (row,) = found["estimates"]
    assert list(row["criteria"]) == list(CRITERIA)
    told = [value for name, value in row["criteria"].items() if name != "confidence"]
    assert row["expected"] == pytest.approx(sum(told) / 3)
    assert row["interval"] is None
    assert 0 < row["source_dev"] <= 100
    assert found["notes"][0].startswith("not calibrated, so without an interval: --runs names no")
    assert found["notes"][1].startswith("30 sentences are few")


def test_runs_with_scores_in_other_languages_give_an_interval(world):
    found = estimate(world, runs=[world.runs()])
    assert found["fitted_to"] == {"pairs": 10, "languages": TARGETS}
    (row,) = found["estimates"]
    low, high = row["interval"]
    assert 0 <= low <= row["expected"] <= high <= 100
    assert not [note for note in found["notes"] if "not calibrated" in note]


def test_scores_in_the_very_language_take_no_part(world):
    found = estimate(world, runs=[world.runs()], language="tur")
    assert found["fitted_to"] == {"pairs": 9, "languages": TARGETS[:-1]}
    assert len(TARGETS) - 1 == MIN_LANGUAGES


def test_a_run_is_evidence_of_what_it_scored(world):
    found = gather([world.runs()], "ner")
    assert [pair.language for pair in found.pairs] == TARGETS
    result = json.loads((world.runs() / "run/result.json").read_text(encoding="utf-8"))
    scores = {row["target"]: row["metrics"]["f1"]["mean"] for row in result["summary"]}
    for pair in found.pairs:
        assert pair.score == pytest.approx(scores[pair.language])
        assert {"source_dev", *CRITERIA} <= set(pair.features)
    assert gather([world.runs()], "nli").pairs == []


def test_one_model_agrees_with_nobody(world):
    found = estimate(world, models=["runs/run/seed-1/deu/model"])
    (row,) = found["estimates"]
    assert row["seeds"] == 1
    assert "agreement" not in row["criteria"]
    assert row["expected"] is not None
    (row,) = estimate(world, models=["runs/run/seed-1/deu/model"], runs=[world.runs()])["estimates"]
    assert row["interval"] is not None
    assert "none of the runs has its number of seeds" in row["notes"][-1]


def test_of_a_language_whose_labels_it_knows_there_is_no_interval(world):
    (row,) = estimate(world, language="eng", runs=[world.runs()])["estimates"]
    assert row["expected"] is not None
    assert row["interval"] is None
    assert row["notes"][0].startswith("no interval: it has learnt from labels of English itself")


def test_a_run_counts_once_however_often_it_is_named(world, tmp_path):
    (tmp_path / "linked").symlink_to(world.runs() / "run")
    runs = [world.runs(), world.runs() / "run", tmp_path]
    assert len(gather(runs, "ner").pairs) == len(TARGETS)


def test_what_is_left_out_is_said_with_the_reason(world, monkeypatch):
    monkeypatch.setattr(evidence, "pair_of", lambda *_, **__: None)
    left = gather([world.runs()], "ner").left_out
    assert left[f"{world.runs()}/run/deu"] == "no criterion says anything of it"
    monkeypatch.setattr(evidence, "source_dev", lambda _: ())
    left = gather([world.runs()], "ner").left_out
    assert left == {f"{world.runs()}/run": "there are no dev data of its sources to compare with"}
    found = estimate(world, runs=[world.runs()])
    assert "in 0 other languages can be used, and 9 are needed" in found["notes"][0]


def test_runs_that_predict_on_translations_are_no_evidence(world, monkeypatch):
    def translated(run):
        return before(run) | {"predictions": {"deu": "on its translation into eng"}}

    before = evidence.read_result
    monkeypatch.setattr(evidence, "read_result", translated)
    found = gather([world.runs()], "ner")
    assert len(found.pairs) == len(TARGETS) - 1
    assert "on a translation" in found.left_out[f"{world.runs()}/run/deu"]


def test_the_ranker_does_not_know_the_scores_in_the_language(world):
    config = load_config(world.folder / "run.yaml").config
    expected = evidence.expected_by_ranker(config, "deu")
    known = rank("deu", ["eng"], task="ner", measured_as=measured_as("ner"), own_scores=False)
    assert known.sources[0].measured is not None
    assert expected not in (None, pytest.approx(known.sources[0].expected))


def test_a_model_that_finds_nothing_is_not_judged_by_agreement():
    dev = [OnDev(60.0, Sure(0.8, 0.85, Threshold(0.5, 1.0), 0.1), 70.0)] * 2
    nothing, something = OnText(np.array([]), 40, 0.0), OnText(np.array([0.9]), 40, 50.0)
    assert evidence.pair_of("jav", dev, [nothing, nothing], None) is None
    assert evidence.pair_of("jav", dev, [something, nothing], None) is None
    assert evidence.pair_of("jav", dev, [something, something], None) is not None
    unsure = [OnDev(60.0, None, 70.0)] * 2
    assert evidence.pair_of("jav", unsure, [nothing, nothing], None) is not None


def test_models_of_one_run_are_taken_together(world):
    models = [f"runs/run/seed-{seed}/deu/model" for seed in (1, 2)]
    (row,) = estimate(world, models=[*models, *models, "runs/run/../run"])["estimates"]
    assert row["criteria"] == pytest.approx(estimate(world)["estimates"][0]["criteria"])
    assert row["seeds"] == 2


def test_a_model_is_known_wherever_it_is_named_from(world, monkeypatch):
    monkeypatch.chdir(world.runs() / "run/seed-1/deu/model")
    (run,) = unlabelled._grouped([Path()], None)
    assert (run.folder, run.target) == ((world.runs() / "run").resolve(), "deu")
    monkeypatch.setattr(unlabelled, "models_of", lambda *_: [Path("/model")])
    with pytest.raises(XltError, match="not in the folder of its run"):
        unlabelled._grouped([Path("/model")], None)


def test_models_of_several_targets_are_no_seeds(world):
    models = ["runs/run/seed-1/deu/model", "runs/run/seed-2/fra/model"]
    with pytest.raises(XltError, match="several of its targets are named: deu, fra"):
        estimate(world, models=models)


def another(world, folder, **changes):
    """A run whose first model says something else of itself."""
    info = read_info(world.runs() / "run/seed-1/deu/model")
    model = folder / "seed-1/deu/model"
    model.mkdir(parents=True)
    write_sealed(model / INFO, asdict(replace(info, **changes)))
    shutil.copy(world.runs() / "run/config.yaml", folder)
    return model


def test_runs_of_other_tasks_are_refused_before_anything_is_predicted(world, tmp_path, monkeypatch):
    monkeypatch.setattr(unlabelled, "gather", None)
    other = another(world, tmp_path / "other", task="nli", options={})
    with pytest.raises(XltError, match="the models are of nli and of ner"):
        estimate(world, models=["runs/run", other], runs=[world.runs()])


def test_what_makes_scores_of_a_task_incomparable_is_said(world, tmp_path):
    runs = [
        unlabelled._Run(tmp_path / name, (another(world, tmp_path / name, **changes),))
        for name, changes in [("a", {}), ("b", {"labels": {"entities": ["PER", "X"]}})]
    ]
    assert unlabelled._unlike(*runs) == [f"its labels are others than those of {runs[1].folder}"]
    assert unlabelled._unlike(runs[0], runs[0]) == []


def test_models_predict_one_at_a_time_and_as_their_run_scores_them(world, monkeypatch):
    made, made_before = [], loading.make_direct_predictor

    def make(folder, **options):
        gc.collect()
        assert not [one for one, _ in made if one() is not None]
        task, backbone, predictor = made_before(folder, **options)
        made.append((weakref.ref(predictor), options))
        return task, backbone, predictor

    estimate(world, runs=[world.runs()])  # Transfer Scores are kept, too
    monkeypatch.setattr(loading, "make_direct_predictor", make)
    for path in (cache_dir() / "source-dev").glob("*.json"):
        path.unlink()
    estimate(world, runs=[world.runs()])
    assert len(made) == 4
    for _, options in made:
        assert options["precision"] == "fp32"
        assert options["options"].encoder == str(world.folder / "encoder")


def test_no_more_sentences_are_taken_than_it_says(world, tmp_path, monkeypatch):
    monkeypatch.setattr(unlabelled, "MAX_ESTIMATE_SENTENCES", 5)
    text = tmp_path / "one-line.txt"
    text.write_text("Sri ndelok Solo. " * 9, encoding="utf-8")
    found = unlabelled.estimate([world.runs() / "run"], str(text), language="jav")
    assert found["sentences"] == 5


def test_source_dev_data_are_predicted_once(world, tmp_path, monkeypatch):
    """What is kept serves again; what is damaged is computed anew."""
    before = estimate(world)
    cached = sorted((cache_dir() / "source-dev").glob("*.json"))
    assert cached
    stamps = [path.stat().st_mtime_ns for path in cached]
    estimate(world)
    assert [path.stat().st_mtime_ns for path in cached] == stamps
    for path in cached:
        path.write_text("{}", encoding="utf-8")
    with monkeypatch.context() as full:
        full.setattr(remembered, "write_sealed", unwritable)
        assert estimate(world) == before, "a cache saves time, and a full disk costs no estimate"
    loaded = load_config(world.runs() / "run/config.yaml").config
    options = {"languages": ["fra"]}, {"options": {"schema": "other"}}
    changed = [another(world, tmp_path / str(n), **one) for n, one in enumerate([{}, *options])]
    keys = [remembered.key(loaded, [model], []) for model in changed]
    assert keys[0] == keys[1] != keys[2], "what a model is for is not how it predicts"

    def kept():
        return len([*(cache_dir() / "source-dev").glob("*.json")])

    number = kept()
    monkeypatch.setattr(remembered, "environment", lambda *_, **__: {"code": "other"})
    estimate(world)
    assert kept() == number + 1
    monkeypatch.setattr(remembered, "read_info", lambda _: SimpleNamespace(files={}))
    estimate(world)
    assert kept() == number + 1


def unwritable(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_terminal_sees_a_table(world):
    done = xlt(
        *("estimate", world.folder / "runs/run", world.folder / "text.txt", "--language", "jav"),
        *("--runs", world.runs()),
    )
    assert done.code == 0, done.text
    assert done.out.startswith("f1 in Javanese (jav), ner, expected from 30 sentences")
    assert "source dev  confidence  difference  threshold  agreement" in done.out
    assert "fitted to 10 scores in 10 other languages" in done.out


def test_what_a_user_can_do_wrong(world, tmp_path):
    run, text = world.folder / "runs/run", world.folder / "text.txt"
    shutil.copytree(run / "seed-1/deu/model", tmp_path / "alone")
    (tmp_path / "empty.conllu").write_text("\n", encoding="utf-8")
    (tmp_path / "nothing").mkdir()
    for arguments, said in [
        ((tmp_path / "alone", text, "--language", "jav"), "it is not in the folder of its run"),
        ((run, tmp_path / "empty.conllu", "--language", "jav"), "there is no"),
        (
            (run, text, "--language", "jav", "--runs", tmp_path / "nothing"),
            "there is no finished run here",
        ),
        ((run, text, "--language", "neverland"), "neverland"),
        ((tmp_path / "nothing", text), "there is no trained model here"),
        ((run, run, "--language", "jav"), "this is a run, and no text"),
        ((run, run / "seed-1/deu/model", "--language", "jav"), "this is a model, and no text"),
    ]:
        done = xlt("estimate", *arguments)
        assert done.code == 2, done.text
        assert said in done.err
        assert "fix:" in done.err


def test_a_run_says_what_is_expected_of_text_of_its_target(world):
    """Beside what was measured, where there is gold; it is not fitted to anything."""
    text = str(world.folder / "text.txt")
    data = json.loads((world.folder / "run.yaml").read_text(encoding="utf-8"))["data"]
    data |= {
        "deu": {"test": str(world.folder / "deu-test.bio"), "text": text},
        "jav": {"text": text},
    }
    done = xlt(
        "train",
        world.config(
            "told",
            data=data,
            target=["deu", "jav"],
            strategy="zero_shot",
            training__epochs=5,
            seeds=[1, 2],
        ),
    )
    assert done.code == 0, done.text
    assert "target  seeds  expected  source dev" in done.out
    assert "It is not calibrated" in done.out
    run = world.runs() / "told"
    rows = json.loads((run / "result.json").read_text(encoding="utf-8"))["estimates"]
    (asked,) = unlabelled.estimate([run], text, language="jav")["estimates"]
    for row in rows:
        assert (row["sentences"], row["interval"]) == (30, None)
        assert row["expected"] == pytest.approx(asked["expected"])
        assert row["notes"] == ["30 sentences are few: other text would give something else"]
    assert [row["target"] for row in rows] == ["deu", "jav"]
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "## Expected without labels" in card
    assert xlt("report", run).code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Expected without labels, in percent" in page
    assert "measured" in page
    assert ">jav<" in page  # which has no test data


def own_estimates(world, **changes):
    """What the trained run would say of text of Javanese with another config."""
    data = {
        "eng": {split: str(world.folder / f"eng-{split}.bio") for split in ("train", "dev")},
        "jav": {"text": str(world.folder / "text.txt")},
    }
    config = {"data": data, "strategy": "zero_shot", "seeds": [1, 2]}
    experiment = prepare(load_config(world.config("again", **config | changes)))
    folder = RunFolder(world.runs() / "again")
    if not folder.path.is_dir():
        for seed in (1, 2):
            model = world.runs() / f"run/seed-{seed}/deu/model"
            shutil.copytree(model, folder.path / f"seed-{seed}/jav/model")
    return unlabelled.estimate_all(experiment, Sources(experiment.config, experiment.task), folder)


def test_an_estimate_costs_no_result(world, monkeypatch):
    def fail(*_, **__):
        raise XltError("the disk is full", where="/x", fix="buy one")

    assert own_estimates(world)[0]["expected"] is not None
    monkeypatch.setattr(unlabelled, "predictions", fail)
    (row,) = own_estimates(world)
    assert (row["expected"], row["notes"]) == (None, ["not known: the disk is full"])


def test_estimates_count_as_work_and_can_be_turned_off(world):
    data = {
        "eng": {split: str(world.folder / f"eng-{split}.bio") for split in ("train", "dev")},
        "jav": {"text": str(world.folder / "text.txt")},
    }

    def work(**changes):
        path = world.config("worked", data=data, strategy="zero_shot", **changes)
        cells = {"worked": prepare(load_config(path))}
        nodes = build(cells)
        done = Workload(cells, nodes).work
        return sum(done[key] for key, node in nodes.items() if node.kind == EVALUATE)

    assert work() > 0
    assert work(seeds=[1, 2]) == 2 * work()
    assert work(evaluation__estimate=False) == 0
    assert own_estimates(world, evaluation__estimate=False) == []


def test_a_run_without_models_of_the_language_says_which_it_has(world, tmp_path):
    for target, digest in (("deu", "a"), ("fra", "b")):
        model = another(world, tmp_path / target, files={"config.json": (1, digest)})
        shutil.copytree(model.parents[1], tmp_path / "run/seed-1", dirs_exist_ok=True)
        (tmp_path / "run/seed-1/deu").rename(tmp_path / "run/seed-1" / f"{target}-")
    for target in ("deu", "fra"):
        (tmp_path / f"run/seed-1/{target}-").rename(tmp_path / "run/seed-1" / target)
    assert loading.find_model(tmp_path / "run", "fra").parent.name == "fra"
    with pytest.raises(XltError, match="several targets: deu, fra") as caught:
        loading.find_model(tmp_path / "run")
    assert "--language" in (caught.value.fix or "")
    with pytest.raises(XltError, match="deu, fra; jav is none of them") as caught:
        loading.find_model(tmp_path / "run", "jav")
    assert (caught.value.fix or "").startswith("name one of them")


def test_nothing_is_translated_for_an_estimate(world):
    projection = {"translator": {"name": "given", "file": "nowhere.txt"}}
    for strategy in ("translate_test", "translate_ensemble"):
        (row,) = own_estimates(world, strategy=strategy, projection=projection)
        assert row["expected"] is None
        assert "predicted on its translation into eng" in row["notes"][0]


def test_without_text_a_run_says_nothing_of_it(world):
    result = json.loads((world.runs() / "run/result.json").read_text(encoding="utf-8"))
    assert "estimates" not in result
    assert "Expected without labels" not in (world.runs() / "run/README.md").read_text()


def test_text_of_the_target_selects_the_checkpoint(world):
    """By the score that is expected there, beside what the dev data of either side select."""
    data = json.loads((world.folder / "any.yaml").read_text(encoding="utf-8"))["data"]
    data["jav"] |= {"text": str(world.folder / "text.txt")}
    changes = {"data": data, "strategy": "zero_shot", "training__epochs": 4}
    done = xlt("train", world.config("by-text", selection__on="target_text", **changes))
    assert done.code == 0, done.text
    run = world.runs() / "by-text"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    chosen = {row["selected_on"]: row for row in result["rows"]}
    assert {name for name, row in chosen.items() if row["primary"]} == {"text:jav"}
    assert set(chosen) == {"text:jav", "dev:eng", "dev:jav"}
    assert chosen["text:jav"]["calibrated_on"] == "dev:eng"
    (stage,) = result["lineage"]["seed-1/jav"]
    made = json.loads((Path(stage["folder"]) / "done.json").read_text(encoding="utf-8"))
    expected = {row["step"]: row["text:jav"] for row in made["history"]}
    best = made["selected"]["text:jav"]
    assert best["score"] == max(expected.values()) == expected[best["step"]] > 0
    # As `xlt estimate` says it of the model that is kept.
    (row,) = unlabelled.estimate([run], str(world.folder / "text.txt"), language="jav")["estimates"]
    assert best["score"] == pytest.approx(row["criteria"]["threshold"], abs=1.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "there is no text data for jav"),
        ({"data__jav__text": "text.txt", "data__eng__dev": []}, "by what the model does on dev"),
        ({"task__name": "question_generation"}, "does not say how sure it is"),
    ],
)
def test_what_selecting_by_text_needs(world, changes, said):
    config = world.config("bad", strategy="zero_shot", selection__on="target_text", **changes)
    done = xlt("config", "check", config)
    assert done.code == 2, done.text
    assert said in done.err
    assert "fix:" in done.err


@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ({"language": "jav", "split": "train", "projected_from": None}, False),
        ({"language": "jav", "split": "train", "projected_from": None, "unlabelled": True}, True),
        ({"language": "jav", "split": "train", "projected_from": "eng"}, True),
        ({"language": "jav", "split": "text", "projected_from": None}, True),
        ({"language": "ind", "split": "train", "projected_from": None}, True),
    ],
)
def test_a_language_whose_labels_were_learnt_is_no_evidence(split, counts):
    result = {"source": ["eng"], "lineage": {"seed-1/jav": [{"train": [split]}]}}
    assert evidence.has_labels_of(result, "jav", "jav") != counts
    assert evidence.has_labels_of(result, "jav", "eng")


@pytest.mark.parametrize(
    ("selected", "calibrated", "counts"),
    [
        ("dev:eng", "dev:eng", True),
        ("dev:jav", "dev:eng", False),
        ("dev:eng", "dev:ind+jav", False),
        ("dev:eng>jav", None, True),
        ("text:jav", "dev:eng", True),
        ("last", None, True),
    ],
)
def test_a_language_whose_labels_chose_the_model_is_no_evidence(selected, calibrated, counts):
    row = {"target": "jav", "primary": True, "selected_on": selected, "calibrated_on": calibrated}
    result = {"source": ["eng"], "rows": [row, row | {"primary": False, "selected_on": "dev:jav"}]}
    assert evidence.has_labels_of(result, "jav", "jav") != counts
    stage = {"train": [], "primary": selected}
    result = {"source": ["eng"], "lineage": {"seed-1/jav": [stage]}}
    assert evidence.has_labels_of(result, "jav", "jav") == (selected == "dev:jav")


def test_of_a_long_text_an_evaluation_predicts_a_part():
    assert evaluated_subwords(DataSplit("jav", "text"), 100_000, 3_000_000) == 30_000
    assert evaluated_subwords(DataSplit("jav", "text"), 30, 900) == 900
    assert evaluated_subwords(DataSplit("jav", "dev"), 100_000, 3_000_000) == 3_000_000


# What the criteria are worth, and sets of sources -------------------------------------------------


def test_the_transfer_score_stands_beside_the_criteria_and_is_learnt_from(world, monkeypatch):
    (row,) = estimate(world, runs=[world.runs() / "run"])["estimates"]
    scores = [
        pair.features["transfer_score"] for pair in gather([world.runs() / "run"], "ner").pairs
    ]
    assert len({*scores}) == len(TARGETS)
    assert -10 < min(scores) < row["transfer_score"] < 2
    assert "transfer_score" not in row["criteria"], "it is no expected score"
    assert estimate(world)["estimates"][0]["expected"] == pytest.approx(
        np.mean([row["criteria"][name] for name in ("difference", "threshold", "agreement")])
    )
    monkeypatch.setattr(unlabelled, "transfer_scores", lambda *_, **__: [[None, 0.5]])
    (other,) = estimate(world, runs=[world.runs() / "run"])["estimates"]
    assert other["transfer_score"] is None, "of one seed alone there is no mean"
    assert other["expected"] != row["expected"]


def test_transfer_scores_are_computed_once(world, monkeypatch):
    """By models that are loaded once for all targets, whose text is lacking."""
    run = [world.runs() / "run"]
    before = gather(run, "ner").pairs
    loaded, each = [], transfer_scores.of_each

    def of_each(config, models, *rest, **more):
        loaded.append(models)
        return each(config, models, *rest, **more)

    monkeypatch.setattr(transfer_scores, "of_each", of_each)
    assert gather(run, "ner").pairs == before
    assert loaded == []
    for path in sorted((cache_dir() / "transfer-score").glob("*.json"))[1:]:
        path.unlink()
    assert gather(run, "ner").pairs == before
    assert [[model.parents[1].name for model in models] for models in loaded] == [
        ["seed-1", "seed-2"]
    ]


def test_a_transfer_score_is_of_the_first_records_and_of_their_text_alone(world, monkeypatch):
    config = load_config(world.runs() / "run/config.yaml").config
    models = [world.runs() / "run/seed-1/deu/model"]
    records = Sources(config, make_task(config)).load(DataSplit("deu", "test")).records

    def of(records):
        return transfer_scores.transfer_scores(config, models, [records], batch_tokens=8192)[0]

    monkeypatch.setattr(transfer_scores, "MAX_TRANSFER_SENTENCES", 8)
    (found,) = of(records)
    assert found is not None
    bare = [record.with_layers(entities=FlatSpans(())) for record in records]
    monkeypatch.setattr(transfer_scores, "of_each", None)
    assert of(bare) == of(records[:8]) == [found]
    with pytest.raises(TypeError):
        of(records[1:])


def test_the_experiment_shows_what_each_criterion_is_worth(world, monkeypatch, capsys):
    """On a finished run: what it has stored, and its checkpoints."""
    arguments = [str(world.runs() / "run"), "--checkpoints", "2"]
    monkeypatch.setattr(sys, "argv", ["estimate", *arguments])
    experiment.main()
    said = capsys.readouterr().out
    assert "ner: 10 pairs of a run and a target, 10 languages" in said
    lines = [line.strip("| ").split(" | ") for line in said.splitlines() if line.startswith("|")]
    first = {cells[0]: cells[1:] for cells in lines if len(cells) > 5}
    singles = ["source_dev", *CRITERIA, "transfer_score", "ranker"]
    for name in [*singles, "mean of the criteria"]:
        assert first[name][0] == "10"
    fitted = [*(f"{name} alone" for name in singles), "all but transfer_score", "all"]
    for name in fitted:
        pairs, error, *_, inside, width = first[f"fitted: {name}"][:9]
        assert pairs == "10"
        assert 0 <= float(error) < 100
        assert inside.endswith("%")
        assert float(width) >= 0
    (kept,) = re.findall(r"(\d+) checkpoints of 2 pairs of a run and a target", said)
    assert 2 * 3 <= int(kept) <= 2 * 5  # epochs, but for those after which nothing is found
    of_checkpoints = said.partition("| checkpoints by |")[2]
    for name in ["source_dev", *CRITERIA, "mean of the criteria", "fitted: all"]:
        (cells,) = re.findall(
            rf"^\| {name} \| (\d+) \| ([^|]*) \| ([^|]*) \|", of_checkpoints, re.M
        )
        assert cells[0] == kept
        assert -1 <= float(cells[1]) <= 1
        assert float(cells[2]) >= 0


def test_checkpoints_are_those_that_the_run_has_scored(world):
    """The one that is kept scores what the run says, and is on dev data what the run selected."""
    run = world.runs() / "run"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    (stage,) = result["lineage"]["seed-2/spa"]
    found = [*estimate_checkpoints._of_stages(run, [Path(stage["folder"])], ["spa"])]
    assert 3 <= len(found) <= 5  # epochs, but for those after which nothing is found
    (row,) = [
        one
        for one in result["rows"]
        if (one["target"], one["seed"], one["primary"]) == ("spa", 2, True)
    ]
    selected = stage["selected"]["dev:eng"]
    every = [(one.features["source_dev"], one.score) for one in found]
    kept = max(every, key=lambda pair: pair[0])
    assert kept == (pytest.approx(selected["score"]), pytest.approx(row["metrics"]["f1"]))
    assert "agreement" not in found[0].features, "of one seed"


def test_checkpoints_that_are_not_there_are_said(world, monkeypatch, capsys):
    monkeypatch.setattr(estimate_checkpoints, "stage_record", lambda *_: None)
    assert estimate_checkpoints.checkpoints(gather([world.runs() / "run"], "ner").pairs, 1) == []
    assert "have not kept the weights that were evaluated" in capsys.readouterr().out


def osborn(world, *arguments, text="text.txt", models=("eng", "ind", "spa")):
    named = [one for code in models for one in ("--source-model", f"{code}={world.runs()}/run")]
    return xlt(
        *("predict-source", "jav", "--task", "ner", "--sources", "eng,ind,spa"),
        *("--text", world.folder / text, *named, "--set-by", "osborn", *arguments),
        *("--source-text", f"eng={world.folder}/text.txt"),
        *("--source-text", f"ind={world.folder}/text.txt"),
    )


def test_a_set_is_chosen_by_what_models_make_of_the_text(world):
    """Here all of them are the same: they agree, and are equally far."""
    done = osborn(world, "--count", "2", "--json")
    assert done.code == 0, done.text
    found = json.loads(done.out)
    about = found["osborn"]
    assert found["set"] == ["eng", "ind"], "of equal ones the first by name"
    assert len({*about["domain"].values()}) == len({*about["task"].values()}) == 1
    assert 0 < about["domain"]["eng"] < 2
    assert 0 <= about["task"]["eng"] <= 1
    assert about["disagreement"]["eng"] == {"ind": 0.0, "spa": 0.0}
    assert about["sentences"] == 30
    done = osborn(world, "--budget", "60", "--count", "2", "--available", "sample")
    assert done.code == 2, "candidates are named once"
    done = osborn(world, "--count", "2")
    assert "together (after OSBORN, by their models on 30 sentences" in done.out
    assert "costs  domain  task  beside eng  beside ind  beside spa" in done.out


def test_what_a_set_by_models_needs(world, tmp_path):
    shutil.copytree(world.runs() / "run/seed-1/deu/model", tmp_path / "alone")
    without = xlt(
        *("predict-source", "jav", "--task", "ner", "--sources", "eng,ind,spa"),
        *("--count", "2", "--set-by", "osborn"),
    )
    for done, said in [
        (without, "osborn chooses among trained models"),
        (osborn(world, "--count", "5"), "5 sources are to be chosen of 3 models"),
        (
            osborn(world, "--count", "2", "--source-model", f"por={tmp_path}/alone"),
            "Portuguese (por) is not among the candidates",
        ),
        (
            osborn(world, "--count", "2", models=["eng", "ind"]),
            "models of 2 languages are given",
        ),
        (
            osborn(
                world, "--count", "2", "--source-model", f"spa={tmp_path}/alone",
                models=["eng", "ind"],
            ),
            "it is not in the folder of its run",
        ),
    ]:  # fmt: skip
        assert done.code == 2, done.text
        assert said in done.err
        assert "fix:" in done.err


def test_the_experiment_on_sets_of_sources(world, tmp_path, monkeypatch, capsys):
    """Of one model under four names, each set scores as the model does alone."""
    result = json.loads((world.runs() / "run/result.json").read_text(encoding="utf-8"))
    result["summary"] = [row for row in result["summary"] if row["target"] in ("deu", "fra")]
    for source in ("eng", "ind", "jav", "swa"):
        shutil.copytree(world.runs() / "run", tmp_path / "runs" / source)
        write_sealed(tmp_path / "runs" / source / "result.json", {**result, "source": [source]})
    alone = {
        row["target"]: row["metrics"]["f1"]
        for row in result["rows"]
        if row["target"] in ("deu", "fra") and row["seed"] == 1 and row["primary"]
    }
    monkeypatch.setattr(sys, "argv", ["source_sets", str(tmp_path / "runs"), "--size", "2"])
    source_sets.main()
    said = capsys.readouterr().out
    assert "2 targets" in said
    lines = [line.strip("| ").split(" | ") for line in said.splitlines() if line.startswith("|")]
    assert {line[0] for line in lines[2:]} == {"osborn", "greedy", "tower", "ranker", "any", "best"}
    for _, score, regret, *_ in lines[2:]:
        assert (score, regret) == (f"{np.mean([*alone.values()]):.1f}", "0.0")
