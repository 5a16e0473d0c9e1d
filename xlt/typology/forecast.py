"""How many target labels are needed: score(n) = a + b · log(1 + n), n labelled target examples.

The shape is that of Muller et al. 2022 (arXiv 2212.01757): few-shot scores grow with the logarithm
of the number of target examples. It is fitted by Bayesian linear regression to a user's own runs;
b's prior is a share of what zero-shot leaves to 100, as published models show it
(`scripts/build_few_shot.py`), a's the score that is expected without target labels. With no run
the priors alone speak; each run narrows the interval.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt import languages
from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.results import CONFIG, finished_runs, measured, read_result

if TYPE_CHECKING:
    from xlt.typology.ranking import Ranking

PATH = Path(__file__).with_name("few_shot.json")
SHOWN = (0, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
MAX_EXAMPLES = 1_000_000
"""Most examples that a forecast is made for."""
QUANTILE = 1.2816
"""Of the normal distribution: 80 % lie within so many standard deviations."""
BORROWED = {"dep": "pos"}
"""Tasks without published curves → the most similar one that has them."""
ZERO_SHOT_STD = 20.0
"""Standard deviation of the zero-shot score, in points, where no interval was predicted."""
MEASURED_STD = 2.0
"""The same where the score is one that the user has measured."""


class Observation(NamedTuple):
    """A measured score with n target examples. origin: the run."""

    n: int
    score: float
    origin: str


class Prior(NamedTuple):
    """What is known of a task's curves before a language is measured.

    slope, spread: b over (100 - zero-shot score), mean and standard deviation over languages.
    noise: standard deviation of one score around the curve, in points.
    task:  whose it is.
    """

    slope: float
    spread: float
    noise: float
    task: str

    def describe(self, measured_as: Sequence[str]) -> str:
        """Say the prior in words, with what is borrowed."""
        share = f"{self.slope:.1%} ± {self.spread:.1%} of the room above zero-shot a log unit"
        if not self.task:
            return f"{share} (no curve of this task is published: that of others)"
        borrowed = "" if self.task in measured_as else ", borrowed"
        return f"{share} (published for {self.task}{borrowed}; sources were many)"


@dataclass(frozen=True)
class Forecast:
    """The posterior of a language's curve.

    mean: of (a, b). covariance: shape (2, 2). noise: as in `Prior`.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    noise: float

    def at(self, n: int) -> tuple[float, float, float]:
        """The score with n target examples: expected, and the ends of its 80 % interval."""
        x = np.array([1.0, np.log1p(n)])
        middle = float(x @ self.mean)
        apart = QUANTILE * float(np.sqrt(x @ self.covariance @ x + self.noise**2))
        low, centre, high = np.clip([middle - apart, middle, middle + apart], 0, 100)
        return float(centre), float(low), float(high)

    def needed(self, score: float) -> dict[str, int | None]:
        """Examples until the score is reached: expected, at best and at worst (80 %).

        None: not within `MAX_EXAMPLES` examples.
        """
        which = {"expected": 0, "worst": 1, "best": 2}
        return {name: self._first(score, place) for name, place in which.items()}

    def _first(self, score: float, place: int) -> int | None:
        if self.at(MAX_EXAMPLES)[place] < score:
            return None
        low, high = -1, MAX_EXAMPLES
        while high - low > 1:  # the curve's edges rise wherever the answer is of use
            middle = (low + high) // 2
            low, high = (low, middle) if self.at(middle)[place] >= score else (middle, high)
        return high


def fit(
    observed: Sequence[Observation],
    prior: Prior,
    expected: tuple[float, float] | None = None,
) -> Forecast:
    """The curve, given what was measured.

    expected: mean and standard deviation of the zero-shot score, from a ranking.
    Raises XltError if nothing is known of the level: neither a run nor an expected score.
    """
    zero = [seen.score for seen in observed if seen.n == 0]
    if expected is None and not observed:
        raise XltError(
            "nothing is known of the score: no run on this target, and no published transfer",
            fix="train a `zero_shot` run first, and name its folder: --runs",
        )
    start, unsure = expected or (fmean(zero or [s.score for s in observed]), ZERO_SHOT_STD)
    room = 100 - (fmean(zero) if zero else start)
    mean = np.array([start, prior.slope * room])
    precision = np.diag([1 / unsure**2, 1 / max(prior.spread * room, 1e-3) ** 2])
    weighted = precision @ mean
    if observed:
        design = np.array([[1.0, np.log1p(seen.n)] for seen in observed])
        scores = np.array([seen.score for seen in observed])
        precision = precision + design.T @ design / prior.noise**2
        weighted = weighted + design.T @ scores / prior.noise**2
    covariance = np.linalg.inv(precision)
    return Forecast(covariance @ weighted, covariance, prior.noise)


def few_shots(
    ranking: Ranking,
    measured_as: Sequence[str],
    runs: Path,
    encoder: str | None = None,
    reach: float | None = None,
) -> dict[str, Any]:
    """The forecast for a ranking's target, JSON-able.

    The level that is expected without runs is that of the first source of the ranking.
    runs: folder of the user's runs; reach: a score to count the examples to.
    """
    observed, whose = own_runs(runs, ranking.target, ranking.task, encoder)
    first = ranking.sources[0]
    expected = None
    if first.expected is not None:
        width = MEASURED_STD if first.own else ZERO_SHOT_STD
        if first.low is not None and first.high is not None and first.high > first.low:
            width = (first.high - first.low) / (2 * QUANTILE)
        expected = (first.expected, width)
    prior = prior_of(measured_as)
    curve = fit(observed, prior, expected)
    measured = {n: [seen.score for seen in observed if seen.n == n] for n, _, _ in observed}
    rows = []
    for n in sorted({*SHOWN, *measured}):
        score, low, high = curve.at(n)
        rows.append(
            {
                "n": n,
                "expected": round(score, 2),
                "interval": [round(low, 2), round(high, 2)],
                "measured": [round(value, 2) for value in measured.get(n, [])],
            }
        )
    return {
        "a": float(curve.mean[0]),
        "b": float(curve.mean[1]),
        "curve": rows,
        "fitted_to": f"{len(observed)} of your runs {whose}"
        if observed
        else f"no run of yours; at n = 0, what is expected from {first.name}",
        "runs": [seen._asdict() for seen in observed],
        "prior": prior.describe(measured_as),
        "reach": [] if reach is None else [{"score": reach, "examples": curve.needed(reach)}],
        "most": MAX_EXAMPLES,
    }


def prior_of(measured_as: Sequence[str]) -> Prior:
    """The prior of a task, of a similar one, or of all tasks that grow with examples."""
    known = _packaged()["tasks"]
    for name in measured_as:
        for task in (name, BORROWED.get(name, "")):
            if task in known:
                parameters = known[task]
                return Prior(parameters["slope"], parameters["spread"], parameters["noise"], task)
    parameters = _packaged()["other"]
    return Prior(parameters["slope"], parameters["spread"], parameters["noise"], "")


@cache
def _packaged() -> dict[str, Any]:
    priors: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return priors


def own_runs(
    root: Path, target: str, task: str, encoder: str | None = None
) -> tuple[list[Observation], str]:
    """What finished runs below `root` measured on a target with 0 and with k of its labels.

    Runs of one source (or set of sources) and encoder make a curve; of several curves that with
    the most different numbers of examples is taken. Returns it and whose it is, "" if there is
    none.
    """
    curves: dict[tuple[str, ...], list[Observation]] = defaultdict(list)
    for run in finished_runs(root):
        result = read_result(run)
        if result["task"] != task or result["strategy"] not in ("zero_shot", "joint", "few_shot"):
            continue
        if any(languages.same(source, target) for source in result["source"]):
            continue
        config = load_config(run / CONFIG).config
        if encoder is not None and config.model.encoder != encoder:
            continue
        n = config.strategy.options["k"] if result["strategy"] == "few_shot" else 0
        metric = result["metrics"][0]
        for row in measured(result):
            if languages.same(row["target"], target):
                key = ("+".join(result["source"]), config.model.encoder, row["split"])
                score = row["metrics"][metric]["mean"]
                curves[key].append(Observation(n, score, run.name))
    if not curves:
        return [], ""
    best = max(curves, key=lambda key: (len({seen.n for seen in curves[key]}), key))
    source, used, split = best
    return sorted(curves[best]), f"from {source} with {used}, on {split}"
