"""Do translators get the text that a corpus contains?

    XLT_DATA=… python -m scripts.check_surfaces [FOLDER …]

For every file of XNLI (`nli/xnli`, `nli/xnli_extension`) and of the UD treebanks (`dep/`) in the
folder XLT_DATA, or for those in the folders that are named: what a translator is given for each
text after the task has read it (`running_text`), and what it is sent, sentence by sentence
(`Translator.stream`), beside what the lines of the file say. Those are looked at here without any
of the readers: the cells of a table; FORM, SpaceAfter and multiword tokens of CoNLL-U.

Prints for each language or treebank the texts; those of which what is given differs from what is
written, and differs by more than white space; and those of which what is sent differs by more than
white space. Ends with 1 if one does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from xlt import languages
from xlt.errors import XltError
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.projection.translate.run import running_text
from xlt.registry import tasks
from xlt.task import Task

FOLDERS = ("nli/xnli", "nli/xnli_extension", "dep")
FORMATS = {".tsv": ("nli", "tsv"), ".conllu": ("dependency_parsing", "conllu")}
"""Suffix → the task that reads such files, and the format's name."""


class Recorder(Translator):
    """Gives every sentence back, so that a text's translation is all that was sent of it."""

    def identity(self, source: str, target: str) -> str:
        return "recorder"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        return [Translation(text) for text in texts]


# What is written ---------------------------------------------------------------------------------


def of_table(path: Path) -> Iterator[str]:
    """Premise and hypothesis of every row."""
    header, *rows = (line.split("\t") for line in raw_lines(path))
    columns = [header.index(name) for name in ("premise", hypothesis_of(path))]
    for row in rows:
        yield from (row[column] for column in columns)


def hypothesis_of(path: Path) -> str:
    """What the table calls the column of hypotheses."""
    return next(name for name in raw_lines(path)[0].split("\t") if name.startswith("hypo"))


def of_treebank(path: Path) -> Iterator[str]:
    """The text of every sentence: what CoNLL-U's specification calls its reconstruction."""
    text, last = "", 0  # the last word that the multiword token before stands for
    for line in [*raw_lines(path), ""]:
        if not line:
            if text:
                yield text.removesuffix(" ")
            text, last = "", 0
        elif not line.startswith("#"):
            number, form, *_, misc = line.split("\t")
            first, _, end = number.partition("-")
            if "." in number or int(first) <= last:
                continue
            last = int(end or last)
            text += form if "SpaceAfter=No" in misc.split("|") else form + " "


def raw_lines(path: Path) -> list[str]:
    lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


WRITTEN = {".tsv": of_table, ".conllu": of_treebank}


# What is given -----------------------------------------------------------------------------------


def language_of(path: Path) -> str:
    """`de` of de.test.tsv and multinli.train.de.tsv, `it` of it_pud-ud-test.conllu and so on."""
    parts = path.name.split(".")
    name = parts[2] if parts[0] == "multinli" else parts[0]
    return languages.code(re.split("[_-]", name)[0], where=path)


def given(task: Task, path: Path, format: str, language: str) -> list[str]:
    """What is to be translated of every text with content."""
    options = {"columns": {"hypothesis": hypothesis_of(path)}} if format == "tsv" else {}
    documents = task.read(path, format, labelled=False, **options)
    return [
        running_text(text, language)
        for document in documents
        for text in document.texts.values()
        if text.surface
    ]


def bare(text: str) -> str:
    return "".join(text.split())


def counts(path: Path) -> tuple[int, int, int, int]:
    """Texts; those of which what is given differs, differs by more than white space; and those of
    which what is sent differs by more than white space."""
    name, format = FORMATS[path.suffix]
    language = language_of(path)
    written = list(WRITTEN[path.suffix](path))
    texts = given(tasks.get(name)(), path, format, language)
    recorder = Recorder(TranslatorOptions())
    sent = [one.text for one in recorder.stream(texts, language, language)]
    different = other = lost = 0
    for truth, text, parts in zip(written, texts, sent, strict=True):
        different += truth != text
        other += bare(truth) != bare(text)
        lost += bare(truth) != bare(parts)
    return len(written), different, other, lost


def main(wanted: list[str]) -> int:
    """Prints the table; returns the number of texts that differ."""
    root = Path(os.environ.get("XLT_DATA", "data"))
    files: dict[str, list[Path]] = {}
    for folder in wanted or FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in FORMATS:
                of = language_of(path) if path.suffix == ".tsv" else ""
                files.setdefault(f"{path.parent.relative_to(root)} {of}".strip(), []).append(path)
    if not files:
        raise XltError("there are none of the files here", where=root, fix="set XLT_DATA")
    print("corpus\ttexts\tgiven differs\t%\tby more than spaces\t%\tsent differs\t%")
    wrong = 0
    for corpus, paths in files.items():
        total, *differ = map(sum, zip(*map(counts, paths), strict=True))
        shares = [cell for count in differ for cell in (count, f"{100 * count / total:.1f}")]
        print(corpus, total, *shares, sep="\t", flush=True)
        wrong += sum(differ)
    return wrong


if __name__ == "__main__":
    try:
        sys.exit(min(main(sys.argv[1:]), 1))
    except XltError as error:
        sys.exit(str(error))
