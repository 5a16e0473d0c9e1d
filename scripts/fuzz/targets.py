"""What is fuzzed: name → a function of bytes that raises whatever a user must not see."""

from __future__ import annotations

import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from xlt.errors import XltError, flat

if TYPE_CHECKING:
    from xlt.task import Task

CORPUS = Path(__file__).with_name("corpus")

Target = Callable[[bytes], None]


class Unclear(Exception):
    """An error for users that lacks a place or advice."""


def checked(read: Callable[[], object]) -> None:
    """Run what reads. XltErrors that say where and how to mend it are what is wanted."""
    try:
        read()
    except XltError as error:
        for problem in flat(error):
            if not problem.where or problem.where.startswith("None") or not problem.fix:
                raise Unclear(f"where: {problem.where}, fix: {problem.fix}") from error


@cache
def folder() -> Path:
    """Of this process, in memory where there is such a place."""
    memory = Path("/dev/shm")
    place = tempfile.mkdtemp(
        prefix=f"xlt-fuzz-{os.getpid()}-", dir=memory if memory.is_dir() else None
    )
    return Path(place)


def exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def of_file(name: str, read: Callable[[Path], Iterable[object]]) -> Target:
    """A target that reads a file of this name."""

    def target(data: bytes) -> None:
        path = folder() / name
        path.write_bytes(data)
        checked(lambda: exhaust(read(path)))

    return target


def of_task(task: str, format: str, suffix: str, **options: Any) -> Target:
    """A task's reader, with and without labels; what is read is also stored and written."""
    from xlt.data.tools.formats import needs_path
    from xlt.registry import tasks

    plugin = tasks.get(task)()

    def read(path: Path) -> Iterator[object]:
        documents = list(plugin.documents(path, format, **options))
        yield plugin.labels(documents)
        for document in documents:
            yield plugin.schema.from_row(plugin.schema.to_row(document))
        plugin.write(documents, io.StringIO(), next(iter(plugin.formats)))
        if format not in plugin.formats and format in plugin.writable() and not needs_path(format):
            checked(lambda: plugin.write_any(documents, io.StringIO(), format))

    labelled = of_file(f"data{suffix}", read)
    unlabelled = of_file(
        f"data{suffix}", lambda path: plugin.documents(path, format, labelled=False, **options)
    )

    def target(data: bytes) -> None:
        labelled(data)
        unlabelled(data)

    return target


# Readers -----------------------------------------------------------------------------------------


def text() -> Target:
    from xlt.data.files import lines

    return of_file("data.txt", lines)


def columns() -> Target:
    from xlt.data.columns import is_tagged, read_columns
    from xlt.data.tag_schemes import Scheme

    def read(path: Path) -> Iterator[object]:
        yield is_tagged(path)
        for scheme in get_args(Scheme):
            yield from read_columns(path, scheme=scheme, repair=True, problems=[])
        yield from read_columns(path)

    return of_file("data.bio", read)


def conllu() -> Target:
    from xlt.data.conllu import Sentence, read_conllu

    def read(path: Path) -> Iterator[object]:
        for sentence in read_conllu(path, strict_trees=False, problems=[]):
            yield sentence.text(), sentence.heads
            lines = [*sentence.comments, *("\t".join(row) for row in sentence.rows)]
            assert Sentence.from_lines(lines).rows == sentence.rows
        yield from read_conllu(path)

    return of_file("data.conllu", read)


def jsonl() -> Target:
    from xlt.data.jsonl import load_json, read_json_array, read_jsonl, to_json

    def read(path: Path) -> Iterator[object]:
        for _, record in read_jsonl(path, problems=[]):
            yield to_json(record)
        checked(lambda: load_json(path, fix="write JSON"))
        yield from read_json_array(path)

    return of_file("data.json", read)


def table() -> Target:
    from xlt.data.table import read_csv, read_table

    def read(path: Path) -> Iterator[object]:
        for told in ({}, {"quoted": True}, {"quoted": True, "delimiter": None}):
            checked(lambda told=told: exhaust(read_table(path, **told)))  # type: ignore[misc]
        yield from read_csv(path)[1]

    return of_file("data.tsv", read)


def brat() -> Target:
    """Annotation, of a text that is known."""
    annotation = of_task("event_extraction", "brat", ".ann")

    def target(data: bytes) -> None:
        (folder() / "data.txt").write_text("Amina Bello ta tafi Kano jiya.", encoding="utf-8")
        annotation(data)

    return target


# What commands read ------------------------------------------------------------------------------


def pharaoh() -> Target:
    from xlt.projection.align.given import Given, GivenOptions

    words = tuple("abc"), tuple("xyz")

    def read(path: Path) -> Iterator[object]:
        for reverse in (False, True):
            aligner = Given(GivenOptions(file=str(path), reverse=reverse))
            yield from aligner.stream([words] * 3, "eng", "jav")

    return of_file("links.txt", read)


def translations() -> Target:
    from xlt.projection.translate.given import Given, GivenOptions

    def read(path: Path) -> Iterator[object]:
        translator = Given(GivenOptions(file=str(path)))
        yield from translator.stream(["Ann sees Rome.", "b", "c"], "eng", "jav")

    return of_file("translations.txt", read)


def parallel() -> Target:
    from xlt.projection.align.parallel import read

    return of_file("pairs.tsv", lambda path: read([str(path)], "eng", "jav"))


def words() -> Target:
    """What `xlt predict` takes for text of no task, by its own guess."""
    from xlt.registry import tasks
    from xlt.runs.reading import read_input

    ner = tasks.get("ner")()

    def read(path: Path) -> Iterator[object]:
        for format in ("words", "text", "conllu"):
            checked(lambda format=format: exhaust(read_input(ner, str(path), format, "eng")))  # type: ignore[misc]
        yield from read_input(ner, str(path), None, "eng")

    return of_file("data.txt", read)


def request() -> Target:
    """What is asked of `xlt serve`."""
    from xlt.registry import tasks
    from xlt.serve.limits import Limits
    from xlt.serve.request import Predict, check, input_of, parse, read

    names = "ner", "dependency_parsing", "nli", "event_extraction", "question_generation"
    plugins = [tasks.get(name)() for name in names]

    def target(data: bytes) -> None:
        checked(lambda: parse(data, Predict, Limits()))
        for task in plugins:

            def ask(task: Task = task) -> None:
                asked = parse(data, Predict, Limits())
                key = input_of(asked, task)
                check(asked, key, "eng", Limits())
                read(asked, key, task, "eng", Limits())

            checked(ask)

    return target


def label_studio_request() -> Target:
    """What Label Studio asks of `xlt serve`."""
    from xlt.registry import tasks
    from xlt.serve.label_studio import Predict, names_in, read
    from xlt.serve.limits import Limits
    from xlt.serve.request import parse

    plugins = [tasks.get(name)() for name in ("ner", "nli", "event_extraction")]

    def target(data: bytes) -> None:
        for task in plugins:

            def ask(task: Task = task) -> None:
                asked = parse(data, Predict, Limits())
                names = names_in(asked.interface or "", task)
                read([one.data for one in asked.tasks], names, task, "eng", Limits())

            checked(ask)

    return target


def scores() -> Target:
    from xlt.typology.own_scores import _from_csv

    return of_file("scores.csv", lambda path: _from_csv(path, "ner", None))


def analysis() -> Target:
    from xlt.typology.analysis import read, read_traits

    def both(path: Path) -> Iterator[object]:
        checked(lambda: read_traits(path))
        yield read(path)

    return of_file("scores.csv", both)


def target_text() -> Target:
    from xlt.typology.text import read_target

    return of_file("target.txt", lambda path: read_target(path, "jav"))


def language() -> Target:
    from xlt import languages

    def target(data: bytes) -> None:
        checked(lambda: languages.code(data.decode("utf-8", "replace"), where="here"))

    return target


# Settings ----------------------------------------------------------------------------------------


def yaml() -> Target:
    from xlt.yaml.nodes import parse, read_text

    def read(path: Path) -> Iterator[object]:
        root = parse(read_text(path), str(path), path.parent)
        yield None if root is None else root.plain()

    return of_file("any.yaml", read)


def config() -> Target:
    from xlt.config.load import load_config

    def read(path: Path) -> Iterator[object]:
        yield load_config(path).config

    return of_file("config.yaml", read)


def overrides() -> Target:
    """Settings on the command line, one a line."""
    from xlt.config.load import load_config

    base = folder() / "base.yaml"
    base.write_bytes((CORPUS / "config" / "full").read_bytes())

    def target(data: bytes) -> None:
        settings = [text for text in data.decode("utf-8", "replace").split("\n") if "=" in text]
        checked(lambda: load_config(base, settings))

    return target


def card() -> Target:
    from xlt.data.cards import _read

    def read(path: Path) -> Iterator[object]:
        yield _read(path)

    return of_file("card.yaml", read)


def exemplars() -> Target:
    from xlt.tasks.question_generation.exemplars import _read

    def read(path: Path) -> Iterator[object]:
        yield _read(path, "eng")

    return of_file("eng.yaml", read)


def model_info() -> Target:
    """A model folder's `xlt.json`, up to the task with its options."""
    from xlt.model.folder import INFO, read_info
    from xlt.registry import tasks

    def read(path: Path) -> Iterator[object]:
        info = read_info(path.parent)
        kind = tasks.get(info.task, where=path)
        yield kind, info.labels

    return of_file(INFO, read)


def model_prediction() -> Target:
    """A model folder's `prediction.json`: through which translation it predicts."""
    from xlt.projection.predict import FILE, load

    def read(path: Path) -> Iterator[object]:
        yield load(path.parent)

    return of_file(FILE, read)


MAKERS: dict[str, Callable[[], Target]] = {
    "text": text,
    "columns": columns,
    "conllu": conllu,
    "jsonl": jsonl,
    "table": table,
    "ner-bio": lambda: of_task("ner", "bio", ".bio"),
    "ner-jsonl": lambda: of_task("ner", "jsonl", ".jsonl"),
    "parsing": lambda: of_task("dependency_parsing", "conllu", ".conllu"),
    "nli-jsonl": lambda: of_task("nli", "jsonl", ".jsonl"),
    "nli-tsv": lambda: of_task("nli", "tsv", ".tsv"),
    "nli-csv": lambda: of_task("nli", "csv", ".csv"),
    "events": lambda: of_task("event_extraction", "jsonl", ".jsonl"),
    "oneie": lambda: of_task("event_extraction", "oneie", ".json"),
    "dygie": lambda: of_task("event_extraction", "dygie", ".json"),
    "ace": lambda: of_task("event_extraction", "ace", ".json"),
    "mee": lambda: of_task("event_extraction", "mee", ".json"),
    "propositions": lambda: of_task("event_extraction", "conllup", ".conllup"),
    "squad": lambda: of_task("question_generation", "squad", ".json"),
    "questions": lambda: of_task("question_generation", "jsonl", ".jsonl"),
    "doccano": lambda: of_task("event_extraction", "doccano", ".jsonl"),
    "label-studio": lambda: of_task("event_extraction", "label-studio", ".json"),
    "prodigy": lambda: of_task("event_extraction", "prodigy", ".jsonl"),
    "brat": brat,
    "docbin": lambda: of_task("ner", "docbin", ".spacy"),
    "webanno": lambda: of_task("ner", "webanno", ".tsv"),
    "pharaoh": pharaoh,
    "translations": translations,
    "parallel": parallel,
    "words": words,
    "request": request,
    "label-studio-request": label_studio_request,
    "scores": scores,
    "analysis": analysis,
    "target-text": target_text,
    "language": language,
    "yaml": yaml,
    "config": config,
    "overrides": overrides,
    "card": card,
    "exemplars": exemplars,
    "model-info": model_info,
    "model-prediction": model_prediction,
}
"""Name → what makes the target: its imports are part of what atheris has to see."""


def make(name: str) -> Target:
    """The target of this name, with what it says to users and Python's warnings silenced."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    return MAKERS[name]()


def seeds(name: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())
