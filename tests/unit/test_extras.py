"""An import that fails for want of an optional package says which extra brings it."""

from __future__ import annotations

import os

import pytest

from xlt.errors import XltError
from xlt.extras import extra_with, missing_package
from xlt.registry import Registry


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("torch", "train"),
        ("Torch", "train"),
        ("huggingface-hub", "train"),
        ("peft", "lora"),
        ("plotly", "map"),
        ("onnxruntime", "onnx"),
        ("uvicorn", "serve"),
        ("numpy", None),
        ("tor", None),
        ("xlt", "lora"),
    ],
)
def test_extra_with(package, extra):
    assert extra_with(package) == extra


def test_missing_package():
    error = missing_package(
        ModuleNotFoundError("No module named 'spacy.tokens'", name="spacy.tokens"), where="here"
    )
    assert error.render() == (
        "here: this needs the package spacy, which is not installed\n"
        "  fix: pip install 'xlt[train]'"
    )


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'of_nobody'", name="of_nobody"),
        ModuleNotFoundError("without a name"),
        ImportError("cannot import name 'x' from 'torch'", name="torch"),
        ValueError("torch"),
    ],
)
def test_other_errors_are_left_alone(error):
    assert missing_package(error) is None


def install(folder, module):
    """A package of a user that registers a task."""
    info = folder / f"{module.replace('_', '-')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[xlt.tasks]\n{module} = {module}:Mine\n")


def test_a_plugin_that_is_installed_meanwhile_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    tasks = Registry("task", "xlt.tasks")
    assert "of_a_user" not in tasks.names()
    install(tmp_path, "of_a_user")
    os.utime(tmp_path, ns=(1, 1))  # another time, whatever the file system's clock
    assert "of_a_user" in tasks.names()


def test_a_plugin_that_lacks_a_package(tmp_path, monkeypatch):
    (tmp_path / "of_a_user.py").write_text("raise ModuleNotFoundError('no', name='torch.nn')\n")
    install(tmp_path, "of_a_user")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(XltError, match=r"task: this needs the package torch.*\n.*xlt\[train\]"):
        Registry("task", "xlt.tasks").get("of_a_user", where="task")
