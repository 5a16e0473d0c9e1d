"""Running text for a generator: prompts in windows, targets, and batches of both.

A prompt has a head (an instruction, an answer) and a body. A body that is longer than the encoder
takes is split into overlapping windows which all begin with the head; the decoder attends to all
of them together (Izacard & Grave 2021, "Fusion-in-Decoder", arXiv 2007.01282), so nothing is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.batch import IGNORED, padded
from xlt.data.encode import WordEncoder, window_spans
from xlt.data.subwords import Ids, subwords_of

if TYPE_CHECKING:
    import torch


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[Ids]:
    """The subwords of every text, without special tokens; nothing is cut."""
    return subwords_of(tokenizer)(texts)


class PromptEncoder:
    """Prompts of any length to windows.

    words: says how many subwords a window has, and which special tokens it begins and ends with.
    """

    def __init__(self, words: WordEncoder) -> None:
        self.subwords = words.subwords
        self.prefix, self.suffix, self.room = words.prefix, words.suffix, words.room

    def __call__(
        self, heads: Sequence[str], bodies: Sequence[str], reserved: int = 0
    ) -> list[tuple[Ids, ...]]:
        """The windows of every prompt, special tokens included.

        reserved: subwords to leave free in each window, for what the model puts there itself.
        """
        subwords = self.subwords([*heads, *bodies])
        return [
            self.windows(head, body, reserved)
            for head, body in zip(subwords[: len(heads)], subwords[len(heads) :], strict=True)
        ]

    def windows(self, head: Ids, body: Ids, reserved: int = 0) -> tuple[Ids, ...]:
        room = max(2, self.room - reserved)
        if len(head) > room // 2:  # too long to be repeated
            head, body = head[:0], np.concatenate([head, body])
        spans = window_spans(len(body), room - len(head))
        return tuple(
            np.concatenate([self.prefix, head, body[start:end], self.suffix]).astype(np.int32)
            for start, end, _, _ in spans
        )


def collate_prompts(
    prompts: Sequence[Sequence[Ids]], pad_id: int, limit: int
) -> dict[str, torch.Tensor]:
    """`input_ids` (windows, length), and `window_of` (windows,): the prompt each belongs to.

    limit: subwords that a window may have.
    """
    import torch

    owners = np.repeat(np.arange(len(prompts)), [len(windows) for windows in prompts])
    rows = [window for windows in prompts for window in windows]
    width = min(padded(max((len(row) for row in rows), default=1)), limit)
    return {"input_ids": pad_rows(rows, pad_id, width), "window_of": torch.from_numpy(owners)}


def collate_targets(targets: Sequence[Ids], pad_id: int) -> dict[str, torch.Tensor]:
    """`target_input_ids` (rows, length), and `labels` of the same shape: -100 at the padding.

    Which subword a target is stands in `target_input_ids`, whose ids a trimmed vocabulary
    translates; `labels` says which of them count.
    """
    import torch

    ids = pad_rows(targets, pad_id)
    labels = torch.full_like(ids, IGNORED)
    for row, target in enumerate(targets):
        labels[row, : len(target)] = ids[row, : len(target)]
    return {"target_input_ids": ids, "labels": labels}


def pad_rows(
    rows: Sequence[NDArray[Any] | Sequence[int]], pad_id: int, width: int | None = None
) -> torch.Tensor:
    """Rows of ids in one tensor (rows, width), by default as wide as the longest needs."""
    import torch

    if width is None:
        width = padded(max((len(row) for row in rows), default=1))
    ids = np.full((len(rows), width), pad_id, np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
    return torch.from_numpy(ids)
