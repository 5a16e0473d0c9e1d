"""CoNLL-U Plus: a file says in its first line which columns it has, in which order.

``# global.columns = ID FORM HEAD DEPREL PARSEME:MWE``; a cell without a value has ``_`` or ``*``.
PARSEME's .cupt is such a file, too.

https://universaldependencies.org/ext-format.html
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from xlt.data.comments import comment_value
from xlt.errors import XltError, choose

log = logging.getLogger(__name__)

NOTHING = ("_", "*", "")
"""What a cell without a value has."""

_KEY = "global.columns"


def named_columns(comments: Iterable[str]) -> list[str] | None:
    """The columns that these lines name, in order; None if there is no such line among them."""
    stated = comment_value(comments, _KEY)
    return None if stated is None else stated.split()


def check_again(comments: Iterable[str], named: Sequence[str], *, where: object) -> None:
    """Raise XltError where later comments name other columns, as where files were joined."""
    if (again := named_columns(comments)) is not None and again != [*named]:
        raise XltError(
            "other columns are named than at the beginning of the file",
            where=where,
            fix="read the files that were joined one by one",
        )


class PlusColumns:
    """Takes the rows of a file apart that names its columns; counts what is not taken.

    name:  of the file; `number`: the line that names the columns, both for errors.
    named: the columns of the file.
    taken: those that are wanted, in order; the others are counted.
    needed: those of them that the file must have.

    Raises XltError for a column that is lacking or named twice.
    """

    def __init__(
        self,
        name: str,
        number: int,
        named: Sequence[str],
        taken: Sequence[str],
        needed: Iterable[str],
    ) -> None:
        where = f"{name}:{number}"
        for column in needed:
            if column not in named:
                raise XltError(
                    f"there is no column {column}",
                    where=where,
                    fix=f"{choose(column, named)}; name it in `# {_KEY}`",
                )
        if twice := [column for column, count in Counter(named).items() if count > 1]:
            raise XltError(
                f"two columns are called {twice[0]}", where=where, fix="rename one of them"
            )
        self.name, self.named = name, named
        self._taken = [named.index(column) if column in named else None for column in taken]
        self._others = [n for n, column in enumerate(named) if column not in taken]
        self._unread: Counter[str] = Counter()

    def cells(self, number: int, line: str) -> list[str]:
        """The cells of a line that are taken; ``_`` for a column that the file has not.

        Raises XltError for a line with another number of cells than columns were named.
        """
        cells = line.split("\t")
        if len(cells) != len(self.named):
            raise XltError(
                f"{len(cells)} columns where {len(self.named)} were named",
                where=f"{self.name}:{number}",
                fix=f"give every line the columns of `# {_KEY}`, separated by tabs",
            )
        for n in self._others:
            if cells[n] not in NOTHING:
                self._unread[self.named[n]] += 1
        return ["_" if n is None else cells[n] for n in self._taken]

    def warn(self) -> None:
        """Log which columns were not taken, and how many of their cells have a value."""
        if self._unread:
            counted = ", ".join(f"{column} ({count})" for column, count in self._unread.items())
            log.warning(
                "%s: columns that are not read, with so many values: %s", self.name, counted
            )
