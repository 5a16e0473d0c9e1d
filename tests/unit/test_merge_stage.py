"""Stages that merge: of sources and of seeds, with a base, in a plan; what cannot work is said."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from small import Stages, World, make_world, sentences

from xlt.config.load import dump, load_config
from xlt.errors import XltError, flat
from xlt.files import read_sealed
from xlt.merging.settings import WAYS
from xlt.merging.weights import MERGE, Place, base_of
from xlt.model import calibration
from xlt.runs.experiment import prepare
from xlt.runs.plan import plan
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.transfer.kind import Effort, kind_of, with_full_keys

TEXT = {"pretrain": {"on": "jav", "training": {"max_steps": 1, "warmup": 0}}}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"), size=6)
    lines = (" ".join(word for word, _ in one) for one in sentences("jav", 60, 3))
    (made.folder / "jav.txt").write_text("\n\n".join(lines), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def config(world):
    """Equal stages of all tests are made once."""

    def config(name: str = "run", /, source=("eng", "ind"), strategy=None, **changes):
        settings = {
            "source": list(source),
            "strategy": {"name": "merged", **(strategy or {})},
            "training__max_steps": 2,
            "training__warmup": 0,
            "evaluation__bootstrap": 1,
            "data__jav__text": str(world.folder / "jav.txt"),
        }
        return world.config(name, **settings | changes)

    return config


def tensors(stage):
    folder = stage.model_folder()
    return {
        k: v for path in sorted(folder.glob("*.safetensors")) for k, v in load_file(path).items()
    }


def encoder_of(world):
    return load_file(world.folder / "encoder" / "model.safetensors")


def encoders(stored):
    """The weights of an encoder's embeddings and layers, whatever stands before their names."""
    found = {name: re.search(r"(embeddings|layer\.\d)\..*$", name) for name in stored}
    return {own[0]: stored[name] for name, own in found.items() if own}


def same(one, other, *, part="", atol=1e-6):
    """Whether the weights of two encoders, or of a part, are the same."""
    first, second = encoders(one), encoders(other)
    pairs = [(first[name], second[name]) for name in first if part in name]
    assert pairs
    return all(tensor.allclose(found, atol=atol) for tensor, found in pairs)


def test_a_model_of_several_sources(config):
    path = config()
    eng, ind, mean = Stages(path).run()
    parts = tensors(eng), tensors(ind)
    for name, tensor in tensors(mean).items():
        assert tensor.allclose((parts[0][name] + parts[1][name]) / 2, atol=1e-6), name
    assert mean.labels == eng.labels
    assert mean.about == {"method": "mean", "settings": {"weights": None}}
    assert mean.primary == "dev:eng+ind"
    assert {*mean.selected} == {"dev:eng+ind", "dev:jav"}
    assert 0 <= mean.selected["dev:jav"]["score"] <= 100
    assert calibration.load(mean.model_folder()).fitted_on == "dev:eng+ind"
    said = read_sealed(mean.model_folder() / MERGE, fix="")
    assert [one["name"] for one in said["models"]] == [str(s.model_folder()) for s in (eng, ind)]
    (mean.folder / "work").mkdir()
    (mean.folder / "work" / "left.safetensors").write_bytes(b"of a process that was killed")
    (mean.folder / "done.json").unlink()
    before = (mean.model_folder() / "model.safetensors").read_bytes()
    again = Stages(path, resume=True).run()
    assert [stage.reused for stage in again] == [True, True, False]
    assert (mean.model_folder() / "model.safetensors").read_bytes() == before
    assert [stage.reused for stage in Stages(path).run()] == [True] * 3
    planned = plan(load_config(path))
    assert [row["kind"] for row in planned["nodes"]] == ["train", "train", "merge", "evaluate"]
    row = planned["stages"][2]
    assert (row["kind"], row["stage"], row["after"]) == ("merge", "merged-mean", "eng, ind")
    assert planned["missing"] == []


def test_it_is_scored_on_what_comes_later(config):
    *_, first = Stages(config(target=["eng"], strategy={"method": "slerp"})).run()
    assert {*first.selected} == {"dev:eng+ind", "dev:eng"}
    *_, later = Stages(config(target=["jav"], strategy={"method": "slerp"})).run()
    assert (later.key, later.reused) == (first.key, True)
    assert {*later.selected} == {"dev:eng+ind", "dev:eng", "dev:jav"}


def test_what_is_merged_otherwise_is_another_stage(config):
    def key(**strategy):
        stages = Stages(config(strategy=strategy))
        return stages.runner.identity(stages.plan[-1], ["a", "b"], [], []).key

    mean = key()
    assert key(weight=[1, 3]) != mean
    assert key(method="slerp") != mean
    assert key(method="slerp", scale=0.3) != key(method="slerp", scale=0.4)


def test_a_model_of_several_seeds_begins_with_one_head(config):
    """Without a step that changes anything the members are one model; the steps are others."""
    still = {"training__learning_rate": 1e-12, "training__head_learning_rate": 1e-12}
    strategy = {"of": "seeds", "members": 2, "method": "wise", "scale": 0.25}
    one, other, merged = Stages(config(source=["eng"], strategy=strategy, **still)).run()
    parts = tensors(one), tensors(other)
    assert any("classifier" in name or "head" in name for name in parts[0]), parts[0].keys()
    assert all(tensor.allclose(parts[1][name], atol=1e-7) for name, tensor in parts[0].items())
    assert one.key != other.key
    one, other, merged = Stages(config(source=["eng"], strategy=strategy)).run()
    assert not same(tensors(one), tensors(other))
    (own,) = Stages(config(source=["eng"], strategy={"name": "zero_shot"})).run()
    assert (own.key, own.reused) == (one.key, True), "the first is that of a run without merging"
    parts = tensors(one), tensors(other)
    for name, tensor in tensors(merged).items():
        assert tensor.allclose(0.75 * parts[0][name] + 0.25 * parts[1][name], atol=1e-6), name


@pytest.mark.parametrize("before", [False, True])
def test_the_base_is_what_the_models_were_trained_from(world, config, before):
    """Of arithmetic with a scale of 0 the base is left, and of all others something is added."""
    more = {"before": TEXT} if before else {}
    strategy = {"method": "arithmetic", "scale": 0, **more}
    *first, eng, _ind, merged = Stages(config(strategy=strategy)).run()
    assert len(first) == before
    start = tensors(first[0]) if before else encoder_of(world)
    assert same(tensors(merged), start)
    assert not same(tensors(eng), start)
    methods = ["arithmetic"] if before else [name for name in WAYS if WAYS[name].most is None]
    for method in methods:
        *_, made = Stages(config(strategy={"method": method, **more})).run()
        assert made.about["method"] == method
        assert not same(tensors(made), tensors(eng))
        assert ("information" in made.about) == (method == "fisher")


def test_layers_of_an_encoder_that_has_learnt_a_language(config):
    strategy = {"method": "layers", "bottom": 1, "top": 0, "joint": 0, "base": TEXT}
    eng, text, merged = Stages(config(source=["eng"], strategy=strategy)).run()
    made = tensors(merged)
    assert same(made, tensors(text), part="layer.0.")
    assert not same(made, tensors(eng), part="layer.0.")
    assert same(made, tensors(eng), part="layer.1.")


def test_a_model_and_the_one_that_it_was_trained_from(config):
    item = {"merge": {"method": "wise", "scale": [0.25, 0.5]}}
    strategy = {"name": "hierarchical", "through": ["ind", item], "target_stage": False}
    eng, ind, merged = Stages(config(source=["eng"], strategy=strategy)).run()
    scored = merged.about["dev"]
    assert [one["scale"] for one in scored] == [0.25, 0.5]
    best = max(scored, key=lambda one: one["score"])["scale"]
    assert merged.about["settings"] == {"scale": best}
    assert f"scale {best:g} is the best by f1 on dev:eng" in merged.about["note"]
    parts = tensors(eng), tensors(ind)
    for name, tensor in tensors(merged).items():
        assert tensor.allclose((1 - best) * parts[0][name] + best * parts[1][name], atol=1e-6), name


def test_text_of_the_target_chooses_the_scale_and_calibrates_nothing(config, monkeypatch):
    """The main process makes the model alone: among several none is waited for."""

    def together(number, compute, *, alone=False):
        assert alone
        return compute(range(number))

    monkeypatch.setattr("xlt.training.expected.together", together)
    strategy = {"method": "arithmetic", "scale": [0.5, 1.0]}
    eng, ind, merged = Stages(config(strategy=strategy, selection__on="target_text")).run()
    assert (eng.primary, ind.primary, merged.primary) == ("dev:eng", "dev:ind", "text:jav")
    assert {*merged.selected} == {"text:jav", "dev:eng+ind", "dev:jav"}
    best = max(merged.about["dev"], key=lambda one: one["score"])
    assert merged.about["settings"]["scale"] == best["scale"]
    assert merged.selected["text:jav"]["score"] == pytest.approx(best["score"])
    assert "is the best by f1 on text:jav" in merged.about["note"]
    assert calibration.load(merged.model_folder()).fitted_on == "dev:eng+ind"


MERGE_ITEM = {"name": "hierarchical", "target_stage": False}


@pytest.mark.parametrize(
    ("strategy", "source", "where", "what"),
    [
        ({"method": "meen"}, 2, "strategy.method", "'mean', 'wise'"),
        ({"density": 0.5}, 2, "strategy.density", "mean does not look at this"),
        ({"method": "wise", "weight": [1, 2]}, 2, "strategy.weight", "does not look"),
        ({"weight": [1, 2, 3]}, 2, "strategy.weight", "3 weights and 2 models"),
        ({"information": "eng"}, 2, "strategy.information", "does not look"),
        ({"method": "wise"}, 3, "source", "merges 2 models, and there are 3"),
        ({}, 1, "source", "there is 1"),
        ({"of": "seeds", "method": "layers"}, 1, "strategy.of", "merges 1 model"),
        (
            {"method": "fisher", "weight": [1, 2], "scale": 0.5},
            2, "strategy.scale", "without weights of their own",
        ),
        ({"members": 2}, 2, "strategy.members", "a model for each source"),
        ({"method": "ties", "base": TEXT}, 2, "strategy.base", "what the models were trained from"),
        ({"base": TEXT}, 2, "strategy.base", "does not look"),
        (
            {**MERGE_ITEM, "through": [{"merge": {}}]},
            1, "strategy.through.0.merge", "no two of this task",
        ),
        (
            {**MERGE_ITEM, "through": ["ind", {"merge": {"method": "ties"}}]},
            1, "strategy.through.1.merge.method", "needs a base",
        ),
        (
            {**MERGE_ITEM, "through": ["ind", {"merge": {"density": 0.5}}]},
            1, "strategy.through.1.merge.density", "leave out strategy.through.1.merge.density, or",
        ),
        (
            {**MERGE_ITEM, "through": [{"distil": {"loss": "hard", "temperature": 2}}]},
            1, "strategy.through.0.distil.temperature", "it has no effect",
        ),
        (
            {"name": "zero_shot", "before": [{"merge": {}}]},
            1, "strategy.before.0.merge", "no two",
        ),
        (
            {"method": "layers", "base": {"distil": {}}},
            1, "strategy.base.distil", "no model for it",
        ),
        (
            {**MERGE_ITEM, "through": [{"distil": {}}, {"merge": {"method": "wise"}}]},
            1, "strategy.through.1.merge", "distil-jav begins with the encoder's weights",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_refused(config, strategy, source, where, what):
    with pytest.raises(XltError) as caught:
        prepare(load_config(config("wrong", ["eng", "ind", "jav"][:source], strategy)))
    (error,) = flat(caught.value)
    assert what in error.render()
    assert f"({where})" in error.render()
    assert error.fix


@pytest.mark.parametrize(
    ("strategy", "where"),
    [
        (
            {**MERGE_ITEM, "through": [{"distil": {"loss": "soft", "student": "teacher"}}]},
            "strategy.through.0.distil.loss",
        ),
        (
            {"name": "zero_shot", "before": {"pretrain": {"on": "jav", "window": 900}}},
            "strategy.before.pretrain.window",
        ),
    ],
)
def test_what_the_encoder_or_the_task_cannot_do_is_said_with_the_key_of_the_stage(
    config, strategy, where
):
    experiment = prepare(load_config(config("wrong", ["eng"], strategy)))
    (problem,) = find_problems(experiment, Sources(experiment.config, experiment.task))
    assert f"({where})" in problem.render()


def test_what_goes_wrong_later_is_said_with_the_key_of_the_stage(config, monkeypatch):
    def fail(*_):
        raise XltError("no", where="strategy.scale", fix="lower strategy.scale, not strategy.of")

    strategy = {**MERGE_ITEM, "through": ["ind", {"merge": {"method": "wise", "scale": 0.75}}]}
    stages = Stages(config(source=["eng"], strategy=strategy))
    monkeypatch.setattr(type(kind_of(stages.plan[-1])), "make", fail)
    with pytest.raises(XltError) as caught:
        stages.run()
    key = "strategy.through.1.merge.scale"
    for error in (caught.value, with_full_keys(caught.value, stages.plan[-1])):
        assert (error.where, error.fix) == (key, f"lower {key}, not strategy.of")
    assert replace(stages.plan[-1], where="strategy") == stages.plan[-1], "one stage wherever"


def test_one_of_several_scales_needs_dev_data(config):
    path = config("last", strategy={"method": "wise", "scale": [0.2, 0.5]}, selection__on="last")
    with pytest.raises(XltError, match="of 2 scales one has to be chosen") as caught:
        prepare(load_config(path))
    assert "selection.on" in caught.value.fix


def test_models_with_different_labels_are_refused_before_anything_is_trained(world, config):
    other = world.folder / "other.bio"
    other.write_text("Medan\tB-ORG\n\nBudi\tB-PER\n\n", encoding="utf-8")
    experiment = prepare(load_config(config("labels", data__ind__train=str(other))))
    found = find_problems(experiment, Sources(experiment.config, experiment.task))
    (problem,) = [one for one in found if "different labels" in one.what]
    assert "ind and eng have not both B-LOC, I-LOC, B-ORG, I-ORG (tag)" in problem.what
    assert "labels.yaml" in problem.render()


def test_data_that_say_what_counts_may_have_no_other_labels(world, config):
    other = world.folder / "counts.bio"
    other.write_text("Solo\tB-ORG\n\nJoko\tB-PER\n\n", encoding="utf-8")
    strategy = {"method": "fisher", "information": "jav"}
    path = config("counts", strategy=strategy, data__jav__train=str(other))
    experiment = prepare(load_config(path))
    found = find_problems(experiment, Sources(experiment.config, experiment.task))
    (problem,) = [one for one in found if "'ORG'" in one.what]
    assert "data.jav.train" in str(problem.where)


def test_what_merging_costs_and_is_computed_in(config):
    def stage(**strategy):
        return prepare(load_config(config(strategy=strategy))).plans["jav"]

    def evaluated(**strategy):
        merge = stage(method="slerp", **strategy)
        return kind_of(merge).effort(merge, Effort(100, 10, 5)).evaluated

    assert (evaluated(), evaluated(scale=0.5), evaluated(scale=[0.2, 0.5])) == (5, 5, 15)
    assert stage().training.precision == "fp32"  # the config's


def test_the_base_is_of_the_revision_that_the_config_names(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name = "embeddings.word_embeddings.weight"
    for number, revision in enumerate(("main", "old")):
        kept = tmp_path / "models--org--encoder"
        snapshot = kept / "snapshots" / f"{number}"
        snapshot.mkdir(parents=True)
        (kept / "refs").mkdir(exist_ok=True)
        (kept / "refs" / revision).write_text(f"{number}", encoding="utf-8")
        (snapshot / "config.json").write_text("{}", encoding="utf-8")
        save_file({name: torch.full((2, 2), float(number))}, snapshot / "model.safetensors")
    place = Place("model.safetensors", name)
    for number, revision in enumerate((None, "old")):
        read, _ = base_of("org/encoder", {place: (2, 2)}, tmp_path, revision=revision)
        assert read(place).eq(number).all()


@pytest.mark.parametrize(
    ("strategy", "model", "where", "what"),
    [
        ({"method": "ties"}, {"initialise": "random"}, "strategy.method", "random weights"),
        ({"method": "layers", "top": 9}, {}, "strategy.bottom", "13 layers are the base's"),
        ({"method": "ties"}, {"encoder": "pickled"}, "model.encoder", "as safetensors"),
    ],
)
def test_what_cannot_be_a_base_is_refused_before_anything_is_trained(
    world, config, strategy, model, where, what
):
    source = ["eng"] if strategy["method"] == "layers" else ["eng", "ind"]
    if "encoder" in model:
        pickled = world.folder / "pickled"
        shutil.copytree(world.folder / "encoder", pickled)
        (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
        model = {"encoder": str(pickled)}
    settings = {f"model__{key}": value for key, value in model.items()}
    experiment = prepare(load_config(config("base", source, strategy, **settings)))
    found = find_problems(experiment, Sources(experiment.config, experiment.task))
    (problem,) = [one for one in found if what in one.what]
    assert f"({where})" in problem.render()


def test_a_config_is_the_same_when_it_is_written_out(config, tmp_path):
    loaded = load_config(config("whole", strategy={"method": "ties", "scale": 0.5}))
    assert loaded.config.strategy.options["scale"] == [0.5]
    path = tmp_path / "again.yaml"
    path.write_text(dump(loaded.config), encoding="utf-8")
    assert load_config(path).config.strategy == loaded.config.strategy
    assert json.dumps(loaded.config.strategy.options)
