"""Text for masked language modelling: packed into windows, some held out, words masked.

Devlin et al. 2019 (arXiv 1810.04805): of what is predicted 80 % become the mask, 10 % another
subword, 10 % stay; whole words as in their later models. Sentences are packed into full windows as
in RoBERTa (Liu et al. 2019, arXiv 1907.11692), and masked anew in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlt.data.batch import IGNORED, padded
from xlt.data.subwords import Ids
from xlt.task import Example

if TYPE_CHECKING:
    import torch

MASKED, RANDOM = 0.8, 0.1
"""Shares of what is predicted that become the mask, or another subword; the rest stays."""

LEAST_HELD_OUT = 20
"""Windows of a language that are held out at least, but for a fifth of all."""


@dataclass(frozen=True)
class Window:
    """subwords: ids, without special tokens.
    words: for each subword the number of its word, ascending.
    """

    subwords: Ids
    words: Ids


def pack(encoded: Sequence[tuple[Ids, Ids]], room: int) -> list[Window]:
    """All subwords of texts that follow one another, in windows of at most `room`.

    encoded: of each text ids, and the word of each (-1: of none), as `Subwords.of_words` has it.

    A window ends between two words, unless one word is longer than it.
    """
    ids = np.concatenate([own for own, _ in encoded])
    # A word begins where its number changes, with each text, and with each subword of no word.
    begins = np.concatenate(
        [np.concatenate([[True], (np.diff(words) != 0) | (words[1:] < 0)]) for _, words in encoded
         if len(words)]
    )  # fmt: skip
    words = np.cumsum(begins).astype(np.int32)
    windows, start = [], 0
    while start < len(ids):
        end = min(start + room, len(ids))
        if end < len(ids):
            word = int(np.searchsorted(words, words[end]))
            end = word if word > start else end
        windows.append(Window(ids[start:end], words[start:end]))
        start = end
    return windows


def hold_out(number: int, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of so many windows those to learn from, and those that are held out, each in order.

    A fifth is held out at most; up to that, `LEAST_HELD_OUT` at least. None without a share.
    """
    held = min(max(round(share * number), LEAST_HELD_OUT), number // 5) if share else 0
    drawn = np.random.default_rng(seed).permutation(number)
    return np.sort(drawn[held:]), np.sort(drawn[:held])


def choose(
    words: Ids, share: float, random: np.random.Generator, *, whole_words: bool
) -> NDArray[np.bool_]:
    """Which subwords of a window are predicted: about this share, one at least.

    whole_words: all of a word or nothing; else each subword by itself.
    """
    units = words if whole_words else np.arange(len(words), dtype=np.int32)
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    wanted = max(1, round(share * len(words)))
    order = random.permutation(len(sizes))
    chosen = np.zeros(len(sizes), bool)
    left = wanted
    for one in order.tolist():
        if sizes[one] <= left:
            chosen[one] = True
            left -= int(sizes[one])
            if not left:
                break
    if left == wanted:  # every word is longer than that
        chosen[order[np.argmin(sizes[order])]] = True
    predicted: NDArray[np.bool_] = chosen[unit]
    return predicted


def masked(
    subwords: Ids,
    predicted: NDArray[np.bool_],
    mask: int,
    others: Ids,
    random: np.random.Generator,
) -> Ids:
    """The subwords with those that are predicted masked, replaced by one of `others`, or as they
    are."""
    result = subwords.copy()
    draw = random.random(len(subwords))
    replaced = random.choice(others, len(subwords))
    result[predicted & (draw < MASKED)] = mask
    other = predicted & (draw >= MASKED) & (draw < MASKED + RANDOM)
    result[other] = replaced[other]
    return result


@dataclass
class MaskedBatches:
    """Makes batches of windows, masked by seed, step and number: whoever computes a step, with
    however many others, and after whatever interruption, computes the same.

    windows: by the index of an example. prefix, suffix: special tokens around each.
    limit:   the longest row. pad: the id of padding. mask: that of the mask.
    others:  ids that are predicted, and that another subword is drawn from; each window has some.
    step:    says which step a batch is for.
    """

    windows: Sequence[Window]
    prefix: Ids
    suffix: Ids
    limit: int
    pad: int
    mask: int
    others: Ids
    share: float
    whole_words: bool
    seed: int
    step: Callable[[], int] = lambda: 0

    def examples(self, chosen: NDArray[np.int64]) -> list[Example]:
        """Of the windows of these numbers. `index` counts them; `inputs` has the number."""
        around = len(self.prefix) + len(self.suffix)
        return [
            Example(index, len(self.windows[n].subwords) + around, {"window": n})
            for index, n in enumerate(chosen.tolist())
        ]

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """input_ids, target_input_ids (unmasked), attention_mask and labels (0 where a subword is
        predicted, else ignored), each (examples, length)."""
        import torch

        longest = min(padded(max(example.length for example in examples)), self.limit)
        shape = (len(examples), longest)
        inputs, targets = np.full(shape, self.pad, np.int64), np.full(shape, self.pad, np.int64)
        attention, labels = np.zeros(shape, np.int64), np.full(shape, IGNORED, np.int64)
        for row, example in enumerate(examples):
            number = example.inputs["window"]
            window = self.windows[number]
            random = np.random.default_rng([self.seed, self.step(), number])
            known = np.isin(window.subwords, self.others)  # the unknown subword teaches nothing
            predicted = np.zeros(len(window.subwords), bool)
            predicted[known] = choose(
                window.words[known], self.share, random, whole_words=self.whole_words
            )
            read = masked(window.subwords, predicted, self.mask, self.others, random)
            inside = slice(len(self.prefix), len(self.prefix) + len(read))
            inputs[row, : example.length] = np.concatenate([self.prefix, read, self.suffix])
            targets[row, : example.length] = np.concatenate(
                [self.prefix, window.subwords, self.suffix]
            )
            attention[row, : example.length] = 1
            labels[row, inside][predicted] = 0
        return {
            "input_ids": torch.from_numpy(inputs),
            "target_input_ids": torch.from_numpy(targets),
            "attention_mask": torch.from_numpy(attention),
            "labels": torch.from_numpy(labels),
        }
