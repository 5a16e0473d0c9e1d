"""The packaged table of languages: where they lie, how they are related, how they are built.

`scripts/build_typology.py` makes ``table.npz`` from URIEL, URIEL+, Grambank, WALS and Glottolog
(`notes()["licences"]`). Values that nobody has recorded are missing; `completed` holds URIEL's KNN
guesses beside them, never instead. Arrays are read when they are first asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt import languages
from xlt.errors import XltError

PATH = Path(__file__).with_name("table.npz")
UNKNOWN = 255
"""A missing value in an array of bytes."""
SCALE = 60
"""What stands for 1.0; lower values are means over sources that disagree."""


class Table:
    """Rows are languages, in the order of `codes` (ISO 639-3, sorted)."""

    def __init__(self, path: Path = PATH) -> None:
        try:
            self._archive = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise XltError(
                f"the table of languages cannot be read: {error}", where=path, fix="reinstall xlt"
            ) from error
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str) -> NDArray[Any]:
        """One array: ``lineage`` (nodes of Glottolog's tree, -1 after the end), ``coordinates``
        (degrees north and east), ``script``, ``wals`` (numbers of values), ``grambank``,
        ``syntax``, ``phonology``, ``inventory``, and ``<one of the last three>_completed``."""
        if name not in self._arrays:
            self._arrays[name] = self._archive[name]
        return self._arrays[name]

    @cached_property
    def notes(self) -> dict[str, Any]:
        """Names of features, values, nodes and languages; what was borrowed; licences."""
        notes: dict[str, Any] = json.loads(self._archive["notes"].tobytes())
        return notes

    @cached_property
    def codes(self) -> tuple[str, ...]:
        return tuple(map(str, self.array("codes")))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {code: row for row, code in enumerate(self.codes)}

    def row(self, code: str) -> int | None:
        """The row of an ISO 639-3 code; None where the table has nothing on it.

        A code that is not a row itself stands for its macrolanguage.
        """
        if code in self._rows:
            return self._rows[code]
        macro = languages.macrolanguage(code)
        return None if macro is None else self._rows.get(macro)

    def rows(self, codes: Sequence[str]) -> NDArray[np.intp]:
        """Rows, -1 where there is none. Shape (len(codes),)."""
        rows = [self.row(code) for code in codes]
        return np.array([-1 if row is None else row for row in rows], dtype=np.intp)

    def take(self, name: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Rows of an array; a row -1 is all missing."""
        array = self.array(name)
        missing = {"lineage": -1, "coordinates": np.nan}.get(name, UNKNOWN)
        values = array[rows]
        values[rows < 0] = missing
        return values

    def name(self, code: str) -> str:
        """The English name; as `languages.name`, which takes long to load its tables."""
        row = self.row(code)
        return code if row is None else str(self.notes["names"][row])

    def coverage(self, code: str, domain: str) -> float:
        """Share of a domain's features that have been observed, 0 to 1."""
        values = self.take(domain, self.rows([code]))[0]
        return float((values != UNKNOWN).mean())

    def script(self, code: str) -> str | None:
        """ISO 15924 code of the likely script."""
        number = int(self.take("script", self.rows([code]))[0])
        return None if number == UNKNOWN else str(self.notes["scripts"][number])

    def lineage(self, code: str) -> tuple[str, ...]:
        """Names of the groups it belongs to, widest first; empty for an isolate."""
        nodes = self.take("lineage", self.rows([code]))[0]
        names = (self.notes["nodes"][node] for node in nodes if node >= 0)
        return tuple(name for name in names if name)

    def borrowed(self, code: str) -> dict[str, str]:
        """Domain → code of the language whose values stand here (its macrolanguage's, say)."""
        lenders: dict[str, str] = self.notes["borrowed"].get(code, {})
        return lenders


@cache
def table() -> Table:
    """The packaged table."""
    return Table()
