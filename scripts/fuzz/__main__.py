"""python -m scripts.fuzz TARGET|all [--runs N | --seconds S]: see the package."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from scripts.fuzz import targets
from xlt.collection import freeze_existing

TIMEOUT = 10
"""Seconds of computing after which one input counts as a hang."""
MAX_BYTES = 4096


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__)
    parser.add_argument("target", choices=["all", *targets.MAKERS])
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--runs", type=int, default=1_000_000, help="executions of each target")
    amount.add_argument("--seconds", type=int, help="for all targets together, instead of runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument(
        "--corpus", type=Path, help="folder to keep what is found in, a folder a target"
    )
    given = parser.parse_args()
    if given.jobs < 1:
        parser.error("--jobs: at least 1")
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed: pip install 'xlt[fuzz]'", file=sys.stderr)
        return 2
    names = list(targets.MAKERS) if given.target == "all" else [given.target]
    jobs = min(given.jobs, len(names))
    limit = (
        f"-max_total_time={max(1, round(given.seconds * jobs / len(names)))}"
        if given.seconds
        else f"-atheris_runs={given.runs}"
    )
    failed = []
    for name, code, seconds in _fuzz(names, jobs, limit, given.seed, given.corpus):
        print(f"{name}: {f'FAILED ({code})' if code else 'ok'} ({seconds:.0f} s)", flush=True)
        failed += [name] if code else []
    if failed:
        print(f"failed: {', '.join(failed)}; the input that did it is in crash-*", file=sys.stderr)
    return 1 if failed else 0


def _fuzz(
    names: list[str], jobs: int, limit: str, seed: int, corpus: Path | None
) -> Iterator[tuple[str, int, float]]:
    """Fuzz each target in a process of its own: libFuzzer ends the one it runs in.

    Yields the name, exit status and seconds of each as it ends.
    """
    if len(names) > 1:  # so that imports are traced once, and not in each process
        for name in names:
            _try_kept(_made(name), name)
        shutil.rmtree(targets.folder(), ignore_errors=True)
        targets.folder.cache_clear()  # each process has one of its own
        freeze_existing()
    waiting = list(reversed(names))
    running: dict[int, tuple[str, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop()
            pid = os.fork()
            if pid == 0:
                _run(name, limit, seed, corpus)
            running[pid] = name, time.monotonic()
        pid, status = os.wait()
        name, started = running.pop(pid)
        yield name, os.waitstatus_to_exitcode(status), time.monotonic() - started


def _run(name: str, limit: str, seed: int, corpus: Path | None) -> None:
    import atheris

    target = _made(name)
    found = Path(tempfile.mkdtemp(prefix="fuzz-")) if corpus is None else corpus / name
    found.mkdir(parents=True, exist_ok=True)
    # New inputs go into the first folder; the kept seeds are only read.
    # libFuzzer's own alarm counts a busy machine's time, and 0 would mean no patience at all.
    options = [limit, f"-seed={seed}", "-timeout=86400", f"-max_len={MAX_BYTES}"]
    quiet = ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix=crash-{name}-"]
    _try_kept(target, name)
    folders = [str(found), str(targets.CORPUS / name)]
    atheris.Setup([sys.argv[0], *options, *quiet, *folders], _limited(target))
    try:
        atheris.Fuzz()
    finally:
        if corpus is None:
            shutil.rmtree(found, ignore_errors=True)
        shutil.rmtree(targets.folder(), ignore_errors=True)


def _made(name: str) -> targets.Target:
    """A target whose coverage is traced."""
    import atheris

    with atheris.instrument_imports(include=["xlt"], enable_loader_override=False):
        return targets.make(name)


def _try_kept(target: targets.Target, name: str) -> None:
    """Its kept inputs: what is imported on the way is no part of an input's time."""
    for kept in targets.seeds(name):
        target(kept.read_bytes())


def _limited(target: targets.Target) -> targets.Target:
    """The target, with an error for what computes too long."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {TIMEOUT} s")

    signal.signal(signal.SIGPROF, stop)

    def limited(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_PROF, TIMEOUT)
        try:
            target(data)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    return limited


if __name__ == "__main__":
    sys.exit(main())
