"""The experiment on estimates: its tables, from pairs whose figures are worked out by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scripts.experiments import estimate
from xlt.evaluation.combination import MIN_LANGUAGES, Expected, Pair
from xlt.files import write_sealed
from xlt.runs.evidence import Evidence

OFF = {"one": 1.0, "two": -2.0, "three": -2.0}
"""Run → how far its threshold lies above its score."""


def pairs(languages: int) -> list[Pair]:
    """Language number n scores 40 + 4n in the first run, and 1 more in each further one."""
    return [
        Pair(
            f"l{n}",
            {"source_dev": 80.0, "threshold": score + OFF[run], "transfer_score": score / 100}
            | ({"ranker": -score} if n < 2 else {}),
            plain=score + OFF[run],
            score=score,
            name=f"runs/{run}/l{n}",
        )
        for n in range(languages)
        for run, score in zip(OFF, (40.0 + 4 * n, 41.0 + 4 * n, 42.0 + 4 * n), strict=True)
    ]


def left_out(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Expected]]:
    """Stands for what is fitted: 1 more than the criteria say, in another order."""
    for pair in reversed(pairs):
        yield pair, Expected(pair.plain + 1, pair.plain - 0.5, pair.plain + 3)


def rows(said: str) -> dict[str, list[str]]:
    """The lines of a table that was printed, by their first column."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in said.splitlines()
        if line.startswith("|")
    ]
    return {first: rest for first, *rest in cells}


def test_errors_bias_and_rank_correlations(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "left_out_predictions", left_out)
    estimate.measured("ner", pairs(MIN_LANGUAGES + 1))
    said = capsys.readouterr().out
    assert "ner: 30 pairs of a run and a target, 10 languages" in said
    found = rows(said)
    assert found["expected"] == [
        "pairs", "error", "bias", "rank", "of targets", "of runs", "regret", "in 80%", "width",
        "error beyond all",
    ]  # fmt: skip
    # (1 + 2 + 2) / 3 and (1 - 2 - 2) / 3. In a language the scores rank 1 2 3 and the thresholds
    # 3 1 2, so that 1 - 6 · 6 / (3 · 8) = -0.5; over all 1 - 6 · 60 / (30 · 899) = 0.99. The first
    # by the threshold is the last by the score, by 2. 5 / 3 is a third more than 4 / 3.
    ranks = ["+0.99", "+1.00", "-0.50", "2.0"]
    threshold = ["30", "1.7", "-1.0", *ranks, "", "", "+0.3 [+0.3, +0.3]"]
    assert found["threshold"] == found["mean of the criteria"] == threshold
    # The scores are 40 to 78, on average 59; of equal values there is no rank, and no first.
    assert found["source_dev"][1:-1] == ["21.0", "+21.0", "", "", "", "1.0", "", ""]
    assert found["ranker"][0] == "6"  # of two languages
    assert "agreement" not in found
    assert "fitted: agreement alone" not in found
    # By 1 + 1, and by -2 + 1 in two of three runs, whose scores alone lie in the intervals.
    fitted = ["30", "1.3", "+0.0", *ranks, "67%", "3.5"]
    assert found["fitted: all"] == [*fitted, ""]
    assert found["fitted: all but transfer_score"] == [*fitted, "+0.0 [+0.0, +0.0]"]
    assert found["fitted: threshold alone"][:-1] == fitted
    # 81 for all, and intervals from 79.5 on: beyond the best score.
    alone = found["fitted: source_dev alone"]
    assert alone[:-1] == ["30", "22.0", "+22.0", "", "", "", "1.0", "0%", "3.5"]
    # It orders as the scores do, and is no score: what is fitted begins at 0.
    order = ["+1.00", "+1.00", "+1.00", "0.0"]
    assert found["transfer_score"] == ["30", "", "", *order, "", "", ""]
    assert found["fitted: transfer_score alone"][:3] == ["30", "58.0", "-58.0"]


def test_of_few_languages_nothing_is_fitted(capsys: pytest.CaptureFixture[str]) -> None:
    few = pairs(MIN_LANGUAGES)
    assert estimate.in_order(dict(enumerate(few))) == {}
    estimate.measured("ner", few)
    assert "fitted: all: no interval, 10 languages are needed" in capsys.readouterr().out
    estimate.measured("ner", [])
    assert capsys.readouterr().out.strip() == "ner: 0 pairs of a run and a target, 0 languages"


def test_what_is_fitted_stands_in_the_order_of_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "left_out_predictions", left_out)
    found = estimate.in_order(dict(enumerate(pairs(2), 3)))
    assert {n: one.score for n, one in found.items()} == {3: 42, 4: 40, 5: 41, 6: 46, 7: 44, 8: 45}


def test_the_share_in_intervals_and_their_width(capsys: pytest.CaptureFixture[str]) -> None:
    made = [Pair("a", {}, 0.0, score=45.0), Pair("b", {}, 0.0, score=70.0)]
    intervals = {0: Expected(50.0, 40.0, 60.0), 1: Expected(60.0, 58.0, 62.0)}
    estimate.row("both", {0: 50.0, 1: 60.0}, made, {}, intervals)
    assert rows(capsys.readouterr().out) == {
        "both": ["2", "7.5", "-2.5", "", "", "", "", "50%", "12.0", ""]
    }
    estimate.row("none", {}, made, {})
    assert capsys.readouterr().out == ""


def test_checkpoints_are_ordered_within_their_run_and_target(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two of three runs' checkpoints in order, one the other way round; the mean is all of them."""
    thresholds = {
        "runs/a/l0": (1.0, 2.0, 3.0),
        "runs/a/l1": (4.0, 5.0, 6.0),
        "b/l0": (3.0, 2.0, 1.0),
    }
    kept = [
        Pair(name[-2:], {"threshold": value}, value, score=10.0 * n, name=name)
        for name, values in thresholds.items()
        for n, value in enumerate(values)
    ]
    estimate.of_checkpoints(pairs(2), kept)
    said = capsys.readouterr().out
    assert "9 checkpoints of 3 pairs of a run and a target" in said
    found = rows(said)
    # (1 + 1 - 1) / 3, and 20 of 20 points lost in the last of three.
    assert found["threshold"] == found["mean of the criteria"] == ["9", "+0.33", "6.7"]
    assert "fitted: all" not in found  # of two languages


def test_checkpoints_are_expected_by_other_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[set[str]] = []

    class Fitted:
        def expected(self, pair: Pair) -> Expected:
            return Expected(pair.plain + 1, 0.0, 100.0)

    def fit(known: Sequence[Pair]) -> Fitted:
        fitted.append({pair.language for pair in known})
        return Fitted()

    monkeypatch.setattr(estimate, "fit", fit)
    kept = [Pair(f"l{n % 2}", {"threshold": 7.0}, 7.0, score=8.0) for n in range(4)]
    assert estimate.by_others(pairs(3), kept) == {0: 8.0, 1: 8.0, 2: 8.0, 3: 8.0}
    assert fitted == [{"l1", "l2"}, {"l0", "l2"}], "once for each language, without its own pairs"


def test_each_task_of_the_runs_has_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder is a run, or one of runs."""
    for run, task in (("runs/a", "ner"), ("runs/b", "nli"), ("alone", "qa")):
        (tmp_path / run).mkdir(parents=True)
        rest: dict[str, list[str]] = {key: [] for key in ("source", "metrics", "rows", "summary")}
        write_sealed(tmp_path / run / "result.json", {"task": task, "strategy": "", **rest})
    asked: list[tuple[list[Path], str]] = []

    def gather(folders: list[Path], task: str) -> Evidence:
        asked.append((folders, task))
        return Evidence(pairs(1) if task == "ner" else [], {"runs/b": "no models"})

    monkeypatch.setattr(estimate, "gather", gather)
    folders = [tmp_path / "runs", tmp_path / "alone"]
    monkeypatch.setattr(sys, "argv", ["estimate", *map(str, folders)])
    estimate.main()
    said = capsys.readouterr().out
    assert "checkpoints" not in said
    assert asked == [(folders, "ner"), (folders, "nli"), (folders, "qa")]
    assert "left out: runs/b: no models" in said
    assert "ner: 3 pairs" in said
    assert "nli: 0 pairs" in said
    monkeypatch.setattr(sys, "argv", ["estimate"])
    with pytest.raises(SystemExit):
        estimate.main()
