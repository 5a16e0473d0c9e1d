"""Small encoders made on the spot: real architectures and tokenizers, random weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = {
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}

SHAPES: dict[str, dict[str, Any]] = {
    "bert": {"max_position_embeddings": 64},
    "roberta": {"max_position_embeddings": 66},
    "xlm-roberta": {"max_position_embeddings": 66},
    "deberta-v2": {
        "max_position_embeddings": 64,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "type_vocab_size": 0,
        "position_biased_input": False,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_buckets": 16,
    },
    "rembert": {
        "max_position_embeddings": 64,
        "input_embedding_size": 16,
        "output_embedding_size": 16,
    },
    "modernbert": {
        "max_position_embeddings": 64,
        "global_attn_every_n_layers": 2,
        "local_attention": 16,
    },
    "umt5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_heads": 2, "num_layers": 2},
}
"""One small shape for each family of encoders that users have."""

_DECODER = {"num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64}

OTHER_SHAPES: dict[str, dict[str, Any]] = {
    "xlm-roberta-xl": {"max_position_embeddings": 66},
    "mt5": SHAPES["umt5"],
    "byt5": SHAPES["umt5"],
    "canine": {
        "max_position_embeddings": 256,
        "downsampling_rate": 4,
        "num_hash_buckets": 256,
        "num_hash_functions": 2,
        "local_transformer_stride": 16,
        "upsampling_kernel_size": 4,
    },
    "eurobert": {**_DECODER, "mask_token_id": 4},
    "llama": _DECODER,
    "qwen3": _DECODER,
    "mistral": {**_DECODER, "sliding_window": 16},
    "gemma3_text": {
        **_DECODER,
        "query_pre_attn_scalar": 16,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"],
        "use_bidirectional_attention": True,
    },
}
"""Architectures of other kinds: of characters, and decoders. Gemma's is EmbeddingGemma's."""


def make_tokenizer(texts: Iterable[str], size: int = 600) -> PreTrainedTokenizerFast:
    """A Unigram tokenizer with ▁ for spaces, as XLM-R's."""
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = list(SPECIAL.values())
    tokenizer.train_from_iterator(
        texts,
        trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=special,
            unk_token=SPECIAL["unk_token"],
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B </s>",
        special_tokens=[("<s>", special.index("<s>")), ("</s>", special.index("</s>"))],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def make_encoder(folder: Path, texts: Iterable[str], kind: str = "bert", **changes: Any) -> Path:
    """Write a random encoder of the given family, with a tokenizer for `texts`, to `folder`.

    kind:    a key of `SHAPES` or `OTHER_SHAPES`.
    changes: values of the encoder's config, e.g. ``num_hidden_layers=1``.
    """
    import torch
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForTextEncoding,
        ByT5Tokenizer,
        CanineTokenizer,
    )

    tokenizer: Any = (
        ByT5Tokenizer()
        if kind == "byt5"
        else CanineTokenizer(model_max_length=128)
        if kind == "canine"
        else make_tokenizer(texts)
    )
    config = AutoConfig.for_model(
        "t5" if kind == "byt5" else kind,
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.eos_token_id
            if tokenizer.sep_token_id is None
            else tokenizer.sep_token_id,
            "cls_token_id": tokenizer.cls_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            **{**SHAPES, **OTHER_SHAPES}[kind],
            **changes,
        },
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        half = "t5" in config.model_type
        model = (AutoModelForTextEncoding if half else AutoModel).from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
