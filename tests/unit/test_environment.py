"""Environment variables that name no folder: said with their place, and nothing is half done."""

from __future__ import annotations

import json

import pytest
from bad_inputs import runner, world
from bad_inputs.config_cases import BASE
from bad_inputs.formats import BIO


@pytest.mark.parametrize("value", ["file", "file/below", "/dev/zero", "x" * 5000])
@pytest.mark.parametrize("command", ["plan", "evaluate"])
def test_a_cache_that_is_no_folder(tmp_path, monkeypatch, command, value):
    (tmp_path / "a.bio").write_text(BIO.text, encoding="utf-8")
    (tmp_path / "run.yaml").write_text(json.dumps(BASE), encoding="utf-8")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLT_CACHE", value)
    model = str(world.model(BIO))
    arguments = {"plan": ["run.yaml"], "evaluate": [model, "a.bio", "--language", "eng"]}[command]
    outcome = runner.xlt([command, *arguments])
    assert outcome.code == 2, outcome.said
    (error,) = outcome.errors
    assert value[:100] in error["where"]
    assert error["fix"]
    assert {path.name for path in tmp_path.iterdir()} == {"a.bio", "run.yaml", "file"}


@pytest.mark.parametrize("value", ["nowhere", "file", "/dev/zero"])
def test_data_that_are_in_no_folder(tmp_path, monkeypatch, value):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLT_DATA", value)
    outcome = runner.xlt(["data", "list"])
    assert outcome.code == 2, outcome.said
    assert outcome.errors[0]["where"] == f"XLT_DATA: {value}"
