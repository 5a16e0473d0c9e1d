"""The layer of BERT-like encoders that classifiers may read, where a model is made without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlt.model.vocabulary import stored_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.pretrained import Pretrained


def keep_pooler(model: PreTrainedModel, checkpoint: Pretrained) -> None:
    """Give a model's encoder the pooler of its checkpoint, if that has one: classes that write
    subwords leave it out, and a classifier of what they save would start from a random one.

    Raises XltError as `Pretrained.weights` does.
    """
    from transformers import AutoModel

    base: Any = model.base_model
    if getattr(base, "pooler", 0) is not None:
        return
    names = stored_names(checkpoint.source, checkpoint.options.revision)
    if any("pooler." in name for name in names):
        base.pooler = getattr(checkpoint.weights(AutoModel), "pooler", None)
        if base.pooler is not None:
            base.pooler.requires_grad_(False)
