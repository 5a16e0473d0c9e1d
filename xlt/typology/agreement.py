"""Source models as evidence: how far each agrees with the others on the target's text.

Where models of several sources say the same of a text that none of them knows, they are more likely
right; one that says something else than all others is more likely wrong. After OSBORN (Vimal K. B.
et al. 2023, arXiv 2309.02429), which looks at how far the members of a set agree
(`xlt.evaluation.osborn`); here it is one more term of each source's score, and no label of the
target is needed. `scripts/experiments/cheapest_source` measures what it is worth.

Imports torch: only where models are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt import languages
from xlt.document import Document, Text
from xlt.errors import XltError
from xlt.evaluation.criteria import agreement
from xlt.typology.ranking import Ranking
from xlt.typology.text import read_target, with_term

if TYPE_CHECKING:
    from xlt.task import Task

TERM = "agreement"
WEIGHT = 1.0
"""A standard deviation of the agreement is worth so many of the ranker's scores."""
MIN_MODELS = 3
"""Of two, each agrees as much as the other."""
BATCH_TOKENS = 4096


def apply(ranking: Ranking, path: Path, given: Sequence[str]) -> tuple[Ranking, dict[str, Any]]:
    """A ranking that has heard the source models, and what that rests on, JSON-able.

    path: text of the target, one sentence a line. given: `LANGUAGE=RUN`.
    Raises XltError for fewer than `MIN_MODELS` models, for models of other tasks or languages than
    the ranking's, and as `text.read_target` and `xlt.inference.loading` do.
    """
    folders = named_models(ranking, given)
    sentences, _ = read_target(path, ranking.target)
    predicted = {}
    for code, folder in folders.items():
        task, predicted[code] = _predictions(folder, ranking, sentences)
    found = dict(zip(predicted, agreement(task, list(predicted.values())), strict=True))
    scores = np.array([source.score for source in ranking.sources])
    values = np.array(list(found.values()))
    each = WEIGHT * float(scores.std()) * (values - values.mean()) / (values.std() or 1.0)
    return with_term(ranking, TERM, dict(zip(found, each.tolist(), strict=True))), {
        "sentences": len(sentences),
        "metric": task.metrics_reported[0],
        "models": {code: str(folder) for code, folder in folders.items()},
        "agreement": {code: round(value, 2) for code, value in found.items()},
    }


def named_models(ranking: Ranking, given: Sequence[str]) -> dict[str, Path]:
    """Candidate → the folder of its model. given: `LANGUAGE=RUN`. Raises XltError as `apply`."""
    where = "--source-model"
    folders: dict[str, Path] = {}
    candidates = {source.language for source in ranking.sources}
    for text in given:
        language, separator, path = text.partition("=")
        if not separator:
            raise XltError(f"{text!r} names no language", where=where, fix="write LANGUAGE=RUN")
        try:
            code = languages.shared(language)
        except XltError as error:
            raise error.at(where) from error
        if code not in candidates:
            raise XltError(
                f"{languages.name(code)} ({code}) is not among the candidates",
                where=where,
                fix="name all candidates with --sources, or leave the model out",
            )
        if code in folders:
            raise XltError(
                f"two models of {languages.name(code)} ({code}) are given",
                where=where,
                fix=f"leave {folders[code]} or {path} out",
            )
        folders[code] = Path(path)
    if len(folders) < MIN_MODELS:
        raise XltError(
            f"models of {len(folders)} languages are given; agreement says something from "
            f"{MIN_MODELS} on",
            where=where,
            fix="repeat it: --source-model ind=RUN --source-model eng=RUN --source-model spa=RUN",
        )
    return folders


def _predictions(
    folder: Path, ranking: Ranking, sentences: Sequence[str]
) -> tuple[Task, list[Document]]:
    """What the model in a folder says of the sentences, and its task."""
    from xlt.inference.loading import find_model, make_direct_predictor

    task, backbone, predictor = make_direct_predictor(find_model(folder), batch_tokens=BATCH_TOKENS)
    records = documents(task, ranking, sentences, folder)
    return task, predictor(records, task.encode(records, backbone, None))


def documents(
    task: Task, ranking: Ranking, sentences: Sequence[str], folder: Path
) -> list[Document]:
    """The sentences as a model's task reads them. Raises XltError for another task than the
    ranking's."""
    if task.name != ranking.task:
        raise XltError(
            f"the model is one of {task.name}, and --task is {ranking.task}",
            where=folder,
            fix=f"leave it out, or pass --task {task.name}",
        )
    return [
        task.from_text(str(n), Text.from_words(line.split()), ranking.target)
        for n, line in enumerate(sentences, 1)
    ]
