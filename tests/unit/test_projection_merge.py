"""A tree of one's own and a projected one, as one; and trees of which nothing is left."""

from __future__ import annotations

import pytest
from pairs import aligned_pair

from xlt.config.schema import ProjectionSettings
from xlt.document import Tree
from xlt.projection.layers import project_layer
from xlt.projection.merge import merge_layer

OWN = Tree((0, 1, 1), ("root", "obj", "punct"))


def test_a_projected_root_is_the_root_where_a_tree_has_it() -> None:
    projected = Tree((2, 0, -1), ("nsubj", "root", "_"))
    assert merge_layer(OWN, projected) == Tree((2, 0, 1), ("nsubj", "root", "punct"))
    # Without an edge to what was the root, the tree would need one that neither has.
    assert merge_layer(OWN, Tree((-1, 0, -1), ("_", "root", "_"))) == OWN


def test_edges_of_ones_own_stand_where_nothing_was_projected() -> None:
    assert merge_layer(OWN, Tree((-1, -1, -1), ("_", "_", "_"))) == OWN
    # One's own root is an edge, too: without it the second word would be as good a root.
    assert merge_layer(OWN, Tree((2, -1, -1), ("nsubj", "_", "_"))) == OWN
    merged = merge_layer(OWN, Tree((-1, -1, 2), ("_", "_", "case")))
    assert merged == Tree((0, 1, 2), ("root", "obj", "case"))


@pytest.mark.parametrize("heads", [(0, 1), (2, 0)])
def test_a_tree_without_a_link_is_lost_and_one_without_heads_is_not(heads) -> None:
    """A root by itself is a head, too."""
    settings = ProjectionSettings()
    apart = aligned_pair(["a", "b"], ["A", "B"], {})
    one = aligned_pair(["a", "b"], ["A", "B"], {(heads.index(0), 1): 1.0})
    tree = Tree(heads, ("root", "obj"))
    assert project_layer(tree, apart, settings, "text")[0] is None
    assert project_layer(tree, one, settings, "text")[0] == Tree(
        (-1, 0), ("_", tree.relations[heads.index(0)])
    )
    word = aligned_pair(["a"], ["A"], {})
    assert project_layer(Tree((0,), ("root",)), word, settings, "text")[0] is None
    unlabelled = Tree((-1, -1), ("_", "_"))
    assert project_layer(unlabelled, apart, settings, "text")[0] == unlabelled
