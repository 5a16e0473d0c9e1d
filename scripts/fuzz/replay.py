"""The kept inputs, and simple changes of them, without atheris: what the tests run."""

from __future__ import annotations

import random
from collections.abc import Iterator

from scripts.fuzz.targets import make, seeds

SPLICES = (
    *(b"\t", b"\n", b"\r", b"\0", b'"', b"'", b"{", b"}", b"[", b"]", b":", b",", b"-", b"#"),
    *(b"\xff", b"\xef\xbb\xbf", "٣".encode(), "\u2028".encode(), b"9" * 5000, b"[" * 2000),
    *(b"null", b"NaN", b"1e999", b"-1", b"6_0", b"true", b'"\\ud800"', b"\\u0000", b"&a *a", b"!!"),
)
"""What is put into an input somewhere: marks of all formats, and values that few expect."""


def replay(name: str, changes: int, seed: int = 0) -> int:
    """Run a target on its seeds and on so many changed ones; how many that was.

    Raises what the target raises, with the input in a note.
    """
    target = make(name)
    done = 0
    for done, data in enumerate(_inputs(name, changes, seed), 1):  # noqa: B007
        try:
            target(data)
        except Exception as error:
            error.add_note(f"target {name}, input {data[:2000]!r}")
            raise
    return done


def _inputs(name: str, changes: int, seed: int) -> Iterator[bytes]:
    kept = [path.read_bytes() for path in seeds(name)]
    yield from kept
    draw = random.Random(f"{name} {seed}")
    for _ in range(changes):
        changed = bytearray(draw.choice(kept))
        for _ in range(draw.randint(1, 3)):
            start = draw.randrange(len(changed) + 1)
            end = min(len(changed), start + draw.choice((0, 0, 1, 2, 8)))
            other = draw.choice(kept)
            cut = draw.randrange(len(other) + 1)
            piece = draw.choice((draw.choice(SPLICES), other[cut : cut + 20], b""))
            changed[start:end] = piece
        yield bytes(changed)
