"""A field of another kind than is meant is said, with what it is and where."""

from __future__ import annotations

import pytest

from xlt.data import fields
from xlt.errors import XltError

VALUES = {
    "null": None,
    "true": True,
    "number": 3,
    "fraction": 0.5,
    "text": "x",
    "blank": " ",
    "list": [],
    "texts": ["a", ""],
    "mixed": ["a", None],
    "objects": [{"a": 1}],
    "object": {"a": 1},
}
TAKEN = {
    fields.mapping: {"object"},
    fields.sequence: {"list", "texts", "mixed", "objects"},
    fields.objects: {"null", "list", "objects"},
    fields.texts: {"list", "texts"},
    fields.text: {"text"},
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("read", TAKEN, ids=lambda read: read.__name__)
def test_kinds(read, name):
    if name in TAKEN[read]:
        assert read(VALUES[name], "`it`", where="a:1") == ([] if name == "null" else VALUES[name])
    else:
        with pytest.raises(
            XltError, match=r"a:1: `it` is .*, not an? (list|object|text)"
        ) as caught:
            read(VALUES[name], "`it`", where="a:1")
        assert caught.value.fix


@pytest.mark.parametrize(
    ("value", "id"), [("s1", "s1"), (7, "7"), (10**30, "1" + "0" * 30), (None, "4"), ("", "4")]
)
def test_ids(value, id):
    assert fields.identifier(value, 4, where="a:1") == id


@pytest.mark.parametrize("value", [True, 0.5, [], ["a"], {}])
def test_no_ids(value):
    with pytest.raises(XltError, match="the id is"):
        fields.identifier(value, 4, where="a:1")


def test_a_field_that_is_not_there():
    assert fields.required({"start": None}, "start", where="a:1") is None
    with pytest.raises(XltError, match="'start' is missing") as caught:
        fields.required({"strat": 1}, "start", where="a:1")
    assert "did you mean 'strat'" in str(caught.value.fix)
    with pytest.raises(XltError, match="not an object"):
        fields.required(None, "start", where="a:1")
