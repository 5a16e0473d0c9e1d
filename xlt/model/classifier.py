"""One label for a text, or for a pair of texts.

Where transformers has a sequence classifier for the encoder alone, the weights are that one's and
AutoModelForSequenceClassification loads the folder. For the encoder half of an encoder-decoder it
has none (its T5ForSequenceClassification runs the decoder, too): there the task layers are ours.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from xlt.data.encode_pairs import FIRST, SECOND
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.choosing import Choices, ChoosingModel, Classifying, passing
from xlt.model.task_model import classifier_of, grow_classifier, grow_linear, name_labels
from xlt.task import Labels

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_classifier(
    backbone: Backbone,
    labels: Labels,
    kind: Literal["auto", "standard", "aligned", "pooled"] = "auto",
    *,
    texts: int = 2,
) -> Classifier:
    """A classifier with new layers over the backbone.

    labels: of one layer.
    kind:   auto: the standard one where transformers has one for the encoder; else the one of ours
        for so many texts. Raises XltError for `standard` where there is none.
    texts:  1 or 2, which `aligned` compares.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as KNOWN

    own = AlignedClassifier if texts == 2 else PooledClassifier
    known = not backbone.has_decoder and type(backbone.config) in KNOWN
    if kind == "standard" and not known:
        raise XltError(
            f"transformers has no sequence classifier for {backbone.config.model_type} encoders",
            where="task.classifier",
            fix=f"write `{'aligned' if texts == 2 else 'pooled'}`, or leave it out",
        )
    if known and kind in ("auto", "standard"):
        return StandardClassifier.build(backbone, labels)
    return own(backbone.encoder(), labels)


class Classifier(ChoosingModel):
    """An example's scores are the mean of its windows' logits."""

    @abstractmethod
    def graph(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """scores: of each label before the softmax, (rows, labels)."""

    def choices(self, labels: torch.Tensor, **batch: torch.Tensor) -> list[Choices]:
        """The label of each example. labels: (examples,); the others as of `predicted`."""
        (layer,) = self.labels
        return [Choices(layer, self.examples(**batch), labels)]

    def predicted(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """scores: log-probabilities (examples, labels). batch: shapes as in `collate_pairs`."""
        return {"scores": self.examples(**batch).log_softmax(-1)}

    @property
    @abstractmethod
    def linear(self) -> nn.Linear:
        """The layer that gives the scores."""

    def classifying(self, **batch: torch.Tensor) -> list[Classifying]:
        """Each example, by the mean of its windows' features. batch: as of `predicted`."""
        (layer,) = self.labels
        with passing(self.linear):
            return [Classifying(layer, self.linear, self.examples(**batch))]

    def examples(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        windows: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The scores of each example's labels before the softmax, (examples, labels)."""
        rows = self.graph(input_ids, attention_mask, segments, token_type_ids)["scores"].float()
        example = torch.arange(len(windows), device=windows.device)
        example = example.repeat_interleave(windows, output_size=len(rows))
        total = rows.new_zeros(len(windows), rows.shape[-1]).index_add(0, example, rows)
        return total / windows.unsqueeze(-1)

    @property
    def values(self) -> tuple[str, ...]:
        """The labels, in the order of the outputs."""
        (labels,) = self.labels.values()
        return labels


class StandardClassifier(Classifier):
    """The sequence classifier that transformers has for the encoder."""

    @classmethod
    def build(cls, backbone: Backbone, labels: Labels) -> StandardClassifier:
        from transformers import AutoModelForSequenceClassification

        (values,) = labels.values()
        changes = name_labels(values)
        if backbone.config.pad_token_id is None:
            # A decoder's classifier reads the last subword, and has to know what is padding.
            changes["pad_token_id"] = backbone.pad_id
        encoder = backbone.model(
            AutoModelForSequenceClassification, num_labels=len(values), **changes
        )
        return cls(encoder, labels)

    @property
    def linear(self) -> nn.Linear:
        return classifier_of(self.encoder, len(self.values))[1]

    def graph(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: torch.Tensor = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, **types
        ).logits
        return {"scores": logits}

    def grow(self, labels: Labels) -> None:
        (values,) = labels.values()
        grow_classifier(self.encoder, self.values, values)
        self.labels = dict(labels)


class MixtureClassifier(Classifier):
    """Layers of ours over all layers of an encoder, the subword vectors among them, which are
    scaled to the same size and mixed with learnt weights (Peters et al. 2018, arXiv 1802.05365,
    equation 1). What `features` finds in them is classified by a hidden layer and a linear one."""

    DROPOUT = 0.2

    def __init__(self, encoder: PreTrainedModel, labels: Labels) -> None:
        super().__init__(encoder, labels)
        self.size = int(encoder.config.hidden_size)
        self.mix = nn.Parameter(torch.zeros(int(encoder.config.num_hidden_layers) + 1))
        self.dropout = nn.Dropout(self.DROPOUT)

    def _add_output(self, features: int) -> None:
        """Add the layers over so many features; after those of `features`, whose random weights
        are drawn first."""
        self.dense = nn.Linear(features, self.size)
        self.out = nn.Linear(self.size, len(self.values))

    @property
    def linear(self) -> nn.Linear:
        return self.out

    @abstractmethod
    def features(self, subwords: torch.Tensor, segments: torch.Tensor) -> list[torch.Tensor]:
        """Features of each row, (rows, any size) each.

        subwords: the mixed layers, (rows, subwords, size). segments: (rows, subwords).
        """

    def graph(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        segments: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        layers = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states
        features = torch.cat(self.features(_mixed(self.mix, layers), segments), -1)
        hidden = torch.tanh(self.dense(self.dropout(features)))
        logits: torch.Tensor = self.out(self.dropout(hidden))
        return {"scores": logits}

    def grow(self, labels: Labels) -> None:
        (values,) = labels.values()
        self.out = grow_linear(self.out, len(values))
        self.labels = dict(labels)


class AlignedClassifier(MixtureClassifier):
    """Decomposable attention (Parikh et al. 2016, arXiv 1606.01933) between two texts.

    Each subword is compared with what it attends to in the other text; the mean and the maximum of
    the comparisons over each text are what is classified (Chen et al. 2017, arXiv 1609.06038,
    section 3.3).
    """

    SHARPNESS = 13.0
    """Of the attention over cosines, at the start."""

    def __init__(self, encoder: PreTrainedModel, labels: Labels) -> None:
        super().__init__(encoder, labels)
        self.sharpness = nn.Parameter(torch.tensor(self.SHARPNESS).log())
        self.compare = nn.Linear(4 * self.size, self.size)
        self._add_output(4 * self.size)

    def features(self, subwords: torch.Tensor, segments: torch.Tensor) -> list[torch.Tensor]:
        other = segments.unsqueeze(2) + segments.unsqueeze(1) == FIRST + SECOND
        cosines = nn.functional.normalize(subwords, dim=-1)
        scores = (cosines @ cosines.transpose(1, 2)).float() * self.sharpness.exp()
        # A text without a subword is attended to by none.
        attention = scores.masked_fill(~other, -1e4).softmax(-1) * other
        compared = (
            self.compare(self.dropout(_features(subwords, attention @ subwords))).relu().float()
        )
        return [*_summary(compared, segments == FIRST), *_summary(compared, segments == SECOND)]


class PooledClassifier(MixtureClassifier):
    """The mean and the maximum over a text of what is read of each subword."""

    def __init__(self, encoder: PreTrainedModel, labels: Labels) -> None:
        super().__init__(encoder, labels)
        self.read = nn.Linear(self.size, self.size)
        self._add_output(2 * self.size)

    def features(self, subwords: torch.Tensor, segments: torch.Tensor) -> list[torch.Tensor]:
        read = self.read(self.dropout(subwords)).relu().float()
        return _summary(read, segments == FIRST)


def _mixed(mix: torch.Tensor, layers: Sequence[torch.Tensor]) -> torch.Tensor:
    """The layers, scaled to the same size, in these shares before the softmax, (layers,)."""
    shares = zip(mix.softmax(0), layers, strict=True)
    return torch.stack([share * _scaled(layer) for share, layer in shares]).sum(0)


def _summary(values: torch.Tensor, inside: torch.Tensor) -> list[torch.Tensor]:
    """Mean and maximum, (rows, size) each, of values that are not negative, (rows, subwords, size),
    where `inside` (rows, subwords) is true."""
    inside = inside.unsqueeze(-1)
    chosen = values * inside
    return [chosen.sum(1) / inside.sum(1).clamp(min=1), chosen.amax(1)]


def _scaled(layer: torch.Tensor) -> torch.Tensor:
    """Vectors of root mean square 1."""
    layer = layer.float()
    return layer * (layer.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


def _features(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.cat([a, b, (a - b).abs(), a * b], -1)
