"""Text of strangers, where it could be taken for something else."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt import escape
from xlt.console import Console
from xlt.errors import XltError
from xlt.evaluation.report import Table
from xlt.runs.card import model_card
from xlt.runs.folder import RunFolder
from xlt.runs.manifest import command

ATTACK = "\x1b]0;pwned\x07\x1b[2J\x9b31mred\u202egnp.exe\x7f"


def obeyed(text):
    return re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_a_terminal_obeys_nothing():
    assert escape.for_terminal("a\tb\nБ ش 𝒳") == "a\tb\nБ ش 𝒳"
    assert escape.for_terminal("\x1b[31m\u202ex\x9b") == "\\x1b[31m\\u202ex\\x9b"


def test_nothing_that_is_printed_is_obeyed(capsys):
    for console in (Console(), Console(json=True), Console(debug=True)):
        console.result({"text": ATTACK}, lambda value: value["text"])
        console.note(ATTACK)
        console.error(XltError(ATTACK, where=ATTACK, fix=ATTACK))
        console.bug(ValueError(ATTACK))
        out, err = capsys.readouterr()
        assert "pwned" in out
        assert "pwned" in err
        assert not obeyed(out)
        assert not obeyed(err)
    Console(json=True).result(ATTACK, str)
    assert json.loads(capsys.readouterr().out) == ATTACK


def test_nor_is_what_is_logged():
    logger = logging.getLogger("xlt")
    before = list(logger.handlers)
    Console().log()
    (handler,) = (one for one in logger.handlers if one not in before)
    try:
        handler.stream = io.StringIO()
        logging.getLogger("xlt.data").warning("read %s", ATTACK)
        assert "pwned" in handler.stream.getvalue()
        assert not obeyed(handler.stream.getvalue())
    finally:
        logger.removeHandler(handler)


def test_nor_is_what_stands_in_the_log_of_a_run(tmp_path):
    with RunFolder(tmp_path / "run"):
        logging.getLogger("xlt.data").warning("read %s", ATTACK)
    text = (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
    assert "pwned" in text
    assert not obeyed(text)


def test_a_cell_of_a_table_stays_one():
    table = Table(("a", "b"), ((ATTACK + "\nforged  100.0", "x|y <img src=x> [a](javascript:b)"),))
    lines = table.text().splitlines()
    assert len(lines) == 3
    assert not obeyed(table.text())
    markdown = table.markdown().splitlines()
    assert len(markdown) == 3
    assert "x\\|y &lt;img src=x> [a]\\(javascript:b)" in markdown[2]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "'=1"])
def test_a_cell_is_no_formula(text):
    cell = escape.for_cell(text)
    assert cell.startswith("'")
    assert escape.from_cell(cell) == text


@given(st.text())
def test_a_cell_is_read_back(text):
    assert escape.from_cell(escape.for_cell(text)) == text


def test_numbers_and_words_are_cells_as_they_are():
    assert [escape.for_cell(text) for text in ("-1.5", "+3", "1e-5", "word", "")] == [
        "-1.5", "+3", "1e-5", "word", "",
    ]  # fmt: skip


def test_stored_scores_hold_no_formula(tmp_path, monkeypatch):
    from xlt.typology import own_scores

    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    table = tmp_path / "scores.csv"
    table.write_text("task,source,target,score,encoder\nner,eng,deu,50,=HYPERLINK(1)\n")
    added = own_scores.add(table)
    assert ",'=HYPERLINK(1)," in added.path.read_text()
    assert own_scores.stored()["scores"][0].encoder == "=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/corpora/a file.bio", "a file.bio"),
        ("/home/me/encoder/", "encoder"),
        ("xlm-roberta-base", "xlm-roberta-base"),
        ("owner/name", "owner/name"),
        ("hf:/home/me/data:train", "hf:data:train"),
        ("given /home/me/secret/de.txt; ('~/x/y.json')", "given de.txt; ('y.json')"),
        ("../up/model", "model"),
        ("https://example.org/a/b.txt", "https://example.org/a/b.txt"),
        ("eng/deu, 3 / 4, N/A", "eng/deu, 3 / 4, N/A"),
    ],
)
def test_folders_are_left_out(text, shown):
    assert escape.without_folders(text) == shown


# Model cards -----------------------------------------------------------------------------------


class Config:
    """As much of a config as the card reads."""

    name, source, target, seeds = "ner", ["eng"], ["jav"], [1]

    class model:
        encoder = "/home/me/secret-project/encoder"
        vocabulary = None

    class selection:
        on = "last"


HOSTILE = (
    "CC0\n---\nlicense: mit\n# Heading <script>alert(1)</script> ![x](https://evil/x.png) "
    "[click](javascript:alert(1)) `code` | *bold* \U0001d4b3 \x1b[2J"
)


@pytest.fixture
def card():
    return make_card([{"language": "eng", "split": "train"}])


def make_card(train):
    score = {"mean": 1.0, "sd": None, "seeds": 1, "low": None, "high": None}
    result = {
        "rows": [],
        "task": "ner",
        "strategy": "projection",
        "metrics": ["f1"],
        "summary": [
            {"target": "jav", "split": "test", "selected_on": "last", "primary": True,
             "metrics": {"f1": score}}
        ],
        "languages": {},
        "lineage": {"seed-1/jav": [{"key": "1", "train": train}]},
        "predictions": {"jav": "on " + HOSTILE},
        "projections": [
            {"translator": "given /home/me/secret-project/de.txt", "aligner": HOSTILE, "to": "jav",
             "from": "eng", "split": "train", "used": 1, "records": 1, "kept": 1, "labels": 1}
        ],
    }  # fmt: skip
    data = [
        {"language": "eng", "split": "train", "reference": "/home/me/secret-project/a`b.bio",
         "licence": HOSTILE, "origin": "native",
         "caveats": [HOSTILE, "see /home/me/secret-project/n"]},
        {"language": "jav", "split": "text", "reference": "b.txt", "licence": "CC BY 4.0",
         "origin": "native", "caveats": []},
    ]  # fmt: skip
    return model_card(Config, result, data, {"jav": 1})


def test_the_licence_of_text_counts_where_a_stage_has_learnt_from_it(card):
    text = {"language": "jav", "split": "text"}
    derived = "The weights derive from data under: "
    cards = (make_card([text]), card)  # the other has the text for an estimate alone
    lines = [next(line for line in one.split("\n") if derived in line) for one in cards]
    assert ["CC BY 4.0" in line for line in lines] == [True, False]


def test_a_card_says_nothing_of_where_files_lie(card):
    assert "/home" not in card
    assert "secret-project" not in card
    assert 'base_model: "encoder"' in card
    assert "`` a`b.bio ``" in card


def test_what_data_cards_say_is_text_in_a_model_card(card):
    from ruamel.yaml import YAML

    _, front, body = card.split("---\n", 2)
    stated = YAML(typ="safe", pure=True).load(front)
    assert stated["license"] == "other"
    assert stated["license_name"].startswith("CC0 --- license: mit # Heading")
    assert "\U0001d4b3" in stated["license_name"]
    assert "<script" not in body
    assert "\n# Heading" not in body
    assert not obeyed(card)
    assert not re.search(r"(?<!\\)\]\(", body)
    assert body.count("\\[click\\](javascript:") == 5


# Commands --------------------------------------------------------------------------------------


def test_the_manifest_has_what_is_needed_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    given = [
        "/home/me/.venv/bin/xlt", "train", f"{tmp_path}/a.yaml", "training.batch_tokens=160",
        "model.encoder=/home/me/models/x", "projection.translator.api_key=s3cret", "--token=s3cret",
    ]  # fmt: skip
    assert command(given) == [
        "xlt", "train", "a.yaml", "training.batch_tokens=160", "model.encoder=~/models/x",
        "projection.translator.api_key=…", "--token=…",
    ]  # fmt: skip
    assert command(["/x/xlt/__main__.py", "runs"]) == ["xlt", "runs"]
    # What other programs take is theirs.
    assert command(["/home/me/mine.py", "--password", "s3cret"]) == ["mine.py"]
