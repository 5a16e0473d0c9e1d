"""What goes wrong while an encoder is made into the cache: of the cache, or of what is read."""

from __future__ import annotations

import errno
import os

import pytest

from xlt.errors import XltError
from xlt.model.made import made


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Makes an encoder of which an error is met on the way."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "made" / "cache"))

    def make(number, *place):
        def write(part):
            raise OSError(number, os.strerror(number), *place)

        return made("small", write, "the encoder small", "1 MB")

    return make


@pytest.mark.parametrize(
    ("number", "place"),
    [
        (errno.ENOSPC, []),
        (errno.EROFS, []),
        (errno.ENOENT, ["made/cache/encoders/small.part/config.json"]),
        (errno.EACCES, ["made"]),  # in which the cache is to be
    ],
)
def test_no_room_in_the_cache(failing, tmp_path, number, place):
    with pytest.raises(XltError, match="cannot write the encoder small into the cache") as caught:
        failing(number, *(str(tmp_path / one) for one in place))
    assert "XLT_CACHE" in caught.value.fix


@pytest.mark.parametrize(
    ("number", "place"), [(errno.EIO, []), (errno.EACCES, ["weights.bin"]), (errno.ENOSPC, ["t"])]
)
def test_what_is_read_is_elsewhere(failing, tmp_path, number, place):
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        failing(number, *(str(tmp_path / one) for one in place))
    assert caught.value.errno == number
