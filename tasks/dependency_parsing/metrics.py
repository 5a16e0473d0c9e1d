"""Attachment scores on gold words, with the definitions of the CoNLL 2018 shared task.

UAS: head right. LAS: head and relation right. CLAS: F1 of head and relation over content words
(Nivre and Fang 2017; Zeman et al. 2018), where a word's gold relation says whether it counts for
recall, its predicted relation for precision. The shared task's evaluation compares universal
relations only, which is ``subtypes=False`` here, and counts punctuation; the scores without
punctuation leave out words whose gold UPOS is PUNCT (`is_punctuation` where there is no UPOS).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]

COUNT_NAMES = (
    "words",
    "heads_right",
    "arcs_right",
    "words_no_punct",
    "heads_right_no_punct",
    "arcs_right_no_punct",
    "content_gold",
    "content_predicted",
    "content_right",
)
"""Columns of `tree_counts`; an arc is a head with its relation."""

METRICS = ("las", "uas", "clas", "las_no_punct", "uas_no_punct")

CONTENT_RELATIONS = frozenset(
    (
        *("nsubj", "obj", "iobj", "csubj", "ccomp", "xcomp", "obl", "vocative", "expl"),
        *("dislocated", "advcl", "advmod", "discourse", "nmod", "appos", "nummod", "acl", "amod"),
        *("conj", "fixed", "flat", "compound", "list", "parataxis", "orphan", "goeswith"),
        *("reparandum", "root", "dep"),
    )
)


@lru_cache(maxsize=4096)
def universal(relation: str) -> str:
    """Return the relation without its subtype: ``nsubj`` for ``nsubj:pass``."""
    return relation.partition(":")[0]


def is_punctuation(form: str) -> bool:
    """Return whether every character is punctuation (Unicode's P), as in CoNLL-X scoring."""
    return bool(form) and all(unicodedata.category(character)[0] == "P" for character in form)


def punctuation(forms: Sequence[str], upos: Sequence[str | None] | None) -> NDArray[np.bool_]:
    """Return which words have the gold UPOS PUNCT or, without a tag, consist of punctuation.

    A treebank without tags writes `_` or nothing.
    """
    tags = [None] * len(forms) if upos is None else upos
    return np.array(
        [
            tag == "PUNCT" if tag and tag != "_" else is_punctuation(form)
            for form, tag in zip(forms, tags, strict=True)
        ],
        bool,
    )


def tree_counts(
    gold_heads: Sequence[int],
    gold_relations: Sequence[str],
    heads: Sequence[int],
    relations: Sequence[str],
    punct: NDArray[np.bool_],
    *,
    subtypes: bool,
) -> Counts:
    """Count right heads and arcs of one sentence, shape (9,) as in `COUNT_NAMES`; they add up.

    gold_heads, gold_relations: of each word; heads count words from 1, 0 is the root. A word with
        a negative head has no gold and is not counted at all.
    heads, relations: the predicted ones.
    punct:    which words are punctuation (`punctuation`).
    subtypes: whether ``nsubj`` and ``nsubj:pass`` differ.
    Raises ValueError if the lengths differ.
    """
    n = len(gold_heads)
    if not len(gold_relations) == len(heads) == len(relations) == len(punct) == n:
        raise ValueError(f"{n} gold words but {len(heads)} predicted words")
    gold_universal = [universal(relation) for relation in gold_relations]
    predicted_universal = [universal(relation) for relation in relations]
    same = (
        [a == b for a, b in zip(gold_relations, relations, strict=True)]
        if subtypes
        else [a == b for a, b in zip(gold_universal, predicted_universal, strict=True)]
    )
    known = np.asarray(gold_heads, np.int64) >= 0
    head_right = known & (np.asarray(gold_heads, np.int64) == np.asarray(heads, np.int64))
    arc_right = head_right & np.array(same, bool)
    content, content_predicted = (
        known & np.array([relation in CONTENT_RELATIONS for relation in relations], bool)
        for relations in (gold_universal, predicted_universal)
    )
    counted = known & ~np.asarray(punct, bool)
    return np.array(
        [
            known.sum(),
            head_right.sum(),
            arc_right.sum(),
            counted.sum(),
            (head_right & counted).sum(),
            (arc_right & counted).sum(),
            content.sum(),
            content_predicted.sum(),
            (arc_right & content).sum(),
        ],
        np.float64,
    )


def tree_metrics(counts: NDArray[Any]) -> dict[str, Counts]:
    """Compute scores in percent (`METRICS`) from counts of shape (..., 9); 0 where undefined."""
    column = dict(zip(COUNT_NAMES, np.moveaxis(counts, -1, 0), strict=True))
    return {
        "las": _percent(column["arcs_right"], column["words"]),
        "uas": _percent(column["heads_right"], column["words"]),
        "clas": _percent(
            2 * column["content_right"], column["content_gold"] + column["content_predicted"]
        ),
        "las_no_punct": _percent(column["arcs_right_no_punct"], column["words_no_punct"]),
        "uas_no_punct": _percent(column["heads_right_no_punct"], column["words_no_punct"]),
    }


def _percent(part: NDArray[Any], whole: NDArray[Any]) -> Counts:
    return 100.0 * part / np.where(whole > 0, whole, 1)
