"""Batches of words, with what the options ask for beside them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.encode import word_arrays
from xlt.task import Example

BUCKETS = 1021
"""Hash buckets for code points: no inventory of characters, so none is ever unknown."""
LENGTH = 20
"""Characters of a word that are read, two of them its boundaries; the middle is left out."""
_START, _END, _FIRST = 1, 2, 3


def arrays(examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
    """Pad the examples to a batch for `model.Parser.graph`."""
    batch = word_arrays([e.inputs["words"] for e in examples], examples[0].inputs["pad"])
    shape = batch["word_mask"].shape
    if "upos" in examples[0].inputs:
        batch["upos"] = column(examples, "upos", shape, 0)
    if "characters" in examples[0].inputs:
        batch["characters"] = np.zeros((*shape, LENGTH), np.int64)
        for row, example in enumerate(examples):
            words = example.inputs["characters"]
            batch["characters"][row, : len(words)] = character_ids(words)
    return batch


def column(
    examples: Sequence[Example], name: str, shape: tuple[int, ...], padding: int
) -> NDArray[np.int64]:
    """Pad numbers of words to (sentences, words)."""
    padded = np.full(shape, padding, np.int64)
    for row, example in enumerate(examples):
        padded[row, : len(example.inputs[name])] = example.inputs[name]
    return padded


def character_ids(words: Sequence[str]) -> NDArray[np.int64]:
    """Hash the code points of each word between boundary marks, (words, 20); 0 where it is shorter.

    Case and compatibility forms are folded; a long word keeps its beginning and its end.
    """
    ids = np.zeros((len(words), LENGTH), np.int64)
    for row, word in enumerate(words):
        text = unicodedata.normalize("NFKC", word).lower()
        if len(text) > LENGTH - 2:
            half = (LENGTH - 2) // 2
            text = text[:half] + text[-half:]
        codes = [_FIRST + ord(c) * 2654435761 % 2**32 % (BUCKETS - _FIRST) for c in text]
        ids[row, : len(codes) + 2] = [_START, *codes, _END]
    return ids
