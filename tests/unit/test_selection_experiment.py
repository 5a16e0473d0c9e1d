"""The experiment on selection: rounds of labelling, and what they cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.experiments.selection import curve, needed, table
from xlt.document import Document, Text


def test_a_round_labels_what_is_chosen_of_what_is_left():
    pool = [
        Document(str(n), {"text": Text.from_words(["word"] * n)}) for n in range(1, 6)
    ]  # as many words as its id says
    offered, learnt = [], []

    def learn(number, labelled):
        learnt.append((number, [document.id for document in labelled]))
        return Path(str(number)), 10.0 * number

    def choose(model, left):
        offered.append((model, [document.id for document in left]))
        return [len(left) - 1, 0]

    rows = list(curve(pool, 2, learn, choose))
    assert learnt == [(0, []), (1, ["1", "5"]), (2, ["1", "5", "2", "4"])]
    assert offered == [(Path("0"), ["1", "2", "3", "4", "5"]), (Path("1"), ["2", "3", "4"])]
    assert rows == [
        {"round": 0, "sentences": 0, "words": 0, "score": 0.0},
        {"round": 1, "sentences": 2, "words": 6, "score": 10.0},
        {"round": 2, "sentences": 4, "words": 12, "score": 20.0},
    ]


def test_how_many_words_it_takes():
    points = [(0, 10.0), (100, 30.0), (200, 20.0), (300, 50.0)]
    assert needed(points, 5.0) == 0
    assert needed(points, 20.0) == 50
    assert needed(points, 35.0) == pytest.approx(250)
    assert needed(points, 51.0) is None


def test_the_table():
    scores = {"mixed": [[10, 30], [10, 50]], "random": [[10, 20], [10, 30]]}
    rows = [
        {"target": "hau", "by": by, "seed": seed, "round": n, "words": 100 * n, "score": score}
        for by, of_seeds in scores.items()
        for seed, of_rounds in enumerate(of_seeds)
        for n, score in enumerate(of_rounds)
    ]
    lines = table(rows, ["mixed", "random"]).splitlines()
    # Random ends at 25 in the mean: after 75 and 37.5 words of mixed, and in one of its own runs.
    assert lines[2] == "| hau | mixed | 10.0 (0), 40.0 (100) | 56 (2 of 2) | +15.0 [-48.5, +78.5] |"
    assert lines[3] == "| hau | random | 10.0 (0), 25.0 (100) | 75 (1 of 2) |  |"
