"""How much labelled training data there is of a source, and whether it is on this machine.

Reported, and not part of a score: no public table of single sources says how much it trained on.
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
    total = None if None in sizes else sum(size for size in sizes if size is not None)
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
        f"candidate has {most / 1e6:.1f}; amounts are not part of the score"
    ]
