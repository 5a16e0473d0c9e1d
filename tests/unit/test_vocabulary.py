"""A trimmed model computes what the full one does, and gives every row back bit for bit."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf
from tokenizer_families import FAMILIES

from xlt.errors import XltError
from xlt.model.vocabulary import Trimmed, needed_subwords, read_kept, stored_weights

SIZE = 97
SMALL = {
    "vocab_size": SIZE,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
T5 = {
    "vocab_size": SIZE,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}


def _bert(**k):
    return hf.BertConfig(**SMALL, **k)


def _xlmr(**k):
    return hf.XLMRobertaConfig(**SMALL, **{"pad_token_id": 1, **k})


def _deberta(**k):
    return hf.DebertaV2Config(
        **SMALL,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        type_vocab_size=0,
        **k,
    )


def _rembert(**k):
    return hf.RemBertConfig(**SMALL, input_embedding_size=8, output_embedding_size=20, **k)


def _modernbert(**k):
    ids = {
        "pad_token_id": 90,
        "bos_token_id": 88,
        "cls_token_id": 88,
        "eos_token_id": 89,
        "sep_token_id": 89,
    }
    return hf.ModernBertConfig(**SMALL, **{**ids, **k})


def _bart(**k):
    return hf.MBartConfig(
        vocab_size=SIZE,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_position_embeddings=40,
        scale_embedding=True,
        **k,
    )


MODELS = {
    "bert": lambda: hf.BertModel(_bert()),
    "bert-mlm": lambda: hf.BertForMaskedLM(_bert()),
    "bert-tagger": lambda: hf.BertForTokenClassification(_bert()),
    "xlmr": lambda: hf.XLMRobertaModel(_xlmr()),
    "xlmr-padding-40": lambda: hf.XLMRobertaModel(
        hf.XLMRobertaConfig(**{**SMALL, "max_position_embeddings": 80}, pad_token_id=40)
    ),
    "xlmr-mlm": lambda: hf.XLMRobertaForMaskedLM(_xlmr()),
    "deberta-v3": lambda: hf.DebertaV2Model(_deberta()),
    "deberta-v3-mlm": lambda: hf.DebertaV2ForMaskedLM(_deberta()),
    "rembert": lambda: hf.RemBertModel(_rembert()),
    "rembert-mlm": lambda: hf.RemBertForMaskedLM(_rembert()),
    "modernbert": lambda: hf.ModernBertModel(_modernbert()),
    "modernbert-mlm": lambda: hf.ModernBertForMaskedLM(_modernbert()),
    "t5-encoder": lambda: hf.T5EncoderModel(hf.T5Config(**T5)),
    "umt5-encoder": lambda: hf.UMT5EncoderModel(hf.UMT5Config(**T5)),
    "mt5-encoder": lambda: hf.MT5EncoderModel(hf.MT5Config(**T5)),
    "t5-tied": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5)),
    "mt5-untied": lambda: hf.MT5ForConditionalGeneration(
        hf.MT5Config(**T5, tie_word_embeddings=False)
    ),
    "umt5": lambda: hf.UMT5ForConditionalGeneration(hf.UMT5Config(**T5)),
    "mbart": lambda: hf.MBartForConditionalGeneration(_bart()),
}


def tokenizer_of(model):
    pad = model.config.pad_token_id
    return SimpleNamespace(all_special_ids=[0, 2, 3, pad], unk_token_id=3, pad_token_id=pad)


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().eval()
    with torch.no_grad():  # biases of zero would hide a wrong order
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("bias") and tensor.shape[-1] == SIZE:
                tensor.normal_()
    return model


USED = np.array([5, 11, 12, 30, 31, 60, 77, 96])


def inputs_for(model):
    pad = model.config.pad_token_id
    ids = torch.tensor([[2, 30, 5, 96, 11, 3], [2, 77, 60, 3, pad, pad]])
    batch = {"input_ids": ids, "attention_mask": (ids != pad).long()}
    if model.config.is_encoder_decoder and hasattr(model, "lm_head"):
        batch["decoder_input_ids"] = torch.tensor([[0, 30, 12], [0, 31, 77]])
    return batch


def through(batch, table):
    return {
        k: torch.from_numpy(table)[v].long() if k.endswith("input_ids") else v
        for k, v in batch.items()
    }


def output(model, batch):
    result = model(**batch)
    return result.logits if "logits" in result else result.last_hidden_state


def state(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def test_same_output_then_exact_way_back(model):
    original, full_config = state(model), model.config.to_dict()
    full_pad = model.get_input_embeddings().padding_idx
    batch = inputs_for(model)
    with torch.no_grad():
        expected = output(model, batch)
    vocabulary = Trimmed(model, tokenizer_of(model), USED)
    assert len(vocabulary) == model.config.vocab_size == len(model.get_input_embeddings().weight)
    assert len(vocabulary) < SIZE
    short = through(batch, vocabulary.table)
    with torch.no_grad():
        got = output(model, short)
    if got.shape[-1] == len(vocabulary):
        expected = expected[..., vocabulary.kept]
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)

    # Positions without a mask come from the padding id in the RoBERTa family.
    row = {k: v[:1] for k, v in short.items() if k != "attention_mask"}
    with torch.no_grad():
        torch.testing.assert_close(output(model, row), got[:1], rtol=1e-4, atol=1e-5)

    model.train()
    output(model, short).square().mean().backward()
    torch.optim.SGD(model.parameters(), lr=0.5).step()
    model.eval()
    trained, parameters = state(model), dict(model.named_parameters())
    with torch.no_grad():
        after = output(model, short)

    with vocabulary.restored(model):
        check_restored(model, vocabulary, original, trained)
        inside = state(model)
    assert all(parameters[name] is p for name, p in model.named_parameters())
    assert model.config.vocab_size == len(vocabulary)
    with torch.no_grad():
        assert torch.equal(output(model, short), after)

    clone = copy.deepcopy(model)  # what merging LoRA gives
    for candidate in (clone, model):
        vocabulary.restore(candidate)
        check_restored(candidate, vocabulary, original, trained)
        assert all(torch.equal(v, inside[k]) for k, v in candidate.state_dict().items())
        assert candidate.config.to_dict() == full_config
        assert candidate.get_input_embeddings().padding_idx == full_pad
    with torch.no_grad():
        result = output(model, batch)
        if result.shape[-1] == SIZE:
            result = result[..., vocabulary.kept]
        torch.testing.assert_close(result, after, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="not trimmed"):
        vocabulary.restore(model)


def check_restored(model, vocabulary, original, trained):
    kept = torch.from_numpy(vocabulary.kept).long()
    others = torch.ones(SIZE, dtype=torch.bool)
    others[kept] = False
    now = model.state_dict()
    assert now.keys() == original.keys()
    changed = 0
    for name, value in now.items():
        if value.shape == trained[name].shape:
            assert torch.equal(value, trained[name]), name
            continue
        changed += 1
        assert value.shape == original[name].shape, name
        if name.endswith("final_logits_bias"):
            value, before, after = value.T, original[name].T, trained[name].T
        else:
            before, after = original[name], trained[name]
        assert torch.equal(value[others], before[others]), name
        assert torch.equal(value[kept], after), name
    assert changed
    tied = model.get_output_embeddings()
    if (
        tied is not None
        and model.config.tie_word_embeddings
        and "output_embedding_size" not in model.config
    ):
        assert tied.weight is model.get_input_embeddings().weight


def test_saved_while_trimmed_loads_as_a_full_model(tmp_path):
    torch.manual_seed(0)
    model = hf.XLMRobertaForTokenClassification(_xlmr()).eval()
    batch = inputs_for(model)
    expected = output(model, batch)
    vocabulary = Trimmed(model, tokenizer_of(model), USED)
    with vocabulary.restored(model):
        model.save_pretrained(tmp_path)
    loaded = hf.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(output(loaded, batch), expected)


@pytest.mark.parametrize("with_head", [False, True])
def test_full_matrix_is_read_from_disk(tmp_path, with_head):
    torch.manual_seed(0)
    source = hf.XLMRobertaForMaskedLM(_xlmr()) if with_head else hf.XLMRobertaModel(_xlmr())
    source.save_pretrained(tmp_path)
    model = hf.XLMRobertaModel.from_pretrained(tmp_path)
    original = model.get_input_embeddings().weight.detach().clone()
    vocabulary = Trimmed(model, tokenizer_of(model), USED, stored=stored_weights(tmp_path))
    assert list(vocabulary._full.values()) == [None]
    on_disk = (tmp_path / "model.safetensors").read_bytes()
    for _ in range(2):
        with torch.no_grad():
            model.get_input_embeddings().weight += 1
        with vocabulary.restored(model):
            weight = model.get_input_embeddings().weight.detach().clone()
    kept = torch.from_numpy(vocabulary.kept).long()
    assert torch.equal(weight[kept], (original[kept] + 1) + 1)
    weight[kept] = original[kept]
    assert torch.equal(weight, original)
    assert (tmp_path / "model.safetensors").read_bytes() == on_disk
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(XltError, match="no longer hold"):
        vocabulary.restore(model)


def test_a_matrix_that_is_not_the_one_on_disk_is_kept(tmp_path):
    model = hf.BertModel(_bert())
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        model.get_input_embeddings().weight[50] += 1
    original = model.get_input_embeddings().weight.detach().clone()
    vocabulary = Trimmed(model, tokenizer_of(model), USED, stored=stored_weights(tmp_path))
    vocabulary.restore(model)
    assert torch.equal(model.get_input_embeddings().weight, original)


def test_frozen_rows_stay_frozen():
    model = hf.BertModel(_bert())
    model.get_input_embeddings().weight.requires_grad_(False)
    vocabulary = Trimmed(model, tokenizer_of(model), USED)
    assert not model.get_input_embeddings().weight.requires_grad
    vocabulary.restore(model)
    assert not model.get_input_embeddings().weight.requires_grad


def test_ids_there_and_back(tmp_path):
    vocabulary = Trimmed(model := hf.BertModel(_bert()), tokenizer_of(model), USED)
    assert vocabulary.to_full(vocabulary.to_trimmed(USED)).tolist() == USED.tolist()
    assert vocabulary.unknown_seen == 0
    assert vocabulary.to_full(vocabulary.to_trimmed([[5, 6], [7, 96]])).tolist() == [
        [5, 3],
        [3, 96],
    ]
    assert vocabulary.unknown_seen == 2
    with pytest.raises(XltError, match=r"2 subwords are not .* first is 6"):
        vocabulary.to_trimmed([5, 6, 7], strict=True)
    vocabulary.save(tmp_path / "vocabulary.safetensors")
    again = Trimmed(
        model := hf.BertModel(_bert()),
        tokenizer_of(model),
        read_kept(tmp_path / "vocabulary.safetensors"),
    )
    assert again.kept.tolist() == vocabulary.kept.tolist()
    (tmp_path / "vocabulary.safetensors").write_bytes(b"cut")
    with pytest.raises(XltError, match="cannot be read"):
        read_kept(tmp_path / "vocabulary.safetensors")


def test_needed_subwords():
    found = needed_subwords([np.array([[5, 3], [5, 9]]), [], [1]], 10, keep=(0,))
    assert found.tolist() == [0, 1, 3, 5, 9]
    assert found.dtype == np.int32
    with pytest.raises(XltError, match="gives subword 10, the encoder has 10"):
        needed_subwords([[10]], 10)
    assert needed_subwords([], 4).tolist() == []


def test_what_was_not_kept_is_text_also_without_an_unknown_token():
    """A byte-level tokenizer has none; padding in its place would take a word away."""
    tokenizer = FAMILIES["gpt-2"]()
    assert tokenizer.unk_token_id is None
    config = hf.BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    kept = tokenizer("The fox", add_special_tokens=False)["input_ids"]
    vocabulary = Trimmed(hf.BertModel(config), tokenizer, np.array(kept))
    lost = vocabulary.to_full(vocabulary.to_trimmed(tokenizer("z")["input_ids"][1:-1]))
    assert not {*lost.tolist()} & {*tokenizer.all_special_ids}
