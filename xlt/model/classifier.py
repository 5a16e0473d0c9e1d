"""One label for a pair of texts.

Where transformers has a sequence classifier for the encoder alone, the weights are that one's and
AutoModelForSequenceClassification loads the folder. For the encoder half of an encoder-decoder it
has none (its T5ForSequenceClassification runs the decoder, too): there the task layers are ours.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import nn

from xlt.data.encode_pairs import FIRST, SECOND
from xlt.model.backbone import Backbone
from xlt.model.task_model import (
    TaskModel,
    grow_classifier,
    grow_linear,
    name_labels,
    summed_cross_entropy,
)
from xlt.task import Labels

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_classifier(backbone: Backbone, labels: Labels) -> Classifier:
    """A classifier with new layers over the backbone. `labels` has one layer."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as KNOWN

    if backbone.has_decoder or type(backbone.config) not in KNOWN:
        return PooledClassifier(backbone.encoder(), labels)
    return StandardClassifier.build(backbone, labels)


class Classifier(TaskModel):
    """An example's scores are the mean of its windows' logits."""

    @abstractmethod
    def logits(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        token_type_ids: torch.Tensor | None,
    ) -> torch.Tensor:
        """(rows, labels)"""

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        windows: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Shapes as in `collate_pairs`; labels and weights (examples,).

        Returns scores: log-probabilities (examples, labels), and the loss with labels.
        """
        rows = self.logits(input_ids, attention_mask, segments, token_type_ids).float()
        example = torch.arange(len(windows), device=windows.device)
        example = example.repeat_interleave(windows, output_size=len(rows))
        total = rows.new_zeros(len(windows), rows.shape[-1]).index_add(0, example, rows)
        logits = total / windows.unsqueeze(-1)
        if labels is not None:
            return {"loss": summed_cross_entropy(logits, labels, num_items_in_batch, weights)}
        return {"scores": logits.log_softmax(-1)}

    @property
    def values(self) -> tuple[str, ...]:
        """The labels, in the order of the outputs."""
        (found,) = self.labels.values()
        return found


class StandardClassifier(Classifier):
    """The sequence classifier that transformers has for the encoder."""

    @classmethod
    def build(cls, backbone: Backbone, labels: Labels) -> StandardClassifier:
        from transformers import AutoModelForSequenceClassification

        (values,) = labels.values()
        names = name_labels(values)
        encoder = backbone.model(
            AutoModelForSequenceClassification, num_labels=len(values), **names
        )
        return cls(encoder, labels)

    def logits(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        token_type_ids: torch.Tensor | None,
    ) -> torch.Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        found: torch.Tensor = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, **types
        ).logits
        return found

    def grow(self, labels: Labels) -> None:
        (values,) = labels.values()
        grow_classifier(self.encoder, self.values, values)
        self.labels = dict(labels)


class PooledClassifier(Classifier):
    """Mean vectors u, v of the two texts in context; a layer over [u, v, |u - v|, u * v].

    The features are those of Conneau et al. 2017 (InferSent, arXiv 1705.02364, section 3.1); the
    texts are encoded together, not apart as there.
    """

    DROPOUT = 0.1

    def __init__(self, encoder: PreTrainedModel, labels: Labels) -> None:
        super().__init__(encoder, labels)
        size = int(encoder.config.hidden_size)
        self.dense = nn.Linear(4 * size, size)
        self.dropout = nn.Dropout(self.DROPOUT)
        self.out = nn.Linear(size, len(self.values))

    def logits(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        token_type_ids: torch.Tensor | None,
    ) -> torch.Tensor:
        pieces = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        u, v = (_mean(pieces, segments == segment) for segment in (FIRST, SECOND))
        features = torch.cat([u, v, (u - v).abs(), u * v], -1)
        found: torch.Tensor = self.out(self.dropout(torch.tanh(self.dense(self.dropout(features)))))
        return found

    def grow(self, labels: Labels) -> None:
        (values,) = labels.values()
        self.out = grow_linear(self.out, len(values))
        self.labels = dict(labels)


def _mean(pieces: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """pieces (rows, length, d), mask (rows, length) → (rows, d); 0 where there are none."""
    share = mask.float() / mask.sum(1, keepdim=True).clamp(min=1)
    return (pieces.float() * share.unsqueeze(-1)).sum(1)
