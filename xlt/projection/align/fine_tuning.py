"""An encoder fine-tuned on parallel text without links, so that it aligns better (awesome-align).

Self-training: what both directions are surest of is made surer; consistency: the two directions
are made to agree. Dou & Neubig 2021 (EACL, "Word alignment by fine-tuning embeddings on parallel
corpora", arXiv 2101.08231), sections 2.3.3 and 2.3.5. Their other objectives need a head for masked
words (TLM), which encoders of sentences come without, or a new classifier of pairs (PSI). Low-rank
updates of the layers below the one whose vectors are compared learn; all else stays.

What was learnt is kept in the cache under the hash of what it was made from, with its own checksum.
Training that was interrupted goes on from there, with the same result: the batches are a function
of the seed and the step, and nothing else is drawn once it has begun.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from xlt.config.schema import Lora
from xlt.data.batch import epoch_batches
from xlt.data.checksums import cache_dir
from xlt.errors import XltError
from xlt.files import publishing, writing
from xlt.model.hidden import encoder_layers
from xlt.model.lora import lora_on
from xlt.projection.align.base import FineTune
from xlt.projection.align.matching import inside, softmaxes
from xlt.projection.align.similarity import SHARPNESS
from xlt.projection.translate.run import MIN_LOG_INTERVAL

log = logging.getLogger(__name__)

VERSION = 1
"""Part of what is learnt: raise it when the same input would give other weights."""

MIN_PROBABILITY = 0.1
"""Self-training: cells are links that both softmaxes give more."""
WARMUP = 0.1
"""Share of the steps in which the learning rate rises; then it falls to 0."""
MAX_NORM = 1.0
"""Longer gradients are shortened to it."""

SAVE_INTERVAL = 60.0
"""Seconds between two checkpoints."""
WHERE = "projection.aligner"

Scored = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""What the units of pairs have in common, (pairs, rows, columns), before the softmax; how many
there are of either side, (pairs,)."""
Scores = Callable[[NDArray[np.int64]], Scored]
"""Of the pairs of these numbers."""


def objective(
    scores: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
    *,
    consistency: float,
    threshold: float,
) -> torch.Tensor:
    """What is made small: the mean over pairs of - self-training - `consistency` · consistency.

    Self-training is the mean of both directions' probability of the cells that both give more than
    `threshold` now, by words; consistency that of giving the same, by words of the shorter side.
    scores, rows, columns: as of `softmaxes`.
    """
    ahead, back = softmaxes(scores, rows, columns)
    links = (torch.minimum(ahead, back) > threshold).detach()
    sure = (ahead * links).sum((1, 2)) / rows + (back * links).sum((1, 2)) / columns
    agreed = (ahead * back).sum((1, 2)) / torch.minimum(rows, columns)
    return -(sure / 2 + consistency * agreed).mean()


def standardised(cosines: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """In standard deviations from what is usual in each row and column, times `SHARPNESS`: encoders
    differ in how near vectors are to each other, and some words are near to all others.

    Shapes as of `softmaxes`; 0 for padding.
    """
    real = inside(cosines, rows, columns).float()
    m, n = rows[:, None, None], columns[:, None, None]
    table = cosines.float() * real
    by_row, by_column = table.sum(2, keepdim=True) / n, table.sum(1, keepdim=True) / m
    centred = (table - by_row - by_column + table.sum((1, 2), keepdim=True) / (m * n)) * real
    deviation = ((centred**2).sum((1, 2), keepdim=True) / (m * n) + 1e-12).sqrt()
    return SHARPNESS * centred / (deviation + 1e-6)


def fine_tuned(
    network: Any,
    layer: int,
    scores: Scores,
    costs: Sequence[int],
    options: FineTune,
    file: Path,
) -> Any:
    """The network with what it has learnt, or had learnt when `file` was written; in place.

    layer: what goes into it is compared; only layers below learn.
    scores: of pairs, as the network computes them.
    costs: subwords of each pair.
    Raises XltError if peft is missing, the loss is no number, or the file cannot be written.
    """
    from filelock import FileLock

    for above in encoder_layers(network, where=f"{WHERE}.encoder")[layer:]:
        above.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        lora = Lora(rank=options.rank, alpha=2 * options.rank)
        tuned = lora_on(network, lora, where=f"{WHERE}.fine_tune").eval()
    weights = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    with _writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_suffix(".lock"))
        lock.acquire()
    try:
        _train(weights, scores, costs, options, file)
    finally:
        lock.release()
    return tuned.merge_and_unload()


def _train(
    weights: Mapping[str, nn.Parameter],
    scores: Scores,
    costs: Sequence[int],
    options: FineTune,
    file: Path,
) -> None:
    optimizer = torch.optim.AdamW(weights.values(), lr=0.0, weight_decay=0.0)
    begin = _restore(file, weights, optimizer)
    if begin == options.steps:
        return
    log.info(
        "fine-tuning an encoder on %d pairs of parallel text, from step %d of %d",
        len(costs), begin, options.steps,
    )  # fmt: skip
    said = saved = time.monotonic()
    batches = _batches(costs, options)
    for step in range(begin, options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * _share(step, options.steps)
        loss = objective(
            *scores(batches[step]), consistency=options.consistency, threshold=MIN_PROBABILITY
        )
        if not torch.isfinite(loss):
            raise XltError(
                f"fine-tuning diverged: the loss of step {step + 1} is {loss.item()}",
                where=f"{WHERE}.fine_tune",
                fix=f"lower `learning_rate` (now {options.learning_rate:g})",
            )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights.values(), MAX_NORM)
        optimizer.step()
        now = time.monotonic()
        if now - said >= MIN_LOG_INTERVAL:
            said = now
            log.info("step %d of %d, loss %.3f", step + 1, options.steps, loss.item())
        if now - saved >= SAVE_INTERVAL:
            saved = now
            _save(file, weights, optimizer, step + 1)
    _save(file, weights, None, options.steps)


def _batches(costs: Sequence[int], options: FineTune) -> list[NDArray[np.int64]]:
    """The pairs of each step."""
    batches: list[NDArray[np.int64]] = []
    for epoch in count():
        batches += epoch_batches(costs, options.batch_tokens, options.seed, epoch)
        if len(batches) >= options.steps:
            break
    return batches


def _share(step: int, steps: int) -> float:
    """Of the learning rate."""
    rise = max(1, round(WARMUP * steps))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise))


# What was learnt, on disk -----------------------------------------------------------------------


def file_of(*made_of: Any) -> Path:
    """In the cache, by all that what is learnt depends on: values that JSON can write."""
    own = (VERSION, SHARPNESS, MIN_PROBABILITY, WARMUP, MAX_NORM)
    text = json.dumps([own, made_of])
    folder = cache_dir() / "fine-tuned-aligners"
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.safetensors"


_SLOTS = ("exp_avg", "exp_avg_sq")
"""What AdamW knows of each weight, beside the number of steps."""


def _save(
    file: Path,
    weights: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer | None,
    step: int,
) -> None:
    """Whole or not at all, with a checksum; with the optimizer's state, if it is to go on."""
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    if optimizer is not None:
        for name, weight in weights.items():
            for slot in _SLOTS:
                tensors[f"{name} {slot}"] = optimizer.state[weight][slot].cpu().contiguous()
    with _writing(file), publishing(file) as part:
        # One entry: safetensors writes several in any order, and equal work gives equal files.
        save_file(tensors, part, {"xlt": json.dumps([step, _digest(tensors, step)])})


def _restore(
    file: Path, weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> int:
    """Put back what `_save` wrote; the step that it was after, 0 if there is nothing intact."""
    try:
        with safe_open(file, "pt") as opened:
            about: tuple[int, str] = json.loads(opened.metadata()["xlt"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        step, digest = about
        if _digest(tensors, step) != digest:
            raise ValueError("its content is not what was written")
    except FileNotFoundError:
        return 0
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is damaged (%s): it is made again", file, error)
        return 0
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])
            state = {
                slot: tensors[f"{name} {slot}"].to(weight.device)
                for slot in _SLOTS
                if f"{name} {slot}" in tensors
            }
            if state:
                optimizer.state[weight] = {"step": torch.tensor(float(step)), **state}
    return step


def _digest(tensors: Mapping[str, torch.Tensor], step: int) -> str:
    digest = hashlib.sha256(str(step).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _writing(file: Path) -> AbstractContextManager[None]:
    return writing(file, fix="set XLT_CACHE to a folder that has some room")
