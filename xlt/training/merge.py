"""The kind of stages that make one model of their parents, by arithmetic on their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.merging.options import Merging
from xlt.merging.settings import MAX_INFORMED, WAYS, Settings, check_layers
from xlt.merging.stage import merged, say
from xlt.task import Labels, Task
from xlt.transfer.kind import Effort, StageKind, kind_of, solves
from xlt.transfer.stage import Stage, selection_data

if TYPE_CHECKING:
    from xlt.training.making import Making


class Merge(StageKind):
    """Merges models of the task. One parent more, the last, is an encoder: the base."""

    Options: ClassVar[type[Merging]] = Merging
    several_parents: ClassVar[bool] = True
    scored: ClassVar[bool] = True
    selected_on_sources: ClassVar[bool] = True
    learns_labels: ClassVar[bool] = False

    def plan(
        self,
        options: Any,
        config: Config,
        target: str,
        parents: tuple[Stage, ...],
        *,
        from_scratch: bool = False,
    ) -> Stage:
        """The model before it, merged with the one that it was trained from (WiSE-FT)."""
        for parent in parents:
            if kind_of(parent).begins(parent):
                raise XltError(
                    f"`merge` here is of the model before it and the one that it was trained from, "
                    f"and {parent.name} begins with the encoder's weights",
                    where="strategy",
                    fix="put it after a stage that goes on from the model before it",
                )
        before = tuple(one for parent in parents for one in parent.parents)
        members = (*before, *parents)
        if len(before) != 1 or not all(map(solves, members)):
            raise XltError(
                "`merge` here is of the model before it and the one that it was trained from, and "
                "there are no two of this task",
                where="strategy",
                fix="put it after two stages that train on the task, or merge models of several "
                "sources or seeds (`strategy: merged`)",
            )
        dev = bool(selection_data(config, config.source, target))
        if options.checked(dev=dev, say=say).based:
            raise XltError(
                f"{options.method} needs a base, and the one of these two is the other",
                where=say("method"),
                fix="choose mean, wise, slerp or fisher, or take `strategy: merged`",
            )
        options.check_number(len(members), where=say("method"), fix="choose wise", say=say)
        return merged(config, target, members, options)

    def begins(self, stage: Stage) -> bool:
        return WAYS[_options(stage).method].based and solves(stage.parents[-1])

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        return {"metric": config.selection.metric} if stage.dev else {}

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        options, begins = _options(stage), self.begins(stage)
        if begins and (config.model.initialise == "random" or stage.from_scratch):
            yield XltError(
                f"{options.method} merges what models have learnt since they were one, and their "
                "encoder begins with random weights",
                where="strategy.method",
                fix="choose `method: mean`, or let the encoder keep its weights",
            )
        elif begins or options.method == "layers":
            from xlt.model.backbone import Backbone
            from xlt.model.pretrained import offline
            from xlt.model.vocabulary import stored_in

            model = config.model
            try:
                backbone = Backbone(model.encoder, model, weightless=True, local=local or offline())
                layers = getattr(backbone.config, "num_hidden_layers", None)
                known = backbone.source, model.revision
                fetched = Path(backbone.source).is_dir() or stored_in(*known, "*.bin")
                if begins and fetched and not stored_in(*known):
                    yield XltError(
                        f"{options.method} needs the encoder's weights as safetensors, and there "
                        "are none",
                        where="model.encoder",
                        fix=_MEAN,
                    )
                if options.method == "layers" and isinstance(layers, int):
                    check_layers(options.settings(1)[0], layers, say=say)
            except XltError as error:  # of the encoder alone: said of what is trained from it, too
                yield error

    def check_parents(self, stage: Stage, known: Sequence[Labels]) -> Iterator[XltError]:
        members = [one for one, parent in zip(known, stage.parents, strict=True) if solves(parent)]
        names = [parent.name for parent in stage.parents if solves(parent)]
        for name, labels in zip(names[1:], members[1:], strict=True):
            for layer in sorted({*members[0], *labels}):
                first, own = set(members[0].get(layer, ())), set(labels.get(layer, ()))
                if first != own:
                    lacking = [*sorted(first - own), *sorted(own - first)]
                    yield XltError(
                        f"models with different labels cannot be merged: {name} and {names[0]} "
                        f"have not both {', '.join(lacking[:12])} ({layer})",
                        where="strategy",
                        fix="give the task options that leave these labels out or rename them "
                        "(`task.…`), or train one model on all sources (`strategy: joint`)",
                    )
                    return

    def effort(self, stage: Stage, train: Effort) -> Effort:
        options = _options(stage)
        share = min(1.0, MAX_INFORMED / max(1, train.records))
        informed = round(share * train.subwords) * len(stage.parents)
        return replace(
            train,
            subwords=informed,
            records=round(share * train.records) * len(stage.parents),
            # Of one scale there is nothing to choose.
            evaluated=train.evaluated * (1 + (len(options.scales) if options.scales[1:] else 0)),
        )

    def make(self, making: Making) -> None:
        from xlt.files import remove
        from xlt.merging.choose import informed, scores
        from xlt.merging.folder import described, opened

        options = _options(making.stage)
        members = [parent for parent in making.parents if parent.labels is not None]
        folders = [member.model_folder() for member in members]
        points = options.settings(making.seed)

        def write(folder: Path) -> Mapping[str, Any]:
            remove(making.work)  # of a process that was killed
            making.work.mkdir(parents=True)
            about: dict[str, Any] = {}
            revision = making.config.model.revision
            base = _base(making)
            where = "model.encoder"
            with opened(folders, base, revision=revision, where=where, fix=_MEAN) as models:
                if making.train:
                    records = [record for data in making.train for record in data.records]
                    models, whose, number = informed(models, records, points[0].seed, making.work)
                    about["information"] = {"records": number, "labels": whose}
                methods = [models.method(options.method, point) for point in points]
                best = 0
                if len(methods) > 1:
                    found = scores(models, methods, lambda one: _scores(making, one), making.work)
                    values = [next(iter(score.values())) for score in found]
                    best = values.index(max(values))
                    about |= _chosen(making, points, values, best)
                about = {**described(options.method, points[best]), **about}
                models.write(folder, methods[best], about)
            return about

        try:
            making.save(write, members[0].labels, lambda folder: _scores(making, folder, last=True))
        except XltError as error:
            if error.where not in Merging.model_fields:
                raise
            raise error.at(say(error.where)) from error


_MEAN = "choose `method: mean`, or an encoder with the weights that the models were trained from"


def _options(stage: Stage) -> Merging:
    assert isinstance(stage.options, Merging)
    return stage.options


def _base(making: Making) -> str | None:
    """What models are merged with, or what they were trained from: the encoder that is the last
    parent, or that of the config."""
    if not WAYS[_options(making.stage).method].based:
        return None
    last = making.parents[-1]
    if last.labels is None:
        return str(last.model_folder())
    from xlt.model.backbone import Backbone

    return Backbone(making.config.model.encoder, making.config.model).source


def _scores(making: Making, folder: Path, *, last: bool = False) -> Mapping[str, float]:
    """Selector → score of a model on the stage's dev data.

    last: it is the one that stays: it is scored on what is watched, too, and its confidences are
        calibrated.
    """
    from xlt.inference.loading import make_direct_predictor
    from xlt.model.calibration import save
    from xlt.training.calibrate import calibrate
    from xlt.training.scoring import encode_sets, mean_scores, selector

    config, sets = making.config, [making.dev, *(making.watched if last else ())]
    if not any(sets):
        return {}
    _, backbone, predictor = make_direct_predictor(
        folder,
        batch_tokens=config.evaluation.batch_tokens,
        precision=config.training.precision,
        options=config.model,
        task=making.task,
    )
    encoded = encode_sets(making.task, sets, backbone)
    own = selector(making.stage.dev)
    if last and own in encoded:
        calibration = calibrate(predictor, encoded[own])
        if calibration is not None:
            save(folder, calibration)
    return mean_scores(predictor, encoded, making.metric, alone=True)


def _chosen(
    making: Making, points: Sequence[Settings], values: Sequence[float], best: int
) -> dict[str, Any]:
    """What is said of the scale that was best, the one with this number."""
    from xlt.training.scoring import selector

    scored = [{"scale": p.scale, "score": v} for p, v in zip(points, values, strict=True)]
    tried = ", ".join(f"{point.scale:g}: {v:.2f}" for point, v in zip(points, values, strict=True))
    by = f"{making.metric} on {selector(making.stage.dev)}"
    note = f"{making.stage.name}: scale {points[best].scale:g} is the best by {by} ({tried})"
    return {"dev": scored, "note": note}
