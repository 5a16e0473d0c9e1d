"""Writes the weights that a stage selected as model folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from xlt.errors import XltError
from xlt.files import PART, publish_folder
from xlt.model.calibration import Calibration
from xlt.model.calibration import save as save_calibration
from xlt.model.finite import first_broken
from xlt.model.folder import check_model
from xlt.model.lora import merged
from xlt.model.pair import members
from xlt.model.task_model import TaskModel
from xlt.training.differences import check_difference, write_difference
from xlt.training.trainer import TransferTrainer

SELECTED, EVALUATED = "selected", "evaluated"
"""Folders of a stage: models; and what is kept of other weights."""


def selected_folder(stage: Path, step: int) -> Path:
    """Where a stage keeps the weights of a selected step."""
    return stage / SELECTED / str(step)


def evaluated_folder(stage: Path, step: int) -> Path:
    """Where a stage keeps what is to know of weights that were evaluated and not selected."""
    return stage / EVALUATED / str(step)


def part_folder(stage: Path, step: int) -> Path:
    """Where the model of a step is until it is whole; `sweep` removes what is left."""
    return stage / f"selecting-{step}{PART}"


def save_selected(
    trainer: TransferTrainer,
    write: Callable[[TaskModel, Path], None],
    selected: Sequence[int],
    stage: Path,
    calibrate: Callable[[], Calibration | None],
) -> None:
    """Save the model of every selected step, plain, with LoRA merged; and of other steps whose
    weights were kept the difference to it.

    write: puts a model, as the trainer has it but for LoRA, into a folder.
    selected: steps; the first is that of the primary selector.
    calibrate: gives the temperatures of the model as it is when it is called, if it has any.
    Raises XltError if weights are not finite.
    """
    from safetensors.torch import load_file

    last = trainer.state.global_step
    base = selected_folder(stage, selected[0])
    ready, waiting = False, list[int]()  # for the base, which the last step's may come before
    # The last step's weights are the ones in memory, so they go first.
    for step in sorted(
        {*selected, *trainer.selector.steps}, key=lambda n: (n != last, n not in selected, -n)
    ):
        if step != last:
            trainer.model.load_state_dict(load_file(trainer.snapshot(step)), strict=False)
        plain = merged(members(trainer.model)[0])
        _refuse_broken(plain, step)
        if not _is_there(stage, step, whole=step in selected):
            part = part_folder(stage, step)
            shutil.rmtree(part, ignore_errors=True)
            # It takes a prediction of the dev data: of what nobody selects, when somebody does.
            calibration = calibrate() if step in selected else None
            write(plain, part)
            if calibration is not None:
                save_calibration(part, calibration)
            if step in selected:
                publish_selected(part, stage, step)
            else:
                waiting.append(step)
        ready = ready or step == selected[0]
        while ready and waiting:
            _keep_difference(stage, waiting.pop(), base)


def _is_there(stage: Path, step: int, *, whole: bool) -> bool:
    """Whether it was saved before: by a process that was killed later, or for fewer observers."""
    if whole:
        folder = selected_folder(stage, step)
        return folder.exists() and check_model(folder) is None
    return check_difference(evaluated_folder(stage, step), stage / SELECTED) is None


def _keep_difference(stage: Path, step: int, base: Path) -> None:
    model, part = part_folder(stage, step), stage / f"evaluating-{step}{PART}"
    shutil.rmtree(part, ignore_errors=True)
    write_difference(model, base, part)
    _publish(part, evaluated_folder(stage, step))
    shutil.rmtree(model)


def publish_selected(part: Path, stage: Path, step: int) -> None:
    """Give the model of a selected step, which is whole, its name."""
    _publish(part, selected_folder(stage, step))


def _publish(part: Path, final: Path) -> None:
    final.parent.mkdir(exist_ok=True)
    publish_folder(part, final)


def _refuse_broken(model: TaskModel, step: int) -> None:
    broken = first_broken(model.named_parameters())
    if broken is not None:  # in the very last step, which no loss has seen
        raise XltError(
            f"the weights after step {step} hold NaN or infinite values, e.g. in {broken}",
            where="training.learning_rate",
            fix="lower the learning rate or raise warmup; with precision fp16 use bf16 or fp32",
        )
