"""One expected score of several criteria, with an interval, fitted to models that were measured.

Ridge regression of the measured scores on the criteria; its interval covers scores in languages
that it has not seen. Languages are what is sampled: the pairs of one language count together as
much as those of another, and are left out together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt.evaluation.criteria import CRITERIA, combined

Values = NDArray[np.float64]

COVERAGE = 0.8
"""Share of scores in unseen languages that intervals are made for, 1 - α. What the jackknife+
guarantees is 1 - 2α, 60 % (Barber et al. 2021, theorem 1); they report that it mostly covers about
1 - α."""
MIN_LANGUAGES = 9
"""From fewer nothing is fitted: both ends of an interval would be those of single languages."""
PENALTIES = (0.01, 0.1, 1.0, 10.0, 1e6)
"""Of the ridge, in variances of a criterion; of the last nothing is left but the constant."""


@dataclass(frozen=True)
class Pair:
    """A model and a language.

    features: name → what is known without labels; a pair may lack some.
    plain: the score that is expected where nothing is fitted, in percent.
    score: measured, in percent; None where it is to be predicted.
    name: for people. settings: of the model, by what they are called: those that its criteria
        depend on.
    """

    language: str
    features: Mapping[str, float]
    plain: float
    score: float | None = None
    name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


class Expected(NamedTuple):
    """A score and the ends of its interval, in percent."""

    score: float
    low: float
    high: float


class _Ridge(NamedTuple):
    """A ridge regression: of standardised features, by name, what they add to `Pair.plain`.

    low, high: of the features it was fitted to; what lies beyond them is taken for these, because
        a line through few points leads anywhere.
    """

    names: tuple[str, ...]
    low: Values
    high: Values
    centre: Values
    scale: Values
    weights: Values
    constant: float

    def __call__(self, table: _Table) -> Values:
        """The expected scores, shape (pairs,); what is not known of a pair is as in their mean."""
        given = np.clip(table.given, self.low, self.high)
        standard = np.nan_to_num((given - self.centre) / self.scale)
        return np.asarray(table.plain + self.constant + standard @ self.weights)


class _Table(NamedTuple):
    """Pairs as arrays: their features by name, (pairs, names), NaN where one is not known; what is
    plainly expected, measured scores and the numbers of languages, (pairs,) each."""

    names: tuple[str, ...]
    given: Values
    plain: Values
    scores: Values
    languages: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Sequence[Pair], names: Sequence[str] | None = None) -> _Table:
        """names: of the features; by default all that any pair has."""
        if names is None:
            names = tuple(dict.fromkeys(name for pair in pairs for name in pair.features))
        number = {code: n for n, code in enumerate(dict.fromkeys(p.language for p in pairs))}
        return cls(
            tuple(names),
            np.array([[pair.features.get(name, np.nan) for name in names] for pair in pairs]),
            np.array([pair.plain for pair in pairs]),
            np.array([np.nan if pair.score is None else pair.score for pair in pairs]),
            np.array([number[pair.language] for pair in pairs]),
        )

    def left_out(self) -> Iterator[tuple[int, _Table, _Table]]:
        """The number of each language, the pairs of the others, and its own."""
        for number in np.unique(self.languages):
            own = self.languages == number
            yield int(number), self._rows(~own), self._rows(own)

    def _rows(self, chosen: NDArray[np.bool_]) -> _Table:
        return _Table(
            self.names,
            self.given[chosen],
            self.plain[chosen],
            self.scores[chosen],
            self.languages[chosen],
        )


@dataclass(frozen=True)
class Combination:
    """What was fitted.

    pairs: to which. without: language → the regression without it, and the absolute errors of that
        on the language's own pairs.
    """

    pairs: tuple[Pair, ...]
    without: Mapping[str, tuple[_Ridge, Values]]

    def expected(self, pair: Pair) -> Expected:
        """The score of a pair in a language that none of the fitted ones is in, and its interval:
        the jackknife+ (Barber et al. 2021, arXiv 1905.02928) with the weights of hierarchical
        data, where the languages are exchangeable (Lee, Barber and Willett 2023, arXiv
        2306.06342). The score is the median of what the regressions that lack one language expect,
        which lies in it. A part of the weight lies at infinity: of few languages the ends are 0
        and 100.
        """
        weight = 1 / (len(self.without) + 1)
        middles, low, high, weights = [], [], [], []
        for regression, errors in self.without.values():
            (middle,) = regression(_Table.of([pair], regression.names))
            middles.append(float(middle))
            low += (middle - errors).tolist()
            high += (middle + errors).tolist()
            weights += [weight / len(errors)] * len(errors)
        ends = (
            float(np.median(middles)),
            -_upper(-np.array(low), np.array(weights)),
            _upper(np.array(high), np.array(weights)),
        )
        return Expected(*(min(max(end, 0.0), 100.0) for end in ends))

    def outside(self, pair: Pair) -> list[str]:
        """Names of the features in which the pair lies beyond all that were fitted."""
        found = []
        for name, value in pair.features.items():
            known = [one.features[name] for one in self.pairs if name in one.features]
            if known and not min(known) <= value <= max(known):
                found.append(name)
        return found

    def untried(self, pair: Pair) -> list[str]:
        """Settings of the pair that none of the fitted ones has."""
        return [
            name
            for name, value in pair.settings.items()
            if all(one.settings.get(name) != value for one in self.pairs)
        ]


def comparable(pairs: Sequence[Pair], asked: Pair) -> tuple[list[Pair], Pair]:
    """The measured pairs and the one to be predicted, as if no more were known of either.

    Features that the asked pair lacks are left out, and criteria that any of the pairs lacks, so
    that `Pair.plain` is the mean of the same criteria everywhere: a model of one seed agrees with
    no other, and the mean without agreement is another figure. No pairs where no criterion is left.
    """
    if not any(name in asked.features for name in CRITERIA):
        return list(pairs), asked
    every = [*pairs, asked]
    lacking = {c for c in CRITERIA if any(c not in pair.features for pair in every)}
    alike = []
    for pair in every:
        features = {
            name: value
            for name, value in pair.features.items()
            if name in asked.features and name not in lacking
        }
        plain = combined({name: features[name] for name in CRITERIA if name in features})
        if plain is None:
            return [], asked
        alike.append(replace(pair, features=features, plain=plain))
    return alike[:-1], alike[-1]


def fit(pairs: Sequence[Pair]) -> Combination | None:
    """The combination that suits measured pairs; None of fewer than `MIN_LANGUAGES` languages."""
    known = tuple(pair for pair in pairs if pair.score is not None)
    languages = list(dict.fromkeys(pair.language for pair in known))
    if len(languages) < MIN_LANGUAGES:
        return None
    without = {}
    for number, others, own in _Table.of(known).left_out():
        regression = _fitted(others)
        without[languages[number]] = regression, np.abs(own.scores - regression(own))
    return Combination(known, without)


def left_out_predictions(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Expected]]:
    """Each measured pair with what would be expected of it, fitted to the other languages' pairs;
    nothing where these are too few."""
    known = [pair for pair in pairs if pair.score is not None]
    for language in dict.fromkeys(pair.language for pair in known):
        others = [pair for pair in known if pair.language != language]
        own = [pair for pair in known if pair.language == language]
        fitted: dict[frozenset[str], Combination | None] = {}
        for pair in own:
            measured, asked = comparable(others, replace(pair, score=None))
            key = frozenset(asked.features)
            if key not in fitted:
                fitted[key] = fit(measured)
            if (combination := fitted[key]) is not None:
                yield pair, combination.expected(asked)


def _fitted(table: _Table) -> _Ridge:
    """The regression whose penalty does best on languages that are left out."""
    errors = [
        [float(np.abs(own.scores - one(own)).mean()) for one in _ridges(others, PENALTIES)]
        for _, others, own in table.left_out()
    ]
    best = int(np.argmin(np.mean(errors, axis=0)))
    (regression,) = _ridges(table, PENALTIES[best : best + 1])
    return regression


def _ridges(table: _Table, penalties: Sequence[float]) -> Iterator[_Ridge]:
    """The ridge regressions of what scores lack of `Pair.plain`."""
    _, place, count = np.unique(table.languages, return_inverse=True, return_counts=True)
    share = 1 / count[place] / len(count)
    known = ~np.isnan(table.given)
    there = known.any(0)  # what is known of none has no weight
    total = np.where(there, share @ known, 1.0)
    low = np.where(there, np.where(known, table.given, np.inf).min(0), -np.inf)
    high = np.where(there, np.where(known, table.given, -np.inf).max(0), np.inf)
    filled = np.where(known, table.given, 0.0)
    centre = share @ filled / total
    scale = np.sqrt(share @ np.where(known, (filled - centre) ** 2, 0.0) / total)
    scale[scale < 1e-9] = 1.0
    z = np.where(known, (filled - centre) / scale, 0.0)
    rest = table.scores - table.plain
    constant = float(share @ rest)
    square = (z.T * share) @ z
    wanted = (z.T * share) @ (rest - constant)
    for penalty in penalties:
        ridge = square + penalty * np.eye(len(table.names))
        weights = np.asarray(np.linalg.solve(ridge, wanted), dtype=np.float64)
        yield _Ridge(table.names, low, high, centre, scale, weights, constant)


def _upper(values: Values, weights: Values) -> float:
    """The least value below or at which `COVERAGE` of the weight lies; the weights' sum lacks to 1
    what lies at infinity."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) >= COVERAGE - 1e-12
    return float(values[order][np.argmax(reached)]) if reached.any() else float("inf")
