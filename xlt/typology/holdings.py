"""How much labelled training data there is of a source, and whether it is on this machine.

The bytes of data cards are reported only; numbers of examples, which a user knows (`read_sizes`),
are part of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlt import languages
from xlt.config.schema import LanguageData, Reference
from xlt.data import cards
from xlt.data.references import locate
from xlt.data.table import read_csv
from xlt.errors import XltError
from xlt.registry import data_cards

MIN_DATA_SHARE = 0.1
"""Share of the most bytes that a candidate has: a source with less is pointed out."""


@dataclass(frozen=True)
class CorpusSize:
    """The size of a language's training data.

    bytes: of the publisher's training files, packed as they are; None if a card does not say.
    here:  whether all of them are on this machine.
    cards: those that have them.
    """

    bytes: int | None
    here: bool
    cards: tuple[str, ...]

    def __str__(self) -> str:
        said = "?" if self.bytes is None else f"{self.bytes / 1e6:.1f} MB"
        return said if self.here else f"{said}, not here"


def read_sizes(path: Path) -> dict[str, int]:
    """Language, under the code of `languages.shared` → examples, from a CSV file.

    The file has the columns `language` and `examples`. Raises XltError with ``file:line``.
    """
    header, rows = read_csv(path)
    if not {"language", "examples"} <= set(header):
        raise XltError(
            "there are no columns `language` and `examples`",
            where=f"{path}:1",
            fix="write a language and the number of its training examples a line",
        )
    sizes: dict[str, int] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        text = row["examples"].strip()
        if not (text.isascii() and text.isdigit()):
            raise XltError(
                f"{row['examples']!r} is no number of examples", where=where, fix="write digits"
            )
        try:
            code = languages.shared(row["language"])
        except XltError as error:
            raise error.at(where) from error
        if code in sizes:
            raise XltError(f"{code} is there twice", where=where, fix="keep one of the two lines")
        sizes[code] = int(text)
    return sizes


def of_cards(names: Sequence[str]) -> dict[str, CorpusSize]:
    """Language, under the code of `languages.shared` → its training data in these cards."""
    corpora: dict[str, list[CorpusSize]] = {}
    for name in names:
        card = cards.get(name)
        for code, splits in card.languages.items():
            if "train" in splits:
                corpora.setdefault(languages.shared(code), []).append(
                    _holding(card, splits["train"])
                )
    return {code: _together(held) for code, held in sorted(corpora.items())}


def _holding(card: cards.Card, split: cards.Split) -> CorpusSize:
    places = [locate(card, file) for file in split.files]
    sizes = [
        file.size or (None if path is None else path.stat().st_size)
        for file, path in zip(split.files, places, strict=True)
    ]
    known = [size for size in sizes if size is not None]
    total = sum(known) if len(known) == len(sizes) else None
    if total is not None and split.select is not None:
        total = total * len(split.select.remainder) // split.select.modulo
    return CorpusSize(total, None not in places, (card.identifier,))


def _together(held: list[CorpusSize]) -> CorpusSize:
    known = [one.bytes for one in held if one.bytes is not None]
    return CorpusSize(
        sum(known) if len(known) == len(held) else None,
        all(one.here for one in held),
        tuple(name for one in held for name in one.cards),
    )


def of_config(language: str, data: LanguageData) -> CorpusSize | None:
    """The size of the training data that a config gives for a language: a card's, or files.

    None where it is not known here (a hub's data set, a file that is not there).
    """
    references = data.train or ([] if data.all is None else [Reference(ref=data.all)])
    held = [_of_reference(languages.shared(language), one.ref) for one in references]
    known = [one for one in held if one is not None]
    return _together(known) if known and len(known) == len(held) else None


def _of_reference(code: str, reference: str) -> CorpusSize | None:
    name, *rest = reference.split(":")
    if name in data_cards():
        return of_cards([name]).get(languages.shared(rest[0]) if rest else code)
    path = Path(reference)
    return CorpusSize(path.stat().st_size, True, (reference,)) if path.is_file() else None


def describe(held: dict[str, CorpusSize], code: str) -> dict[str, Any] | None:
    """A language's corpus size, JSON-able; None where the cards have no training data of it."""
    return asdict(held[code]) | {"text": str(held[code])} if code in held else None


def note(held: dict[str, CorpusSize], first: str, name: str) -> list[str]:
    """What is to be said of the source ranked first."""
    most = max((one.bytes or 0 for one in held.values()), default=0)
    own = held.get(first)
    if own is None or own.bytes is None or own.bytes >= MIN_DATA_SHARE * most:
        return []
    return [
        f"{name} is ranked first with {own.bytes / 1e6:.1f} MB of training data, where another "
        f"candidate has {most / 1e6:.1f}; numbers of examples become part of the score by --sizes"
    ]
