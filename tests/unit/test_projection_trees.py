"""Partial trees and word labels, carried along links."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import aligned_pair

from xlt.config.schema import ProjectionSettings
from xlt.document import Tags, Text, Tree
from xlt.projection.layers import project_document, project_layer
from xlt.projection.pair import AlignedPair
from xlt.projection.trees import project_tree
from xlt.projection.words import project_words
from xlt.tasks.dependency_parsing import DependencyParsing

SETTINGS = ProjectionSettings()


def pair(source: str, target: str, links: dict[tuple[int, int], float]) -> AlignedPair:
    return aligned_pair(source.split(), target.split(), links)


def test_direct_correspondence():
    """The man sleeps → gizona lo dago: article and noun are one word, `lo dago` two for one."""
    aligned = pair(
        "the man sleeps .", "gizona lo dago .", {(0, 0): 0.4, (1, 0): 1.0, (2, 1): 0.9, (2, 2): 0.6}
    )
    tree, outcomes = project_tree(
        [2, 3, 0, 3], ["det", "nsubj", "root", "punct"], aligned, SETTINGS
    )
    assert tree.heads == [2, 0, -1, -1]
    assert tree.relations == ["nsubj", "root", None, None]
    assert tree.origins == [1, 2, -1, -1]
    assert [o.reason for o in outcomes] == ["collision", None, None, "unaligned"]
    assert outcomes[1].confidence == pytest.approx(0.9)
    assert [o.target for o in outcomes] == [None, (0, 1), (1, 2), None]


def test_an_edge_as_sure_as_is_asked_for_is_kept():
    aligned = pair("a b", "A B", {(0, 0): 0.5, (1, 1): 1.0})
    settings = ProjectionSettings(min_confidence=0.5)
    tree, _ = project_tree([2, 0], ["x", "root"], aligned, settings)
    assert tree.heads == [2, 0]


def test_words_on_one_word_that_do_not_hang_together():
    aligned = pair("a b c", "A C", {(0, 0): 1.0, (2, 0): 0.5, (1, 1): 1.0})
    tree, _ = project_tree([2, 0, 2], ["x", "root", "y"], aligned, SETTINGS)
    assert tree.heads == [2, 0]
    assert tree.origins == [0, 1]


@st.composite
def trees(draw):
    """Heads of a random tree, an arbitrary alignment, a threshold."""
    size, columns = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    order = draw(st.permutations(range(size)))
    heads = [0] * size
    for n, word in enumerate(order[1:], 1):
        heads[word] = order[draw(st.integers(0, n - 1))] + 1
    cell = st.tuples(st.integers(0, size - 1), st.integers(0, columns - 1))
    links = draw(st.dictionaries(cell, st.floats(0.01, 1), max_size=20))
    aligned = aligned_pair([f"s{i}" for i in range(size)], [f"t{j}" for j in range(columns)], links)
    least = draw(st.sampled_from([0, 0.4]))
    return heads, aligned, ProjectionSettings(min_confidence=least)


@given(trees())
def test_a_projected_tree_is_a_forest_with_at_most_one_root(problem):
    heads, aligned, settings = problem
    relations = [f"r{i}" for i in range(len(heads))]
    tree, outcomes = project_tree(heads, relations, aligned, settings)
    assert len(tree.heads) == len(aligned.target.words)
    assert tree.heads.count(0) <= 1
    for j in range(len(tree.heads)):
        seen = set()
        node = j + 1
        while node > 0:
            assert node not in seen
            seen.add(node)
            node = tree.heads[node - 1]
    kept = {o.target[0]: o for o in outcomes if o.target}
    assert sorted(kept) == [j for j, head in enumerate(tree.heads) if head >= 0]
    assert len(outcomes) == len(heads)
    for j, outcome in kept.items():
        assert tree.relations[j] == outcome.kind == relations[outcome.source[0]]
        assert tree.origins[j] == outcome.source[0]


@given(trees())
def test_identity_gives_the_tree_back(problem):
    heads, aligned, _ = problem
    same = AlignedPair(aligned.source, aligned.source, {(i, i): 1.0 for i in range(len(heads))})
    tree, outcomes = project_tree(heads, ["x"] * len(heads), same, SETTINGS)
    assert tree.heads == heads
    assert all(o.confidence == 1 for o in outcomes)


def test_partial_trees_are_written_read_and_learnt_from(tmp_path):
    task = DependencyParsing()
    (source,) = task.read(tree_file(tmp_path), "conllu")
    target = Text.from_words(["Gizona", "lo", "dago", "."], [True, True, False, True])
    aligned = AlignedPair(source.text, target, {(1, 0): 1.0, (2, 1): 1.0})
    projected = project_document(task, source, {"text": aligned}, SETTINGS).document
    assert projected.layer(Tree, "tree").heads == (2, 0, -1, -1)
    assert projected.layer(Tags, "upos").tags == ("NOUN", "VERB", None, None)
    stream = io.StringIO()
    task.write([projected], stream, "conllu")
    assert "# text = Gizona lo dago." in stream.getvalue()
    path = tmp_path / "partial.conllu"
    path.write_text(stream.getvalue(), encoding="utf-8")
    (again,) = task.read(path, "conllu")
    assert (again.text, again.layers) == (projected.text, projected.layers)
    counts = dict(zip(task.count_names, task.counts(projected, projected), strict=True))
    assert (counts["words"], counts["arcs_right"]) == (2, 2)
    detailed = DependencyParsing(DependencyParsing.Options(subtypes=True))
    assert "_" not in detailed.labels([projected])["relation"]


def test_nothing_to_learn(tmp_path):
    task = DependencyParsing()
    (source,) = task.read(tree_file(tmp_path), "conllu")
    for target, warning in (([], None), (["A"], None), (["A"], "too short")):
        aligned = aligned_pair(source.words, target, {}, warning)
        projection = project_document(task, source, {"text": aligned}, SETTINGS)
        assert projection.document is None
        assert {o.reason for o in projection.outcomes} == {
            "guard" if warning else "unaligned" if target else "empty"
        }


def tree_file(folder):
    path = folder / "source.conllu"
    rows = ["The DET 2 det", "man NOUN 3 nsubj", "sleeps VERB 0 root", ". PUNCT 3 punct"]
    lines = []
    for number, row in enumerate(rows, 1):
        form, upos, head, relation = row.split()
        lines.append("\t".join([str(number), form, "_", upos, "_", "_", head, relation, "_", "_"]))
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


# Words ----------------------------------------------------------------------------------------


def test_word_labels_follow_the_best_link():
    links = {(0, 0): 0.5, (1, 0): 0.9, (1, 1): 0.3, (2, 2): 1.0}
    labels, outcomes = project_words(
        ["D", "N", None, "V"], pair("a b c d", "A B C", links), SETTINGS
    )
    assert labels == ["N", "N", None]
    assert [(o.kind, o.target, o.reason) for o in outcomes] == [
        ("D", None, "collision"),
        ("N", (0, 1), None),
        ("V", None, "unaligned"),
    ]
    strict = ProjectionSettings(min_confidence=0.4)
    labels, _ = project_words(["D", "N", None, "V"], pair("a b c d", "A B C", links), strict)
    assert labels == ["N", None, None]
    empty = project_words(["D"], aligned_pair(["a"], [], {}), SETTINGS)
    assert [o.reason for o in empty[1]] == ["empty"]


@pytest.mark.parametrize(
    ("source", "links", "projected"),
    [
        (("D", "N"), {(1, 0): 1.0}, Tags(("N", None))),
        (("D", None), {(1, 0): 1.0}, None),  # it had labels, and has none
        ((None, None), {(1, 0): 1.0}, Tags((None, None))),  # nothing was lost
    ],
)
def test_a_layer_whose_every_label_was_lost_is_lost(source, links, projected):
    layer, outcomes = project_layer(Tags(source), pair("a b", "A B", links), SETTINGS, "text")
    assert layer == projected
    assert [o.reason for o in outcomes] == [
        None if (i, 0) in links else "unaligned" for i, tag in enumerate(source) if tag is not None
    ]
