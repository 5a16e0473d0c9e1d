"""What code does, as hashes: a changed comment, docstring or layout is no change.

What is computed is filed under a key that holds them, so that it does not outlive the code that
computed it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from functools import cache
from pathlib import Path

from xlt.data.checksums import code_sha256, sha256

READING = ("data", "document", "languages", "reader_options", "scripts")
"""What of xlt decides what is read from files."""


def code_hashes(plugin: type, *names: str) -> dict[str, str]:
    """Package or module → hash, of those parts of xlt, and of all that a plugin's class and the
    classes it extends are written in; without the standard library.

    Of a third party's class that is its whole distribution package: a label map may stand in any
    of its modules. What the package imports from elsewhere is not part of it.
    """
    package = Path(__file__).parents[1]
    hashes = {f"xlt.{name}": _loaded(package / name) for name in names}
    for base in plugin.__mro__:
        name, place = _home(base.__module__)
        if name not in hashes and name.partition(".")[0] not in sys.stdlib_module_names:
            hashes[name] = _source_hash(base) if place is None else _hash(place)
    return hashes


@cache
def _loaded(place: Path) -> str:
    """Of a part of xlt, which stays what this process began with."""
    return _hash(place)


def _hash(place: Path) -> str:
    """Of a module (with or without its suffix), or of a package with all files that it may read."""
    if not place.is_dir():
        return code_sha256(place.with_suffix(".py"))
    digests = [
        (str(path.relative_to(place)), code_sha256(path) if path.suffix == ".py" else sha256(path))
        for path in sorted(place.rglob("*"))
        if path.is_file() and not any(map(_is_no_source, path.relative_to(place).parts))
    ]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _is_no_source(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _home(module: str) -> tuple[str, Path | None]:
    """The package that a module belongs to, with its folder; itself, with its file, where it is on
    its own; without either for what is in no file.

    Of xlt, it is the package of a task, or the module.
    """
    parts = module.split(".")
    own = parts[0] == __name__.partition(".")[0]
    shortest = (3 if parts[1:2] == ["tasks"] else len(parts)) if own else 1
    for length in range(shortest, len(parts) + 1):
        name = ".".join(parts[:length])
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:  # a namespace package has none
            return name, Path(file).parent if Path(file).name == "__init__.py" else Path(file)
    return module, None


def _source_hash(kind: type) -> str:
    """Of a class without a file, as in a notebook: its functions' source and its other values."""
    members = {
        name: _source(value) if inspect.isfunction(value) else repr(value)
        for name, value in sorted(vars(kind).items())
        if name not in ("__dict__", "__weakref__", "__doc__", "_abc_impl")
    }
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def _source(function: object) -> str:
    try:
        return inspect.getsource(function)  # type: ignore[arg-type]
    except (OSError, TypeError):  # typed at a prompt that keeps no lines
        return repr(getattr(function, "__code__", None).co_code)  # type: ignore[union-attr]
