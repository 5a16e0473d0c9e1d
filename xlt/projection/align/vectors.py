"""Vectors of words in a multilingual encoder, perhaps fine-tuned: what aligners compare.

The encoder of a translation model (NLLB-200, M2M100, mBART-50) reads each side with its language's
code. Pairs are computed in batches of similar length; the encoder is left at the layer whose
vectors are used; sentences longer than it takes are computed in windows.
"""

from __future__ import annotations

import importlib.util
import logging
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.options import Count, LocalPath
from xlt.projection.align.base import (
    Aligner,
    AlignerOptions,
    FineTune,
    ParallelOptions,
    WordPair,
)
from xlt.projection.translate.run import MIN_LOG_INTERVAL
from xlt.registry import EMBEDDED

if TYPE_CHECKING:
    import torch

    from xlt.data.encode import EncodedWords, WordEncoder
    from xlt.model.backbone import Backbone
    from xlt.projection.translate.codes import Scheme

    Units = Sequence[tuple[EncodedWords, NDArray[np.int32]]]
    """Sentences, encoded, with the word that each of their units belongs to."""

log = logging.getLogger(__name__)


class VectorOptions(ParallelOptions):
    """Whose vectors words have, and how they are computed."""

    encoder: Annotated[str, LocalPath("existing")] = Field(
        default=EMBEDDED, description="a Hugging Face model id, a folder, `xlt-mini` or `e5-small`"
    )
    layer: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="whose vectors are compared, 0 for the embeddings; by default two thirds up "
        "(8 of 12), where translations are most alike; 0 for xlt-mini; the last one for the "
        "encoder of a translation model",
    )
    batch_tokens: Count = Field(default=8192, description="subwords in a batch, with padding")
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    fine_tune: FineTune | None = Field(
        default=None,
        description="the encoder learns from `parallel` first (needs the extra `lora`)",
    )


class VectorAligner(Aligner):
    """Links words by their vectors. A subclass says what the units are that have some, and how
    these are compared."""

    Options: ClassVar[type[AlignerOptions]] = VectorOptions
    options: VectorOptions
    learnt_with: ClassVar[frozenset[str]] = frozenset({"fine_tune"})
    """Options that decide what fine-tuning learns."""

    def __init__(self, options: AlignerOptions) -> None:
        super().__init__(options)
        self._parallel: list[WordPair] = []
        self._tuned_for: tuple[str, str] | None = None

    def learn_from(self, pairs: Iterable[WordPair]) -> None:
        """Fine-tune on these pairs, instead of what the options name."""
        self._parallel = [pair for pair in pairs if pair[0] and pair[1]]
        self._tuned_for = None

    def check(self, source: str, target: str) -> None:
        layers = self._layers
        if self.options.fine_tune is not None:
            self._check_fine_tuning()
        if self.options.layer is not None and self.options.layer > layers:
            raise XltError(
                f"the encoder has {layers} layers, there is no layer {self.options.layer}",
                where="projection.aligner.layer",
                fix=f"choose 0 to {layers}",
            )
        if self._downsamples and self._layer < layers:
            raise XltError(
                "the vectors of this encoder's layers stand for several characters each",
                where="projection.aligner.layer",
                fix=f"leave it out, or write {layers}",
            )
        for language in (source, target):
            self._words(language)

    def _read(self, source: str, target: str) -> list[WordPair]:
        from xlt.projection.align.parallel import read

        text = read(self.options.parallel, source, target)
        return list(islice(text, self.options.max_parallel))

    def _check_fine_tuning(self) -> None:
        where = "projection.aligner.fine_tune"
        if not self.contextual:
            raise XltError(
                "links are made of the encoder's embeddings (layer 0), below which nothing learns",
                where=where,
                fix=f"choose a `layer` of 1 to {self._layers} beside it, or leave it out",
            )
        if not (self.options.parallel or self._parallel):
            raise XltError(
                "there is no parallel text to learn from",
                where=where,
                fix="name some beside it: `parallel: ntrex`, or a file",
            )
        if importlib.util.find_spec("peft") is None:
            raise XltError(
                "fine-tuning needs the package peft", where=where, fix="pip install 'xlt[lora]'"
            )

    @abstractmethod
    def _encode(self, sentences: Sequence[Sequence[str]], language: str) -> Units:
        """Each sentence's units to compute, and the word that each unit belongs to."""

    @abstractmethod
    def _scores(
        self, source: tuple[torch.Tensor, torch.Tensor], target: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """What units have in common, (pairs, rows, columns), of what `_vectors` gives of the
        sides; fine-tuning takes the softmax of it."""

    def _batches(
        self, pairs: Sequence[WordPair], source: str, target: str
    ) -> Iterator[tuple[list[int], Units, Units]]:
        """Numbers of pairs that have words on both sides, of similar length, and these encoded."""
        from xlt.data.batch import prediction_batches

        self._fine_tune(source, target)
        whole = [n for n, pair in enumerate(pairs) if pair[0] and pair[1]]
        sides = [
            self._encode([pairs[n][side] for n in whole], language)
            for side, language in enumerate((source, target))
        ]
        costs = [a.length + b.length for (a, _), (b, _) in zip(*sides, strict=True)]
        done, said = 0, time.monotonic()
        for batch in prediction_batches(costs, 2 * self.options.batch_tokens):
            one, other = ([side[k] for k in batch] for side in sides)
            yield [whole[k] for k in batch], one, other
            done += len(batch)
            if time.monotonic() - said >= MIN_LOG_INTERVAL:
                said = time.monotonic()
                log.info("aligning: vectors of %d of %d pairs", done, len(whole))

    def _vectors(self, side: Units) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors (pairs, units, d) and how many units each has."""
        import torch

        from xlt.inference.device import out_of_memory

        with (
            torch.inference_mode(),
            out_of_memory(
                "computing vectors for alignment",
                where="projection.aligner.batch_tokens",
                fix=f"lower it (now {self.options.batch_tokens})",
            ),
        ):
            return self._computed(self._model, side)

    def _computed(self, network: Any, side: Units) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_vectors`, by any network."""
        import torch

        from xlt.data.encode import collate_words, pool_words
        from xlt.inference.device import autocast
        from xlt.model.hidden import hidden_states

        encoded = [one for one, _ in side]
        batch = {k: v.to(self._device) for k, v in collate_words(encoded, self._pad).items()}
        with autocast(self._precision, self._device):
            hidden = hidden_states(
                network,
                self._layer,
                batch["input_ids"],
                batch["attention_mask"],
                where="projection.aligner.encoder",
            )
        pooled = pool_words(hidden, batch["word_index"], batch["word_mask"])
        units = torch.tensor([one.n_words for one in encoded], device=pooled.device)
        return pooled, units

    def _fine_tune(self, source: str, target: str) -> None:
        """Compute with an encoder that has learnt from parallel text, if that is asked for."""
        settings = self.options.fine_tune
        if settings is None or self._tuned_for == (source, target):
            return
        from xlt.inference.device import out_of_memory
        from xlt.projection.align import fine_tuning

        pairs = self._parallel or self._read(source, target)
        sides = [
            self._encode([pair[side] for pair in pairs], language)
            for side, language in enumerate((source, target))
        ]
        network = self._load()

        def scores(chosen: NDArray[np.int64]) -> fine_tuning.Scored:
            one, other = (self._computed(network, [side[n] for n in chosen]) for side in sides)
            return self._scores(one, other), one[1], other[1]

        made_of = (
            self._backbone.content,
            self.options.model_dump(mode="json", include={*self.learnt_with}),
            self._layer,
            self._precision,
            source,
            target,
            pairs,
        )
        costs = [a.length + b.length for (a, _), (b, _) in zip(*sides, strict=True)]
        with out_of_memory(
            "fine-tuning an encoder for alignment",
            where="projection.aligner.fine_tune.batch_tokens",
            fix=f"lower it (now {settings.batch_tokens})",
        ):
            self._model = fine_tuning.fine_tuned(
                network, self._layer, scores, costs, settings, fine_tuning.file_of(*made_of)
            )
        self._tuned_for = (source, target)

    def _words(self, language: str) -> WordEncoder:
        """Of a translation model, the one that marks texts with the language's code.

        Raises XltError if the model does not know the language.
        """
        from xlt.data.encode import WordEncoder
        from xlt.projection.translate.codes import code_for, inner, names

        if self._scheme is None:
            return self._backbone.words
        if language not in self._told:
            tokenizer = self._backbone.tokenizer
            code = code_for(names(tokenizer), self._scheme, language,
                            where="projection.aligner.encoder",
                            otherwise="choose another encoder")  # fmt: skip
            tokenizer.src_lang = inner(code, self._scheme)
            self._told[language] = WordEncoder(tokenizer, self._backbone.max_length)
        return self._told[language]

    @cached_property
    def _told(self) -> dict[str, WordEncoder]:
        return {}

    @cached_property
    def _scheme(self) -> Scheme | None:
        """How a translation model is told a text's language; None for any other encoder."""
        from xlt.projection.translate.codes import names, scheme_of

        tokenizer = self._backbone.tokenizer
        scheme = scheme_of(names(tokenizer)) if hasattr(tokenizer, "src_lang") else None
        return scheme if scheme is not None and scheme.forced else None

    def identity(self, source: str, target: str) -> str:
        """The encoder by its content, too: a folder may hold another one the next time."""
        own = f"{super().identity(source, target)} {self._backbone.content}"
        if self.options.fine_tune is None:
            return own
        from xlt.projection.align.parallel import fingerprint

        return f"{own} {fingerprint(self.options.parallel, source, target)}"

    @cached_property
    def _backbone(self) -> Backbone:
        from xlt.model.backbone import Backbone

        return Backbone(self.options.encoder, Model(encoder=self.options.encoder))

    @cached_property
    def _model(self) -> Any:
        return self._load()

    def _load(self) -> Any:
        backbone = self._backbone
        encoder = backbone.encoder() if self._scheme is None else backbone.encoder_half()
        return encoder.eval().to(self._device)

    @cached_property
    def _device(self) -> str:
        from xlt.inference.device import best_device

        return best_device()

    @cached_property
    def _precision(self) -> str:
        from xlt.inference.device import choose_precision

        return choose_precision(self.options.precision, self._device)

    @property
    def _pad(self) -> int:
        return self._backbone.pad_id

    @property
    def _layers(self) -> int:
        return int(self._backbone.config.num_hidden_layers)

    @property
    def _layer(self) -> int:
        if self.options.layer is not None:
            return self.options.layer
        if self._downsamples or self._scheme is not None:
            return self._layers
        # The embeddings of xlt-mini are aligned, its layers learn word classes.
        return 0 if self.options.encoder == EMBEDDED else round(2 * self._layers / 3)

    @property
    def contextual(self) -> bool:
        """Whether a word's vector depends on its sentence."""
        return self._layer > 0

    @property
    def _downsamples(self) -> bool:
        """Whether the layers between read several characters at once (CANINE)."""
        return getattr(self._backbone.config, "downsampling_rate", 1) > 1
