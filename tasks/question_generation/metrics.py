"""Scores of generated questions, as sums over records that give the corpus's scores.

BLEU and chrF++ are sacrebleu's (Post 2018), computed from its sentence statistics; `signatures`
says with which settings. ROUGE-L is the mean F of the longest common subsequence (Lin 2004),
METEOR nltk's (exact and stemmed matches; there are no synonyms for most languages). Both take
lower-cased words, and characters in languages without spaces. The four others look at what goes
wrong in transfer:

question_word: the share of questions that ask for what the reference asks for, with an
    interrogative of the language; of those whose reference has an interrogative that is known.
language:      the share identified (py3langid) as the language of the data, or as what its
    reference is taken for.
not_copied:    the share that is not a part of its context, word for word.
usable:        the share that no filter puts aside (`filters`), duplicates excepted; with
    `task.answerer` a question has to be answered by what it asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from xlt import languages
from xlt.document import Document
from xlt.errors import XltError

from .exemplars import SPACELESS
from .filters import REASONS, normal
from .interrogatives import question_types

Counts = NDArray[np.float64]

BLEU_ORDERS, CHARACTER_ORDERS, WORD_ORDERS = 4, 6, 2
"""Longest n-grams of BLEU, and of chrF++ in characters and words."""
_BETA = 2

NAMES = (
    *(f"bleu_{part}_{n}" for part in ("right", "all") for n in range(1, BLEU_ORDERS + 1)),
    *("bleu_length", "bleu_reference_length"),
    *(
        f"chrf_{part}_{unit}{n}"
        for part in ("right", "all", "reference")
        for unit, most in (("c", CHARACTER_ORDERS), ("w", WORD_ORDERS))
        for n in range(1, most + 1)
    ),
    *("records", "rouge", "meteor", "word_right", "word_known", "language_right"),
    *("language_known", "copied", "filtered"),
)
REPORTED = (
    "chrf",
    "bleu",
    "rouge_l",
    "meteor",
    "question_word",
    "language",
    "not_copied",
    "usable",
)

_COLUMN = {name: i for i, name in enumerate(NAMES)}
_BLEU = slice(0, 2 * BLEU_ORDERS + 2)
_CHRF = slice(_BLEU.stop, _BLEU.stop + 3 * (CHARACTER_ORDERS + WORD_ORDERS))
_EDGE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"  # what chrF++ takes for words of their own
_NO_LANGUAGE = "zxx"
_UNIT = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_CHARACTER = regex.compile(r"\X")


def counts(gold: Document, predicted: Document, folder: str | None) -> Counts:
    """Compute the statistics of one question, shape (len(NAMES),).

    folder: of one's own exemplars.
    """
    row = np.zeros(len(NAMES))
    reference, generated = (one.texts["question"].surface for one in (gold, predicted))
    language = gold.language
    row[_BLEU] = bleu_counts(generated, reference, language)
    row[_CHRF] = chrf_counts(generated, reference)
    ours, theirs = units(generated, language), units(reference, language)
    row[_COLUMN["records"]] = 1
    row[_COLUMN["rouge"]] = rouge_l(ours, theirs)
    row[_COLUMN["meteor"]] = meteor(ours, theirs, language)
    asked = question_types(reference, language, folder)
    row[_COLUMN["word_known"]] = bool(asked)
    row[_COLUMN["word_right"]] = bool(asked & question_types(generated, language, folder))
    code, heard = identify(generated), identify(reference)
    known = language in identifiable()
    row[_COLUMN["language_known"]] = known
    row[_COLUMN["language_right"]] = (
        known and bool(code) and (alike(code, language) or code == heard)
    )
    text = normal(generated)
    row[_COLUMN["copied"]] = bool(text) and text in normal(gold.text.surface)
    row[_COLUMN["filtered"]] = predicted.meta.get("note") in REASONS
    return row


def metrics(sums: NDArray[np.float64]) -> dict[str, Counts]:
    """Compute scores in percent from summed counts of shape (..., len(NAMES))."""

    def share(part: NDArray[Any], whole: str) -> Counts:
        total = sums[..., _COLUMN[whole]]
        return 100 * part / np.where(total > 0, total, 1)

    records = sums[..., _COLUMN["records"]]
    scores = (
        chrf(sums[..., _CHRF]),
        bleu(sums[..., _BLEU]),
        share(sums[..., _COLUMN["rouge"]], "records"),
        share(sums[..., _COLUMN["meteor"]], "records"),
        share(sums[..., _COLUMN["word_right"]], "word_known"),
        share(sums[..., _COLUMN["language_right"]], "language_known"),
        share(records - sums[..., _COLUMN["copied"]], "records"),
        share(records - sums[..., _COLUMN["filtered"]], "records"),
    )
    return dict(zip(REPORTED, scores, strict=True))


# BLEU --------------------------------------------------------------------------------------------


def bleu_counts(generated: str, reference: str, language: str) -> list[float]:
    """Compute sacrebleu's statistics of one question, 2 * BLEU_ORDERS + 2 numbers.

    These are matching n-grams and all n-grams by order, then the lengths of the question and of
    its reference in tokens.
    """
    score = _bleu(bleu_tokens(language)).sentence_score(generated, [reference])
    return [*score.counts, *score.totals, score.sys_len, score.ref_len]


def bleu(sums: NDArray[np.float64]) -> Counts:
    """Compute sacrebleu's corpus BLEU with its exponential smoothing.

    From 0 to 100, of summed `bleu_counts`, shape (..., 2 * BLEU_ORDERS + 2).
    """
    n = BLEU_ORDERS
    right, every = sums[..., :n], sums[..., n : 2 * n]
    length, reference = sums[..., 2 * n], sums[..., 2 * n + 1]
    missed = (right == 0) & (every > 0)
    smooth = 2.0 ** np.cumsum(missed, axis=-1)
    precision = np.where(missed, 1 / smooth, right) / np.where(every > 0, every, 1)
    some = right.any(-1) & (every > 0).all(-1)
    mean = np.exp(np.log(np.where(precision > 0, precision, 1)).mean(-1))
    brevity = np.exp(np.minimum(0, 1 - reference / np.where(length > 0, length, 1)))
    return np.where(some, 100 * brevity * mean, 0.0)


def bleu_tokens(language: str) -> str:
    """Return the name of sacrebleu's tokenizer for a language."""
    if is_chinese(language):
        return "zh"
    return "char" if language in SPACELESS else "13a"


def is_chinese(language: str) -> bool:
    """Return whether sacrebleu's Chinese tokenizer is the one for a language."""
    return language in ("zho", "cmn", "yue")


@lru_cache
def _bleu(tokens: str) -> Any:
    return _sacrebleu().BLEU(tokenize=tokens, effective_order=True)


def _sacrebleu() -> Any:
    return _package("sacrebleu.metrics", "sacrebleu")


def signatures(language: str) -> dict[str, str]:
    """Return metric → sacrebleu's signature for data in this language."""
    module = _sacrebleu()
    known = {
        "bleu": module.BLEU(tokenize=bleu_tokens(language)),
        "chrf": module.CHRF(word_order=WORD_ORDERS),
    }
    for metric in known.values():
        metric.corpus_score(["a"], [["a"]])  # it knows the number of references afterwards
    return {name: str(metric.get_signature()) for name, metric in known.items()}


# chrF++ ------------------------------------------------------------------------------------------


def chrf_counts(generated: str, reference: str) -> list[float]:
    """Count matching n-grams, those generated, those of the reference: characters, then words."""
    right, every, wanted = [], [], []
    for ours, theirs, most in (
        ("".join(generated.split()), "".join(reference.split()), CHARACTER_ORDERS),
        (_chrf_words(generated), _chrf_words(reference), WORD_ORDERS),
    ):
        for n in range(1, most + 1):
            a, b = _grams(ours, n), _grams(theirs, n)
            right.append((a & b).total())
            every.append(a.total() if b else 0)  # as sacrebleu has it
            wanted.append(b.total())
    return [float(x) for x in (*right, *every, *wanted)]


def chrf(sums: NDArray[np.float64]) -> Counts:
    """Compute sacrebleu's corpus chrF++: mean precision and recall over the orders, then F2.

    From 0 to 100, of summed `chrf_counts`, shape (..., 3 * orders).
    """
    n = CHARACTER_ORDERS + WORD_ORDERS
    right, every, wanted = sums[..., :n], sums[..., n : 2 * n], sums[..., 2 * n :]
    # Orders that one of the two sides is too short for do not count.
    counted = (every > 0) & (wanted > 0)
    number = np.maximum(counted.sum(-1), 1)
    precision = np.where(counted, right / np.where(every > 0, every, 1), 0).sum(-1) / number
    recall = np.where(counted, right / np.where(wanted > 0, wanted, 1), 0).sum(-1) / number
    below = _BETA**2 * precision + recall
    score: Counts = 100 * (1 + _BETA**2) * precision * recall / np.where(below > 0, below, 1)
    return score


def _chrf_words(text: str) -> list[str]:
    """Words with one punctuation mark at an end split off, as chrF++ does it."""
    words = []
    for word in text.split():
        if len(word) > 1 and word[-1] in _EDGE:
            words += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in _EDGE:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return words


def _grams(units: Sequence[str], n: int) -> Counter[Any]:
    return Counter(tuple(units[i : i + n]) for i in range(len(units) - n + 1))


# ROUGE-L and METEOR ------------------------------------------------------------------------------


def units(text: str, language: str) -> list[str]:
    """Return lower-cased words; characters in languages without spaces."""
    words: list[str] = _UNIT.findall(text.casefold())
    if language in SPACELESS:
        return [unit for word in words for unit in _CHARACTER.findall(word)]
    return words


def rouge_l(generated: Sequence[str], reference: Sequence[str]) -> float:
    """Compute F1 of the longest common subsequence, from 0 to 1 (Lin 2004)."""
    if not generated or not reference:
        return float(generated == reference)
    previous = [0] * (len(reference) + 1)
    for one in generated:
        row = [0]
        for j, other in enumerate(reference, 1):
            row.append(previous[j - 1] + 1 if one == other else max(previous[j], row[-1]))
        previous = row
    return 2 * previous[-1] / (len(generated) + len(reference))


def meteor(generated: Sequence[str], reference: Sequence[str], language: str) -> float:
    """Compute METEOR (Banerjee and Lavie 2005) of a question's words, from 0 to 1, by nltk.

    Words match when they or their stems are the same; there are no synonyms.
    """
    module = _package("nltk.translate.meteor_score", "nltk")
    stemmer = _stemmer(language)
    return float(
        module.single_meteor_score(reference, generated, stemmer=stemmer, wordnet=_NoSynonyms())
    )


class _NoSynonyms:
    def synsets(self, word: str) -> list[Any]:
        return []


class _NoStems:
    def stem(self, word: str) -> str:
        return word


@lru_cache
def _stemmer(language: str) -> Any:
    snowball = _package("nltk.stem.snowball", "nltk").SnowballStemmer
    name = "norwegian" if language in ("nob", "nno") else languages.name(language or "und").lower()
    return snowball(name) if name in snowball.languages else _NoStems()


# Languages ---------------------------------------------------------------------------------------


def identify(text: str) -> str:
    """Return the ISO 639-3 code of what the text is most like; empty for a text without letters."""
    if not _UNIT.search(text):
        return ""
    return _identify(text)


@lru_cache(maxsize=65536)
def _identify(text: str) -> str:
    code, _ = _identifier().classify(text)
    return "" if code == _NO_LANGUAGE else languages.code(code)


def alike(identified: str, language: str) -> bool:
    """Return whether text identified so may be in `language`: Malay passes for Indonesian."""
    one, other = (
        languages.macrolanguage(identified) or identified,
        languages.macrolanguage(language) or language,
    )
    return languages.same(identified, language) or one == other


@lru_cache
def identifiable() -> frozenset[str]:
    """Return the languages that the identifier knows, in every code that they may have here."""
    known = {languages.code(one) for one in _identifier().labels if one != _NO_LANGUAGE}
    return frozenset({*known, *(c for one in known for c in languages.individuals(one)
                                if languages.same(c, one))})  # fmt: skip


@lru_cache
def _identifier() -> Any:
    module = _package("py3langid.langid", "py3langid")
    return module.LanguageIdentifier.from_model_file(module.MODEL_FILE)


def _package(module: str, name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise XltError(
            f"the scores of generated questions need the package {name}",
            where="task.name",
            fix="pip install 'xlt[generation]'",
        ) from error
