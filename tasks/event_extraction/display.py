"""Events on a spaCy document.

Entities are ``doc.ents``. Each event is a span of ``doc.spans["events"]`` with its type as label;
its arguments are spans of ``doc.spans["arguments"]``, labelled with their roles, in the order of
the events; ``span.id`` of an argument is the number of its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.document import Document, Spans, Structures
from xlt.document import Span as Annotated

from .records import apart

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token


def annotate(doc: Doc, sentences: Sequence[tuple[Document, Sequence[Token]]]) -> None:
    """Put entities, triggers and arguments on the document. Of nested entities, the outer ones."""
    from spacy.tokens import Span

    entities: list[Span] = []
    triggers: list[Span] = []
    arguments: list[Span] = []
    for document, tokens in sentences:

        def place(span: Annotated, tokens: Sequence[Token] = tokens) -> tuple[int, int]:
            return tokens[span.start].i, tokens[span.end - 1].i + 1

        for entity in apart(document.layer(Spans, "entities").spans):
            entities.append(Span(doc, *place(entity), label=entity.kind))
        for trigger, parts in document.layer(Structures, "events").structures:
            number = len(triggers)
            triggers.append(Span(doc, *place(trigger), label=trigger.kind, span_id=number))
            arguments += [
                Span(doc, *place(part), label=part.kind, span_id=number) for part in parts
            ]
    doc.set_ents(entities)
    doc.spans["events"] = triggers
    doc.spans["arguments"] = arguments
