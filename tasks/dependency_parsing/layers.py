"""What a parser adds to an encoder that is small or has not seen the language.

A large pretrained encoder needs none of it. Over small ones, word forms and the sentence's order
have to be learnt from the treebanks themselves: by characters that any language may bring, and
by a recurrent network over the words.
"""

from __future__ import annotations

import torch
from torch import nn

from .encoding import BUCKETS


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
        words: torch.Tensor = x.view(ids.shape[0], ids.shape[1], x.shape[-1])
        return words
