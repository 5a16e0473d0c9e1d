"""Words to pieces with three kinds of tokenizers: every word is there, every piece once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from xlt.data.batch import padded
from xlt.data.encode import WordEncoder, collate_words, pool_words, window_spans

TEXT = [
    "The quick brown fox jumps over the lazy dog , and runs away .",
    "Wong-wong mangan sega ing omah kuwi .",
    "שלום עולם , מה שלומך היום ؟ السلام عليكم ورحمة الله",
    "我 喜欢 吃 苹果 。 今日 は 天気 が いい です 。",
    "Straße naïve café Ọjọ́ ẹ̀kọ́ 123 4567",
] * 3


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=160, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def byte_bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}  # no unknown piece
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


TOKENIZERS = {"wordpiece": wordpiece(), "unigram": unigram(), "byte-bpe": byte_bpe()}
each_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)

# What normalisers and splitters stumble over: nothing, white space, invisible and control
# characters, lone combining marks, a space inside the word, unpaired special tokens, emoji.
ODD = [
    "",
    " ",
    "\u00a0\t",
    "\u200b",
    "\u200f",
    "\x00",
    "\u0301",
    "New York",
    "[CLS]",
    "</s>",
    "👩‍👩‍👧",
    "�",
    "\ufe0f",
]
word = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from([w for line in TEXT for w in line.split()]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.text("abcde", min_size=20, max_size=40),
)
sentences = st.lists(st.lists(word, max_size=15), min_size=1, max_size=5)


def check(encoder, tokenizer, words, encoded, max_length):
    assert encoded.n_words == len(words)
    owned = np.concatenate([owner[owner >= 0] for owner in encoded.word_of])
    assert sorted(set(owned.tolist())) == list(range(len(words))), "a word without a piece"
    assert (np.diff(owned) >= 0).all(), "pieces out of order"
    assert len(owned) == len(encoded.pieces)
    special = len(encoder.prefix) + len(encoder.suffix)
    for window, owner in zip(encoded.windows, encoded.word_of, strict=True):
        assert len(window) == len(owner) <= max_length
        assert window.dtype == np.int32
        assert window[: len(encoder.prefix)].tolist() == encoder.prefix.tolist()
        assert window[len(window) - len(encoder.suffix) :].tolist() == encoder.suffix.tolist()
        assert len(window) > special or not words
    assert encoded.length == sum(map(len, encoded.windows))


@each_tokenizer
@settings(max_examples=60, deadline=None)
@given(batch=sentences, max_length=st.integers(5, 40))
def test_every_word_has_a_piece_and_every_piece_one_owner(tokenizer, batch, max_length):
    encoder = WordEncoder(tokenizer, max_length)
    encoded = encoder(batch)
    whole = WordEncoder(tokenizer, 100_000)(batch)
    assert len(encoded) == len(batch)
    for words, windowed, unbroken in zip(batch, encoded, whole, strict=True):
        check(encoder, tokenizer, words, windowed, max_length)
        assert len(unbroken.windows) == 1
        assert windowed.pieces.tolist() == unbroken.pieces.tolist()


@each_tokenizer
def test_one_sentence_alone_is_what_it_is_in_a_batch(tokenizer):
    encoder = WordEncoder(tokenizer, 16)
    batch = [line.split() for line in TEXT[:5]] + [ODD, []]
    for alone, together in zip(
        (encoder([words])[0] for words in batch), encoder(batch), strict=True
    ):
        assert len(alone.windows) == len(together.windows)
        for a, b in zip(alone.windows, together.windows, strict=True):
            assert a.tolist() == b.tolist()
    assert encoder([]) == []


@each_tokenizer
def test_short_sentences_are_what_the_tokenizer_itself_makes(tokenizer):
    words = TEXT[0].split()
    (encoded,) = WordEncoder(tokenizer, 512)([words])
    expected = tokenizer(words, is_split_into_words=True)
    assert encoded.windows[0].tolist() == expected["input_ids"]
    owners = [-1 if owner is None else owner for owner in expected.word_ids()]
    assert encoded.word_of[0].tolist() == owners


@each_tokenizer
def test_ten_thousand_words(tokenizer):
    words = [w for line in TEXT for w in line.split()]
    words = (words * (10_000 // len(words) + 1))[:10_000]
    encoder = WordEncoder(tokenizer, 128)
    (encoded,) = encoder([words])
    check(encoder, tokenizer, words, encoded, 128)
    assert len(encoded.windows) > 100


@each_tokenizer
def test_one_word_longer_than_a_window(tokenizer):
    words = ["before", "xyzzy" * 60, "after"]
    encoder = WordEncoder(tokenizer, 24)
    (encoded,) = encoder([words])
    check(encoder, tokenizer, words, encoded, 24)


def test_a_tokenizer_without_a_fast_backend():
    class Slow:
        unk_token_id = pad_token_id = 0

        def encode(self, text, add_special_tokens):
            assert not add_special_tokens
            return [ord(c) % 50 + 3 for c in text if c.isalpha()]

        def __call__(self, text, add_special_tokens):
            ids = self.encode(text, add_special_tokens=False)
            return {"input_ids": [1, *ids, 2] if add_special_tokens else ids}

    words = ["ab", "123", "", "c", "4"]
    (encoded,) = WordEncoder(Slow(), 100)([words])
    assert encoded.word_of[0].tolist() == [-1, 0, 0, 1, 2, 3, 4, -1]
    letters = [ord(c) % 50 + 3 for c in "abc"]
    assert encoded.pieces[[0, 1, 4]].tolist() == letters
    assert encoded.pieces[[2, 5]].tolist() == [0, 0]  # digits: swallowed, so unknown


def test_a_script_that_lacks_the_letter_a():
    # Without an unknown piece, BPE gives nothing for a character it does not know.
    tokenizer = Tokenizer(models.BPE(vocab={"<s>": 0, "</s>": 1, "的": 2}, merges=[]))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    encoder = WordEncoder(PreTrainedTokenizerFast(tokenizer_object=tokenizer), 8)
    assert (encoder.prefix.tolist(), encoder.suffix.tolist()) == ([0], [1])
    (encoded,) = encoder([["a", "的"]])
    assert encoded.word_of[0].tolist() == [-1, 0, 1, -1]


def test_no_room():
    with pytest.raises(ValueError, match="no room"):
        WordEncoder(TOKENIZERS["wordpiece"], 3)


@settings(deadline=None)
@given(n=st.integers(0, 400), room=st.integers(2, 60))
def test_spans(n, room):
    spans = window_spans(n, room)
    assert spans[0][2] == 0
    assert spans[-1][3] == n
    for (_, _, _, last), (_, _, first, _) in itertools.pairwise(spans):
        assert first == last
    for start, end, first, last in spans:
        assert 0 <= start <= first <= last <= end <= n
        assert end - start <= room
        assert first < last or n == 0, "a window computed for nothing"
    if n > room >= 8:  # context on both sides of every border
        for (_, _, _, border), (start, _, _, _) in itertools.pairwise(spans):
            assert border - start >= room // 8


@each_tokenizer
@settings(max_examples=20, deadline=None)
@given(batch=sentences, max_length=st.integers(5, 20))
def test_pooling_is_the_mean_of_a_words_pieces(tokenizer, batch, max_length):
    encoded = WordEncoder(tokenizer, max_length)(batch)
    collated = collate_words(encoded, tokenizer.pad_token_id)
    rows = [window for example in encoded for window in example.windows]
    length = min(padded(max(map(len, rows))), max_length)
    assert collated["input_ids"].shape == (len(rows), length)
    for row, window in enumerate(rows):
        assert collated["input_ids"][row, : len(window)].tolist() == window.tolist()
        assert (collated["input_ids"][row, len(window) :] == tokenizer.pad_token_id).all()
        assert collated["attention_mask"][row].sum() == len(window)
    assert collated["word_mask"].sum(1).tolist() == [len(words) for words in batch]

    vectors = torch.randn(*collated["input_ids"].shape, 3)
    pooled = pool_words(vectors, collated["word_index"], collated["word_mask"])
    assert pooled.shape == (len(batch), padded(max(map(len, batch))), 3)
    row = 0
    for sentence, example in enumerate(encoded):
        own: list[list[torch.Tensor]] = [[] for _ in range(example.n_words)]
        for owner in example.word_of:
            for position, index in enumerate(owner):
                if index >= 0:
                    own[index].append(vectors[row, position])
            row += 1
        for index, pieces in enumerate(own):
            torch.testing.assert_close(pooled[sentence, index], torch.stack(pieces).mean(0))
        assert (pooled[sentence, example.n_words :] == 0).all()


def test_pooling_keeps_half_precision_sums_exact_and_gradients():
    example = WordEncoder(TOKENIZERS["byte-bpe"], 100)([["xyzzy" * 8, "a"]])
    collated = collate_words(example, 1)
    pieces = torch.ones(*collated["input_ids"].shape, 2, dtype=torch.bfloat16, requires_grad=True)
    pooled = pool_words(pieces, collated["word_index"], collated["word_mask"])
    assert pooled.dtype == torch.float32
    assert (pooled[collated["word_mask"]] == 1).all()
    pooled.sum().backward()
    owned = collated["word_index"] >= 0
    assert (pieces.grad[~owned] == 0).all()
    assert (pieces.grad[owned] != 0).all()
