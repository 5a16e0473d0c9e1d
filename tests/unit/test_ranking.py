"""The ranking of sources: what it must never recommend, what it says of what it does not know."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from scripts.evaluate_ranker import report, world
from scripts.evaluate_ranker.__main__ import constant
from xlt import languages
from xlt.config.schema import LanguageData, Reference
from xlt.errors import XltError
from xlt.typology import measured, scores
from xlt.typology.choice import choose_source
from xlt.typology.evidence import geometry
from xlt.typology.explain import as_dict, differences
from xlt.typology.features import FEATURES, features
from xlt.typology.measured import PARTS, fitted
from xlt.typology.ranking import rank
from xlt.typology.scores import measured_as
from xlt.typology.sets import chains, choose_set
from xlt.typology.table import table

SMALL = ("eusie_event", "nertransfer_base", "xnli_mbert", "jerbarnes_pos_mbert")


def first(target: str, count: int = 3, **options) -> list[str]:
    return [source.language for source in rank(target, **options).sources[:count]]


@pytest.mark.parametrize("target", ["ful", "orm"])
@pytest.mark.parametrize("names", [(), ("dep",), ("pos",), ("ner",)])
def test_missing_values_do_not_recommend_what_is_far(target, names):
    """LangRank reads them as 0 or 1, and names German, English, Korean."""
    assert not {"deu", "eng", "kor"} & set(first(target, 3, measured_as=names))
    some = ["deu", "eng", "kor", "hau", "wol", "som"]
    assert first(target, 1, measured_as=names, candidates=some)[0] in ("hau", "wol", "som")


def test_an_isolate_is_ranked():
    ranking = rank("eus", measured_as=("dep",))
    assert all(np.isfinite(source.score) for source in ranking.sources)
    assert all(source.expected is not None for source in ranking.sources)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("swa", "swh"),
        ("est", "ekk"),
        ("no", "Norwegian"),
        ("ajp", "apc"),
        ("nan", "Min Nan Chinese"),
    ],
)
def test_two_codes_of_a_language_rank_alike(one, other):
    assert rank(one, measured_as=("ner",)).sources == rank(other, measured_as=("ner",)).sources


def test_parsing_follows_the_family():
    assert first("Ukrainian", 1, measured_as=("dep",), candidates=["eng", "rus", "jpn"]) == ["rus"]
    assert "ind" in first("jav", 3, measured_as=("dep",), candidates=["ind", "hin", "jpn", "ara"])


def test_english_is_an_easy_target_of_inference():
    easy, hard = (rank(code, measured_as=("nli",)).sources[0].expected for code in ("eng", "swa"))
    assert easy > hard


def test_without_measurements_typology_alone_and_no_expected_score():
    ranking = rank("jav", ["ind", "eng", "zho"])
    assert ranking.sources[0].language == "ind"
    assert {source.expected for source in ranking.sources} == {None}
    assert all(source.terms["prior"] == 0 for source in ranking.sources)
    assert any("no transfer scores" in note for note in ranking.notes)


def test_references_are_always_there():
    ranking = rank("jav", ["ind", "tur"], measured_as=("dep",))
    assert set(ranking.references) == {"English", "best on average"}
    assert ranking.references["English"].language == "eng"
    assert [source.rank for source in ranking.sources] == [1, 2]


def test_a_measured_pair_is_said():
    by_code = {source.language: source for source in rank("swa", measured_as=("nli",)).sources}
    assert by_code["eng"].confidence == "measured"
    assert by_code["eng"].measured == pytest.approx(51, abs=2)


def test_imputed_terms_are_marked():
    found = rank("pcm", ["eng", "fra"], measured_as=("pos",)).sources
    assert all("syntactic" in source.imputed for source in found)


def test_interval_holds_the_expected_score():
    for source in rank("bre", measured_as=("pos",)).sources:
        assert 0 <= source.low <= source.expected <= source.high <= 100


@pytest.mark.parametrize(
    ("target", "sources", "what"),
    [
        ("Klingonese", None, "unknown language"),
        ("jav", ["ind", "Indonesain"], "unknown language"),
        ("jav", [], "no source language"),
        ("swa", ["eng", "swh"], "is the target"),
        ("tlh", ["eng"], "nothing is known"),
    ],
)
def test_bad_input(target, sources, what):
    with pytest.raises(XltError) as caught:
        rank(target, sources)
    assert what in caught.value.what
    assert caught.value.fix


def test_an_unknown_language_names_the_nearest():
    with pytest.raises(XltError) as caught:
        rank("Javanes")
    assert "Javanese (jav)" in str(caught.value.fix)


def test_a_target_with_place_alone_is_ranked_and_what_is_lacking_is_said():
    """Naija has no syntax at all in URIEL: its terms are marked, and a note says so."""
    ranking = rank("pcm", measured_as=("ner",))
    assert any("0% of the syntax features of pcm" in note for note in ranking.notes)
    assert all("syntactic" in source.imputed for source in ranking.sources)


def test_an_unmeasured_source_is_expected_with_less_confidence():
    """Gothic was no source in a table of inference: its interval is wider than English's."""
    found = {s.language: s for s in rank("yor", ["eng", "got"], measured_as=("nli",)).sources}
    assert found["got"].high - found["got"].low > found["eng"].high - found["eng"].low
    assert found["got"].expected < found["eng"].expected


BANTU = "zul,xho,sna,nya,swa,hau,kin,yor,tsn,lug,eng"


@pytest.mark.parametrize(("target", "best"), [("xho", "zul"), ("zul", "xho")])
@pytest.mark.parametrize("encoder", [None, "xlm-roberta-base"])
@pytest.mark.parametrize("ours", [True, False])
def test_a_close_source_that_nobody_measured_goes_before_far_ones_that_were(
    target, best, encoder, ours, monkeypatch
):
    """Measured on Xhosa (MasakhaNER 2.0): Zulu 69, Shona 43, Swahili 15, Hausa 14.

    ours: whether our own table takes part, which has Zulu as a source, but not Xhosa.
    """
    if not ours:
        published = tuple(m for m in scores.matrices() if m.about["paper"] != scores.OURS)
        monkeypatch.setattr(scores, "matrices", lambda: published)
    candidates = [code for code in BANTU.split(",") if code != target]
    asked = {"task": "ner", "measured_as": ("ner",), "encoder": encoder}
    ranking = rank(target, candidates, **asked)
    assert ranking.sources[0].language == best
    assert ranking.sources[0].source_measured == (ours and best == "zul")


@pytest.mark.parametrize("task", ["ner", "pos", "dep", "nli", "topic"])
@pytest.mark.parametrize("target", ["jav", "xho", "yrl"])
def test_the_order_is_that_of_the_expected_scores(task, target):
    found = [source.expected for source in rank(target, measured_as=(task,)).sources]
    assert found == sorted(found, reverse=True)


def test_english_is_ranked_though_nobody_measured_it():
    """No table of NER has it as a source."""
    assert "eng" in [source.language for source in rank("jav", measured_as=("ner",)).sources]


RELATIVES = {
    "yrl": "grn", "run": "kin", "bar": "deu", "oci": "cat", "srd": "ita", "fur": "ita",
    "mag": "hin", "mai": "hin", "tso": "zul", "ssw": "zul", "nso": "zul", "ven": "sna",
    "lin": "lug", "bem": "nya", "war": "fil", "mwl": "por", "ast": "spa", "fry": "nld",
    "csb": "pol", "rue": "ukr", "gag": "tur", "vep": "fin",
}  # fmt: skip
"""Languages that no table has, and a near relative among `PLAUSIBLE`."""
PLAUSIBLE = (
    *("ara", "cat", "deu", "eng", "est", "fil", "fin", "fra", "grn", "hau", "hin", "hun", "ind"),
    *("ita", "jpn", "kin", "kor", "lug", "mig", "nld", "nya", "pol", "por", "rus", "sna", "spa"),
    *("swa", "swe", "tam", "tel", "tha", "tur", "ukr", "vie", "yor", "zho", "zul"),
)


def test_no_table_has_these_languages():
    measured = {code for m in scores.matrices() for code in (*m.sources, *m.targets)}
    assert not measured & RELATIVES.keys()
    # Zapotec has topics, and neither entities nor tags.
    of_zapotec = [m.task for m in scores.matrices() if "zap" in (*m.sources, *m.targets)]
    assert of_zapotec == ["topic"]


@pytest.mark.parametrize(("target", "relative"), [*RELATIVES.items(), ("zap", "mig")])
@pytest.mark.parametrize("task", ["ner", "pos", ""])
def test_languages_without_data_have_a_relative_in_the_top_five(target, relative, task):
    ranking = rank(target, PLAUSIBLE, measured_as=(task,) if task else ())
    assert relative in [source.language for source in ranking.sources[:5]]


def test_few_examples_cost_a_source_its_place():
    asked = {"task": "pos", "measured_as": ("pos",)}
    many = {"glg": 20_000, "por": 20_000}
    assert rank("mwl", ["glg", "por", "jpn"], **asked, sizes=many).sources[-1].language == "jpn"
    by_code = {
        few: {
            s.language: s.score for s in rank("mwl", ["glg", "por"], **asked, sizes=sizes).sources
        }
        for few, sizes in (("no", many), ("yes", many | {"por": 30}))
    }
    assert by_code["yes"]["por"] == pytest.approx(by_code["no"]["por"] - 2, abs=0.01)
    assert by_code["yes"]["glg"] == by_code["no"]["glg"]


def test_unknown_task_names_the_nearest():
    with pytest.raises(XltError, match="dependency_parsing"):
        measured_as("dependency_parsin")


def test_tasks_say_what_they_are_measured_as():
    assert measured_as("dependency_parsing") == ("dep",)
    assert measured_as("ner") == ("ner",)


def test_explanation_names_features():
    by_name = {d["feature"]: d for d in differences("eng", "eus")}
    assert by_name["WALS 81A Order of Subject, Object and Verb"]["source"] == "SVO"
    assert by_name["WALS 81A Order of Subject, Object and Verb"]["target"] == "SOV"
    assert {d["feature"] for d in differences("hin", "urd")} >= {"script"}
    found = as_dict(rank("pcm", ["eng", "yor"], measured_as=("ner",)), 1)
    assert found["sources"][0]["unknown"]["syntactic"] == "nothing is recorded on pcm"
    recorded = found["sources"][0]["recorded"]["syntax"]
    code = found["sources"][0]["language"]
    assert recorded == [round(table().coverage(code, "syntax"), 2), 0]


def language_data(**splits: str) -> LanguageData:
    return LanguageData(**{split: [Reference(ref=ref)] for split, ref in splits.items()})


def test_auto_chooses_among_what_has_training_data():
    data = {
        "eng": language_data(train="a"),
        "hin": language_data(train="b"),
        "ces": language_data(test="c"),
        "slk": language_data(),
    }
    code, reason = choose_source(data, ["Urdu"], "dependency_parsing", None)
    assert code == "hin"
    assert reason["chosen"] == "hin"
    assert set(reason["mean_score"]) == {"eng", "hin"}
    assert reason["data"] == {"eng": None, "hin": None}  # files that are not there
    with pytest.raises(XltError, match="no language with training data"):
        choose_source({"urd": language_data(train="a")}, ["Urdu"], "dependency_parsing", None)


def test_matrices_carry_their_provenance():
    for matrix in scores.matrices():
        assert matrix.about["paper"]
        assert matrix.about["licence"]
        if matrix.percent:
            assert 0 <= np.nanmin(matrix.scores) <= np.nanmax(matrix.scores) <= 100
        for code in set(matrix.sources) & set(matrix.targets):
            row, column = matrix.sources.index(code), matrix.targets.index(code)
            assert np.isnan(matrix.scores[row, column])


def test_nothing_of_the_held_out_language_is_seen():
    """Its rows and columns are replaced by nonsense: the prediction stays the same, bit by bit."""
    chosen = [m for m in scores.matrices() if m.name in SMALL]
    held = "eng"
    poison = np.random.default_rng(0)
    poisoned = []
    for matrix in chosen:
        values = matrix.scores.copy()
        rows = [n for n, code in enumerate(matrix.sources) if code == held]
        columns = [n for n, code in enumerate(matrix.targets) if code == held]
        values[rows] = poison.uniform(0, 1e6, values[rows].shape)
        values[:, columns] = poison.uniform(0, 1e6, values[:, columns].shape)
        poisoned.append(replace(matrix, scores=values))
    clean, dirty = (world.world(found) for found in (chosen, poisoned))
    np.testing.assert_array_equal(clean.weights(held), dirty.weights(held))
    assert not np.array_equal(clean.weights(), dirty.weights())
    ways = ({"own": own, "encoder": encoder} for own in (False, True) for encoder in (False, True))
    for way in ways:
        found = zip(
            world.leave_one_out(clean, **way), world.leave_one_out(dirty, **way), strict=True
        )
        asked = [pair for pair in found if pair[0].target == held]
        assert asked
        for one, two in asked:
            spared = [two.candidates.index(code) for code in one.candidates]
            np.testing.assert_array_equal(one.predicted, two.predicted[spared])
            np.testing.assert_array_equal(one.expected, two.expected[spared])


def test_nothing_of_the_held_out_paper_is_seen():
    """Another paper's tables of the task may change everything, its own nothing."""
    chosen = [m for m in scores.matrices() if m.name in (*SMALL, "jerbarnes_pos_xlm_roberta")]
    poison = np.random.default_rng(0)

    def poisoned(name: str) -> list[world.Row]:
        dirty = [
            replace(m, scores=poison.permuted(m.scores, axis=0)) if m.name == name else m
            for m in chosen
        ]
        return list(world.leave_one_out(world.world(dirty)))

    clean = list(world.leave_one_out(world.world(chosen)))
    for name, same in (("jerbarnes_pos_xlm_roberta", True), ("xnli_mbert", False)):
        pairs = zip(clean, poisoned(name), strict=True)
        changed = [
            not np.array_equal(a.predicted, b.predicted)
            for a, b in pairs
            if a.matrix.name == "jerbarnes_pos_mbert"
        ]
        assert any(changed) != same


def test_the_measure_is_that_of_the_protocol():
    values = np.array([50.0, 40, 30, 20, 10])
    matrix = next(m for m in scores.matrices() if m.percent)
    row = world.Row(matrix, "xxx", tuple("abcde"), values, values, values)
    ndcg, regret, regret3, spearman = report.judge(row.scores, row)
    assert (ndcg, regret, regret3) == (pytest.approx(100), 0, 0)
    assert spearman == pytest.approx(100)
    ndcg, regret, regret3, spearman = report.judge(-row.scores, row)
    gains = 2.0 ** np.array([1, 2, 3]) - 1, 2.0 ** np.array([5, 4, 3]) - 1
    discount = 1 / np.log2([2, 3, 4])
    assert ndcg == pytest.approx(100 * (gains[0] @ discount) / (gains[1] @ discount))
    assert (regret, regret3) == (40, 20)


def test_another_value_is_for_a_number_that_there_is():
    assert constant("measured.OPEN=1") == (measured, "OPEN", 1.0)
    for text in ("measured.OPNE=1", "mesured.OPEN=1", "measured.OPEN=much", "measured.PARTS=1"):
        with pytest.raises(ArgumentTypeError, match=f"'{text}' is no MODULE.NAME=VALUE"):
            constant(text)


def test_a_set_is_diverse_and_begins_with_the_best():
    ranking = rank("ron", ["ita", "spa", "cat", "bul", "rus"], measured_as=("pos",))
    found = choose_set(ranking, 3)
    assert found[0] == ranking.sources[0].language
    assert len(set(found)) == 3
    assert len(choose_set(ranking, 9)) == 5


def test_chains_end_near_the_target():
    ranking = rank("jav", ["ind", "hin", "jpn"], measured_as=("dep",))
    found = chains(ranking, ["eng"], partial(rank, measured_as=("dep",)))
    assert (found[0].source, found[0].via) == ("eng", "ind")
    assert chains(rank("jav", ["ind"]), ["ind"], rank) == []


# Against what the docstrings say ---------------------------------------------------------------


def test_a_score_without_measurements_is_the_features_about_their_mean():
    codes = ["ind", "tur", "hin", "eng"]
    found = {source.language: source for source in rank("jav", codes).sources}
    given = features(geometry(codes, ["jav"], fitted()["usual"]))[:, 0] * fitted()["weights"]
    for part in PARTS[1:]:
        own = given[:, [group == part for group in FEATURES.values()]].sum(1)
        parts = [found[code].terms[part] for code in codes]
        np.testing.assert_allclose(parts, own - own.mean(), atol=1e-12)
    for source in found.values():
        assert source.score == pytest.approx(sum(source.terms.values()))
        assert source.spread is None
        assert (source.low, source.high) == (None, None)


def test_the_best_come_first_and_equal_ones_by_code():
    sources = rank("jav", measured_as=("dep",)).sources
    assert [source.rank for source in sources] == list(range(1, len(sources) + 1))
    assert [source.score for source in sources] == sorted((s.score for s in sources), reverse=True)
    without = rank("jav", ["swh", "ind", "eng", "swa", "id"]).sources
    assert sorted(source.language for source in without) == ["eng", "ind", "swa"]


def test_the_best_on_average_is_that_of_the_first_matrix():
    """With one more target of average score for each: a source measured once is none."""
    (first, *_) = scores.of_task(("dep",))
    known = ~np.isnan(first.standard)
    mean = np.nansum(first.standard, 1) / (known.sum(1) + 1)
    best = first.sources[int(mean.argmax())]
    assert rank("jav", ["ind"], measured_as=("dep",)).references["best on average"].language == best
    assert rank(best, ["ind"], measured_as=("dep",)).references["best on average"].language != best
    assert set(rank("jav", ["ind"]).references) == {"English"}
    assert rank("jav", ["ind"]).references["English"].rank == 0
    assert "English" not in rank("eng", ["ind"]).references


@pytest.mark.parametrize(
    ("changes", "confidence"),
    [
        ({"measured": 50.0, "own": True}, "own run"),
        ({"measured": 50.0, "own": False, "imputed": ("syntactic",)}, "measured"),
        ({"low": None, "high": None}, "low"),
        ({"low": 30.0, "high": 55.0}, "high"),
        ({"low": 30.0, "high": 55.1}, "medium"),
        ({"low": 30.0, "high": 75.1}, "low"),
    ],
)
def test_confidence(changes, confidence):
    assert rank("jav", ["ind"]).sources[0]._replace(**changes).confidence == confidence


def test_a_target_needs_a_place_or_relatives_and_syntax():
    for code in ("pcm", "jav"):
        assert rank(code, ["eng"]).sources
    with pytest.raises(XltError, match="nothing is known about 'tlh'"):
        rank("tlh", ["eng"])


def test_notes_name_what_is_recorded_of_few_features_or_of_another_language():
    known = table()
    for code in ("jav", "pcm", "swh", "eng"):
        notes = rank(code, ["ind"], measured_as=("dep",)).notes
        wanted = languages.shared(code)
        for domain in ("syntax", "phonology"):
            said = any(f"of the {domain} features" in note for note in notes)
            assert said == (known.coverage(wanted, domain) < 0.25)
        for domain, giver in known.borrowed(wanted).items():
            assert f"{domain} of {wanted} is recorded under {giver}" in notes
    assert not any("no transfer scores" in note for note in notes)


def test_matrices_of_the_same_encoder_come_first_then_those_with_most_targets():
    plain = scores.of_task(("pos",))
    sizes = [(not matrix.percent, -len(matrix.targets)) for matrix in plain]
    assert sizes == sorted(sizes)
    wanted = plain[-1].about["model"].casefold()
    again = scores.of_task(("pos",), f"someone/{wanted.upper()}")
    models = [matrix.about["model"].casefold() for matrix in again]
    same = [wanted in model or model in wanted for model in models]
    assert same == sorted(same, reverse=True)
    assert {True, False} == set(same)
    assert {id(matrix) for matrix in again} == {id(matrix) for matrix in plain}
    assert scores.of_task(("no such task",)) == []
