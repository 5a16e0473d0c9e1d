"""`encoder`: words are linked whose vectors in a multilingual encoder are most alike (SimAlign).

Needs no parallel text, but may learn from some first (awesome-align). With the encoder of a
translation model and `method: softmax` this is TransAlign (Ebing et al. 2025, arXiv 2510.27337).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from xlt.document.text import Text
from xlt.projection.align.base import AlignerOptions, WordPair
from xlt.projection.align.similarity import alike, cosines, nearness, stack
from xlt.projection.align.vectors import VectorAligner, VectorOptions
from xlt.projection.pair import Links

if TYPE_CHECKING:
    import torch

    from xlt.data.encode import EncodedWords
    from xlt.projection.align.vectors import Units


class EncoderOptions(VectorOptions):
    method: Literal["argmax", "itermax", "match", "softmax"] = Field(
        default="argmax",
        description="argmax: mutual best, most precise; itermax: more links; match: one to one; "
        "softmax: those that a softmax over the dot products gives at least `threshold`, both ways",
    )
    unit: Literal["piece", "word"] = Field(
        default="piece",
        description="what is compared; two words are linked where any two of their subwords are",
    )
    lexical: float | None = Field(
        default=None, ge=0, le=1e6,
        description="weight of how alike two words look, beside the similarity of their vectors; "
        "by default 0.2; not with softmax",
    )  # fmt: skip
    distortion: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="how much similarity counts less the further a link is from the diagonal; by "
        "default 1 for embeddings (layer 0), which know nothing of places, else 0; not with "
        "softmax",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="links below this similarity are left out; by default 0, with softmax 0.001",
    )

    @model_validator(mode="after")
    def _only_fine_tuning_reads_parallel_text(self) -> EncoderOptions:
        if self.parallel and self.fine_tune is None:
            raise ValueError(
                "an encoder learns from `parallel` only where it is fine-tuned; write "
                "`fine_tune: {}` beside it, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _softmax_knows_dot_products_alone(self) -> EncoderOptions:
        if self.method == "softmax" and (self.lexical or self.distortion):
            raise ValueError(
                "lexical and distortion change similarities, of which method: softmax knows "
                "nothing; leave them out, or choose another method"
            )
        return self


class Similarities(NamedTuple):
    """Of a pair: its number; the cosines (rows, columns) of its subwords; the word of each."""

    pair: int
    table: NDArray[np.float32]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]


class Encoder(VectorAligner):
    """Links by similarity of vectors. A link's score is that similarity, at most 1."""

    Options: ClassVar[type[AlignerOptions]] = EncoderOptions
    options: EncoderOptions
    learnt_with = frozenset({"method", "unit", "fine_tune"})

    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        all_links: list[Links] = [{} for _ in pairs]
        for chosen, *sides in self._batches(pairs, source, target):
            links = self._links([pairs[n] for n in chosen], *sides)
            for n, one in zip(chosen, links, strict=True):
                all_links[n] = one
        return all_links

    def similarities(
        self, pairs: Sequence[WordPair], source: str, target: str
    ) -> Iterator[Similarities]:
        """The cosines of the subwords of each pair that has words on both sides, in any order."""
        for chosen, *sides in self._batches(pairs, source, target):
            (x, rows), (y, columns) = (self._vectors(side) for side in sides)
            tables = cosines(x, y).cpu().numpy()
            for n, table, m, k, (_, one), (_, other) in zip(
                chosen, tables, rows.tolist(), columns.tolist(), *sides, strict=True
            ):
                yield Similarities(n, table[:m, :k], one, other)

    def _links(
        self,
        pairs: Sequence[WordPair],
        sources: Units,
        targets: Units,
    ) -> list[Links]:
        import torch

        owners = [stack([owner for _, owner in side]) for side in (sources, targets)]
        similarity, cells = self._matched(pairs, owners, *map(self._vectors, (sources, targets)))
        pair, row, column = (index.cpu().numpy() for index in torch.nonzero(cells, as_tuple=True))
        scores = similarity[cells].clamp(1e-6, 1.0).cpu().tolist()
        source_words = owners[0][pair, row].tolist()
        target_words = owners[1][pair, column].tolist()
        links: list[dict[tuple[int, int], float]] = [{} for _ in pairs]
        for n, i, j, score in zip(pair.tolist(), source_words, target_words, scores, strict=True):
            links[n][i, j] = max(score, links[n].get((i, j), 0.0))
        return list(links)

    def _matched(
        self,
        pairs: Sequence[WordPair],
        owners: Sequence[NDArray[np.int32]],
        source: tuple[torch.Tensor, torch.Tensor],
        target: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The similarity of every two units, (pairs, rows, columns), and which are linked."""
        import torch

        from xlt.projection.align.matching import extract, mutual_softmax

        (x, rows), (y, columns) = source, target
        threshold = self.options.threshold
        if self.options.method == "softmax":
            similarity = mutual_softmax(torch.bmm(x, y.transpose(1, 2)), rows, columns)
            return similarity, similarity > (0.001 if threshold is None else threshold)
        similarity = (cosines(x, y) + 1) / 2
        lexical = 0.2 if self.options.lexical is None else self.options.lexical
        if lexical:
            look = torch.from_numpy(alike(pairs, *owners)).to(similarity.device)
            similarity = similarity + lexical * look
        distortion = self.options.distortion
        if distortion is None:
            distortion = 0.0 if self.contextual else 1.0
        if distortion:
            similarity = similarity * nearness(similarity, rows, columns, distortion)
        cells = extract(similarity, rows, columns, self.options.method)
        return similarity, cells & (similarity >= (threshold or 0.0))

    def _scores(
        self, source: tuple[torch.Tensor, torch.Tensor], target: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        import torch

        from xlt.projection.align.fine_tuning import standardised

        (x, rows), (y, columns) = source, target
        if self.options.method == "softmax":
            return torch.bmm(x, y.transpose(1, 2))
        return standardised(cosines(x, y), rows, columns)

    def _encode(self, sentences: Sequence[Sequence[str]], language: str) -> Units:
        encoded = self._words(language)([Text.from_words(words) for words in sentences])
        if self.options.unit == "word":
            return [(one, np.arange(one.n_words, dtype=np.int32)) for one in encoded]
        return [_by_subword(one) for one in encoded]


def _by_subword(encoded: EncodedWords) -> tuple[EncodedWords, NDArray[np.int32]]:
    """The same windows with every subword as a unit of its own, and each subword's word."""
    from dataclasses import replace

    word_of, owners, number = [], [], 0
    for window in encoded.word_of:
        own = window >= 0
        numbered = np.full_like(window, -1)
        numbered[own] = np.arange(number, number + own.sum(), dtype=np.int32)
        number += int(own.sum())
        word_of.append(numbered)
        owners.append(window[own])
    return replace(encoded, word_of=tuple(word_of), n_words=number), np.concatenate(owners)
