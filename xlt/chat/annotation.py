"""A task as a question to a large language model, and its answer as annotation.

What a task asks is said once a kind of layer: labelled spans, and one label for all. The model
answers in JSON with what is written in the text, not with offsets, at which it is bad; where that
stands is looked for, and what does not stand there is no answer.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import Field

from xlt import languages
from xlt.chat.checked import InvalidAnswerError, read_object
from xlt.chat.cost import approximate
from xlt.chat.endpoint import Endpoint
from xlt.chat.phrases import find
from xlt.chat.protocol import Prompt
from xlt.document import Document, Label, Span, Spans, in_order
from xlt.errors import XltError
from xlt.options import CountOrZero
from xlt.task import Task, generated_texts, predicted_layers


class Teacher(Endpoint):
    """What a file for `xlt annotate` says: whom to ask, and what."""

    labels: dict[str, str] | list[str] | None = Field(
        default=None,
        description="the labels there are, each with what it means, or a list of those that the "
        "task knows; by default those of the examples, or the task's",
    )
    instructions: str | None = Field(
        default=None, max_length=10_000, description="what else is told, e.g. guidelines"
    )
    shots: CountOrZero = Field(
        default=5, description="examples that are shown, those most like the text"
    )


class Question(ABC):
    """What is asked about the documents of a task.

    labels: each with what it means, "" where nobody says it.
    """

    def __init__(self, task: Task, layer: str, labels: Mapping[str, str]) -> None:
        self.task, self.layer, self.labels = task, layer, dict(labels)

    what: str
    """What is asked, where the task does not say it."""
    form: str
    """What the answer looks like."""

    @property
    @abstractmethod
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of an answer."""

    @abstractmethod
    def answer(self, document: Document) -> dict[str, Any] | None:
        """What would be right for an annotated document; None if it is no example."""

    @abstractmethod
    def annotated(self, document: Document, answer: Mapping[str, Any]) -> Document:
        """The document with what an answer says. Raises InvalidAnswerError."""

    @abstractmethod
    def tokens(self, document: Document) -> int:
        """About how many an answer has."""

    def text(self, document: Document) -> str:
        """What is shown of a document."""
        if len(document.texts) == 1:
            return document.text.surface
        return "\n".join(f"{name}: {text.surface}" for name, text in document.texts.items())

    def prompt(
        self, document: Document, shots: Sequence[Document] = (), instructions: str | None = None
    ) -> Prompt:
        """The request for a document. shots: annotated ones, for which `answer` has one."""
        told = [self.task.instruction or self.what]
        if document.language:
            told.append(f"The text is in {languages.name(document.language)}.")
        told.append("The labels are:")
        told += [f"- {label}{f': {said}' if said else ''}" for label, said in self.labels.items()]
        told += [self.form, *([instructions] if instructions else [])]
        messages = [("system", "\n".join(told))]
        for shot in shots:
            right = json.dumps(self.answer(shot), ensure_ascii=False)
            messages += [("user", self.text(shot)), ("assistant", right)]
        return Prompt((*messages, ("user", self.text(document))), self.schema)

    def read(self, document: Document, answer: str) -> Document:
        """The document with what an answer says. Raises InvalidAnswerError."""
        return self.annotated(document, read_object(answer))

    def _known(self, label: Any) -> str:
        if not isinstance(label, str) or label not in self.labels:
            raise InvalidAnswerError(f"{label!r:.100} is none of the labels.")
        return label


class SpanQuestion(Question):
    """Which spans of a text have which label."""

    what = "Find all that the labels below are about in a text."
    form = (
        'Answer with a JSON object {"spans": [{"text": "...", "label": "..."}]}: all of them in '
        'the order of the text, "text" exactly as it is written there, one that comes twice twice; '
        '{"spans": []} if there is none.'
    )

    @property
    def schema(self) -> Mapping[str, Any]:
        span = {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "label": {"type": "string", "enum": list(self.labels)},
            },
            "required": ["text", "label"],
            "additionalProperties": False,
        }
        return _object(spans={"type": "array", "items": span})

    def answer(self, document: Document) -> dict[str, Any] | None:
        spans = document.layer(Spans, self.layer).spans
        return {
            "spans": [
                {"text": document.text.between(start, end), "label": kind}
                for kind, start, end in spans
                if kind in self.labels
            ]
        }

    def annotated(self, document: Document, answer: Mapping[str, Any]) -> Document:
        given = answer.get("spans")
        if not isinstance(given, list) or not all(_is_span(one) for one in given):
            raise InvalidAnswerError('"spans" is no list of objects with "text" and "label".')
        text = document.text
        kind = self.task.layers[self.layer]
        assert issubclass(kind, Spans)
        taken: dict[str, list[tuple[int, int]]] = {}
        found: list[Span] = []
        # The longest first: a shorter one may stand within it, but then somewhere else, too.
        for one in sorted(given, key=lambda one: -len(one["text"])):
            phrase, label = one["text"].strip(), self._known(one["label"])
            # Where spans may overlap, only the same one cannot be at the same place.
            places = taken.setdefault("" if kind.exclusive else f"{label} {phrase}", [])
            place = find(phrase, text.surface, places) if phrase else None
            if place is None:
                raise InvalidAnswerError(
                    f"{phrase!r:.200} is not in the text, or not apart from the other spans."
                )
            places.append(place)
            words = text.words_at(*place)
            if words[0] == words[1]:
                raise InvalidAnswerError(f"{phrase!r:.200} has no words.")
            found.append(Span(label, *words))
        spans = in_order(found)
        if kind.exclusive and any(a.end > b.start for a, b in pairwise(spans)):
            raise InvalidAnswerError("Two of the spans are in one word.")
        return document.with_layers(**{self.layer: kind(spans)})

    def tokens(self, document: Document) -> int:
        return 12 + approximate([document.text.surface]) // 2


class LabelQuestion(Question):
    """Which label a document has."""

    what = "Choose the label of a text."
    form = 'Answer with a JSON object {"label": "..."}.'

    @property
    def schema(self) -> Mapping[str, Any]:
        return _object(label={"type": "string", "enum": list(self.labels)})

    def answer(self, document: Document) -> dict[str, Any] | None:
        label = document.layer(Label, self.layer).label
        return {"label": label} if label in self.labels else None

    def annotated(self, document: Document, answer: Mapping[str, Any]) -> Document:
        label = Label(self._known(answer.get("label")))
        return document.with_layers(**{self.layer: label})

    def tokens(self, document: Document) -> int:
        return 8


def question(
    task: Task, teacher: Teacher, examples: Sequence[Document] = (), where: object = None
) -> Question:
    """What a model is asked for a task.

    examples: annotated documents, which say what labels there are if nobody else does.
    where:    the teacher's file.

    Raises XltError for a task whose annotation is neither spans nor one label, and where no label
    is known.
    """
    names = predicted_layers(task)
    kind = task.layers[names[0]]
    asked: type[Question] | None = None
    if len(names) == 1 and not task.reads and not generated_texts(task):
        asked = next(
            (
                one
                for of, one in ((Spans, SpanQuestion), (Label, LabelQuestion))
                if issubclass(kind, of)
            ),
            None,
        )
    if asked is None:
        raise XltError(
            f"a language model cannot be asked for {task.name}: its annotation is neither labelled "
            "spans nor one label",
            where="--task",
            fix="choose a task whose annotation is one of these, or project labels (`xlt project`)",
        )
    labels = _labels(task, names[0], teacher, examples)
    if not labels:
        raise XltError(
            f"nothing says which labels {task.name} has",
            where=where,
            fix="list them, `labels: {LABEL: what it means}`, or give --examples",
        )
    return asked(task, names[0], labels)


def _labels(
    task: Task, layer: str, teacher: Teacher, examples: Sequence[Document]
) -> dict[str, str]:
    if isinstance(teacher.labels, dict):
        return teacher.labels
    if teacher.labels is not None:
        return {label: task.definitions.get(label, "") for label in teacher.labels}
    seen: set[str] = set()
    for document in examples:
        found = document.layers[layer]
        if isinstance(found, Spans):
            seen |= {span.kind for span in found.spans}
        elif isinstance(found, Label) and found.label is not None:
            seen.add(found.label)
    if not seen:
        return dict(task.definitions)
    return {label: task.definitions.get(label, "") for label in sorted(seen)}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _is_span(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(k), str) for k in ("text", "label"))
