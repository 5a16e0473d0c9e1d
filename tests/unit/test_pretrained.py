"""Models as they lie in folders and on the hub."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import torch
from small import World, all_texts, write_data
from tiny import SHAPES, make_encoder, make_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

from xlt.config.load import load_config
from xlt.config.schema import Model
from xlt.data.encode_pairs import PairEncoder
from xlt.errors import XltError
from xlt.inference.loading import find_model, make_direct_predictor
from xlt.model.backbone import Backbone
from xlt.runs.evaluate import evaluate
from xlt.runs.train import train


def without_special_tokens() -> PreTrainedTokenizerFast:
    """Bytes in pairs, as GPT-2's, but that nothing ends a text and nothing is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        all_texts(),
        trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """Whose encoder has a tokenizer without any special token."""
    folder = tmp_path_factory.mktemp("world")
    encoder = make_encoder(folder / "encoder", all_texts(), vocab_size=310)
    tokenizer = without_special_tokens()
    assert not tokenizer.all_special_ids
    tokenizer.save_pretrained(encoder)
    write_data(folder, size=6)
    return World(folder)


def test_no_special_token_is_needed_for_words(world):
    settings = {"strategy": {"name": "zero_shot"}, "training__max_steps": 2}
    result = train(load_config(world.config("bare", **settings)), quiet=True)
    assert result["rows"]


def test_a_pair_needs_something_between_its_texts():
    tokenizer = without_special_tokens()
    with pytest.raises(XltError, match="puts nothing between two texts") as caught:
        PairEncoder(tokenizer, 64)
    assert caught.value.where == "model.encoder"
    tokenizer.sep_token = "A"  # of any id, that of the first subword too
    tokenizer.backend_tokenizer.decoder = None
    assert PairEncoder(tokenizer, 64).frame[1].tolist() == [tokenizer.sep_token_id]


def test_what_writes_text_needs_padding_a_beginning_and_an_end(world):
    backbone = Backbone(str(world.folder / "encoder"), Model())
    for token, letter, lacking in (
        ("pad_token", "!", "fills batches up"),
        ("eos_token", "#", "ends a text"),
        ("cls_token", "$", "begins a text"),
    ):
        with pytest.raises(XltError, match=lacking) as caught:
            backbone.seq2seq()
        assert token in caught.value.fix
        setattr(backbone.tokenizer, token, letter)
    assert backbone.seq2seq().config.decoder_start_token_id == backbone.tokenizer.cls_token_id


def test_offline_is_what_the_hub_s_library_takes_for_it():
    values = {
        "1": True,
        "yes": True,
        "True": True,
        "on": True,
        "0": False,
        "false": False,
        "": False,
    }
    code = (
        "import importlib, os, sys\n"
        "from huggingface_hub import constants\n"
        "from xlt.config.schema import Model\n"
        "from xlt.model.pretrained import Pretrained\n"
        "for value in sys.argv[1:]:\n"
        "    os.environ['HF_HUB_OFFLINE'] = value\n"
        "    importlib.reload(constants)\n"
        "    print(Pretrained('a', Model()).local)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TRANSFORMERS_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", code, *values], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == [str(value) for value in values.values()], done.stderr


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_of_the_layers_only_the_lowest(tmp_path, kind):
    folder = str(make_encoder(tmp_path / kind, all_texts(), kind))
    whole = Backbone(folder, Model()).encoder().state_dict()
    lower = Backbone(folder, Model(layers=1))
    weights = lower.encoder().state_dict()
    assert lower.config.num_hidden_layers == 1
    assert len(weights) < len(whole)
    for name, values in weights.items():
        assert torch.equal(values, whole[name]), name
    fresh = Backbone(folder, Model(layers=1), random=True).encoder()
    assert fresh.state_dict().keys() == weights.keys()


@pytest.mark.parametrize("kind", ["mt5", "mbart"])
def test_a_decoder_keeps_its_layers(tmp_path, kind):
    tokenizer = make_tokenizer(all_texts())
    shape = {
        "mt5": {"d_model": 16, "num_layers": 2, "d_kv": 8, "d_ff": 32, "num_heads": 2},
        "mbart": {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32,
                  "decoder_ffn_dim": 32, "encoder_attention_heads": 2,
                  "decoder_attention_heads": 2},
    }[kind]  # fmt: skip
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.cls_token_id,
           "eos_token_id": tokenizer.sep_token_id,
           "decoder_start_token_id": tokenizer.sep_token_id}  # fmt: skip
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **shape, **ids)
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    lower = Backbone(str(tmp_path), Model(layers=1)).seq2seq()
    names = [name for name, _ in lower.named_parameters()]
    for half, layers in ("encoder", 1), ("decoder", 2):
        numbers = {int(n) for name in names for n in re.findall(rf"\b{half}\.\D+\.(\d+)\.", name)}
        assert numbers == set(range(layers)), half


def test_more_layers_than_there_are(tmp_path):
    folder = str(make_encoder(tmp_path / "encoder", all_texts()))
    with pytest.raises(XltError, match="has 2 layers, not 3") as caught:
        _ = Backbone(folder, Model(layers=3)).config
    assert (caught.value.where, caught.value.fix) == ("model.layers", "write 2, or leave it out")


def test_a_model_of_the_lowest_layers_is_saved_and_predicts(world):
    config = load_config(
        world.config(
            "lower", model__layers=1, strategy={"name": "zero_shot"}, training__max_steps=2
        )
    )
    result = train(config, quiet=True)
    model = find_model(world.folder / "runs" / "lower")
    _, backbone, _ = make_direct_predictor(model, batch_tokens=512)
    assert backbone.config.num_hidden_layers == 1
    again = evaluate(model, str(world.folder / "jav-test.bio"))
    assert again["metrics"]["f1"] == result["rows"][-1]["metrics"]["f1"]
