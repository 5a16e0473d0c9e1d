"""A stage set up as it will be trained, on a model that has shapes but no weights.

What can be refused before the first step is refused here, in a moment: `xlt plan` and `xlt train`
rehearse every stage before anything is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xlt.config.schema import Config, Training
from xlt.errors import XltError, choose
from xlt.inference.device import best_device, choose_precision, refuse_fp16
from xlt.model import named
from xlt.model.backbone import Backbone
from xlt.model.choosing import ChoosingModel
from xlt.model.lora import add_lora
from xlt.model.pretrained import offline
from xlt.model.task_model import TaskModel
from xlt.task import Labels, Task
from xlt.training.optim import freeze, parameter_groups
from xlt.training.standardise import check_norms, standardises
from xlt.transfer.kind import kind_of, solves
from xlt.transfer.stage import Stage


def rehearse(
    config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
) -> TaskModel | None:
    """Raise XltError for what is wrong with the encoder, or cannot be done with it in this stage.
    Return the model that was looked at, which has no weights.

    labels: what the model of the stage knows; None where its data cannot be read, so that nothing
        but the encoder is looked at.
    local:  nothing is fetched: an encoder that is not on this machine is missing.
    """
    backbone = _backbone(config, stage, local=local)
    check_precision(choose_precision(stage.training.precision, best_device()), backbone)
    check_sharpness(stage.training)
    check_weighting(stage)
    if labels is None:
        backbone.encoder()
        return None
    model = task.build(backbone, labels)
    check_smoothing(stage.training, model)
    if standardises(config.model, backbone, task):
        check_norms(model)
    freeze(model, stage.training.freeze)
    if config.model.lora is not None:
        add_lora(model, config.model.lora)
    parameter_groups(model, stage.training)
    return model


def _backbone(config: Config, stage: Stage, *, local: bool) -> Backbone:
    model = config.model
    backbone = Backbone(
        model.encoder,
        model,
        random=stage.from_scratch or model.initialise == "random",
        weightless=True,
        local=local or offline(),
    )
    if model.revision is not None and Path(named.located(model.encoder)).is_dir():
        raise XltError(
            f"{model.encoder} is in a folder, which has no revisions",
            where="model.revision",
            fix="leave it out, or name the encoder as the hub does",
        )
    backbone.check_files()
    _ = backbone.max_length  # which the config may ask too much of
    return backbone


def check_precision(precision: str, backbone: Backbone) -> None:
    """Raise XltError for a precision (not `auto`) in which this encoder computes nonsense."""
    refuse_fp16(precision, backbone.config, where="training.precision")


def check_sharpness(training: Training) -> None:
    """Raise XltError for fp16 where the first of two gradients is not scaled: much of it is 0."""
    if training.sharpness and choose_precision(training.precision, best_device()) == "fp16":
        raise XltError(
            "fp16 loses most of the gradient that says where the loss is higher",
            where="training.precision",
            fix="set it to bf16 or fp32, or leave `training.sharpness` out",
        )


def check_weighting(stage: Stage) -> None:
    """Raise XltError where weights would never be any but 1, or those of two models not differ."""
    training, weighting = stage.training, stage.training.weighting
    if weighting is None:
        return
    if "whole_from" in weighting.model_dump() and weighting.whole_from * training.epochs <= 1:
        raise XltError(
            f"`{weighting.method}` leaves nothing out: in the first of {training.epochs} epochs no "
            f"losses are known, and after {weighting.whole_from:g} of them all examples are read",
            where="training.weighting",
            fix="raise `training.epochs` or `training.weighting.whole_from`, or leave it out",
        )
    if training.models == 1:
        return
    begins = stage.task is not None or kind_of(stage).begins(stage)
    if any(map(solves, stage.parents)) and not begins:
        raise XltError(
            f"the models of the stage {stage.name} would begin as one, that of the stage before "
            "it, and make the same mistakes",
            where="training.weighting",
            fix="write `small_loss`, or set `weighting` in the `training` of stages alone that "
            "begin with the encoder",
        )
    if training.sharpness is not None:
        raise XltError(
            "one step to where the loss is higher would be of all models together",
            where="training.sharpness",
            fix=f"leave it out, or `{weighting.method}`",
        )


def check_smoothing(training: Training, model: TaskModel) -> None:
    """Raise XltError where labels are to be smoothed of a model that does not choose among them."""
    if training.label_smoothing and not isinstance(model, ChoosingModel):
        raise XltError(
            "this model does not choose among labels that could be smoothed",
            where="training.label_smoothing",
            fix="leave it out",
        )


def check_reports(training: Training) -> Iterator[XltError]:
    """Yield an error for each name of `report_to` that transformers does not know, or whose package
    is not installed."""
    from transformers.integrations.integration_utils import (
        INTEGRATION_TO_CALLBACK,
        get_available_reporting_integrations,
    )

    for name in training.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            yield XltError(
                f"there is nothing called {name!r} to report to",
                where="training.report_to",
                fix=choose(name, INTEGRATION_TO_CALLBACK),
            )
        elif name not in get_available_reporting_integrations():
            package = "'xlt[report]'" if name == "tensorboard" else name.replace("_", "-")
            yield XltError(
                f"the package that reports to {name} is not installed",
                where="training.report_to",
                fix=f"pip install {package}",
            )
