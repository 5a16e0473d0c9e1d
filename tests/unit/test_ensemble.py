"""Several models deciding together."""

from __future__ import annotations

import pytest
import torch
from records import OPTIONS, RECORDS

from scripts.experiments.averaging import arithmetic, geometric
from xlt.config.schema import Model
from xlt.inference.ensemble import Ensemble
from xlt.inference.predictor import Predictor
from xlt.model.backbone import Backbone
from xlt.registry import tasks
from xlt.testing import make_encoder


@pytest.fixture(params=sorted(RECORDS))
def made(request, tmp_path):
    """The task, its records, their examples, and two models that disagree."""
    kind = tasks.get(request.param)
    task = kind(kind.Options(**OPTIONS.get(request.param, [{}])[0]))
    records = RECORDS[request.param]
    folder = make_encoder(tmp_path / "encoder", [r.text.surface for r in records] * 3)
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    labels = task.labels(records)
    predictors = []
    for seed in (1, 4):
        torch.manual_seed(seed)
        model = task.build(backbone, labels)
        for parameter in model.parameters():  # biaffine weights start at zero
            torch.nn.init.normal_(parameter, std=0.3)
        predictors.append(Predictor(task, model, 1000))
    return task, records, task.encode(records, backbone, None), predictors


def test_one_model_twice_is_that_model(made):
    _, records, examples, (first, _) = made
    assert Ensemble.of([first, first])(records, examples) == first(records, examples)


def test_both_models_have_a_say(made):
    task, records, examples, (first, second) = made
    assert first(records, examples) != second(records, examples)
    together = Ensemble.of([first, second])(records, examples)
    assert together == Ensemble.of([second, first])(records, examples)
    assert [task.words(r) for r in together] == [task.words(r) for r in records]


def test_models_with_other_labels_are_refused(made):
    _, _, _, (first, second) = made
    second.model.labels = {}
    with pytest.raises(ValueError, match="different labels"):
        Ensemble.of([first, second])


def test_two_means_of_probabilities():
    """Those that scripts.experiments.averaging compares; the geometric one is a task's own."""
    one, other = (torch.tensor([[p, 1 - p]]).log() for p in (0.9, 0.2))
    outputs = [{"scores": one}, {"scores": other}]
    assert torch.allclose(arithmetic(outputs)["scores"].exp(), torch.tensor([[0.55, 0.45]]))
    mean = geometric(outputs)["scores"].exp()
    assert torch.allclose(mean, torch.tensor([[(0.9 * 0.2) ** 0.5, (0.1 * 0.8) ** 0.5]]))
    combined = tasks.get("ner")().combine(outputs)
    assert torch.equal(combined["scores"], geometric(outputs)["scores"])
