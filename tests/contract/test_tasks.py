"""Every registered task keeps the contract, and every clause of it can be broken."""

from __future__ import annotations

import broken
import pytest
from records import OPTIONS, RECORDS, tagged

from xlt.registry import tasks
from xlt.testing import CLAUSES, check_task

REGISTERED = [
    pytest.param(name, options, id=f"{name}-{number}")
    for name in tasks.names()
    for number, options in enumerate(OPTIONS.get(name, [{}]))
]


@pytest.mark.parametrize(("name", "options"), REGISTERED)
def test_contract(name, options, tmp_path):
    assert name in RECORDS, f"tests/records.py needs records for the task {name!r}"
    # Strategies do not see a task's options: they run once.
    only = None if options == OPTIONS.get(name, [{}])[0] else CLAUSES.keys() - {"strategies"}
    check_task(tasks.get(name), RECORDS[name], tmp_path=tmp_path, options=options, only=only)


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_broken_clause_is_named(clause, tmp_path):
    kind, complaint = broken.TASKS[clause]
    with pytest.raises(AssertionError, match=f"in clause '{clause}': .*{complaint}") as failure:
        check_task(kind, tagged(), tmp_path=tmp_path, only=[clause])
    assert "the clause: " in str(failure.value)


def test_unknown_clause(tmp_path):
    with pytest.raises(AssertionError, match="the clauses are attributes, imports"):
        check_task(tasks.get("ner"), tagged(), tmp_path=tmp_path, only=["speed"])
