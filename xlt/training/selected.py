"""Writes the weights that a stage selected as model folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from xlt.errors import XltError
from xlt.files import PART, publish_folder
from xlt.model.calibration import Calibration
from xlt.model.calibration import save as save_calibration
from xlt.model.finite import first_broken
from xlt.model.folder import ModelInfo, check_model, save_model
from xlt.model.lora import merged
from xlt.model.task_model import TaskModel
from xlt.training.trainer import TransferTrainer


def selected_folder(stage: Path, step: int) -> Path:
    """Where a stage keeps the weights of a selected step."""
    return stage / "selected" / str(step)


def save_selected(
    trainer: TransferTrainer,
    model: TaskModel,
    info: ModelInfo,
    tokenizer: Any,
    vocabulary: Any,
    steps: Iterable[int],
    stage: Path,
    calibrate: Callable[[], Calibration | None],
) -> None:
    """Save the model of every selected step, plain: LoRA merged, the vocabulary whole again.

    model: what the trainer trained. vocabulary: of a trimmed model, else None.
    calibrate: gives the temperatures of the model as it is when it is called, if it has any.
    Raises XltError if weights are not finite.
    """
    from safetensors.torch import load_file

    last = trainer.state.global_step
    # The last step's weights are the ones in memory, so they go first.
    for step in sorted(set(steps), reverse=True):
        if step != last:
            trainer.model.load_state_dict(load_file(trainer.snapshot(step)), strict=False)
        plain = merged(model)
        _refuse_broken(plain, step)
        folder = selected_folder(stage, step)
        # Of a kill after it, or of fewer observers.
        if folder.exists() and check_model(folder) is None:
            continue
        part = stage / f"selecting-{step}{PART}"
        shutil.rmtree(part, ignore_errors=True)
        calibration = calibrate()
        save_model(plain, info, tokenizer, part, vocabulary)
        if calibration is not None:
            save_calibration(part, calibration)
        folder.parent.mkdir(exist_ok=True)
        publish_folder(part, folder)


def _refuse_broken(model: TaskModel, step: int) -> None:
    broken = first_broken(model.named_parameters())
    if broken is not None:  # in the very last step, which no loss has seen
        raise XltError(
            f"the weights after step {step} hold NaN or infinite values, e.g. in {broken}",
            where="training.learning_rate",
            fix="lower the learning rate or raise warmup; with precision fp16 use bf16 or fp32",
        )
