"""The source that a config leaves open: `source: auto`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt import languages
from xlt.errors import XltError, choose
from xlt.registry import tasks
from xlt.typology.explain import describe
from xlt.typology.ranking import Ranking, rank
from xlt.typology.scores import measured_tasks

AUTO = "auto"


def measured_as(task: str) -> tuple[str, ...]:
    """What the packaged matrices call a task: a plugin says so, or it is one of their names.

    Raises XltError for a task that is neither a plugin nor measured.
    """
    known = measured_tasks()
    if task in known:
        return (task,)
    if task in tasks.names():
        return tuple(name for name in tasks.get(task).measured_as if name in known)
    raise XltError(f"there is no task called {task!r}", fix=choose(task, {*tasks.names(), *known}))


def choose_source(
    data: Mapping[str, Any], targets: Sequence[str], task: str, encoder: str | None
) -> tuple[str, dict[str, Any]]:
    """The best of the languages that have training data, and why, JSON-able.

    data: language → the languages' data as a config writes them. With several targets, the source
        with the best mean score over them.
    Raises XltError if nothing but the targets has training data.
    """
    from xlt.typology.holdings import of_config

    wanted = [languages.shared(text) for text in targets]
    candidates = [text for text, given in data.items() if _has_train(text, given)]
    candidates = [text for text in candidates if languages.shared(text) not in wanted]
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
    written = {languages.shared(text): text for text in candidates}
    scores = {
        code: sum(_of(ranking, code).score for ranking in rankings) / len(rankings)
        for code in written
    }
    best = max(sorted(scores), key=lambda code: scores[code])
    return languages.code(written[best]), {
        "chosen": languages.code(written[best]),
        "mean_score": {code: round(value, 4) for code, value in sorted(scores.items())},
        "data": {
            code: None if held is None else str(held)
            for code, text in sorted(written.items())
            for held in [of_config(text, data[text])]
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


def _has_train(language: str, given: Any) -> bool:
    if isinstance(given, Mapping):
        if given.get("train"):
            return True
        given = None if given.get("dev") or given.get("test") else given.get("all")
    if not isinstance(given, str):
        return False
    from xlt.data import cards

    name, *rest = given.split(":")
    card = cards.get(name, where=f"data.{language}")
    return "train" in card.languages[card.language(rest[0] if rest else language)]
