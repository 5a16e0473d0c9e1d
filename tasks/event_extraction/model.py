"""Two extractors over one encoder: a pipeline that reads every trigger anew, and a joint one.

Both tag entities and triggers word by word. The roles of a trigger's arguments are tagged, too:
by the pipeline over a second reading of the sentence with the trigger marked (Zubillaga et al.
2024, arXiv 2404.06392, who train three such models apart), by the joint model with a biaffine
score of trigger and word (Dozat and Manning 2017, arXiv 1611.01734) over the first reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.data.encode import collate_words, pool_words
from xlt.model.layers import Biaffine, BiLstm, SharedDropout, mlp
from xlt.model.task_model import TaskModel, grow_linear, summed_cross_entropy
from xlt.task import Labels

from .decoding import decode_spans
from .marking import Frame, marked_in_batch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from . import EventExtraction

WordRange = tuple[int, int, int]
"""Sentence of the batch, first word, last word + 1."""


class Extractor(TaskModel):
    """Tags entities and triggers, which both models share with the loss."""

    def __init__(
        self, encoder: PreTrainedModel, labels: Labels, options: EventExtraction.Options
    ) -> None:
        super().__init__(encoder, labels)
        self.parts = frozenset(options.parts)
        size = encoder.config.hidden_size
        self.dropout = SharedDropout(options.dropout)
        self.context = (
            BiLstm(size, options.layer_size, options.layers, options.dropout)
            if options.layers
            else None
        )
        self.size = 2 * options.layer_size if options.layers else size
        self.entities = nn.ModuleList(
            nn.Linear(self.size, len(labels["entity"])) for _ in range(options.levels)
        )
        self.trigger = nn.Linear(self.size, len(labels["trigger"]))

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
        triggers: torch.Tensor,
        frame_input_ids: torch.Tensor,
        frame: torch.Tensor,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Score all tags, or return the loss.

        Shapes are those of `collate_words`, for the sentences and (pipeline) the marked ones behind
        them; word_mask (sentences, words); triggers (given, 3) as in `WordRange`; frame_input_ids
        and frame from `Frame.packed`; labels ((levels + 1) sentences + given, words): tags of
        entities, level by level, of triggers, of roles; weights (sentences,).

        Returns log-probabilities: entity (levels, sentences, words, tags), trigger (sentences,
        words, tags), role (events, words, tags); and events (events, 3): the given triggers, then
        those predicted besides. Or the loss, with labels.
        """
        units = self._read(input_ids, attention_mask, word_index, word_mask, triggers)
        sentences = units[: len(word_mask)]
        entities = [level(sentences) for level in self.entities]
        trigger = self.trigger(sentences)
        given = self.roles_of_given(units, sentences, triggers)
        if labels is not None:
            return {"loss": self._loss([*entities, trigger, given], labels, num_items_in_batch,
                                       weights, triggers)}  # fmt: skip
        trigger = trigger.float().log_softmax(-1)
        predicted = self._predicted_triggers(trigger, word_mask, triggers)
        rows = Rows(input_ids, word_index, word_mask, frame_input_ids, frame)
        roles = torch.cat([given, self.roles_of_predicted(rows, sentences, predicted)])
        places = torch.tensor(predicted, dtype=torch.long, device=triggers.device).view(-1, 3)
        return {
            "entity": torch.stack(entities).float().log_softmax(-1),
            "trigger": trigger,
            "role": roles.float().log_softmax(-1),
            "events": torch.cat([triggers, places]),
        }

    def roles_of_given(
        self, units: torch.Tensor, sentences: torch.Tensor, triggers: torch.Tensor
    ) -> torch.Tensor:
        """Return scores (given, words, tags)."""
        raise NotImplementedError

    def roles_of_predicted(
        self, rows: Rows, sentences: torch.Tensor, predicted: Sequence[WordRange]
    ) -> torch.Tensor:
        """Return scores (predicted, words, tags)."""
        raise NotImplementedError

    def _read(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
        triggers: torch.Tensor,
    ) -> torch.Tensor:
        """Word vectors (sentences + marked, words, size)."""
        mask = torch.cat([word_mask, word_mask[triggers[:, 0]]])[
            : len(word_mask) + self._marked(triggers)
        ]
        subwords = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        words: torch.Tensor = self.dropout(pool_words(subwords, word_index, mask))
        if self.context is not None and len(words):
            words = self.dropout(self.context(words, mask.sum(1)))
        return words

    def _marked(self, triggers: torch.Tensor) -> int:
        """How many of the given triggers the batch has a marked sentence for."""
        return 0

    def _predicted_triggers(
        self, scores: torch.Tensor, word_mask: torch.Tensor, given: torch.Tensor
    ) -> list[WordRange]:
        """The triggers that the scores say, but for the given ones."""
        if not {"triggers", "arguments"} <= self.parts:
            return []
        spans = decode_spans(
            scores.detach().cpu().numpy(), word_mask.cpu().numpy(), self.labels["trigger"]
        )
        known = {tuple(place) for place in given.tolist()}
        places = [(s, a, b) for s, of_sentence in enumerate(spans) for _, a, b in of_sentence]
        return [place for place in places if place not in known]

    def _loss(
        self,
        scores: Sequence[torch.Tensor],
        labels: torch.Tensor,
        num_items: torch.Tensor | int | None,
        weights: torch.Tensor | None,
        triggers: torch.Tensor,
    ) -> torch.Tensor:
        if num_items is None:
            num_items = (labels != IGNORED).sum()
        total = torch.zeros((), device=labels.device)
        for one, gold in zip(scores, labels.split([len(one) for one in scores]), strict=True):
            weight = weights
            if weights is not None and one is scores[-1]:
                weight = weights[triggers[:, 0]]
            total = total + summed_cross_entropy(one, gold, num_items, weight)
        return total

    def grow(self, labels: Labels) -> None:
        """Add outputs for new types; old ones keep their ids and weights."""
        self.entities = nn.ModuleList(
            grow_linear(cast(nn.Linear, level), len(labels["entity"])) for level in self.entities
        )
        self.trigger = grow_linear(self.trigger, len(labels["trigger"]))
        self.labels = dict(labels)


class Rows:
    """Holds the part of a batch from which sentences are marked."""

    def __init__(self, *tensors: torch.Tensor) -> None:
        self.input_ids, self.word_index, self.word_mask, self.frame_ids, self.frame = tensors


class Pipeline(Extractor):
    """Reads the sentence again for each trigger, all triggers of a batch together."""

    def __init__(
        self, encoder: PreTrainedModel, labels: Labels, options: EventExtraction.Options
    ) -> None:
        super().__init__(encoder, labels, options)
        self.role = nn.Linear(self.size, len(labels["role"]))

    def _marked(self, triggers: torch.Tensor) -> int:
        return len(triggers)

    def roles_of_given(
        self, units: torch.Tensor, sentences: torch.Tensor, triggers: torch.Tensor
    ) -> torch.Tensor:
        """Score the words of the marked sentences, which `units` has after the others."""
        scores: torch.Tensor = self.role(units[len(sentences) :])
        return scores

    def roles_of_predicted(
        self, rows: Rows, sentences: torch.Tensor, predicted: Sequence[WordRange]
    ) -> torch.Tensor:
        """Mark each predicted trigger in its sentence, read all of these again and score them."""
        width, device = rows.word_mask.shape[1], rows.input_ids.device
        scores = sentences.new_zeros(len(predicted), width, self.role.out_features)
        frame = Frame.unpacked(rows.frame_ids.cpu().numpy(), rows.frame.cpu().numpy())
        ids = rows.input_ids.cpu().numpy()
        index = rows.word_index.cpu().numpy().copy()
        lengths = rows.word_mask.sum(1).tolist()
        index[index >= len(lengths) * width] = -1  # sentences that are marked already
        marked = marked_in_batch(ids, index, lengths, width, predicted, frame)
        for part in _parts([words.length for words in marked], budget=max(ids.size, 1)):
            batch = {
                name: tensor.to(device)
                for name, tensor in collate_words([marked[i] for i in part], frame.pad).items()
            }
            mask = batch["word_mask"]
            words = self._read(**batch, triggers=rows.word_mask.new_zeros(0, 3, dtype=torch.long))
            scores[part, : mask.shape[1]] = self.role(words).to(scores.dtype)
        return scores

    def grow(self, labels: Labels) -> None:
        """Add outputs for new types and roles."""
        super().grow(labels)
        self.role = grow_linear(self.role, len(labels["role"]))


class Joint(Extractor):
    """Scores trigger and word against each other, from one reading of the sentence."""

    def __init__(
        self, encoder: PreTrainedModel, labels: Labels, options: EventExtraction.Options
    ) -> None:
        super().__init__(encoder, labels, options)
        self.of_trigger = mlp(self.size, options.role_size, options.dropout)
        self.of_word = mlp(self.size, options.role_size, options.dropout)
        self.role = Biaffine(options.role_size, len(labels["role"]))

    def roles_of_given(
        self, units: torch.Tensor, sentences: torch.Tensor, triggers: torch.Tensor
    ) -> torch.Tensor:
        """Score each word of a trigger's sentence against the mean of the trigger's words."""
        positions = torch.arange(sentences.shape[1], device=sentences.device)
        inside = (positions >= triggers[:, 1:2]) & (positions < triggers[:, 2:])
        share = (inside / inside.sum(1, keepdim=True)).to(sentences.dtype)
        around = sentences[triggers[:, 0]]
        vectors = torch.bmm(share.unsqueeze(1), around)  # the mean of the trigger's words
        words = self.of_word(sentences)[triggers[:, 0]]
        scores: torch.Tensor = self.role(self.of_trigger(vectors), words)
        return scores.squeeze(2).transpose(1, 2)

    def roles_of_predicted(
        self, rows: Rows, sentences: torch.Tensor, predicted: Sequence[WordRange]
    ) -> torch.Tensor:
        """Score predicted triggers just as given ones."""
        places = torch.tensor(predicted, dtype=torch.long, device=sentences.device).view(-1, 3)
        return self.roles_of_given(sentences, sentences, places)

    def grow(self, labels: Labels) -> None:
        """Add outputs for new types and roles."""
        super().grow(labels)
        self.role = self.role.grown(len(labels["role"]))


MODELS: dict[str, type[Extractor]] = {"pipeline": Pipeline, "joint": Joint}


def _parts(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Positions in batches of about `budget` subwords, similar lengths together."""
    from xlt.data.batch import prediction_batches

    return [np.asarray(part).tolist() for part in prediction_batches(lengths, budget)]
