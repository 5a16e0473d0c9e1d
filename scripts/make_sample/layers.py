"""Reads the annotation layers of one sentence off its tree and its scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .lexicon import EVENT_TYPES
from .scenes import Clause
from .tree import Sentence

ROLES = {
    "agent": "Agent",
    "patient": "Patient",
    "recipient": "Recipient",
    "goal": "Destination",
    "place": "Place",
    "time": "Time",
}


def conllu(s: Sentence) -> str:
    """One CoNLL-U block, without the empty line after it."""
    lines = [f"# sent_id = {s.sent_id}", f"# text = {s.text}"]
    n = len(s.toks)
    for i, t in enumerate(s.toks):
        inside = next((a for a, (b, _) in s.mwts.items() if a <= i < b), None)
        if i in s.mwts:
            end, surface = s.mwts[i]
            misc = "_" if s.space_after[end - 1] or end == n else "SpaceAfter=No"
            lines.append(f"{i + 1}-{end}\t{surface}" + "\t_" * 7 + f"\t{misc}")
        misc = "_" if inside is not None or s.space_after[i] else "SpaceAfter=No"
        lines.append(
            "\t".join(
                [
                    str(i + 1),
                    t.form,
                    t.lemma,
                    t.upos,
                    "_",
                    t.feats,
                    str(s.heads[i]),
                    t.rel,
                    "_",
                    misc,
                ]
            )
        )
    return "\n".join(lines)


def entities(s: Sentence) -> list[tuple[int, int, str, str]]:
    """(start, end, type, scene node) of each name and date, in order."""
    spans: dict[str, tuple[int, int, str, str]] = {}
    for i, t in enumerate(s.toks):
        if t.entity is None:
            continue
        node, kind = t.entity
        if node in spans and spans[node][1] != i:
            raise ValueError(f"{s.sent_id} {s.lang}: {kind} is not contiguous: {s.text}")
        start = spans[node][0] if node in spans else i
        spans[node] = (start, i + 1, kind, node)
    return sorted(spans.values())


def iob(s: Sentence) -> list[str]:
    tags = ["O"] * len(s.toks)
    for start, end, kind, _ in entities(s):
        tags[start] = f"B-{kind}"
        tags[start + 1 : end] = [f"I-{kind}"] * (end - start - 1)
    return tags


def clauses(c: Clause) -> Iterator[Clause]:
    """The clause and all that it contains."""
    yield c
    for sub in (c.comp, c.adv and c.adv[1], c.conj and c.conj[1]):
        if sub:
            yield from clauses(sub)
    for np in c.nps():
        if np.rel:
            yield from clauses(np.rel)


def events(s: Sentence, scene: Clause) -> dict[str, Any]:
    names = entities(s)
    spans = {node: (start, end) for start, end, _, node in names}
    heads = {
        key: i
        for i, t in enumerate(s.toks)
        for key in sorted(t.keys)
        if key.endswith(".h") and t.upos in ("NOUN", "PRON")
    }
    rows: list[dict[str, Any]] = []
    for c in clauses(scene):
        if c.verb not in EVENT_TYPES:
            continue
        # The noun of a light verb bears the verb's meaning, too; the trigger is the verb.
        triggers = [i for i, t in enumerate(s.toks) if f"{c.node}.v" in t.keys and t.upos == "VERB"]
        if len(triggers) != 1:
            raise ValueError(f"{s.sent_id} {s.lang}: {len(triggers)} triggers: {s.text}")
        arguments: list[dict[str, Any]] = []
        for role, label in ROLES.items():
            value = getattr(c, role)
            if value is None:
                continue
            for part in getattr(value, "parts", None) or [value]:
                span = spans.get(part.node)
                if span is None and f"{part.node}.h" in heads:
                    span = (heads[f"{part.node}.h"], heads[f"{part.node}.h"] + 1)
                if span:
                    arguments.append({"start": span[0], "end": span[1], "role": label})
        rows.append(
            {
                "trigger": {"start": triggers[0], "end": triggers[0] + 1},
                "type": EVENT_TYPES[c.verb],
                "arguments": sorted(arguments, key=lambda a: (a["start"], a["role"])),
            }
        )
    return {
        "id": s.sent_id,
        "lang": s.lang,
        "tokens": s.forms,
        "entities": [{"start": a, "end": b, "type": t} for a, b, t, _ in names],
        "events": sorted(rows, key=lambda r: r["trigger"]["start"]),
    }


def alignment(a: Sentence, b: Sentence) -> list[tuple[int, int]]:
    """Word pairs that express the same node of the scene."""
    return [(i, j) for i, x in enumerate(a.toks) for j, y in enumerate(b.toks) if x.keys & y.keys]
