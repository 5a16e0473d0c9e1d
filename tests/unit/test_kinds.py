"""Kinds of stages: what a third party's needs, where it stands in a plan, what decides its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file
from small import Stages, make_world

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.registry import stage_kinds, strategies
from xlt.runs.experiment import prepare
from xlt.runs.graph import build
from xlt.runs.plan import plan
from xlt.transfer.item import StageOptions
from xlt.transfer.kind import StageKind
from xlt.transfer.stage import Stage, Strategy

STEP = {"training__max_steps": 1, "evaluation__bootstrap": 1}


class Copy(StageKind):
    """An encoder as it is, or a model as its parent has it."""

    class Options(StageOptions):
        note: str = ""

    def plan(self, options, config, target, parents, *, from_scratch=False):
        return Stage("copy", (), (), config.training, 1.0, from_scratch, parents, "copy", options)

    def make(self, making):
        import shutil

        from xlt.model.backbone import Backbone
        from xlt.model.folder import write_encoder

        def write(folder):
            if making.parent is not None:
                shutil.copytree(making.parent.model_folder(), folder)
                return
            backbone = Backbone(making.config.model.encoder, making.config.model)
            backbone.encoder().save_pretrained(folder)
            backbone.tokenizer.save_pretrained(folder)
            write_encoder(folder)

        making.save(write, None if making.parent is None else making.parent.labels)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), size=6)


@pytest.fixture
def kinds():
    """The kind of these tests, and what the page on plugins has."""
    page = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
    code = page.partition("<!-- file: kind/mean.py -->\n```python\n")[2].partition("```")[0]
    shown: dict[str, type] = {}
    exec(compile(code, "mean.py", "exec"), shown)
    stage_kinds.register("copy", Copy)
    stage_kinds.register("mean", shown["Mean"])
    strategies.register("soup", shown["Soup"])
    yield shown
    stage_kinds.unregister("copy")
    stage_kinds.unregister("mean")
    strategies.unregister("soup")


def test_a_kind_of_a_third_party_has_several_parents(world, kinds, tmp_path):
    path = world.config(
        "soup", source=["eng", "ind"], strategy="soup", output__root=str(tmp_path), **STEP
    )
    one, other, mean = Stages(path).run()
    assert [stage.reused for stage in Stages(path).run()] == [True] * 3
    parts = [load_file(s.model_folder() / "model.safetensors") for s in (one, other, mean)]
    for name, tensor in parts[2].items():
        assert tensor.allclose((parts[0][name] + parts[1][name]) / 2, atol=1e-6), name
    planned = plan(load_config(path))
    assert [(row["kind"], row["done"]) for row in planned["nodes"]] == [
        ("train", True), ("train", True), ("mean", True), ("evaluate", False)
    ]  # fmt: skip
    assert planned["stages"][2]["kind"] == "mean"
    assert planned["stages"][2]["after"] == "eng, ind"


def test_stages_before_all_others_and_between(world, kinds, tmp_path):
    through = {"name": "hierarchical", "through": [{"copy": {}}, "ind"], "target_stage": False}
    path = world.config(
        "copies", strategy={**through, "before": {"copy": {"note": "first"}}},
        output__root=str(tmp_path), **STEP,
    )  # fmt: skip
    stages = Stages(path)
    assert [(s.kind, s.name) for s in stages.plan] == [
        ("copy", "copy"), ("train", "eng"), ("copy", "copy"), ("train", "ind")
    ]  # fmt: skip
    assert [len(stage.parents) for stage in stages.plan] == [0, 1, 1, 1]
    first, eng, copied, ind = stages.run()
    assert first.labels is None
    assert (first.model_folder() / "encoder.json").is_file()
    assert copied.labels == eng.labels
    assert ind.labels == eng.labels
    same = world.config("plain", strategy={"name": "zero_shot"}, output__root=str(tmp_path), **STEP)
    (plain,) = Stages(same).run()
    weights = [load_file(stage.model_folder() / "model.safetensors") for stage in (eng, plain)]
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())
    (first.model_folder() / "model.safetensors").write_bytes(b"")
    again = Stages(path).run()
    assert [stage.reused for stage in again] == [False, True, True, True]


def test_what_decides_the_key_of_a_kind(world, kinds, tmp_path, monkeypatch):
    def key(note: str = "", **changes) -> str:
        before = [{"copy": {"note": note}}]
        path = world.config(
            "key", strategy={"name": "zero_shot", "before": before},
            output__root=str(tmp_path), **STEP | changes,
        )  # fmt: skip
        run = Stages(path)
        (node,) = (n for n in build({"key": run.experiment}).values() if n.kind == "copy")
        return node.key, run.runner.identity(run.plan[0], [], [], []).key

    base = key()
    assert key("another")[0] != base[0]
    assert key("another")[1] != base[1]
    assert key(seeds=[2])[1] != base[1]
    # An encoder is the same whatever task is learnt afterwards.
    assert key(task={"name": "ner", "types": ["PER"]}, selection__on="last") == base


class Unsolved(Strategy):
    """A plan that ends with an encoder."""

    def plan(self, config, target):
        return Stage("copy", (), (), config.training, kind="copy")


@pytest.mark.parametrize(
    ("strategy", "what"),
    [
        ({"name": "zero_shot", "before": [{"copyy": {}}]}, "no stage kind called 'copyy'"),
        ({"name": "zero_shot", "before": [{"train": {}}]}, "are planned by strategies"),
        ({"name": "zero_shot", "before": [{"copy": {"note": 3}}]}, "`copy.note` must be text"),
        ({"name": "zero_shot", "before": [{"copy": {"nota": "x"}}]}, "unknown key `copy.nota`"),
        ({"name": "zero_shot", "before": [{"copy": {}, "mean": {}}]}, "a mapping of one key"),
        ({"name": "hierarchical", "through": [{"copyy": {}}]}, "no stage kind called 'copyy'"),
        ("unsolved", "makes an encoder that cannot do the task"),
    ],
)
def test_what_is_wrong_with_a_stage_of_another_kind_is_said(world, kinds, strategy, what):
    strategies.register("unsolved", Unsolved)
    try:
        with pytest.raises(XltError, match=what) as failure:
            prepare(load_config(world.config("wrong", strategy=strategy)))
    finally:
        strategies.unregister("unsolved")
    assert "wrong.yaml:1 (strategy" in failure.value.render()
    assert failure.value.fix
