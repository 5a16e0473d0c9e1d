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
        seed-<n>/<target>/model/   loads with AutoModel; a copy of the stage's
        seed-<n>/<target>/<split>.<suffix>        predictions
        seed-<n>/<target>/<split>.counts.json     what `xlt compare` resamples
        seed-<n>/<target>/<split>.confidence.json how sure the model was of each prediction
        report.html                what `xlt report` makes of it all

`result.json` is written last, and lists the files that belong to it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from filelock import FileLock, Timeout

from xlt.config.stored import config_values, differing_keys
from xlt.errors import XltError
from xlt.escape import for_terminal
from xlt.files import (
    PART,
    DamagedFile,
    copy_file,
    damage,
    disk_error,
    entry,
    link_or_copy,
    publish_folder,
    publishing,
    sweep,
    write_sealed,
    write_text,
    writing,
)
from xlt.model.folder import INFO, check_model
from xlt.results import (
    CONFIG,
    LOG,
    MANIFEST,
    RESULT,
    config_damage,
    listed_files,
    read_manifest,
    read_result,
)

log = logging.getLogger(__name__)


_WITHOUT_RUN = {".lock", LOG, MANIFEST, "projection"}
"""What may lie in a run's folder before the run has begun."""


_WEIGHTS = ".safetensors"


def model_folder(seed: int, target: str) -> str:
    """Where a model is in the run's folder."""
    return f"seed-{seed}/{target}/model"


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk is reported where it matters, not once more for every line of the log."""


class _LogFormat(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Text of data in it does nothing to the terminal in which the file is looked at."""
        return for_terminal(super().format(record))


class InUse(XltError):
    """Another process is using the run's folder."""


class RunFolder:
    """The folder of one run, locked while in use as a context manager.

    wait: for another process that is using it; else that is an error (InUse).
    """

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        self.path, self.wait = path, wait
        self._lock = FileLock(path / ".lock")
        self._handler: logging.Handler | None = None
        self._written: set[str] = set()

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.check_own()
            self._acquire()
            self._handler = _LogFile(self.path / LOG, encoding="utf-8")
        except OSError as error:
            raise disk_error(error, self.path, resumes=True) from error
        self._handler.setFormatter(_LogFormat("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger("xlt").addHandler(self._handler)
        return self

    def _acquire(self) -> None:
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            if not self.wait:
                raise InUse(
                    "another process is using this run folder",
                    where=self.path,
                    fix="wait for it to end, or give this run another `name`",
                ) from error
            log.warning("another process is using %s; waiting for it", self.path)
            self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            if error is not None:  # to the file alone: the command line reports it by itself
                text = f"{type(error).__name__}: {error}"
                # Where a fault of the code is, only the traceback can say.
                found = None if isinstance(error, XltError) else (type(error), error, trace)
                record = logging.LogRecord("xlt", logging.ERROR, "", 0, text, None, found)
                self._handler.handle(record)
            logging.getLogger("xlt").removeHandler(self._handler)
            self._handler.close()
        self._lock.release()

    def check_own(self) -> None:
        """Raise XltError for a folder of other things: what they are called is no reason to write
        over them, whatever the config that names it says."""
        if not self.path.is_dir() or (self.path / CONFIG).is_file() or self._has_begun():
            return
        for path in sorted(self.path.iterdir()):
            if path.name not in _WITHOUT_RUN and path.suffix != PART:
                raise XltError(
                    f"this folder holds something else than a run ({path.name})",
                    where=self.path,
                    fix="give the run another `name` or `output.root`, or move what is there",
                )

    def _has_begun(self) -> bool:
        """Whether a run is here, though its config may be lost."""
        try:
            return bool(read_manifest(self.path))
        except (FileNotFoundError, DamagedFile):
            return False

    def start(
        self, config: Callable[[], str], *, resume: bool, overwrite: bool
    ) -> dict[str, Any] | None:
        """Make sure that the folder is free for this config; the result if it is finished already.

        config: gives its text, which takes a while to write.

        A finished run with a damaged file goes on, with a warning: what is intact is used again.
        A run with more seeds than the folder's continues it. Raises XltError when the folder
        holds another config, or an unfinished run that the user did not ask to resume; DamagedFile
        where it cannot be known which config it holds.
        """
        path = self.path / CONFIG
        if not path.is_file() or overwrite:
            return None
        try:
            stored = path.read_text(encoding="utf-8")
            before, now = config_values(stored, path), config_values(config(), path)
        except (XltError, ValueError) as error:
            raise self._config_damaged(str(error)) from error
        seeds, wanted = before.get("seeds", ()), now.get("seeds", ())
        if {*seeds} < {*wanted}:  # seeds may be added
            before = {**before, "seeds": wanted}
        if differ := differing_keys(before, now):
            if (problem := config_damage(self.path)) is not None:
                raise self._config_damaged(problem)
            raise XltError(
                f"this folder holds a run with a different config ({', '.join(differ)})",
                where=path,
                fix="change `name`, or pass --overwrite",
            )
        if seeds == wanted and (self.path / RESULT).is_file():
            problem = self.damage()
            if problem is None:
                return self.result()
            log.warning("%s: it is made again", problem)
        elif not resume:
            raise XltError(
                "this run was started before and did not finish"
                if seeds == wanted
                else "this folder holds the same run with fewer seeds",
                where=self.path,
                fix="--resume continues it, --overwrite starts it again",
            )
        return None

    def _config_damaged(self, how: str) -> DamagedFile:
        return DamagedFile(
            f"the config of this run is damaged ({how})",
            where=self.path / CONFIG,
            fix="restore the file, or pass --overwrite: finished stages are used again",
        )

    def claim(self, config: str, manifest: dict[str, Any]) -> None:
        """The run begins: what the folder held of an earlier one is no longer its result."""
        with writing(self.path, resumes=True):
            for place in (self.path, *self.path.glob("*/*/")):
                sweep(place)
            (self.path / RESULT).unlink(missing_ok=True)
        # Before the config, so that there is none whose manifest is of another run.
        self.write_json(MANIFEST, manifest)
        with writing(self.path, resumes=True):
            write_text(self.path / CONFIG, config)
        self._written.add(CONFIG)

    def result(self) -> dict[str, Any]:
        return read_result(self.path)

    def damage(self) -> str | None:
        """Which file of a finished run is damaged, and how; None if none is."""
        try:
            listed = listed_files(self.result())
        except DamagedFile as error:
            return f"{error.where}: {error.what}"
        problem = damage(self.path, listed)
        if problem is not None:
            return f"{self.path}: {problem}"
        for name in listed:
            model = (self.path / name).parent
            if name.endswith(f"/{INFO}") and (problem := check_model(model)) is not None:
                return f"{model}: {problem}"
        return None

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result, with a list of the files that were written for it.

        Of a model it has `xlt.json`, which lists the others. The model card is for users to edit.
        """
        result["files"] = {name: [*entry(self.path / name)] for name in sorted(self._written)}
        self.write_json(RESULT, result)

    def restate(
        self, config: str, result: dict[str, Any], *, without: Collection[str] = ()
    ) -> None:
        """Write config and result of a finished run anew, and remove models from it.

        Models go last: killed before, the next run finds those that no result lists.
        """
        listed = listed_files(result)
        with writing(self.path, resumes=True):
            write_text(self.path / CONFIG, config)
        self._written = {*listed} - {f"{model}/{INFO}" for model in without}
        self.finish(result)
        for model in without:
            self.forget_model(model)

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        with writing(self.path, resumes=True):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_sealed(self.path / name, value)
        self._written.add(name)

    @contextmanager
    def write_text(self, name: str) -> Iterator[TextIO]:
        """A stream whose text becomes the file of this name when the block ends well."""
        with writing(self.path, resumes=True):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            with (
                publishing(self.path / name) as part,
                part.open("w", encoding="utf-8", newline="\n") as stream,
            ):
                yield stream
        self._written.add(name)

    def forget_model(self, target: str) -> None:
        """Remove the run's copy of a model."""
        with writing(self.path, resumes=True):
            shutil.rmtree(self.path / target, ignore_errors=True)
        self._written.discard(f"{target}/{INFO}")

    def keep_model(
        self, source: Path, target: str, finish: Callable[[Path], None], like: str | None = None
    ) -> None:
        """Give the run its own copy of a stage's model; `finish` adds what only the run knows.

        The copy shares the disk's space where the file system can (`copy_file`).

        like: where the run has a copy of this very model, for another target. Their weights are one
            file under two names, which nobody may write to: changing it would change both.
        """
        destination = self.path / target

        def copy(old: str, new: str) -> None:
            if like is None or not old.endswith(_WEIGHTS):
                copy_file(old, new)
                return
            link_or_copy(self.path / like / Path(old).relative_to(source), new)

        part = destination.with_name(destination.name + PART)
        with writing(self.path, resumes=True):
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(source, part, copy_function=copy)
            finish(part)
            publish_folder(part, destination)
            for weights in destination.rglob(f"*{_WEIGHTS}") if like else ():
                weights.chmod(0o444)
        self._written.add(f"{target}/{INFO}")
