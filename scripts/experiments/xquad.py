"""XQuAD: English answers projected onto human translations of their passages in 10 languages.

    python -m scripts.experiments.xquad [LANGUAGE …] [--half first|second] [--sentences]

Exact match and token F1 of the projected answers against the gold ones, as percent of all questions
(a lost answer scores nothing), after case folding and without punctuation; tokens are characters
in Chinese and Thai. Settings were chosen on the first half of the passages.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import regex

from xlt.config.schema import ProjectionSettings, Reference
from xlt.data.references import resolve
from xlt.data.segment import sentences, tokenised
from xlt.data.store import read_documents
from xlt.document import Answers, Document, Text
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.align.base import WordPair
from xlt.projection.layers import project_layer
from xlt.projection.pair import AlignedPair
from xlt.tasks.question_generation import QuestionGeneration

LANGUAGES = ("ara", "deu", "ell", "hin", "rus", "spa", "tha", "tur", "vie", "zho")
Passage = tuple[str, str]
"""In English, and in the other language."""


def questions(language: str) -> dict[str, Document]:
    """Id → question; the ids are the same in all languages."""
    resolved = resolve(Reference(ref=f"xquad:{language}:test"), language, "test")
    return {one.id: one for one in read_documents(QuestionGeneration(), resolved)}


def by_passage(
    english: Mapping[str, Document], other: Mapping[str, Document]
) -> dict[Passage, list[tuple[Document, Document]]]:
    """Passage → its questions in English and in the other language."""
    grouped: dict[Passage, list[tuple[Document, Document]]] = {}
    for id, one in english.items():
        passage = one.text.surface, other[id].text.surface
        grouped.setdefault(passage, []).append((one, other[id]))
    return grouped


def aligned(passages: Sequence[Passage], language: str, by_sentence: bool) -> Iterator[AlignedPair]:
    """A pair for each passage; by_sentence: linked sentence by sentence where both have as many."""
    codes = "eng", language
    pairs: list[tuple[Text, Text]] = []
    asked: list[WordPair] = []
    begins: list[list[tuple[int, int]]] = []  # of each passage, the first words of its parts
    for passage in passages:
        one, two = map(tokenised, passage, codes)
        pairs.append((one, two))
        sizes = [(len(one.words), len(two.words))]
        if by_sentence:
            apart = [
                [len(sentence.words) for sentence in sentences(text, code)]
                for text, code in zip(passage, codes, strict=True)
            ]
            if len(apart[0]) == len(apart[1]):
                sizes = list(zip(*apart, strict=True))
        begins.append([])
        i = j = 0
        for rows, columns in sizes:
            begins[-1].append((i, j))
            asked.append((one.words[i : i + rows], two.words[j : j + columns]))
            i, j = i + rows, j + columns
    options = AgreementOptions(parallel=["ntrex"], max_parallel=2000)
    links = iter(Agreement(options).align(asked, *codes))
    for (one, two), parts in zip(pairs, begins, strict=True):
        joined = {(i + x, j + y): score for i, j in parts for (x, y), score in next(links).items()}
        yield AlignedPair(one, two, joined)


def tokens(text: str, language: str) -> list[str]:
    kept = regex.sub(r"\p{P}", " ", text.casefold())
    return [c for c in kept if not c.isspace()] if language in ("zho", "tha") else kept.split()


def scores(predicted: str, gold: str, language: str) -> tuple[float, float]:
    a, b = tokens(predicted, language), tokens(gold, language)
    common = sum((Counter(a) & Counter(b)).values())
    return float(a == b), 2 * common / (len(a) + len(b)) if a or b else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    parser.add_argument("--half", choices=["first", "second"], default="second")
    parser.add_argument("--sentences", action="store_true")
    parser.add_argument("--gaps", nargs="+", type=int, default=[ProjectionSettings().answer_gap])
    options = parser.parse_args()
    english = questions("eng")
    table: dict[int, list[list[float]]] = {gap: [] for gap in options.gaps}
    for language in options.languages:
        began = time.time()
        passages = by_passage(english, questions(language))
        pairs = aligned(list(passages), language, options.sentences)
        rows = list(zip(passages.values(), pairs, strict=True))
        half = len(rows) // 2
        rows = rows[:half] if options.half == "first" else rows[half:]
        for gap in options.gaps:
            settings = ProjectionSettings(answer_gap=gap)
            results = [r for row in rows for r in projected(*row, settings, language)]
            mean = [100 * float(np.mean([r[k] for r in results])) for k in range(3)]
            table[gap].append(mean)
            print(
                f"{language} gap {gap}: EM {mean[0]:.1f} F1 {mean[1]:.1f} kept {mean[2]:.1f} "
                f"({len(results)} questions, {time.time() - began:.0f} s)",
                flush=True,
            )
    for gap, means in table.items():
        em, f1, kept = np.mean(means, axis=0)
        print(f"mean gap {gap}: EM {em:.1f} F1 {f1:.1f} kept {kept:.1f}")


def projected(
    asked: Sequence[tuple[Document, Document]],
    pair: AlignedPair,
    settings: ProjectionSettings,
    language: str,
) -> Iterator[tuple[float, float, float]]:
    """Exact match, F1, and whether it was kept, of the answer to every question of a passage."""
    for english, other in asked:
        gold, *_ = other.layer(Answers, "answers").texts(pair.target.surface)
        layer, _ = project_layer(english.layer(Answers, "answers"), pair, settings, "context")
        kept = layer.texts(pair.target.surface) if isinstance(layer, Answers) else []
        yield *scores(kept[0] if kept else "", gold, language), float(bool(kept))


if __name__ == "__main__":
    main()
