"""No cycles are collected while thousands of configs are read, and afterwards as before."""

from __future__ import annotations

import gc

import pytest

from xlt.collection import uncollected


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
