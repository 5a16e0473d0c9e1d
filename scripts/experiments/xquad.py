"""XQuAD: English answers projected onto human translations of their passages in 10 languages.

    python -m scripts.experiments.xquad [LANGUAGE …] [--half first|second] [--sentences]

Exact match and token F1 of the projected answers against the gold ones, as percent of all questions
(a lost answer scores nothing), after case folding and without punctuation; tokens are characters
in Chinese and Thai. Settings were chosen on the first half of the passages.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import regex

from xlt.config.schema import ProjectionSettings, Reference
from xlt.data.references import resolve
from xlt.data.segment import tokenise
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.pair import AlignedPair
from xlt.projection.spans import project_answer

LANGUAGES = ("ara", "deu", "ell", "hin", "rus", "spa", "tha", "tur", "vie", "zho")
Words = list[tuple[str, int, int, int]]
"""Word, its first and last-plus-one character, the number of its sentence."""


def passages(language: str) -> list[dict[str, Any]]:
    (path,) = resolve(Reference(ref=f"xquad:{language}:test"), language, "test").files
    articles = json.loads(Path(path).read_text(encoding="utf-8"))["data"]
    return [passage for article in articles for passage in article["paragraphs"]]


def words_of(text: str, language: str) -> Words:
    found: Words = []
    at = 0
    for number, (words, _) in enumerate(tokenise(text, language)):
        for word in words:
            at = text.index(word, at)
            found.append((word, at, at + len(word), number))
            at += len(word)
    return found


def aligned(english: list[Words], other: list[Words], language: str, by_sentence: bool) -> Any:
    """One pair a passage; by_sentence: linked sentence by sentence where both have as many."""
    asked: list[tuple[list[str], list[str]]] = []
    parts: list[list[tuple[int, int, int]]] = []
    for a, b in zip(english, other, strict=True):
        sides = [Counter(word[3] for word in side) for side in (a, b)]
        whole = not by_sentence or len(sides[0]) != len(sides[1])
        place = []
        i = j = 0
        for number in [None] if whole else sorted(sides[0]):
            one = [w[0] for w in a if number in (None, w[3])]
            two = [w[0] for w in b if number in (None, w[3])]
            place.append((len(asked), i, j))
            asked.append((one, two))
            i, j = i + len(one), j + len(two)
        parts.append(place)
    links = Agreement(AgreementOptions(parallel=["ntrex"], max_parallel=2000)).align(
        asked, "eng", language
    )
    for a, b, place in zip(english, other, parts, strict=True):
        joined = {(i + x, j + y): score for n, i, j in place for (x, y), score in links[n].items()}
        yield AlignedPair([w[0] for w in a], [w[0] for w in b], joined)


def answer_words(words: Words, start: int, length: int) -> tuple[int, int]:
    inside = [n for n, (_, a, b, _) in enumerate(words) if a < start + length and b > start]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def tokens(text: str, language: str) -> list[str]:
    kept = regex.sub(r"\p{P}", " ", text.casefold())
    return [c for c in kept if not c.isspace()] if language in ("zho", "tha") else kept.split()


def scores(found: str, gold: str, language: str) -> tuple[float, float]:
    a, b = tokens(found, language), tokens(gold, language)
    common = sum((Counter(a) & Counter(b)).values())
    return float(a == b), 2 * common / (len(a) + len(b)) if a or b else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    parser.add_argument("--half", choices=["first", "second"], default="second")
    parser.add_argument("--sentences", action="store_true")
    parser.add_argument("--gaps", nargs="+", type=int, default=[ProjectionSettings().answer_gap])
    options = parser.parse_args()
    english = passages("eng")
    words = [words_of(p["context"], "eng") for p in english]
    part = (
        slice(0, len(english) // 2) if options.half == "first" else slice(len(english) // 2, None)
    )
    table: dict[int, list[list[float]]] = {gap: [] for gap in options.gaps}
    for language in options.languages:
        began = time.time()
        other = passages(language)
        target = [words_of(p["context"], language) for p in other]
        pairs = list(aligned(words, target, language, options.sentences))
        rows = list(zip(english, other, words, target, pairs, strict=True))[part]
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
    english: dict[str, Any], other: dict[str, Any], source: Words, target: Words,
    pair: AlignedPair, settings: ProjectionSettings, language: str,
) -> list[tuple[float, float, float]]:  # fmt: skip
    """Exact match, F1, and whether it was kept, of every question."""
    gold = {qa["id"]: qa["answers"][0]["text"] for qa in other["qas"]}
    found = []
    for qa in english["qas"]:
        answer = qa["answers"][0]
        start, end = answer_words(source, answer["answer_start"], len(answer["text"]))
        place = project_answer(start, end, pair, settings).target
        text = other["context"][target[place[0]][1] : target[place[1] - 1][2]] if place else ""
        found.append((*scores(text, gold[qa["id"]], language), float(place is not None)))
    return found


if __name__ == "__main__":
    main()
