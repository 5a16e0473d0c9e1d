"""Annotation apart from the text, at character offsets into it (stand-off), by kind of layer.

Offsets count Unicode characters from 0; an end is the character after the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from xlt.data.rows import rounded
from xlt.document import Answers, Document, Label, Layer, Span, Spans, Structures, Tags, Text, Tree
from xlt.errors import XltError

Entry = dict[str, Any]


@singledispatch
def standoff(layer: Layer, text: Text, start: int, before: int) -> list[Entry]:
    """What a layer says, one entry for each thing, JSON-able.

    text:   what the layer stands on.
    start:  where that begins in a longer text, which the offsets are to be of.
    before: entries that the sentences before it have: heads count on from them.

    Raises XltError for a kind that nothing says how to write.
    """
    raise XltError(
        f"nothing says how {type(layer).__name__} is written at character offsets",
        fix="choose another format; or, in a plugin, register a function with `standoff`",
    )


@standoff.register
def _spans(layer: Spans, text: Text, start: int, before: int) -> list[Entry]:
    return [_entry(span, text, start) for span in layer.spans]


@standoff.register
def _structures(layer: Structures, text: Text, start: int, before: int) -> list[Entry]:
    return [
        {**_entry(head, text, start), "parts": [_entry(part, text, start) for part in parts]}
        for head, parts in layer.structures
    ]


@standoff.register
def _tags(layer: Tags, text: Text, start: int, before: int) -> list[Entry]:
    return [
        {"label": tag, **_word(text, n, start)}
        for n, tag in enumerate(layer.tags)
        if tag is not None
    ]


@standoff.register
def _tree(layer: Tree, text: Text, start: int, before: int) -> list[Entry]:
    """Words by number, from 1; 0 is the root."""
    return [
        {
            "id": before + n + 1,
            "head": before + head if head > 0 else head,
            "label": relation,
            **_word(text, n, start),
        }
        for n, (head, relation) in enumerate(zip(layer.heads, layer.relations, strict=True))
    ]


@standoff.register
def _label(layer: Label, text: Text, start: int, before: int) -> list[Entry]:
    return [{"label": layer.label}]


@standoff.register
def _answers(layer: Answers, text: Text, start: int, before: int) -> list[Entry]:
    return [_place(text.surface[a:b], start + a, start + b) for a, b in layer.offsets]


def _entry(span: Span, text: Text, start: int) -> Entry:
    kind, first, last = span
    begins, ends = text.offsets[first][0], text.offsets[last - 1][1]
    return {"label": kind, **_place(text.between(first, last), start + begins, start + ends)}


def _word(text: Text, number: int, start: int) -> Entry:
    """A word: its text is its own, which in a multiword token is not what is written there."""
    begins, ends = text.offsets[number]
    return _place(text.words[number], start + begins, start + ends)


def _place(written: str, begins: int, ends: int) -> Entry:
    return {"start": begins, "end": ends, "text": written}


def entries(name: str, sentences: Iterable[tuple[Document, int]]) -> list[Entry]:
    """The entries of the layer `name` over the sentences of one text, in order, each with its
    `confidence` if it has one.

    sentences: each with where it begins in the text.
    """
    found: list[Entry] = []
    for document, start in sentences:
        own = standoff(document.layers[name], document.text, start, len(found))
        for key, of_key in (
            (name, own),
            (f"{name}.parts", [p for e in own for p in e.get("parts", ())]),
        ):
            if key in document.confidence:
                for entry, sure in zip(of_key, document.confidence[key], strict=True):
                    entry["confidence"] = rounded(sure)
        found += own
    return found
