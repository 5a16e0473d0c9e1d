"""Random layers of three architectures over the same vectors: which learns most from little data?

    python -m scripts.pretrain_mini.shapes WORK FOLDER
    python -m scripts.evaluate_mini RUNS --tasks parsing --seeds 1 --set training.freeze=[] \\
        --model t5=FOLDER/t5@1e-3 …

WORK is that of `scripts.pretrain_mini`. `t5` has relative positions, its heads begin by looking at
neighbours (`network.look_around`); `t5-plain` is initialised as usual; `xlm-roberta` has absolute
positions, `modernbert` rotary ones. Parameters of a layer are as many in all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import (
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    T5EncoderModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from .network import SCALE, fast, make_encoder

LAYERS, HEADS, INNER = 4, 8, 512


def main(work: Path, out: Path) -> None:
    (vectors_file,) = work.glob("vectors-*.npy")
    (subwords,) = work.glob("tokenizer-*.json")
    vectors = np.load(vectors_file)
    tokenizer = fast(Tokenizer.from_file(str(subwords)))
    size, width = vectors.shape
    common = {
        "vocab_size": size, "hidden_size": width, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1,
    }  # fmt: skip
    t5 = make_encoder(vectors, layers=LAYERS, heads=HEADS, inner=INNER, seed=1)
    torch.manual_seed(1)
    plain = T5EncoderModel(t5.config)
    absolute = XLMRobertaConfig(
        **common, intermediate_size=3 * INNER // 2, max_position_embeddings=514, type_vocab_size=1
    )
    rotary = ModernBertConfig(
        **common, intermediate_size=INNER, cls_token_id=1, sep_token_id=1,
        global_attn_every_n_layers=1,
    )  # fmt: skip
    models: dict[str, PreTrainedModel] = {
        "t5": t5,
        "t5-plain": plain,
        "xlm-roberta": XLMRobertaModel(absolute, add_pooling_layer=False),
        "modernbert": ModernBertModel(rotary),
    }
    for name, model in models.items():
        with torch.no_grad():
            table = model.get_input_embeddings().weight
            table.copy_(torch.from_numpy(vectors * np.sqrt(width) * SCALE))
            table[0] = 0
        model.save_pretrained(out / name)
        tokenizer.save_pretrained(out / name)
        print(name, sum(p.numel() for p in model.parameters()) - table.numel(), "in the layers")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
