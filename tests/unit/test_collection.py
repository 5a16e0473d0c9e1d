"""Where no cycles are looked for: while many configs are read, and in what was imported."""

from __future__ import annotations

import gc

import pytest
from small import Stages, make_world

from xlt.collection import freeze_existing, uncollected
from xlt.training import stages


@pytest.mark.parametrize("before", [True, False])
def test_collection_goes_on_as_before(before):
    try:
        (gc.enable if before else gc.disable)()

        @uncollected()
        def fail():
            assert not gc.isenabled()
            raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert gc.isenabled() is before
    finally:
        gc.enable()


def test_what_is_there_is_not_looked_through_again():
    there = [[] for _ in range(1000)]
    before = gc.get_freeze_count()
    freeze_existing.cache_clear()
    freeze_existing()
    frozen = gc.get_freeze_count()
    assert frozen >= before + len(there)
    assert not any(one is there for one in gc.get_objects())
    freeze_existing()
    assert gc.get_freeze_count() == frozen  # once


def test_before_a_stage_is_trained_and_not_for_one_that_is_there(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(stages, "freeze_existing", lambda: told.append(len(told)))
    path = make_world(tmp_path, size=6).config(
        strategy="zero_shot", source="eng", training__max_steps=1
    )
    for _ in range(2):
        Stages(path).run()
    assert told == [0]
