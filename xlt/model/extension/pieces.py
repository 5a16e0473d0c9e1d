"""Subwords as tokenizers write them, and the subwords that a tokenizer splits one into."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xlt.errors import XltError
from xlt.model.tokenizer_files import read

WORD_START = "▁"


@dataclass(frozen=True)
class Piece:
    """A subword by itself: its letters, and whether a word begins with it."""

    text: str
    initial: bool


@dataclass(frozen=True)
class Form:
    """How a tokenizer writes a subword: with a mark before those that begin a word (`▁x`, `Ġx`) or
    before all others (`##x`), and in letters or in bytes."""

    initial: str = ""
    inner: str = ""
    bytes: bool = False

    def read(self, written: str) -> Piece | None:
        """None for bytes that are no whole letters, and for a mark alone."""
        text = written
        if self.bytes:
            codes = _codes()
            try:
                text = bytes(codes[c] for c in written).decode()
            except (KeyError, UnicodeDecodeError):
                return None
        mark = " " if self.bytes else self.initial or self.inner
        marked = text.startswith(mark)
        bare = text.removeprefix(mark)
        return Piece(bare, marked == bool(self.initial)) if bare.strip() else None

    def write(self, piece: Piece) -> str:
        if not self.bytes:
            return (self.initial if piece.initial else self.inner) + piece.text
        letters = {code: letter for letter, code in _codes().items()}
        return "".join(letters[b] for b in f"{' ' * piece.initial}{piece.text}".encode())


def _codes() -> dict[str, int]:
    """The letters that GPT-2's byte-level BPE writes bytes with, and the bytes."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printed]
    return {chr(b): b for b in printed} | {chr(256 + n): b for n, b in enumerate(others)}


class Splitter:
    """The model of a fast tokenizer: what it splits a subword into that may not be its own.

    Raises XltError for a tokenizer that has no list of subwords, or one of an unknown kind.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.state, self.ids = read(tokenizer, refusal)
        self.model: dict[str, Any] = self.state["model"]
        self.kind: str = self.model["type"]
        self._backend = tokenizer.backend_tokenizer

    @cached_property
    def form(self) -> Form:
        if self.kind == "WordPiece":
            return Form(inner=self.model["continuing_subword_prefix"])
        if "ByteLevel" in json.dumps(self.state["pre_tokenizer"]):
            return Form(initial="Ġ", bytes=True)
        return Form(initial=WORD_START)

    def parts(self, written: str) -> list[int]:
        """The ids of what a subword, as this tokenizer would write it, is split into; none where
        something of it is unknown."""
        inner = self.form.inner
        if inner and written.startswith(inner):
            found = self._inner.tokenize(written.removeprefix(inner))
            ids = [self.ids[inner + token.value] for token in found if token.value in self._after]
        else:
            found = self._backend.model.tokenize(written)
            ids = [token.id for token in found]
        unknown = self.model.get("unk_id", self.ids.get(self.model.get("unk_token") or ""))
        return ids if len(ids) == len(found) and unknown not in ids else []

    @cached_property
    def _after(self) -> set[str]:
        """WordPiece's subwords within words, without their mark."""
        inner = self.form.inner
        return {piece.removeprefix(inner) for piece in self.ids if piece.startswith(inner)}

    @cached_property
    def _inner(self) -> Any:
        from tokenizers import models

        unknown = self.model["unk_token"]
        names = [*sorted(self._after), unknown]
        vocabulary = {piece: id for id, piece in enumerate(names)}
        return models.WordPiece(vocabulary, unk_token=unknown, continuing_subword_prefix="")


def refusal(what: str) -> XltError:
    return XltError(
        f"the tokenizer of the encoder {what}, so its vocabulary cannot be extended",
        where="model.vocabulary",
        fix="leave `model.vocabulary` out, or name an encoder with a fast tokenizer that has "
        "subwords",
    )
