"""How large the data of a plan are: records, words, and subwords of an encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt.config.schema import Model
from xlt.data.subwords import subwords_of
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.runs.sources import Sources
from xlt.transfer.stage import DataSplit

SUBWORDS_PER_WORD = 1.7
"""Assumed where the tokenizer is not on this machine: about what XLM-R needs."""

Counted = Mapping[DataSplit, tuple[int, Counter[str]]]
"""Split → number of records, and its words."""


@dataclass
class SplitSize:
    """The size of a split. subwords: with the special tokens of each record."""

    records: int
    words: int
    subwords: int


def count_words(sources: Sources, splits: Iterable[DataSplit]) -> Counted:
    """Of all splits that can be read."""
    counted: dict[DataSplit, tuple[int, Counter[str]]] = {}
    for data_split in splits:
        with suppress(XltError):  # `find_problems` has it
            sources.check(data_split)
            # A projection is about as large as what it is made from.
            records = sources.load(data_split.origin).records
            read_by = sources.task_of(data_split.origin)
            words = Counter(word for record in records for word in read_by.words(record))
            counted[data_split] = len(records), words
    return counted


def find_tokenizer(model: Model) -> Any:
    """The encoder's tokenizer; None where the encoder is not here, or cannot be used."""
    with suppress(XltError):  # `find_problems` has it
        backbone = Backbone(model.encoder, model, local=True)
        backbone.check_files()
        return backbone.tokenizer
    return None


def measure_sizes(
    counted: Counted, tokenizer: Any
) -> tuple[dict[DataSplit, SplitSize], int | None]:
    """Size of every split, and how many different subwords all of them need."""
    words = sorted({word for _, counter in counted.values() for word in counter})
    lengths: dict[str, int] = {}
    vocabulary = None
    if tokenizer is not None and words:
        # A word's subwords hardly depend on its neighbours, so each word is encoded once.
        ids = subwords_of(tokenizer).alone(words)
        lengths = {word: len(word_ids) for word, word_ids in zip(words, ids, strict=True)}
        vocabulary = len(np.union1d(np.concatenate(ids), tokenizer.all_special_ids))
    sizes = {}
    for data_split, (records, counter) in counted.items():
        total = sum(counter.values())
        subwords = sum(n * lengths.get(word, SUBWORDS_PER_WORD) for word, n in counter.items())
        sizes[data_split] = SplitSize(records, total, round(subwords) + 2 * records)
    return sizes, vocabulary
