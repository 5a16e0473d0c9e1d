"""Aligned links of all language pairs, counted: two processes, each result kept on disk."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import scipy.sparse as sp
from tokenizers import Tokenizer

from scripts.build_encoder.build import Parallel, link_counts

log = logging.getLogger(__name__)

EFFORT = 0.4
"""Of eflomal's iterations: counts over many sentences smooth what a short chain leaves open."""


def count_links(
    parallel: Sequence[Parallel], tokenizer: Tokenizer, folder: Path, processes: int
) -> dict[tuple[str, str], sp.csr_matrix]:
    """(source, target) → (pieces, pieces). What an interrupted call had finished is reused."""
    folder.mkdir(parents=True, exist_ok=True)
    text = tokenizer.to_str()
    paths = {(one.source, one.target): folder / _name(one, text) for one in parallel}
    waiting = [one for one in parallel if not paths[one.source, one.target].exists()]
    waiting.sort(key=lambda one: -len(one.pairs))
    if waiting:
        os.environ["OMP_NUM_THREADS"] = "1"
        with ProcessPoolExecutor(processes) as pool:
            jobs = [(one, text, paths[one.source, one.target]) for one in waiting]
            for number, name in enumerate(pool.map(_count, jobs), 1):
                log.info("aligned %s (%d of %d)", name, number, len(waiting))
    return {pair: sp.load_npz(path) for pair, path in paths.items()}


def _name(one: Parallel, tokenizer: str) -> str:
    content = hashlib.sha256(tokenizer.encode())
    for pair in one.pairs:
        content.update("\t".join(pair).encode())
    return f"{one.source}-{one.target}-{content.hexdigest()[:12]}.npz"


def _count(job: tuple[Parallel, str, Path]) -> str:
    one, text, path = job
    counts = link_counts(one, Tokenizer.from_str(text), EFFORT)
    part = path.with_suffix(".part.npz")
    sp.save_npz(part, counts)
    part.replace(path)
    return f"{one.source}-{one.target}"
