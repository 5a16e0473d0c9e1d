"""A pretrained model as it lies in a folder or on the hub: found, read, and checked."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Model
from xlt.errors import XltError, first_line
from xlt.model import named
from xlt.model.content import folder_hash
from xlt.model.extension.report import is_model, report
from xlt.permissions import OUTSIDE, PICKLE, REMOTE_CODE, Request, is_granted, require

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

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


def offline() -> bool:
    """Whether the hub's libraries were told to stay off the network (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants  # which values of the variable mean so, it knows

    return constants.HF_HUB_OFFLINE


@dataclass
class Pretrained:
    """The files of a model.

    source:  a hub id, a folder (a stage's finished model folder is one, too), or a name of
        `xlt.model.named`.
    options: the `model` section of the config.
    local:   nothing is fetched: what is not on this machine is missing.

    extension: what came of `model.vocabulary` (`xlt.model.extension.report.report`); None without
        it. The encoder is made then, the first time.
    """

    source: str
    options: Model
    local: bool = field(default_factory=offline, kw_only=True)
    extension: dict[str, Any] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.source = named.located(self.source)
        vocabulary = self.options.vocabulary
        if vocabulary is None:
            return
        # Needs PyTorch, which those who only ask about encoders may not have.
        from xlt.model.extension.folder import extended

        # From here on it is the extended encoder, as if the config had named its folder.
        base = self._plain(self.source, self.options.revision)
        donor = None if vocabulary.donor is None else self._plain(vocabulary.donor)
        folder = extended(base, vocabulary, donor)
        self.extension = report(folder)
        changed: dict[str, Any] = {"vocabulary": None}
        if is_model(folder):
            self.source = str(folder)
            changed["revision"] = None
        self.options = self.options.model_copy(update=changed)

    def _plain(self, source: str, revision: str | None = None) -> Pretrained:
        trusted = self.options.trust_remote_code
        options = Model(encoder=source, revision=revision, trust_remote_code=trusted)
        return Pretrained(source, options, local=self.local)

    @property
    def in_folder(self) -> bool:
        """Whether it is in a folder here, and not on the hub or in its cache."""
        return Path(self.source).is_dir()

    @property
    def trusted(self) -> bool:
        """Whether code that comes with the model may be run."""
        return self.options.trust_remote_code and is_granted(REMOTE_CODE)

    @cached_property
    def config(self) -> PreTrainedConfig:
        from transformers import AutoConfig

        config = self._load(AutoConfig.from_pretrained)
        for name, value in self._lowest(config).items():
            setattr(config, name, value)
        return config

    def _lowest(self, config: PreTrainedConfig) -> dict[str, Any]:
        """What a config says where only its lowest layers are asked for (`model.layers`).

        Raises XltError where there are fewer.
        """
        wanted = self.options.layers
        if wanted is None:
            return {}
        there = getattr(config, "num_hidden_layers", None)
        if not isinstance(there, int) or wanted > there:
            raise XltError(
                f"{self.source} has {there or 'no'} layers, not {wanted}",
                where="model.layers",
                fix=f"write {there}, or leave it out" if there else "leave it out",
            )
        lowest: dict[str, Any] = {"num_hidden_layers": wanted}
        if isinstance(kinds := getattr(config, "layer_types", None), list):
            lowest["layer_types"] = kinds[:wanted]
        if hasattr(config, "encoder_layers"):  # of BART's family, beside the other
            lowest["encoder_layers"] = wanted
        return lowest

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
        if isinstance(rows, int) and max(self.tokenizer.all_special_ids, default=0) >= rows:
            raise self._unusable(
                "tokenizer_config.json", "a special token is none of the encoder's subwords"
            )
        try:
            self.tokenizer(_PROBE)
        except Exception as error:  # of many kinds: its parts are Rust's and Python's
            raise self._unusable(
                "tokenizer.json and tokenizer_config.json",
                f"its tokenizer cannot split text: {first_line(error)}",
            ) from error

    def _unusable(self, file: str, what: str) -> XltError:
        return XltError(
            f"{self.source} cannot be used as a model: {what}",
            where="model.encoder",
            fix=f"get {file} again from where the model came from; it is damaged, or another",
        )

    def weights(
        self, auto_class: Any, *, fresh: tuple[str, ...] = (), **kwargs: Any
    ) -> PreTrainedModel:
        """A model of `auto_class` with the weights that are there, in float32.

        fresh: as for `Backbone.model`, which says what it raises.
        """
        import torch

        from xlt.model import int8  # with which transformers reads its weights from here on

        self._check_base()
        self._check_kind(int8.METHOD)
        pickle = self._needs_pickle()
        with _no_reports():
            model, info = self._load(
                auto_class.from_pretrained,
                dtype=torch.float32,
                use_safetensors=None if pickle else True,
                output_loading_info=True,
                **self._lowest(self.config),
                **kwargs,
            )
        self._refuse_random(model, [n for n in info["missing_keys"] if not n.startswith(fresh)])
        if model.device.type != "meta":
            self._refuse_broken(model)
        return model

    def _check_kind(self, own: str) -> None:
        """Refuse weights that are none of PyTorch's, and in a folder of ours quantised ones but
        those that we write (of method `own`)."""
        folder = Path(self.source)
        kinds = ("*.safetensors", f"{_PICKLE}*", "*.onnx")
        if [kind for kind in kinds if any(folder.glob(kind))] == ["*.onnx"]:
            raise XltError(
                f"{self.source} was exported as ONNX, and this needs PyTorch's weights",
                where="model.encoder",
                fix="name the model that it was exported from",
            )
        how = getattr(self.config, "quantization_config", None)
        method = how.get("quant_method") if isinstance(how, dict) else how
        if self._finished and method not in (None, own):
            raise self._unusable("config.json", f"its weights are quantised ({method!r:.40})")

    @property
    def _finished(self) -> bool:
        """Whether it is a model of ours, with its task layers."""
        return (Path(self.source) / "xlt.json").is_file()

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

    def check_kernel(self) -> None:
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
        random = [
            name
            for name in missing
            if (self._finished or name.startswith(prefix))
            and not name.startswith(f"{prefix}pooler.")
        ]
        if random:
            raise XltError(
                f"the weights of {self.source} lack {len(random)} tensors of the model, the first "
                f"is {sorted(random)[0]}",
                where="model.encoder",
                fix="the files belong to another architecture or are incomplete; get them again, "
                "or say `model.initialise: random` to start without them",
            )

    def _refuse_broken(self, model: PreTrainedModel) -> None:
        from xlt.model.finite import first_broken

        broken = first_broken(model.named_parameters())
        if broken is not None:
            raise XltError(
                f"the weights of {self.source} hold NaN or infinite values, e.g. in {broken}",
                where="model.encoder",
                fix="copy the model again from where it came, or train it again",
            )

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
            "trust_remote_code": self.trusted,
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
    first = first_line(error)
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
    return ", and HF_HUB_OFFLINE is set" if offline() else ""
