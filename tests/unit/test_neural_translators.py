"""Neural translators on tiny random models of every family: codes, prefixes, batches, limits."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

from xlt.errors import XltError
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.projection.translate.codes import SCHEMES, code_for, scheme_of
from xlt.projection.translate.neural import _halves
from xlt.projection.translate.transformers import Transformers, TransformersOptions

LETTERS = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,"
UNUSED = [f"{a}{b}" for a in "abcdefghij" for b in "abcdefghijklmnopqrstuvwxyz"]
"""A tokenizer with more codes than subwords would be refused."""
SHAPE = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
         "max_position_embeddings": 40}  # fmt: skip
TEXTS = ["A cat.", "The cat sat on the mat, and slept.", "Dogs."]


def save(model, folder: Path) -> None:
    model.save_pretrained(folder)


def spm(folder: Path, name: str) -> dict[str, int]:
    """A sentencepiece model of single letters; its subwords."""
    import sentencepiece

    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([LETTERS.replace("▁", " ")] * 10), model_writer=stream,
        vocab_size=len(LETTERS) + 3, model_type="char", minloglevel=2,
    )  # fmt: skip
    (folder / name).write_bytes(stream.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=stream.getvalue())
    return {processor.id_to_piece(k): k for k in range(processor.get_piece_size())}


def nllb(folder: Path) -> None:
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    subwords = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, *UNUSED]
    tokenizer = NllbTokenizer(vocab={p: n for n, p in enumerate(subwords)}, merges=[])
    tokenizer.save_pretrained(folder)
    save(M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), **SHAPE)), folder)


def m2m100(folder: Path) -> None:
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    subwords = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *(p for p in spm(folder, "spm.model") if len(p) == 1),
    ]
    (folder / "vocab.json").write_text(json.dumps({p: n for n, p in enumerate(subwords)}))
    tokenizer = M2M100Tokenizer(str(folder / "vocab.json"), str(folder / "spm.model"))
    tokenizer.save_pretrained(folder)
    config = M2M100Config(vocab_size=len(subwords) + 110, **SHAPE)
    save(M2M100ForConditionalGeneration(config), folder)


def marian(folder: Path, codes: tuple[str, ...] = (">>spa<<", ">>fra<<", ">>ita<<")) -> None:
    from transformers import MarianConfig, MarianMTModel

    letters = [p for p in spm(folder, "source.spm") if len(p) == 1]
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    subwords = ["</s>", "<unk>", *codes, *letters, "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({p: n for n, p in enumerate(subwords)}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "MarianTokenizer", "source_lang": "eng",
                    "target_lang": "roa" if codes else "spa", "model_max_length": 40})
    )  # fmt: skip
    pad = len(subwords) - 1
    config = MarianConfig(vocab_size=len(subwords), pad_token_id=pad, eos_token_id=0,
                          decoder_start_token_id=pad, forced_eos_token_id=0, **SHAPE)  # fmt: skip
    save(MarianMTModel(config), folder)


def bilingual(folder: Path) -> None:
    marian(folder, ())


def madlad(folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    subwords = ["<pad>", "</s>", "<unk>", *LETTERS]
    tokenizer = Tokenizer(
        models.Unigram([(p, -float(n)) for n, p in enumerate(subwords)], unk_id=2)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_tokens(
        [AddedToken(f"<2{code}>", normalized=False) for code in ("es", "eu", "de")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_max_length=40,
    )  # fmt: skip
    fast.save_pretrained(folder)
    save(T5ForConditionalGeneration(T5Config(
        vocab_size=len(fast), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )), folder)  # fmt: skip


FAMILIES: dict[str, Callable[[Path], None]] = {
    "nllb": nllb, "m2m100": m2m100, "marian": marian, "bilingual": bilingual, "madlad": madlad,
}  # fmt: skip

# Marian warns that sacremoses would normalise punctuation.
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    import torch

    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(1)
                FAMILIES[name](made[name])
        return made[name]

    return get


def make(path: Path, **options: object) -> Transformers:
    values = {"model": str(path), "precision": "fp32", "beams": 2, **options}
    return Transformers(TransformersOptions(**values))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_translates_in_batches(family: str, folder) -> None:
    translator = make(folder(family), beams=1)  # more would end otherwise where there is more room
    together = translator.translate(TEXTS, "eng", "spa")
    assert len(together) == 3
    alone = make(folder(family), batch_tokens=1, beams=1)
    assert alone.translate(TEXTS, "eng", "spa") == together
    assert not {"<", "_"} & {*"".join(one.text for one in together)}
    assert len(make(folder(family)).translate(TEXTS, "eng", "spa")) == 3
    assert next(iter(translator.stream(TEXTS[:1], "eng", "spa"))).text == together[0].text


@pytest.mark.parametrize(
    ("family", "source", "forced", "prefix"),
    [
        ("nllb", "eng_Latn", "spa_Latn", ""),
        ("m2m100", "en", "__es__", ""),
        ("marian", None, None, ">>spa<< "),
        ("bilingual", None, None, ""),
        ("madlad", None, None, "<2es> "),
    ],
)
def test_the_model_is_told_its_languages(family, source, forced, prefix, folder) -> None:
    translator = make(folder(family))
    assert translator.direction("eng", "spa") == (prefix, source, forced)
    ids = translator._encode("A cat.", translator.direction("eng", "spa"))
    subwords = translator.tokenizer.convert_ids_to_tokens(ids)
    marks = [p for p in subwords if len(p) > 1 and p not in ("</s>", "<s>", "<unk>")]
    assert marks == [x for x in (source if family != "m2m100" else "__en__", prefix.strip()) if x]


def test_languages_that_a_model_does_not_know(folder) -> None:
    for family in ("marian", "madlad"):
        with pytest.raises(XltError, match="no code for Thai") as error:
            make(folder(family)).check("eng", "tha")
        assert "Spanish" in str(error.value.fix)
    with pytest.raises(XltError, match="source language is English, not German"):
        make(folder("bilingual")).check("deu", "spa")
    with pytest.raises(XltError, match="no subword 'spa_Cyrl'") as error:
        make(folder("nllb"), target_code="spa_Cyrl").check("eng", "spa")
    assert "did you mean" in str(error.value.fix)
    assert make(folder("nllb"), target_code="zho_Hant").direction("eng", "zho").forced == "zho_Hant"


def test_fp16_is_refused_for_t5_and_bf16_runs(folder) -> None:
    with pytest.raises(XltError, match="fp16"):
        make(folder("madlad"), precision="fp16").check("eng", "spa")
    assert make(folder("madlad"), precision="bf16").translate(["A cat."], "eng", "spa")


@pytest.mark.parametrize("family", ["nllb", "marian"])
def test_long_sentences_are_cut_and_nothing_is_lost(family: str, folder) -> None:
    translator = make(folder(family))
    text = "a cat, " * 12 + "a dog"
    direction = translator.direction("eng", "spa")
    parts = translator._within_limit(text, direction)
    assert len(parts) > 1
    assert all(len(part) <= translator.limit for part in parts)
    decoded = [translator.tokenizer.decode(
        part, skip_special_tokens=True, use_source_tokenizer=True) for part in parts]  # fmt: skip
    assert "".join("".join(decoded).split()).replace(">>spa<<", "") == "".join(text.split())
    (found,) = translator.translate([text], "eng", "spa")
    assert isinstance(found.text, str)


def test_where_a_sentence_is_cut() -> None:
    assert _halves("one two, three four five") == ("one two,", "three four five")
    assert _halves("one two three") in {("one", "two three"), ("one two", "three")}
    assert _halves("abcdef") == ("abc", "def")
    assert _halves("a") is None


def test_the_identity_is_of_the_content(folder, tmp_path: Path) -> None:
    path = folder("madlad")
    same = make(path).identity("eng", "spa")
    assert make(path, batch_tokens=7).identity("eng", "spa") == same
    assert make(path, beams=1).identity("eng", "spa") != same
    madlad(tmp_path)
    assert make(tmp_path).identity("eng", "spa") != same


def test_codes_of_nllb() -> None:
    scheme = scheme_of(FAIRSEQ_LANGUAGE_CODES)
    assert scheme is SCHEMES[0]
    for language, subword in {
        "zho": "zho_Hans", "ara": "arb_Arab", "swa": "swh_Latn", "nor": "nob_Latn",
        "fas": "pes_Arab", "aze": "azj_Latn", "fil": "tgl_Latn", "est": "est_Latn",
        "ful": "fuv_Latn", "msa": "zsm_Latn", "ind": "ind_Latn", "kas": "kas_Arab",
        "min": "min_Latn", "yue": "yue_Hant", "srp": "srp_Cyrl", "eus": "eus_Latn",
    }.items():  # fmt: skip
        assert code_for(FAIRSEQ_LANGUAGE_CODES, scheme, language, where="x") == subword
    assert scheme_of(["a", "b", "<pad>"]) is None
    with pytest.raises(XltError, match="no code for hbs"):  # which of three?
        code_for(FAIRSEQ_LANGUAGE_CODES, scheme, "hbs", where="x")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(XltError, match="no-such-model"):
        make(Path("no-such-model")).check("eng", "spa")


# CTranslate2 ----------------------------------------------------------------------------------


@pytest.mark.skipif(
    importlib.util.find_spec("ctranslate2") is None,
    reason="ctranslate2 is not installed: pip install 'xlt[ctranslate2]'",
)
@pytest.mark.parametrize("family", ["nllb", "marian", "madlad"])
def test_ctranslate2_gives_what_transformers_gives(family: str, folder, tmp_path: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    from xlt.projection.translate.ctranslate2 import CTranslate2, CTranslate2Options

    source, converted = folder(family), tmp_path / "converted"
    TransformersConverter(str(source)).convert(str(converted))
    options = {"model": str(converted), "tokenizer": str(source), "beams": 1}
    translator = CTranslate2(CTranslate2Options(**options, precision="float32"))
    translator.check("eng", "spa")
    expected = make(source, beams=1).translate(TEXTS, "eng", "spa")
    found = translator.translate(TEXTS, "eng", "spa")
    # Random models never end by themselves, and where the two are cut off differs by a subword.
    for one, other in zip(found, expected, strict=True):
        assert one.text[:20] == other.text[:20]
    assert str(converted) not in translator.identity("eng", "spa")
    assert CTranslate2(CTranslate2Options(**options, precision="int8")).translate(
        TEXTS, "eng", "spa"
    )


def test_ctranslate2_needs_a_converted_model(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    from xlt.projection.translate.ctranslate2 import CTranslate2, CTranslate2Options

    with pytest.raises(XltError, match=r"no model\.bin") as error:
        CTranslate2(CTranslate2Options(model=str(tmp_path))).check("eng", "spa")
    assert "ct2-transformers-converter" in str(error.value.fix)


# Their encoders align --------------------------------------------------------------------------

PAIR = (["The", "cat", "slept"], ["El", "gato", "durm"])


@pytest.mark.parametrize(
    ("family", "codes"), [("nllb", ("eng_Latn", "spa_Latn")), ("m2m100", ("en", "es"))]
)
def test_links_are_those_of_transalign(family: str, codes: tuple[str, str], folder) -> None:
    """Both softmaxes over the dot products of the last layer's vectors, each side with its code."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder(family))
    model = AutoModel.from_pretrained(folder(family)).get_encoder().eval()
    vectors, owners = [], []
    for words, code in zip(PAIR, codes, strict=True):
        tokenizer.src_lang = code
        ids = tokenizer(" ".join(words))["input_ids"]
        subwords = tokenizer.convert_ids_to_tokens(ids)
        inside = slice(1, -1)
        assert subwords[0].strip("_") in codes[0] + codes[1]
        owners.append([p.startswith("▁") for p in subwords[inside]])
        with torch.inference_mode():
            vectors.append(model(input_ids=torch.tensor([ids])).last_hidden_state[0, inside])
    dots = vectors[0] @ vectors[1].T
    lesser = torch.minimum(dots.softmax(0), dots.softmax(1))
    threshold = float(lesser.flatten().sort().values[-20])
    expected: dict[tuple[int, int], float] = {}
    for i, j in torch.nonzero(lesser > threshold).tolist():
        word = sum(owners[0][: i + 1]) - 1, sum(owners[1][: j + 1]) - 1
        expected[word] = max(expected.get(word, 0.0), float(lesser[i, j]))
    options = {"encoder": str(folder(family)), "method": "softmax", "precision": "fp32"}
    aligner = Encoder(EncoderOptions(**options, threshold=threshold * (1 + 1e-5)))
    aligner.check("eng", "spa")
    more = (["Dogs"], ["Los", "perr"])
    found = aligner.align([more, PAIR], "eng", "spa")
    assert found[1] == pytest.approx(expected, rel=1e-4)
    assert 1 <= len(expected) < 9
    by_default = Encoder(EncoderOptions(**options)).align([PAIR], "eng", "spa")[0]
    assert len(by_default) == 9, "random vectors are all above 0.001"


def test_the_last_layer_of_a_translation_model_aligns(folder, monkeypatch) -> None:
    monkeypatch.setattr(Encoder, "_layers", 12)
    assert Encoder(EncoderOptions(encoder=str(folder("nllb"))))._layer == 12
    assert Encoder(EncoderOptions(encoder=str(folder("nllb")), layer=3))._layer == 3


def test_encoders_of_translation_models_must_know_both_languages(folder) -> None:
    aligner = Encoder(EncoderOptions(encoder=str(folder("nllb"))))
    aligner.check("eng", "spa")
    for languages in (("eng", "tlh"), ("tlh", "spa")):
        with pytest.raises(XltError, match="no code for"):
            aligner.check(*languages)
    with pytest.raises(XltError) as error:
        aligner.check("eng", "tlh")
    assert "choose another encoder" in str(error.value.fix)
    assert "source_code" not in str(error.value.fix)


@pytest.mark.parametrize("option", ["lexical", "distortion"])
def test_softmax_knows_nothing_of_similarities(option: str) -> None:
    for value in (None, 0):
        EncoderOptions(method="softmax", **{option: value})
    with pytest.raises(ValueError, match="leave them out"):
        EncoderOptions(method="softmax", **{option: 0.5})
