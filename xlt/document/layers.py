"""Annotation, in layers: what is said about the words of a document's first text.

A task says which layers it has (`Task.layers`). What depends on the kind of a layer alone is
written once a kind: how Arrow stores it (here), how it is projected (`xlt.projection.layers`),
how two predictions of it are merged (`xlt.projection.merge`), how it is shown (`xlt.display`).
A plugin with a kind of its own subclasses `Layer` and registers with those functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from xlt.document.text import Offsets

if TYPE_CHECKING:
    from datasets import Features


class Span(NamedTuple):
    """Words `start` (counted from 0) to `end` (exclusive) and what they are."""

    kind: str
    start: int
    end: int


class Structure(NamedTuple):
    """Spans that only make sense together: an event's trigger and its arguments.

    head:  its kind is that of the structure.
    parts: the kind of each is its role.
    """

    head: Span
    parts: tuple[Span, ...] = ()


class Layer(ABC):
    """One kind of annotation. Values are immutable and compare by content."""

    positional: ClassVar[bool] = True
    """Whether it stands on single words: then projecting it needs a word alignment."""
    partial: ClassVar[bool] = False
    """Whether a layer that lacks some of its labels is still true: what has none is not learnt
    from. It is not where the lack of a label is an answer, as of entities."""

    @classmethod
    @abstractmethod
    def empty(cls, n_words: int) -> Self:
        """The layer of a text of so many words about which nothing is known."""

    @classmethod
    @abstractmethod
    def features(cls) -> Features | dict[str, Any]:
        """Arrow schema of `to_row`."""

    @abstractmethod
    def to_row(self) -> dict[str, Any]:
        """JSON-able; `from_row` gives an equal layer back."""

    @classmethod
    @abstractmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The layer that `to_row` wrote."""


@dataclass(frozen=True, slots=True)
class Tags(Layer):
    """A tag a word; None for words whose tag is not known."""

    tags: tuple[str | None, ...]

    partial = True

    @classmethod
    def empty(cls, n_words: int) -> Self:
        return cls((None,) * n_words)

    @classmethod
    def features(cls) -> dict[str, Any]:
        from datasets import List, Value

        return {"tags": List(Value("string"))}

    def to_row(self) -> dict[str, Any]:
        return {"tags": list(self.tags)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(tuple(row["tags"]))


@dataclass(frozen=True, slots=True)
class Spans(Layer):
    """Labelled spans, in order; they may overlap."""

    spans: tuple[Span, ...]

    exclusive: ClassVar[bool] = False
    """Whether no two of them share a word."""

    @classmethod
    def empty(cls, n_words: int) -> Self:
        return cls(())

    @classmethod
    def features(cls) -> dict[str, Any]:
        from datasets import List

        return {"spans": List(_span_features())}

    def to_row(self) -> dict[str, Any]:
        return {"spans": [span._asdict() for span in self.spans]}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(tuple(Span(**span) for span in row["spans"]))


class FlatSpans(Spans):
    """Labelled spans, no two of which share a word: what BIO tags can say."""

    exclusive = True


@dataclass(frozen=True, slots=True)
class Structures(Layer):
    """Heads with their parts, such as events: triggers with their arguments."""

    structures: tuple[Structure, ...]

    @classmethod
    def empty(cls, n_words: int) -> Self:
        return cls(())

    @classmethod
    def features(cls) -> dict[str, Any]:
        from datasets import List

        return {"structures": List({"head": _span_features(), "parts": List(_span_features())})}

    def to_row(self) -> dict[str, Any]:
        return {
            "structures": [
                {"head": head._asdict(), "parts": [part._asdict() for part in parts]}
                for head, parts in self.structures
            ]
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            tuple(
                Structure(Span(**one["head"]), tuple(Span(**part) for part in one["parts"]))
                for one in row["structures"]
            )
        )


@dataclass(frozen=True, slots=True)
class Tree(Layer):
    """A dependency tree, or what is known of one.

    heads:     of each word the number of its head, from 1; 0 for the root, -1 where unknown.
    relations: to the head; "_" where that is unknown.
    """

    heads: tuple[int, ...]
    relations: tuple[str, ...]

    partial = True

    def __post_init__(self) -> None:
        if len(self.heads) != len(self.relations):
            raise ValueError(f"{len(self.heads)} heads, but {len(self.relations)} relations")

    @classmethod
    def empty(cls, n_words: int) -> Self:
        return cls((-1,) * n_words, ("_",) * n_words)

    @classmethod
    def features(cls) -> dict[str, Any]:
        from datasets import List, Value

        return {"heads": List(Value("int32")), "relations": List(Value("string"))}

    def to_row(self) -> dict[str, Any]:
        return {"heads": list(self.heads), "relations": list(self.relations)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(tuple(row["heads"]), tuple(row["relations"]))


@dataclass(frozen=True, slots=True)
class Label(Layer):
    """One label for the whole document; None where it is not known."""

    label: str | None

    positional = False

    @classmethod
    def empty(cls, n_words: int) -> Self:
        return cls(None)

    @classmethod
    def features(cls) -> dict[str, Any]:
        from datasets import Value

        return {"label": Value("string")}

    def to_row(self) -> dict[str, Any]:
        return {"label": self.label}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(row["label"])


@dataclass(frozen=True, slots=True)
class Answers(Layer):
    """Answers in the text, by characters: (start, end) of each; the first is the one that counts.

    They stand on characters because a person's answer may begin or end within a word.
    """

    offsets: tuple[Offsets, ...]

    @classmethod
    def empty(cls, n_words: int) -> Self:
        return cls(())

    @classmethod
    def features(cls) -> dict[str, Any]:
        from datasets import List, Value

        return {"starts": List(Value("int32")), "ends": List(Value("int32"))}

    def to_row(self) -> dict[str, Any]:
        return {
            "starts": [start for start, _ in self.offsets],
            "ends": [end for _, end in self.offsets],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(tuple(zip(row["starts"], row["ends"], strict=True)))

    def texts(self, surface: str) -> list[str]:
        """What the answers are, in the text's own letters."""
        return [surface[start:end] for start, end in self.offsets]


def in_order(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Sorted by place, each once."""
    return tuple(sorted(set(spans), key=lambda span: (span.start, span.end, span.kind)))


def _span_features() -> dict[str, Any]:
    from datasets import Value

    return {"kind": Value("string"), "start": Value("int32"), "end": Value("int32")}
