"""python -m scripts.build_encoder FOLDER --text eng=FILE … --parallel eng-ind=FILE,FILE …"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from .build import Parallel, build


def main() -> None:
    parser = argparse.ArgumentParser(prog="build_encoder", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", action="append", default=[], metavar="LANG=FILE",
                        help="one sentence a line; may be repeated")  # fmt: skip
    parser.add_argument("--parallel", action="append", default=[], metavar="A-B=FILE,FILE",
                        help="line-parallel text; may be repeated")  # fmt: skip
    parser.add_argument("--pivot", default="eng")
    parser.add_argument("--vocabulary", type=int, default=16_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    texts: dict[str, list[str]] = {}
    for given in options.text:
        language, _, file = given.partition("=")
        texts.setdefault(language, []).extend(_lines(Path(file)))
    parallel = []
    for given in options.parallel:
        languages, _, files = given.partition("=")
        source, target = languages.split("-")
        sides = [_lines(Path(file), blank=True) for file in files.split(",")]
        if len(sides[0]) != len(sides[1]):
            raise SystemExit(f"{files}: {len(sides[0])} and {len(sides[1])} lines")
        pairs = [(a, b) for a, b in zip(*sides, strict=True) if a and b]
        parallel.append(Parallel(source, target, pairs))
    build(
        texts, parallel, options.folder, pivot=options.pivot, vocabulary=options.vocabulary,
        width=options.width, layers=options.layers, seed=options.seed,
    )  # fmt: skip


def _lines(path: Path, *, blank: bool = False) -> list[str]:
    stripped = [line.strip() for line in path.read_text(encoding="utf-8").split("\n")]
    return stripped if blank else [line for line in stripped if line]


if __name__ == "__main__":
    main()
