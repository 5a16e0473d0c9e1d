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


class Characters(nn.Module):
    """Reads a word by convolutions over 3 and 5 characters and their maximum over positions.

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
        """Return vectors (sentences, words, size) for ids (sentences, words, 20)."""
        flat = ids.flatten(0, 1)
        x = self.embedding(flat).transpose(1, 2)
        x = torch.cat([convolution(x) for convolution in self.convolutions], 1)
        x = x.masked_fill((flat == 0).unsqueeze(1), -1e4).amax(-1).tanh()
        words: torch.Tensor = x.unflatten(0, ids.shape[:2])
        return words
