"""Decoder-only models (Llama, Qwen, Gemma, …) as encoders: which way their attention goes.

They were pretrained to predict the next subword, so none attends to what follows it. Without that
mask a tagger reads whole sentences; a model that was not pretrained so has to learn it in
fine-tuning (BehnamGhader et al. 2024, LLM2Vec, arXiv 2404.05961).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.errors import XltError
from xlt.model.vocabulary_tensors import configs

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def set_direction(model: PreTrainedModel, bidirectional: bool | None) -> None:
    """Let subwords attend to those that follow them, too, or not; None: as the model's config says.

    What is set stays in the config, so that a saved model is read the same way.
    Raises XltError where it is asked of an encoder that attends in both directions anyway.
    """
    causal = [module for module in model.modules() if getattr(module, "is_causal", False)]
    known = configs(model)
    if bidirectional is None:
        if not causal or all(getattr(config, "is_causal", True) for config in known):
            return
        bidirectional = True
    elif not causal or getattr(model.config, "is_encoder_decoder", False):
        raise XltError(
            f"{model.config.model_type} is no decoder: its attention has both directions",
            where="model.bidirectional",
            fix="leave it out",
        )
    for config in known:
        config.is_causal = not bidirectional
    # Kernels that are given no mask, where a batch has no padding, look at the layers themselves.
    for module in causal:
        module.is_causal = not bidirectional  # type: ignore[assignment]
