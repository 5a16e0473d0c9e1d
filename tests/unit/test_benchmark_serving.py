"""The benchmark of the server, where there is none."""

from __future__ import annotations

import pytest

from scripts import benchmark_serving


def test_a_server_that_has_ended_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        benchmark_serving, "fork", lambda _: (7, lambda: ["there is no trained model here"])
    )
    monkeypatch.setattr(benchmark_serving.os, "waitpid", lambda pid, _: (pid, 512))
    monkeypatch.setattr(benchmark_serving, "is_open", lambda _: False)
    with (
        pytest.raises(RuntimeError, match="ended: there is no trained model"),
        benchmark_serving.served("/no/such", None, alone=False),
    ):
        pass


def test_texts_are_lines_whatever_is_in_them(tmp_path) -> None:
    path = tmp_path / "texts"
    path.write_text("Ya\u2028no\n \nBudi\n", encoding="utf-8")
    assert benchmark_serving.texts_of(path) == ["Ya\u2028no", "Budi"]
