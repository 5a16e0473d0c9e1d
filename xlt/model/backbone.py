"""The pretrained encoder and its tokenizer: any Hugging Face model id, or a folder."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Model
from xlt.data.subwords import TOKENISATION
from xlt.errors import XltError
from xlt.model import named
from xlt.model.content import folder_hash
from xlt.permissions import OUTSIDE, PICKLE, REMOTE_CODE, Request, is_granted, require

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from xlt.data.encode import WordEncoder
    from xlt.data.encode_pairs import PairEncoder
    from xlt.data.subwords import Subwords
    from xlt.task import Labels

_PICKLE = "pytorch_model.bin"

MIN_LENGTH = 8
"""Subwords in the smallest window that holds special tokens and something between them."""

_SIZES = {
    "num_hidden_layers": 1000,
    "num_attention_heads": 10_000,
    "hidden_size": 1_000_000,
    "intermediate_size": 10_000_000,
    "vocab_size": 100_000_000,
}
"""Numbers of an architecture, and beyond which nobody's memory reaches."""

_PROBE = "Aa 1 \u4e2d \U0001f600"
"""Text that every tokenizer splits, if only into unknown subwords."""

DEFAULT_MAX_LENGTH = 512
"""Window length for encoders with relative positions and no stated maximum (T5)."""


@dataclass
class Backbone:
    """Where an encoder comes from and how text gets into it.

    source:  a hub id, a folder (a stage's finished model folder is one, too), or a name of
        `xlt.model.named`.
    options: the `model` section of the config.
    random:  take the architecture and the tokenizer but not the weights.
    labels:  of the model that is built on it, for tasks whose prompts name labels: `encode` is not
        given any for data that are to be predicted.
    tokenisation: how words became subwords when the model was trained (`ModelInfo`).
    weightless: models have no values, only names and shapes (on PyTorch's device `meta`), so that
        all that is wrong with the files is found in a moment.
    local:   nothing is fetched: what is not on this machine is missing.
    """

    source: str
    options: Model
    random: bool = False
    labels: Labels = field(default_factory=dict)
    tokenisation: int = TOKENISATION
    weightless: bool = False
    local: bool = field(default_factory=lambda: bool(os.environ.get("HF_HUB_OFFLINE")))

    def __post_init__(self) -> None:
        self.source = named.located(self.source)

    @property
    def in_folder(self) -> bool:
        """Whether it is in a folder here, and not on the hub or in its cache."""
        return Path(self.source).is_dir()

    @cached_property
    def config(self) -> PreTrainedConfig:
        from transformers import AutoConfig

        return self._load(AutoConfig.from_pretrained)

    @cached_property
    def content(self) -> str:
        """What tells this encoder from others: a hash of the folder's files, or the hub's commit.

        Raises XltError where it cannot be found.
        """
        folder = Path(self.source)
        if folder.is_dir():
            return folder_hash(folder)
        _ = self.config  # from here on, something of it is in the hub's cache
        return f"{self.source} {cached_commit(self.source, self.options.revision)}"

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = self._load(AutoTokenizer.from_pretrained)
        # Without its files, transformers makes a tokenizer that knows no word.
        try:
            known = tokenizer.vocab_size - len(tokenizer.all_special_ids)
        except RecursionError as error:  # transformers looks for a special token in itself
            raise self._unusable("tokenizer_config.json", "a special token is empty") from error
        if known <= 0:
            raise XltError(
                f"{self.source} has no tokenizer",
                where="model.encoder",
                fix="its folder needs the tokenizer's files (tokenizer.json or *.model), too",
            )
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is not None and backend.decoder is None:
            from tokenizers import decoders

            # An encoder's tokenizer never had to turn subwords into text. (Its steps may be
            # several, of which one puts ▁ in place of spaces.)
            if "Metaspace" in repr(backend.pre_tokenizer):
                backend.decoder = decoders.Metaspace()
        return tokenizer

    def check_files(self) -> None:
        """Raise XltError for a config or a tokenizer that loads and cannot be used.

        What is wrong with weights is said by `model`.
        """
        named = self.config.architectures
        if not (
            named is None or (isinstance(named, list) and all(isinstance(n, str) for n in named))
        ):
            raise self._unusable("config.json", f"architectures is {named!r:.40}")
        for key in _SIZES:
            value = getattr(self.config, key, 1)
            if value is not None and not (isinstance(value, int) and 0 < value <= _SIZES[key]):
                raise self._unusable("config.json", f"{key} is {value!r:.40}")
        limit = self.tokenizer.model_max_length
        if not isinstance(limit, int | float) or limit < MIN_LENGTH:
            raise self._unusable("tokenizer_config.json", f"model_max_length is {limit!r:.40}")
        rows = getattr(self.config, "vocab_size", None)
        if isinstance(rows, int) and self.tokenizer.vocab_size > rows:
            raise self._unusable(
                "tokenizer.json",
                f"its tokenizer has {self.tokenizer.vocab_size} subwords, the encoder {rows}",
            )
        if isinstance(rows, int) and max(self.tokenizer.all_special_ids) >= rows:
            raise self._unusable(
                "tokenizer_config.json", "a special token is none of the encoder's subwords"
            )
        try:
            self.tokenizer(_PROBE)
        except Exception as error:  # of many kinds: its parts are Rust's and Python's
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise self._unusable(
                "tokenizer.json and tokenizer_config.json",
                f"its tokenizer cannot split text: {first}",
            ) from error

    def _unusable(self, file: str, what: str) -> XltError:
        return XltError(
            f"{self.source} cannot be used as a model: {what}",
            where="model.encoder",
            fix=f"get {file} again from where the model came from; it is damaged, or another",
        )

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

        kinds = getattr(self.config, "type_vocab_size", None) or 0
        return PairEncoder(self.tokenizer, self.max_length, types=kinds > 1)

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

        Raises XltError when the weights cannot be found, read or matched, and where they are only
        there as pickle or elsewhere, which needs a permission.
        """
        import torch

        kwargs = {"attn_implementation": self._attention(auto_class), **kwargs}
        self._check_kernel()
        if self.random:
            config = self._copy_config(
                **{k: v for k, v in kwargs.items() if k != "attn_implementation"}
            )
            with torch.device("meta") if self.weightless else nullcontext():
                return auto_class.from_config(
                    config, attn_implementation=kwargs["attn_implementation"], dtype=torch.float32
                )
        self._check_base()
        pickle = self._needs_pickle()
        with _no_reports():
            model, info = self._load(
                auto_class.from_pretrained,
                dtype=torch.float32,
                use_safetensors=None if pickle else True,
                output_loading_info=True,
                device_map="meta" if self.weightless else None,
                **kwargs,
            )
        self._refuse_random(model, [n for n in info["missing_keys"] if not n.startswith(fresh)])
        return model

    def _needs_pickle(self) -> bool:
        """Whether pickle may be read for the weights. Raises XltError where it must and may not.

        Of a model on the hub only loading it tells whether it has safetensors.
        """
        if is_granted(PICKLE):
            return True
        folder = Path(self.source)
        # What config.json may name itself is safetensors, with this one exception.
        named = getattr(self.config, "transformers_weights", None) == "adapter_model.bin"
        if not named and (_has(folder, "model.safetensors") or not _has(folder, _PICKLE)):
            return False
        self._ask_for_pickle()
        return True

    def _ask_for_pickle(self) -> None:
        what = f"reads the weights of {self.source} from pickle (there are no safetensors)"
        require([Request(PICKLE, what, "model.encoder")])

    def _check_kernel(self) -> None:
        """Ask before a compiled kernel is fetched and run that the model's config names."""
        kernel = getattr(self.config, "_attn_implementation", None)
        if isinstance(kernel, str) and "/" in kernel:
            what = f"runs the compiled kernel {kernel}, which {self.source} names"
            require([Request(REMOTE_CODE, what, "model.encoder")])

    def _check_base(self) -> None:
        """Of a folder that is an adapter (peft): ask before another model is loaded under it."""
        adapter = Path(self.source) / "adapter_config.json"
        if not adapter.is_file():
            return
        try:
            base = json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
        except (ValueError, KeyError, TypeError) as error:
            raise XltError(
                f"the file is damaged ({error})", where=adapter, fix="get the model again"
            ) from error
        what = f"loads the model {base}, of which {self.source} is an adapter"
        require([Request(OUTSIDE, what, str(adapter))])

    def _refuse_random(self, model: PreTrainedModel, missing: Iterable[str]) -> None:
        """Raise XltError if part of the encoder was not in the files and is random now."""
        base = model.base_model
        prefix = "" if base is model else f"{model.base_model_prefix}."
        finished = (Path(self.source) / "xlt.json").is_file()  # has its task layers, too
        random = [
            name
            for name in missing
            if (finished or name.startswith(prefix)) and not name.startswith(f"{prefix}pooler.")
        ]
        if random:
            raise XltError(
                f"the weights of {self.source} lack {len(random)} tensors of the model, the first "
                f"is {sorted(random)[0]}",
                where="model.encoder",
                fix="the files belong to another architecture or are incomplete; get them again, "
                "or say `model.initialise: random` to start without them",
            )

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

    def _load(self, loader: Any, **kwargs: Any) -> Any:
        """Call a from_pretrained: local files first, the hub only where they are missing."""
        from transformers.utils import logging as transformers_logging

        # Bars for loading a few tensors would drown the one that shows training.
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        # Else it asks the hub to make safetensors of a stranger's pickle, and takes what comes.
        os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
        common = {
            "revision": self.options.revision,
            "trust_remote_code": self.options.trust_remote_code and is_granted(REMOTE_CODE),
        }
        kwargs = {k: v for k, v in {**common, **kwargs}.items() if v is not None}
        where = "model.encoder"
        try:
            if self.in_folder:
                return loader(self.source, local_files_only=True, **kwargs)
            try:
                return loader(self.source, local_files_only=True, **kwargs)
            except OSError:
                if self.local:
                    raise
                return loader(self.source, **kwargs)
        except ImportError:
            raise
        except Exception as error:
            if kwargs.get("use_safetensors") and not self.in_folder and self._is_pickle_only(error):
                self._ask_for_pickle()
                return self._load(loader, **{**kwargs, "use_safetensors": None})
            raise _explain(
                error, self.source, local=self.in_folder, fetched=not self.local, where=where
            ) from error

    def _is_pickle_only(self, error: Exception) -> bool:
        """Whether this error says that a model on the hub, or its copy here, has only pickle."""
        from huggingface_hub import try_to_load_from_cache

        if "use_safetensors=True" in str(error):
            return True
        cached = (
            try_to_load_from_cache(self.source, name, revision=self.options.revision)
            for name in ("model.safetensors", "model.safetensors.index.json", _PICKLE)
        )
        safe, index, pickle = (isinstance(path, str) for path in cached)
        return pickle and not safe and not index


def _has(folder: Path, weights: str) -> bool:
    """Whether there are such weights in a folder, in one file or in several with an index."""
    return (folder / weights).is_file() or (folder / f"{weights}.index.json").is_file()


def cached_commit(name: str, revision: str | None) -> str | None:
    """The commit of a hub's model that is in the local cache; None if none is."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:  # loading it says so
        return None
    return Path(found).parent.name if isinstance(found, str) else None


@contextmanager
def _no_reports() -> Iterator[None]:
    """Without transformers' table of weights that were and were not found: see _refuse_random."""

    def keep(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def _explain(error: Exception, source: str, *, local: bool, fetched: bool, where: str) -> XltError:
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "trust_remote_code" in str(error):
        return XltError(
            f"{source} runs code of its own",
            where=where,
            fix="read that code, then set `model.trust_remote_code: true` in the config (a "
            "finished model needs none), and add `--allow remote-code`",
        )
    if local:
        if "safetensor" in type(error).__name__.lower() or "header" in first.lower():
            return XltError(
                f"the weights in {source} cannot be read: {first}",
                where=where,
                fix="the file is damaged or cut off; copy or download it again",
            )
        return XltError(
            f"{source} does not load as a model: {first}",
            where=where,
            fix="the folder needs config.json, model.safetensors and tokenizer files",
        )
    return XltError(
        f"cannot load {source!r}: it is not a folder here and not in the local Hugging Face cache"
        + _why_not_fetched(fetched, first),
        where=where,
        fix="check the spelling, download it once where there is a network, or name a folder",
    )


def _why_not_fetched(tried: bool, error: str) -> str:
    if tried:
        return f", and the hub did not give it ({error})"
    return ", and HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else ""


def _check_attention(wanted: str, config: PreTrainedConfig, auto_class: Any) -> None:
    """Raise XltError if the kernel is not installed, or the architecture does not take it."""
    from transformers import MODEL_MAPPING
    from transformers.utils import is_flash_attn_2_available

    if wanted == "flash_attention_2" and not is_flash_attn_2_available():
        raise XltError(
            "FlashAttention 2 is not installed, or there is no GPU for it",
            where="model.attention",
            fix="`pip install flash-attn` where there is an NVIDIA GPU, or write `attention: auto`",
        )
    flag = {"sdpa": "_supports_sdpa", "flash_attention_2": "_supports_flash_attn"}.get(wanted)
    model_class = MODEL_MAPPING.get(type(config), None)
    if flag and model_class is not None and not getattr(model_class, flag, False):
        raise XltError(
            f"{config.model_type} encoders cannot compute attention with {wanted}",
            where="model.attention",
            fix="write `attention: auto`",
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
