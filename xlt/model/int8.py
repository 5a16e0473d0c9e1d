"""Weights in 8 bits, as they lie in a model's folder: a quarter of the space.

A matrix W is stored as whole numbers Q from -127 to 127 with a scale s for each row, W ≈ s Q: an
output of a linear layer, the vector of a subword. `config.json` says which modules are stored so,
under `quantization_config`, and transformers reads them once this module is imported; they are
fp32 again then, and what runs is the model as it was trained.

Q has a first axis of 1. So transformers without this module refuses it by its shape, and does not
take whole numbers for weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

if TYPE_CHECKING:
    from transformers import PreTrainedModel

METHOD = "xlt-int8"
SCALE = "weight_scale"
_LARGEST = 127
_KINDS = (nn.Linear, nn.Embedding)


def quantised(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Q (1, rows, columns), int8, and the scales (rows, 1) of a matrix (rows, columns)."""
    scale = weight.abs().amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    scale = scale / _LARGEST
    return (weight / scale).round().to(torch.int8).unsqueeze(0), scale


def matrices(model: PreTrainedModel) -> list[str]:
    """The modules whose weights can be stored so: the encoder's embeddings and linear layers, but
    not a task's layers on it, which are small."""
    base = model.base_model
    prefix = "" if base is model else f"{model.base_model_prefix}."
    return [prefix + name for name, module in base.named_modules() if type(module) in _KINDS]


def quantise(folder: Path, modules: Sequence[str]) -> None:
    """Store the weights of these modules of a saved model in 8 bits."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    stored = [name for name in modules if f"{name}.weight" in tensors]  # of tied ones, the first
    for name in stored:
        tensors[f"{name}.weight"], tensors[f"{name}.{SCALE}"] = quantised(tensors[f"{name}.weight"])
    save_file(tensors, path, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": METHOD, "modules": stored}
    text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


@register_quantization_config(METHOD)
class Int8Config(QuantizationConfigMixin):  # type: ignore[misc]
    """modules: names of those whose weights are stored so."""

    def __init__(self, modules: Sequence[str] = (), **_: Any) -> None:
        self.quant_method = METHOD
        self.modules = list(modules)


class _Stored(nn.Module):
    """Stands in the place of a module while its weight is read."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.of = (module,)  # no submodule of this one
        weight = module.get_parameter("weight")
        empty = torch.empty((1, *weight.shape), dtype=torch.int8, device=weight.device)
        self.weight = nn.Parameter(empty, requires_grad=False)  # others may be tied to it
        self.register_buffer(SCALE, torch.empty(len(weight), 1, device=weight.device))
        self.register_parameter("bias", getattr(module, "bias", None))

    def restored(self) -> nn.Module:
        (module,) = self.of
        weight = (self.weight * self.get_buffer(SCALE)).squeeze(0)
        module.weight = nn.Parameter(weight)
        if self.bias is not None:
            module.bias = self.bias
        return module


@register_quantizer(METHOD)
class Int8Quantizer(HfQuantizer):  # type: ignore[misc]
    """What transformers asks to read such weights."""

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        for name in self.quantization_config.modules:
            module = model.get_submodule(name)
            if type(module) not in _KINDS:
                raise ValueError(f"{name} is no linear layer and no embedding, or named twice")
            model.set_submodule(name, _Stored(module))

    def _process_model_after_weight_loading(self, model: PreTrainedModel, **_: Any) -> Any:
        for name in self.quantization_config.modules:
            stored = model.get_submodule(name)
            assert isinstance(stored, _Stored)
            model.set_submodule(name, stored.restored())
        self.remove_quantization_config(model)  # of a model in fp32 it would say what is not so
        model.tie_weights()
        return model

    def is_serializable(self, *_: Any) -> bool:
        return True

    @property
    def is_trainable(self) -> bool:
        return True
