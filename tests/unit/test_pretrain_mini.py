"""What xlt-mini is built with: deterministic alignments, trees carried over, resumable training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from scripts.build_encoder.build import Parallel, aligned_vectors, train_tokenizer
from scripts.pretrain_mini import training
from scripts.pretrain_mini.aligner import Links, align
from scripts.pretrain_mini.network import Network, make_encoder, without_dropout
from scripts.pretrain_mini.translations import pool, translation_losses
from scripts.pretrain_mini.trees import Tree, Words, carried
from xlt.data.batch import StepSampler
from xlt.tasks.dependency_parsing.inventory import RELATIONS

WORDS = [
    *("the", "a", "cat", "dog", "house", "river", "sees", "finds", "old", "small", "red", "in"),
    *("on", "near", "and"),
]
FOREIGN = {word: word[::-1] + "u" for word in WORDS}
RANDOM = np.random.default_rng(7)
ENGLISH = [
    f"{a} {b} {c} {d} {e} {f} {g}"
    for a, b, c, d, e, f, g in (RANDOM.choice(WORDS, 7, replace=False) for _ in range(120))
]


def foreign(sentence: str) -> str:
    """Word for word, the last two in front."""
    words = [FOREIGN[word] for word in sentence.split()]
    return " ".join([*words[-2:], *words[:-2]])


PARALLEL = Parallel("xxx", "eng", [(foreign(s), s) for s in ENGLISH])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer({"eng": ENGLISH, "xxx": [a for a, _ in PARALLEL.pairs]}, 120)


def sides(tokenizer: Tokenizer) -> list[list[list[int]]]:
    return [
        [e.ids for e in tokenizer.encode_batch(list(side), add_special_tokens=False)]
        for side in zip(*PARALLEL.pairs, strict=True)
    ]


def test_words_are_aligned_across_another_order(tokenizer):
    numbers = {word: i for i, word in enumerate([*WORDS, *FOREIGN.values()])}
    source, target = (
        [[numbers[word] for word in sentence.split()] for sentence in side]
        for side in zip(*PARALLEL.pairs, strict=True)
    )
    links = align(source, target, len(numbers))
    right = links.source == (links.target + 2) % 7
    assert links.weight[right].sum() > 0.95 * links.weight.sum()
    assert links.weight[right].sum() > 0.9 * 7 * len(ENGLISH)
    counts = links.counts(source, target, len(numbers)).toarray()
    for word in WORDS:
        assert counts[numbers[FOREIGN[word]]].argmax() == numbers[word]


def test_two_builds_give_the_same_links_and_vectors(tokenizer):
    def build() -> tuple[Links, np.ndarray]:
        source, target = sides(tokenizer)
        size = tokenizer.get_vocab_size()
        links = align(source, target, size)
        vectors = aligned_vectors(
            {"eng": ENGLISH, "xxx": [a for a, _ in PARALLEL.pairs]},
            [PARALLEL], tokenizer, "eng", 16, 1,
            counted=lambda one: links.counts(source, target, size), carry=False,
        )  # fmt: skip
        return links, vectors

    (first, vectors), (second, again) = build(), build()
    for name in ("row", "source", "target", "weight"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert np.array_equal(vectors, again)
    assert np.isfinite(vectors).all()


def test_no_usable_sentence_gives_no_links():
    links = align([[], [1]], [[2], []], 5)
    assert len(links.row) == 0
    assert links.counts([[], [1]], [[2], []], 5).nnz == 0


def words_of(tokenizer: Tokenizer, text: str):
    ids = np.array(tokenizer.encode(text, add_special_tokens=False).ids)
    return Words(tokenizer)(ids)


def test_raw_text_is_read_as_words(tokenizer):
    assert words_of(tokenizer, "the cat sees a dog").n_words == 5


def test_a_tree_is_carried_as_far_as_links_lead(tokenizer):
    relation = RELATIONS.index
    original = words_of(tokenizer, "the cat sees")
    tree = Tree(
        original,
        np.array([2, 3, 0]),
        np.array([relation("det"), relation("nsubj"), relation("root")]),
    )
    translation = words_of(tokenizer, "catu seesu")

    def links(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All subwords of two words with each other."""
        found = [
            (i, j)
            for a, b in pairs
            for i in np.flatnonzero(translation.word_of[0] == a)
            for j in np.flatnonzero(original.word_of[0] == b)
        ]
        here, there = zip(*found, strict=True)
        return np.array(here), np.array(there), np.ones(len(found), np.float32)

    full = carried(tree, translation, *links((0, 1), (1, 2)))
    assert full.heads.tolist() == [2, 0]
    assert full.relations.tolist() == [relation("nsubj"), relation("root")]
    # Article and noun are one word in the translation: the arc between them is skipped.
    merged = carried(tree, translation, *links((0, 0), (0, 1), (1, 2)))
    assert merged.heads.tolist() == [2, 0]
    # Nothing says what the verb's translation is: its subject has no head here.
    lost = carried(tree, translation, *links((0, 1)))
    assert lost.heads.tolist() == [-100, -100]


def test_interrupted_training_ends_as_uninterrupted(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "EVERY", 2)
    torch.use_deterministic_algorithms(True)
    source, target = sides(tokenizer)
    links = {("xxx", "eng"): align(source, target, tokenizer.get_vocab_size())}
    vectors = np.random.default_rng(1).standard_normal((tokenizer.get_vocab_size(), 16))

    class Interrupted(Exception):
        pass

    def trained(file, *, stop: int | None = None) -> dict[str, torch.Tensor]:
        encoder = make_encoder(vectors.astype(np.float32), layers=1, heads=2, inner=16, seed=1)
        without_dropout(encoder)
        network = Network(encoder)
        found = pool(network, [PARALLEL], links, tokenizer, most=20, seed=1)
        lengths = [pair.tree.words.length for pair in found.pairs]
        sampler = StepSampler(lengths, [np.arange(len(lengths))], budget=200, epochs=1, seed=1)
        trees = [pair.tree for pair in found.pairs]
        trees = [Tree(t.words, t.heads, t.relations, t.heads * 0) for t in trees]
        losses = translation_losses(network, found, sampler, trees, 1)

        def interrupted(step: int):
            if step == stop:
                raise Interrupted
            return losses(step)

        training.run(network, interrupted, 6, file, rate=1e-3, vectors=1e-3, clip=1.0, seed=1)
        return network.state_dict()

    whole = trained(tmp_path / "whole.safetensors")
    with pytest.raises(Interrupted):
        trained(tmp_path / "part.safetensors", stop=3)
    assert not training.finished(tmp_path / "part.safetensors")
    resumed = trained(tmp_path / "part.safetensors")
    assert training.finished(tmp_path / "part.safetensors")
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    before = make_encoder(vectors.astype(np.float32), layers=1, heads=2, inner=16, seed=1)
    assert not torch.equal(before.shared.weight, whole["encoder.shared.weight"])
