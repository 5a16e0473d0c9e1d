"""Distillation: from teachers and text to a trainer that has trained a student.

The teachers are loaded one after the other, and twice: first they annotate all records, of which
`consensus` chooses; then they say how probable each option is at the places where the chosen
annotation has the student decide. Both are kept until the stage is finished (`pseudo_labels`).
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from transformers import TrainerCallback

from xlt.config.schema import TEXT, Training
from xlt.data.batch import prediction_batches
from xlt.data.references import key_of
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.criteria import agreement
from xlt.files import writing
from xlt.inference.device import cast_for_inference
from xlt.inference.loading import make_direct_predictor
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.model.choosing import Choices, ChoosingModel
from xlt.task import Example, Labels, Task, extend_labels, without_annotation
from xlt.training.consensus import Yield, agreed
from xlt.training.data import Data
from xlt.training.finished import StageResult
from xlt.training.learner import Learner
from xlt.training.making import Making
from xlt.training.processes import of_main_process
from xlt.training.pseudo_labels import Probabilities, PseudoLabels, keep, kept
from xlt.training.raw_text import sentences
from xlt.training.training_run import Trained
from xlt.transfer.teaching import ANNOTATION, Distilling, shares


def learn(
    making: Making,
    training: Training,
    *,
    callbacks: Sequence[TrainerCallback],
    checkpoint: str | None,
) -> Trained:
    """Train the student of a stage.

    Raises Diverged, OutOfMemory; XltError where no record is left to learn from.
    """
    options = _options(making)
    teachers = {
        stage.name: parent
        for stage, parent in zip(making.stage.parents, making.parents, strict=True)
        if parent.labels is not None
    }
    state, found = PartialState(), kept(making.work, making.task)
    if of_main_process(found is None):
        # All processes annotate: one that waited for hours would be taken for dead. They may round
        # otherwise than each other, so all learn what the main one has found.
        found = _pseudo_labels(making, teachers)
        if state.is_main_process:
            with writing(making.folder, resumes=True):
                keep(making.work, making.task, found)
        state.wait_for_everyone()
        found = kept(making.work, making.task)
    assert found is not None, f"{making.work} was damaged while it was read"
    report = dict(found.report)
    weights: dict[str, float] = report["teachers"]
    soft = None
    if found.soft_targets is not None:
        hard_weight = options.hard_share if options.loss == "mixed" else 0.0
        soft = SoftTargets(making.task, found.soft_targets, options.temperature, hard_weight)
    encoder = making.parents[-1] if making.parents[-1].labels is None else None
    trained = Learner(making.config, making.task, making.seed, making.metric).train(
        making.stage,
        training,
        teachers[_first(weights, teachers)] if options.student == "teacher" else encoder,
        [_data(making, found.records, weights)],
        [making.dev, *making.watched],
        making.work,
        labels=found.labels,
        collates=soft,
        title=making.title,
        callbacks=callbacks,
        checkpoint=checkpoint,
    )
    report["loss"] = "hard" if soft is None else options.loss or "soft"
    own = trained.about.get("about", {})
    report["note"] = "; ".join([_note(making.stage.name, report), *filter(None, [own.get("note")])])
    return replace(trained, about={"about": {**own, **report}})


def _pseudo_labels(making: Making, teachers: Mapping[str, StageResult]) -> PseudoLabels:
    """What the teachers, by their names, say of the records, and of which the student learns."""
    options = _options(making)
    records = _records(making)
    bare = [without_annotation(making.task, record) for record in records]
    predicted = {name: _predicted(making, one, bare) for name, one in teachers.items()}
    if options.annotation == "teacher":
        predicted[ANNOTATION] = records
    weights = counted(options, making.task, predicted)
    yields = Yield(options.confidence, options.agreement)
    for one in agreed(making.task, list(predicted.values()), list(weights.values())):
        yields.add(one)
    names = list(weights)
    taken = Counter(names[one.teacher] for one in yields.kept)
    report = {"teachers": weights, "taken": {one: taken[one] for one in names}, **yields.as_dict()}
    if not yields.kept:
        raise nothing_left(report)
    annotated = [one.document for one in yields.kept]
    labels: Labels = {}  # begins as those of the weights that it may start from
    for teacher in (teachers[_first(weights, teachers)], *teachers.values()):
        labels = extend_labels(labels, teacher.labels or {})
    if ANNOTATION in predicted:
        labels = extend_labels(labels, making.task.labels(records))
    tables = None
    if options.loss != "hard":
        tables = _mixture(making, teachers, weights, annotated, labels)
    return PseudoLabels(annotated, labels, report, tables)


def _first(weights: Mapping[str, float], teachers: Iterable[str]) -> str:
    """The one that counts most."""
    return max(teachers, key=lambda name: weights[name])


def _options(making: Making) -> Distilling:
    assert isinstance(making.stage.options, Distilling)
    return making.stage.options


# Labels ------------------------------------------------------------------------------------------


def _teacher(making: Making, teacher: StageResult) -> tuple[Backbone, Predictor]:
    gc.collect()  # of the one before
    _, backbone, predictor = make_direct_predictor(
        teacher.model_folder(),
        batch_tokens=making.config.evaluation.batch_tokens,
        precision=making.config.training.precision,
        options=making.config.model,
        task=making.task,
        confident=True,
    )
    return backbone, predictor


def _records(making: Making) -> list[Document]:
    """What is annotated: of running text its sentences, as they will be predicted later."""
    records: list[Document] = []
    for data in making.train:
        language = data.data_split.language
        raw = data.data_split.split == TEXT
        records += sentences(making.task, data.records, language) if raw else data.records
    if not records:
        split = making.stage.train[0]
        raise XltError(
            "there is no word in it to predict anything of",
            where=key_of(split.language, split.split),
            fix="name a file with text in the language",
        )
    return records


def _predicted(making: Making, teacher: StageResult, records: Sequence[Document]) -> list[Document]:
    """All records as a teacher annotates them."""
    backbone, predictor = _teacher(making, teacher)
    return predictor(records, making.task.encode(records, backbone, None))


def counted(
    options: Distilling, task: Task, predicted: dict[str, list[Document]]
) -> dict[str, float]:
    """What each teacher counts, by its name, together 1."""
    if isinstance(options.weights, dict):
        return options.weights
    values = agreement(task, list(predicted.values()))
    found = dict(zip(predicted, values, strict=True))
    if not any(found.values()):  # nobody agrees with anybody
        return dict.fromkeys(found, 1 / len(found))
    return shares(found)


def _data(making: Making, records: Sequence[Document], weights: dict[str, float]) -> Data:
    digest = hashlib.sha256()
    for value in (weights, *map(making.task.schema.to_row, records)):
        content = json.dumps(value, sort_keys=True, ensure_ascii=False)
        digest.update(f"{content}\n".encode())
    return Data(making.stage.train[0], digest.hexdigest(), records)


# Probabilities -----------------------------------------------------------------------------------


class SoftTargets:
    """Batches of a task with what teachers think of them, as `ChoosingModel` learns it.

    targets: of each record. temperature, hard_weight: as `ChoosingModel.forward` has them.
    """

    def __init__(
        self, task: Task, targets: Sequence[Probabilities], temperature: float, hard_weight: float
    ) -> None:
        self.task, self.targets = task, targets
        self.temperature, self.hard_weight = temperature, hard_weight

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        own = [self.targets[example.index] for example in examples]
        return {
            **self.task.collate(examples),
            "soft_targets": [_stacked(parts) for parts in zip(*own, strict=True)],
            "temperature": self.temperature,
            "hard_weight": self.hard_weight,
        }


def _stacked(parts: Sequence[NDArray[np.float32]]) -> torch.Tensor:
    """The places of several records, one after the other; options that one lacks have 0."""
    width = max(part.shape[1] for part in parts)
    return torch.from_numpy(np.concatenate([_widened(part, width) for part in parts]))


def _widened(part: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    return np.pad(part, ((0, 0), (0, width - part.shape[1])))


def _mixture(
    making: Making,
    teachers: Mapping[str, StageResult],
    weights: dict[str, float],
    records: list[Document],
    labels: Labels,
) -> list[Probabilities] | None:
    """The mixture of the models' probabilities, which has the same gradient as the mean of their
    divergences. None for models that do not choose, where nothing was asked."""
    options = _options(making)
    total = sum(weights[name] for name in teachers)
    mixture: list[Probabilities] = [[] for _ in records]
    for name, teacher in teachers.items():
        backbone, predictor = _teacher(making, teacher)
        if not isinstance(predictor.model, ChoosingModel):
            if options.loss is None:
                return None
            raise XltError(
                f"the model of {name} does not choose among labels: there are no probabilities of "
                "them to learn",
                where="strategy.loss",
                fix="write `hard`, or leave it out",
            )
        own = probabilities(predictor, backbone, records, labels, options.temperature)
        del backbone, predictor  # two would not fit everywhere
        share = weights[name] / total if total else 1 / len(teachers)
        for number, more in enumerate(own):
            mixture[number], own[number] = _mixed(mixture[number], more, share), []
    return mixture


def _mixed(known: Probabilities, more: Probabilities, weight: float) -> Probabilities:
    """`known`, which may be nothing yet, and what another teacher adds of this weight."""
    mixed = []
    for number, part in enumerate(more):
        part = np.float32(weight) * part
        if known:
            width = max(part.shape[1], known[number].shape[1])
            part = _widened(part, width) + _widened(known[number], width)
        mixed.append(part)
    return mixed


def probabilities(
    predictor: Predictor,
    backbone: Backbone,
    records: Sequence[Document],
    labels: Labels,
    temperature: float,
) -> list[Probabilities]:
    """What a model thinks of the options at the places that annotated records have.

    labels: those that are options, in this order; what the model does not know is impossible.
    """
    task, model = predictor.task, predictor.model
    assert isinstance(model, ChoosingModel)
    known = {layer: len(values) for layer, values in model.labels.items()}
    grown = extend_labels(model.labels, labels)
    if grown != model.labels:  # labels of other teachers are read, and never thought probable
        model.grow(grown)
        cast_for_inference(model, predictor.precision)
    examples = task.encode(records, backbone, grown)
    found: dict[int, Probabilities] = {}
    for batch in prediction_batches([one.length for one in examples], predictor.budget):
        chosen = [examples[i] for i in batch]
        parts = [
            _of_examples(one, len(chosen), grown, known, labels, temperature)
            for one in _choices(predictor, model, chosen)
        ]
        for example, *own in zip(chosen, *parts, strict=True):
            found[example.index] = own
    return [found[number] for number in range(len(records))]


def _choices(
    predictor: Predictor, model: ChoosingModel, examples: Sequence[Example]
) -> list[Choices]:
    gold = predictor.task.collate(examples)["labels"].to(predictor.device)
    found: list[Choices] = predictor.run(examples, lambda batch: model.choices(gold, **batch))
    return found


def _of_examples(
    choices: Choices,
    examples: int,
    grown: Labels,
    known: dict[str, int],
    labels: Labels,
    temperature: float,
) -> list[NDArray[np.float32]]:
    """The probabilities of a batch's choices, example by example."""
    scores = choices.scores[choices.known].float() / temperature
    if choices.layer is not None:
        scores[:, known[choices.layer] :] = float("-inf")
        order = {label: number for number, label in enumerate(grown[choices.layer])}
        columns = [order[label] for label in labels[choices.layer]]
        table = scores.softmax(-1)[:, columns].cpu().numpy()
    else:
        table = scores.softmax(-1).cpu().numpy()
    places = choices.known.flatten(1).sum(1) if choices.known.ndim > 1 else choices.known.long()
    if choices.owner is not None:
        places = places.new_zeros(examples).index_add(0, choices.owner, places)
    ends = np.cumsum(places.cpu().numpy())[:-1]
    parts = np.split(table, ends)
    return parts if choices.layer is not None else [_narrowed(part) for part in parts]


def _narrowed(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the last options that are impossible everywhere: words of longer sentences."""
    there = np.flatnonzero(part.any(0))
    return part[:, : there[-1] + 1] if len(there) else part[:, :0]


# Words -------------------------------------------------------------------------------------------


def _note(name: str, report: dict[str, Any]) -> str:
    lost = ", ".join(f"{number} for {reason}" for reason, number in report["lost"].items())
    means = ", ".join(
        f"mean {what} {report[what]['kept']:.2f}"
        for what in ("confidence", "agreement")
        if report[what]["kept"] is not None
        and (what == "confidence" or len(report["teachers"]) > 1)
    )
    who = ", ".join(f"{one} {weight:.2f}" for one, weight in report["teachers"].items())
    whose = ", ".join(f"{one} {number}" for one, number in report["taken"].items())
    return (
        f"{name}: learnt from {report['kept']} of {report['records']} records"
        f"{f' (left out: {lost})' if lost else ''}{f'; {means}' if means else ''}; "
        f"{f'labels of {whose}; ' if len(report['taken']) > 1 else ''}"
        f"teachers: {who}"
    )


def nothing_left(report: Mapping[str, Any]) -> XltError:
    """report: of a `Yield` that keeps no record."""
    lost = ", ".join(f"{number} for {reason}" for reason, number in report["lost"].items())
    gate = next(iter(report["lost"]))
    mean = report[gate]["all"]
    return XltError(
        f"of {report['records']} records none is left to learn from ({lost}); "
        + (f"none has a {gate}" if mean is None else f"the mean {gate} is {mean:.2f}"),
        where=f"strategy.{gate}",
        fix="ask for less, or leave it out",
    )
