"""`source: auto`: which of the languages with training data is taken, by made rankings."""

from __future__ import annotations

import pytest

from xlt.config.schema import LanguageData, Reference
from xlt.errors import XltError
from xlt.typology import choice
from xlt.typology.choice import choose_source
from xlt.typology.measured import PARTS
from xlt.typology.ranking import Ranking, Source

SCORES = {
    "jav": {"eng": 0.4, "swa": 0.9, "tur": 0.1},
    "sun": {"eng": 0.42346, "swa": -0.8, "tur": 0.72346},
}


@pytest.fixture
def asked(monkeypatch) -> list[dict[str, object]]:
    asked: list[dict[str, object]] = []

    def rank(target, candidates, **options):
        asked.append({"target": target, "candidates": candidates, **options})
        scores = {code: SCORES[target][{"swh": "swa"}.get(code, code)] for code in candidates}
        sources = [
            Source(
                *(n, {"swh": "swa"}.get(code, code), score, None, None, None),
                parts=(0.0,) * len(PARTS),
                imputed=(),
                source_measured=False,
                measured=None,
            )
            for n, (code, score) in enumerate(scores.items(), 1)
        ]
        notes = (f"of {target}",)
        return Ranking(target, "", tuple(sources[::-1]), {}, ({"name": "made"},), notes)

    monkeypatch.setattr(choice, "rank", rank)
    return asked


def with_train(*codes: str) -> dict[str, LanguageData]:
    return {code: LanguageData(train=[Reference(ref="nowhere")]) for code in codes}


def test_the_best_mean_over_the_targets_is_taken(asked):
    """swa (0.9 - 0.8) / 2, eng and tur 0.4117: of two as good, the first by code."""
    data = with_train("tur", "eng", "swh", "jav") | {"deu": LanguageData(), "hin": LanguageData()}
    found, why = choose_source(data, ["jav", "sun"], "dependency_parsing", "some-model")
    assert found == why["chosen"] == "eng"
    assert why["best"] == {"jav": "swh", "sun": "tur"}
    assert why["mean_score"] == {"eng": 0.4117, "swa": 0.05, "tur": 0.4117}
    assert list(why["mean_score"]) == ["eng", "swa", "tur"]
    assert why["data"] == {"eng": None, "swa": None, "tur": None}
    given = {"candidates": ["tur", "eng", "swh"], "task": "dependency_parsing"}
    given |= {"measured_as": ("dep",), "encoder": "some-model"}
    assert asked == [given | {"target": target} for target in ("jav", "sun")]
    assert set(why["targets"]) == {"jav", "sun"}
    about = why["targets"]["sun"]
    assert [source["language"] for source in about["sources"]] == ["swa", "eng", "tur"]
    assert (about["evidence"], about["notes"], about["own"]) == (["made"], ["of sun"], None)


def test_a_source_is_called_as_the_config_calls_it(asked, tmp_path):
    path = tmp_path / "train.conllu"
    path.write_bytes(b"x" * 2_000_000)
    data = with_train("eng") | {"swh": LanguageData(train=[Reference(ref=str(path))])}
    found, why = choose_source(data, ["jav"], "ner", None)
    assert found == "swh"
    assert why["data"] == {"eng": None, "swa": "2.0 MB"}


def test_a_target_under_another_code_is_no_source(asked):
    with pytest.raises(XltError, match="no language with training data") as caught:
        choose_source(with_train("swh"), ["swa"], "ner", None)
    assert caught.value.where == "source"
    assert caught.value.fix
