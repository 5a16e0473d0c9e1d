"""The labels of events: IOB2 tags of entities, triggers and roles, and which roles a type takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.document import Document, Span, Spans, Structures
from xlt.task import Labels

from .records import apart

OUTSIDE = "O"
TAGGED = ("entity", "trigger", "role")
"""Layers that are tagged; the fourth, `frame`, constrains the third."""
_MIN_REPEATED_SHARE = 0.01
"""A type takes a role repeatedly where more than this share of its events with the role do."""


def inventory(documents: Iterable[Document]) -> Labels:
    """Return the labels of these documents: `entity`, `trigger` and `role` tags, and `frame`.

    `frame` has ``type role`` for every role that a type of events takes, and ``type role +`` if
    it may take it more than once.
    """
    entities: set[str] = set()
    types: set[str] = set()
    once: Counter[tuple[str, str]] = Counter()
    twice: Counter[tuple[str, str]] = Counter()
    for document in documents:
        entities.update(span.kind for span in document.layer(Spans, "entities").spans)
        for trigger, arguments in document.layer(Structures, "events").structures:
            types.add(trigger.kind)
            for role, count in Counter(argument.kind for argument in arguments).items():
                once[trigger.kind, role] += 1
                twice[trigger.kind, role] += count > 1
    frames = {_frame(*pair) for pair in once}
    frames |= {
        f"{_frame(*pair)} +" for pair in once if twice[pair] > _MIN_REPEATED_SHARE * once[pair]
    }
    return {
        "entity": _tags(entities),
        "trigger": _tags(types),
        "role": _tags({role for _, role in once}),
        "frame": tuple(sorted(frames)),
    }


def _frame(kind: str, role: str) -> str:
    return f"{kind} {role}"


def _tags(kinds: Iterable[str]) -> tuple[str, ...]:
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in sorted(kinds) for prefix in "BI"))


def kinds(tags: Sequence[str]) -> list[str]:
    """Return the kinds that the tags mark, in their order."""
    return [tag[2:] for tag in tags if tag.startswith("B-")]


def tag_ids(spans: Iterable[Span], n_words: int, ids: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the tag id of every word, (words,). Where spans overlap, the longer ones are tagged.

    ids: tag → its number.
    """
    tags = np.full(n_words, ids[OUTSIDE], np.int64)
    for kind, start, end in apart(spans):
        tags[start:end] = ids[f"I-{kind}"]
        tags[start] = ids[f"B-{kind}"]
    return tags


def tagged_spans(tags: Sequence[int], names: Sequence[str]) -> list[Span]:
    """Return the spans that tag ids mark, which have to be valid IOB2."""
    spans: list[Span] = []
    for i, tag in enumerate(tags):
        name = names[tag]
        if name.startswith("B-"):
            spans.append(Span(name[2:], i, i + 1))
        elif name.startswith("I-"):
            spans[-1] = spans[-1]._replace(end=i + 1)
    return spans


@dataclass(frozen=True)
class Frames:
    """Says which roles an event may have.

    allowed: type → which role tags its arguments may have, (tags,).
    once:    type → roles that it takes at most once.
    any:     what an unknown type may have: everything.
    """

    allowed: Mapping[str, NDArray[np.bool_]]
    once: Mapping[str, frozenset[str]]
    any: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Labels) -> Frames:
        """Read from the labels of a model which roles its types of events take."""
        known = set(labels["frame"])
        tags = labels["role"]
        roles = kinds(tags)
        allowed, once = {}, {}
        for kind in kinds(labels["trigger"]):
            taken = [role for role in roles if _frame(kind, role) in known]
            allowed[kind] = np.array([tag == OUTSIDE or tag[2:] in taken for tag in tags])
            once[kind] = frozenset(r for r in taken if f"{_frame(kind, r)} +" not in known)
        return cls(allowed, once, np.ones(len(tags), bool))
