"""Weights with NaN or infinity are refused by whatever loads them."""

from __future__ import annotations

import math
import shutil

import pytest
from bad_inputs import world
from bad_inputs.formats import BIO, CONLLU
from safetensors.torch import load_file, save_file

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.folder import load_model, read_info, write_info


def poisoned(file, value):
    """Put the value into the last tensor of a file of weights."""
    weights = load_file(file)
    name = sorted(weights)[-1]
    weights[name].view(-1)[-1] = value
    save_file(weights, file, {"format": "pt"})


@pytest.fixture(params=[math.nan, math.inf], ids=str)
def value(request):
    return request.param


@pytest.mark.parametrize(
    ("format", "file"),
    [(BIO, "model.safetensors"), (CONLLU, "model.safetensors"), (CONLLU, "head.safetensors")],
    ids=["whole", "encoder", "task layers"],
)
def test_a_model(tmp_path, format, file, value):
    folder = shutil.copytree(world.model(format), tmp_path / "model")
    load_model(folder)
    poisoned(folder / file, value)
    write_info(read_info(folder), folder)
    with pytest.raises(XltError, match="hold NaN or infinite values") as caught:
        load_model(folder)
    assert str(folder) in str(caught.value.where)
    assert caught.value.fix


def test_an_encoder(tmp_path, value):
    folder = shutil.copytree(world.encoder(BIO), tmp_path / "encoder")
    poisoned(folder / "model.safetensors", value)
    with pytest.raises(XltError, match="hold NaN or infinite values"):
        Backbone(str(folder), Model(encoder=str(folder))).encoder()
