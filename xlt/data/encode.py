"""Words to subwords, without losing any: long inputs become overlapping windows.

Each subword belongs to exactly one window (the one where it has most context on both sides); in
the others it is context only. A word's vector is the mean of its subwords, wherever they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.batch import padded
from xlt.data.subwords import PROBES, Ids, subwords_of, unusable
from xlt.document.text import Text

if TYPE_CHECKING:
    import torch

_OVERLAP = 4  # a window shares 1/_OVERLAP of its subwords with the next one


@dataclass(frozen=True, slots=True)
class EncodedWords:
    """The subwords of one sentence.

    windows: subword ids with special tokens, each at most the encoder's length.
    word_of: for each window, the word each subword belongs to; -1 for special tokens and context.
    n_words: every word has at least one subword over all windows.
    limit:   the encoder's longest window, which padding must not pass.
    """

    windows: tuple[Ids, ...]
    word_of: tuple[Ids, ...]
    n_words: int
    limit: int

    @property
    def length(self) -> int:
        return sum(len(window) for window in self.windows)

    @property
    def subwords(self) -> Ids:
        """The ids of all words' subwords, each once, without special tokens."""
        return np.concatenate(
            [window[owner >= 0] for window, owner in zip(self.windows, self.word_of, strict=True)]
        )


class WordEncoder:
    """Encodes texts that are split into words with a Hugging Face tokenizer (`Subwords`).

    max_length: subwords in a window, special tokens included.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.subwords = subwords_of(tokenizer)
        self.prefix, self.suffix = special_tokens(tokenizer)
        self.limit = max_length
        self.room = max_length - len(self.prefix) - len(self.suffix)
        if self.room < 2:
            raise ValueError(f"max_length={max_length} leaves no room for subwords")
        self._outside = [np.full(len(ids), -1, np.int32) for ids in (self.prefix, self.suffix)]

    def __call__(self, texts: Sequence[Text]) -> list[EncodedWords]:
        return [
            self._windows(ids, owners, len(text.words))
            for text, (ids, owners) in zip(texts, self.subwords.of_words(texts), strict=True)
        ]

    def _windows(self, ids: Ids, owners: Ids, n_words: int) -> EncodedWords:
        prefix, suffix = self.prefix, self.suffix
        before, after = self._outside
        windows, word_of = [], []
        for start, end, own_start, own_end in window_spans(len(ids), self.room):
            owner = owners[start:end].copy()
            owner[: own_start - start] = -1
            owner[own_end - start :] = -1
            windows.append(np.concatenate([prefix, ids[start:end], suffix]))
            word_of.append(np.concatenate([before, owner, after]))
        return EncodedWords(tuple(windows), tuple(word_of), n_words, self.limit)


def window_spans(n: int, room: int) -> list[tuple[int, int, int, int]]:
    """The windows of at most `room` of n subwords: (start, end, first owned, last owned + 1)."""
    if n <= room:
        return [(0, n, 0, n)]
    overlap = room // _OVERLAP
    stride = room - overlap
    starts = [*range(0, n - room, stride), n - room]
    spans = []
    for position, start in enumerate(starts):
        first = 0 if position == 0 else (start + starts[position - 1] + room) // 2
        last = n if position == len(starts) - 1 else (starts[position + 1] + start + room) // 2
        spans.append((start, start + room, first, last))
    return spans


def special_tokens(tokenizer: Any) -> tuple[Ids, Ids]:
    """What the tokenizer puts before and after a single sequence."""
    for text in PROBES:  # one that this tokenizer has a subword for
        plain = tokenizer(text, add_special_tokens=False)["input_ids"]
        full = tokenizer(text, add_special_tokens=True)["input_ids"]
        if plain:
            break
    else:
        raise unusable(tokenizer, "has no subwords for any script")
    if len(full) == len(plain):
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    for at in range(len(full) - len(plain) + 1):
        if full[at : at + len(plain)] == plain:
            return np.asarray(full[:at], np.int32), np.asarray(full[at + len(plain) :], np.int32)
    raise unusable(tokenizer, "changes a text's subwords when it adds special tokens")


def collate_words(examples: Sequence[EncodedWords], pad_id: int) -> dict[str, torch.Tensor]:
    """`word_arrays` as tensors."""
    import torch

    return {k: torch.from_numpy(v) for k, v in word_arrays(examples, pad_id).items()}


def word_arrays(examples: Sequence[EncodedWords], pad_id: int) -> dict[str, NDArray[Any]]:
    """Pad windows into rows.

    Returns input_ids and attention_mask of shape (rows, length), where length is the longest
    window's, `padded`; word_index of the same shape: sentence * words + word, or -1; and word_mask
    (sentences, words), where words is the longest sentence's number, `padded`.
    """
    rows = [window for example in examples for window in example.windows]
    longest = min(padded(max(len(row) for row in rows)), examples[0].limit)
    most_words = padded(max(example.n_words for example in examples))
    input_ids = np.full((len(rows), longest), pad_id, np.int64)
    attention = np.zeros((len(rows), longest), np.int64)
    word_index = np.full((len(rows), longest), -1, np.int64)
    word_mask = np.zeros((len(examples), most_words), bool)
    row = 0
    for sentence, example in enumerate(examples):
        word_mask[sentence, : example.n_words] = True
        for window, owner in zip(example.windows, example.word_of, strict=True):
            input_ids[row, : len(window)] = window
            attention[row, : len(window)] = 1
            word_index[row, : len(owner)] = np.where(owner >= 0, owner + sentence * most_words, -1)
            row += 1
    return {
        "input_ids": input_ids,
        "attention_mask": attention,
        "word_index": word_index,
        "word_mask": word_mask,
    }


def pool_words(
    subwords: torch.Tensor, word_index: torch.Tensor, word_mask: torch.Tensor
) -> torch.Tensor:
    """Mean of each word's subwords.

    subwords (rows, length, d), word_index as in `collate_words` → (sentences, words, d), float32.
    """
    import torch

    sentences, words = word_mask.shape
    owned = word_index.reshape(-1) >= 0
    index = word_index.reshape(-1)[owned]
    values = subwords.reshape(-1, subwords.shape[-1])[owned].float()
    total = values.new_zeros(sentences * words, values.shape[-1]).index_add(0, index, values)
    number = values.new_zeros(sentences * words).index_add(
        0, index, torch.ones_like(index, dtype=values.dtype)
    )
    # The width is spelled out: a batch without any word has no elements to infer it from.
    return (total / number.clamp(min=1).unsqueeze(-1)).view(sentences, words, subwords.shape[-1])
