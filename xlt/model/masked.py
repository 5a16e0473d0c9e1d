"""An encoder with the layers that predict masked subwords."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.pooler import keep_pooler
from xlt.model.task_model import TaskModel, summed_cross_entropy
from xlt.model.vocabulary import stored_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)


def check_masked(backbone: Backbone) -> None:
    """Raise XltError for an encoder that cannot learn from masked text."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING as KNOWN

    config = backbone.config
    if backbone.has_decoder or type(config) not in KNOWN:
        lacks = f"encoders of the kind {config.model_type} have no layers that predict masked text"
    elif backbone.tokenizer.mask_token_id is None:
        lacks = "its tokenizer has no mask"
    else:
        return
    raise XltError(
        f"{backbone.source} cannot learn from text without labels: {lacks}",
        where="model.encoder",
        fix="leave the stage `pretrain` out, or take an encoder that was made so, such as "
        "xlm-roberta-base or microsoft/mdeberta-v3-base",
    )


class MaskedLanguageModel(TaskModel):
    """A masked language model of transformers, which predicts only what is masked: of a vocabulary
    far larger than the encoder is wide, the rest would be most of the work."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__(encoder, {})
        self._predicted: torch.Tensor | None = None
        encoder.base_model.register_forward_hook(self._only_predicted)

    @classmethod
    def build(cls, backbone: Backbone, *, quiet: bool = False) -> MaskedLanguageModel:
        """With the layers of the checkpoint, or new ones, which is said.

        Raises XltError as `check_masked` and `Backbone.model` do.
        """
        from transformers import AutoModelForMaskedLM

        check_masked(backbone)
        encoder = backbone.model(AutoModelForMaskedLM)
        if not quiet and not backbone.random and not has_head(backbone, encoder):
            log.info(
                "%s comes without layers that predict masked text: they are new", backbone.source
            )
        return cls(encoder)

    def heads(self) -> list[str]:
        """The layers after the encoder, but for what has the embedding's weights."""
        base, tied = self.encoder.base_model, self.encoder.get_input_embeddings()
        inside = {id(module) for module in base.modules()}
        return [
            name
            for name, module in self.encoder.named_modules()
            if id(module) not in inside
            and any(True for _ in module.parameters(recurse=False))
            and not any(True for _ in module.children())
            and all(own is not tied.weight for own in module.parameters())
        ]

    def forward(
        self,
        input_ids: torch.Tensor,
        target_input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> dict[str, torch.Tensor]:
        """Shapes as in `xlt.training.masking.MaskedBatches`; the loss is a mean over what is
        predicted, or a sum over `num_items_in_batch`."""
        self._predicted = predicted = labels != IGNORED
        try:
            logits = self.encoder(input_ids=input_ids, attention_mask=attention_mask).logits[0]
        finally:
            self._predicted = None
        targets = target_input_ids[predicted]
        return {"loss": summed_cross_entropy(logits, targets, num_items_in_batch)}

    def _only_predicted(self, base: nn.Module, given: Any, output: Any) -> Any:
        """Of the encoder's states (rows, length, width) those at what is predicted, as one row."""
        if self._predicted is None:
            return output
        states = output[0][self._predicted].unsqueeze(0)
        if isinstance(output, tuple):
            return (states, *output[1:])
        output["last_hidden_state"] = states
        return output


def whole(backbone: Backbone) -> PreTrainedModel:
    """A pretrained model with all that its checkpoint has: the layers that predict masked subwords,
    or a decoder, too.

    Raises XltError as `Backbone.model` does.
    """
    from transformers import (
        MODEL_FOR_MASKED_LM_MAPPING,
        AutoModelForMaskedLM,
        AutoModelForSeq2SeqLM,
    )

    config = backbone.config
    halved = any(name.endswith("EncoderModel") for name in config.architectures or ())
    if getattr(config, "is_encoder_decoder", False) and not halved:
        return backbone.model(AutoModelForSeq2SeqLM)
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING and not backbone.random:
        model = backbone.model(AutoModelForMaskedLM)
        if has_head(backbone, model):
            keep_pooler(model, backbone)
            return model
    return backbone.encoder()


def predicts_masked(backbone: Backbone) -> bool:
    """Whether it comes with layers that predict masked text."""
    try:
        check_masked(backbone)
    except XltError:
        return False
    from transformers import AutoModelForMaskedLM

    return has_head(backbone, backbone.model(AutoModelForMaskedLM))


def has_head(backbone: Backbone, model: PreTrainedModel) -> bool:
    """Whether the checkpoint has layers that predict masked text."""
    base = f"{model.base_model_prefix}."
    head = {name for name, _ in model.named_parameters() if not name.startswith(base)}
    there = stored_names(backbone.source, backbone.options.revision)
    return not there or bool(head & there)
