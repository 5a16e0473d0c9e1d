"""Pairs and triples made by changing scenes: inference pairs and questions with answers.

A hypothesis or a question is a changed scene, so it is realised by the same grammars, and its
label holds by construction in every language.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass

from .checks import askable, plain_for_negation, repetitive, signature
from .generate import COLORS, Generator
from .lexicon import ADJECTIVES, NOUNS, VERBS
from .nouns import HYPERNYMS
from .scenes import NP, Clause
from .tree import Sentence
from .words import ANTONYMS

COUNTRIES = ("spain", "turkey", "indonesia", "china", "finland", "japan", "france", "mexico")
#: One of a kind: `a dog`.
ONE: dict[str, object] = {"det": "indef", "plural": False, "count": ""}
QUESTION_TYPES = {
    "agent": "who",
    "patient": "what",
    "recipient": "to_whom",
    "goal": "where_to",
    "place": "where",
    "time": "when",
}


@dataclass
class Pair:
    premise: Clause
    hypothesis: Clause
    label: str
    phenomenon: str


@dataclass
class Question:
    context: list[int]  # scene indexes, in the order of the text
    source: int  # the scene that answers
    question: Clause
    node: str  # the scene node that is the answer
    kind: str


def _simple(c: Clause) -> bool:
    """A plain positive statement about one event."""
    return (
        c.frame in ("i", "m", "t", "d")
        and c.past
        and not (c.neg or c.want or c.question or c.comp or c.adv or c.conj)
    )


def _with(c: Clause, **values: object) -> Clause:
    """A copy with other values."""
    new = copy.deepcopy(c)
    for name, value in values.items():
        setattr(new, name, value)
    return new


def _with_part(c: Clause, role: str, **values: object) -> Clause:
    """A copy in which the participant in `role` has other values."""
    new = copy.deepcopy(c)
    for name, value in values.items():
        setattr(getattr(new, role), name, value)
    return new


def _quantified(c: Clause) -> bool:
    return any(np.det in ("all", "many", "count") for np in c.nps())


def entailed(c: Clause, generator: Generator) -> Iterator[tuple[str, Clause]]:
    """Scenes that follow from `c`, with the name of the step."""
    if c.conj:
        yield "conjunct_clause", _alone(c)
        yield "conjunct_clause", copy.deepcopy(c.conj[1])
    if c.adv and not c.neg:
        yield "adverbial", copy.deepcopy(c.adv[1])
    if c.frame == "C" and not c.neg and c.comp:
        yield "factive", copy.deepcopy(c.comp)
    for role in ("agent", "patient"):
        np: NP | None = getattr(c, role)
        if np and np.rel and not c.neg:
            inner = copy.deepcopy(np.rel)
            setattr(inner, np.gap, NP(np.node, "n", np.concept, human=np.human, animal=np.animal))
            yield "relative", inner
    if c.neg and c.frame in ("i", "m", "t", "d") and not (c.want or c.conj or c.adv or c.comp):
        # What did not happen at all did not happen anywhere in particular.
        if c.place is None and c.frame != "m":
            yield "negation_widened", _with(c, place=generator.place())
        if c.time is None:
            yield "negation_widened", _with(c, time=generator.time())
    if not _simple(c):
        return
    if c.passive:
        yield "voice", _with(c, passive=False)
    for role in ("place", "time"):
        if getattr(c, role) is not None:
            yield "dropped_adjunct", _with(c, **{role: None})
    for role in ("agent", "patient", "recipient"):
        np = getattr(c, role)
        if np is None:
            continue
        if np.kind == "coord" and role == "agent":
            yield "conjunct", _with(c, agent=copy.deepcopy(np.parts[0]))
        if np.kind != "n" or np.rel:
            continue
        if np.adj and np.det != "all":
            yield "dropped_modifier", _with_part(c, role, adj="")
        if np.concept in HYPERNYMS and np.det in ("def", "indef", "this", "count"):
            more: dict[str, object] = {"concept": HYPERNYMS[np.concept], "owner": None, "adj": ""}
            if np.det in ("def", "this"):
                more |= ONE
            if not np.plural or np.det == "count":
                yield "hypernym", _with_part(c, role, **more)
        if np.det == "count":
            yield "quantifier", _with_part(c, role, **ONE)


def _alone(c: Clause) -> Clause:
    return _with(c, conj=None)


def contradicted(c: Clause, generator: Generator) -> Iterator[tuple[str, Clause]]:
    if c.question:
        return
    plain = not _quantified(c) and not (c.agent and c.agent.det == "indef")
    bare = (
        c.frame in ("nom", "adj", "loc")
        or _simple(c)
        or (c.neg and not (c.comp or c.adv or c.conj or c.want))
    )
    if plain and bare and c.frame != "exist" and (c.past or c.frame in ("nom", "adj", "loc")):
        yield "negation", plain_for_negation(_with(c, neg=not c.neg))
    if c.frame == "adj" and not c.neg and c.adj in ANTONYMS and c.adj not in COLORS:
        yield "antonym", _with(c, adj=ANTONYMS[c.adj])
    if (
        c.frame == "loc"
        and not c.neg
        and c.place
        and c.place.kind == "loc"
        and c.place.concept not in COUNTRIES
    ):
        other = c.place.concept
        while other == c.place.concept or other in COUNTRIES:
            other = generator.place(city=1.0).concept
        yield "other_place", _with_part(c, "place", concept=other)
    # What denies something that follows cannot be true either.
    for name, follows in entailed(c, generator):
        if (
            _simple(follows)
            and not _quantified(follows)
            and follows.agent
            and follows.agent.det != "indef"
        ):
            yield f"{name}_denied", plain_for_negation(_with(follows, neg=True))


def neutral(c: Clause, generator: Generator) -> Iterator[tuple[str, Clause]]:
    if c.question:
        return
    if c.frame == "c" and not c.neg and c.comp:
        yield "nonfactive", copy.deepcopy(c.comp)
    if c.want and not c.neg:
        yield "intention", _with(c, want=False)
    if c.neg and c.frame in ("i", "m", "t", "d") and not (c.want or c.conj or c.adv or c.comp):
        for role in ("place", "time"):
            if getattr(c, role) is not None:
                yield "negated_adjunct", _with(c, **{role: None})
    if not _simple(c):
        return
    if c.time is None:
        yield "added_adjunct", _with(c, time=generator.time())
    if c.place is None and c.frame != "m":
        yield "added_adjunct", _with(c, place=generator.place())
    for role in ("agent", "patient"):
        np: NP | None = getattr(c, role)
        if (
            np
            and np.kind == "n"
            and not (np.adj or np.rel or np.owner)
            and np.det in ("def", "indef")
        ):
            fit = [
                a.concept
                for a in ADJECTIVES.values()
                if set(a.classes) & set(NOUNS[np.concept].classes)
            ]
            if fit:
                adj = generator.pick("adj", fit)
                yield "added_modifier", _with_part(c, role, adj=adj)
    if c.frame == "t" and c.patient and c.patient.kind == "n" and not c.patient.rel:
        other = generator.common(VERBS[c.verb].extra[0].replace("@", "") or "H", "def indef", adj=0)
        other.node = c.patient.node
        if other.concept != c.patient.concept:
            yield "other_object", _with(c, patient=other)


def inference(
    drawn: list[Clause], split: str, seed: int, elsewhere: set[str], per_scene: int = 2
) -> list[list[Pair]]:
    """Up to `per_scene` pairs a scene, with different labels, the rarer label first.

    `elsewhere` has the signatures of the other splits' scenes, which no pair may contain.
    """
    rng = random.Random(seed)
    generator = Generator(split, seed + 1)
    generator.count = 1000  # nodes that no scene has
    used = {"entailment": 0, "contradiction": 0, "neutral": 0}
    out: list[list[Pair]] = []
    for c in drawn:
        by_label: dict[str, list[tuple[str, Clause, Clause]]] = {label: [] for label in used}
        if not c.question:
            steps = list(entailed(c, generator))
            by_label["entailment"] = [(name, c, h) for name, h in steps]
            by_label["contradiction"] = [(n, c, h) for n, h in contradicted(c, generator)]
            by_label["neutral"] = [(n, c, h) for n, h in neutral(c, generator)]
            by_label["neutral"] += [("hyponym", h, c) for n, h in steps if n == "hypernym"]
        pairs: list[Pair] = []
        for label in sorted(used, key=lambda name: used[name]):
            options = [
                o
                for o in by_label[label]
                if not any(repetitive(x) or signature(x) in elsewhere for x in o[1:])
            ]
            if options and len(pairs) < per_scene:
                # All kinds of steps alike, then all steps of the kind.
                kind = _kind(rng, options)
                name, premise, hypothesis = rng.choice([o for o in options if o[0] == kind])
                used[label] += 1
                if name == "negation" and rng.random() < 0.5:
                    # Otherwise `not` in the hypothesis would give the label away.
                    premise, hypothesis = hypothesis, premise
                pairs.append(Pair(premise, hypothesis, label, name))
        out.append(pairs)
    return out


def _kind(rng: random.Random, options: list[tuple[str, Clause, Clause]]) -> str:
    """A kind of step; plain negation only where half of the time or nothing else is there."""
    kinds = sorted({o[0] for o in options})
    if len(kinds) > 1 and "negation" in kinds and rng.random() < 0.9:
        kinds.remove("negation")
    return rng.choice(kinds)


def _askable(c: Clause) -> list[str]:
    """Roles of a scene that a reading question may ask for."""
    if not _simple(c) or c.passive or c.agent is None or c.agent.kind in ("pron", "coord"):
        return []
    if any(np.rel for np in c.nps()):
        return []
    roles = askable(c)
    if c.patient and c.patient.det == "poss":
        # `Who sold her house?` would give away who it was.
        roles = [r for r in roles if r != "agent"]
    return roles


def questions(drawn: list[Clause], seed: int, per_scene: int = 2) -> list[Question]:
    """Up to `per_scene` questions about each scene, each in a text of three sentences."""
    rng = random.Random(seed)
    statements = [i for i, c in enumerate(drawn) if not c.question]
    out = []
    for i, c in enumerate(drawn):
        roles = _askable(c)
        for role in rng.sample(roles, min(per_scene, len(roles))):
            out.append(_question(drawn, i, role, statements, rng))
    return out


def _question(
    drawn: list[Clause], i: int, role: str, statements: list[int], rng: random.Random
) -> Question:
    c = drawn[i]
    target = getattr(c, role)
    # The other sentences share neither verb nor participants, so that one answer is right.
    taken = _people(c)
    context = [i]
    while len(context) < 3:
        j = rng.choice(statements)
        other = drawn[j]
        if j not in context and not taken & _people(other) and c.verb not in _verbs(other):
            context.append(j)
            taken |= _people(other)
    rng.shuffle(context)
    question = copy.deepcopy(c)
    question.question = role
    for np in question.nps():
        if np.det == "indef":
            np.det = "def"
    asked = getattr(question, role)
    if isinstance(asked, NP) and asked.kind == "n":
        asked.det, asked.plural, asked.count, asked.owner = "def", False, "", None
    for extra in ("place", "time"):
        if role != extra and rng.random() < 0.5:
            setattr(question, extra, None)
    kind = QUESTION_TYPES[role]
    if role == "patient" and (target.human or target.kind == "per"):
        kind = "whom"
    return Question(context, i, question, target.node, kind)


def _people(c: Clause) -> set[str]:
    return {np.concept for np in c.nps() if np.kind in ("per", "n", "org", "uni")}


def _verbs(c: Clause) -> set[str]:
    inner = [x for x in (c.comp, c.adv and c.adv[1], c.conj and c.conj[1]) if x]
    inner += [np.rel for np in c.nps() if np.rel]
    return {c.verb}.union(*(_verbs(x) for x in inner)) if inner else {c.verb}


def answer_span(s: Sentence, node: str) -> tuple[int, int]:
    """The characters of the whole phrase that expresses a node: its head's subtree."""
    mine = [i for i, t in enumerate(s.toks) if any(key.startswith(node + ".") for key in t.keys)]
    # Case marks and linkers (`'s`, `de`) carry the node's name too, but hang on other words.
    heads = [
        i for i in mine if s.toks[i].upos not in ("ADP", "PART") and s.heads[i] - 1 not in mine
    ]
    if len(heads) != 1:
        raise ValueError(f"{s.sent_id} {s.lang} {node}: no single head in {s.text}")
    phrase = {heads[0]}
    grown = True
    while grown:
        more = {i for i, h in enumerate(s.heads) if h - 1 in phrase} - phrase
        grown = bool(more)
        phrase |= more
    first, last = min(phrase), max(phrase)
    if len(phrase) != last - first + 1:
        raise ValueError(f"{s.sent_id} {s.lang} {node}: not contiguous in {s.text}")
    return s.spans[first][0], s.spans[last][1]
