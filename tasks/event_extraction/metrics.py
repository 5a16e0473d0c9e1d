"""F1 of entities, triggers and arguments, as the set-based definitions of TextEE and ACE have it.

An item is counted once a sentence, however often it was annotated:

======================  ============================================================
entity                  first and last word, entity type
trigger_i               first and last word
trigger_c               … and event type
argument_i              event type, first and last word of the argument
argument_c              … and role
argument_i_plus         trigger, event type, first and last word of the argument
argument_c_plus         … and role
given_argument_i, _c    the same as the last two, where gold triggers were given
======================  ============================================================

(Huang et al. 2024, arXiv 2311.09562, section 2; AI and AC were defined by Li et al. 2013. The
last two lines are what the Basque paper calls arguments.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document, Spans, Structure, Structures

ITEMS = (
    "entity", "trigger_i", "trigger_c", "argument_i", "argument_c", "argument_i_plus",
    "argument_c_plus", "given_argument_i", "given_argument_c",
)  # fmt: skip
GIVEN = ("given_argument_i", "given_argument_c")
METRICS = ("f1", *(f"{item}_f1" for item in ITEMS))
COUNT_NAMES = tuple(f"{item}_{what}" for item in ITEMS for what in ("right", "predicted", "gold"))


def items(document: Document) -> dict[str, set[tuple[Any, ...]]]:
    """Return what is counted of a document, by the names of `ITEMS`."""
    events = document.layer(Structures, "events").structures
    attached = _arguments(events)
    given = _arguments(document.layer(Structures, "given").structures)
    return {
        "entity": set(document.layer(Spans, "entities").spans),
        "trigger_i": {(head.start, head.end) for head, _ in events},
        "trigger_c": {head for head, _ in events},
        "argument_i": {a[2:-1] for a in attached},
        "argument_c": {a[2:] for a in attached},
        "argument_i_plus": {a[:-1] for a in attached},
        "argument_c_plus": attached,
        "given_argument_i": {a[:-1] for a in given},
        "given_argument_c": given,
    }


def _arguments(events: Iterable[Structure]) -> set[tuple[Any, ...]]:
    """(trigger's start, end, event type, argument's start, end, role)"""
    return {
        (head.start, head.end, head.kind, part.start, part.end, part.kind)
        for head, parts in events
        for part in parts
    }


def event_counts(gold: Document, predicted: Document) -> NDArray[np.float64]:
    """Count right, predicted and gold items of one document, as `COUNT_NAMES` says; they add up."""
    right, system = items(gold), items(predicted)
    counts = [
        (len(right[item] & system[item]), len(system[item]), len(right[item])) for item in ITEMS
    ]
    return np.array(counts, np.float64).reshape(-1)


def event_metrics(
    counts: NDArray[np.float64], parts: Collection[str]
) -> dict[str, NDArray[np.float64]]:
    """Compute F1 in percent, 0 where undefined, from counts of shape (..., len(COUNT_NAMES)).

    The first, `f1`, is micro F1 over all that is learnt: entities and triggers with their types,
    arguments with trigger and role (given gold triggers, where triggers are not learnt).
    """
    triples = counts.reshape(*counts.shape[:-1], len(ITEMS), 3)
    learnt = {
        "entity": "entities" in parts,
        "trigger_c": "triggers" in parts,
        "argument_c_plus": {"triggers", "arguments"} <= set(parts),
        "given_argument_c": "arguments" in parts and "triggers" not in parts,
    }
    chosen = [i for i, item in enumerate(ITEMS) if learnt.get(item)]
    scores = {"f1": _f1(triples[..., chosen, :].sum(-2))}
    return scores | {f"{item}_f1": _f1(triples[..., i, :]) for i, item in enumerate(ITEMS)}


def _f1(triple: NDArray[np.float64]) -> NDArray[np.float64]:
    right, both = triple[..., 0], triple[..., 1] + triple[..., 2]
    return 200.0 * right / np.where(both > 0, both, 1)
