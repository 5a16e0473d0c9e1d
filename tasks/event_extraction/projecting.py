"""Entities and events on a translation: an event whole, or lost with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from xlt.document import Document, Span, Spans, Structure, Structures, in_order
from xlt.projection.layers import kept_spans
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.spans import project_spans, project_structures, whole_loss

from .records import UNKNOWN, arranged

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings


def project_events(
    document: Document, pair: AlignedPair, settings: ProjectionSettings, *, heads: bool = False
) -> Projection:
    """Project entities and events on the pair's target.

    An event that lost its trigger or an argument is lost; where its trigger stands is then noted
    in `unknown`, so that nobody learns that there is none.

    heads: spans are head words, and stay so: each goes to the word that it is linked to best.
    """
    if heads:
        pair = _best_links(pair)
    events = document.layer(Structures, "events").structures
    given = document.layer(Structures, "given").structures
    entities = project_spans(
        document.layer(Spans, "entities").spans, pair, settings, exclusive=False
    )
    of_events = project_structures(events, pair, settings)
    outcomes = (*entities, *(outcome for some in of_events for outcome in some))
    if whole_loss(pair, settings):
        return Projection(None, outcomes)
    lost = [event.head for event, some in zip(events, of_events, strict=True) if some[0].reason]
    doubtful = [*lost, *document.layer(Spans, "unknown").spans]
    places = kept_spans(project_spans(doubtful, pair, settings, exclusive=False))
    kept = _kept(of_events)
    kept_given = kept
    if given != events:  # a prediction that goes back to the original text
        kept_given = _kept(project_structures(given, pair, settings))
    layers = {
        "entities": Spans(in_order(kept_spans(entities))),
        "events": Structures(kept),
        "given": Structures(kept_given),
        "unknown": Spans(in_order([Span(UNKNOWN, place.start, place.end) for place in places])),
    }
    return Projection(
        replace(document, texts={"text": pair.target}, layers=layers, meta={}), outcomes
    )


def _best_links(pair: AlignedPair) -> AlignedPair:
    """The pair with the best link alone of every source word; the first of equals."""
    best = {i: max(row, key=lambda j: (row[j], -j)) for i, row in pair.by_source.items()}
    return replace(pair, links={(i, j): pair.links[i, j] for i, j in best.items()})


def _kept(by_event: Sequence[list[Outcome]]) -> tuple[Structure, ...]:
    spans = (kept_spans(some) for some in by_event if not some[0].reason)
    return arranged(Structure(head, tuple(parts)) for head, *parts in spans)
