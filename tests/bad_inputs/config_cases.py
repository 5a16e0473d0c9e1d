"""Bad configs, made from the schema: every field of every option model with values that it may not
have, as its own JSON Schema says; and files that are no config at all."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import jsonschema
from pydantic import BaseModel

from bad_inputs.case import FOLDER, Case, Refused
from xlt.config.load import PLUGINS
from xlt.config.schema import Config, Plugin

SEED = 14
PER_FIELD = int(os.environ.get("XLT_BAD_INPUTS_PER_FIELD", "1"))
"""Values of each kind that are tried of those that a field may not have, drawn with `SEED`;
with 20, all of them are, which takes minutes."""

BASE: dict[str, Any] = {
    "name": "run",
    "task": {"name": "ner"},
    "data": {
        "eng": {"train": "a.bio", "dev": "a.bio"},
        "ind": {"train": "a.bio"},
        "jav": {"test": "a.bio"},
    },
    "source": ["eng"],
    "target": ["jav"],
}

NUMBERS: dict[str, Any] = {
    "minus one": -1,
    "2 to the 32": 2**32,
    "a number of 30 digits": 10**30,
    "a fraction of minus one": -0.5,
    "a huge fraction": 1e300,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
}
OTHERS: dict[str, Any] = {
    "null": None,
    "true": True,
    "a half": 0.5,
    "a text": "no such thing",
    "an empty text": "",
    "a number as text": "1e5",
    "an empty list": [],
    "a list in a list": [[]],
    "a list of minus one": [-1],
    "a list of NaN": [float("nan")],
    "a mapping": {"no_such_key": 1},
}


OTHER = {"task": "nli", "data": {"eng": "sample-nli"}}
"""One of `intermediate`."""


def cases() -> list[Case]:
    return [*value_cases(), *plugin_cases(), *key_cases(), *file_cases(), *study_cases()]


def value_cases() -> Iterator[Case]:
    """Every field of the schema with values that it may not have."""
    for path, schema in fields(Config, ()):
        for label, value in _wrong(schema, ".".join(path)):
            inside = path[0] == "intermediate" and len(path) > 1
            around = {("intermediate", "eng"): OTHER} if inside else {}
            yield _case(f"{'.'.join(path)}: {label}", {**around, path: value}, place=path[0])


def plugin_cases() -> Iterator[Case]:
    """The same of the options of every task, strategy, translator and aligner."""
    for section, registry in PLUGINS.items():
        for name in registry.names():
            at = tuple(section.split("."))
            for path, schema in fields(registry.get(name).Options, at):
                for label, value in _wrong(schema, f"{name} {path}"):
                    shown = ".".join(path)
                    changes = {(*at, "name"): name, path: value}
                    yield _case(f"{name} {shown}: {label}", changes, place=shown)


def key_cases() -> Iterator[Case]:
    """Keys that nothing knows, and required ones that are not there."""
    for section in ("", "model", "training", "projection", "selection", "evaluation", "output"):
        path = (*filter(None, [section]), "no_such_key")
        yield _case(f"{'.'.join(path)}", {path: 1}, place="no_such_key")
    for section in ("task", "strategy", "projection.translator", "projection.aligner"):
        path = tuple(section.split("."))
        yield _case(f"{section}: no such plugin", {path: "no_such_plugin"}, place=path[0])
        known = next(iter(PLUGINS[section].names()))
        both = {(*path, "name"): known, (*path, "no_such_key"): 1}
        yield _case(f"{section}: no such option", both, place="no_such_key")
    for key in ("name", "task", "data", "target"):
        config = {k: v for k, v in BASE.items() if k != key}
        yield _written(f"{key} is missing", json.dumps(config), place=key)
    for language in ("", "xx-nope", "none", "1", "e" * 300, "../eng"):
        yield _case(f"data of {language[:9]!r}", {("data", language): {}}, place="data")
        yield _case(f"target {language[:9]!r}", {("target",): [language]}, place="target")
        yield _case(f"source {language[:9]!r}", {("source",): [language]}, place="source")
    for name in ("stages", "STAGES", "..", ".hidden", "a/b", "a b", "-x", "ä", "x" * 300, "a\n"):
        yield _case(f"name {name[:9]!r}", {("name",): name}, place="name")
    for text in ("", " ", "x" * 300, f"../{'y' * 300}"):
        for path in (("model", "encoder"), ("output", "root"), ("data", "eng", "train")):
            yield _case(f"{'.'.join(path)} {text[:9]!r}", {path: text}, place=path[0])
    yield _case("one language twice", {("target",): ["jav", "jv"]}, place="target")


def file_cases() -> Iterator[Case]:
    """Files that are no config, or more than a parser should be asked to read."""
    bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    bomb += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    texts: dict[str, str | bytes] = {
        "nothing": "",
        "only a comment": "# name: run\n",
        "a list": "- name: run\n",
        "a text": "name run\n",
        "two documents": "---\nname: a\n---\nname: b\n",
        "a key twice": "name: a\nname: b\n",
        "a hundred thousand brackets": f"name: {'[' * 100_000}",
        "six hundred levels": "\n".join(" " * level + "a:" for level in range(600)),
        "aliases of aliases": "\n".join(bomb),
        "an alias of itself": "name: &a [*a]\n",
        "an alias of nothing": "name: *nothing\n",
        "a tag of Python": "name: !!python/object/apply:os.system [ls]\n",
        "a tag of YAML": "name: !!binary aGFsbG8=\n",
        "a list as key": "? [a, b]\n: c\n",
        "a mapping as key": "{a: b}: c\n",
        "a tab": "name: run\n\ttask: ner\n",
        "a newer YAML": "%YAML 3.0\n---\nname: run\n",
        "NUL": "name: a\0b\n",
        "NUL, escaped": 'name: "a\\0b"\n',
        "NUL in a key": '"na\\0me": run\n',
        "half a character": 'name: "\\ud800"\n',
        "UTF-16": "name: run\n".encode("utf-16"),
        "Latin-1": "name: é\n".encode("latin-1"),
        "ten megabytes": f"# {'x' * 10_000_000}\n",
        "five thousand unknown keys": "".join(f"key{n}: 1\n" for n in range(5000)),
        "a thousand keys twice": "name: a\n" * 1000,
        "five thousand digits": f"seeds: [{'9' * 5000}]\n",
        "five thousand hexadecimal digits": f"seeds: [0x{'f' * 5000}]\n",
        "a merge key": "<<: {name: a}\n",
        "a circle": "extends: config.yaml\n",
        "extends nothing": "extends: ''\n",
        "extends a list": "extends: [a.yaml]\n",
        "extends a device": "extends: /dev/zero\n",
        "extends what is not there": "extends: no-such-file.yaml\n",
        "extends a name too long": f"extends: {'x' * 5000}\n",
    }
    for name, text in texts.items():
        yield _written(f"a file with {name}", text, place="config.yaml")
    commands = (("config", "check"), ("config", "show"), ("plan",), ("train",), ("study",))
    for command in commands:
        for path in ("/dev/zero", "/dev/stdin", "{folder}", "{folder}/no", "x" * 300, ""):
            shown = path.replace(FOLDER, "a folder")[:12]
            yield Case(f"{command[-1]} {shown!r}", (*command, path), Refused(path or "empty"))
        pipe = (*command, f"{FOLDER}/pipe")
        yield Case(f"{command[-1]} a pipe", pipe, Refused("pipe"), prepare=_pipe)
    for text in ("", "=", "=1", "a", "a=1", ".=1", "training=1", "training..epochs=1", "epochs=[",
                 "name=&a", "training.epochs=", "extends=x", "study=1", "a=" + "[" * 1000,
                 "training.epochs=!!int 3", "training.epochs=1\n- 2", "."*2000 + "=1"):  # fmt: skip
        command = ("config", "check", f"{FOLDER}/config.yaml", text)
        yield Case(f"override {text[:24]!r}", command, Refused(), {"config.yaml": json.dumps(BASE)})


def study_cases() -> Iterator[Case]:
    """What `study` may not say."""
    ten = list(range(1, 11))
    axes = ("epochs", "batch_tokens", "accumulate", "max_steps", "evaluate_every", "warmup")
    studies: dict[str, Any] = {
        "a number": 3,
        "nothing": None,
        "no cells": {},
        "cells in a list": {"cells": ["a"]},
        "a cell that is a number": {"cells": {"a": 3}},
        "a cell that is a list": {"cells": {"a": [{"source": "eng"}]}},
        "a cell that is a text": {"cells": {"a": "eng"}},
        "a cell with an unknown key": {"cells": {"a": {"no_such_key": 1}}},
        "a cell with a name": {"cells": {"a": {"name": "b"}}},
        "a cell with a study": {"cells": {"a": {"study": {}}}},
        "two cells in one folder": {"cells": {"a+b": None, "a_b": None}},
        "a cell called as a path": {"cells": {"../a": None}},
        "a cell with a long name": {"cells": {"a" * 300: None}},
        "a matrix of a number": {"matrix": {"seeds": 3}},
        "a matrix of nothing": {"matrix": {"training.epochs": []}},
        "a matrix of the same twice": {"matrix": {"training.epochs": [1, "1"]}},
        "a matrix of names": {"matrix": {"name": ["a", "b"]}},
        "a matrix of an empty key": {"matrix": {"training..epochs": [1]}},
        "a matrix of a million runs": {"matrix": {f"training.{axis}": ten for axis in axes}},
        "a matrix of what is out of bounds": {"matrix": {"training.epochs": [-1]}},
        "a baseline that is not there": {"cells": {"a": None}, "baseline": "b"},
        "a baseline in a list": {"cells": {"a": None}, "baseline": ["a"]},
        "a target's baseline that is not there": {"cells": {"a": None}, "baseline": {"jav": "b"}},
        "a target's baseline in a list": {"cells": {"a": None}, "baseline": {"jav": ["a"]}},
        "a baseline of no language": {"cells": {"a": None}, "baseline": {"x\0": "a"}},
        "a baseline of no target": {"cells": {"a": None}, "baseline": {"fin": "a"}},
        "an unknown key": {"cells": {"a": None}, "cell": {}},
        "resources in a list": {"cells": {"a": None}, "resources": ["cpus"]},
        "an unknown resource": {"cells": {"a": None}, "resources": {"gpu": 1}},
        "no processors": {"cells": {"a": None}, "resources": {"cpus": 0}},
        "endless memory": {"cells": {"a": None}, "resources": {"memory_gb": float("inf")}},
        "a GPU in words": {"cells": {"a": None}, "resources": {"gpus": "one"}},
    }
    for name, study in studies.items():
        for command in (("config", "check"), ("study",)):
            text = json.dumps({**BASE, "study": study})
            files = {"config.yaml": text}
            arguments = (*command, f"{FOLDER}/config.yaml")
            yield Case(f"{command[0]}: study is {name}", arguments, Refused("config.yaml"), files)
    text = json.dumps({**BASE, "study": {"cells": {"a": None}}})
    for command in ("train", "plan"):
        arguments = (command, f"{FOLDER}/config.yaml")
        yield Case(f"{command} of a study", arguments, Refused("study"), {"config.yaml": text})


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def fields(
    model: type[BaseModel], prefix: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every field of a model and of those in it: its path, and the JSON Schema of its values."""
    whole = model.model_json_schema()
    full = next((one for one in whole.get("anyOf", ()) if one["type"] == "object"), whole)
    properties = full["properties"]
    for name, field in model.model_fields.items():
        if (*prefix, name) == ("data",):
            continue
        schema = {**properties[name], "$defs": whole.get("$defs", {})}
        yield (*prefix, name), schema
        for kind in (field.annotation, *get_args(field.annotation)):
            inner = isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Plugin
            if inner:
                language = ("eng",) if get_origin(field.annotation) is dict else ()
                yield from fields(kind, (*prefix, name, *language))


def _wrong(schema: Mapping[str, Any], seed: str) -> list[tuple[str, Any]]:
    """Values that the schema does not allow."""
    validator = jsonschema.Draft202012Validator(schema)

    def allowed(value: Any) -> bool:
        # JSON Schema takes 1.0 for an integer, and compares NaN and infinity as it likes.
        finite = not isinstance(value, float) or abs(value) < float("inf")
        return finite and validator.is_valid(value)

    numbers = [(label, value) for label, value in NUMBERS.items() if not allowed(value)]
    others = [(label, value) for label, value in OTHERS.items() if not allowed(value)]
    draw = random.Random(f"{SEED} {seed}")
    is_number = validator.is_valid(1) or validator.is_valid(0.5)
    kinds = (others, numbers) if is_number else (others + numbers,)
    return [one for kind in kinds for one in draw.sample(kind, min(PER_FIELD, len(kind)))]


def _case(name: str, changes: Mapping[tuple[str, ...], Any], place: str) -> Case:
    config = json.loads(json.dumps(BASE))
    for path, value in changes.items():
        section = config
        for key in path[:-1]:
            if not isinstance(section.get(key), dict):
                section[key] = {}
            section = section[key]
        section[path[-1]] = value
    return _written(name, _yaml(config), place)


def _written(name: str, text: str | bytes, place: str) -> Case:
    command = ("config", "check", f"{FOLDER}/config.yaml")
    return Case(name, command, Refused(place), {"config.yaml": text})


def _yaml(value: Any) -> str:
    """JSON, which is YAML but for what is no number."""
    text = json.dumps(value)
    return text.replace("NaN", ".nan").replace("Infinity", ".inf")
