"""What may be asked of the server, and what is read of it: by the readers of `xlt predict`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import Any, TypeVar

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from xlt import languages
from xlt.data.files import STDIN, standing_in
from xlt.data.jsonl import load_json, to_json
from xlt.errors import XltError, choose, flat, raise_all
from xlt.options import Section
from xlt.reader_options import without_advice
from xlt.runs.annotate import Annotator
from xlt.runs.reading import CONLLU, TEXT, Unit, input_formats, read_units, sentences_of
from xlt.serve.limits import MAX_ERRORS, Limits
from xlt.task import Task
from xlt.yaml.problems import explain

S = TypeVar("S", bound=Section)

TEXTS, RECORDS = "texts", "records"
INPUTS = {TEXTS: TEXT, RECORDS: "jsonl", CONLLU: CONLLU}
"""Key of a request → the input format of `xlt predict` that it holds."""


class Predict(Section):
    """Texts to annotate: as `texts`, `records` or `conllu`, whichever the model takes."""

    model: str | None = Field(
        None, description="Name of one of the server's models; needed where it has several."
    )
    language: str | None = Field(
        None,
        description="Of the texts: code or English name. By default the one that the model is for.",
        examples=["hau"],
    )
    texts: list[str] | None = Field(
        None,
        description="Running texts; each is split into sentences and words by the rules of its "
        "language, and a line end ends a sentence.",
        examples=[["Shugaba Tinubu ya isa Kano."]],
    )
    records: list[dict[str, Any]] | None = Field(
        None,
        description="Objects as the lines of the task's JSON Lines, without what is predicted; "
        "`/health` says which texts a model's records have.",
    )
    conllu: str | None = Field(None, description="Sentences in CoNLL-U.")


def parse(body: bytes, kind: type[S], limits: Limits) -> S:
    """The request in a body. Raises XltError (XltErrors for several) for what is none, and TooLarge
    for a list that is too long."""
    try:
        empty = not body.decode().strip()
    except UnicodeDecodeError as error:
        raise XltError("it is not UTF-8", where="body", fix="send JSON in UTF-8") from error
    if empty:
        raise XltError("it is empty", where="body", fix="send a JSON object")
    with standing_in(body, "body"):
        value = load_json(STDIN, fix="send one JSON object, in UTF-8")
    for key in known_keys(kind) if isinstance(value, dict) else ():
        if isinstance(listed := value.get(key), list):  # first: each entry may have an error
            limits.check_number(len(listed), key)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problems: dict[str, list[Any]] = {}
        for one in islice(error.errors(include_url=False), MAX_ERRORS):
            problems.setdefault(".".join(map(str, one["loc"])) or "body", []).append(one)
        raise_all([_explained(kind, where, found) for where, found in problems.items()])
        raise


def known_keys(kind: type[Section]) -> dict[str, FieldInfo]:
    """The keys that a request of a kind may have."""
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _explained(kind: type[Section], where: str, found: Sequence[Any]) -> XltError:
    known = known_keys(kind)
    if found[0]["type"] == "extra_forbidden":
        return XltError(f"there is no key {where!r:.60}", where="body", fix=choose(where, known))
    field = known.get(where.partition(".")[0])
    what, fix = explain(found, field, hint="/docs has an example")
    return XltError(what, where=where, fix=fix if field is not None else "send a JSON object")


def chosen(annotators: Mapping[str, Annotator], name: str | None) -> str:
    """The name of the model that is meant. Raises XltError where it is open, or none of them."""
    if name is None and len(annotators) == 1:
        return next(iter(annotators))
    if name is None or name not in annotators:
        what = "several models are served" if name is None else f"there is no model {name!r:.60}"
        raise XltError(what, where="model", fix=choose(name or "", annotators))
    return name


def inputs_of(task: Task) -> list[str]:
    """The keys of a request that a model of this task takes."""
    formats = input_formats(task)
    return [key for key, format in INPUTS.items() if format in formats]


def input_of(request: Predict, task: Task) -> str:
    """The one key under which the request has something. Raises XltError where it is none or
    several, or one that the task cannot take."""
    given = [key for key in INPUTS if getattr(request, key) is not None]
    takes = inputs_of(task)
    if len(given) == 1 and not getattr(request, given[0]):
        given = []
    if len(given) != 1:
        raise XltError(
            f"{' and '.join(given)} are given" if given else "there is nothing to annotate",
            where="body",
            fix=f"send one of {', '.join(takes)}",
        )
    (key,) = given
    if key not in takes:
        raise XltError(
            f"the model's task, {task.name}, takes no {key}",
            where=key,
            fix=f"send {' or '.join(takes)}",
        )
    return key


def language_of(given: str | None, annotator: Annotator) -> str | None:
    """ISO 639-3 code of the language of texts; None where it is open. Raises XltError for an
    unknown one."""
    return annotator.language if not given else languages.code(given, where="language")


def check(request: Predict, key: str, language: str | None, limits: Limits) -> int:
    """About how many characters the request has. Raises XltError for what is too much, or cannot
    be read without a language."""
    if key == TEXTS and language is None:
        raise XltError(
            "the texts need a language: their words are split by that language's rules",
            where="language",
            fix='send "language": "hau" (say)',
        )
    if key == CONLLU:
        return len(request.conllu or "")
    many: Sequence[object] = getattr(request, key)
    limits.check_number(len(many), key)
    if key == RECORDS:
        return sum(map(len, map(str, many)))
    lengths = list(map(len, request.texts or ()))
    limits.check_lengths(lengths, key)
    return sum(lengths)


def read(
    request: Predict, key: str, task: Task, language: str | None, limits: Limits
) -> list[Unit]:
    """A unit for each text, record or sentence, in order.

    Raises XltError for what `xlt predict` does not take, and TooLarge.
    """
    with of_request():
        if key == TEXTS:
            assert language is not None, "`check` lets no other pass"
            numbers = count(1)
            units = [
                Unit(key, None, None, text, *sentences_of(task, text, language, numbers))
                for text in request.texts or ()
            ]
        else:
            content = request.conllu or "\n".join(map(to_json, request.records or ()))
            with standing_in(content.encode(), key):
                units = list(read_units(task, STDIN, INPUTS[key], language))
    limits.check_units(units, key)
    return units


_PLACES = {"--language": "language", "--input-format": "body"}
"""What is said of an option of the command line → the key that it is here."""


@contextmanager
def of_request() -> Iterator[None]:
    """Errors of readers in terms of a request: it has no command line and no config."""
    try:
        yield
    except XltError as error:
        raise_all(
            [
                XltError(
                    one.what,
                    where=_PLACES.get(one.where or "", one.where),
                    fix=without_advice(one.fix or "") or "see /docs",
                )
                for one in flat(error)
            ]
        )
