"""`encoder`: words are linked whose vectors in a multilingual encoder are most alike (SimAlign).

Needs no parallel text. Pairs are computed in batches of similar length; the encoder is left at the
layer whose vectors are used; sentences longer than it takes are computed in windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xlt.config.schema import Model
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.options import Count, LocalPath
from xlt.projection.align.base import Aligner, AlignerOptions, WordPair
from xlt.projection.pair import Links
from xlt.registry import EMBEDDED

if TYPE_CHECKING:
    import torch

    from xlt.data.encode import EncodedWords
    from xlt.model.backbone import Backbone

    Units = Sequence[tuple[EncodedWords, NDArray[np.int32]]]
    """Sentences, encoded, with the word that each of their units belongs to."""


class EncoderOptions(AlignerOptions):
    encoder: Annotated[str, LocalPath("existing")] = Field(
        default=EMBEDDED, description="a Hugging Face model id, a folder, `xlt-mini` or `e5-small`"
    )
    layer: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="whose vectors are compared, 0 for the embeddings; by default two thirds up "
        "(8 of 12), where translations are most alike; 0 for xlt-mini",
    )
    method: Literal["argmax", "itermax", "match"] = Field(
        default="argmax",
        description="argmax: mutual best, most precise; itermax: more links; match: one to one",
    )
    unit: Literal["piece", "word"] = Field(
        default="piece",
        description="what is compared; two words are linked where any two of their subwords are",
    )
    lexical: float = Field(
        default=0.2, ge=0, le=1e6,
        description="weight of how alike two words look, beside the similarity of their vectors",
    )  # fmt: skip
    distortion: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="how much similarity counts less the further a link is from the diagonal; by "
        "default 1 for embeddings (layer 0), which know nothing of places, else 0",
    )
    threshold: float = Field(
        default=0.0, ge=0, lt=1, description="links below this similarity are left out"
    )
    batch_tokens: Count = Field(default=8192, description="subwords in a batch, with padding")
    precision: Literal["auto", "bf16", "fp32"] = "auto"


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
                where="aligner encoder: layer",
                fix=f"choose 0 to {layers}",
            )
        if self._downsamples and self._layer < layers:
            raise XltError(
                "the vectors of this encoder's layers stand for several characters each",
                where="aligner encoder: layer",
                fix=f"leave it out, or write {layers}",
            )

    def align(self, pairs: Sequence[WordPair], source: str, target: str) -> list[Links]:
        all_links: list[Links] = [{} for _ in pairs]
        for chosen, *sides in self._batches(pairs):
            links = self._links([pairs[n] for n in chosen], *sides)
            for n, one in zip(chosen, links, strict=True):
                all_links[n] = one
        return all_links

    def similarities(self, pairs: Sequence[WordPair]) -> Iterator[Similarities]:
        """The cosines of the subwords of each pair that has words on both sides, in any order."""
        import torch

        for chosen, *sides in self._batches(pairs):
            (x, rows), (y, columns) = (self._vectors(side) for side in sides)
            tables = torch.bmm(x, y.transpose(1, 2)).float().cpu().numpy()
            for n, table, m, k, (_, one), (_, other) in zip(
                chosen, tables, rows.tolist(), columns.tolist(), *sides, strict=True
            ):
                yield Similarities(n, table[:m, :k], one, other)

    def _batches(self, pairs: Sequence[WordPair]) -> Iterator[tuple[list[int], Units, Units]]:
        """Numbers of pairs that have words on both sides, of similar length, and these encoded."""
        from xlt.data.batch import prediction_batches

        whole = [n for n, pair in enumerate(pairs) if pair[0] and pair[1]]
        sides = [self._encode([pairs[n][side] for n in whole]) for side in (0, 1)]
        costs = [a.length + b.length for (a, _), (b, _) in zip(*sides, strict=True)]
        for batch in prediction_batches(costs, 2 * self.options.batch_tokens):
            source, target = ([side[k] for k in batch] for side in sides)
            yield [whole[k] for k in batch], source, target

    def _links(
        self,
        pairs: Sequence[WordPair],
        sources: Units,
        targets: Units,
    ) -> list[Links]:
        import torch

        from xlt.projection.align.matching import extract

        (x, rows), (y, columns) = self._vectors(sources), self._vectors(targets)
        similarity = (torch.bmm(x, y.transpose(1, 2)) + 1) / 2
        owners = [_stack([owner for _, owner in side]) for side in (sources, targets)]
        if self.options.lexical:
            look = torch.from_numpy(_alike(pairs, *owners)).to(similarity.device)
            similarity = similarity + self.options.lexical * look
        distortion = self.options.distortion
        if distortion is None:
            distortion = 0.0 if self.contextual else 1.0
        if distortion:
            similarity = similarity * _nearness(similarity, rows, columns, distortion)
        cells = extract(similarity, rows, columns, self.options.method)
        cells &= similarity >= self.options.threshold
        pair, row, column = (index.cpu().numpy() for index in torch.nonzero(cells, as_tuple=True))
        scores = similarity[cells].clamp(1e-6, 1.0).cpu().tolist()
        source_words = owners[0][pair, row].tolist()
        target_words = owners[1][pair, column].tolist()
        links: list[dict[tuple[int, int], float]] = [{} for _ in pairs]
        for n, i, j, score in zip(pair.tolist(), source_words, target_words, scores, strict=True):
            links[n][i, j] = max(score, links[n].get((i, j), 0.0))
        return list(links)

    def _vectors(self, side: Units) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors (pairs, units, d) and how many units each has."""
        import torch

        from xlt.data.encode import collate_words, pool_words
        from xlt.inference.device import autocast, out_of_memory

        encoded = [one for one, _ in side]
        batch = {k: v.to(self._device) for k, v in collate_words(encoded, self._pad).items()}
        with (
            out_of_memory(
                "computing vectors for alignment",
                where="aligner encoder: batch_tokens",
                fix=f"lower it (now {self.options.batch_tokens})",
            ),
            torch.inference_mode(),
            autocast(self._precision, self._device),
        ):
            hidden = self._hidden(batch["input_ids"], batch["attention_mask"])
        pooled = pool_words(hidden, batch["word_index"], batch["word_mask"])
        units = torch.tensor([one.n_words for one in encoded], device=pooled.device)
        return torch.nn.functional.normalize(pooled, dim=-1), units

    def _hidden(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The vectors that go into layer `layer`, or come out of the last one."""
        layers = _layers(self._model)
        wanted = self._layer
        if wanted >= len(layers):
            output = self._model(input_ids=input_ids, attention_mask=attention_mask)
            last: torch.Tensor = output.last_hidden_state
            return last
        with _stopping_before(layers[wanted]):
            try:
                self._model(input_ids=input_ids, attention_mask=attention_mask)
            except _Reached as reached:
                return reached.hidden
        raise AssertionError("the encoder never reached its own layer")

    def _encode(
        self, sentences: Sequence[Sequence[str]]
    ) -> list[tuple[EncodedWords, NDArray[np.int32]]]:
        """Each sentence's units to compute, and the word that each unit belongs to."""
        encoded = self._backbone.words([Text.from_words(words) for words in sentences])
        if self.options.unit == "word":
            return [(one, np.arange(one.n_words, dtype=np.int32)) for one in encoded]
        return [_by_subword(one) for one in encoded]

    @cached_property
    def _backbone(self) -> Backbone:
        from xlt.model.backbone import Backbone

        return Backbone(self.options.encoder, Model(encoder=self.options.encoder))

    @cached_property
    def _model(self) -> Any:
        return self._backbone.encoder().eval().to(self._device)

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
        if self._downsamples:
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


class _Reached(Exception):
    """Not an error: the vectors are there, the layers above need not be computed."""

    def __init__(self, hidden: torch.Tensor) -> None:
        self.hidden = hidden


@contextmanager
def _stopping_before(layer: torch.nn.Module) -> Iterator[None]:
    def stop(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _Reached(args[0] if args else kwargs["hidden_states"])

    handle = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _layers(model: Any) -> Any:
    """The stack of layers. Raises XltError where none is as long as the config says."""
    from xlt.model.stack import layer_stack

    number = model.config.num_hidden_layers
    stack = layer_stack(model)
    if stack is not None and len(stack[1]) == number:
        return stack[1]
    raise XltError(
        f"no stack of {number} layers found in a {type(model).__name__}",
        where="aligner encoder: encoder",
        fix="choose another encoder; docs/encoders.md lists those that are tested",
    )


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
