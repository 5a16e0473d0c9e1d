"""A model with rows for new subwords in all tensors that have one of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlt.errors import XltError
from xlt.model.extension import initialise
from xlt.model.extension.pieces import Splitter
from xlt.model.extension.subwords import Extension, encoded
from xlt.model.extension.vectors import MIN_COUNT, Ids, of_donor, of_text
from xlt.model.vocabulary_tensors import assign, get_tensor, resize, vocabulary_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.extension.initialise import Vectors

_CHUNK = 256
"""New subwords that are weighed at once: all of them would take gigabytes."""


@dataclass(frozen=True)
class Compared:
    """New and old subwords with vectors in one space.

    new: (n,) places among the new subwords; old: (m,) ids.
    new_vectors: (n, d); old_vectors: (m, d).
    """

    new: Ids
    old: Ids
    new_vectors: Vectors
    old_vectors: Vectors


def by_text(extension: Extension, lines: Sequence[str], special: Sequence[int]) -> Compared:
    """By what stands beside them in the lines; of those that are frequent enough."""
    first = extension.first
    known, vectors = of_text([*encoded(extension.state, lines)], first + len(extension.new))
    old = (known < first) & ~np.isin(known, special)
    new = known >= first
    return Compared(known[new] - first, known[old], vectors[new], vectors[old])


def by_donor(
    extension: Extension,
    lines: Sequence[str],
    special: Sequence[int],
    old: Splitter,
    tokenizer: Any,
    table: Vectors,
) -> Compared:
    """By the table of another encoder: of old subwords that are frequent in the lines and whole
    ones of the donor's, and of all new ones that it can write.

    tokenizer, table: the donor's.
    """
    first, size = extension.first, extension.first + len(extension.new)
    counts = np.bincount(np.concatenate([*encoded(extension.state, lines)]), minlength=size)
    frequent = np.setdiff1d(np.flatnonzero(counts[:first] >= MIN_COUNT), special)
    names = {id: piece for piece, id in old.ids.items()}
    form = old.form
    old_vectors, whole = of_donor(
        [form.read(names.get(id, "")) for id in frequent], tokenizer, table
    )
    new_vectors, _ = of_donor([form.read(piece) for piece in extension.new], tokenizer, table)
    found = np.flatnonzero(new_vectors.any(1))
    return Compared(found, frequent[whole], new_vectors[found], old_vectors[whole])


METHODS: dict[str, Callable[[Vectors, Vectors], Vectors]] = {
    "focus": lambda new, old: initialise.sparsemax(initialise.cosines(new, old)),
    "clp": lambda new, old: initialise.clp_weights(initialise.cosines(new, old)),
    "omp": initialise.omp,
}
"""Vectors of new subwords (n, d) and old ones (m, d) → weights of the old in each new (n, m)."""


def new_rows(
    table: Vectors,
    parts: Sequence[Sequence[int]],
    draw: np.random.Generator,
    weigh: Callable[[Vectors, Vectors], Vectors] | None = None,
    compared: Compared | None = None,
) -> tuple[Vectors, int, int]:
    """Rows of new subwords for a table (old subwords, d).

    weigh, compared: one of `METHODS`, and what it is to compare. Without, and for those that have
        no vector, a row is the mean of the old ones of its `parts`; where it has none, it is drawn
        from a normal distribution with the mean and deviation of every column of the table.

    Returns the rows, and how many of them were weighed, and drawn.
    """
    rows = initialise.mean_rows(parts, table)
    weighed = 0
    if weigh is not None and compared is not None and len(compared.old):
        for start in range(0, len(compared.new), _CHUNK):
            part = slice(start, start + _CHUNK)
            weights = weigh(compared.new_vectors[part], compared.old_vectors)
            some = weights.any(1)
            rows[compared.new[part][some]] = weights[some] @ table[compared.old]
            weighed += int(some.sum())
    unknown = np.isnan(rows).any(1)
    mean, deviation = table.mean(0), table.std(0)
    rows[unknown] = draw.normal(mean, deviation, (int(unknown.sum()), table.shape[1]))
    return rows, weighed, int(unknown.sum())


def grow(
    model: PreTrainedModel,
    first: int,
    number: int,
    rows: Callable[[Vectors], Vectors],
) -> None:
    """Give a model, in place, so many new subwords from the id `first` on.

    rows: table of the old subwords (first, d) → rows of the new ones (number, d). Biases of new
        subwords are the mean of the old ones'.

    Raises XltError if the tokenizer has more subwords than the model.
    """
    size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr, arg-type]
    if size < first:
        raise XltError(
            f"the tokenizer has {first} subwords, the encoder {size}",
            where="model.encoder",
            fix="the tokenizer belongs to another model, or its added tokens need rows",
        )
    grown = max(size, first + number)
    tensors = vocabulary_tensors(model, size)
    for shared in tensors:
        old = get_tensor(model, shared, size)
        # What is behind the tokenizer's last subword belongs to none: it is overwritten.
        values = old.detach().movedim(shared.axis, 0).double()
        known = values[:first].numpy()
        new = np.broadcast_to(known.mean(0), (number, *known.shape[1:]))
        if known.ndim == 2 and not shared.buffer:
            new = rows(known)
        every = torch.cat([values[:first], torch.from_numpy(new.copy()), values[first + number :]])
        assign(model, shared, every.to(old.dtype).movedim(0, shared.axis), old.requires_grad)
    resize(model, tensors, size, grown)
