"""Spanish."""

from __future__ import annotations

from ..lexicon import ADJECTIVES, NOUNS, PLACES, VERBS, WEEKDAYS, month
from ..scenes import NP, Clause, Time
from ..tree import Ph, join, punct, word
from .base import Grammar, Parts, gender_of, k

#: Professions said of a woman (the table has the form that is used of no one in particular).
FEMININE = {
    "médico": "médica",
    "profesor": "profesora",
    "agricultor": "agricultora",
    "escritor": "escritora",
    "conductor": "conductora",
    "ingeniero": "ingeniera",
    "niño": "niña",
    "amigo": "amiga",
    "vecino": "vecina",
    "pescador": "pescadora",
    "juez": "jueza",
    "ladrón": "ladrona",
}
MASCULINE = {"enfermera": "enfermero"}
ESTAR = ("clean", "dirty", "happy", "sad", "healthy")
ACCENTS = str.maketrans("áéíóú", "aeiou")
DEF = "Definite=Def|Gender={g}|Number={n}|PronType=Art"


def plural(form: str) -> str:
    if form == "joven":
        return "jóvenes"
    if form.endswith("z"):
        return form[:-1] + "ces"
    if form.endswith("s"):
        return form
    if form[-1] in "aeiouéáó":
        return form + "s"
    stem = form
    if form[-2] in "áéíóú":
        stem = form[:-2] + form[-2].translate(ACCENTS) + form[-1]
    return stem + "es"


class Spanish(Grammar):
    lang = "spa"
    and_, but_ = "y", "pero"

    def gender(self, np: NP) -> str:
        """`Masc` or `Fem` of a participant."""
        if np.kind == "coord":
            both = {self.gender(p) for p in np.parts}
            return "Fem" if both == {"Fem"} else "Masc"
        if np.kind == "n":
            return "Fem" if NOUNS[np.concept].forms["spa"][1] == "f" else "Masc"
        if np.kind == "uni":
            return "Fem"
        return "Fem" if gender_of(np) == "f" else "Masc"

    def agree(self, forms: list[str], gender: str, many: bool) -> str:
        form = forms[1 if gender == "Fem" else 0]
        return plural(form) if many else form

    def np(self, np: NP, role: str, bearer: NP | None = None) -> Ph:
        """`bearer`: whom a predicate noun is said of, for its gender."""
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind == "per":
            return self.person(np, (np.concept, np.family))
        if np.kind in ("org", "loc"):
            loc = np.kind == "loc"
            form = PLACES[np.concept].forms["spa"][0] if loc else np.concept
            return word(form, form, "PROPN", "_", k(np, "h"), (np.node, "LOC" if loc else "ORG"))
        if np.kind == "uni":
            return self.university(np)
        gender = self.gender(np)
        if np.kind == "pron":
            feats = f"Case=Nom|Gender={gender}|Number=Sing|Person=3|PronType=Prs"
            return word("ella" if gender == "Fem" else "él", "él", "PRON", feats, k(np, "h"))
        many = np.plural
        number = "Plur" if many else "Sing"
        lemma = NOUNS[np.concept].forms["spa"][0]
        if bearer is not None:
            gender = "Fem" if gender_of(bearer) == "f" else "Masc"
            lemma = (FEMININE if gender == "Fem" else MASCULINE).get(lemma, lemma)
        agr = f"Gender={gender}|Number={number}"
        head = word(plural(lemma) if many else lemma, lemma, "NOUN", agr, k(np, "h"))
        left: Parts = []
        fem = gender == "Fem"

        def det(form: str, lemma: str, feats: str, *keys: str) -> None:
            left.append((word(form, lemma, "DET", f"{agr}|{feats}", k(np, *keys)), "det"))

        if np.det == "many":
            det("muchas" if fem else "muchos", "mucho", "PronType=Ind", "quant")
        elif np.det == "all":
            det("todas" if fem else "todos", "todo", "PronType=Tot", "quant")
        elif np.det == "this":
            det("esta" if fem else "este", "este", "PronType=Dem", "dem")
        elif np.det == "poss":
            feats = f"Number={number}|Person=3|Poss=Yes|PronType=Prs"
            left.append((word("su", "su", "DET", feats, k(np, "poss")), "det"))
        elif np.det == "count":
            num = word(self.number(np), self.number(np), "NUM", "NumType=Card", k(np, "num"))
            left.append((num, "nummod"))
        elif np.det == "indef" and not np.owner and (bearer is None or np.adj):
            det("una" if fem else "un", "uno", "Definite=Ind|PronType=Art", "indef")
        if np.det in ("def", "mass", "all") or np.owner:
            form = ("las" if many else "la") if fem else ("los" if many else "el")
            if lemma == "agua" and not many:
                form = "el"
            # Ownership takes the place of the article in other languages, not here.
            det(form, "el", "Definite=Def|PronType=Art", "def")
        right: Parts = []
        if np.adj:
            forms = ADJECTIVES[np.adj].forms["spa"]
            adj = word(self.agree(forms, gender, many), forms[0], "ADJ", agr, k(np, "adj"))
            right.append((adj, "amod"))
        if np.owner:
            right.append((self.pp(np.owner, "de", "owner", key=k(np, "of")), "nmod"))
        if np.rel:
            right.append((self.relative(np), "acl:relcl"))
        return join(head, left, right)

    def university(self, np: NP) -> Ph:
        entity = (np.node, "ORG")
        city = PLACES[np.concept].forms["spa"][0]
        la = word("la", "el", "DET", DEF.format(g="Fem", n="Sing"), k(np, "def"))
        de = word("de", "de", "ADP", "_", k(np, "of"), entity)
        place = join(word(city, city, "PROPN", "_", k(np, "city"), entity), [(de, "case")])
        head = word("Universidad", "Universidad", "PROPN", "_", k(np, "h"), entity)
        return join(head, [(la, "det")], [(place, "nmod")])

    def pp(self, np: NP, prep: str, role: str, key: list[str] | None = None) -> Ph:
        adp = word(prep, prep, "ADP", keys=key or k(np, "case"))
        phrase = join(self.np(np, role), [(adp, "case")])
        if prep in ("a", "de") and phrase.toks[1].form == "el":
            phrase.toks[0].mwt = (prep + "l", 2)
        return phrase

    def relative(self, np: NP) -> Ph:
        assert np.rel
        if np.gap == "agent" or not np.human:
            que = word("que", "que", "PRON", "PronType=Rel", k(np, "rel"))
        else:
            quien = word("quien", "quien", "PRON", "Number=Sing|PronType=Rel", k(np, "rel"))
            que = join(quien, [(word("a", "a", "ADP", keys=k(np, "acc")), "case")])
        return self.verbal(
            np.rel,
            {np.gap},
            [(que, "nsubj" if np.gap == "agent" else "obj")],
            inverted=np.gap != "agent",
        )

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")

        def the(number: str = "Sing") -> Ph:
            form = "el" if number == "Sing" else "los"
            return word(form, "el", "DET", DEF.format(g="Masc", n=number))

        if t.kind in ("yesterday", "today"):
            form = "ayer" if t.kind == "yesterday" else "hoy"
            return word(form, form, "ADV", "_", k(t, "h", "year", "day"), entity), "advmod"
        if t.kind == "everyday":
            todos = word(
                "todos", "todo", "DET", "Gender=Masc|Number=Plur|PronType=Tot", k(t, "every")
            )
            dias = word("días", "día", "NOUN", "Gender=Masc|Number=Plur", k(t, "day"))
            return join(dias, [(todos, "det"), (the("Plur"), "det")]), "obl"
        if t.kind == "lastyear":
            last = word("pasado", "pasado", "ADJ", "Gender=Masc|Number=Sing", k(t, "last"), entity)
            year = word("año", "año", "NOUN", "Gender=Masc|Number=Sing", k(t, "h", "year"), entity)
            return join(year, [(the(), "det")], [(last, "amod")]), "obl"
        if t.kind == "weekday":
            form = WEEKDAYS[t.day]["spa"]
            day = word(form, form, "NOUN", "Gender=Masc", k(t, "h", "day"), entity)
            el = the()
            el.head.keys = frozenset(k(t, "case"))
            return join(day, [(el, "det")]), "obl"
        if t.kind == "day":
            num = word(t.day, t.day, "NUM", "NumType=Card", k(t, "dnum"), entity)
            el = the()
            el.head.keys = frozenset(k(t, "case"))
            return join(
                num, [(el, "det")], [(self.of(month(t.month, "spa"), t, "month"), "nmod")]
            ), "obl"
        en = word("en", "en", "ADP", keys=k(t, "case"))
        if t.kind == "year":
            head = word(t.year, t.year, "NUM", "NumType=Card", k(t, "num"), entity)
            return join(head, [(en, "case")]), "obl"
        form = month(t.month, "spa")
        head = word(form, form, "NOUN", "Gender=Masc", k(t, "month"), entity)
        return join(head, [(en, "case")], [(self.of(t.year, t, "num"), "nmod")]), "obl"

    def of(self, form: str, t: Time, key: str) -> Ph:
        """`de mayo`, `de 2012` inside a date."""
        entity = (t.node, "DATE")
        digits = form.isdigit()
        head = word(
            form,
            form,
            "NUM" if digits else "NOUN",
            "NumType=Card" if digits else "Gender=Masc",
            k(t, key),
            entity,
        )
        return join(head, [(word("de", "de", "ADP", entity=entity), "case")])

    # -- clauses ---------------------------------------------------------------------------
    def clause(self, c: Clause) -> Ph:
        if c.frame in ("nom", "adj", "loc", "exist"):
            body = self.copular(c)
        else:
            body = self.verbal(c, set(), [], inverted=bool(c.question))
        if c.question:
            mark = punct("¿")
            body = join(body, [(mark, "punct")])
        return body

    def neg(self, c: Clause) -> Parts:
        return [(word("no", "no", "ADV", "Polarity=Neg", k(c, "neg")), "advmod")] if c.neg else []

    def finite_feats(self, c: Clause, many: bool, tense: str = "") -> str:
        tense = tense or ("Past" if c.past else "Pres")
        return f"Mood=Ind|Number={'Plur' if many else 'Sing'}|Person=3|Tense={tense}|VerbForm=Fin"

    def verbal(self, c: Clause, skip: set[str], left: Parts, inverted: bool) -> Ph:
        """`left` is a relative pronoun, if there is one; inverted: subject after verb."""
        subject_np = c.patient if c.passive else c.agent
        assert subject_np
        asked = c.question if c.question != "yn" else ""
        subj_rel = "nsubj:pass" if c.passive else "nsubj"
        skip = skip | {asked}
        subject: Parts = []
        if asked:
            left = [*left, self.wh(c, asked)]
        if ("patient" if c.passive else "agent") not in skip:
            subject = [(self.np(subject_np, "agent"), subj_rel)]
        many = subject_np.many
        inf, past1, past2, pres1, pres2, part = VERBS[c.verb].forms["spa"]
        aux: Parts = []
        if c.recipient:
            number = "Plur" if c.recipient.many else "Sing"
            feats = f"Case=Dat|Number={number}|Person=3|PronType=Prs"
            form = "les" if c.recipient.many else "le"
            aux.append((word(form, "él", "PRON", feats, k(c, "clitic")), "obl:arg"))
        if c.passive:
            form = ("fueron" if many else "fue") if c.past else ("son" if many else "es")
            aux = [
                (
                    word(form, "ser", "AUX", self.finite_feats(c, many), k(c, "pass", "t")),
                    "aux:pass",
                )
            ]
            gender = self.gender(subject_np)
            participle = self.agree([part, part[:-1] + "a"], gender, many)
            feats = f"Gender={gender}|Number={'Plur' if many else 'Sing'}|Tense=Past|VerbForm=Part"
            verb = word(participle, inf, "VERB", feats, k(c, "v"))
        elif c.want:
            form = "querían" if many else "quería"
            verb = word(
                form, "querer", "VERB", self.finite_feats(c, many, "Imp"), k(c, "want", "t")
            )
        else:
            form = (past2 if many else past1) if c.past else (pres2 if many else pres1)
            verb = word(form, inf, "VERB", self.finite_feats(c, many), k(c, "v", "t"))
        core = self.arguments(c, skip)
        if c.want:
            core = [(join(word(inf, inf, "VERB", "VerbForm=Inf", k(c, "v")), [], core), "xcomp")]
        before = [] if inverted else subject
        after = subject if inverted else []
        return join(verb, [*left, *before, *self.neg(c), *aux], [*after, *core, *self.tail(c)])

    def arguments(self, c: Clause, skip: set[str]) -> Parts:
        out: Parts = []
        if c.patient and not c.passive and "patient" not in skip:
            if c.patient.human or c.patient.animal:
                out.append((self.pp(c.patient, "a", "patient", k(c.patient, "acc")), "obj"))
            else:
                out.append((self.np(c.patient, "patient"), "obj"))
        if c.recipient and "recipient" not in skip:
            out.append((self.pp(c.recipient, "a", "recipient"), "obl:arg"))
        if c.goal and "goal" not in skip:
            out.append((self.pp(c.goal, "a", "goal"), "obl"))
        if c.passive and c.agent and "agent" not in skip:
            out.append((self.pp(c.agent, "por", "agent", k(c, "by")), "obl:agent"))
        if c.place and "place" not in skip:
            out.append((self.pp(c.place, "en", "place"), "obl"))
        if c.time and "time" not in skip:
            out.append(self.time(c.time))
        return out

    def tail(self, c: Clause) -> Parts:
        out: Parts = []
        if c.comp:
            out.append((self.subordinate("que", c.comp), "ccomp"))
        if c.adv:
            form = "porque" if c.adv[0] == "because" else "cuando"
            out.append((self.subordinate(form, c.adv[1]), "advcl"))
        if c.conj:
            out.append((self.conj_clause(c, comma=c.conj[0] == "but"), "conj"))
        return out

    def subordinate(self, form: str, sub: Clause) -> Ph:
        mark = word(form, form, "SCONJ", keys=k(sub, "mark"))
        return join(self.clause(sub), [(mark, "mark")])

    def wh(self, c: Clause, role: str) -> tuple[Ph, str]:
        asked = getattr(c, role)
        if role in ("place", "goal", "time"):
            form = {"place": "dónde", "goal": "adónde", "time": "cuándo"}[role]
            return word(form, form, "ADV", "PronType=Int", k(asked, "wh")), "advmod"
        person = asked.human or asked.kind == "per"
        form = "quién" if person else "qué"
        pron = word(form, form, "PRON", "PronType=Int", k(asked, "wh"))
        if role == "agent":
            return pron, "nsubj"
        if person or role == "recipient":
            key = "acc" if role == "patient" else "case"
            pron = join(pron, [(word("a", "a", "ADP", keys=k(asked, key)), "case")])
        return pron, "obj" if role == "patient" else "obl:arg"

    def copular(self, c: Clause) -> Ph:
        assert c.agent
        many = c.agent.many
        inverted = bool(c.question)
        tense = "Imp" if c.past else "Pres"
        feats = self.finite_feats(c, many, tense)
        if c.frame == "exist":
            form = "había" if c.past else "hay"
            feats = self.finite_feats(c, False, tense)
            be = word(form, "haber", "VERB", feats, k(c, "exist", "cop", "there"))
            return join(
                be, self.neg(c), [(self.np(c.agent, "agent"), "obj"), *self.arguments(c, {"agent"})]
            )
        estar = c.frame == "loc" or c.adj in ESTAR
        if estar:
            form = ("estaban" if many else "estaba") if c.past else ("están" if many else "está")
        else:
            form = ("eran" if many else "era") if c.past else ("son" if many else "es")
        cop = word(form, "estar" if estar else "ser", "AUX", feats, k(c, "cop"))
        subject: Parts = [(self.np(c.agent, "agent"), "nsubj")]
        if c.frame == "nom":
            assert c.pred
            head = self.np(c.pred, "pred", bearer=c.agent)
        elif c.frame == "adj":
            forms = ADJECTIVES[c.adj].forms["spa"]
            gender = self.gender(c.agent)
            head = word(
                self.agree(forms, gender, many),
                forms[0],
                "ADJ",
                f"Gender={gender}|Number={'Plur' if many else 'Sing'}",
                k(c, "adj"),
            )
        else:
            assert c.place
            if c.question == "place":
                where, _ = self.wh(c, "place")
                return join(where, [], [(cop, "cop"), *subject])
            head = self.pp(c.place, "en", "place")
        if inverted:
            # `¿Está el libro en la casa?`: the verb opens the question.
            return join(head, [*self.neg(c), (cop, "cop"), *subject])
        return join(head, [*subject, *self.neg(c), (cop, "cop")])
