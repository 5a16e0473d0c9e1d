"""Which parameters train, and how fast: freezing, layer-wise learning rates, weight decay."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from torch import nn

from xlt.config.schema import Training
from xlt.errors import XltError
from xlt.model.pair import Pair, members
from xlt.model.stack import layer_stack
from xlt.model.task_model import TaskModel

HEAD = "head"
EMBEDDINGS = "embeddings"
DECODER = "decoder"


def part_of(model: TaskModel) -> dict[str, str | int]:
    """Parameter name → "embeddings", the number of its encoder layer (0 = lowest), "decoder" or
    "head". Embeddings that encoder and decoder share are "embeddings"."""
    encoder: Any = model.encoder
    plain = {name: name.replace(_PEFT, "encoder.", 1) for name, _ in model.named_parameters()}
    if hasattr(encoder, "get_base_model"):
        encoder = encoder.get_base_model()
    base_prefix = f"encoder.{encoder.base_model_prefix}."
    inside = any(name.startswith(base_prefix) for name in plain.values())
    prefix = base_prefix if inside else "encoder."
    stack = _layer_stack(encoder, prefix)
    writes = getattr(encoder.config, "is_encoder_decoder", False) and model.generates
    parts: dict[str, str | int] = {}
    for full_name, name in plain.items():
        if writes and _DECODER.match(name):
            parts[full_name] = DECODER
        elif not name.startswith(prefix):
            parts[full_name] = HEAD
        elif stack and (match := re.match(re.escape(stack) + r"\.(\d+)\.", name)):
            parts[full_name] = int(match.group(1))
        elif re.search(r"embed|shared|wte|wpe", name):
            parts[full_name] = EMBEDDINGS
        else:  # final norms, poolers, relative position tables: with the highest layer
            parts[full_name] = _TOP
    return parts


_PEFT = "encoder.base_model.model."

_DECODER = re.compile(r"encoder\.(model\.)?(decoder\.|lm_head\.|enc_to_dec_proj\.)")
"""In T5, in the BART family, and in EncoderDecoderModel."""

_TOP = 10_000


def _layer_stack(encoder: nn.Module, prefix: str) -> str | None:
    """The name of the transformer's layers; of its encoder, where it has a decoder, too."""

    def among(name: str) -> bool:
        full = f"encoder.{name}."
        return full.startswith(prefix) and not _DECODER.match(full)

    stack = layer_stack(encoder, among)
    return None if stack is None else f"encoder.{stack[0]}"


def _depth(parts: dict[str, str | int]) -> int:
    """How many layers the encoder has, of what `part_of` found."""
    return 1 + max(
        (part for part in parts.values() if isinstance(part, int) and part != _TOP), default=-1
    )


def freeze(model: TaskModel, what: list[str]) -> None:
    """Freeze `embeddings`, `encoder` (with them), `layers:N` (its N lowest) or `decoder`.

    Raises XltError for anything else, and for the decoder of a model that has none.
    """
    parts = part_of(model)
    depth = _depth(parts)
    lowest = 0
    for item in what:
        if item.startswith("layers:") and item[7:].isdigit():
            lowest = max(lowest, int(item[7:]))
        elif item not in ("embeddings", "encoder", DECODER):
            raise XltError(
                f"{item!r} cannot be frozen",
                where="training.freeze",
                fix="use `embeddings`, `encoder`, `layers:N` (the N lowest layers) or `decoder`",
            )
    if lowest > depth:
        raise XltError(
            f"there are no {lowest} layers to freeze: the encoder has {depth}",
            where="training.freeze",
            fix=f"write `layers:{depth}` or less",
        )
    if DECODER in what and DECODER not in parts.values():
        raise XltError(
            "there is no decoder to freeze",
            where="training.freeze",
            fix="leave `decoder` out: only tasks that generate text have one",
        )
    for name, parameter in model.named_parameters():
        part = parts[name]
        frozen = (
            ("encoder" in what and part not in (HEAD, DECODER))
            or (DECODER in what and part == DECODER)
            or ("embeddings" in what and part == EMBEDDINGS)
            or (isinstance(part, int) and part < lowest)
        )
        if frozen:
            parameter.requires_grad_(False)


def parameter_groups(network: TaskModel | Pair, training: Training) -> list[dict[str, Any]]:
    """Groups for AdamW, each with its `lr` and `weight_decay`.

    Biases, norms and embeddings are not decayed: a subword that a batch lacks keeps its vector, so
    the result does not depend on which subwords were trimmed away.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for model in members(network):
        parts = part_of(model)
        depth = _depth(parts)
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            part = parts[name]
            rate = training.learning_rate
            if part == HEAD:
                rate = training.head_learning_rate or rate
            elif part == EMBEDDINGS:
                rate *= training.layer_decay ** (depth + 1)
            elif isinstance(part, int):
                rate *= training.layer_decay ** (depth - min(part, depth))
            decays = parameter.ndim >= 2 and part != EMBEDDINGS
            groups[rate, training.weight_decay if decays else 0.0].append(parameter)
    if not groups:
        raise XltError(
            "nothing is left to train", where="training.freeze", fix="freeze less than everything"
        )
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
