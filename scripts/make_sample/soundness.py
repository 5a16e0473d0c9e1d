"""What is wrong with a sample that was written: read from its files, without the grammars."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from .corpus import ALIGNED_TRAIN, GRAMMARS, SIZES

LEAVES = {"case", "cop", "aux", "mark", "cc", "punct", "expl"}
CONTENT = {"NOUN", "PROPN", "VERB", "ADJ"}
ENTITIES = {"PER", "ORG", "LOC", "DATE"}
FORM, LEMMA, UPOS, HEAD, RELATION, MISC = 1, 2, 3, 6, 7, 9
MIN_UNSEEN, MAX_UNSEEN = 5.0, 25.0
"""Percent of content words of dev and test that are not in train."""

Rows = list[list[str]]


class Part:
    """The files of one language and split."""

    def __init__(self, folder: Path, language: str, split: str) -> None:
        self.folder, self.language, self.split = folder, language, split
        self.name = f"{language} {split}"

    def text(self, suffix: str) -> str:
        return _text(self.folder / self.language / f"{self.split}.{suffix}.gz")

    def rows(self, layer: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(f"{layer}.jsonl").splitlines()]

    @cached_property
    def sentences(self) -> list[tuple[dict[str, str], Rows]]:
        """Comments and rows, multiword tokens included."""
        return [
            (
                dict(line[2:].split(" = ", 1) for line in block if line[0] == "#"),
                [line.split("\t") for line in block if line[0] != "#"],
            )
            for block in _blocks(self.text("conllu"))
        ]

    @cached_property
    def words(self) -> list[Rows]:
        return [[row for row in rows if row[0].isdigit()] for _, rows in self.sentences]

    @cached_property
    def tags(self) -> list[list[list[str]]]:
        return [[line.split("\t") for line in block] for block in _blocks(self.text("ner"))]

    def content(self) -> list[tuple[str, str]]:
        """Lemma and part of speech of the content words."""
        return [(w[LEMMA], w[UPOS]) for words in self.words for w in words if w[UPOS] in CONTENT]


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def _blocks(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.rstrip("\n").split("\n\n")]


def problems(folder: Path) -> Iterator[str]:
    """What is wrong with the sample in `folder`, a line each; nothing if it is sound."""
    parts = {
        language: {split: Part(folder, language, split) for split in SIZES} for language in GRAMMARS
    }
    for language, splits in parts.items():
        for split, part in splits.items():
            yield from of_part(part)
            if language != "eng":
                yield from of_alignment(parts["eng"][split], part)
        yield from of_splits(splits)
    for split in SIZES:
        yield from of_languages([splits[split] for splits in parts.values()])


def of_part(part: Part) -> Iterator[str]:
    """Faults within one language and split."""
    if len(part.sentences) != SIZES[part.split]:
        yield f"{part.name}: {len(part.sentences)} sentences"
    for (about, rows), words in zip(part.sentences, part.words, strict=True):
        for fault in (*_tree(words), *_surface(about["text"], rows)):
            yield f"{part.name} {about['sent_id']}: {fault}"
    for words, tags in zip(part.words, part.tags, strict=True):
        if [word[FORM] for word in words] != [form for form, _ in tags]:
            yield f"{part.name}: the words of entities and trees differ: {tags}"
        for (_, before), (_, tag) in zip([["", "O"], *tags], tags, strict=False):
            if tag != "O" and (
                tag[2:] not in ENTITIES or (tag[0] == "I" and before[2:] != tag[2:])
            ):
                yield f"{part.name}: {tag} after {before}: {tags}"
    for row, words, tags in zip(part.rows("events"), part.words, part.tags, strict=True):
        for fault in _events(row, words, [tag for _, tag in tags]):
            yield f"{part.name} {row['id']}: {fault}"
    labels = [row["label"] for row in part.rows("nli")]
    for label in ("entailment", "neutral", "contradiction"):
        if labels.count(label) <= len(labels) / 4:
            yield f"{part.name}: {labels.count(label)} of {len(labels)} pairs are {label}"
    for row in part.rows("nli"):
        if not (row["premise"] and row["hypothesis"] and row["phenomenon"]):
            yield f"{part.name} {row['id']}: an empty text"
    for row in part.rows("qa"):
        (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        if not text.strip() or row["context"][start : start + len(text)] != text:
            yield f"{part.name} {row['id']}: the answer {text!r} is not at {start}"
        if row["question"][-1] not in "?？":
            yield f"{part.name} {row['id']}: not a question: {row['question']}"


def _tree(words: Rows) -> Iterator[str]:
    """Faults of a projective tree of ten columns whose function words have no dependents."""
    if any(len(word) != 10 for word in words):
        yield "not ten columns"
    if [word[0] for word in words] != [str(n) for n in range(1, len(words) + 1)]:
        yield "words are not numbered from 1"
    heads = [int(word[HEAD]) for word in words]
    if [word[RELATION] for word, head in zip(words, heads, strict=True) if not head] != ["root"]:
        yield "not one root"
    for n, head in enumerate(heads, 1):
        if head and (relation := words[head - 1][RELATION].partition(":")[0]) in LEAVES:
            yield f"word {n} depends on a {relation}"
        if not _reaches(heads, n, 0):
            yield f"a cycle at word {n}"
        elif head and not all(
            _reaches(heads, between, head) for between in range(min(n, head) + 1, max(n, head))
        ):
            yield f"the arc to word {n} is crossed"


def _reaches(heads: Sequence[int], node: int, goal: int) -> bool:
    for _ in heads:
        if node in (0, goal):
            break
        node = heads[node - 1]
    return node == goal


def _surface(text: str, rows: Rows) -> Iterator[str]:
    built, covered = "", 0
    for row in rows:
        if "-" in row[0]:
            covered = int(row[0].split("-")[1])
        elif int(row[0]) <= covered:
            continue
        built += row[FORM] + ("" if row[MISC] == "SpaceAfter=No" else " ")
    if built.strip() != text:
        yield f"the forms give {built!r}, not {text!r}"


def _events(row: dict[str, Any], words: Rows, tags: list[str]) -> Iterator[str]:
    if row["tokens"] != [word[FORM] for word in words]:
        yield "the words of events and trees differ"
    entities = ["O"] * len(words)
    for entity in row["entities"]:
        start, end = entity["start"], entity["end"]
        entities[start:end] = [f"B-{entity['type']}", *[f"I-{entity['type']}"] * (end - start - 1)]
    if entities != tags:
        yield "the entities of events and tags differ"
    for event in row["events"]:
        start, end = event["trigger"]["start"], event["trigger"]["end"]
        if end != start + 1 or words[start][UPOS] != "VERB":
            yield f"the trigger at {start} is not one verb"
        for argument in event["arguments"]:
            a, b = argument["start"], argument["end"]
            if not 0 <= a < b <= len(words) or a <= start < b:
                yield f"the argument {a}-{b} of the trigger at {start}"


def of_alignment(english: Part, other: Part) -> Iterator[str]:
    """Faults of the links from English."""
    name = f"{english.split}.eng-{other.language}.pharaoh.gz"
    lines = _text(english.folder / "alignments" / name).splitlines()
    if len(lines) != (ALIGNED_TRAIN if other.split == "train" else SIZES[other.split]):
        yield f"{name}: {len(lines)} lines"
    for n, (line, a, b) in enumerate(zip(lines, english.words, other.words, strict=False), 1):
        links = [tuple(map(int, pair.split("-"))) for pair in line.split()]
        inside = all(0 <= i < len(a) and 0 <= j < len(b) for i, j in links)
        if not links or not inside or len(set(links)) < len(links):
            yield f"{name}:{n}: {line!r} between {len(a)} and {len(b)} words"


def of_splits(splits: dict[str, Part]) -> Iterator[str]:
    """A text in train and elsewhere; words that train lacks, too few or too many."""
    train = splits["train"]
    texts = {about["text"] for about, _ in train.sentences}
    known = set(train.content())
    for part in (splits["dev"], splits["test"]):
        for about, _ in part.sentences:
            if about["text"] in texts:
                yield f"{part.name} {about['sent_id']}: is in train, too: {about['text']}"
        words = part.content()
        unseen = 100 * sum(word not in known for word in words) / len(words)
        if not MIN_UNSEEN < unseen < MAX_UNSEEN:
            yield f"{part.name}: {unseen:.1f} % of the content words are not in train"


def of_languages(parts: list[Part]) -> Iterator[str]:
    """Whether row n is the same scene in every language."""
    first, *others = parts
    for layer in ("events", "nli", "qa"):
        ids = [row["id"] for row in first.rows(layer)]
        if len(set(ids)) < len(ids):
            yield f"{first.name}: an id of {layer} twice"
        for part in others:
            if [row["id"] for row in part.rows(layer)] != ids:
                yield f"{part.name}: other ids of {layer} than {first.name}"
    for part in others:
        for ours, theirs in zip(first.rows("events"), part.rows("events"), strict=True):
            if _said(ours) != _said(theirs):
                yield f"{part.name} {theirs['id']}: other events than in {first.name}"


def _said(row: dict[str, Any]) -> tuple[int, list[str]]:
    return len(row["entities"]), sorted(event["type"] for event in row["events"])
