"""What is installed is looked for anew, but where nothing can have been installed."""

from __future__ import annotations

import sys

import pytest

from xlt.registry import Registry, nothing_installed

POINTS = "[xlt.tests]\n{} = xlt.errors:XltError\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package that registers this name."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    def install(name):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", encoding="utf-8")
        (folder / "entry_points.txt").write_text(POINTS.format(name), encoding="utf-8")

    return install


def test_a_package_that_is_installed_meanwhile_is_found(install):
    registry = Registry("test", "xlt.tests")
    assert registry.names() == []
    install("one")
    assert registry.names() == ["one"]


def test_nobody_looks_where_nothing_is_installed(install):
    registry = Registry("test", "xlt.tests")
    with nothing_installed():
        assert registry.names() == []
        with nothing_installed():
            pass
        install("two")
        assert registry.names() == []
    assert registry.names() == ["two"]
