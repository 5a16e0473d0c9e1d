"""Many records are read, encoded and scored a part at a time; what comes out is the same."""

from __future__ import annotations

import shutil

import pytest
from small import World, crash, make_world, result, scores, trace, weights, xlt

SETTINGS = {
    "strategy": {"name": "joint", "temperature": 2},
    "source": ["eng", "ind"],
    "training__checkpoint_every": 2,
}


@pytest.fixture(scope="module", params=["bio", pytest.param("conllu", marks=pytest.mark.thorough)])
def world(request, tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp(request.param), suffix=request.param, size=12)


def few_held() -> None:
    """Eight records are many: none is held, and windows are of three."""
    from xlt.inference.predictor import Predictor
    from xlt.runs import sources
    from xlt.training import encodings, scoring

    sources.MAX_HELD = encodings.MAX_HELD = 0
    encodings._CHUNK = scoring.WINDOW = Predictor.window = 3


def files(root):
    """Predictions and counts of a run."""
    run = root / "run" / "seed-1" / "jav"
    return {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}


def assert_alike(value, other):
    """Equal, but that probabilities may differ by what rounding does in wider batches."""
    if isinstance(value, dict):
        assert value.keys() == other.keys()
        for key in value:
            assert_alike(value[key], other[key])
    elif isinstance(value, list):
        assert len(value) == len(other)
        for one, two in zip(value, other, strict=True):
            assert_alike(one, two)
    elif isinstance(value, float):
        assert value == pytest.approx(other, rel=1e-6, abs=1e-6)
    else:
        assert value == other


def test_many_records_are_as_few(world):
    few, many = world.folder / "few", world.folder / "many"
    outcome = xlt("train", world.config(output__root=str(few), **SETTINGS))
    assert outcome.code == 0, outcome.text
    outcome = xlt("train", world.config(output__root=str(many), **SETTINGS), before=few_held)
    assert outcome.code == 0, outcome.text
    assert weights(many) == weights(few)
    assert_alike(scores(many), scores(few))
    assert result(many)["languages"] == result(few)["languages"]
    assert files(many) == files(few)
    assert len(files(few)) == 3


def test_killed_and_resumed(world):
    whole, broken = world.folder / "whole", world.folder / "broken"
    points = world.folder / "trace"

    def before(then):
        def work():
            few_held()
            then()

        return work

    config = world.config(output__root=str(whole), **SETTINGS)
    assert xlt("train", config, before=before(trace(points))).code == 0
    steps = [n for n, p in enumerate(points.read_text().splitlines(), 1) if "step" in p]
    config = world.config(output__root=str(broken), **SETTINGS)
    shutil.rmtree(broken, ignore_errors=True)
    assert xlt("train", config, before=before(crash(steps[-2]))).code == -9
    outcome = xlt("train", config, "--resume", before=few_held)
    assert outcome.code == 0, outcome.text
    assert weights(broken) == weights(whole)
    assert scores(broken) == scores(whole)


def test_evaluation_of_many(world, monkeypatch):
    from xlt.inference.predictor import Predictor
    from xlt.runs.evaluate import evaluate

    root = world.folder / "few"
    if not root.exists():
        assert xlt("train", world.config(output__root=str(root), **SETTINGS)).code == 0
    data = world.folder / f"ind-train.{world.suffix}"
    few = evaluate(root / "run", str(data), language="ind", resamples=20)
    monkeypatch.setattr("xlt.data.store.held", lambda documents: documents)
    monkeypatch.setattr(Predictor, "window", 5)
    assert_alike(evaluate(root / "run", str(data), language="ind", resamples=20), few)
    assert few["records"] == 12
