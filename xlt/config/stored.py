"""The config in a run's folder, compared with another, and how to run it again from there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from xlt.config.schema import RUN_NAME, Config
from xlt.errors import XltError
from xlt.yaml.nodes import parse

CONFIG, MANIFEST = "config.yaml", "manifest.json"
_NO_OTHER_RUN = (
    "name",
    *(f"output.{key}" for key in ("root", "keep", "push_to_hub", "store", "store_every")),
)


def config_values(config: str, path: Path) -> dict[str, Any]:
    """The values of a config's text. path: where it is from. Raises XltError, ValueError."""
    root = parse(config, str(path), path.parent)
    values = None if root is None else root.plain()
    if not isinstance(values, dict):
        raise ValueError("it is no mapping")
    return values


def differing_keys(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Keys in which two configs of one folder differ, by their first two levels.

    What it is called and where it is makes it no other run: it may have been moved. Nor does what
    is done with its models (`xlt.runs.kept`). A key that the xlt which wrote one of them did not
    have counts as the schema's default.
    """
    keys = []
    for key in dict.fromkeys([*before, *now]):
        one, other = before.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            inner = dict.fromkeys([*one, *other])
            default = _defaults(key)
            keys += [
                f"{key}.{name}"
                for name in inner
                if one.get(name, default.get(name)) != other.get(name, default.get(name))
            ]
        elif one != other:
            keys.append(key)
    return [key for key in keys if key not in _NO_OTHER_RUN]


def _defaults(section: str) -> dict[str, Any]:
    """What a section of a config is where nothing is said; {} where something has to be."""
    field = Config.model_fields.get(section)
    default = None if field is None else field.get_default(call_default_factory=True)
    if not isinstance(default, BaseModel):
        return {}
    return default.model_dump(mode="json")


def advise_remaking(path: Path) -> str:
    """The command that makes anew what is damaged in a run's folder, wherever that is now.

    path: of the run, or of what lies in it.
    """
    # A model may have been copied to beside a config that is somebody else's.
    run = next(
        (
            one
            for one in (path, *path.parents[:3])
            if all((one / name).is_file() for name in (CONFIG, MANIFEST))
        ),
        None,
    )
    if run is None:
        return "copy the folder again from where it came, or train the model again"
    try:
        config = config_values((run / CONFIG).read_text(encoding="utf-8"), run / CONFIG)
        own = Path(config["output"]["root"]) / config["name"]
    except (OSError, ValueError, XltError, LookupError, TypeError):  # it is damaged itself
        return "restore the folder; or train with the run's config again, and --overwrite"
    command = ["xlt", "train", str(run / CONFIG)]
    if own.resolve() != run.resolve():  # it was moved, or is looked at from elsewhere
        run = run if run.name not in ("", "..") else run.resolve()
        if not re.match(RUN_NAME, run.name):
            return (
                "give the folder a name of letters, digits, `.`, `_` and `-`; then the same "
                "command says how to make it again"
            )
        command += [f"name={_value(run.name)}", f"output.root={_value(str(run.parent))}"]
    return f"`{shlex.join(command)}` makes it again"


def _value(text: str) -> str:
    """Text as the value of an override, quoted where it would be read as something else."""
    try:
        read = parse(text, "", Path(), one_line=True)
    except XltError:
        read = None
    return text if read is not None and read.value == text else json.dumps(text)
