"""Entities and events on a translation: an event whole, or lost with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xlt.projection.pair import AlignedPair, Outcome, Projection, Span
from xlt.projection.spans import Structure, project_spans, project_structures, whole_loss
from xlt.task import Record

from .records import arranged, in_order

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings

Event = Mapping[str, Any]


def project_record(
    record: Record, pair: AlignedPair, settings: ProjectionSettings, *, heads: bool = False
) -> Projection:
    """The record on the pair's target.

    An event that lost its trigger or an argument is lost; where its trigger stands is then noted
    in `unknown`, so that nobody learns that there is none.

    heads: spans are head words, and stay so: each goes to the word that it is linked to best.
    """
    if heads:
        pair = _best_links(pair)
    mentions = [Span(e["type"], e["start"], e["end"]) for e in record["entities"]]
    entities = project_spans(mentions, pair, settings, exclusive=False)
    of_events = _project_events(record["events"], pair, settings)
    outcomes = (*entities, *(outcome for event in of_events for outcome in event))
    if whole_loss(pair, settings):
        return Projection(None, outcomes)
    events = _kept(record["events"], of_events)
    lost = [
        _structure(event).head
        for event, found in zip(record["events"], of_events, strict=True)
        if found[0].reason
    ]
    doubtful = [Span("unknown", u["start"], u["end"]) for u in record["unknown"]]
    places = project_spans([*lost, *doubtful], pair, settings, exclusive=False)
    given = events
    if record["given"] != record["events"]:  # a prediction that goes back to the original text
        given = _kept(record["given"], _project_events(record["given"], pair, settings))
    projected = {
        "id": record["id"],
        "words": list(pair.target),
        "entities": in_order(
            [{**_place(o), "type": o.kind} for o in entities if o.target], "type"
        ),
        "events": events,
        "given": given,
        "unknown": in_order([_place(o) for o in places if o.target]),
    }  # fmt: skip
    return Projection(projected, outcomes)


def _best_links(pair: AlignedPair) -> AlignedPair:
    """The pair with the best link alone of every source word; the first of equals."""
    best = {i: max(found, key=lambda j: (found[j], -j)) for i, found in pair.by_source.items()}
    return replace(pair, links={(i, j): pair.links[i, j] for i, j in best.items()})


def _structure(event: Event) -> Structure:
    trigger = event["trigger"]
    return Structure(
        Span(event["type"], trigger["start"], trigger["end"]),
        [Span(a["role"], a["start"], a["end"]) for a in event["arguments"]],
    )


def _project_events(
    events: Sequence[Event], pair: AlignedPair, settings: ProjectionSettings
) -> list[list[Outcome]]:
    return project_structures([_structure(event) for event in events], pair, settings)


def _kept(events: Sequence[Event], outcomes: Sequence[Sequence[Outcome]]) -> list[dict[str, Any]]:
    return arranged(
        {
            "trigger": _place(head),
            "type": event["type"],
            "arguments": [{**_place(part), "role": part.kind} for part in parts],
        }
        for event, (head, *parts) in zip(events, outcomes, strict=True)
        if head.target
    )


def _place(outcome: Outcome) -> dict[str, int]:
    assert outcome.target is not None
    return {"start": outcome.target[0], "end": outcome.target[1]}
