"""Rows of the hub and of JSON Lines: values of a wrong kind are errors, never something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xlt.document import Tree
from xlt.errors import XltError
from xlt.registry import tasks

ROWS: dict[str, dict[str, Any]] = {
    "ner": {"id": "1", "words": ["An", "a"], "tags": ["O", "O"]},
    "dependency_parsing": {"id": "1", "words": ["An", "a"], "heads": [0, 1],
                           "relations": ["root", "obj"]},
    "nli": {"id": "1", "premise": "An", "hypothesis": "a", "label": "neutral", "phenomena": []},
    "question_generation": {"id": "1", "context": "An a", "question": "What?", "answers": "An"},
}  # fmt: skip

WRONG = [
    ("ner", {"space_after": "no"}, "`space_after` is no list of true and false"),
    ("ner", {"space_after": 1}, "`space_after` is no list of true and false"),
    ("ner", {"space_after": [True]}, "one for each of 2 words"),
    ("ner", {"space_after": ["No", "Yes"]}, "`space_after` is no list of true and false"),
    ("ner", {"text": "An a", "offsets": [[0.9, 2], [3, 4]]}, "`offsets` is no list of"),
    ("ner", {"text": "An a", "offsets": [["0", "2"], [3, 4]]}, "`offsets` is no list of"),
    ("ner", {"text": "An a", "offsets": ["02", "34"]}, "`offsets` is no list of"),
    ("ner", {"text": "An a", "offsets": [0, 3]}, "`offsets` is no list of"),
    ("ner", {"text": "An a", "offsets": [[0, 2], [3, 5]]}, "a word from 3 to 5 in 4 characters"),
    ("dependency_parsing", {"heads": "01"}, "`heads` is not a list of one value for each"),
    ("dependency_parsing", {"heads": [0, None]}, "the head of word 2 is None, not a whole number"),
    ("dependency_parsing", {"heads": [0, 3]}, "word 2: head 3 is out of range"),
    ("dependency_parsing", {"heads": [-1, 3]}, "word 2: head 3 is out of range"),
    ("dependency_parsing", {"heads": [-2, 1]}, "word 1: head -2 is out of range"),
    ("dependency_parsing", {"heads": [0, 0]}, "word 2: a second root"),
    ("dependency_parsing", {"heads": [2, 1]}, "no word is the root"),
    ("dependency_parsing", {"relations": [4, 5]}, "`relations` is not a list of one text"),
    ("dependency_parsing", {"upos": [7, 8]}, "`upos` is not a list of one text"),
    ("nli", {"label": 1}, "there is no label 1"),
    ("nli", {"label": 0}, "there is no label 0"),
    ("nli", {"label": ["neutral"]}, r"there is no label \['neutral'\]"),
    ("nli", {"label": {"neutral": 1}}, "there is no label {'neutral': 1}"),
    ("nli", {"phenomena": 3}, "`phenomena` is 3, not a list"),
    ("nli", {"phenomena": {"negation": 1}}, "`phenomena` is {'negation': 1}, not a list"),
    ("question_generation", {"title": 7}, "the title is no text"),
    ("question_generation", {"question": ["What?"]}, "the question is no text"),
    ("question_generation", {"language": 7}, "the language is no text"),
    ("question_generation", {"question_type": ["who"]}, "the question type is no text"),
]


@pytest.mark.parametrize(("task", "change", "what"), WRONG)
def test_values_of_a_wrong_kind(task: str, change: dict[str, Any], what: str) -> None:
    assert tasks.get(task)().validate_row(dict(ROWS[task]), where="hub[1]").id == "1"
    with pytest.raises(XltError, match=what) as caught:
        tasks.get(task)().validate_row(ROWS[task] | change, where="hub[1]")
    assert caught.value.where == "hub[1]"
    assert caught.value.fix


def test_heads_may_be_written_as_texts() -> None:
    parsing = tasks.get("dependency_parsing")()
    for heads, tree in ((["2", "0"], (2, 0)), ([-1, 1.0], (-1, 1))):
        row = ROWS["dependency_parsing"] | {"heads": heads}
        assert parsing.validate_row(row, where="hub").layer(Tree, "tree").heads == tree


@pytest.mark.parametrize("task", ["ner", "nli", "question_generation"])
def test_a_row_whose_id_is_null_has_the_number_of_its_line(tmp_path: Path, task: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(ROWS[task] | {"id": None}) + "\n" for _ in range(2)))
    assert [document.id for document in tasks.get(task)().read(path, "jsonl")] == ["1", "2"]


def test_labels_of_any_kind_are_ignored_where_they_are_to_be_predicted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROWS["nli"] | {"label": ["neutral", 2]}) + "\n")
    (document,) = tasks.get("nli")().read(path, "jsonl", labelled=False)
    assert document.layers["label"].label is None


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u2028", "\x1c", "\x1f", "\x85", "\n\t "])
def test_any_white_space_stands_between_words(space: str) -> None:
    row = ROWS["ner"] | {"text": f"{space}An{space}a{space}"}
    text = tasks.get("ner")().validate_row(row, where="hub").text
    assert [text.surface[slice(*place)] for place in text.offsets] == ["An", "a"]


def test_null_is_no_annotation_to_learn_from(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"words": ["a"], "tags": null}\n')
    with pytest.raises(XltError, match=r"a\.jsonl:1: `tags` is null"):
        list(tasks.get("ner")().read(path, "jsonl"))
    assert len(list(tasks.get("ner")().read(path, "jsonl", labelled=False))) == 1
