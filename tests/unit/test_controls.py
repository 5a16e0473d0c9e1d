"""Controls: what stays of the data, what goes, and that the same seed gives the same."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from records import RECORDS, documents

from xlt.config.load import load_config
from xlt.data.controls import CONTROLS, Drawn, controlled, labels_of, relabelled
from xlt.data.references import resolve
from xlt.data.store import load_documents
from xlt.document import Answers, Document, Label, Spans, Structures, Tags, Tree
from xlt.errors import XltError
from xlt.registry import tasks
from xlt.runs.experiment import prepare
from xlt.runs.sources import Sources
from xlt.task import Naming
from xlt.transfer.stage import DataSplit

TASKS = sorted(RECORDS)
NAMING = [name for name in TASKS if isinstance(tasks.get(name)(), Naming)]


def made(name: str, control: str, seed: int = 1) -> tuple[list[Document], list[Document]]:
    before = RECORDS[name]
    return before, list(controlled(tasks.get(name)(), before, control, seed, where="x"))


def letters(task: str, some: list[Document]) -> Counter[str]:
    """Of all words that are read."""
    return Counter("".join(word for one in some for word in tasks.get(task)().words(one)))


@pytest.mark.parametrize(
    ("task", "control"),
    [(task, one) for one in CONTROLS for task in (NAMING if one == "masked_names" else TASKS)],
)
def test_it_is_drawn_by_the_seed_and_each_record_stays_in_its_place(task, control):
    before, after = made(task, control)
    assert after == made(task, control)[1]
    assert [one.id for one in after] == [one.id for one in before]
    assert after != before
    plugin = tasks.get(task)()
    for one in after:  # what it is now is data of the task
        again = plugin.validate_row(plugin.to_row(one), where=one.id)
        assert [*again.texts.values()] == [*one.texts.values()]
        assert dict(again.layers) == dict(one.layers)


@pytest.mark.parametrize("task", TASKS)
def test_shuffled_labels_leave_what_is_read_and_how_often_each_label_is_there(task):
    before, after = made(task, "shuffled_labels")
    plugin = tasks.get(task)()
    for one, other in zip(before, after, strict=True):
        for name in plugin.given_text_names:
            assert one.texts[name] == other.texts[name]
        for name in plugin.reads:
            assert one.layers[name] == other.layers[name]
    for name, kind in plugin.layers.items():
        pair = ([d.layers[name] for d in some] for some in (before, after))
        if kind is Label:
            assert Counter(*[next(pair)]) == Counter(*[next(pair)])
        elif issubclass(kind, Spans):
            assert Counter(s.kind for one in next(pair) for s in one.spans) == Counter(
                s.kind for one in next(pair) for s in one.spans
            )
        elif kind is Structures:
            assert Counter(s.head.kind for one in next(pair) for s in one.structures) == Counter(
                s.head.kind for one in next(pair) for s in one.structures
            )
        elif kind is Tree:
            assert Counter(r for one in next(pair) for r in one.relations) == Counter(
                r for one in next(pair) for r in one.relations
            )
    for name in set(plugin.texts) - {*plugin.given_text_names}:  # those to be generated
        was, now = ([d.texts[name].surface for d in some] for some in (before, after))
        assert was != now
        assert Counter(was) == Counter(now)


def test_shuffled_spans_stand_on_other_words_and_none_is_cut():
    """Of six words the first two are a span, which may come to any place but where it was: no text
    begins within it, or as it did."""
    rows = [
        {"id": str(n), "words": list("abcdef"), "tags": ["B-X", "I-X", *"OOOO"]} for n in range(40)
    ]
    after = controlled(tasks.get("ner")(), documents("ner", rows), "shuffled_labels", 1, where="x")
    spans = [span for one in after for span in one.layer(Spans, "entities").spans]
    assert {(span.kind, span.end - span.start) for span in spans} == {("X", 2)}
    assert {span.start for span in spans} == {1, 2, 3, 4}
    assert len(spans) == 40


def test_shuffled_tags_stay_where_there_are_tags():
    layer = Tags(("A", None, "B"))
    assert labels_of(layer) == ["A", "B"]
    assert relabelled(layer, Drawn(layer, iter("BA"), 0, [])) == Tags(("B", None, "A"))


def test_a_kind_of_layer_that_nobody_can_shuffle_is_refused():
    with pytest.raises(XltError, match="nothing says how Answers is shuffled"):
        relabelled(Answers(()), Drawn(Answers(()), iter(""), 0, []))


def test_a_shuffled_tree_is_the_tree_over_other_words():
    before, after = made("dependency_parsing", "shuffled_labels")
    for one, other in zip(before, after, strict=True):
        trees = one.layer(Tree, "tree"), other.layer(Tree, "tree")
        shapes = [
            sorted((relation, "" if head < 1 else tree.relations[head - 1])
                   for head, relation in zip(tree.heads, tree.relations, strict=True))
            for tree in trees
        ]  # fmt: skip
        assert shapes[0] == shapes[1]
        assert sum(head == 0 for head in trees[1].heads) == 1


def test_shuffled_events_keep_their_arguments_together_and_have_roles_of_their_kind():
    before, after = made("event_extraction", "shuffled_labels")
    roles = {
        (e.head.kind, p.kind)
        for d in before
        for e in d.layers["events"].structures
        for p in e.parts
    }
    for one, other in zip(before, after, strict=True):
        assert (other.layers["given"] == other.layers["events"]) == (
            one.layers["given"] == one.layers["events"]
        )
        for event in other.layer(Structures, "events").structures:
            assert {(event.head.kind, part.kind) for part in event.parts} <= roles
        size = len(one.words)
        distances = [
            sorted(
                (part.start - e.head.start) % size
                for e in d.layers["events"].structures
                for part in e.parts
            )
            for d in (one, other)
        ]
        assert set(distances[1]) <= set(distances[0])


@pytest.mark.parametrize("task", TASKS)
def test_random_text_is_the_same_words_elsewhere(task):
    before, after = made(task, "random_text")
    assert letters(task, before) == letters(task, after)
    plugin = tasks.get(task)()
    for one, other in zip(before, after, strict=True):
        assert len(one.words) == len(other.words)
        for name in plugin.texts:
            if name not in plugin.given_text_names:
                assert one.texts[name] == other.texts[name]
    if task == "question_generation":
        for one in after:
            for start, end in one.layers["answers"].offsets:
                assert one.text.surface[start:end].strip() == one.text.surface[start:end] != ""


@pytest.mark.parametrize("task", NAMING)
def test_masked_names_are_words_that_are_none(task):
    before, after = made(task, "masked_names")
    plugin = tasks.get(task)()
    assert isinstance(plugin, Naming)
    others = {
        word
        for one in before
        for n, word in enumerate(one.words)
        if not any(start <= n < end for start, end in plugin.names(one))
    }
    hidden = 0
    for one, other in zip(before, after, strict=True):
        assert one.layers == other.layers
        for n, (was, now) in enumerate(zip(one.words, other.words, strict=True)):
            if any(start <= n < end for start, end in plugin.names(one)):
                assert now in others
                hidden += 1
            else:
                assert was == now
    assert hidden


def test_a_control_that_changes_nothing_is_refused():
    rows = [{"id": "1", "words": ["a", "b"], "tags": ["O", "O"]}]
    with pytest.raises(XltError, match="leaves all 1 records as they are"):
        list(controlled(tasks.get("ner")(), documents("ner", rows), "masked_names", 1, where="x"))


def config(folder, task="ner", control="shuffled_labels", split="train", **more):
    text = "".join(f"w{n}\tB-PER\nis\tO\nin\tO\np{n}\tB-LOC\n\n" for n in range(30))
    (folder / "data.bio").write_text(text, encoding="utf-8")
    (folder / "data.jsonl").write_text("", encoding="utf-8")
    suffix = "bio" if task == "ner" else "jsonl"
    data = {"train": "data." + suffix, "dev": "data." + suffix, "test": "data." + suffix}
    data[split] = {"ref": data[split], "control": control, **more}
    path = folder / "config.yaml"
    whole = {"name": "x", "task": task, "data": {"eng": data}, "source": "eng", "target": "eng"}
    path.write_text(json.dumps({**whole, "strategy": "in_language"}), encoding="utf-8")
    return path


def test_a_run_reads_the_control_and_is_another_run(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    experiment = prepare(load_config(config(tmp_path, limit=20)))
    sources = Sources(experiment.config, experiment.task)
    train, dev = (sources.load(DataSplit("eng", split)) for split in ("train", "dev"))
    assert (len(train.records), len(dev.records)) == (20, 30)
    assert train.records != [one for one in dev.records if one.id in {r.id for r in train.records}]
    again = Sources(experiment.config, experiment.task).load(DataSplit("eng", "train"))
    assert (again.fingerprint, list(again.records)) == (train.fingerprint, list(train.records))
    plain = config(tmp_path, control=None, limit=20)
    other = prepare(load_config(plain))
    assert "control" not in other.config.data["eng"].train[0].model_dump(mode="json")
    fingerprint = Sources(other.config, other.task).load(DataSplit("eng", "train")).fingerprint
    assert fingerprint != train.fingerprint
    more = prepare(load_config(config(tmp_path, limit=20), ["data_seed=2"]))
    assert list(Sources(more.config, more.task).load(DataSplit("eng", "train")).records) != list(
        train.records
    )
    reference = experiment.config.data["eng"].train[0]
    assert (
        load_documents(experiment.task, resolve(reference, "eng", "train"), 1)[0].id
        == train.records[0].id
    )


@pytest.mark.parametrize(
    ("task", "control", "split", "what"),
    [
        ("nli", "masked_names", "train", "does not say which words are names"),
        ("question_generation", "masked_names", "train", "does not say which words are names"),
        ("ner", "shuffled_labels", "test", "says nothing of a model"),
        ("ner", "random_text", "test", "says nothing of a model"),
        ("ner", "reversed", "train", "control"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    tmp_path, task, control, split, what
):
    with pytest.raises(XltError, match=what) as caught:
        prepare(load_config(config(tmp_path, task, control, split)))
    assert "control" in str(caught.value.where)
    assert caught.value.fix


def test_names_may_be_masked_in_test_data(tmp_path):
    prepare(load_config(config(tmp_path, control="masked_names", split="test")))
