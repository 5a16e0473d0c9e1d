"""An encoder that learns something else than the task, and goes back where it came from.

Stages that do not train on the task's data have an encoder for a model; or, after a stage that
does, the task's model with the encoder as it is now, and its own layers as they were.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Config
from xlt.model.backbone import Backbone
from xlt.model.carry import carry
from xlt.model.folder import encoder_of, load_model, read_info, save_model
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import SUBWORDS
from xlt.training.making import Making
from xlt.transfer.stage import Stage

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def first_encoder(config: Config, stage: Stage) -> Backbone:
    """The config's encoder, for a stage without parents."""
    model = config.model
    random = stage.from_scratch or model.initialise == "random"
    return Backbone(model.encoder, model, random=random)


@dataclass(frozen=True)
class Solver:
    """The task's model of a parent, with its backbone and folder."""

    model: TaskModel
    backbone: Backbone
    folder: Path

    def give(self, encoder: PreTrainedModel, tokenizer: Any) -> None:
        """Give a network the encoder as it is in this model."""
        carry(self.model.encoder, encoder, (self.backbone.tokenizer, tokenizer))

    def write(self, encoder: PreTrainedModel, tokenizer: Any, folder: Path) -> None:
        """Write the model with this encoder, whose vocabulary is full."""
        carry(encoder, self.model.encoder, (tokenizer, self.backbone.tokenizer))
        folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / SUBWORDS).is_file():
            shutil.copyfile(self.folder / SUBWORDS, folder / SUBWORDS)
        save_model(self.model, read_info(self.folder), self.backbone.tokenizer, folder)


def start(making: Making) -> tuple[Backbone, Solver | None]:
    """The encoder that a stage starts from; where its parent's model has it, that, to take it
    from."""
    parent, settings = making.parent, making.config.model
    if parent is None:
        return first_encoder(making.config, making.stage), None
    if parent.labels is None:
        return encoder_of(parent.model_folder(), settings), None
    _, backbone, model = load_model(parent.model_folder(), settings, making.task)
    own = first_encoder(making.config, making.stage)
    return own, Solver(model, backbone, parent.model_folder())
