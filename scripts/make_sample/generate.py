"""Draws scenes at random, under what language-independent sense allows."""

from __future__ import annotations

import random
from collections.abc import Callable

from .checks import askable, plain_for_negation, repetitive, signature
from .lexicon import (
    ADJECTIVES,
    DAYS,
    FAMILY,
    GIVEN,
    HELD_OUT,
    MONTHS,
    NOUNS,
    NUMBERS,
    ORGS,
    PLACES,
    UNIVERSITIES,
    VERBS,
    WEEKDAYS,
    YEARS,
)
from .scenes import NP, Clause, Time

#: In dev and test a slot takes a held-out word this often, where it has one to offer.
HELD_RATE = 0.15
#: Colours are no plain predicates in every language.
COLORS = ("white", "black", "red")
ORG_VERBS = ("buy", "sell", "build", "open", "close", "invite", "help", "send", "lend")


class Generator:
    """Scenes of one split; `train` never sees a held-out word."""

    def __init__(self, split: str, seed: int) -> None:
        self.split = split
        self.rng = random.Random(seed)
        self.count = 0

    # -- words -----------------------------------------------------------------------------
    def pick(self, kind: str, options: list[str]) -> str:
        known = [o for o in options if f"{kind}:{o}" not in HELD_OUT]
        held = [o for o in options if f"{kind}:{o}" in HELD_OUT]
        if self.split != "train" and held and self.rng.random() < HELD_RATE:
            return self.rng.choice(held)
        return self.rng.choice(known)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def node(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def noun(self, classes: str) -> str:
        options = [
            n.concept
            for n in NOUNS.values()
            if set(n.classes) & set(classes) and n.concept not in ("animal", "fruit", "vehicle")
        ]
        return self.pick("noun", options)

    def verb(self, frame: str, exclude: tuple[str, ...] = ()) -> str:
        return self.pick(
            "verb",
            [v.concept for v in VERBS.values() if v.classes == frame and v.concept not in exclude],
        )

    # -- participants ----------------------------------------------------------------------
    def person(self) -> NP:
        given = self.pick("name", list(GIVEN))
        gender, group = GIVEN[given][:2]
        family = ""
        if self.chance(0.3):
            family = self.pick("name", [f for f, v in FAMILY.items() if v[0] == group])
        return NP(self.node("n"), "per", given, family=family, gender=gender, human=True)

    def org(self) -> NP:
        if self.chance(0.35):
            return NP(self.node("n"), "uni", self.pick("university", list(UNIVERSITIES)))
        return NP(self.node("n"), "org", self.pick("name", list(ORGS)))

    def common(
        self, classes: str, dets: str = "def indef", adj: float = 0.2, many: float = 0.15
    ) -> NP:
        concept = self.noun(classes)
        kinds = NOUNS[concept].classes
        np = NP(self.node("n"), "n", concept, human="H" in kinds, animal="A" in kinds)
        if "M" in kinds or "D" in kinds:
            np.det = "mass"
            return np
        np.det = self.rng.choice(dets.split())
        if np.det in ("all", "many", "count"):
            np.plural = True
            np.count = self.rng.choice(list(NUMBERS)) if np.det == "count" else ""
        elif np.det == "def":
            np.plural = self.chance(many)
        if self.chance(adj):
            fit = [a.concept for a in ADJECTIVES.values() if set(a.classes) & set(kinds)]
            if fit:
                np.adj = self.pick("adj", fit)
        return np

    def human(
        self,
        dets: str = "def def def indef this",
        name: float = 0.45,
        pron: float = 0.05,
        **more: float,
    ) -> NP:
        if self.chance(name):
            return self.person()
        if self.chance(pron):
            gender = self.rng.choice("mf")
            return NP(self.node("n"), "pron", "he", gender=gender, human=True)
        return self.common("H", dets, **more)

    def subject(self) -> NP:
        if self.chance(0.08):
            first, second = self.person(), self.human(pron=0, dets="def", many=0, adj=0)
            if second.concept != first.concept:
                return NP(self.node("n"), "coord", parts=[first, second], human=True)
        if self.chance(0.15):
            return self.common("H", "count many all")
        return self.human()

    def thing(self, verb: str, subject: NP | None, plain: bool = False) -> NP:
        """An object that the verb can take."""
        classes = VERBS[verb].extra[0]
        if "@" in classes and self.chance(0.4):
            other = self.person()
            if subject is None or other.concept != subject.concept:
                return other
        classes = classes.replace("@", "") or "H"
        if plain:
            np = self.common(classes, "def def indef", many=0.1)
        else:
            np = self.common(classes, "def def indef indef this count many all")
        if subject is not None and np.concept == subject.concept:
            return self.thing(verb, subject, plain)
        if np.det in ("def", "indef") and not (np.plural or np.human) and self.chance(0.45):
            np.det = "def"
            own = subject is not None and subject.kind == "per" and verb not in ("buy", "steal")
            if own and subject is not None and self.chance(0.65):
                np.det, np.gender = "poss", subject.gender
            else:
                owner = self.human(dets="def", pron=0, adj=0, many=0)
                if subject is None or owner.concept != subject.concept:
                    np.owner = owner
        return np

    def place(self, city: float = 0.4) -> NP:
        if self.chance(city):
            return NP(self.node("n"), "loc", self.pick("name", list(PLACES)))
        np = self.common("P", "def", adj=0.1, many=0)
        if np.adj not in ("", "big", "small", "old", "new"):
            np.adj = ""
        return np

    def destination(self) -> NP:
        np = self.place()
        np.adj = ""
        return np

    def time(self) -> Time:
        kind = self.rng.choice(
            ["yesterday", "today", "lastyear", "weekday", "weekday", "year", "month", "day"]
        )
        t = Time(self.node("t"), kind)
        if kind in ("year", "month"):
            t.year = self.pick("year", list(YEARS))
        if kind in ("month", "day"):
            t.month = self.pick("month", list(MONTHS))
        if kind == "day":
            t.day = self.rng.choice(list(DAYS))
        if kind == "weekday":
            t.day = self.pick("weekday", list(WEEKDAYS))
        return t

    # -- clauses ---------------------------------------------------------------------------
    def adjuncts(self, c: Clause, place: float = 0.3, time: float = 0.35) -> Clause:
        if c.frame != "m" and self.chance(place):
            c.place = self.place()
        if self.chance(time):
            c.time = self.time()
        return c

    def intransitive(self) -> Clause:
        c = Clause(self.node("c"), "i", self.verb("i"), self.subject(), template="intransitive")
        if c.verb != "sleep" and self.chance(0.12):
            c.past, c.time = False, Time(self.node("t"), "everyday")
        return c

    def motion(self) -> Clause:
        return Clause(
            self.node("c"),
            "m",
            self.verb("m"),
            self.subject(),
            goal=self.destination(),
            template="motion",
        )

    def transitive(self, plain: bool = False) -> Clause:
        if self.chance(0.12):
            subject = self.org()
            verb = self.rng.choice([v for v in ORG_VERBS if VERBS[v].classes == "t"])
        else:
            subject = self.human() if plain else self.subject()
            verb = self.verb("t")
        c = Clause(self.node("c"), "t", verb, subject, template="transitive")
        c.patient = self.thing(verb, subject, plain)
        return c

    def ditransitive(self) -> Clause:
        subject = self.org() if self.chance(0.1) else self.human()
        verb = self.verb("d")
        c = Clause(self.node("c"), "d", verb, subject, template="ditransitive")
        classes = VERBS[verb].extra[0]
        c.patient = self.common(classes, "def indef indef count this")
        while c.recipient is None or c.recipient.concept == subject.concept:
            c.recipient = self.human(dets="def def indef", pron=0, many=0, adj=0.1)
        return c

    def passive(self) -> Clause:
        no = ("help", "love", "follow", "find", "lose", "see", "write")
        verb = self.verb("t", no)
        agent = self.human(pron=0, adj=0.05)
        if verb in ORG_VERBS and self.chance(0.3):
            agent = self.org()
        c = Clause(self.node("c"), "t", verb, agent, passive=True, template="passive")
        while c.patient is None or c.patient.concept == agent.concept or c.patient.kind != "n":
            c.patient = self.thing(verb, None, plain=True)
        if c.patient.det == "indef":
            c.patient.det = "def"
        return c

    def copular(self) -> Clause:
        c = Clause(
            self.node("c"),
            self.rng.choice(["nom", "adj", "adj", "loc", "exist"]),
            past=self.chance(0.4),
        )
        c.template = f"copular-{c.frame}"
        if c.frame == "nom":
            c.agent = self.person()
            c.pred = self.common("H", "indef", adj=0.25, many=0)
            while c.pred.concept in ("man", "woman", "mother", "father", "king"):
                c.pred = self.common("H", "indef", adj=0.25, many=0)
        elif c.frame == "adj":
            c.agent = (
                self.person() if self.chance(0.3) else self.common("HATB", "def def this", adj=0)
            )
            if not c.agent.human and self.chance(0.25) and not c.agent.plural:
                c.agent.owner = self.human(dets="def", pron=0, adj=0, many=0)
                c.agent.det = "def"
            kinds = "H" if c.agent.kind == "per" else NOUNS[c.agent.concept].classes
            c.adj = self.pick(
                "adj",
                [
                    a.concept
                    for a in ADJECTIVES.values()
                    if set(a.classes) & set(kinds) and a.concept not in COLORS
                ],
            )
        elif c.frame == "loc":
            c.agent = (
                self.human(adj=0.1, dets="def")
                if self.chance(0.5)
                else self.common("TA", "def def this", adj=0.1)
            )
            c.place = self.place()
        else:
            c.agent = self.common("TAH", "indef count many", adj=0.2)
            c.place = self.place(city=0)
        return c

    def wanting(self) -> Clause:
        c = self.motion() if self.chance(0.3) else self.transitive()
        while c.verb in ("love", "lose", "see", "find"):
            c = self.transitive()
        c.want, c.template = True, "want"
        if c.agent and c.agent.kind in ("org", "uni"):
            c.agent = self.person()
            if c.patient and c.patient.concept == c.agent.concept:
                c.want = False
        return c

    def simple(self, *makers: Callable[[], Clause]) -> Clause:
        c = self.rng.choice(makers or (self.intransitive, self.motion, self.transitive))()
        if c.time is None:
            self.adjuncts(c, 0.2, 0.15)
        return c

    def reporting(self) -> Clause:
        verb = self.verb(self.rng.choice("ccC"))
        c = Clause(
            self.node("c"),
            VERBS[verb].classes,
            verb,
            self.human(pron=0, adj=0.05),
            template="complement",
        )
        c.comp = self.simple(self.motion, self.transitive, self.ditransitive, self.intransitive)
        if not c.comp.past:
            c.comp.past, c.comp.time = True, None
        if self.chance(0.25):
            c.comp.neg = True
            plain_for_negation(c.comp)
        return c

    def complex(self) -> Clause:
        c = self.simple()
        sub = self.simple()
        kind = self.rng.choice(["because", "when", "and", "but"])
        for part in (c, sub):
            if not part.past:
                part.past, part.time = True, None
        c.template = {"because": "adverbial", "when": "adverbial"}.get(kind, "coordination")
        if kind in ("because", "when"):
            c.adv = (kind, sub)
            sub.neg = kind == "because" and self.chance(0.3)
        else:
            c.conj = (kind, sub)
            sub.neg = kind == "but" and self.chance(0.6)
        if sub.neg:
            plain_for_negation(sub)
        return c

    def relative(self) -> Clause:
        """A clause one of whose participants carries a relative clause."""
        c = self.rng.choice([self.intransitive, self.transitive, self.transitive, self.motion])()
        if not c.past:
            c.past, c.time = True, None
        c.template = "relative"
        head = c.agent if c.patient is None or self.chance(0.5) else c.patient
        if head is None or head.kind != "n":
            head = c.agent = self.common("H", "def", adj=0.1, many=0)
            if c.patient and c.patient.det == "poss":
                # It belonged to the one who was the subject before.
                c.patient.det = "def"
        head.det, head.plural, head.count, head.owner, head.adj = "def", False, "", None, ""
        classes = NOUNS[head.concept].classes
        taking = [
            v.concept
            for v in VERBS.values()
            if v.classes == "t" and set(v.extra[0]) & set(classes) and v.concept != c.verb
        ]
        if not head.human or (taking and self.chance(0.3)):
            if not taking:
                return self.relative()
            inner = Clause(
                self.node("c"),
                "t",
                self.pick("verb", taking),
                self.human(dets="def", pron=0, adj=0, many=0),
                patient=head,
            )
            gap = "patient"
        else:
            inner = self.motion() if self.chance(0.5) else self.transitive(plain=True)
            inner.agent = head
            gap = "agent"
            if inner.patient and inner.patient.det == "poss":
                inner.patient.det = "def"
        others = [n.concept for n in c.nps() + inner.nps() if n is not head]
        if head.concept in others or len(set(others)) < len(others) or inner.verb == c.verb:
            return self.relative()
        inner.past, inner.time = True, None
        # The head is filled in by `gap`; a second copy keeps the structure a tree.
        setattr(inner, gap, NP(head.node, "n", head.concept, human=head.human, animal=head.animal))
        if self.chance(0.25):
            inner.time = self.time()
        head.rel, head.gap = inner, gap
        return c

    def question(self) -> Clause:
        c = self.rng.choice(
            [
                self.intransitive,
                self.motion,
                self.transitive,
                self.transitive,
                self.ditransitive,
                self.copular,
            ]
        )()
        c.past = True if c.frame not in ("nom", "adj", "loc", "exist") else c.past
        if c.time and c.time.kind == "everyday":
            c.time = None
        if c.frame not in ("nom", "adj", "loc", "exist") and c.time is None:
            self.adjuncts(c, 0.5 if c.frame == "i" else 0.3, 0.5 if c.frame == "i" else 0.35)
        kind = self.rng.choice(["yn", "wh", "wh"])
        c.question = "yn" if kind == "yn" else self.rng.choice(askable(c) or ["yn"])
        asked = getattr(c, c.question, None)
        if isinstance(asked, NP) and (asked.plural or asked.det == "poss"):
            # `Who ...?` asks for one.
            asked.det, asked.plural, asked.count = "def", False, ""
        if c.question == "yn" and self.chance(0.1) and c.frame in "imtd":
            c.neg = True
        return plain_for_negation(c) if c.neg else c

    def scene(self) -> Clause:
        make = self.rng.choices(
            [
                self.intransitive,
                self.motion,
                self.transitive,
                self.ditransitive,
                self.passive,
                self.copular,
                self.wanting,
                self.reporting,
                self.complex,
                self.relative,
                self.question,
            ],
            [9, 8, 17, 8, 6, 12, 5, 9, 10, 10, 12],
        )[0]
        self.count = 0
        c = make()
        if c.template in ("intransitive", "motion", "transitive", "ditransitive", "passive"):
            if c.time is None:
                self.adjuncts(c)
                if c.frame == "i" and not (c.place or c.time):
                    # Two words are no sentence to learn from.
                    self.adjuncts(c, 1.0, 0.2)
            if not c.question and self.chance(0.15):
                c.neg = True
        elif not c.question and (
            c.template in ("want", "complement", "adverbial") or c.frame in ("nom", "adj", "loc")
        ):
            c.neg = self.chance(0.15)
        if c.question and c.template != "question":
            c.template = f"question-{'yn' if c.question == 'yn' else 'wh'}"
        return plain_for_negation(c) if c.neg else c


def scenes(
    split: str,
    count: int,
    seed: int,
    seen: set[str],
    accept: Callable[[Clause], bool] = lambda c: True,
) -> list[Clause]:
    """`count` acceptable scenes that are in no split yet; `seen` is updated."""
    generator = Generator(split, seed)
    out: list[Clause] = []
    while len(out) < count:
        scene = generator.scene()
        mark = signature(scene)
        if mark not in seen and not repetitive(scene) and accept(scene):
            seen.add(mark)
            out.append(scene)
    return out
