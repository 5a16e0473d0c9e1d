"""Grow-diag-final-and and itermax against their published definitions, written out in loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.projection.align.matching import extract
from xlt.projection.align.symmetrise import LinkTable, symmetrise

Points = set[tuple[int, int]]
points = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14)


def table(*pairs: Points, score: float = 1.0) -> LinkTable:
    rows = np.array([(n, i, j) for n, p in enumerate(pairs) for i, j in sorted(p)], np.int64)
    rows = rows.reshape(-1, 3)
    return LinkTable(rows[:, 0], rows[:, 1], rows[:, 2], np.full(len(rows), score))


def moses(forward: Points, reverse: Points) -> Points:
    """Koehn's pseudo-code (statmt.org/moses, Word Alignment), as it stands."""
    neighbours = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    alignment, union = forward & reverse, forward | reverse

    def covered(e: int, f: int) -> tuple[bool, bool]:
        return any(i == e for i, _ in alignment), any(j == f for _, j in alignment)

    added = True
    while added:
        added = False
        for e in range(6):
            for f in range(6):
                if (e, f) not in alignment:
                    continue
                for up, right in neighbours:
                    new = (e + up, f + right)
                    if not all(covered(*new)) and new in union and new not in alignment:
                        alignment = alignment | {new}
                        added = True
    for direction in (forward, reverse):
        for e in range(6):
            for f in range(6):
                if not any(covered(e, f)) and (e, f) in direction:
                    alignment = alignment | {(e, f)}
    return alignment


@given(st.lists(st.tuples(points, points), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_grow_diag_final_and_is_moses(pairs: list[tuple[Points, Points]]) -> None:
    found = symmetrise(
        table(*(a for a, _ in pairs)), table(*(b for _, b in pairs)), "grow-diag-final-and"
    ).links(len(pairs))
    assert [set(links) for links in found] == [moses(a, b) for a, b in pairs]


def test_grow_diag_final_and_by_hand() -> None:
    forward = {(0, 0), (1, 1), (2, 1), (4, 5), (3, 5)}
    reverse = {(0, 0), (1, 1), (1, 2), (5, 4), (4, 4)}
    (found,) = symmetrise(table(forward), table(reverse), "grow-diag-final-and").links(1)
    # 2-1 and 1-2 touch 1-1; then 3-5 is the first in `forward` without any neighbour, which
    # leaves 4-5 out; 4-4 is the first in `reverse`, which leaves 5-4 out.
    assert found == {
        (0, 0): 1.0, (1, 1): 1.0, (1, 2): 0.5, (2, 1): 0.5, (3, 5): 0.5, (4, 4): 0.5,
    }  # fmt: skip


@given(points, points)
@settings(max_examples=50, deadline=None)
def test_the_other_methods_and_scores(forward: Points, reverse: Points) -> None:
    methods = {
        "intersection": forward & reverse, "union": forward | reverse,
        "forward": forward, "reverse": reverse,
    }  # fmt: skip
    for method, expected in methods.items():
        (found,) = symmetrise(table(forward, score=0.5), table(reverse), method).links(1)  # type: ignore[arg-type]
        assert set(found) == expected
        for link, score in found.items():
            assert score == (0.25 * (link in forward)) + (0.5 * (link in reverse))


def simalign_itermax(sim: np.ndarray) -> np.ndarray:
    """SimAlign's iterative maximum (section 2.3 and its code), with loops."""
    m, n = sim.shape

    def mutual(matrix: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        links = np.zeros((m, n), bool)
        for i in range(m):
            for j in range(n):
                best = matrix[i].argmax() == j and matrix[:, j].argmax() == i
                links[i, j] = best and allowed[i, j]
        return links

    links = mutual(sim, np.ones((m, n), bool))
    if min(m, n) <= 2:
        return links
    free_rows, free_columns = ~links.any(1), ~links.any(0)
    if not free_rows.any() or not free_columns.any():
        return links
    discounted, allowed = np.zeros((m, n)), np.zeros((m, n), bool)
    for i in range(m):
        for j in range(n):
            free = int(free_rows[i]) + int(free_columns[j])
            discounted[i, j] = sim[i, j] * (0.0, 0.9, 1.0)[free]
            allowed[i, j] = free > 0
    return links | mutual(discounted, allowed)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_itermax_and_argmax_on_padded_batches(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1,
                                max_size=5))  # fmt: skip
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    batch = np.full((len(shapes), 8, 8), 0.99, np.float32)  # padding must not win
    for n, (a, b) in enumerate(shapes):
        batch[n, :a, :b] = random.random((a, b), np.float32)
    sizes = [torch.tensor(side) for side in zip(*shapes, strict=True)]
    for method in ("itermax", "argmax"):
        found = extract(torch.from_numpy(batch), *sizes, method).numpy()  # type: ignore[arg-type]
        for n, (a, b) in enumerate(shapes):
            sim = batch[n, :a, :b]
            if method == "itermax":
                expected = simalign_itermax(sim)
            else:
                expected = (sim == sim.max(0)[None]) & (sim == sim.max(1)[:, None])
            assert (found[n, :a, :b] == expected).all()
            assert not found[n, a:].any()
            assert not found[n, :, b:].any()


def test_matching_is_one_to_one_and_best() -> None:
    sim = torch.tensor([[[0.9, 0.8, 0.0], [0.8, 0.1, 0.0], [0.0, 0.0, 0.0]]])
    found = extract(sim, torch.tensor([2]), torch.tensor([2]), "match")
    assert found.nonzero().tolist() == [[0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("method", ["argmax", "itermax", "match"])
def test_one_word(method: str) -> None:
    found = extract(torch.tensor([[[0.3]]]), torch.tensor([1]), torch.tensor([1]), method)  # type: ignore[arg-type]
    assert found.all()
