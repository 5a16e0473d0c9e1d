"""A valid file of every format that data are read from, and what in it may be otherwise.

The rules of a format say, for each place in it, which bad values are allowed there after all;
every other one has to be refused, at its line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANY = frozenset({"*"})
"""All values: what stands there is not looked at, or may be of any kind."""


@dataclass(frozen=True, eq=False)  # known by identity
class Format:
    """One format of one task.

    text:     a valid file; `records` records.
    words:    columns (from 0) whose cells may be any text that is not empty.
    free:     columns that are not looked at.
    allowed:  place in a record (positions as ``*``) → names of `JSON_VALUES` that may stand there.
    optional: places that may be missing.
    fewer:    places without which there are fewer records, as `project` finds at the translations.
    unsure:   places where a bad value may go with the rest of the record, or not.
    beside:   further files that belong to it, by name.
    """

    task: str
    name: str
    suffix: str
    text: str
    records: int
    words: frozenset[int] = frozenset()
    free: frozenset[int] = frozenset()
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    fewer: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.task} {self.name} ({self.suffix})"

    @property
    def file(self) -> str:
        return f"data{self.suffix}"


def _lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


IDS = _names("null", "a number", "a negative number", "a huge number", "a text", "an empty text")
"""What may be an id: text, a number, or nothing."""
TEXT = _names("a text")
WORD = _names("a number")
"""3, which is the number of a word in most samples."""
NONE = _names("null", "an empty list")
"""No list, or an empty one."""

BIO = Format(
    "ner",
    "bio",
    ".bio",
    "Ann\tB-PER\nLee\tI-PER\nsees\tO\nRome\tB-LOC\n\nBob\tB-PER\nlikes\tO\nParis\tB-LOC\n\n",
    2,
    words=frozenset({0}),
)

NER_LINES = Format(
    "ner",
    "jsonl",
    ".jsonl",
    _lines(
        {"id": "a", "words": ["Ann", "sees", "Rome"], "tags": ["B-PER", "O", "B-LOC"]},
        {
            "id": "b",
            "words": ["Bob", "likes", "it"],
            "text": "Bob likes it",
            "tags": ["B-PER", "O", "O"],
        },
    ),
    2,
    allowed={
        "id": IDS,
        "text": _names("null"),
    },
    optional=frozenset({"id", "text"}),
    unsure=frozenset({"words.*"}),
)  # fmt: skip

CONLLU = Format(
    "dependency_parsing",
    "conllu",
    ".conllu",
    "# sent_id = a\n# text = Ann sees Rome\n"
    "1\tAnn\t_\tPROPN\t_\t_\t2\tnsubj\t_\t_\n"
    "2\tsees\t_\tVERB\t_\t_\t0\troot\t_\t_\n"
    "3\tRome\t_\tPROPN\t_\t_\t2\tobj\t_\t_\n\n"
    "# sent_id = b\n"
    "1-2\tdelle\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tdi\t_\tADP\t_\t_\t3\tcase\t_\t_\n"
    "2\tle\t_\tDET\t_\t_\t3\tdet\t_\t_\n"
    "3\tcase\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n",
    2,
    words=frozenset({1, 2, 3, 4, 5, 8, 9}),
)

PAIR = {"id": "a", "premise": "Ann sees Rome.", "hypothesis": "Ann sees.", "label": "entailment"}
OTHER_PAIR = {
    "id": "b", "premise": "Bob is here.", "hypothesis": "Bob is not.", "label": "contradiction",
    "phenomena": ["negation"],
}  # fmt: skip
THIRD_PAIR = {"id": "c", "premise": "Bob eats.", "hypothesis": "He is old.", "label": "neutral"}
PAIR_RULES: Any = {
    "allowed": {
        "id": IDS,
        "premise": TEXT,
        "hypothesis": TEXT,
        "phenomena": _names("null", "an empty list", "a text", "an empty text"),
        "phenomena.*": _names("a text", "an empty text"),
    },
    "optional": frozenset({"id", "phenomena", "phenomena.*"}),
}

NLI_LINES = Format("nli", "jsonl", ".jsonl", _lines(PAIR, OTHER_PAIR, THIRD_PAIR), 3, **PAIR_RULES)
NLI_ARRAY = Format(
    "nli", "json", ".json", json.dumps([PAIR, OTHER_PAIR, THIRD_PAIR], indent=0), 3, **PAIR_RULES
)
NLI_TABLE = Format(
    "nli",
    "tsv",
    ".tsv",
    "id\tpremise\thypothesis\tlabel\tphenomena\n"
    "a\tAnn sees Rome.\tAnn sees.\tentailment\t\n"
    "b\tBob is here.\tBob is not.\tcontradiction\tnegation|names\n"
    "c\tBob eats.\tHe is old.\tneutral\t\n",
    3,
    words=frozenset({1, 2}),
    free=frozenset({0, 4}),
)
NLI_QUOTED = Format(
    "nli",
    "csv",
    ".csv",
    "id,premise,hypothesis,label,phenomena\n"
    'a,"Ann, who is here, sees Rome.",Ann sees.,entailment,\n'
    'b,"Bob said ""no"",\nand left.",Bob left.,contradiction,negation|names\n'
    "c,Bob eats.,He is old.,neutral,\n",
    3,
)

_PLACE = {"trigger": {"start": 1, "end": 2}, "type": "Motion"}
EVENTS = Format(
    "event_extraction",
    "jsonl",
    ".jsonl",
    _lines(
        {
            "id": "a",
            "words": ["Ann", "goes", "to", "Rome"],
            "entities": [
                {"start": 0, "end": 1, "type": "PER"},
                {"start": 3, "end": 4, "type": "LOC"},
            ],
            "events": [{**_PLACE, "arguments": [{"start": 0, "end": 1, "role": "Agent"}]}],
        },
        {
            "id": "b",
            "words": ["Bob", "went", "home"],
            "entities": [{"start": 0, "end": 1, "type": "PER"}],
            "events": [{**_PLACE, "arguments": [{"start": 2, "end": 3, "role": "Place"}]}],
        },
    ),
    2,
    allowed={
        "id": IDS,
        "entities": NONE,
        "entities.*.type": TEXT,
        "events": NONE,
        "events.*.type": TEXT,
        "events.*.arguments": NONE,
        "events.*.arguments.*.role": TEXT,
        "entities.*.end": WORD,
        "events.*.trigger.end": WORD,
    },
    optional=frozenset(
        {"id", "entities", "entities.*", "events.*", "events.*.arguments",
         "events.*.arguments.*"}
    ),
    unsure=frozenset({"words.*"}),
)  # fmt: skip

ONEIE = Format(
    "event_extraction",
    "oneie",
    ".json",
    _lines(
        *(
            {
                "sent_id": id,
                "tokens": ["Ann", "goes", "to", "Rome"],
                "entity_mentions": [
                    {"id": f"{id}-1", "start": 0, "end": 1, "entity_type": "PER", "text": "Ann"}
                ],
                "event_mentions": [
                    {
                        "event_type": "Motion",
                        "trigger": {"start": 1, "end": 2, "text": "goes"},
                        "arguments": [{"entity_id": f"{id}-1", "role": "Agent", "text": "Ann"}],
                    }
                ],
            }
            for id in "ab"
        )
    ),
    2,
    allowed={
        "sent_id": IDS,
        "entity_mentions.*.entity_type": TEXT,
        "entity_mentions.*.end": WORD,
        "event_mentions.*.trigger.end": WORD,
        "entity_mentions.*.text": ANY,
        "event_mentions": NONE,
        "event_mentions.*.event_type": TEXT,
        "event_mentions.*.trigger.text": ANY,
        "event_mentions.*.arguments": NONE,
        "event_mentions.*.arguments.*.role": TEXT,
        "event_mentions.*.arguments.*.text": ANY,
    },
    optional=frozenset(
        {"sent_id", "entity_mentions.*.text", "event_mentions.*",
         "event_mentions.*.trigger.text", "event_mentions.*.arguments",
         "event_mentions.*.arguments.*", "event_mentions.*.arguments.*.text"}
    ),
    unsure=frozenset({"tokens.*"}),
)  # fmt: skip

DYGIE = Format(
    "event_extraction",
    "dygie",
    ".json",
    _lines(
        *(
            {
                "doc_key": id,
                "sentences": [["Ann", "goes", "home"], ["Bob", "went"]],
                "ner": [[[0, 0, "PER"]], [[3, 3, "PER"]]],
                "events": [[[[1, "Motion"], [0, 0, "Agent"]]], [[[4, 4, "Motion"]]]],
                "_sentence_start": [0, 3],
            }
            for id in "ab"
        )
    ),
    4,
    allowed={
        "doc_key": TEXT,
        "ner": _names("null"),
        "ner.*": NONE - {"null"},
        "events": _names("null"),
        "events.*": NONE - {"null"},
        "_sentence_start": _names("null", "an empty list"),
    },
    optional=frozenset({"ner", "ner.*.*", "events", "events.*.*", "_sentence_start"}),
    unsure=frozenset({"ner.*.*.*", "events.*.*.*", "events.*.*.*.*", "sentences.*.*"}),
)

ACE = Format(
    "event_extraction",
    "ace",
    ".json",
    json.dumps(
        [
            {
                "id": id,
                "words": ["Ann", "goes", "to", "Rome"],
                "golden-entity-mentions": [
                    {"start": 0, "end": 1, "entity-type": "PER", "text": "Ann"}
                ],
                "golden-event-mentions": [
                    {
                        "event_type": "Motion",
                        "trigger": {"start": 1, "end": 2, "text": "goes"},
                        "arguments": [{"start": 0, "end": 1, "role": "Agent", "text": "Ann"}],
                    }
                ],
            }
            for id in "ab"
        ],
        indent=0,
    ),
    2,
    allowed={
        "id": IDS,
        "golden-entity-mentions": NONE,
        "golden-entity-mentions.*.entity-type": TEXT,
        "golden-entity-mentions.*.end": WORD,
        "golden-event-mentions.*.trigger.end": WORD,
        "golden-event-mentions.*.arguments.*.end": WORD,
        "golden-entity-mentions.*.text": ANY,
        "golden-event-mentions": NONE,
        "golden-event-mentions.*.event_type": TEXT,
        "golden-event-mentions.*.trigger.text": ANY,
        "golden-event-mentions.*.arguments": NONE,
        "golden-event-mentions.*.arguments.*.role": TEXT,
        "golden-event-mentions.*.arguments.*.text": ANY,
    },
    optional=frozenset(
        {"id", "golden-entity-mentions", "golden-entity-mentions.*",
         "golden-entity-mentions.*.text", "golden-event-mentions.*",
         "golden-event-mentions.*.trigger.text", "golden-event-mentions.*.arguments",
         "golden-event-mentions.*.arguments.*", "golden-event-mentions.*.arguments.*.text"}
    ),
    unsure=frozenset({"words.*"}),
)  # fmt: skip

MEE = Format(
    "event_extraction",
    "mee",
    ".jsonl",
    _lines(
        *(
            {
                "id": id,
                "tokens": ["Ann", "goes", "to", "Rome"],
                "entities": {"T1": {"start": 0, "end": 3, "type": "PER", "text": "Ann"}},
                "triggers": {"T2": {"start": 4, "end": 8, "type": "Motion", "text": "goes"}},
                "arguments": [{"trigger": "T2", "argument": "T1", "role": "Agent"}],
            }
            for id in "ab"
        )
    ),
    2,
    allowed={
        "id": IDS,
        "entities.T1.type": TEXT,
        "triggers.T2.type": TEXT,
        "arguments": NONE,
        "arguments.*.role": TEXT,
    },
    unsure=frozenset(
        {
            "tokens.*",
            *(
                f"{mention}.{key}"
                for mention in ("entities.T1", "triggers.T2")
                for key in ("start", "end", "text")
            ),
        }
    ),
    optional=frozenset({"id", "entities.T1.text", "triggers.T2.text", "arguments", "arguments.*"}),
)

PROPBANK_PLUS = Format(
    "event_extraction",
    "conllup",
    ".conllup",
    "# global.columns = ID FORM UP:PRED UP:ARGHEADS UP:ARGSPANS\n"
    "1\tAnn\t_\t_\t_\n2\tgoes\tgo.01\tA0:1|A4:3\tA0:1|A4:3-3\n3\thome\t_\t_\t_\n\n"
    "1\tBob\t_\t_\t_\n2\twent\tgo.01\tA0:1\tA0:1\n\n",
    2,
    words=frozenset({1, 2}),
)
PROPBANK_TABLE = Format(
    "event_extraction",
    "conllup",
    ".conllu",
    "1\tAnn\t_\t_\t_\t_\t2\tnsubj\t_\t_\t_\tA0\n"
    "2\tgoes\t_\t_\t_\t_\t0\troot\t_\t_\tgo.01\tV\n"
    "3\thome\t_\t_\t_\t_\t2\tobl\t_\t_\t_\tA4\n\n"
    "1\tBob\t_\t_\t_\t_\t2\tnsubj\t_\t_\t_\tA0\n"
    "2\twent\t_\t_\t_\t_\t0\troot\t_\t_\tgo.01\t_\n"
    "3\taway\t_\t_\t_\t_\t2\tadvmod\t_\t_\t_\tA4\n\n",
    2,
    words=frozenset({1, 10, 11}),
    free=frozenset({2, 3, 4, 5, 7, 8, 9}),
)

_CONTEXT = "The bridge was built in 1932 by two brothers."
_QUESTION = {"id": "a", "question": "When was it built?"}
_OTHER_QUESTION = {"id": "b", "question": "Who built it?"}
QUESTIONS = Format(
    "question_generation",
    "jsonl",
    ".jsonl",
    _lines(
        {**_QUESTION, "context": _CONTEXT, "language": "eng", "title": "Bridges",
         "answers": {"text": ["1932"], "answer_start": [24]}, "question_type": "when"},
        {**_OTHER_QUESTION, "context": _CONTEXT,
         "answers": [{"text": "two brothers", "answer_start": 32}], "is_impossible": False},
    ),
    2,
    allowed={
        "id": IDS,
        "question": TEXT,
        "language": _names("null", "an empty text"),
        "title": _names("null", "a text", "an empty text"),
        "answers": _names("an empty list"),
        "answers.text": _names("an empty list"),
        "answers.answer_start": _names("null"),
        "answers.answer_start.*": _names("null", "a negative number", "a number"),
        "answers.*.answer_start": _names("null", "a negative number", "a number"),
        "question_type": _names("null", "an empty text"),
        "is_impossible": _names("null", "true"),
    },
    optional=frozenset(
        {"id", "language", "title", "answers.answer_start", "answers.*.answer_start",
         "question_type", "is_impossible", "answers.*"}
    ),
    fewer=frozenset({"answers", "answers.*"}),
)  # fmt: skip
SQUAD = Format(
    "question_generation",
    "squad",
    ".json",
    json.dumps(
        {
            "version": "1.1",
            "data": [
                {
                    "title": "Bridges",
                    "paragraphs": [
                        {
                            "context": _CONTEXT,
                            "qas": [
                                {**_QUESTION, "answers": [{"text": "1932", "answer_start": 24}]},
                                {
                                    **_OTHER_QUESTION,
                                    "answers": [{"text": "two brothers", "answer_start": 32}],
                                },
                            ],
                        }
                    ],
                }
            ],
        },
        indent=0,
    ),
    2,
    allowed={
        "version": ANY,
        "data.*.title": _names("null", "a text", "an empty text"),
        "data.*.paragraphs.*.qas.*.id": IDS,
        "data.*.paragraphs.*.qas.*.question": TEXT,
        "data.*.paragraphs.*.qas.*.answers": _names("an empty list"),
        "data.*.paragraphs.*.qas.*.answers.*.answer_start": _names(
            "null", "a negative number", "a number"
        ),
    },
    optional=frozenset(
        {"version", "data.*.title", "data.*.paragraphs.*.qas.*",
         "data.*.paragraphs.*.qas.*.id", "data.*.paragraphs.*.qas.*.answers.*",
         "data.*.paragraphs.*.qas.*.answers.*.answer_start"}
    ),
    fewer=frozenset(
        {"data", "data.*", "data.*.paragraphs", "data.*.paragraphs.*", "data.*.paragraphs.*.qas",
         "data.*.paragraphs.*.qas.*.answers", "data.*.paragraphs.*.qas.*.answers.*"}
    ),
)  # fmt: skip

TABLES = (BIO, CONLLU, NLI_TABLE, PROPBANK_PLUS, PROPBANK_TABLE)
"""A record a sentence or a row, a cell between tabs."""
LINES = (NER_LINES, NLI_LINES, EVENTS, ONEIE, DYGIE, MEE, QUESTIONS)
"""A JSON object a line."""
ARRAYS = (NLI_ARRAY, ACE, SQUAD)
"""One JSON value a file."""
QUOTED = (NLI_QUOTED,)
"""A row may go over several lines."""
ALL = (*TABLES, *LINES, *ARRAYS, *QUOTED)
