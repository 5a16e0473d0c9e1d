"""What the tables of a task say together, in loops over tables, sources and targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from xlt.typology import measured
from xlt.typology.evidence import Geometry, geometry
from xlt.typology.features import EXAMPLES, FEATURES, features, lacking
from xlt.typology.measured import PARTS, Evidence, deviation, fitted
from xlt.typology.own_evidence import _Placed
from xlt.typology.process import Posterior, fit, level_kernel, source_kernel, target_kernel
from xlt.typology.scores import Matrix

WEIGHTS = np.linspace(0.05, 0.5, len(FEATURES))
ABOUT = {"paper": "one", "model": "mbert", "origin": "", "licence": ""}


def among(a: Sequence[str], b: Sequence[str]) -> Geometry:
    return geometry(list(a), list(b), fitted()["usual"])


def table(seed: int, sources: str, targets: str, **changes: object) -> Matrix:
    rows, columns = tuple(sources.split()), tuple(targets.split())
    scores = np.random.default_rng(seed).uniform(20, 90, (len(rows), len(columns)))
    scores[np.array(rows)[:, None] == np.array(columns)[None]] = np.nan
    return replace(Matrix("made", "up", "F1", True, rows, columns, scores, ABOUT), **changes)


@pytest.fixture(scope="module")
def tables() -> tuple[Matrix, ...]:
    """Two papers' tables, whose sources are in part the same, and one in another metric."""
    return (
        table(0, "deu eng fra hin rus tur zho", "ces eng eus jpn spa swa"),
        table(1, "eng ind rus swa tam", "jav ces tgl zul", about=ABOUT | {"paper": "two"}),
        table(
            *(2, "eng ind fra rus zho tam", "ces yor jpn"),
            metric="accuracy",
            about=ABOUT | {"paper": "three", "model": "xlm-roberta-large"},
        ),
    )


ASKED = ("tam", "deu", "kat", "eng")  # Georgian is in none
ALL = ("deu", "eng", "fra", "hin", "rus", "tur", "zho", "ind", "swa", "tam")


def counts(tables: Sequence[Matrix]) -> list[float]:
    """Each has a paper of its own, and a pretrained encoder."""
    return [math.sqrt(len(one.targets) / 50) for one in tables]


@cache
def fitted_to(one: Matrix) -> Posterior:
    return fit(one, among, WEIGHTS)


@cache
def beside(one: Matrix, source: str, target: str) -> float:
    """What a table's own process finds, d_m."""
    found = fitted_to(one)
    given = features(among([source], [target]))[0, 0]
    total = float((found.weights - WEIGHTS) @ given) if one.own else 0.0
    same = np.array([[source == other for other in found.sources]])
    (alike,) = source_kernel(among([source], found.sources), same).tolist()
    near = target_kernel(among(found.targets, [target]))[:, 0].tolist()
    for n, k_source in enumerate(alike):
        for m, k_target in enumerate(near):
            total += k_source * found.pull[n, m] * k_target
    return float(total)


def parts_in_loops(
    tables: Sequence[Matrix], target: str, counted: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Source → part → value, about the mean over all sources of the tables."""
    known = dict.fromkeys(source for one in tables for source in one.sources)
    means = [np.mean([beside(one, s, target) for s in one.sources]) for one in tables]
    found = {}
    for source in (*known, *(code for code in ASKED if code not in known)):
        heard = [
            count * (1.0 if source in one.sources else 0.1)
            for one, count in zip(tables, counted, strict=True)
        ]
        own = sum(
            weight * (beside(one, source, target) - mean)
            for one, weight, mean in zip(tables, heard, means, strict=True)
        )
        values = WEIGHTS * features(among([source], [target]))[0, 0]
        found[source] = {"prior": own / (0.5 + sum(heard))} | {
            part: sum(
                v for v, group in zip(values, FEATURES.values(), strict=True) if group == part
            )
            for part in PARTS[1:]
        }
    return {
        source: {part: parts[part] - np.mean([found[s][part] for s in known]) for part in PARTS}
        for source, parts in found.items()
    }


@pytest.fixture(scope="module")
def evidence(tables) -> Evidence:
    return Evidence(tables, "", WEIGHTS, among)


def test_the_parts_of_a_score(tables, evidence):
    answer = evidence.ask("ukr", ASKED)
    wanted = parts_in_loops(tables, "ukr", counts(tables))
    assert answer.sources == ASKED
    for source, parts in zip(ASKED, answer.parts, strict=True):
        assert parts.tolist() == pytest.approx(list(wanted[source].values()), abs=1e-9)
    assert answer.measured.tolist() == [True, True, False, True]
    assert answer.expected == pytest.approx(answer.level + answer.unit * answer.parts.sum(1))


def test_sources_that_the_tables_have_are_asked_without_others(evidence):
    """What a source is worth does not hang on what is asked with it."""
    alone, together = evidence.ask("ukr", ["eng", "tam"]), evidence.ask("ukr", ASKED)
    np.testing.assert_allclose(alone.parts, together.parts[[3, 0]], atol=1e-12)
    assert alone.distances.distances["syntactic"].shape == (2, 1)
    np.testing.assert_allclose(
        alone.distances.distances["syntactic"],
        among(["eng", "tam"], ["ukr"]).distances["syntactic"],
    )


def test_what_is_left_open_is_what_the_tables_do_not_count(tables, evidence):
    answer = evidence.ask("ukr", ASKED)
    for source, left in zip(ASKED, answer.open, strict=True):
        heard = [
            count * (1.0 if source in one.sources else 0.1)
            for one, count in zip(tables, counts(tables), strict=True)
        ]
        assert left == pytest.approx(0.5 / (0.5 + sum(heard)))


def levels(tables: Sequence[Matrix], target: str, shares: Sequence[float]) -> tuple[float, float]:
    total = np.zeros(2)
    for one, share in zip(tables, shares, strict=True):
        found = fitted_to(one)
        kernel = level_kernel(among(found.targets, [target]))
        total += share * np.array([found.levels.at(kernel)[0], found.units.at(kernel)[0]])
    level, unit = total / sum(shares)
    return level, unit


def test_the_level_is_that_of_the_tables_in_the_metric_of_the_first(tables, evidence):
    answer = evidence.ask("ukr", ASKED)
    one, other, _ = counts(tables)
    assert (answer.level, answer.unit) == pytest.approx(levels(tables, "ukr", [one, other, 0]))


def test_a_user_s_own_table_says_no_level_unless_it_is_alone(tables):
    first, second, _ = tables
    own = replace(second, own=True)
    answer = Evidence((first, own), "", WEIGHTS, among).ask("ukr", ASKED)
    assert (answer.level, answer.unit) == pytest.approx(levels((first,), "ukr", [1]))
    answer = Evidence((own,), "", WEIGHTS, among).ask("ukr", ASKED)
    assert (answer.level, answer.unit) == pytest.approx(levels((second,), "ukr", [1]))


def test_a_user_s_own_table_counts_ten_times(tables):
    first, second, _ = tables
    both = (first, replace(second, own=True))
    one, other = counts(both)
    wanted = parts_in_loops(both, "ukr", [one, 10 * other])
    answer = Evidence(both, "", WEIGHTS, among).ask("ukr", ASKED)
    priors = [wanted[source]["prior"] for source in ASKED]
    assert answer.parts[:, 0].tolist() == pytest.approx(priors, abs=1e-9)


def test_a_table_of_the_same_encoder_counts_twice(tables):
    one, other, third = counts(tables)
    wanted = parts_in_loops(tables, "ukr", [one, other, 2 * third])
    answer = Evidence(tables, "FacebookAI/xlm-roberta-large", WEIGHTS, among).ask("ukr", ASKED)
    priors = [wanted[source]["prior"] for source in ASKED]
    assert answer.parts[:, 0].tolist() == pytest.approx(priors, abs=1e-9)


def test_tables_of_one_paper_share_what_they_count_and_those_without_an_encoder_count_little(
    tables,
):
    first, second, third = tables
    weak = replace(third, about=third.about | {"model": "lin2019-bilstm"})
    same = replace(second, about=first.about)
    found = measured._shares((first, same, weak), "")
    # `shares` is a half, a half, and `likeness`, which counts once more; then the root.
    assert found.tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0.2])


def test_no_spread_is_negative(tables, evidence, monkeypatch):
    (first, *_) = tables
    found = Evidence((first,), "", WEIGHTS, among)
    (posterior,) = found._tables
    units = replace(posterior.units, mean=-5.0, scale=0.0)
    monkeypatch.setattr(found, "_tables", [replace(posterior, units=units)])
    answer = found.ask("ukr", ASKED)
    assert answer.unit == 0
    assert answer.expected == pytest.approx([answer.level] * len(ASKED))


def test_a_table_of_two_sources_has_no_level_of_its_own(tables):
    """The spread of so few is not known. Where it is all there is, nothing is expected."""
    first, *_ = tables
    few = np.array([[50.0], [60.0]])
    own = _Placed(
        *("own", "up", "F1", True, ("eng", "ind"), ("jav",), few, ABOUT), own=True, placed=few / 10
    )
    alone = Evidence((own,), "", WEIGHTS, among).ask("ukr", ASKED)
    assert np.isnan([alone.level, alone.unit]).all()
    both = Evidence((first, own), "", WEIGHTS, among).ask("ukr", ASKED)
    assert (both.level, both.unit) == pytest.approx(levels((first,), "ukr", [1]))


def test_known_sizes_take_the_place_of_those_of_the_tables(tables, evidence):
    """A tenth of 3,000 examples costs what the weight of the column says; it moves no other."""
    plain = evidence.ask("ukr", ASKED).parts
    few = evidence.ask("ukr", ASKED, {"deu": 300, "kat": 30}).parts
    wanted = plain.copy()
    for row, code in enumerate(ASKED):
        lack = lacking([code], {"deu": 300, "kat": 30})[0]
        wanted[row, PARTS.index("data")] -= lack * WEIGHTS[EXAMPLES]
    np.testing.assert_allclose(few, wanted, atol=1e-12)
    assert (few != plain).any(1).tolist() == [False, True, True, False]


def test_sizes_of_packaged_tables_are_known(tables, monkeypatch):
    """The largest where two tables have a source."""
    sizes = {"made": {"deu": 300, "eng": 3}, "other": {"deu": 30, "eng": 30}}
    monkeypatch.setattr(measured, "training_sizes", lambda name: sizes.get(name, {}))
    known = Evidence((tables[0], replace(tables[1], name="other")), "", WEIGHTS, among)
    assert known._sizes == {"deu": 300, "eng": 30}
    answer, given = known.ask("ukr", ASKED), known.ask("ukr", ASKED, {"deu": 5000})
    data = PARTS.index("data")
    assert (given.parts - answer.parts)[1, data] == pytest.approx(WEIGHTS[EXAMPLES] / 0.3)
    assert (given.parts - answer.parts)[0, data] == 0


def test_published_scores_are_those_of_the_first_table_that_has_the_pair(tables):
    first, second, third = tables
    scores = first.scores.copy()
    scores[first.sources.index("rus"), first.targets.index("ces")] = np.nan
    own = replace(third, own=True, scores=third.scores + 1000)
    found = Evidence((replace(first, scores=scores), own, second), "", WEIGHTS, among)
    answer = found.ask("ces", ["eng", "rus", "tam", "zho", "kat", "ind"])

    def of(one: Matrix, source: str) -> float:
        return float(one.scores[one.sources.index(source), one.targets.index("ces")])

    wanted = [
        of(first, "eng"), of(second, "rus"), of(second, "tam"), of(first, "zho"), np.nan,
        of(second, "ind"),
    ]  # fmt: skip
    np.testing.assert_array_equal(answer.exact, wanted)
    assert np.isnan(found.ask("ukr", ["eng", "rus"]).exact).all()


def test_without_tables_only_the_features_speak():
    answer = Evidence((), "", WEIGHTS, among).ask("ukr", ["eng", "rus"])
    given = features(among(["eng", "rus"], ["ukr"]))[:, 0] * WEIGHTS
    assert answer.parts[:, 0].tolist() == [0, 0]
    assert answer.parts.sum(1) == pytest.approx(given.sum(1))
    assert np.isnan([answer.level, answer.unit]).all()
    assert answer.open.tolist() == [1, 1]
    assert answer.measured.tolist() == [False, False]


def test_the_deviation_of_what_is_expected():
    found = deviation((9.0, 0.25, 0.5), 4.0, np.array([0.0, 1.0, 0.3]))
    wanted = [math.sqrt(9 + 16 * (0.25 + 0.5 * left)) for left in (0, 1, 0.3)]
    assert found.tolist() == pytest.approx(wanted)
