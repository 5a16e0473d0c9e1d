"""The tables of `nouns`, `words` and `names`, parsed and checked."""

from __future__ import annotations

from dataclasses import dataclass

from . import names, nouns, words

LANGS = ("eng", "spa", "eus", "ind", "jav", "tur", "zho", "fin")
#: Concepts (of every kind) that the training scenes never use.
HELD_OUT: set[str] = set()


@dataclass(frozen=True)
class Entry:
    concept: str
    classes: str  # nouns and adjectives: class letters; verbs: the frame
    forms: dict[str, list[str]]  # language -> its column, split at spaces
    extra: tuple[str, ...] = ()


def rows(table: str) -> list[list[str]]:
    """The cells of a table whose columns are separated by bars."""
    return [[c.strip() for c in line.split("|")] for line in table.strip().splitlines()]


def _held(concept: str, kind: str) -> str:
    """Strip the mark of held-out concepts and note them under `kind:concept`."""
    if concept.startswith("*"):
        concept = concept[1:]
        HELD_OUT.add(f"{kind}:{concept}")
    return concept


def _entries(table: str, kind: str, columns: int) -> dict[str, Entry]:
    entries = {}
    for row in rows(table):
        if len(row) < columns:
            raise ValueError(f"{kind} {row[0]}: {len(row)} columns, not {columns}")
        head = row[0].split()
        concept = _held(head[0], kind)
        forms = {lang: row[i + 1].split() for i, lang in enumerate(LANGS)}
        extra = tuple(head[2:]) or tuple(row[columns].split() if len(row) > columns else ())
        if concept in entries:
            raise ValueError(f"{kind} {concept} is there twice")
        entries[concept] = Entry(concept, head[1] if len(head) > 1 else "", forms, extra)
    return entries


NOUNS = _entries(nouns.NOUNS, "noun", 9)
ADJECTIVES = _entries(words.ADJECTIVES, "adj", 9)
VERBS = _entries(words.VERBS, "verb", 9)
NUMBERS = _entries(words.NUMBERS, "number", 9)
PLACES = _entries(names.PLACES, "name", 9)
GIVEN: dict[str, tuple[str, str, str, str]] = {}  # name -> gender, group, zho, fin genitive
for _row in rows(names.GIVEN):
    _name, _gender, _group = _row[0].split()
    GIVEN[_held(_name, "name")] = (_gender, _group, _row[1], _row[2])
FAMILY: dict[str, tuple[str, str, str, str]] = {}  # name -> group, zho, fin genitive, partitive
for _row in rows(names.FAMILY):
    _name, _group = _row[0].split()
    FAMILY[_held(_name, "name")] = (_group, _row[1], *_row[2].split())  # type: ignore[assignment]
ORGS: dict[str, tuple[str, str, str]] = {}  # name -> zho, fin genitive, partitive
for _row in rows(names.ORGS):
    ORGS[_held(_row[0], "name")] = (_row[1], *_row[2].split())  # type: ignore[assignment]
UNIVERSITIES = {_held(k, "university"): v for k, v in names.UNIVERSITIES.items()}
YEARS = {_held(k, "year"): v for k, v in names.YEARS.items()}
MONTHS = {_held(k, "month"): [c.strip() for c in v.split("|")] for k, v in names.MONTHS.items()}
DAYS = names.DAYS
WEEKDAYS = {
    _held(k, "weekday"): dict(zip(LANGS, (c.strip() for c in v.split("|")), strict=True))
    for k, v in names.WEEKDAYS.items()
}
#: Extra of a verb: what may be its object, and its event type.
EVENT_TYPES = {v.concept: v.extra[1] for v in VERBS.values() if v.extra[1] != "-"}


def month(number: str, lang: str) -> str:
    """The month's name; there is no Chinese column (months are numbers there)."""
    columns = ("eng", "spa", "eus", "ind", "jav", "tur", "fin")
    return MONTHS[number][columns.index(lang)]
