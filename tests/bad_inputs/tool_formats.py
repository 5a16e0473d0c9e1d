"""A valid file of every format of annotation tools, and what in it may be otherwise."""

from __future__ import annotations

import json

from bad_inputs.formats import ANY, IDS, NONE, TEXT, Format, _lines, _names

DOCCANO = Format(
    "ner",
    "doccano",
    ".jsonl",
    _lines(
        {"id": 1, "text": "Ann sees Rome", "label": [[0, 3, "PER"], [9, 13, "LOC"]]},
        {
            "id": 2,
            "text": "Bob likes it",
            "label": [[0, 3, "PER"]],
            "entities": [[10, 12, "ORG"]],
            "cats": ["x"],
        },
    ),
    2,
    allowed={
        "id": IDS,
        # One text is a class, which is left out and counted.
        "label": NONE | TEXT,
        "label.*": TEXT,
        "entities": NONE,
        "cats": NONE | TEXT,
        "cats.*": TEXT,
    },
    optional=_names("id", "label", "label.*", "entities", "entities.*", "cats", "cats.*"),
    unsure=_names("label.*.*", "entities.*.*"),
)
DOCCANO_RELATIONS = Format(
    "event_extraction",
    "doccano",
    ".jsonl",
    _lines(
        *(
            {
                "id": n,
                "text": "Ann goes home",
                "entities": [
                    {"id": 3, "label": "PER", "start_offset": 0, "end_offset": 3},
                    {"id": 4, "label": "Motion", "start_offset": 4, "end_offset": 8},
                ],
                "relations": [{"id": 1, "from_id": 4, "to_id": 3, "type": "Agent"}],
            }
            for n in (1, 2)
        )
    ),
    2,
    allowed={
        "id": IDS,
        "entities.*.label": TEXT,
        "relations": NONE,
        "relations.*.id": ANY,
        "relations.*.type": TEXT,
    },
    optional=_names("id", "relations", "relations.*", "relations.*.id"),
    unsure=_names(
        "entities.*.id",
        "entities.*.start_offset",
        "entities.*.end_offset",
        "relations.*.from_id",
        "relations.*.to_id",
    ),
)
PRODIGY = Format(
    "event_extraction",
    "prodigy",
    ".jsonl",
    _lines(
        *(
            {
                "text": "Ann goes home",
                "meta": {"id": n},
                "tokens": [],
                "spans": [
                    {"start": 0, "end": 3, "label": "PER"},
                    {"start": 4, "end": 8, "label": "Motion"},
                ],
                "relations": [
                    {
                        "head": 1,
                        "child": 0,
                        "head_span": {"start": 4, "end": 8, "label": "Motion"},
                        "child_span": {"start": 0, "end": 3, "label": "PER"},
                        "label": "Agent",
                    }
                ],
                "answer": "accept",
            }
            for n in "ab"
        )
    ),
    2,
    allowed={
        "meta": _names("null", "an empty object", "an object"),
        "meta.id": IDS,
        "tokens": ANY,
        "spans": NONE,
        "spans.*.label": TEXT,
        "relations": NONE,
        "relations.*.head": ANY,
        "relations.*.child": ANY,
        "relations.*.head_span": _names("an empty object", "an object"),
        "relations.*.child_span": _names("an empty object", "an object"),
        "relations.*.head_span.label": _names("null", "a text"),
        "relations.*.child_span.label": _names("null", "a text"),
        "relations.*.label": TEXT,
        # Whatever is not accepted is left out and counted.
        "answer": ANY,
    },
    optional=_names(
        "meta",
        "meta.id",
        "tokens",
        "spans",
        "spans.*",
        "relations",
        "relations.*",
        "relations.*.head",
        "relations.*.child",
        "relations.*.head_span.label",
        "relations.*.child_span.label",
        "answer",
    ),
    unsure=_names(
        "spans.*.start",
        "spans.*.end",
        "relations.*.head_span.start",
        "relations.*.head_span.end",
        "relations.*.child_span.start",
        "relations.*.child_span.end",
    ),
)
LABEL_STUDIO = Format(
    "event_extraction",
    "label-studio",
    ".json",
    json.dumps(
        [
            {
                "id": n,
                "data": {"text": "Ann goes home", "source": "x"},
                "annotations": [
                    {
                        "id": 7,
                        "completed_by": 1,
                        "was_cancelled": False,
                        "result": [
                            {
                                "id": "a",
                                "type": "labels",
                                "value": {"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]},
                            },
                            {
                                "id": "b",
                                "type": "labels",
                                "value": {"start": 4, "end": 8, "labels": ["Motion"]},
                            },
                            {
                                "type": "relation",
                                "from_id": "b",
                                "to_id": "a",
                                "direction": "right",
                                "labels": ["Agent"],
                            },
                        ],
                    }
                ],
            }
            for n in (1, 2)
        ],
        indent=0,
    ),
    2,
    allowed={
        "id": IDS,
        "data.source": ANY,
        "annotations": NONE,
        "annotations.*.id": ANY,
        "annotations.*.completed_by": ANY,
        "annotations.*.was_cancelled": ANY,
        "annotations.*.result": NONE,
        # Other types are left out and counted; so are relations of what is no labelled region.
        "annotations.*.result.*.id": IDS,
        "annotations.*.result.*.type": ANY,
        "annotations.*.result.*.from_id": IDS,
        "annotations.*.result.*.to_id": IDS,
        "annotations.*.result.*.direction": ANY,
        "annotations.*.result.*.labels": _names("null", "an empty list", "an empty object")
        | _names("an empty text"),
        "annotations.*.result.*.labels.*": TEXT,
        "annotations.*.result.*.value.text": _names("null"),
        "annotations.*.result.*.value.labels": _names("an empty list"),
        "annotations.*.result.*.value.labels.*": TEXT,
    },
    optional=_names(
        "id",
        "data.source",
        "annotations",
        "annotations.*",
        "annotations.*.id",
        "annotations.*.completed_by",
        "annotations.*.was_cancelled",
        "annotations.*.result.*",
        "annotations.*.result.*.id",
        "annotations.*.result.*.direction",
        "annotations.*.result.*.labels",
        "annotations.*.result.*.labels.*",
        "annotations.*.result.*.value.text",
        "annotations.*.result.*.value.labels",
        "annotations.*.result.*.value.labels.*",
    ),
    unsure=_names(
        "annotations.*.result.*.type",
        "annotations.*.result.*.value",
        "annotations.*.result.*.value.start",
        "annotations.*.result.*.value.end",
    ),
)

BRAT = Format(
    "event_extraction",
    "brat",
    ".ann",
    "T1\tPER 0 3\tAnn\nT2\tMotion 4 8\tgoes\nE1\tMotion:T2 Agent:T1\nT3\tLOC 12 16\tRome\n",
    1,
    words=frozenset({2}),
    beside={"data.txt": "Ann goes to Rome."},
)

WEBANNO = Format(
    "ner",
    "webanno",
    ".tsv",
    "#FORMAT=WebAnno TSV 3.3\n"
    "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value\n\n"
    "#Text=Ann Lee sees Rome\n"
    "1-1\t0-3\tAnn\t*[1]\tPER[1]\n1-2\t4-7\tLee\t*[1]\tPER[1]\n"
    "1-3\t8-12\tsees\t_\t_\n1-4\t13-17\tRome\t*\tLOC\n\n"
    "#Text=Bob likes it\n"
    "2-1\t18-21\tBob\t*\tPER\n2-2\t22-27\tlikes\t_\t_\n2-3\t28-30\tit\t_\t_\n\n",
    2,
    words=frozenset({2, 4}),
    free=frozenset({3}),
)

TABLES = (BRAT, WEBANNO)
LINES = (DOCCANO, DOCCANO_RELATIONS, PRODIGY)
ARRAYS = (LABEL_STUDIO,)
ALL = (*TABLES, *LINES, *ARRAYS)
