"""The IDs of CoNLL-U: of words, multiword tokens (``3-4``) and empty nodes (``3.1``)."""

from __future__ import annotations

from xlt.data.numbers import whole
from xlt.errors import XltError


class Numbering:
    """Checks the IDs of the rows of a sentence that are not the next word: multiword tokens come
    before their words, empty nodes after the word that they are numbered by."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._end = self._line = 0  # of the last multiword token: its last word, where it stands
        self._node = (0, 0)

    def check(self, number: int, identifier: str, size: int) -> None:
        """Raises XltError unless this ID may stand in line `number`, after `size` words."""
        if "-" in identifier:
            first, last = self._numbers(number, identifier, "-")
            if first != size + 1 or last < first or first <= self._end:
                raise self._error(
                    number,
                    f"multiword token {identifier} after word {size}",
                    "its range starts with the next word and overlaps no other",
                )
            self._end, self._line = last, number
        elif "." in identifier:
            node = self._numbers(number, identifier, ".")
            expected = size, self._node[1] + 1 if self._node[0] == size else 1
            if node != expected:
                raise self._error(
                    number,
                    f"empty node {identifier} after word {size}",
                    "the next one here is {}.{}".format(*expected),
                )
            self._node = node
        else:
            raise self._error(
                number,
                f"ID {identifier!r:.40} where {size + 1} was expected",
                "number the words of a sentence 1, 2, 3 … and put an empty line between sentences",
            )

    def finish(self, size: int) -> None:
        """Raises XltError if a multiword token has more words than the sentence."""
        if self._end > size:
            raise self._error(
                self._line,
                f"a multiword token up to word {self._end}, but the sentence has {size} words",
                "correct its range",
            )

    def _numbers(self, number: int, identifier: str, separator: str) -> tuple[int, int]:
        first, last = map(whole, identifier.split(separator, 1))
        if first is None or last is None:
            raise self._error(
                number,
                f"ID {identifier!r:.40} is not a number, range or empty node",
                "e.g. 3, 3-4",
            )
        return first, last

    def _error(self, number: int, what: str, fix: str) -> XltError:
        return XltError(what, where=f"{self.name}:{number}", fix=fix)
