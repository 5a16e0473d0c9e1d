"""A tokenizer with fewer subwords splits the text that they were chosen for as before."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizer_families import FAMILIES, TEXT, family
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from xlt.data.subwords import Subwords
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.export.tokenizer import Vocabulary, check_same, heard

SLOW = {"byt5", "canine"}
GIVEN = [
    Text.from_words(line.split(" ")) for line in [*TEXT[:3], TEXT[4], "spells </s> [SEP] <unk>"]
]


def reduced(tokenizer, texts):
    vocabulary = Vocabulary(tokenizer)
    ids = vocabulary.needed(heard(tokenizer, texts), [text.surface for text in texts])
    kept = np.array(sorted(ids | {*tokenizer.all_special_ids}), np.int32)
    return vocabulary.reduced(kept), kept


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - SLOW - {"xlt-mini"}))
def test_the_same_text_gives_the_same_subwords(name):
    old = family(name)
    new, kept = reduced(old, GIVEN)
    assert len(new) == len(kept) < len(old)
    check_same(old, new, kept, GIVEN)
    for text in [text.surface for text in GIVEN]:
        before, after = (t.backend_tokenizer.encode(text) for t in (old, new))
        assert before.tokens == after.tokens  # special tokens among them
        assert before.ids == kept[after.ids].tolist()
    pair = [t("The fox", "dog")["input_ids"] for t in (old, new)]
    assert pair[0] == kept[pair[1]].tolist()


@pytest.mark.parametrize("name", ["xlm-roberta", "gemma", "bert-cased"])
def test_other_words_of_the_script_are_known_by_their_letters(name):
    old = family(name)
    new, _ = reduced(old, GIVEN[:1])
    words = Text.from_words(["gatto", "sulla", "café"])
    unknown = [
        Subwords(t).is_unknown(Subwords(t).of_words([words])[0][0]).sum() for t in (old, new)
    ]
    assert unknown == [0, 0]


def test_what_is_split_otherwise_is_noticed():
    old = family("xlm-roberta")
    new, kept = reduced(old, GIVEN[:1])
    with pytest.raises(XltError, match="splits the text otherwise"):
        check_same(old, new, kept, [Text.from_words(["Wong-wong", "mangan", "sega"])])


@pytest.mark.parametrize("name", sorted(SLOW))
def test_without_a_vocabulary_there_is_nothing_to_trim(name):
    with pytest.raises(XltError, match="characters or bytes"):
        Vocabulary(family(name))


def test_another_kind_is_refused():
    words = models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), unk_token="[UNK]")
    with pytest.raises(XltError, match="WordLevel"):
        Vocabulary(tokenizer)
