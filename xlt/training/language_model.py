"""Masked language modelling: from text to a trainer that has trained."""

from __future__ import annotations

import math
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
from xlt.model.folder import write_encoder
from xlt.model.lora import lora_on
from xlt.model.masked import MaskedLanguageModel
from xlt.model.pooler import keep_pooler
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import Trimmed, stored_weights
from xlt.task import Example, Labels
from xlt.training.callbacks import Scores
from xlt.training.carried import Solver, first_encoder, start
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

MAX_WINDOWS = 50
"""Of text by which it is seen what an encoder has forgotten."""


def rehearse(config: Config, stage: Stage, *, local: bool) -> None:
    """Raise XltError for what cannot be done with the encoder in such a stage."""
    backbone = first_encoder(config, stage)
    backbone.weightless = True
    backbone.local = backbone.local or local
    backbone.check_files()
    _room(backbone, _options(stage))
    check_precision(choose_precision(stage.training.precision, best_device()), backbone)
    model = MaskedLanguageModel.build(backbone, quiet=True)
    check_sharpness(stage.training)
    check_smoothing(stage.training, model)
    if stage.training.weighting is not None:
        raise XltError(
            "of the same text other words are masked in each step, so that no example has a loss "
            "of its own",
            where="training.weighting",
            fix="leave it out",
        )
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
    backbone, solver = start(making)
    model = _model(backbone, solver)
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
        with nullcontext() if vocabulary is None else vocabulary.restored(plain.encoder):
            if solver is not None:
                solver.write(plain.encoder, backbone.tokenizer, folder)
                return
            plain.encoder.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)
        write_encoder(folder)

    labels: Labels | None = None if solver is None else solver.model.labels
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


def _model(backbone: Backbone, solver: Solver | None) -> MaskedLanguageModel:
    """What is trained."""
    model = MaskedLanguageModel.build(backbone, quiet=not PartialState().is_main_process)
    if solver is not None:
        solver.give(model.encoder, backbone.tokenizer)
    elif not backbone.random:
        keep_pooler(model.encoder, backbone)
    return model


def _prepare(model: MaskedLanguageModel, config: Config, training: Training) -> None:
    freeze(model, training.freeze)
    if config.model.lora is not None:
        model.encoder = lora_on(model.encoder, config.model.lora, heads=model.heads())


# Text --------------------------------------------------------------------------------------------


def _room(backbone: Backbone, options: Pretraining) -> int:
    """Subwords of text in a window. Raises XltError for a longer one than the encoder takes."""
    words, wanted = backbone.words, options.window
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
    options = _options(making.stage)
    room = _room(backbone, options)
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
    batches = _masked(windows, backbone, options, making.seed)
    return batches, groups, batches.examples(np.concatenate(held))


def _masked(
    windows: list[Window], backbone: Backbone, options: Pretraining, seed: int
) -> MaskedBatches:
    words, tokenizer = backbone.words, backbone.tokenizer
    seen = np.unique(np.concatenate([window.subwords for window in windows]))
    return MaskedBatches(
        windows,
        words.prefix,
        words.suffix,
        words.limit,
        backbone.pad_id,
        int(tokenizer.mask_token_id),
        np.setdiff1d(seen, tokenizer.all_special_ids).astype(np.int32),
        options.mask,
        options.whole_words,
        seed,
    )


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


def held_out(
    data: Data, backbone: Backbone, options: Pretraining, config: Config, *, learnt: bool
) -> tuple[MaskedBatches, list[Example]] | None:
    """Masked text of a language that is not learnt from, of at most `MAX_WINDOWS` windows; None
    where there is none.

    options: of the stages that learn from it, if any do (`learnt`).
    """
    windows = _windows(data, backbone, _room(backbone, options))
    number = np.arange(len(windows))
    if learnt:
        _, number = hold_out(len(windows), options.held_out, config.data_seed)
    if not len(number):
        return None
    chosen = [windows[n] for n in number[:MAX_WINDOWS].tolist()]
    batches = _masked(chosen, backbone, options, config.data_seed)
    return batches, batches.examples(np.arange(len(chosen)))


def perplexity(
    model: MaskedLanguageModel,
    backbone: Backbone,
    text: tuple[MaskedBatches, list[Example]],
    config: Config,
) -> float:
    """The pseudo-perplexity of such text, among the subwords that it has. The model's vocabulary is
    trimmed to these; other processes have no part in it."""
    batches, examples = text
    _, subwords = _trim(model, backbone, batches, config)
    device = best_device()
    precision = choose_precision(config.training.precision, device)
    score = _Score(model, batches, examples, config, precision, device, subwords)
    return score.perplexity(alone=True)


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

    def perplexity(self, *, alone: bool = False) -> float:
        """Of the subwords that are masked, each given what is not (Salazar et al. 2020, arXiv
        1910.14659, but of many at a time). alone: other processes have no part in it."""
        state = PartialState()
        first, step = (0, 1) if alone else (state.process_index, state.num_processes)
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
            for chosen in every[first::step]:
                examples = [self._held[i] for i in chosen]
                batch = trimmed(self._batches.collate(examples), self._subwords)
                batch = {name: tensor.to(self._device) for name, tensor in batch.items()}
                loss += float(self._model(**batch, num_items_in_batch=1)["loss"])
                number += int((batch["labels"] != IGNORED).sum())
        self._model.train(training)
        if step > 1:
            parts = gather_object([(loss, number)])
            loss, number = (sum(part) for part in zip(*parts, strict=True))
        return math.exp(min(loss / number, 700.0))
