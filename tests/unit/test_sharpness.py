"""Sharpness-aware steps: golden numbers, weights that come back, and each pass its own way."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from small import Stages, World, make_world

from xlt.config.load import load_config
from xlt.config.schema import Sharpness
from xlt.errors import XltError
from xlt.runs.experiment import prepare
from xlt.runs.preflight import find_problems
from xlt.runs.sources import Sources
from xlt.training import rehearsal
from xlt.training.sharpness import Perturbation


class Bowl(torch.nn.Module):
    """L = (w₁² + 2 w₂²) / 2 at (3, 4), beside what is not trained or has no part in it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
        self.frozen = torch.nn.Parameter(torch.full((9,), 7.0), requires_grad=False)
        self.unused = torch.nn.Parameter(torch.ones(3))

    def forward(self) -> torch.Tensor:
        return (self.weight[0] ** 2 + 2 * self.weight[1] ** 2) / 2


@pytest.mark.parametrize(
    ("options", "away", "after"),
    [
        ({"radius": 0.05}, (3.0175562, 4.0468163), (2.6982443, 3.1906366)),
        (
            {"method": "asam", "radius": 0.5, "eta": 0.01},
            (3.4077859, 5.9299974),
            (2.6592214, 2.8140006),
        ),
    ],
)
def test_golden(options, away, after):
    """By the formulas: SGD at a rate of 0.1."""
    model = Bowl()
    model.weight.grad = torch.ones(2, dtype=torch.float64)  # of an earlier batch of the step
    perturbation = Perturbation(Sharpness(**options), model)
    with perturbation.applied(model()):
        assert model.weight.tolist() == pytest.approx(away, abs=1e-6)
        assert model.unused.tolist() == [1.0] * 3
        model().backward()
    assert model.weight.tolist() == [3.0, 4.0]
    assert model.frozen.tolist() == [7.0] * 9
    stepped = model.weight - 0.1 * (model.weight.grad - 1)
    assert stepped.tolist() == pytest.approx(after, abs=1e-6)


def test_biases_are_not_scaled():
    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 2.0]]))
        model.bias.fill_(5.0)
    perturbation = Perturbation(Sharpness(method="asam", radius=1.0, eta=0.0), model)
    with perturbation.applied(model(torch.tensor([1.0, 1.0])).sum()):
        # T = (0, 2) and 1 of the bias, g = 1 everywhere: ‖T g‖ = √5.
        assert model.weight.tolist()[0] == pytest.approx([0.0, 2 + 4 / 5**0.5])
        assert model.bias.item() == pytest.approx(5 + 1 / 5**0.5)


def test_a_flat_place_is_not_left():
    model = Bowl()
    with torch.no_grad():
        model.weight.zero_()
    with Perturbation(Sharpness(), model).applied(model()):
        assert model.weight.tolist() == [0.0, 0.0]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=6)


def test_a_stage_in_passes_and_with_less_memory(world):
    """Another way than the plain one, the same with and without kept activations."""

    def weights(**changes):
        settings = {"training__max_steps": 2, "training__accumulate": 2, **changes}
        made = world.config(strategy="zero_shot", source="eng", seeds=[1], **settings)
        return load_file(Stages(made).run()[-1].model_folder() / "model.safetensors")

    far = {"training__sharpness": {"radius": 0.5}}
    plain, flat = weights(), weights(**far)
    again = weights(**far, training__gradient_checkpointing=True)
    assert any(not torch.equal(plain[name], flat[name]) for name in plain)
    for name, weight in flat.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-4, atol=1e-6, msg=name)


def test_a_model_that_is_divided_among_processes_is_refused():
    with pytest.raises(XltError, match="FSDP") as caught:
        Perturbation(Sharpness(), Bowl(), divided=True)
    assert caught.value.where == "training.sharpness"


def test_half_precision_is_refused(world, monkeypatch):
    monkeypatch.setattr(rehearsal, "choose_precision", lambda *_: "fp16")
    monkeypatch.setattr(rehearsal, "check_precision", lambda *_: None)
    made = world.config(strategy="zero_shot", source="eng", training__sharpness={"method": "sam"})
    experiment = prepare(load_config(made))
    (problem,) = find_problems(experiment, Sources(experiment.config, experiment.task))
    assert "fp16" in problem.what
    assert problem.where.endswith("(training.precision)")
