"""Build xlt/typology/scores.npz: measured transfer scores, source × target, with provenance.

    python -m scripts.build_scores MATRICES [MATRICES …] [--output FILE]

MATRICES is a folder with INDEX.csv (name, source, licence) and one CSV a matrix with the columns
task, model, source_iso639_3, target_iso639_3, metric, score. `scripts/experiments/scores` is one,
of tables measured with xlt. Only matrices with one source a score are taken. Scores that are a
share of one become per cent; all are rounded to 0.01 per cent, others (perplexities) to 0.001.
Equal inputs give an equal file, byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from scripts.build_typology import write_archive
from xlt import languages
from xlt.errors import XltError
from xlt.typology.scores import OURS

COLUMNS = ("task", "model", "source_iso639_3", "target_iso639_3", "metric", "score")
PERCENT = ("F1", "f1", "macroF1", "accuracy", "LAS_or_acc", "las", "las_no_punct", "BLEU(0-1)")
PACKAGED = Path(__file__).parents[1] / "xlt" / "typology" / "scores.npz"
REFERENCES = {
    "e5": OURS,
    "bloodbank": "Malkin et al. 2022",
    "eusie": "Zubillaga et al. 2024",
    "jerbarnes": "typology_of_crosslingual (jerbarnes)",
    "langrank": "Lin et al. 2019",
    "nertransfer": "Beukman and Fokam 2023",
    "nnrank": "Ebrahimi et al. 2025",
    "sue": "Pelloni et al. 2022",
    "taxi1500": "Ma et al. 2023",
    "xnli": "langrank re-runs (Swithord)",
    "xpos": "de Vries et al. 2022",
}


def main(folders: Sequence[Path], output: Path) -> None:
    cells: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    about: dict[tuple[str, str], dict[str, Any]] = {}
    entries = [(place, entry) for place in folders for entry in _rows(place / "INDEX.csv")]
    for place, entry in entries:
        name = entry["name"]
        paths = [path for end in (".csv", ".csv.gz") if (path := place / (name + end)).is_file()]
        rows = _rows(paths[0]) if paths else []
        if not rows or not set(COLUMNS) <= set(rows[0]):
            continue  # several sources a score, or a treebank-level duplicate
        for row in rows:
            pair = (_code(row["source_iso639_3"]), _code(row["target_iso639_3"]))
            if None in pair or not row["score"]:
                continue
            key = (name, row["task"])
            table = cells.setdefault(key, defaultdict(list))
            table[pair].append(float(row["score"]))  # type: ignore[index]
            about.setdefault(key, _about(entry, row))
    _save(cells, about, output)


def _about(entry: dict[str, str], row: dict[str, str]) -> dict[str, Any]:
    return {
        "name": entry["name"],
        "task": row["task"],
        "model": row["model"],
        "metric": row["metric"],
        "percent": row["metric"] in PERCENT,
        "paper": REFERENCES[entry["name"].partition("_")[0]],
        "origin": entry["source"],
        "licence": entry["licence"],
    }


def _save(cells: dict[Any, Any], about: dict[Any, dict[str, Any]], output: Path) -> None:
    arrays: dict[str, Any] = {}
    codes = sorted({code for table in cells.values() for pair in table for code in pair})
    number = {code: n for n, code in enumerate(codes)}
    matrices: list[dict[str, Any]] = []
    for key in sorted(cells):
        table, entry = cells[key], about[key]
        highest = max(value for values in table.values() for value in values)
        factor = 100 if entry["percent"] and highest <= 1 else 1
        entry["scale"] = 0.01 if entry["percent"] else 0.001
        pairs = sorted(table)
        index = len(matrices)
        arrays[f"pairs_{index}"] = np.array(
            [[number[source], number[target]] for source, target in pairs], dtype=np.int16
        )
        arrays[f"scores_{index}"] = np.array(
            [round(factor * fmean(table[pair]) / entry["scale"]) for pair in pairs], dtype=np.int32
        )
        matrices.append(entry)
    notes = {"codes": codes, "matrices": matrices}
    text = json.dumps(notes, ensure_ascii=False, sort_keys=True).encode()
    arrays["notes"] = np.frombuffer(text, dtype=np.uint8)
    write_archive(arrays, output)
    pairs_in_all = sum(len(table) for table in cells.values())
    print(
        f"{output}: {output.stat().st_size:,} bytes, {len(cells)} matrices, {pairs_in_all:,} pairs"
    )


def _rows(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _code(text: str) -> str | None:
    """The code under which a language and its standard member are one; None for no language."""
    try:
        return languages.shared(text)
    except XltError:
        return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("matrices", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=PACKAGED)
    options = parser.parse_args()
    main(options.matrices, options.output)
