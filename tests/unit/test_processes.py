"""Several processes that train together: what each of them computes, and what all of them get."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from xlt.training import processes


def test_each_process_computes_some_records_and_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    shares: list[list[tuple[int, int]]] = []

    def compute(mine: range) -> list[int]:
        asked.append(list(mine))
        return [10 * number for number in mine]

    def as_process(index: int, gather) -> None:
        state = SimpleNamespace(process_index=index, num_processes=3)
        monkeypatch.setattr(processes, "PartialState", lambda: state)
        monkeypatch.setattr(processes, "gather_object", gather)

    for index in range(3):
        as_process(index, lambda own: shares.append(own) or [])
        processes.together(8, compute)
    assert asked == [[0, 3, 6], [1, 4, 7], [2, 5]]
    as_process(1, lambda own: [pair for share in shares for pair in share])
    assert processes.together(8, compute) == [0, 10, 20, 30, 40, 50, 60, 70]
    as_process(1, lambda own: pytest.fail("nobody else has a part in it"))
    assert processes.together(3, compute, alone=True) == [0, 10, 20]
