"""What a parser adds to an encoder that is small or has not seen the language.

A large pretrained encoder needs none of it. Over small ones, word forms and the sentence's order
have to be learnt from the treebanks themselves: by characters that any language may bring, and
by a recurrent network over the words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BUCKETS = 1021
"""Hash buckets for code points: no inventory of characters, so none is ever unknown."""
LENGTH = 20
"""Characters of a word that are read, two of them its boundaries; the middle is left out."""
_START, _END, _FIRST = 1, 2, 3


def character_ids(words: Sequence[str]) -> NDArray[np.int64]:
    """Hashed code points of each word between boundary marks, 0 where it is shorter, (words, 20).

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


class Characters(nn.Module):
    """Convolutions of width 3 and 5 over a word's characters, the maximum over positions.

    (Ma and Hovy 2016, arXiv 1603.01354.)
    """

    def __init__(self, size: int, inner: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BUCKETS, inner, padding_idx=0)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inner, outputs, width, padding=width // 2)
            for outputs, width in [(size - size // 2, 3), (size // 2, 5)]
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """ids (sentences, words, 20) → (sentences, words, size)."""
        flat = ids.flatten(0, 1)
        x = self.embedding(flat).transpose(1, 2)
        x = torch.cat([convolution(x) for convolution in self.convolutions], 1)
        x = x.masked_fill((flat == 0).unsqueeze(1), -1e4).amax(-1).tanh()
        return x.unflatten(0, ids.shape[:2])


class SharedDropout(nn.Module):
    """Dropout with one mask for all words of a sentence (Gal and Ghahramani 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (sentences, words, size)."""
        if not self.training or not self.rate:
            return x
        kept = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.rate
        return x * (kept / (1 - self.rate)).to(x.dtype)


class BiLstm(nn.Module):
    """Bidirectional LSTM layers whose result does not depend on a batch's padding.

    The backward half reads each sentence reversed within its own length, so both halves see
    words first and padding last, at the full speed of unpacked sequences.
    """

    def __init__(self, inputs: int, size: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [inputs, *[2 * size] * (layers - 1)]
        self.onward = nn.ModuleList(nn.LSTM(n, size, batch_first=True) for n in sizes)
        self.backward_ = nn.ModuleList(nn.LSTM(n, size, batch_first=True) for n in sizes)
        self.dropout = SharedDropout(dropout)
        for lstm in (*self.onward, *self.backward_):
            for name, parameter in lstm.named_parameters():
                if "weight_hh" in name:
                    for gate in parameter.data.chunk(4):
                        nn.init.orthogonal_(gate)
                elif "bias" in name:
                    nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """x (sentences, words, inputs), lengths (sentences,) → (sentences, words, 2 size)."""
        position = torch.arange(x.shape[1], device=x.device)
        reversal = lengths.unsqueeze(1) - 1 - position
        reversal = torch.where(reversal >= 0, reversal, position)
        for number, (onward, backward) in enumerate(zip(self.onward, self.backward_, strict=True)):
            if number:
                x = self.dropout(x)
            left = onward(x)[0]
            right = _reorder(backward(_reorder(x, reversal))[0], reversal)
            x = torch.cat([left, right], -1)
        return x


def _reorder(x: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return x.gather(1, order.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
