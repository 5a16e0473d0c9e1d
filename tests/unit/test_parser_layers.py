"""The layers that a parser adds to a small encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xlt.model.layers import BiLstm, SharedDropout
from xlt.tasks.dependency_parsing.encoding import BUCKETS, LENGTH, character_ids
from xlt.tasks.dependency_parsing.layers import Characters


def test_lstm_does_not_see_padding():
    torch.manual_seed(0)
    lstm = BiLstm(5, 4, layers=2, dropout=0.5).eval()
    x = torch.randn(2, 7, 5)
    padded = lstm(x, torch.tensor([7, 3]))
    alone = lstm(x[1:, :3], torch.tensor([3]))
    assert torch.allclose(padded[1, :3], alone[0], atol=1e-6)


def test_lstm_reads_both_directions():
    torch.manual_seed(0)
    lstm = BiLstm(5, 4, layers=1, dropout=0.0)
    x = torch.randn(1, 6, 5)
    changed = x.clone()
    changed[0, 3] += 1
    difference = (lstm(x, torch.tensor([6])) - lstm(changed, torch.tensor([6])))[0].abs()
    onward, backward = difference[:, :4].sum(-1) > 0, difference[:, 4:].sum(-1) > 0
    assert onward.tolist() == [False] * 3 + [True] * 3
    assert backward.tolist() == [True] * 4 + [False] * 2


def test_dropout_is_the_same_for_all_words_of_a_sentence():
    torch.manual_seed(0)
    x = torch.ones(3, 8, 200)
    dropped = SharedDropout(0.5)(x)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])
    assert dropped.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(SharedDropout(0.5).eval()(x), x)


def test_characters_know_every_script_and_fold_case():
    ids = character_ids(["Omah", "omah", "北京", "", "x" * 500, "ab" * 50])
    assert ids.shape == (6, LENGTH)
    assert ids.min() >= 0
    assert ids.max() < BUCKETS
    assert np.array_equal(ids[0], ids[1])
    assert not np.array_equal(ids[4], ids[5])
    assert (ids[3] > 0).sum() == 2  # the two boundaries of an empty word


def test_a_words_vector_is_its_own():
    torch.manual_seed(0)
    characters = Characters(7)
    together = characters(torch.from_numpy(character_ids(["omah", "gedhe"])).unsqueeze(0))
    alone = characters(torch.from_numpy(character_ids(["gedhe"])).unsqueeze(0))
    assert together.shape == (1, 2, 7)
    assert torch.allclose(together[0, 1], alone[0, 0], atol=1e-6)
