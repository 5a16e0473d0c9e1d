"""Tests in a process of their own: with a faulty module, and to see which lines each runs."""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import re
import resource
import signal
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FrameType, ModuleType

import pytest
from hypothesis import HealthCheck, settings

# The same examples for every mutant, and none is killed because the machine is slow.
settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

BROKEN = 70
"""Exit status where pytest itself raises."""


def matching_tests(path: Path) -> list[Path]:
    """The test files that import a module by name; if there is none, those of its package."""
    package, name = ".".join(path.parts[:-1]), path.stem
    files = [file for kind in ("unit", "golden") for file in Path("tests", kind).glob("test_*.py")]
    one = re.compile(
        rf"\bfrom {re.escape(package)}\.{name} import|\bimport {re.escape(package)}\.{name}\b"
        rf"|\bfrom {re.escape(package)} import [^\n]*\b{name}\b"
    )
    by_name = [file for file in files if one.search(file.read_text(encoding="utf-8"))]
    several = re.compile(rf"\b{re.escape(package)}\b")
    return sorted(by_name) or sorted(
        file for file in files if several.search(file.read_text(encoding="utf-8"))
    )


class InMemory(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Imports one module from code that is given instead of its file."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self.name, self.path, self.code = name, path, code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def run_tests(
    tests: Sequence[Path],
    folder: Path,
    finder: InMemory | None = None,
    seconds: float | None = None,
    plugins: Sequence[object] = (),
) -> int | None:
    """pytest's exit status in a forked process; None if it ran past a limit.

    folder:  for its output and for what it leaves behind.
    seconds: that it may compute; it may take ten times as long, on a machine with other work.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (round(seconds), round(seconds)))
        with (folder / "output").open("w") as output:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
        settings.load_profile("mutants")
        if finder is not None:
            sys.meta_path.insert(0, finder)
        plain = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        # Packages of its plugins are imported already, see `_import_ahead`.
        plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = BROKEN
        try:
            arguments = [*plain, f"--basetemp={folder}/pytest", *map(str, tests)]
            code = int(pytest.main(arguments, plugins=list(plugins)))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    deadline = None if seconds is None else time.monotonic() + 10 * seconds
    while deadline is None or time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            assert code not in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR)
            return code
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


@dataclass
class Reach:
    """What tests run. seconds: of each, by its pytest id; lines: who runs a line of a file."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))

    def of(self, path: Path, lines: range | None, tests: Collection[Path]) -> list[str]:
        """Those in the files `tests` that run one of these lines, the quickest first.

        All of the files if no test is seen to: other processes, and imports, are not recorded.
        """
        files = {str(test) for test in tests}
        found = {
            test
            for line in lines or ()
            for test in self.lines.get((str(path), line), ())
            if test.partition("::")[0] in files
        }
        chosen = found or {test for test in self.seconds if test.partition("::")[0] in files}
        return sorted(chosen, key=lambda test: (self.seconds[test], test))


class _Recorder:
    """A pytest plugin that records the reach of tests into modules, and writes it to a file.

    What a fixture runs counts for all tests of the file, since they may share it.
    """

    def __init__(self, paths: Sequence[Path], target: Path) -> None:
        self._paths = {str(path.resolve()): str(path) for path in paths}
        self._target = target
        self._reach = Reach()
        self._running: set[tuple[str, int]] = set()
        self._shared: dict[str, set[tuple[str, int]]] = defaultdict(set)

    def _global(self, frame: FrameType, event: str, argument: object) -> object:
        return self._line if frame.f_code.co_filename in self._paths else None

    def _line(self, frame: FrameType, event: str, argument: object) -> object:
        self._running.add((self._paths[frame.f_code.co_filename], frame.f_lineno))
        return self._line

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        self._running = self._shared[item.nodeid.partition("::")[0]]
        threading.settrace(self._global)  # type: ignore[arg-type]
        sys.settrace(self._global)  # type: ignore[arg-type]
        yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self._running = set()
        began = time.monotonic()
        sys.settrace(self._global)  # type: ignore[arg-type]
        yield
        self._reach.seconds[item.nodeid] = time.monotonic() - began
        for line in self._running:
            self._reach.lines[line].add(item.nodeid)
        self._running = self._shared[item.nodeid.partition("::")[0]]

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        threading.settrace(None)
        for test in self._reach.seconds:
            for line in self._shared[test.partition("::")[0]]:
                self._reach.lines[line].add(test)
        lines = [[*line, sorted(tests)] for line, tests in self._reach.lines.items()]
        self._target.write_text(json.dumps([self._reach.seconds, lines]), encoding="utf-8")


class Only:
    """A pytest plugin that runs these tests, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._place = {test: n for n, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(chosen, key=lambda item: self._place[item.nodeid])


def record(paths: Sequence[Path], tests: Sequence[Path], folder: Path) -> Reach:
    """Run tests without a fault, and see which lines of these modules each of them runs."""
    target = folder / "reach"
    if run_tests(tests, folder, plugins=[_Recorder(paths, target)]) != 0:
        said = (folder / "output").read_text(encoding="utf-8")
        raise SystemExit(f"tests fail without a fault:\n{said[-4000:]}")
    seconds, lines = json.loads(target.read_text(encoding="utf-8"))
    return Reach(seconds, {(path, line): set(some) for path, line, some in lines})
