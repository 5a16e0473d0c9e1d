"""Rows from the JSON formats in which events are published.

Each reader yields (``path:line``, row) with a row as `records.Checker` takes it. A file may have
one object a line, or one JSON list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xlt.data.files import lines
from xlt.data.jsonl import load_json, read_jsonl
from xlt.data.offsets import SpanLocator, integer
from xlt.document.text import Text
from xlt.errors import XltError, choose
from xlt.reader_options import advise, advise_format

Row = tuple[str, dict[str, Any]]

_SIGNS = {
    "oneie": "event_mentions",
    "dygie": "sentences",
    "ace": "golden-event-mentions",
    "mee": "triggers",
}
"""Format → the field that gives it away."""


def read_rows(path: Path, *, labelled: bool, **options: Any) -> Iterator[Row]:
    """Read our own: {id, words or tokens, entities, events: [{trigger, type, arguments}]}."""
    for number, row in read_jsonl(path, **options):
        where = f"{path}:{number}"
        if labelled and "events" not in row:
            for format, field in _SIGNS.items():
                if field in row:
                    raise XltError(
                        f"this has {field!r} where `events` was expected",
                        where=where,
                        fix=advise_format(format),
                    )
            raise XltError("the field 'events' is missing", where=where, fix=choose("events", row))
        yield where, row


def read_oneie(path: Path) -> Iterator[Row]:
    """Read OneIE and TextEE: entity_mentions with ids, event_mentions whose arguments name them."""
    for where, row in _objects(path):
        words = _field(row, "tokens", where)
        mentions = {
            str(_field(m, "id", where)): _placed(m, _field(m, "entity_type", where), where)
            for m in _field(row, "entity_mentions", where)
        }
        events = []
        for event in _field(row, "event_mentions", where):
            arguments = []
            for one in event.get("arguments", []):
                entity = _entity(mentions, _field(one, "entity_id", where), where)
                arguments.append({**entity, "role": _field(one, "role", where)})
            kind = _field(event, "event_type", where)
            trigger = _field(event, "trigger", where)
            events.append({"trigger": trigger, "type": kind, "arguments": arguments})
        id = row.get("wnd_id") or row.get("sent_id") or row.get("id")
        yield where, _row(id, words, list(mentions.values()), events)


def read_dygie(path: Path) -> Iterator[Row]:
    """Read DyGIE++: documents; word numbers run through the document, ends are inclusive."""
    for where, row in _objects(path):
        first = row.get("_sentence_start", row.get("sentence_start"))
        begin = 0
        sentences = _field(row, "sentences", where)
        for number, words in enumerate(sentences):
            start = first[number] if first else begin
            begin += len(words)

            def placed(begin: int, end: int, start: int = start) -> dict[str, int]:
                return {"start": begin - start, "end": end + 1 - start}

            try:
                entities = [
                    {**placed(a, b), "type": kind}
                    for a, b, kind, *_ in _of(row, "ner", number, len(sentences))
                ]
                events = []
                for trigger, *arguments in _of(row, "events", number, len(sentences)):
                    # Triggers are one word, or first word and last word.
                    *place, kind = trigger[:3] if isinstance(trigger[1], int) else trigger[:2]
                    events.append(
                        {
                            "trigger": placed(place[0], place[-1]),
                            "type": kind,
                            "arguments": [
                                {**placed(a, b), "role": role} for a, b, role, *_ in arguments
                            ],
                        }
                    )
            except (TypeError, ValueError, IndexError) as error:
                raise XltError(
                    f"`ner` or `events` of sentence {number} is not as DyGIE++ writes it ({error})",
                    where=where,
                    fix="entities are [start, end, type], events [[trigger, type], [start, end, "
                    "role], …], a list a sentence",
                ) from error
            id = f"{_field(row, 'doc_key', where)}#{number}"
            yield where, _row(id, words, entities, events)


def read_ace(path: Path, *, ends: str = "exclusive") -> Iterator[Row]:
    """Read ACE and BKEE as ace2005-preprocessing writes them, with numbers of words.

    ends: "inclusive" where `end` is the last word of a mention.
    """
    more = {"exclusive": 0, "inclusive": 1}
    if ends not in more:
        raise XltError(f"there are no {ends!r} ends", where=path, fix=choose(ends, more))
    for where, row in _objects(path):
        words = row.get("words", row.get("tokens"))

        def placed(item: Mapping[str, Any], where: str = where, words: Any = words) -> Any:
            start, end = (
                integer(_field(item, key, where), f"`{key}` of {dict(item)}", where=where)
                for key in ("start", "end")
            )
            end += more[ends]
            text = item.get("text")
            # The two readings of `end` differ by a word, which the mention's text gives away.
            if isinstance(text, str) and isinstance(words, list):
                said, covered = ("".join(t.split()) for t in (text, "".join(words[start:end])))
                if said != covered and said == "".join(
                    "".join(words[start : end + 1 - 2 * more[ends]]).split()
                ):
                    other = next(e for e in more if e != ends)
                    raise XltError(
                        f"{text!r} ends one word away from where `end` says",
                        where=where,
                        fix=advise(f"ends: {other}"),
                    )
            return {"start": start, "end": end}

        entities = [
            {**placed(m), "type": _either(m, "entity-type", "entity_type", where)}
            for m in row.get("golden-entity-mentions", [])
        ]
        events = [
            {
                "trigger": placed(_field(event, "trigger", where)),
                "type": _either(event, "event_type", "event-type", where),
                "arguments": [
                    {**placed(one), "role": _field(one, "role", where)}
                    for one in event.get("arguments", [])
                ],
            }
            for event in _field(row, "golden-event-mentions", where)
        ]
        yield where, _row(row.get("id") or row.get("sent_id"), words, entities, events)


def read_mee(path: Path) -> Iterator[Row]:
    """Read MEE and EusIE: mentions by id, with offsets in characters of the joined words.

    A mention that says its `text` must have it there, but for white space; else it is moved, as
    `SpanLocator` does, to where it is.
    """
    with SpanLocator(path, "mention", "joined tokens") as locate:
        for where, row in _objects(path):
            yield where, _mee_row(row, locate, where)


def _mee_row(row: Mapping[str, Any], locate: SpanLocator, where: str) -> dict[str, Any]:
    words = _field(row, "tokens", where)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise XltError("`tokens` is no list of texts", where=where, fix="mend it")
    text = Text.from_words(words, [True] * len(words))
    mentions = {
        layer: {
            str(id): {**_words(item, text, locate, where), "type": _field(item, "type", where)}
            for id, item in _field(row, layer, where).items()
        }
        for layer in ("entities", "triggers")
    }
    arguments: dict[str, list[dict[str, Any]]] = {id: [] for id in mentions["triggers"]}
    for one in row.get("arguments", []):
        trigger = str(_field(one, "trigger", where))
        if trigger not in arguments:
            raise XltError(
                f"an argument points to the trigger {trigger!r}, which is not there",
                where=where,
                fix=choose(trigger, arguments),
            )
        entity = _entity(mentions["entities"], _field(one, "argument", where), where)
        place = {key: entity[key] for key in ("start", "end")}
        arguments[trigger].append({**place, "role": _field(one, "role", where)})
    events = [
        {
            "trigger": {"start": t["start"], "end": t["end"]},
            "type": t["type"],
            "arguments": arguments[id],
        }
        for id, t in mentions["triggers"].items()
    ]
    return _row(row.get("id"), words, list(mentions["entities"].values()), events)


def _words(item: Mapping[str, Any], text: Text, locate: SpanLocator, where: str) -> dict[str, int]:
    """The words that a range of characters touches. Discontinuous ones (``3;17``) are closed."""
    starts, ends = (_fragments(_field(item, key, where)) for key in ("start", "end"))
    try:
        start = integer(starts[0], "`start`", where=where)
        end = integer(ends[-1], "`end`", where=where)
    except (XltError, IndexError) as error:
        raise XltError(
            f"{dict(item)} has no character offsets", where=where, fix="give `start` and `end`"
        ) from error
    said = item.get("text")
    if len(starts) == len(ends) == 1 and isinstance(said, str) and said.strip():
        there = text.surface[start:end] if start >= 0 else ""
        if "".join(said.split()) == "".join(there.split()):
            said = there  # written without the spaces that tokenisation put in
        said, start = locate(said, start, text.surface, where=where)
        end = start + len(said)
    elif not 0 <= start < end <= len(text.surface):
        raise XltError(
            f"the characters from {start} to {end} are not in the text of {len(text.surface)}",
            where=where,
            fix="offsets count characters of the tokens joined by single spaces, from 0",
        )
    first, last = text.words_at(start, end)
    return {"start": first, "end": last}


def _fragments(offset: Any) -> list[Any]:
    """The offsets of a mention's fragments, one for each, as they are in the file."""
    return offset.replace(";", " ").split() if isinstance(offset, str) else [offset]


def _objects(path: Path) -> Iterator[Row]:
    first = next((line.strip() for _, line in lines(path) if line.strip()), "")
    if not first.startswith("["):
        for number, row in read_jsonl(path):
            yield f"{path}:{number}", row
        return
    rows = load_json(path, fix="write one array of objects, or an object on each line")
    for number, row in enumerate(rows, 1):
        where = f"{path}:record {number}"
        if not isinstance(row, dict):
            raise XltError("this is no object", where=where, fix="give a list of objects")
        yield where, row


def _field(item: Mapping[str, Any], key: str, where: str) -> Any:
    if not isinstance(item, Mapping) or key not in item:
        raise XltError(
            f"the field {key!r} is missing",
            where=where,
            fix=choose(key, item if isinstance(item, Mapping) else ()),
        )
    return item[key]


def _either(item: Mapping[str, Any], one: str, other: str, where: str) -> Any:
    return item[other] if other in item else _field(item, one, where)


def _placed(item: Mapping[str, Any], kind: str, where: str) -> dict[str, Any]:
    place = {key: _field(item, key, where) for key in ("start", "end")}
    head = item.get("head")
    if isinstance(head, Mapping):  # {text, start, end}: its last word stands for it
        place["head"] = _field(head, "end", where) - 1
    return {**place, "type": kind}


def _entity(mentions: Mapping[str, dict[str, Any]], id: Any, where: str) -> dict[str, Any]:
    if str(id) not in mentions:
        raise XltError(
            f"an argument points to the entity {id!r}, which is not there",
            where=where,
            fix=choose(str(id), mentions),
        )
    return mentions[str(id)]


def _of(row: Mapping[str, Any], key: str, sentence: int, sentences: int) -> list[Any]:
    values = row.get(key) or [[] for _ in range(sentences)]
    return list(values[sentence])


def _row(id: Any, words: Any, entities: list[Any], events: list[Any]) -> dict[str, Any]:
    return {"id": id, "words": words, "entities": entities, "events": events}
