"""English lines and their translations, for events that are predicted and then projected.

    python -m scripts.experiments.parallel_events runs/propbank/parallel

Writes eng-{target}.jsonl (English sentences, split at spaces; the same for all languages of a
source), eng-{target}.eng.txt and eng-{target}.{target}.txt (one sentence a line): hypotheses of
MultiNLI in machine translation where there is one, else NTREX.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from xlt.config.schema import Reference
from xlt.data.references import resolve
from xlt.data.segment import text_words

MULTINLI = ("spa", "fra", "deu", "fin", "zho", "hun")
NTREX = ("ita", "ind")
WHOLE = ("fin", "hun")
"""Languages whose words are not split in MultiNLI's `hypo`, as they are in the others."""
MAX_LINES = 1500


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for target in (*MULTINLI, *NTREX):
        pairs = [
            (one, other)
            for one, other in zip(_lines("eng", target), _lines(target, target), strict=True)
            if 3 <= len(one) <= 40 and other
        ][:MAX_LINES]
        rows = [{"id": str(n), "words": words} for n, (words, _) in enumerate(pairs, 1)]
        name = f"eng-{target}"
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        for side, language in enumerate(("eng", target)):
            lines = "".join(" ".join(pair[side]) + "\n" for pair in pairs)
            (folder / f"{name}.{language}.txt").write_text(lines, encoding="utf-8")


def _lines(language: str, target: str) -> list[list[str]]:
    if target in MULTINLI:
        reference = f"multinli-mt:{language}:train"
        (path,) = resolve(Reference(ref=reference), language, "train").files
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            texts = [row["hypo"] for row in rows]
        return [text_words(t, language) if language in WHOLE else t.split() for t in texts]
    (path,) = resolve(Reference(ref=f"ntrex:{language}:test"), language, "test").files
    return [
        text_words(line, language) for line in path.read_text(encoding="utf-8").split("\n")[:-1]
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
