"""TransferTrainer: a transformers.Trainer that trains one stage.

Kept from transformers.Trainer: Accelerate (DDP, FSDP), mixed precision, clipping, schedules,
reporting to TensorBoard / W&B / MLflow. Ours: the plan of batches (a pure function of the seed),
parameter groups, evaluation with the task's own metrics, selection by several criteria at once,
and checkpoints without pickle that are complete or absent.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState, TrainerState

from xlt.config.schema import Training
from xlt.data.batch import StepSampler
from xlt.files import PART, link_or_copy, write_json, writing
from xlt.inference.device import out_of_memory
from xlt.inference.predictor import SubwordTable, shape_of
from xlt.model.pair import Pair
from xlt.model.task_model import TaskModel
from xlt.task import Example
from xlt.training import checkpoint as ckpt
from xlt.training.attempts import OutOfMemory, smaller_passes
from xlt.training.average import BEGIN, WeightAverage
from xlt.training.batches import EXAMPLES, Batches, Collates, Rows, targets_of
from xlt.training.callbacks import SaveCallback, Scores, Selector
from xlt.training.divergence import Diverged, Watch, advice
from xlt.training.encodings import lengths
from xlt.training.optim import parameter_groups
from xlt.training.progress import progress
from xlt.training.sharpness import Perturbation
from xlt.training.weighting import ExampleWeights, own_losses

KEPT = 2 << 30
"""Bytes that the weights of all evaluations of a stage may take with `selection.keep: auto`."""


class TransferTrainer(Trainer):
    """Trains `model` on `examples`, which fall into `groups` (one per split of the stage).

    weights: of the losses of the examples, by their index; `training.weighting` decides on more.
    evaluator: returns the scores of the current weights; None keeps the last weights.
    keep:      of the weights that were evaluated, as `selection.keep` has it.
    fresh:     nothing of the task was learnt before, in a stage that this one goes on from.
    subwords:  see `xlt.inference.predictor.Predictor`.
    title:     of the stage, for whoever is told how far it is; None: nobody is.
    Raises Diverged for a loss that is not finite (naming step and batch; where several processes
    are to begin again, in all of them when it is logged) and, where the stage is to begin again
    then, for one that has risen to where it began; OutOfMemory.
    """

    optimizer: Any
    control: Any

    def __init__(
        self,
        model: TaskModel | Pair,
        task: Collates,
        examples: Sequence[Example],
        groups: Sequence[Any],
        training: Training,
        *,
        folder: Path,
        seed: int,
        weights: NDArray[np.float64] | None = None,
        temperature: float = 1.0,
        evaluator: Callable[[], Scores] | None = None,
        primary: str | None = None,
        patience: int | None = None,
        keep: str = "best",
        fresh: bool = True,
        subwords: SubwordTable | None = None,
        precision: str = "fp32",
        title: str | None = None,
    ) -> None:
        self.training, self.evaluator = training, evaluator
        self.subwords, self.precision = subwords, precision
        self.folder = folder
        self.selector = Selector(primary, patience, keep_all=keep == "all")
        args = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=1,
            seed=seed,
            data_seed=seed,
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            lr_scheduler_type=training.schedule,
            learning_rate=training.learning_rate,
            warmup_steps=training.warmup,
            weight_decay=training.weight_decay,
            adam_beta1=training.adam_betas[0],
            adam_beta2=training.adam_betas[1],
            max_grad_norm=training.max_grad_norm,
            gradient_accumulation_steps=training.accumulate,
            activation_checkpointing=training.gradient_checkpointing,
            optim="adamw_torch_fused",
            eval_strategy="no",
            save_strategy="no",
            logging_strategy="steps",
            logging_steps=50,
            logging_nan_inf_filter=False,
            report_to=training.report_to or "none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_num_workers=0,
            dataloader_pin_memory=torch.cuda.is_available(),
            use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
            ddp_find_unused_parameters=False,
            average_tokens_across_devices=True,
        )
        self._groups, self._temperature = groups, temperature
        self.batches = Batches(
            task,
            weights=weights,
            smoothing=training.label_smoothing,
            subwords=subwords,
            steps=lambda: self.state.global_step,
        )
        super().__init__(
            model=model,
            args=args,
            train_dataset=Rows(examples),
            data_collator=self.batches,
            callbacks=[self.selector],
        )
        self.sampler = StepSampler(
            lengths(examples),
            groups,
            budget=training.batch_tokens,
            epochs=training.epochs,
            max_steps=training.max_steps,
            seed=seed,
            temperature=temperature,
            passes=training.accumulate,
            process=args.process_index,
            processes=args.world_size,
        )
        self.boundaries = set(self.sampler.boundaries)
        if keep == "auto":
            self.selector.keep_all = self._evaluations() * ckpt.size_of(model) <= KEPT
        self.average = (
            WeightAverage(model, training.average, round(BEGIN * len(self.sampler.steps)))
            if training.average
            else None
        )
        for noisy in (PrinterCallback, ProgressCallback):  # standard output is the commands' own
            self.remove_callback(noisy)
        divided = self.is_fsdp_enabled or self.is_deepspeed_enabled
        self.perturbation = (
            Perturbation(training.sharpness, model, divided=divided) if training.sharpness else None
        )
        self.weighting = None
        if training.weighting is not None:
            targets = targets_of(task, examples)
            self.weighting = ExampleWeights(
                training.weighting, targets, self.sampler, seed, divided=divided
            )
            self.batches.weighting = self.weighting
            fresh = fresh and self.weighting.method.steady
        self.progress = progress(title) if title is not None and args.should_save else None
        if self.progress is not None:
            self.add_callback(self.progress)
        self.add_callback(SaveCallback(self))
        self.add_callback(Watch(training, primary, len(self.sampler.steps), fresh=fresh))
        # Our losses are sums over targets divided by the number in the whole step.
        self.model_accepts_loss_kwargs = True
        self._loss_shifts_labels = False

    def train(self, resume_from_checkpoint: str | None = None, **kwargs: Any) -> Any:
        """Train as transformers.Trainer does.

        A checkpoint of a stage that had stopped early is its end. Where the weights are averaged,
        the model holds the average afterwards.
        """
        try:
            return self._train(resume_from_checkpoint, **kwargs)
        finally:
            if self.progress is not None:
                self.progress.close()
            if self.average is not None:
                self.average.finish()

    def _train(self, resume_from_checkpoint: str | None, **kwargs: Any) -> Any:
        if resume_from_checkpoint is not None:
            state = TrainerState.load_from_json(f"{resume_from_checkpoint}/trainer_state.json")
            self._load_selector(state)
            if self.selector.exhausted:
                self._load_from_checkpoint(resume_from_checkpoint)
                self.state = state
                return None
        with self._enough_memory("in training"):  # of the optimiser, say
            return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def _enough_memory(self, doing: str) -> AbstractContextManager[None]:
        """A block that raises OutOfMemory where memory runs out."""
        return out_of_memory(
            doing,
            where="training.batch_tokens",
            fix=smaller_passes(self.training),
            kind=OutOfMemory,
        )

    def _evaluations(self) -> int:
        """How many there are, unless training stops earlier."""
        steps, every = len(self.sampler.steps), self.training.evaluate_every
        return len({*range(every, steps, every), steps} if every else {*self.boundaries, steps})

    # Data ----------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        # Not prepared by Accelerate: the sampler already gives each process its own part.
        return DataLoader(
            self.train_dataset,
            batch_sampler=self.sampler,
            collate_fn=self.batches,
            pin_memory=self.args.dataloader_pin_memory,
        )

    # Optimisation --------------------------------------------------------------------------

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups = parameter_groups(self.model, self.training)
            self.optimizer = torch.optim.AdamW(
                groups, betas=self.training.adam_betas, eps=1e-8, fused=True
            )
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def training_step(
        self, model: Any, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        step = self.state.global_step + 1
        doing = f"at step {step}, with a batch of shape {shape_of(inputs)}"
        if self.weighting is not None:
            num_items_in_batch = self.weighting.targets_in(step - 1)
        with self._enough_memory(doing):
            inputs = self._prepare_inputs(inputs)
            with self._perturbed(model, inputs, num_items_in_batch):
                loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        # One process of several that began again alone would leave the others waiting. All find it
        # in the next loss that is logged, their mean.
        together = self.args.world_size > 1 and self.training.on_divergence == "halve"
        if not torch.isfinite(loss) and not together:
            step = self.state.global_step
            batch = self.sampler.steps[step]
            raise Diverged(
                f"the loss is {loss.item()} at step {step + 1} (epoch "
                f"{self.sampler.epoch_of(step):.2f}), with records {batch[:8].tolist()} …",
                where="training.learning_rate",
                fix=f"{advice(self.training)}; with precision fp16 use bf16 or fp32",
            )
        return loss

    def _perturbed(self, model: Any, inputs: Any, count: Any) -> AbstractContextManager[None]:
        """A block with the weights at which the gradient of a batch is wanted."""
        if self.perturbation is None:
            return nullcontext()
        model.train()
        # Each process goes its own way, and what earlier batches of the step have added stays.
        with self.accelerator.no_sync(model), self.compute_loss_context_manager():
            loss = self.compute_loss(model, inputs, num_items_in_batch=count)
        return self.perturbation.applied(loss)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """As transformers.Trainer does. Where the losses decide on weights these are afterwards
        those of `inputs`, so that they are decided once for the two passes of a perturbed step."""
        examples = inputs.pop(EXAMPLES, None)
        if self.weighting is None or examples is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        ones = torch.ones_like(inputs["weights"], requires_grad=True)
        loss = super().compute_loss(
            model, {**inputs, "weights": ones}, num_items_in_batch=num_items_in_batch
        )
        own = own_losses(loss, ones)
        if own is None:
            return loss
        sums = own.detach() * num_items_in_batch / self.accelerator.num_processes
        decided = self.weighting.of_pass(examples, sums, self.state.global_step)
        inputs["weights"] = inputs["weights"] * decided
        # Of what no example has a part in there is no gradient, but it is there, as processes
        # expect; and a loss that is no number stays none.
        return (inputs["weights"] * own).sum() + 0.0 * loss

    def floating_point_ops(self, inputs: Any) -> int:
        return 0

    # Selection -----------------------------------------------------------------------------

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the current weights by every criterion and keep those that are best by one."""
        assert self.evaluator is not None
        with self.average.swapped() if self.average else nullcontext():
            scores = self.evaluator()
            is_kept = self.selector.update(self.state.global_step, scores)
            if is_kept and self.args.should_save:
                with writing(self.folder, resumes=True):
                    self._save_snapshot()
        metrics = {f"eval_{name}": value for name, value in scores.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def snapshot(self, step: int) -> Path:
        return self.folder / f"snapshot-{step}.safetensors"

    def _save_snapshot(self) -> None:
        from safetensors.torch import save_file

        path = self.snapshot(self.state.global_step)
        part = path.with_suffix(".part")
        save_file(ckpt.weights_of(self.model), part)
        part.replace(path)

    # Checkpoints ---------------------------------------------------------------------------

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._save_checkpoint(model, trial)
            return
        with writing(self.folder, resumes=True):
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        from safetensors.torch import save_file

        step = self.state.global_step
        final = self.folder / f"checkpoint-{step}"
        temporary = self.folder / f"writing-{step}{PART}"
        if self.args.should_save:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        ckpt.save_random_state(temporary / f"random-{self.args.process_index}")
        if self.weighting is not None:
            self.weighting.save(self._weighting_state(temporary))
        if self.args.should_save:
            save_file(ckpt.weights_of(self.model), temporary / "weights.safetensors")
            if self.average is not None:
                save_file(self.average.average, temporary / "average.safetensors")
            ckpt.save_optimizer(temporary / "optimizer", self.optimizer)
            write_json(temporary / "scheduler.json", self.lr_scheduler.state_dict())
            for callback in [*self.callback_handler.callbacks, self.control]:
                if isinstance(callback, ExportableState):
                    self.state.stateful_callbacks[type(callback).__name__] = callback.state()
            self.state.save_to_json(str(temporary / "trainer_state.json"))
            if self.accelerator.scaler is not None:
                write_json(temporary / "scaler.json", self.accelerator.scaler.state_dict())
            for best in self.selector.steps:  # with them the checkpoint is all that resuming needs
                link_or_copy(self.snapshot(best), temporary / self.snapshot(best).name)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            ckpt.publish(temporary, final)
            self._tidy()

    def _tidy(self) -> None:
        """Keep the newest checkpoints, and the snapshots of the best steps."""
        for old in ckpt.checkpoints(self.folder)[: -ckpt.MAX_CHECKPOINTS]:
            shutil.rmtree(old)
        kept = {self.snapshot(step) for step in self.selector.steps}
        for path in self.folder.glob("snapshot-*.safetensors"):
            if path not in kept:
                path.unlink()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        from safetensors.torch import load_file

        state = load_file(Path(resume_from_checkpoint) / "weights.safetensors")
        (self.model if model is None else model).load_state_dict(state, strict=False)
        if self.average is not None:
            saved = load_file(Path(resume_from_checkpoint) / "average.safetensors")
            trained = self.average.trained
            self.average.average = {n: v.to(trained[n].device) for n, v in saved.items()}
        if self.weighting is not None:
            self.weighting.load(self._weighting_state(Path(resume_from_checkpoint)))
        if self.args.should_save:
            with writing(self.folder, resumes=True):
                for stored in Path(resume_from_checkpoint).glob("snapshot-*.safetensors"):
                    (self.folder / stored.name).unlink(missing_ok=True)
                    link_or_copy(stored, self.folder / stored.name)

    def _weighting_state(self, checkpoint: Path) -> Path:
        """What this process knows of the examples' losses."""
        return checkpoint / f"weighting-{self.args.process_index}.safetensors"

    def _load_selector(self, state: TrainerState) -> None:
        saved: Any = state.stateful_callbacks["Selector"]
        for name, value in saved["attributes"].items():
            setattr(self.selector, name, value)

    def _load_callback_state(self) -> None:
        """Do nothing: `train` has done it; our callback stays the object that others refer to."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        ckpt.load_optimizer(Path(checkpoint) / "optimizer", self.optimizer)
        self.lr_scheduler.load_state_dict(_json(Path(checkpoint) / "scheduler.json"))

    def _load_scaler(self, checkpoint: str | None) -> None:
        if checkpoint is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(_json(Path(checkpoint) / "scaler.json"))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            ckpt.load_random_state(Path(checkpoint) / f"random-{self.args.process_index}")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
