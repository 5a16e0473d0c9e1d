"""What all grammars share: keys, names, coordination, sentence assembly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..lexicon import GIVEN, NUMBERS, PLACES
from ..scenes import NP, Clause, Time
from ..tree import Ph, Sentence, finish, join, punct, word

Parts = list[tuple[Ph, str]]


class Grammar:
    """Subclasses give `np`, `clause` and the closed-class words below."""

    lang = ""
    spaced = True
    full_stop = "."
    question_mark = "?"
    comma = ","
    and_ = "and"
    but_ = "but"

    # -- to be given by each language ------------------------------------------------------
    def clause(self, c: Clause) -> Ph:
        raise NotImplementedError

    def np(self, np: NP, role: str) -> Ph:
        raise NotImplementedError

    # -- shared ----------------------------------------------------------------------------
    def realise(self, c: Clause, sent_id: str) -> Sentence:
        body = self.clause(c)
        mark = punct(self.question_mark if c.question else self.full_stop)
        mark.head.keys = frozenset({f"{c.node}.end"})
        return finish(join(body, right=[(mark, "punct")]), sent_id, self.lang, self.spaced)

    def marked_comma(self, node: str) -> Ph:
        comma = punct(self.comma)
        comma.head.keys = frozenset({f"{node}.comma"})
        return comma

    def conj_clause(self, c: Clause, comma: bool = True) -> Ph:
        """`, and ...`: the second of two coordinated clauses with what introduces it."""
        assert c.conj is not None
        kind, second = c.conj
        cc = word(
            self.and_ if kind == "and" else self.but_,
            self.and_ if kind == "and" else self.but_,
            "CCONJ",
            keys=[f"{second.node}.cc"],
        )
        left: Parts = [(self.marked_comma(second.node), "punct")] if comma else []
        return join(self.clause(second), left=[*left, (cc, "cc")])

    def coord(self, np: NP, role: str) -> Ph:
        """Coordinated participants: `the man and Maria`."""
        first, second = (self.np(p, role) for p in np.parts)
        cc = word(self.and_, self.and_, "CCONJ", keys=[f"{np.node}.cc"])
        return join(first, right=[(join(second, left=[(cc, "cc")]), "conj")])

    def person(self, np: NP, forms: tuple[str, str], feats: str = "_") -> Ph:
        """A given name, with the family name as `flat`; `forms` are both as they appear."""
        entity = (np.node, "PER")
        keys = [f"{np.node}.h"] if np.family else [f"{np.node}.h", f"{np.node}.last"]
        given = word(forms[0], np.concept, "PROPN", feats, keys, entity)
        if not np.family:
            return given
        family = word(forms[1], np.family, "PROPN", feats, [f"{np.node}.last"], entity)
        return join(given, right=[(family, "flat:name")])

    def name(self, np: NP, inflected: Callable[[str], str], feats: str, affix: Iterable[str]) -> Ph:
        """A person, an organisation or a place, whose last word takes the ending."""
        if np.kind == "per":
            given, family = np.concept, np.family
            forms = (given, inflected(family)) if family else (inflected(given), family)
            return tag(self.person(np, forms, feats), affix)
        place = np.kind == "loc"
        lemma = PLACES[np.concept].forms[self.lang][0] if place else np.concept
        entity = (np.node, "LOC" if place else "ORG")
        return word(inflected(lemma), lemma, "PROPN", feats, [*k(np, "h"), *affix], entity)

    def number(self, np: NP) -> str:
        return NUMBERS[np.count].forms[self.lang][0]


def k(np: NP | Clause | Time, *names: str) -> list[str]:
    """Alignment keys of one scene node: `k(np, 'h', 'def')` -> ['n1.h', 'n1.def']."""
    return [f"{np.node}.{n}" for n in names]


def tag(phrase: Ph, keys: Iterable[str]) -> Ph:
    """Add keys to a phrase's head: what is an affix here may be a word elsewhere."""
    phrase.head.keys |= frozenset(keys)
    return phrase


def gender_of(np: NP) -> str:
    return GIVEN[np.concept][0] if np.kind == "per" else np.gender
