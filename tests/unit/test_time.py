"""What is read takes time in proportion to its length, good and bad alike."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest

from xlt.data.jsonl import load_json, read_jsonl
from xlt.data.table import read_csv, read_table
from xlt.errors import XltError

SIZE = 50_000
SECONDS = 5
"""Of computing; a fifth of them is enough, and in proportion to the square it is minutes."""
NAMES = [f"k{n}" for n in range(SIZE)]


def keys_twice() -> None:
    pairs = ", ".join(f'"{name}": 1' for name in [*NAMES, NAMES[-1]])
    list(read_jsonl(io.StringIO("{" + pairs + "}\n")))


def columns() -> None:
    list(read_table(io.StringIO("\t".join(NAMES) + "\n")))
    list(read_csv(io.StringIO(",".join(NAMES) + "\n"))[1])


def columns_twice() -> None:
    list(read_table(io.StringIO("\t".join([*NAMES, NAMES[-1]]) + "\n")))


def comma_columns_twice() -> None:
    read_csv(io.StringIO(",".join([*NAMES, NAMES[-1]]) + "\n"))


def escapes() -> None:
    smile = '"' + r"\ud83d\ude00\n" * 10 + '"'
    load_json(io.StringIO("[" + ",\n".join([smile] * (SIZE // 5)) + "]"), fix="")


def escapes_of_half() -> None:
    smile = '"' + r"\ud83d\ude00\n" * 10 + '"'
    load_json(io.StringIO("[" + ",\n".join([*[smile] * (SIZE // 5), r'"\ud83d"']) + "]"), fix="")


@pytest.mark.parametrize("read", [columns, escapes])
def test_good(read: Callable[[], None]) -> None:
    assert seconds(read) < SECONDS


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (keys_twice, "the key 'k49999' is there twice"),
        (columns_twice, "two columns are called 'k49999'"),
        (comma_columns_twice, "two columns are called 'k49999'"),
        (escapes_of_half, "half of a surrogate pair"),
    ],
)
def test_bad(read: Callable[[], None], what: str) -> None:
    def refused() -> None:
        with pytest.raises(XltError, match=what):
            read()

    assert seconds(refused) < SECONDS


def seconds(read: Callable[[], None]) -> float:
    begin = time.process_time()
    read()
    return time.process_time() - begin
