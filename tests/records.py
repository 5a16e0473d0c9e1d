"""A handful of records for each task, by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xlt.document import Document
from xlt.registry import tasks

WORDS = [
    ["Budi", "bought", "three", "books", "in", "Yogyakarta", "."],
    ["Dr.", "Sri", "Mulyani", "will", "visit", "the", "United", "Nations", "on", "Monday"],
    ["北京", "的", "天气", "很", "好"],
    ["ዶክተር", "አበበ", "ወደ", "አዲስ", "አበባ", "ሄደ", "።"],
    ["مكتب", "الأمم", "المتحدة", "في", "القاهرة"],
    ["Ya"],
]

TAGS = [
    ["B-PER", "O", "O", "O", "O", "B-LOC", "O"],
    ["O", "B-PER", "I-PER", "O", "O", "O", "B-ORG", "I-ORG", "O", "O"],
    ["B-LOC", "O", "O", "O", "O"],
    ["O", "B-PER", "O", "B-LOC", "I-LOC", "O", "O"],
    ["O", "B-ORG", "I-ORG", "O", "B-LOC"],
    ["O"],
]

UPOS = [
    ["PROPN", "VERB", "NUM", "NOUN", "ADP", "PROPN", "PUNCT"],
    ["PROPN", "PROPN", "PROPN", "AUX", "VERB", "DET", "PROPN", "PROPN", "ADP", "PROPN"],
    ["PROPN", "PART", "NOUN", "ADV", "ADJ"],
    ["NOUN", "PROPN", "ADP", "PROPN", "PROPN", "VERB", "PUNCT"],
    ["NOUN", "NOUN", "ADJ", "ADP", "PROPN"],
    ["INTJ"],
]

TREES = [
    ([2, 0, 4, 2, 6, 2, 2], ["nsubj", "root", "nummod", "obj", "case", "obl", "punct"]),
    (
        [5, 1, 1, 5, 0, 8, 8, 5, 10, 5],
        ["nsubj", "flat", "flat", "aux", "root", "det", "amod", "obj", "case", "obl:tmod"],
    ),
    ([3, 1, 5, 5, 0], ["nmod", "case", "nsubj", "advmod", "root"]),
    ([6, 1, 4, 6, 4, 0, 6], ["nsubj", "appos", "case", "obl", "flat", "root", "punct"]),
    ([0, 1, 2, 5, 1], ["root", "nmod", "amod", "case", "nmod"]),
    ([0], ["root"]),
]


def tagged(tags: list[list[str]] = TAGS, task: str = "ner") -> list[Document]:
    rows = zip(WORDS, tags, strict=True)
    return documents(
        task, [{"id": f"s{n}", "words": words, "tags": t} for n, (words, t) in enumerate(rows, 1)]
    )


def documents(task: str, rows: Iterable[dict[str, Any]], **options: Any) -> list[Document]:
    """The documents of rows, by a registered task with these options."""
    kind = tasks.get(task)
    plugin = kind(kind.Options(**options))
    return [plugin.validate_row(row, where=f"row {n}") for n, row in enumerate(rows, 1)]


def row(task: Any, document: Document) -> dict[str, Any]:
    """The document as a row of words, without where they stand in its text."""
    columns = task.to_row(document)
    return {name: value for name, value in columns.items() if name not in ("text", "offsets")}


def _trees() -> list[dict[str, Any]]:
    return [
        {
            "id": f"s{n}",
            "words": words,
            "space_after": [True] * len(words),
            "upos": upos,
            "heads": heads,
            "relations": relations,
        }
        for n, (words, upos, (heads, relations)) in enumerate(
            zip(WORDS, UPOS, TREES, strict=True), 1
        )
    ]


PAIRS = [
    ("Budi bought three books in Yogyakarta.", "Budi bought books.", "entailment"),
    ("Dr. Sri Mulyani will visit the United Nations on Monday.", "She stays.", "contradiction"),
    ("北京的天气很好", "北京很热", "neutral"),
    ("ዶክተር አበበ ወደ አዲስ አበባ ሄደ።", "አበበ ሄደ።", "entailment"),
    ("Ya", "مكتب الأمم المتحدة في القاهرة", "neutral"),
    ("Siti lives near Bogor.", "Siti does not live near Bogor.", "contradiction"),
]


def _pairs() -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{n}",
            "premise": premise,
            "hypothesis": hypothesis,
            "label": label,
            "phenomena": ["negation", "names"][: n % 3],
        }
        for n, (premise, hypothesis, label) in enumerate(PAIRS, 1)
    ]


LABELLED = [
    ("Budi bought three books in Yogyakarta.", "culture"),
    ("Dr. Sri Mulyani will visit the United Nations on Monday. She stays a week.", "politics"),
    ("北京的天气很好", "weather"),
    ("ዶክተር አበበ ወደ አዲስ አበባ ሄደ።", "health"),
    ("مكتب الأمم المتحدة في القاهرة", "politics"),
    ("Ya", "culture"),
]


def _labelled() -> list[dict[str, Any]]:
    return [
        {"id": f"t{n}", "text": text, "label": label, "phenomena": ["short", "names"][: n % 3]}
        for n, (text, label) in enumerate(LABELLED, 1)
    ]


def _event(start: int, end: int, kind: str, *arguments: tuple[int, int, str]) -> dict[str, Any]:
    return {
        "trigger": {"start": start, "end": end},
        "type": kind,
        "arguments": [{"start": a, "end": b, "role": role} for a, b, role in arguments],
    }


EVENTS = [
    [_event(1, 2, "Buy", (0, 1, "Agent"), (2, 4, "Patient"), (5, 6, "Place"))],
    [
        _event(3, 5, "Motion", (1, 3, "Agent"), (5, 8, "Place"), (9, 10, "Time")),
        _event(6, 8, "Group"),
    ],
    [_event(4, 5, "State", (0, 1, "Place"), (2, 3, "Patient"))],
    [_event(5, 6, "Motion", (0, 2, "Agent"), (1, 2, "Agent"), (3, 5, "Place"))],
    [],
    [],
]


def _events() -> list[dict[str, Any]]:
    entities = [
        [
            {"start": i, "end": next((j for j in range(i + 1, len(tags)) if tags[j][0] != "I"),
                                     len(tags)), "type": tag[2:]}
            for i, tag in enumerate(tags)
            if tag[0] == "B"
        ]
        for tags in TAGS
    ]  # fmt: skip
    return [
        {
            "id": f"s{n}", "words": words, "entities": names, "events": events, "given": events,
            "unknown": [{"start": 3, "end": 4}] if n == 3 else [],
        }
        for n, (words, names, events) in enumerate(zip(WORDS, entities, EVENTS, strict=True), 1)
    ]  # fmt: skip


QUESTIONS = [
    ("eng", "The bridge over the river was built in 1932 by two brothers.", "1932",
     "When was the bridge built?", "when"),
    ("eng", "The bridge over the river was built in 1932 by two brothers.", "two brothers",
     "Who built the bridge over the river?", "who"),
    ("spa", "La familia vive en Sevilla y vende pan en el mercado desde hace veinte años.",
     "Sevilla", "¿Dónde vive la familia?", "where"),
    ("ind", "Gunung itu meletus lagi karena tekanan gas yang sangat besar di bawah tanah.",
     "tekanan gas yang sangat besar", "Mengapa gunung itu meletus lagi?", "why"),
    ("jav", "Ibu guru maca buku ing omah saben dina Minggu karo putrane loro.", "ing omah",
     "Ing ngendi ibu guru maca buku?", "where"),
    ("eng", "Whales talk to each other with long songs that carry for many miles.",
     "with long songs", "Name the thing that whales use.", ""),
]  # fmt: skip


def _questions() -> list[dict[str, Any]]:
    return [
        {
            "id": f"q{n}",
            "language": language,
            "title": "A title" if n < 3 else "",
            "context": context,
            "question": question,
            "answers": {"text": [answer], "answer_start": [context.index(answer)]},
            "question_type": kind,
            "note": "",
        }
        for n, (language, context, answer, question, kind) in enumerate(QUESTIONS, 1)
    ]


ROWS: dict[str, list[dict[str, Any]]] = {
    "ner": [
        {"id": f"s{n}", "words": words, "tags": tags}
        for n, (words, tags) in enumerate(zip(WORDS, TAGS, strict=True), 1)
    ],
    "dependency_parsing": _trees(),
    "nli": _pairs(),
    "classification": _labelled(),
    "event_extraction": _events(),
    "question_generation": _questions(),
}
"""Task → rows as its `validate_row` takes them."""

RECORDS = {task: documents(task, rows) for task, rows in ROWS.items()}
"""Task → the documents of these rows."""

_SHORT = {"beams": 2, "max_pieces": 12}

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "ner": [{}, {"model": "text_to_text", "beams": 2}, {"model": "slots", "beams": 2}],
    "question_generation": [
        {"exemplars": 0, "language_tag": True, "generation": _SHORT},
        {"exemplars": 2, "generation": {**_SHORT, "copy_bias": True}},
    ],
    "dependency_parsing": [
        {"arc_size": 16, "relation_size": 8},
        {"arc_size": 16, "relation_size": 8, "upos_size": 4, "upos": "gold", "subtypes": True},
    ],
    "nli": [
        {},
        {"labels": ["neutral", "contradiction", "entailment"], "hypothesis_only": True},
    ],
    "classification": [
        {},
        {"labels": ["weather", "politics", "health", "culture"], "classifier": "pooled"},
    ],
    "event_extraction": [
        {},
        {"model": "joint", "role_size": 16, "layers": 1, "layer_size": 16, "levels": 2},
        {"parts": ["arguments"]},
        {"parts": ["arguments"], "model": "templates", "beams": 2},
    ],
}
"""Task → options to check it with, one after the other; by default none."""
