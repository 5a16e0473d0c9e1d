"""Which text xlt-mini may be computed from: text that anybody may use, for money, too.

The weights go into the wheel. A licence that forbids commercial use, or that nobody can name,
keeps its text out of them, whether or not such a licence reaches what is computed from a text.
"""

from __future__ import annotations

import re

from xlt.data.cards import Card, Split

FREE = re.compile(
    r"\b(?:public domain|CC0(?: 1\.0)?|CC BY(?:-SA)?(?: [1-4]\.0)?(?![-\w])"
    r"|Apache-2\.0|MIT|BSD-[23]-Clause|OANC)(?![-\w])"
)
"""Licences that allow commercial use; some ask for attribution or the same licence."""
PART = re.compile(r"\b(?:and|text|translations|annotations|Wikipedia|MultiNLI)\b|[\s,;:/+()]")
"""What may stand beside them in a card's statement: which part a licence is for."""
DOUBTFUL = {
    "americasnli": "CC BY-SA 4.0, but translated from XNLI, which is CC BY-NC 4.0",
}
"""Cards whose text was made from other text that is less free than they say."""


def is_free(statement: str) -> bool:
    """Whether a statement names free licences and nothing else.

    Everything that is not understood counts as a doubt: "see README", "mixed", "repo LICENSE", NC.
    """
    rest, names = FREE.subn("", statement)
    return names > 0 and not PART.sub("", rest)


def obstacle(card: Card, split: Split) -> str | None:
    """Why the text of a split is left out, or None. What a split states goes before the card."""
    if card.identifier in DOUBTFUL:
        return DOUBTFUL[card.identifier]
    statement = split.licence or card.licence
    return None if is_free(statement) else statement
