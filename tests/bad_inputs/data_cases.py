"""Data files: every format, with every family of mistakes, by every command that reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from bad_inputs import formats, mutations, tool_formats, world
from bad_inputs.case import FOLDER, Accepted, Case, Either, Expected, Outcome, Refused
from bad_inputs.families import cells, whole_file
from bad_inputs.formats import ANY, Format

TABLES = (*formats.TABLES, *tool_formats.TABLES)
LINES = (*formats.LINES, *tool_formats.LINES)
ALL = (*formats.ALL, *tool_formats.ALL)

MODEL, ENCODER = "{model}", "{encoder}"
SENTENCES = "Ann ndelok Roma.\n"


# Commands ----------------------------------------------------------------------------------------


def plan(format: Format) -> tuple[tuple[str, ...], dict[str, str]]:
    """As `xlt train` reads its data: the same for training and test, whose labels then agree."""
    data = {"ref": f"{FOLDER}/{format.file}", "format": format.name}
    config = {
        "name": "run",
        "task": {"name": format.task, **world.options(format.task)},
        "model": {"encoder": ENCODER},
        "data": {
            "eng": {"train": data},
            "jav": {"test": data},
        },
        "selection": {"on": "last"},
        "source": ["eng"],
        "target": ["jav"],
        "seeds": [1],
        "output": {"root": f"{FOLDER}/runs"},
    }
    return ("plan", f"{FOLDER}/run.yaml"), {"run.yaml": json.dumps(config)}


def evaluate(format: Format) -> tuple[tuple[str, ...], dict[str, str]]:
    given = ("--format", format.name, "--language", "eng")
    return ("evaluate", MODEL, f"{FOLDER}/{format.file}", *given), {}


def predict(format: Format) -> tuple[tuple[str, ...], dict[str, str]]:
    given = ("--input-format", format.name, "--language", "eng")
    return ("predict", MODEL, f"{FOLDER}/{format.file}", "-o", f"{FOLDER}/out", *given), {}


def project(format: Format) -> tuple[tuple[str, ...], dict[str, str]]:
    lines = format.task == "event_extraction" or format in tool_formats.ALL
    out = f"{FOLDER}/out{'.jsonl' if lines else format.suffix}"
    languages = ("--from", "eng", "--to", "jav", "--input-format", format.name)
    translator = ("--translator", "given", f"projection.translator.file={FOLDER}/out.txt")
    asked = ("project", f"{FOLDER}/{format.file}", out, "--task", format.task)
    return (*asked, *languages, *translator), {"out.txt": SENTENCES * 100}


def probe(format: Format) -> tuple[tuple[str, ...], dict[str, str]]:
    given = ("--input-format", format.name, "--language", "eng")
    return ("probe", MODEL, f"{FOLDER}/{format.file}", *given), {}


Command = Callable[[Format], tuple[tuple[str, ...], dict[str, str]]]
LABELLED: tuple[Command, ...] = (plan, evaluate, project, probe)
"""Commands that look at the annotation."""
WITHOUT_TRANSLATIONS: tuple[Command, ...] = (plan, evaluate, probe)
ALL_COMMANDS: tuple[Command, ...] = (plan, predict, evaluate, project, probe)


def records(number: int) -> Callable[[Outcome], None]:
    """Checks that so many records were read, where the command says how many."""

    def check(outcome: Outcome) -> None:
        result = json.loads(outcome.out)
        if "stages" in result:  # of `plan`
            (row,) = [r for r in result["data"] if (r["language"], r["split"]) == ("eng", "train")]
            assert row["records"] == number
        else:
            assert result["records"] == number

    return check


class Maker:
    """Makes the cases of a format, each with the next of the commands."""

    def __init__(self, format: Format) -> None:
        self.format = format
        self._turn = {ALL_COMMANDS: count(), LABELLED: count()}

    def __call__(
        self,
        what: str,
        content: str | bytes,
        expected: Expected,
        *,
        commands: tuple[Command, ...] = ALL_COMMANDS,
        prepare: Callable[[Path], None] | None = None,
    ) -> Case:
        """One case. What a command refuses for another reason than the file is not accepted."""
        if isinstance(expected, Accepted):
            # The others want more of a file than that it can be read: labels that a model knows,
            # as many texts as translations.
            commands = (plan,) if expected.check is None else (plan, evaluate)
        turn = self._turn.setdefault(commands, count())
        command = commands[next(turn) % len(commands)]
        arguments, files = command(self.format)
        if isinstance(expected, Refused):
            expected = Refused(f"{FOLDER}/{expected.place}")
        name = f"{self.format.label}: {what} ({command.__name__})"
        given = {} if prepare else {self.format.file: content}
        given |= self.format.beside
        models = {
            MODEL: lambda: world.model(self.format),
            ENCODER: lambda: world.encoder(self.format),
        }
        return Case(name, arguments, expected, files | given, models, prepare=prepare)


# Families ----------------------------------------------------------------------------------------


def whole_file_cases(format: Format) -> Iterator[Case]:
    return whole_file(Maker(format), format.file, format.text, read=records(format.records))


def standoff_cases(format: Format) -> Iterator[Case]:
    """As `whole_file`, of annotation beside its text: nothing in it says that nothing is marked."""
    make = Maker(format)
    for what, data in mutations.encodings(format.text):
        empty = what in ("nothing", "only a byte order mark", "only line ends")
        yield make(what, data, Either() if empty else Refused(format.file))
    for what, data in mutations.line_ends(format.text):
        yield make(what, data, Accepted(check=records(format.records)))
    for what, changed in mutations.broken_lines(format.text):
        yield make(what, changed, Either())
    for what, data in mutations.noise(format.text.encode(), 10, len(format.text)):
        yield make(what, data, Either())
    for what, path in (("a device", "/dev/zero"), ("a loop", format.file)):
        yield make(
            what,
            b"",
            Refused(format.file),
            prepare=lambda folder, path=path: (folder / format.file).symlink_to(path),  # type: ignore[misc]
        )


def cell_cases(format: Format) -> Iterator[Case]:
    """Each cell of the first and the last record: words with any characters, numbers and tags
    replaced by what they must not be."""
    make = Maker(format)
    header = 1 if format.name == "tsv" else 0
    lines = format.text.split("\n")
    rows = [n for n, line in enumerate(lines) if "\t" in line and n >= header]
    for row in (rows[0], rows[-1]):
        place = Refused(f"{format.file}:{row + 1}")
        for column, cell, changed in cells(format.text, "\t", row):
            where = f"line {row + 1} column {column}"
            for what, mark in mutations.CHARACTERS.items():
                bad = what in ("NUL", "a lone surrogate")
                expected: Expected = place if bad else Either()
                yield make(f"{where} with {what}", changed(f"a{mark}b"), expected)
            yield make(f"{where} with a tab", changed("a\tb"), Either())
            if column in format.words | format.free:
                continue
            if parts := re.fullmatch(r"(.*?)[0-9]+(\D*)", cell):
                for what, text in mutations.NUMBERS.items():
                    yield make(f"{where} is {what}", changed(f"{parts[1]}{text}{parts[2]}"), place)
            else:
                for text in ("", " ", "B-", "-", "٣"):
                    yield make(f"{where} is {text!r}", changed(text), Either())


def pattern(path: mutations.Path, given: Any) -> str:
    """A place within a record, as the formats name it: positions as ``*``."""
    inside = path[1:] if isinstance(given, list) else path
    return ".".join("*" if isinstance(key, int) else key for key in inside)


def json_records(format: Format) -> list[Any]:
    if format in LINES:
        return [json.loads(line) for line in format.text.splitlines()]
    return [json.loads(format.text)]


def json_cases(format: Format) -> Iterator[Case]:
    """Each place of the last record replaced by each JSON value, and each left out."""
    make = Maker(format)
    given = json_records(format)
    number = len(given)
    array = isinstance(given[-1], list)
    place = f"{format.file}:{number}" if format in LINES else format.file
    for path in mutations.json_paths(given[-1]):
        if array and len(path) > 1 and path[0] != 0:
            continue  # like the first
        rule = pattern(path, given[-1])
        allowed = format.allowed.get(rule, frozenset())
        commands = WITHOUT_TRANSLATIONS if rule in format.fewer else LABELLED
        for what, value in mutations.JSON_VALUES.items():
            if json.dumps(value) == json.dumps(at(given[-1], path)):
                continue
            text = written(format, [*given[:-1], mutations.replaced(given[-1], path, value)])
            fine = allowed is ANY or what in allowed
            expected = Either() if rule in format.unsure else Accepted() if fine else Refused(place)
            yield make(f"{mutations.shown(path)} is {what}", text, expected, commands=commands)
        if path:
            text = written(format, [*given[:-1], mutations.without(given[-1], path)])
            fine = rule in format.optional or (array and len(path) == 1)
            expected = Either() if rule in format.unsure else Accepted() if fine else Refused(place)
            yield make(f"{mutations.shown(path)} is missing", text, expected, commands=commands)


def json_text_cases(format: Format) -> Iterator[Case]:
    """What a JSON text may have that a value cannot say."""
    make = Maker(format)
    given = json_records(format)
    place = f"{format.file}:{len(given)}" if format in LINES else format.file
    for path in mutations.json_paths(given[-1]):
        names = path and isinstance(path[-1], str)  # else nothing in its place is an empty list
        marked = written(format, [*given[:-1], mutations.replaced(given[-1], path, "@HERE@")])
        for what, text in {
            "deeply nested": "[" * mutations.DEPTH,
            "closed and deeply nested": '{"a":' * 500 + "1" + "}" * 500,
            "nested in 101 levels": "[" * 101 + "]" * 101,
            "a number of 5,000 digits": "9" * 5000,
            "a number of 4,000 digits": "9" * 4000,
            "an Arabic digit": "٣",
            "a number with an underscore": "6_0",
            "NaN": "NaN",
            "minus infinity": "-Infinity",
            "beyond all floats": "1e999",
            "a lone surrogate": '"\\ud800"',
            "NUL": '"a\\u0000b"',
            "a raw NUL": '"a\0b"',
            "a raw tab": '"a\tb"',
            "a key twice": '{"a": 1, "a": 2}',
            "a comment": '/* "" */ 1',
            "single quotes": "'a'",
            "nothing": "",
        }.items():
            wide = what in ("a number of 4,000 digits", "beyond all floats")
            rule = format.allowed.get(pattern(path, given[-1]), frozenset())
            yield make(
                f"{mutations.shown(path)} is {what}",
                marked.replace('"@HERE@"', text),
                Either() if (wide and rule) or not (text or names) else Refused(place),
                commands=LABELLED,
            )


def at(value: Any, path: mutations.Path) -> Any:
    for key in path:
        value = value[key]
    return value


def written(format: Format, values: list[Any]) -> str:
    if format in LINES:
        return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    return json.dumps(values[0], ensure_ascii=False, indent=0)


def data_cases() -> Iterator[Case]:
    for format in ALL:
        yield from (standoff_cases if format.beside else whole_file_cases)(format)
        if format in TABLES:
            yield from cell_cases(format)
        elif format not in formats.QUOTED:
            yield from json_cases(format)
            yield from json_text_cases(format)
