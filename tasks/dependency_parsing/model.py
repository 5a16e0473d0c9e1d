"""A biaffine parser over word vectors (Dozat and Manning 2017, arXiv 1611.01734)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.data.encode import pool_words
from xlt.model.layers import Biaffine, BiLstm, SharedDropout, mlp
from xlt.model.task_model import TaskModel, summed_cross_entropy
from xlt.task import Labels

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from . import DependencyParsing


class Parser(TaskModel):
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

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        word_index: torch.Tensor,
        word_mask: torch.Tensor,
        upos: torch.Tensor | None = None,
        characters: torch.Tensor | None = None,
        relations: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Score the arcs of each sentence, or return the loss.

        Shapes are those of `collate_words`; upos, relations and labels (the heads) (sentences,
        words), characters (sentences, words, 20), weights (sentences,).

        Returns arcs: log-probabilities (sentences, 1 + words, 1 + words) of head given word, row
        and column 0 the root; and the rest of `graph`, from which `decoding` scores the relations
        of a tree's arcs only; or the loss, with labels.
        """
        scored = self.graph(input_ids, attention_mask, word_index, word_mask, upos, characters)
        arcs = scored["arcs"].float()
        heads_possible = nn.functional.pad(word_mask, (1, 0), value=True)
        diagonal = torch.eye(arcs.shape[1], dtype=torch.bool, device=arcs.device)
        arcs = arcs.masked_fill(~heads_possible.unsqueeze(1) | diagonal, -1e9)
        if labels is not None:
            assert relations is not None
            known, heads = labels.clamp(min=0), scored["heads"]
            of_head = heads.gather(1, known.unsqueeze(-1).expand(-1, -1, heads.shape[-1]))
            scores = self.relation.paired(scored["dependents"], of_head)
            gold = relations.masked_fill(labels == IGNORED, IGNORED)
            total = summed_cross_entropy(arcs[:, 1:], labels, num_items_in_batch, weights)
            total = total + summed_cross_entropy(scores, gold, num_items_in_batch, weights)
            return {"loss": total}
        return {**scored, "arcs": arcs.log_softmax(-1)}

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
