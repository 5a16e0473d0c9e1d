"""Events on a spaCy document.

Entities are ``doc.ents``. Each event is a span of ``doc.spans["events"]`` with its type as label;
its arguments are spans of ``doc.spans["arguments"]``, labelled with their roles, in the order of
the events; ``span.id`` of an argument is the number of its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.task import Record

from .records import apart, span_of

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token


def annotate(doc: Doc, sentences: Sequence[tuple[Record, Sequence[Token]]]) -> None:
    """Put entities, triggers and arguments on the document. Of nested entities, the outer ones."""
    from spacy.tokens import Span

    entities, triggers, arguments = [], [], []
    for record, tokens in sentences:

        def place(item: dict[str, int], tokens: Sequence[Token] = tokens) -> tuple[int, int]:
            return tokens[item["start"]].i, tokens[item["end"] - 1].i + 1

        for entity in apart(record["entities"], [span_of(e) for e in record["entities"]]):
            entities.append(Span(doc, *place(entity), label=entity["type"]))
        for event in record["events"]:
            number = len(triggers)
            triggers.append(
                Span(doc, *place(event["trigger"]), label=event["type"], span_id=number)
            )
            arguments += [
                Span(doc, *place(one), label=one["role"], span_id=number)
                for one in event["arguments"]
            ]
    doc.set_ents(entities)
    doc.spans["events"] = triggers
    doc.spans["arguments"] = arguments
