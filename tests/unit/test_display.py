"""displaCy pages."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from records import RECORDS, documents

from xlt.display import Page, render, spacy_doc, viewable
from xlt.document import Document
from xlt.errors import XltError
from xlt.registry import tasks
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.ner import NER

ENTITIES, TREES = RECORDS["ner"], RECORDS["dependency_parsing"]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.opened = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.opened.append((tag, dict(attrs)))

    def named(self, tag):
        return [attrs for name, attrs in self.opened if name == tag]


def test_entities(tmp_path):
    assert render(ENTITIES, NER(), tmp_path / "page.html") == 6
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    marks = Tags(text).named("mark")
    assert len(marks) == sum(len(d.layers["entities"].spans) for d in ENTITIES)
    assert "<summary>s3</summary>" in text
    assert "<h1>page</h1>" in text
    assert "<li>LOC: 4</li>\n<li>PER: 3</li>\n<li>ORG: 2</li>" in text
    assert "አዲስ አበባ" in text
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_right_to_left(tmp_path):
    render(ENTITIES, NER(), tmp_path / "page.html")
    figures = Tags((tmp_path / "page.html").read_text(encoding="utf-8")).named("figure")
    assert [f["dir"] for f in figures] == ["ltr"] * 4 + ["rtl", "ltr"]


def test_trees(tmp_path):
    render(TREES[:1], DependencyParsing(), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(Tags(text).named("svg")) == 1
    assert text.count('class="displacy-arrow"') == 6
    assert ">obl</textPath>" in text


def test_trees_are_as_wide_as_the_window_at_most(tmp_path):
    render(TREES[:1], DependencyParsing(), tmp_path / "page.html")
    (tree,) = Tags((tmp_path / "page.html").read_text(encoding="utf-8")).named("svg")
    assert tree["viewbox"] == f"0 0 {tree['width']} {tree['height']}"
    assert f"max-width: max(100%, {int(tree['width']) / 2:g}px); height: auto;" in tree["style"]


def test_how_sure_the_model_was_is_shown(tmp_path):
    (document, *_) = ENTITIES
    sure = document.with_confidence({"entities": (0.91, 0.4)})
    render([sure, document], NER(), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "PER 0.91" in text
    assert "LOC 0.40" in text
    assert "<summary>s1 (least sure: 0.40)</summary>" in text
    assert "<summary>s1</summary>" in text
    assert "<li>PER: 2</li>" in text


def test_markup_in_text_is_text(tmp_path):
    row = {"id": "<b>", "words": ["<script>", ""], "tags": ["B-X<i>", "O"]}
    render(documents("ner", [row]), NER(), tmp_path / "page.html")
    found = Tags((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not {"script", "b", "i"} & {tag for tag, _ in found.opened}


def test_in_parts(tmp_path):
    with Page(NER(), tmp_path / "page.html") as page:
        page.add(ENTITIES[:2])
        page.add(iter(ENTITIES[2:]))
        assert not (tmp_path / "page.html").exists()
    whole = tmp_path / "whole" / "page.html"
    whole.parent.mkdir()
    render(ENTITIES, NER(), whole)
    assert (tmp_path / "page.html").read_bytes() == whole.read_bytes()


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), Page(NER(), tmp_path / "page.html") as page:
        page.add([*ENTITIES, Document("no entities", ENTITIES[0].texts)])
    assert not list(tmp_path.iterdir())


def test_no_such_folder(tmp_path):
    with pytest.raises(XltError, match="cannot write"):
        render(ENTITIES, NER(), tmp_path / "missing" / "page.html")


def test_a_task_without_a_view(tmp_path):
    with pytest.raises(XltError, match="there is no view of Label"):
        render(RECORDS["nli"], tasks.get("nli")(), tmp_path / "page.html")
    assert viewable(NER())
    assert not viewable(tasks.get("nli")())


@pytest.mark.parametrize("record", TREES, ids=lambda d: d.id)
def test_trees_arrive_whole(record):
    doc = spacy_doc(record, DependencyParsing())
    tree = record.layers["tree"]
    heads = [0 if t.head is t or t.head == t else t.head.i + 1 for t in doc]
    assert heads == list(tree.heads)
    relations = ["root" if t.dep_ == "ROOT" else t.dep_ for t in doc]
    assert relations == list(tree.relations)
    assert len(list(doc.sents)) == 1


def test_tags_are_the_tokens_own():
    from xlt.word_task import WordLabelTask

    task = type("Tagging", (WordLabelTask,), {"name": "tagging"})()
    document = task.with_tags(ENTITIES[2], ["N", "_", "N", "R", "A"])
    assert [t.tag_ for t in spacy_doc(document, task)] == ["N", "", "N", "R", "A"]
