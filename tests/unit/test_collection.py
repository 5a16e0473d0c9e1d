"""No cycles are collected while thousands of configs are read, and afterwards as before."""

from __future__ import annotations

import gc

import pytest

from xlt.collection import keep_what_is_there, uncollected


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
    keep_what_is_there.cache_clear()
    keep_what_is_there()
    frozen = gc.get_freeze_count()
    assert frozen >= before + len(there)
    assert not any(one is there for one in gc.get_objects())
    keep_what_is_there()
    assert gc.get_freeze_count() == frozen  # once
