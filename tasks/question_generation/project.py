"""A question, its context and its answers on a translation of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xlt.data.segment import join, word_spans
from xlt.projection.pair import AlignedPair, Outcome, Projection
from xlt.projection.spans import project_answer, whole_loss
from xlt.task import Record

if TYPE_CHECKING:
    from xlt.config.schema import ProjectionSettings


def project(
    record: Record, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
) -> Projection:
    context = pairs["context"]
    answers = record["answers"]
    spans = [(a, a + len(t)) for t, a in zip(answers["text"], answers["answer_start"], strict=True)]
    places = [words_at(record["context"], *span) for span in spans]
    outcomes = [project_answer(*place, context, settings, text="context") for place in places]
    asked = outcomes[0]
    for name in "question", "title":
        reason = whole_loss(pairs[name], settings) if name in pairs else None
        if reason and asked.reason is None:
            asked = asked.lost(reason)
    if asked.reason is not None:
        return Projection(None, (asked,))
    texts = {name: join(pair.target, pair.spaces) for name, pair in pairs.items()}
    starts = offsets(context.target, texts["context"])
    kept = [answer(outcome, context.target, starts, texts["context"]) for outcome in outcomes]
    found = dict.fromkeys(one for one in kept if one is not None)
    carried = {
        **record, **texts,
        "answers": {"text": [t for t, _ in found], "answer_start": [at for _, at in found]},
    }  # fmt: skip
    return Projection(carried, (asked,))


def words_at(context: str, start: int, end: int) -> tuple[int, int]:
    """The words that a span of characters touches: first, and last plus one."""
    touched = [n for n, (_, a, b) in enumerate(word_spans(context)) if a < end and b > start]
    return (touched[0], touched[-1] + 1) if touched else (0, 0)


def offsets(words: Sequence[str], text: str) -> list[int]:
    """Where each of the words begins in the text that they make."""
    found, at = [], 0
    for word in words:
        found.append(text.index(word, at))
        at = found[-1] + len(word)
    return found


def answer(
    outcome: Outcome, words: Sequence[str], starts: Sequence[int], text: str
) -> tuple[str, int] | None:
    """The answer's text and offset, None for one that is lost."""
    if outcome.target is None:
        return None
    first, last = outcome.target[0], outcome.target[1] - 1
    begin = starts[first]
    return text[begin : starts[last] + len(words[last])], begin
