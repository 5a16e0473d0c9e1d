"""`agreement`: two HMMs that are trained to agree (`xlt.projection.align.hmm`), with cognates.

Deterministic, needs no program and no model, and little text: names and cognates in the pairs
themselves go a long way. Words are compared by their first letters, so that inflected forms count
together. A link's score is the geometric mean of what both directions give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xlt.options import CountOrZero
from xlt.projection.align import hmm
from xlt.projection.align.base import AlignerOptions, WordPair
from xlt.projection.align.lexical import MIN_SIMILARITY, Forms, similarity
from xlt.projection.align.statistical import Statistical, StatisticalOptions
from xlt.projection.align.symmetrise import LinkTable
from xlt.projection.pair import Links


class AgreementOptions(StatisticalOptions):
    threshold: float = Field(default=0.2, gt=0, lt=1, description="links below it are left out")
    stem: CountOrZero = Field(
        default=6, description="letters by which words are told apart; 0: all of them"
    )
    lexical: float = Field(
        default=1.0,
        ge=0,
        le=1e6,
        description="pseudo-count of two words that look alike; 0: not used",
    )
    null: float = Field(
        default=0.1, gt=0, lt=1, description="how probable it is that a word has no counterpart"
    )


class Agreement(Statistical):
    """Aligns pairs by what they, and parallel text if there is any, have in common."""

    Options: ClassVar[type[AlignerOptions]] = AgreementOptions
    options: AgreementOptions

    @property
    def min_score(self) -> float:
        """Links below it are left out."""
        return self.options.threshold

    def align_together(self, pairs: Sequence[WordPair], more: Sequence[WordPair]) -> list[Links]:
        text = _Text.of([*pairs, *more], self.options.stem)
        recipe = hmm.Recipe(null=self.options.null)
        known = self.options.lexical * text.alike() if self.options.lexical else None
        models = hmm.train(text.corpus, recipe, known)
        tables = [
            _links(batch, *hmm.posteriors(batch, *models, recipe), self.min_score)
            for batch in text.corpus.batches
            if batch.index.min() < len(pairs)
        ]
        columns = zip(*((t.pair, t.source, t.target, t.score) for t in tables), strict=True)
        pair, source, target, score = (np.concatenate(column) for column in columns)
        mine = pair < len(pairs)
        return LinkTable(pair[mine], source[mine], target[mine], score[mine]).links(len(pairs))


@dataclass(frozen=True)
class _Text:
    """Pairs as numbers. stems: of each side; words: one that has the stem."""

    corpus: hmm.Corpus
    stems: tuple[dict[str, int], dict[str, int]]
    words: tuple[list[str], list[str]]

    @classmethod
    def of(cls, pairs: Sequence[WordPair], letters: int) -> _Text:
        stems: tuple[dict[str, int], dict[str, int]] = ({}, {})
        words: tuple[list[str], list[str]] = ([], [])
        encoded = []
        for pair in pairs:
            sides = []
            for side in (0, 1):
                ids = np.empty(len(pair[side]), np.int32)
                for n, word in enumerate(pair[side]):
                    stem = word.casefold()[: letters or None]
                    ids[n] = stems[side].setdefault(stem, len(words[side]))
                    if ids[n] == len(words[side]):
                        words[side].append(word)
                sides.append(ids)
            encoded.append((sides[0], sides[1]))
        return cls(hmm.corpus(encoded, len(words[0]), len(words[1])), stems, words)

    def alike(self) -> NDArray[np.float32]:
        """How alike the words of each entry look, 0 where they are not sure to be related."""
        first, second = (part.astype(np.int64) for part in (self.corpus.first, self.corpus.second))
        value = similarity(Forms.of(self.words[0]), Forms.of(self.words[1]), first, second)
        return np.where(value >= MIN_SIMILARITY, value, 0)


def _links(batch: hmm.Batch, ahead: hmm.Floats, back: hmm.Floats, threshold: float) -> LinkTable:
    score = np.sqrt(ahead * back.transpose(2, 1, 0))
    target, column, source = np.nonzero(score > threshold)
    return LinkTable(
        batch.index[column], source, target,
        np.minimum(score[target, column, source], 1.0).astype(np.float64),
    )  # fmt: skip
