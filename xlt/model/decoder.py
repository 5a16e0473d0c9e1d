"""The encoder-decoder of a backbone: the one it has, or its encoder with a new decoder.

A new decoder begins with what it can take from the encoder (Rothe et al. 2020, arXiv 1907.12461:
self-attention, feed-forward layers, embeddings); its attention to the encoder is random.
"""

from __future__ import annotations

import copy
import inspect
import re
from typing import TYPE_CHECKING, Any

import torch

from xlt import languages
from xlt.errors import XltError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.backbone import Backbone


def seq2seq(backbone: Backbone) -> PreTrainedModel:
    """In float32, with the special ids that generation needs in its config.

    Raises XltError as `Backbone.model` does, and where no decoder can be built.
    """
    from transformers import AutoModelForSeq2SeqLM

    _special(backbone, "fills batches up", "pad")  # what is filled up is known by it alone
    config = backbone.config
    halved = any(name.endswith("EncoderModel") for name in config.architectures or ())
    if getattr(config, "is_encoder_decoder", False) and not halved:
        model = backbone.model(AutoModelForSeq2SeqLM)
    elif "t5" in config.model_type:
        model = _t5(backbone)
    else:
        model = _two_stacks(backbone)
    model.config.use_cache = True
    return model


def _t5(backbone: Backbone) -> PreTrainedModel:
    """A T5 encoder's own architecture, with its decoder half new; the embeddings are shared."""
    from transformers import AutoModelForSeq2SeqLM

    config: Any = backbone.config
    layers = backbone.options.decoder_layers or config.num_layers
    model: Any = backbone.model(
        AutoModelForSeq2SeqLM,
        fresh=("decoder.", "lm_head."),
        is_encoder_decoder=True,
        num_decoder_layers=layers,
        decoder_start_token_id=config.pad_token_id,
        eos_token_id=end_id(backbone),
    )
    if not backbone.random:
        with torch.no_grad():
            for number, block in enumerate(model.decoder.block):
                # Of a shallower decoder: layers evenly spaced over the encoder's depth.
                like = model.encoder.block[_spread(number, layers, config.num_layers)]
                for name in "qkvo":
                    mine = getattr(block.layer[0].SelfAttention, name)
                    mine.weight.copy_(getattr(like.layer[0].SelfAttention, name).weight)
                block.layer[0].layer_norm.weight.copy_(like.layer[0].layer_norm.weight)
                block.layer[-1].load_state_dict(like.layer[-1].state_dict())
            model.decoder.final_layer_norm.weight.copy_(model.encoder.final_layer_norm.weight)
    return model  # type: ignore[no-any-return]


def _spread(number: int, layers: int, depth: int) -> int:
    return min(depth - 1, (2 * number + 1) * depth // (2 * layers))


def _two_stacks(backbone: Backbone) -> PreTrainedModel:
    """`EncoderDecoderModel`: the encoder twice, the second time with attention to the first."""
    from transformers import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        AutoModelForCausalLM,
        EncoderDecoderConfig,
        EncoderDecoderModel,
    )

    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(backbone.config), None)
    takes = inspect.signature(kind.forward).parameters if kind is not None else {}
    if "encoder_hidden_states" not in takes:
        raise XltError(
            f"{backbone.source} is a {backbone.config.model_type} encoder, and this architecture "
            "has no decoder: it cannot write text",
            where="model.encoder",
            fix="name an encoder-decoder (google/mt5-small, facebook/mbart-large-50, …), a T5 "
            "encoder, or one of the BERT and RoBERTa families",
        )
    encoder = backbone.encoder()
    layers = backbone.options.decoder_layers or backbone.config.num_hidden_layers
    decoder = backbone.model(
        AutoModelForCausalLM,
        fresh=("",),
        is_decoder=True,
        add_cross_attention=True,
        num_hidden_layers=layers,
    )
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        copy.deepcopy(encoder.config),
        copy.deepcopy(decoder.config),
        pad_token_id=backbone.pad_id,
        eos_token_id=end_id(backbone),
        decoder_start_token_id=_special(backbone, "begins a text", "cls", "bos"),
    )
    return EncoderDecoderModel(encoder=encoder, decoder=decoder, config=config)


def end_id(backbone: Backbone) -> int:
    """The subword that ends a text. Raises XltError if the tokenizer has none."""
    return _special(backbone, "ends a text", "eos", "sep")


def _special(backbone: Backbone, what: str, *roles: str) -> int:
    """The id of the tokenizer's first special subword of these. Raises XltError for none."""
    ids = [getattr(backbone.tokenizer, f"{role}_token_id") for role in roles]
    found = next((id for id in ids if id is not None), None)
    if found is None:
        first, *others = (f"{role}_token" for role in roles)
        either = f" (or {', '.join(others)})" if others else ""
        raise XltError(
            f"the tokenizer of {backbone.source} has no subword that {what}",
            where="model.encoder",
            fix=f"give it a {first}{either} in tokenizer_config.json, or name another encoder",
        )
    return int(found)


_LANGUAGE = re.compile(r"(?:__)?([a-z]{2,3})(?:__|_[A-Z][a-z]{3}|_[A-Z]{2}|_XX)")
"""The language subwords of NLLB (ind_Latn), mBART (id_ID) and M2M100 (__id__)."""


def language_subwords(tokenizer: Any) -> dict[str, int]:
    """ISO 639-3 → the subword that stands for the language, of multilingual translation models.

    Where a language has several (scripts), the one of its usual script. Empty for others.
    """
    ids: dict[str, int] = {}
    for text in tokenizer.all_special_tokens:
        match = _LANGUAGE.fullmatch(text)
        if match is None:
            continue
        try:
            code = languages.code(match[1])
        except XltError:
            continue
        usual = text.endswith(f"_{languages.script(code)}")
        if code not in ids or usual:
            ids[code] = tokenizer.convert_tokens_to_ids(text)
    return ids
