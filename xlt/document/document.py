"""A document: texts, what is said about them, and rows of Arrow that hold both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from xlt.document.layers import Layer
from xlt.document.text import Text

if TYPE_CHECKING:
    from datasets import Dataset, Features

L = TypeVar("L", bound=Layer)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """A sentence, pair or passage with its annotation.

    texts:    name → text, in a fixed order; the layers stand on the words of the first.
    layers:   name → annotation.
    language: ISO 639-3; "" where it is not known.
    groups:   what comparisons by group count it under, e.g. the phenomena that it tests.
    meta:     JSON-able: what a writer needs to give the file back, such as comments.
    confidence: of a prediction: layer → how probable each of its things is, in their order (each
        span, word, structure, the label); "<layer>.parts" → the same of the parts of structures,
        one structure after the other; "<layer>.rest" → of a layer of spans or structures, one: that
        it lacks none. Rows do not hold it.
    """

    id: str
    texts: Mapping[str, Text]
    layers: Mapping[str, Layer] = field(default_factory=dict)
    language: str = ""
    groups: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    confidence: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Documents are shared between stages and processes: nobody changes one by accident.
        for name in ("texts", "layers", "meta", "confidence"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def text(self) -> Text:
        """The first text."""
        return next(iter(self.texts.values()))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the first text."""
        return self.text.words

    def layer(self, kind: type[L], name: str) -> L:
        """The layer of this name. Raises TypeError if it is of another kind."""
        layer = self.layers[name]
        if not isinstance(layer, kind):
            raise TypeError(f"layer {name!r} is {type(layer).__name__}, not {kind.__name__}")
        return layer

    def with_layers(self, **layers: Layer) -> Document:
        """A copy with these layers in place of its own of the same names.

        How sure a model was of a layer is forgotten with the layer.
        """
        kept = {
            name: values
            for name, values in self.confidence.items()
            if (layer := name.partition(".")[0]) not in layers
            or layers[layer] == self.layers[layer]
        }
        return replace(self, layers={**self.layers, **layers}, confidence=kept)

    def with_confidence(self, confidence: Mapping[str, Iterable[float]]) -> Document:
        """A copy of which a model is so sure."""
        return replace(self, confidence={key: tuple(one) for key, one in confidence.items()})

    def with_texts(self, **texts: Text) -> Document:
        """A copy with these texts in place of its own of the same names."""
        return replace(self, texts={**self.texts, **texts})

    def __reduce__(self) -> tuple[Any, ...]:
        # Mapping proxies cannot be pickled, and data loaders have processes of their own.
        values = self.id, dict(self.texts), dict(self.layers), self.language, self.groups
        return Document, (*values, dict(self.meta), dict(self.confidence))


@dataclass(frozen=True)
class Schema:
    """Which texts and layers the documents of a task have; and how rows hold them."""

    texts: tuple[str, ...]
    layers: Mapping[str, type[Layer]]

    def features(self) -> Features:
        """Arrow schema of a row."""
        from datasets import Features, List, Value

        text = Value("string")
        surface = {
            "surface": text,
            "words": List(text),
            "starts": List(Value("int32")),
            "ends": List(Value("int32")),
            "joined": Value("bool"),
        }
        return Features(
            {
                "id": text,
                "texts": dict.fromkeys(self.texts, surface),
                "layers": {name: kind.features() for name, kind in self.layers.items()},
                "language": text,
                "groups": List(text),
                "meta": text,
            }
        )

    def to_row(self, document: Document) -> Row:
        """The document as JSON-able values. Raises ValueError for other texts or layers."""
        if tuple(document.texts) != self.texts or document.layers.keys() != self.layers.keys():
            raise ValueError(
                f"document {document.id} has {[*document.texts]} and {[*document.layers]}, "
                f"not {[*self.texts]} and {[*self.layers]}"
            )
        return {
            "id": document.id,
            "texts": {name: text_to_row(text) for name, text in document.texts.items()},
            "layers": {name: document.layers[name].to_row() for name in self.layers},
            "language": document.language,
            "groups": list(document.groups),
            "meta": json.dumps(dict(document.meta), ensure_ascii=False),
        }

    def from_row(self, row: Mapping[str, Any]) -> Document:
        """The document that `to_row` wrote."""
        return Document(
            row["id"],
            {name: text_from_row(row["texts"][name]) for name in self.texts},
            {name: kind.from_row(row["layers"][name]) for name, kind in self.layers.items()},
            row["language"],
            tuple(row["groups"]),
            json.loads(row["meta"]),
        )


class Documents(Sequence[Document]):
    """The documents of an Arrow data set, made when they are asked for."""

    def __init__(self, rows: Dataset, schema: Schema) -> None:
        self.rows, self.schema = rows, schema

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> Documents: ...
    def __getitem__(self, index: int | slice) -> Document | Documents:
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self))))
        return self.schema.from_row(self.rows[index])

    def __iter__(self) -> Iterator[Document]:
        for batch in self.rows.iter(1000):
            columns = list(batch)
            for values in zip(*batch.values(), strict=True):
                yield self.schema.from_row(dict(zip(columns, values, strict=True)))

    def select(self, indices: Sequence[int]) -> Documents:
        """Those at these positions, in this order."""
        return Documents(self.rows.select(indices), self.schema)

    @classmethod
    def joined(cls, parts: Sequence[Documents]) -> Documents:
        """The documents of several, which have one schema, one after the other."""
        if len(parts) == 1:
            return parts[0]
        from datasets import concatenate_datasets

        return cls(concatenate_datasets([part.rows for part in parts]), parts[0].schema)


def text_to_row(text: Text) -> Row:
    """JSON-able; `text_from_row` gives an equal text back."""
    return {
        "surface": text.surface,
        "words": list(text.words),
        "starts": [start for start, _ in text.offsets],
        "ends": [end for _, end in text.offsets],
        "joined": text.joined,
    }


def text_from_row(row: Mapping[str, Any]) -> Text:
    """The text that `text_to_row` wrote."""
    offsets = tuple(zip(row["starts"], row["ends"], strict=True))
    return Text(row["surface"], tuple(row["words"]), offsets, row["joined"])
