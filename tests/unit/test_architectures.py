"""Encoders of every shape: each trains, is saved, predicts and aligns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import Stages, all_texts, make_world, predict_with, xlt
from tiny import OTHER_SHAPES, SHAPES, make_encoder

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.inference.device import refuse_fp16
from xlt.model.backbone import Backbone
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.runs.estimate import encoder_shape

DECODERS = ("llama", "qwen3", "mistral")
PAIR = (["Ann", "sees", "Rome"], ["Budi", "lihat", "Medan"])


def train(folder: Path, kind: str, **model) -> Path:
    """A tagger of one epoch, as it is saved, which the records of a test set are predicted with."""
    world = make_world(folder, kind, size=6)
    path = world.config(
        strategy={"name": "zero_shot"},
        training__epochs=1,
        **{f"model__{key}": value for key, value in model.items()},
    )
    stages = Stages(path)
    stages.run()
    saved = next((world.runs() / "stages").glob("*/selected/*"))
    records = stages.records("jav")
    predicted = predict_with(saved, records)
    assert [d.id for d in predicted] == [d.id for d in records]
    return saved


@pytest.mark.parametrize("kind", [*SHAPES, *OTHER_SHAPES])
def test_each_trains_is_saved_predicts_and_aligns(tmp_path, kind):
    saved = train(tmp_path, kind)
    assert (saved / "model.safetensors").is_file()
    aligner = Encoder(EncoderOptions(encoder=str(tmp_path / "encoder"), precision="fp32"))
    aligner.check("eng", "ind")
    (links,) = aligner.align([PAIR], "eng", "ind")
    assert links
    assert all(i < len(PAIR[0]) and j < len(PAIR[1]) for i, j in links)
    shape = encoder_shape(Model(encoder=str(tmp_path / "encoder")))
    assert shape is not None
    assert (shape.embeddings == 0) == (kind == "canine")


# Decoders --------------------------------------------------------------------------------------


def sees_what_follows(folder: Path, **options) -> bool:
    """Whether a subword's vector depends on those behind it."""
    backbone = Backbone(str(folder), Model(encoder=str(folder), **options))
    model = backbone.encoder().eval()
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]])
    with torch.inference_mode():
        first, second = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return not torch.allclose(first[0], second[0], atol=1e-6)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_attends_as_it_is_told(tmp_path, kind, attention):
    folder = make_encoder(tmp_path, all_texts(), kind)
    assert not sees_what_follows(folder, attention=attention)
    assert sees_what_follows(folder, attention=attention, bidirectional=True)
    assert not sees_what_follows(folder, attention=attention, bidirectional=False)


def test_what_has_both_directions_keeps_them(tmp_path):
    assert sees_what_follows(make_encoder(tmp_path / "gemma", all_texts(), "gemma3_text"))
    bert = make_encoder(tmp_path / "bert", all_texts(), "bert")
    for value in (True, False):
        with pytest.raises(XltError, match="both directions"):
            Backbone(str(bert), Model(encoder=str(bert), bidirectional=value)).encoder()


def test_a_saved_model_is_read_in_the_directions_that_it_learnt(tmp_path):
    saved = train(tmp_path, "llama", bidirectional=True, lora={"rank": 2})
    assert sees_what_follows(saved)
    assert '"is_causal": false' in (saved / "config.json").read_text(encoding="utf-8")


# Precision -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["umt5", "mt5", "byt5", "gemma3_text"])
def test_fp16_is_refused_where_it_overflows(tmp_path, kind):
    folder = make_encoder(tmp_path, all_texts(), kind)
    config = Backbone(str(folder), Model(encoder=str(folder))).config
    with pytest.raises(XltError, match="overflows in fp16") as caught:
        refuse_fp16("fp16", config, where="training.precision")
    assert "`bf16`, `fp32`" in str(caught.value.fix)
    refuse_fp16("bf16", config, where="training.precision")


def test_fp16_of_gemma_is_refused_before_training(tmp_path):
    world = make_world(tmp_path, "gemma3_text", size=3)
    path = world.config(strategy={"name": "zero_shot"}, training__precision="fp16")
    outcome = xlt("train", path)
    assert outcome.code == 2
    assert "training.precision" in outcome.err
    assert "the Gemma family overflows" in outcome.err


# Characters ------------------------------------------------------------------------------------


def test_layers_of_several_characters_are_no_words_vectors(tmp_path):
    folder = make_encoder(tmp_path, all_texts(), "canine")
    with pytest.raises(XltError, match="several characters"):
        Encoder(EncoderOptions(encoder=str(folder), layer=1)).check("eng", "ind")
