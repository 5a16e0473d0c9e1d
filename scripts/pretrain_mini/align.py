"""Links of all language pairs, each kept on disk."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from scripts.build_encoder.build import Parallel

from . import aligner
from .aligner import Links

log = logging.getLogger(__name__)


def all_links(
    parallel: Sequence[Parallel], tokenizer: Tokenizer, folder: Path, processes: int
) -> dict[tuple[str, str], Links]:
    """(source, target) → links. What an interrupted call had finished is reused."""
    folder.mkdir(parents=True, exist_ok=True)
    text = tokenizer.to_str()
    paths = {(one.source, one.target): folder / _name(one, text) for one in parallel}
    waiting = [one for one in parallel if not paths[one.source, one.target].exists()]
    waiting.sort(key=lambda one: -len(one.pairs))
    jobs = [(one, text, paths[one.source, one.target]) for one in waiting]
    if processes > 1 and jobs:
        os.environ["OMP_NUM_THREADS"] = "1"
        with ProcessPoolExecutor(processes) as pool:
            _report(pool.map(_align, jobs), len(jobs))
    else:
        _report(map(_align, jobs), len(jobs))
    return {pair: _read(path) for pair, path in paths.items()}


def encode(tokenizer: Tokenizer, sentences: Sequence[str]) -> list[list[int]]:
    encodings = tokenizer.encode_batch(list(sentences), add_special_tokens=False)
    return [one.ids for one in encodings]


def _report(names: Iterable[str], count: int) -> None:
    for number, name in enumerate(names, 1):
        log.info("aligned %s (%d of %d)", name, number, count)


def _name(one: Parallel, tokenizer: str) -> str:
    content = hashlib.sha256(tokenizer.encode())
    content.update(Path(aligner.__file__).read_bytes())
    for pair in one.pairs:
        content.update("\t".join(pair).encode())
    return f"{one.source}-{one.target}-{content.hexdigest()[:12]}.npz"


def _align(job: tuple[Parallel, str, Path]) -> str:
    one, text, path = job
    tokenizer = Tokenizer.from_str(text)
    source, target = (encode(tokenizer, side) for side in zip(*one.pairs, strict=True))
    links = aligner.align(source, target, tokenizer.get_vocab_size())
    part = path.with_suffix(".part.npz")
    np.savez(part, **asdict(links))
    part.replace(path)
    return f"{one.source}-{one.target}"


def _read(path: Path) -> Links:
    with np.load(path) as stored:
        return Links(**{name: stored[name] for name in ("row", "source", "target", "weight")})
