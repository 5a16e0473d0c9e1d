"""A tokenizer with fewer subwords splits the text that they were chosen for as before."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizer_families import FAMILIES, TEXT, family
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from xlt.data.subwords import OWN_TEXTS, Subwords
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.export.tokenizer import Vocabulary, check_same, heard, renumbered

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


@pytest.mark.parametrize(
    "marks", [{"continuing_subword_prefix": "##"}, {"end_of_word_suffix": "</w>"}]
)
def test_merges_with_marks_inside_and_at_the_end_of_words(marks):
    backend = Tokenizer(models.BPE(unk_token="[UNK]", **marks))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["[UNK]", "[PAD]"], show_progress=False, **marks
    )
    backend.train_from_iterator(TEXT, trainer)
    old = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    new, kept = reduced(old, GIVEN)
    assert len(new) < len(old)
    check_same(old, new, kept, GIVEN)
    lengths = [len(t.tokenize("jumps over the lazy dog")) for t in (old, new)]
    assert lengths[0] == lengths[1] < 12


def test_an_unknown_character_costs_what_it_did():
    """x is in no subword of its own: [abxc, d] is likelier than [ab, unknown, cd], as long as that
    is reckoned from zz, the least likely subword of all."""
    likely = {"a": -9, "ab": -0.5, "cd": -0.5}
    special = {"<unk>": 0.0, "<s>": 0.0}
    pieces = {"qq": -5, **special, **likely, "abxc": -19, "d": -20, "zz": -35}
    backend = Tokenizer(models.Unigram(list(pieces.items()), unk_id=1))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 2)]
    )
    old = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", cls_token="<s>")
    texts = [Text(text) for text in ("abxcd", "ab", "cd")]
    assert old.tokenize("abxcd") == ["abxc", "d"]
    new, kept = reduced(old, texts)
    ids = new("abx")["input_ids"]
    assert (new.unk_token_id, new.convert_ids_to_tokens(ids)) == (0, ["<s>", "ab", "<unk>"])
    assert new.tokenize("abxcd") == ["abxc", "d"]
    check_same(old, new, kept, texts)


def test_what_words_are_encoded_after_stays():
    old = family("xlm-roberta")
    new, kept = reduced(old, GIVEN[:1])
    check_same(old, new, kept, [Text(text) for text in OWN_TEXTS])


def test_special_tokens_are_put_around_by_their_new_ids():
    special = {"id": "</s>", "ids": [7], "tokens": ["</s>"]}
    template = {"type": "TemplateProcessing", "special_tokens": {"</s>": special}}
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", 7], "cls": ["<s>", 9], "trim": True}
    both = renumbered({"type": "Sequence", "processors": [template, roberta]}, {7: 1, 9: 3})
    assert both["processors"] == [
        {**template, "special_tokens": {"</s>": {**special, "ids": [1]}}},
        {**roberta, "sep": ["</s>", 1], "cls": ["<s>", 3]},
    ]
    assert renumbered(None, {}) is None


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


def test_parts_in_python_are_refused():
    class Words:
        def pre_tokenize(self, text):
            """Leaves it as it is."""

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"a": 0}, [])))
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Words())
    with pytest.raises(XltError, match="cannot be written into a file") as caught:
        Vocabulary(tokenizer)
    assert caught.value.where == "--trim"
