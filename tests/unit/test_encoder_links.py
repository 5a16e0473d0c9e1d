"""The aligner `encoder` with vectors that are given: what is made of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from xlt.data.batch import padded
from xlt.data.encode import EncodedWords
from xlt.projection.align import encoder, vectors
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.projection.align.lexical import look_alikes

# Units of two pairs and the words they belong to; vectors by angle, so that cosines are plain.
PAIRS = [
    (["Hamburg", "is"], ["es", "Hamburgo", "x"]),
    (["a"], ["b"]),
]
OWNERS = [([0, 0, 1], [0]), ([0, 1, 1, 2], [0])]
ANGLES = [[[0.0, 0.8, 2.0], [0.5]], [[2.2, 0.9, 0.1, 1.4], [3.0]]]


def units(owners: Sequence[int]) -> tuple[EncodedWords, np.ndarray]:
    window = np.arange(len(owners), dtype=np.int32)
    return EncodedWords((window,), (window,), len(owners), 512), np.array(owners, np.int32)


def aligner(monkeypatch, **options) -> Encoder:
    """Of `PAIRS`, without a model."""
    made = Encoder(EncoderOptions(encoder="none", **{"layer": 3, **options}))

    def vectors(side) -> tuple[torch.Tensor, torch.Tensor]:
        angles = ANGLES[0 if len(side[0][1]) == 3 else 1]
        lengths = torch.tensor([len(one) for one in angles])
        found = torch.zeros(len(angles), padded(int(lengths.max())), 2)
        for n, one in enumerate(angles):
            found[n, : len(one)] = torch.tensor([[math.cos(a), math.sin(a)] for a in one])
        return found, lengths

    monkeypatch.setattr(made, "_vectors", vectors)
    return made


def links(made: Encoder):
    return made._links(PAIRS, *([units(owners) for owners in side] for side in OWNERS))


def expected(n: int, lexical: float, distortion: float, threshold: float = 0.0):
    """Mutual best units, by the definition, with the score of the best of a word's."""
    rows, columns = ANGLES[0][n], ANGLES[1][n]
    table = np.zeros((len(rows), len(columns)))
    for i, one in enumerate(rows):
        for j, other in enumerate(columns):
            word = PAIRS[n][0][OWNERS[0][n][i]]
            translation = PAIRS[n][1][OWNERS[1][n][j]]
            look = look_alikes([([word], [translation])]).get((word, translation), 0.0)
            places = i / max(1, len(rows) - 1) - j / max(1, len(columns) - 1)
            value = (math.cos(one - other) + 1) / 2 + lexical * look
            table[i, j] = value * (1 - distortion * places**2)
    found: dict[tuple[int, int], float] = {}
    for i, j in np.ndindex(*table.shape):
        score = table[i, j]
        if score == table[i].max() and score == table[:, j].max() and score >= threshold:
            word = OWNERS[0][n][i], OWNERS[1][n][j]
            found[word] = max(min(1.0, score), found.get(word, 0.0))
    return found


@pytest.mark.parametrize("lexical", [0.0, 0.2, 3.0])
@pytest.mark.parametrize("distortion", [0.0, 0.5, 1.0])
def test_links_are_mutual_best(monkeypatch, lexical: float, distortion: float) -> None:
    found = links(aligner(monkeypatch, lexical=lexical, distortion=distortion))
    for n, one in enumerate(found):
        assert one == pytest.approx(expected(n, lexical, distortion), abs=1e-6)
    scores = sorted(score for one in found for score in one.values())
    enough = scores[len(scores) // 2] - 1e-4
    made = aligner(monkeypatch, lexical=lexical, distortion=distortion, threshold=enough)
    for n, one in enumerate(links(made)):
        assert one == pytest.approx(expected(n, lexical, distortion, enough), abs=1e-6)


def test_by_default_the_diagonal_counts_for_embeddings_alone(monkeypatch) -> None:
    for layer, distortion in ((0, 1.0), (1, 0.0), (3, 0.0)):
        found = links(aligner(monkeypatch, layer=layer))
        for n, one in enumerate(found):
            assert one == pytest.approx(expected(n, 0.2, distortion), abs=1e-6)


def test_a_score_is_above_nothing_and_at_most_one(monkeypatch) -> None:
    opposite = [[ANGLES[0][0], [0.0]], [ANGLES[1][0], [math.pi]]]
    monkeypatch.setattr(sys.modules[__name__], "ANGLES", opposite)
    assert links(aligner(monkeypatch))[1] == {(0, 0): pytest.approx(1e-6, rel=0.1)}


@pytest.mark.parametrize(("layers", "chosen"), [(12, 8), (24, 16), (6, 4), (2, 1), (1, 1)])
def test_the_layer_two_thirds_up(monkeypatch, layers: int, chosen: int) -> None:
    monkeypatch.setattr(Encoder, "_layers", layers)
    monkeypatch.setattr(Encoder, "_downsamples", False)
    monkeypatch.setattr(Encoder, "_scheme", None)
    monkeypatch.setattr(Encoder, "_words", lambda self, language: None)
    assert Encoder(EncoderOptions(encoder="some"))._layer == chosen
    assert Encoder(EncoderOptions())._layer == 0
    assert Encoder(EncoderOptions(encoder="some", layer=layers))._layer == layers
    Encoder(EncoderOptions(encoder="some", layer=layers)).check("eng", "deu")


def test_every_subword_is_a_unit_of_its_window() -> None:
    windows = (np.array([-1, 0, 0, 1, -1], np.int32), np.array([-1, -1, 2, 3, 3, -1], np.int32))
    given = EncodedWords(windows, windows, 4, 512)
    found, owners = encoder._by_subword(given)
    assert owners.tolist() == [0, 0, 1, 2, 3, 3]
    assert [window.tolist() for window in found.word_of] == [
        [-1, 0, 1, 2, -1],
        [-1, -1, 3, 4, 5, -1],
    ]
    assert found.n_words == 6


def test_batches_hold_as_many_subwords_as_asked(monkeypatch) -> None:
    made = Encoder(EncoderOptions(encoder="none", batch_tokens=10))
    pairs = [(["w"] * n, ["w"] * n) for n in (3, 1, 0, 10, 4, 1)]
    seen = []

    def encode(sentences, language):
        return [units(range(len(words))) for words in sentences]

    def linked(some, sources, targets):
        assert [len(one[1]) for one in sources] == [len(pair[0]) for pair in some]
        assert [len(one[1]) for one in targets] == [len(pair[1]) for pair in some]
        seen.append([len(pair[0]) for pair in some])
        return [{(0, 0): len(pair[0]) / 10} for pair in some]

    monkeypatch.setattr(made, "_encode", encode)
    monkeypatch.setattr(made, "_links", linked)
    found = made.align(pairs, "eng", "deu")
    assert found == [{(0, 0): n / 10} if n else {} for n in (3, 1, 0, 10, 4, 1)]
    assert seen == [[10], [4, 3], [1, 1]]


def test_it_says_how_far_it_is(monkeypatch, caplog) -> None:
    monkeypatch.setattr(vectors, "MIN_LOG_INTERVAL", 0)
    made = aligner(monkeypatch, batch_tokens=1)
    monkeypatch.setattr(made, "_encode", lambda side, _: [units([0] * len(one)) for one in side])
    monkeypatch.setattr(made, "_links", lambda pairs, *_: [{} for _ in pairs])
    with caplog.at_level("INFO", logger="xlt.projection.align.vectors"):
        made.align([*PAIRS, ([], [])], "eng", "spa")
    assert [r.getMessage() for r in caplog.records] == [
        "aligning: vectors of 1 of 2 pairs", "aligning: vectors of 2 of 2 pairs"
    ]  # fmt: skip
