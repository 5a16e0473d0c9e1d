"""An encoder with the layers that predict masked subwords."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.errors import XltError
from xlt.model.backbone import Backbone
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


def base_of(model: PreTrainedModel) -> PreTrainedModel:
    """The encoder proper in a task's network."""
    if getattr(model.config, "is_encoder_decoder", False):
        half: PreTrainedModel = model.get_encoder()
        return half
    return model.base_model


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
        if not quiet and not backbone.random and not _has_head(backbone, encoder):
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

    def take(self, encoder: PreTrainedModel) -> None:
        """Have the weights of the encoder in a task's network."""
        _copy(base_of(encoder), self.encoder.base_model)

    def give(self, encoder: PreTrainedModel) -> None:
        """Put its encoder's weights into a task's network."""
        _copy(self.encoder.base_model, base_of(encoder))

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


def _copy(source: PreTrainedModel, into: PreTrainedModel) -> None:
    """All weights of an encoder but for its pooler."""
    missing, _ = into.load_state_dict(source.state_dict(), strict=False)
    lost = [name for name in missing if not name.startswith("pooler.")]
    assert not lost, f"encoders of two kinds: {lost[:3]}"


def _has_head(backbone: Backbone, model: PreTrainedModel) -> bool:
    """Whether the checkpoint has layers that predict masked text."""
    base = f"{model.base_model_prefix}."
    head = {name for name, _ in model.named_parameters() if not name.startswith(base)}
    there = stored_names(backbone.source, backbone.options.revision)
    return not there or bool(head & there)
