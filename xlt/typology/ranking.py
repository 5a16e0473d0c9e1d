"""Which language to transfer from: a ranking with its reasons, and with what is not known.

The score of a source is what all tables of the task expect of it together (`measured`): distances
from the target and the data there is, weighted as all tasks say, and how the source did on other
targets, above all on those like this one. For a task that nobody has measured only the former
count: how good a source is for another task would mislead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from xlt import languages
from xlt.errors import XltError
from xlt.typology import own_evidence
from xlt.typology.evidence import TERMS
from xlt.typology.measured import PARTS, Answer, deviation, evidence, fitted
from xlt.typology.scores import Matrix, matrices, of_task
from xlt.typology.table import table

WIDTHS = {"high": 25.0, "medium": 45.0}
"""Most points that the 80 % interval spans, for a word of confidence."""


class Source(NamedTuple):
    """A candidate, ranked; `explain` says more about it.

    rank:     from 1; 0 for a language that is only there to be compared with.
    score:    in standard deviations over the sources of a table; comparable in one ranking.
    expected: the metric's value; None where the task was never measured. low, high: 80 % of the
        scores lie between in tables of papers that were left out.
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
        """How far the score can be trusted.

        "own run" or "measured" (both of this very pair); else by the width of the interval:
        "high", "medium" (`WIDTHS`) or "low", and "low" where there is none.
        """
        if self.measured is not None:
            return "own run" if self.own else "measured"
        if self.low is None or self.high is None:
            return "low"
        return confidence(self.high - self.low)


def confidence(width: float) -> str:
    """The word for an 80 % interval of so many points."""
    return next((word for word, most in WIDTHS.items() if width <= most), "low")


@dataclass(frozen=True)
class Ranking:
    """The sources for a target, the best first, as `rank` returns them.

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


Rank = Callable[[str, Sequence[str]], Ranking]
"""target, candidates → ranking: `rank` with all that was asked for besides."""


def rank(
    target: str,
    candidates: Sequence[str] | None = None,
    *,
    task: str = "",
    measured_as: tuple[str, ...] = (),
    encoder: str | None = None,
    own_scores: bool = True,
    unseen: bool = False,
    sizes: Mapping[str, int] | None = None,
) -> Ranking:
    """Rank source languages for a target.

    target, candidates: codes or names. Without candidates: every language that was measured as a
        source for the task, or for any task where this one was not measured; and English.
    measured_as: the names that the packaged matrices give the task; () if nobody measured it.
    encoder: matrices measured with it come first, and count more.
    own_scores: whether what `xlt scores add` has stored takes part.
    unseen: as if nobody had measured the target in any published table.
    sizes: language (`languages.shared`) → examples there are to train on, where they are known.
    Raises XltError for an unknown language, a target without any feature, no candidate, or a
    candidate that is the target.
    """
    wanted = _target(target)
    measured = of_task(measured_as, encoder)
    if unseen:
        measured = [one for one in (_without(matrix, wanted) for matrix in measured) if one.targets]
    own = own_evidence.of(task, measured_as, encoder, _score) if own_scores else None
    if own is not None and own.evidence:
        measured = list(own.evidence)
    considered = _candidates(candidates, wanted, measured)
    # For the two rows that every ranking is compared with, all sources of the matrix take part.
    sources = list(dict.fromkeys([*considered, "eng", *(measured[0].sources if measured else ())]))
    sources = [code for code in sources if code != wanted]
    scored = _score(wanted, sources, measured, encoder or "", sizes)
    if own is not None:
        scored = own.settled(wanted, scored, fitted()["usual"])
    order = sorted(scored, key=lambda code: (-scored[code].score, code))
    best = next((code for code in _best_on_average(measured) if code in scored), None)
    asked = set(considered)
    chosen = [code for code in order if code in asked]
    scored |= {code: scored[code]._replace(rank=n) for n, code in enumerate(chosen, 1)}
    both = {"English": "eng", "best on average": best}
    references = {label: scored[code] for label, code in both.items() if code in scored}
    return Ranking(
        wanted,
        task or ", ".join(measured_as),
        tuple(scored[code] for code in chosen),
        references,
        tuple(
            {"name": m.name, "task": m.task, "metric": m.metric, **m.about}
            for m in measured
            if not m.own or len(measured) == 1
        ),
        _notes(wanted, measured),
        None if own is None else own.about(wanted),
    )


@lru_cache(maxsize=512)
def _without(matrix: Matrix, language: str) -> Matrix:
    """Kept, so that what is fitted to it is."""
    return matrix.without(language) if language in (*matrix.sources, *matrix.targets) else matrix


def _target(text: str) -> str:
    code = languages.shared(text)
    known = table()
    rows = known.rows([code])
    related = known.take("lineage", rows)[0, 0] >= 0
    placed = not np.isnan(known.take("coordinates", rows)).any()
    if not placed and not (related and known.coverage(code, "syntax")):
        raise XltError(
            f"nothing is known about {text!r} ({code}): no place and no feature",
            where="target",
            fix="give a related language instead, or pass --sources and decide by hand",
        )
    return code


def _candidates(given: Sequence[str] | None, target: str, evidence: list[Matrix]) -> list[str]:
    if given is None:
        measured = evidence or matrices()
        known = {code for matrix in measured for code in matrix.sources}
        considered = sorted({*known, "eng"} - {target})
    else:
        considered = list(dict.fromkeys(languages.shared(text) for text in given))
        if target in considered:
            raise XltError(
                f"{languages.name(target)} ({target}) is the target, and among the sources",
                fix="take it out: labels of the target need no transfer",
            )
    if not considered:
        raise XltError("there is no source language to choose from", fix="name some: --sources")
    return considered


def _score(
    target: str,
    sources: list[str],
    matrices_of_task: list[Matrix],
    encoder: str = "",
    sizes: Mapping[str, int] | None = None,
) -> dict[str, Source]:
    """Every source, as the matrices have it; by what is known without where there are none."""
    answer = evidence(tuple(matrices_of_task), encoder).ask(target, sources, sizes)
    parts = answer.parts
    if not matrices_of_task:
        parts = parts - parts.mean(0)
    rows = parts.tolist()
    nothing = [np.nan] * len(sources)
    expected, low, high = _bounds(answer, matrices_of_task) or (nothing, nothing, nothing)
    imputed = {kind: answer.distances.imputed[kind][:, 0].tolist() for kind in TERMS}
    exact, measured = answer.exact.tolist(), answer.measured.tolist()
    unit = _known(answer.unit)
    return {
        code: Source(
            0,
            code,
            sum(rows[n]),
            _known(expected[n]),
            _known(low[n]),
            _known(high[n]),
            tuple(rows[n]),
            tuple(kind for kind, mask in imputed.items() if mask[n]),
            measured[n],
            _known(exact[n]),
            unit,
        )
        for n, code in enumerate(sources)
    }


def _bounds(
    answer: Answer, matrices_of_task: list[Matrix]
) -> tuple[list[float], list[float], list[float]] | None:
    """Expected scores and the ends of their intervals; None where there is no evidence."""
    if not matrices_of_task or answer.level != answer.level:
        return None
    known = fitted()
    wide = known["half"] * deviation(known["variance"], answer.unit, answer.open)
    values = [answer.expected, answer.expected - wide, answer.expected + wide]
    if matrices_of_task[0].percent:
        values = [np.clip(value, 0, 100) for value in values]
    else:  # the variances are in points of metrics in per cent
        values[1:] = [np.full(len(wide), np.nan)] * 2
    expected, low, high = (value.tolist() for value in values)
    return expected, low, high


def _known(value: float) -> float | None:
    return None if value != value else value


def _best_on_average(matrices_of_task: list[Matrix]) -> tuple[str, ...]:
    """Sources of the first matrix, the best over all targets first."""
    return _by_quality(matrices_of_task[0]) if matrices_of_task else ()


@lru_cache(maxsize=64)
def _by_quality(matrix: Matrix) -> tuple[str, ...]:
    known = ~np.isnan(matrix.standard)
    # A source that was measured once is still mostly an average one.
    mean = np.where(known, matrix.standard, 0).sum(1) / (known.sum(1) + 1)
    return tuple(matrix.sources[n] for n in np.argsort(-mean, kind="stable"))


def _notes(target: str, evidence: list[Matrix]) -> tuple[str, ...]:
    known = table()
    said = []
    if not evidence:
        said.append(
            "no transfer scores are known for this task: distances and the data there are, as "
            "other tasks weigh them, and no expected score"
        )
    for domain in ("syntax", "phonology"):
        share = known.coverage(target, domain)
        if share < 0.25:
            said.append(f"only {share:.0%} of the {domain} features of {target} are recorded")
    for domain, code in sorted(known.borrowed(target).items()):
        said.append(f"{domain} of {target} is recorded under {code}")
    return tuple(said)
