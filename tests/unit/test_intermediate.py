"""Stages on another task: what they make, resumed, reused, refused; and what is then forgotten."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import NAMES, Stages, World, all_texts, conllu, make_world, sentences

from xlt.config.load import dump, load_config
from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.evaluation.forgetting import forgetting_scope, forgetting_table
from xlt.evaluation.representation import linear_cka, probe
from xlt.files import DamagedFile
from xlt.model.backbone import Backbone
from xlt.model.carry import LAYERS, base_of, carry, layers, save_layers
from xlt.model.classifier import build_classifier
from xlt.model.folder import TASK, encoder_of, load_model
from xlt.runs.evidence import has_labels_of
from xlt.runs.experiment import prepare
from xlt.runs.forgetting import _Measure, _warnings, encoder_in
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.runs.train import train
from xlt.testing import make_encoder
from xlt.training.other_task import network
from xlt.training.trainer import TransferTrainer

TASKS = {
    "topics": {
        "task": "classification",
        "data": {
            "eng": {"train": "eng.jsonl", "dev": "eng-dev.jsonl"},
            "ind": {"train": "ind.jsonl"},
        },
    }
}
LABELS = {"label": ("no", "yes")}
BEFORE = {"task": {"name": "topics", "on": "eng"}}
ZERO_SHOT = {"name": "zero_shot", "before": BEFORE}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"), "xlm-roberta", size=6)
    for language in NAMES:
        for name, seed in ((language, 3), (f"{language}-dev", 4)):
            rows = (
                {"text": " ".join(word for word, _ in one), "label": one[0][1]}
                for one in sentences(language, 12, seed)
            )
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (made.folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        lines = (" ".join(word for word, _ in one) for one in sentences(language, 60, 5))
        (made.folder / f"{language}.txt").write_text("\n".join(lines), encoding="utf-8")
        trees = conllu(sentences(language, 30, 6))
        (made.folder / f"{language}.conllu").write_text(trees, encoding="utf-8")
    return made


@pytest.fixture
def config(world, tmp_path):
    def config(name: str = "run", **changes):
        settings = {
            "strategy": ZERO_SHOT,
            "intermediate": deepcopy(TASKS),
            "training__max_steps": 2,
            "training__checkpoint_every": 1000,
            "output__root": str(tmp_path / "runs"),
        }
        return world.config(name, **settings | changes)

    return config


def tensors(stage):
    return load_file(stage.model_folder() / "model.safetensors")


def problems(path) -> list[XltError]:
    try:
        experiment = prepare(load_config(path))
        return find_problems(experiment, Sources(experiment.config, experiment.task), local=True)
    except XltError as error:
        return list(getattr(error, "problems", [error]))


# What a stage makes -------------------------------------------------------------------------------


def test_the_encoder_is_carried_on_and_the_layers_stay_behind(config):
    run = Stages(config())
    topics, eng = run.run()
    assert (topics.labels, [stage.name for stage in run.plan]) == (None, ["topics-eng", "eng"])
    folder = topics.model_folder()
    assert (folder / "encoder.json").is_file()
    start = encoder_of(folder, run.config.model).encoder().state_dict()
    pretrained = load_file(f"{run.config.model.encoder}/model.safetensors")
    assert start.keys() >= pretrained.keys()
    moved = {n for n, weight in start.items() if not weight.equal(pretrained.get(n, weight))}
    assert any(".layer.1." in name for name in moved)
    assert all("pooler" not in name for name in moved)
    # Two steps of the task on 0.002 at most move no weight by more than that.
    _, _, model = load_model(eng.model_folder())
    end = base_of(model.encoder).state_dict()
    for name in end:
        assert (start[name] - end[name]).abs().max() <= 4.2e-3, name
    own = load_file(folder / TASK / LAYERS)
    assert set(own) == {n for n in own if n.startswith("encoder.classifier.")}
    assert [stage.reused for stage in Stages(config()).run()] == [True, True]


def test_subwords_that_the_data_have_not_keep_their_vectors(config):
    topics, _ = Stages(config()).run()
    loaded = load_config(config()).config
    pretrained = load_file(f"{loaded.model.encoder}/model.safetensors")
    (table,) = (one for name, one in pretrained.items() if name.endswith("word_embeddings.weight"))
    (end,) = (one for n, one in tensors(topics).items() if n.endswith("word_embeddings.weight"))
    tokenizer = encoder_of(topics.model_folder(), loaded.model).tokenizer
    seen = torch.zeros(len(table), dtype=torch.bool)
    text = " ".join(word for one in sentences("eng", 12, 3) for word, _ in one)
    seen[tokenizer(text.split(), is_split_into_words=True).input_ids] = True
    other = ~seen & ~end.ne(table).any(1)
    assert int(other.sum()) > 20
    assert not end[seen].equal(table[seen])


def test_layers_that_were_kept_are_those_that_were_selected(config, monkeypatch):
    run = Stages(config())
    trained = {}
    monkeypatch.setattr(
        "xlt.training.other_task.save_layers",
        lambda model, *rest: (trained.update(layers(model)), save_layers(model, *rest)),
    )
    topics, _ = run.run()
    other = run.experiment.task_of("topics")
    _, model = network(topics.model_folder(), run.config.model, other)
    found = layers(model)
    assert found.keys() == trained.keys()
    assert all(weight.equal(trained[name]) for name, weight in found.items())
    (topics.model_folder() / TASK / LAYERS).write_bytes(b"nothing")
    with pytest.raises(DamagedFile):
        network(topics.model_folder(), run.config.model, other)
    assert [stage.reused for stage in Stages(config()).run()] == [False, True]


def test_after_a_stage_of_the_task_its_layers_stay(config):
    through = {"name": "hierarchical", "through": [BEFORE], "target_stage": False}
    eng, topics = Stages(config(strategy=through)).run()
    assert topics.labels == eng.labels
    _, _, before = load_model(eng.model_folder())
    _, _, after = load_model(topics.model_folder())
    changed = {
        name.partition(".")[2].partition(".")[0]
        for name, weight in before.state_dict().items()
        if not weight.equal(after.state_dict()[name])
    }
    assert changed == {"roberta"}
    assert (topics.model_folder() / TASK / LAYERS).is_file()


def test_encoders_of_two_kinds_are_not_taken_for_one_another(tmp_path):
    one, other = (
        Backbone(str(folder), Model(encoder=str(folder)))
        for kind in ("bert", "deberta-v2")
        for folder in [make_encoder(tmp_path / kind, ["Ibu maca buku ."] * 9, kind)]
    )
    with pytest.raises(ValueError, match="of two kinds"):
        carry(one.encoder(), other.encoder(), (one.tokenizer, other.tokenizer))


def test_subwords_that_a_task_has_added_are_carried_by_their_name(tmp_path):
    folder = make_encoder(tmp_path / "encoder", ["Ibu maca buku ."] * 9)
    one, other = (Backbone(str(folder), Model(encoder=str(folder))) for _ in range(2))
    source, into = one.encoder(), other.encoder()
    one.tokenizer.add_tokens(["<PER>", "<LOC>"])
    other.tokenizer.add_tokens(["<ORG>", "<PER>"])
    for model, backbone in ((source, one), (into, other)):
        model.resize_token_embeddings(len(backbone.tokenizer), mean_resizing=False)
    theirs, mine = source.get_input_embeddings().weight, into.get_input_embeddings().weight
    with torch.no_grad():
        theirs += 1
    before = mine.detach().clone()
    carry(source, into, (one.tokenizer, other.tokenizer))
    rows = len(theirs) - 2
    assert mine[:rows].equal(theirs[:rows])
    assert mine[rows].equal(before[rows])  # <ORG>
    assert mine[rows + 1].equal(theirs[rows])  # <PER>


def test_it_goes_on_where_it_was_interrupted(config, monkeypatch, tmp_path):
    often = {"max_steps": 4, "checkpoint_every": 2, "evaluate_every": 2, "warmup": 0}
    strategy = {"name": "zero_shot", "before": {"task": {"name": "topics", "training": often}}}
    whole, _ = Stages(config(strategy=strategy, output__root=str(tmp_path / "whole"))).run()
    real = TransferTrainer.training_step

    def interrupted(self, *arguments, **keywords):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return real(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(TransferTrainer, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Stages(config(strategy=strategy)).run()
    steps = []
    monkeypatch.setattr(
        TransferTrainer, "training_step",
        lambda self, *a, **k: (steps.append(self.state.global_step), real(self, *a, **k))[1],
    )  # fmt: skip
    resumed, _ = Stages(config(strategy=strategy), resume=True).run()
    assert steps[0] == 2
    assert all(weight.equal(tensors(whole)[name]) for name, weight in tensors(resumed).items())
    for name, weight in load_file(resumed.model_folder() / TASK / LAYERS).items():
        assert weight.equal(load_file(whole.model_folder() / TASK / LAYERS)[name])


def test_an_encoder_is_learnt_once_for_all_targets_and_strategies(config):
    first, _ = Stages(config()).run()
    other = {"name": "hierarchical", "before": BEFORE, "through": ["ind"]}
    again, *_ = Stages(config("other", target=["ind"], strategy=other)).run()
    assert (again.folder, again.reused) == (first.folder, True)


def test_what_decides_what_is_learnt_of_another_task(config):
    def key(options=None, other=None, **changes) -> str:
        before = {"task": {"name": "topics", "on": "eng", **(options or {})}}
        changes["strategy"] = {"name": "zero_shot", "before": before}
        tasks = {"topics": {**TASKS["topics"], **(other or {})}}
        run = Stages(config(intermediate=tasks, **changes))
        stage = run.plan[0]
        train, dev = ([run.runner.load(s) for s in splits] for splits in (stage.train, stage.dev))
        return run.runner.identity(stage, [], train, dev).key

    pooled = {"name": "classification", "classifier": "pooled"}
    data = {"data": {"eng": {"train": "ind.jsonl", "dev": "eng-dev.jsonl"}}}
    others = [
        key({"training": {"epochs": 9}}), key({"on": ["eng", "ind"]}), key(other={"task": pooled}),
        key(other=data), key(seeds=[2]), key(selection__patience=3), key(selection__on="last"),
    ]  # fmt: skip
    assert len({key(), *others}) == 1 + len(others)
    assert key(task={"name": "ner", "types": ["PER"]}, data__jav__test=[]) == key()


def test_a_config_without_other_tasks_is_dumped_as_ever(world, config):
    text = dump(load_config(world.config("plain", strategy="zero_shot")).config)
    assert "intermediate" not in text
    assert "forgetting" not in text
    assert "tags: []" not in text
    loaded = load_config(config()).config
    path = config().with_name("again.yaml")
    path.write_text(dump(loaded), encoding="utf-8")
    assert load_config(path).config == loaded


# What stands against it ---------------------------------------------------------------------------


BAD = [
    ({"intermediate": {}}, "no other task called 'topics'", "strategy.before.task.name",
     "intermediate"),
    ({"strategy": {"name": "zero_shot", "before": {"task": "topic"}}},
     "no other task called 'topic'", "strategy.before.task.name", "did you mean 'topics'"),
    ({"strategy": {"name": "zero_shot", "before": {"task": {"name": "topics", "on": "jav"}}}},
     "there is no train data for jav", "intermediate.topics.data.jav",
     "`intermediate.topics.data`"),
    ({"intermediate__topics__task": "clasification"}, "no task called",
     "intermediate.topics.task", "classification"),
    ({"intermediate__topics__task": {"name": "classification", "clasifier": "auto"}},
     "unknown key", "intermediate.topics.task.clasifier", "classifier"),
    ({"intermediate": {"topics": {"data": {"eng": "eng.jsonl"}}}},
     "is missing", "intermediate.topics", "task"),
    ({"intermediate": {"topics": {"task": "classification", "data": {}}}},
     "", "intermediate.topics.data", ""),
    ({"intermediate__topics__data__eng__test": "eng.jsonl"},
     "unknown key 'test'", "intermediate.topics.data.eng.test", ""),
    ({"intermediate__topics__data__eng__train": "nowhere.jsonl"},
     "there is no file", "intermediate.topics.data.eng.train", "path"),
    ({"intermediate__topics__data__eng__train": {"ref": "eng.jsonl", "format": "bio"}},
     "no format called 'bio'", "intermediate.topics.data.eng.train", ""),
    ({"intermediate__topics__data__eng__dev": "jav-dev.jsonl"}, "", "", ""),
    ({"intermediate": {"a.b": TASKS["topics"]}}, "", "intermediate.a.b", ""),
    ({"strategy": {"name": "zero_shot", "before": {"task": {"name": "topics", "onn": "eng"}}}},
     "unknown key `task.onn`", "strategy.before", "did you mean 'on'"),
    ({"strategy": {"name": "hierarchical", "replay": 3, "target_stage": False}},
     "no stage before another", "strategy.replay", "strategy.through"),
    ({"evaluation__forgetting": "yes"}, "", "evaluation.forgetting", ""),
    ({"data__jav__tags": "jav.txt"}, "cannot tell the format", "jav.txt", "conllu"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "what", "where", "fix"),
    BAD,
)
def test_what_stands_against_it_is_said_before_anything_is_trained(
    config, changes, what, where, fix
):
    found = problems(config(**changes))
    if not where:
        assert found == []
        return
    told = [one.render() for one in found]
    assert [one for one in found if what in one.what and where in str(one.where)], told
    (error, *_) = (one for one in found if what in one.what and where in str(one.where))
    assert fix in (error.fix or ""), told


def test_labels_that_the_other_task_does_not_know(config, world):
    path = world.folder / "strange.jsonl"
    path.write_text(json.dumps({"text": "Ann", "label": "strange"}) + "\n", encoding="utf-8")
    (error,) = problems(config(intermediate__topics__data__eng__dev=str(path)))
    assert "'strange'" in error.what
    assert "intermediate.topics.data.eng.dev" in str(error.where)


def test_a_stage_without_dev_data_says_so(config):
    tasks = {"topics": {"task": "classification", "data": {"eng": {"train": "eng.jsonl"}}}}
    notes = prepare(load_config(config(intermediate=tasks))).notes
    assert any("stage topics-eng keeps its last checkpoint" in note for note in notes)


# Replay -------------------------------------------------------------------------------------------


def test_data_of_stages_before_are_mixed_in(config):
    strategy = {"name": "hierarchical", "through": ["ind"], "replay": 3}
    eng, ind, jav = Stages(config(strategy=strategy, data_seed=7)).plan
    assert [len(stage.train) for stage in (eng, ind, jav)] == [1, 2, 3]
    assert [(one.language, one.limit, one.seed) for one in jav.train] == [
        ("jav", None, None), ("eng", 3, 7), ("ind", 3, 7),
    ]  # fmt: skip
    assert (jav.name, [one.language for one in ind.dev]) == ("jav", ["ind"])
    run = Stages(config(strategy=strategy))
    sizes = [len(run.sources.load(one).records) for one in run.plan[-1].train]
    assert sizes == [6, 3, 3]


# What is forgotten --------------------------------------------------------------------------------


def test_a_run_says_what_is_left_after_each_stage(config, world):
    texts = {
        "data__jav__text": str(world.folder / "jav.txt"),
        "data__jav__tags": str(world.folder / "jav.conllu"),
    }
    strategy = {"name": "hierarchical", "before": BEFORE, "through": ["ind"]}
    result = train(load_config(config(strategy=strategy, **texts)), quiet=True)
    start, topics, eng, ind, jav = result["forgetting"]
    assert start["stage"] is None
    assert start["cka"] == pytest.approx(1)
    assert start["perplexity"] is None  # the encoder comes without layers for it
    after = (topics, eng, ind, jav)
    known = [[(one["task"], one["language"]) for one in row["scores"]] for row in after]
    other = ("topics", "eng")
    assert known == [
        [other], [other, (None, "eng")], [other, (None, "eng"), (None, "ind")],
        [other, (None, "eng"), (None, "ind"), (None, "jav")],
    ]  # fmt: skip
    for row, stage in zip(after, result["lineage"]["seed-1/jav"], strict=True):
        assert 0 < row["cka"] < 1
        assert 0 < row["tags"] <= 100
        best = stage["selected"][stage["primary"]]["score"]
        assert row["scores"][-1]["score"] == pytest.approx(best)
        assert row["scores"][-1]["drop"] == 0
    first = topics["scores"][0]["score"]
    assert [row["scores"][0]["drop"] for row in (eng, ind, jav)] == pytest.approx(
        [first - row["scores"][0]["score"] for row in (eng, ind, jav)]
    )
    table = forgetting_table(result["forgetting"])
    assert table.header == (
        "target", "after", "topics:eng accuracy", "eng f1", "ind f1", "jav f1", "parts of speech",
        "CKA",
    )  # fmt: skip
    card = (load_config(config()).config.output.root / "run" / "README.md").read_text("utf-8")
    assert "## After each stage" in card
    assert "topics eng train" in card


def test_it_is_asked_for_where_all_stages_are_of_the_task(config):
    strategy = {"name": "hierarchical", "through": ["ind"], "target_stage": False}
    assert "forgetting" not in train(load_config(config(strategy=strategy)), quiet=True)
    asked = config("asked", strategy=strategy, evaluation__forgetting=True)
    rows = train(load_config(asked), quiet=True)["forgetting"]
    assert [row["stage"] for row in rows] == [None, "eng", "ind"]
    assert "forgetting" not in train(
        load_config(config("not", evaluation__forgetting=False)), quiet=True
    )


def test_text_that_no_stage_learns_from_is_predicted_after_each(config, world):
    texts = {f"data__{code}__text": str(world.folder / f"{code}.txt") for code in NAMES}
    learn = {"pretrain": {"on": "jav", "window": 20, "held_out": 0.2, "training": {
        "epochs": 3, "learning_rate": 3e-3, "batch_tokens": 600}}}  # fmt: skip
    much = {"learning_rate": 5e-2, "max_steps": 20, "epochs": 20}
    other = {"task": {"name": "topics", "on": "eng", "training": much}}
    strategy = {"name": "zero_shot", "before": [learn, other]}
    path = config(strategy=strategy, **texts)
    result = train(load_config(path), quiet=True)
    start, text, topics, eng = result["forgetting"]
    assert start["perplexity"] is None
    about = result["lineage"]["seed-1/jav"][0]["about"]
    assert text["perplexity"] == pytest.approx(about["perplexity"], rel=0.3)
    assert topics["perplexity"] > 1.2 * text["perplexity"]
    (told,) = (one for one in topics["warnings"] if "pseudo-perplexity" in one)
    assert told.startswith("topics-eng forgets jav: the pseudo-perplexity of its text rises from")
    assert told in forgetting_scope(result["forgetting"])
    assert eng["perplexity"] is not None
    none = {"pretrain": {"on": "jav", "held_out": 0, "training": {"max_steps": 1}}}
    path = config("none", strategy={"name": "zero_shot", "before": [none, BEFORE]}, **texts)
    start, *rows = train(load_config(path), quiet=True)["forgetting"]
    assert start["warnings"] == ["jav: no text is held out"]
    assert all(row["perplexity"] is None for row in rows)


def row(stage, score, drop, **known):
    scores = [] if score is None else [
        {"task": None, "language": "eng", "metric": "f1", "score": score, "drop": drop}
    ]  # fmt: skip
    nothing = {"perplexity": None, "tags": None, "cka": None, "warnings": []}
    return {"target": "jav", "stage": stage, "scores": scores, **nothing, **known}


def test_the_table_has_means_over_seeds():
    rows = [
        row(None, None, 0, cka=1.0), row(None, None, 0, cka=1.0),
        row("eng", 70.0, 0.0, cka=0.5), row("eng", 72.0, 0.0, cka=0.7),
        row("ind", 60.0, 10.0), row("ind", 64.0, 8.0), row("jav", 72.5, -1.5),
    ]  # fmt: skip
    assert forgetting_table(rows).rows == (
        ("jav", "the encoder", "", "1.000"), ("jav", "eng", "71.0", "0.600"),
        ("jav", "ind", "62.0 (−9.0)", ""), ("jav", "jav", "72.5 (+1.5)", ""),
    )  # fmt: skip


# Formulas -----------------------------------------------------------------------------------------


def test_likeness_is_that_of_centred_vectors_up_to_rotation_and_scale():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(50, 8)) + 5
    rotation, _ = np.linalg.qr(draw.normal(size=(8, 8)))
    for same in (x, x @ rotation, 2 * x, x + 3):
        assert linear_cka(x, same) == pytest.approx(1)
    y = draw.normal(size=(50, 3)) + 5
    centred, other = x - x.mean(0), y - y.mean(0)
    kernels = centred @ centred.T, other @ other.T
    hsic = [(one * two).sum() for one in kernels for two in kernels]
    assert linear_cka(x, y) == pytest.approx(hsic[1] / np.sqrt(hsic[0] * hsic[3]))
    assert linear_cka(x, y) < 0.5  # 1.0 without centring
    for wrong in (np.ones((50, 2)), x[:9]):
        with pytest.raises(ValueError, match=r"vectors|words"):
            linear_cka(x, wrong)


def test_a_probe_tells_what_is_linear_in_the_vectors():
    draw = np.random.default_rng(1)
    vectors = [draw.normal(size=(4, 6)).astype(np.float32) for _ in range(100)]
    linear = [["N" if one[0] > 0 else "V" for one in each] for each in vectors]
    random = [[str(draw.choice(["N", "V"])) for _ in each] for each in vectors]
    assert probe(vectors, linear) > 90
    assert 40 < probe(vectors, random) < 60
    with pytest.raises(ValueError, match="4 sentences"):
        probe(vectors[:4], linear[:4])


# What depends on the task, and on what came before ------------------------------------------------


def test_a_task_that_writes_text_keeps_its_subwords_and_decoder(world, tmp_path, config):
    encoder = make_encoder(tmp_path / "bert", all_texts(), max_position_embeddings=256)
    writer = {"name": "ner", "model": "text_to_text", "beams": 1}
    names = {code: {"train": str(world.folder / f"{code}-train.bio")} for code in ("eng", "ind")}
    path = config(
        strategy={"name": "zero_shot", "before": {"task": "names"}},
        intermediate={"names": {"task": writer, "data": names}},
        model__encoder=str(encoder),
    )
    trained = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "xlt.training.other_task.save_layers",
            lambda model, *rest: (trained.append(deepcopy(model)), save_layers(model, *rest)),
        )
        run = Stages(path)
        named, eng = run.run()
    (model,) = trained
    _, again = network(named.model_folder(), run.config.model, run.experiment.task_of("names"))
    own, found = layers(model), layers(again)
    assert any("decoder" in name for name in found)
    assert all(weight.equal(own[name]) for name, weight in found.items())
    table, other = (one.encoder.get_input_embeddings().weight for one in (model, again))
    rows = len(load_model(eng.model_folder())[2].encoder.get_input_embeddings().weight)
    assert len(table) == len(other) == rows + 4  # <PER>, </PER>, <LOC>, </LOC>
    assert table[rows:].equal(other[rows:])
    assert 0 < len(again.known) < rows
    encoded = encoder_of(named.model_folder(), run.config.model)
    assert len(encoded.encoder().get_input_embeddings().weight) == rows
    assert "<PER>" not in encoded.tokenizer.get_vocab()


def test_the_pooler_belongs_to_the_task(tmp_path):
    folder = make_encoder(tmp_path / "encoder", ["Ibu maca buku ."] * 9)  # BERT's classifier has it
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    names = {name.removeprefix("encoder.") for name in layers(build_classifier(backbone, LABELS))}
    pooler = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert names == pooler | {"classifier.weight", "classifier.bias"}


def test_vectors_are_standardised_before_the_first_stage_alone(config, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "xlt.training.learner.standardise", lambda *given: calls.append(given[1].name)
    )
    Stages(config(model__standardise=True)).run()
    assert calls == ["classification"]
    Stages(config("plain", model__standardise=True, strategy={"name": "zero_shot"})).run()
    assert calls == ["classification", "ner"]


def test_labels_of_another_task_are_no_labels_of_the_language():
    split = {"projected_from": None, "split": "train", "language": "eng"}
    lineage = {"seed-1/jav": [{"train": [split | {"task": "topics"}], "primary": "dev:topics:eng"}]}
    assert not has_labels_of({"source": [], "lineage": lineage}, "jav", "eng")
    lineage["seed-1/jav"].append({"train": [split | {"task": None}], "primary": "last"})
    assert has_labels_of({"source": [], "lineage": lineage}, "jav", "eng")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ((10.0, 80.0), (12.0, 77.0), []),
        ((10.0, 80.0), (12.1, 77.0), ["rises from 10.00 to 12.10"]),
        ((10.0, 80.0), (12.0, 76.9), ["tells 76.9 % of its parts of speech"]),
        ((None, None), (99.0, 1.0), []),
        ((10.0, 80.0), (None, None), []),
    ],
)
def test_what_is_warned_of(before, now, told):
    known = [{"perplexity": one[0], "tags": one[1]} for one in (before, now)]
    found = list(_warnings("topics-eng", "jav", known[:1], known[1]))
    assert len(found) == len(told)
    assert all(part in text for part, text in zip(told, found, strict=True))


def test_layers_of_another_task_are_scored_with_the_encoder_as_it_is_then(config):
    run = Stages(config())
    topics, eng = run.run()
    measure = _Measure(run.experiment, run.sources)
    for result in (topics, eng):
        _, predictor = measure._other("topics", topics.model_folder(), result)
        encoder, _ = encoder_in(run.experiment, result)
        wanted = base_of(encoder).state_dict()
        found = base_of(predictor.model.encoder).state_dict()
        assert all(weight.equal(found[name]) for name, weight in wanted.items() if name in found)
        assert len(found.keys() & wanted.keys()) > 20
        own = layers(predictor.model)
        kept = load_file(topics.model_folder() / TASK / LAYERS)
        assert all(weight.equal(own[name]) for name, weight in kept.items())
