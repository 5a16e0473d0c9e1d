"""What becomes of one tensor of several models, against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from xlt.merging import formulas
from xlt.merging.methods import (
    Arithmetic,
    Dare,
    DareTies,
    Fisher,
    Layers,
    Members,
    Ties,
    Wise,
)
from xlt.merging.settings import Settings
from xlt.merging.weights import Place
from xlt.model.task_model import HEAD_FILE

ONE, TWO = [0.9, -0.1, 0.4, -0.6, 0.05, 0.0], [0.3, 0.8, -0.5, -0.2, 0.1, -0.7]
"""Differences of two models."""


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, *expected, within=1e-6):
    return found.tolist() == pytest.approx(list(expected), abs=within)


def members(models, base=None, information=()):
    """Models given as mappings from names to tensors."""

    def reader(one):
        return lambda place: one.get(place.name)

    files = {True: HEAD_FILE, False: "model.safetensors"}
    places = [Place(files[name.startswith("head")], name) for name in models[0]]
    return Members(
        [reader(one) for one in models],
        None if base is None else reader(base),
        [reader(one) for one in information],
    ), places


def merged(method, models, base=None, information=(), **settings):
    found, places = members(models, base, information)
    made = method(found, places, Settings(**settings))
    return {place.name: made(place) for place in places}


def test_mean():
    assert close(formulas.mean([tensor(1, 2), tensor(3, 6)], [1, 1]), 2, 4)
    assert close(formulas.mean([tensor(1, 2), tensor(3, 6)], [3, 1]), 1.5, 3)
    same = tensor(0.1, 1 / 3, 1e-30)
    assert torch.equal(formulas.mean([same] * 4, [1.0] * 4), same)


def test_wise_is_on_the_way_to_the_second():
    found = merged(Wise, [{"w": tensor(0, 4)}, {"w": tensor(1, 0)}], scale=0.25)
    assert close(found["w"], 0.25, 3)


def test_slerp():
    assert close(formulas.slerp(tensor(1, 0), tensor(0, 1), 0.75), 0.382683, 0.923880)
    assert close(formulas.slerp(tensor(2, 0), tensor(0, 2), 0.5), math.sqrt(2), math.sqrt(2))
    assert close(formulas.slerp(tensor(1, 1), tensor(3, 3), 0.5), 2, 2)  # no arc between them
    assert close(formulas.slerp(tensor(0, 0), tensor(2, 4), 0.5), 1, 2)
    assert close(formulas.slerp(tensor(1, 0), tensor(-1, 0), 0.25), 0.5, 0)


def test_task_arithmetic():
    base = {"w": tensor(1, 1)}
    models = [{"w": tensor(2, 1), "head": tensor(1)}, {"w": tensor(1, 3), "head": tensor(3)}]
    found = merged(Arithmetic, models, base, scale=0.5)
    assert close(found["w"], 1.5, 2)
    assert close(found["head"], 2)  # which the base has not
    weighted = merged(Arithmetic, models, base, scale=1, weights=(1.0, 0.25))
    assert close(weighted["w"], 2, 1.5)
    assert close(weighted["head"], 1.4)


def ties(one, two, density, split=None, **settings):
    """Of differences from a base of zeros; split: into tensors of these sizes."""
    sizes = split or [len(one)]
    parts = [dict(enumerate(torch.split(tensor(*values), sizes))) for values in (one, two)]
    named = [{f"w{n}": part for n, part in own.items()} for own in parts]
    zero = {name: torch.zeros_like(part) for name, part in named[0].items()}
    found = merged(Ties, named, zero, density=density, **settings)
    return torch.cat(list(found.values()))


def test_ties():
    assert close(ties(ONE, TWO, 0.5), 0.9, 0.8, -0.5, -0.6, 0, -0.7)
    # Trimmed as one vector, however it is cut into tensors.
    assert close(ties(ONE, TWO, 0.5, [3, 3]), 0.9, 0.8, -0.5, -0.6, 0, -0.7)
    assert close(ties(ONE, TWO, 1.0), 0.6, 0.8, -0.5, -0.4, 0.075, -0.7)
    assert close(ties(ONE, TWO, 0.5, scale=0.5), 0.45, 0.4, -0.25, -0.3, 0, -0.35)
    assert close(ties(ONE, TWO, 1e-6), 0.9, 0.8, 0, 0, 0, 0)  # one of each at least


def test_of_entries_of_one_size_so_many_are_kept_as_are_wanted():
    assert close(ties([1, -1, 1, 1], [0, 0, 0, 0], 0.5, [1, 3]), 1, -1, 0, 0)
    assert close(ties([1, -1, 3, 1], [0, 0, 0, 0], 0.75, [1, 3]), 1, -1, 3, 0)
    assert close(ties([0, 0, 0, 2], [0, 0, 0, 0], 1.0), 0, 0, 0, 2)


def test_the_elected_sign():
    three = [tensor(0.4, 1, 0), tensor(-0.2, -1, 0), tensor(-0.2, 0, 0)]
    # A sum of 0: the sign of most; where there is none, nothing.
    assert close(formulas.elected(three, [1, 1, 1]), -0.2, 0, 0)
    assert close(formulas.elected([tensor(1), tensor(-2)], [3, 1]), 1)
    assert close(formulas.elected([tensor(1), tensor(3)], [3, 1]), 1.5)


def test_dare():
    generator = torch.Generator().manual_seed(1)
    ones = torch.ones(200_000, dtype=torch.float64)
    found = formulas.dropped(ones, 0.3, generator)
    assert {*found.tolist()} == {0.0, 1 / 0.3}
    assert float(found.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(formulas.dropped(ones, 1.0, generator), ones)


def test_what_dare_drops_depends_on_seed_model_and_tensor_alone():
    model = {name: torch.ones(64, dtype=torch.float64) for name in ("a", "b")}
    zero = {name: torch.zeros(64, dtype=torch.float64) for name in model}

    def run(models, **settings):
        return merged(Dare, models, zero, density=0.5, **settings)

    first = run([model])
    assert torch.equal(run([dict(reversed(model.items()))])["a"], first["a"])
    assert not torch.equal(first["a"], first["b"])
    assert not torch.equal(run([model], seed=2)["a"], first["a"])
    both = run([model, model])["a"]
    assert {*both.tolist()} == {0.0, 2.0, 4.0}


def fisher(weights):
    information = [{"w": tensor(4, 0, 1e-8)}, {"w": tensor(1, 1, 0)}]
    models = [{"w": tensor(1, 2, 3)}, {"w": tensor(2, 0, -1)}]
    return merged(Fisher, models, None, information, weights=weights)["w"]


def test_fisher():
    assert close(fisher((0.5, 0.5)), 1.414214, 1e-6, 3, within=5e-7)
    assert close(fisher((0.9, 0.1)), 1.072844, 6e-6, 3, within=5e-7)
    nothing = formulas.by_information([tensor(1), tensor(2)], [tensor(0), tensor(0)], [1, 1])
    assert close(nothing, 1)


def test_layers():
    names = ["embeddings.word", *(f"encoder.layer.{n}.w" for n in range(6)), "pooler.w"]
    own, base = ({name: tensor(value) for name in names} for value in (0, 1))
    base.pop("pooler.w")
    found = merged(Layers, [own], base, bottom=2, top=1, joint=1)
    assert [float(one) for one in found.values()] == [1, 1, 1, 0.5, 0, 0.5, 1, 0]
    found = merged(Layers, [own], base, bottom=0, top=2, joint=0)
    assert [float(one) for one in found.values()] == [0, 0, 0, 0, 0, 1, 1, 0]


def test_a_task_layer_is_no_embedding_whatever_its_name():
    names = ["embeddings.word", "encoder.layer.0.w", "head.embed.w"]
    own, base = ({name: tensor(value) for name in names} for value in (0, 1))
    found = merged(Layers, [own], base, bottom=1, top=0, joint=0)
    assert [float(one) for one in found.values()] == [1, 1, 0]


@pytest.mark.parametrize(("method", "density"), [(Ties, 0.2), (Dare, 0.1), (DareTies, 0.1)])
def test_the_density_that_is_meant_where_none_is_said(method, density):
    draw = torch.Generator().manual_seed(3)
    model, base = ({"w": torch.randn(500, generator=draw).double()} for _ in range(2))
    found = merged(method, [model], base)
    assert torch.equal(found["w"], merged(method, [model], base, density=density)["w"])
    assert not torch.equal(found["w"], merged(method, [model], base, density=0.5)["w"])


@pytest.mark.parametrize("method", [Arithmetic, Ties])
def test_a_model_merged_with_nothing_else_is_itself(method):
    draw = torch.Generator().manual_seed(3)
    model, base = ({"w": torch.randn(50, generator=draw).double()} for _ in range(2))
    found = merged(method, [model], base, density=1.0)
    assert torch.equal(found["w"].float(), model["w"].float())
