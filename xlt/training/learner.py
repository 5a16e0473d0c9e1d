"""One attempt at a stage: from start weights and records to a trainer that has trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import TrainerCallback, set_seed

from xlt.config.schema import Config, Training
from xlt.escape import without_folders
from xlt.inference.device import best_device, choose_precision
from xlt.inference.predictor import Predictor, SubwordTable, subword_table, subwords_in
from xlt.model.backbone import Backbone
from xlt.model.calibration import Calibration
from xlt.model.folder import ModelInfo, encoder_of, has_learnt, load_model, save_model
from xlt.model.lora import add_lora
from xlt.model.pair import Pair
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import Trimmed, stored_weights
from xlt.model.vocabulary_tensors import embedding_table
from xlt.task import Example, Labels, Task, extend_labels
from xlt.training.batches import Collates
from xlt.training.calibrate import calibrate
from xlt.training.data import Data, groups, weights
from xlt.training.encodings import encode
from xlt.training.finished import StageResult
from xlt.training.labels import check_overlap
from xlt.training.optim import freeze
from xlt.training.rehearsal import check_precision
from xlt.training.scoring import LAST, Encoded, encode_sets, mean_scores, selector
from xlt.training.standardise import standardise, standardises
from xlt.training.trainer import TransferTrainer
from xlt.training.training_run import Trained
from xlt.transfer.stage import Repetition, Stage


class Learner:
    """Trains models of a task as a config says, under one seed. metric: what selects."""

    def __init__(self, config: Config, task: Task, seed: int, metric: str) -> None:
        self._config, self._task, self._seed, self._metric = config, task, seed, metric

    def train(
        self,
        stage: Stage,
        training: Training,
        parent: StageResult | None,
        train: Sequence[Data],
        evaluated: Sequence[Sequence[Data]],
        work: Path,
        *,
        labels: Labels | None = None,
        collates: Collates | None = None,
        title: str | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        checkpoint: str | None = None,
    ) -> Trained:
        """Train a stage.

        training: the stage's, or that of a later attempt.
        parent: whose weights it starts from, a model's or an encoder's; None: those of the
            config's encoder.
        evaluated: dev sets that are scored on the way, those that select first.
        work: the folder for checkpoints. checkpoint: where to go on.
        labels: what the model is to know; by default what the training data have.
        collates: what makes batches to learn from; by default the task.
        title: what its progress is shown under; None: it is not shown.
        Raises Diverged where rates are too high, OutOfMemory where passes are too large.
        """
        set_seed(self._seed)
        backbone, model = self.model(stage, parent, train, labels)
        examples = encode(self._task, train, backbone, model.labels)
        evaluations = encode_sets(self._task, evaluated, backbone)
        vocabulary, subwords = self._trim(model, backbone, examples, evaluations)
        begins = self.begins(parent)
        first = begins and (parent is None or not has_learnt(parent.model_folder()))

        def prepared(model: TaskModel) -> TaskModel:
            if first and standardises(self._config.model, backbone, self._task):
                standardise(model, self._task, examples, subwords, self._seed)
            freeze(model, training.freeze)
            if self._config.model.lora is not None:
                add_lora(model, self._config.model.lora)
            return model

        network: TaskModel | Pair = prepared(model)
        if training.models > 1:
            set_seed(_derived(self._seed, "second model"))
            _, other = self.model(stage, parent, train, labels)
            self._trim(other, backbone, examples, evaluations)
            network = Pair([model, prepared(other)])
            set_seed(self._seed)
        device = best_device()
        precision = choose_precision(training.precision, device)
        check_precision(precision, backbone)
        predictor = Predictor(
            self._task.for_labels(model.labels),
            model,
            self._config.evaluation.batch_tokens,
            precision,
            device,
            subwords,
        )
        primary = selector(stage.dev)
        trainer = TransferTrainer(
            network,
            collates or self._task,
            examples,
            groups(train),
            training,
            folder=work,
            seed=_drawn(self._seed, stage),
            weights=weights(train),
            temperature=stage.temperature,
            evaluator=(lambda: mean_scores(predictor, evaluations, self._metric))
            if evaluations
            else None,
            primary=None if primary == LAST else primary,
            fresh=begins,
            patience=self._config.selection.patience,
            keep=self._config.selection.keep,
            subwords=subwords,
            precision=precision,
            title=title,
        )
        for callback in callbacks:
            trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=checkpoint)

        def temperatures() -> Calibration | None:
            return None if primary == LAST else calibrate(predictor, evaluations[primary])

        def write(plain: TaskModel, folder: Path) -> None:
            self.write(plain, backbone, vocabulary, folder)

        weighting = trainer.weighting
        about = {} if weighting is None else {"about": weighting.report(stage.name)}
        return Trained(trainer, primary, model.labels, write, temperatures, about)

    def begins(self, parent: StageResult | None) -> bool:
        """Whether the task's layers are new."""
        return parent is None or parent.labels is None

    def info(self, model: TaskModel, backbone: Backbone) -> ModelInfo:
        """What is said of a model that was trained."""
        return ModelInfo(
            task=self._task.name,
            options=self._task.options.model_dump(mode="json"),
            labels=model.labels,
            encoder=without_folders(self._config.model.encoder),
            max_length=backbone.max_length,
        )

    def write(
        self, plain: TaskModel, backbone: Backbone, vocabulary: Trimmed | None, folder: Path
    ) -> None:
        """Write what the stage's model is, of a plain model as it was trained (no LoRA)."""
        save_model(plain, self.info(plain, backbone), backbone.tokenizer, folder, vocabulary)

    def model(
        self,
        stage: Stage,
        parent: StageResult | None,
        train: Sequence[Data],
        labels: Labels | None,
    ) -> tuple[Backbone, TaskModel]:
        """The start weights, with room for the labels of this stage's training data."""
        new = labels
        if new is None:
            new = self._task.labels(record for data in train for record in data.inventory)
        settings = self._config.model
        if parent is None:
            random = stage.from_scratch or settings.initialise == "random"
            backbone = Backbone(settings.encoder, settings, random=random)
            return backbone, self._task.build(backbone, new)
        if parent.labels is None:
            backbone = encoder_of(parent.model_folder(), settings)
            return backbone, self._task.build(backbone, new)
        check_overlap(parent.labels, new, stage)
        _, backbone, model = load_model(parent.model_folder(), settings, self._task)
        model.grow(extend_labels(parent.labels, new))
        return backbone, model

    def _trim(
        self,
        model: TaskModel,
        backbone: Backbone,
        examples: Sequence[Example],
        evaluations: Encoded,
    ) -> tuple[Trimmed | None, SubwordTable | None]:
        """Reduce the vocabulary to the subwords in this stage's data; (way back, id table)."""
        settings = self._config.model
        if not settings.trim_vocabulary or embedding_table(model.encoder) is None:
            return None, None
        every = [examples, *(encoded for sets in evaluations.values() for _, encoded in sets)]
        vocabulary = Trimmed(
            model.encoder,
            backbone.tokenizer,
            np.union1d(subwords_in(self._task, every), model.needed()),
            stored=stored_weights(backbone.source, settings.revision),
        )
        return vocabulary, subword_table(vocabulary)


def _drawn(seed: int, stage: Stage) -> int:
    """The seed of the order of the data, and of dropout; start weights have the run's."""
    if not isinstance(stage.options, Repetition) or not stage.options.number:
        return seed
    return _derived(seed, stage.options.number)


def _derived(seed: int, use: object) -> int:
    """Another seed, the same for the same use."""
    digest = hashlib.sha256(f"{seed} {use}".encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1
