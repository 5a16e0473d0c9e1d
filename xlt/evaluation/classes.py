"""The class that annotation puts each unit of a document into: its words, or the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from xlt.document import Document, Label, Layer, Spans, Structures, Tags, Tree

NO_SPAN = "O"
"""The class of a word that is in no span."""

Class = tuple[str, ...]
"""The classes by each of some layers."""


def classes(document: Document, layers: Sequence[str]) -> list[Class | None]:
    """Of each unit of a document; None where a layer does not say it.

    layers: of words, or one of the whole document. Raises TypeError for a layer that puts nothing
    into classes.
    """
    found = [_classes(document.layers[name], len(document.words)) for name in layers]
    return [
        None if any(one is None for one in unit) else tuple(str(one) for one in unit)
        for unit in zip(*found, strict=True)
    ]


@singledispatch
def _classes(layer: Layer, words: int) -> list[str | None]:
    raise TypeError(f"{type(layer).__name__} has no classes")


@_classes.register
def _tags(layer: Tags, words: int) -> list[str | None]:
    return list(layer.tags)


@_classes.register
def _spans(layer: Spans, words: int) -> list[str | None]:
    """The kind of the innermost span that a word is in."""
    found: list[str | None] = [NO_SPAN] * words
    for span in sorted(layer.spans, key=lambda span: span.start - span.end):
        found[span.start : span.end] = [span.kind] * (span.end - span.start)
    return found


@_classes.register
def _structures(layer: Structures, words: int) -> list[str | None]:
    """The kind of the head that a word is in; not what its parts are."""
    return _spans(Spans(tuple(one.head for one in layer.structures)), words)


@_classes.register
def _tree(layer: Tree, words: int) -> list[str | None]:
    """The relation to the head, without its subtype."""
    pairs = zip(layer.heads, layer.relations, strict=True)
    return [None if head < 0 else name.partition(":")[0] for head, name in pairs]


@_classes.register
def _label(layer: Label, words: int) -> list[str | None]:
    return [layer.label]
