"""Every registered task keeps the contract, and every clause of it can be broken."""

from __future__ import annotations

import os

import broken
import pytest
from records import OPTIONS, RECORDS, tagged

from xlt.registry import tasks
from xlt.testing import CLAUSES, check_task
from xlt.testing.runs import check_strategies

REGISTERED = [
    pytest.param(name, options, id=f"{name}-{number}")
    for name in tasks.names()
    for number, options in enumerate(OPTIONS.get(name, [{}]))
]


SOME = {"classification": ("zero_shot", "distil", "translate_ensemble")}
"""Task → strategies that use what its base alone does not have: `nli`, on the same base, runs them
all, and so does this one where XLT_THOROUGH is set."""


@pytest.mark.parametrize(("name", "options"), REGISTERED)
def test_contract(name, options, tmp_path):
    assert name in RECORDS, f"tests/records.py needs records for the task {name!r}"
    # Strategies do not see a task's options: they run once.
    whole = options == OPTIONS.get(name, [{}])[0]
    some = SOME.get(name) if whole and "XLT_THOROUGH" not in os.environ else None
    only = None if whole and some is None else CLAUSES.keys() - {"strategies"}
    check_task(tasks.get(name), RECORDS[name], tmp_path=tmp_path, options=options, only=only)
    if some is not None:
        task = tasks.get(name)()
        encoder = tmp_path / "encoder"
        check_strategies(task, RECORDS[name], options, encoder, tmp_path / "runs", some)


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_broken_clause_is_named(clause, tmp_path):
    kind, complaint = broken.TASKS[clause]
    with pytest.raises(AssertionError, match=f"in clause '{clause}': .*{complaint}") as failure:
        check_task(kind, tagged(), tmp_path=tmp_path, only=[clause])
    assert "the clause: " in str(failure.value)


def test_unknown_clause(tmp_path):
    with pytest.raises(AssertionError, match="the clauses are attributes, imports"):
        check_task(tasks.get("ner"), tagged(), tmp_path=tmp_path, only=["speed"])
