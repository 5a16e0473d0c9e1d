"""A token classifier whose weights AutoModelForTokenClassification loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xlt.data.encode import pool_words
from xlt.model.backbone import Backbone
from xlt.model.choosing import Choices, ChoosingModel, Classifying, passing
from xlt.model.task_model import classifier_of, grow_classifier, name_labels
from xlt.task import Labels

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Tagger(ChoosingModel):
    """A word's scores are the mean of its subwords' logits.

    With a linear classifier that equals classifying the mean of the subwords' vectors, so the
    weights are those of an ordinary token classifier.
    """

    @classmethod
    def build(cls, backbone: Backbone, labels: Labels) -> Tagger:
        from transformers import AutoModelForTokenClassification

        _know_token_classifier(backbone.config)
        tags = labels["tag"]
        encoder = backbone.model(
            AutoModelForTokenClassification,
            num_labels=len(tags),
            **name_labels(tags),
        )
        return cls(encoder, labels)

    def choices(self, labels: torch.Tensor, **batch: torch.Tensor) -> list[Choices]:
        """The tag of each word. labels: (sentences, words); the others as of `predicted`."""
        return [Choices("tag", self.words(**batch), labels)]

    def predicted(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """scores: log-probabilities (sentences, words, tags). batch: shapes as in
        `collate_words`."""
        return {"scores": self.words(**batch).log_softmax(-1)}

    def classifying(self, **batch: torch.Tensor) -> list[Classifying]:
        """Each word, by the mean of its subwords' vectors. batch: as of `predicted`."""
        _, linear = classifier_of(self.encoder, len(self.labels["tag"]))
        with passing(linear):
            return [Classifying("tag", linear, self.words(**batch)[batch["word_mask"]])]

    def words(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
    ) -> torch.Tensor:
        """The scores of each word's tags before the softmax, (sentences, words, tags)."""
        subwords = self.graph(input_ids, attention_mask)["scores"]
        return pool_words(subwords, word_index, word_mask)

    def graph(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """scores: of each tag for each subword, (rows, length, tags)."""
        return {"scores": self.encoder(input_ids=input_ids, attention_mask=attention_mask).logits}

    def grow(self, labels: Labels) -> None:
        grow_classifier(self.encoder, self.labels["tag"], labels["tag"])
        self.labels = dict(labels)


def _know_token_classifier(config: PreTrainedConfig) -> None:
    """Have AutoModelForTokenClassification know the architecture of a decoder-only model.

    transformers has one for many (Llama, Qwen, …), not for all (Gemma 3): the same there.
    """
    from transformers import (
        MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
        MODEL_MAPPING,
        AutoModelForTokenClassification,
        PreTrainedModel,
    )
    from transformers.modeling_layers import GenericForTokenClassification

    model = MODEL_MAPPING.get(type(config), None)
    if type(config) in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING or not isinstance(model, type):
        return
    family = next(c for c in model.__mro__[1:] if issubclass(c, PreTrainedModel))
    name = f"{model.__name__}ForTokenClassification"
    made = type(name, (GenericForTokenClassification, family), {"config_class": type(config)})
    AutoModelForTokenClassification.register(type(config), made, exist_ok=True)
