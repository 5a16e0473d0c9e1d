"""Words to subwords in windows: every word is there, every subword once."""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_families import TEXT, family
from tokenizers import Tokenizer, models, processors
from transformers import PreTrainedTokenizerFast

from xlt.data.batch import padded
from xlt.data.encode import WordEncoder, collate_words, pool_words, window_spans
from xlt.document.text import Text

TOKENIZERS = {name: family(name) for name in ("bert-uncased", "t5", "gpt-2", "byt5")}
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
sentences = st.lists(st.lists(word, max_size=15).map(Text.from_words), min_size=1, max_size=5)


def check(encoder, words, encoded, max_length):
    assert encoded.n_words == len(words)
    owned = np.concatenate([owner[owner >= 0] for owner in encoded.word_of])
    assert sorted(set(owned.tolist())) == list(range(len(words))), "a word without a subword"
    assert (np.diff(owned) >= 0).all(), "subwords out of order"
    assert len(owned) == len(encoded.subwords)
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
def test_every_word_has_a_subword_and_every_subword_one_owner(tokenizer, batch, max_length):
    encoder = WordEncoder(tokenizer, max_length)
    encoded = encoder(batch)
    whole = WordEncoder(tokenizer, 100_000)(batch)
    assert len(encoded) == len(batch)
    for text, windowed, unbroken in zip(batch, encoded, whole, strict=True):
        check(encoder, text.words, windowed, max_length)
        assert len(unbroken.windows) == 1
        assert windowed.subwords.tolist() == unbroken.subwords.tolist()


@each_tokenizer
def test_one_sentence_alone_is_what_it_is_in_a_batch(tokenizer):
    encoder = WordEncoder(tokenizer, 16)
    batch = [Text.from_words(words) for words in (*map(str.split, TEXT[:5]), ODD, [])]
    for alone, together in zip((encoder([text])[0] for text in batch), encoder(batch), strict=True):
        assert len(alone.windows) == len(together.windows)
        for a, b in zip(alone.windows, together.windows, strict=True):
            assert a.tolist() == b.tolist()
    assert encoder([]) == []


@each_tokenizer
def test_short_sentences_are_what_the_tokenizer_itself_makes(tokenizer):
    (encoded,) = WordEncoder(tokenizer, 512)([Text.from_words(TEXT[0].split())])
    assert encoded.windows[0].tolist() == tokenizer(TEXT[0])["input_ids"]


@each_tokenizer
def test_ten_thousand_words(tokenizer):
    words = [w for line in TEXT for w in line.split()]
    words = (words * (10_000 // len(words) + 1))[:10_000]
    encoder = WordEncoder(tokenizer, 128)
    (encoded,) = encoder([Text.from_words(words)])
    check(encoder, words, encoded, 128)
    assert len(encoded.windows) > 100


@each_tokenizer
def test_one_word_longer_than_a_window(tokenizer):
    words = ["before", "xyzzy" * 60, "after"]
    encoder = WordEncoder(tokenizer, 24)
    (encoded,) = encoder([Text.from_words(words)])
    check(encoder, words, encoded, 24)


def test_a_tokenizer_without_a_fast_backend():
    class Slow:
        unk_token_id = 0
        all_special_ids = (0, 1, 2)
        added_tokens_decoder: ClassVar[dict] = {}

        def __len__(self):
            return 100

        def encode(self, text, add_special_tokens, split_special_tokens=True):
            assert split_special_tokens
            assert not add_special_tokens
            return [ord(c) % 50 + 3 for c in text if c.isalpha()]

        def __call__(self, text, add_special_tokens):
            ids = self.encode(text, add_special_tokens=False)
            return {"input_ids": [1, *ids, 2] if add_special_tokens else ids}

    words = ["ab", "123", "", "c", "4"]
    (encoded,) = WordEncoder(Slow(), 100)([Text.from_words(words)])
    assert encoded.word_of[0].tolist() == [-1, 0, 0, 1, 2, 3, 4, -1]
    letters = [ord(c) % 50 + 3 for c in "abc"]
    assert encoded.subwords[[0, 1, 4]].tolist() == letters
    assert encoded.subwords[[2, 5]].tolist() == [0, 0]  # digits: swallowed, so unknown


def test_a_script_that_lacks_the_letter_a():
    # Without an unknown subword, BPE gives nothing for a character it does not know.
    tokenizer = Tokenizer(models.BPE(vocab={"<s>": 0, "</s>": 1, "的": 2}, merges=[]))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    encoder = WordEncoder(PreTrainedTokenizerFast(tokenizer_object=tokenizer), 8)
    assert (encoder.prefix.tolist(), encoder.suffix.tolist()) == ([0], [1])
    (encoded,) = encoder([Text.from_words(["a", "的"])])
    assert encoded.word_of[0].tolist() == [-1, 0, 1, -1]


def test_no_room():
    with pytest.raises(ValueError, match="no room"):
        WordEncoder(TOKENIZERS["bert-uncased"], 3)


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
def test_pooling_is_the_mean_of_a_words_subwords(tokenizer, batch, max_length):
    encoded = WordEncoder(tokenizer, max_length)(batch)
    collated = collate_words(encoded, tokenizer.pad_token_id)
    rows = [window for example in encoded for window in example.windows]
    length = min(padded(max(map(len, rows))), max_length)
    assert collated["input_ids"].shape == (len(rows), length)
    for row, window in enumerate(rows):
        assert collated["input_ids"][row, : len(window)].tolist() == window.tolist()
        assert (collated["input_ids"][row, len(window) :] == tokenizer.pad_token_id).all()
        assert collated["attention_mask"][row].sum() == len(window)
    assert collated["word_mask"].sum(1).tolist() == [len(text.words) for text in batch]

    vectors = torch.randn(*collated["input_ids"].shape, 3)
    pooled = pool_words(vectors, collated["word_index"], collated["word_mask"])
    assert pooled.shape == (len(batch), padded(max(len(text.words) for text in batch)), 3)
    row = 0
    for sentence, example in enumerate(encoded):
        own: list[list[torch.Tensor]] = [[] for _ in range(example.n_words)]
        for owner in example.word_of:
            for position, index in enumerate(owner):
                if index >= 0:
                    own[index].append(vectors[row, position])
            row += 1
        for index, subwords in enumerate(own):
            torch.testing.assert_close(pooled[sentence, index], torch.stack(subwords).mean(0))
        assert (pooled[sentence, example.n_words :] == 0).all()


def test_pooling_keeps_half_precision_sums_exact_and_gradients():
    example = WordEncoder(TOKENIZERS["gpt-2"], 100)([Text.from_words(["xyzzy" * 8, "a"])])
    collated = collate_words(example, 1)
    subwords = torch.ones(*collated["input_ids"].shape, 2, dtype=torch.bfloat16, requires_grad=True)
    pooled = pool_words(subwords, collated["word_index"], collated["word_mask"])
    assert pooled.dtype == torch.float32
    assert (pooled[collated["word_mask"]] == 1).all()
    pooled.sum().backward()
    owned = collated["word_index"] >= 0
    assert (subwords.grad[~owned] == 0).all()
    assert (subwords.grad[owned] != 0).all()
