"""Texts, alone or in pairs, to subwords, without cutting any: just as ``tokenizer(text)`` and
``tokenizer(first, second)`` do.

A text longer than the encoder takes becomes overlapping windows. A longer pair becomes several
windows, each a pair of its own: the shorter text stays whole where it fills at most half of a
window, and overlapping parts of the longer one go with it; otherwise every part of one text meets
every part of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.batch import padded
from xlt.data.encode import special_tokens, window_spans
from xlt.data.subwords import PROBES, Ids, Subwords, subwords_of, unusable

if TYPE_CHECKING:
    import torch

OUTSIDE, FIRST, SECOND = 0, 1, 2
"""What `EncodedPair.segments` says of a subword: special, or of which text."""


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """The subwords of one pair, or of a text alone, which is a FIRST without a second.

    windows:  subword ids with special tokens, each at most the encoder's length.
    segments: OUTSIDE, FIRST or SECOND for each subword of each window.
    types:    the tokenizer's own segment ids; None for an encoder that has none.
    limit:    the encoder's longest window, which padding must not pass.
    """

    windows: tuple[Ids, ...]
    segments: tuple[NDArray[np.int8], ...]
    types: tuple[Ids, ...] | None
    limit: int

    @property
    def length(self) -> int:
        return sum(len(window) for window in self.windows)


class PairEncoder:
    """Encodes pairs of raw texts with a Hugging Face tokenizer.

    max_length: subwords in a window, special tokens included.
    types:      whether the encoder tells two segments apart (BERT's `token_type_ids`).
    """

    def __init__(self, tokenizer: Any, max_length: int, *, types: bool = False) -> None:
        self.subwords = subwords_of(tokenizer)
        self.frame, self.frame_types = _frame(tokenizer)
        self.types = types and "token_type_ids" in tokenizer.model_input_names
        self.limit = max_length
        self.room = max_length - sum(len(ids) for ids in self.frame)
        if self.room < 4:
            raise ValueError(f"max_length={max_length} leaves no room for two texts")

    def __call__(self, firsts: Sequence[str], seconds: Sequence[str]) -> list[EncodedPair]:
        both = (_ids_of(self.subwords, texts) for texts in (firsts, seconds))
        return [self._windows(first, second) for first, second in zip(*both, strict=True)]

    def _windows(self, first: Ids, second: Ids) -> EncodedPair:
        before, between, after = self.frame
        windows, segments, types = [], [], []
        for (begin, end), (begin2, end2) in self._parts(len(first), len(second)):
            one, two = first[begin:end], second[begin2:end2]
            lengths = (len(before), len(one), len(between), len(two), len(after))
            windows.append(np.concatenate([before, one, between, two, after]).astype(np.int32))
            kinds = (OUTSIDE, FIRST, OUTSIDE, SECOND, OUTSIDE)
            segments.append(np.repeat(np.array(kinds, np.int8), lengths))
            types.append(np.repeat(self.frame_types, lengths))
        kept = tuple(types) if self.types else None
        return EncodedPair(tuple(windows), tuple(segments), kept, self.limit)

    def _parts(self, first: int, second: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Begin and end in both texts, for each window."""
        half = self.room // 2
        if first + second <= self.room or first <= half:
            room = min(first, self.room)
        else:
            room = self.room - second if second <= half else half
        firsts = [(span[0], span[1]) for span in window_spans(first, room)]
        seconds = [(span[0], span[1]) for span in window_spans(second, self.room - room)]
        return list(product(firsts, seconds))


class TextEncoder:
    """Encodes raw texts, each by itself; arguments as of `PairEncoder`."""

    def __init__(self, tokenizer: Any, max_length: int, *, types: bool = False) -> None:
        self.subwords = subwords_of(tokenizer)
        self.frame = special_tokens(tokenizer)
        self.types = types and "token_type_ids" in tokenizer.model_input_names
        self.limit = max_length
        self.room = max_length - sum(len(ids) for ids in self.frame)
        if self.room < 2:
            raise ValueError(f"max_length={max_length} leaves no room for a text")

    def __call__(self, texts: Sequence[str]) -> list[EncodedPair]:
        return [self._windows(ids) for ids in _ids_of(self.subwords, texts)]

    def _windows(self, ids: Ids) -> EncodedPair:
        before, after = self.frame
        windows, segments = [], []
        for begin, end, _, _ in window_spans(len(ids), self.room):
            windows.append(np.concatenate([before, ids[begin:end], after]).astype(np.int32))
            lengths = (len(before), end - begin, len(after))
            segments.append(np.repeat(np.array((OUTSIDE, FIRST, OUTSIDE), np.int8), lengths))
        # Of a text alone all is of the first kind, special subwords too.
        types = tuple(np.zeros_like(window) for window in windows) if self.types else None
        return EncodedPair(tuple(windows), tuple(segments), types, self.limit)


def _ids_of(subwords: Subwords, texts: Sequence[str]) -> list[Ids]:
    """The subwords of each text: a text that the tokenizer's normaliser swallowed is not an empty
    one."""
    unknown = np.array([subwords.unknown], np.int32)
    return [
        ids if len(ids) or not text else unknown
        for text, ids in zip(texts, subwords(texts), strict=True)
    ]


def _frame(tokenizer: Any) -> tuple[tuple[Ids, Ids, Ids], Ids]:
    """Special subwords before, between and after two texts; segment ids of the five parts."""
    probes = [
        (text, ids)
        for text in PROBES
        if (ids := tokenizer(text, add_special_tokens=False)["input_ids"])
    ]
    if len(probes) < 2:
        raise unusable(tokenizer, "has no subwords for any two scripts")
    (text, first), (other, second) = probes[:2]
    encoding = tokenizer(text, other, return_token_type_ids=True)
    full = encoding["input_ids"]
    begin = _find(full, first, 0)
    end = begin + len(first)
    begin2 = _find(full, second, end)
    if min(begin, begin2) < 0:
        raise unusable(tokenizer, "changes a text's subwords when it makes a pair")
    end2 = begin2 + len(second)
    parts = [np.asarray(part, np.int32) for part in (full[:begin], full[end:begin2], full[end2:])]
    # Both texts would be one; T5 has no template for pairs, but its end of sequence separates.
    if not len(parts[1]):
        ends = (tokenizer.sep_token_id, tokenizer.eos_token_id)
        separator = next((id for id in ends if id is not None), None)
        if separator is None:
            raise unusable(tokenizer, "puts nothing between two texts")
        parts[1] = np.asarray([separator], np.int32)
    types = encoding.get("token_type_ids") or [0] * len(full)
    at = (0, begin, end, begin2, end2)  # where a part is empty, its id does not matter
    kinds = np.asarray([types[min(i, len(types) - 1)] for i in at], np.int32)
    return (parts[0], parts[1], parts[2]), kinds


def _find(full: list[int], part: list[int], start: int) -> int:
    for at in range(start, len(full) - len(part) + 1):
        if full[at : at + len(part)] == part:
            return at
    return -1


def collate_pairs(examples: Sequence[EncodedPair], pad_id: int) -> dict[str, torch.Tensor]:
    """`pair_arrays` as tensors."""
    import torch

    return {k: torch.from_numpy(v) for k, v in pair_arrays(examples, pad_id).items()}


def pair_arrays(examples: Sequence[EncodedPair], pad_id: int) -> dict[str, NDArray[Any]]:
    """Pad windows into rows.

    Returns input_ids, attention_mask, segments and, where the encoder has them, token_type_ids,
    all of shape (rows, length), where length is the longest window's, `padded`; and windows
    (examples,): how many of the rows are each example's, in order.
    """
    rows = [window for example in examples for window in example.windows]
    longest = min(padded(max(len(row) for row in rows)), examples[0].limit)
    columns: dict[str, tuple[list[NDArray[Any]], int]] = {
        "input_ids": (rows, pad_id),
        "attention_mask": ([np.ones_like(row) for row in rows], 0),
        "segments": ([row for example in examples for row in example.segments], OUTSIDE),
    }
    if examples[0].types is not None:
        types = [row for example in examples for row in example.types or ()]
        columns["token_type_ids"] = (list(types), 0)
    batch: dict[str, NDArray[Any]] = {}
    for name, (values, padding) in columns.items():
        table = np.full((len(rows), longest), padding, np.int64)
        for row, value in enumerate(values):
            table[row, : len(value)] = value
        batch[name] = table
    batch["windows"] = np.array([len(example.windows) for example in examples], np.int64)
    return batch
