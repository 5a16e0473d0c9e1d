"""The pretrained encoder and its tokenizer: any Hugging Face model id, or a folder."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xlt.data.subwords import TOKENISATION
from xlt.errors import XltError
from xlt.model.pretrained import Pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from xlt.data.encode import WordEncoder
    from xlt.data.encode_pairs import PairEncoder, TextEncoder
    from xlt.data.subwords import Subwords
    from xlt.task import Labels

DEFAULT_MAX_LENGTH = 512
"""Window length for encoders with relative positions and no stated maximum (T5)."""


@dataclass
class Backbone(Pretrained):
    """An encoder, and how text gets into it.

    random:  take the architecture and the tokenizer but not the weights.
    labels:  of the model that is built on it, for tasks whose prompts name labels: `encode` is not
        given any for data that are to be predicted.
    tokenisation: how words became subwords when the model was trained (`ModelInfo`).
    weightless: models have no values, only names and shapes (on PyTorch's device `meta`), so that
        all that is wrong with the files is found in a moment.
    """

    random: bool = False
    labels: Labels = field(default_factory=dict)
    tokenisation: int = TOKENISATION
    weightless: bool = False

    @cached_property
    def max_length(self) -> int:
        """Subwords in a window, special tokens included. Raises XltError if the config asks for
        more than the encoder has positions for."""
        config = self.config
        limits = [self.options.max_length or DEFAULT_MAX_LENGTH]
        if self.options.max_length is None and self.tokenizer.model_max_length < 1_000_000:
            limits = [self.tokenizer.model_max_length]
        positions = getattr(config, "max_position_embeddings", None)
        if positions and positions > 0 and not getattr(config, "is_encoder_decoder", False):
            # The RoBERTa family counts positions from padding_idx + 1.
            offset = config.pad_token_id + 1 if counts_from_padding(config) else 0
            limits.append(positions - offset)
        if self.options.max_length is not None and min(limits) < self.options.max_length:
            raise XltError(
                f"{self.source} reads windows of at most {min(limits)} subwords, not "
                f"{self.options.max_length}",
                where="model.max_length",
                fix=f"write {min(limits)}, or leave it out",
            )
        return int(min(limits))

    @property
    def subwords(self) -> Subwords:
        """The tokenizer for text that comes from data."""
        from xlt.data.subwords import subwords_of

        return subwords_of(self.tokenizer)

    @cached_property
    def words(self) -> WordEncoder:
        """Raises XltError for a model that was trained with other subwords."""
        from xlt.data.encode import WordEncoder

        if self.tokenisation != TOKENISATION:
            raise XltError(
                "the model was trained with each word tokenised by itself; here words are tokenised"
                " as they stand in the text, which it has not learnt to read",
                where=self.source,
                fix="train it again with this version of xlt, or predict with the one that made it",
            )
        return WordEncoder(self.tokenizer, self.max_length)

    @cached_property
    def pairs(self) -> PairEncoder:
        from xlt.data.encode_pairs import PairEncoder

        return PairEncoder(self.tokenizer, self.max_length, types=self._tells_segments_apart)

    @cached_property
    def texts(self) -> TextEncoder:
        from xlt.data.encode_pairs import TextEncoder

        return TextEncoder(self.tokenizer, self.max_length, types=self._tells_segments_apart)

    @property
    def _tells_segments_apart(self) -> bool:
        return (getattr(self.config, "type_vocab_size", None) or 0) > 1

    @property
    def has_decoder(self) -> bool:
        """Whether the architecture is an encoder-decoder, of which only the encoder is here."""
        # A saved T5 encoder does not say that it is half of one.
        return bool(
            getattr(self.config, "is_encoder_decoder", False) or "t5" in self.config.model_type
        )

    @property
    def pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.config.pad_token_id or 0)

    def encoder(self) -> PreTrainedModel:
        """The bare encoder (of an encoder-decoder, its encoder half)."""
        from transformers import AutoModel, AutoModelForTextEncoding

        encoder = self.model(AutoModelForTextEncoding if self.has_decoder else AutoModel)
        pooler = getattr(encoder, "pooler", None)
        if pooler is not None:  # a vector for the sentence, which nobody here reads
            pooler.requires_grad_(False)
        return encoder

    def encoder_half(self) -> PreTrainedModel:
        """The encoder of an encoder-decoder, of any architecture (M2M100 and mBART have no class
        for it), to compute with: it cannot be saved by itself. Raises XltError as `model` does."""
        from transformers import AutoModel

        half: PreTrainedModel = self.model(AutoModel).get_encoder()
        return half

    def seq2seq(self) -> PreTrainedModel:
        """The encoder-decoder, or one with a new decoder on this encoder.

        Raises XltError as `model` does, and for an encoder whose architecture has no decoder.
        """
        from xlt.model.decoder import seq2seq

        return seq2seq(self)

    def model(
        self, auto_class: Any, *, fresh: tuple[str, ...] = (), **kwargs: Any
    ) -> PreTrainedModel:
        """A model of `auto_class` in float32; `kwargs` change its config (num_labels, id2label).

        fresh: what names of weights begin with that need not be there: they stay random.

        Raises XltError when the weights cannot be found, read or matched, when they hold NaN or
        infinity, and where they are only there as pickle or elsewhere, which needs a permission.
        """
        from xlt.model.bidirectional import set_direction

        model = self._model(auto_class, fresh, kwargs)
        set_direction(model, self.options.bidirectional)
        return model

    def _model(
        self, auto_class: Any, fresh: tuple[str, ...], kwargs: dict[str, Any]
    ) -> PreTrainedModel:
        import torch

        kwargs = {"attn_implementation": self._attention(auto_class), **kwargs}
        self.check_kernel()
        if self.random:
            config = self._copy_config(
                **{k: v for k, v in kwargs.items() if k != "attn_implementation"}
            )
            with torch.device("meta") if self.weightless else nullcontext():
                return auto_class.from_config(
                    config,
                    attn_implementation=kwargs["attn_implementation"],
                    dtype=torch.float32,
                    trust_remote_code=self.trusted,
                )
        device = "meta" if self.weightless else None
        return self.weights(auto_class, fresh=fresh, device_map=device, **kwargs)

    def _copy_config(self, **changes: Any) -> PreTrainedConfig:
        import copy

        config = copy.deepcopy(self.config)
        for key, value in changes.items():
            setattr(config, key, value)
        return config

    def _attention(self, auto_class: Any) -> str:
        wanted = self.options.attention
        if wanted != "auto":
            _check_attention(wanted, self.config, auto_class)
            return wanted
        return best_attention(self.config, auto_class)


def _check_attention(wanted: str, config: PreTrainedConfig, auto_class: Any) -> None:
    """Raise XltError if the kernel is not installed, or the architecture does not take it."""
    from transformers import MODEL_MAPPING
    from transformers.utils import is_flash_attn_2_available

    if wanted == "flash_attention_2" and not is_flash_attn_2_available():
        raise XltError(
            "FlashAttention 2 is not installed, or there is no GPU for it",
            where="model.attention",
            fix="`pip install flash-attn` where there is an NVIDIA GPU, or write "
            "`model.attention: auto`",
        )
    flag = {"sdpa": "_supports_sdpa", "flash_attention_2": "_supports_flash_attn"}.get(wanted)
    model_class = MODEL_MAPPING.get(type(config), None)
    if flag and model_class is not None and not getattr(model_class, flag, False):
        raise XltError(
            f"{config.model_type} encoders cannot compute attention with {wanted}",
            where="model.attention",
            fix="write `model.attention: auto`",
        )


def counts_from_padding(config: PreTrainedConfig) -> bool:
    return config.model_type in {
        "roberta",
        "xlm-roberta",
        "camembert",
        "xlm-roberta-xl",
        "roberta-prelayernorm",
        "xmod",
        "longformer",
    }


def best_attention(config: PreTrainedConfig, auto_class: Any) -> str:
    """The attention kernel measured fastest for this device.

    scripts/benchmark_attention.py, CPU, bf16: a training step with eager takes 83-96 % of sdpa's
    time; prediction alone would be faster with sdpa from 64 subwords on.
    """
    import torch
    from transformers import MODEL_MAPPING

    if not torch.cuda.is_available():
        return "eager"
    model_class = MODEL_MAPPING.get(type(config), None)
    return "sdpa" if getattr(model_class, "_supports_sdpa", False) else "eager"
