"""The kind of stages in which a model learns from what others predict on text without labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from xlt.config.schema import TEXT, Config, Training
from xlt.data.references import key_of
from xlt.errors import XltError, choose
from xlt.task import Labels, Task, confident, why_not_text
from xlt.training.training_kind import TrainingKind
from xlt.transfer.kind import Effort, solves
from xlt.transfer.stage import Stage, data_splits, override, selection_data
from xlt.transfer.teaching import ANNOTATION, TARGET_TRAIN, Distilling, shares
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
    selected_on_sources: ClassVar[bool] = True

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
            _check_annotated(config, target)
            names.append(ANNOTATION)
        weights = _weights(options, config, target, names)
        loss = options.loss
        if loss is None and (ANNOTATION in names or _alone(options, names)):
            loss = "hard"
        _check_effects(options, loss, names, weights)
        return Stage(
            name=f"distil-{target}",
            train=tuple(replace(one, unlabelled=ANNOTATION not in names) for one in text),
            dev=selection_data(config, config.source, target),
            training=override(config.training, options.training),
            from_scratch=from_scratch,
            parents=parents,
            kind="distil",
            # What is said by other fields of the stage is said once.
            options=options.model_copy(update={"training": None, "weights": weights, "loss": loss}),
        )

    def begins(self, stage: Stage) -> bool:
        return _options(stage).student == "encoder"

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        return {"selection": config.selection.model_dump(mode="json", exclude={"keep"})}

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        from xlt.evaluation.counts import judges_given_gold
        from xlt.model.choosing import ChoosingModel
        from xlt.training.rehearsal import rehearse

        options = _options(stage)
        language = stage.train[0].language
        if stage.train[0].split == TEXT and (lacking := why_not_text(task)) is not None:
            yield XltError(
                f"{task.name} does not predict on text alone: {lacking.what}",
                where="strategy.on",
                fix=f"write `on: {TARGET_TRAIN}`, and put what is to be predicted on under "
                f"`data.{language}.train`, with `labelled: false` where it has no annotation",
            )
        if judges_given_gold(task):
            yield XltError(
                f"a model of {task.name} with these options is given a part of the gold "
                "annotation, which text and unlabelled data lack: it would predict nothing on them",
                where="task",
                fix="have it learn all parts of the task (see the options of `task`), or choose "
                "another strategy",
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
        if options.loss == "soft" and _alone(options, options.weights):
            yield XltError(
                "the student begins as its only teacher, and thinks what it thinks: there is "
                "nothing to learn of probabilities",
                where="strategy.loss",
                fix="write `hard` or `mixed`, or `student: encoder`",
            )
        if model is None or isinstance(model, ChoosingModel):
            return
        why = f"this model of {task.name} does not choose among labels"
        if options.loss in ("soft", "mixed"):
            yield XltError(
                f"{why}: there are no probabilities of them to learn",
                where="strategy.loss",
                fix="write `hard`, or leave it out",
            )
        elif options.temperature != _default("temperature"):
            yield XltError(
                f"{why}: there are no probabilities that could be flatter",
                where="strategy.temperature",
                fix="leave it out",
            )

    def effort(self, stage: Stage, train: Effort) -> Effort:
        teachers = sum(map(solves, stage.parents))
        read = 1 if _options(stage).loss == "hard" else 2  # for labels, then for probabilities
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


def _default(name: str) -> Any:
    return Distilling.model_fields[name].default


def _alone(options: Distilling, teachers: Collection[str]) -> bool:
    """Whether the student begins as its only teacher."""
    return options.student == "teacher" and len(teachers) == 1


def _check_annotated(config: Config, target: str) -> None:
    """Raise XltError where the data whose annotation is to teach may have none."""
    for n, reference in enumerate(config.data[target].train):
        if reference.options.get("labelled") is False:
            raise XltError(
                "the annotation of these data is to teach, and they are said to have none",
                where=f"{key_of(target, 'train')}.{n}.labelled",
                fix="leave `labelled` out where all records are annotated; or leave out "
                "`strategy.annotation`",
            )


def _check_effects(
    options: Distilling,
    loss: str | None,
    teachers: Sequence[str],
    weights: dict[str, float] | str,
) -> None:
    """Raise XltError for what has been asked for and would change nothing.

    loss: what is learnt; None: it depends on the models. weights: as `_weights` gives them.
    """
    why = {
        "agreement": "there is one teacher, and none that it could agree with",
        "hard_share": "labels and probabilities are mixed with `loss: mixed` alone",
        "temperature": "labels alone are learnt here, which have no temperature",
        "confidence": "the annotation outweighs all models, so that it is always taken, and does "
        "not say how sure it is",
    }
    given = weights if isinstance(weights, dict) else {}
    annotation = given.get(ANNOTATION, 0.0)
    models = sum(given.values()) - annotation
    useless = {
        "agreement": len(teachers) == 1,
        "hard_share": loss != "mixed",
        "temperature": loss == "hard",
        "confidence": annotation > models,
    }
    for name, nothing in useless.items():
        if nothing and getattr(options, name) != _default(name):
            raise XltError(
                f"it has no effect: {why[name]}", where=f"strategy.{name}", fix="leave it out"
            )
    if annotation and len(given) == 2:
        _check_two(next(one for one in teachers if one != ANNOTATION), options, annotation, models)


def _check_two(teacher: str, options: Distilling, annotation: float, model: float) -> None:
    """Raise XltError where what one model and the annotation count leaves the latter unused."""
    fix = f"give numbers, e.g. `weights: {{{teacher}: 1, annotation: 3}}`"
    if annotation == model:
        raise XltError(
            f"{teacher} and the annotation count alike: nothing says whose labels are taken where "
            "they differ",
            where="strategy.weights",
            fix=fix,
        )
    if annotation < model and options.agreement is None:
        raise XltError(
            f"{teacher} counts more than the annotation, whose labels are then never taken",
            where="strategy.weights",
            fix=f"{fix}; or leave out, by `agreement`, records on which they differ",
        )


def _weights(
    options: Distilling, config: Config, target: str, teachers: Sequence[str]
) -> dict[str, float] | str:
    """What each teacher counts, by its name, together 1; "agreement" is known when they have
    predicted. Raises XltError for numbers of other teachers."""
    given = options.weights
    if isinstance(given, dict):
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
    elif len(teachers) == 1 or given == "uniform":
        weights = dict.fromkeys(teachers, 1.0)
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
    return shares(weights)


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
