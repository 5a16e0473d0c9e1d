"""The loop of all stages: deterministic, checkpointed, resumable."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from .network import Network

log = logging.getLogger(__name__)

Losses = Callable[[int], Iterator[tuple[str, float, torch.Tensor]]]
"""Step → (name, weight, loss), one after another: each is differentiated before the next."""

EVERY = 200
"""Steps from one checkpoint to the next."""


def run(
    network: Network, losses: Losses, steps: int, file: Path, *, rate: float, vectors: float,
    clip: float, seed: int,
) -> None:  # fmt: skip
    """Train `network` in place for `steps`; `file` holds the last checkpoint, then the result.

    rate, vectors: the highest learning rates of the layers and of the subword vectors (0: fixed).
    What is random in a step depends on the seed and the step alone.
    """
    shared = network.encoder.shared.weight
    shared.requires_grad_(vectors > 0)
    layers = [p for p in network.parameters() if p.requires_grad and p is not shared]
    groups = [{"params": layers, "lr": rate, "weight_decay": 0.01}]
    if vectors:
        groups.append({"params": [shared], "lr": vectors, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
    begin = restore(network, optimizer, file) if file.exists() else 0
    seen: dict[str, list[float]] = defaultdict(list)
    network.train()
    start = time.process_time()
    for step in range(begin, steps):
        torch.manual_seed(seed * 1_000_003 + step)
        share = min((step + 1) / (0.05 * steps), 1 - step / steps)
        for group, highest in zip(optimizer.param_groups, (rate, vectors), strict=False):
            group["lr"] = share * highest
        for name, weight, loss in losses(step):
            (weight * loss).backward()
            seen[name].append(loss.item())
        torch.nn.utils.clip_grad_norm_(layers, clip)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            means = ", ".join(f"{k} {sum(v) / len(v):.3f}" for k, v in seen.items())
            log.info(
                "step %d of %d, %.0f s: %s", step + 1, steps, time.process_time() - start, means
            )
            seen.clear()
            keep(network, optimizer, {"step": step + 1, "steps": steps}, file)


def keep(
    network: Network, optimizer: torch.optim.Optimizer, at: dict[str, int], file: Path
) -> None:
    tensors = {f"weights.{k}": v for k, v in network.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moments.{number}.{k}": v for k, v in moments.items()}
    part = file.with_suffix(".part")
    # The tied subword vectors appear twice; a copy is simpler than telling them apart.
    copies = {k: v.clone().contiguous() for k, v in tensors.items()}
    save_file(copies, part, {k: str(v) for k, v in at.items()})
    part.replace(file)


def finished(file: Path) -> bool:
    if not file.exists():
        return False
    with safe_open(file, "pt") as stored:
        at = stored.metadata()
    return bool(at["step"] == at["steps"])


def restore(network: Network, optimizer: torch.optim.Optimizer | None, file: Path) -> int:
    """Load a checkpoint; returns the number of steps that it had made."""
    tensors = load_file(file)
    with safe_open(file, "pt") as stored:
        step = int(stored.metadata()["step"])
    network.load_state_dict(
        {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")}
    )
    if optimizer is not None:
        state: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, value in tensors.items():
            if name.startswith("moments."):
                _, number, moment = name.split(".")
                state[int(number)][moment] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": dict(state)})
    return step
