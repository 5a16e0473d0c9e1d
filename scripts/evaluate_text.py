"""Does unlabelled text of the target make the ranking of sources better?

    XLT_DATA=… python -m scripts.evaluate_text [--encoder xlt-mini] [--sentences 25]

Text comes from the Universal Dependencies cards whose files are in XLT_DATA (parallel PUD treebanks
only where a language has nothing else): 100 sentences of each candidate, and others of the target.
The matrices of part-of-speech tagging, parsing and named entities are ranked as in
`evaluate_ranker`, one language and its paper left out at a time, candidates with text only, targets
with at least 8 of them; then with the text as a further term. The scores were measured with other
encoders (mBERT, XLM-R, a biaffine parser) than the one that is asked, which is not NN-Rank's own
setting.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from scripts.evaluate_ranker.report import difference, judge
from scripts.evaluate_ranker.world import Row, Values, World, leave_one_out, world
from xlt import languages
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.references import locate, resolve
from xlt.data.store import read_documents
from xlt.registry import data_cards
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.typology import text
from xlt.typology.features import features
from xlt.typology.neighbours import Encoder

TASKS = ("pos", "dep", "ner")
MIN_SOURCES = 8
"""Candidates that have text, or a ranking of them tells little."""


class Remembering(Encoder):
    """Puts the same sentences through the encoder once."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._known: dict[int, object] = {}

    def vectors(self, sentences: Sequence[str]):  # type: ignore[no-untyped-def]
        key = hash(tuple(sentences))
        if key not in self._known:
            self._known[key] = super().vectors(sentences)
        return self._known[key]


def gather(sentences: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Language → sentences as a candidate, and other sentences as a target."""
    pools: dict[str, dict[bool, list[str]]] = defaultdict(lambda: {False: [], True: []})
    parsing = DependencyParsing()
    for name in data_cards():
        card = cards.get(name)
        if card.task != parsing.name or not name.startswith("ud-"):
            continue
        for language, split, content in card.splits():
            if all(locate(card, file) is not None for file in content.files):
                resolved = resolve(Reference(ref=f"{name}:{language}:{split}"), language, split)
                documents = islice(read_documents(parsing, resolved), text.MAX_RECORDS)
                lines = [text.normalise(document.text.surface) for document in documents]
                pools[languages.shared(language)][name.endswith("-pud")] += lines
    sources, targets = {}, {}
    enough = text.MAX_SOURCE_SENTENCES + sentences
    for code, pool in sorted(pools.items()):
        own = pool[False] if len(pool[False]) >= enough else pool[False] + pool[True]
        lines = [line for line in dict.fromkeys(own) if line]
        order = np.random.default_rng(0).permutation(len(lines))
        targets[code] = [lines[n] for n in order[:sentences]]
        sources[code] = [lines[n] for n in order[sentences:enough]]
    return {code: lines for code, lines in sources.items() if len(lines) > 30}, targets


def rows_with_text(
    over: World, sources: dict[str, list[str]], targets: dict[str, list[str]]
) -> list[Row]:
    rows = []
    for row in leave_one_out(over):
        keep = [n for n, code in enumerate(row.candidates) if code in sources]
        if row.matrix.task in TASKS and row.target in targets and len(keep) >= MIN_SOURCES:
            rows.append(
                replace(
                    row,
                    candidates=tuple(row.candidates[n] for n in keep),
                    **{
                        name: getattr(row, name)[keep]
                        for name in ("scores", "predicted", "expected")
                    },
                )
            )
    return rows


def without_tables(over: World, row: Row) -> Values:
    """What the ranker says of a task that nobody has measured."""
    given = features(over.between(row.candidates, [row.target]))[:, 0]
    score: Values = given @ over.weights(row.target, row.paper)
    return np.asarray(score - score.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--encoder", default="xlt-mini")
    parser.add_argument("--sentences", type=int, default=25)
    asked = parser.parse_args()
    sources, targets = gather(asked.sentences)
    over = world()
    rows = rows_with_text(over, sources, targets)
    model = Remembering(asked.encoder)
    measures: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for held in sorted({row.target for row in rows}):
        others = {code: lines for code, lines in sources.items() if code != held}
        own = targets[held]
        measures["letters"][held] = text.overlap(own, others, text.trigrams)
        measures["pieces"][held] = text.overlap(own, others, model.subwords)
        measures["neighbours"][held] = model.neighbours(own, others)

    def value(row: Row, *names: str) -> Values:
        standard = []
        for name in names:
            shares = measures[name][row.target]
            standardised = text._standardised({code: shares[code] for code in row.candidates})
            standard.append([standardised[code] for code in row.candidates])
        mean: Values = np.mean(standard, 0)
        return mean

    plain = {
        "ranker": [row.predicted for row in rows],
        "no table of the task": [without_tables(over, row) for row in rows],
    }
    ways = {
        "letters": ("letters",),
        "pieces": ("pieces",),
        "neighbours": ("neighbours",),
        "subwords and neighbours": ("pieces", "neighbours"),
    }
    count = len({row.target for row in rows})
    print(f"{len(rows)} targets of matrices, {count} languages, {len(sources)} with text")
    for base, predicted in plain.items():
        before = np.array([judge(p, row) for p, row in zip(predicted, rows, strict=True)])
        _show(base, before, rows)
        for name, used in ways.items():
            after = []
            for row, given in zip(rows, predicted, strict=True):
                scale = text.WEIGHT_UNMEASURED * given.std()
                weight = text.WEIGHT if base == "ranker" else scale
                after.append(judge(given + weight * value(row, *used), row))
            _show(f"  with {name}", np.array(after), rows, before)
    for name, used in ways.items():
        alone = [judge(value(row, *used), row) for row in rows]
        _show(f"{name} alone", np.array(alone), rows)


def _show(name: str, judged: Values, rows: list[Row], before: Values | None = None) -> None:
    cells = []
    for tasks in (TASKS, *((task,) for task in TASKS)):
        some = [n for n, row in enumerate(rows) if row.matrix.task in tasks]
        cells.append(f"{judged[some, 0].mean():.1f} {judged[some, 1].mean():.2f}")
    held = [row.target for row in rows]
    apart = "" if before is None else " | ".join(
        difference(judged[:, n], before[:, n], held) for n in (0, 1)
    )  # fmt: skip
    print(f"{name}: NDCG@3 and regret@1, all | pos | dep | ner: {' | '.join(cells)} {apart}")


if __name__ == "__main__":
    main()
