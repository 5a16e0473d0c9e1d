"""The command line in forked processes: a fork saves what imports take."""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

HANGS = 120.0
"""Seconds after which a process is taken to hang; the runs here take a few."""


@dataclass(frozen=True)
class Ended:
    """code: exit status, minus the signal's number for a killed process. seconds: by the clock."""

    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False

    @property
    def text(self) -> str:
        return f"exit status {self.code}\n{self.out}\n{self.err}"


def settle() -> None:
    """The environment of every process from here on: one thread, no network. Before torch."""
    os.environ.update(
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        TOKENIZERS_PARALLELISM="false",
        OMP_NUM_THREADS="1",
        MKL_NUM_THREADS="1",
        ARROW_DEFAULT_MEMORY_POOL="system",
    )


def warm_up() -> None:
    """Import once what every process needs; register a translator that needs nothing; have more
    kept in files than of so few records would be."""
    import datasets  # noqa: F401
    import transformers  # noqa: F401
    from transformers.models.bert import modeling_bert  # noqa: F401
    from transformers.models.umt5 import modeling_umt5  # noqa: F401

    import xlt.cli
    import xlt.runs.evaluate
    import xlt.runs.project
    import xlt.runs.study
    import xlt.runs.train
    import xlt.training.learner  # noqa: F401
    from xlt.registry import aligners, translators
    from xlt.testing import translation
    from xlt.training import encodings

    # As of large data, they lie in files.
    encodings.MAX_HELD = 4  # type: ignore[attr-defined]
    translators.register(translation.SETTINGS["translator"], translation.Backwards)
    aligners.register(translation.SETTINGS["aligner"], translation.SameWords)


def run(
    work: Callable[[], None],
    environment: Mapping[str, str] | None = None,
    *,
    kill_after: float | None = None,
    timeout: float = HANGS,
) -> Ended:
    """Run `work` in a forked process of its own, and wait for its end.

    kill_after: seconds after which it is killed (SIGKILL), if it has not ended by then.
    timeout: seconds after which it is killed as one that hangs.
    """
    began = time.monotonic()
    pid, texts = fork(work, environment)
    hung = _wait(pid, timeout if kill_after is None else kill_after) and kill_after is None
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - began
    return Ended(os.waitstatus_to_exitcode(status), *texts(), seconds, hung)


def fork(
    work: Callable[[], None], environment: Mapping[str, str] | None = None
) -> tuple[int, Callable[[], tuple[str, str]]]:
    """Begin `work` in a forked process; its id, and what it printed: for when it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        # Unlinked while open: nothing is left behind whatever happens.
        streams = [(Path(folder) / name).open("w+b") for name in ("out", "err")]
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # what is here already is not the child's to collect
    pid = os.fork()
    if pid == 0:
        _child(work, [stream.fileno() for stream in streams], environment or {})

    def printed() -> tuple[str, str]:
        texts = []
        for stream in streams:
            with stream:
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        return texts[0], texts[1]

    return pid, printed


def xlt(
    *arguments: object,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
    kill_after: float | None = None,
    timeout: float = HANGS,
) -> Ended:
    """The command line in a process of its own, after `before`."""

    def work() -> None:
        from xlt.cli import main

        if before is not None:
            before()
        main([str(argument) for argument in arguments])

    return run(work, environment, kill_after=kill_after, timeout=timeout)


def _wait(pid: int, seconds: float) -> bool:
    """Whether the process had to be killed because it was still there after so long."""
    handle = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([handle], [], [], seconds)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        return not ended
    finally:
        os.close(handle)


def _child(
    work: Callable[[], None], streams: list[int], environment: Mapping[str, str]
) -> NoReturn:
    code = 70
    try:
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.environ.update(environment)
        warnings.resetwarnings()  # filters of tests are not those of users
        work()
        code = 0
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
