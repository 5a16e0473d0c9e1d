"""The kind of stages in which a model learns from what others predict on text without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from xlt.config.schema import TEXT, Config, Training
from xlt.document import Text
from xlt.errors import XltError, choose
from xlt.task import Labels, Task, confident
from xlt.training.training_kind import TrainingKind
from xlt.transfer.kind import Effort, solves
from xlt.transfer.stage import Stage, data_splits, override, selection_data
from xlt.transfer.teaching import ANNOTATION, TARGET_TRAIN, Distilling
from xlt.typology.agreement import MIN_MODELS

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from xlt.training.making import Making
    from xlt.training.training_run import Trained


class Distil(TrainingKind):
    """Distillation. The parents are the teachers; one without the task's layers, the last, is the
    encoder that the student starts from."""

    Options: ClassVar[type[Distilling]] = Distilling
    several_parents: ClassVar[bool] = True
    scored: ClassVar[bool] = True

    def plan(
        self,
        options: Any,
        config: Config,
        target: str,
        parents: tuple[Stage, ...],
        *,
        from_scratch: bool = False,
    ) -> Stage:
        if not parents or not all(map(solves, parents)):
            raise XltError(
                "there is no model for it to learn from",
                where="strategy",
                fix="have a stage that trains on the task's data come before `distil`",
            )
        text = data_splits(
            config, target, TEXT if options.on == TEXT else TARGET_TRAIN, required=True
        )
        names = [parent.name for parent in parents]
        if options.annotation == "teacher":
            if options.on == TEXT:
                raise XltError(
                    "text has no annotation that could teach",
                    where="strategy.annotation",
                    fix=f"write `on: {TARGET_TRAIN}`, and put what was annotated under "
                    f"`data.{target}.train`",
                )
            names.append(ANNOTATION)
        return Stage(
            name=f"distil-{target}",
            train=tuple(replace(one, unlabelled=ANNOTATION not in names) for one in text),
            dev=selection_data(config, config.source, target),
            training=override(config.training, options.training),
            from_scratch=from_scratch,
            parents=parents,
            kind="distil",
            # What is said by other fields of the stage is said once.
            options=options.model_copy(
                update={"training": None, "weights": _weights(options, config, target, names)}
            ),
        )

    def begins(self, stage: Stage) -> bool:
        return _options(stage).student == "encoder"

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        return {"selection": config.selection.model_dump(mode="json", exclude={"keep"})}

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        from xlt.model.choosing import ChoosingModel
        from xlt.training.rehearsal import rehearse

        options = _options(stage)
        language = stage.train[0].language
        if stage.train[0].split == TEXT:
            try:
                task.from_text("1", Text.from_words(["word"]), language)
            except XltError as error:
                yield XltError(
                    f"{task.name} does not predict on text alone: {error.what}",
                    where="strategy.on",
                    fix=f"write `on: {TARGET_TRAIN}`, and put what is to be predicted on under "
                    f"`data.{language}.train`, with `labelled: false` where it has no annotation",
                )
        if options.confidence is not None and confident(task) is None:
            yield XltError(
                f"a model of {task.name} does not say how sure it is",
                where="strategy.confidence",
                fix="leave it out; `agreement` of several teachers leaves records out, too",
            )
        try:
            model = rehearse(config, task, stage, labels, local=local)
        except XltError as error:
            yield error
            return
        if options.loss == "soft" and options.annotation == "teacher":
            yield XltError(
                "annotation says no probabilities",
                where="strategy.loss",
                fix="write `mixed` (labels of all, probabilities of the models) or `hard`",
            )
        soft = options.loss in ("soft", "mixed")
        if soft and model is not None and not isinstance(model, ChoosingModel):
            yield XltError(
                f"this model of {task.name} does not choose among labels: there are no "
                "probabilities of them to learn",
                where="strategy.loss",
                fix="write `hard`, or leave it out",
            )

    def effort(self, stage: Stage, train: Effort) -> Effort:
        teachers = sum(map(solves, stage.parents))
        read = 1 if _options(stage).hard_alone else 2  # for labels, then for probabilities
        return replace(train, evaluated=train.evaluated + read * teachers * train.subwords)

    def learn(
        self,
        making: Making,
        training: Training,
        *,
        callbacks: Sequence[TrainerCallback],
        checkpoint: str | None,
    ) -> Trained:
        from xlt.training.distillation import learn

        return learn(making, training, callbacks=callbacks, checkpoint=checkpoint)


def _options(stage: Stage) -> Distilling:
    assert isinstance(stage.options, Distilling)
    return stage.options


def _weights(
    options: Distilling, config: Config, target: str, teachers: Sequence[str]
) -> dict[str, float] | str:
    """What each teacher counts, by its name, together 1; "agreement" is known when they have
    predicted. Raises XltError for numbers of other teachers."""
    given = options.weights
    if len(teachers) == 1 or given == "uniform":
        weights = dict.fromkeys(teachers, 1.0)
    elif isinstance(given, dict):
        for name in [*given, *teachers]:
            if name not in given or name not in teachers:
                raise XltError(
                    f"{name} has no weight" if name in teachers else f"{name} is no teacher",
                    where="strategy.weights",
                    fix=f"give a number for each of {', '.join(teachers)}"
                    if name in teachers
                    else choose(name, teachers),
                )
        weights = {name: given[name] for name in teachers}
    elif given == "similarity" and ANNOTATION in teachers:
        raise XltError(
            "annotation has no language whose similarity could be known",
            where="strategy.weights",
            fix="give a number for each source and for `annotation`, or write `uniform`",
        )
    elif given == "similarity":
        weights = _similarity(config, target, teachers)
    elif len(teachers) < MIN_MODELS:
        raise XltError(
            f"there are {len(teachers)} teachers; agreement says something from {MIN_MODELS} on: "
            "of two, each agrees as much as the other",
            where="strategy.weights",
            fix="write `similarity` or `uniform`, or name more sources",
        )
    else:
        return given
    total = sum(weights.values())
    return {name: round(weight / total, 6) for name, weight in weights.items()}


def _similarity(config: Config, target: str, teachers: Sequence[str]) -> dict[str, float]:
    """exp of the ranker's scores, which are in standard deviations over sources."""
    from math import exp

    from xlt import languages
    from xlt.typology.ranking import rank
    from xlt.typology.scores import measured_as

    task = config.task.name
    try:
        ranking = rank(
            languages.shared(target),
            [languages.shared(name) for name in teachers],
            task=task,
            measured_as=measured_as(task),
            encoder=config.model.encoder,
            own_scores=False,  # more of them would make another stage of the same config
        )
    except XltError as error:
        raise XltError(
            f"no similarity to {target} is known: {error.what}",
            where="strategy.weights",
            fix="write `uniform`, `agreement`, or a number for each source",
        ) from error
    scores = {source.language: source.score for source in ranking.sources}
    return {name: exp(scores[languages.shared(name)]) for name in teachers}
