"""xlt.runs.plan: what would run, what is missing, and about what it costs."""

from __future__ import annotations

import json

import pytest
import tiny

from xlt.config.load import load_config
from xlt.config.schema import Lora, Model, Training
from xlt.errors import XltError
from xlt.files import write_sealed
from xlt.runs import estimate as module
from xlt.runs.cost import Load, Machine, Shape, estimate
from xlt.runs.estimate import encoder_shape
from xlt.runs.plan import plan

WORDS = ["Ani", "lives", "in", "Solo", "and", "Budi", "in", "Yogya"]


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    sentence = "".join(f"{word}\tO\n" for word in WORDS[:-1]) + f"{WORDS[-1]}\tB-LOC\n\n"
    for name, count in (("en", 6), ("en-dev", 2), ("jv", 3), ("su", 1)):
        (tmp_path / f"{name}.bio").write_text(sentence * count, encoding="utf-8")
    path = tmp_path / "transfer.yaml"
    path.write_text(
        """\
name: plan
task: ner
model: {encoder: ./encoder}
data:
  en: {train: en.bio, dev: en-dev.bio}
  jv: {train: jv.bio, dev: jv.bio, test: jv.bio}
  su: {train: su.bio, dev: su.bio, test: su.bio}
source: en
target: [jv, su]
strategy: hierarchical
training: {epochs: 2, batch_tokens: 64}
seeds: [1, 2]
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def encoder(config):
    return tiny.make_encoder(config.parent / "encoder", [" ".join(WORDS)] * 20)


def test_whether_steps_of_an_encoder_elsewhere_are_done_is_not_asked(config, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("the encoder was looked for")

    monkeypatch.setattr("xlt.model.backbone.Backbone.content", property(asked))
    found = plan(load_config(config, ["model.encoder=nobody/such-encoder"]))
    assert {row["done"] for row in found["nodes"] if row["kind"] == "train"} == {None}
    assert found["missing"]


def test_a_plan_of_what_is_there(config, encoder):
    found = plan(load_config(config))
    assert found["missing"] == []
    assert [(s["stage"], s["targets"], s["after"]) for s in found["stages"]] == [
        ("eng", ["jav", "sun"], None),
        ("jav", ["jav"], "eng"),
        ("sun", ["sun"], "eng"),
    ]
    sizes = {
        (row["language"], row["split"]): (row["records"], row["words"]) for row in found["data"]
    }
    assert sizes["eng", "train"] == (6, 6 * len(WORDS))
    assert sizes["sun", "test"] == (1, len(WORDS))
    assert all(stage["steps"] >= 2 for stage in found["stages"])
    assert found["total"]["minutes"] > 0
    assert found["total"]["runs"] == 6
    assert 0 < found["encoder"]["trained"] <= found["encoder"]["parameters"]
    json.dumps(found)


def test_everything_that_is_missing_is_listed(config):
    overrides = ["data.jv.dev=[a.bio, b.bio]", "data.su.test=maskhaner:su:test"]
    (config.parent / "en-dev.bio").unlink()
    found = plan(load_config(config, overrides))
    said = " ".join(f"{p['where']}: {p['what']}" for p in found["missing"])
    for words in ("en-dev.bio", "a.bio", "b.bio", "maskhaner", "(model.encoder)"):
        assert words in said
    assert f"{config}:5 (data.eng.dev)" in said
    assert len(found["missing"]) == 5
    assert all(p["fix"] for p in found["missing"])
    assert found["total"]["minutes"] is None
    assert found["encoder"]["parameters"] is None


def test_an_encoder_that_has_not_read_the_target_is_told_of(config):
    told = plan(load_config(config, ["model.encoder=EuroBERT/EuroBERT-210m"]))["advice"]
    assert list(told) == ["jav", "sun"]
    assert told["jav"].startswith("EuroBERT/EuroBERT-210m has never read Javanese; ")
    assert "has (`model.encoder: " in told["jav"]
    for encoder in ("xlm-roberta-base", "./encoder"):  # has read both; of this nothing is known
        assert plan(load_config(config, [f"model.encoder={encoder}"]))["advice"] == {}
    random = ["model.encoder=EuroBERT/EuroBERT-210m", "model.initialise=random"]
    assert plan(load_config(config, random))["advice"] == {}


def test_a_malformed_file_is_listed_with_its_line(config, encoder):
    (config.parent / "su.bio").write_text("Solo\tB\n\n", encoding="utf-8")
    found = plan(load_config(config))
    assert any("su.bio:1" in p["where"] for p in found["missing"])


def test_a_plan_that_cannot_be_made_is_an_error(config):
    with pytest.raises(XltError, match=r"data\.eng\.train"):
        plan(load_config(config, ["data.en.train=[]"]))


@pytest.mark.parametrize("kind", list(tiny.SHAPES))
def test_the_shape_of_any_encoder_is_counted_without_weights(tmp_path, kind):
    folder = tiny.make_encoder(tmp_path / kind, ["a b c"] * 20, kind)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    shape = encoder_shape(Model(encoder=str(folder)))
    assert shape is not None
    assert shape.layers > 0
    assert shape.trimmed(5) < shape.trimmed(None) == shape.rest + shape.embeddings


SHAPE = Shape(192_000_000, 250_000, 86_000_000, 12, 768, 12)
MACHINE = Machine("cpu", "bf16", 2, 1e-5, 2e-5, 1e10, 16.0, 8.0)
LOAD = Load(subwords=100_000, records=5_000, evaluated=0)


def cost(training=None, model=None, kept=30_000):
    model = model or Model(encoder="x")
    return estimate(SHAPE, LOAD, training or Training(), model, MACHINE, kept)


def test_estimates_move_the_right_way():
    usual = cost()
    assert cost(kept=None).memory_gib - usual.memory_gib == pytest.approx(
        16 * 192e6 * 22 / 25 / 2**30, rel=0.01
    )
    assert cost(kept=None).minutes > usual.minutes
    assert cost(Training(epochs=20)).minutes == pytest.approx(2 * usual.minutes)
    assert cost(Training(max_steps=1)).minutes < usual.minutes / 100
    assert cost(Training(gradient_checkpointing=True)).memory_gib < usual.memory_gib
    assert cost(Training(gradient_checkpointing=True)).minutes > usual.minutes
    assert cost(Training(freeze=["encoder"])).minutes < usual.minutes
    assert cost(Training(freeze=["layers:6"])).memory_gib < usual.memory_gib
    assert cost(model=Model(encoder="x", lora=Lora())).memory_gib < usual.memory_gib
    assert cost(Training(accumulate=4)).memory_gib < usual.memory_gib
    twice = cost(Training(sharpness={}))
    assert usual.minutes < twice.minutes < 2 * usual.minutes
    assert twice.memory_gib == usual.memory_gib
    pair = cost(Training(weighting={"method": "co_teaching"}))
    assert twice.minutes < pair.minutes == pytest.approx(2 * usual.minutes)
    assert pair.memory_gib > 1.5 * usual.memory_gib


def test_a_speed_is_remembered_unless_others_used_the_machine(tmp_path, monkeypatch):
    import psutil

    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    speeds = iter([(4e-4, 8e-4), (1e-4, 2e-4), (2e-4, 1e-4)])
    use = iter([80.0, 30.0, 1.0])
    monkeypatch.setattr(module, "_layer_speed", lambda *given: next(speeds))
    monkeypatch.setattr(module, "_copy_speed", lambda device: 1e9)
    monkeypatch.setattr(psutil, "cpu_percent", lambda seconds: next(use))

    def measured():  # by a command of its own, which does it once
        module._measured.clear()
        first, again = (module.measure("cpu", "fp32", SHAPE, length) for length in (32.0, 33.0))
        speed, same = ((one.forward, one.backward, one.busy) for one in (first, again))
        assert speed == same
        return speed

    assert measured() == (4e-4, 8e-4, 0.8)
    assert measured() == (1e-4, 2e-4, 0.3)
    assert measured() == (1e-4, 1e-4, 0.01)  # each from when it was faster
    assert measured() == (1e-4, 1e-4, 0.01)  # and nothing is measured any more
    assert module.measure("cpu", "fp32", SHAPE, 32.0).bandwidth == pytest.approx(1e9)


def test_what_another_process_has_measured_meanwhile_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    path = tmp_path / "machine.json"

    def speed(*_):
        write_sealed(path, {"another": [1.0] * 5})
        return 4e-4, 8e-4

    monkeypatch.setattr(module, "_layer_speed", speed)
    monkeypatch.setattr(module, "_copy_speed", lambda device: 1e9)
    module._measured.clear()
    module.measure("cpu", "fp32", SHAPE, 32.0)
    known = module._read(path)
    assert known.pop("another") == [1.0] * 5
    ((_, forward, backward, *_),) = known.values()
    assert (forward, backward) == (4e-4, 8e-4)
