"""Mutation testing: how many small faults in a module do its tests catch?

    python -m scripts.mutate xlt/typology xlt/evaluation --number 60

Each mutant differs from its module in one place: a comparison, an operator, a number, a condition,
a term of a sum that is left out. Docstrings, messages and other strings stay, so do annotations,
decorators and assertions. A mutant lives in memory only, in a forked process that runs the tests;
no file changes. What tests start as a program of their own (`python -m xlt`) is not mutated.

The tests of a module are the files of tests/unit and tests/golden that import it by name, or its
package where none does; `--tests` chooses others.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

import pytest

OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
TERMS = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr)
"""Operators of which one operand may be left out."""
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
BROKEN = 70
"""Exit status where pytest itself raises."""
MIN_SECONDS, TIMES = 30.0, 5.0
"""A mutant is given so many seconds, and so many times what the tests take without a fault."""


@dataclass(frozen=True)
class Mutant:
    """A module with one fault. change: what stands at the line, and what does instead."""

    line: int
    change: str
    tree: ast.Module


def alternatives(node: ast.AST) -> Iterator[ast.AST]:
    """Every faulty form of one node, its children as they are."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in OPERATORS.get(type(operator), ()):
                changed = copy.deepcopy(node)
                changed.ops[place] = other()  # type: ignore[call-overload]
                yield changed
    elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        for other in OPERATORS.get(type(node.op), ()):
            swapped = copy.deepcopy(node)
            swapped.op = other()  # type: ignore[assignment]
            yield swapped
        if isinstance(node, ast.BinOp) and isinstance(node.op, TERMS):
            yield from (node.left, node.right)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        negated = copy.deepcopy(node)
        negated.test = ast.UnaryOp(ast.Not(), negated.test)
        yield negated
    elif isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            unfiltered = copy.deepcopy(node)
            del unfiltered.ifs[place]
            yield unfiltered
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield ast.Constant(node.value + 1)
        elif isinstance(node.value, float):
            yield ast.Constant(node.value * 1.5 + 0.1)
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield ast.Name(NAMES[node.id], ast.Load())
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.Break):
        yield ast.Pass()


class _Sites(ast.NodeTransformer):
    """Counts the faults that a tree could have; puts the one of number `wanted` in."""

    def __init__(self, wanted: int = -1) -> None:
        self.wanted, self.count = wanted, 0
        self.line, self.change = 0, ""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Assert | ast.JoinedStr):
            return node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return node
        chosen = node
        for other in alternatives(node):
            if self.count == self.wanted:
                self.line = getattr(node, "lineno", 0) or getattr(
                    getattr(node, "iter", None), "lineno", 0
                )
                self.change = f"{_brief(node)}  →  {_brief(other)}"
                chosen = other
            self.count += 1
        if chosen is not node:
            return chosen
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns", "decorator_list", "type_params"):
                self._visit_field(node, field, value)
        return node

    def _visit_field(self, node: ast.AST, field: str, value: object) -> None:
        if isinstance(value, ast.AST):
            setattr(node, field, self.visit(value))
        elif isinstance(value, list):
            value[:] = [self.visit(one) if isinstance(one, ast.AST) else one for one in value]


def _brief(node: ast.AST) -> str:
    """The node in one line of source text."""
    if isinstance(node, ast.If | ast.While):
        return f"if {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())[:70]


def count_faults(source: str) -> int:
    """How many mutants a module has."""
    sites = _Sites()
    sites.visit(ast.parse(source))
    return sites.count


def mutant(source: str, number: int) -> Mutant:
    """The mutant of this number, from 0 to `count_faults` - 1."""
    sites = _Sites(number)
    tree = sites.visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    assert sites.change, f"there is no mutant {number}"
    return Mutant(sites.line, sites.change, ast.fix_missing_locations(tree))


# Running tests on a mutant ---------------------------------------------------------------------


class _InMemory(importlib.abc.Loader, importlib.abc.MetaPathFinder):
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
    tests: Sequence[Path], folder: Path, finder: _InMemory | None, seconds: float | None
) -> int | None:
    """pytest's exit status in a forked process; None if it ran past so many seconds.

    folder: for its output and for what it leaves behind.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        with (folder / "output").open("w") as output:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
        if finder is not None:
            sys.meta_path.insert(0, finder)
        plain = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
        code = BROKEN
        try:
            code = int(pytest.main([*plain, f"--basetemp={folder}/pytest", *map(str, tests)]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    deadline = None if seconds is None else time.monotonic() + seconds
    while deadline is None or time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


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


def examine(
    path: Path, tests: Sequence[Path], number: int, seed: int, folder: Path
) -> tuple[int, list[Mutant]]:
    """How many mutants of a module were tried, and those that its tests did not catch."""
    source = path.read_text(encoding="utf-8")
    name = ".".join(path.with_suffix("").parts)
    began = time.monotonic()
    if run_tests(tests, folder, None, None) != 0:
        said = (folder / "output").read_text(encoding="utf-8")
        raise SystemExit(f"the tests of {path} fail without a fault:\n{said[-4000:]}")
    limit = max(MIN_SECONDS, TIMES * (time.monotonic() - began))
    total = count_faults(source)
    drawn = sorted(random.Random(f"{seed} {path}").sample(range(total), min(number, total)))
    survivors = []
    for one in (mutant(source, place) for place in drawn):
        finder = _InMemory(name, path, compile(one.tree, str(path), "exec"))
        if run_tests(tests, folder, finder, limit) == 0:
            survivors.append(one)
            print(f"  survived  {path}:{one.line}: {one.change}", flush=True)
    return len(drawn), survivors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="+", type=Path, help="files or folders of xlt")
    parser.add_argument("--number", type=int, default=60, help="mutants of each module [60]")
    parser.add_argument("--seed", type=int, default=0, help="of the sample [0]")
    parser.add_argument("--tests", type=Path, nargs="+", help="run these instead")
    given = parser.parse_args()
    paths = [
        path
        for one in given.modules
        for path in (sorted(one.glob("*.py")) if one.is_dir() else [one])
        if count_faults(path.read_text(encoding="utf-8"))
    ]
    _import_ahead()
    tried = caught = 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        os.environ["TMPDIR"] = folder
        for path in paths:
            tests = given.tests or matching_tests(path)
            if not tests:
                print(f"{path}: no test file imports it", flush=True)
                continue
            number, survivors = examine(path, tests, given.number, given.seed, Path(folder))
            killed = number - len(survivors)
            print(f"{path}: {killed} of {number} killed ({killed / number:.0%})", flush=True)
            tried, caught = tried + number, caught + killed
    print(f"together: {caught} of {tried} killed ({caught / max(tried, 1):.0%})")


def _import_ahead() -> None:
    """Import what most tests need, once; nothing of xlt, which is to be imported mutated."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for name in ("langcodes", "numpy", "pydantic", "scipy.stats", "torch"):
        importlib.import_module(name)
    if "xlt" in sys.modules:
        raise SystemExit("xlt is imported already")


if __name__ == "__main__":
    main()
