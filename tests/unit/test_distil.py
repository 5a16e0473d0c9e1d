"""Distillation: its loss by hand, who teaches what, what is left out, resumed, reused, refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from records import OPTIONS, RECORDS, tagged
from safetensors.torch import load_file
from small import NAMES, Stages, World, make_world, sentences

from xlt.config.load import load_config
from xlt.config.schema import Model
from xlt.data.batch import IGNORED
from xlt.document import Text
from xlt.errors import XltError, flat
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.model.choosing import Choices, ChoosingModel, distillation, smoothed
from xlt.registry import tasks
from xlt.runs.experiment import prepare
from xlt.runs.observed import observed
from xlt.runs.plan import plan
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.runs.train import train
from xlt.task import generated_texts, without_annotation
from xlt.tasks.dependency_parsing.model import possible
from xlt.testing import make_encoder
from xlt.training import distillation as students
from xlt.training.consensus import Yield, agreed
from xlt.training.distillation import SoftTargets, counted, nothing_left, probabilities
from xlt.training.trainer import TransferTrainer
from xlt.transfer.kind import Effort, kind_of
from xlt.transfer.teaching import Distilling, shares

# The loss ----------------------------------------------------------------------------------------

SCORES = [[2.0, 0.0, -1.0], [0.5, 0.5, 0.0], [9.0, 9.0, 9.0]]
TAUGHT = [[0.7, 0.2, 0.1], [0.1, 0.9, 0.0]]


def softmax(scores, temperature=1.0):
    powers = [math.exp(score / temperature) for score in scores]
    return [power / sum(powers) for power in powers]


def divergence(taught, scores, temperature):
    p = softmax(scores, temperature)
    return sum(q * math.log(q / own) for q, own in zip(taught, p, strict=True) if q)


def choices(scores, owner=None):
    return Choices("tag", scores, torch.tensor([[0, 1, IGNORED]]), owner)


def test_the_loss_is_the_divergence_times_the_square_of_the_temperature():
    scores, taught = torch.tensor([SCORES]), torch.tensor(TAUGHT)
    for temperature in (1.0, 2.0):
        by_hand = sum(divergence(*one, temperature) for one in zip(TAUGHT, SCORES[:2], strict=True))
        loss = distillation(choices(scores), taught, 4, temperature=temperature)
        assert float(loss) == pytest.approx(temperature**2 * by_hand / 4, abs=1e-6)
        half = distillation(choices(scores), taught, 4, torch.tensor([0.5]), temperature)
        assert float(half) == pytest.approx(float(loss) / 2)
    # By hand: 0.7 ln(0.7/0.8438) + 0.2 ln(0.2/0.1142) + 0.1 ln(0.1/0.0420) = 0.0680.
    assert divergence(TAUGHT[0], SCORES[0], 1.0) == pytest.approx(0.0680, abs=1e-4)


def test_at_temperature_1_the_gradient_is_the_difference_of_the_probabilities():
    scores = torch.tensor([SCORES], requires_grad=True)
    distillation(choices(scores), torch.tensor(TAUGHT), 1).backward()
    wanted = [
        [p - q for p, q in zip(softmax(own), taught, strict=True)]
        for own, taught in zip(SCORES, TAUGHT, strict=False)
    ]
    assert torch.allclose(scores.grad[0], torch.tensor([*wanted, [0.0] * 3]), atol=1e-6)


def test_options_that_a_sentence_lacks_are_not_taught():
    scores = torch.tensor([[[1.0, 0.0, -1e9], [0.0, 1.0, -1e9]]])
    one = Choices(None, scores, torch.tensor([[0, 1]]))
    narrow, wide = torch.tensor([[0.4, 0.6], [0.5, 0.5]]), torch.zeros(2, 3)
    wide[:, :2] = narrow
    assert float(distillation(one, narrow, 2)) == float(distillation(one, wide, 2))
    assert torch.isfinite(distillation(one, narrow, 2))


class Scores(ChoosingModel):
    """A model that has its scores from nowhere."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.scores = torch.nn.Parameter(torch.tensor([SCORES]))

    def choices(self, labels, **batch):
        return [Choices("tag", self.scores, labels)]


def test_labels_and_teachers_are_mixed():
    model, labels, taught = Scores(), torch.tensor([[0, 1, IGNORED]]), [torch.tensor(TAUGHT)]
    hard = -math.log(softmax(SCORES[0])[0]) - math.log(softmax(SCORES[1])[1])
    soft = sum(divergence(q, s, 2.0) for q, s in zip(TAUGHT, SCORES[:2], strict=True)) * 4

    def loss(**options):
        return float(model(labels=labels, **options)["loss"].detach())

    assert loss() == pytest.approx(hard / 2, abs=1e-6)
    assert loss(soft_targets=taught, temperature=2.0) == pytest.approx(soft / 2, abs=1e-6)
    mixed = loss(soft_targets=taught, temperature=2.0, hard_weight=0.3)
    assert mixed == pytest.approx((0.3 * hard + 0.7 * soft) / 2, abs=1e-6)
    blank = model(labels=torch.full_like(labels, IGNORED), soft_targets=taught)["loss"]
    blank.backward()  # of an example that only keeps a process busy
    assert (float(blank.detach()), float(model.scores.grad.abs().sum())) == (0.0, 0.0)


def test_smoothed_labels_leave_the_impossible_impossible():
    scores = torch.tensor([[[2.0, 0.0, -1e9], [0.5, 0.5, 0.0], [9.0, 9.0, 9.0]]])
    one = choices(scores)
    assert torch.allclose(smoothed(one, 0.3), torch.tensor([[0.85, 0.15, 0.0], [0.1, 0.8, 0.1]]))
    model, labels = Scores(), torch.tensor([[0, 1, IGNORED]])
    taught = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]
    wanted = sum(divergence(q, s, 1.0) for q, s in zip(taught, SCORES[:2], strict=True))
    loss = model(labels=labels, smoothing=0.3)["loss"]
    assert float(loss.detach()) == pytest.approx(wanted / 2, abs=1e-6)


def test_smoothed_heads_of_a_parser_are_none_that_it_masks():
    """Of two words, and of one beside padding: a word has two heads to choose from, or one."""
    scores = torch.zeros(2, 3, 3, requires_grad=True)
    heads = torch.tensor([[2, 0], [0, IGNORED]])
    masked = possible(scores, torch.tensor([[True, True], [True, False]]))
    one = Choices(None, masked[:, 1:], heads)
    wanted = [[0.15, 0.0, 0.85], [0.85, 0.15, 0.0], [1.0, 0.0, 0.0]]
    assert torch.allclose(smoothed(one, 0.3), torch.tensor(wanted))
    model = Scores()
    model.choices = lambda labels: [one]
    loss = model(labels=heads, smoothing=0.3)["loss"]
    loss.backward()
    by_hand = 2 * (0.15 * math.log(0.15 / 0.5) + 0.85 * math.log(0.85 / 0.5))
    assert float(loss.detach()) == pytest.approx(by_hand / 3, abs=1e-6)
    assert torch.isfinite(scores.grad).all()


# What is taught ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ner", "dependency_parsing", "nli", "event_extraction"])
def test_what_a_model_thinks_is_the_same_in_any_batch(name, tmp_path):
    task = tasks.get(name)(tasks.get(name).Options(**OPTIONS.get(name, [{}])[0]))
    records = RECORDS[name]
    texts = [text.surface for d in records for text in d.texts.values() if text.surface]
    encoder = str(make_encoder(tmp_path / "encoder", texts))
    labels = task.labels(records)
    backbone = Backbone(encoder, Model(encoder=encoder), labels=labels)
    torch.manual_seed(0)
    model = task.build(backbone, labels).eval()
    assert isinstance(model, ChoosingModel)
    with torch.no_grad():  # a new model finds everything equally probable
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    found = [
        probabilities(Predictor(task, model, budget), backbone, records, labels, 1.0)
        for budget in (1, 10_000)
    ]
    for alone, together in zip(*found, strict=True):
        for one, other in zip(alone, together, strict=True):
            assert one.shape == other.shape
            assert np.allclose(one, other, atol=1e-4)
            assert np.allclose(one.sum(1), 1, atol=1e-6)
    # A student that thinks as its teacher has nothing to learn: the gradient is 0, and the loss.
    examples = task.encode(records, backbone, labels)
    batch = SoftTargets(task, found[0], 1.0, 0.0).collate(examples)
    loss = model(**batch)["loss"]
    assert abs(float(loss.detach())) < 1e-5
    loss.backward()
    assert all(p.grad is None or p.grad.abs().max() < 1e-4 for p in model.parameters())
    assert float(model(**{**batch, "temperature": 2.0})["loss"].detach()) > 1e-3


def test_a_label_that_a_teacher_does_not_know_is_not_probable_to_it(tmp_path):
    task = tasks.get("ner")()
    records = tagged()
    encoder = str(make_encoder(tmp_path / "encoder", [d.text.surface for d in records]))
    backbone = Backbone(encoder, Model(encoder=encoder))
    labels = task.labels(records)
    own = {"tag": (*labels["tag"][3:], "O")}  # fewer, in another order
    model = task.build(backbone, own).eval()
    found = probabilities(Predictor(task, model, 100), backbone, records, labels, 1.0)
    for (table,) in found:
        assert table.shape[1] == len(labels["tag"])
        assert (table[:, 1:3] == 0).all()
        assert np.allclose(table.sum(1), 1, atol=1e-6)


# What teachers say together ----------------------------------------------------------------------


def said(*every: list[list[str]]):
    return [tagged(tags) for tags in every]


def test_the_prediction_that_others_agree_with_is_taken():
    task = tasks.get("ner")()
    right = [task.tags(record) for record in tagged()]
    nothing = [["O"] * len(tags) for tags in right]
    some = [right[0], *nothing[1:]]
    third = 1 / 3
    found = agreed(task, said(nothing, right, some), [third] * 3)
    assert task.tags(found[0].document) == right[0]
    assert (found[0].teacher, found[0].agreement) == (1, 0.5)  # with one of two others
    for one, tags in zip(found[1:], right[1:], strict=True):
        wanted = (0, 0.5) if set(tags) != {"O"} else (0, 1.0)  # both found nothing: they agree
        assert (one.teacher, one.agreement) == wanted
    trusted = agreed(task, said(nothing, right, some), [0.1, 0.8, 0.1])
    assert {one.teacher for one in trusted if one.agreement < 1} == {1}
    (alone,) = {(one.teacher, one.agreement) for one in agreed(task, said(right), [1.0])}
    assert alone == (0, 1.0)


def test_all_agree_whatever_weights_were_rounded_to():
    task = tasks.get("ner")()
    right = [task.tags(record) for record in tagged()]
    for weights in ([0.333333] * 3, [1e6, 0.1, 0.1], [1.0, 0.0, 0.0]):
        assert {one.agreement for one in agreed(task, said(right, right, right), weights)} == {1.0}
    nothing = [["O"] * len(tags) for tags in right]
    found = agreed(
        task, said(right, nothing), [1e6, 0.1]
    )  # none of the others, little as it counts
    assert [one.agreement for one in found] == [float(set(tags) == {"O"}) for tags in right]
    assert list(shares({"eng": 1e6, "ind": 0.1}).values()) == [1.0, 1e-7]
    assert shares({"eng": 2, "ind": 2, "swa": 2}) == dict.fromkeys(("eng", "ind", "swa"), 0.333333)


def test_of_two_teachers_that_count_alike_the_surer_is_taken():
    task = tasks.get("ner")()
    right = tagged()
    nothing = said([["O"] * len(record.words) for record in right])[0]

    def sure(records, confidence):
        return [record.with_confidence({"entities.rest": [confidence]}) for record in records]

    def taken(*predicted, weights=(0.5, 0.5)):
        found = agreed(task, predicted, weights)
        return {one.teacher for one in found if one.agreement < 1}

    assert taken(sure(right, 0.8), sure(nothing, 0.9)) == {1}
    assert taken(sure(right, 0.9), sure(nothing, 0.8)) == {0}
    assert taken(sure(right, 0.8), sure(nothing, 0.9), weights=(0.6, 0.4)) == {0}
    assert taken(right, sure(nothing, 0.1)) == {1}  # annotation, say, has no confidence
    assert taken(right, nothing) == {0}


def test_records_are_left_out_and_counted():
    task = tasks.get("ner")()
    records = tagged()
    sure = [
        record.with_confidence({"entities": [0.9], "entities.rest": [0.7]}) for record in records
    ]
    doubtful = [*sure[:1], *(r.with_confidence({"entities.rest": [0.2]}) for r in records[1:])]
    yields = Yield(least_confidence=0.75)
    for one in agreed(task, [doubtful], [1.0]):
        yields.add(one)
    report = yields.as_dict()
    assert (report["records"], report["kept"]) == (len(records), 1)
    assert report["lost"] == {"confidence": len(records) - 1}
    mean = (0.8 + 0.2 * (len(records) - 1)) / len(records)
    assert report["confidence"] == {"all": round(mean, 4), "kept": 0.8}
    nothing = said([["O"] * len(record.words) for record in records])[0]
    yields = Yield(least_agreement=0.6)
    for one in agreed(task, [records, nothing], [0.5, 0.5]):
        yields.add(one)
    assert yields.lost["agreement"] == sum(
        bool(record.layers["entities"].spans) for record in records
    )


# Stages ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"), size=6)
    for language in NAMES:
        first, *lines = (" ".join(w for w, _ in one) + " ." for one in sentences(language, 12, 3))
        text = f"{first} " + "\n".join(lines)  # two of them are a paragraph
        (made.folder / f"{language}.txt").write_text(text, encoding="utf-8")
    return made


@pytest.fixture
def config(world, tmp_path):
    def config(name: str = "run", strategy=None, **changes):
        settings = {
            "source": ["eng", "ind"],
            "strategy": {"name": "distil", **(strategy or {})},
            "training__max_steps": 2,
            "output__root": str(tmp_path / "runs"),
            **{f"data__{code}__text": str(world.folder / f"{code}.txt") for code in NAMES},
        }
        return world.config(name, **settings | changes)

    return config


def tensors(stage):
    return load_file(stage.model_folder() / "model.safetensors")


def test_a_student_learns_from_models_of_all_sources(config, tmp_path):
    path = config()
    planned = plan(load_config(path))
    assert planned["missing"] == []
    assert [(row["stage"], row["kind"]) for row in planned["stages"]] == [
        ("eng", "train"), ("ind", "train"), ("distil-jav", "distil")
    ]  # fmt: skip
    assert planned["stages"][2]["train"] == ["jav text"]
    assert planned["stages"][2]["minutes"] > 0
    result = train(load_config(path), quiet=True)
    about = result["lineage"]["seed-1/jav"][2]["about"]
    assert about["teachers"] == {"eng": 0.5, "ind": 0.5}
    assert (about["records"], about["kept"], about["loss"]) == (12, 12, "soft")
    assert 0 < about["agreement"]["all"] < 1
    assert sum(about["taken"].values()) == about["kept"]
    (note,) = (note for note in result["notes"] if "learnt from 12 of 12 records" in note)
    assert note.endswith("teachers: eng 0.50, ind 0.50, seed 1")
    assert f"- {note}" in (tmp_path / "runs" / "run" / "README.md").read_text("utf-8")
    assert [stage.reused for stage in Stages(path).run()] == [True] * 3
    # Teachers are the stages of other strategies: nothing is trained twice.
    alone = config("alone", source=["eng"], strategy={"name": "zero_shot"})
    assert [stage.reused for stage in Stages(alone).run()] == [True]


def test_a_student_that_begins_as_its_teacher_has_little_to_learn_of_it(config):
    def loss(**strategy):
        told = {"student": "teacher", **strategy}
        path = config(strategy=told, source=["eng"], selection__on="last", training__max_steps=1)
        teacher, student = Stages(path).run()
        assert teacher.labels == student.labels
        text = (student.folder / "done.json").read_text("utf-8")
        log = json.loads(text.rpartition("}")[0] + "}")["log"]
        return log[-1]["train_loss"]

    hard, soft = loss(loss="hard"), loss(loss="soft")  # which has but dropout between them
    assert soft < 0.1 * hard
    mixed = loss(loss="mixed", hard_share=0.25)
    assert mixed == pytest.approx(0.25 * hard + 0.75 * soft, rel=1e-3)
    smooth = loss(loss="hard", training={"label_smoothing": 0.5})
    assert smooth < 0.9 * hard


def test_it_goes_on_where_it_was_interrupted(config, monkeypatch, tmp_path):
    often = {"max_steps": 4, "checkpoint_every": 2, "evaluate_every": 2, "epochs": 4}
    mixed = {"training": often, "loss": "mixed", "temperature": 2.0, "student": "teacher"}
    whole = Stages(config(strategy=mixed, output__root=str(tmp_path / "whole"))).run()[-1]
    real = TransferTrainer.training_step

    def interrupted(self, *arguments, **keywords):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return real(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(TransferTrainer, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Stages(config(strategy=mixed)).run()
    steps = []
    monkeypatch.setattr(
        TransferTrainer, "training_step",
        lambda self, *a, **k: (steps.append(self.state.global_step), real(self, *a, **k))[1],
    )  # fmt: skip
    resumed = Stages(config(strategy=mixed), resume=True).run()[-1]
    assert steps[0] == 2
    assert resumed.about == whole.about
    assert all(weight.equal(tensors(whole)[name]) for name, weight in tensors(resumed).items())


def test_what_was_annotated_before_a_kill_is_not_annotated_again(config, monkeypatch, tmp_path):
    small = {"source": ["eng"], "training__max_steps": 1}
    path = config(strategy={"temperature": 2.0}, **small)
    real, asked = students._predicted, []
    monkeypatch.setattr(students, "_predicted", lambda *a: (asked.append(1), real(*a))[1])

    def killed():
        with monkeypatch.context() as patch:
            patch.setattr(TransferTrainer, "training_step", interrupt_after_teachers)
            with pytest.raises(KeyboardInterrupt):
                Stages(path, resume=True).run()

    teach = TransferTrainer.training_step

    def interrupt_after_teachers(self, *arguments, **keywords):
        if "distil" in str(self.folder):
            raise KeyboardInterrupt
        return teach(self, *arguments, **keywords)

    killed()
    killed()
    assert len(asked) == 1
    (store,) = (tmp_path / "runs" / "stages").glob("distil-jav-*/work/taught.npy")
    store.write_bytes(store.read_bytes()[:-4])  # what is damaged is made again
    killed()
    assert len(asked) == 2
    resumed = Stages(path, resume=True).run()[-1]
    assert len(asked) == 2
    whole = Stages(config(strategy={"temperature": 2.0}, output__root=str(tmp_path / "w"), **small))
    other = whole.run()[-1]
    assert resumed.about == other.about
    assert all(weight.equal(tensors(other)[name]) for name, weight in tensors(resumed).items())


def test_nothing_of_the_annotation_of_training_data_is_used(config, world):
    def student(name: str, tags: list[str]):
        lines = (
            [f"{word}\t{tags[n % len(tags)]}" for n, (word, _) in enumerate(one)]
            for one in sentences("jav", 9, 5)
        )
        path = world.folder / f"{name}.bio"
        path.write_text("".join("\n".join(one) + "\n\n" for one in lines), encoding="utf-8")
        on = {"on": "train", "student": "teacher", "loss": "hard"}
        run = Stages(config(name, strategy=on, data__jav__train=str(path)))
        return run.run()[-1]

    one, other = student("gold", ["B-PER", "O"]), student("wrong", ["B-NOBODY"])
    assert one.key != other.key
    assert one.labels == other.labels
    assert one.about == other.about
    assert all(weight.equal(tensors(other)[name]) for name, weight in tensors(one).items())


def test_annotation_of_another_tool_teaches_beside_the_models(config, world):
    words = ["Joko", "ndelok", "Solo"]
    path = world.folder / "annotated.jsonl"  # as `xlt annotate` and `xlt predict` write it
    row = {"words": words, "tags": ["B-PER", "O", "B-TOOL"], "confidence": {"entities": [0.9, 0.5]}}
    rows = (json.dumps({"id": str(n), **row}) for n in range(6))
    path.write_text("\n".join(rows), encoding="utf-8")
    told = {**ANNOTATED, "student": "teacher"}

    def student(**more):
        changes = {"data__jav__train": str(path), "source": ["eng"]}
        return Stages(config(strategy=told | more, **changes)).run()[-1]

    trusted = student(weights={"eng": 1, "annotation": 3})
    assert trusted.about["teachers"] == {"eng": 0.25, "annotation": 0.75}
    assert trusted.about["loss"] == "hard"
    assert "B-TOOL" in trusted.labels["tag"]
    mixed = student(loss="mixed", weights={"eng": 1, "annotation": 3})
    assert (mixed.about["loss"], mixed.about["kept"]) == ("mixed", 6)
    with pytest.raises(XltError, match=r"none is left to learn from \(6 for agreement\)"):
        student(agreement=0.9, weights={"eng": 3, "annotation": 1})


def test_what_comes_before_all_others_is_what_the_student_starts_from(config):
    learnt = {"max_steps": 2, "warmup": 0, "learning_rate": 1e-3}
    before = {"pretrain": {"on": "target", "training": learnt}}
    run = prepare(load_config(config(strategy={"before": before, "rounds": 2})))
    *_, first, second = history = run.plans["jav"].history
    assert [stage.name for stage in history] == [
        "text-jav", "eng", "ind", "distil-jav", "distil-jav-round-2"
    ]  # fmt: skip
    assert [parent.name for parent in first.parents] == ["eng", "ind", "text-jav"]
    assert [parent.name for parent in second.parents] == ["distil-jav", "text-jav"]
    changes = {"source": ["eng"], "training__max_steps": 1, "selection__on": "last"}
    path = config(strategy={"before": before}, **changes)
    text, _, student = Stages(path).run()
    name = "encoder.layer.0.output.dense.weight"
    raw = load_file(f"{load_config(path).config.model.encoder}/model.safetensors")
    weights = [raw, tensors(text), tensors(student)]
    begun, read, taught = (next(w for n, w in one.items() if n.endswith(name)) for one in weights)
    assert not read.equal(begun)
    assert taught.equal(read)  # the first step of a warm-up changes nothing


ANNOTATED = {"on": "train", "annotation": "teacher"}


def problems(path) -> list[XltError]:
    try:
        experiment = prepare(load_config(path))
        return find_problems(experiment, Sources(experiment.config, experiment.task), local=True)
    except XltError as error:
        return flat(error)


@pytest.mark.parametrize(
    ("strategy", "changes", "what", "where"),
    [
        ({}, {"data__jav__text": []}, "there is no text data for jav", "data.jav.text"),
        ({"on": "train"}, {"data__jav__train": []}, "there is no train data for jav", "data.jav"),
        ({}, {"source": []}, "distil needs a source language", "source"),
        ({"weights": "agreement"}, {}, "there are 2 teachers", "strategy.weights"),
        ({"weights": {"eng": 1.0}}, {}, "ind has no weight", "strategy.weights"),
        ({"weights": {"eng": 1.0, "ind": 2.0, "swa": 1.0}}, {}, "swa is no teacher", "weights"),
        ({"annotation": "teacher"}, {}, "text has no annotation", "strategy.annotation"),
        ({"annotation": "teacher", "on": "train", "loss": "soft"}, {}, "says no prob", "loss"),
        ({"annotation": "teacher", "on": "train", "weights": "similarity"}, {}, "no lang", "weigh"),
        ({"weights": "similar"}, {}, "similar", "strategy.weights"),
        ({"weights": {"deu": 3}}, {"source": ["eng"]}, "deu is no teacher", "strategy.weights"),
        ({"agreement": 0.5}, {"source": ["eng"]}, "one teacher", "strategy.agreement"),
        ({"hard_share": 0.2}, {}, "`loss: mixed` alone", "strategy.hard_share"),
        ({"temperature": 2.0, "loss": "hard"}, {}, "no temperature", "strategy.temperature"),
        ({"temperature": 2.0}, {"task__model": "text_to_text"}, "flatter", "strategy.temperature"),
        (ANNOTATED, {"source": ["eng"]}, "count alike", "strategy.weights"),
        (
            {**ANNOTATED, "weights": {"eng": 3, "annotation": 1}},
            {"source": ["eng"]},
            "never taken",
            "strategy.weights",
        ),
        (
            {**ANNOTATED, "weights": {"eng": 1, "ind": 1, "annotation": 3}, "confidence": 0.5},
            {},
            "outweighs all models",
            "strategy.confidence",
        ),
        (
            ANNOTATED,
            {"data__jav__train": [{"ref": "x.jsonl", "labelled": False}]},
            "said to have none",
            "data.jav.train.0.labelled",
        ),
        ({"student": "teacher", "loss": "soft"}, {"source": ["eng"]}, "thinks what", "loss"),
        ({"student": "teacher", "loss": "soft", "rounds": 2}, {}, "thinks what", "strategy.loss"),
        ({}, {"task__model": "slots"}, "given a part of the gold", "task"),
        (
            {},
            {"task": {"name": "event_extraction", "parts": ["arguments"]}},
            "given a part of the gold",
            "task",
        ),
        ({"loss": "softer"}, {}, "must be", "strategy.loss"),
        ({"temperature": 0}, {}, "greater than 0", "strategy.temperature"),
        ({"confidence": 1.5}, {}, "less than 1", "strategy.confidence"),
        ({"loss": "soft"}, {"task__model": "text_to_text"}, "no probabilities", "strategy.loss"),
        ({"training": {"label_smoothing": 0.1}}, {"task__model": "slots"}, "smoothed", "smoothing"),
        ({"confidence": 0.5}, {"task__model": "text_to_text"}, "how sure", "strategy.confidence"),
        ({}, {"task": {"name": "dependency_parsing", "upos": "gold"}}, "text alone", "strategy.on"),
        (
            {"name": "zero_shot", "before": {"distil": {}}},
            {"source": ["eng"]},
            "no model",
            "strate",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(config, strategy, changes, what, where):
    found = problems(config("wrong", strategy=strategy, **changes))
    assert [error for error in found if what in error.what], [e.render() for e in found]
    error = next(error for error in found if what in error.what)
    assert where in str(error.where)
    assert error.fix


def test_a_gate_on_what_nothing_has():
    yields = Yield(least_confidence=0.5)
    for one in agreed(tasks.get("ner")(), [tagged()], [1.0]):
        yields.add(one)
    error = nothing_left(yields.as_dict())
    assert "none has a confidence" in error.what
    assert error.where == "strategy.confidence"


def test_a_gate_that_nothing_passes(config):
    with pytest.raises(XltError, match="none is left to learn from") as failure:
        Stages(config(strategy={"confidence": 0.999})).run()
    assert failure.value.where == "strategy.confidence"
    assert "12 for confidence" in failure.value.what


def test_what_each_teacher_counts(config):
    def weights(given, **changes):
        run = prepare(load_config(config(strategy={"weights": given}, **changes)))
        return run.plans["jav"].options.weights

    assert weights("uniform") == {"eng": 0.5, "ind": 0.5}
    assert weights({"ind": 3, "English": 1}) == {"eng": 0.25, "ind": 0.75}
    assert weights("similarity", source=["eng"]) == {"eng": 1.0}
    alike = weights("similarity")
    assert sum(alike.values()) == pytest.approx(1, abs=1e-5)
    assert alike["ind"] != alike["eng"]


def test_what_teachers_read_is_part_of_the_effort(config):
    def evaluated(**strategy) -> int:
        stage = prepare(load_config(config(strategy=strategy))).plans["jav"]
        return kind_of(stage).effort(stage, Effort(100, 10, 5)).evaluated

    assert evaluated() == 5 + 2 * 2 * 100  # two teachers, for labels and for probabilities
    assert evaluated(loss="hard") == 5 + 2 * 100


def test_labels_of_data_that_count_as_unlabelled_are_not_taught(config, world):
    path = world.folder / "nobody.bio"
    path.write_text("Joko\tB-PER\nndelok\tB-NOBODY\n\n", encoding="utf-8")
    data = {"data__jav__train": str(path), "data__jav__test": str(path)}
    (error,) = problems(config(strategy={"on": "train"}, **data))
    assert "'NOBODY', which the model is never taught" in error.what
    told = {"on": "train", "annotation": "teacher"}
    assert problems(config(strategy=told, **data)) == []


def test_what_is_learnt_where_nothing_is_said_of_it(config):
    def losses(**changes):
        strategy = changes.pop("strategy", {})
        run = prepare(load_config(config(strategy=strategy, **changes)))
        stages = run.plans["jav"].history
        return [stage.options.loss for stage in stages if stage.kind == "distil"]

    assert losses() == [None]  # as the model has it
    begun = {"student": "teacher"}
    assert losses(strategy={**begun, "rounds": 2, "temperature": 2.0}) == [None, "hard"]
    assert losses(strategy=begun, source=["eng"]) == ["hard"]
    chain = {"name": "hierarchical", "through": ["ind", {"distil": begun}], "target_stage": False}
    assert losses(strategy=chain, source=["eng"]) == ["hard"]
    gated = {"rounds": 2, "agreement": 0.5}  # which the second has no use for
    assert losses(strategy=gated) == [None, None]


def test_what_is_predicted_is_not_there_to_be_read():
    for name, records in RECORDS.items():
        task = tasks.get(name)()
        for record in records:
            bare = without_annotation(task, record)
            for layer, kind in task.layers.items():
                read = layer in task.reads
                wanted = record.layers[layer] if read else kind.empty(len(record.words))
                assert bare.layers[layer] == wanted, (name, layer)
            for text in task.texts:
                gone = text in generated_texts(task)
                assert bare.texts[text] == (Text("") if gone else record.texts[text])


def test_dev_data_of_the_target_select_the_last_student_alone(config):
    def dev(strategy, **changes):
        run = prepare(load_config(config(strategy=strategy, selection__on="target_dev", **changes)))
        stages = run.plans["jav"].history
        return {stage.name: [one.language for one in stage.dev] for stage in stages}

    assert dev({"rounds": 2}) == {
        "eng": ["eng"], "ind": ["ind"], "distil-jav": ["eng", "ind"],
        "distil-jav-round-2": ["jav"],
    }  # fmt: skip
    chain = {"name": "hierarchical", "through": [{"distil": {}}, "ind"], "target_stage": False}
    assert dev(chain, source=["eng"]) == {"eng": ["eng"], "distil-jav": ["eng"], "ind": ["jav"]}
    ends = {"name": "hierarchical", "through": ["ind", {"distil": {}}], "target_stage": False}
    assert dev(ends, source=["eng"])["distil-jav"] == ["jav"]


def test_a_student_is_scored_on_the_sources_that_its_teachers_are_of(config):
    def watched(**changes):
        run = prepare(load_config(config(**changes)))
        ((_, sets),) = observed(run)
        return [[one.language for one in every] for every in sets], run.notes

    assert watched()[0] == [["jav"]]
    assert watched(selection__on="target_dev")[0] == [["eng", "ind"]]
    merged = {"strategy": {"name": "merged"}, "selection__on": "target_dev"}
    assert watched(**merged)[0] == [["eng", "ind"]]
    for strategy in ({}, {"name": "merged", "method": "fisher", "information": "jav"}):
        assert watched(strategy=strategy, data__jav__dev=[])[1] == ()
    notes = watched(data__eng__dev=[], data__ind__dev=[])[1]
    assert any("eng, ind: stage distil-jav is selected by no score" in note for note in notes)


def test_teachers_count_as_far_as_they_agree():
    task = tasks.get("ner")()
    right = tagged()
    wrong = [record.with_layers(entities=type(record.layers["entities"])(())) for record in right]
    options = Distilling(weights="agreement")
    found = counted(options, task, {"eng": right, "ind": right, "swa": wrong})
    assert found == {"eng": 0.5, "ind": 0.5, "swa": 0.0}
    assert set(counted(options, task, {"eng": right, "ind": wrong, "swa": wrong}).values()) == {
        1 / 3
    }
    given = Distilling(weights={"eng": 0.3, "ind": 0.7})
    assert counted(given, task, {"eng": right, "ind": right}) == {"eng": 0.3, "ind": 0.7}


def test_a_stage_between_others_learns_from_the_one_before(config):
    through = [{"distil": {"student": "teacher", "loss": "hard"}}, "ind"]
    chain = {"name": "hierarchical", "through": through, "target_stage": False}
    stages = Stages(config(strategy=chain, source=["eng"])).run()
    assert [stage.about.get("teachers") for stage in stages] == [None, {"eng": 1.0}, None]


def test_what_decides_what_a_student_learns(config, world):
    def key(seed: int = 1, **strategy) -> str:
        changes = strategy.pop("changes", {})
        run = Stages(config(strategy=strategy, seeds=[seed], **changes))
        stage = run.plan[-1]
        return run.runner.identity(
            stage, ["a", "b"], [run.runner.load(s) for s in stage.train], []
        ).key

    base = key()
    others = [
        key(loss="hard"), key(temperature=2.0), key(weights={"eng": 1, "ind": 3}),
        key(confidence=0.5), key(agreement=0.5), key(student="teacher"), key(on="train"),
        key(training={"epochs": 9}), key(seed=2),
        key(changes={"data__jav__text": str(world.folder / "ind.txt")}),
    ]  # fmt: skip
    assert len({base, *others}) == 1 + len(others)
