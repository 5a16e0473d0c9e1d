"""Texts and pairs to subwords: what the tokenizer itself makes, and windows that hold everything,
of pairs so that all of it meets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_encode import ODD, TOKENIZERS, each_tokenizer
from tokenizer_families import FAMILIES, TEXT

from xlt.data.encode import window_spans
from xlt.data.encode_pairs import FIRST, OUTSIDE, SECOND, PairEncoder, TextEncoder, collate_pairs

TEXTS = st.lists(st.sampled_from([*TEXT, *ODD, ""]), max_size=4).map(" ".join)


@each_tokenizer
def test_a_short_pair_is_what_the_tokenizer_itself_makes(tokenizer):
    (pair,) = PairEncoder(tokenizer, 512)(TEXT[:1], TEXT[2:3])
    assert pair.windows[0].tolist() == tokenizer(TEXT[0], TEXT[2])["input_ids"]
    assert pair.types is None
    first = tokenizer(TEXT[0], add_special_tokens=False)["input_ids"]
    assert pair.windows[0][pair.segments[0] == FIRST].tolist() == first


@each_tokenizer
@settings(max_examples=30, deadline=None)
@given(first=TEXTS, second=TEXTS, max_length=st.integers(8, 40))
def test_every_subword_meets_every_other(tokenizer, first, second, max_length):
    encoder = PairEncoder(tokenizer, max_length)
    whole = PairEncoder(tokenizer, 100_000)([first], [second])[0]
    pair = encoder([first], [second])[0]
    ids, parts = whole.windows[0], whole.segments[0]
    length = [int((parts == segment).sum()) for segment in (FIRST, SECOND)]
    met = np.zeros(length, bool)
    at = [0, 0]
    for (window, segments), spans in zip(
        zip(pair.windows, pair.segments, strict=True), encoder._parts(*length), strict=True
    ):
        assert len(window) == len(segments) <= max_length
        for segment, (begin, end) in zip((FIRST, SECOND), spans, strict=True):
            assert window[segments == segment].tolist() == ids[parts == segment][begin:end].tolist()
        assert window[segments == OUTSIDE].tolist() == ids[parts == OUTSIDE].tolist()
        (a, b), (c, d) = spans
        met[a:b, c:d] = True
        at = [b, d]
    assert met.all()
    assert at == length
    assert pair.length == sum(map(len, pair.windows))


@each_tokenizer
def test_a_text_alone(tokenizer):
    long = " ".join(TEXT)
    short, whole = TextEncoder(tokenizer, 100_000)([TEXT[0], long])
    assert short.windows[0].tolist() == tokenizer(TEXT[0])["input_ids"]
    assert short.types is None
    inside = whole.windows[0][whole.segments[0] == FIRST].tolist()
    assert inside == tokenizer(long, add_special_tokens=False)["input_ids"]
    encoder = TextEncoder(tokenizer, 16)
    (parts,) = encoder([long])
    spans = window_spans(len(inside), encoder.room)
    assert (spans[0][0], spans[-1][1]) == (0, len(inside))
    for window, segments, span in zip(parts.windows, parts.segments, spans, strict=True):
        assert len(window) == len(segments) <= 16
        assert window[segments == FIRST].tolist() == inside[span[0] : span[1]]
        around = window[segments == OUTSIDE].tolist()
        assert around == whole.windows[0][whole.segments[0] == OUTSIDE].tolist()
    assert parts.length == sum(map(len, parts.windows))


def test_segments_of_a_text_alone():
    tokenizer = FAMILIES["bert-uncased"]()
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    (text,) = TextEncoder(tokenizer, 64, types=True)(TEXT[:1])
    assert text.types[0].tolist() == tokenizer(TEXT[0])["token_type_ids"]


def test_a_short_hypothesis_stays_whole():
    encoder = PairEncoder(TOKENIZERS["bert-uncased"], 24)
    pair = encoder([" ".join(TEXT)], ["The lazy dog"])[0]
    assert len(pair.windows) > 5
    whole = [w[s == SECOND].tolist() for w, s in zip(pair.windows, pair.segments, strict=True)]
    assert all(len(part) and part == whole[0] for part in whole)


def test_a_tokenizer_without_a_template_for_pairs():
    from tokenizers import processors

    tokenizer = FAMILIES["t5"]()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.eos_token_id)]
    )
    (pair,) = PairEncoder(tokenizer, 64)(["The fox"], ["the dog"])
    inside = pair.windows[0][pair.segments[0] == OUTSIDE].tolist()
    assert set(inside) == {tokenizer.eos_token_id}, "nothing separates the texts"
    edge = np.flatnonzero(np.diff(pair.segments[0] == OUTSIDE))
    assert len(edge) >= 2


def test_padding():
    tokenizer = FAMILIES["bert-uncased"]()
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    encoder = PairEncoder(tokenizer, 16, types=True)
    pairs = encoder(["", "fox", " ".join(TEXT)], ["dog", "", "the dog"])
    batch = collate_pairs(pairs, pad_id=0)
    assert batch["windows"].tolist() == [len(pair.windows) for pair in pairs]
    rows = list(itertools.chain.from_iterable(pair.windows for pair in pairs))
    assert batch["input_ids"].shape == (len(rows), 16)
    assert batch["attention_mask"].sum(1).tolist() == [len(row) for row in rows]
    assert batch["token_type_ids"].shape == batch["segments"].shape == (len(rows), 16)
    for row, ids in zip(batch["input_ids"], rows, strict=True):
        assert row[: len(ids)].tolist() == ids.tolist()
    types = tokenizer("", "dog")["token_type_ids"]
    assert batch["token_type_ids"][0, : len(types)].tolist() == types


def test_no_room():
    with pytest.raises(ValueError, match="no room for two texts"):
        PairEncoder(TOKENIZERS["bert-uncased"], 6)
    with pytest.raises(ValueError, match="no room for a text"):
        TextEncoder(TOKENIZERS["bert-uncased"], 3)
