"""Parallel text that a statistical aligner learns from, beside the pairs it is asked to align."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xlt import languages
from xlt.data import cards
from xlt.data.checksums import sha256
from xlt.data.files import lines
from xlt.data.references import locate
from xlt.data.table import read_csv
from xlt.errors import XltError, choose
from xlt.projection.align.base import WordPair

WHERE = "aligner: parallel"
MAX_WORDS = 120
"""Words; longer sentences teach an aligner little and cost much."""


def read(references: list[str], source: str, target: str) -> Iterator[WordPair]:
    """The sentence pairs of all references, as words.

    A reference is a file with a source and a target sentence a line, separated by a tab; a path
    with `{language}` in it, for two files that are parallel line by line; or a card of parallel
    text, `card` or `card:split`. Pairs with an empty or very long side are left out.

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
            sides = _card(reference, source, target)
            paths = [path for side in sides for one in side for path in one.paths]
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
    for one, other in zip(*_card(reference, source, target), strict=True):
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
        columns = line.split("\t")
        if len(columns) < 2:
            raise XltError(
                "no tab between a source and a target sentence",
                where=f"{path}:{number}",
                fix="write both on one line, or two files and `{language}` in their name",
            )
        yield columns[0], columns[1]


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


def _card(reference: str, source: str, target: str) -> tuple[list[_Split], list[_Split]]:
    """The splits of a card that both languages have (or the one that the reference names)."""
    name, _, wanted = reference.partition(":")
    card = cards.get(name, where=WHERE)
    if card.format not in ("lines", "csv"):
        raise XltError(
            f"the card {name} is not parallel text (its format is {card.format})",
            where=WHERE,
            fix="name a card whose task is parallel_text, or files of your own",
        )
    codes = [card.language(language, where=WHERE) for language in (source, target)]
    splits = [s for s in card.languages[codes[0]] if s in card.languages[codes[1]]]
    sides: tuple[list[_Split], list[_Split]] = ([], [])
    for split in [wanted] if wanted else splits:
        for side, code in zip(sides, codes, strict=True):
            chosen = card.split(code, split, where=WHERE)
            paths = []
            for file in chosen.files:
                path = locate(card, file)
                if path is None:
                    raise XltError(
                        f"{name}:{code}:{split} is not on this machine",
                        where=WHERE,
                        fix=f"xlt data get {name}, or set XLT_DATA",
                    )
                paths.append(path)
            side.append(_Split(paths, {**card.options, **chosen.options}.get("column")))
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
