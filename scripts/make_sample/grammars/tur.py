"""Turkish."""

from __future__ import annotations

from functools import partial

from ..lexicon import ADJECTIVES, MONTHS, NOUNS, PLACES, VERBS, WEEKDAYS, YEARS
from ..scenes import NP, Clause, Time
from ..tree import Ph, fuse, join, word
from . import turkish_forms as forms
from .base import Grammar, Parts, k, tag

#: Verbs whose object is in the dative.
DATIVE = ("help",)
PSOR = "Number[psor]=Sing|Person[psor]=3"
FINITE = "Mood=Ind|Number=Sing|Person=3|Polarity={pol}|Tense={tense}"


class Turkish(Grammar):
    lang = "tur"
    and_, but_ = "ve", "ama"

    # -- noun phrases ----------------------------------------------------------------------
    def np(self, np: NP, role: str) -> Ph:
        """`role` is the case here: Nom, Acc, Dat, Loc, Gen."""
        case = role
        feats = f"Case={case}|Number=Sing|Person=3"
        affix = k(np, "case") if case in ("Dat", "Loc") else []
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind in ("per", "org", "loc"):
            return self.name(np, partial(forms.inflect_name, case=case), feats, affix)
        if np.kind == "uni":
            entity = (np.node, "ORG")
            city = PLACES[np.concept].forms["tur"][0]
            form = forms.inflect_name("Üniversitesi", case, poss=True)
            head = word(
                form, "üniversite", "PROPN", f"{feats}|{PSOR}", [*k(np, "h", "of"), *affix], entity
            )
            left = word(city, city, "PROPN", "Case=Nom|Number=Sing|Person=3", k(np, "city"), entity)
            return join(head, [(left, "nmod:poss")])
        if np.kind == "pron":
            form = {"Nom": "o", "Gen": "onun"}[case]
            return word(form, "o", "PRON", f"{feats}|PronType=Prs", k(np, "h"))
        return self.common(np, case)

    def common(self, np: NP, case: str) -> Ph:
        lexeme = NOUNS[np.concept].forms["tur"][0]
        many = np.plural and np.det not in ("count", "many")
        owned = bool(np.owner) or np.det == "poss"
        form = forms.inflect(lexeme, case, many, owned)
        feats = f"Case={case}|Number={'Plur' if many else 'Sing'}|Person=3"
        keys = k(np, "h")
        if owned:
            feats += "|" + PSOR
            keys += k(np, "poss" if np.det == "poss" else "of")
        if case in ("Dat", "Loc"):
            keys += k(np, "case")
        head = word(form, lexeme.partition("/")[0], "NOUN", feats, keys)
        left: Parts = []
        if np.rel:
            left.append((self.relative(np), "acl"))
        if np.owner:
            left.append((self.np(np.owner, "Gen"), "nmod:poss"))
        elif np.det == "this":
            left.append((word("bu", "bu", "DET", "PronType=Dem", k(np, "dem")), "det"))
        elif np.det == "count":
            num = word(self.number(np), self.number(np), "NUM", "NumType=Card", k(np, "num"))
            left.append((num, "nummod"))
        elif np.det in ("many", "all"):
            det = "birçok" if np.det == "many" else "bütün"
            left.append(
                (
                    word(
                        det,
                        det,
                        "DET",
                        "PronType=Ind" if np.det == "many" else "PronType=Tot",
                        k(np, "quant"),
                    ),
                    "det",
                )
            )
        if np.adj:
            adj = ADJECTIVES[np.adj].forms["tur"][0]
            left.append((word(adj, adj, "ADJ", "_", k(np, "adj")), "amod"))
        if np.det == "indef" and not np.owner:
            bir = word("bir", "bir", "DET", "Definite=Ind|PronType=Art", k(np, "indef"))
            left.append((bir, "det"))
        return join(head, left)

    def object_case(self, c: Clause) -> str:
        assert c.patient
        if c.verb in DATIVE:
            return "Dat"
        bare = (
            c.patient.kind == "n"
            and not c.patient.human
            and not c.patient.owner
            and (c.patient.det in ("indef", "count", "many"))
        )
        return "Nom" if bare else "Acc"

    def relative(self, np: NP) -> Ph:
        assert np.rel
        c = np.rel
        kind = "participle" if np.gap == "agent" else "nominal"
        return tag(self.verbal(c, {np.gap}, kind), k(np, "rel"))

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")
        if t.kind in ("yesterday", "today"):
            form = "dün" if t.kind == "yesterday" else "bugün"
            return word(
                form,
                form,
                "NOUN",
                "Case=Nom|Number=Sing|Person=3",
                k(t, "h", "year", "day"),
                entity,
            ), "obl"
        nom = "Case=Nom|Number=Sing|Person=3"
        if t.kind == "everyday":
            every = word("her", "her", "DET", "_", k(t, "every"))
            return join(word("gün", "gün", "NOUN", nom, k(t, "day")), [(every, "det")]), "obl"
        if t.kind == "lastyear":
            last = word("geçen", "geçen", "ADJ", "_", k(t, "last"), entity)
            return join(
                word("yıl", "yıl", "NOUN", nom, k(t, "h", "year"), entity), [(last, "amod")]
            ), "obl"
        if t.kind == "weekday":
            form = WEEKDAYS[t.day]["tur"]
            day = word(form, form, "NOUN", nom, k(t, "h", "day"), entity)
            gun = word("günü", "gün", "NOUN", f"{nom}|{PSOR}", k(t, "gen", "case"), entity)
            return join(gun, [(day, "nmod:poss")]), "obl"
        loc = "Case=Loc|Number=Sing|Person=3"
        if t.kind in ("year", "month"):
            form = f"{t.year}'{YEARS[t.year][1]}"
            head = word(form, t.year, "NUM", "Case=Loc|NumType=Card", k(t, "num", "case"), entity)
            if t.kind == "year":
                return head, "obl"
            name = MONTHS[t.month][5].split()[0]
            left = word(name, name, "PROPN", nom, k(t, "month"), entity)
            return join(head, [(left, "nmod")]), "obl"
        name, ending = MONTHS[t.month][5].split()
        head = word(f"{name}'{ending}", name, "PROPN", loc, k(t, "month", "case"), entity)
        num = word(t.day, t.day, "NUM", "NumType=Card", k(t, "dnum"), entity)
        return join(head, [(num, "nummod")]), "obl"

    # -- clauses ---------------------------------------------------------------------------
    def clause(self, c: Clause) -> Ph:
        if c.frame in ("nom", "adj", "loc", "exist"):
            return self.copular(c)
        return self.verbal(c, set(), "finite")

    def wh(self, c: Clause, role: str) -> tuple[Ph, str]:
        asked = getattr(c, role)
        keys = k(asked, "wh")
        if role == "time":
            ne = word("ne", "ne", "DET", "PronType=Int", keys)
            when = word("zaman", "zaman", "NOUN", "Case=Nom|Number=Sing|Person=3", keys)
            return join(when, [(ne, "det")]), "obl"
        person = isinstance(asked, NP) and (asked.human or asked.kind == "per")
        case = {"agent": "Nom", "place": "Loc", "goal": "Dat", "recipient": "Dat"}.get(role, "Acc")
        if role == "patient" and c.verb in DATIVE:
            case = "Dat"
        if role in ("place", "goal"):
            form, lemma = ("nerede" if role == "place" else "nereye"), "nere"
            keys += k(asked, "case")
        elif person:
            form = {"Nom": "kim", "Acc": "kimi", "Dat": "kime"}[case]
            lemma = "kim"
            keys += k(asked, "case") if case == "Dat" else []
        else:
            form, lemma, case = "ne", "ne", "Nom"
        rel = {"agent": "nsubj", "patient": "obj"}.get(role, "obl")
        rel = "obl" if role == "patient" and case == "Dat" else rel
        return word(
            form, lemma, "PRON", f"Case={case}|Number=Sing|Person=3|PronType=Int", keys
        ), rel

    def verb(self, c: Clause, kind: str) -> Ph:
        column = VERBS[c.verb].forms["tur"]
        stem, _, soft = column[0].partition("/")
        lemma = stem
        keys = k(c, "v") if c.want else k(c, "v", "t")
        pol = "Neg" if c.neg and not c.want else "Pos"
        neg = pol == "Neg"
        if neg:
            keys += k(c, "neg")
        if c.want:
            return self.light(
                c,
                column,
                word(
                    forms.infinitive(stem),
                    lemma,
                    "VERB",
                    "Case=Nom|Polarity=Pos|VerbForm=Vnoun",
                    keys,
                ),
            )
        if c.passive:
            stem = soft = column[1]
            keys += k(c, "pass")
        voice = "|Voice=Pass" if c.passive else ""
        if kind == "participle":
            form = forms.participle(stem, soft, neg)
            feats = f"Polarity={pol}|Tense=Pres|VerbForm=Part"
        elif kind in ("nominal", "said", "when", "because"):
            form = forms.nominal(stem, neg)
            case = {"said": "Acc", "when": "Loc"}.get(kind, "Nom")
            form += {"Acc": "n" + forms.four(form), "Loc": "nd" + forms.two(form), "Nom": ""}[case]
            feats = f"Aspect=Perf|Case={case}|{PSOR}|Polarity={pol}|Tense=Past|VerbForm=Part"
            if kind in ("said", "when"):
                keys += k(c, "mark")
        elif not c.past:
            form = column[2]
            feats = FINITE.format(pol=pol, tense="Pres") + "|Aspect=Prog"
        else:
            form = forms.past(stem, neg)
            feats = FINITE.format(pol=pol, tense="Past") + "|Aspect=Perf|Evident=Fh"
        return self.light(c, column, word(form, lemma, "VERB", feats + voice, keys))

    def light(self, c: Clause, column: list[str], verb: Ph) -> Ph:
        """`yardım etti`: the noun of a light verb stands right before it."""
        if len(column) < 4:
            return verb
        noun = word(column[3], column[3], "NOUN", "Case=Nom|Number=Sing|Person=3", k(c, "v"))
        return join(verb, [(noun, "compound:lvc")])

    def verbal(self, c: Clause, skip: set[str], kind: str) -> Ph:
        subject = "patient" if c.passive else "agent"
        asked = c.question if c.question != "yn" else ""
        left: Parts = []
        if c.adv:
            left.append((self.adverbial(*c.adv), "advcl"))
        if subject not in skip and subject != asked:
            case = "Gen" if kind in ("nominal", "said") else "Nom"
            np: NP = getattr(c, subject)
            left.append((self.np(np, case), "nsubj:pass" if c.passive else "nsubj"))
        inner: Parts = []
        if c.time and asked != "time":
            left.append(self.time(c.time))
        if c.place and asked != "place":
            inner.append((self.np(c.place, "Loc"), "obl"))
        if c.passive:
            assert c.agent
            agent = self.np(c.agent, "Nom")
            by = word(
                "tarafından", "taraf", "NOUN", f"Case=Abl|Number=Sing|Person=3|{PSOR}", k(c, "by")
            )
            inner.append((join(by, [(agent, "nmod:poss")]), "obl"))
        if c.recipient and asked != "recipient":
            inner.append((self.np(c.recipient, "Dat"), "obl"))
        if c.goal and asked != "goal":
            inner.append((self.np(c.goal, "Dat"), "obl"))
        if c.patient and not c.passive and "patient" not in skip and asked != "patient":
            case = self.object_case(c)
            obj = (self.np(c.patient, case), "obl" if case == "Dat" else "obj")
            # What is indefinite stays next to the verb, before it what is known.
            inner.append(obj)
        if c.comp:
            inner.append((self.verbal(c.comp, set(), "said"), "ccomp"))
        if asked:
            # The question word stands before the verb, but a bare object stands even closer.
            bare = (
                asked == "agent"
                and inner
                and inner[-1][1] == "obj"
                and ("Case=Nom" in inner[-1][0].head.feats)
            )
            inner.insert(len(inner) - bool(bare), self.wh(c, asked))
        right: Parts = []
        if c.conj:
            right.append((self.conj_clause(c, comma=c.conj[0] == "but"), "conj"))
        if not c.want:
            verb = join(self.verb(c, kind), [*left, *inner])
        else:
            lower = join(self.verb(c, kind), inner)
            stem = "iste"
            form = forms.past(stem, c.neg)
            feats = FINITE.format(pol="Neg" if c.neg else "Pos", tense="Past")
            keys = k(c, "want", "t", "neg") if c.neg else k(c, "want", "t")
            want = word(form, stem, "VERB", feats + "|Aspect=Perf|Evident=Fh", keys)
            verb = join(want, [*left, (lower, "xcomp")])
        if c.question == "yn":
            form = forms.question(verb.head.form)
            right.insert(0, (word(form, "mi", "AUX", "_", k(c, "q")), "discourse:q"))
        return join(verb, [], right)

    def adverbial(self, kind: str, sub: Clause) -> Ph:
        phrase = self.verbal(sub, set(), kind)
        if kind == "because":
            reason = word("için", "için", "ADP", "_", k(sub, "mark"))
            phrase = join(phrase, [], [(reason, "case")])
        return phrase

    def copular(self, c: Clause) -> Ph:
        assert c.agent
        agent = c.agent
        subject: Parts = [(self.np(agent, "Nom"), "nsubj")]
        if c.frame == "exist":
            assert c.place
            subject = [(self.np(c.place, "Loc"), "obl"), *subject]
            head = word(
                "var", "var", "NOUN", "Case=Nom|Number=Sing|Person=3", k(c, "exist", "there")
            )
        elif c.frame == "loc":
            assert c.place
            head = self.wh(c, "place")[0] if c.question == "place" else self.np(c.place, "Loc")
        elif c.frame == "nom":
            assert c.pred
            head = self.np(c.pred, "Nom")
        else:
            adj = ADJECTIVES[c.adj].forms["tur"][0]
            head = word(adj, adj, "ADJ", "_", k(c, "adj"))
        feats = "Aspect=Perf|Evident=Fh|Number=Sing|Person=3|Tense=Past"
        if c.neg:
            form = "değildi" if c.past else "değil"
            tense = "Past" if c.past else "Pres"
            not_ = word(
                form,
                "değil",
                "AUX",
                f"Number=Sing|Person=3|Polarity=Neg|Tense={tense}",
                k(c, "neg", "cop"),
            )
            return join(head, subject, [(not_, "cop")])
        last = head.toks[-1].form
        if c.question == "yn":
            mi = word(forms.question(last), "mi", "AUX", "_", k(c, "q"))
            right: Parts = [(mi, "discourse:q")]
            if c.past:
                form = forms.copula(mi.head.form)
                right.append((word(form, "i", "AUX", feats, k(c, "cop")), "cop"))
                mi.head.mwt = (mi.head.form + form, 2)
            return join(head, subject, right)
        if not c.past:
            return join(head, subject)
        form = forms.copula(last)
        whole = join(head, subject, [(word(form, "i", "AUX", feats, k(c, "cop")), "cop")])
        return fuse(whole, len(whole.toks) - 2, 2, last + form)
