"""PropBank-style events with the head word of every span, from the treebanks of the same text.

    python -m scripts.experiments.heads runs/propbank

Writes FOLDER/{language}.{split}.jsonl, for `task.spans: head`. Sentences are found by their words;
those without a tree are left out. A span's head is the word whose own head lies outside of it
(with several, the one nearest to the root). Universal PropBank 1 names heads itself. Of English,
only the frames of verbs are kept: those of nouns, adjectives and auxiliaries, half of the gold
annotation, hardly occur in the silver one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from xlt.config.schema import Reference
from xlt.data.conllu import UPOS, read_conllu
from xlt.data.references import resolve
from xlt.errors import XltError

TREES = {
    "eng": "ud-english-ewt", "fra": "ud-french-sequoia", "ita": "ud-italian-isdt",
    "ind": "ud-indonesian-gsd", "hun": "ud-hungarian-szeged", "kor": "ud-korean-gsd",
    "tel": "ud-telugu-mtg", "ell": "ud-greek-gdt", "por": "ud-portuguese-bosque",
    "jpn": "ud-japanese-gsd", "nld": "ud-dutch-lassysmall", "ukr": "ud-ukrainian-iu",
    "tam": "ud-tamil-ttb",
}  # fmt: skip
OWN_HEADS = ("spa", "deu", "fin", "zho")
SPLITS = ("train", "dev", "test")

Tree = tuple[list[int], list[str]]
"""The head of every word, counted from 0, -1 for the root; parts of speech."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for language in (*TREES, *OWN_HEADS):
        card = "propbank-ewt" if language == "eng" else "universal-propbank-2"
        card = "universal-propbank-1" if language in OWN_HEADS else card
        heads = dict(_trees(language)) if language in TREES else None
        for split in SPLITS:
            rows = [json.loads(line) for line in _lines(f"{card}:{language}:{split}")]
            kept = [row for row in rows if _add_heads(row, heads)]
            if not kept:
                continue
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
            (folder / f"{language}.{split}.jsonl").write_text(text, encoding="utf-8")
            print(f"{language} {split}: {len(kept)} of {len(rows)} sentences")


def _files(reference: str) -> tuple[Path, ...]:
    from xlt.data import cards

    name, language, split = reference.split(":")
    if split not in cards.get(name).languages[language]:
        return ()
    return resolve(Reference(ref=reference), language, split).files


def _lines(reference: str) -> Iterator[str]:
    for path in _files(reference):
        yield from path.read_text(encoding="utf-8").split("\n")[:-1]


def _trees(language: str) -> Iterator[tuple[tuple[str, ...], Tree]]:
    """The words of every sentence, and its tree."""
    for split in SPLITS:
        try:
            files = _files(f"{TREES[language]}:{language}:{split}")
        except XltError:  # not every split of every treebank is at hand; the rest may do
            continue
        for path in files:
            for sentence in read_conllu(path, strict_trees=False):
                heads = [head - 1 for head in sentence.heads]
                yield tuple(sentence.forms), (heads, [row[UPOS] for row in sentence.words])


def _add_heads(row: dict[str, Any], trees: dict[tuple[str, ...], Tree] | None) -> bool:
    """Put heads on the row's spans. False if its tree is not known."""
    if trees is None:
        return True
    heads, upos = trees.get(tuple(row["tokens"]), (None, None))
    if heads is None or upos is None:
        return False
    for event in row["events"]:
        for span in (event["trigger"], *event["arguments"]):
            span["head"] = head_of(span["start"], span["end"], heads)
    if row["lang"] == "en":
        row["events"] = [e for e in row["events"] if upos[e["trigger"]["head"]] == "VERB"]
    return True


def head_of(start: int, end: int, heads: Sequence[int]) -> int:
    """The highest word of the span."""

    def depth(word: int) -> int:
        steps = 0
        while word >= 0 and steps <= len(heads):
            word, steps = heads[word], steps + 1
        return steps

    return min(range(start, end), key=lambda word: (depth(word), word))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
