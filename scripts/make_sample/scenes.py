"""Scenes: who did what to whom, where and when, in no language at all."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class NP:
    """A participant. `node` is its identity in the scene, shared by all languages."""

    node: str = field(repr=False)  # the name is not part of what the scene says
    kind: str  # n (common noun), per, org, uni, loc, pron, coord
    concept: str = ""
    #: def, indef, this, poss (of the subject), mass, many, all, count
    det: str = "def"
    plural: bool = False
    count: str = ""
    adj: str = ""
    owner: NP | None = None
    rel: Clause | None = None
    gap: str = ""  # the role that this participant has in `rel`
    family: str = ""
    parts: list[NP] = field(default_factory=list)
    gender: str = "m"
    human: bool = False
    animal: bool = False

    @property
    def many(self) -> bool:
        """Whether it denotes more than one (agreement differs by language and is not here)."""
        return self.plural or self.kind == "coord"


@dataclass
class Time:
    node: str = field(repr=False)  # the name is not part of what the scene says
    kind: str  # year, month, day, weekday, yesterday, today, lastyear, everyday, now
    year: str = ""
    month: str = ""
    day: str = ""


@dataclass
class Clause:
    """`frame` is the verb's (i m t d c C) or nom, adj, loc, exist."""

    node: str = field(repr=False)  # the name is not part of what the scene says
    frame: str
    verb: str = ""
    agent: NP | None = None
    patient: NP | None = None
    recipient: NP | None = None
    goal: NP | None = None
    place: NP | None = None
    time: Time | None = None
    adj: str = ""  # predicate adjective
    pred: NP | None = None  # predicate noun
    neg: bool = False
    past: bool = True
    want: bool = False
    passive: bool = False
    question: str = ""  # yn, or the role asked for: agent patient recipient goal place time
    comp: Clause | None = None
    adv: tuple[str, Clause] | None = None  # because, when
    conj: tuple[str, Clause] | None = None  # and, but
    template: str = ""

    def nps(self) -> list[NP]:
        return [
            x
            for x in (self.agent, self.patient, self.recipient, self.goal, self.place, self.pred)
            if x
        ]
