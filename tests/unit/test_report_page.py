"""`xlt report`: what the page says of a run that is written by hand, and that it can be read."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from records import RECORDS
from small import World, xlt

from xlt.config.load import dump, load_config
from xlt.document import FlatSpans, Span
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix, score
from xlt.evaluation.report import Table
from xlt.files import DamagedFile, write_sealed
from xlt.html import macros, template
from xlt.registry import tasks
from xlt.report.curves import chart, read_curves
from xlt.report.errors import Found, erring, layers_compared
from xlt.report.record_view import MAX_TEXT, Mark, segments, view
from xlt.report.run import MAX_BYTES, _filters, _section, report
from xlt.results import CONFIG
from xlt.runs.folder import RunFolder
from xlt.runs.sources import Sources
from xlt.task import make_task
from xlt.transfer.stage import DataSplit

GOLD = (
    "Joko\tB-PER\nndelok\tO\nSolo\tB-LOC\n\n"
    "<script>alert(1)</script>\tB-PER\nTuban\tI-PER\n\n"
    "القاهرة\tB-LOC\nmarani\tO\n\n"
    "iku\tO\n\n"
)
PREDICTED = {
    1: (Span("PER", 0, 1), Span("PER", 2, 3)),
    2: (Span("PER", 0, 1),),
    3: (Span("LOC", 0, 1), Span("LOC", 1, 2)),
    4: (),
}
"""Of each sentence, by its number. One label is wrong, one boundary; one entity is spurious."""
CONFIDENCE = [[0.9, 0.6], [0.7], [0.8, 0.95], []]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with one seed, target and split; nothing was trained for it."""
    for split in ("train", "dev", "test"):
        for language in ("eng", "ind", "jav"):
            path = tmp_path / f"{language}-{split}.bio"
            path.write_text(GOLD, encoding="utf-8")
    strategy = {"name": "zero_shot"}
    config = load_config(World(tmp_path).config(strategy=strategy, model__encoder="xlt-mini"))
    task = make_task(config.config)
    gold = Sources(config.config, task).load(DataSplit("jav", "test"))
    predicted = [
        one.with_layers(entities=FlatSpans(PREDICTED[number]))
        for number, one in enumerate(gold.records, 1)
    ]
    counts = count_matrix(task, gold.records, predicted)
    metrics = score(task, counts)
    row = {
        "target": "jav", "split": "test", "seed": 1, "primary": True, "selected_on": "dev:eng",
        "records": 4, "metrics": metrics,
        "reliability": {"entities": {"things": 5, "confidence": 79.0, "right": 40.0, "ece": 39.0,
            "bins": [{"from": 0.5, "things": 5, "confidence": 79.0, "right": 40.0}]}},
    }  # fmt: skip
    summary = {
        **{key: row[key] for key in ("target", "split", "selected_on", "primary")},
        "metrics": {
            name: {
                "mean": value,
                "sd": None,
                "seeds": 1,
                "low": 0.0,
                "high": 90.0,
                "over": "records",
            }
            for name, value in metrics.items()
        },
    }
    stage = tmp_path / "runs" / "stages" / "eng-1"
    stage.mkdir(parents=True)
    history = [{"step": 10, "dev:eng": 40.0}, {"step": 20, "dev:eng": 60.0}]
    losses = [{"step": 10, "loss": 1.5}, {"step": 20, "loss": float("nan")}, {"step": 20, "x": 1}]
    selected = {"dev:eng": {"step": 20, "score": 60.0}}
    done = {"history": history, "log": losses, "selected": selected, "primary": "dev:eng"}
    write_sealed(stage / "done.json", done)
    with RunFolder(tmp_path / "runs" / "run") as folder:
        data = {"language": "jav", "split": "test", "reference": "/home/me/a b.bio"}
        data |= {"licence": None, "sha256": "0" * 64, "files": [str(tmp_path / "jav-test.bio")]}
        folder.claim(dump(config.config), {"started": "2026", "data": [data]})
        with folder.write_text("seed-1/jav/test.bio") as stream:
            task.write(predicted, stream, "bio")
        stored = {"data": gold.fingerprint, "counts": counts.tolist()}
        folder.write_json("seed-1/jav/test.counts.json", stored)
        sure = [{"entities": some} for some in CONFIDENCE]
        folder.write_json("seed-1/jav/test.confidence.json", {"confidence": sure})
        folder.finish(
            {
                "name": "run",
                "task": "ner",
                "strategy": "zero_shot",
                "source": ["eng"],
                "selection": "source_dev",
                "metrics": list(task.metrics_reported),
                "rows": [row],
                "summary": [summary],
                "languages": {},
                "notes": ["<b>a note</b>"],
                "lineage": {"seed-1/jav": [{"stage": "eng", "folder": "elsewhere/eng-1"}]},
            }
        )
    return tmp_path / "runs" / "run"


VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """Fails for a tag that is closed where it is not open, or stays open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.words = ""
        self.labelled: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("input", "select") and "label" in self.open:
            self.labelled.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words += data
            if {"td", "th"} & set(self.open):
                self.cells[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def row(self, first: str, width: int) -> list[str]:
        at = self.cells.index(first)
        return self.cells[at : at + width]


def read(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


def test_the_page_of_a_run(run):
    made = report(run)
    assert made == {
        "output": str(run / "report.html"), "records": 4, "with_errors": 3, "shown": 3
    }  # fmt: skip
    page = read(run)
    # label     gold predicted right precision recall F1
    assert page.row("PER", 7) == ["PER", "2", "3", "1", "33.3", "50.0", "40.0"]
    assert page.row("all", 7) == ["all", "4", "5", "2", "40.0", "50.0", "44.4"]
    confusion = page.cells[page.cells.index("gold ↓ predicted →") :]
    assert confusion[:15] == [
        "gold ↓ predicted →", "LOC", "PER", "(elsewhere)", "(missed)",
        "LOC", "1", "1", "0", "0",
        "PER", "0", "1", "1", "0",
    ]  # fmt: skip
    assert confusion[15:20] == ["(spurious)", "1", "0", "", ""]
    assert {one["data-kind"] for one in page.named("tr") if "data-kind" in one} == {
        "label", "boundary", "spurious"
    }  # fmt: skip
    # Surest first: 0.95, 0.7, 0.6.
    assert [one["id"] for one in page.named("article")] == ["s1-3", "s1-2", "s1-1"]
    assert [one["data-length"] for one in page.named("article")] == ["2", "2", "3"]
    assert [one["href"] for one in page.named("a")][-3:] == ["#s1-3", "#s1-2", "#s1-1"]
    for said in ("Javanese (jav)", "a b.bio", "<b>a note</b>", "xlt-mini", "not stated"):
        assert said in page.words
    assert "/home/me" not in page.words


def test_the_command(run):
    page = run.parent / "page.html"
    outcome = xlt("report", run, "-o", page, "--target", "Javanese", "--seed", 1)
    assert outcome.code == 0, outcome.text
    said = "3 of 4 records have an error, 3 of them on the page"
    assert outcome.out == f"{said} → {page}\n"
    assert page.is_file()


def test_data_are_text_and_nothing_is_loaded(run):
    report(run)
    text = (run / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "<script>alert(1)</script>" in page.words
    assert len(page.named("script")) == 1
    assert all(one == {"class": "label"} for one in page.named("b"))
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:https?:)?//[a-z]", text)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {one["href"] for one in page.named("a")} <= {f"#{id}" for id in ids}


def test_the_page_can_be_heard_and_is_right_to_left_where_its_texts_are(run):
    report(run)
    page = read(run)
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("caption")) == len(page.named("table")) > 5
    assert all(one.get("scope") in ("col", "row") for one in page.named("th"))
    assert len(page.labelled) == len(page.named("input")) + len(page.named("select")) == 8
    assert all(one["aria-label"] for one in page.named("svg"))
    assert len(page.named("svg")) == 2
    texts = [one for one in page.named("p") if one.get("class") == "text"]
    assert len(texts) == 6
    assert all(one["dir"] == "auto" for one in texts)


def test_what_is_not_on_the_page_is_said(run, monkeypatch):
    assert report(run, max_errors=1)["shown"] == 1
    page = read(run)
    assert "jav test: 1 of 3 records with errors are shown" in page.words
    assert "--max-errors shows more" in page.words
    assert [one["id"] for one in page.named("article")] == ["s1-3"]
    assert MAX_BYTES < 5_000_000
    report(run)
    size = (run / "report.html").stat().st_size
    monkeypatch.setattr("xlt.report.run.MAX_BYTES", size - 10)
    assert report(run)["shown"] == 2
    assert "the page has no room for more" in read(run).words


def test_without_confidences_records_are_in_the_order_of_the_data(run):
    result = RunFolder(run).result()
    del result["files"]["seed-1/jav/test.confidence.json"]
    write_sealed(run / "result.json", result)
    report(run)
    page = read(run)
    assert [one["id"] for one in page.named("article")] == ["s1-1", "s1-2", "s1-3"]
    assert "is not stored" in page.words


@pytest.mark.parametrize(
    ("options", "where", "fix"),
    [
        ({"target": "ind"}, "--target", "jav"),
        ({"target": "no-such"}, "--target", ""),
        ({"seed": 7}, "--seed", "valid: 1"),
    ],
)
def test_what_the_run_has_not_is_refused(run, options, where, fix):
    with pytest.raises(XltError) as caught:
        report(run, **options)
    assert caught.value.where == where
    assert fix in (caught.value.fix or "")
    assert not (run / "report.html").exists()


def test_no_file_of_the_run_or_its_data_is_written_over(run):
    for path in (run / "result.json", run / "config.yaml", run.parents[1] / "jav-test.bio"):
        before = path.read_bytes()
        with pytest.raises(XltError, match="a file of the input"):
            report(run, path)
        assert path.read_bytes() == before


def test_other_gold_data_are_refused(run):
    gold = run.parents[1] / "jav-test.bio"
    gold.write_text(GOLD.replace("Joko", "Jaka"), encoding="utf-8")
    with pytest.raises(XltError, match="not those that the run was scored on") as caught:
        report(run)
    assert re.search(r"config\.yaml:\d+ \(data\.jav\.test\)", caught.value.where or "")
    gold.unlink()
    with pytest.raises(XltError, match=r"jav-test\.bio"):
        report(run)


@pytest.mark.parametrize("name", ["test.bio", "test.counts.json", "test.confidence.json"])
@pytest.mark.parametrize("lost", [False, True])
def test_damaged_files_are_refused(run, name, lost):
    path = run / "seed-1" / "jav" / name
    content = path.read_bytes()
    path.unlink() if lost else path.write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(DamagedFile, match=re.escape(name)):
        report(run)


def test_predictions_that_do_not_count_as_they_did_are_refused(run):
    counts = run / "seed-1" / "jav" / "test.counts.json"
    stored = {"data": _fingerprint(run), "counts": np.ones((4, 3)).tolist()}
    write_sealed(counts, stored)
    with pytest.raises(XltError, match="do not get the score") as caught:
        report(run)
    assert str(caught.value.where).endswith("test.bio")


def _fingerprint(run: Path) -> str:
    config = load_config(run / CONFIG).config
    return Sources(config, make_task(config)).load(DataSplit("jav", "test")).fingerprint


def test_a_run_without_scores_is_refused(run):
    write_sealed(run / "result.json", RunFolder(run).result() | {"rows": []})
    with pytest.raises(XltError, match="no scores"):
        report(run)


EXPECTED = {
    "target": "ind",
    "seeds": 1,
    "expected": 41.5,
    "interval": None,
    "source_dev": 80.0,
    "criteria": {},
    "ranker": None,
    "notes": ["12 sentences are few"],
}
"""Of a target that has text, and no labels."""


def test_what_is_expected_of_a_target_without_test_data_is_on_the_page(run):
    result = RunFolder(run).result() | {"estimates": [EXPECTED]}
    write_sealed(run / "result.json", result)
    report(run)
    page = read(run)
    assert "41.5" in page.words
    assert "ind: 12 sentences are few" in page.words
    assert [one["id"] for one in page.named("article")] == ["s1-3", "s1-2", "s1-1"]
    report(run, target="jav")
    assert "41.5" not in read(run).words
    write_sealed(run / "result.json", result | {"rows": [], "summary": []})
    assert report(run)["records"] == 0
    page = read(run)
    assert "41.5" in page.words
    assert "Records with errors" not in page.words


# Records -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_records_of_every_task(name):
    """Nothing predicted: all is missed, and shown."""
    task = tasks.get(name)()
    gold = RECORDS[name]
    predicted = [
        one.with_layers(
            **{
                layer: type(one.layers[layer]).empty(len(one.words))
                for layer in task.layers
                if layer not in task.reads
            }
        ).with_texts(**{key: type(one.text)("?") for key in getattr(task, "generated_texts", ())})
        for one in gold
    ]
    found = Found("jav", "test", len(gold))
    records = list(erring(task, layers_compared(task, set()), gold, predicted, found))
    assert records
    assert found.wrong == len(records)
    written = getattr(task, "generated_texts", ())
    write = macros("report_parts").record
    for record in records:
        page = Page(write("r", "jav test", record.number, view(record, written)))
        assert len([one for one in page.named("tr") if "data-kind" in one]) == len(record.errors)
        for text in record.gold.texts.values():
            assert text.surface in page.words
    table = Table(("a",), (("b",),))
    page = Page(
        template("report").render(
            sections=[_section(found, {}, written, "s1")], expected=None, forgotten=None,
            scores=(table, ""), data=table,
            filters=_filters([found], written), version="1", name="run", about={},
            notes=[], records=[], limits=[], curves=[], kinds=[],
        )
    )  # fmt: skip
    for text in written:
        assert f"0 of {found.total} texts are those of gold" in page.words
        assert not [one for one in page.named("caption") if text in str(one)]


def test_what_a_word_hangs_on_is_said():
    task = tasks.get("dependency_parsing")()
    (gold, *_) = RECORDS["dependency_parsing"]
    tree = gold.layers["tree"]
    heads = (*tree.heads[:3], 3, *tree.heads[4:])
    wrong = gold.with_layers(tree=type(tree)(heads, tree.relations))
    (record,) = erring(task, ["tree"], [gold], [wrong], Found("jav", "test"))
    (row,) = view(record, ()).rows
    assert row[1:5] == ("head", "books", "obj ← bought", "obj ← three")


def test_marks_may_overlap_in_any_way():
    marks = [Mark(0, 4, "A", False), Mark(2, 6, "B", True), Mark(2, 4, "C", False)]
    assert [tuple(one) for one in segments("abcdefgh", marks)] == [
        ("ab", "right", []),
        ("cd", "wrong", ["A", "C"]),
        ("ef", "wrong", ["B"]),
        ("gh", "", []),
    ]


def test_a_long_text_is_shown_around_the_error():
    surface = "x" * 10_000 + "y" * 10_000
    parts = segments(surface, [Mark(10_000, 10_005, "A", True)], first=10_000)
    assert [part.text[0] for part in parts] == ["…", "x", "y", "y", " "]
    assert sum(len(part.text) for part in parts) == MAX_TEXT + 4
    assert parts[2].labels == ["A"]


# Curves ------------------------------------------------------------------------------------------


def test_a_stage_that_an_older_xlt_did_not_seal_has_its_curve(run):
    path = run.parent / "stages" / "eng-1" / "done.json"
    done = json.loads(path.read_text(encoding="utf-8"))
    del done["seal"]
    path.write_text(json.dumps(done), encoding="utf-8")
    (curve,) = read_curves(run, RunFolder(run).result(), 1, ["jav"])
    assert curve.scores == {"dev:eng": [(10, 40), (20, 60)]}


def test_curves(run):
    result = RunFolder(run).result()
    (curve,) = read_curves(run, result, 1, ["jav"])
    assert (curve.stage, curve.targets, curve.kept) == ("eng", ["jav"], 20)
    assert curve.scores == {"dev:eng": [(10, 40), (20, 60)]}
    assert curve.loss == [(10, 1.5)]  # what is no number is left out
    (run.parent / "stages" / "eng-1" / "done.json").write_text("{}")
    (damaged,) = read_curves(run, result, 1, ["jav"])
    assert damaged.problem == "the file is damaged (it lacks 'history')"
    (run.parent / "stages" / "eng-1" / "done.json").unlink()
    (missing,) = read_curves(run, result, 1, ["jav"])
    assert "not there" in missing.problem


def test_a_chart_in_pixels():
    """Width 560, margins 56 and 12; height 220, margins 12 and 34."""
    drawn = chart({"a": [(0, 40), (20, 60)], "b": [(10, 50)]}, kept=10)
    assert drawn is not None
    assert [mark for _, mark in drawn.y] == ["40", "45", "50", "55", "60"]
    assert [mark for _, mark in drawn.x] == ["0", "20"]
    assert drawn.lines == {"a": [(56, 186), (548, 12)], "b": [(302, 99)]}
    assert drawn.kept == 302
    assert chart({"a": []}, None) is None
    later = chart({"a": [(0, 40), (20, 60)]}, kept=40)
    assert later is not None
    assert (later.kept, later.lines["a"][1]) == (548, (302, 12))


@pytest.mark.parametrize("values", [(0.0, 0.0), (99.4, 99.5), (0.001, 0.0042), (-3.0, 1e6)])
def test_marks_are_around_all_values(values):
    drawn = chart({"a": list(enumerate(values))}, None)
    assert drawn is not None
    shown = [float(mark) for _, mark in drawn.y]
    assert shown[0] <= min(values)
    assert max(values) <= shown[-1]
    assert 2 <= len(shown) <= 8
