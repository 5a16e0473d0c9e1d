"""Tables of finished runs."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from scripts.experiments import table

ROOT = Path(__file__).parents[2]
DIFFERENCES = {"test": 3.0, "dev": -7.0}


def result() -> dict:
    rows = [
        {
            "target": "jav", "split": split, "seed": 1, "primary": True, "selected_on": "last",
            "metrics": {"f1": score},
        }
        for split, score in (("test", 60.0), ("dev", 80.0))
    ]  # fmt: skip
    summary = [
        row | {"metrics": {"f1": {"mean": row["metrics"]["f1"], "sd": 0.0, "n": 1}}} for row in rows
    ]
    return {"rows": rows, "summary": summary}


def compared(*_: Path, metric: str) -> dict:
    about = {"p": 0.5, "over": "records", "conclusive": False, "of_seeds": None, "metric": metric}
    return {
        "rows": [
            {"target": "jav", "split": split, "difference": d, "low": d - 1, "high": d + 1, **about}
            for split, d in DIFFERENCES.items()
        ]
    }


def test_dev_and_test_of_a_language_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "read_result", lambda _: result())
    monkeypatch.setattr(table, "compare", compared)
    monkeypatch.setattr(table, "score_cell", lambda metric, interval: str(metric["mean"]))
    monkeypatch.setattr(sys, "argv", ["table", "runs", "f1", "one", "other"])
    table.main()
    said = capsys.readouterr().out
    test, dev = said.split("| jav dev |")
    assert "| jav |" in test
    assert "| other | 60.0 | +3.0 [+2.0, +4.0] |" in test
    assert "| other | 80.0 | -7.0 [-8.0, -6.0] |" in dev
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--mean"])
    table.main()
    assert "| other (1 seeds) | 60.0 ± 0.0 |" in capsys.readouterr().out


def test_the_documented_commands_for_tables_are_understood():
    """Their settings stand on both sides of an option."""
    pytest.importorskip("transformers")
    from scripts.experiments.transfer_table import arguments

    page = (ROOT / "docs" / "results" / "fine-tuning.md").read_text(encoding="utf-8")
    commands = re.findall(r"-m scripts.experiments.transfer_table ((?:.*\\\n)*.*)", page)
    found = [arguments(shlex.split(command.replace("\\\n", ""))) for command in commands]
    assert [asked.out.name for asked in found] == ["entities.csv", "parsing.csv"]
    assert [asked.metric for asked in found] == [None, "las_no_punct"]
    assert [len(asked.settings) for asked in found] == [4, 7]
    assert [asked.only for asked in found] == [["eng"], ["eng"]]


def test_a_choice_of_source_is_judged_by_other_models():
    pytest.importorskip("transformers")
    from scripts.experiments.cheapest_source import WAYS, Way, _always, _minutes, _regret

    def run(**measures: list[float]) -> dict:
        columns = zip(*measures.values(), strict=True)
        by_source = {
            source: {"jav": dict(zip(measures, column, strict=True))}
            for source, column in zip(("eng", "ind", "spa", "tur"), columns, strict=True)
        }
        seconds = {"ranker": 6, "text": 6, "try": 120, "try, tested": 12, "train": 240}
        return {"measures": by_source, "seconds": seconds}

    said = run(ranker=[4, 3, 2, 1], text=[0] * 4, score=[0, 0, 0, 9], **{"try": [1, 2, 3, 9]})
    judge = run(score=[10, 20, 50, 40])
    assert _regret(WAYS["the ranker"], said, judge, "jav") == 40
    assert _regret(WAYS["+ text + one epoch on the first three"], said, judge, "jav") == 0
    assert _regret(WAYS["one epoch on all"], said, judge, "jav") == 10
    assert _minutes(WAYS["+ text + one epoch on the first three"], said) == pytest.approx(
        ((6 + 6 + 3 / 4 * 132) / 60,) * 2
    )
    judge["measures"]["ind"]["eng"] = {"score": 10}
    judge["measures"]["tur"]["eng"] = {"score": 16}
    always = [_always(source, [judge], ["jav", "eng"]) for source in ("eng", "ind", "tur")]
    assert always == [40, (30 + 6) / 2, (10 + 0) / 2]
    alone = Way(lambda given: given["score"], ("train",), ("ranker",))
    assert _minutes(alone, said) == pytest.approx((246 / 60, 0.1))


def test_sets_of_sources_are_set_beside_any_and_greedy():
    from scripts.experiments.source_sets import table

    found = {
        "jav": {"osborn": 52.0, "greedy": 50.0, "any": 48.0, "best": 55.0, "source dev": 1.0},
        "sun": {"osborn": 62.0, "greedy": 60.0, "any": 58.0, "best": 63.0},
    }
    lines = table(found).splitlines()
    assert lines[0] == "2 targets"
    assert "| osborn | 57.0 | 2.0 | +4.0 [+4.0, +4.0] | +2.0 [+2.0, +2.0] |" in lines
    assert "| greedy | 55.0 | 4.0 | +2.0 [+2.0, +2.0] |  |" in lines
    assert lines[-1] == "| best | 59.0 | 0.0 |  |  |"
    assert not [line for line in lines if "source dev" in line], "not known of all targets"
    assert table({}).startswith("no target")
