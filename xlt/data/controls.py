"""Controls: training data that lack on purpose what a model is to learn from.

A model of data whose labels or words were shuffled shows what is learnt without them: if the score
on the target is the same, nothing was transferred. They are made from the seed of the data and the
same with every seed of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from xlt.data.comments import DOCUMENT
from xlt.data.segment import with_words
from xlt.document import (
    Answers,
    Document,
    Label,
    Layer,
    Span,
    Spans,
    Structure,
    Structures,
    Tags,
    Text,
    Tree,
)
from xlt.document.layers import in_order
from xlt.errors import XltError
from xlt.scripts import is_spaceless

if TYPE_CHECKING:
    from xlt.task import Naming, Task


def controlled(
    task: Task, documents: Sequence[Document], control: str, seed: int, *, where: object
) -> Iterator[Document]:
    """The documents after a control, one at a time, in their order, with their ids.

    documents: are gone through twice.
    control: a key of `CONTROLS`.
    Raises XltError where that changes none of them, and for a layer of a kind that nothing says how
    to shuffle.
    """
    changed = 0
    made = CONTROLS[control](task, documents, np.random.default_rng(seed))
    for before, after in zip(documents, made, strict=True):
        changed += before.texts != after.texts or before.layers != after.layers
        known = {DOCUMENT: before.meta[DOCUMENT]} if DOCUMENT in before.meta else {}
        # What a writer needs to give back the file that was read is true of it no longer.
        yield replace(after, meta=known)
    if not changed:
        raise XltError(
            f"`control: {control}` leaves all {len(documents)} records as they are",
            where=where,
            fix="take more records, or another control",
        )


# Shuffled labels ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """What a layer becomes.

    other:  the same layer of the document that changes places with this one.
    labels: what `labels_of` gave of all documents, in random order; each is taken once.
    cut:    the words from here on come first now; no span has words on both sides of it.
    order:  where each word of a tree goes.
    """

    other: Layer
    labels: Iterator[Any]
    cut: int
    order: Sequence[int]

    def move(self, span: Span, kind: str) -> Span:
        """A span where it is now."""
        start = (span.start - self.cut) % len(self.order)
        return Span(kind, start, start + span.end - span.start)


@singledispatch
def labels_of(layer: Layer) -> list[Any]:
    """The labels of a layer that are dealt out anew; `relabelled` takes as many."""
    return []


@singledispatch
def relabelled(layer: Layer, drawn: Drawn) -> Layer:
    """The layer with labels that say nothing about its text.

    Register a function for a kind of layer of your own, and for `labels_of` if it takes labels.
    """
    raise XltError(
        f"nothing says how {type(layer).__name__} is shuffled",
        where="control",
        fix="register it with xlt.data.controls.relabelled, or take `random_text`",
    )


@labels_of.register
def _(layer: Tags) -> list[Any]:
    return [tag for tag in layer.tags if tag is not None]


@relabelled.register
def _(layer: Tags, drawn: Drawn) -> Layer:
    return Tags(tuple(None if tag is None else next(drawn.labels) for tag in layer.tags))


@relabelled.register
def _(layer: Label, drawn: Drawn) -> Layer:
    return drawn.other


@labels_of.register
def _(layer: Spans) -> list[Any]:
    return [span.kind for span in layer.spans]


@relabelled.register
def _(layer: Spans, drawn: Drawn) -> Layer:
    return type(layer)(in_order([drawn.move(one, next(drawn.labels)) for one in layer.spans]))


@labels_of.register
def _(layer: Structures) -> list[Any]:
    return [(one.head.kind, tuple(part.kind for part in one.parts)) for one in layer.structures]


@relabelled.register
def _(layer: Structures, drawn: Drawn) -> Layer:
    """A kind has roles that it has somewhere in the data; without any it has no parts."""
    moved = []
    for head, parts in layer.structures:
        kind, roles = next(drawn.labels)
        kept = parts if roles else ()
        named = [drawn.move(one, roles[n % len(roles)]) for n, one in enumerate(kept)]
        moved.append(Structure(drawn.move(head, kind), in_order(named)))
    return Structures(tuple(sorted(moved, key=lambda one: (one.head.start, one.head.end))))


@relabelled.register
def _(layer: Tree, drawn: Drawn) -> Layer:
    heads, relations = list(layer.heads), list(layer.relations)
    for word, place in enumerate(drawn.order):
        head = layer.heads[word]
        heads[place] = drawn.order[head - 1] + 1 if head > 0 else head
        relations[place] = layer.relations[word]
    return Tree(tuple(heads), tuple(relations))


def _shuffled(
    task: Task, documents: Sequence[Document], random: np.random.Generator
) -> Iterator[Document]:
    names = [name for name in task.layers if name not in task.reads]
    written = [name for name in task.texts if name not in task.given_text_names]
    pools: dict[str, list[Any]] = {name: [] for name in names}
    for document in documents:
        for name in names:
            pools[name] += labels_of(document.layers[name])
    labels = {name: _in_random_order(pool, random) for name, pool in pools.items()}
    for document, other in zip(documents, random.permutation(len(documents)), strict=True):
        partner = documents[int(other)]
        size = len(document.words)
        cut, order = _cut(document, names, random), random.permutation(size).tolist()
        layers: dict[str, Layer] = {}
        made: dict[tuple[type[Layer], Layer], Layer] = {}
        for name in names:
            layer = document.layers[name]
            # A layer that is a copy of another stays one.
            if (type(layer), layer) not in made:
                drawn = Drawn(partner.layers[name], labels[name], cut, order)
                made[type(layer), layer] = relabelled(layer, drawn)
            layers[name] = made[type(layer), layer]
        texts = {name: partner.texts[name] for name in written}
        yield document.with_layers(**layers).with_texts(**texts)


def _in_random_order(values: Sequence[Any], random: np.random.Generator) -> Iterator[Any]:
    return (values[n] for n in random.permutation(len(values)))


def _cut(document: Document, names: Iterable[str], random: np.random.Generator) -> int:
    """A word before which no span is cut; not the first, where there is another."""
    size = len(document.words)
    inside = np.zeros(size + 1, bool)
    for layer in (document.layers[name] for name in names):
        spans: list[Span] = []
        if isinstance(layer, Spans):
            spans += layer.spans
        if isinstance(layer, Structures):
            spans += [one for head, parts in layer.structures for one in (head, *parts)]
        for span in spans:
            inside[span.start + 1 : span.end] = True
    places = np.flatnonzero(~inside[1:size]) + 1
    return int(random.choice(places)) if len(places) else 0


# Other words -------------------------------------------------------------------------------------


def _random(
    task: Task, documents: Sequence[Document], random: np.random.Generator
) -> Iterator[Document]:
    names = task.given_text_names
    pools: dict[str, list[str]] = {name: [] for name in names}
    for document in documents:
        for name in names:
            pools[name] += _split(document.texts[name]).words
    words = {name: _in_random_order(pool, random) for name, pool in pools.items()}
    for document in documents:
        texts = {}
        for name in names:
            size = len(_split(document.texts[name]).words)
            texts[name] = [next(words[name]) for _ in range(size)]
        yield _with_words(document, texts)


def _masked(
    task: Task, documents: Sequence[Document], random: np.random.Generator
) -> Iterator[Document]:
    naming = cast("Naming", task)
    first = task.texts[0]
    pool: list[str] = []
    for document in documents:
        hidden = _positions(naming, document)
        pool += [word for n, word in enumerate(document.words) if n not in hidden]
    for document in documents:
        words = list(document.words)
        for n in sorted(_positions(naming, document)) if pool else ():
            words[n] = pool[int(random.integers(len(pool)))]
        yield _with_words(document, {first: words})


def _positions(naming: Naming, document: Document) -> set[int]:
    return {n for start, end in naming.names(document) for n in range(start, end)}


def _split(text: Text) -> Text:
    return text if text.words else with_words(text.surface)


def _with_words(document: Document, words: Mapping[str, Sequence[str]]) -> Document:
    """A copy with other words in its texts, as many as before, with spaces where there were some;
    answers are on the words that they were on."""
    texts = {}
    for name, some in words.items():
        before = document.texts[name]
        split = _split(before)
        if list(split.words) == list(some):
            continue
        made = _of_words(some, split)
        texts[name] = made if before.words else Text(made.surface)
    layers = {}
    first = next(iter(document.texts))
    if first in texts:
        split = _split(document.text)
        moved = split, _of_words(words[first], split)
        layers = {
            name: _on_words(layer, *moved)
            for name, layer in document.layers.items()
            if isinstance(layer, Answers)
        }
    return document.with_texts(**texts).with_layers(**layers)


def _of_words(words: Sequence[str], before: Text) -> Text:
    """The text of these words, with spaces where there were some, and where two would be one."""
    if before.joined:
        return Text.from_words(words)
    following = [*words[1:], ""]
    return Text.from_words(
        words,
        [
            space
            or (after[:1].isalnum() and not (is_spaceless(word[-1:]) and is_spaceless(after[:1])))
            for word, after, space in zip(words, following, before.space_after, strict=True)
        ],
    )


def _on_words(layer: Answers, before: Text, after: Text) -> Answers:
    offsets = []
    for start, end in layer.offsets:
        first, last = before.words_at(start, end)
        if last:
            offsets.append((after.offsets[first][0], after.offsets[last - 1][1]))
    return Answers(tuple(offsets))


# All of them -------------------------------------------------------------------------------------

Control = Callable[["Task", Sequence[Document], np.random.Generator], Iterator[Document]]

CONTROLS: Mapping[str, Control] = {
    "shuffled_labels": _shuffled,
    "random_text": _random,
    "masked_names": _masked,
}
"""What is done to data, by the name in a config:

shuffled_labels: labels change places: those of whole documents (and texts that are to be generated)
    among all documents, tags among all words; spans and structures move together within their
    text, and their kinds are dealt out anew among all of the data; words of a tree change places.
random_text: words that the model reads change places among all of the data; labels stay.
masked_names: words of names become words that are none, drawn from the same data; labels stay.
"""
