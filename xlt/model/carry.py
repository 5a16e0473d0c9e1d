"""What a task's network has of the encoder, carried to another network; and what is its own.

An encoder learns a task and goes on with another (intermediate-task training: Phang et al. 2018,
arXiv 1811.01088). Weights are carried by their names, those of subwords by the subword, as a
network may have more of these than the other; the task's own layers stay behind, in a folder beside
the encoder, so that it can be seen later what the encoder still does with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from xlt.config.stored import advise_remaking
from xlt.files import DamagedFile
from xlt.model.vocabulary_tensors import embedding_table

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.task_model import TaskModel

LAYERS = "layers.safetensors"
_ADDED = "added subwords"
_POOLER = "pooler."
"""Of some encoders: the layer over the first subword's vector, which only some tasks train."""


def base_of(model: PreTrainedModel) -> PreTrainedModel:
    """The encoder proper in a task's network."""
    config = model.config
    # A T5 encoder does not say that it is half of one, and is wrapped as that half is.
    if getattr(config, "is_encoder_decoder", False) or "t5" in config.model_type:
        half: PreTrainedModel = model.get_encoder()
        return half
    return model.base_model


def carry(source: PreTrainedModel, into: PreTrainedModel, tokenizers: tuple[Any, Any]) -> None:
    """Give a network the encoder of another one, of the same architecture, in place.

    tokenizers: of both, which have one pretrained tokenizer in common. Subwords that `into` alone
        has keep their rows; whatever else of an encoder only one has stays as it is (a pooler).
    Vocabularies have to be full, not trimmed. Raises ValueError for encoders of two kinds.
    """
    theirs, own = base_of(source), base_of(into)
    state, mine = theirs.state_dict(), own.state_dict()
    lacking = [n for n in mine if n not in state and not n.startswith(_POOLER)]
    if lacking:
        raise ValueError(f"encoders of two kinds: one has no {lacking[0]}")
    table = embedding_table(own)
    with torch.no_grad():
        for name, tensor in mine.items():
            if name not in state:
                continue
            if table is not None and tensor.data_ptr() == table.weight.data_ptr():
                here, there = _rows(tokenizers, len(state[name]), len(tensor))
                tensor[there] = state[name][here].to(tensor)
            else:
                tensor.copy_(state[name])


def _common(tokenizers: tuple[Any, Any], rows: int) -> int:
    """How many of so many first rows of two tables are of the same subwords."""
    first, second = (tokenizer.get_added_vocab().items() for tokenizer in tokenizers)
    different: set[tuple[str, int]] = first ^ second
    return min([rows, *(number for _, number in different)])


def _rows(tokenizers: tuple[Any, Any], there: int, here: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of two tables that are of the same subwords: in one, and in the other."""
    first, second = (tokenizer.get_added_vocab() for tokenizer in tokenizers)
    common = list(range(_common(tokenizers, min(there, here))))
    pairs = [
        (n, second[token]) for token, n in first.items() if n >= len(common) and token in second
    ]
    return (
        torch.tensor([*common, *(one for one, _ in pairs)]),
        torch.tensor([*common, *(other for _, other in pairs)]),
    )


# A task's own layers -----------------------------------------------------------------------------


def layers(model: TaskModel) -> dict[str, torch.Tensor]:
    """What of a task's network is no encoder, by name; the pooler, which few tasks train, is none
    either. Of tied weights one is there."""
    base = base_of(model.encoder)
    inside = {
        tensor.data_ptr()
        for name, tensor in base.state_dict().items()
        if not name.startswith(_POOLER)
    }
    found: dict[int, tuple[str, torch.Tensor]] = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel() and tensor.data_ptr() not in inside:
            found.setdefault(tensor.data_ptr(), (name, tensor.detach().cpu().contiguous()))
    return dict(found.values())


def save_layers(model: TaskModel, folder: Path, tokenizers: tuple[Any, Any], rows: int) -> None:
    """Write them to a folder that is there, with the vectors of subwords that the task has added.

    tokenizers: the model's, and that of the pretrained encoder, whose table has so many rows.
    """
    state = layers(model)
    table = embedding_table(base_of(model.encoder))
    if table is not None:
        added = table.weight.detach().cpu()[_common(tokenizers, rows) :].contiguous()
        state |= {_ADDED: added} if len(added) else {}
    save_file(state, folder / LAYERS)


def load_layers(model: TaskModel, folder: Path) -> None:
    """Give a network of the same task, encoder and labels the layers that `save_layers` wrote.

    Raises DamagedFile for others.
    """
    path = folder / LAYERS
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedFile(str(error), where=path, fix=advise_remaking(folder)) from error
    own = layers(model)
    added = state.pop(_ADDED, None)
    if {name: t.shape for name, t in state.items()} != {name: t.shape for name, t in own.items()}:
        raise DamagedFile(
            "the task layers are of another model", where=path, fix=advise_remaking(folder)
        )
    model.load_state_dict(state, strict=False)
    if added is not None:
        table = embedding_table(base_of(model.encoder))
        assert table is not None
        with torch.no_grad():
            table.weight[-len(added) :] = added
