"""Two extractors over one encoder: a pipeline that reads every trigger anew, and a joint one.

Both tag entities and triggers word by word. The roles of a trigger's arguments are tagged, too:
by the pipeline over a second reading of the sentence with the trigger marked (Zubillaga et al.
2024, arXiv 2404.06392, who train three such models apart), by the joint model with a biaffine
score of trigger and word (Dozat and Manning 2017, arXiv 1611.01734) over the first reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from xlt.data.encode import pool_words
from xlt.model.choosing import Choices, ChoosingModel, Classifying
from xlt.model.layers import Biaffine, BiLstm, SharedDropout, mlp
from xlt.model.task_model import grow_linear
from xlt.task import Labels

from .extracting import outputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from . import EventExtraction


class Extractor(ChoosingModel):
    """Tags entities and triggers, which both models share with the loss."""

    def __init__(
        self, encoder: PreTrainedModel, labels: Labels, options: EventExtraction.Options
    ) -> None:
        super().__init__(encoder, labels)
        self.options = options
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

    def choices(self, labels: torch.Tensor, **batch: torch.Tensor) -> list[Choices]:
        """Return the tags of entities, level by level, of triggers, and of roles of those given.

        labels: ((levels + 1) sentences + given, words), in this order; the others as of
        `predicted`.
        """
        triggers, units = batch["triggers"], self.units(**batch)
        sentences = units[: len(batch["word_mask"])]
        scores = [*(level(sentences) for level in self.entities), self.trigger(sentences)]
        *tags, roles = labels.split([*(len(one) for one in scores), len(triggers)])
        layers = ["entity"] * len(self.entities) + ["trigger"]
        return [
            *map(Choices, layers, scores, tags),
            Choices("role", self.roles_of_given(units, sentences, triggers), roles, triggers[:, 0]),
        ]

    def classifying(self, **batch: torch.Tensor) -> list[Classifying]:
        """Return each word, by which triggers and entities are told, level by level; not the
        arguments, whose trigger is chosen before."""
        mask = batch["word_mask"]
        words = self.units(**batch)[: len(mask)][mask]
        layers = [*(("entity", "entities", one) for one in self.entities)]
        layers.append(("trigger", "triggers", self.trigger))
        return [
            Classifying(layer, cast(nn.Linear, linear), words)
            for layer, part, linear in layers
            if part in self.options.parts
        ]

    def units(self, **batch: torch.Tensor) -> torch.Tensor:
        """Return word vectors of the sentences and, behind them, of those that are marked for a
        trigger that is given (pipeline)."""
        word_mask, triggers = batch["word_mask"], batch["triggers"]
        pipeline = self.options.model == "pipeline"
        mask = torch.cat([word_mask, word_mask[triggers[:, 0]]]) if pipeline else word_mask
        return self.words(batch["input_ids"], batch["attention_mask"], batch["word_index"], mask)

    def predicted(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Score all tags, as `extracting.outputs` does.

        Shapes are those of `word_arrays`, for the sentences and (pipeline) the marked ones behind
        them; word_mask (sentences, words); triggers (given, 3) as `extracting.BatchRange`;
        frame_input_ids and frame from `Frame.packed`.
        """
        arrays = {name: tensor.cpu().numpy() for name, tensor in batch.items()}
        found = outputs(self.network, arrays, self.labels, self.options)
        return {name: torch.from_numpy(array) for name, array in found.items()}

    def graph(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Read sentences, marked or not, each with a row of word_mask (sentences, words).

        entity (levels, sentences, words, tags), trigger (sentences, words, tags): scores before the
        softmax; and what `extracting` scores roles by.
        """
        words = self.words(input_ids, attention_mask, word_index, word_mask)
        return {
            "entity": torch.stack([level(words) for level in self.entities]),
            "trigger": self.trigger(words),
            **self.for_roles(words),
        }

    def for_roles(self, words: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what `extracting` scores roles by, of words (sentences, words, size)."""
        raise NotImplementedError

    def roles_of_given(
        self, units: torch.Tensor, sentences: torch.Tensor, triggers: torch.Tensor
    ) -> torch.Tensor:
        """Return scores (given, words, tags), to learn from."""
        raise NotImplementedError

    def words(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
    ) -> torch.Tensor:
        """Return word vectors (sentences, words, size)."""
        subwords = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        words: torch.Tensor = self.dropout(pool_words(subwords, word_index, word_mask))
        if self.context is not None:
            words = self.dropout(self.context(words, word_mask.sum(1)))
        return words

    def grow(self, labels: Labels) -> None:
        """Add outputs for new types; old ones keep their ids and weights."""
        self.entities = nn.ModuleList(
            grow_linear(cast(nn.Linear, level), len(labels["entity"])) for level in self.entities
        )
        self.trigger = grow_linear(self.trigger, len(labels["trigger"]))
        self.labels = dict(labels)


class Pipeline(Extractor):
    """Reads the sentence again for each trigger, all triggers of a batch together."""

    def __init__(
        self, encoder: PreTrainedModel, labels: Labels, options: EventExtraction.Options
    ) -> None:
        super().__init__(encoder, labels, options)
        self.role = nn.Linear(self.size, len(labels["role"]))

    def roles_of_given(
        self, units: torch.Tensor, sentences: torch.Tensor, triggers: torch.Tensor
    ) -> torch.Tensor:
        """Score the words of the marked sentences, which `units` has after the others."""
        scores: torch.Tensor = self.role(units[len(sentences) :])
        return scores

    def for_roles(self, words: torch.Tensor) -> dict[str, torch.Tensor]:
        """role: scores (sentences, words, tags), of sentences with a marked trigger."""
        return {"role": self.role(words)}

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

    def for_roles(self, words: torch.Tensor) -> dict[str, torch.Tensor]:
        """role_trigger and role_word (sentences, words, role_size), role_weight (tags, role_size +
        1, role_size + 1): what the biaffine layer multiplies.

        role_trigger lacks the activation: a trigger's words are averaged before it, which a linear
        layer may come before as well as after.
        """
        linear = cast(nn.Sequential, self.of_trigger)[0]
        return {
            "role_trigger": linear(words),
            "role_word": self.of_word(words),
            "role_weight": self.role.weight.detach(),
        }

    def grow(self, labels: Labels) -> None:
        """Add outputs for new types and roles."""
        super().grow(labels)
        self.role = self.role.grown(len(labels["role"]))


MODELS: dict[str, type[Extractor]] = {"pipeline": Pipeline, "joint": Joint}
