"""Names of files that somebody has made, with places to fill in."""

from __future__ import annotations

from pathlib import Path

from xlt.errors import XltError

PART = "{part}"


def filled(name: str, source: str, target: str, part: str) -> Path:
    """The file of a pair of languages and a part of the data: train, dev or test.

    Raises XltError where a part is asked for, and what is read is none.
    """
    if PART in name and not part:
        raise XltError(
            "what is given is of train, dev and test data; this is other text",
            where=name,
            fix=f"name files without {PART} that have this text; or run the config again with a "
            "translator (an aligner) that takes any text: finished stages are used again",
        )
    for key, value in (("source", source), ("target", target), ("part", part)):
        name = name.replace(f"{{{key}}}", value)
    return Path(name)
