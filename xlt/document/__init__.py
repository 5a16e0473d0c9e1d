"""The one type for a text with annotation; everything else in xlt may import it."""

from xlt.document.document import Document, Documents, Schema
from xlt.document.layers import (
    Answers,
    FlatSpans,
    Label,
    Layer,
    Span,
    Spans,
    Structure,
    Structures,
    Tags,
    Tree,
    in_order,
)
from xlt.document.text import Offsets, Text

__all__ = [
    "Answers",
    "Document",
    "Documents",
    "FlatSpans",
    "Label",
    "Layer",
    "Offsets",
    "Schema",
    "Span",
    "Spans",
    "Structure",
    "Structures",
    "Tags",
    "Text",
    "Tree",
    "in_order",
]
