"""The reasons for a ranking in words: distances of every kind, and the features that differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlt.typology.distances import KINDS, distance, reason
from xlt.typology.pretraining import of_encoder
from xlt.typology.ranking import Ranking, Source
from xlt.typology.table import UNKNOWN, table

CHAPTERS = (
    *("81A", "83A", "85A", "86A", "87A", "88A", "89A", "90A"),  # word order
    *("20A", "22A", "26A", "29A", "49A", "50A", "51A", "98A", "102A"),  # morphology, alignment
    *("30A", "33A", "37A", "57A", "59A", "69A", "101A", "112A", "116A"),
)
"""The chapters of WALS that readers ask for, in this order."""


def as_dict(ranking: Ranking, top: int | None = None) -> dict[str, Any]:
    """All of a ranking, JSON-able; the first `top` sources with their differences."""
    shown = ranking.sources[:top]
    return {
        "target": ranking.target,
        "name": table().name(ranking.target),
        "task": ranking.task,
        "sources": [describe(source, ranking.target) for source in shown],
        "references": {
            label: describe(source, ranking.target) for label, source in ranking.references.items()
        },
        "candidates": len(ranking.sources),
        "evidence": list(ranking.evidence),
        "notes": list(ranking.notes),
        "own": ranking.own,
    }


def add_pretraining(result: dict[str, Any], encoder: str | None) -> None:
    """Add what the encoder has read of the target and of every source, where that is known.

    result: of `as_dict`. Raises XltError for an encoder in the package that is damaged.
    """
    if encoder is None:
        return
    known = of_encoder(encoder)
    if known is None:
        result["notes"].append(f"what {encoder} has read in pretraining is not known here")
        return
    result["pretraining"] = {
        "encoder": known.name,
        "source": known.source,
        "target": known.says(result["target"]),
    }
    for source in (*result["sources"], *result["references"].values()):
        source["pretraining"] = known.says(source["language"])
    if result["target"] not in known.languages:
        result["notes"].append(
            f"{known.name} has never read {result['name']}: what is expected is from languages "
            "with as much text, and target text or labels are worth more than usual"
        )


def describe(source: Source, target: str) -> dict[str, Any]:
    """A source, JSON-able, with its distances (None and a reason where unknown).

    `recorded`: domain → shares of URIEL's features that are recorded of the source and the target.
    """
    values = {kind: distance(kind, source.language, target) for kind in KINDS}
    unknown = {kind: reason(kind, source.language, target) for kind, v in values.items() if v != v}
    return {
        "rank": source.rank or None,
        "language": source.language,
        "name": source.name,
        "score": round(source.score, 4),
        "expected": _round(source.expected),
        "interval": None if source.low is None else [_round(source.low), _round(source.high)],
        "measured": _round(source.measured),
        "own": source.own,
        "terms": {name: round(value, 4) for name, value in source.terms.items()},
        "distances": {kind: None if v != v else round(v, 4) for kind, v in values.items()},
        "unknown": unknown,
        "imputed": list(source.imputed),
        "recorded": {
            domain: [round(table().coverage(code, domain), 2) for code in (source.language, target)]
            for domain in ("syntax", "phonology", "inventory")
        },
        "confidence": source.confidence,
        "compared": compared(source.language, target),
        "differences": differences(source.language, target),
    }


def differences(source: str, target: str) -> list[dict[str, str]]:
    """Features of WALS that are recorded of both and differ, and the scripts if they do."""
    known = table()
    names, labels = known.notes["wals"], known.notes["wals_values"]
    place = {name.partition(" ")[0]: n for n, name in enumerate(names)}
    one, other = known.take("wals", known.rows([source, target])).astype(int)
    differing = [
        {
            "feature": f"WALS {names[n]}",
            "source": labels[names[n]][str(one[n])],
            "target": labels[names[n]][str(other[n])],
        }
        for n in (place[chapter] for chapter in CHAPTERS)
        if UNKNOWN not in (one[n], other[n]) and one[n] != other[n]
    ]
    scripts = known.script(source), known.script(target)
    if None not in scripts and distance("script", source, target) > 0:
        differing.append(
            {"feature": "script", "source": str(scripts[0]), "target": str(scripts[1])}
        )
    return differing


def compared(source: str, target: str) -> int:
    """How many of the features that `differences` looks at are recorded of both."""
    known = table()
    place = {name.partition(" ")[0]: n for n, name in enumerate(known.notes["wals"])}
    both = known.take("wals", known.rows([source, target]))
    columns = [place[chapter] for chapter in CHAPTERS]
    return int(np.all(both[:, columns] != UNKNOWN, axis=0).sum())


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
