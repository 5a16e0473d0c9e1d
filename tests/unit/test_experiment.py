"""From a config to what it asks for: the source that is left open, one task and one strategy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from small import World, make_world

from xlt.config.load import load_config, resolved
from xlt.errors import XltError
from xlt.runs.experiment import prepare
from xlt.runs.train import train
from xlt.tasks.ner import NER
from xlt.transfer.zero_shot import ZeroShot


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


@pytest.mark.parametrize("written", ["auto", ["auto"]])
def test_the_loader_leaves_the_source_open(world: World, written: Any) -> None:
    loaded = load_config(world.config("open", source=written, strategy="zero_shot"))
    assert loaded.config.source == ["auto"]
    experiment = prepare(loaded)
    assert experiment.config.source == ["ind"]
    assert experiment.source_choice is not None
    assert experiment.source_choice["chosen"] == "ind"
    assert set(experiment.source_choice["mean_score"]) == {"eng", "ind"}
    assert experiment.stage_names() == {"jav": ["ind"]}
    assert resolved(experiment.config)["source"] == ["ind"]


def test_targets_that_would_have_another_source_alone_are_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = {"chosen": "eng", "best": {"jav": "ind", "sun": "eng"}}
    monkeypatch.setattr("xlt.runs.experiment.choose_source", lambda *_: ("eng", choice))
    path = world.config("auto", source="auto", target=["jav", "sun"], strategy="zero_shot")
    said = [note for note in prepare(load_config(path)).notes if note.startswith("source")]
    assert len(said) == 1
    assert "auto is eng for all targets" in said[0]
    assert "alone is ind for jav (" in said[0]


def test_a_named_source_stays(world: World) -> None:
    experiment = prepare(load_config(world.config("named", strategy="zero_shot")))
    assert experiment.config.source == ["eng"]
    assert experiment.source_choice is None


def test_auto_stands_alone(world: World) -> None:
    with pytest.raises(XltError, match="unknown language"):
        load_config(world.config("both", source=["auto", "eng"]))


def test_no_language_to_choose_is_said_where_auto_stands(world: World) -> None:
    path = world.config("lonely", source="auto", data={"jav": "sample-dep"})
    with pytest.raises(XltError, match="no language with training data") as caught:
        prepare(load_config(path))
    assert str(caught.value.where) == f"{path}:1 (source)"


@pytest.mark.parametrize("strategy", ["projection", "translate_test", "translate_ensemble"])
def test_what_is_projected_without_a_translator_is_said_before_data_are_read(
    world: World, strategy: str
) -> None:
    config = world.config("untranslated", strategy=strategy)
    with pytest.raises(XltError, match="no translator is chosen") as caught:
        prepare(load_config(config))
    assert "projection" in str(caught.value.where)
    given = {"name": "given", "file": "nowhere.txt"}
    config = world.config("unaligned", strategy=strategy, projection={"translator": given})
    prepare(load_config(config))
    with pytest.raises(XltError, match="no aligner is chosen"):
        prepare(load_config(config, ["projection.aligner=null"]))


def test_one_run_makes_one_task_and_one_strategy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Counter[str]()

    def counted(kind: type) -> None:
        original = kind.__init__

        def init(self: Any, *options: Any) -> None:
            made[kind.__name__] += 1
            original(self, *options)

        monkeypatch.setattr(kind, "__init__", init)

    counted(NER)
    counted(ZeroShot)
    path = world.config(
        "counted",
        strategy="zero_shot",
        target=["jav", "ind"],
        training__epochs=1,
        seeds=[1, 2],
        evaluation__ensemble=True,
    )
    train(load_config(path), quiet=True)
    assert made == {"NER": 1, "ZeroShot": 1}
