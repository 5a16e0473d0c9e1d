"""Whether a model is right as often as it says: reliability of confidences, by kind of layer.

The expected calibration error (ECE) of Guo et al. 2017, "On Calibration of Modern Neural Networks"
(arXiv 1706.04599), equation 3: things are sorted into bins by confidence, and the differences
between a bin's mean confidence and its share of right ones are averaged, weighted by its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document import Answers, Document, Label, Layer, Spans, Structures, Tags, Tree

BINS = 10
"""Of equal width."""

REST = ".rest"
"""With what keys of `Document.confidence` end that are of no thing, but of there being no other."""

Verdicts = Mapping[str, Sequence[bool | None]]
"""Key of `Document.confidence` behind the layer's name ("" or ".parts") → of each thing, whether it
is right; None where gold does not say."""


@singledispatch
def verdicts(predicted: Layer, gold: Layer) -> Verdicts:
    """Which things of a predicted layer are right; nothing of a kind that no function knows."""
    return {}


@verdicts.register
def _tags(predicted: Tags, gold: Layer) -> Verdicts:
    assert isinstance(gold, Tags)
    pairs = zip(predicted.tags, gold.tags, strict=True)
    return {"": [None if right is None else tag == right for tag, right in pairs]}


@verdicts.register
def _spans(predicted: Spans, gold: Layer) -> Verdicts:
    assert isinstance(gold, Spans)
    return {"": [span in gold.spans for span in predicted.spans]}


@verdicts.register
def _structures(predicted: Structures, gold: Layer) -> Verdicts:
    """A part is right with its role, in a structure whose kind is right."""
    assert isinstance(gold, Structures)
    heads = {one.head for one in gold.structures}
    parts = {(one.head.kind, part) for one in gold.structures for part in one.parts}
    return {
        "": [one.head in heads for one in predicted.structures],
        ".parts": [
            (one.head.kind, part) in parts for one in predicted.structures for part in one.parts
        ],
    }


@verdicts.register
def _tree(predicted: Tree, gold: Layer) -> Verdicts:
    """An arc is right with its head and its relation, whose subtype does not count."""
    assert isinstance(gold, Tree)
    return {
        "": [
            None if right < 0 else head == right and _plain(name) == _plain(wanted)
            for head, name, right, wanted in zip(
                predicted.heads, predicted.relations, gold.heads, gold.relations, strict=True
            )
        ]
    }


@verdicts.register
def _label(predicted: Label, gold: Layer) -> Verdicts:
    assert isinstance(gold, Label)
    return {"": [None if gold.label is None else predicted.label == gold.label]}


@verdicts.register
def _answers(predicted: Answers, gold: Layer) -> Verdicts:
    assert isinstance(gold, Answers)
    return {"": [offsets in gold.offsets for offsets in predicted.offsets]}


def _plain(relation: str) -> str:
    return relation.partition(":")[0]


def things(confidence: Mapping[str, Iterable[float]]) -> list[float]:
    """How sure a model is of each thing that it predicts in a document (`Document.confidence`); not
    of there being nothing else."""
    return [one for key, sure in confidence.items() if not key.endswith(REST) for one in sure]


Judged = dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]
"""Key of `Document.confidence` → of each thing, its confidence and whether it is right."""


def judged(pairs: Iterable[tuple[Document, Document]]) -> Judged:
    """What predictions with confidence are worth.

    pairs: gold and predicted documents.
    """
    found: dict[str, list[tuple[float, bool]]] = {}
    for gold, predicted in pairs:
        for name in dict.fromkeys(key.partition(".")[0] for key in predicted.confidence):
            for suffix, right in verdicts(predicted.layers[name], gold.layers[name]).items():
                key = name + suffix
                both = zip(predicted.confidence.get(key, ()), right, strict=True)
                found.setdefault(key, []).extend((c, ok) for c, ok in both if ok is not None)
    return {
        key: (np.array([c for c, _ in things]), np.array([ok for _, ok in things], bool))
        for key, things in found.items()
    }


def joined(parts: Iterable[Judged]) -> Judged:
    """One of several."""
    collected: dict[str, list[tuple[NDArray[np.float64], NDArray[np.bool_]]]] = {}
    for part in parts:
        for key, both in part.items():
            collected.setdefault(key, []).append(both)
    return {
        key: (np.concatenate([c for c, _ in some]), np.concatenate([ok for _, ok in some]))
        for key, some in collected.items()
    }


def reliability(things: Judged) -> dict[str, dict[str, Any]]:
    """Of every key: how many things there are, mean confidence, share of right ones, the expected
    calibration error, and the bins that it is of; shares in percent. JSON-able."""
    report = {}
    for key, (confidence, right) in things.items():
        size = len(confidence)
        if not size:
            continue
        bin_of = np.minimum((confidence * BINS).astype(int), BINS - 1)
        bins = []
        for number in range(BINS):
            there = bin_of == number
            if there.any():
                bins.append(
                    {
                        "from": number / BINS,
                        "things": int(there.sum()),
                        "confidence": 100 * float(confidence[there].mean()),
                        "right": 100 * float(right[there].mean()),
                    }
                )
        report[key] = {
            "things": size,
            "confidence": 100 * float(confidence.mean()),
            "right": 100 * float(right.mean()),
            "ece": sum(
                one["things"] / size * abs(one["confidence"] - one["right"]) for one in bins
            ),
            "bins": bins,
        }
    return report
