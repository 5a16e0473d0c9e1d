"""From scores to events: valid IOB2 tags, and only sets of roles that the event's type takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document, Span, Spans, Structures
from xlt.model.bio import decode_bio
from xlt.model.marginals import rest_marginals, span_marginals
from xlt.task import Labels

from .inventory import Frames, tagged_spans
from .records import place_of

_NEVER = -1e5  # above decode_bio's own floor, below any log-probability

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


def decode_spans(scores: Scores, mask: Mask, tags: Sequence[str]) -> list[list[Span]]:
    """Return the best valid spans of every sentence.

    scores: log-probabilities (sentences, words, tags); mask: which words there are.
    """
    return [tagged_spans(ids, tags) for ids in decode_bio(scores, mask, tags)]


def decode_roles(
    scores: Scores, mask: Mask, types: Sequence[str], tags: Sequence[str], frames: Frames | None
) -> list[list[Span]]:
    """Return the arguments of every event, whose kinds are their roles.

    scores: log-probabilities (events, words, tags); types: the events'.
    frames: if given, roles that an event's type does not take are ruled out, and of a role that
        it takes once, only the span that gains most over leaving it untagged is kept; its other
        words are decoded again without the role. (Greedy: the exact best set of spans would be a
        search over all subsets of roles.)
    """
    if frames is None or not len(scores):
        return decode_spans(scores, mask, tags)
    allowed = np.stack([frames.allowed.get(kind, frames.any) for kind in types])
    scores = np.where(allowed[:, None], scores, np.float32(_NEVER))
    arguments = decode_spans(scores, mask, tags)
    open_ = list(range(len(types)))
    while open_:
        again = [
            i
            for i in open_
            if _keep_best(scores[i], arguments[i], frames.once.get(types[i], frozenset()), tags)
        ]
        for i, spans in zip(again, decode_spans(scores[again], mask[again], tags), strict=True):
            arguments[i] = spans
        open_ = again
    return arguments


def _keep_best(
    scores: Scores,
    spans: Sequence[Span],
    once: frozenset[str],
    tags: Sequence[str],
) -> bool:
    """Rule out, in `scores`, all but the best span of each role that came too often."""
    counts = Counter(span.kind for span in spans if span.kind in once)
    repeated = [role for role, count in counts.items() if count > 1]
    for role in repeated:
        begin, inside = (tags.index(f"{prefix}-{role}") for prefix in "BI")

        def gain(span: Span, begin: int = begin, inside: int = inside) -> float:
            _, start, end = span
            tagged = scores[start, begin] + scores[start + 1 : end, inside].sum()
            return float(tagged - scores[start:end, 0].sum())

        _, start, end = max((span for span in spans if span.kind == role), key=gain)
        outside = np.ones(len(scores), bool)
        outside[start:end] = False
        for tag in (begin, inside):
            scores[outside, tag] = _NEVER
    return bool(repeated)


def confidence(
    predicted: Sequence[Document],
    scores: Mapping[str, NDArray[Any]],
    mask: Mask,
    labels: Labels,
    temperatures: Mapping[str, float],
) -> list[Mapping[str, Sequence[float]]]:
    """Return `Document.confidence` of each document: of its entities, of its events' triggers and,
    times that of the trigger, of their arguments; and that there is no other entity or trigger.

    scores: the model's outputs, as `model.Extractor.forward` names them; mask: which words there
        are. Of levels of entities, the one that is surest counts.
    """
    entities = [document.layer(Spans, "entities").spans for document in predicted]
    events = [document.layer(Structures, "events").structures for document in predicted]
    cooled = temperatures.get("entities", 1.0)
    of_levels = [
        span_marginals(level, mask, labels["entity"], entities, cooled)
        for level in scores["entity"]
    ]
    no_entity = np.prod(
        [
            rest_marginals(level, mask, labels["entity"], entities, cooled)
            for level in scores["entity"]
        ],
        axis=0,
    )
    heads = [[event.head for event in of_one] for of_one in events]
    found = scores["trigger"], mask, labels["trigger"], heads, temperatures.get("events", 1.0)
    triggers, no_trigger = span_marginals(*found), rest_marginals(*found)
    row_of = {tuple(place): row for row, place in enumerate(scores["events"].tolist())}
    every = [(n, k, event) for n, of_one in enumerate(events) for k, event in enumerate(of_one)]
    scored = [one for one in every if one[2].parts]
    rows = [row_of[n, *place_of(event.head)] for n, _, event in scored]
    arguments = span_marginals(
        scores["role"][rows],
        mask[[n for n, *_ in scored]],
        labels["role"],
        [event.parts for *_, event in scored],
        temperatures.get("events.parts", 1.0),
    )
    parts: list[list[float]] = [[] for _ in predicted]
    for (n, k, _), chances in zip(scored, arguments, strict=True):
        parts[n] += (triggers[n][k] * chances).tolist()
    return [
        {
            "entities": np.max([level[n] for level in of_levels], axis=0).tolist(),
            "events": triggers[n].tolist(),
            "events.parts": parts[n],
            "entities.rest": [float(no_entity[n])],
            "events.rest": [float(no_trigger[n])],
        }
        for n in range(len(predicted))
    ]
