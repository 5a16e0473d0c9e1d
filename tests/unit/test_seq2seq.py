"""Generators: built on any encoder, saved for everyone, prompts in windows, trimmed exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import all_texts
from tiny import make_encoder, make_tokenizer
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from xlt.config.schema import Lora, Model, Training
from xlt.data.prompt import PromptEncoder, collate_prompts, collate_targets, encode_texts
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.decoder import end_id, language_subwords
from xlt.model.generation import Generation
from xlt.model.lora import add_lora
from xlt.model.seq2seq import Seq2Seq, join_windows, minimum_bayes_risk, texts
from xlt.model.vocabulary import SUBWORDS, Trimmed
from xlt.training.optim import DECODER, EMBEDDINGS, freeze, parameter_groups, part_of

SMALL = {"d_model": 16, "num_layers": 1, "d_kv": 8, "d_ff": 32, "num_heads": 2}
WHOLE = {
    "mt5": SMALL,
    "t5": SMALL,
    "mbart": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32,
              "decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "m2m_100": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32,
                "decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2},
}  # fmt: skip
"""Encoder-decoders; the others are encoders that get a decoder."""
BUILT = ("umt5", "bert", "xlm-roberta")
PROMPTS = ["Ann sees Bob near the red Paris .", "Rome", "Siti lihat itu tua merah dekat Medan"]


@pytest.fixture(scope="module", params=[*WHOLE, *BUILT])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "model"
    if request.param in BUILT:
        return make_encoder(path, all_texts(), request.param)
    tokenizer = make_tokenizer(all_texts())
    ids = {
        "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id, "decoder_start_token_id": tokenizer.sep_token_id,
    }  # fmt: skip
    config = AutoConfig.for_model(
        request.param, vocab_size=len(tokenizer), **WHOLE[request.param], **ids
    )
    torch.manual_seed(0)
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def backbone(folder, **options):
    return Backbone(str(folder), Model(encoder=str(folder), **options))


def generator(folder, **options):
    torch.manual_seed(1)
    given = backbone(folder)
    settings = Generation(**{"beams": 2, "max_pieces": 6, **options})
    return Seq2Seq(given.seq2seq(), {}, given, settings).eval(), given


def prompts(given, bodies=PROMPTS, **options):
    windows = PromptEncoder(given.words)(["Answer: Ann. "] * len(bodies), bodies, **options)
    return collate_prompts(windows, given.pad_id, given.max_length)


def targets(given, bodies=PROMPTS):
    subwords = [[*ids, end_id(given)] for ids in encode_texts(given.tokenizer, bodies)]
    return collate_targets(subwords, given.pad_id)


def test_saved_model_generates_the_same_without_xlt(folder, tmp_path):
    model, given = generator(folder)
    batch = prompts(given)
    found = model(**batch)
    model.save(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, attn_implementation="eager")
    ids = batch["input_ids"]
    again = loaded.generate(
        ids, attention_mask=(ids != given.pad_id).long(), num_beams=2, max_new_tokens=6,
        early_stopping=True,
    )  # fmt: skip
    assert torch.equal(again[:, 1:], found["output_ids"])
    assert len(texts(given.tokenizer, found["output_ids"], found["lengths"])) == len(PROMPTS)


def test_subwords_of_an_encoder_become_text_again(tmp_path):
    """Also where spaces are only the first thing that its tokenizer looks at, as xlt-mini's."""
    from tokenizers import pre_tokenizers

    folder = make_encoder(tmp_path / "encoder", all_texts(), "umt5")
    tokenizer = backbone(folder).tokenizer
    steps = [pre_tokenizers.Metaspace(), pre_tokenizers.Digits()]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.backend_tokenizer.decoder = None
    tokenizer.save_pretrained(folder)
    again = backbone(folder).tokenizer
    assert "▁" in " ".join(again.tokenize("Ann sees Rome"))
    assert again.decode(again("Ann sees Rome")["input_ids"], skip_special_tokens=True) == (
        "Ann sees Rome"
    )


def test_encoder_half_is_the_encoder(tmp_path):
    folder = make_encoder(tmp_path / "encoder", all_texts(), "umt5")
    given = backbone(folder, decoder_layers=1)
    model = given.seq2seq()
    half = given.encoder().state_dict()
    own = model.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in half.items())
    assert len(model.decoder.block) == 1
    assert model.lm_head.weight is model.shared.weight
    # The one layer of the decoder begins as the upper of the encoder's two.
    copied = model.decoder.block[0].layer[0].SelfAttention.q.weight
    assert torch.equal(copied, model.encoder.block[1].layer[0].SelfAttention.q.weight)


@pytest.mark.parametrize("kind", ["modernbert", "deberta-v2"])
def test_architecture_without_decoder(kind, tmp_path):
    folder = make_encoder(tmp_path / kind, all_texts(), kind)
    with pytest.raises(XltError, match="has no decoder: it cannot write text"):
        backbone(folder).seq2seq()


def test_half_of_an_encoder_decoder_is_refused(tmp_path):
    from transformers import MT5Config, MT5EncoderModel

    tokenizer = make_tokenizer(all_texts())
    config = MT5Config(vocab_size=len(tokenizer), **SMALL)
    MT5EncoderModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config.architectures, config.is_encoder_decoder = ["MT5ForConditionalGeneration"], True
    config.save_pretrained(tmp_path)
    with pytest.raises(XltError, match=r"lack \d+ tensors of the model, the first is decoder"):
        backbone(tmp_path).seq2seq()


def test_long_prompts_are_read_whole(folder):
    model, given = generator(folder)
    long = " ".join(PROMPTS * 9)
    given.__dict__["max_length"] = 36
    batch = prompts(given, [long, "Rome"])
    assert batch["input_ids"].shape[1] <= 36
    assert batch["window_of"].tolist().count(0) > 2
    whole = {*encode_texts(given.tokenizer, [long])[0].tolist()}
    first = batch["input_ids"][batch["window_of"] == 0]
    assert whole <= {*first.flatten().tolist()}
    head = encode_texts(given.tokenizer, ["Answer: Ann. "])[0].tolist()
    begin = len(given.words.prefix)
    assert all(row[begin : begin + len(head)] == head for row in first.tolist())
    found = model(**batch)
    assert len(found["output_ids"]) == 2
    alone = model(**prompts(given, ["Rome"]))
    length = alone["lengths"][0]
    assert torch.equal(found["output_ids"][1][:length], alone["output_ids"][0][:length])


def test_windows_side_by_side():
    states = torch.arange(24.0).view(4, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]])
    joined, filled = join_windows(states, mask, torch.tensor([0, 0, 1, 2]))
    assert filled.tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]
    assert joined[0].tolist() == [*states[0, :2].tolist(), *states[1, :1].tolist()]
    assert joined[1].tolist() == states[2].tolist()
    assert joined[2, :2].tolist() == states[3, :2].tolist()


def test_trimmed_generation_is_the_same_and_leaves_the_model_as_it_was(folder):
    model, given = generator(folder)
    model.known = np.arange(len(given.tokenizer), dtype=np.int32)
    batch = prompts(given)
    before = dict(model.named_parameters())
    ids = model.config.eos_token_id, model.config.decoder_start_token_id
    expected = model(**batch)
    with model.narrowed(lambda: batch["input_ids"].numpy()) as vocabulary:
        assert vocabulary is not None
        table = torch.from_numpy(vocabulary.table.astype(np.int64))
        found = model(input_ids=table[batch["input_ids"]], window_of=batch["window_of"])
        back = torch.from_numpy(vocabulary.to_full(found["output_ids"]).astype(np.int64))
        assert torch.equal(back, expected["output_ids"])
    after = dict(model.named_parameters())
    assert all(after[name] is parameter for name, parameter in before.items())
    assert ids == (model.config.eos_token_id, model.config.decoder_start_token_id)
    assert torch.equal(model(**batch)["output_ids"], expected["output_ids"])


def test_only_kept_subwords_are_generated(folder):
    model, given = generator(folder)
    few = encode_texts(given.tokenizer, ["Rome near Medan"])[0]
    vocabulary = Trimmed(model.encoder, given.tokenizer, few)
    assert len(vocabulary) < len(given.tokenizer)
    table = torch.from_numpy(vocabulary.table.astype(np.int64))
    batch = prompts(given)
    found = model(input_ids=table[batch["input_ids"]], window_of=batch["window_of"])
    allowed = {*few.tolist(), *given.tokenizer.all_special_ids}
    assert {*vocabulary.to_full(found["output_ids"]).flatten().tolist()} <= allowed


def test_a_trained_vocabulary_is_remembered(tmp_path):
    from xlt.model.folder import ModelInfo, save_model

    folder = make_encoder(tmp_path / "encoder", all_texts(), "umt5")
    model, given = generator(folder)
    assert not len(model.known)
    few = encode_texts(given.tokenizer, ["Rome near Medan"])[0]
    vocabulary = Trimmed(model.encoder, given.tokenizer, few)
    info = ModelInfo("ner", {}, {}, str(folder), given.max_length)
    save_model(model, info, given.tokenizer, tmp_path / "saved", vocabulary)
    assert (tmp_path / "saved" / SUBWORDS).is_file()
    again, _ = generator(tmp_path / "saved")
    assert again.known.tolist() == vocabulary.kept.tolist()
    assert again.encoder.get_input_embeddings().weight.shape[0] == len(given.tokenizer)


def test_the_limit_is_marked(folder):
    model, given = generator(folder, max_pieces=1, beams=1)
    found = model(**prompts(given))
    ends = found["output_ids"][:, 0] == model.config.eos_token_id
    assert torch.equal(found["cut"], ~ends)
    assert torch.equal(found["lengths"], torch.where(ends, 0, 1))


def test_it_learns(folder):
    model, given = generator(folder)
    batch = {**prompts(given), **targets(given, PROMPTS[::-1])}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        loss = model(**batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_parts_and_freezing(folder):
    model, _ = generator(folder)
    parts = part_of(model)
    assert {EMBEDDINGS, DECODER, 0} <= {*parts.values()}
    assert all(part == DECODER for name, part in parts.items() if ".decoder." in name)
    freeze(model, ["embeddings", "decoder"])
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert not any(parts[name] in (DECODER, EMBEDDINGS) for name in trained)
    assert parameter_groups(model, Training(layer_decay=0.5))


def test_lora(folder):
    model, given = generator(folder)
    add_lora(model, Lora(rank=2))
    loss = model(**prompts(given), **targets(given))["loss"]
    loss.backward()
    updates = [p for name, p in model.named_parameters() if "lora_" in name]
    assert any(p.grad is not None and p.grad.any() for p in updates)


def test_taggers_have_no_decoder_to_freeze(tmp_path):
    from xlt.tasks.ner import NER

    folder = make_encoder(tmp_path / "encoder", all_texts())
    tagger = NER().build(backbone(folder), {"tag": ("O", "B-PER", "I-PER")})
    with pytest.raises(XltError, match="there is no decoder to freeze"):
        freeze(tagger, ["decoder"])


def test_language_subwords():
    class Tokenizer:
        all_special_tokens = (
            "<s>",
            "ind_Latn",
            "jav_Java",
            "jav_Latn",
            "__sw__",
            "eu_ES",
            "<mask>",
        )

        def convert_tokens_to_ids(self, text):
            return self.all_special_tokens.index(text)

    assert language_subwords(Tokenizer()) == {"ind": 1, "jav": 3, "swa": 4, "eus": 5}


def test_consensus_takes_what_most_say():
    def output(*rows):
        return {
            "output_ids": torch.tensor(rows),
            "lengths": torch.tensor([len(row) for row in rows]),
            "cut": torch.tensor([False] * len(rows)),
        }

    a = output([5, 6, 7], [1, 2, 3])
    b = output([5, 6, 9, 9], [4, 4, 4, 4])
    c = output([8, 8, 8], [4, 4, 4])
    found = minimum_bayes_risk([a, b, c])
    assert found["output_ids"][0].tolist() == [5, 6, 9, 9]
    assert found["output_ids"][1][: found["lengths"][1]].tolist() == [4, 4, 4, 4]


def test_subwords_of_the_input_are_favoured(folder):
    model, given = generator(folder, copy_bias=True, beams=2)
    batch = prompts(given, ["Rome", "Siti lihat"])
    own = [{*row.tolist()} for row in batch["input_ids"]]
    with torch.no_grad():
        model.copy.fill_(50.0)
    found = model(**batch)
    for mine, row, length in zip(own, found["output_ids"], found["lengths"], strict=True):
        assert {*row[:length].tolist()} <= mine
    loss = model(**batch, **targets(given, ["Rome", "lihat"]))["loss"]
    loss.backward()
    assert model.copy.grad is not None
    assert "copy" in model.head_state()
