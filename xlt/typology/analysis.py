"""Which kinds of likeness go with transfer, in a matrix of measured scores.

After Zubillaga et al. 2024 (arXiv 2404.06392): the mean score of pairs that are alike in a trait,
minus that of pairs that are not, once the means of sources and of targets are taken out. Pairs that
share a language are not independent, so the test permutes languages and not pairs (Mantel 1967,
QAP): the traits are handed to other languages, and the difference is computed again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlt import languages
from xlt.data.numbers import decimal
from xlt.data.table import read_csv
from xlt.errors import XltError, choose
from xlt.evaluation.statistics import holm
from xlt.typology.distances import KINDS, matrix
from xlt.typology.scores import Matrix, matrices
from xlt.typology.table import UNKNOWN, table

Values = NDArray[np.float64]

TRAITS = {
    "word order": ("81A", "83A"),
    "alignment of case": ("98A",),
    "prefixing or suffixing": ("26A",),
    "number of cases": ("49A",),
}
"""Trait → chapters of WALS, the second where the first says nothing of one of the two."""
COLUMNS = ("source", "target", "score")
MAX_LANGUAGES = 1000
"""Most languages of a table: every pair of them is compared, and again for each permutation."""
MIN_PAIRS_PER_SIDE = 2
"""Fewest pairs alike, and fewest different, or there is nothing to compare."""


@dataclass(frozen=True)
class Effect:
    """Pairs that are alike in a trait against pairs that are not.

    difference: of mean scores, in the matrix's unit, source and target means taken out.
    p: of a difference as large, either way, where languages swap their traits; two-sided.
    p_adjusted: after Holm, over all traits of the matrix.
    unknown: pairs left out, because the trait is not recorded of both.
    """

    trait: str
    alike: int
    different: int
    unknown: int
    difference: float
    p: float
    p_adjusted: float


Traits = Mapping[str, Mapping[str, str]]
"""Trait → language → its value."""


def analyse(
    scores: Matrix, permutations: int = 2000, seed: int = 0, traits: Traits | None = None
) -> list[Effect]:
    """The effect of every trait that divides the pairs, the largest difference first.

    Traits: those given; the same script; `TRAITS` by WALS; and each distance, below its median or
    above.
    """
    residual = _centred(scores.scores)
    codes = list(dict.fromkeys([*scores.sources, *scores.targets]))
    place = {code: n for n, code in enumerate(codes)}
    rows = np.array([place[code] for code in scores.sources])
    columns = np.array([place[code] for code in scores.targets])
    draw = np.random.default_rng(seed)
    orders = [draw.permutation(len(codes)) for _ in range(permutations)]
    effects: list[Effect] = []
    given = {name: _same(values, codes) for name, values in (traits or {}).items()}
    for trait, alike in (given | _traits(codes, rows, columns, residual)).items():
        observed = _difference(residual, alike[np.ix_(rows, columns)])
        if observed is None:
            continue
        other = [_difference(residual, alike[np.ix_(o[rows], o[columns])]) for o in orders]
        drawn = np.array([value for value in other if value is not None])
        extreme = int((np.abs(drawn) >= abs(observed) - 1e-12).sum())
        own = alike[np.ix_(rows, columns)][~np.isnan(residual)]
        effects.append(
            Effect(
                trait,
                int((own == 1).sum()),
                int((own == 0).sum()),
                int(np.isnan(own).sum()),
                observed,
                (extreme + 1) / (len(drawn) + 1),
                float("nan"),  # not before all are known
            )
        )
    adjusted = holm([effect.p for effect in effects])
    effects = [replace(e, p_adjusted=p) for e, p in zip(effects, adjusted, strict=True)]
    return sorted(effects, key=lambda effect: -effect.difference)


def _centred(scores: Values) -> Values:
    """Scores less the mean of their source and of their target, plus that of all, as published.

    With cells missing (a language is no source for itself) this leaves a little of both means.
    """
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0)
    source = filled.sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    target = filled.sum(0) / np.maximum(known.sum(0), 1)
    return np.asarray(scores - source - target + filled.sum() / max(known.sum(), 1))


def _same(values: Mapping[str, str], codes: list[str]) -> Values:
    known = [values.get(code) for code in codes]
    return np.array(
        [[np.nan if a is None or b is None else float(a == b) for b in known] for a in known]
    )


def _traits(codes: list[str], rows: Values, columns: Values, residual: Values) -> dict[str, Values]:
    """Trait → 1 alike, 0 different, NaN unknown, for all pairs of the languages."""
    traits = {"script": 1 - matrix("script", codes, codes)}
    for trait, chapters in TRAITS.items():
        alike = np.full((len(codes),) * 2, np.nan)
        for chapter in chapters:
            alike = np.where(np.isnan(alike), _same_value(codes, chapter), alike)
        traits[trait] = alike
    for kind in KINDS:
        if kind != "script":
            apart = matrix(kind, codes, codes)
            measured = apart[np.ix_(rows, columns)][~np.isnan(residual)]
            if not np.isnan(measured).all():
                near = np.where(np.isnan(apart), np.nan, apart < np.nanmedian(measured))
                traits[f"{kind} distance below median"] = near
    return traits


def _same_value(codes: list[str], chapter: str) -> Values:
    known = table()
    column = [name.partition(" ")[0] for name in known.notes["wals"]].index(chapter)
    values = known.take("wals", known.rows(codes))[:, column].astype(float)
    values[values == UNKNOWN] = np.nan
    unknown = np.isnan(values)[:, None] | np.isnan(values)[None]
    return np.where(unknown, np.nan, values[:, None] == values[None])


def _difference(residual: Values, alike: Values) -> float | None:
    known = ~np.isnan(residual)
    same, other = residual[known & (alike == 1)], residual[known & (alike == 0)]
    if min(len(same), len(other)) < MIN_PAIRS_PER_SIDE:
        return None
    return float(same.mean() - other.mean())


def read_traits(path: Path) -> dict[str, dict[str, str]]:
    """Traits from a CSV file: a column `language`, and one for each trait.

    Raises XltError with ``file:line``.
    """
    header, rows = read_csv(path)
    if "language" not in header or len(header) < 2:
        raise XltError(
            "there is no column `language`" if "language" not in header else "there is no trait",
            where=f"{path}:1",
            fix="write a column `language`, and one a trait",
        )
    traits: dict[str, dict[str, str]] = {name: {} for name in header if name != "language"}
    for line, row in rows:
        code = _shared(row["language"], f"{path}:{line}")
        for name, values in traits.items():
            if row[name]:
                values[code] = row[name]
    if not any(traits.values()):
        raise XltError(
            "no language has a trait", where=path, fix="write a language and its traits a line"
        )
    return traits


def read(name: str | Path) -> list[Matrix]:
    """The packaged matrices of a name or a task, or those in a CSV file (one for each task).

    A file has the columns source, target and score; `task` divides it. Raises XltError with
    ``file:line`` for missing columns, unknown languages, scores that are no number, a pair that is
    there twice; and for more than `MAX_LANGUAGES`.
    """
    packaged = [
        candidate for candidate in matrices() if str(name) in (candidate.name, candidate.task)
    ]
    if packaged:
        return packaged
    path = Path(name)
    if not path.exists():
        fix = choose(
            str(name),
            {text for candidate in matrices() for text in (candidate.name, candidate.task)},
        )
        raise XltError("there is no such file or packaged matrix", where=path, fix=fix)
    header, rows = read_csv(path)
    if lacking := [column for column in COLUMNS if column not in header]:
        raise XltError(
            f"the columns {', '.join(lacking)} are missing",
            where=f"{path}:1",
            fix=f"name the columns {', '.join(COLUMNS)}, and perhaps task",
        )
    return _matrices(path, rows)


def _matrices(path: Path, rows: Iterable[tuple[int, dict[str, str]]]) -> list[Matrix]:
    cells: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    lines: dict[tuple[str, str, str], int] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        score = decimal(row["score"])
        if score is None or not row["source"] or not row["target"]:
            raise XltError(
                f"not a pair of languages with a score: {', '.join(row.values()):.80}",
                where=where,
                fix="write two languages and a number, or leave the line out",
            )
        source, target = (_shared(row[side], where) for side in COLUMNS[:2])
        task = row.get("task", "")
        before = lines.setdefault((task, source, target), line)
        if before != line:
            raise XltError(
                f"a score from {source} to {target} is there twice, first in line {before}",
                where=where,
                fix="keep one of the two, or their mean",
            )
        if source != target:
            cells[task][source, target] = score
    if not cells:
        raise XltError(
            "there is no score from one language to another",
            where=path,
            fix="write a source, a target and a score a line",
        )
    return [_as_matrix(path, task, scores) for task, scores in sorted(cells.items())]


def _shared(text: str, where: str) -> str:
    try:
        return languages.shared(text)
    except XltError as error:
        raise error.at(where) from error


def _as_matrix(path: Path, task: str, cells: dict[tuple[str, str], float]) -> Matrix:
    sources = {code: n for n, code in enumerate(sorted({source for source, _ in cells}))}
    targets = {code: n for n, code in enumerate(sorted({target for _, target in cells}))}
    if (number := len(sources | targets)) > MAX_LANGUAGES:
        raise XltError(
            f"{number} languages, more than the {MAX_LANGUAGES} whose pairs can be compared",
            where=path,
            fix="leave some out",
        )
    values = np.full((len(sources), len(targets)), np.nan)
    for (source, target), score in cells.items():
        values[sources[source], targets[target]] = score
    about = {"paper": "", "model": "", "origin": str(path), "licence": ""}
    return Matrix(path.stem, task, "score", False, (*sources,), (*targets,), values, about)
