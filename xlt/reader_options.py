"""What readers may be told about a file: a model of options for each format.

A task declares the models (`Task.reader_options`). Whoever gives options (a data reference, a data
card, ``--option`` on the command line) has them checked against the model of the format that is
read, and is told where the mistake stands.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from xlt.errors import XltError, choose, raise_all
from xlt.options import MAX_COUNT, CountOrZero, Section
from xlt.yaml.problems import explain

if TYPE_CHECKING:
    from xlt.document import Document
    from xlt.task import Task

UNSAID = "und"
"""The language (BCP 47) of data of which nobody has said it."""

Location = tuple[str | int, ...]
"""Where a value stands in a mapping of options: ``("types", "ORG")``."""


class ReaderOptions(Section):
    """Options that every reader has, and base of the models of those that have more."""

    labelled: bool = Field(
        default=True,
        description="false where the annotation may be missing, because it is not looked at",
    )


class HubOptions(Section):
    """Of data sets of the Hugging Face hub."""

    columns: dict[str, str] = Field(default_factory=dict, description="our field name → theirs")
    label_names: dict[str, list[str]] = Field(
        default_factory=dict,
        description="our field name → the names of its numbers, from 0, where the data set does "
        "not say them: `{tags: [O, B-PER, I-PER]}`",
    )


class JsonlOptions(ReaderOptions):
    """Of objects with fields: JSON Lines and the like."""

    columns: dict[str, str] = Field(default_factory=dict, description="our field name → theirs")


class TableOptions(ReaderOptions):
    """Of tables."""

    columns: dict[str, str | CountOrZero] = Field(
        default_factory=dict,
        description="our field name → the name of the column, or its number, from 0",
    )
    header: bool = Field(default=True, description="the first row names the columns")


class TsvOptions(TableOptions):
    """Of tables with tabs between cells."""

    quoted: bool = Field(
        default=False, description="cells are quoted as in CSV, so that they may hold tabs"
    )


class CsvOptions(TableOptions):
    """Of tables whose cells may be quoted (RFC 4180)."""

    delimiter: Literal["auto", "comma", "semicolon", "tab", "bar"] = Field(
        default="auto",
        description="what separates cells; `auto`: the one that gives all rows as many cells",
    )


class ColumnOptions(ReaderOptions):
    """Of files with a word and its tag on each line (`xlt.data.columns.read_columns`)."""

    word: int | None = Field(
        default=None,
        ge=-MAX_COUNT,
        le=MAX_COUNT,
        description="the column of the words, from 0 (negative: from the end); by default the "
        "first, or the second where the first only counts the words",
    )
    tag: Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)] | str = Field(
        default=-1,
        description="the column of the tags; its name, where the first line of the file names the "
        "columns (CoNLL-U Plus)",
    )
    separator: Literal["auto", "tab", "space"] = Field(
        default="auto", description="`auto`: a tab where a line has one, else spaces"
    )
    scheme: Literal["auto", "IOB2", "IOB1", "IOE2", "IOE1", "BIOES", "types"] = Field(
        default="auto",
        description="what the file uses; it is converted to IOB2. `auto`: the one that the fewest "
        "sentences contradict; `BIOES`: BILOU, BMES and BMEWO, too; `types`: without prefixes",
    )
    repair: bool = Field(
        default=False,
        description="tags that contradict the scheme are no errors: an I- that continues nothing "
        "starts an entity",
    )
    types: dict[str, str | None] = Field(
        default_factory=dict, description="entity type in the file → ours, or null for none"
    )
    prefix: str = Field(default="", description="text to drop before each word (WikiANN's `en:`)")
    outside: list[str] = Field(default_factory=list, description="further tags that mean `O`")
    drop_empty: bool = Field(
        default=False, description="leave out lines tagged `O` that have no word"
    )


def options_model(task: Task | type[Task], format: str | None) -> type[Section]:
    """The model of the options of a task's format; None is the hub's."""
    return HubOptions if format is None else task.options_of(format)


def option_models(task: type[Task]) -> list[type[Section]]:
    """The models of the options of all readers of a task, and of the hub's."""
    return [ReaderOptions, HubOptions, *(task.options_of(name) for name in task.readable())]


def option_names(task: type[Task]) -> set[str]:
    """The options of all readers of a task, and of the hub's."""
    return {name for model in option_models(task) for name in model.model_fields}


def check_options(
    task: Task | type[Task],
    format: str | None,
    given: Mapping[str, Any],
    where: Callable[[Location], object],
) -> dict[str, Any]:
    """The options that were given, as keyword arguments of the reader.

    where: says for an option where it was written.

    Raises XltError (XltErrors for several) for unknown options and wrong values.
    """
    model = options_model(task, format)
    try:
        # Strict JSON mode: "3" is no number, and nothing is guessed.
        valid = model.model_validate_json(json.dumps(dict(given)), strict=True)
    except ValidationError as error:
        raise_all(list(_problems(error, given, model, task.name, format, where)))
        raise
    return valid.model_dump(exclude_unset=True)


def _within(given: Any, location: Location) -> Location:
    """A location without what is not in the value: pydantic adds the kinds that were tried."""
    for depth, key in enumerate(location):
        there = (
            isinstance(key, int) and key < len(given)
            if isinstance(given, list)
            else isinstance(given, Mapping) and key in given
        )
        if not there:
            return location[:depth]
        given = given[key]
    return location


def _problems(
    error: ValidationError,
    given: Mapping[str, Any],
    model: type[Section],
    task: str,
    format: str | None,
    where: Callable[[Location], object],
) -> Iterator[XltError]:
    reader = "data of the hub" if format is None else f"the format {format} of {task}"
    by_option: dict[str, list[Any]] = {}
    for detail in error.errors(include_url=False):
        by_option.setdefault(str(detail["loc"][0]), []).append(detail)
    for name, details in by_option.items():
        place = where(_within(given, details[0]["loc"]))
        if details[0]["type"] == "extra_forbidden":
            what, fix = f"{reader} has no option {name!r}", choose(name, model.model_fields)
        else:
            what, fix = explain(details, model.model_fields[name])
        yield XltError(what, where=place, fix=fix)


def on_command_line(location: Location) -> str:
    """Where a format or an option was written that a command was given."""
    key, *option = map(str, location)
    return f"--option ({'.'.join(option)})" if key == "options" else "--input-format"


def merge_options(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, as layers of a config: mappings are merged, all else is replaced."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            value = merge_options(under, value)
        merged[name] = value
    return merged


def read_with(
    task: Task,
    path: Path,
    format: str,
    options: Mapping[str, Any],
    *,
    where: Callable[[Location], object],
    labelled: bool = True,
    language: str = "",
) -> Iterator[Document]:
    """The records of a file, read with checked options; `labelled` and `where` as elsewhere.

    language: of the data, for readers that split text into words; "" where nobody knows it.
    Raises XltError where they need it, and it is `UNSAID`.
    """
    given = check_options(task, format, options, where)
    if not labelled:
        given["labelled"] = False
    splits = language and "language" in options_model(task, format).model_fields
    if splits and given.setdefault("language", language) == UNSAID:
        raise XltError(
            "this text is split into words by the rules of its language, which nobody has said",
            where=path,
            fix="add --language hau (say)",
        )
    return task.documents(path, format, **given)


def advise(*options: str) -> str:
    """What to do to set one of these options (``scheme: IOB1``), for the `fix` of an error. What
    a file has is quoted in them (`xlt.yaml.write.scalar`)."""
    shown = " or ".join(f"`{option}`" for option in options)
    example = shlex.quote(options[0].replace(": ", "=", 1))
    return (
        f"set {shown} beside `ref:` in the config, or on the command line `--option {example}` "
        f"({_COMMANDS})"
    )


_COMMANDS = "data check, init, evaluate, predict, project"


_ADVICE = re.compile(r"(?:; )?(?:or(?:, [^;,]*,)? )?set `[^\n]*?" + re.escape(f"({_COMMANDS})"))


def without_advice(fix: str) -> str:
    """The `fix` of an error but for what `advise` says, for whoever can set no option."""
    return _ADVICE.sub("", fix)


def advise_format(format: str) -> str:
    """What to do to have data read in a format, for the `fix` of an error."""
    return f"say `format: {format}` beside `ref:` in the config, or `--input-format {format}`"
