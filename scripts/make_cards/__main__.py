"""Write data_cards/*.yaml from the tables of the shared data folder.

    python -m scripts.make_cards TABLES DATA [OUT]

TABLES holds MANIFEST.tsv and UPSTREAM.tsv, DATA the unpacked data sets, OUT is data_cards/.
Deterministic: the same tables give the same cards.
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

from xlt.data import cards
from xlt.yaml.write import to_yaml

from . import annotated, pairs, texts, treebanks
from .tables import Tables


def main(tables: str, data: str, out: str | None = None) -> None:
    folder = Path(out) if out else Path(__file__).resolve().parents[2] / "data_cards"
    folder.mkdir(exist_ok=True)
    source = Tables(Path(tables), Path(data))
    builders = (
        treebanks.cards,
        annotated.entities,
        annotated.events,
        texts.inference,
        texts.questions,
        pairs.parallel,
        pairs.alignments,
    )
    count = 0
    for card in chain.from_iterable(build(source) for build in builders):
        path = folder / f"{card['identifier']}.yaml"
        path.write_text(to_yaml(card), encoding="utf-8")
        cards.load(path)
        count += 1
    print(f"{count} cards in {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
