"""Masked language modelling: from text to a trainer that has trained."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray
from transformers import TrainerCallback, set_seed

from xlt.config.schema import TEXT, Config, Training
from xlt.data.batch import IGNORED, prediction_batches
from xlt.data.references import key_of
from xlt.errors import XltError
from xlt.inference.device import autocast, best_device, choose_precision, out_of_memory
from xlt.inference.predictor import SubwordTable, subword_table, trimmed
from xlt.model.backbone import Backbone
from xlt.model.folder import encoder_of, load_model, read_info, save_model, write_encoder
from xlt.model.lora import lora_on
from xlt.model.masked import MaskedLanguageModel
from xlt.model.pooler import keep_pooler
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import SUBWORDS, Trimmed, stored_weights
from xlt.task import Example, Labels
from xlt.training.callbacks import Scores
from xlt.training.data import Data
from xlt.training.making import Making
from xlt.training.masking import MaskedBatches, Window, hold_out, pack
from xlt.training.optim import freeze, parameter_groups
from xlt.training.pretrain_options import WINDOW, Pretraining
from xlt.training.rehearsal import check_precision, check_sharpness, check_smoothing
from xlt.training.scoring import LAST
from xlt.training.trainer import TransferTrainer
from xlt.training.training_run import Trained
from xlt.transfer.stage import Stage

Numbers = NDArray[np.int64]

HELD_OUT = "held-out text"
"""What selects: the mean probability (geometric, in percent) of the subwords that are masked in
text that is not learnt from. 100 over it is the pseudo-perplexity."""


def rehearse(config: Config, stage: Stage, *, local: bool) -> None:
    """Raise XltError for what cannot be done with the encoder in such a stage."""
    backbone = _backbone(config, stage)
    backbone.weightless = True
    backbone.local = backbone.local or local
    backbone.check_files()
    _room(backbone, stage)
    check_precision(choose_precision(stage.training.precision, best_device()), backbone)
    model = MaskedLanguageModel.build(backbone, quiet=True)
    check_sharpness(stage.training)
    check_smoothing(stage.training, model)
    _prepare(model, config, stage.training)
    parameter_groups(model, stage.training)


def learn(
    making: Making,
    training: Training,
    *,
    callbacks: Sequence[TrainerCallback],
    checkpoint: str | None,
) -> Trained:
    """Train the encoder of the stage's parent, or of the config.

    Raises Diverged, OutOfMemory; XltError where the encoder knows nothing of a text.
    """
    config, stage = making.config, making.stage
    options = _options(stage)
    set_seed(making.seed)
    backbone, model, solver = _models(making)
    batches, groups, held = _batches(making, backbone)
    vocabulary, subwords = _trim(model, backbone, batches, config)
    _prepare(model, config, training)
    device = best_device()
    precision = choose_precision(training.precision, device)
    check_precision(precision, backbone)
    score = _Score(model, batches, held, config, precision, device, subwords)
    trainer = TransferTrainer(
        model,
        batches,
        batches.examples(np.concatenate(groups)),
        _ranges(groups),
        training,
        folder=making.work,
        seed=making.seed,
        temperature=stage.temperature,
        evaluator=score if len(held) else None,
        primary=HELD_OUT if len(held) else None,
        fresh=False,
        keep="best",
        subwords=subwords,
        precision=precision,
        title=making.title,
    )
    batches.step = lambda: trainer.state.global_step
    for callback in callbacks:
        trainer.add_callback(callback)
    before = score.perplexity() if len(held) else None
    trainer.train(resume_from_checkpoint=checkpoint)

    def write(plain: TaskModel, folder: Path) -> None:
        assert isinstance(plain, MaskedLanguageModel)
        _write(plain, solver, backbone, vocabulary, making, folder)

    labels: Labels | None = None if solver is None else solver.labels
    about: dict[str, Any] = {"windows": sum(map(len, groups)), "mask": options.mask}
    if before is None:
        return Trained(trainer, LAST, labels, write, about={"about": about})
    after = 100 / trainer.selector.best[HELD_OUT]["score"]
    about |= {
        "held_out_windows": len(held),
        "perplexity_before": before,
        "perplexity": after,
        "note": f"{stage.name}: pseudo-perplexity of held-out text {before:.2f} → {after:.2f} "
        f"({len(held)} windows)",
    }
    return Trained(trainer, HELD_OUT, labels, write, about={"about": about})


def _options(stage: Stage) -> Pretraining:
    assert isinstance(stage.options, Pretraining)
    return stage.options


# Models ------------------------------------------------------------------------------------------


def _backbone(config: Config, stage: Stage) -> Backbone:
    """The config's encoder."""
    model = config.model
    random = stage.from_scratch or model.initialise == "random"
    return Backbone(model.encoder, model, random=random)


def _models(making: Making) -> tuple[Backbone, MaskedLanguageModel, TaskModel | None]:
    """What is trained; and, where the parent has one, the task's model, whose encoder it is."""
    backbone, parent = _backbone(making.config, making.stage), making.parent
    if parent is not None and parent.labels is None:
        backbone = encoder_of(parent.model_folder(), making.config.model)
    model = MaskedLanguageModel.build(backbone, quiet=not PartialState().is_main_process)
    if parent is None or parent.labels is None:
        if not backbone.random:
            keep_pooler(model.encoder, backbone)
        return backbone, model, None
    _, backbone, solver = load_model(parent.model_folder(), making.config.model, making.task)
    model.take(solver.encoder)
    return backbone, model, solver


def _prepare(model: MaskedLanguageModel, config: Config, training: Training) -> None:
    freeze(model, training.freeze)
    if config.model.lora is not None:
        model.encoder = lora_on(model.encoder, config.model.lora, heads=model.heads())


def _write(
    plain: MaskedLanguageModel,
    solver: TaskModel | None,
    backbone: Backbone,
    vocabulary: Trimmed | None,
    making: Making,
    folder: Path,
) -> None:
    """Write an encoder, or the task's model with the encoder as it is now, its own layers as they
    were."""
    with nullcontext() if vocabulary is None else vocabulary.restored(plain.encoder):
        if solver is None:
            plain.encoder.save_pretrained(folder)
        else:
            plain.give(solver.encoder)
    if solver is None:
        backbone.tokenizer.save_pretrained(folder)
        write_encoder(folder)
        return
    assert making.parent is not None
    start = making.parent.model_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if (start / SUBWORDS).is_file():
        shutil.copyfile(start / SUBWORDS, folder / SUBWORDS)
    save_model(solver, read_info(start), backbone.tokenizer, folder)


# Text --------------------------------------------------------------------------------------------


def _room(backbone: Backbone, stage: Stage) -> int:
    """Subwords of text in a window. Raises XltError for a longer one than the encoder takes."""
    words, wanted = backbone.words, _options(stage).window
    if wanted is not None and wanted > words.limit:
        raise XltError(
            f"{backbone.source} reads windows of at most {words.limit} subwords, not {wanted}",
            where="strategy.window",
            fix=f"write `window: {words.limit}`, or leave it out",
        )
    return min(wanted or WINDOW, words.limit) - len(words.prefix) - len(words.suffix)


def _batches(
    making: Making, backbone: Backbone
) -> tuple[MaskedBatches, list[Numbers], list[Example]]:
    """Batches of all windows; those to learn from, a group for each language; those held out."""
    options, room = _options(making.stage), _room(backbone, making.stage)
    words = backbone.words
    windows: list[Window] = []
    groups, held = [], []
    for data in making.train:
        own = _windows(data, backbone, room)
        if not own:
            code = data.data_split.language
            raise XltError(
                f"the encoder knows nothing of the text of {code}: all its subwords are unknown",
                where=key_of(code, TEXT),
                fix="take an encoder that knows the script, or add subwords (`model.vocabulary`)",
            )
        learnt, out = hold_out(len(own), options.held_out, making.config.data_seed)
        groups.append(learnt + len(windows))
        held.append(out + len(windows))
        windows += own
    tokenizer = backbone.tokenizer
    seen = np.unique(np.concatenate([window.subwords for window in windows]))
    batches = MaskedBatches(
        windows,
        words.prefix,
        words.suffix,
        words.limit,
        backbone.pad_id,
        int(tokenizer.mask_token_id),
        np.setdiff1d(seen, tokenizer.all_special_ids).astype(np.int32),
        options.mask,
        options.whole_words,
        making.seed,
    )
    return batches, groups, batches.examples(np.concatenate(held))


def _windows(data: Data, backbone: Backbone, room: int) -> list[Window]:
    """The text of a language in windows, without those of which every subword is unknown."""
    texts = [record.text for record in data.records]
    special = backbone.tokenizer.all_special_ids
    windows = pack(backbone.subwords.of_words(texts), room)
    return [one for one in windows if not np.isin(one.subwords, special).all()]


def _ranges(groups: Sequence[Numbers]) -> list[Numbers]:
    """The examples of each group, which follow one another."""
    ends = np.cumsum([len(group) for group in groups])
    return [np.arange(end - len(group), end) for group, end in zip(groups, ends, strict=True)]


def _trim(
    model: MaskedLanguageModel, backbone: Backbone, batches: MaskedBatches, config: Config
) -> tuple[Trimmed | None, SubwordTable | None]:
    """Reduce the vocabulary, and what is predicted among, to the subwords of the text."""
    if not config.model.trim_vocabulary:
        return None, None
    own = np.concatenate([batches.prefix, batches.suffix, [batches.mask, batches.pad]])
    seen = np.concatenate([window.subwords for window in batches.windows])
    vocabulary = Trimmed(
        model.encoder,
        backbone.tokenizer,
        np.union1d(seen, own),
        stored=stored_weights(backbone.source, config.model.revision),
    )
    return vocabulary, subword_table(vocabulary)


# Held-out text -----------------------------------------------------------------------------------


class _Score:
    """Scores the model's current weights on held-out windows, masked alike whenever it is asked."""

    def __init__(
        self,
        model: MaskedLanguageModel,
        batches: MaskedBatches,
        held: Sequence[Example],
        config: Config,
        precision: str,
        device: str,
        subwords: SubwordTable | None,
    ) -> None:
        self._model, self._held, self._subwords = model, held, subwords
        self._batches = MaskedBatches(**{**vars(batches), "seed": config.data_seed})
        self._budget, self._precision, self._device = (
            config.evaluation.batch_tokens,
            precision,
            device,
        )

    def __call__(self) -> Scores:
        return {HELD_OUT: 100 / self.perplexity()}

    def perplexity(self) -> float:
        """Of the subwords that are masked, each given what is not (Salazar et al. 2020, arXiv
        1910.14659, but of many at a time)."""
        state = PartialState()
        training = self._model.training
        self._model.to(self._device).eval()
        loss, number = 0.0, 0
        every = prediction_batches([example.length for example in self._held], self._budget)
        with (
            out_of_memory(
                "predicting what is masked in held-out text",
                where="evaluation.batch_tokens",
                fix=f"lower evaluation.batch_tokens (now {self._budget})",
            ),
            torch.inference_mode(),
            autocast(self._precision, self._device),
        ):
            for chosen in every[state.process_index :: state.num_processes]:
                examples = [self._held[i] for i in chosen]
                batch = trimmed(self._batches.collate(examples), self._subwords)
                batch = {name: tensor.to(self._device) for name, tensor in batch.items()}
                loss += float(self._model(**batch, num_items_in_batch=1)["loss"])
                number += int((batch["labels"] != IGNORED).sum())
        self._model.train(training)
        if state.num_processes > 1:
            parts = gather_object([(loss, number)])
            loss, number = (sum(part) for part in zip(*parts, strict=True))
        return math.exp(min(loss / number, 700.0))
