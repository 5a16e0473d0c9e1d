"""Finnish."""

from __future__ import annotations

from ..lexicon import (
    ADJECTIVES,
    FAMILY,
    GIVEN,
    NOUNS,
    NUMBERS,
    ORGS,
    PLACES,
    VERBS,
    WEEKDAYS,
    month,
)
from ..names import WEEKDAY_LEMMAS
from ..scenes import NP, Clause, Time
from ..tree import Ph, Sentence, finish, join, punct, word
from .base import Grammar, Parts, k, tag

THIS = {
    "Nom": "tämä",
    "Gen": "tämän",
    "Par": "tätä",
    "All": "tälle",
    "Ine": "tässä",
    "Ade": "tällä",
}
WHO = {"Nom": "kuka", "Acc": "kenet", "Par": "ketä", "All": "kenelle"}


def back(form: str) -> bool:
    """Whether suffixes take a/o/u."""
    return any(ch in "aouáóú" for ch in form.lower())


def harmony(form: str, suffix: str) -> str:
    return suffix if back(form) else suffix.translate(str.maketrans("aou", "äöy"))


class Finnish(Grammar):
    lang = "fin"
    and_, but_ = "ja", "mutta"

    def realise(self, c: Clause, sent_id: str) -> Sentence:
        mark = punct(self.question_mark if c.question else self.full_stop)
        mark.head.keys = frozenset({f"{c.node}.end"})
        phrase = join(self.clause(c), right=[(mark, "punct")])
        # The comma that closes a relative clause gives way to any punctuation after it.
        kept = [
            t
            for i, t in enumerate(phrase.toks)
            if not (t.form == "," and phrase.toks[i + 1].upos == "PUNCT")
        ]
        return finish(Ph(kept, phrase.head), sent_id, self.lang, self.spaced)

    # -- noun phrases ----------------------------------------------------------------------
    def proper(self, form: str, gen: str, par: str, case: str) -> str:
        if case in ("Nom", "Gen", "Par"):
            return {"Nom": form, "Gen": gen, "Par": par}[case]
        if case == "All":
            return gen[:-1] + "lle"
        raise ValueError(f"{form} in {case}")

    def given_par(self, name: str, gen: str) -> str:
        vowel = name[-1].lower() in "aeiouyäöáéíóú"
        base = name if vowel else gen[:-1]
        return base + harmony(base, "a")

    def np(self, np: NP, role: str) -> Ph:
        """`role` is the case; Ine and Ill stand for whatever local case the place takes."""
        case = role
        affix = k(np, "case") if case in ("All", "Ine", "Ill") else []
        feats = f"Case={case}|Number=Sing"
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind == "per":
            gen = GIVEN[np.concept][3]
            given, family = np.concept, np.family
            if family:
                family = self.proper(family, FAMILY[family][2], FAMILY[family][3], case)
            else:
                given = self.proper(given, gen, self.given_par(given, gen), case)
            return tag(self.person(np, (given, family), feats), affix)
        if np.kind == "org":
            form = self.proper(np.concept, ORGS[np.concept][1], ORGS[np.concept][2], case)
            return word(form, np.concept, "PROPN", feats, [*k(np, "h"), *affix], (np.node, "ORG"))
        if np.kind == "loc":
            column = PLACES[np.concept].forms["fin"]
            form = column[("Nom", "Gen", "Ine", "Ill", "Ela").index(case)]
            return word(form, column[0], "PROPN", feats, [*k(np, "h"), *affix], (np.node, "LOC"))
        if np.kind == "uni":
            entity = (np.node, "ORG")
            gen = PLACES[np.concept].forms["fin"][1]
            city = word(
                gen,
                PLACES[np.concept].forms["fin"][0],
                "PROPN",
                "Case=Gen|Number=Sing",
                k(np, "city", "of"),
                entity,
            )
            form = self.proper("yliopisto", "yliopiston", "yliopistoa", case)
            head = word(form, "yliopisto", "NOUN", feats, [*k(np, "h"), *affix], entity)
            return join(head, [(city, "nmod:poss")])
        if np.kind == "pron":
            return word("hän", "hän", "PRON", f"{feats}|Person=3|PronType=Prs", k(np, "h"))
        return self.common(np, case)

    def common(self, np: NP, case: str) -> Ph:
        counted = np.det in ("count", "many")
        partitive = case == "Par"
        # After a number the noun is partitive singular; `monia kirjoja` when all is partitive.
        plural = np.plural and (not counted or (np.det == "many" and partitive))
        if plural and case == "Gen":
            case = "Nom"  # the total object of the plural
        inner = "Par" if counted else case
        outer = "Nom" if counted and case in ("Nom", "Gen") else case
        possessed = np.det == "poss"
        form, shown = self.noun_form(np, inner, plural)
        feats = f"Case={shown}|Number={'Plur' if plural else 'Sing'}"
        keys = k(np, "h")
        if case in ("All", "Ine", "Ill"):
            keys += k(np, "case")
        if possessed:
            feats += "|Person[psor]=3"
            keys += k(np, "poss")
        head = word(form, NOUNS[np.concept].forms["fin"][0], "NOUN", feats, keys)
        left: Parts = []
        if np.owner:
            left.append((tag(self.np(np.owner, "Gen"), k(np, "of")), "nmod:poss"))
        elif np.det == "this":
            left.append(
                (
                    word(THIS[shown], "tämä", "PRON", f"Case={shown}|PronType=Dem", k(np, "dem")),
                    "det",
                )
            )
        elif np.det == "count":
            nom, par = NUMBERS[np.count].forms["fin"]
            left.append(
                (
                    word(
                        par if partitive else nom,
                        nom,
                        "NUM",
                        f"Case={outer}|NumType=Card",
                        k(np, "num"),
                    ),
                    "nummod",
                )
            )
        elif np.det in ("many", "all"):
            forms = {"many": ("monta", "monia", "moni"), "all": ("kaikki", "kaikkia", "kaikki")}
            plain, par, lemma = forms[np.det]
            left.append(
                (
                    word(
                        par if partitive else plain,
                        lemma,
                        "PRON",
                        f"Case={outer}|PronType={'Ind' if np.det == 'many' else 'Tot'}",
                        k(np, "quant"),
                    ),
                    "det",
                )
            )
        if np.adj:
            adj = self.adjective(np.adj, shown, plural)
            left.append(
                (
                    word(
                        adj,
                        ADJECTIVES[np.adj].forms["fin"][0],
                        "ADJ",
                        f"Case={shown}|Number={'Plur' if plural else 'Sing'}",
                        k(np, "adj"),
                    ),
                    "amod",
                )
            )
        right: Parts = [(self.relative(np), "acl:relcl")] if np.rel else []
        return join(head, left, right)

    def noun_form(self, np: NP, case: str, plural: bool) -> tuple[str, str]:
        """The form and the case that it shows."""
        entry = NOUNS[np.concept]
        nom, gen, par, par_pl, strong = entry.forms["fin"]
        if np.det == "poss":
            form = par if case == "Par" else strong
            return form + harmony(form, "nsa"), case
        if case in ("Ine", "Ill"):
            if not entry.extra:
                raise ValueError(f"{np.concept} is no place")
            form = entry.extra[0 if case == "Ine" else 1]
            exterior = form.endswith(("lla", "llä", "lle"))
            shown = (
                ("Ade" if exterior else "Ine") if case == "Ine" else ("All" if exterior else "Ill")
            )
            return form, shown
        if plural:
            return (par_pl if case == "Par" else gen[:-1] + "t"), case
        return {"Nom": nom, "Gen": gen, "Par": par, "All": gen[:-1] + "lle"}[case], case

    def adjective(self, concept: str, case: str, plural: bool) -> str:
        nom, gen, par, par_pl, nom_pl = ADJECTIVES[concept].forms["fin"]
        if plural:
            return par_pl if case == "Par" else nom_pl
        weak = gen[:-1]
        return {
            "Nom": nom,
            "Gen": gen,
            "Par": par,
            "All": weak + "lle",
            "Ine": weak + harmony(weak, "ssa"),
            "Ade": weak + harmony(weak, "lla"),
        }[case]

    def relative(self, np: NP) -> Ph:
        assert np.rel
        c = np.rel
        case = "Nom" if np.gap == "agent" else self.object_case(c)
        form = {"Nom": "joka", "Gen": "jonka", "Par": "jota"}[case]
        rel = word(form, "joka", "PRON", f"Case={case}|Number=Sing|PronType=Rel", k(np, "rel"))
        label = "nsubj" if np.gap == "agent" else "obj"
        phrase = self.verbal(c, {np.gap}, [(self.marked_comma(c.node), "punct"), (rel, label)])
        return join(phrase, [], [(self.marked_comma(c.node), "punct")])

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")
        if t.kind in ("yesterday", "today"):
            form = "eilen" if t.kind == "yesterday" else "tänään"
            return word(form, form, "ADV", "_", k(t, "h", "year", "day"), entity), "advmod"
        if t.kind == "everyday":
            every = word("joka", "joka", "PRON", "_", k(t, "every"))
            day = word("päivä", "päivä", "NOUN", "Case=Nom|Number=Sing", k(t, "day"))
            return join(day, [(every, "det")]), "obl"
        ess = "Case=Ess|Number=Sing"
        if t.kind == "lastyear":
            last = word("viime", "viime", "ADJ", "_", k(t, "last"), entity)
            year = word("vuonna", "vuosi", "NOUN", ess, k(t, "h", "year"), entity)
            return join(year, [(last, "amod")]), "obl"
        if t.kind == "weekday":
            return word(
                WEEKDAYS[t.day]["fin"],
                WEEKDAY_LEMMAS["fin"][t.day],
                "NOUN",
                ess,
                k(t, "h", "day", "case"),
                entity,
            ), "obl"
        if t.kind in ("year", "month"):
            num = word(t.year, t.year, "NUM", "NumType=Card", k(t, "num"), entity)
            if t.kind == "year":
                head = word("vuonna", "vuosi", "NOUN", ess, k(t, "gen", "case"), entity)
            else:
                name = month(t.month, "fin")
                # All months are compounds of `kuu`, so their endings have back vowels.
                head = word(
                    name + "ssa",
                    name,
                    "NOUN",
                    "Case=Ine|Number=Sing",
                    k(t, "month", "case"),
                    entity,
                )
            return join(head, [], [(num, "nummod")]), "obl"
        name = month(t.month, "fin")
        head = word(t.day + ".", t.day + ".", "ADJ", "NumType=Ord", k(t, "dnum", "case"), entity)
        of = word(name + "ta", name, "NOUN", "Case=Par|Number=Sing", k(t, "month"), entity)
        return join(head, [], [(of, "flat")]), "obl"

    # -- clauses ---------------------------------------------------------------------------
    def clause(self, c: Clause) -> Ph:
        if c.frame in ("nom", "adj", "loc", "exist"):
            return self.copular(c)
        return self.verbal(c, set(), [])

    def agrees_plural(self, np: NP) -> bool:
        """Numbers and `monta` go with a verb in the singular."""
        return np.many and np.det not in ("count", "many")

    def takes_partitive(self, c: Clause) -> bool:
        return c.neg or VERBS[c.verb].forms["fin"][8] == "p"

    def object_case(self, c: Clause) -> str:
        return "Par" if self.takes_partitive(c) else "Gen"

    def wh(self, c: Clause, role: str) -> tuple[Ph, str]:
        asked = getattr(c, role)
        keys = k(asked, "wh")
        if role in ("place", "goal", "time"):
            form = {"place": "missä", "goal": "mihin", "time": "milloin"}[role]
            if role == "time":
                return word(form, form, "ADV", "PronType=Int", keys), "advmod"
            keys += k(asked, "case")
            case = "Ine" if role == "place" else "Ill"
            return word(form, "mikä", "PRON", f"Case={case}|Number=Sing|PronType=Int", keys), "obl"
        if role == "recipient":
            case, rel = "All", "obl"
            keys += k(asked, "case")
        elif role == "agent":
            case, rel = "Nom", "nsubj"
        else:
            case, rel = "Par" if self.takes_partitive(c) else "Acc", "obj"
        if asked.human or asked.kind == "per":
            form, lemma = WHO[case], "kuka"
        else:
            form, lemma, case = "mitä", "mikä", "Par"
        return word(form, lemma, "PRON", f"Case={case}|PronType=Int", keys), rel

    def finite(self, c: Clause, many: bool) -> tuple[Ph, Parts]:
        """The main verb (or `haluta`) and what stands before it."""
        column = (
            [
                "haluta",
                "halusi",
                "halusivat",
                "haluaa",
                "haluavat",
                "halua",
                "halunnut",
                "halunneet",
            ]
            if c.want
            else VERBS[c.verb].forms["fin"]
        )
        inf, past1, past2, pres1, pres2, conneg, part1, part2 = column[:8]
        key = "want" if c.want else "v"
        number = "Plur" if many else "Sing"
        yn = c.question == "yn"
        if c.neg:
            form = "eivät" if many else "ei"
            feats = f"Number={number}|Person=3|Polarity=Neg|VerbForm=Fin"
            no = word(
                form + ("kö" if yn else ""),
                "ei",
                "AUX",
                feats + ("|Clitic=Ko" if yn else ""),
                k(c, "neg", *(["q"] if yn else [])),
            )
            form = (part2 if many else part1) if c.past else conneg
            feats = (
                f"Number={number}|PartForm=Past|VerbForm=Part"
                if c.past
                else "Connegative=Yes|Mood=Ind|Tense=Pres|VerbForm=Fin"
            )
            return word(form, inf, "VERB", feats, k(c, key, "t")), [(no, "aux")]
        form = (past2 if many else past1) if c.past else (pres2 if many else pres1)
        feats = (
            f"Mood=Ind|Number={number}|Person=3|Tense={'Past' if c.past else 'Pres'}|"
            "VerbForm=Fin|Voice=Act"
        )
        keys = k(c, key, "t")
        if yn:
            form += harmony(form, "ko")
            feats += "|Clitic=Ko"
            keys += k(c, "q")
        return word(form, inf, "VERB", feats, keys), []

    def verbal(self, c: Clause, skip: set[str], left: Parts) -> Ph:
        assert c.agent
        asked = c.question if c.question != "yn" else ""
        skip = skip | {asked}
        verb, aux = self.finite(c, self.agrees_plural(c.agent))
        subject: Parts = [] if "agent" in skip else [(self.np(c.agent, "Nom"), "nsubj")]
        obj: Parts = []
        if c.patient and "patient" not in skip:
            obj = [(self.np(c.patient, self.object_case(c)), "obj")]
        rest: Parts = []
        if c.recipient and "recipient" not in skip:
            rest.append((self.np(c.recipient, "All"), "obl"))
        if c.goal and "goal" not in skip:
            rest.append((self.np(c.goal, "Ill"), "obl"))
        if not c.passive:
            rest += obj
        if c.place and "place" not in skip:
            rest.append((self.np(c.place, "Ine"), "obl"))
        if c.time and "time" not in skip:
            rest.append(self.time(c.time))
        if c.want:
            inf = VERBS[c.verb].forms["fin"][0]
            lower = word(inf, inf, "VERB", "InfForm=1|VerbForm=Inf", k(c, "v"))
            rest = [(join(lower, [], rest), "xcomp")]
        rest += self.tail(c)
        if asked:
            left = [*left, self.wh(c, asked)]
        if c.passive:
            # `Kirjan osti lääkäri`: the object opens the clause, the doer is what is new.
            return join(verb, [*left, *obj, *aux], [*subject, *rest])
        if c.question == "yn":
            if aux:
                return join(verb, [*left, *aux, *subject], rest)
            return join(verb, left, [*subject, *rest])
        return join(verb, [*left, *subject, *aux], rest)

    def tail(self, c: Clause) -> Parts:
        out: Parts = []
        if c.comp:
            out.append((self.subordinate("että", c.comp), "ccomp"))
        if c.adv:
            form = "koska" if c.adv[0] == "because" else "kun"
            out.append((self.subordinate(form, c.adv[1]), "advcl"))
        if c.conj:
            out.append((self.conj_clause(c), "conj"))
        return out

    def subordinate(self, form: str, sub: Clause) -> Ph:
        mark = word(form, form, "SCONJ", "_", k(sub, "mark"))
        comma = self.marked_comma(sub.node)
        return join(self.clause(sub), [(comma, "punct"), (mark, "mark")])

    def copular(self, c: Clause) -> Ph:
        assert c.agent
        exist = c.frame == "exist"
        many = self.agrees_plural(c.agent) and not exist
        yn = c.question == "yn"
        number = "Plur" if many else "Sing"
        feats = (
            f"Mood=Ind|Number={number}|Person=3|Tense={'Past' if c.past else 'Pres'}|"
            "VerbForm=Fin|Voice=Act"
        )
        form = ("olivat" if many else "oli") if c.past else ("ovat" if many else "on")
        keys = k(c, "cop", "exist", "there") if exist else k(c, "cop")
        if yn and not c.neg:
            form += harmony(form, "ko")
            feats += "|Clitic=Ko"
            keys += k(c, "q")
        cop: Parts = []
        if c.neg:
            no = word(
                ("eivät" if many else "ei") + ("kö" if yn else ""),
                "ei",
                "AUX",
                f"Number={number}|Person=3|Polarity=Neg|VerbForm=Fin",
                k(c, "neg"),
            )
            cop.append((no, "aux"))
            form = ("olleet" if many else "ollut") if c.past else "ole"
            feats = (
                "PartForm=Past|VerbForm=Part"
                if c.past
                else ("Connegative=Yes|Mood=Ind|Tense=Pres|VerbForm=Fin")
            )
        be = word(form, "olla", "VERB" if exist else "AUX", feats, keys)
        subject_ph = self.np(c.agent, "Nom")
        if exist:
            assert c.place
            place = self.np(c.place, "Ine")
            if yn:
                return join(be, [], [(place, "obl"), (subject_ph, "nsubj")])
            return join(be, [(place, "obl")], [(subject_ph, "nsubj")])
        cop.append((be, "cop"))
        subject: Parts = [(subject_ph, "nsubj:cop")]
        if c.frame == "nom":
            assert c.pred
            head = self.np(c.pred, "Nom")
        elif c.frame == "adj":
            # A plural subject takes a partitive predicate: `tuolit ovat uusia`.
            form = self.adjective(c.adj, "Par" if many else "Nom", many)
            case = "Par" if many else "Nom"
            head = word(
                form,
                ADJECTIVES[c.adj].forms["fin"][0],
                "ADJ",
                f"Case={case}|Number={number}",
                k(c, "adj"),
            )
        else:
            assert c.place
            if c.question == "place":
                return join(self.wh(c, "place")[0], [], [*cop, *subject])
            head = self.np(c.place, "Ine")
        if yn:
            return join(head, [*cop[:1], *subject, *cop[1:]])
        return join(head, [*subject, *cop])
