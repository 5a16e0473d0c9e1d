"""Likeness and transfer: what Zubillaga et al. 2024 found, found again in their table."""

from __future__ import annotations

import numpy as np
import pytest

from xlt.errors import XltError
from xlt.typology import analysis
from xlt.typology.analysis import analyse, read, read_traits
from xlt.typology.distances import Points
from xlt.typology.distances import matrix as distances
from xlt.typology.regression import SIMILARITIES, SIZES, regress
from xlt.typology.scores import Matrix
from xlt.typology.table import UNKNOWN, table

BY_HAND = """\
language,morphology,alignment,order,area
eus,agglutinative,ergative,SOV,Western Europe
eng,fusional,accusative,SVO,Western Europe
spa,fusional,accusative,SVO,Western Europe
por,fusional,accusative,SVO,Western Europe
pol,fusional,accusative,SVO,Eastern Europe
tur,agglutinative,accusative,SOV,Eastern Europe and Western Asia
hin,fusional,split,SOV,India
jpn,agglutinative,accusative,SOV,Eastern Asia
kor,agglutinative,accusative,SOV,Eastern Asia
"""
"""The traits of the paper's authors (their makeTableRed.py)."""


@pytest.fixture(scope="module")
def eusie(tmp_path_factory):
    path = tmp_path_factory.mktemp("traits") / "traits.csv"
    path.write_text(BY_HAND, encoding="utf-8")
    traits = read_traits(path)
    return {
        matrix.task: {
            effect.trait: effect for effect in analyse(matrix, permutations=300, traits=traits)
        }
        for matrix in read("eusie_event")
    }


def test_word_order_leads_for_arguments(eusie):
    effects = eusie["event-argument"]
    # By hand and by WALS it is the same.
    assert {e.trait for e in sorted(effects.values(), key=lambda e: -e.difference)[:2]} == {
        "order",
        "word order",
    }
    assert effects["word order"].difference == pytest.approx(7.4, abs=0.05)
    assert effects["word order"].p < 0.1


@pytest.mark.parametrize(
    ("task", "differences"),
    [
        ("event-entity", {"area": 6.0, "morphology": 5.3, "order": 4.3, "alignment": -0.6}),
        ("event-trigger", {"area": 4.9, "script": 4.4, "order": 3.3, "morphology": 2.9}),
        ("event-argument", {"order": 7.4, "area": 4.9, "morphology": 4.4, "script": 3.1}),
        ("event-entity", {"script": 3.0, "word order": 4.3}),
    ],
)
def test_differences_as_in_a_reanalysis_of_the_table(eusie, task, differences):
    for trait, difference in differences.items():
        assert eusie[task][trait].difference == pytest.approx(difference, abs=0.06)


def test_script_and_morphology_matter_for_entities_and_script_for_triggers(eusie):
    for task, trait in [
        ("event-entity", "script"),
        ("event-entity", "morphology"),
        ("event-trigger", "script"),
        ("event-argument", "order"),
    ]:
        assert eusie[task][trait].p < 0.06
    assert eusie["event-entity"]["alignment"].p > 0.3


def test_every_pair_is_counted(eusie):
    for effects in eusie.values():
        for effect in effects.values():
            assert effect.alike + effect.different + effect.unknown == 64
            assert 0 < effect.p <= effect.p_adjusted <= 1
        first = min(effects.values(), key=lambda effect: effect.p)
        assert first.p_adjusted == pytest.approx(min(1, len(effects) * first.p))


def test_no_effect_in_noise(tmp_path):
    codes = ["eng", "deu", "rus", "jpn", "hin", "tur", "fin", "ara"]
    draw = np.random.default_rng(1)
    lines = [f"{a},{b},{draw.normal():.4f}" for a in codes for b in codes if a != b]
    path = tmp_path / "noise.csv"
    path.write_text("source,target,score\n" + "\n".join(lines), encoding="utf-8")
    (matrix,) = read(path)
    assert matrix.scores.shape == (8, 8)
    ps = [effect.p for effect in analyse(matrix, permutations=200)]
    assert min(ps) > 0.005


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("source,target\neng,deu\n", "columns score are missing", ":1"),
        ("", "is empty", "scores.csv"),
        ("source,target,score\n", "no score from one language to another", "scores.csv"),
        ("source,target,score\neng,deu,6_0\n", "not a pair", ":2"),
        ("source,target,score\neng,deu,٣\n", "not a pair", ":2"),
        ("source,target,score\neng,deu\n", "2 cells under 3 columns", ":2"),
        ("source;target;score\neng;deu;5\n", "separated by semicolons", ":1"),
        ("source,target,score\neng,deu,1\neng,deu,2\n", "twice, first in line 2", ":3"),
        ("source,target,score\neng,deu,high\n", "not a pair", ":2"),
        ("source,target,score\neng,deu,nan\n", "not a pair", ":2"),
        ("source,target,score\neng,deu,1\nEnglsh,deu,1\n", "unknown language", ":3"),
    ],
)
def test_bad_files(tmp_path, text, what, where):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError) as caught:
        read(path)
    assert what in caught.value.what
    assert str(caught.value.where).endswith(where)


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("code,order\neng,SVO\n", "no column `language`", ":1"),
        ("language\neng\n", "no trait", ":1"),
        ("language,a,a\neng,b,c\n", "two columns are called 'a'", ":1"),
        ("language,a\nxx,b\n", "xx", ":2"),
    ],
)
def test_bad_traits(tmp_path, text, what, where):
    path = tmp_path / "traits.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError) as caught:
        read_traits(path)
    assert what in caught.value.what
    assert str(caught.value.where).endswith(where)


def test_a_task_names_all_its_matrices():
    assert {found.name for found in read("dep")} == {"e5_parsing", "langrank_dep"}
    assert len(read("pos")) > 3


CODES = ("eng", "deu", "rus", "jpn", "hin", "tur", "fin", "ara", "spa", "zho")


def made(scores) -> Matrix:
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    return Matrix("made", "up", "F1", True, CODES, CODES, scores, about)


def test_a_regression_finds_what_made_the_scores():
    scores = 50 + 40 * (1 - distances("syntactic", CODES, CODES))
    np.fill_diagonal(scores, np.nan)
    found = regress(made(scores))
    assert found is not None
    terms = {term.feature: term for term in found.terms}
    assert found.explained == pytest.approx(1)
    assert found.error < 1e-6 < 1 < found.constant
    assert terms["syntactic"].coefficient == pytest.approx(40 * _spread("syntactic"), rel=1e-6)
    assert terms["lexical"].coefficient == pytest.approx(0, abs=1e-6)
    assert terms["syntactic"].alone < 1e-6 < terms["syntactic"].without


def _spread(kind: str) -> float:
    """Over the pairs of which all is known."""
    known = ~np.eye(len(CODES), dtype=bool)
    for other in SIMILARITIES:
        known &= ~np.isnan(distances(other, CODES, CODES))
    return float(distances(kind, CODES, CODES)[known].std())


def test_a_regression_against_one_by_hand():
    """Targets are left out one after another, as sources too; every number from lists of pairs."""
    draw = np.random.default_rng(2)
    scores = draw.uniform(20, 80, (len(CODES),) * 2)
    np.fill_diagonal(scores, np.nan)
    found = regress(made(scores))
    resources = Points(CODES).resources
    rows, targets, sources = [], [], []
    for a, source in enumerate(CODES):
        for b, target in enumerate(CODES):
            alike = [1 - distances(kind, [source], [target])[0, 0] for kind in SIMILARITIES]
            row = [*alike, resources[a], resources[b], scores[a, b]]
            if not np.isnan(row).any():
                rows.append(row)
                targets.append(target)
                sources.append(source)
    *columns, wanted = np.array(rows).T
    columns = [(column - column.mean()) / column.std() for column in columns]

    def fit(chosen, kept):
        design = np.stack([np.ones(len(wanted)), *chosen], 1)
        return design, np.linalg.lstsq(design[kept], wanted[kept], rcond=None)[0]

    def left_out(chosen):
        errors, fits = [], []
        for held in sorted(set(targets)):
            kept = [n for n in range(len(rows)) if held not in (targets[n], sources[n])]
            design, weights = fit(chosen, kept)
            fits.append(weights)
            asked = [n for n in range(len(rows)) if targets[n] == held]
            errors += list(abs(wanted[asked] - design[asked] @ weights))
        number = len(fits)
        spread = np.sqrt((number - 1) / number * ((fits - np.mean(fits, 0)) ** 2).sum(0))
        return np.mean(errors), spread

    assert found is not None
    assert (found.pairs, found.targets) == (len(rows), len(set(targets)))
    assert [term.feature for term in found.terms] == [*SIMILARITIES, *SIZES]
    assert found.left_out == ()
    design, weights = fit(columns, slice(None))
    error, spread = left_out(columns)
    assert found.error == pytest.approx(error)
    assert found.constant == pytest.approx(left_out([])[0])
    rest = wanted - design @ weights
    assert found.explained == pytest.approx(1 - rest.var() / wanted.var())
    for n, term in enumerate(found.terms):
        assert term.coefficient == pytest.approx(weights[n + 1])
        assert term.error == pytest.approx(spread[n + 1])
        assert term.alone == pytest.approx(left_out([columns[n]])[0])
        assert term.without == pytest.approx(left_out(columns[:n] + columns[n + 1 :])[0])


def test_what_does_not_vary_takes_no_part():
    """One source: how much of it was read is the same for all pairs."""
    codes = sorted({code for matrix in read("pos") for code in matrix.targets})
    targets = tuple(code for code in codes if code != "eng")
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    scores = np.random.default_rng(1).uniform(0, 100, (1, len(targets)))
    found = regress(Matrix("made", "up", "F1", True, ("eng",), targets, scores, about))
    assert found is not None
    assert found.left_out == ("source tokens",)
    assert "target tokens" in {term.feature for term in found.terms}


@pytest.mark.parametrize(("lacking", "left_out"), [(1, False), (5, True)])
def test_what_is_known_of_too_few_takes_no_part(lacking, left_out):
    """Of some languages there is no text in the lexical table, but all else. Of 10 languages 5
    such leave 20 of 90 pairs, 1 leaves 72."""
    codes = (*CODES[: 10 - lacking], *("ach", "ain", "apu", "bak", "bej")[:lacking])
    scores = np.random.default_rng(0).uniform(0, 100, (10, 10))
    np.fill_diagonal(scores, np.nan)
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    found = regress(Matrix("made", "up", "F1", True, codes, codes, scores, about))
    assert found is not None
    assert ("lexical" in found.left_out) == left_out


def test_too_few_pairs_give_no_regression():
    scores = np.full((len(CODES),) * 2, np.nan)
    scores[0, 1:] = 50
    assert regress(made(scores)) is None


def test_unknown_matrix_names_the_nearest():
    with pytest.raises(XltError, match="eusie_event"):
        read("eusie_evnt")


def test_a_table_of_too_many_languages_says_how_many(tmp_path, monkeypatch):
    monkeypatch.setattr(analysis, "MAX_LANGUAGES", 3)
    path = tmp_path / "scores.csv"
    path.write_text("source,target,score\neng,deu,1\nfra,eng,2\n", encoding="utf-8")
    assert len(read(path)[0].sources) == 2
    path.write_text("source,target,score\neng,deu,1\nfra,ita,2\n", encoding="utf-8")
    with pytest.raises(XltError, match="4 languages, more than the 3"):
        read(path)


# Against what the docstrings say ---------------------------------------------------------------


def test_what_a_file_holds_is_no_percentage(tmp_path):
    """Its unit is its own. Each task is a matrix; a language to itself is left out."""
    path = tmp_path / "scores.csv"
    path.write_text(
        "source,target,score,task\nspa,eng,3,b\neng,deu,1.5,b\neng,eng,9,b\nswh,deu,-2,a\n",
        encoding="utf-8",
    )
    one, other = read(str(path))
    assert (one.name, one.task, one.metric, one.percent) == ("scores", "a", "score", False)
    assert (one.sources, one.targets, one.scores.tolist()) == (("swa",), ("deu",), [[-2]])
    assert (other.task, other.sources, other.targets) == ("b", ("eng", "spa"), ("deu", "eng"))
    np.testing.assert_array_equal(other.scores, [[1.5, np.nan], [np.nan, 3]])
    assert one.about["origin"] == str(path)


@pytest.mark.parametrize("row", ["eng,,1", ",eng,1", "eng,deu,"])
def test_a_row_needs_a_pair_and_a_score(tmp_path, row):
    path = tmp_path / "scores.csv"
    path.write_text(f"source,target,score\n{row}\n", encoding="utf-8")
    with pytest.raises(XltError, match="not a pair of languages with a score"):
        read(path)


def test_the_same_pair_in_two_tasks_is_no_repetition(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "source,target,score,task\neng,deu,1,a\neng,deu,2,b\ndeu,eng,3,a\n", encoding="utf-8"
    )
    assert [found.task for found in read(path)] == ["a", "b"]


def test_traits_are_read_by_language(tmp_path):
    path = tmp_path / "traits.csv"
    path.write_text("a,language,b\nx,English,\n,swh,z\n", encoding="utf-8")
    assert read_traits(path) == {"a": {"eng": "x"}, "b": {"swa": "z"}}
    path.write_text("a,language\n,English\n", encoding="utf-8")
    with pytest.raises(XltError, match="no language has a trait"):
        read_traits(path)


def test_scores_less_the_means_of_their_source_and_target():
    nan = np.nan
    scores = np.array([[nan, 4.0, 6.0], [1.0, nan, 8.0], [nan, nan, nan]])
    found = analysis._centred(scores)
    source, target, every = {0: 5.0, 1: 4.5}, {0: 1.0, 1: 4.0, 2: 7.0}, 19 / 4
    for (a, b), score in np.ndenumerate(scores):
        if np.isnan(score):
            assert np.isnan(found[a, b])
        else:
            assert found[a, b] == pytest.approx(score - source[a] - target[b] + every)
    assert np.isnan(analysis._centred(np.full((2, 2), nan))).all()


@pytest.mark.parametrize(("alike", "enough"), [([1, 1, 0, 0], True), ([1, 0, 0, 0], False),
                                               ([1, 1, 1, 0], False)])  # fmt: skip
def test_two_pairs_on_each_side_are_enough(alike, enough):
    residual = np.array([[1.0, 5.0, 2.0, 10.0, 99.0, np.nan]])
    found = analysis._difference(residual, np.array([[*alike, np.nan, 1]]))
    assert found == (3 - 6 if enough else None)


def small() -> Matrix:
    codes = ("deu", "eng", "fin", "hin", "jpn", "tur")
    scores = np.random.default_rng(7).uniform(20, 80, (6, 6))
    np.fill_diagonal(scores, np.nan)
    scores[0, 2] = np.nan
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    return Matrix("made", "up", "F1", True, codes, codes[::-1], scores[:, ::-1], about)


TRAITS = {
    "same": dict.fromkeys(("deu", "eng", "fin"), "x"),
    "made": {"deu": "x", "eng": "x", "fin": "y", "hin": "y", "jpn": "x"},
}


@pytest.fixture(scope="module")
def effects():
    return analyse(small(), permutations=150, seed=3, traits=TRAITS)


def pairs(matrix: Matrix) -> list[tuple[int, int]]:
    return [(a, b) for (a, b), score in np.ndenumerate(matrix.scores) if not np.isnan(score)]


def test_an_effect_in_loops_over_pairs(effects):
    """The trait is handed round among the languages in the orders that the seed draws."""
    matrix, (effect,) = small(), [e for e in effects if e.trait == "made"]
    residual, codes = analysis._centred(matrix.scores), list(matrix.sources)

    def difference(values: dict[str, str | None]) -> float:
        same, other = [], []
        for a, b in pairs(matrix):
            one, two = values[matrix.sources[a]], values[matrix.targets[b]]
            if one is not None and two is not None:
                (same if one == two else other).append(residual[a, b])
        return float(np.mean(same) - np.mean(other))

    values = [TRAITS["made"].get(code) for code in codes]
    observed = difference(dict(zip(codes, values, strict=True)))
    draw = np.random.default_rng(3)
    drawn = [
        difference({code: values[n] for code, n in zip(codes, draw.permutation(6), strict=True)})
        for _ in range(150)
    ]
    assert effect.difference == pytest.approx(observed)
    extreme = sum(abs(value) >= abs(observed) - 1e-9 for value in drawn)
    assert effect.p == (extreme + 1) / 151
    known = [
        TRAITS["made"][matrix.sources[a]] == TRAITS["made"][matrix.targets[b]]
        for a, b in pairs(matrix)
        if "tur" not in (matrix.sources[a], matrix.targets[b])
    ]
    assert (effect.alike, effect.different) == (sum(known), len(known) - sum(known))
    assert effect.unknown == len(pairs(matrix)) - len(known)


def test_effects_come_the_largest_difference_first(effects):
    differences = [effect.difference for effect in effects]
    assert differences == sorted(differences, reverse=True)
    # What divides no pairs is left out, and what comes after it is not.
    assert {"same", "made"} & {effect.trait for effect in effects} == {"made"}


def test_alike_in_a_distance_is_below_the_median_of_the_measured_pairs(effects):
    matrix = small()
    found = {effect.trait: effect for effect in effects}
    assert "script distance below median" not in found
    for kind in ("geographic", "syntactic"):
        measured = [
            distances(kind, [matrix.sources[a]], [matrix.targets[b]])[0, 0]
            for a, b in pairs(matrix)
        ]
        assert not np.isnan(measured).any()
        near = sum(value < np.median(measured) for value in measured)
        effect = found[f"{kind} distance below median"]
        assert (effect.alike, effect.unknown) == (near, 0)
        assert effect.different == len(measured) - near


def test_traits_of_wals_stand_in_for_one_another():
    """81A, and 83A where 81A says nothing of one of the two."""
    codes = ["eng", "tur", "jpn", "hin", "deu", "nld", "ind", "pcm"]
    rows = np.arange(len(codes))
    found = analysis._traits(codes, rows, rows, np.zeros((len(codes),) * 2))["word order"]
    known = table()
    names = [name.partition(" ")[0] for name in known.notes["wals"]]
    values = known.take("wals", known.rows(codes)).tolist()
    for a, b in np.ndindex(found.shape):
        wanted = np.nan
        for chapter in ("81A", "83A"):
            one, two = (values[n][names.index(chapter)] for n in (a, b))
            if np.isnan(wanted) and UNKNOWN not in (one, two):
                wanted = float(one == two)
        np.testing.assert_equal(found[a, b], wanted)
    assert np.isnan(found[-1]).all()


def test_orders_that_leave_nothing_to_compare_are_not_counted():
    """Of two sources and four targets, four have the trait; handed to others it may leave one
    pair alike."""
    sources, targets = ("deu", "eng"), ("fin", "hin", "jpn", "tur")
    about = dict.fromkeys(("paper", "model", "origin", "licence"), "")
    scores = np.random.default_rng(2).uniform(20, 80, (2, 4))
    matrix = Matrix("made", "up", "F1", True, sources, targets, scores, about)
    values = {"deu": "x", "eng": "y", "fin": "x", "hin": "y", "jpn": "y"}
    found = analyse(matrix, permutations=100, seed=5, traits={"made": values})
    (effect,) = [effect for effect in found if effect.trait == "made"]
    residual, codes, draw = (
        analysis._centred(scores), [*sources, *targets], np.random.default_rng(5)
    )  # fmt: skip
    drawn = []
    for _ in range(100):
        order = draw.permutation(6)
        given = {code: values.get(codes[n]) for code, n in zip(codes, order, strict=True)}
        sides: dict[bool, list[float]] = {True: [], False: []}
        for (a, b), value in np.ndenumerate(residual):
            one, other = given[sources[a]], given[targets[b]]
            if one is not None and other is not None:
                sides[one == other].append(value)
        if min(map(len, sides.values())) >= 2:
            drawn.append(np.mean(sides[True]) - np.mean(sides[False]))
    assert 0 < len(drawn) < 100
    extreme = sum(abs(value) >= abs(effect.difference) - 1e-9 for value in drawn)
    assert effect.p == pytest.approx((extreme + 1) / (len(drawn) + 1))
