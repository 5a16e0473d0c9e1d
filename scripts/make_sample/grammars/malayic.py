"""Indonesian and Javanese (ngoko): one grammar, two sets of words."""

from __future__ import annotations

from collections.abc import Iterable

from ..lexicon import ADJECTIVES, NOUNS, PLACES, VERBS, WEEKDAYS, month, rows
from ..scenes import NP, Clause, Time
from ..tree import Ph, fuse, join, word
from .base import Grammar, Parts, k

REL = "PronType=Rel"
INT = "PronType=Int"
DEF = "Definite=Def|PronType=Art"

#: What the grammar says by it, in Indonesian, in Javanese.
WORDS = """
that      | itu      | kuwi
this      | ini      | iki
he        | dia      | dheweke
all       | semua    | kabeh
many      | banyak   | akeh
rel       | yang     | sing
not       | tidak    | ora
not_noun  | bukan    | dudu
cop       | adalah   |
in        | di       | ing
to        | ke       | menyang
on        | pada     | ing
give_to   | kepada   | marang
by        | oleh     | dening
who       | siapa    | sapa
what      | apa      | apa
where     | mana     | ngendi
when      | kapan    | kapan
say_that  | bahwa    | yen
because   | karena   | amarga
while     | ketika   | nalika
want      | ingin    | kepengin
be_at     | ada      | ana
every     | setiap   | saben
day       | hari     | dina
year      | tahun    | taun
month     | bulan    | wulan
date      | tanggal  | tanggal
last      | lalu     | kepungkur
yesterday | kemarin  | wingi
"""


def _column(n: int) -> dict[str, str]:
    return {row[0]: row[n] for row in rows(WORDS)}


class Indonesian(Grammar):
    lang = "ind"
    and_, but_ = "dan", "tetapi"
    words = _column(1)
    last_is = ("VERB", "acl")
    #: Humans that are counted by reduplication although they are people.
    reduplicated = ("child",)

    def own(
        self,
        name: str,
        upos: str,
        feats: str = "_",
        keys: Iterable[str] = (),
        entity: tuple[str, str] | None = None,
    ) -> Ph:
        """One of `words`: its form is its lemma."""
        form = self.words[name]
        return word(form, form, upos, feats, keys, entity)

    # -- noun phrases ----------------------------------------------------------------------
    def noun(self, np: NP) -> tuple[Ph, Parts]:
        """The noun, and the plural word before it if it takes one."""
        form = NOUNS[np.concept].forms[self.lang][0]
        if np.plural and np.det not in ("count", "many", "all"):
            if np.human and np.concept not in self.reduplicated:
                para = word("para", "para", "DET", keys=k(np, "plural"))
                return word(form, form, "NOUN", "Number=Plur", k(np, "h")), [(para, "det")]
            return word(f"{form}-{form}", form, "NOUN", "Number=Plur", k(np, "h")), []
        return word(form, form, "NOUN", "Number=Sing", k(np, "h")), []

    def np(self, np: NP, role: str) -> Ph:
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind == "per":
            return self.person(np, (np.concept, np.family))
        if np.kind in ("org", "loc"):
            loc = np.kind == "loc"
            form = PLACES[np.concept].forms[self.lang][0] if loc else np.concept
            return word(form, form, "PROPN", "_", k(np, "h"), (np.node, "LOC" if loc else "ORG"))
        if np.kind == "uni":
            entity = (np.node, "ORG")
            city = PLACES[np.concept].forms[self.lang][0]
            head = word("Universitas", "Universitas", "PROPN", "_", k(np, "h"), entity)
            return join(head, [], [(word(city, city, "PROPN", "_", k(np, "city"), entity), "nmod")])
        if np.kind == "pron":
            return self.own("he", "PRON", "Number=Sing|Person=3|PronType=Prs", k(np, "h"))
        return self.common(np, role)

    def common(self, np: NP, role: str) -> Ph:
        head, left = self.noun(np)
        right: Parts = []
        if np.det in ("many", "all"):
            form = self.words["many"] if np.det == "many" else self.words["all"]
            left.append(
                (
                    word(
                        form,
                        form,
                        "DET",
                        "PronType=Ind" if np.det == "many" else "PronType=Tot",
                        k(np, "quant"),
                    ),
                    "det",
                )
            )
        left += self.counted(np)
        if np.adj:
            adj = ADJECTIVES[np.adj].forms[self.lang][0]
            right.append((word(adj, adj, "ADJ", "_", k(np, "adj")), "amod"))
        right += self.counted_after(np)
        if np.owner:
            return self.owned(np, head, left, right)
        if np.det == "poss":
            return self.possessed(np, head, left, right)
        if np.rel:
            right.append((self.relative(np), "acl:relcl"))
        elif np.det == "this":
            right.append((self.own("this", "DET", "PronType=Dem", k(np, "dem")), "det"))
        elif np.det == "def" and role not in ("place", "pred"):
            return self.definite(np, head, left, right)
        return join(head, left, right)

    def counted(self, np: NP) -> Parts:
        kind = "orang" if np.human else "ekor" if np.animal else "buah"
        if np.det == "count":
            num = word(self.number(np), self.number(np), "NUM", "NumType=Card", k(np, "num"))
            if np.human or np.animal:
                clf = word(kind, kind, "NOUN", "_", k(np, "clf"))
                num = join(num, right=[(clf, "clf")])
            return [(num, "nummod")]
        if np.det == "indef" and not np.owner:
            form = "se" + kind
            return [
                (word(form, form, "DET", "Definite=Ind|PronType=Art", k(np, "indef", "clf")), "det")
            ]
        return []

    def counted_after(self, np: NP) -> Parts:
        return []

    def owned(self, np: NP, head: Ph, left: Parts, right: Parts) -> Ph:
        assert np.owner
        right.append((self.np(np.owner, "owner"), "nmod:poss"))
        return join(head, left, right)

    def possessed(self, np: NP, head: Ph, left: Parts, right: Parts) -> Ph:
        """`rumahnya`: the clitic closes the noun, or the adjective that follows it."""
        feats = "Number=Sing|Person=3|PronType=Prs"
        nya = word("nya", "nya", "PRON", feats, k(np, "poss"))
        whole = join(head, left, [*right, (nya, "nmod:poss")])
        return fuse(whole, len(whole.toks) - 2, 2, whole.toks[-2].form + "nya")

    def definite(self, np: NP, head: Ph, left: Parts, right: Parts) -> Ph:
        that = self.own("that", "DET", "PronType=Dem", k(np, "def"))
        return join(head, left, [*right, (that, "det")])

    def relative(self, np: NP) -> Ph:
        assert np.rel
        c = np.rel
        rel = self.own("rel", "PRON", REL, k(np, "rel"))
        if np.gap == "agent":
            return self.predicate(c, [(rel, "nsubj")], {"agent"})
        return self.passive_predicate(c, [(rel, "nsubj:pass")], {"patient"})

    def pp(self, np: NP, prep: str, role: str) -> tuple[Ph, str]:
        adp = word(prep, prep, "ADP", keys=k(np, "case"))
        return join(self.np(np, role), [(adp, "case")]), "obl"

    def motion_prep(self, c: Clause) -> str:
        return self.words["to"]

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")
        if t.kind == "yesterday":
            return self.own("yesterday", "ADV", "_", k(t, "h", "year", "day"), entity), "advmod"
        if t.kind == "everyday":
            every = self.own("every", "DET", "_", k(t, "every"))
            return join(self.own("day", "NOUN", "_", k(t, "day")), [(every, "det")]), "obl:tmod"
        if t.kind == "today":
            this = self.own("this", "DET", "PronType=Dem", k(t, "h"), entity)
            return join(
                self.own("day", "NOUN", "_", k(t, "day", "h"), entity), [], [(this, "det")]
            ), "obl:tmod"
        if t.kind == "lastyear":
            upos, rel = self.last_is
            last = self.own("last", upos, "_", k(t, "last"), entity)
            return join(
                self.own("year", "NOUN", "_", k(t, "h", "year"), entity), [], [(last, rel)]
            ), "obl:tmod"
        case = self.own("on", "ADP", "_", k(t, "case"))

        def number(value: str, key: str) -> Ph:
            return word(value, value, "NUM", "NumType=Card", k(t, key), entity)

        def name(form: str, *keys: str) -> Ph:
            return word(form, form, "PROPN", "_", k(t, *keys), entity)

        right: Parts
        if t.kind == "year":
            head, right = self.words["year"], [(number(t.year, "num"), "nummod")]
        elif t.kind == "month":
            dated = join(
                name(month(t.month, self.lang), "month"), [], [(number(t.year, "num"), "nummod")]
            )
            head, right = self.words["month"], [(dated, "nmod")]
        elif t.kind == "day":
            head, right = (
                self.words["date"],
                [
                    (number(t.day, "dnum"), "nummod"),
                    (name(month(t.month, self.lang), "month"), "nmod"),
                ],
            )
        else:
            head, right = (
                self.words["day"],
                [(name(WEEKDAYS[t.day][self.lang], "h", "day"), "nmod")],
            )
        noun = word(head, head, "NOUN", "_", k(t, "gen"), entity)
        return join(noun, [(case, "case")], right), "obl"

    # -- clauses ---------------------------------------------------------------------------
    def neg(self, c: Clause) -> Parts:
        if not c.neg:
            return []
        noun = c.frame == "nom"
        form = self.words["not_noun"] if noun else self.words["not"]
        return [(word(form, form, "PART", "Polarity=Neg", k(c, "neg")), "advmod")]

    def question_word(self, c: Clause) -> Parts:
        """The word that opens a yes/no question."""
        apa = word("apa", "apa", "ADV", INT, k(c, "q"))
        kah = word("kah", "kah", "PART", "_", k(c, "q"))
        apa.head.mwt = ("apakah", 2)
        return [(apa, "advmod"), (kah, "advmod:emph")]

    def rest(self, c: Clause, skip: set[str]) -> Parts:
        out: Parts = []
        if c.recipient and "recipient" not in skip:
            out.append(self.pp(c.recipient, self.words["give_to"], "recipient"))
        if c.goal and "goal" not in skip:
            out.append(self.pp(c.goal, self.motion_prep(c), "place"))
        if c.place and "place" not in skip:
            out.append(self.pp(c.place, self.words["in"], "place"))
        if c.time and "time" not in skip:
            out.append(self.time(c.time))
        return out

    def tail(self, c: Clause) -> Parts:
        out: Parts = []
        for form, sub, rel in (
            (self.words["say_that"], c.comp, "ccomp"),
            (
                self.words["because"] if c.adv and c.adv[0] == "because" else self.words["while"],
                c.adv[1] if c.adv else None,
                "advcl",
            ),
        ):
            if sub:
                mark = word(form, form, "SCONJ", "_", k(sub, "mark"))
                out.append((join(self.clause(sub), [(mark, "mark")]), rel))
        if c.conj:
            out.append((self.conj_clause(c), "conj"))
        return out

    def verb(self, c: Clause, passive: bool = False) -> Ph:
        active, passive_form, root = VERBS[c.verb].forms[self.lang]
        if passive:
            if passive_form == "-":
                raise ValueError(f"{self.lang} {c.verb} has no passive")
            return word(passive_form, root, "VERB", "Voice=Pass", k(c, "v", "t", "pass"))
        return word(active, root, "VERB", "Voice=Act", k(c, "v", "t"))

    def predicate(self, c: Clause, left: Parts, skip: set[str]) -> Ph:
        right: Parts = []
        if c.patient and "patient" not in skip:
            right.append((self.np(c.patient, "patient"), "obj"))
        right += self.rest(c, skip)
        if c.want:
            inner = join(self.verb(c), [], right)
            inner.head.keys -= {f"{c.node}.t"}
            want = self.own("want", "VERB", "_", k(c, "want", "t"))
            return join(want, [*left, *self.neg(c)], [(inner, "xcomp"), *self.tail(c)])
        return join(self.verb(c), [*left, *self.neg(c)], [*right, *self.tail(c)])

    def passive_predicate(self, c: Clause, left: Parts, skip: set[str]) -> Ph:
        assert c.agent
        right: Parts = []
        if "agent" not in skip:
            by = self.own("by", "ADP", "_", k(c, "by"))
            right.append((join(self.np(c.agent, "agent"), [(by, "case")]), "obl:agent"))
        right += self.rest(c, skip)
        return join(self.verb(c, passive=True), [*left, *self.neg(c)], [*right, *self.tail(c)])

    def clause(self, c: Clause) -> Ph:
        if c.frame in ("nom", "adj", "loc", "exist"):
            return self.copular(c)
        assert c.agent
        asked = c.question if c.question != "yn" else ""
        if asked in ("agent", "patient"):
            return self.cleft(c, asked)
        left = self.question_word(c) if c.question == "yn" else []
        if asked:
            left.append(self.wh(c, asked))
        if c.passive:
            assert c.patient
            left.append((self.np(c.patient, "agent"), "nsubj:pass"))
            return self.passive_predicate(c, left, {"patient", asked})
        left.append((self.np(c.agent, "agent"), "nsubj"))
        return self.predicate(c, left, {asked})

    def wh(self, c: Clause, role: str) -> tuple[Ph, str]:
        asked = getattr(c, role)
        if role == "time":
            return self.own("when", "ADV", INT, k(asked, "wh")), "advmod"
        if role == "recipient":
            form, prep = self.words["who"], self.words["give_to"]
        else:
            form, prep = (
                self.words["where"],
                self.words["in"] if role == "place" else self.motion_prep(c),
            )
        case = word(prep, prep, "ADP", "_", k(asked, "case", "wh"))
        return join(word(form, form, "PRON", INT, k(asked, "wh")), [(case, "case")]), "obl"

    def cleft(self, c: Clause, role: str) -> Ph:
        """`siapa yang membeli ...`: the question word is the predicate."""
        asked: NP = getattr(c, role)
        form = self.words["who"] if asked.human or asked.kind == "per" else self.words["what"]
        head = word(form, form, "PRON", INT, k(asked, "wh"))
        rel = self.own("rel", "PRON", REL, k(asked, "rel"))
        if role == "agent":
            inner = self.predicate(c, [(rel, "nsubj")], {"agent"})
        else:
            inner = self.passive_predicate(c, [(rel, "nsubj:pass")], {"patient"})
        return join(head, [], [(inner, "acl:relcl")])

    def copular(self, c: Clause) -> Ph:
        assert c.agent
        subject: Parts = [(self.np(c.agent, "agent"), "nsubj")]
        left = self.question_word(c) if c.question == "yn" else []
        if c.frame == "exist":
            ada = self.own("be_at", "VERB", "_", k(c, "exist", "cop", "there"))
            return join(ada, [*left, *self.neg(c)], [*subject, *self.rest(c, set())])
        if c.frame == "loc":
            if c.question == "place":
                where, _ = self.wh(c, "place")
                return join(where, [], subject)
            ada = self.own("be_at", "VERB", "_", k(c, "cop"))
            return join(ada, [*left, *subject, *self.neg(c)], self.rest(c, set()))
        if c.frame == "nom":
            assert c.pred
            head = self.np(c.pred, "pred")
            cop: Parts = (
                []
                if c.neg or not self.words["cop"]
                else [(self.own("cop", "AUX", "_", k(c, "cop")), "cop")]
            )
        else:
            adj = ADJECTIVES[c.adj].forms[self.lang][0]
            head, cop = word(adj, adj, "ADJ", "_", k(c, "adj")), []
        return join(head, [*left, *subject, *self.neg(c), *cop])


class Javanese(Indonesian):
    lang = "jav"
    and_, but_ = "lan", "nanging"
    words = _column(2)
    last_is = ("ADJ", "amod")

    def counted(self, np: NP) -> Parts:
        return []

    def counted_after(self, np: NP) -> Parts:
        if np.det != "count":
            return []
        num = word(self.number(np), self.number(np), "NUM", "NumType=Card", k(np, "num"))
        return [(num, "nummod")]

    def clitic(self, head: Ph, left: Parts, right: Parts, clitic: Ph, rel: str) -> Ph:
        """`buku` + `e` -> `bukune`, `buku anyar` + `e` -> `buku anyare`; n between vowels."""
        whole = join(head, left, [*right, (clitic, rel)])
        host = whole.toks[-2].form
        linked = "ne" if host[-1] in "aeiou" else "e"
        return fuse(whole, len(whole.toks) - 2, 2, host + linked)

    def owned(self, np: NP, head: Ph, left: Parts, right: Parts) -> Ph:
        assert np.owner
        linker = word("e", "e", "DET", DEF, k(np, "of"))
        whole = self.clitic(head, left, right, linker, "det")
        return join(whole, [], [(self.np(np.owner, "owner"), "nmod:poss")])

    def possessed(self, np: NP, head: Ph, left: Parts, right: Parts) -> Ph:
        his = word("e", "e", "PRON", "Number=Sing|Person=3|PronType=Prs", k(np, "poss"))
        return self.clitic(head, left, right, his, "nmod:poss")

    def definite(self, np: NP, head: Ph, left: Parts, right: Parts) -> Ph:
        if np.human or np.animal or np.plural or right:
            return super().definite(np, head, left, right)
        return self.clitic(head, left, right, word("e", "e", "DET", DEF, k(np, "def")), "det")

    def motion_prep(self, c: Clause) -> str:
        return self.words["in"] if c.verb == "come" else self.words["to"]

    def question_word(self, c: Clause) -> Parts:
        return [(word("apa", "apa", "ADV", INT, k(c, "q")), "advmod")]
