"""Which language to transfer from: a ranking with its reasons, and with what is not known.

The score of a source is what a matrix of measured transfers expects of it (`process`): distances
from the target, weighted as the matrix and those of other tasks say, and how the source did on
other targets, above all on those like this one. What follows typology and what follows the quality
of the source is so a matter of measurement. For a task that nobody has measured only distances
count: another task's source qualities mislead (measured: regret 7.3 against 6.2).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlt import languages
from xlt.errors import XltError
from xlt.typology import own_evidence
from xlt.typology.distances import Points
from xlt.typology.evidence import TERMS, Geometry, geometry
from xlt.typology.fitting import key, prior
from xlt.typology.process import FEATURES, fit, source_kernel
from xlt.typology.scores import Matrix, matrices, of_task
from xlt.typology.table import table

WEIGHTS = Path(__file__).with_name("weights.json")
PARTS = ("prior", *FEATURES)
"""What a score is made of: how the source did elsewhere, the distances, likeness as a whole."""
UNMEASURED = -np.array([1.0, 1, 1, 0])
"""Of `TERMS`, without measurements: genetic, geographic and syntactic distance alike."""


class Source(NamedTuple):
    """A candidate, ranked; `explain` says more about it.

    rank:     from 1; 0 for a language that is only there to be compared with.
    score:    in standard deviations over the sources of a matrix; comparable in one ranking.
    expected: the metric's value; None where the task or the source was never measured. low, high:
        80 % of the errors on languages left out lie between.
    parts:    contribution of each of `PARTS` to the score.
    imputed:  the distances that rest on what is usual, because nothing is recorded.
    measured: the published score of this very pair, where there is one; or, if `own`, the user's.
    spread:   points of the metric that one unit of the score is worth; None if never measured.
    extra:    further terms of the score, by name (`own runs`, `text`).
    """

    rank: int
    language: str
    score: float
    expected: float | None
    low: float | None
    high: float | None
    parts: tuple[float, ...]
    imputed: tuple[str, ...]
    source_measured: bool
    measured: float | None
    spread: float | None = None
    own: bool = False
    extra: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        return table().name(self.language)

    @property
    def terms(self) -> dict[str, float]:
        """The parts by name, and what came to them."""
        return dict(zip(PARTS, self.parts, strict=True)) | dict(self.extra)

    @property
    def confidence(self) -> str:
        """own run, or measured (both of this very pair); high, or medium where a distance is
        imputed; low where the language was never a source in a matrix of the task."""
        if self.measured is not None:
            return "own run" if self.own else "measured"
        if not self.source_measured:
            return "low"
        return "medium" if self.imputed else "high"


@dataclass(frozen=True)
class Ranking:
    """What `rank` found.

    evidence: the matrices that speak for the task, the first one first; empty if there is none.
    references: "English" and "best on average" → the source, ranked among the others.
    own: which of the user's own scores took part (`own_evidence.Own.about`); None if none did.
    """

    target: str
    task: str
    sources: tuple[Source, ...]
    references: dict[str, Source]
    evidence: tuple[dict[str, str], ...]
    notes: tuple[str, ...]
    own: dict[str, Any] | None = None


def rank(
    target: str,
    candidates: Sequence[str] | None = None,
    *,
    task: str = "",
    measured_as: tuple[str, ...] = (),
    encoder: str | None = None,
    own_scores: bool = True,
) -> Ranking:
    """Rank source languages for a target.

    target, candidates: codes or names. Without candidates: every language that was measured as a
        source for the task, or for any task where this one was not measured.
    measured_as: the names that the packaged matrices give the task; () if nobody measured it.
    encoder: matrices measured with it come first.
    own_scores: whether what `xlt scores add` has stored takes part.
    Raises XltError for an unknown language, a target without any feature, no candidate, or a
    candidate that is the target.
    """
    wanted = _target(target)
    evidence = of_task(measured_as, encoder)
    own = own_evidence.of(task, measured_as, encoder, _score) if own_scores else None
    if own is not None and own.evidence:
        evidence = list(own.evidence)
    found = _candidates(candidates, wanted, evidence)
    # For the two rows that every ranking is compared with, all sources of the matrix take part.
    sources = list(dict.fromkeys([*found, "eng", *(evidence[0].sources if evidence else ())]))
    sources = [code for code in sources if code != wanted]
    scored = _score(wanted, sources, evidence)
    if own is not None:
        scored = own.settled(wanted, scored, fitted()["usual"])
    order = sorted(scored, key=lambda code: (-scored[code].score, code))
    best = next((code for code in _best_on_average(evidence) if code in scored), None)
    asked = set(found)
    chosen = [code for code in order if code in asked]
    ranked = {code: n for n, code in enumerate(chosen, 1)}
    scored |= {code: scored[code]._replace(rank=ranked[code]) for code in chosen}
    both = {"English": "eng", "best on average": best}
    references = {label: scored[code] for label, code in both.items() if code in scored}
    return Ranking(
        wanted,
        task or ", ".join(measured_as),
        tuple(scored[code] for code in chosen),
        references,
        tuple({"name": m.name, "task": m.task, "metric": m.metric, **m.about} for m in evidence),
        _notes(wanted, evidence),
        None if own is None else own.about(wanted),
    )


def _target(text: str) -> str:
    code = languages.shared(text)
    known = table()
    rows = known.rows([code])
    related = known.take("lineage", rows)[0, 0] >= 0
    placed = not np.isnan(known.take("coordinates", rows)).any()
    if not placed and not (related and known.coverage(code, "syntax")):
        raise XltError(
            f"nothing is known about {text!r} ({code}): no place and no feature",
            fix="give a related language instead, or pass --sources and decide by hand",
        )
    return code


def _candidates(given: Sequence[str] | None, target: str, evidence: list[Matrix]) -> list[str]:
    if given is None:
        measured = evidence or matrices()
        found = sorted({code for matrix in measured for code in matrix.sources} - {target})
    else:
        found = list(dict.fromkeys(languages.shared(text) for text in given))
        if target in found:
            raise XltError(
                f"{languages.name(target)} ({target}) is the target, and among the sources",
                fix="take it out: labels of the target need no transfer",
            )
    if not found:
        raise XltError("there is no source language to choose from", fix="name some: --sources")
    return found


def _score(target: str, sources: list[str], evidence: list[Matrix]) -> dict[str, Source]:
    """Every source by the first matrix that measured it; the rest by the first of all."""
    if not evidence:
        pairs = geometry(sources, [target], fitted()["usual"])
        given = np.stack([pairs.distances[kind][:, 0] for kind in TERMS], 1)
        parts = np.zeros((len(sources), len(PARTS)))
        parts[:, 1 : 1 + len(TERMS)] = (given - given.mean(0)) * UNMEASURED
        return _sources(sources, parts, pairs)
    found: dict[str, Source] = {}
    for matrix in evidence:
        own = set(matrix.sources)
        asked = [code for code in sources if code in own and code not in found]
        if asked:
            found |= _by_matrix(target, asked, matrix)
    rest = [code for code in sources if code not in found]
    return found | (_by_matrix(target, rest, evidence[0]) if rest else {})


class _Fitted:
    """A matrix, ready to be asked about any target."""

    def __init__(self, matrix: Matrix) -> None:
        known = fitted()
        self.usual = known["usual"]
        self.posterior = fit(
            matrix,
            lambda a, b: geometry(a, b, self.usual),
            Points(matrix.targets).resources,
            prior(known["weights"], matrix.name, matrix.task),
        )
        self.sources = Points(matrix.sources)
        self.targets = Points(self.posterior.targets)
        same = np.eye(len(matrix.sources), dtype=bool)
        self.smooth = self._alike(self.sources, same) @ self.posterior.pull

    def _alike(self, sources: Points, same: NDArray[np.bool_]) -> NDArray[np.float64]:
        return source_kernel(geometry(sources, self.sources, self.usual), same)

    def ask(
        self, target: str, others: Sequence[str]
    ) -> tuple[NDArray[np.float64], Geometry, float, float]:
        """Parts of the matrix's sources and of others; their distances; level and unit."""
        asked = Points([target])
        near = geometry(self.targets, asked, self.usual)
        sources, smooth = self.sources, self.smooth
        if others:
            rows = Points(others)
            same = np.zeros((len(others), len(self.sources.codes)), dtype=bool)
            smooth = np.vstack([smooth, self._alike(rows, same) @ self.posterior.pull])
            sources = Points([*self.sources.codes, *others])
        pairs = geometry(sources, asked, self.usual)
        parts = self.posterior.parts(pairs, near, smooth)[:, 0]
        level, unit = (
            float(trend.at(near, asked.resources)[0])
            for trend in (self.posterior.levels, self.posterior.units)
        )
        return parts - parts[: len(self.sources.codes)].mean(0), pairs, level, max(unit, 0.0)


_fitted = lru_cache(maxsize=64)(_Fitted)


def _by_matrix(target: str, asked: list[str], matrix: Matrix) -> dict[str, Source]:
    count = len(matrix.sources)
    others = [code for code in asked if code not in set(matrix.sources)]
    parts, pairs, level, unit = _fitted(matrix).ask(target, others)
    rough = level + unit * parts[:count].sum(1)
    # Median and ends of the errors on languages left out; the median first, as the expected score.
    errors = fitted()["intervals"].get(key(matrix.name, matrix.task)) or [0.0]
    bounds = [rough + error for error in errors]
    if matrix.percent:
        bounds = [np.clip(values, 0, 100) for values in bounds]
    exact = np.full(count, np.nan)
    if target in matrix.targets:
        exact = matrix.scores[:, matrix.targets.index(target)]
    found = _sources(
        [*matrix.sources, *others],
        parts,
        pairs,
        [values.tolist() for values in bounds],
        exact.tolist(),
        unit,
    )
    return {code: found[code] for code in asked}


def _sources(
    codes: list[str],
    parts: NDArray[np.float64],
    pairs: Geometry,
    bounds: Sequence[list[float]] = (),
    exact: Sequence[float] = (),
    spread: float | None = None,
) -> dict[str, Source]:
    """bounds: expected scores, and perhaps their low and high ends, of the first of the codes."""
    totals, rows = parts.sum(1).tolist(), parts.tolist()
    some = any(mask.any() for mask in pairs.imputed.values())
    found = {}
    for n, code in enumerate(codes):
        values = [column[n] for column in bounds] if bounds and n < len(bounds[0]) else []
        expected, low, high = (*values, None, None, None)[:3]
        there = n < len(exact) and exact[n] == exact[n]  # not NaN
        found[code] = Source(
            0,
            code,
            totals[n],
            expected,
            low,
            high,
            tuple(rows[n]),
            tuple(kind for kind in TERMS if pairs.imputed[kind][n, 0]) if some else (),
            n < len(exact),
            exact[n] if there else None,
            spread,
        )
    return found


def _best_on_average(evidence: list[Matrix]) -> list[str]:
    """Sources of the first matrix, the best over all targets first."""
    if not evidence:
        return []
    first = evidence[0]
    known = ~np.isnan(first.standard)
    mean = np.where(known, first.standard, 0).sum(1) / (known.sum(1) + 1)
    return [first.sources[n] for n in np.argsort(-mean, kind="stable")]


def _notes(target: str, evidence: list[Matrix]) -> tuple[str, ...]:
    known = table()
    said = []
    if not evidence:
        said.append(
            "no transfer scores are known for this task: genetic, geographic and syntactic "
            "distance alone, and no expected score"
        )
    for domain in ("syntax", "phonology"):
        share = known.coverage(target, domain)
        if share < 0.25:
            said.append(f"only {share:.0%} of the {domain} features of {target} are recorded")
    for domain, code in sorted(known.borrowed(target).items()):
        said.append(f"{domain} of {target} is recorded under {code}")
    return tuple(said)


@cache
def fitted() -> dict[str, Any]:
    """What `scripts/evaluate_ranker.py --write` has fitted."""
    found: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return found
