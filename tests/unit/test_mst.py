"""One-root decoding against enumeration, and against an independent recursion on longer ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xlt.errors import XltError
from xlt.model.mst import decode_trees


def is_one_root_tree(heads) -> bool:
    if list(heads).count(0) != 1:
        return False
    for word in range(1, len(heads) + 1):
        seen = set()
        while word and word not in seen:
            seen.add(word)
            word = heads[word - 1]
        if word:
            return False
    return True


def value(scores, heads) -> float:
    return float(sum(scores[word, head] for word, head in enumerate(heads, start=1)))


def all_trees(n: int):
    return filter(is_one_root_tree, itertools.product(range(n + 1), repeat=n))


TREES = {n: np.array(list(all_trees(n))) for n in range(1, 6)}


def best_by_enumeration(scores) -> float:
    n = len(scores) - 1
    return float(scores[np.arange(1, n + 1), TREES[n]].sum(axis=1).max())


def best_by_recursion(scores) -> float:
    """Textbook Chu-Liu/Edmonds, one contraction a call, once for every possible root word."""

    def arborescence(weights: dict, nodes: list, root) -> float:
        choice = {
            v: max((u for u in nodes if u != v), key=lambda u: weights[u, v])
            for v in nodes
            if v != root
        }
        for start in choice:
            path, v = [], start
            while v in choice and v not in path:
                path.append(v)
                v = choice[v]
            if v in path:
                cycle = path[path.index(v) :]
                break
        else:
            return sum(weights[u, v] for v, u in choice.items())
        inner = sum(weights[choice[v], v] for v in cycle)
        merged = ("merged", *cycle)
        rest = [v for v in nodes if v not in cycle]
        reduced = {(u, v): weights[u, v] for u in rest for v in rest if u != v}
        for u in rest:
            reduced[u, merged] = max(weights[u, v] - weights[choice[v], v] for v in cycle)
            reduced[merged, u] = max(weights[v, u] for v in cycle)
        return inner + arborescence(reduced, [*rest, merged], root)

    n = len(scores) - 1
    weights = {
        (u, v): float(scores[v, u]) for u in range(1, n + 1) for v in range(1, n + 1) if u != v
    }
    return max(
        scores[r, 0] + (arborescence(weights, list(range(1, n + 1)), r) if n > 1 else 0.0)
        for r in range(1, n + 1)
    )


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_equals_enumeration(data):
    n = data.draw(st.integers(1, 5))
    # Few distinct values: many ties, many cycles, often several roots in the free optimum.
    scores = data.draw(
        hnp.arrays(np.float64, (n + 1, n + 1), elements=st.integers(-4, 4).map(float))
    )
    scores[:, 0] += data.draw(st.sampled_from([-5.0, 0.0, 5.0]))
    heads = decode_trees(scores[None], [n])[0]
    assert is_one_root_tree(heads)
    assert value(scores, heads) == pytest.approx(best_by_enumeration(scores), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 5), seed=st.integers(0, 2**32 - 1), share=st.floats(0, 0.9))
def test_forbidden_arcs_are_used_only_where_nothing_else_is_left(n, seed, share):
    rng = np.random.default_rng(seed)
    scores = log_softmax(3 * rng.normal(size=(n + 1, n + 1)))
    scores[rng.random(scores.shape) < share] = rng.choice([-np.inf, -1e9, np.finfo(np.float32).min])
    heads = decode_trees(scores[None], [n])[0]
    assert is_one_root_tree(heads)
    allowed = np.where(scores > -1e6, scores, -1000.0)
    assert value(allowed, heads) == pytest.approx(best_by_enumeration(allowed), abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_equals_recursion_on_longer_sentences(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 16))
    scores = log_softmax(rng.choice([0.5, 2.0]) * rng.normal(size=(n + 1, n + 1)))
    scores[:, 0] += rng.choice([0.0, 3.0])
    heads = decode_trees(scores[None], [n])[0]
    assert is_one_root_tree(heads)
    assert value(scores, heads) == pytest.approx(best_by_recursion(scores), abs=1e-8)


def test_nested_cycles_on_a_long_sentence():
    n = 60
    position = np.arange(n + 1)
    scores = -np.abs(position[:, None] - position).astype(float)
    scores[position[:, None] > position] -= 0.5  # neighbours on the right first: a chain of cycles
    scores[:, 0] -= 100
    heads = decode_trees(scores[None], [n])[0]
    assert is_one_root_tree(heads)
    assert heads.tolist() == [*range(2, n + 1), 0] or value(scores, heads) >= value(
        scores, [*range(2, n + 1), 0]
    )


def test_batch_equals_one_by_one_and_padding_is_ignored():
    rng = np.random.default_rng(0)
    lengths = [0, 1, 2, 7, 5, 0, 7]
    scores = 2 * rng.normal(size=(len(lengths), 8, 8))
    # One sentence whose argmax is a tree takes the fast path beside the searched ones.
    scores[4, 1:6] = -9
    scores[4, range(1, 6), range(5)] = 0
    together = decode_trees(scores, lengths)
    for sentence, n in enumerate(lengths):
        alone = decode_trees(scores[sentence, None, : n + 1, : n + 1], [n])[0]
        assert together[sentence, :n].tolist() == alone.tolist()
        assert (together[sentence, n:] == -1).all()
    scores[1, 2:] = np.nan  # beyond the sentence, like row 0 and the diagonal
    scores[3, 0] = np.nan
    scores[3, range(8), range(8)] = np.inf
    assert (decode_trees(scores, lengths) == together).all()


def test_float32_and_torch_are_welcome():
    torch = pytest.importorskip("torch")
    scores = torch.randn(3, 6, 6)
    assert (
        decode_trees(scores, torch.tensor([5, 3, 1])) == decode_trees(scores.numpy(), [5, 3, 1])
    ).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_named(bad):
    scores = np.zeros((2, 4, 4))
    scores[1, 3, 2] = bad
    with pytest.raises(XltError, match=rf"{bad}.*sentence 1.*word 3, head 2"):
        decode_trees(scores, [3, 3])


def test_shapes():
    assert decode_trees(np.zeros((0, 4, 4)), []).shape == (0, 3)
    assert decode_trees(np.zeros((2, 1, 1)), [0, 0]).shape == (2, 0)
    with pytest.raises(ValueError, match="must be"):
        decode_trees(np.zeros((2, 4, 5)), [3, 3])
    with pytest.raises(ValueError, match="lengths"):
        decode_trees(np.zeros((2, 4, 4)), [3, 4])
