"""Chinese (Mandarin, simplified characters), cut into words as UD does."""

from __future__ import annotations

import dataclasses

from ..lexicon import ADJECTIVES, FAMILY, GIVEN, NOUNS, ORGS, PLACES, VERBS, WEEKDAYS
from ..scenes import NP, Clause, Time
from ..tree import Ph, join, word
from .base import Grammar, Parts, gender_of, k, tag

#: Adjectives that stand before the noun without 的.
BARE = ("big", "small", "old", "new", "white", "black", "red")
#: Verbs that never take 了: states and reports.
STATES = ("love", "remember", "say", "hear")
#: Verbs whose negation is 不 also for what is past.
NEG_BU = ("love", "remember")
MAKING = ("build",)
#: `open` and `close` said of a business.
BUSINESS = {"open": "开", "close": "关闭"}
SPEECH_FINAL = "discourse:sp"


class Chinese(Grammar):
    lang = "zho"
    spaced = False
    full_stop, question_mark, comma = "。", "？", "，"
    and_, but_ = "和", "但是"

    def np(self, np: NP, role: str) -> Ph:
        if np.kind == "coord":
            return self.coord(np, role)
        if np.kind == "per":
            return self.full_name(np)
        if np.kind in ("org", "loc"):
            loc = np.kind == "loc"
            form = PLACES[np.concept].forms["zho"][0] if loc else ORGS[np.concept][0]
            return word(form, form, "PROPN", "_", k(np, "h"), (np.node, "LOC" if loc else "ORG"))
        if np.kind == "uni":
            entity = (np.node, "ORG")
            form = PLACES[np.concept].forms["zho"][0]
            city = word(form, form, "PROPN", "_", k(np, "city"), entity)
            return join(word("大学", "大学", "NOUN", "_", k(np, "h"), entity), [(city, "nmod")])
        if np.kind == "pron":
            return word(self.he(np), self.he(np), "PRON", "Person=3", k(np, "h"))
        return self.common(np)

    def he(self, np: NP) -> str:
        return "她" if gender_of(np) == "f" else "他"

    def full_name(self, np: NP) -> Ph:
        entity = (np.node, "PER")
        form = GIVEN[np.concept][2]
        if not np.family:
            return word(form, form, "PROPN", "_", k(np, "h", "last"), entity)
        given = word(form, form, "PROPN", "_", k(np, "h"), entity)
        form = FAMILY[np.family][1]
        family = word(form, form, "PROPN", "_", k(np, "last"), entity)
        dot = word("·", "·", "PUNCT", "_", (), entity)
        return join(given, [], [(join(family, [(dot, "punct")]), "flat:name")])

    def common(self, np: NP) -> Ph:
        form, clf = NOUNS[np.concept].forms["zho"]
        many = np.plural and np.det == "def"
        # Definite people are counted as a group by 们; other nouns need a demonstrative.
        head = word(
            form + "们" if many and np.human else form,
            form,
            "NOUN",
            "Number=Plur" if many and np.human else "_",
            k(np, "h"),
        )
        left: Parts = []
        if np.rel:
            left.append((self.relative(np), "acl:relcl"))
        if np.owner:
            owner = self.np(np.owner, "owner")
            left.append((self.de(owner, k(np, "of"), "PART", "case"), "nmod:poss"))
        elif np.det == "poss":
            his = word(self.he(np), self.he(np), "PRON", "Person=3", k(np, "poss"))
            left.append((self.de(his, [], "PART", "case"), "nmod:poss"))
        elif np.det == "this":
            left.append((self.classified("这", "DET", "PronType=Dem", np, clf, "dem"), "det"))
        elif np.det == "indef":
            left.append((self.classified("一", "NUM", "NumType=Card", np, clf, "indef"), "nummod"))
        elif np.det == "count":
            left.append(
                (self.classified(self.number(np), "NUM", "NumType=Card", np, clf, "num"), "nummod")
            )
        elif np.det == "many":
            left.append((word("许多", "许多", "NUM", "_", k(np, "quant")), "nummod"))
        elif np.det == "all":
            left.append((word("所有", "所有", "DET", "PronType=Tot", k(np, "quant")), "det"))
        elif many and not np.human:
            left.append((word("那些", "那些", "DET", "PronType=Dem", k(np, "def")), "det"))
        if np.adj:
            adj = ADJECTIVES[np.adj].forms["zho"][0]
            phrase = word(adj, adj, "ADJ", "_", k(np, "adj"))
            if np.adj not in BARE:
                phrase = self.de(phrase, [], "SCONJ", "mark:rel")
            left.append((phrase, "amod"))
        return join(head, left)

    def classified(self, form: str, upos: str, feats: str, np: NP, clf: str, key: str) -> Ph:
        measure = word(clf, clf, "NOUN", "_", k(np, "clf"))
        return join(word(form, form, upos, feats, k(np, key)), [], [(measure, "clf")])

    def de(self, phrase: Ph, keys: list[str], upos: str, rel: str) -> Ph:
        return join(phrase, [], [(word("的", "的", upos, "_", keys), rel)])

    def relative(self, np: NP) -> Ph:
        assert np.rel
        return self.de(self.verbal(np.rel, {np.gap}, le=False), k(np, "rel"), "SCONJ", "mark:rel")

    def located(self, np: NP) -> Ph:
        """A place with its localiser: `公园 里`."""
        phrase = self.np(np, "place")
        if np.kind != "n":
            return phrase
        form = "上" if np.concept == "beach" else "里"
        return join(phrase, [], [(word(form, form, "ADP", "_", k(np, "case")), "case")])

    def at(self, np: NP) -> tuple[Ph, str]:
        zai = word("在", "在", "ADP", "_", k(np, "case"))
        return join(self.located(np), [(zai, "case")]), "obl"

    def time(self, t: Time) -> tuple[Ph, str]:
        entity = (t.node, "DATE")
        rel = "obl:tmod"
        if t.kind == "everyday":
            every = word("每", "每", "DET", "_", k(t, "every"))
            return join(word("天", "天", "NOUN", "_", k(t, "day")), [(every, "det")]), rel
        fixed = {"yesterday": "昨天", "today": "今天", "lastyear": "去年"}.get(t.kind)
        if t.kind == "weekday":
            fixed = WEEKDAYS[t.day]["zho"]
        if fixed:
            keys = k(t, "h", "year", "day", "last")
            return word(fixed, fixed, "NOUN", "_", keys, entity), rel

        def part(number: str, unit: str, key: str) -> Ph:
            num = word(number, number, "NUM", "NumType=Card", k(t, key), entity)
            return join(word(unit, unit, "NOUN", "_", k(t, "gen"), entity), [(num, "nummod")])

        if t.kind == "year":
            return part(t.year, "年", "num"), rel
        if t.kind == "month":
            return join(part(t.month, "月", "month"), [(part(t.year, "年", "num"), "nmod")]), rel
        return join(part(t.day, "日", "dnum"), [(part(t.month, "月", "month"), "nmod")]), rel

    # -- clauses ---------------------------------------------------------------------------
    def clause(self, c: Clause) -> Ph:
        if c.frame in ("nom", "adj", "loc", "exist"):
            body = self.copular(c)
        else:
            body = self.verbal(c, set(), le=True)
        if c.question == "yn":
            body = join(body, [], [(word("吗", "吗", "PART", "_", k(c, "q")), SPEECH_FINAL)])
        return body

    def neg(self, form: str, c: Clause) -> tuple[Ph, str]:
        return word(form, form, "ADV", "Polarity=Neg", k(c, "neg")), "advmod"

    def asked(self, np: NP | Time, role: str) -> Ph:
        """A question word, which stays where the answer would be."""
        if isinstance(np, Time):
            what = word("什么", "什么", "DET", "PronType=Int", k(np, "wh"))
            return join(word("时候", "时候", "NOUN", "_", k(np, "wh")), [(what, "det")])
        if role in ("place", "goal"):
            form = "哪里"
        else:
            form = "谁" if np.human or np.kind == "per" else "什么"
        return word(form, form, "PRON", "PronType=Int", k(np, "wh"))

    def part(self, c: Clause, role: str) -> Ph:
        np = getattr(c, role)
        return self.asked(np, role) if c.question == role else self.np(np, role)

    def verbal(self, c: Clause, skip: set[str], le: bool) -> Ph:
        left: Parts = []
        subject = "patient" if c.passive else "agent"
        subject_np: NP = getattr(c, subject)
        if c.adv and c.adv[0] == "when":
            shi = word("时", "时", "ADP", "_", k(c.adv[1], "mark"))
            when = self.verbal(c.adv[1], set(), le=False)
            comma = self.marked_comma(c.adv[1].node)
            left.append((join(when, [], [(shi, "mark"), (comma, "punct")]), "advcl"))
        if subject not in skip:
            rel = "nsubj:pass" if c.passive else "nsubj"
            left.append((self.part(c, subject), rel))
        if c.time:
            left.append(
                (self.asked(c.time, "time"), "obl:tmod")
                if c.question == "time"
                else self.time(c.time)
            )
        # `什么 时候 都` would say `always`.
        if subject_np.det == "all" and subject_np.kind == "n" and c.question != "time":
            left.append((word("都", "都", "ADV"), "advmod"))
        negs: Parts = []
        if c.neg:
            bu = c.want or c.verb in NEG_BU or not c.past
            negs = [self.neg("不" if bu else "没有", c)]
        place: Parts = []
        if c.place:
            if c.question == "place":
                zai = word("在", "在", "ADP", "_", k(c.place, "case"))
                place = [(join(self.asked(c.place, "place"), [(zai, "case")]), "obl")]
            else:
                place = [self.at(c.place)]
        disposed = (
            c.patient is not None
            and c.recipient is not None
            and c.patient.det not in ("indef", "count", "many")
            and "patient" not in skip | {c.question}
        )
        if disposed:
            # What is known and given away stands before the verb, with 把.
            assert c.patient
            ba = word("把", "把", "ADP", "_", k(c.patient, "acc"))
            obj = join(self.np(c.patient, "patient"), [(ba, "case")])
            negs = [*negs, *place, (obj, "obl:patient")]
            place = []
        right: Parts = []
        if (
            le
            and c.past
            and not c.neg
            and not c.want
            and c.verb not in STATES
            and not (c.passive and c.verb in MAKING)
        ):
            right.append((word("了", "了", "AUX", "Aspect=Perf", k(c, "t")), "aux"))
        if c.passive:
            assert c.agent
            # 被 is for what befalls something; a work is made 由 (by) someone.
            by = "由" if c.verb in MAKING else "被"
            bei = word(by, by, "ADP", "_", k(c, "by", "pass"))
            agent = join(self.np(c.agent, "agent"), [(bei, "case")])
            return join(
                self.verb(c), [*left, *place, *negs, (agent, "obl:agent")], [*right, *self.tail(c)]
            )
        if c.recipient:
            right.append((self.part(c, "recipient"), "iobj"))
        if c.patient and "patient" not in skip and not disposed:
            right.append((self.part(c, "patient"), "obj"))
            if c.neg and c.patient.det == "indef" and c.question != "patient":
                # `没有 吃 鱼`: no numeral in the scope of the negation.
                bare = dataclasses.replace(c.patient, det="mass")
                right[-1] = (self.np(bare, "patient"), "obj")
        if c.goal:
            right.append((self.part(c, "goal"), "obj"))
        if c.want:
            inner = join(self.verb(c), place, right)
            want = word("想", "想", "VERB", "_", k(c, "want", "t"))
            return join(want, [*left, *negs], [(inner, "xcomp"), *self.tail(c)])
        return join(self.verb(c), [*left, *negs, *place], [*right, *self.tail(c)])

    def verb(self, c: Clause) -> Ph:
        form = VERBS[c.verb].forms["zho"][0]
        if c.verb in BUSINESS and c.patient and "P" in NOUNS[c.patient.concept].classes:
            form = BUSINESS[c.verb]
        keys = k(c, "v")
        if c.neg or c.verb in STATES or not c.past:
            keys += k(c, "t") if not c.want else []
        return word(form, form, "VERB", "_", keys)

    def tail(self, c: Clause) -> Parts:
        out: Parts = []
        if c.comp:
            out.append((self.clause(c.comp), "ccomp"))
        if c.adv and c.adv[0] == "because":
            sub = c.adv[1]
            mark = word("因为", "因为", "SCONJ", "_", k(sub, "mark"))
            comma = self.marked_comma(sub.node)
            out.append((join(self.clause(sub), [(comma, "punct"), (mark, "mark")]), "advcl"))
        if c.conj:
            kind, sub = c.conj
            if kind == "but":
                out.append((self.conj_clause(c), "conj"))
            else:
                # Clauses are joined by the comma alone.
                comma = tag(self.marked_comma(sub.node), k(sub, "cc"))
                out.append((join(self.clause(sub), [(comma, "punct")]), "conj"))
        return out

    def copular(self, c: Clause) -> Ph:
        assert c.agent
        subject: Parts = [(self.np(c.agent, "agent"), "nsubj")]
        if c.frame == "exist":
            assert c.place
            have = word("有", "有", "VERB", "_", k(c, "exist", "cop", "there"))
            # With 有 the place comes first and what exists is the object.
            return join(
                have, [(self.located(c.place), "nsubj")], [(self.np(c.agent, "agent"), "obj")]
            )
        negs = [self.neg("不", c)] if c.neg else []
        if c.frame == "loc":
            assert c.place
            place = self.asked(c.place, "place") if c.question == "place" else self.located(c.place)
            zai = word("在", "在", "VERB", "_", [*k(c, "cop"), *k(c.place, "case")])
            return join(zai, [*subject, *negs], [(place, "obj")])
        if c.frame == "nom":
            assert c.pred
            shi = word("是", "是", "AUX", "_", k(c, "cop"))
            return join(self.np(c.pred, "pred"), [*subject, *negs, (shi, "cop")])
        adj = ADJECTIVES[c.adj].forms["zho"][0]
        head = word(adj, adj, "ADJ", "_", k(c, "adj"))
        # A plain adjective needs 很 unless something else, a negation or a question, is there.
        very: Parts = [] if c.neg or c.question else [(word("很", "很", "ADV"), "advmod")]
        return join(head, [*subject, *negs, *very])
