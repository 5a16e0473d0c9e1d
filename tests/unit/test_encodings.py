"""Examples of many records: in an Arrow file, and the same as in memory."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import sys

import numpy as np
import pytest
import torch
from records import OPTIONS, RECORDS

from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.registry import tasks
from xlt.task import Example
from xlt.testing.subject import Subject
from xlt.training import encodings
from xlt.training.data import Data
from xlt.training.encodings import StoredExamples, encode, lengths
from xlt.transfer.stage import DataSplit

EVERY = [
    pytest.param(name, options, id=f"{name}-{number}")
    for name in tasks.names()
    for number, options in enumerate(OPTIONS.get(name, [{}]))
]


@pytest.fixture(autouse=True)
def _many(monkeypatch, tmp_path):
    """A handful of records are many, in a cache of this test's own."""
    monkeypatch.setattr(encodings, "MAX_HELD", 1)
    monkeypatch.setattr(encodings, "_CHUNK", 4)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))


def subject(name, tmp_path, options=None):
    made = Subject(tasks.get(name), RECORDS[name], tmp_path, options or {})
    assert made.untrained  # some models add subwords of their own
    return made


def data(records, name="train"):
    return Data(DataSplit("eng", name), f"fingerprint of {name}", records)


def stored(subject, labels=True, sets=None):
    sets = sets or [data(subject.records)]
    return encode(subject.task, sets, subject.backbone, subject.labels if labels else None)


def same(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert value.dtype == b[name].dtype
        assert torch.equal(value, b[name]), name


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize(("name", "options"), EVERY)
def test_what_is_stored_is_what_was_encoded(name, options, labels, tmp_path):
    s = subject(name, tmp_path, options)
    records = s.records * 2
    found = stored(s, labels, [data(s.records), data(s.records, "more")])
    assert isinstance(found, StoredExamples)
    expected = s.task.encode(records, s.backbone, s.labels if labels else None)
    assert [e.index for e in found] == list(range(len(records)))
    assert lengths(found).tolist() == lengths(expected).tolist()
    for rows in ([0], [5, 1, 1], range(len(records))):
        same(s.task.collate([found[i] for i in rows]), s.task.collate([expected[i] for i in rows]))
    if not labels:
        outputs = s.untrained(**s.task.collate(expected))
        with torch.no_grad():
            assert s.task.decode(records, found[:], outputs, s.labels) == s.task.decode(
                records, expected, outputs, s.labels
            )


def test_it_is_made_once_and_only_for_these_data(tmp_path, monkeypatch):
    s = subject("ner", tmp_path)
    first = stored(s)
    calls = []
    real = s.task.encode
    monkeypatch.setattr(
        s.task, "encode", lambda records, *rest: calls.append(len(records)) or real(records, *rest)
    )
    assert stored(s).path == first.path
    assert calls == [1]  # the first record, to compare
    fewer = {"tag": s.labels["tag"][:3]}
    assert stored(s, sets=[data(s.records[:2], "other")]).path != first.path
    assert encode(s.task, [data([s.records[-1]] * 2)], s.backbone, fewer).path != first.path
    assert stored(s, labels=False).path != first.path


@pytest.mark.parametrize("damage", ["truncated", "empty", "of other data", "changed"])
def test_a_damaged_file_is_made_again(damage, tmp_path, caplog):
    s = subject("ner", tmp_path)
    expected = s.task.collate(stored(s)[:])
    path = stored(s).path
    content = path.read_bytes()
    if damage == "of other data":
        other = stored(s, sets=[data(s.records[::-1], "other")]).path
        path.write_bytes(other.read_bytes())
    elif damage == "changed":  # the first subword of the first record
        ids = stored(s)[0].inputs["words"].windows[0].tobytes()
        at = content.index(ids)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    with caplog.at_level(logging.WARNING):
        again = stored(s)
    assert "it is made again" in caplog.text
    same(s.task.collate(again[:]), expected)
    assert path.read_bytes() == content


def test_a_damaged_row_is_never_learnt_from(tmp_path):
    s = subject("ner", tmp_path)
    path = stored(s).path
    content = bytearray(path.read_bytes())
    ids = stored(s)[2].inputs["words"].windows[0].tobytes()
    content[content.index(ids)] ^= 1
    path.write_bytes(content)
    examples = stored(s)
    assert examples[0].index == 0
    with pytest.raises(XltError, match=r"damaged \(record 2\)") as raised:
        s.task.collate(examples[:])
    assert "--resume" in str(raised.value.fix)
    assert raised.value.where == str(path)


def test_what_cannot_be_stored_stays_in_memory(tmp_path, caplog, monkeypatch):
    s = subject("ner", tmp_path)
    real = s.task.encode

    def encode_with_tensor(records, *rest):
        return [
            Example(e.index, e.length, {**e.inputs, "own": torch.tensor(e.index)})
            for e in real(records, *rest)
        ]

    monkeypatch.setattr(s.task, "encode", encode_with_tensor)
    with caplog.at_level(logging.WARNING):
        examples = stored(s)
    assert isinstance(examples, list)
    assert [int(e.inputs["own"]) for e in examples] == list(range(len(s.records)))
    assert "Tensor cannot be stored" in caplog.text
    assert not list((tmp_path / "cache" / "encodings").glob("*.arrow"))


@dataclasses.dataclass
class Counted:
    """A dataclass that is not made anew from its fields as it was."""

    number: int

    def __post_init__(self) -> None:
        self.number += 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"kind": "a name"}, "a name is no dataclass"),
        ({1: "a"}, "int is not allowed for map key"),
        (bytearray(b"a"), "'own' would not be the same again"),
        ([np.ma.masked_array([1, 2], [True, False], "i4")], "'own' would not be the same again"),
        ((Counted(1),), "'own' would not be the same again"),
    ],
)
def test_what_would_be_another_value_stays_in_memory(value, said, tmp_path, caplog, monkeypatch):
    s = subject("ner", tmp_path)
    real = s.task.encode

    def encode_with_value(records, *rest):  # of one record, and not of the first
        return [
            Example(e.index, e.length, {**e.inputs, "own": value if r == s.records[2] else None})
            for e, r in zip(real(records, *rest), records, strict=True)
        ]

    monkeypatch.setattr(s.task, "encode", encode_with_value)
    with caplog.at_level(logging.WARNING):
        examples = stored(s)
    assert isinstance(examples, list)
    assert examples[2].inputs["own"] is value
    assert said in caplog.text


@pytest.mark.parametrize("name", ["ner", "question_generation"])
def test_where_the_encoder_lies_makes_no_difference(name, tmp_path):
    s = subject(name, tmp_path)
    first = stored(s)
    folder = shutil.copytree(s.backbone.source, tmp_path / "moved")
    moved = Backbone(str(folder), s.backbone.options, labels=s.backbone.labels)
    assert moved.config.name_or_path != s.backbone.config.name_or_path
    again = encode(s.task, [data(s.records)], moved, s.labels)
    assert again.path == first.path


@dataclasses.dataclass(frozen=True)
class Part:
    ids: np.ndarray
    name: str


def test_values_of_every_kind():
    value = {
        "none": None, "yes": True, "number": -7, "share": 0.5, "text": "北京",
        "list": [1, [2, (3,)]], "tuple": ((), ("a", 1)), "mapping": {"a": {"b": 1}},
        "part": Part(np.arange(3, dtype=np.int8), "x"),
        **{str(t): np.array([0, 1], t) for t in encodings._DTYPES},
        "nothing": np.zeros(0, np.int32),
    }  # fmt: skip
    again = encodings._unpack(encodings._pack(value))
    assert list(again) == sorted(value)
    for name, one in value.items():
        if isinstance(one, np.ndarray):
            assert again[name].dtype == one.dtype
            assert np.array_equal(again[name], one)
        elif name == "part":
            assert isinstance(again[name], Part)
            assert again[name].ids.tolist() == [0, 1, 2]
        else:
            assert again[name] == one
            assert type(again[name]) is type(one)


@pytest.mark.parametrize("bad", [object(), np.zeros((2, 2)), 1 << 70, {1, 2}, np.float32(1)])
def test_values_of_other_kinds_are_refused(bad):
    with pytest.raises(encodings._UnpackableError):
        encodings._pack({"bad": bad})


@pytest.mark.parametrize("kind", ["subprocess:Popen", "antigravity:x", "records:_trees", ":"])
def test_no_class_but_a_dataclass_that_is_here_is_made(kind):
    packed = encodings._pack({"x": {"kind": kind, "of": ["true"]}})
    with pytest.raises(ValueError, match="no dataclass that is in use"):
        encodings._unpack(packed)
    assert "antigravity" not in sys.modules
