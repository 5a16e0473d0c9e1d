"""Mutants differ from their module in one place, and are caught where a test looks there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.mutate.__main__ import examine
from scripts.mutate.faults import count_faults, mutant
from scripts.mutate.tests import matching_tests, record

SOURCE = '''\
"""Strings stay: 1 < 2."""

def shortest(texts: list[str], least: int = 0) -> int:
    assert least < 9
    return min(len(text) for text in texts if len(text) > least)
'''


TESTS = """\
import pytest
import mutated_example

@pytest.fixture
def one():
    return mutated_example.shortest(["ab"])

@pytest.mark.parametrize("texts", [["", "a", "bc"], ["ab"]])
def test_shortest(texts):
    assert mutated_example.shortest(texts) > 0

def test_nothing():
    pass
"""


def every(source: str) -> set[str]:
    return {ast.unparse(mutant(source, n).tree) for n in range(count_faults(source))}


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("a < b", {"a <= b", "a > b"}),
        ("a + b", {"a - b", "a", "b"}),
        ("a is b and c", {"a is b or c", "a is not b and c"}),
        ("-x", {"x"}),
        ("x += 2", {"x -= 2", "x += 3"}),
        ("x = True", {"x = False"}),
        ("x: Literal[1] = 'text'", set()),
        ("assert a < b, f'{a + b}'", set()),
        ("zip(a, b, strict=True)", set()),
        ("@cache(maxsize=4)\ndef f(x: int = y[0]):\n    pass",
         {"@cache(maxsize=4)\ndef f(x: int=y[1]):\n    pass"}),
    ],
)  # fmt: skip
def test_faults(source, mutants):
    assert every(source) == mutants


def test_each_mutant_differs_in_one_line_that_it_names():
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    assert count_faults(SOURCE) == 5
    for number in range(5):
        one = mutant(SOURCE, number)
        lines = ast.unparse(one.tree).splitlines()
        assert sum(a != b for a, b in zip(plain, lines, strict=True)) == 1
        assert one.line in (3, 5)
        assert "→" in one.change
    with pytest.raises(AssertionError):
        mutant(SOURCE, 5)


@pytest.mark.slow
def test_what_no_test_looks_at_survives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module, test = Path("mutated_example.py"), Path("test_example.py")
    module.write_text(SOURCE, encoding="utf-8")
    test.write_text(TESTS, encoding="utf-8")
    reach = record([module], [test], tmp_path)
    number, survivors = examine(module, [test], reach, 99, 0, tmp_path)
    assert number == 5
    assert [one.change.partition("  →  ")[2] for one in survivors] == ["1", "max"]
    assert module.read_text(encoding="utf-8") == SOURCE


@pytest.mark.slow
def test_which_tests_run_a_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module, test, other = (Path(f"{name}_example.py") for name in ("mutated", "test", "test_other"))
    module.write_text(SOURCE, encoding="utf-8")
    test.write_text(TESTS, encoding="utf-8")
    other.write_text(TESTS + "def test_one(one):\n    pass\n", encoding="utf-8")
    reach = record([module], [test, other], tmp_path)
    running = {f"{test}::test_shortest[texts0]", f"{test}::test_shortest[texts1]"}
    assert set(reach.of(module, range(5, 6), [test])) == running
    everything = running | {f"{test}::test_nothing"}
    assert set(reach.of(module, None, [test])) == everything
    assert set(reach.of(module, range(99, 100), [test])) == everything, "no test is seen to"
    shared = reach.of(module, range(5, 6), [other])
    assert len(shared) == 4, "what a fixture runs counts for all tests of its file"
    assert [reach.seconds[name] for name in shared] == sorted(
        reach.seconds[name] for name in shared
    )


def test_lines_of_a_mutant():
    source = "x = 1\ndef f(a=2):\n    if (a <\n            3):\n        return [\n            4]\n"
    mutants = [mutant(source, n) for n in range(count_faults(source))]
    lines = {one.change.partition(" ")[0]: one.lines for one in mutants}
    assert lines == {
        "1": None, "2": None, "a": range(3, 5), "if": range(3, 5), "3": range(3, 5),
        "4": range(5, 7),
    }  # fmt: skip


def test_the_matching_tests_a_module_are_those_that_import_it():
    assert Path("tests/unit/test_process.py") in matching_tests(Path("xlt/typology/process.py"))
    assert Path("tests/unit/test_align.py") not in matching_tests(Path("xlt/typology/process.py"))
    of_neighbours = matching_tests(Path("xlt/typology/neighbours.py"))
    assert of_neighbours == [Path("tests/unit/test_neighbours.py")]
