"""The encoder that is pretrained, and the heads that teach it and are thrown away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from xlt.data.batch import IGNORED
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.dependency_parsing.inventory import RELATIONS, UPOS
from xlt.tasks.dependency_parsing.model import Parser

SCALE = 0.3
"""Standard deviation of the subword vectors' components."""
LOOK = 6.0
"""First bias of a head for the places it looks at, in nats."""


def make_encoder(
    vectors: NDArray[np.float32], *, layers: int, heads: int, inner: int, seed: int
) -> T5EncoderModel:
    """A T5 encoder over `vectors` (subwords, width), with random layers."""
    width = vectors.shape[1]
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(vectors), d_model=width, d_kv=width // heads, d_ff=inner, num_layers=layers,
        num_heads=heads, dropout_rate=0.1, feed_forward_proj="gated-gelu",
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    config._attn_implementation = "eager"
    encoder = T5EncoderModel(config)
    with torch.no_grad():
        encoder.shared.weight.copy_(torch.from_numpy(vectors * np.sqrt(width) * SCALE))
        encoder.shared.weight[0] = 0
    look_around(encoder)
    return encoder


def look_around(encoder: T5EncoderModel) -> None:
    """Let heads begin as: the subword before, the one after, those before, those after, two before,
    two after; the others look everywhere.

    At usual rates a relative bias needs thousands of steps to become large, and until then no
    position is told from another.
    """
    attention = encoder.encoder.block[0].layer[0].SelfAttention
    bias = attention.relative_attention_bias.weight
    half = bias.shape[0] // 2
    near = torch.arange(half)
    faded = LOOK * (1 - near / 8).clamp(min=0)
    nothing = torch.zeros(half)
    never = torch.full((half,), -LOOK)
    patterns = [
        torch.cat([LOOK * (near == 1), nothing]),
        torch.cat([nothing, LOOK * (near == 1)]),
        torch.cat([faded.where(near > 0, -LOOK), never]),
        torch.cat([never, faded.where(near > 0, -LOOK)]),
        torch.cat([LOOK * (near == 2), nothing]),
        torch.cat([nothing, LOOK * (near == 2)]),
    ]  # buckets of distances before the subword, then after it
    with torch.no_grad():
        for head, pattern in enumerate(patterns[: bias.shape[1]]):
            bias[:, head] = pattern


class Network(Parser):
    """The encoder with a biaffine parser and a tagger of universal parts of speech.

    states: what the encoder gave for the last batch, (sentences, subwords, width).
    """

    states: torch.Tensor

    def __init__(self, encoder: T5EncoderModel) -> None:
        options = DependencyParsing.Options(arc_size=256, dropout=0.2)
        super().__init__(encoder, {"relation": RELATIONS}, options)
        self.tagger = torch.nn.Linear(encoder.config.d_model, len(UPOS))
        encoder.register_forward_hook(self._keep)

    def _keep(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        self.states = output.last_hidden_state

    def tagging_loss(
        self, word_index: torch.Tensor, word_mask: torch.Tensor, tags: torch.Tensor
    ) -> torch.Tensor:
        """Mean cross-entropy over the words of the last batch; tags (sentences, words)."""
        from xlt.data.encode import pool_words

        scores = self.tagger(pool_words(self.states, word_index, word_mask))
        return torch.nn.functional.cross_entropy(
            scores.float().flatten(0, 1), tags.flatten(), ignore_index=IGNORED
        )


def without_dropout(encoder: T5EncoderModel) -> None:
    """Two epochs of pretraining have nothing to memorise; the packaged config keeps its rate."""
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def save(encoder: T5EncoderModel, tokenizer: Any, folder: Path) -> None:
    """A folder for `from_pretrained`. tokenizer: of the tokenizers library."""
    encoder.save_pretrained(folder)
    fast(tokenizer).save_pretrained(folder)


def fast(tokenizer: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
