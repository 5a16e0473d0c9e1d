"""A guide at a terminal: from an annotation tool's export and raw text to predictions."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from readme import environment

from scripts.docs.notebooks import page
from scripts.docs.session import COLUMNS, session


def shown(markdown: str, folder) -> list[str]:
    """The lines of the terminal, each state of one that is written over as a line of its own."""
    text = "".join(session(markdown, folder, environment(folder)))
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text))


@pytest.mark.thorough
@pytest.mark.slow
def test_my_own_data_in_three_commands(tmp_path):
    guide = page("own-data").read_text(encoding="utf-8")
    short = guide.replace(
        "$ xlt train transfer.yaml", "$ xlt train transfer.yaml training.max_steps=8"
    )
    lines = shown(short, tmp_path)
    typed = [line.split()[2] for line in lines if line.startswith("$ xlt")]
    assert typed == ["init", "train", "predict"]
    progress = [line for line in lines if line.startswith("stage 1 of 1 (eng), seed 1: ")]
    assert "100%" in progress[-1]
    assert max(map(len, progress)) <= COLUMNS
    predicted = [json.loads(line) for line in lines if line.startswith("{")]
    assert [one["line"] for one in predicted] == [1, 2]
    for one in predicted:
        for entity in one["entities"]:
            assert entity["text"] == one["text"][entity["start"] : entity["end"]]
            assert 0 < entity["confidence"] <= 1


def test_a_table_fits_the_terminal(tmp_path):
    block = "<!-- run -->\n```console\n$ xlt predict-source Hausa --task ner --top 3\n```\n"
    lines = shown(block, tmp_path)
    table = lines[2 : next(n for n, line in enumerate(lines) if line.startswith("measured"))]
    assert sum(line.startswith("English") for line in table) > 1  # of parts
    assert max(map(len, table)) <= COLUMNS


def test_a_command_that_fails_ends_the_session(tmp_path):
    block = "<!-- run -->\n```console\n$ echo a; exit 3\n$ echo b\n```\n"
    pieces = session(block, tmp_path, environment(tmp_path))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        print(*pieces)
    assert caught.value.returncode == 3
