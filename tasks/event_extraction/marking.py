"""Sentences with one trigger marked, as the arguments' tagger reads them.

The trigger's subwords get a marker subword on either side: ``they $ bought $ a house``. The
sentence is not tokenised again: subwords are inserted, so words keep theirs. Where the result is
longer than a window, every window shows the trigger: one that does not hold it begins with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.data.encode import EncodedWords, WordEncoder, window_spans
from xlt.data.subwords import Ids

from .records import WordRange

_MARKS = ("$", "*", "#", "|", "@", "+", "=")


@dataclass(frozen=True)
class Frame:
    """Holds what stands around and in a marked sentence: subword ids, and the longest window."""

    prefix: Ids
    suffix: Ids
    marker: int
    pad: int
    limit: int

    @classmethod
    def of(cls, encoder: WordEncoder, pad: int) -> Frame:
        """Return the frame of an encoder's sentences; pad: id of its padding subword."""
        return cls(encoder.prefix, encoder.suffix, _marker(encoder), pad, encoder.limit)

    def packed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (ids, layout), from which `unpacked` makes the frame again.

        In between the ids, shape (1, subwords), may be translated to a trimmed vocabulary.
        """
        ids = [*self.prefix, *self.suffix, self.marker, self.pad]
        layout = [len(self.prefix), len(self.suffix), self.limit]
        return np.array([ids], np.int64), np.array(layout, np.int64)

    @classmethod
    def unpacked(cls, ids: NDArray[np.int64], layout: NDArray[np.int64]) -> Frame:
        """Return the frame that `packed` made these arrays of."""
        before, after, limit = (int(n) for n in layout)
        flat = ids.reshape(-1).astype(np.int32)
        return cls(
            flat[:before], flat[before : before + after], int(flat[-2]), int(flat[-1]), limit
        )


def _marker(encoder: WordEncoder) -> int:
    """A subword that hardly occurs in text and that the tokenizer knows."""
    unknown = encoder.subwords.unknown
    for ids in encoder.subwords(_MARKS):
        if len(ids) and ids[-1] != unknown:
            return int(ids[-1])
    return unknown


def mark(
    subwords: Ids, owners: Ids, n_words: int, trigger: WordRange, frame: Frame
) -> EncodedWords:
    """Mark the trigger of a sentence.

    subwords: all of the sentence's, without special tokens; owners: the word of each.
    """
    inside = np.flatnonzero((owners >= trigger[0]) & (owners < trigger[1]))
    a, b = int(inside[0]), int(inside[-1]) + 1
    marker = np.array([frame.marker], np.int32)
    ids = np.concatenate([subwords[:a], marker, subwords[a:b], marker, subwords[b:]])
    nobody = np.array([-1], np.int32)
    words = np.concatenate([owners[:a], nobody, owners[a:b], nobody, owners[b:]])
    room = frame.limit - len(frame.prefix) - len(frame.suffix)
    cue = np.concatenate([marker, subwords[a : min(b, a + max(1, room // 4))], marker])
    inner = room - len(cue)
    if inner < 2:  # a window this small has no room for the trigger beside the text
        cue, inner = cue[:0], room
    if len(ids) <= room:
        cue, inner = cue[:0], room
    windows, word_of = [], []
    for start, end, own_start, own_end in window_spans(len(ids), inner):
        owner = words[start:end].copy()
        owner[: own_start - start] = -1
        owner[own_end - start :] = -1
        ahead = cue if start > a or end < b + 2 else cue[:0]
        windows.append(np.concatenate([frame.prefix, ahead, ids[start:end], frame.suffix]))
        word_of.append(
            np.concatenate(
                [
                    np.full(len(frame.prefix) + len(ahead), -1, np.int32),
                    owner,
                    np.full(len(frame.suffix), -1, np.int32),
                ]
            )
        )
    return EncodedWords(tuple(windows), tuple(word_of), n_words, frame.limit)


def owners_of(words: EncodedWords) -> Ids:
    """Return the word of each of `words.subwords`."""
    return np.concatenate([owner[owner >= 0] for owner in words.word_of])


def marked_in_batch(
    input_ids: NDArray[np.int64],
    word_index: NDArray[np.int64],
    n_words: Sequence[int],
    width: int,
    spans: Sequence[tuple[int, int, int]],
    frame: Frame,
) -> list[EncodedWords]:
    """Mark one trigger each in sentences of a batch.

    input_ids, word_index: (rows, length) as in `collate_words`; width: its words in a sentence.
    spans:                 sentence, first word, last word + 1.
    """
    owned = word_index >= 0
    subwords, index = input_ids[owned].astype(np.int32), word_index[owned]
    sentence, word = index // width, (index % width).astype(np.int32)
    bounds = np.searchsorted(sentence, np.arange(len(n_words) + 1))
    marked = []
    for s, start, end in spans:
        of = slice(bounds[s], bounds[s + 1])
        marked.append(mark(subwords[of], word[of], n_words[s], (start, end), frame))
    return marked
