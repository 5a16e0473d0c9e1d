"""Parts of a projection on disk, its report, and projected data_splits as training data."""

from __future__ import annotations

import errno
import gzip
import json
from itertools import islice

import pytest
from pairs import aligned_pair
from small import Stages, make_world
from test_projector import SENTENCES, Failing, records, settings

from xlt.errors import XltError
from xlt.projection import store
from xlt.projection.project import Projector
from xlt.projection.report import ProjectionStatistics, lines, movement
from xlt.runs.plan import plan
from xlt.runs.sources import Sources
from xlt.tasks.ner import NER
from xlt.testing import translation
from xlt.transfer.stage import DataSplit


@pytest.fixture(autouse=True)
def _fakes(monkeypatch, tmp_path):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    with translation.registered():
        yield


class Counting(translation.SameWords):
    asked: int = 0

    def align(self, pairs, source, target):
        Counting.asked += len(pairs)
        return super().align(pairs, source, target)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setitem(translation.aligners._registered, "same_words", Counting)
    Counting.asked = 0
    return Counting


def projector(**changes):
    return Projector(NER(), settings(**changes), "eng", "spa")


# The store ------------------------------------------------------------------------------------


def test_what_was_finished_before_an_interruption_is_not_done_again(counting):
    def interrupted():
        yield from records()[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(store.project(projector(), interrupted(), size=2))
    assert counting.asked == 2
    whole = list(store.project(projector(), records(), size=2))
    assert counting.asked == 4
    assert whole == list(projector().stream(records()))
    again = list(store.project(projector(), iter(records()), size=2))
    assert (again, counting.asked) == (whole, 4 + 4)  # of `stream`, which keeps nothing
    list(store.project(projector(gap=3), records(), size=2))  # another gap, other files
    assert counting.asked == 12


def test_a_damaged_part_is_made_again(counting, tmp_path, caplog):
    whole = list(store.project(projector(), records()))
    (path,) = (tmp_path / "cache" / "projections").glob("*.gz")
    half = gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(True)[:2]))
    for damage in (
        path.read_bytes()[:-9],
        b"no gzip",
        gzip.compress(b'{"source": 1}\n'),
        b"",
        half,
    ):
        path.write_bytes(damage)
        half_written = path.with_name("killed.jsonl.gz.part")
        half_written.touch()
        assert list(store.project(projector(), records())) == whole
        assert "is damaged" in caplog.text
        assert not half_written.exists()
        caplog.clear()
    assert counting.asked == 6 * len(SENTENCES)


def test_failed_translations_are_tried_again(monkeypatch, counting, caplog):
    monkeypatch.setitem(translation.translators._registered, "backwards", Failing)
    found = list(store.project(projector(), records(), size=2))
    assert [one.failed for one in found] == [False, False, True, False]
    assert "failed on 1 records" in caplog.text
    assert list(store.project(projector(), records(), size=2)) == found
    assert counting.asked == 4  # it fails again: all that can be had is there
    monkeypatch.setitem(translation.translators._registered, "backwards", translation.Backwards)
    again = list(store.project(projector(), records(), size=2))
    assert [one.failed for one in again] == [False] * 4
    assert counting.asked == 6
    assert list(store.project(projector(), records(), size=2)) == again
    assert counting.asked == 6


def test_a_full_disk_keeps_finished_parts(monkeypatch, counting):
    real = gzip.open
    written = []

    def open(path, mode="rb", **options):
        if "w" in mode:
            written.append(path)
            if len(written) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, **options)

    monkeypatch.setattr(gzip, "open", open)
    with pytest.raises(XltError, match=r"the disk is full.*finished are kept"):
        list(store.project(projector(), records(), size=2))
    list(store.project(projector(), records(), size=2))
    assert counting.asked == 2 + 2 + 2


def reversed_lines(texts):
    return "".join(" ".join(reversed(text.split())) + "\n" for text in texts)


@pytest.fixture
def given_files(monkeypatch, tmp_path):
    """Translations and links in files, by line; what comes after the links is counted."""
    texts = [document.text.surface for document in records()]
    (tmp_path / "spa.txt").write_text(reversed_lines(texts))
    links = [" ".join(f"{n}-{size - 1 - n}" for n in range(size))
             for size in map(len, map(str.split, texts))]  # fmt: skip
    (tmp_path / "links.txt").write_text("\n".join(links) + "\n")
    projected = []
    real = Projector._project
    monkeypatch.setattr(
        Projector, "_project", lambda *given: projected.append(given[1].id) or real(*given)
    )
    return tmp_path, projected


@pytest.mark.parametrize("which", ["translator", "aligner", "both"])
def test_given_lines_are_read_again_and_nothing_else_is_done_again(counting, given_files, which):
    """Of an interrupted projection, with the result of one that was not."""
    folder, projected = given_files
    files = {"translator": "spa.txt", "aligner": "links.txt"}
    changes = {
        kind: {"name": "given", "file": str(folder / file)}
        for kind, file in files.items()
        if which in (kind, "both")
    }

    finished = islice(store.project(projector(**changes), records(), size=2), 2)
    assert [one.source.id for one in finished] == ["1", "2"]  # and no further
    assert projected == ["1", "2"]
    whole = list(store.project(projector(**changes), records(), size=2))
    assert projected == ["1", "2", "3", "4"]
    assert counting.asked == (4 if which == "translator" else 0)
    assert whole == list(projector(**changes).stream(records()))
    assert [o.reason for one in whole for o in one.projection.outcomes] == [None] * 4
    # A line that changed is used, and no other part is made anew.
    projected.clear()
    path = folder / (files["translator"] if which != "aligner" else files["aligner"])
    all_lines = path.read_text().splitlines()
    other = "0-0" if which == "aligner" else "hace calor"
    path.write_text("\n".join([*all_lines[:3], other, ""]))
    changed = list(store.project(projector(**changes), records(), size=2))
    assert projected == ["3", "4"]
    assert changed[:3] == whole[:3]
    assert changed[3].pairs != whole[3].pairs
    # All lines are counted, finished or not.
    path.write_text("\n".join([*all_lines, "0-0"]) + "\n")
    with pytest.raises(XltError, match="there are only 4"):
        list(store.project(projector(**changes), records(), size=2))


def test_a_translator_that_failed_beside_given_links_is_asked_again(monkeypatch, given_files):
    folder, projected = given_files
    links = {"aligner": {"name": "given", "file": str(folder / "links.txt")}}
    (folder / "links.txt").write_text("\n" * 4)
    monkeypatch.setitem(translation.translators._registered, "backwards", Failing)
    list(store.project(projector(**links), records(), size=2))
    assert [one.failed for one in store.project(projector(**links), records(), size=2)] == [
        False, False, True, False
    ]  # fmt: skip
    assert projected == ["1", "2", "3", "4"]
    monkeypatch.setitem(translation.translators._registered, "backwards", translation.Backwards)
    again = list(store.project(projector(**links), records(), size=2))
    assert not any(one.failed for one in again)
    assert projected == ["1", "2", "3", "4", "3", "4"]


@pytest.mark.parametrize("in_order", [True, False])
def test_how_far_it_is(monkeypatch, caplog, in_order):
    """Now and then, here every time, and at the end of each part."""
    monkeypatch.setattr(store, "MIN_LOG_INTERVAL", 0)
    monkeypatch.setattr(translation.SameWords, "in_order", in_order)
    with caplog.at_level("INFO", logger="xlt.projection.store"):
        list(store.project(projector(), records(), size=2))
    told = [r.getMessage() for r in caplog.records if r.name == "xlt.projection.store"]
    assert told == [f"eng → spa: {n} records" for n in [1, 2, 2, 3, 4, 4]]


def test_encoded_and_decoded():
    schema = NER().schema
    for one in projector().stream(records()):
        assert store.decode(json.loads(json.dumps(store.encode(one, schema))), schema) == one


# The report -----------------------------------------------------------------------------------


def test_yield():
    unknown = [*records(), *records(["Ana/B-PER (Eva)/B-ORG !/O"])]  # split into two words
    counted = ProjectionStatistics()
    found = list(counted.watch(projector().stream(unknown)))
    assert len(found) == 5
    report = counted.as_dict()
    assert (report["records"], report["used"]) == (5, 5)
    assert (report["labels"], report["kept"], report["lost"]) == (6, 5, {"unaligned": 1})
    assert list(report["by"]["type"]) == ["PER", "LOC", "ORG"]
    assert report["by"]["type"]["ORG"] == {"labels": 1, "kept": 0, "lost": {"unaligned": 1}}
    assert report["by"]["length"]["2 words"]["kept"] == 2
    assert sum(g["labels"] for g in report["by"]["places moved"].values()) == 6
    assert report["confidence"] == [0] * 9 + [5]
    text = "\n".join(lines(report))
    assert "5 of 5 records (100.0 %), 5 of 6 labels (83.3 %)" in text
    assert "unaligned" in text
    empty = ProjectionStatistics().as_dict()
    assert lines(empty) == ["0 of 0 records (–), 0 of 0 labels (–)"]


def test_movement():
    assert movement(aligned_pair(["a", "b"], ["A", "B"], {(0, 0): 1, (1, 1): 1})) == 0
    assert movement(aligned_pair(["a", "b"], ["B", "A"], {(0, 1): 1, (1, 0): 1})) == 1
    longer = aligned_pair(["a"], ["x", "y", "z"], {(0, 1): 1})
    assert movement(longer) == 0
    assert movement(aligned_pair(["a"], ["A"], {})) > 1e9


# Training data --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), size=6)


def projection_config(world, name="run", **changes):
    return world.config(
        name,
        **{"strategy": {"name": "projection"}, "projection": dict(translation.SETTINGS), **changes},
    )


def test_a_projected_portion(world):
    run = Stages(projection_config(world, projection__weighting="confidence"))
    assert [p.name for p in (*run.plan[0].train, *run.plan[0].dev)] == ["eng>jav", "eng>jav"]
    data = run.sources.load(run.plan[0].train[0])
    originals = run.records("eng", "train")
    assert [d.words for d in data.records] == [d.words[::-1] for d in originals]
    assert data.weights == [1.0] * len(originals)
    assert run.sources.yields[run.plan[0].train[0]]["used"] == len(originals)
    plain = Sources(run.config.model_copy(update={"projection": settings()}), run.task)
    same = plain.load(run.plan[0].train[0])
    assert same.weights is None
    assert same.fingerprint != data.fingerprint


def test_labels_that_projection_loses_are_known_all_the_same(world, monkeypatch):
    """The model does not learn what a place is, but can be scored on them."""

    class NoNames(translation.SameWords):
        def align(self, pairs, source, target):
            found = super().align(pairs, source, target)
            return [
                {(i, j): s for (i, j), s in links.items() if a[i].islower()}
                for links, (a, _) in zip(found, pairs, strict=True)
            ]

    monkeypatch.setitem(translation.aligners._registered, "same_words", NoNames)
    run = Stages(projection_config(world, selection={"on": "last"}))
    data = run.sources.load(run.plan[0].train[0])
    assert not any(document.layers["entities"].spans for document in data.records)
    (finished,) = run.run()
    assert "B-LOC" in finished.labels["tag"]


def test_nothing_left(world):
    strict = {"require": ["labels"], "min_confidence": 1.0, "translator": "nothing"}

    class Nothing(translation.Backwards):
        def translate(self, texts, source, target):
            return [translation.Translation("") for _ in texts]

    translation.translators.register("nothing", Nothing)
    run = Stages(projection_config(world, projection={**translation.SETTINGS, **strict}))
    with pytest.raises(XltError, match=r"nothing of the train data of eng is left in jav.*empty"):
        run.sources.load(DataSplit("jav", "train", projected_from="eng"))
    translation.translators.unregister("nothing")


def test_plan_shows_projections_without_making_them(world, counting):
    from xlt.config.load import load_config

    path = projection_config(world, strategy={"name": "projection", "with_source": True})
    found = plan(load_config(path))
    assert found["stages"][0]["train"] == ["eng train", "eng>jav train"]
    assert found["stages"][0]["stage"] == "eng+eng-to-jav"
    sizes = {(d["language"], d["split"]): d["records"] for d in found["data"]}
    assert sizes["eng>jav", "train"] == sizes["eng", "train"] == 6
    assert not found["missing"]
    assert counting.asked == 0
    path = projection_config(world, projection={"translator": "backwards", "aligner": None})
    with pytest.raises(XltError, match="no aligner is chosen") as caught:
        plan(load_config(path))
    assert str(caught.value.where).endswith("(projection.aligner)")


def test_projected_onto_itself(world):
    with pytest.raises(XltError, match="jav is to be projected onto itself"):
        Stages(projection_config(world, source=["jav"]))


def test_projection_as_a_stage_of_a_hierarchy(world):
    strategy = {"name": "hierarchical", "through": ["en>target", ["ind", "Indonesian > jv"]]}
    path = projection_config(
        world,
        strategy={**strategy, "target_stage": False, "stages": {"eng>target": {"epochs": 1}}},
    )
    run = Stages(path)
    assert [stage.name for stage in run.plan] == ["eng", "eng-to-jav", "ind+ind-to-jav"]
    assert [[p.name for p in stage.train] for stage in run.plan] == [
        ["eng"],
        ["eng>jav"],
        ["ind", "ind>jav"],
    ]
    assert [p.name for p in run.plan[2].dev] == ["ind", "ind>jav"]
    assert [stage.training.epochs for stage in run.plan] == [2, 1, 2]
    done = run.run()
    assert [next(iter(one.selected)) for one in done[:2]] == ["dev:eng", "dev:eng>jav"]
    with pytest.raises(XltError, match="unknown language 'xyzzy'"):
        Stages(projection_config(world, strategy={"name": "hierarchical", "through": "xyzzy>jav"}))


def test_weights_reach_the_trainer(world, monkeypatch):
    from xlt.training.trainer import TransferTrainer

    class Doubtful(translation.SameWords):
        def align(self, pairs, source, target):
            found = super().align(pairs, source, target)
            return [dict.fromkeys(links, 0.5) for links in found]

    monkeypatch.setitem(translation.aligners._registered, "same_words", Doubtful)
    seen = []
    real = TransferTrainer.training_step

    def step(trainer, model, inputs, number=None):
        seen.append(inputs["weights"])
        return real(trainer, model, inputs, number)

    monkeypatch.setattr(TransferTrainer, "training_step", step)
    changes = {"selection": {"on": "last"}, "projection__weighting": "confidence"}
    Stages(projection_config(world, "weighted", **changes)).run()
    assert {w for weights in seen for w in weights.tolist()} == {0.5}
