"""`combined`: what `agreement` and an encoder say of each pair of words, in one log-linear model.

The two err differently: the one counts which words go together, the other reads each in its
sentence. A link's log-odds are a weighted sum of four values (`evidence`), and its score is that
probability. One set of weights serves all languages. Ayan & Dorr 2006 (NAACL, "A maximum entropy
approach to combining word alignments"); Liu, Liu & Lin 2005 (ACL, "Log-linear models for word
alignment").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax

from xlt.options import LocalPath
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.align.base import AlignerOptions, WordPair
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.projection.align.similarity import SHARPNESS
from xlt.projection.align.vectors import VectorOptions
from xlt.projection.pair import Links
from xlt.registry import E5_SMALL

Floats = NDArray[np.float32]


class Weights(NamedTuple):
    """Of the four values of `evidence`, and what is added to their sum."""

    agreement: float
    softmax: float
    margin: float
    distance: float
    bias: float


CONTEXTUAL = Weights(2.049, 0.185, 0.211, -5.669, -0.397)
"""For vectors of words in their sentence; fitted with e5-small, layer 8."""

EMBEDDINGS = Weights(4.180, 0.060, 0.182, -7.247, -1.267)
"""For vectors that know nothing of the sentence (layer 0), which say less; fitted with xlt-mini.

Both: `python -m scripts.benchmark_projection weights`, on the dev parts of XL-WA without Italian.
"""

MIN_PROBABILITY = 1e-4
"""Softmaxes are taken to be at least this, and at most 1 minus it."""
MIN_POSTERIOR = 1e-3
"""What `agreement` says of a pair of words counts as 0 below it."""


class CombinedOptions(AgreementOptions, VectorOptions):
    threshold: float = Field(default=0.4, gt=0, lt=1, description="links below it are left out")
    encoder: Annotated[str, LocalPath("existing")] = Field(
        default=E5_SMALL, description="a Hugging Face model id, a folder, `e5-small` or `xlt-mini`"
    )


class Combined(Agreement):
    """Aligns by `agreement`, which may learn from parallel text, and by an encoder."""

    Options: ClassVar[type[AlignerOptions]] = CombinedOptions
    options: CombinedOptions
    min_score = MIN_POSTERIOR

    def learn_from(self, pairs: Iterable[WordPair]) -> None:
        pairs = list(pairs)
        super().learn_from(pairs)
        self._encoder.learn_from(pairs)

    def check(self, source: str, target: str) -> None:
        self._encoder.check(source, target)

    def identity(self, source: str, target: str) -> str:
        own = (*self.weights, SHARPNESS, MIN_PROBABILITY, MIN_POSTERIOR)
        return f"{super().identity(source, target)} {own} {self._encoder.identity(source, target)}"

    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        links: list[Links] = [{} for _ in pairs]
        for n, values in self.evidence(pairs, source, target):
            score = probability(values, self.weights)
            i, j = np.nonzero(score > self.options.threshold)
            found = zip(i.tolist(), j.tolist(), strict=True)
            links[n] = dict(zip(found, score[i, j].tolist(), strict=True))
        return links

    def evidence(
        self, pairs: Sequence[WordPair], source: str, target: str
    ) -> Iterator[tuple[int, Floats]]:
        """The number of each pair that has words on both sides, and what is known of its words:
        (source words, target words, 4), in the order of `Weights`."""
        counted = super().align(pairs, source, target)
        for n, table, rows, columns in self._encoder.similarities(pairs, source, target):
            shape = len(pairs[n][0]), len(pairs[n][1])
            yield n, np.stack([_table(counted[n], shape), *_seen(table, rows, columns, shape),
                               _distance(shape)], axis=-1)  # fmt: skip

    @property
    def weights(self) -> Weights:
        """Those for vectors of the encoder's kind."""
        return CONTEXTUAL if self._encoder.contextual else EMBEDDINGS

    @cached_property
    def _encoder(self) -> Encoder:
        own = self.options.model_dump(include=set(VectorOptions.model_fields))
        if self.options.fine_tune is None:  # then `agreement` alone learns from parallel text
            own.pop("parallel")
        return Encoder(EncoderOptions(**own))


def probability(values: Floats, weights: Weights) -> NDArray[np.float64]:
    """Of each link, (rows, columns), from the values of `evidence`."""
    log_odds = values @ np.array(weights[:-1]) + weights.bias
    result: NDArray[np.float64] = 1 / (1 + np.exp(-log_odds))
    return result


def _table(links: Links, shape: tuple[int, int]) -> Floats:
    table = np.zeros(shape, np.float32)
    for (i, j), score in links.items():
        table[i, j] = score
    return table


def _seen(
    similarity: Floats, rows: NDArray[np.int32], columns: NDArray[np.int32], shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """What the similarities of subwords say of words: the log-odds of the softmax over each row
    plus that over each column (2101.08231, section 2.2), and by how much a similarity exceeds the
    best other one of its row, plus the same for its column."""
    centred = _centred(similarity)
    one, other = (
        _log_odds(_by_word(softmax(SHARPNESS * centred, axis), rows, columns, shape, 0.0))
        for axis in (1, 0)
    )
    words = _by_word(centred, rows, columns, shape, float(centred.min()))
    return one + other, _margin(words, 1) + _margin(words, 0)


def _centred(similarity: Floats) -> Floats:
    """In standard deviations from what is usual in its row and its column: some words are near to
    all others, and encoders differ in how near vectors are to each other."""
    centred = similarity - similarity.mean(0) - similarity.mean(1, keepdims=True)
    centred += similarity.mean()
    result: Floats = centred / (centred.std() + 1e-6)
    return result


def _log_odds(probability: Floats) -> Floats:
    inside = np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    odds: Floats = np.log(inside / (1 - inside))
    return odds


def _by_word(
    table: Floats,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    shape: tuple[int, int],
    missing: float,
) -> Floats:
    """The greatest value of any two subwords of two words; `missing` for words without any."""
    (i, row), (j, column) = (np.unique(one, return_index=True) for one in (rows, columns))
    best = np.maximum.reduceat(np.maximum.reduceat(table, row, axis=0), column, axis=1)
    words = np.full(shape, missing, np.float32)
    words[np.ix_(i, j)] = best
    return words


def _margin(table: Floats, axis: int) -> Floats:
    """Each value less the greatest other one along an axis; 0 where there is none."""
    if table.shape[axis] < 2:
        return np.zeros_like(table)
    second, first = np.split(np.sort(table, axis=axis).take([-2, -1], axis), 2, axis)
    return np.where(table >= first, table - second, table - first)


def _distance(shape: tuple[int, int]) -> Floats:
    """How far two words are from the diagonal, between 0 and 1."""
    places = [(np.arange(size, dtype=np.float32) + 0.5) / size for size in shape]
    return np.abs(places[0][:, None] - places[1])
