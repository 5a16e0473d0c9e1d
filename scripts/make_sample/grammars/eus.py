"""Basque."""

from __future__ import annotations

from functools import partial

from ..lexicon import (
    ADJECTIVES,
    DAYS,
    NOUNS,
    PLACES,
    UNIVERSITIES,
    VERBS,
    WEEKDAYS,
    YEARS,
    month,
)
from ..names import WEEKDAY_LEMMAS
from ..scenes import NP, Clause, Time
from ..tree import Ph, join, word
from . import basque_forms as forms
from .base import Grammar, Parts, k, tag


class Basque(Grammar):
    lang = "eus"
    and_, but_ = "eta", "baina"

    # -- noun phrases ----------------------------------------------------------------------
    def np(self, np: NP, role: str) -> Ph:
        """`role` is the case: Abs, Erg, Dat, Gen, Ine, All."""
        case = role
        affix = k(np, "case") if case in ("Dat", "Ine", "All") else []
        feats = f"Case={case}|Definite=Def|Number=Sing"
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind in ("per", "org", "loc"):
            return self.name(np, partial(forms.name, case=case), feats, affix)
        if np.kind == "uni":
            entity = (np.node, "ORG")
            city = word(
                UNIVERSITIES[np.concept],
                PLACES[np.concept].forms["eus"][0],
                "PROPN",
                "Case=Loc|Definite=Def|Number=Sing",
                k(np, "city", "of"),
                entity,
            )
            head = word(
                forms.definite("Unibertsitate", case),
                "unibertsitate",
                "NOUN",
                feats,
                [*k(np, "h", "def"), *affix],
                entity,
            )
            return join(head, [(city, "nmod")])
        if np.kind == "pron":
            form = {"Abs": "hura", "Erg": "hark"}[case]
            return word(form, "hura", "PRON", f"Case={case}|Number=Sing|PronType=Dem", k(np, "h"))
        return self.common(np, case)

    def common(self, np: NP, case: str) -> Ph:
        stem = NOUNS[np.concept].forms["eus"][0]
        lemma = forms.bare(stem)
        adj = ADJECTIVES[np.adj].forms["eus"][0] if np.adj else ""
        # Only the last of noun, adjective and determiner takes the ending.
        last = adj or stem
        many = "Plur" if np.plural else "Sing"
        affix = k(np, "case") if case in ("Dat", "Ine", "All") else []
        det: Ph | None = None
        rel = "det"
        feats = f"Case={case}|Definite=Ind"
        if case == "Par" or np.det == "count":
            form = forms.indefinite(last, case)
        elif np.det == "indef" and not np.owner:
            form = forms.bare(last)
            det = word(
                forms.indefinite("bat", case),
                "bat",
                "NUM",
                f"{feats}|NumType=Card",
                [*k(np, "indef"), *affix],
            )
            rel = "nummod"
        elif np.det == "this":
            form = forms.bare(last)
            det = word(
                forms.THIS[case],
                "hau",
                "DET",
                f"Case={case}|Number=Sing|PronType=Dem",
                [*k(np, "dem"), *affix],
            )
        elif np.det == "many":
            form = forms.bare(last)
            det = word(
                forms.indefinite("asko", case),
                "asko",
                "DET",
                f"{feats}|PronType=Ind",
                [*k(np, "quant"), *affix],
            )
        elif np.det == "all":
            form = forms.bare(last)
            det = word(
                forms.ALL[case],
                "guzti",
                "DET",
                f"Case={case}|Number=Plur|PronType=Tot",
                [*k(np, "quant", "def"), *affix],
            )
        else:
            form = forms.definite(last, case, np.plural)
            feats = f"Case={case}|Definite=Def|Number={many}"
        bears = k(np, "def") if feats.startswith(f"Case={case}|Definite=Def") else []
        ending = [] if det else [*bears, *affix]
        right: Parts = []
        if adj:
            head = word(lemma, lemma, "NOUN", "_", k(np, "h"))
            right.append(
                (
                    word(
                        form,
                        forms.bare(adj),
                        "ADJ",
                        "_" if det else feats,
                        [*k(np, "adj"), *ending],
                    ),
                    "amod",
                )
            )
        else:
            head = word(form, lemma, "NOUN", "_" if det else feats, [*k(np, "h"), *ending])
        if det:
            right.append((det, rel))
        left: Parts = []
        if np.rel:
            left.append((self.verbal(np.rel, {np.gap}, "relative"), "acl:relcl"))
        if np.owner:
            left.append((tag(self.np(np.owner, "Gen"), k(np, "of")), "nmod:poss"))
        elif np.det == "poss":
            his = word(
                "bere", "bera", "PRON", "Case=Gen|Number=Sing|Person=3|PronType=Prs", k(np, "poss")
            )
            left.append((his, "nmod:poss"))
        elif np.det == "count":
            num = word(self.number(np), self.number(np), "NUM", "NumType=Card", k(np, "num"))
            left.append((num, "nummod"))
        return join(head, left, right)

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")
        fixed = {"yesterday": "atzo", "today": "gaur", "lastyear": "iaz"}.get(t.kind)
        if fixed:
            keys = k(t, "h", "year", "day", "last")
            return word(fixed, fixed, "ADV", "_", keys, entity), "advmod"
        if t.kind == "everyday":
            return word("egunero", "egunero", "ADV", "_", k(t, "every", "day")), "advmod"
        ine = "Case=Ine|Definite=Def|Number=Sing"
        if t.kind == "weekday":
            return word(
                WEEKDAYS[t.day]["eus"],
                WEEKDAY_LEMMAS["eus"][t.day],
                "NOUN",
                ine,
                k(t, "h", "day", "case"),
                entity,
            ), "obl"
        if t.kind == "year":
            return word(
                YEARS[t.year][0],
                t.year,
                "NUM",
                "Case=Ine|NumType=Card",
                k(t, "num", "case"),
                entity,
            ), "obl"
        name = month(t.month, "eus")
        if t.kind == "month":
            linked = t.year + ("eko" if YEARS[t.year][0].endswith("ean") else "ko")
            year = word(linked, t.year, "NUM", "Case=Loc|NumType=Card", k(t, "num"), entity)
            head = word(
                forms.definite(name, "Ine"), name, "NOUN", ine, k(t, "month", "case"), entity
            )
            return join(head, [(year, "nmod")]), "obl"
        of = word(
            forms.definite(name, "Gen"),
            name,
            "NOUN",
            "Case=Gen|Definite=Def|Number=Sing",
            k(t, "month"),
            entity,
        )
        head = word(
            DAYS[t.day], t.day, "NUM", "Case=Ine|NumType=Card", k(t, "dnum", "case"), entity
        )
        return join(head, [(of, "nmod")]), "obl"

    # -- clauses ---------------------------------------------------------------------------
    def clause(self, c: Clause) -> Ph:
        if c.frame in ("nom", "adj", "loc", "exist"):
            return self.copular(c)
        return self.verbal(c, set(), "main")

    def aux_kind(self, c: Clause) -> tuple[str, str]:
        """The auxiliary's paradigm and the light verb's noun."""
        kind, _, light = VERBS[c.verb].forms["eus"][2].partition("+")
        return kind, light

    def auxiliary(self, c: Clause, sub: str) -> tuple[str, str]:
        """The form that agrees with all arguments, and its features."""
        assert c.agent
        kind, _ = self.aux_kind(c)
        paradigm = kind
        if c.want and kind == "da":
            paradigm = "du"
        absolutive = bool(c.patient and c.patient.many)
        dative = bool(c.recipient and c.recipient.many)
        if kind == "diodat":
            paradigm, dative, absolutive = "dio", absolutive, False
        ergative = c.agent.many
        if paradigm == "da":
            absolutive = c.agent.many
        form = forms.auxiliary(paradigm, c.past, absolutive, dative, ergative)
        feats = ["Mood=Ind", "VerbForm=Fin", f"Tense={'Past' if c.past else 'Pres'}"]
        slots = {"abs": absolutive}
        if paradigm != "da":
            slots["erg"] = ergative
        if paradigm == "dio":
            slots["dat"] = dative
        for slot, many in slots.items():
            feats += [f"Number[{slot}]={'Plur' if many else 'Sing'}", f"Person[{slot}]=3"]
        if sub != "main":
            form = forms.subordinate(form, sub)
        return form, "|".join(feats)

    def wh(self, c: Clause, role: str) -> tuple[Ph, str]:
        asked = getattr(c, role)
        keys = k(asked, "wh")
        if role in ("place", "goal", "time"):
            form = {"place": "non", "goal": "nora", "time": "noiz"}[role]
            keys += k(asked, "case") if role != "time" else []
            return word(form, form, "ADV", "PronType=Int", keys), "advmod"
        kind, _ = self.aux_kind(c)
        person = asked.human or asked.kind == "per"
        case, rel = "Abs", "nsubj" if role == "agent" else "obj"
        if role == "agent" and kind != "da":
            case = "Erg"
        if role == "recipient" or (role == "patient" and kind == "diodat"):
            case, rel = "Dat", "iobj"
        table = {"Abs": "nor", "Erg": "nork", "Dat": "nori"}
        form = table[case] if person else "zer"
        return word(
            form, "nor" if person else "zer", "PRON", f"Case={case}|PronType=Int", keys
        ), rel

    def verbal(self, c: Clause, skip: set[str], sub: str) -> Ph:
        assert c.agent
        kind, light = self.aux_kind(c)
        perfect, imperfect = VERBS[c.verb].forms["eus"][:2]
        asked = c.question if c.question != "yn" else ""
        skip = skip | {asked}
        subject: Parts = []
        if "agent" not in skip:
            case = "Abs" if kind == "da" and not c.want else "Erg"
            subject = [(self.np(c.agent, case), "nsubj")]
        obj = self.object(c, kind) if c.patient and "patient" not in skip else []
        rest: Parts = []
        if c.time and "time" not in skip:
            rest.append(self.time(c.time))
        if c.place and "place" not in skip:
            rest.append((self.np(c.place, "Ine"), "obl"))
        if c.recipient and "recipient" not in skip:
            rest.append((self.np(c.recipient, "Dat"), "iobj"))
        if c.goal and "goal" not in skip:
            rest.append((self.np(c.goal, "All"), "obl"))
        outer: Parts = []
        if c.adv:
            outer.append((self.adverbial(*c.adv), "advcl"))
        form, feats = self.auxiliary(c, sub)
        keys = k(c, "t")
        if sub in ("that", "because", "when"):
            keys += k(c, "mark")
        elif sub == "relative":
            # The suffix -n of the auxiliary is what `who` and `that` are elsewhere.
            keys += [f"{getattr(c, role).node}.rel" for role in skip if role]
        participle = perfect if c.past else imperfect
        aspect = "Perf" if c.past else "Imp"
        verb = word(participle, perfect, "VERB", f"Aspect={aspect}|VerbForm=Part", k(c, "v"))
        if light:
            noun = word(light, light, "NOUN", "Case=Abs|Definite=Ind", k(c, "v"))
            verb = join(verb, [(noun, "compound")])
        neg: Parts = []
        if c.neg:
            neg = [(word("ez", "ez", "PART", "Polarity=Neg", k(c, "neg")), "advmod")]
        al: Parts = []
        if c.question == "yn":
            al = [(word("al", "al", "PART", "PronType=Int", k(c, "q")), "advmod")]
        if c.want:
            # What is wanted is a participle under `nahi izan`.
            root = word(form, "ukan", "VERB", feats, k(c, "want", "t"))
            nahi = (word("nahi", "nahi", "NOUN", "Case=Abs|Definite=Ind", k(c, "want")), "compound")
            lower = (join(verb, [*rest, *obj]), "xcomp")
            if c.neg:
                phrase = join(root, [*outer, *subject, *neg], [lower, nahi])
            else:
                phrase = join(root, [*outer, *subject, lower, nahi])
            return self.finish_clause(c, phrase)
        aux: Parts = [(word(form, "edun" if kind != "da" else "izan", "AUX", feats, keys), "aux")]
        if asked:
            # The question word stands right before the verb, all else after the auxiliary.
            phrase = (
                join(verb, [*outer, self.wh(c, asked), *neg, *aux], [*subject, *rest, *obj])
                if c.neg
                else join(verb, [*outer, self.wh(c, asked)], [*aux, *subject, *rest, *obj])
            )
        elif c.neg and sub in ("because", "when", "relative"):
            phrase = join(verb, [*outer, *subject, *rest, *obj], [*neg, *aux])
        elif c.neg:
            # `ez zuen liburua erosi`; said of an object, that object comes first.
            before, after = (obj, subject) if c.passive else (subject, obj)
            phrase = join(verb, [*outer, *before, *neg, *al, *aux, *rest, *after])
        else:
            order = [*obj, *rest, *subject] if c.passive else [*subject, *rest, *obj]
            phrase = join(verb, [*outer, *order], [*al, *aux])
        return self.finish_clause(c, phrase)

    def finish_clause(self, c: Clause, phrase: Ph) -> Ph:
        right: Parts = []
        if c.comp:
            right.append((self.verbal(c.comp, set(), "that"), "ccomp"))
        if c.conj:
            right.append((self.conj_clause(c), "conj"))
        return join(phrase, [], right)

    def object(self, c: Clause, kind: str) -> Parts:
        assert c.patient
        if kind == "diodat":
            return [(self.np(c.patient, "Dat"), "iobj")]
        # What is not there is partitive: `ez zuen libururik erosi`.
        partitive = (
            c.neg and c.patient.kind == "n" and c.patient.det == "indef" and (not c.patient.owner)
        )
        return [(self.np(c.patient, "Par" if partitive else "Abs"), "obj")]

    def adverbial(self, kind: str, sub: Clause) -> Ph:
        comma = self.marked_comma(sub.node)
        return join(self.verbal(sub, set(), kind), [], [(comma, "punct")])

    def copular(self, c: Clause) -> Ph:
        assert c.agent
        many = c.agent.many
        subject: Parts = [(self.np(c.agent, "Abs"), "nsubj")]
        neg: Parts = []
        if c.neg:
            neg = [(word("ez", "ez", "PART", "Polarity=Neg", k(c, "neg")), "advmod")]
        al: Parts = []
        if c.question == "yn":
            al = [(word("al", "al", "PART", "PronType=Int", k(c, "q")), "advmod")]
        feats = (
            f"Mood=Ind|Number[abs]={'Plur' if many else 'Sing'}|Person[abs]=3|"
            f"Tense={'Past' if c.past else 'Pres'}|VerbForm=Fin"
        )
        if c.frame in ("loc", "exist"):
            assert c.place
            form = ("zeuden" if many else "zegoen") if c.past else ("daude" if many else "dago")
            stay = word(form, "egon", "VERB", feats, k(c, "cop", "exist", "there"))
            if c.question == "place":
                return join(stay, [self.wh(c, "place")], subject)
            place: Parts = [(self.np(c.place, "Ine"), "obl")]
            if c.frame == "exist":
                return join(stay, [*place, *subject, *al])
            if c.neg:
                return join(stay, [*subject, *neg], place)
            return join(stay, [*subject, *place, *al])
        if c.frame == "nom":
            assert c.pred
            # A profession takes the article and no `bat`.
            pred = NP(c.pred.node, "n", c.pred.concept, "def", adj=c.pred.adj)
            head = self.np(pred, "Abs")
        else:
            adj = ADJECTIVES[c.adj].forms["eus"][0]
            number = "Plur" if many else "Sing"
            head = word(
                forms.definite(adj, "Abs", many),
                forms.bare(adj),
                "ADJ",
                f"Case=Abs|Definite=Def|Number={number}",
                k(c, "adj"),
            )
        form = ("ziren" if many else "zen") if c.past else ("dira" if many else "da")
        cop: Parts = [(word(form, "izan", "AUX", feats, k(c, "cop")), "cop")]
        if c.neg:
            return join(head, [*subject, *neg, *cop])
        return join(head, subject, [*al, *cop])
