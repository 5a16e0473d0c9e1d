"""Everything that is fuzzed stands its kept inputs, and simple changes of them."""

from __future__ import annotations

import logging
import shutil
import warnings

import pytest

from scripts.fuzz import targets
from scripts.fuzz.replay import replay
from xlt.errors import XltError

CHANGES = {"config": 20, "overrides": 10, "language": 20, "words": 20, "parallel": 20}
"""Where one input takes milliseconds; of the others it takes 150."""


@pytest.fixture(autouse=True)
def _as_before():
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True, scope="module")
def _clean_up():
    yield
    shutil.rmtree(targets.folder(), ignore_errors=True)


@pytest.mark.parametrize("name", targets.MAKERS)
def test_replay(name):
    changes = CHANGES.get(name, 150)
    with warnings.catch_warnings():
        assert replay(name, changes) == len(targets.seeds(name)) + changes


def test_what_counts_as_a_crash():
    def crash():
        raise KeyError("x")

    def unclear():
        raise XltError("wrong")

    def clear():
        raise XltError("wrong", where="a:1", fix="mend it")

    targets.checked(clear)
    with pytest.raises(KeyError):
        targets.checked(crash)
    with pytest.raises(targets.Unclear):
        targets.checked(unclear)


def test_every_target_has_seeds():
    assert {path.name for path in targets.CORPUS.iterdir()} == set(targets.MAKERS)


def test_a_crash_names_its_input(monkeypatch):
    def make(name):
        def target(data):
            raise KeyError(name)

        return target

    monkeypatch.setattr("scripts.fuzz.replay.make", make)
    with pytest.raises(KeyError) as caught:
        replay("pharaoh", 0)
    assert "target pharaoh, input b'0-0" in caught.value.__notes__[0]
