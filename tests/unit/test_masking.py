"""Text for masked language modelling: nothing is lost, what is masked is what it should be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.config.schema import Model
from xlt.data.batch import IGNORED
from xlt.data.segment import with_words
from xlt.inference.predictor import subword_table, trimmed
from xlt.model.backbone import Backbone
from xlt.model.masked import MaskedLanguageModel
from xlt.model.vocabulary import Trimmed
from xlt.testing import make_encoder
from xlt.training.masking import MaskedBatches, Window, choose, hold_out, masked, pack

MASK, OTHERS = 4, np.arange(100, 1100, dtype=np.int32)


def encoded(*texts: list[int]):
    """Texts as `Subwords.of_words` gives them: each number is the subwords of a word."""
    made = []
    for sizes in texts:
        words = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        made.append((np.arange(len(words), dtype=np.int32) + 10 * len(made), words))
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=8), min_size=1, max_size=6),
    st.integers(2, 12),
)
def test_windows_lose_nothing_and_part_no_word(texts, room):
    given_ids = encoded(*texts)
    windows = pack(given_ids, room)
    together = np.concatenate([window.subwords for window in windows])
    assert together.tolist() == np.concatenate([ids for ids, _ in given_ids]).tolist()
    assert all(0 < len(window.subwords) <= room for window in windows)
    sizes = [size for text in texts for size in text]
    words = np.concatenate([window.words for window in windows])
    assert np.unique(words, return_counts=True)[1].tolist() == sizes
    for before, after in pairwise(windows):
        assert before.words[-1] != after.words[0] or sizes[after.words[0] - 1] > room
        begins = sizes[after.words[0] - 1]  # the next word would not have fitted
        assert len(before.subwords) + begins > room


def test_subwords_of_no_word_are_words_of_their_own():
    (window,) = pack([(np.array([7, 8], np.int32), np.array([-1, -1], np.int32))], 9)
    assert window.words.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("number", "share", "held"), [(1000, 0.05, 50), (200, 0.05, 20), (40, 0.05, 8), (4, 0.5, 0)]
)
def test_what_is_held_out(number, share, held):
    learnt, out = hold_out(number, share, seed=3)
    assert len(out) == held
    assert sorted([*learnt, *out]) == [*range(number)]
    assert held == 0 or (hold_out(number, share, seed=4)[1] != out).any()
    assert len(hold_out(number, 0.0, seed=3)[1]) == 0


def test_shares_of_what_is_predicted():
    """15 % of the subwords; of them 80 % masked, 10 % others, 10 % as they were."""
    random = np.random.default_rng(0)
    subwords = np.full(256, 50, np.int32)
    words = np.arange(256, dtype=np.int32)
    seen = {"mask": 0, "other": 0, "same": 0}
    for _ in range(400):
        predicted = choose(words, 0.15, random, whole_words=True)
        assert predicted.sum() == 38
        read = masked(subwords, predicted, MASK, OTHERS, random)
        assert (read[~predicted] == 50).all()
        seen["mask"] += (read[predicted] == MASK).sum()
        seen["same"] += (read[predicted] == 50).sum()
        seen["other"] += np.isin(read[predicted], OTHERS).sum()
    assert np.array([*seen.values()]) / (400 * 38) == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


def test_words_are_masked_whole():
    random = np.random.default_rng(0)
    words = np.repeat(np.arange(40), np.arange(40) % 5 + 1).astype(np.int32)
    parted = 0
    for _ in range(50):
        predicted = choose(words, 0.15, random, whole_words=True)
        assert 0 < predicted.sum() <= round(0.15 * len(words))
        assert all(len({*predicted[words == word]}) == 1 for word in range(40))
        loose = choose(words, 0.15, random, whole_words=False)
        assert loose.sum() == round(0.15 * len(words))
        parted += sum(len({*loose[words == word]}) == 2 for word in range(40))
    assert parted
    # A word that is longer than the share is masked all the same, where there is no other.
    assert choose(np.ones(3, np.int32), 0.15, random, whole_words=True).all()


@pytest.fixture(scope="module")
def text():
    return ["Sannu da zuwa, Yaro!", "Ina kwana? Lafiya lau.", "Yara suna wasa a waje ."] * 4


@pytest.fixture(scope="module")
def backbone(tmp_path_factory, text):
    folder = make_encoder(tmp_path_factory.mktemp("encoder"), text, "xlm-roberta")
    return Backbone(str(folder), Model(encoder=str(folder)))


@pytest.fixture(scope="module")
def batches(backbone, text):
    words = backbone.words
    windows = pack(backbone.subwords.of_words([with_words(one) for one in text]), 20)
    seen = np.unique(np.concatenate([window.subwords for window in windows]))
    mask = backbone.tokenizer.mask_token_id
    return MaskedBatches(
        windows, words.prefix, words.suffix, 64, backbone.pad_id, mask, seen, 0.3, True, seed=1
    )


def test_special_tokens_are_never_predicted(batches, backbone):
    examples = batches.examples(np.arange(len(batches.windows)))
    batch = batches.collate(examples)
    special = torch.isin(
        batch["target_input_ids"], torch.tensor(backbone.tokenizer.all_special_ids)
    )
    assert (batch["labels"] != IGNORED).any()
    assert not (special & (batch["labels"] != IGNORED)).any()
    assert (batch["input_ids"][special] == batch["target_input_ids"][special]).all()
    assert batch["attention_mask"].sum() == sum(example.length for example in examples)


def test_a_mask_is_a_function_of_seed_step_and_window(batches):
    examples = batches.examples(np.arange(4))

    def inputs(step: int, **changes):
        other = MaskedBatches(**{**vars(batches), **changes, "step": lambda: step})
        return other.collate(examples)["input_ids"]

    assert inputs(3).equal(inputs(3))
    assert not inputs(3).equal(inputs(4))
    assert not inputs(3).equal(inputs(3, seed=2))
    # Whoever computes a part of the batch masks it as who computes all of it.
    part = MaskedBatches(**{**vars(batches), "step": lambda: 3}).collate(examples[2:])
    length = part["input_ids"].shape[1]
    assert part["input_ids"].equal(inputs(3)[2:, :length])


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "deberta-v2", "rembert", "modernbert"])
def test_predicting_only_what_is_masked_is_predicting_it(kind, tmp_path, text, batches):
    folder = make_encoder(tmp_path, text, kind)
    model = MaskedLanguageModel.build(Backbone(str(folder), Model(encoder=str(folder)))).eval()
    batch = batches.collate(batches.examples(np.arange(5)))
    with torch.no_grad():
        loss = model(**batch)["loss"]
        logits = model.encoder(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    predicted = batch["labels"] != IGNORED
    whole = torch.nn.functional.cross_entropy(
        logits[predicted], batch["target_input_ids"][predicted]
    )
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_trimmed_vocabulary_is_predicted_among(batches, backbone):
    torch.manual_seed(0)
    model = MaskedLanguageModel.build(backbone, quiet=True).eval()
    batch = batches.collate(batches.examples(np.arange(5)))
    seen = np.unique(batch["target_input_ids"])
    with torch.no_grad():
        logits = model.encoder(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        vocabulary = Trimmed(model.encoder, backbone.tokenizer, seen)
        loss = model(**trimmed(batch, subword_table(vocabulary)))["loss"]
    predicted = batch["labels"] != IGNORED
    kept = torch.from_numpy(vocabulary.kept.astype(np.int64))
    among = logits[predicted][:, kept].log_softmax(-1)
    target = torch.from_numpy(vocabulary.table.astype(np.int64))[
        batch["target_input_ids"][predicted]
    ]
    assert loss.item() == pytest.approx(-among.gather(1, target[:, None]).mean().item(), rel=1e-5)


def test_windows_of_one_word(batches):
    """Longer than the window, it is parted, and predicted as a whole in each part."""
    windows = pack(encoded([7]), 3)
    assert [len(window.subwords) for window in windows] == [3, 3, 1]
    for window in windows:
        assert choose(window.words, 0.15, np.random.default_rng(0), whole_words=True).all()
    assert isinstance(windows[0], Window)


def test_the_unknown_subword_is_not_predicted(batches):
    known, unknown = int(batches.others[0]), 3
    assert unknown not in batches.others
    ids = np.array([known, unknown] * 20, np.int32)
    one = replace(batches, windows=[Window(ids, np.arange(40, dtype=np.int32))], share=0.5)
    labels = one.collate(one.examples(np.array([0])))["labels"][0, len(one.prefix) :].numpy()[:40]
    assert (labels[ids == known] == 0).sum() == 10
    assert (labels[ids == unknown] == IGNORED).all()
