"""The tags and relations of Universal Dependencies, and relations of other schemes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .metrics import universal

UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON"),
    *("PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
RELATIONS = (
    *("acl", "advcl", "advmod", "amod", "appos", "aux", "case", "cc", "ccomp", "clf"),
    *("compound", "conj", "cop", "csubj", "dep", "det", "discourse", "dislocated", "expl"),
    *("fixed", "flat", "goeswith", "iobj", "list", "mark", "nmod", "nsubj", "nummod", "obj"),
    *("obl", "orphan", "parataxis", "punct", "reparandum", "root", "vocative", "xcomp"),
)
"""The universal relations of UD v2; the model knows all of them, whatever the training data, and
beside them those that a treebank of another scheme has."""

log = logging.getLogger(f"xlt.{__name__}")


class Others:
    """The relations of a file that are not universal: in how many sentences, and where first."""

    def __init__(self) -> None:
        self._sentences: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def add(self, heads: Sequence[int], relations: Sequence[str], line: int) -> None:
        """Count those of a sentence that begins in this line; of words without a head, none."""
        found = {universal(r) for head, r in zip(heads, relations, strict=True) if head >= 0}
        for relation in found.difference(RELATIONS):
            self._sentences[relation] += 1
            self._first.setdefault(relation, line)

    def warn(self, path: Path) -> None:
        """Log them in alphabetical order: they are learnt and scored, but may be slips."""
        for relation, count in sorted(self._sentences.items()):
            log.warning(
                "%s:%d: the relation %r, in %d sentence%s, is none of Universal Dependencies'; it "
                "counts as one of its own",
                path,
                self._first[relation],
                relation,
                count,
                "s" * (count > 1),
            )
