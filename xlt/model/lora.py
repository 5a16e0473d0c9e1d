"""LoRA through peft (Hu et al. 2021, arXiv 2106.09685): train small updates, save plain weights."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

from torch import nn

from xlt.config.schema import Lora
from xlt.errors import XltError
from xlt.model.task_model import TaskModel


def add_lora(model: TaskModel, options: Lora) -> None:
    """Put low-rank updates on the encoder's linear layers, in place.

    Layers after the encoder proper (a classifier) train in full, as the task's own layers do;
    what is frozen gets no updates either.
    Raises XltError if peft is missing or no module has the given names.
    """
    encoder = model.encoder
    base = encoder.base_model
    heads = (
        [
            name
            for name, child in encoder.named_children()
            if child is not base and any(True for _ in child.parameters())
        ]
        if base is not encoder and not model.generates
        else []
    )
    model.encoder = lora_on(encoder, options, heads=heads)


def lora_on(
    encoder: Any, options: Lora, *, heads: Sequence[str] = (), where: str = "model.lora"
) -> Any:
    """peft's model around an encoder, with updates on its linear layers, in place; all else is
    frozen but for `heads`, its children of these names. What is frozen already gets no updates.

    where: the setting that asks for it.
    Raises XltError as `add_lora` does.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise XltError(
            "LoRA needs the package peft", where=where, fix="pip install 'xlt[lora]'"
        ) from error
    modules: Any = options.modules
    if modules == "auto":
        modules = _linear_names(encoder.base_model)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=modules,
        exclude_modules=_frozen(encoder) or None,
        modules_to_save=list(heads) or None,
    )
    try:
        with warnings.catch_warnings():  # peft and transformers talking about each other's names
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(encoder, config)
    except ValueError as error:
        raise XltError(
            f"no layer that trains is called {' or '.join(modules)}: {error}",
            where=f"{where}.modules",
            fix=f"use `auto`, or names from: {', '.join(_linear_names(encoder.base_model))}",
        ) from error


def _linear_names(base: nn.Module) -> list[str]:
    """The last name parts of all linear layers inside the encoder's layers."""
    from transformers import PreTrainedModel

    output = base.get_output_embeddings() if isinstance(base, PreTrainedModel) else None
    return sorted(
        {
            name.rpartition(".")[2]
            for name, m in base.named_modules()
            if isinstance(m, nn.Linear) and m is not output
        }
    )


def _frozen(encoder: nn.Module) -> list[str]:
    """Full names of the linear layers that must stay as they are."""
    return [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and not module.weight.requires_grad
    ]


def merged(model: TaskModel) -> TaskModel:
    """A plain model: the model itself, or a copy with the updates added to its weights."""
    if not hasattr(model.encoder, "merge_and_unload"):
        return model
    result = copy.deepcopy(model)
    result.encoder = result.encoder.merge_and_unload()
    return result
