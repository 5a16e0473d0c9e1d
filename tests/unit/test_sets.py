"""Sets of sources by climbing, and a number of examples divided over one."""

from __future__ import annotations

import numpy as np
import pytest

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.runs.experiment import prepare
from xlt.typology import tower
from xlt.typology.budget import Share, divide, find_cards, shares, write_config
from xlt.typology.distances import matrix as distances
from xlt.typology.evidence import geometry
from xlt.typology.measured import fitted
from xlt.typology.ranking import Ranking, rank
from xlt.typology.sets import chains, choose_set
from xlt.typology.tower import _nodes_above, climb

PARSING = "dependency_parsing"


def parsing(target, candidates) -> Ranking:
    return rank(target, candidates, task=PARSING, measured_as=("dep",))


# The tower -----------------------------------------------------------------------------------


def test_nodes_above_a_leaf():
    # (0 1), (2 3), then both, then 4
    merges = np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 2], [5, 6, 0.3, 4], [7, 4, 0.4, 5]])
    assert _nodes_above(2, merges) == [[2, 3], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert _nodes_above(4, merges) == [[0, 1, 2, 3, 4]]


def test_the_climb_stays_with_relatives():
    codes = ["ces", "slk", "pol", "rus", "jpn", "tur", "hin", "arb", "eng", "fin"]
    found = climb("ukr", codes, parsing)
    assert set(found.sources) <= {"ces", "slk", "pol", "rus"}
    assert found.sources[0] == found.proxy
    taken = [code for added, _, good in found.steps if good for code in added]
    assert [found.proxy, *taken] == list(found.sources)
    # Every step but the last was worth it, and the last was not (or nothing was left).
    assert [good for *_, good in found.steps[:-1]] == [True] * (len(found.steps) - 1)


def test_the_climb_does_not_outgrow_its_limit():
    codes = ["ces", "slk", "pol", "rus", "bul", "hrv", "slv", "jpn", "tur", "hin", "ara"]
    assert len(climb("ukr", codes, parsing, most=2).sources) <= 2


def test_one_candidate_alone():
    found = climb("jav", ["eng"], parsing)
    assert (found.sources, found.steps) == (("eng",), ())


def test_unrecorded_syntax_is_said():
    assert "pcm" in climb("pcm", ["eng", "fra", "hau"], parsing).imputed


# Budgets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "available", "wanted"),
    [
        (9, {}, {"a": 3, "b": 3, "c": 3}),
        (11, {}, {"a": 4, "b": 4, "c": 3}),
        (90, {"b": 10}, {"a": 40, "b": 10, "c": 40}),
        (90, {"a": 5, "b": 10}, {"a": 5, "b": 10, "c": 75}),
        (15, {"a": 5, "b": 5, "c": 5}, {"a": 5, "b": 5, "c": 5}),
        (91, {"b": 10, "c": None}, {"a": 41, "b": 10, "c": 40}),
    ],
)
def test_division(budget, available, wanted):
    assert divide(budget, ["a", "b", "c"], available) == wanted


@pytest.mark.parametrize(
    ("budget", "available", "what"),
    [(2, {}, "fewer than the 3"), (16, {"a": 5, "b": 5, "c": 5}, "only 15 examples together")],
)
def test_division_that_cannot_be(budget, available, what):
    with pytest.raises(XltError, match=what) as caught:
        divide(budget, ["a", "b", "c"], available)
    assert caught.value.where == "--budget"
    assert caught.value.fix


def test_cards():
    found = find_cards(PARSING, ["ind", "eng", "aym"], ["sample"])
    assert found["ind"].identifier == "sample-dep"
    assert found["aym"] is None
    assert find_cards(PARSING, ["ind"])["ind"].identifier.startswith("ud-")


def test_a_config_that_can_be_run(tmp_path):
    found = find_cards(PARSING, ["ind", "eng"], ["sample"])
    parts = shares(301, PARSING, ["ind", "eng"], found)
    assert [(p.language, p.examples, p.card) for p in parts] == [
        ("ind", 151, "sample-dep"),
        ("eng", 150, "sample-dep"),
    ]
    assert all(part.available > 300 for part in parts)
    path = tmp_path / "new" / "joint.yaml"
    write_config(path, PARSING, "jav", parts, "some/model")
    loaded = load_config(path)
    config = loaded.config
    assert config.strategy.name == "joint"
    assert config.data["ind"].train[0].limit == 151
    assert config.model.encoder == "some/model"
    assert [stage.name for stage in prepare(loaded).plans["jav"].history] == ["ind+eng"]
    with pytest.raises(XltError, match="exists already"):
        write_config(path, PARSING, "jav", parts)


def test_what_has_yet_to_be_labelled(tmp_path):
    path = tmp_path / "made.yaml"
    parts = [Share("aym", 20, None, None), Share("spa", 20, "sample-dep", 2000)]
    write_config(path, PARSING, "quy", parts)
    assert "To be labelled or translated first: aym" in path.read_text(encoding="utf-8")
    data = load_config(path).config.data
    assert data["aym"].train[0].ref == str(tmp_path / "data" / "aym-train.conllu")
    assert data["quy"].test[0].ref.endswith("quy-test.conllu")


def test_a_source_without_dev_data(tmp_path):
    path = tmp_path / "last.yaml"
    write_config(path, PARSING, "jav", [Share("kaz", 20, "ud-kazakh-ktb", None)])
    config = load_config(path).config
    assert config.selection.on == "last"
    assert config.strategy.name == "zero_shot"


def test_a_task_that_xlt_cannot_train(tmp_path):
    with pytest.raises(XltError, match="trains no such task"):
        write_config(tmp_path / "a.yaml", "sentiment", "jav", [Share("ind", 20, None, None)])


# Against what the docstrings say -----------------------------------------------------------------


def of_scores(target: str, scores: dict[str, float]) -> Ranking:
    """A ranking whose sources have these scores."""
    order = sorted(scores, key=lambda code: -scores[code])
    some = rank(target, order).sources[0]
    sources = [
        some._replace(rank=n, language=code, score=scores[code]) for n, code in enumerate(order, 1)
    ]
    return Ranking(target, "", tuple(sources), {}, (), ())


@pytest.mark.parametrize(
    ("rus", "taken"), [(0.76, True), (0.74, False)], ids=["worth it", "not worth it"]
)
def test_a_step_is_taken_from_three_quarters_of_a_standard_deviation_on(rus, taken):
    """z-scores as given: their mean is 0 and their standard deviation 1."""
    rest = -rus / 3
    spread = np.sqrt((1 - (rus**2 + 3 * rest**2) / 4) * 4 / 2)
    scores = {"rus": rus, "jpn": rest + spread, "hin": rest - spread, "tur": rest}

    def stub(proxy, candidates):
        assert proxy == "bel"
        assert sorted(candidates) == sorted(scores)
        return of_scores(proxy, scores)

    found = climb("ukr", ["bel", *scores], stub)
    added, gain, good = found.steps[0]
    assert (found.proxy, added, good) == ("bel", ("rus",), taken)
    assert gain == pytest.approx(rus)
    assert ("rus" in found.sources) == taken
    assert len(found.steps) == (2 if taken else 1)


def test_a_node_is_worth_the_mean_of_what_it_adds():
    codes = ["ces", "slk", "pol", "rus", "jpn"]
    scores = {"ces": 3.0, "slk": 1.0, "pol": 2.0, "rus": 6.0, "jpn": -1.0}

    def stub(proxy, candidates):
        return of_scores(proxy, {code: scores[code] for code in candidates})

    found = climb("ukr", codes, stub)
    rest = np.array([scores[code] for code in codes if code != found.proxy])
    for added, gain, good in found.steps:
        assert gain == pytest.approx(
            np.mean([(scores[code] - rest.mean()) / rest.std() for code in added])
        )
        assert good == (gain > 0.75)
    limited = climb("ukr", codes, stub, most=len(found.sources))
    assert limited.sources == found.sources


@pytest.mark.parametrize(("most", "sources"), [(1, 1), (2, 2), (3, 2), (4, 4), (5, 5), (None, 5)])
def test_a_set_is_as_large_as_may_be_and_no_larger(monkeypatch, most, sources):
    """Every step would be worth it: the first adds one, the second two, the third one."""
    leaves = [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    monkeypatch.setattr(tower, "_nodes_above", lambda leaf, merges: leaves)
    monkeypatch.setattr(tower, "_worth", lambda proxy, codes, rank: dict.fromkeys(codes, 1.0))
    codes = ["bel", "jpn", "swa", "tur", "vie"]
    found = climb("ukr", codes[::-1], parsing, most=most)
    assert found.proxy == "bel"
    assert found.sources == tuple(codes[:sources])
    # A step too large is looked at, and is the last.
    goods = [good for *_, good in found.steps]
    assert goods == [True] * (len(goods) - 1) + [sources == 5]


def test_the_tree_is_average_linkage_over_syntax():
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    codes = sorted(["ces", "eng", "fra", "jpn", "tur", "vie", "hin"])
    near = geometry(codes, codes, fitted()["usual"]).distances["syntactic"]
    merges = linkage(squareform(np.round((near + near.T) / 2 * (1 - np.eye(7)), 12)), "average")
    found = climb("ukr", codes, lambda p, c: of_scores(p, dict.fromkeys(c, 2.0)))
    (added, _, _), *_ = found.steps
    (lowest, *_) = _nodes_above(codes.index(found.proxy), merges)
    assert sorted([found.proxy, *added]) == [codes[n] for n in sorted(lowest)]


def test_two_candidates_make_a_tree():
    found = climb("ukr", ["bel", "jpn"], lambda p, c: of_scores(p, dict.fromkeys(c, 2.0)))
    assert [added for added, *_ in found.steps] == [("jpn",)]


def test_a_chain_has_no_step_from_a_language_to_itself():
    """An intermediate that is the only source has no first step; those after it have."""
    ranking = parsing("jav", ["ind", "hin"])
    assert ranking.sources[0].language == "ind"
    assert [(c.source, c.via) for c in chains(ranking, ["ind"], parsing)] == [("ind", "hin")]


def test_languages_of_unrecorded_syntax_are_named_the_target_first():
    found = climb("pcm", ["eng", "bis", "fra"], parsing)
    codes = ["pcm", "bis", "eng", "fra"]
    unknown = np.isnan(distances("syntactic", codes, codes).diagonal())
    assert found.imputed == tuple(code for code, lacks in zip(codes, unknown, strict=True) if lacks)


def test_equal_sources_are_worth_nothing():
    found = climb("ukr", ["ces", "slk", "jpn"], lambda p, c: of_scores(p, dict.fromkeys(c, 2.0)))
    assert [gain for _, gain, _ in found.steps] == [0]


def test_the_next_source_of_a_set_is_the_best_less_what_it_shares():
    scores = {"ita": 1.0, "spa": 0.9, "cat": 0.95, "bul": 0.7, "jpn": 0.3}
    found = choose_set(of_scores("ron", scores), 4)
    usual = fitted()["usual"]

    def shared(a, b):
        return float(np.exp(-geometry([a], [b], usual).together[0, 0] / 0.4))

    taken = ["ita"]
    for _ in range(3):
        rest = {
            code: score - 0.5 * max(shared(code, other) for other in taken)
            for code, score in scores.items()
            if code not in taken
        }
        taken.append(max(rest, key=lambda code: rest[code]))
    assert found == taken
    assert taken != sorted(scores, key=lambda code: -scores[code])[:4]


def test_a_chain_is_its_last_step_and_half_of_its_first():
    ranking = parsing("jav", ["ind", "tgl", "vie", "hin"])
    sources = ["eng", "ind"]
    found = chains(ranking, sources, parsing, most=2)
    every = []
    for step in ranking.sources:
        firsts = [code for code in sources if code != step.language]
        best = parsing(step.language, firsts).sources[0]
        every.append((step.score + 0.5 * best.score, best.language, step.language))
    every.sort(reverse=True)
    assert [(chain.score, chain.source, chain.via) for chain in found] == every[:2]
    assert len(chains(ranking, sources, parsing)) == 3
    assert len(chains(ranking, ["eng", "jav"], parsing, most=9)) == 4


@pytest.mark.parametrize("target", ["ukr", "eus", "jav", "pcm"])
def test_a_climb_begins_at_the_leaf_of_the_nearest_syntax(target):
    """Of equally near ones at the nearest relative."""
    codes = ["ces", "eng", "fra", "jpn", "tur", "vie"]
    near = geometry([target], codes, fitted()["usual"]).distances
    nearest = min(range(len(codes)), key=lambda n: (near["syntactic"][0, n], near["genetic"][0, n]))
    assert climb(target, codes, parsing).proxy == codes[nearest]
