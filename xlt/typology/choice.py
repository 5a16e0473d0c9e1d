"""The source that a config leaves open: `source: auto`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt import languages
from xlt.config.schema import LanguageData
from xlt.data.references import has_split
from xlt.errors import XltError
from xlt.typology.explain import describe
from xlt.typology.holdings import of_config
from xlt.typology.ranking import Ranking, rank
from xlt.typology.scores import measured_as


def choose_source(
    data: Mapping[str, LanguageData], targets: Sequence[str], task: str, encoder: str | None
) -> tuple[str, dict[str, Any]]:
    """The best of the languages that have training data, and why, JSON-able.

    data: language (ISO 639-3) → its data. With several targets, the source with the best mean
        score over them; "best" has the one that each would have alone.
    Raises XltError if nothing but the targets has training data.
    """
    wanted = [languages.shared(text) for text in targets]
    candidates = [
        code
        for code, given in data.items()
        if languages.shared(code) not in wanted and has_split(given, code, "train")
    ]
    if not candidates:
        raise XltError(
            "`source: auto` finds no language with training data but the target",
            where="source",
            fix="add `<language>: {train: ...}` under `data`, or name the source",
        )
    rankings = [
        rank(target, candidates, task=task, measured_as=measured_as(task), encoder=encoder)
        for target in targets
    ]
    written = {languages.shared(code): code for code in candidates}
    scores = {
        code: sum(_of(ranking, code).score for ranking in rankings) / len(rankings)
        for code in written
    }
    best = max(sorted(scores), key=lambda code: scores[code])
    return written[best], {
        "chosen": written[best],
        "best": {
            target: written[max(sorted(scores), key=lambda code: _of(ranking, code).score)]
            for target, ranking in zip(targets, rankings, strict=True)
        },
        "mean_score": {code: round(value, 4) for code, value in sorted(scores.items())},
        "data": {
            shared: None if held is None else str(held)
            for shared, code in sorted(written.items())
            for held in [of_config(code, data[code])]
        },
        "targets": {
            ranking.target: {
                "sources": [describe(source, ranking.target) for source in ranking.sources],
                "evidence": [matrix["name"] for matrix in ranking.evidence],
                "notes": list(ranking.notes),
                "own": ranking.own,
            }
            for ranking in rankings
        },
    }


def _of(ranking: Ranking, code: str) -> Any:
    return next(source for source in ranking.sources if source.language == code)
