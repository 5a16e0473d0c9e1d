"""Files beside the data: links, translations, parallel text, tables of scores, plain text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bad_inputs import mutations, world
from bad_inputs.case import FOLDER, Accepted, Case, Either, Expected, Outcome, Refused
from bad_inputs.data_cases import MODEL
from bad_inputs.families import cells, whole_file
from bad_inputs.formats import BIO

LONG = 200_000
"""Characters, of what a slow expression needs minutes for."""


@dataclass(frozen=True)
class File:
    """A valid file, and the command that reads it.

    beside: other files of the command. blank: what becomes of empty lines alone.
    """

    name: str
    file: str
    text: str
    command: tuple[str, ...]
    beside: Mapping[str, str] = field(default_factory=dict)
    blank: Expected | None = None
    read: Callable[[Outcome], None] | None = None

    def __call__(
        self,
        what: str,
        content: str | bytes,
        expected: Expected,
        *,
        prepare: Callable[[Path], None] | None = None,
    ) -> Case:
        if isinstance(expected, Refused):
            expected = Refused(f"{FOLDER}/{expected.place}")
        given = {} if prepare else {self.file: content}
        # Scores are kept in the cache: each case has its own.
        return Case(
            f"{self.name}: {what}",
            self.command,
            expected,
            {**self.beside, **given},
            {MODEL: lambda: world.model(BIO)},
            prepare=prepare,
            environment={"XLT_CACHE": f"{FOLDER}/cache"} if "scores" in self.command else {},
        )

    def at(self, line: int) -> Refused:
        return Refused(f"{self.file}:{line}")


PROJECT = (
    *("project", f"{FOLDER}/{BIO.file}", f"{FOLDER}/out.bio", "--task", "ner"),
    *("--from", "eng", "--to", "jav", "--translator", "given"),
    f"projection.translator.file={FOLDER}/translations.txt",
)
TRANSLATIONS = "Ann Lee ndelok Roma\nBob seneng Paris\n"


def _count(key: str, number: int) -> Callable[[Outcome], None]:
    def check(outcome: Outcome) -> None:
        assert len(json.loads(outcome.out)[key]) == number

    return check


LINKS = File(
    "links",
    "links.txt",
    "0-0 1-1:0.9 2-2 3p3\n0-0 1-1 2-2:1e-1\n",
    (*PROJECT, "--aligner", "given", f"projection.aligner.file={FOLDER}/links.txt"),
    {BIO.file: BIO.text, "translations.txt": TRANSLATIONS},
    blank=Either(),
)
TRANSLATED = File(
    "translations",
    "translations.txt",
    TRANSLATIONS,
    PROJECT,
    {BIO.file: BIO.text},
    blank=Either(),
)
PARALLEL = File(
    "parallel text",
    "pairs.tsv",
    "Ann sees Rome\tAnn ndelok Roma\nBob likes Paris\tBob seneng Paris\n",
    (*PROJECT, f'projection.aligner.parallel=["{FOLDER}/pairs.tsv"]'),
    {BIO.file: BIO.text, "translations.txt": TRANSLATIONS},
)
SCORES = File(
    "own scores",
    "mine.csv",
    "task,source,target,metric,score,encoder\n"
    "ner,ind,jav,f1,50.5,some-model\nner,Spanish,jv,f1,40,some-model\n",
    ("scores", "add", f"{FOLDER}/mine.csv"),
    read=_count("scores", 2),
)
MATRIX = File(
    "table of scores",
    "table.csv",
    "source,target,score\neng,deu,50.5\nfra,deu,40\neng,fra,30\ndeu,fra,20\n",
    ("analyse-typology", f"{FOLDER}/table.csv", "--permutations", "1"),
)
TRAITS = File(
    "traits",
    "traits.csv",
    "language,order\neng,SVO\ndeu,SOV\nfra,SVO\n",
    ("analyse-typology", f"{FOLDER}/table.csv", "--permutations", "1",
     "--traits", f"{FOLDER}/traits.csv"),
    {"table.csv": MATRIX.text},
)  # fmt: skip
SENTENCES = "Bapak maca buku.\nIbu tuku gula ing pasar.\n"
_RANK = (
    *("predict-source", "jav", "--task", "ner", "--sources", "ind,eng", "--no-own"),
    *("--text", f"{FOLDER}/target.txt", "--source-text", f"ind={FOLDER}/ind.txt"),
    *("--source-text", f"eng={FOLDER}/eng.txt"),
)
TARGET_TEXT = File(
    "target text",
    "target.txt",
    SENTENCES,
    _RANK,
    {"ind.txt": SENTENCES, "eng.txt": SENTENCES},
)
SOURCE_TEXT = File(
    "source text",
    "ind.txt",
    SENTENCES,
    _RANK,
    {"target.txt": SENTENCES, "eng.txt": SENTENCES},
)
PLAIN = File(
    "plain text",
    "text.txt",
    "Ann sees Rome.\nBob likes Paris.\n",
    ("predict", MODEL, f"{FOLDER}/text.txt", "--language", "eng", "-o", f"{FOLDER}/out"),
)
WORDS = File(
    "words",
    "words.txt",
    "Ann sees Rome .\nBob likes Paris .\n",
    ("predict", MODEL, f"{FOLDER}/words.txt", "--input-format", "words", "-o", f"{FOLDER}/out"),
)
FILES = (
    *(LINKS, TRANSLATED, PARALLEL, SCORES, MATRIX, TRAITS),
    *(TARGET_TEXT, SOURCE_TEXT, PLAIN, WORDS),
)


def link_cases() -> Iterator[Case]:
    bad = {
        "an Arabic digit": "٣-0",
        "a digit with an underscore": "1_0-0",
        "a long number": "9" * 5000 + "-0",
        "a negative number": "0--1",
        "no such word": "0-4",
        "no number": "0-x",
        "one number": "0",
        "three numbers": "0-1-2",
        "an Arabic score": "0-0:٠.٥",
        "NaN": "0-0:nan",
        "infinity": "0-0:inf",
        "a score of nothing": "0-0:0",
        "a large score": "0-0:1.5",
        "a negative score": "0-0:-0.5",
        "an empty score": "0-0:",
        "two scores": "0-0:1:1",
        "a comma": "0-0:0,5",
        "a tiny score": "0-0:1e-400",
        "a long score": "0-0:" + "1" * LONG + "x",
        "a long link": "1" * LONG,
        "a null": "null",
    }
    for what, text in bad.items():
        yield LINKS(what, LINKS.text + text, Refused(LINKS.file))
        yield LINKS(f"{what} in line 2", f"0-0\n{text} 1-1\n", LINKS.at(2))


def table_cases(given: File, bad: Mapping[str, tuple[str, ...]]) -> Iterator[Case]:
    """Each cell of a CSV that may not be so; of a column of numbers, `NUMBERS` as well."""
    rows = given.text.rstrip("\n").split("\n")
    header = rows[0].split(",")
    for row in (1, len(rows) - 1):
        for column, cell, changed in cells(given.text, ",", row):
            name = header[column]
            for text in bad.get(name, ()):
                yield given(f"line {row + 1}, {name} is {text!r:.30}", changed(text),
                            given.at(row + 1))  # fmt: skip
            if name == "score":
                for what, text in mutations.NUMBERS.items():
                    fine = given is MATRIX and what in ("minus one", "2 to the 63")
                    yield given(
                        f"line {row + 1}, the score is {what}",
                        changed(text),
                        Accepted() if fine else given.at(row + 1),
                    )
            yield given(f"line {row + 1}, {name} with NUL", changed("a\0b"), given.at(row + 1))
            yield given(f"line {row + 1}, {name} is quoted", changed(f'"{cell}"'), Accepted())
            yield given(f"line {row + 1}, {name} opens a quotation", changed('"x'),
                        given.at(row + 1))  # fmt: skip
            yield given(f"line {row + 1}, {name} is two cells", changed("a,b"), given.at(row + 1))
    for column, name, changed in cells(given.text, ",", 0):
        for text in ("", "x\0", header[column - 1]):
            yield given(f"column {name} is called {text!r}", changed(text), given.at(1))
    yield given("semicolons", given.text.replace(",", ";"), given.at(1))
    yield given("tabs", given.text.replace(",", "\t"), given.at(1))
    yield given("a row too short", given.text.rsplit(",", 1)[0] + "\n", given.at(len(rows)))
    yield given("only a header", rows[0] + "\n", Refused(given.file))
    yield given("no header", "\n".join(rows[1:]) + "\n", Refused(given.file))


LANGUAGE = ("", "xyzzy", "a\u202eb", "en-", "٣")


def other_cases() -> Iterator[Case]:
    for given in FILES:
        yield from whole_file(given, given.file, given.text, blank=given.blank, read=given.read)
    yield from link_cases()
    languages = {"source": LANGUAGE, "target": LANGUAGE, "language": LANGUAGE}
    own = {"task": ("", "x", "a\u202eb"), "metric": ("a\u202eb",), "encoder": ("a\u202eb",)}
    high = ("101", "-0.1", "50,5", "50%", "5e5")
    yield from table_cases(SCORES, {**languages, **own, "score": high})
    yield from table_cases(MATRIX, {**languages, "score": ("50%", "1e400")})
    yield from table_cases(TRAITS, languages)
    for what, text in {"too few": "Ann\n", "too many": TRANSLATIONS + "x\n", "none": "\n"}.items():
        yield TRANSLATED(f"{what} lines", text, Refused(TRANSLATED.file))
    yield PARALLEL("no tab", "Ann sees Rome\n", PARALLEL.at(1))
    yield WORDS("a tab", "Ann\tsees\n", WORDS.at(1))
    yield WORDS("spaces", "  Ann   sees \n", Accepted())
    for given in (TARGET_TEXT, SOURCE_TEXT):
        yield given("no letter", "123 . 456\n", Refused(given.file))
