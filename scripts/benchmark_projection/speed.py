"""Speed against plain loops over words and links, in the same run."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch

from xlt.config.schema import ProjectionSettings
from xlt.document import Document
from xlt.projection.align.agreement import Agreement
from xlt.projection.align.base import Aligner, WordPair
from xlt.projection.pair import AlignedPair
from xlt.projection.spans import project_spans

from .gold import entities_of, europarl, words_of

CHUNK = Agreement.chunk
"""Pairs that are symmetrised at once, as by the aligners that learn from text."""


def speed(aligners: Mapping[str, Callable[..., Aligner]]) -> None:
    english, german = europarl("eng"), europarl("deu")
    both = [(a, b) for a, b in zip(english, german, strict=True) if a.words and b.words]
    whole = words_of((a.text, b.text) for a, b in both)
    _symmetrisation(whole * (CHUNK // len(whole)))
    extraction = _matching(whole)
    projection = _projection(both)
    ours, loops = (a + b for a, b in zip(extraction, projection, strict=True))
    _say("itermax and span projection together", len(whole), ours, loops)
    for name, make in aligners.items():
        if name == "encoder":
            for batch in (1, 8192):
                aligner = make(batch_tokens=batch)
                aligner.align(whole[:8], "eng", "deu")  # loads the model
                _say(f"encoder, batches of {batch} subwords", len(whole), cpu_seconds(
                    partial(aligner.align, whole, "eng", "deu")))  # fmt: skip
        else:
            aligner = make()
            _say(f"{name}, end to end", len(whole), cpu_seconds(
                partial(aligner.align, whole, "eng", "deu")))  # fmt: skip


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of a subword of work, children included: what else runs does not count."""

    def spent() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(times.ru_utime + times.ru_stime for times in both)

    began = spent()
    work()
    return max(1e-6, spent() - began)


def _say(what: str, pairs: int, seconds: float, baseline: float | None = None) -> None:
    faster = f", {baseline / seconds:.0f} times the loops' speed" if baseline else ""
    print(f"{what}: {pairs / seconds:,.0f} pairs a CPU second{faster}", flush=True)


def _random_links(pairs: Sequence[WordPair], seed: int) -> list[set[tuple[int, int]]]:
    """About what a direction of a statistical aligner finds: near the diagonal, some astray."""
    draw = np.random.default_rng(seed)
    links = []
    for source, target in pairs:
        at = np.arange(len(target)) * len(source) / len(target)
        at = np.clip(np.rint(at + draw.normal(0, 1.0, len(target))), 0, len(source) - 1)
        links.append({(int(i), j) for j, i in enumerate(at) if draw.random() < 0.9})
    return links


def _symmetrisation(pairs: Sequence[WordPair]) -> None:
    from xlt.projection.align.symmetrise import LinkTable, symmetrise

    both = [_random_links(pairs, seed) for seed in (1, 2)]

    def table(links: Sequence[set[tuple[int, int]]]) -> LinkTable:
        rows = np.array([(n, i, j) for n, one in enumerate(links) for i, j in one], np.int64)
        return LinkTable(rows[:, 0], rows[:, 1], rows[:, 2], np.ones(len(rows)))

    forward, reverse = (table(links) for links in both)

    def loops() -> list[set[tuple[int, int]]]:
        return [_moses(len(s), len(t), a, b) for (s, t), a, b in zip(pairs, *both, strict=True)]

    def ours() -> LinkTable:
        return symmetrise(forward, reverse, "grow-diag-final-and")

    assert [set(a) for a in ours().links(len(pairs))] == loops(), "not the same links"
    slow = cpu_seconds(loops)
    _say("grow-diag-final-and", len(pairs), cpu_seconds(ours), slow)
    with_mappings = cpu_seconds(lambda: ours().links(len(pairs)))
    _say("grow-diag-final-and, with a mapping for each pair", len(pairs), with_mappings, slow)


def _moses(
    rows: int, columns: int, forward: set[tuple[int, int]], reverse: set[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Koehn's pseudo-code as it stands: loops over both sentences and the neighbours."""
    alignment, union = forward & reverse, forward | reverse
    covered_rows, covered_columns = {i for i, _ in alignment}, {j for _, j in alignment}

    def add(i: int, j: int) -> None:
        alignment.add((i, j))
        covered_rows.add(i)
        covered_columns.add(j)

    neighbours = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
    added = True
    while added:
        added = False
        for i in range(rows):
            for j in range(columns):
                if (i, j) in alignment:
                    for up, right in neighbours:
                        x, y = new = i + up, j + right
                        open_word = x not in covered_rows or y not in covered_columns
                        if open_word and new in union and new not in alignment:
                            add(*new)
                            added = True
    for direction in (forward, reverse):
        for i in range(rows):
            for j in range(columns):
                if i not in covered_rows and j not in covered_columns and (i, j) in direction:
                    add(i, j)
    return alignment


def _matching(pairs: Sequence[WordPair]) -> tuple[float, float]:
    from xlt.projection.align.matching import extract

    ordered = sorted(pairs, key=lambda pair: len(pair[0]))
    draw = torch.Generator().manual_seed(1)
    batches = []
    for start in range(0, len(ordered), 32):
        some = ordered[start : start + 32]
        rows, columns = (torch.tensor([len(pair[side]) for pair in some]) for side in (0, 1))
        similarity = _untied(len(some), int(rows.max()), int(columns.max()), draw)
        batches.append((similarity, rows, columns))

    def ours() -> list[torch.Tensor]:
        return [
            extract(similarity, rows, columns, "itermax") for similarity, rows, columns in batches
        ]

    def loops() -> list[list[tuple[int, int]]]:
        return [
            _itermax([row[:n] for row in one[:m].tolist()])
            for similarity, rows, columns in batches
            for one, m, n in zip(similarity, rows.tolist(), columns.tolist(), strict=True)
        ]

    matched = [one.nonzero().tolist() for batch in ours() for one in batch]
    assert [[tuple(link) for link in one] for one in matched] == loops(), "not the same links"
    times = cpu_seconds(ours), cpu_seconds(loops)
    _say("itermax on given similarities", len(pairs), *times)
    return times


def _untied(pairs: int, rows: int, columns: int, draw: torch.Generator) -> torch.Tensor:
    """Random similarities, no two of a pair equal, not even after itermax takes nine tenths of one
    (10 k + 1 and 9 k + 0.9 never are): which of equals is linked is no part of the definition."""
    order = torch.rand(pairs, rows * columns, generator=draw).argsort(1)
    return ((10 * order + 1) / (10.0 * rows * columns + 1)).view(pairs, rows, columns)


def _itermax(sim: list[list[float]]) -> list[tuple[int, int]]:
    """SimAlign's definition in loops over rows, columns and rounds."""
    m, n = len(sim), len(sim[0])
    links: set[tuple[int, int]] = set()
    for turn in range(2):
        rows, columns = {i for i, _ in links}, {j for _, j in links}
        if turn and (min(m, n) <= 2 or len(rows) == m or len(columns) == n):
            break
        value = [
            [sim[i][j] * (1.0, 0.9, 0.0)[(i in rows) + (j in columns)] for j in range(n)]
            for i in range(m)
        ]
        new = set()
        for i in range(m):
            for j in range(n):
                best = all(value[i][j] > v for v in value[i][:j]) and all(
                    value[i][j] >= v for v in value[i][j:]
                )
                best = best and all(value[i][j] >= value[k][j] for k in range(m))
                if best and not (i in rows and j in columns):
                    new.add((i, j))
        links |= new
    return sorted(links)


def _projection(sentences: Sequence[tuple[Document, Document]]) -> tuple[float, float]:
    """The loops only look for the words that spans are linked to; ours also makes one span of
    them, settles collisions, and says how sure it is."""
    settings = ProjectionSettings()
    links = _random_links([(source.words, target.words) for source, target in sentences], 1)
    work = [
        (entities_of(source), AlignedPair(source.text, target.text, dict.fromkeys(one, 1.0)))
        for (source, target), one in zip(sentences, links, strict=True)
    ]

    def ours() -> None:
        for spans, pair in work:
            project_spans(spans, pair, settings)

    def loops() -> None:
        for spans, pair in work:
            for _, start, end in spans:
                places = []
                for j in range(len(pair.target.words)):
                    for i in range(start, end):
                        for link in pair.links:
                            if link == (i, j):
                                places.append(j)

    times = cpu_seconds(ours), cpu_seconds(loops)
    _say("span projection", len(work), *times)
    return times
