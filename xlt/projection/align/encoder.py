"""`encoder`: words are linked whose vectors in a multilingual encoder are most alike (SimAlign).

Needs no parallel text. The encoder of a translation model (NLLB-200, M2M100, mBART-50) reads each
side with its language's code; with `method: softmax` this is TransAlign (Ebing et al. 2025, arXiv
2510.27337). Pairs are computed in batches of similar length; the encoder is left at the
layer whose vectors are used; sentences longer than it takes are computed in windows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from xlt.config.schema import Model
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.options import Count, LocalPath
from xlt.projection.align.base import Aligner, AlignerOptions, WordPair
from xlt.projection.pair import Links
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


class VectorOptions(AlignerOptions):
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


class EncoderOptions(VectorOptions):
    method: Literal["argmax", "itermax", "match", "softmax"] = Field(
        default="argmax",
        description="argmax: mutual best, most precise; itermax: more links; match: one to one; "
        "softmax: those that a softmax over the dot products gives at least `threshold`, both ways",
    )
    unit: Literal["piece", "word"] = Field(
        default="piece",
        description="what is compared; two words are linked where any two of their subwords are",
    )
    lexical: float | None = Field(
        default=None, ge=0, le=1e6,
        description="weight of how alike two words look, beside the similarity of their vectors; "
        "by default 0.2; not with softmax",
    )  # fmt: skip
    distortion: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="how much similarity counts less the further a link is from the diagonal; by "
        "default 1 for embeddings (layer 0), which know nothing of places, else 0; not with "
        "softmax",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="links below this similarity are left out; by default 0, with softmax 0.001",
    )

    @model_validator(mode="after")
    def _softmax_knows_dot_products_alone(self) -> EncoderOptions:
        if self.method == "softmax" and (self.lexical or self.distortion):
            raise ValueError(
                "lexical and distortion change similarities, of which method: softmax knows "
                "nothing; leave them out, or choose another method"
            )
        return self


class Similarities(NamedTuple):
    """Of a pair: its number; the cosines (rows, columns) of its subwords; the word of each."""

    pair: int
    table: NDArray[np.float32]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]


class Encoder(Aligner):
    """Links by similarity of vectors. A link's score is that similarity, at most 1."""

    Options: ClassVar[type[AlignerOptions]] = EncoderOptions
    options: EncoderOptions

    def check(self, source: str, target: str) -> None:
        layers = self._layers
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

    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        all_links: list[Links] = [{} for _ in pairs]
        for chosen, *sides in self._batches(pairs, source, target):
            links = self._links([pairs[n] for n in chosen], *sides)
            for n, one in zip(chosen, links, strict=True):
                all_links[n] = one
        return all_links

    def similarities(
        self, pairs: Sequence[WordPair], source: str, target: str
    ) -> Iterator[Similarities]:
        """The cosines of the subwords of each pair that has words on both sides, in any order."""
        for chosen, *sides in self._batches(pairs, source, target):
            (x, rows), (y, columns) = (self._vectors(side) for side in sides)
            tables = _cosines(x, y).cpu().numpy()
            for n, table, m, k, (_, one), (_, other) in zip(
                chosen, tables, rows.tolist(), columns.tolist(), *sides, strict=True
            ):
                yield Similarities(n, table[:m, :k], one, other)

    def _batches(
        self, pairs: Sequence[WordPair], source: str, target: str
    ) -> Iterator[tuple[list[int], Units, Units]]:
        """Numbers of pairs that have words on both sides, of similar length, and these encoded."""
        from xlt.data.batch import prediction_batches

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

    def _links(
        self,
        pairs: Sequence[WordPair],
        sources: Units,
        targets: Units,
    ) -> list[Links]:
        import torch

        owners = [_stack([owner for _, owner in side]) for side in (sources, targets)]
        similarity, cells = self._matched(pairs, owners, *map(self._vectors, (sources, targets)))
        pair, row, column = (index.cpu().numpy() for index in torch.nonzero(cells, as_tuple=True))
        scores = similarity[cells].clamp(1e-6, 1.0).cpu().tolist()
        source_words = owners[0][pair, row].tolist()
        target_words = owners[1][pair, column].tolist()
        links: list[dict[tuple[int, int], float]] = [{} for _ in pairs]
        for n, i, j, score in zip(pair.tolist(), source_words, target_words, scores, strict=True):
            links[n][i, j] = max(score, links[n].get((i, j), 0.0))
        return list(links)

    def _matched(
        self,
        pairs: Sequence[WordPair],
        owners: Sequence[NDArray[np.int32]],
        source: tuple[torch.Tensor, torch.Tensor],
        target: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The similarity of every two units, (pairs, rows, columns), and which are linked."""
        import torch

        from xlt.projection.align.matching import extract, mutual_softmax

        (x, rows), (y, columns) = source, target
        threshold = self.options.threshold
        if self.options.method == "softmax":
            similarity = mutual_softmax(torch.bmm(x, y.transpose(1, 2)), rows, columns)
            return similarity, similarity > (0.001 if threshold is None else threshold)
        similarity = (_cosines(x, y) + 1) / 2
        lexical = 0.2 if self.options.lexical is None else self.options.lexical
        if lexical:
            look = torch.from_numpy(_alike(pairs, *owners)).to(similarity.device)
            similarity = similarity + lexical * look
        distortion = self.options.distortion
        if distortion is None:
            distortion = 0.0 if self.contextual else 1.0
        if distortion:
            similarity = similarity * _nearness(similarity, rows, columns, distortion)
        cells = extract(similarity, rows, columns, self.options.method)
        return similarity, cells & (similarity >= (threshold or 0.0))

    def _vectors(self, side: Units) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors (pairs, units, d) and how many units each has."""
        import torch

        from xlt.data.encode import collate_words, pool_words
        from xlt.inference.device import autocast, out_of_memory
        from xlt.model.hidden import hidden_states

        encoded = [one for one, _ in side]
        batch = {k: v.to(self._device) for k, v in collate_words(encoded, self._pad).items()}
        with (
            out_of_memory(
                "computing vectors for alignment",
                where="projection.aligner.batch_tokens",
                fix=f"lower it (now {self.options.batch_tokens})",
            ),
            torch.inference_mode(),
            autocast(self._precision, self._device),
        ):
            hidden = hidden_states(
                self._model,
                self._layer,
                batch["input_ids"],
                batch["attention_mask"],
                where="projection.aligner.encoder",
            )
        pooled = pool_words(hidden, batch["word_index"], batch["word_mask"])
        units = torch.tensor([one.n_words for one in encoded], device=pooled.device)
        return pooled, units

    def _encode(self, sentences: Sequence[Sequence[str]], language: str) -> Units:
        """Each sentence's units to compute, and the word that each unit belongs to."""
        encoded = self._words(language)([Text.from_words(words) for words in sentences])
        if self.options.unit == "word":
            return [(one, np.arange(one.n_words, dtype=np.int32)) for one in encoded]
        return [_by_subword(one) for one in encoded]

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
        return f"{super().identity(source, target)} {self._backbone.content}"

    @cached_property
    def _backbone(self) -> Backbone:
        from xlt.model.backbone import Backbone

        return Backbone(self.options.encoder, Model(encoder=self.options.encoder))

    @cached_property
    def _model(self) -> Any:
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


def _cosines(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of all vectors (pairs, units, d) of the one side with those of the other."""
    import torch

    one, other = (torch.nn.functional.normalize(vectors, dim=-1) for vectors in (x, y))
    return torch.bmm(one, other.transpose(1, 2))


def _by_subword(encoded: EncodedWords) -> tuple[EncodedWords, NDArray[np.int32]]:
    """The same windows with every subword as a unit of its own, and each subword's word."""
    from dataclasses import replace

    word_of, owners, number = [], [], 0
    for window in encoded.word_of:
        own = window >= 0
        numbered = np.full_like(window, -1)
        numbered[own] = np.arange(number, number + own.sum(), dtype=np.int32)
        number += int(own.sum())
        word_of.append(numbered)
        owners.append(window[own])
    return replace(encoded, word_of=tuple(word_of), n_words=number), np.concatenate(owners)


def _stack(rows: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    stacked = np.zeros((len(rows), max(len(row) for row in rows)), np.int32)
    for n, row in enumerate(rows):
        stacked[n, : len(row)] = row
    return stacked


def _nearness(
    similarity: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, weight: float
) -> torch.Tensor:
    """SimAlign's distortion correction: 1 on the diagonal, 1 - weight in the far corners."""
    import torch

    places = []
    for size, lengths in ((similarity.shape[1], rows), (similarity.shape[2], columns)):
        steps = torch.arange(size, device=lengths.device)[None]
        places.append(steps / (lengths[:, None] - 1).clamp(min=1))
    return 1 - weight * (places[0][:, :, None] - places[1][:, None, :]) ** 2


def _alike(
    pairs: Sequence[WordPair], source_owner: NDArray[np.int32], target_owner: NDArray[np.int32]
) -> NDArray[np.float32]:
    """How alike the words look that two units belong to: (pairs, rows, columns)."""
    from xlt.data.batch import padded
    from xlt.projection.align.lexical import MIN_SIMILARITY, Forms, similarity

    words = [sorted({w for pair in pairs for w in pair[side]}) for side in (0, 1)]
    number = [{w: n for n, w in enumerate(side)} for side in words]
    ids = [
        _stack([np.array([number[side][w] for w in pair[side]], np.int32) for pair in pairs])
        for side in (0, 1)
    ]
    rows = np.take_along_axis(ids[0], source_owner, 1)
    columns = np.take_along_axis(ids[1], target_owner, 1)
    key = rows[:, :, None].astype(np.int64) * len(words[1]) + columns[:, None, :]
    unique, place = np.unique(key, return_inverse=True)
    first, second = np.divmod(unique, len(words[1]))
    value = similarity(Forms.of(words[0]), Forms.of(words[1]), first, second)
    value[value < MIN_SIMILARITY] = 0
    shape = (len(pairs), padded(rows.shape[1]), padded(columns.shape[1]))
    look = np.zeros(shape, np.float32)
    look[:, : rows.shape[1], : columns.shape[1]] = value[place.reshape(key.shape)]
    return look
