"""Unlabelled text of the target as evidence: which candidates' text is like it.

A file with 25 sentences is enough (Ebrahimi et al. 2025, NN-Rank). Each measure is the logarithm of
a share, standardised over the candidates that there is text of:

    letters     of the target's letter trigrams, those that the candidate's text has, too
    subwords    the same of the subwords of the encoder's tokenizer
    neighbours  of the nearest neighbours of the target's subwords among all candidates'
                subwords, in a layer two thirds up the encoder, those that are the
                candidate's (`neighbours`)

`letters` stands alone where no encoder is named; with one, the mean of the other two. It enters
the score as one more term, of little weight where the task has been measured, because what the
ranker knows already says most of it. `scripts/evaluate_text.py` measures what it is worth.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import regex

from xlt import languages
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.files import lines
from xlt.data.references import locate, resolve
from xlt.errors import XltError
from xlt.registry import data_cards, tasks
from xlt.scripts import PARTS, scripts
from xlt.typology.neighbours import Encoder
from xlt.typology.ranking import Ranking, Source
from xlt.typology.table import table

TERM = "text"
WEIGHT = 0.1
"""For a task that was measured: points of the score a standard deviation of the measure."""
WEIGHT_UNMEASURED = 0.5
"""For a task that was not: in standard deviations of the score."""
SMOOTHING = 1e-3
"""Added to a share before its logarithm: of nothing in common the logarithm is no number."""
MIN_SENTENCES = 25
"""Fewest sentences of the target: with less the user is warned."""
MAX_TARGET_SENTENCES, MAX_SOURCE_SENTENCES = 500, 100
"""Most sentences of a language that are looked at."""
MAX_RECORDS = 1000
"""Most records of a candidate's data that are read; of them `MAX_SOURCE_SENTENCES` are taken."""

_WORD = regex.compile(r"[\w\p{M}]+|[^\w\s]")
Texts = Mapping[str, Sequence[str]]
"""Language → sentences, normalised."""


@dataclass(frozen=True)
class Evidence:
    """How much each candidate's text has in common with the target's.

    measures: name → language → share. values: language → standardised mean, as in the module.
    origins:  language → where its text is from.
    """

    measures: Mapping[str, Mapping[str, float]]
    values: Mapping[str, float]
    origins: Mapping[str, str]


def read_target(path: Path, target: str) -> tuple[list[str], list[str]]:
    """As `read_sentences`, at most `MAX_TARGET_SENTENCES`; and what the user should know."""
    sentences = read_sentences(path)
    warnings = []
    if len(sentences) < MIN_SENTENCES:
        warnings.append(
            f"{path.name} has only {len(sentences)} sentences; {MIN_SENTENCES} or more say more"
        )
    wanted = table().script(target)
    seen = scripts(sentences[:MAX_TARGET_SENTENCES])
    if wanted is not None and seen:
        own = sum(seen[part] for part in PARTS.get(wanted, (wanted,)))
        if own < seen.total() / 2:
            most = seen.most_common(1)[0][0]
            warnings.append(
                f"{own / seen.total():.0%} of the letters in {path.name} are {wanted}, the usual "
                f"script of {table().name(target)}; most are {most}"
            )
    return sentences[:MAX_TARGET_SENTENCES], warnings


def read_sentences(path: Path) -> list[str]:
    """The sentences of a text file, one a line, normalised.

    Raises XltError for a file that cannot be read or holds no letter.
    """
    sentences = [text for _, line in lines(path) if (text := normalise(line))]
    if not any(c.isalpha() for line in sentences for c in line):
        raise XltError(
            "there are no sentences in it", where=path, fix="write sentences, one a line"
        )
    return sentences


def normalise(text: str) -> str:
    """Words and signs apart, in composed form: as text from annotated data is."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFC", text)))


def apply(
    ranking: Ranking,
    path: Path,
    *,
    encoder: str | None = None,
    named: Sequence[str] = (),
    files: Sequence[str] = (),
) -> tuple[Ranking, dict[str, Any]]:
    """A ranking that has seen the target's text, and what that rests on, JSON-able.

    named, files: where the candidates' text is looked for (`from_cards`, `from_files`).
    Raises XltError as `read_target`, and if there is text of fewer than two candidates.
    """
    sentences, warnings = read_target(path, ranking.target)
    asked = [*ranking.sources, *ranking.references.values()]
    codes = list(dict.fromkeys(source.language for source in asked))
    texts, origins = from_files(files)
    rest = [code for code in codes if code not in texts]
    more, where = from_cards(rest, ranking.task, named)
    texts = {code: lines for code, lines in (texts | more).items() if code in codes and lines}
    if len(texts) < 2:
        raise XltError(
            f"there is text of {len(texts)} of the candidates on this machine",
            where="--text",
            fix="fetch data cards (`xlt data get`), set XLT_DATA, or pass --source-text ind=FILE",
        )
    comparison = evidence(sentences, texts, origins | where, encoder)
    lacking = sorted({source.language for source in ranking.sources} - set(texts))
    return with_text(ranking, comparison), {
        "file": str(path),
        "sentences": len(sentences),
        "encoder": encoder,
        "measures": {
            name: {code: round(value, 4) for code, value in shares.items()}
            for name, shares in comparison.measures.items()
        },
        "origins": {code: comparison.origins[code] for code in texts},
        "without_text": lacking,
        "warnings": warnings,
    }


# Candidates' text ----------------------------------------------------------------------------


def from_cards(
    candidates: Sequence[str], task: str, named: Sequence[str] = ()
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Sentences of the candidates from data cards whose files are on this machine, and the cards.

    named: only these cards (`--available`). Else cards of the task come before others, and the
        sample corpus is not asked: it is made up.
    Annotation is not looked at; training data come before other splits.
    """
    if named:
        able = [c for c in data_cards() if any(c == n or c.startswith(f"{n}-") for n in named)]
    else:
        able = [name for name in data_cards() if not name.startswith("sample-")]
    known = [cards.get(name) for name in able]
    installed = set(tasks.names())
    known = [card for card in known if card.task in installed]
    known.sort(key=lambda card: (card.task != task, card.identifier))
    texts: dict[str, list[str]] = {}
    origins: dict[str, str] = {}
    for code in candidates:
        for card in known:
            reference = _reference(card, code)
            if reference is not None:
                texts[code] = _sentences(card.task, reference)
                origins[code] = reference
                break
    return texts, origins


def _reference(card: Any, language: str) -> str | None:
    """The first split of a language, train before dev before test, whose files are here."""
    code = languages.match(language, card.languages)
    for split in ("train", "dev", "test"):
        content = card.languages[code].get(split) if code is not None else None
        if content is not None and all(locate(card, file) is not None for file in content.files):
            return f"{card.identifier}:{code}:{split}"
    return None


def _sentences(task: str, reference: str) -> list[str]:
    from xlt.data.store import read_documents
    from xlt.registry import tasks

    _, language, split = reference.split(":")
    plugin = tasks.get(task)()
    documents = read_documents(plugin, resolve(Reference(ref=reference), language, split))
    sentences = [
        normalise(" ".join(text.surface for text in plugin.given_texts(document)))
        for document in islice(documents, MAX_RECORDS)
    ]
    sentences = [line for line in dict.fromkeys(sentences) if line]
    return _evenly(sentences, MAX_SOURCE_SENTENCES)


def from_files(given: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Sentences of candidates from `LANGUAGE=FILE`. Raises XltError as `read_target`."""
    texts, origins = {}, {}
    for text in given:
        language, separator, file = text.partition("=")
        if not separator:
            raise XltError(
                f"{text!r} names no language", where="--source-text", fix="write LANGUAGE=FILE"
            )
        try:
            code = languages.shared(language)
        except XltError as error:
            raise error.at("--source-text") from error
        sentences, _ = read_target(Path(file), code)
        texts[code] = _evenly(sentences, MAX_SOURCE_SENTENCES)
        origins[code] = file
    return texts, origins


def _evenly(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [lines[int(n)] for n in np.linspace(0, len(lines) - 1, most)]


# Measures ------------------------------------------------------------------------------------


def evidence(
    sentences: Sequence[str],
    texts: Texts,
    origins: Mapping[str, str],
    encoder: str | None = None,
) -> Evidence:
    """Compare the target's sentences with each candidate's.

    encoder: a model id, a folder or `xlt-mini`; without one only letters are compared.
    """
    if encoder is None:
        measures = {"letters": overlap(sentences, texts, trigrams)}
    else:
        model = Encoder(encoder)
        measures = {
            "pieces": overlap(sentences, texts, model.subwords),
            "neighbours": model.neighbours(sentences, texts),
        }
    standard = [_standardised(measure) for measure in measures.values()]
    values = {code: float(np.mean([measure[code] for measure in standard])) for code in texts}
    return Evidence(measures, values, origins)


def trigrams(sentences: Iterable[str]) -> Counter[str]:
    """Letter trigrams, lower case, with the spaces around words."""
    counts: Counter[str] = Counter()
    for line in sentences:
        padded = f" {line.lower()} "
        counts.update(padded[n : n + 3] for n in range(len(padded) - 2))
    return counts


def overlap(
    sentences: Sequence[str], texts: Texts, units: Callable[[Iterable[str]], Counter[Any]]
) -> dict[str, float]:
    """Language → share of the target's units, each as often as it occurs, that its text has."""
    own = units(sentences)
    total = max(1, own.total())
    shares = {}
    for code, sentences_of in texts.items():
        other = units(sentences_of)
        shares[code] = sum(n for unit, n in own.items() if unit in other) / total
    return shares


def _standardised(shares: Mapping[str, float]) -> dict[str, float]:
    logs = np.log(np.array(list(shares.values())) + SMOOTHING)
    spread = logs.std() or 1.0
    return dict(zip(shares, ((logs - logs.mean()) / spread).tolist(), strict=True))


# The ranking ---------------------------------------------------------------------------------


def with_text(ranking: Ranking, comparison: Evidence) -> Ranking:
    """The ranking with the text as a term."""
    scores = np.array([source.score for source in ranking.sources])
    weight = WEIGHT if ranking.evidence else WEIGHT_UNMEASURED * float(scores.std() or 1.0)
    return with_term(
        ranking, TERM, {code: weight * value for code, value in comparison.values.items()}
    )


def with_term(ranking: Ranking, term: str, values: Mapping[str, float]) -> Ranking:
    """The ranking with one more term of the score; a candidate without a value keeps its score.

    What was measured on the target itself, by the user, stays as it was measured.
    """

    def moved(source: Source) -> Source:
        value = values.get(source.language)
        if value is None or source.own:
            return source
        return raised(source, term, value)

    sources = sorted(map(moved, ranking.sources), key=lambda s: (-s.score, s.language))
    ranked = {source.language: n for n, source in enumerate(sources, 1)}
    references = {
        label: moved(source)._replace(rank=ranked.get(source.language, 0))
        for label, source in ranking.references.items()
    }
    return replace(
        ranking,
        sources=tuple(source._replace(rank=ranked[source.language]) for source in sources),
        references=references,
    )


def raised(source: Source, term: str, more: float) -> Source:
    """The source with one more term, its expected score moved by what the term is worth."""
    changes: dict[str, Any] = {"score": source.score + more, "extra": (*source.extra, (term, more))}
    if source.spread is not None:
        for name in ("expected", "low", "high"):
            value = getattr(source, name)
            if value is not None:
                changes[name] = min(100.0, max(0.0, value + source.spread * more))
    return source._replace(**changes)
