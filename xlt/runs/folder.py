"""A run's folder: one process at a time, nothing half written.

::

    runs/
      stages/<stage>-<key>/        every stage trained under this root, shared by all runs
      <run>/
        config.yaml                the resolved config: what `predict` and `evaluate` read
        manifest.json              versions, hardware, git state, data with checksums
        result.json                scores per target, split, seed and way of selecting
        README.md                  the model card
        log.txt
        seed-<n>/<target>/model/   loads with AutoModel; hard links into stages/
        seed-<n>/<target>/<split>.<suffix>        predictions
        seed-<n>/<target>/<split>.counts.json     what `xlt compare` resamples
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from xlt.errors import XltError
from xlt.files import disk_error, link_or_copy, write_json, writing
from xlt.results import CONFIG, LOG, RESULT, read_result
from xlt.yaml.nodes import parse


def _read(config: str, path: Path) -> dict[str, Any]:
    root = parse(config, str(path), path.parent)
    values: dict[str, Any] = root.plain() if root is not None else {}
    return values


def _changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Keys that make a config another run's, by their first two levels; seeds may be added."""
    if {*before.get("seeds", ())} < {*now.get("seeds", ())}:
        before = {**before, "seeds": now.get("seeds")}
    keys = []
    for key in dict.fromkeys([*before, *now]):
        one, other = before.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            inner = dict.fromkeys([*one, *other])
            keys += [f"{key}.{name}" for name in inner if one.get(name) != other.get(name)]
        elif one != other:
            keys.append(key)
    return keys


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk is reported where it matters, not once more for every line of the log."""


class RunFolder:
    """The folder of one run, locked while in use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock")
        self._handler: logging.Handler | None = None

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
            self._handler = _LogFile(self.path / LOG, encoding="utf-8")
        except Timeout as error:
            raise XltError(
                "another process is using this run folder",
                where=self.path,
                fix="wait for it to end, or give this run another `name`",
            ) from error
        except OSError as error:
            raise disk_error(error, self.path) from error
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger("xlt").addHandler(self._handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            if error is not None:  # to the file alone: the command line reports it by itself
                text = f"{type(error).__name__}: {error}"
                record = logging.LogRecord("xlt", logging.ERROR, "", 0, text, None, None)
                self._handler.handle(record)
            logging.getLogger("xlt").removeHandler(self._handler)
            self._handler.close()
        self._lock.release()

    def start(self, config: str, *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        """Make sure that the folder is free for this config; the result if it is finished already.

        A run with more seeds than the folder's continues it. Raises XltError when the folder
        holds another config, or an unfinished run that the user did not ask to resume.
        """
        path = self.path / CONFIG
        if not path.is_file() or overwrite:
            return None
        stored = path.read_text(encoding="utf-8")
        changed = _changed(_read(stored, path), _read(config, path))
        if changed:
            raise XltError(
                f"this folder holds a run with a different config ({', '.join(changed)})",
                where=path,
                fix="change `name`, or pass --overwrite",
            )
        if stored == config and (self.path / RESULT).is_file():
            return self.result()
        if not resume:
            raise XltError(
                "this run was started before and did not finish"
                if stored == config
                else "this folder holds the same run with fewer seeds",
                where=self.path,
                fix="--resume continues it, --overwrite starts it again",
            )
        return None

    def claim(self, config: str) -> None:
        """The run begins: what the folder held of an earlier one is no longer its result."""
        with writing(self.path):
            (self.path / RESULT).unlink(missing_ok=True)
            write_text(self.path / CONFIG, config)

    def result(self) -> dict[str, Any]:
        return read_result(self.path)

    def write_json(self, name: str, value: Any) -> None:
        try:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path / name, value)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def link_model(self, source: Path, target: str) -> Path:
        """Give the run its own view of a stage's model; costs no space where links work."""
        destination = self.path / target
        try:
            if destination.exists():
                shutil.rmtree(destination)
            shutil.copytree(source, destination, copy_function=link_or_copy)
        except OSError as error:
            raise disk_error(error, self.path) from error
        return destination


def write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
