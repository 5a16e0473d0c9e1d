"""Bad values of every option and argument of every command, made from the commands' definitions.

Each command has a call that works; in it one value after the other is what it may not be.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from small import make_world

from bad_inputs import mutations, runner, world
from bad_inputs.case import FOLDER, Case, Either, Expected, Refused
from bad_inputs.config_cases import BASE
from bad_inputs.data_cases import MODEL
from bad_inputs.formats import BIO
from bad_inputs.other_cases import MATRIX, SCORES, TRAITS, TRANSLATIONS
from xlt.cli import command_tree

RUN = "{run}"
LEARNT = "{learnt}"
DATA = f"{FOLDER}/{BIO.file}"
CONFIG = f"{FOLDER}/config.yaml"

Parameters = Mapping[str, str | Sequence[str]]
"""Name of a parameter → its value, a list where it takes several; options are called as on the
command line."""

CALLS: dict[str, Parameters] = {
    "plan": {
        "config": CONFIG,
        "overrides": ["training.epochs=3"],
        "--html": f"{FOLDER}/plan.html",
    },
    "train": {"config": CONFIG, "overrides": ["training.epochs=3"]},
    "study": {"config": f"{FOLDER}/study.yaml", "overrides": ["training.epochs=3"]},
    "config show": {"config": CONFIG, "overrides": ["training.epochs=3"]},
    "config check": {"config": CONFIG, "overrides": ["training.epochs=3"]},
    "evaluate": {"model": MODEL, "data": DATA, "--language": "eng"},
    "predict": {"model": MODEL, "source": [DATA], "--language": "eng", "--input-format": "bio"},
    "estimate": {
        "models": [RUN],
        "text": DATA,
        **{"--language": "eng", "--input-format": "bio", "--runs": [RUN]},
    },
    "select": {
        "model": MODEL,
        "source": [DATA],
        **{"--count": "2", "--language": "eng", "--input-format": "bio"},
    },
    "annotate": {
        "source": [DATA, "--dry-run"],  # nobody is there to ask
        **{"--task": "ner", "--endpoint": f"{FOLDER}/teacher.yaml", "--examples": DATA},
        **{"--input-format": "bio", "--output": f"{FOLDER}/silver.bio"},
    },
    "serve": {"models": [MODEL], "--host": "192.0.2.1", "--port": "8000"},
    "probe": {"model": MODEL, "suites": [DATA], "--language": "eng"},
    "compare": {"a": RUN, "b": RUN, "--resamples": "20"},
    "report": {
        "runs": [RUN],
        "--output": f"{FOLDER}/report.html",
        "--target": "jav",
        "--seed": "1",
    },
    "project": {
        "arguments": [DATA, f"{FOLDER}/out.bio", f"projection.translator.file={FOLDER}/to.txt"],
        **{"--task": "ner", "--from": "eng", "--to": "jav", "--translator": "given"},
    },
    "predict-source": {"target": "jav", "--task": "ner", "--count": "2", "--reach": "50"},
    "export": {
        "model": MODEL,
        "--output": f"{FOLDER}/exported",
        "--trim": [DATA],
        **{"--data": DATA, "--language": "eng", "--input-format": "bio"},
    },
    "merge": {
        "models": [MODEL, MODEL],
        "--output": f"{FOLDER}/merged",
        "--method": "mean",
    },
    "diff save": {"model": MODEL, "--base": MODEL, "--output": f"{FOLDER}/learnt"},
    "diff apply": {"differences": [LEARNT], "--onto": MODEL, "--output": f"{FOLDER}/put"},
    "encoders": {"--target": "jav", "--source": "eng", "--task": "ner"},
    "init": {
        "train": DATA,
        **{"--target": "jav", "--encoder": "xlt-mini", "--output": f"{FOLDER}/new.yaml"},
    },
    "analyse-typology": {"matrix": f"{FOLDER}/{MATRIX.file}", "--permutations": "20"},
    "runs list": {"root": f"{RUN}/.."},
    "runs regret": {"root": f"{RUN}/.."},
    "store list": {"root": f"{RUN}/.."},
    "store verify": {"root": f"{RUN}/.."},
    "store prune": {"root": f"{RUN}/..", "--keep": "best"},
    "store push": {"root": f"{RUN}/..", "store": f"{FOLDER}/store"},
    "scores add": {"results": f"{FOLDER}/{SCORES.file}"},
    "scores remove": {"name": "mine"},
    "data list": {},
    "data show": {"card": "sample-ner"},
    "data check": {"names": [DATA], "--task": "ner", "--input-format": "bio"},
    "data get": {"card": "sample-ner"},
}
"""Of every command with options or arguments, by its name. A new command needs one here."""
FILES = {
    BIO.file: BIO.text,
    "a.bio": BIO.text,
    "study.yaml": json.dumps({**BASE, "study": {"cells": {"a": None}}}),
    "config.yaml": json.dumps(BASE),
    "to.txt": TRANSLATIONS,
    "teacher.yaml": json.dumps({"base_url": "http://127.0.0.1:9/v1", "model": "m"}),
    MATRIX.file: MATRIX.text,
    SCORES.file: SCORES.text,
    TRAITS.file: TRAITS.text,
}

# Values ------------------------------------------------------------------------------------------

CHARACTERS = {"NUL": "a\0b", "half of a surrogate pair": "a\ud800b"}
NUMBERS = {
    **mutations.NUMBERS,
    "a fraction": "1.5",
    "a number in a list": "[1]",
    "true": "true",
    "a path": FOLDER,
    **CHARACTERS,
}
TEXTS = {
    "nothing": "",
    "a space": " ",
    "a word": "no-such-thing",
    "a number": "3",
    "a path": FOLDER,
    "an option": "--json=1",
    "a bidi override": "a\u202eb",
    "a text of 10,000 characters": "x" * 10_000,
    **CHARACTERS,
}
PATHS = {
    "nothing": "",
    "not there": f"{FOLDER}/no/such/file",
    "below a file": f"{DATA}/x",
    "a device": "/dev/zero",
    "a long name": f"{FOLDER}/{'x' * 300}",
    "a very long path": f"{FOLDER}{'/x' * 5000}",
    **CHARACTERS,
}
OUTPUTS = {"--output", "--html", "--map", "--write", "--events"}
"""What a command writes. A device is not tried there: it might be replaced."""
PLACES = {"root", "store"}
"""Folders of runs, and stores: paths, of which `xlt store` also takes URLs."""
FREE = {
    ("scores add", "--encoder"),
    ("scores add", "--name"),
    ("predict-source", "--encoder"),
    ("init", "--encoder"),
}
"""Any text is a name there."""


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command by its name."""
    command = command or command_tree()
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, (*path, name))


def parameters(command: Any) -> dict[str, Any]:
    """The parameters of a command that take a value, by their name in `CALLS`."""
    return {
        parameter.opts[0]: parameter
        for parameter in command.params
        if not getattr(parameter, "is_flag", False)
    }


def kind(parameter: Any) -> type:
    """int, float, Path, str; or list for what maps one thing to another."""
    annotation = parameter.type_descriptor.annotation
    return annotation if annotation in (int, float, Path) else str


def values(name: str, option: str, parameter: Any) -> Iterator[tuple[str, str, Expected]]:
    """Bad values of a parameter: what it is, the text, and what has to come of it."""
    given = kind(parameter)
    if given in (int, float):
        bounds = {"below the least": parameter.min, "beyond the largest": parameter.max}
        outside = {
            what: str(bound + sign)
            for (what, bound), sign in zip(bounds.items(), (-1, 1), strict=True)
            if bound is not None
        }
        for what, text in {**NUMBERS, **outside}.items():
            # Python reads 6_0 as sixty, and so do we: nobody means anything else by it.
            fine = what == "a digit with an underscore" or (what == "a fraction" and given is float)
            yield what, text, Either() if fine else Refused()
    elif given is Path or option in OUTPUTS or (name.startswith("store ") and option in PLACES):
        paths = {**PATHS, "a folder": FOLDER}
        if option in PLACES:
            paths |= {"no scheme": "://x", "a password": "s3://me:secret@bucket/x"}
        if option in OUTPUTS:
            del paths["a device"]
        if option == "--events":
            del paths["not there"]  # the study would be run
        for what, text in paths.items():
            fine = (what == "not there" and option in (*OUTPUTS, "store")) or (
                what == "a folder" and option in (*PLACES, "--runs")
            )
            yield what, text, Either() if fine else Refused()
    else:
        for what, text in TEXTS.items():
            fine = (name, option) in FREE and what not in CHARACTERS
            yield what, text, Either() if fine else Refused()


def arguments(name: str, command: Any, given: Parameters) -> tuple[str, ...]:
    """The command line: options first."""
    known = parameters(command)
    line = name.split()
    for option in (o for o in given if o.startswith("-")):
        texts = given[option]
        for text in [texts] if isinstance(texts, str) else texts:
            line += [option, text]
    for option in (o for o in known if not o.startswith("-")):
        texts = given.get(option, [])
        line += [texts] if isinstance(texts, str) else texts
    return tuple(line)


def case(name: str, what: str, line: tuple[str, ...], expected: Expected) -> Case:
    return Case(
        f"{name} {what}",
        line,
        expected,
        FILES,
        {MODEL: lambda: world.model(BIO), RUN: run, LEARNT: learnt},
        prepare=_add_scores if name == "scores remove" else None,
        environment={"XLT_CACHE": f"{FOLDER}/cache"},
    )


def cases() -> Iterator[Case]:
    """Every parameter that takes a value, with each value that it may not have."""
    for name, command in commands():
        for option, parameter in parameters(command).items():
            good = CALLS[name]
            for what, text, expected in values(name, option, parameter):
                several = parameter.multiple or parameter.nargs != 1
                before = good.get(option, [])
                # A text would be taken for its characters: "/" among them is the whole machine.
                assert not several or not isinstance(before, str), f"{name} {option} takes a list"
                changed = {**good, option: [*before, text] if several else text}
                yield case(
                    name,
                    f"{option}: {what}",
                    arguments(name, command, changed),
                    expected,
                )


def _add_scores(folder: Path) -> None:
    """The scores that `xlt scores remove` removes."""
    with patch.dict(os.environ, {"XLT_CACHE": str(folder / "cache")}):
        assert runner.xlt(["scores", "add", str(folder / SCORES.file)]).code == 0


@cache
def run() -> Path:
    """A finished run."""
    made = make_world(Path(tempfile.mkdtemp(prefix="bad-inputs-")))
    path = made.config(training__epochs=1, strategy={"name": "zero_shot"})
    outcome = runner.xlt(["train", str(path)], seconds=100)
    assert outcome.code == 0, outcome.said
    return made.runs() / "run"


@cache
def learnt() -> Path:
    """What `xlt diff save` writes."""
    folder, model = Path(tempfile.mkdtemp(prefix="bad-inputs-")) / "learnt", str(world.model(BIO))
    outcome = runner.xlt(["diff", "save", model, "--base", model, "--output", str(folder)])
    assert outcome.code == 0, outcome.said
    return folder
