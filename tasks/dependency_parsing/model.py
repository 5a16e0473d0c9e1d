"""A biaffine parser over word vectors (Dozat and Manning 2017, arXiv 1611.01734)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xlt.data.batch import IGNORED
from xlt.data.encode import pool_words
from xlt.model.layers import Biaffine, BiLstm, SharedDropout, mlp, paired_scores
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
        and column 0 the root; dependents, heads and relation_weight, from which `relations_of`
        scores the relations of a tree's arcs only; or the loss, with labels.
        """
        words = self._words(input_ids, attention_mask, word_index, word_mask, upos, characters)
        arcs = self.arc(self.arc_dependent(words), self.arc_head(words)).squeeze(1).float()
        heads_possible = nn.functional.pad(word_mask, (1, 0), value=True)
        diagonal = torch.eye(arcs.shape[1], dtype=torch.bool, device=arcs.device)
        arcs = arcs.masked_fill(~heads_possible.unsqueeze(1) | diagonal, -1e9)
        dependents, heads = self.relation_dependent(words), self.relation_head(words)
        if labels is not None:
            assert relations is not None
            known = labels.clamp(min=0)
            of_head = heads.gather(1, known.unsqueeze(-1).expand(-1, -1, heads.shape[-1]))
            scores = self.relation.paired(dependents[:, 1:], of_head)
            gold = relations.masked_fill(labels == IGNORED, IGNORED)
            total = summed_cross_entropy(arcs[:, 1:], labels, num_items_in_batch, weights)
            total = total + summed_cross_entropy(scores, gold, num_items_in_batch, weights)
            return {"loss": total}
        return {
            "arcs": arcs.log_softmax(-1),
            "dependents": dependents[:, 1:],
            "heads": heads,
            "relation_weight": self.relation.weight,
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
        root = self.root.to(words.dtype).expand(len(words), 1, -1)
        result: torch.Tensor = self.dropout(torch.cat([root, words], 1))
        if self.context is not None:
            result = self.dropout(self.context(result, 1 + word_mask.sum(1)))
        return result

    def grow(self, labels: Labels) -> None:
        """Add outputs for new relations; old ones keep their ids and weights."""
        self.relation = self.relation.grown(len(labels["relation"]))
        self.labels = dict(labels)


def relations_of(
    trees: NDArray[Any], outputs: Mapping[str, torch.Tensor], root: int
) -> NDArray[np.int64]:
    """Choose the best relation of every word to its head.

    trees: heads (sentences, words) with -1 beyond a sentence's end; root: id of that relation,
        which the root's dependent always has and no other word may have.
    Returns ids, (sentences, words).
    """
    return np.where(trees == 0, root, relation_scores(trees, outputs, root).argmax(-1).numpy())


def relation_scores(
    trees: NDArray[Any], outputs: Mapping[str, torch.Tensor], root: int
) -> torch.Tensor:
    """Score the relations of every word to its head, but that of the root.

    Arguments as of `relations_of`. Returns (sentences, words, relations): log-probabilities, of an
    ensemble their sum.
    """
    heads = torch.from_numpy(np.maximum(trees, 0).astype(np.int64))
    vectors = [outputs[k] for k in ("dependents", "heads", "relation_weight")]
    members = [vectors] if vectors[0].ndim == 3 else zip(*vectors, strict=True)
    total: torch.Tensor | float = 0.0
    for dependents, candidates, weight in members:  # more than one in an ensemble
        of_head = candidates.gather(1, heads.unsqueeze(-1).expand(-1, -1, candidates.shape[-1]))
        total = total + paired_scores(dependents, of_head, weight).log_softmax(-1)
    assert isinstance(total, torch.Tensor)
    total[..., root] = -torch.inf
    return total
