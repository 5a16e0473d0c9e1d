"""Text to subwords with every family of tokenizers: as it is written, and never special."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_families import FAMILIES, family
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from xlt.data.encode_pairs import FIRST, PairEncoder
from xlt.data.prompt import encode_texts
from xlt.data.subwords import _SPACES, Subwords, subwords_of
from xlt.document.text import Text

SLOW = {"byt5", "canine"}
each_family = pytest.mark.parametrize("name", FAMILIES)

WORDS = " ".join(
    [
        "The teacher reads a book Haus “ ” naïve café Ọjọ́ ẹ̀kọ́ Straße 123 4567 o'clock 's n't",
        "我 喜欢 苹果 。 今日 は 天気 です ที่ วันนี้ อากาศ မြန်မာ ဘာသာ ၏",
        "السلام عليكم ، و ال שלום עולם ־ ה בית",
        "👩‍👩‍👧 🏽 ☕️ \u0301 e\u0301 ﬁ ½ ㎞ Ａ \u200d ̈ 🇮🇩 - . , ( ) % € 𝔸 New\u2003York",
    ]
).split(" ")
GAPS = ["", " ", " ", "  ", "\n", "\u3000", "\u00a0", "\t "]


@st.composite
def texts(draw: st.DrawFn) -> Text:
    """Words of all scripts with anything between them, some of them of multiword tokens."""
    surface, words, offsets = draw(st.sampled_from(GAPS)), [], []
    for word in draw(st.lists(st.sampled_from(WORDS), max_size=12)):
        start = len(surface)
        surface += word
        parts = ("di", "le") if draw(st.integers(0, 9)) == 0 else (word,)
        words += parts
        offsets += [(start, len(surface))] * len(parts)
        surface += draw(st.sampled_from(GAPS))
    return Text(surface, tuple(words), tuple(offsets))


def owners_by_hand(text: Text, offsets: list[tuple[int, int]]) -> list[list[int]]:
    """The words that each subword touches, found one character at a time."""
    result = []
    for start, end in offsets:
        written = [c for c in range(start, end) if not text.surface[c].isspace()]
        touched = []
        for character in written or [start]:
            within = [n for n, (a, b) in enumerate(text.offsets) if a <= character < b]
            after = [n for n, (_, b) in enumerate(text.offsets) if b > character]
            touched += within or after[:1] or [len(text.words) - 1]
        result.append(sorted(set(touched)))
    return result


@each_family
@settings(max_examples=60, deadline=None)
@given(text=texts())
def test_subwords_are_those_of_the_whole_sentence(name, text):
    tokenizer = family(name)
    ((ids, owners),) = subwords_of(tokenizer).of_words([text])
    assert ids.dtype == owners.dtype == np.int32
    if not text.words:
        assert set(owners.tolist()) <= {-1}
        return
    assert sorted({*owners.tolist()}) == list(range(len(text.words)))
    assert (np.diff(owners) >= 0).all()
    if name in SLOW:
        if all(text.words) and len(set(text.offsets)) == len(text.words):
            assert ids.tolist() == tokenizer(text.surface, add_special_tokens=False)["input_ids"]
        return
    expected = tokenizer(text.surface, add_special_tokens=False, return_offsets_mapping=True)
    touched = owners_by_hand(text, expected["offset_mapping"])
    apart = {n for n in range(len(text.words)) if touched.count([n])}
    apart -= {n for group in touched if len(group) > 1 for n in range(group[0], group[-1] + 1)}
    for word in apart:
        own = [
            id for id, group in zip(expected["input_ids"], touched, strict=True) if group == [word]
        ]
        assert ids[owners == word].tolist() == own, text.words[word]
    if len(apart) == len(text.words):
        assert ids.tolist() == expected["input_ids"]


@each_family
def test_a_batch_is_its_texts_one_by_one(name):
    batch = [
        Text.locate(" Ann sees\u3000Kano. ", ["Ann", "sees", "Kano", "."]),
        Text("unsplit text"),
        Text.from_words(["我", "喜欢", "", "吃"]),
        Text(""),
        Text("delle", ("di", "le"), ((0, 5), (0, 5))),
        Text("(of no word) a!", ("a",), ((13, 14),)),
    ] * 300
    encode = subwords_of(family(name))
    together = encode.of_words(batch)
    for text, (ids, owners) in zip(batch[:6], together[-6:], strict=True):
        ((one, own),) = encode.of_words([text])
        assert ids.tolist() == one.tolist()
        assert owners.tolist() == own.tolist()


def shown(name: str, text: Text) -> list[list[str]]:
    """The subwords of every word, readable."""
    tokenizer = family(name)
    ((ids, owners),) = subwords_of(tokenizer).of_words([text])
    names = np.array(tokenizer.convert_ids_to_tokens(ids.tolist()))
    return [names[owners == n].tolist() for n in range(len(text.words))]


DELLE = Text(
    "gatto delle donne", ("gatto", "di", "le", "donne"), ((0, 5), (6, 11), (6, 11), (12, 17))
)


@each_family
def test_words_of_a_multiword_token_are_encoded_as_where_they_stand_alone(name):
    """di and le are not what is written: a model that knows ▁le has never seen le after di."""
    inner = Text.locate("gatto di le donne", ["gatto", "di", "le", "donne"])
    assert shown(name, DELLE) == shown(name, inner)
    for surface, word in (("delle", "di"), ("(delle", "(")):
        words = [*surface.removesuffix("delle"), "di", "le"]
        start = len(surface) - 5
        at = [*((n, n + 1) for n in range(start)), (start, start + 5), (start, start + 5)]
        own = shown(name, Text(surface, tuple(words), tuple(at)))
        assert own[0] == shown(name, Text.locate(f"{word} x", [word, "x"]))[0]
        assert own[-1] == shown(name, DELLE)[2]


@pytest.mark.parametrize("name", ["xlm-roberta", "t5", "llama-2", "gemma", "xlt-mini"])
def test_no_lone_mark_where_no_space_is_written(name):
    for words in (
        ["我", "喜欢", "吃", "苹果", "。"],
        ["今日", "は", "天気", "が", "いい"],
        ["วัน", "นี้", "อากาศ"],
        ["喜", "欢"],
    ):
        text = Text.from_words(words)
        assert text.surface == "".join(words)
        assert not any("▁" in subword for own in shown(name, text)[1:] for subword in own)


@pytest.mark.parametrize("name", ["gpt-2", "roberta", "modernbert", "llama-3", "gemma", "llama-2"])
def test_words_after_the_first_have_their_mark(name):
    """As in the whole sentence; transformers ignores add_prefix_space for most of these."""
    text = Text.from_words(["the", "teacher", "reads", "a", "book"])
    for word, own in zip(text.words[1:], shown(name, text)[1:], strict=True):
        assert "".join(own).replace("Ġ", "▁") == f"▁{word}"


def test_a_word_at_the_beginning_is_what_stands_there():
    """Alone: RoBERTa marks no first word, XLM-R marks it, also when it is encoded by itself."""
    text = Text("delle", ("di", "le"), ((0, 5), (0, 5)))
    assert "".join(shown("roberta", text)[0]) == "di"
    assert "".join(shown("roberta-prefix", text)[0]) == "Ġdi"
    assert "".join(shown("xlm-roberta", text)[0]) == "▁di"
    assert "".join(shown("unigram-first", text)[0]) == "▁di"
    assert "".join(shown("unigram-never", text)[0]) == "di"


def test_a_subword_over_two_words_comes_apart():
    """The tokenizer has a subword for what are two words here."""
    whole = Text("喜欢", ("喜欢",), ((0, 2),))
    assert len(shown("gpt-2", whole)[0]) == 1
    (first, second) = shown("gpt-2", Text.from_words(["喜", "欢"]))
    alone = [family("gpt-2").tokenize(word) for word in "喜欢"]
    assert [first, second] == alone


def test_white_space_after_a_word_in_its_subword():
    """As Llama 3's `.\\n`: it is the word's, although white space alone is the next one's."""
    vocabulary = {"<s>": 0, "</s>": 1, "a": 2, ".": 3, "\n": 4, ".\n": 5}
    model = models.BPE(vocabulary, [(".", "\n")], unk_token="<s>")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))
    ((ids, owners),) = Subwords(tokenizer).of_words([Text.locate("a\na.\na", ["a", "a", ".", "a"])])
    assert ids.tolist() == [2, 4, 2, 5, 2]
    assert owners.tolist() == [0, 1, 1, 2, 3]


def test_an_empty_word_takes_no_mark_away():
    text = Text("a the", ("a", "", "the"), ((0, 1), (2, 2), (2, 5)))
    (_, empty, last) = shown("llama-3", text)
    assert len(empty) == 1
    assert last == ["Ġthe"]


def test_a_swallowed_word_is_unknown():
    tokenizer = family("bert-uncased")
    text = Text.from_words(["a", "\u0301", "", " ", "b"])
    ((ids, owners),) = subwords_of(tokenizer).of_words([text])
    assert [ids[owners == n].tolist() for n in (1, 2, 3)] == [[tokenizer.unk_token_id]] * 3


def test_words_alone_are_as_in_running_text():
    encode = subwords_of(family("roberta"))
    tokenizer = family("roberta")
    for word, ids in zip(
        ("teacher", "苹果", ""), encode.alone(["teacher", "苹果", ""]), strict=True
    ):
        text = word if word == "苹果" else f" {word}"
        assert ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_every_white_space_is_known():
    everything = map(chr, range(sys.maxunicode + 1))
    assert [ord(c) for c in everything if c.isspace()] == _SPACES.tolist()


# Text is never special --------------------------------------------------------------------------

SPELT = ["<s>", "</s>", "<pad>", "<unk>", "<mask>", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]",
         "<extra_id_0>", "\x00", chr(0xE000), chr(0xE001), chr(0xE003), "＜/s＞"]  # fmt: skip


def special(tokenizer) -> set[int]:
    return {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}


@each_family
def test_no_special_token_comes_from_text(name):
    tokenizer = family(name)
    encode = subwords_of(tokenizer)
    forms = [
        form for one in SPELT for form in (one, f"a{one}b", f"a {one} b", f"{one}{one}", f" {one}")
    ]
    assert any({*tokenizer(form, add_special_tokens=False)["input_ids"]} & special(tokenizer)
               for form in forms), "the tokenizer itself finds nothing special"  # fmt: skip
    for ids in [*encode(forms), *encode_texts(tokenizer, forms)]:
        assert not {*ids.tolist()} & special(tokenizer)
    for words in (SPELT, *([form] for form in forms)):
        ((ids, owners),) = encode.of_words([Text.from_words(words)])
        assert not {*ids.tolist()} & special(tokenizer)
        assert {*owners.tolist()} == {*range(len(words))}
    pairs = PairEncoder(tokenizer, 64)(forms, ["</s>"] * len(forms))
    for pair in pairs:
        inside = pair.windows[0][pair.segments[0] == FIRST]
        assert not {*inside.tolist()} & special(tokenizer)


@pytest.mark.parametrize("name", ["gpt-2", "roberta", "llama-3", "modernbert", "byt5", "canine"])
def test_special_text_is_its_letters(name):
    tokenizer = family(name)
    for text in ("</s>", "<unk>", "[UNK]", "<pad>"):
        (ids,) = subwords_of(tokenizer)([f"a {text} b"])
        letters = "".join(tokenizer.convert_ids_to_tokens(ids.tolist())).replace("Ġ", " ")
        assert letters == f"a {text} b"
        assert tokenizer.unk_token_id not in ids


def test_unigram_looks_no_control_subword_up():
    """`encode_special_tokens` alone leaves `</s>` in the vocabulary, where Unigram finds it."""
    tokenizer = FAMILIES["t5"]()
    tokenizer.backend_tokenizer.encode_special_tokens = True
    assert tokenizer.eos_token_id in tokenizer("</s>", add_special_tokens=False)["input_ids"]
    text = Text.from_words(["</s>", "<unk>"])
    assert [[p for p in own if p != "▁"] for own in shown("t5", text)] == [
        ["<", "/", "s", ">"],
        ["<", "u", "n", "k", ">"],
    ]
    assert shown("xlt-mini", text) == [["<", "/", "s", ">"], ["<", "unk", ">"]]


def test_added_tokens_that_stand_for_something_are_not_found_in_text():
    """Tags of a tag writer and directions of a translator are not special, but no text either;
    words that somebody added to the vocabulary are."""
    tokenizer = FAMILIES["roberta"]()
    before = subwords_of(tokenizer)
    letters = before(["a <PER> b"])[0].tolist()
    tokenizer.add_tokens(["<PER>", "[2en]"])
    tokenizer.add_tokens(["mangansega"])
    added = {*tokenizer.convert_tokens_to_ids(["<PER>", "[2en]"])}
    for encode in (before, Subwords(tokenizer)):
        assert encode(["a <PER> b"])[0].tolist() == letters
        assert not added & {*encode(["[2en]<PER> mangansega"])[0].tolist()}
    assert tokenizer.convert_tokens_to_ids("mangansega") in Subwords(tokenizer)(["mangansega"])[0]


def test_an_end_of_text_that_is_called_unknown_stands_for_nothing():
    """GPT-2's one special token has every role; what is swallowed must not end the text."""
    tokenizer = FAMILIES["gpt-2"]()
    tokenizer.unk_token = tokenizer.pad_token = tokenizer.eos_token
    encode = Subwords(tokenizer)
    assert encode.unknown not in tokenizer.all_special_ids
    ((ids, _),) = encode.of_words([Text.from_words(["", "</s>"])])
    assert tokenizer.eos_token_id not in ids
    assert not encode.is_unknown(ids).any()


def test_a_pad_token_that_is_text_is_unknown_there():
    """CLIP pads with "!": a letter of the vocabulary with merges, which cannot be taken out."""
    tokenizer = FAMILIES["roberta"]()
    tokenizer.pad_token = "n"
    ((ids, owners),) = Subwords(tokenizer).of_words([Text.from_words(["n", "n", "x"])])
    assert tokenizer.pad_token_id not in ids
    assert {*owners.tolist()} == {0, 1, 2}
