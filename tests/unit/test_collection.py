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
    keep_what_is_there.cache_clear()
    try:
        before = gc.get_freeze_count()
        keep_what_is_there()
        frozen = gc.get_freeze_count()
        assert frozen > before + 10_000
        assert len(gc.get_objects()) < frozen / 10
        keep_what_is_there()
        assert gc.get_freeze_count() == frozen  # once
    finally:
        gc.unfreeze()
