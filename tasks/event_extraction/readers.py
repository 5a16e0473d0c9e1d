"""Rows from the JSON formats in which events are published.

Each reader yields (``path:line``, row) with a row as `records.Checker` takes it. A file may have
one object a line, or one JSON list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from xlt.data.fields import mapping, objects, required, sequence, text, texts
from xlt.data.files import lines
from xlt.data.jsonl import load_json, read_jsonl
from xlt.data.numbers import integer
from xlt.data.offsets import SpanLocator
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
        words = required(row, "tokens", where=where)
        mentions = {}
        for mention in _list_of(row, "entity_mentions", where):
            name = _id(required(mention, "id", where=where), where)
            mentions[name] = _placed(mention, required(mention, "entity_type", where=where), where)
        events = []
        for event in _list_of(row, "event_mentions", where):
            arguments = []
            for one in _arguments(event, where):
                entity = _entity(mentions, required(one, "entity_id", where=where), where)
                arguments.append({**entity, "role": required(one, "role", where=where)})
            kind = required(event, "event_type", where=where)
            trigger = required(event, "trigger", where=where)
            events.append({"trigger": trigger, "type": kind, "arguments": arguments})
        id = _given(row, "wnd_id", "sent_id", "id")
        yield where, _row(id, words, list(mentions.values()), events)


def read_dygie(path: Path) -> Iterator[Row]:
    """Read DyGIE++: documents; word numbers run through the document, ends are inclusive."""
    for where, row in _objects(path):
        sentences = [
            texts(words, "a sentence", where=where)
            for words in sequence(required(row, "sentences", where=where), "`sentences`",
                                  where=where)
        ]  # fmt: skip
        key = text(required(row, "doc_key", where=where), "`doc_key`", where=where)
        starts = _sentence_starts(row, sentences, where)
        for number, words in enumerate(sentences):
            start = starts[number]

            def placed(
                begin: Any, end: Any, start: int = start, where: str = where
            ) -> dict[str, int]:
                first, last = (integer(n, "a number of a word", where=where) for n in (begin, end))
                return {"start": first - start, "end": last + 1 - start}

            try:
                entities = [
                    {**placed(a, b), "type": kind}
                    for a, b, kind, *_ in _of(row, "ner", number, len(sentences), where)
                ]
                events = []
                for trigger, *arguments in _of(row, "events", number, len(sentences), where):
                    # Triggers are one word, or first word and last word.
                    *place, kind = trigger[:2] if isinstance(trigger[1], str) else trigger[:3]
                    events.append(
                        {
                            "trigger": placed(place[0], place[-1]),
                            "type": kind,
                            "arguments": [
                                {**placed(a, b), "role": role} for a, b, role, *_ in arguments
                            ],
                        }
                    )
            except (TypeError, ValueError, IndexError, KeyError) as error:
                raise XltError(
                    f"`ner` or `events` of sentence {number} is not as DyGIE++ writes it ({error})",
                    where=where,
                    fix="entities are [start, end, type], events [[trigger, type], [start, end, "
                    "role], …], a list a sentence",
                ) from error
            yield where, _row(f"{key}#{number}", words, entities, events)


def _sentence_starts(row: Mapping[str, Any], sentences: list[list[str]], where: str) -> list[int]:
    """The number of each sentence's first word in the document: as it says, or counted."""
    stated = row.get("_sentence_start", row.get("sentence_start"))
    if stated is None or stated == []:
        return list(accumulate((len(words) for words in sentences[:-1]), initial=0))
    if len(sequence(stated, "`_sentence_start`", where=where)) != len(sentences):
        raise XltError(
            f"{len(stated)} numbers in `_sentence_start`, but {len(sentences)} sentences",
            where=where,
            fix="give the number of each sentence's first word, or leave it out",
        )
    return [integer(start, "`_sentence_start`", where=where) for start in stated]


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
                integer(required(item, key, where=where), f"`{key}` of a mention", where=where)
                for key in ("start", "end")
            )
            end += more[ends]
            said = item.get("text")
            # The two readings of `end` differ by a word, which the mention's text gives away.
            if isinstance(said, str) and start >= 0:
                own, other = (
                    "".join("".join(texts(words, "`words`", where=where)[start:stop]).split())
                    for stop in (end, end + 1 - 2 * more[ends])
                )
                if own != "".join(said.split()) == other:
                    raise XltError(
                        f"{said!r:.60} ends one word away from where `end` says",
                        where=where,
                        fix=advise(f"ends: {next(e for e in more if e != ends)}"),
                    )
            return {"start": start, "end": end}

        entities = [
            {**placed(m), "type": _either(m, "entity-type", "entity_type", where)}
            for m in objects(
                row.get("golden-entity-mentions"), "`golden-entity-mentions`", where=where
            )
        ]
        events = [
            {
                "trigger": placed(required(event, "trigger", where=where)),
                "type": _either(event, "event_type", "event-type", where),
                "arguments": [
                    {**placed(one), "role": required(one, "role", where=where)}
                    for one in _arguments(event, where)
                ],
            }
            for event in _list_of(row, "golden-event-mentions", where)
        ]
        yield where, _row(_given(row, "id", "sent_id"), words, entities, events)


def read_mee(path: Path) -> Iterator[Row]:
    """Read MEE and EusIE: mentions by id, with offsets in characters of the joined words.

    A mention that says its `text` must have it there, but for white space; else it is moved, as
    `SpanLocator` does, to where it is.
    """
    with SpanLocator(path, "mention", "joined tokens") as locate:
        for where, row in _objects(path):
            yield where, _mee_row(row, locate, where)


def _mee_row(row: Mapping[str, Any], locate: SpanLocator, where: str) -> dict[str, Any]:
    words = texts(required(row, "tokens", where=where), "`tokens`", where=where)
    surface = Text.from_words(words, [True] * len(words))
    mentions = {}
    for layer in ("entities", "triggers"):
        given = mapping(required(row, layer, where=where), f"`{layer}`", where=where)
        mentions[layer] = {
            str(id): {
                **_words(item, surface, locate, where),
                "type": required(item, "type", where=where),
            }
            for id, item in given.items()
        }
    arguments: dict[str, list[dict[str, Any]]] = {id: [] for id in mentions["triggers"]}
    for one in _arguments(row, where):
        trigger = _id(required(one, "trigger", where=where), where)
        if trigger not in arguments:
            raise XltError(
                f"an argument points to the trigger {trigger!r:.60}, which is not there",
                where=where,
                fix=choose(trigger, arguments),
            )
        entity = _entity(mentions["entities"], required(one, "argument", where=where), where)
        place = {key: entity[key] for key in ("start", "end")}
        arguments[trigger].append({**place, "role": required(one, "role", where=where)})
    events = [
        {
            "trigger": {"start": t["start"], "end": t["end"]},
            "type": t["type"],
            "arguments": arguments[id],
        }
        for id, t in mentions["triggers"].items()
    ]
    return _row(row.get("id"), words, list(mentions["entities"].values()), events)


def _words(item: object, whole: Text, locate: SpanLocator, where: str) -> dict[str, int]:
    """The words that a range of characters touches. Discontinuous ones (``3;17``) are closed."""
    mention = mapping(item, "a mention", where=where)
    starts, ends = (_fragments(required(mention, key, where=where)) for key in ("start", "end"))
    if not starts or not ends:
        raise XltError(
            "a mention has no character offsets", where=where, fix="give `start` and `end`"
        )
    start = integer(starts[0], "`start` of a mention", where=where)
    end = integer(ends[-1], "`end` of a mention", where=where)
    said = mention.get("text")
    if isinstance(said, str) and not said.strip():
        said = None  # as if it were not there
    if said is not None:
        text(said, "`text` of a mention", where=where)
    if len(starts) == len(ends) == 1 and said is not None:
        there = whole.surface[start:end] if start >= 0 else ""
        if "".join(said.split()) == "".join(there.split()):
            said = there  # written without the spaces that tokenisation put in
        said, start = locate(said, start, whole.surface, where=where)
        end = start + len(said)
    elif not 0 <= start < end <= len(whole.surface):
        raise XltError(
            f"the characters from {start} to {end} are not in the text of {len(whole.surface)}",
            where=where,
            fix="offsets count characters of the tokens joined by single spaces, from 0",
        )
    first, last = whole.words_at(start, end)
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
    if not rows:
        raise XltError("there is no record in it", where=path, fix="check where it came from")
    for number, row in enumerate(rows, 1):
        where = f"{path}:record {number}"
        if not isinstance(row, dict):
            raise XltError("this is no object", where=where, fix="give a list of objects")
        yield where, row


def _list_of(row: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """The objects in a field that has to be there; null for none."""
    return objects(required(row, key, where=where), f"`{key}`", where=where)


def _arguments(item: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    return objects(item.get("arguments"), "`arguments`", where=where)


def _id(value: object, where: str) -> str:
    """The id of a mention, as others point to it: files write it as a text or as a number."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise XltError(
        f"the id of a mention is {value!r:.60}, neither text nor number",
        where=where,
        fix='write "…"',
    )


def _either(item: Mapping[str, Any], one: str, other: str, where: str) -> Any:
    return item[other] if other in item else required(item, one, where=where)


def _placed(item: Mapping[str, Any], kind: Any, where: str) -> dict[str, Any]:
    place = {key: required(item, key, where=where) for key in ("start", "end")}
    head = item.get("head")
    if isinstance(head, Mapping):  # {text, start, end}: its last word stands for it
        end = integer(required(head, "end", where=where), "`end` of a head", where=where)
        place["head"] = end - 1
    return {**place, "type": kind}


def _entity(mentions: Mapping[str, dict[str, Any]], id: Any, where: str) -> dict[str, Any]:
    entity = _id(id, where)
    if entity not in mentions:
        raise XltError(
            f"an argument points to the entity {entity!r:.60}, which is not there",
            where=where,
            fix=choose(entity, mentions),
        )
    return mentions[entity]


def _of(row: Mapping[str, Any], key: str, number: int, sentences: int, where: str) -> list[Any]:
    """What a field has for one sentence; nothing if the field is not there."""
    values = row.get(key)
    if values is None:
        return []
    if len(sequence(values, f"`{key}`", where=where)) != sentences:
        raise XltError(
            f"{len(values)} lists in `{key}`, but {sentences} sentences",
            where=where,
            fix="give one a sentence, [] where there is nothing",
        )
    return sequence(values[number], f"`{key}` of sentence {number}", where=where)


def _given(row: Mapping[str, Any], *keys: str) -> Any:
    """The first of these fields that says something, of whatever kind; None if none does."""
    return next((row[key] for key in keys if row.get(key) not in (None, "")), None)


def _row(id: Any, words: Any, entities: list[Any], events: list[Any]) -> dict[str, Any]:
    return {"id": id, "words": words, "entities": entities, "events": events}
