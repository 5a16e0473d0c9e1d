"""`xlt predict-source --set-by osborn`: sources chosen together by what their models do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.config.load import load_config
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.classes import Class, classes
from xlt.evaluation.osborn import (
    Member,
    balanced,
    choose,
    conditional_entropy,
    disagreement,
    most_say,
    transport,
)
from xlt.inference.features import Vectors, features
from xlt.inference.loading import find_model, make_direct_predictor
from xlt.results import CONFIG
from xlt.runs.models import run_of
from xlt.runs.sources import Sources
from xlt.task import Task, make_task, predicted_layers
from xlt.training.data import sample
from xlt.transfer.stage import source_dev
from xlt.typology.agreement import BATCH_TOKENS, documents, named_models
from xlt.typology.ranking import Ranking
from xlt.typology.text import read_target

if TYPE_CHECKING:
    from xlt.inference.predictor import Predictor
    from xlt.model.backbone import Backbone

MAX_UNITS = 500
"""Words, or texts, of source and target each that are set side by side."""


@dataclass(frozen=True)
class Seen:
    """What the model of a source makes of dev data of the source and of the target's text: the
    classes and the encoder's features of each unit, a word or a text. Those of the source are what
    people have annotated."""

    source_classes: Sequence[Class]
    source: Vectors
    target_classes: Sequence[Class]
    target: Vectors


def osborn(
    ranking: Ranking, path: Path, given: Sequence[str], count: int
) -> tuple[list[str], dict[str, Any]]:
    """The set of so many sources, the best first (`xlt.evaluation.osborn`), and what it rests on,
    JSON-able.

    path: text of the target, one sentence a line. given: `LANGUAGE=RUN`.
    Raises XltError as `xlt.typology.agreement.apply`; for more sources than there are models, for a
    model that is not in the folder of a run with dev data of its sources, and for a task that puts
    nothing into classes.
    """
    folders = named_models(ranking, given)
    if count > len(folders):
        raise XltError(
            f"{count} sources are to be chosen of {len(folders)} models",
            where="--count",
            fix=f"ask for at most {len(folders)}, or name more with --source-model",
        )
    sentences, _ = read_target(path, ranking.target)
    seen = {code: _seen(folder, ranking, sentences) for code, folder in folders.items()}
    found = members(seen)
    chosen = choose(found, count)
    return chosen, {
        "sentences": len(sentences),
        "models": {code: str(folder) for code, folder in folders.items()},
        "domain": {code: round(one.domain, 4) for code, one in found.items()},
        "task": {code: round(one.task, 4) for code, one in found.items()},
        "disagreement": {
            code: {
                other: round(disagreement(one.said, found[other].said), 4)
                for other in found
                if other != code
            }
            for code, one in found.items()
        },
    }


def members(seen: dict[str, Seen]) -> dict[str, Member]:
    """The candidates of `xlt.evaluation.osborn`, of three or more: on as many units of source and
    target. The target's classes are what most of the other models say."""
    units = balanced(most_say([one.target_classes for one in seen.values()]), MAX_UNITS)
    found = {}
    for code, one in seen.items():
        others = [other.target_classes for name, other in seen.items() if name != code]
        labels = most_say(others)
        own = balanced(one.source_classes, MAX_UNITS)
        number = min(len(own), len(units))
        own, some = (_evenly(numbers, number) for numbers in (own, units))
        domain, places = transport(one.source[own], one.target[some])
        task = conditional_entropy(
            [labels[some[place]] for place in places], [one.source_classes[n] for n in own]
        )
        found[code] = Member(domain, task, [one.target_classes[n] for n in units])
    return found


def _evenly(numbers: Sequence[int], most: int) -> list[int]:
    return [numbers[int(place)] for place in np.linspace(0, len(numbers) - 1, most)]


def _seen(folder: Path, ranking: Ranking, sentences: Sequence[str]) -> Seen:
    model = find_model(folder)
    config = load_config(run_of(model, folder) / CONFIG).config
    task, backbone, predictor = make_direct_predictor(
        model,
        batch_tokens=BATCH_TOKENS,
        precision=config.training.precision,
        options=config.model,
    )
    if task.generates or not predicted_layers(task):
        raise XltError(
            f"models of {task.name} with these options write text, and put nothing into classes",
            where=folder,
            fix="choose the set by typology: `--set-by greedy` or `--set-by tower`",
        )
    text = documents(task, ranking, sentences, folder)
    sources = Sources(config, make_task(config))
    data = [sources.load(one) for one in source_dev(config)]
    dev = [one.records[number] for one in data for number in sample(len(one.records))]
    if not dev:
        raise XltError(
            "there are no dev data of its sources to compare with",
            where=folder,
            fix="name a model whose run has `dev` or `dev_share` under `data` for its source",
        )
    return Seen(*on_dev(backbone, predictor, dev), *on_text(backbone, predictor, text))


def on_dev(
    backbone: Backbone, predictor: Predictor, records: Sequence[Document]
) -> tuple[list[Class], Vectors]:
    """The gold classes and the features of labelled records' units, but for those whose class is
    not known."""
    known = _classes(predictor.task, records)
    examples = predictor.task.encode(records, backbone, None)
    vectors = np.concatenate(features(backbone, predictor, records, examples))
    labelled = [n for n, one in enumerate(known) if one is not None]
    return [one for one in known if one is not None], vectors[labelled]


def on_text(
    backbone: Backbone, predictor: Predictor, records: Sequence[Document]
) -> tuple[list[Class], Vectors]:
    """The predicted classes and the features of all units."""
    examples = predictor.task.encode(records, backbone, None)
    said = _classes(predictor.task, predictor(records, examples))
    vectors = np.concatenate(features(backbone, predictor, records, examples))
    return [one or () for one in said], vectors


def _classes(task: Task, records: Sequence[Document]) -> list[Class | None]:
    """Of each unit of some documents."""
    layers = predicted_layers(task)
    return [one for record in records for one in classes(record, layers)]
