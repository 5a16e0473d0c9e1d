"""NN-Rank: the neighbours of made vectors counted in loops, and the vectors of a small encoder."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from tiny import make_encoder

from xlt.typology import neighbours
from xlt.typology.neighbours import Encoder, _sample

JAVANESE = ["ibu maca buku ing omah .", "bocah cilik iku turu .", "aku seneng maca buku anyar ."]
INDONESIAN = ["ibu membaca buku di rumah .", "anak kecil itu tidur .", "buku itu baru ."]
ENGLISH = ["the mother reads a book .", "that small child sleeps .", "we like new things ."]


class Made(Encoder):
    """An encoder whose sentences have vectors that are given."""

    def __init__(self, given: dict[str, torch.Tensor]) -> None:
        self.given = given

    def vectors(self, sentences):
        return torch.cat([torch.zeros(0, 3), *(self.given[text] for text in sentences)])


@pytest.fixture
def made() -> Made:
    """Unit vectors: 7 subwords of the target, and 4, 4 and none of three candidates."""
    draw = np.random.default_rng(3).normal(size=(15, 3)).astype(np.float32)
    units = torch.from_numpy(draw / np.linalg.norm(draw, axis=1, keepdims=True))
    return Made({"t": units[:7], "a": units[7:11], "b": units[11:], "none": units[:0]})


def counted(model: Made, most: int) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for own in model.given["t"].tolist():
        near = [
            (-sum(x * y for x, y in zip(own, other, strict=True)), code)
            for code in "ab"
            for other in model.given[code].tolist()
        ]
        counts.update(code for _, code in sorted(near)[:most])
    return {code: counts[code] / counts.total() for code in "ab"}


@pytest.mark.parametrize("chunk", [512, 2])
def test_a_share_is_of_the_five_nearest_of_every_subword(made, monkeypatch, chunk):
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    found = made.neighbours(["t"], {"a": ["a"], "x": ["none"], "b": ["b"]})
    assert found == pytest.approx(counted(made, 5) | {"x": 0})
    assert list(found) == ["a", "x", "b"]
    assert found["a"] != found["b"]


def test_where_there_are_fewer_than_five_all_are_neighbours(made):
    made.given["a"], made.given["b"] = made.given["a"][:1], made.given["b"][:1]
    assert made.neighbours(["t"], {"a": ["a"], "b": ["b"]}) == {"a": 0.5, "b": 0.5}


def test_every_candidate_gives_as_many_subwords_as_the_one_that_has_fewest(made):
    made.given["b"] = made.given["b"][:2]
    alike = made.neighbours(["t"], {"a": ["a"], "b": ["b"]})
    assert alike == {"a": 0.5, "b": 0.5}  # four together, all of which are neighbours


def test_no_more_subwords_are_compared_than_there_is_room_for(made, monkeypatch):
    monkeypatch.setattr(neighbours, "MAX_SUBWORDS", 2)
    seen = []
    monkeypatch.setattr(
        neighbours, "_sample", lambda rows, most: seen.append((len(rows), most)) or rows[:most]
    )
    made.neighbours(["t"], {"a": ["a"], "b": ["b"]})
    assert seen == [(4, 2), (4, 2), (7, 2)]


def test_without_subwords_nobody_is_a_neighbour(made):
    assert made.neighbours(["t"], {"x": ["none"], "y": ["none"]}) == {"x": 0, "y": 0}
    assert made.neighbours(["none"], {"a": ["a"], "b": ["b"]}) == {"a": 0, "b": 0}


def test_a_sample_is_drawn_once_and_stays_in_order():
    rows = torch.arange(20.0)[:, None]
    found = _sample(rows, 7).flatten().tolist()
    assert len(set(found)) == 7
    assert found == sorted(found)
    assert found != list(range(7))
    assert _sample(rows, 7).flatten().tolist() == found
    assert _sample(rows, 20) is rows


# A small encoder -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    texts = [*JAVANESE, *INDONESIAN, *ENGLISH] * 4
    return str(make_encoder(folder, texts, num_hidden_layers=3))


@pytest.fixture(scope="module")
def model(encoder) -> Encoder:
    return Encoder(encoder)


def test_subwords_are_counted(model):
    ids = [model.backbone.subwords([line])[0].tolist() for line in JAVANESE]
    assert model.subwords(JAVANESE) == Counter(n for line in ids for n in line)


def one_by_one(encoder: str, model: Encoder, sentences: list[str]) -> np.ndarray:
    """Vectors two thirds up, each sentence read alone, [CLS] and [SEP] left out."""
    from transformers import AutoModel

    bare = AutoModel.from_pretrained(encoder).eval()
    words, found = model.backbone.words, []
    for line in sorted(sentences, key=len):
        ids = words.subwords([line])[0][: words.room]
        read = torch.tensor([[*words.prefix, *ids, *words.suffix]])
        with torch.no_grad():
            states = bare(input_ids=read, output_hidden_states=True).hidden_states
        assert len(states) == 4
        found.append(states[2][0, len(words.prefix) : len(words.prefix) + len(ids)].numpy())
    rows = np.concatenate(found)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_vectors_are_those_of_sentences_read_alone(encoder, model):
    """More of them than a batch holds, of several lengths, one longer than the encoder reads."""
    long = " ".join(JAVANESE * 60)
    sentences = [*JAVANESE, *INDONESIAN, *ENGLISH, *(line[:9] for line in ENGLISH), long] * 2
    assert len(sentences) > neighbours.BATCH
    assert len(model.backbone.subwords([long])[0]) > model.backbone.words.room
    np.testing.assert_allclose(
        model.vectors(sentences).numpy(), one_by_one(encoder, model, sentences), atol=1e-5
    )
    assert model.vectors([]).shape == (0, 32)


def test_neighbours_are_where_the_same_sentences_are(model, monkeypatch):
    monkeypatch.setattr(neighbours, "MAX_NEIGHBOURS", 1)
    found = model.neighbours(ENGLISH, {"ind": INDONESIAN, "eng": ENGLISH})
    assert found["eng"] > 0.9  # all but the subwords that were left out to make both texts equal


def test_the_larger_text_has_no_more_neighbours(model):
    """The same text ten times over says nothing more of a language."""
    one = model.neighbours(JAVANESE, {"ind": INDONESIAN, "eng": ENGLISH})
    many = model.neighbours(JAVANESE, {"ind": INDONESIAN * 10, "eng": ENGLISH})
    assert many["ind"] < one["ind"] + 0.25
