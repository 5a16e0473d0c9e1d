"""Two predictions of a document made one: the projected one, completed by the model's own."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from xlt.document import Document, Layer, Tags, Tree


def merge(own: Document, projected: Document) -> Document:
    """`own` with the projected annotation; what that leaves open is as `own` has it."""
    layers = {
        name: merge_layer(layer, projected.layers[name]) for name, layer in own.layers.items()
    }
    return own.with_layers(**layers)


@singledispatch
def merge_layer(own: Layer, projected: Layer) -> Layer:
    """The projected layer, completed; a kind that can be incomplete registers how."""
    return projected


@merge_layer.register(Tags)
def _merge_tags(own: Tags, projected: Layer) -> Layer:
    assert isinstance(projected, Tags)
    pairs = zip(own.tags, projected.tags, strict=True)
    return Tags(tuple(mine if theirs is None else theirs for mine, theirs in pairs))


@merge_layer.register(Tree)
def _merge_tree(own: Tree, projected: Layer) -> Layer:
    """The tree with the fewest edges that neither has; of such trees, with most projected ones."""
    from xlt.model.mst import decode_trees

    assert isinstance(projected, Tree)
    size = len(own.heads)
    scores = np.full((1, size + 1, size + 1), -100.0, np.float32)
    for tree, score in ((own, -1.0), (projected, 0.0)):
        for word, head in enumerate(tree.heads, 1):
            if head >= 0:
                scores[0, word, head] = score
    heads = decode_trees(scores, np.array([size]))[0, :size].tolist()
    relations = []
    for word, head in enumerate(heads):
        candidates = [t.relations[word] for t in (projected, own) if t.heads[word] == head]
        relations.append("root" if head == 0 else candidates[0] if candidates else "dep")
    return Tree(tuple(heads), tuple(relations))
