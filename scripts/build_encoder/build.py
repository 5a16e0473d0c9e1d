"""Tokenizer, vectors, folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from .vectors import (
    Ids,
    Vectors,
    carried_over,
    context_vectors,
    mapped,
    normalised,
    translation_table,
)

log = logging.getLogger(__name__)

SPECIAL = ("<pad>", "</s>", "<unk>")
"""T5's: padding is 0, and a sequence ends with </s>."""


@dataclass(frozen=True)
class Parallel:
    """Sentence pairs. links: word alignments (words split at spaces), where they are known."""

    source: str
    target: str
    pairs: Sequence[tuple[str, str]]
    links: Sequence[Sequence[tuple[int, int]]] | None = None


def build(
    texts: Mapping[str, Sequence[str]],
    parallel: Sequence[Parallel],
    folder: Path,
    *,
    pivot: str = "eng",
    vocabulary: int = 16_000,
    width: int = 256,
    layers: int = 0,
    heads: int = 4,
    seed: int = 1,
) -> None:
    """Write an encoder that AutoModel and AutoTokenizer load to `folder`.

    texts:    language → sentences; parallel text is added by itself.
    parallel: in any order and direction; a language without text that is parallel with the pivot
        is reached through the best-attested language that has some.
    layers:   transformer layers above the vectors, with random weights.
    """
    corpus = {language: list(sentences) for language, sentences in texts.items()}
    for one in parallel:
        corpus.setdefault(one.source, []).extend(a for a, _ in one.pairs)
        corpus.setdefault(one.target, []).extend(b for _, b in one.pairs)
    corpus = {language: list(dict.fromkeys(lines)) for language, lines in corpus.items()}
    tokenizer = train_tokenizer(corpus, vocabulary)
    vectors = aligned_vectors(corpus, joined(parallel), tokenizer, pivot, width, seed)
    save(tokenizer, vectors, folder, layers=layers, heads=heads, seed=seed)


def joined(parallel: Sequence[Parallel]) -> list[Parallel]:
    """One set a pair of languages: an aligner learns more from all of their text at once."""
    merged: dict[tuple[str, str], list[tuple[str, str]]] = {}
    result = []
    for one in parallel:
        if one.links is not None:
            result.append(one)
        elif (one.target, one.source) in merged:
            merged[one.target, one.source] += [(b, a) for a, b in one.pairs]
        else:
            merged.setdefault((one.source, one.target), []).extend(one.pairs)
    return [*result, *(Parallel(a, b, pairs) for (a, b), pairs in merged.items())]


def train_tokenizer(corpus: Mapping[str, Sequence[str]], vocabulary: int) -> Tokenizer:
    """Unigram subwords over all languages, the smaller ones repeated (exponent 0.5)."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    largest = max(len(sentences) for sentences in corpus.values())
    repeated = (
        sentence
        for sentences in corpus.values()
        for _ in range(max(1, round((largest / len(sentences)) ** 0.5)))
        for sentence in sentences
    )
    tokenizer.train_from_iterator(
        repeated,
        trainers.UnigramTrainer(
            vocab_size=vocabulary, special_tokens=list(SPECIAL), unk_token="<unk>",
            show_progress=False,
        ),
    )  # fmt: skip
    return close(tokenizer)


def close(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, ending every sequence with </s>."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def aligned_vectors(
    corpus: Mapping[str, Sequence[str]],
    parallel: Sequence[Parallel],
    tokenizer: Tokenizer,
    pivot: str,
    width: int,
    seed: int,
    counted: Callable[[Parallel], sp.csr_matrix] | None = None,
    carry: bool = True,
) -> Vectors:
    """(subwords, width); the mean over languages of a subword's vectors, by where it occurs.

    counted: source subword × target subword counts of aligned links; by default computed here.
    carry:   subwords that are hardly attested in parallel text get their vectors from the
        language's own contexts; takes some seconds a language.
    """
    size = tokenizer.get_vocab_size()
    counted = counted or (lambda one: link_counts(one, tokenizer))
    encoded = {language: _encode(tokenizer, sentences) for language, sentences in corpus.items()}
    shared = {pivot: context_vectors(encoded[pivot], size, width, seed)}
    evidence = {pivot: _counts(encoded[pivot], size)}
    waiting = list(parallel)
    while waiting:
        ready = [p for p in waiting if (p.source in shared) != (p.target in shared)]
        if not ready:
            break
        # The language with most text to align goes first: others may be reached through it.
        best = max(ready, key=lambda p: len(p.pairs))
        new = best.target if best.source in shared else best.source
        tables = [p for p in ready if new in (p.source, p.target)]
        total = None
        for one in tables:
            known = one.source if one.target == new else one.target
            table = counted(one) if one.source == new else counted(one).T.tocsr()
            vectors, seen = mapped(table, shared[known])
            weighted = vectors * seen[:, None]
            total = (weighted, seen) if total is None else (total[0] + weighted, total[1] + seen)
            log.info("%s: %d sentence pairs with %s", new, len(one.pairs), known)
        assert total is not None
        vectors, seen = normalised(total[0]), total[1]
        if carry:
            own = context_vectors(encoded[new], size, width, seed)
            fallback = carried_over(own, vectors, seen >= 3)
            trust = (seen / (seen + 2))[:, None]
            vectors = normalised(trust * vectors + (1 - trust) * fallback)
        shared[new] = vectors
        evidence[new] = _counts(encoded[new], size)
        waiting = [p for p in waiting if not (p.source in shared and p.target in shared)]
    unreached = corpus.keys() - shared.keys()
    if unreached:
        raise SystemExit(f"no parallel text leads from {pivot} to {', '.join(sorted(unreached))}")
    total_count = sum(counts / max(1.0, counts.sum()) for counts in evidence.values())
    result = sum(
        shared[language]
        * (counts / max(1.0, counts.sum()) / np.maximum(total_count, 1e-12))[:, None]
        for language, counts in evidence.items()
    )
    result = normalised(np.asarray(result, np.float32))
    empty = np.linalg.norm(result, axis=1) < 0.1
    random = np.random.default_rng(seed)
    result[empty] = 0.3 * normalised(random.standard_normal((int(empty.sum()), width)))
    result -= result[~empty].mean(0)
    return normalised(result)


def link_counts(one: Parallel, tokenizer: Tokenizer, effort: float = 1.0) -> sp.csr_matrix:
    """(subwords, subwords): how often a source subword is aligned with a target subword."""
    size = tokenizer.get_vocab_size()
    sides = list(zip(*one.pairs, strict=True))
    if one.links is None:
        source, target = (_encode(tokenizer, side) for side in sides)
        return translation_table(source, target, size, effort=effort)
    source, source_words = _encode_words(tokenizer, sides[0])
    target, target_words = _encode_words(tokenizer, sides[1])
    spread = [_spread(pair, source_words[k], target_words[k]) for k, pair in enumerate(one.links)]
    return translation_table(source, target, size, spread)


def _spread(
    pair: Sequence[tuple[int, int]], source: list[range], target: list[range]
) -> list[tuple[int, int]]:
    """Word links as subword links: the subwords of two linked words side by side."""
    links = []
    for i, j in pair:
        for n, subword in enumerate(source[i]):
            links.append((subword, target[j][n * len(target[j]) // len(source[i])]))
    return links


def _encode(tokenizer: Tokenizer, sentences: Sequence[str]) -> Ids:
    encodings = tokenizer.encode_batch(list(sentences), add_special_tokens=False)
    return [one.ids for one in encodings]


def _encode_words(tokenizer: Tokenizer, sentences: Sequence[str]) -> tuple[Ids, list[list[range]]]:
    encodings = tokenizer.encode_batch(
        [s.split() for s in sentences], is_pretokenized=True, add_special_tokens=False
    )
    words = []
    for one in encodings:
        owners = np.asarray(one.word_ids)
        words.append(
            [
                range(int(np.searchsorted(owners, w)), int(np.searchsorted(owners, w, "right")))
                for w in range(int(owners.max()) + 1 if len(owners) else 0)
            ]
        )
    return [one.ids for one in encodings], words


def _counts(sentences: Ids, size: int) -> np.ndarray:
    return np.bincount(np.concatenate(sentences), minlength=size).astype(np.float64)


def save(
    tokenizer: Tokenizer, vectors: Vectors, folder: Path, *, layers: int, heads: int, seed: int
) -> None:
    """A T5 encoder: its relative positions are learnt from little data."""
    import torch
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    width = vectors.shape[1]
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(vectors), d_model=width, d_kv=width // heads, d_ff=2 * width,
        num_layers=layers, num_heads=heads, dropout_rate=0.1, feed_forward_proj="gated-gelu",
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    model = T5EncoderModel(config)
    with torch.no_grad():
        scale = np.sqrt(width) * 0.3
        model.shared.weight.copy_(torch.from_numpy(vectors * scale))
        model.shared.weight[0] = 0
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
