"""Text of data cards, read for building encoders: sentences and sentence pairs, no labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from xlt.data import cards
from xlt.data.conllu import read_conllu
from xlt.data.files import lines, open_text
from xlt.data.jsonl import read_json_array, read_jsonl
from xlt.data.references import locate
from xlt.errors import XltError


def normal(sentence: str) -> str:
    return "".join(sentence.casefold().split())


def without(texts: dict[str, list[str]], seen: set[str]) -> dict[str, list[str]]:
    return {
        language: [s for s in sentences if normal(s) not in seen]
        for language, sentences in texts.items()
    }


def paths(reference: str) -> list[tuple[Path, cards.Split]]:
    """The files of ``card:language:split``. Raises XltError if one is not on this machine."""
    name, language, split = reference.split(":")
    card = cards.get(name)
    chosen = card.split(language, split)
    located = []
    for file in chosen.files:
        path = locate(card, file)
        if path is None:
            raise XltError(f"{reference} is not here", fix=f"xlt data get {name}, or set XLT_DATA")
        located.append((path, chosen))
    return located


def treebank(reference: str) -> Iterator[str]:
    number = 0
    for path, split in paths(reference):
        for sentence in read_conllu(path, strict_trees=False):
            if split.select is None or number % split.select.modulo in split.select.remainder:
                yield " ".join(sentence.forms)
            number += 1


def tagged(reference: str) -> Iterator[str]:
    """Sentences of a column file, words only."""
    from xlt.data.columns import read_columns

    name = reference.partition(":")[0]
    for path, split in paths(reference):
        for sentence in read_columns(path, **{**cards.get(name).options, **split.options}):
            yield " ".join(sentence.words)


def premises(reference: str) -> Iterator[str]:
    """Both sentences of every row of a tab-separated file with a header."""
    for path, _ in paths(reference):
        for number, line in lines(path):
            if number > 1:
                yield from line.split("\t")[:2]


TEXT_KEYS = ("premise", "hypothesis", "hypo", "sentence1", "sentence2", "words", "tokens")


def json_sentences(reference: str) -> Iterator[str]:
    """The texts of every row of JSON Lines or of a JSON array, by the usual names of their keys."""
    for path, split in paths(reference):
        rows = read_json_array(path) if split.format == "json" else read_jsonl(path)
        for _, row in rows:
            for key in TEXT_KEYS:
                if text := row.get(key):
                    yield text if isinstance(text, str) else " ".join(text)


def column(name: str, language: str, split: str) -> list[str]:
    """One language of a parallel set: a column of a CSV file, or the lines of a file."""
    card = cards.get(name)
    texts = []
    for path, chosen in paths(f"{name}:{language}:{split}"):
        options = {**card.options, **chosen.options}
        if "column" in options:
            with open_text(path) as stream:
                texts += [
                    row[options["column"]] for row in csv.DictReader(io.StringIO(stream.read()))
                ]
        else:
            texts += [line for _, line in lines(path)]
    return [text.strip() for text in texts]


def pairs(name: str, source: str, target: str, split: str) -> list[tuple[str, str]]:
    sides = column(name, source, split), column(name, target, split)
    return [(a, b) for a, b in zip(*sides, strict=True) if a and b]
