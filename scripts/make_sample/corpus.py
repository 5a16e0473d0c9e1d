"""Realises every scene in every language and writes the files."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

from . import layers
from .generate import scenes
from .grammars.base import Grammar
from .grammars.eng import English
from .grammars.malayic import Indonesian, Javanese
from .scenes import Clause
from .tree import Sentence

SIZES = {"train": 2000, "dev": 200, "test": 200}
SEEDS = {"train": 20260101, "dev": 20260102, "test": 20260103}
#: Training scenes whose alignments are written; dev and test have all.
ALIGNED_TRAIN = 500
GRAMMARS: dict[str, Grammar] = {g.lang: g for g in (English(), Indonesian(), Javanese())}


def write_gz(path: Path, text: str) -> int:
    """Gzip without time or name, so that equal text is equal bytes. Returns the size."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as f:
        f.write(text.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return len(buffer.getvalue())


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows)


def draw() -> dict[str, list[Clause]]:
    """All scenes; dev and test first, so that they never run out of short scenes."""
    seen: set[str] = set()
    return {s: scenes(s, SIZES[s], SEEDS[s], seen) for s in ("test", "dev", "train")}


def realise(split: str, drawn: list[Clause], lang: str) -> list[Sentence]:
    return [GRAMMARS[lang].realise(c, f"{split}-{i:04d}") for i, c in enumerate(drawn, 1)]


def write(folder: Path) -> None:
    for split, drawn in draw().items():
        for lang in GRAMMARS:
            sentences = realise(split, drawn, lang)
            base = folder / lang
            write_gz(base / f"{split}.conllu.gz",
                     "".join(layers.conllu(s) + "\n\n" for s in sentences))
            ner = ("".join(f"{t.form}\t{tag}\n" for t, tag in zip(s.toks, layers.iob(s),
                                                                 strict=True)) + "\n"
                   for s in sentences)
            write_gz(base / f"{split}.ner.gz", "".join(ner))
            events = [layers.events(s, c) for s, c in zip(sentences, drawn, strict=True)]
            write_gz(base / f"{split}.events.jsonl.gz", jsonl(events))
