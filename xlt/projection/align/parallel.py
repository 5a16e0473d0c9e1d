"""Parallel text that a statistical aligner learns from, beside the pairs it is asked to align."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from xlt import languages
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.checksums import sha256
from xlt.data.files import lines
from xlt.data.references import locate, resolve
from xlt.data.resolved import ResolvedData
from xlt.data.store import read_documents
from xlt.data.table import read_csv
from xlt.errors import XltError, choose
from xlt.projection.align.base import WordPair
from xlt.registry import tasks

WHERE = "aligner: parallel"
MAX_WORDS = 120
"""Words; longer sentences teach an aligner little and cost much."""


def read(references: list[str], source: str, target: str) -> Iterator[WordPair]:
    """The sentence pairs of all references, as words.

    A reference is a file with a source and a target sentence a line, separated by a tab or `|||`; a
    path with `{language}` in it, for two files that are parallel line by line; or a card with two
    sides, `card` or `card:split`: of parallel text, of word alignments (whose links are not read),
    or of records that are the same in every language. Pairs with an empty or very long side are
    left out.

    Raises XltError: no such file or card, not parallel, not in these languages.
    """
    from xlt.data.segment import text_words

    for reference in references:
        found = False
        for pair in _texts(reference, source, target):
            found = True
            words = tuple(
                text_words(text, language)
                for text, language in zip(pair, (source, target), strict=True)
            )
            if all(0 < len(side) <= MAX_WORDS for side in words):
                yield words[0], words[1]
        if not found:
            raise XltError(
                "there is no pair of sentences in it",
                where=reference,
                fix="check where it came from",
            )


def fingerprint(references: list[str], source: str, target: str) -> str:
    """A hash of the files that `read` would read."""
    content = hashlib.sha256()
    for reference in references:
        if "{language}" in reference:
            paths = [_path(reference, language) for language in (source, target)]
        elif _is_file(reference):
            paths = [Path(reference).expanduser()]
        else:
            paths = _paths(reference, source, target)
        for path in paths:
            if not path.is_file():
                raise XltError("there is no such file", where=path, fix="check the path")
            content.update(sha256(path).encode())
    return content.hexdigest()


def _texts(reference: str, source: str, target: str) -> Iterator[tuple[str, str]]:
    if "{language}" in reference:
        paths = [_path(reference, language) for language in (source, target)]
        yield from _line_by_line(*([path] for path in paths))
        return
    if _is_file(reference):
        yield from _columns(Path(reference).expanduser())
        return
    card, split = _card(reference)
    if card.task == _ALIGNED:
        yield from _aligned(card, split, source, target)
    elif card.parallel:
        yield from _records(card, split, source, target)
    else:
        yield from _sentences(card, split, source, target)


def _paths(reference: str, source: str, target: str) -> list[Path]:
    """The files of a card that `read` would read."""
    card, split = _card(reference)
    if card.task == _ALIGNED:
        return _aligned_files(card, split, source, target)[0]
    if card.parallel:
        return [path for pair in _resolved(card, split, source, target) for path in pair[2]]
    sides = _sides(card, split, source, target)
    return [path for side in sides for one in side for path in one.paths]


def _sentences(card: cards.Card, split: str, source: str, target: str) -> Iterator[tuple[str, str]]:
    for one, other in zip(*_sides(card, split, source, target), strict=True):
        if one.column is None or other.column is None:
            yield from _line_by_line(one.paths, other.paths)
        else:
            sides = _csv(one.paths, one.column), _csv(other.paths, other.column)
            if len(sides[0]) != len(sides[1]):
                raise XltError(
                    f"{len(sides[0])} rows, but {len(sides[1])} in {other.paths[-1].name}",
                    where=one.paths[-1],
                    fix="parallel files have as many rows",
                )
            yield from zip(*sides, strict=True)


def _is_file(reference: str) -> bool:
    path = Path(reference).expanduser()
    return bool(path.suffix) or path.exists()


def _path(reference: str, language: str) -> Path:
    """The file of a language: under its ISO 639-3 code, or its two-letter one."""
    codes = (language, languages.bcp47(language))
    paths = [Path(reference.replace("{language}", code)).expanduser() for code in codes]
    return next((path for path in paths if path.exists()), paths[0])


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in lines(path):
        columns = line.split("\t" if "\t" in line else "|||")
        if len(columns) < 2:
            raise XltError(
                "no tab between a source and a target sentence",
                where=f"{path}:{number}",
                fix="write both on one line, or two files and `{language}` in their name",
            )
        yield columns[0].strip(), columns[1].strip()


def _line_by_line(ones: list[Path], others: list[Path]) -> Iterator[tuple[str, str]]:
    one = (line for path in ones for line in lines(path))
    other = ((path, line) for path in others for line in lines(path))
    for number, text in one:
        match = next(other, None)
        if match is None:
            raise XltError(
                f"there are more lines in {ones[-1].name} than in {others[-1].name}",
                where=f"{ones[-1]}:{number}",
                fix="parallel files have as many lines, empty ones included",
            )
        yield text, match[1][1]
    if (match := next(other, None)) is not None:
        raise XltError(
            f"there are fewer lines in {ones[-1].name}",
            where=f"{match[0]}:{match[1][0]}",
            fix="parallel files have as many lines, empty ones included",
        )


@dataclass(frozen=True)
class _Split:
    """One language's files of a split; the column, if they are tables."""

    paths: list[Path]
    column: str | None


def _card(reference: str) -> tuple[cards.Card, str]:
    """The card that a reference names, and its split; "" for all. Raises XltError if the card has
    no two sides."""
    name, _, split = reference.partition(":")
    card = cards.get(name, where=WHERE)
    aligned = card.task == _ALIGNED and card.format == "tsv"
    if not (aligned or card.parallel or card.format in ("lines", "csv")):
        raise XltError(
            f"the card {name} is not parallel text (its format is {card.format})",
            where=WHERE,
            fix="name a card whose task is parallel_text, one that says `parallel: true`, or files "
            "of your own",
        )
    return card, split


_ALIGNED = "word_alignment"
"""The task of cards whose rows are a source sentence, a target sentence and links."""


def _aligned_files(
    card: cards.Card, split: str, source: str, target: str
) -> tuple[list[Path], bool]:
    """The files, and whether their first column is the target's."""
    first = str(card.options["source"])
    turned = languages.match(target, [first]) is not None
    if not turned and languages.match(source, [first]) is None:
        raise XltError(
            f"{card.identifier} pairs {first} with other languages, not {source} with {target}",
            where=WHERE,
            fix=f"leave it out; it is of use where one side is {first}",
        )
    code = card.language(source if turned else target, where=WHERE)
    splits = [split] if split else list(card.languages[code])
    return [path for one in splits for path in _located(card, code, one)], turned


def _aligned(card: cards.Card, split: str, source: str, target: str) -> Iterator[tuple[str, str]]:
    paths, turned = _aligned_files(card, split, source, target)
    for path in paths:
        for one, other in _columns(path):
            yield (other, one) if turned else (one, other)


def _resolved(
    card: cards.Card, split: str, source: str, target: str
) -> Iterator[tuple[ResolvedData, ResolvedData, list[Path]]]:
    """The data of each split in both languages, and their files."""
    codes = [card.language(language, where=WHERE) for language in (source, target)]
    for name in _common(card, codes, split):
        for code in codes:
            card.split(code, name, where=WHERE)
        one, other = (
            resolve(Reference(ref=f"{card.identifier}:{code}:{name}"), code, name, where=WHERE)
            for code in codes
        )
        yield one, other, [*one.files, *other.files]


def _records(card: cards.Card, split: str, source: str, target: str) -> Iterator[tuple[str, str]]:
    """The texts of records, of which number n is the same in both languages."""
    task = tasks.get(card.task)()
    for one, other, _ in _resolved(card, split, source, target):
        documents = zip_longest(read_documents(task, one), read_documents(task, other))
        for number, (ours, theirs) in enumerate(documents, 1):
            if ours is None or theirs is None:
                raise XltError(
                    f"{one.reference} has {'less' if ours is None else 'more'} records than "
                    f"{other.reference}: {number - 1} are in both",
                    where=WHERE,
                    fix="name a part that is the same in both languages",
                )
            for name in ours.texts:
                yield ours.texts[name].surface, theirs.texts[name].surface


def _common(card: cards.Card, codes: list[str], split: str) -> list[str]:
    """The splits that both languages have, or the one that is wanted."""
    return (
        [split] if split else [s for s in card.languages[codes[0]] if s in card.languages[codes[1]]]
    )


def _located(card: cards.Card, code: str, split: str) -> list[Path]:
    paths = []
    for file in card.split(code, split, where=WHERE).files:
        path = locate(card, file)
        if path is None:
            raise XltError(
                f"{card.identifier}:{code}:{split} is not on this machine",
                where=WHERE,
                fix=f"xlt data get {card.identifier}, or set XLT_DATA",
            )
        paths.append(path)
    return paths


def _sides(
    card: cards.Card, split: str, source: str, target: str
) -> tuple[list[_Split], list[_Split]]:
    """The splits of a card of sentences that both languages have (or the one that is wanted)."""
    codes = [card.language(language, where=WHERE) for language in (source, target)]
    sides: tuple[list[_Split], list[_Split]] = ([], [])
    for name in _common(card, codes, split):
        for side, code in zip(sides, codes, strict=True):
            paths = _located(card, code, name)
            options = {**card.options, **card.split(code, name, where=WHERE).options}
            side.append(_Split(paths, options.get("column")))
    return sides


def _csv(paths: list[Path], column: str) -> list[str]:
    texts = []
    for path in paths:
        header, rows = read_csv(path)
        if column not in header:
            raise XltError(
                f"there is no column {column!r}", where=f"{path}:1", fix=choose(column, header)
            )
        texts += [row[column] for _, row in rows]
    return texts
