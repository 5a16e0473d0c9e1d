"""Layers over word vectors that tasks share."""

from __future__ import annotations

import torch
from torch import nn


def mlp(inputs: int, outputs: int, dropout: float) -> nn.Module:
    """What Dozat and Manning (2017) put before a biaffine layer."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ELU(), SharedDropout(dropout))


class Biaffine(nn.Module):
    """A biaffine layer: score[o, d, h] = [x_d; 1]ᵀ W_o [y_h; 1], zero at the start."""

    def __init__(self, size: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, size + 1, size + 1))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The scores of each x with each y: x (b, n, size), y (b, m, size) → (b, outputs, n, m)."""
        return torch.einsum(
            "bni,oij,bmj->bonm", _with_one(x), self.weight.to(x.dtype), _with_one(y)
        )

    def grown(self, outputs: int) -> Biaffine:
        """This layer with room for more outputs; the new ones are zero."""
        old = self.weight
        layer = Biaffine(old.shape[1] - 1, outputs).to(old.device)
        with torch.no_grad():
            layer.weight[: len(old)] = old
        return layer

    def paired(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The scores of each x with its own y: x, y (b, n, size) → (b, n, outputs).

        One matrix product for all outputs: an einsum over the three would materialise b·n·size².
        """
        left = torch.einsum("bni,oij->bnoj", _with_one(x), self.weight.to(x.dtype))
        return torch.einsum("bnoj,bnj->bno", left, _with_one(y))


def _with_one(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.pad(x, (0, 1), value=1.0)


class SharedDropout(nn.Module):
    """Dropout with one mask for all words of a sentence (Gal and Ghahramani 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The vectors with some features dropped: x (sentences, words, size)."""
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
        """Both halves' states of each word.

        x (sentences, words, inputs), lengths (sentences,) → (sentences, words, 2 size).
        """
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
