"""Where a model keeps what it has one of for each subword: tensors, sizes and ids in configs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class VocabularyTensor:
    """One vocabulary-sized tensor: all names it has in the model, and which axis is subwords."""

    names: tuple[str, ...]
    axis: int
    buffer: bool = False


def embedding_table(model: PreTrainedModel) -> nn.Embedding | None:
    """The subword embeddings; None of a model of characters that has none (CANINE hashes them)."""
    try:
        return cast("nn.Embedding", model.get_input_embeddings())
    except NotImplementedError:
        return None


def vocabulary_tensors(model: PreTrainedModel, size: int) -> list[VocabularyTensor]:
    """The tensors with one row for each of `size` subwords: embeddings, output layer, biases."""
    inputs: Any = model.get_input_embeddings()
    try:
        outputs: Any = model.get_output_embeddings()
    except NotImplementedError:
        outputs = None
    wanted = {id(inputs.weight)}
    if outputs is not None and outputs.weight.shape[0] == size:
        wanted |= {id(outputs.weight), id(getattr(outputs, "bias", None))}
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        # A prediction head's bias that its output layer does not know of.
        is_bias = name.endswith(("predictions.bias", "lm_head.bias")) and parameter.shape == (size,)
        if id(parameter) in wanted or is_bias:
            names.setdefault(id(parameter), []).append(name)
    buffers = [
        VocabularyTensor((name,), buffer.ndim - 1, buffer=True)
        for name, buffer in model.named_buffers()
        if name.endswith("final_logits_bias") and buffer.shape[-1] == size
    ]
    return [*(VocabularyTensor(tuple(group), 0) for group in names.values()), *buffers]


def get_tensor(model: PreTrainedModel, shared: VocabularyTensor, size: int) -> torch.Tensor:
    """The tensor itself. Raises ValueError where it is not there, or not of `size` subwords."""
    name = shared.names[0]
    try:
        tensor: torch.Tensor = (
            model.get_buffer(name) if shared.buffer else model.get_parameter(name)
        )
    except AttributeError as error:
        raise ValueError(f"not the trimmed model (merge LoRA first): {error}") from error
    if tensor.shape[shared.axis] != size:
        raise ValueError(f"{name} has {tensor.shape[shared.axis]} rows, not {size}: not trimmed")
    return tensor


def assign(
    model: PreTrainedModel, shared: VocabularyTensor, value: torch.Tensor, requires_grad: bool
) -> None:
    """Put one tensor under all its names: what was tied stays tied."""
    if not shared.buffer and not isinstance(value, nn.Parameter):
        value = nn.Parameter(value, requires_grad=requires_grad)
    for name in shared.names:
        owner, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(owner), attribute, value)


def resize(
    model: PreTrainedModel,
    tensors: Iterable[VocabularyTensor],
    old: int,
    new: int,
    translate: Callable[[int], Any] = int,
) -> None:
    """Say the new number of subwords wherever the model keeps it, and its special ids' new values.

    tensors:   all of the model, which have the new size already.
    translate: old id → new id.
    """

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(item) for item in value]
        is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < old
        return int(translate(value)) if is_id else value

    holders = {name.rpartition(".")[0] for shared in tensors for name in shared.names}
    for name, module in model.named_modules():
        if getattr(module, "vocab_size", None) == old:
            module.vocab_size = new
        if name not in holders:
            continue
        if isinstance(module, nn.Embedding):
            module.num_embeddings = new
            module.padding_idx = moved(module.padding_idx)
        elif isinstance(module, nn.Linear):
            module.out_features = new
    for config in configs(model):
        for key, value in list(vars(config).items()):
            if key == "vocab_size" and value == old:
                setattr(config, key, new)
            elif key.endswith("_token_id"):
                setattr(config, key, moved(value))


def configs(model: PreTrainedModel) -> list[Any]:
    """Every config in the model once: encoder and decoder stacks may have copies of their own."""
    from transformers import PreTrainedConfig

    configs: dict[int, Any] = {}

    def add(config: Any) -> None:
        if id(config) in configs:
            return
        configs[id(config)] = config
        for value in list(vars(config).values()):
            if isinstance(value, PreTrainedConfig):
                add(value)

    for module in model.modules():
        if isinstance(getattr(module, "config", None), PreTrainedConfig):
            add(module.config)
    generation = getattr(model, "generation_config", None)
    if generation is not None:
        configs[id(generation)] = generation
    return list(configs.values())


def special_ids(model: PreTrainedModel, size: int) -> set[int]:
    """The ids below `size` that some config gives a special meaning."""
    ids: set[int] = set()
    for config in configs(model):
        for key, value in vars(config).items():
            if key.endswith("_token_id"):
                flat = np.hstack(value) if isinstance(value, list) and value else [value]
                ids |= {int(v) for v in flat if isinstance(v, int | np.integer) and 0 <= v < size}
    return ids


def counts_positions_from_padding(model: PreTrainedModel) -> bool:
    """Whether some module derives positions from the padding id, as the RoBERTa family does."""
    return any(
        isinstance(getattr(module, "padding_idx", None), int)
        and not isinstance(module, nn.Embedding)
        for module in model.modules()
    )
