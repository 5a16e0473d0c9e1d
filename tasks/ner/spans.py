"""Entity spans from IOB2 tags, with the strict semantics of seqeval, and their F1.

A span opens at B-X and takes every I-X right after it. An I-X that continues nothing belongs to
no span: in seqeval that is ``mode="strict", scheme=IOB2``, which the golden tests compare.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document import Span
from xlt.errors import XltError
from xlt.projection.pair import AlignedPair

Counts = NDArray[np.float64]

COUNT_NAMES = ("correct", "predicted", "gold")
"""Columns of `span_counts`: predicted spans with the right type and both ends, all predicted
spans, all gold spans."""


def spans(tags: Sequence[str], *, where: object = None) -> list[Span]:
    """Return the spans of one sentence, from left to right.

    A tag without a type (``B``) has the type ``_``, as in seqeval.
    Raises XltError for a tag that does not begin with O, B or I.
    """
    entities: list[Span] = []
    open_type: str | None = None
    start = 0
    for index, tag in enumerate(tags):
        prefix = tag[:1]
        if prefix == "O":
            type_ = None
        elif prefix in ("B", "I"):
            type_ = tag[1:].strip("-") or "_"
            if prefix == "I" and type_ == open_type:
                continue
        else:
            raise XltError(
                f"{tag!r} is not an IOB2 tag (word {index + 1})",
                where=where,
                fix="write O, B-TYPE or I-TYPE",
            )
        if open_type is not None:
            entities.append(Span(open_type, start, index))
        open_type = type_ if prefix == "B" else None
        start = index
    if open_type is not None:
        entities.append(Span(open_type, start, len(tags)))
    return entities


def iob2(entities: Iterable[Span], n_words: int) -> list[str]:
    """Return the tags of a sentence with these entities, no two of which share a word."""
    tags = ["O"] * n_words
    for kind, start, end in entities:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def check_iob2(tags: Sequence[str], *, where: object = None) -> None:
    """Raise XltError for a tag that is not O, B-TYPE, or an I-TYPE that continues its entity."""
    previous = "O"
    for number, tag in enumerate(tags, 1):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not kind):
            raise XltError(
                f"{tag!r} is not an IOB2 tag (word {number})",
                where=where,
                fix="write O, B-TYPE or I-TYPE",
            )
        if prefix == "I" and previous[2:] != kind:
            raise XltError(
                f"{tag} after {previous} continues no entity (word {number})",
                where=where,
                fix=f"write B-{kind}",
            )
        previous = tag


def span_counts(gold: Sequence[str], predicted: Sequence[str]) -> Counts:
    """Count the spans of one sentence from its tags, shape (3,) as in `COUNT_NAMES`.

    Raises ValueError if the two have different numbers of words.
    """
    right, system = _both(gold, predicted)
    return np.array([len(right & system), len(system), len(right)], np.float64)


def span_counts_by_type(
    pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
) -> dict[str, Counts]:
    """Sum the counts of (gold tags, predicted tags) pairs for every type in either, sorted."""
    total: defaultdict[str, Counts] = defaultdict(lambda: np.zeros(3))
    for gold, predicted in pairs:
        right, system = _both(gold, predicted)
        for column, counted in enumerate((right & system, system, right)):
            for span in counted:
                total[span.kind][column] += 1
    return dict(sorted(total.items()))


def span_metrics(counts: NDArray[Any]) -> dict[str, Counts]:
    """Compute F1, precision and recall, in percent, of counts (..., 3); 0 where undefined."""
    correct, predicted, gold = (counts[..., column] for column in range(3))
    return {
        "f1": _percent(2 * correct, predicted + gold),
        "precision": _percent(correct, predicted),
        "recall": _percent(correct, gold),
    }


def project_tag_scores(
    scores: NDArray[np.float32], pair: AlignedPair, kept: Sequence[Span], tags: Sequence[str]
) -> NDArray[np.float32]:
    """Project log-probabilities of IOB2 tags, (sources or more, tags), to the target's words.

    kept: spans of the target. In one of them the first word begins its type and the others go on;
        words without links have the mean of its words. Elsewhere every entity begins.
    """
    from xlt.projection.words import log_probabilities

    shares = pair.shares()
    mass = shares @ np.exp(scores[: shares.shape[1]].astype(np.float64))
    for span in kept:
        inside = mass[span.start : span.end]
        linked = inside.sum(1) > 0
        if linked.any():
            inside[~linked] = inside[linked].mean(0)
    begin = {tag[2:]: n for n, tag in enumerate(tags) if tag.startswith("B-")}
    for kind, goes_on in ((tag[2:], n) for n, tag in enumerate(tags) if tag.startswith("I-")):
        both = mass[:, begin[kind]] + mass[:, goes_on]
        later = np.zeros(len(mass), bool)
        for span in kept:
            if span.kind == kind:
                later[span.start + 1 : span.end] = True
        mass[:, begin[kind]], mass[:, goes_on] = np.where(later, 0, both), np.where(later, both, 0)
    return log_probabilities(mass)


def _both(gold: Sequence[str], predicted: Sequence[str]) -> tuple[set[Span], set[Span]]:
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold tags but {len(predicted)} predicted tags")
    return set(spans(gold)), set(spans(predicted))


def _percent(part: NDArray[Any], whole: NDArray[Any]) -> Counts:
    return 100.0 * part / np.where(whole > 0, whole, 1)
