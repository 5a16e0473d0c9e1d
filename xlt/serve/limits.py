"""How much one request may ask for; and errors that HTTP has a status of their own for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xlt.errors import XltError
from xlt.runs.reading import Unit


class TooLarge(XltError):
    """A request that is larger than allowed."""


class NoJson(XltError):
    """A request whose body is something else than JSON."""


class TooSlow(XltError):
    """A request that does not come to its end."""


class NotDone(XltError):
    """What this server does not do."""


class Busy(XltError):
    """A request for which there is no place in the queue."""


class Down(XltError):
    """A server that cannot answer any more."""


MAX_ERRORS = 20
"""That are said of a request: it may have as many as it has bytes."""


@dataclass(frozen=True)
class Limits:
    """size: bytes of a request.

    texts:      texts, records or sentences of a request.
    characters: of one of them.
    total:      characters of all of them together.
    words:      of a sentence: a parser's memory and time grow with the square.
    waiting:    requests that wait for the models.
    """

    size: int = 1 << 20
    texts: int = 128
    characters: int = 10_000
    total: int = 100_000
    words: int = 2000
    waiting: int = 64

    def check_number(self, number: int, where: str) -> None:
        """Raises TooLarge for more texts than a request may have."""
        if number > self.texts:
            raise TooLarge(
                f"{number} are more than the {self.texts} that one request may have",
                where=where,
                fix="send several requests, or start the server with a higher --max-texts",
            )

    def check_length(self, length: int, where: str) -> None:
        """Raises TooLarge for a text that is too long."""
        if length > self.characters:
            raise TooLarge(
                f"{length:,} characters are more than the {self.characters:,} that a text may have",
                where=where,
                fix="split it, or start the server with a higher --max-characters",
            )

    def check_lengths(self, lengths: Sequence[int], where: str) -> None:
        """Raises TooLarge for texts of which one, or all together, are too long."""
        for number, length in enumerate(lengths):
            self.check_length(length, f"{where}.{number}")
        if sum(lengths) > self.total:
            raise TooLarge(
                f"{sum(lengths):,} characters are more than the {self.total:,} that all texts of a "
                "request may have together",
                where=where,
                fix="send several requests, or start the server with a higher --max-total",
            )

    def check_units(self, units: Sequence[Unit], where: str) -> None:
        """Raises TooLarge for what was read, if it is too much."""
        self.check_number(len(units), where)
        given_of = [
            [text for document in unit.documents for text in document.texts.values()]
            for unit in units
        ]
        self.check_lengths([sum(len(text.surface) for text in one) for one in given_of], where)
        for number, given in enumerate(given_of):
            longest = max((len(text.words) for text in given), default=0)
            if longest > self.words:
                raise TooLarge(
                    f"a sentence of {longest:,} words, more than the {self.words:,} that one may "
                    "have",
                    where=f"{where}.{number}",
                    fix="put a line end where a sentence ends, or start the server with a higher "
                    "--max-words",
                )
