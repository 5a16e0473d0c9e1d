"""Stages that learn from text: before and after the task, resumed, reused, refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import NAMES, Stages, World, make_world, predict_with, sentences

from xlt.config.load import dump, load_config
from xlt.errors import XltError
from xlt.model.folder import load_model
from xlt.registry import EMBEDDED
from xlt.runs.experiment import prepare
from xlt.runs.plan import plan
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.runs.train import train
from xlt.testing import make_encoder
from xlt.training.masking import Window
from xlt.training.trainer import TransferTrainer

FAST = {"epochs": 2, "learning_rate": 3e-3, "batch_tokens": 600, "checkpoint_every": 1000}
BEFORE = {"pretrain": {"on": ["target", "eng"], "training": FAST}}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"), "xlm-roberta", size=6)
    for language in NAMES:
        lines = (" ".join(word for word, _ in one) for one in sentences(language, 90, 3))
        (made.folder / f"{language}.txt").write_text("\n\n".join(lines), encoding="utf-8")
    return made


@pytest.fixture
def config(world, tmp_path):
    def config(name: str = "run", strategy=None, **changes):
        if strategy is None:
            strategy = {"name": "zero_shot", "before": BEFORE}
        settings = {
            "strategy": strategy,
            "training__max_steps": 1,
            "output__root": str(tmp_path / "runs"),
            **{f"data__{code}__text": str(world.folder / f"{code}.txt") for code in NAMES},
        }
        return world.config(name, **settings | changes)

    return config


def tensors(stage):
    return load_file(stage.model_folder() / "model.safetensors")


def test_an_encoder_learns_from_text_and_the_task_is_learnt_from_it(config):
    learnt, eng = Stages(config()).run()
    assert learnt.labels is None
    about = learnt.about
    assert about["perplexity"] < 0.8 * about["perplexity_before"]
    assert about["held_out_windows"] >= 2 * 4
    history = json.loads((learnt.folder / "done.json").read_text("utf-8").rpartition("}")[0] + "}")
    best = max(row["held-out text"] for row in history["history"])
    assert 100 / best == pytest.approx(about["perplexity"])
    # The encoder is one that transformers reads, with its layers that predict text.
    from transformers import AutoModel, AutoModelForMaskedLM

    AutoModelForMaskedLM.from_pretrained(learnt.model_folder())
    encoder = AutoModel.from_pretrained(learnt.model_folder())
    assert encoder.config.vocab_size == len(encoder.get_input_embeddings().weight)
    # One step of the task on 0.002 moves no weight by more than that.
    start, end = tensors(learnt), tensors(eng)
    name = next(name for name in end if name.endswith("layer.0.output.dense.weight"))
    (before,) = (start[other] for other in start if other.endswith(name.partition("layer.")[2]))
    assert (before - end[name]).abs().max() <= 2.1e-3
    assert [stage.reused for stage in Stages(config()).run()] == [True, True]


def encoder_tables(path):
    folder = load_config(path).config.model.encoder
    for name, table in load_file(f"{folder}/model.safetensors").items():
        if name.endswith("word_embeddings.weight"):
            yield table


def test_a_model_of_the_task_keeps_its_layers(config, world):
    after = {"pretrain": {"on": "jav", "training": {"max_steps": 2}}}
    through = {"name": "hierarchical", "through": [after], "target_stage": False}
    changes = {"selection__on": "last", "training__max_steps": 3}
    run = Stages(config(strategy=through, **changes))
    eng, learnt = run.run()
    assert learnt.labels == eng.labels
    _, _, before = load_model(eng.model_folder())
    _, _, after = load_model(learnt.model_folder())
    for name, weight in before.state_dict().items():
        same = weight.equal(after.state_dict()[name])
        assert same == ("roberta." not in name or "position_ids" in name), name
    # Subwords that the text has not stay what the task made of them.
    parent, child, (start,) = tensors(eng), tensors(learnt), encoder_tables(config())
    (name,) = (name for name in child if name.endswith("word_embeddings.weight"))
    seen = torch.zeros(len(child[name]), dtype=torch.bool)
    text = (world.folder / "jav.txt").read_text("utf-8").split()
    tokenizer = load_model(eng.model_folder())[1].tokenizer
    seen[tokenizer(text, is_split_into_words=True).input_ids] = True
    seen[tokenizer.all_special_ids] = True
    assert child[name][~seen].equal(parent[name][~seen])
    assert not parent[name][~seen].equal(start[~seen])
    records = run.records("jav")
    assert len(predict_with(learnt.model_folder(), records)) == len(records)


def test_it_goes_on_where_it_was_interrupted(config, monkeypatch, tmp_path):
    often = {"max_steps": 4, "checkpoint_every": 2, "evaluate_every": 2, "warmup": 0}
    before = {"pretrain": {"on": "target", "training": {**FAST, **often}}}
    alone = {"name": "zero_shot", "before": before}
    whole, _ = Stages(config(strategy=alone, output__root=str(tmp_path / "whole"))).run()
    real = TransferTrainer.training_step

    def interrupted(self, *arguments, **keywords):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return real(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(TransferTrainer, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Stages(config(strategy=alone)).run()
    steps = []
    monkeypatch.setattr(
        TransferTrainer, "training_step",
        lambda self, *a, **k: (steps.append(self.state.global_step), real(self, *a, **k))[1],
    )  # fmt: skip
    resumed, _ = Stages(config(strategy=alone), resume=True).run()
    assert steps[0] == 2
    assert resumed.about == whole.about
    assert all(weight.equal(tensors(whole)[name]) for name, weight in tensors(resumed).items())


def test_an_encoder_is_learnt_once_for_all_tasks_and_targets(config):
    first, _ = Stages(config(strategy={"name": "zero_shot", "before": {"pretrain": "eng"}})).run()
    other = {"strategy": {"name": "zero_shot", "before": [{"pretrain": ["English"]}]}}
    again, _ = Stages(config("other", target=["ind"], **other)).run()
    assert (again.folder, again.reused) == (first.folder, True)


PAIR = """
identifier: pair
name: Two languages
task: parallel_text
licence: CC0
citation: nobody
origin: translated
format: lines
languages:
  eng: {train: {files: [{local: [pair.eng], note: made up}]}}
  jav: {train: {files: [{local: [pair.jav], note: made up}]}}
"""


def test_a_side_of_a_parallel_text_is_text(config, world, tmp_path, monkeypatch):
    (tmp_path / "pair.yaml").write_text(PAIR, encoding="utf-8")
    (tmp_path / "pair.eng").write_text("One line.\n\nThree.\n", encoding="utf-8")
    (tmp_path / "pair.jav").write_text("Siji.\nLoro.\nTelu.\n", encoding="utf-8")
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    run = Stages(config(data__jav__text="pair:jav:train", data__eng__text="pair:eng:train"))
    read = [
        [document.text.surface for document in run.runner.load(data_split).records]
        for data_split in run.plan[0].train
    ]
    assert read == [["Siji.", "Loro.", "Telu."], ["One line.", "Three."]]


def test_what_decides_what_is_learnt_from_text(config, world):
    def key(**changes) -> str:
        options = {"on": "eng", **changes.pop("options", {})}
        path = config(strategy={"name": "zero_shot", "before": {"pretrain": options}}, **changes)
        run = Stages(path)
        stage = run.plan[0]
        return run.runner.identity(stage, [], [run.runner.load(s) for s in stage.train], []).key

    base = key()
    others = [
        key(options={"mask": 0.3}), key(options={"whole_words": False}),
        key(options={"window": 20}), key(options={"held_out": 0.1}),
        key(options={"training": {"epochs": 9}}),
        key(seeds=[2]), key(data_seed=2), key(model__trim_vocabulary=False),
        key(data__eng__text=str(world.folder / "ind.txt")),
    ]  # fmt: skip
    assert len({base, *others}) == 1 + len(others)
    assert key(training__learning_rate=1e-5, selection__on="last") == base


def test_a_run_says_what_came_of_the_text(config):
    path = config(strategy={"name": "zero_shot", "before": BEFORE})
    planned = plan(load_config(path))
    assert planned["missing"] == []
    (stage, _), (node, _, _) = planned["stages"], planned["nodes"]
    assert (stage["stage"], stage["kind"]) == ("text-jav+eng", "pretrain")
    assert stage["train"] == ["jav text", "eng text"]
    assert stage["minutes"] > 0
    assert (node["kind"], node["done"]) == ("pretrain", False)
    result = train(load_config(path), quiet=True)
    (note,) = (note for note in result["notes"] if "pseudo-perplexity" in note)
    assert note.endswith("seed 1")
    (first, second) = result["lineage"]["seed-1/jav"]
    assert (first["kind"], second["kind"]) == ("pretrain", "train")
    assert first["about"]["note"] in note
    assert plan(load_config(path))["nodes"][0]["done"] is True


def test_a_config_without_text_is_dumped_as_ever(world):
    text = dump(load_config(world.config("plain", strategy="zero_shot")).config)
    assert "text" not in text
    assert "before" not in text


def problems(path) -> list[XltError]:
    experiment = prepare(load_config(path))
    return find_problems(experiment, Sources(experiment.config, experiment.task), local=True)


@pytest.mark.parametrize(
    ("changes", "what", "where"),
    [
        ({"data__jav__text": []}, "there is no text data for jav", "data.jav"),
        ({"data__jav__text": "./nowhere.txt"}, "there is no file", "data.jav.text"),
        ({"data__jav__text": {"ref": "./empty.txt"}}, "there is no record", "empty.txt"),
        ({"model__encoder": EMBEDDED}, "have no layers that predict masked text", "model.encoder"),
        ({"window": 500}, "windows of at most 65 subwords, not 500", "strategy"),
        ({"mask": 1.5}, "`pretrain.mask` must be less than 1.0, not 1.5", "strategy.before"),
        ({"on": "Klingonese"}, "unknown language", "strategy.before"),
        ({"jav": "./jav.txt"}, "`pretrain` names languages", "strategy.before"),
        ({"training": {"label_smoothing": 0.1}}, "could be smoothed", "training.label_smoothing"),
        ({"training": {"epochs": 0}}, "`pretrain.training.epochs` must be", "strategy.before"),
    ],
)
def test_what_stands_against_it_is_said_before_anything_is_trained(
    config, world, changes, what, where
):
    (world.folder / "empty.txt").write_text("\n \n", encoding="utf-8")
    options = {
        k: changes.pop(k) for k in ("window", "mask", "on", "training", "jav") if k in changes
    }
    strategy = {"name": "zero_shot", "before": {"pretrain": {"on": "target", **options}}}
    try:
        found = problems(config(strategy=strategy, **changes))
    except XltError as error:
        found = [error]
    assert [error for error in found if what in error.what], [e.render() for e in found]
    (error,) = (error for error in found if what in error.what)
    assert where in str(error.where)
    assert error.fix


def test_a_tokenizer_without_a_mask(config, tmp_path, world):
    folder = make_encoder(tmp_path / "encoder", ["Joko ndelok Solo ."] * 9, "xlm-roberta")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            stated = json.loads((folder / name).read_text("utf-8"))
            stated.pop("mask_token", None)
            (folder / name).write_text(json.dumps(stated), encoding="utf-8")
    (error,) = problems(config(model__encoder=str(folder)))
    assert "its tokenizer has no mask" in error.what


def test_low_rank_updates_and_frozen_parts(config):
    pytest.importorskip("peft")
    training = {**FAST, "max_steps": 2, "freeze": ["embeddings"]}
    before = {"pretrain": {"on": "eng", "training": training}}
    strategy = {"name": "zero_shot", "before": before}
    (learnt, _) = Stages(config(strategy=strategy, model__lora={"rank": 2})).run()
    start = load_file(f"{load_config(config()).config.model.encoder}/model.safetensors")
    end = tensors(learnt)
    changed = {
        name
        for name, weight in start.items()
        if "pooler" not in name and not weight.equal(end[f"roberta.{name}"])
    }
    assert changed
    assert all(".layer." in name and name.endswith("weight") for name in changed)


def test_nothing_is_held_out(config):
    strategy = {
        "name": "zero_shot",
        "before": {"pretrain": {"on": "eng", "held_out": 0, "training": {"max_steps": 1}}},
    }
    learnt, _ = Stages(config(strategy=strategy)).run()
    assert learnt.primary == "last"
    assert "perplexity" not in learnt.about
    assert np.isfinite(torch.cat([w.flatten() for w in tensors(learnt).values()])).all()


def test_the_last_stage_of_the_task_is_selected_on_the_target(config):
    through = {"name": "hierarchical", "through": [{"pretrain": "jav"}], "target_stage": False}
    eng, learnt = Stages(config(strategy=through, selection__on="target_dev")).plan
    assert [one.language for one in eng.dev] == ["jav"]
    assert learnt.dev == ()


def test_a_model_whose_last_stage_is_no_training_of_the_task_is_not_calibrated(config):
    through = {"name": "hierarchical", "through": [{"pretrain": "jav"}], "target_stage": False}
    after = [
        note for note in prepare(load_config(config(strategy=through))).notes if "last" in note
    ]
    assert after == [
        "stage text-jav comes last, and the task is not learnt in it: its confidences are not "
        "calibrated"
    ]
    assert not any("comes last" in note for note in prepare(load_config(config())).notes)


def test_text_of_which_the_encoder_knows_nothing(config, monkeypatch):
    unknown = Window(np.array([3, 3], np.int32), np.arange(2, dtype=np.int32))
    monkeypatch.setattr("xlt.training.language_model.pack", lambda *_: [unknown])
    with pytest.raises(XltError, match="knows nothing of the text of jav") as refused:
        Stages(config()).run()
    assert refused.value.where == "data.jav.text"


def test_memory_that_runs_out_over_held_out_text_names_the_setting(config, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("xlt.model.masked.MaskedLanguageModel.forward", full)
    with pytest.raises(XltError, match="out of memory predicting what is masked") as refused:
        Stages(config()).run()
    assert refused.value.where == "evaluation.batch_tokens"


def test_work_is_counted_as_its_kind_says(config, monkeypatch):
    from xlt.runs.graph import build
    from xlt.runs.workload import Workload
    from xlt.training.pretrain import Pretrain

    experiments = {"run": prepare(load_config(config()))}
    nodes = build(experiments)
    (key,) = (key for key, node in nodes.items() if node.kind == "pretrain")
    work = Workload(experiments, nodes).work[key]
    monkeypatch.setattr(Pretrain, "effort", lambda self, stage, train: train)
    assert Workload(experiments, nodes).work[key] < work  # without the held-out text
    monkeypatch.setattr(Pretrain, "effort", lambda self, stage, train: None)
    assert Workload(experiments, nodes).work[key] == 0
