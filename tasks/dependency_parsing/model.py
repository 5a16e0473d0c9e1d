"""A biaffine parser over word vectors (Dozat and Manning 2017, arXiv 1611.01734)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.data.encode import pool_words
from xlt.model.choosing import IMPOSSIBLE, Choices, ChoosingModel
from xlt.model.layers import Biaffine, BiLstm, SharedDropout, mlp
from xlt.task import Labels

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from . import DependencyParsing


class Parser(ChoosingModel):
    """Scores arcs and relations of word vectors.

    A word's vector is the mean of its subwords; characters, UPOS and an LSTM over the words add to
    it where the options ask for them. The root is a learnt vector in front of the words.
    """

    def __init__(
        self, encoder: PreTrainedModel, labels: Labels, options: DependencyParsing.Options
    ) -> None:
        super().__init__(encoder, labels)
        from .inventory import UPOS
        from .layers import Characters

        size = encoder.config.hidden_size
        self.upos_dropout, self.piece_dropout = options.upos_dropout, options.piece_dropout
        self.characters = Characters(options.characters) if options.characters else None
        size += options.characters
        self.upos = (
            nn.Embedding(len(UPOS) + 1, options.upos_size) if options.upos == "gold" else None
        )
        size += options.upos_size if self.upos else 0
        self.root = nn.Parameter(torch.randn(size) * 0.02)
        self.dropout = SharedDropout(options.dropout)
        self.context = (
            BiLstm(size, options.layer_size, options.layers, options.dropout)
            if options.layers
            else None
        )
        size = 2 * options.layer_size if options.layers else size
        self.arc_dependent = mlp(size, options.arc_size, options.dropout)
        self.arc_head = mlp(size, options.arc_size, options.dropout)
        self.relation_dependent = mlp(size, options.relation_size, options.dropout)
        self.relation_head = mlp(size, options.relation_size, options.dropout)
        self.arc = Biaffine(options.arc_size, 1)
        self.relation = Biaffine(options.relation_size, len(labels["relation"]))

    def choices(self, labels: torch.Tensor, **batch: torch.Tensor) -> list[Choices]:
        """Return each word's head, and its relation to the head that the labels say.

        labels: the heads (sentences, words); relations as they are; the others as of `predicted`.
        """
        relations = batch.pop("relations")
        scored = self.graph(**batch)
        arcs = possible(scored["arcs"], batch["word_mask"])
        known, heads = labels.clamp(min=0), scored["heads"]
        of_head = heads.gather(1, known.unsqueeze(-1).expand(-1, -1, heads.shape[-1]))
        scores = self.relation.paired(scored["dependents"], of_head)
        gold = relations.masked_fill(labels == IGNORED, IGNORED)
        return [Choices(None, arcs[:, 1:], labels), Choices("relation", scores, gold)]

    def predicted(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Score the arcs of each sentence; a batch is as `graph` takes it.

        Returns arcs: log-probabilities (sentences, 1 + words, 1 + words) of head given word, row
        and column 0 the root; and the rest of `graph`, from which `decoding` scores the relations
        of a tree's arcs only.
        """
        batch.pop("relations", None)  # of a batch that was made with labels
        scored = self.graph(**batch)
        return {**scored, "arcs": possible(scored["arcs"], batch["word_mask"]).log_softmax(-1)}

    def graph(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
        upos: torch.Tensor | None = None,
        characters: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Score the arcs, and read what scores their relations.

        Shapes are those of `collate_words`; upos (sentences, words), characters (sentences, words,
        20).

        arcs: scores (sentences, 1 + words, 1 + words) before the softmax, of impossible arcs, too.
        dependents (sentences, words, size), heads (sentences, 1 + words, size), relation_weight
        (relations, size + 1, size + 1): what the relations' biaffine layer multiplies.
        """
        words = self._words(input_ids, attention_mask, word_index, word_mask, upos, characters)
        return {
            "arcs": self.arc(self.arc_dependent(words), self.arc_head(words)).squeeze(1),
            "dependents": self.relation_dependent(words)[:, 1:],
            "heads": self.relation_head(words),
            "relation_weight": self.relation.weight.detach(),
        }

    def _words(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
        upos: torch.Tensor | None,
        characters: torch.Tensor | None,
    ) -> torch.Tensor:
        """(sentences, 1 + words, size), the root first."""
        subwords = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        if self.training and self.piece_dropout:
            hidden = torch.rand(word_index.shape, device=word_index.device) < self.piece_dropout
            word_index = word_index.masked_fill(hidden, -1)
        words = pool_words(subwords, word_index, word_mask)
        if self.characters is not None:
            assert characters is not None
            words = torch.cat([words, self.characters(characters).to(words.dtype)], -1)
        if self.upos is not None:
            assert upos is not None
            if self.training and self.upos_dropout:
                hidden = torch.rand(upos.shape, device=upos.device) < self.upos_dropout
                upos = upos.masked_fill(hidden, 0)
            words = torch.cat([words, self.upos(upos).to(words.dtype)], -1)
        root = self.root.to(words.dtype).expand(word_mask.shape[0], 1, -1)
        result: torch.Tensor = self.dropout(torch.cat([root, words], 1))
        if self.context is not None:
            result = self.dropout(self.context(result, 1 + word_mask.sum(1)))
        return result

    def grow(self, labels: Labels) -> None:
        """Add outputs for new relations; old ones keep their ids and weights."""
        self.relation = self.relation.grown(len(labels["relation"]))
        self.labels = dict(labels)


def possible(arcs: torch.Tensor, word_mask: torch.Tensor) -> torch.Tensor:
    """Score arcs (sentences, 1 + words, 1 + words) so that no word is its own head, and none has a
    head beyond its sentence, (sentences, words)."""
    heads = nn.functional.pad(word_mask, (1, 0), value=True)
    diagonal = torch.eye(arcs.shape[1], dtype=torch.bool, device=arcs.device)
    return arcs.float().masked_fill(~heads.unsqueeze(1) | diagonal, IMPOSSIBLE)
