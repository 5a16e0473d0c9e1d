"""Training of an encoder on another task than the config's: from its data to a trainer that has
trained.

What the other task's layers are worth with encoders that have gone on from there is seen later
(`xlt.runs.forgetting`): they are kept beside the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from transformers import TrainerCallback

from xlt.config.intermediate import learning
from xlt.config.schema import Config, Model, Training
from xlt.files import DamagedFile, damage
from xlt.model.backbone import Backbone
from xlt.model.carry import carry, load_layers, save_layers
from xlt.model.folder import INFO, TASK, read_info, write_encoder, write_info
from xlt.model.masked import whole
from xlt.model.seq2seq import Seq2Seq
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import SUBWORDS, Trimmed, read_kept
from xlt.task import Labels, Task, make_task
from xlt.training.carried import Solver, start
from xlt.training.data import Data
from xlt.training.finished import StageResult
from xlt.training.learner import Learner
from xlt.training.making import Making
from xlt.training.training_run import Trained
from xlt.transfer.stage import Stage


def learn(
    making: Making,
    training: Training,
    *,
    callbacks: Sequence[TrainerCallback],
    checkpoint: str | None,
) -> Trained:
    """Train the encoder of the stage's parent, or of the config.

    Raises Diverged, OutOfMemory; XltError for what is wrong with the data.
    """
    config = learning(making.config, making.stage.task)
    backbone, solver = start(making)
    learner = _Learner(config, make_task(config), making.seed, backbone, solver)
    trained = learner.train(
        making.stage,
        training,
        making.parent,
        making.train,
        [making.dev],
        making.work,
        title=making.title,
        callbacks=callbacks,
        checkpoint=checkpoint,
    )
    labels = None if solver is None else solver.model.labels
    return replace(trained, labels=labels, calibrate=lambda: None)


class _Learner(Learner):
    """Trains a network of the other task, and writes what is carried on.

    backbone, solver: of `start`.
    """

    def __init__(
        self, config: Config, task: Task, seed: int, backbone: Backbone, solver: Solver | None
    ) -> None:
        super().__init__(config, task, seed, task.metrics_reported[0])
        self._start, self._solver = backbone, solver

    def begins(self, parent: StageResult | None) -> bool:
        return True

    def model(
        self,
        stage: Stage,
        parent: StageResult | None,
        train: Sequence[Data],
        labels: Labels | None,
    ) -> tuple[Backbone, TaskModel]:
        known = self._task.labels(record for data in train for record in data.inventory)
        model = self._task.build(self._start, known)
        if self._solver is not None:
            self._solver.give(model.encoder, self._start.tokenizer)
        return self._start, model

    def write(
        self, plain: TaskModel, backbone: Backbone, vocabulary: Trimmed | None, folder: Path
    ) -> None:
        own = folder / TASK
        own.mkdir(parents=True)
        if vocabulary is not None and plain.generates:
            vocabulary.save(own / SUBWORDS)
        # A task may have added subwords to the tokenizer of its backbone.
        plainly = Backbone(backbone.source, backbone.options, random=backbone.random)
        with nullcontext() if vocabulary is None else vocabulary.restored(plain.encoder):
            tokenizers = backbone.tokenizer, plainly.tokenizer
            save_layers(plain, own, tokenizers, getattr(plainly.config, "vocab_size", 0))
            write_info(self.info(plain, backbone), own)
            if self._solver is not None:
                self._solver.write(plain.encoder, backbone.tokenizer, folder)
                return
            encoder = whole(plainly)
            carry(plain.encoder, encoder, tokenizers)
        encoder.save_pretrained(folder)
        plainly.tokenizer.save_pretrained(folder)
        write_encoder(folder)


def network(folder: Path, options: Model, task: Task) -> tuple[Backbone, TaskModel]:
    """The network of the other task that a stage trained, with its layers as they were then. Its
    encoder is the pretrained one: another is carried into it.

    folder: of the stage's model. options: `model` of the config.
    Raises DamagedFile.
    """
    own = folder / TASK
    info = read_info(own)
    if (problem := damage(own, info.files)) is not None:
        raise DamagedFile(problem, where=own / INFO, fix="the stage has to be trained again")
    backbone = Backbone(options.encoder, options, random=options.initialise == "random")
    model = task.build(backbone, info.labels)
    load_layers(model, own)
    if isinstance(model, Seq2Seq) and (own / SUBWORDS).is_file():
        model.known = read_kept(own / SUBWORDS)
    return backbone, model
