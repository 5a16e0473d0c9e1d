"""What can be asked or denied of a scene, and what makes two scenes the same."""

from __future__ import annotations

from .scenes import NP, Clause


def askable(c: Clause) -> list[str]:
    """Roles that a wh-question about this clause can ask for."""
    if c.frame in ("nom", "adj", "exist") or c.passive:
        return []
    if c.frame == "loc":
        return ["place"]
    roles = []
    if c.agent and c.agent.kind in ("per", "n") and not c.agent.rel and c.agent.human:
        roles.append("agent")
    for role in ("patient", "recipient", "goal", "place", "time"):
        np = getattr(c, role)
        if np is not None and not (isinstance(np, NP) and (np.rel or np.kind == "coord")):
            if role == "time" and np.kind == "everyday":
                continue
            roles.append(role)
    return roles


def plain_for_negation(c: Clause) -> Clause:
    """Negation and quantifiers have scope; the sample leaves that out."""
    for np in c.nps():
        if np.det in ("all", "many", "count"):
            np.det, np.plural, np.count = "def", False, ""
        if np.det == "indef" and np is c.agent:
            np.det = "def"
    if c.time and c.time.kind == "everyday":
        c.time, c.past = None, True
    return c


def mentions(c: Clause) -> tuple[list[str], list[str]]:
    """All participants (as words) and all verbs of a scene."""
    nouns: list[str] = []
    verbs = [c.verb] if c.verb else []
    inner: list[Clause] = [x for x in (c.comp, c.adv and c.adv[1], c.conj and c.conj[1]) if x]
    todo = c.nps()
    while todo:
        np = todo.pop()
        todo += np.parts + ([np.owner] if np.owner else [])
        if np.kind == "coord":
            continue
        nouns.append(np.concept)
        if np.rel:
            # The head stands in its own relative clause as the gap: counted once.
            names, more = mentions(np.rel)
            names.remove(np.concept)
            nouns, verbs = nouns + names, verbs + more
    for sub in inner:
        names, more = mentions(sub)
        nouns, verbs = nouns + names, verbs + more
    return nouns, verbs


def repetitive(c: Clause) -> bool:
    """Whether a word occurs twice: `The mother slept, but the mother slept` says nothing."""
    nouns, verbs = mentions(c)
    return len(set(nouns)) < len(nouns) or len(set(verbs)) < len(verbs)


def signature(c: Clause) -> str:
    """What the scene says, without the node names: splits must not share it."""
    return repr(c)
