"""Model folders that are damaged, another model's or a stranger's: `xlt predict` says so."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from bad_inputs import runner
from bad_inputs.case import unique
from bad_inputs.model_cases import cases

SCRATCH = tempfile.TemporaryDirectory(prefix="bad-models-")
CASES = unique(cases(Path(SCRATCH.name)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_said(case, tmp_path):
    runner.check(case, tmp_path)
