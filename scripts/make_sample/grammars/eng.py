"""English."""

from __future__ import annotations

from ..lexicon import ADJECTIVES, NOUNS, PLACES, VERBS, WEEKDAYS, month
from ..scenes import NP, Clause, Time
from ..tree import Ph, join, word
from .base import Grammar, Parts, k, tag

IRREGULAR_AN = ("university",)


def plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def third(verb: str) -> str:
    if verb in ("go",):
        return "goes"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "x", "ch", "sh")) else "s")


class English(Grammar):
    lang = "eng"

    # -- noun phrases ----------------------------------------------------------------------
    def noun(self, np: NP) -> Ph:
        sg, _, pl = NOUNS[np.concept].forms["eng"][0].partition("/")
        many = np.plural
        form = (pl or plural(sg)) if many else sg
        return word(form, sg, "NOUN", f"Number={'Plur' if many else 'Sing'}", k(np, "h"))

    def np(self, np: NP, role: str) -> Ph:
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind == "per":
            return self.person(np, (np.concept, np.family), "Number=Sing")
        if np.kind == "org":
            return word(
                np.concept, np.concept, "PROPN", "Number=Sing", k(np, "h"), (np.node, "ORG")
            )
        if np.kind == "loc":
            form = PLACES[np.concept].forms["eng"][0]
            return word(form, form, "PROPN", "Number=Sing", k(np, "h"), (np.node, "LOC"))
        if np.kind == "uni":
            return self.university(np)
        if np.kind == "pron":
            he = "she" if np.gender == "f" else "he"
            gender = "Fem" if np.gender == "f" else "Masc"
            feats = f"Case=Nom|Gender={gender}|Number=Sing|Person=3|PronType=Prs"
            return word(he, he, "PRON", feats, k(np, "h"))
        head = self.noun(np)
        left: Parts = []
        if np.owner:
            left.append((self.possessor(np), "nmod:poss"))
        elif np.det == "poss":
            form = "her" if np.gender == "f" else "his"
            gender = "Fem" if np.gender == "f" else "Masc"
            feats = f"Case=Gen|Gender={gender}|Number=Sing|Person=3|Poss=Yes|PronType=Prs"
            left.append((word(form, form, "PRON", feats, k(np, "poss")), "nmod:poss"))
        elif np.det == "this":
            form = "these" if np.plural else "this"
            feats = f"Number={'Plur' if np.plural else 'Sing'}|PronType=Dem"
            left.append((word(form, "this", "DET", feats, k(np, "dem")), "det"))
        elif np.det == "many":
            left.append((word("many", "many", "ADJ", "Degree=Pos", k(np, "quant")), "amod"))
        elif np.det == "count":
            left.append(
                (
                    word(
                        self.number(np),
                        self.number(np),
                        "NUM",
                        "NumForm=Word|NumType=Card",
                        k(np, "num"),
                    ),
                    "nummod",
                )
            )
        if np.det == "all":
            left.append((word("all", "all", "DET", "PronType=Tot", k(np, "quant")), "det:predet"))
        if np.det in ("def", "mass", "all") and not np.owner:
            feats = "Definite=Def|PronType=Art"
            left.append((word("the", "the", "DET", feats, k(np, "def")), "det"))
        if np.adj:
            adj = ADJECTIVES[np.adj].forms["eng"][0]
            left.append((word(adj, adj, "ADJ", "Degree=Pos", k(np, "adj")), "amod"))
        if np.det == "indef" and not np.owner:
            following = left[-1][0].head.form if left else head.head.form
            an = following[0] in "aeiou" and not following.startswith(IRREGULAR_AN)
            article = word(
                "an" if an else "a", "a", "DET", "Definite=Ind|PronType=Art", k(np, "indef")
            )
            left.insert(0, (article, "det"))
        right: Parts = [(self.relative(np), "acl:relcl")] if np.rel else []
        return join(head, left, right)

    def university(self, np: NP) -> Ph:
        entity = (np.node, "ORG")
        city = PLACES[np.concept].forms["eng"][0]
        the = word("the", "the", "DET", "Definite=Def|PronType=Art", k(np, "def"))
        of = word("of", "of", "ADP", keys=k(np, "of"), entity=entity)
        place = word(city, city, "PROPN", "Number=Sing", k(np, "city"), entity)
        head = word("University", "University", "PROPN", "Number=Sing", k(np, "h"), entity)
        return join(head, [(the, "det")], [(join(place, [(of, "case")]), "nmod")])

    def possessor(self, np: NP) -> Ph:
        assert np.owner
        owner = self.np(np.owner, "owner")
        mark = word("'s", "'s", "PART", keys=k(np, "of"))
        joined = join(owner, right=[(mark, "case")])
        # The clitic is written together with the owner's last word.
        last = joined.toks[-2]
        last.mwt = (last.form + "'s", 2)
        return joined

    def relative(self, np: NP) -> Ph:
        assert np.rel
        form = "who" if np.human else "that"
        rel = word(form, form, "PRON", "PronType=Rel", k(np, "rel"))
        return self.clause(np.rel, gap=np.gap, relative=rel)

    def pp(self, np: NP, prep: str, role: str = "") -> Ph:
        adp = word(prep, prep, "ADP", keys=k(np, "case"))
        return join(self.np(np, role), left=[(adp, "case")])

    def in_place(self, np: NP) -> Ph:
        return self.pp(np, NOUNS[np.concept].extra[3] if np.kind == "n" else "in")

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")
        num = "NumForm=Digit|NumType=Card"

        def proper(form: str, *keys: str) -> Ph:
            return word(form, form, "PROPN", "Number=Sing", k(t, *keys), entity)

        if t.kind == "everyday":
            day = word("day", "day", "NOUN", "Number=Sing", k(t, "day"))
            every = word("every", "every", "DET", keys=k(t, "every"))
            return join(day, [(every, "det")]), "obl:tmod"
        if t.kind in ("yesterday", "today"):
            return word(
                t.kind, t.kind, "NOUN", "Number=Sing", k(t, "h", "year", "day"), entity
            ), "obl:tmod"
        if t.kind == "lastyear":
            last = word("last", "last", "ADJ", "Degree=Pos", k(t, "last"), entity)
            year = word("year", "year", "NOUN", "Number=Sing", k(t, "h", "year"), entity)
            return join(year, [(last, "amod")]), "obl:tmod"
        if t.kind == "weekday":
            head, prep = proper(WEEKDAYS[t.day]["eng"], "h", "day"), "on"
        elif t.kind == "year":
            head, prep = word(t.year, t.year, "NUM", num, k(t, "num"), entity), "in"
        elif t.kind == "month":
            name = proper(month(t.month, "eng"), "month")
            year = word(t.year, t.year, "NUM", num, k(t, "num"), entity)
            head, prep = join(name, right=[(year, "nummod")]), "in"
        else:
            name = proper(month(t.month, "eng"), "month")
            day = word(t.day, t.day, "NUM", num, k(t, "dnum"), entity)
            head, prep = join(name, left=[(day, "nummod")]), "on"
        return join(head, left=[(word(prep, prep, "ADP", keys=k(t, "case")), "case")]), "obl"

    # -- clauses ---------------------------------------------------------------------------
    def finite(self, c: Clause, many: bool) -> Ph:
        """The finite lexical verb."""
        base, past, _ = VERBS[c.verb].forms["eng"]
        form = past if c.past else (base if many else third(base))
        number = "" if c.past else f"|Number={'Plur' if many else 'Sing'}|Person=3"
        feats = f"Mood=Ind|Tense={'Past' if c.past else 'Pres'}|VerbForm=Fin" + number
        return word(form, base, "VERB", feats, k(c, "v", "t"))

    def be(self, c: Clause, many: bool, upos: str, key: str) -> Ph:
        form = ("were" if many else "was") if c.past else ("are" if many else "is")
        number = "Plur" if many else "Sing"
        tense = "Past" if c.past else "Pres"
        feats = f"Mood=Ind|Number={number}|Person=3|Tense={tense}|VerbForm=Fin"
        return word(form, "be", upos, feats, k(c, key))

    def wh(self, c: Clause, role: str) -> tuple[Ph, str]:
        """The question word and the relation that it bears."""
        asked = getattr(c, role)
        if role in ("place", "goal", "time"):
            form = "when" if role == "time" else "where"
            return word(form, form, "ADV", "PronType=Int", k(asked, "wh")), "advmod"
        form = "who" if (asked.human or asked.kind == "per") else "what"
        if role == "recipient":
            to = word("to", "to", "ADP", keys=k(asked, "case"))
            whom = word("whom", "who", "PRON", "PronType=Int", k(asked, "wh"))
            return join(whom, [(to, "case")]), "obl"
        rel = "nsubj" if role == "agent" else "obj"
        return word(form, form, "PRON", "PronType=Int", k(asked, "wh")), rel

    def clause(self, c: Clause, gap: str = "", relative: Ph | None = None) -> Ph:
        """`gap` is a role that stays empty or, as `relative`, opens the clause."""
        subject_np = c.patient if c.passive else c.agent
        assert subject_np
        many = subject_np.many and gap not in ("subject",)
        neg = word("not", "not", "PART", "Polarity=Neg", k(c, "neg")) if c.neg else None
        asked = c.question if c.question != "yn" else ""
        left: Parts = []
        subj_rel = "nsubj:pass" if c.passive else "nsubj"
        subject: Parts = []
        subject_gap = gap == ("patient" if c.passive else "agent")
        if relative is not None and subject_gap:
            subject = [(relative, subj_rel)]
        elif asked == "agent":
            subject = [self.wh(c, "agent")]
        else:
            subject = [(self.np(subject_np, "agent"), subj_rel)]
        if relative is not None and not subject_gap:
            left.append((relative, "obj"))
        if asked and asked != "agent":
            left.append(self.wh(c, asked))
        inverted = bool(c.question) and asked != "agent"
        right: Parts = []
        if c.frame in ("nom", "adj", "loc", "exist"):
            return self.copular(c, left, subject, inverted, neg)
        verb, aux = self.verb_group(c, many, inverted, neg)
        core = self.arguments(c, gap, asked)
        if c.want:
            to = word("to", "to", "PART", keys=k(c, "to"))
            inner = word(
                VERBS[c.verb].forms["eng"][0],
                VERBS[c.verb].forms["eng"][0],
                "VERB",
                "VerbForm=Inf",
                k(c, "v"),
            )
            right = [(join(inner, [(to, "mark")], core), "xcomp")]
        else:
            right = core
        right += self.tail(c)
        if inverted:
            return join(verb, left + aux[:1] + subject + aux[1:], right)
        return join(verb, left + subject + aux, right)

    def verb_group(self, c: Clause, many: bool, inverted: bool, neg: Ph | None) -> tuple[Ph, Parts]:
        aux: Parts = []
        if c.passive:
            base, _, part = VERBS[c.verb].forms["eng"]
            aux.append((tag(self.be(c, many, "AUX", "pass"), k(c, "t")), "aux:pass"))
            if neg:
                aux.append((neg, "advmod"))
            return word(part, base, "VERB", "Tense=Past|VerbForm=Part|Voice=Pass", k(c, "v")), aux
        base = "want" if c.want else VERBS[c.verb].forms["eng"][0]
        key = "want" if c.want else "v"
        if inverted or neg:
            form = "did" if c.past else ("do" if many else "does")
            tense = "Past" if c.past else "Pres"
            do = word(form, "do", "AUX", f"Mood=Ind|Tense={tense}|VerbForm=Fin", k(c, "t"))
            aux.append((do, "aux"))
            if neg:
                aux.append((neg, "advmod"))
            return word(base, base, "VERB", "VerbForm=Inf", k(c, key)), aux
        if c.want:
            form = "wanted" if c.past else ("want" if many else "wants")
            tense = "Past" if c.past else "Pres"
            return word(
                form, "want", "VERB", f"Mood=Ind|Tense={tense}|VerbForm=Fin", k(c, "want", "t")
            ), aux
        return self.finite(c, many), aux

    def arguments(self, c: Clause, gap: str, asked: str) -> Parts:
        out: Parts = []
        skip = {gap, asked}
        if c.recipient and "recipient" not in skip and self.double_object(c, skip):
            out.append((self.np(c.recipient, "recipient"), "iobj"))
        if c.patient and not c.passive and "patient" not in skip:
            out.append((self.np(c.patient, "patient"), "obj"))
        if c.recipient and "recipient" not in skip and not self.double_object(c, skip):
            out.append((self.pp(c.recipient, "to"), "obl"))
        if c.goal and "goal" not in skip:
            out.append((self.pp(c.goal, "to"), "obl"))
        if c.passive and c.agent and "agent" not in skip:
            by = word("by", "by", "ADP", keys=k(c, "by"))
            out.append((join(self.np(c.agent, "agent"), [(by, "case")]), "obl:agent"))
        if c.place and "place" not in skip:
            out.append((self.in_place(c.place), "obl"))
        if c.time and "time" not in skip:
            out.append(self.time(c.time))
        return out

    def double_object(self, c: Clause, skip: set[str]) -> bool:
        assert c.patient
        return not (c.patient.adj or c.patient.rel or c.patient.det == "poss" or skip - {""})

    def tail(self, c: Clause) -> Parts:
        out: Parts = []
        if c.comp:
            that = word("that", "that", "SCONJ", keys=k(c.comp, "mark"))
            out.append((join(self.clause(c.comp), [(that, "mark")]), "ccomp"))
        if c.adv:
            kind, sub = c.adv
            # UD's English takes `when` as an adverb of its clause, `because` as a marker.
            when = kind == "when"
            mark = word(
                kind,
                kind,
                "ADV" if when else "SCONJ",
                "PronType=Int" if when else "_",
                k(sub, "mark"),
            )
            out.append((join(self.clause(sub), [(mark, "advmod" if when else "mark")]), "advcl"))
        if c.conj:
            out.append((self.conj_clause(c), "conj"))
        return out

    def copular(self, c: Clause, left: Parts, subject: Parts, inverted: bool, neg: Ph | None) -> Ph:
        assert c.agent
        negs: Parts = [(neg, "advmod")] if neg else []
        if c.frame == "exist":
            there = word("there", "there", "PRON", keys=k(c, "there"))
            be = tag(self.be(c, c.agent.many, "VERB", "exist"), k(c, "cop"))
            assert c.place
            rest: Parts = [*negs, *subject, (self.in_place(c.place), "obl")]
            if inverted:
                return join(be, left, [(there, "expl"), *rest])
            return join(be, [*left, (there, "expl")], rest)
        if c.frame == "nom":
            assert c.pred
            head = self.np(c.pred, "pred")
        elif c.frame == "adj":
            adj = ADJECTIVES[c.adj].forms["eng"][0]
            head = word(adj, adj, "ADJ", "Degree=Pos", k(c, "adj"))
        else:
            assert c.place
            if c.question == "place":
                where, _ = left.pop()
                where.head.rel = "root"
                head = where
            else:
                head = self.in_place(c.place)
        many = c.agent.many
        be = self.be(c, many, "AUX", "cop")
        if c.frame == "loc" and c.question == "place":
            return join(head, right=[(be, "cop"), *subject])
        if inverted:
            return join(head, [*left, (be, "cop"), *subject, *negs], self.tail(c))
        return join(head, [*left, *subject, (be, "cop"), *negs], self.tail(c))
