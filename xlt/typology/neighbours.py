"""NN-Rank (Ebrahimi et al. 2025, EMNLP): whose subwords are nearest to the target's in the encoder.

The target's sentences and the candidates' are put through the very encoder that will be trained;
for each subword of the target the `MAX_NEIGHBOURS` most similar subwords of all candidates are
found, and a candidate's score is its share of them. As in the authors' code the layer is two thirds
up (8 of 12); vectors are compared by their cosine, where it takes the inner product. Every
candidate gives as many subwords as the others, or the largest would have the most neighbours.

Imports torch: only where a text and an encoder are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.config.schema import Model
from xlt.model.backbone import Backbone

if TYPE_CHECKING:
    import torch

MAX_NEIGHBOURS = 5
"""Of each subword of the target: fewer only where the candidates have fewer subwords."""
DEPTH = 2 / 3
BATCH = 16
"""Sentences."""
MAX_SUBWORDS = 2000
"""Of a candidate, and of the target; beyond it a drawn sample, with a seed of its own."""
CHUNK = 512
"""Subwords of the target compared at once: what is held is CHUNK × all candidates' subwords."""


class Encoder:
    """A pretrained encoder and its tokenizer.

    name: a hub id, a folder or `xlt-mini`. Raises XltError when it is first used and cannot be
        found or read.
    """

    def __init__(self, name: str) -> None:
        self.backbone = Backbone(name, Model(encoder=name))

    def subwords(self, sentences: Iterable[str]) -> Counter[int]:
        """Ids of subwords, and how often each occurs."""
        encoded = self.backbone.subwords(list(sentences))
        return Counter(subword for line in encoded for subword in line.tolist())

    def neighbours(
        self, sentences: Sequence[str], texts: Mapping[str, Sequence[str]]
    ) -> dict[str, float]:
        """Language → its share of the nearest neighbours of the target's subwords."""
        import torch

        codes = list(texts)
        vectors = [self.vectors(texts[code]) for code in codes]
        fewest = min([MAX_SUBWORDS, *(len(subwords) for subwords in vectors if len(subwords))])
        vectors = [_sample(subwords, fewest) for subwords in vectors]
        owner = torch.repeat_interleave(
            torch.arange(len(codes)), torch.tensor([len(subwords) for subwords in vectors])
        )
        every = torch.cat(vectors)
        counts = torch.zeros(len(codes))
        if len(every):
            for own in _sample(self.vectors(sentences), MAX_SUBWORDS).split(CHUNK):
                nearest = (own @ every.T).topk(min(MAX_NEIGHBOURS, len(every)), dim=1).indices
                counts += torch.bincount(owner[nearest].flatten(), minlength=len(codes))
        shares = (counts / counts.sum().clamp(min=1)).tolist()
        return dict(zip(codes, shares, strict=True))

    def vectors(self, sentences: Sequence[str]) -> torch.Tensor:
        """Unit vectors of all subwords but the special ones, the shortest sentence's first.

        Shape (subwords, hidden).
        """
        import torch
        from torch.nn.functional import normalize

        from xlt.data.prompt import pad_rows

        model, words, pad = self._model, self.backbone.words, self.backbone.pad_id
        batches = [torch.zeros(0, int(model.config.hidden_size))]
        ordered = sorted(sentences, key=len)  # alike in length, so that little is padding
        before = len(words.prefix)
        with torch.inference_mode():
            for start in range(0, len(ordered), BATCH):
                own = [ids[: words.room] for ids in words.subwords(ordered[start : start + BATCH])]
                rows = [np.concatenate([words.prefix, ids, words.suffix]) for ids in own]
                lengths, read = (torch.tensor([[len(r)] for r in rs]) for rs in (own, rows))
                ids = pad_rows(rows, pad, int(read.max()))
                place = torch.arange(ids.shape[1])
                states = model(
                    input_ids=ids, attention_mask=(place < read).long(), output_hidden_states=True
                )
                inside = (place >= before) & (place < before + lengths)
                batches.append(states.hidden_states[self._layer][inside].float())
        return normalize(torch.cat(batches), dim=-1)

    @cached_property
    def _model(self) -> Any:
        return self.backbone.encoder().eval()

    @cached_property
    def _layer(self) -> int:
        config = self._model.config
        return round(DEPTH * int(config.num_hidden_layers))


def _sample(vectors: torch.Tensor, most: int) -> torch.Tensor:
    """At most so many rows, drawn with a fixed seed, in their order."""
    import torch

    if len(vectors) <= most:
        return vectors
    drawn = np.random.default_rng(0).permutation(len(vectors))[:most]
    return vectors[torch.from_numpy(np.sort(drawn))]
