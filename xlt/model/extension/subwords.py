"""A tokenizer with further subwords, which were found in some text by the algorithm of its own.

The old subwords keep their ids, and what is written in them stays as it was, as far as the new ones
are not better there. How a new one gets its place depends on the algorithm:

- Unigram takes the likeliest path: a new subword has the logarithm of its share of the text, and
  what all shares are multiplied by puts them on the scale of the old ones, so that a path of new
  subwords is no likelier than the same one of old ones was.
- WordPiece takes the longest subword: nothing is needed but the subword.
- BPE merges in the order of its merges. New ones follow the old ones and were learnt from the text
  as the old merges leave it (otherwise few of them would ever be reached).

New subwords that the text does not come to have are left out again.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.subwords import merge_parts
from xlt.model.extension.pieces import WORD_START, Splitter
from xlt.model.tokenizer_files import BYTE

_BATCH = 1000
_FIRST_LETTER = 0xF0000
"""Of Unicode's supplementary private use planes: room for 131,068 letters."""


@dataclass(frozen=True)
class Extension:
    """state: of the tokenizer with the new subwords, as the tokenizers library writes it.
    new: their names. first: the id of the first; the others follow it.
    parts: of each, the old subwords that it was split into before; none where one was unknown.
    """

    state: dict[str, Any]
    new: list[str]
    first: int
    parts: list[list[int]]


def extend(tokenizer: Any, lines: Sequence[str], subwords: int) -> Extension:
    """The tokenizer with what it lacks of `subwords` subwords that are trained on the lines.

    Raises XltError for a tokenizer that cannot be extended (`Splitter`).
    """
    old = Splitter(tokenizer)
    find = {"Unigram": _unigram, "WordPiece": _wordpiece, "BPE": _bpe}[old.kind]
    added = {token["content"] for token in old.state["added_tokens"]}
    first = max([*old.ids.values(), *(token["id"] for token in old.state["added_tokens"])]) + 1
    found = find(old, tokenizer.backend_tokenizer, lines, subwords)
    found = found.without([piece for piece in found.scores if piece in added])
    while True:
        state = found.put(old, first)
        used = uses(state, lines)
        unused = [piece for n, piece in enumerate(found.scores, first) if not used[n]]
        kept = found.without(unused)
        if len(kept.scores) == len(found.scores):
            break
        found = kept
    return Extension(state, [*found.scores], first, [old.parts(piece) for piece in found.scores])


def uses(state: Mapping[str, Any], lines: Sequence[str]) -> Counter[int]:
    """Id → how often a tokenizer has it in the lines."""
    return Counter(int(id) for ids in encoded(state, lines) for id in ids)


def encoded(state: Mapping[str, Any], lines: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """The subwords of each line, without special tokens."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(json.dumps(state, ensure_ascii=False))
    backend.no_truncation()
    backend.no_padding()
    for start in range(0, len(lines), _BATCH):
        batch = list(lines[start : start + _BATCH])
        for encoding in backend.encode_batch(batch, add_special_tokens=False):
            yield np.asarray(encoding.ids, np.int64)


# What was found ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """scores: the new subwords with what the algorithm needs of each (of Unigram a logarithm).
    merges: of BPE, in order: the two halves, and what they make.
    """

    scores: dict[str, float]
    merges: tuple[tuple[str, str, str], ...] = ()

    def without(self, unused: Sequence[str]) -> _Found:
        """Without these, except for those that merges make others of."""
        gone = {*unused}
        while True:
            made_of = {
                half
                for left, right, whole in self.merges
                if whole not in gone
                for half in (left, right)
            }
            if not (needed := gone & made_of):
                break
            gone -= needed
        return _Found(
            {piece: score for piece, score in self.scores.items() if piece not in gone},
            tuple(merge for merge in self.merges if merge[2] not in gone),
        )

    def put(self, old: Splitter, first: int) -> dict[str, Any]:
        """The state of the old tokenizer with these subwords, from id `first` on."""
        state: dict[str, Any] = json.loads(json.dumps(old.state))
        model = state["model"]
        if old.kind == "Unigram":
            # Added tokens may have ids of their own behind the list, whose places are the ids.
            names = {token["id"]: token["content"] for token in state["added_tokens"]}
            lowest = min(score for _, score in model["vocab"])
            for id in range(len(model["vocab"]), first):
                model["vocab"].append([names.get(id, f"\U0010ffff{id}"), lowest])
            model["vocab"] += [[piece, score] for piece, score in self.scores.items()]
        else:
            model["vocab"] |= {piece: id for id, piece in enumerate(self.scores, first)}
        if old.kind == "BPE":
            model["merges"] = [
                *(list(merge_parts(merge)[:2]) for merge in model["merges"]),
                *([left, right] for left, right, _ in self.merges),
            ]
        return state


def _trained(backend: Any, model: Any, trainer: Any, lines: Sequence[str]) -> dict[str, Any]:
    """The state of a new tokenizer that prepares text as the old one does."""
    from tokenizers import Tokenizer

    new = Tokenizer(model)
    if backend.normalizer is not None:
        new.normalizer = backend.normalizer
    if backend.pre_tokenizer is not None:
        new.pre_tokenizer = backend.pre_tokenizer
    new.train_from_iterator(lines, trainer)
    state: dict[str, Any] = json.loads(new.to_str())
    return state


def _unigram(old: Splitter, backend: Any, lines: Sequence[str], subwords: int) -> _Found:
    from tokenizers import models, trainers

    trainer = trainers.UnigramTrainer(
        vocab_size=subwords, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    state = _trained(backend, models.Unigram(), trainer, lines)
    names = [piece for piece, _ in state["model"]["vocab"]]
    # Counted anew: the trainer's own figures differ a little from one time to the next.
    counts = uses(state, lines)
    shares = {names[id]: math.log(n / counts.total()) for id, n in sorted(counts.items()) if id > 0}
    scores = dict(old.model["vocab"])
    shared = [scores[piece] - share for piece, share in shares.items() if piece in scores]
    scale = float(np.median(shared)) if shared else 0.0
    lowest = min(scores.values())  # from which the cost of an unknown letter is reckoned
    new = {
        piece: max(lowest, round(share + scale, 4))
        for piece, share in sorted(shares.items(), key=lambda one: (-one[1], one[0]))
        if piece not in scores and WORD_START not in piece[1:]
    }
    return _Found(new)


def _wordpiece(old: Splitter, backend: Any, lines: Sequence[str], subwords: int) -> _Found:
    from tokenizers import models, trainers

    unknown, prefix = old.model["unk_token"], old.model["continuing_subword_prefix"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=subwords,
        special_tokens=[unknown],
        continuing_subword_prefix=prefix,
        min_frequency=2,
        show_progress=False,
    )
    state = _trained(backend, models.WordPiece(unk_token=unknown), trainer, lines)
    vocabulary = state["model"]["vocab"]
    return _Found(dict.fromkeys(sorted(vocabulary.keys() - old.ids.keys()), 0.0))


def _bpe(old: Splitter, backend: Any, lines: Sequence[str], subwords: int) -> _Found:
    """Learns merges of old subwords: each of them is a letter of the text that is trained on.

    A letter that is unknown to the old tokenizer, or stands there as bytes, remains so.
    """
    from tokenizers import Tokenizer, models, trainers

    special = {token["id"] for token in old.state["added_tokens"]}
    unknown = old.ids.get(old.model["unk_token"] or "")
    names = {
        id: piece
        for piece, id in old.ids.items()
        if id not in special and id != unknown and not BYTE.fullmatch(piece)
    }
    words: Counter[tuple[int, ...]] = Counter()
    for start in range(0, len(lines), _BATCH):
        batch = list(lines[start : start + _BATCH])
        for encoding in backend.encode_batch(batch, add_special_tokens=False):
            words.update(_words(encoding, names))
    used = sorted({id for word in words for id in word})
    letters = {id: chr(_FIRST_LETTER + n) for n, id in enumerate(used)}
    new = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=subwords, min_frequency=2, show_progress=False)
    text = ("".join(letters[id] for id in word) for word, n in words.items() for _ in range(n))
    new.train_from_iterator(text, trainer)
    meant = {letter: names[id] for id, letter in letters.items()}
    prefix = old.model["continuing_subword_prefix"] or ""

    def written(letters: str) -> str:
        head, *tail = (meant[letter] for letter in letters)
        return head + "".join(piece.removeprefix(prefix) for piece in tail)

    known = {merge_parts(merge)[:2] for merge in old.model["merges"]}
    merges: dict[tuple[str, str], str] = {}
    for merge in json.loads(new.to_str())["model"]["merges"]:
        left, right, _ = merge_parts(merge)
        pair = written(left), written(right)
        if pair not in known:  # it would lose its place in the order
            merges.setdefault(pair, written(left + right))
    found = dict.fromkeys(whole for whole in merges.values() if whole not in old.ids)
    return _Found(
        dict.fromkeys(found, 0.0), tuple((*pair, whole) for pair, whole in merges.items())
    )


def _words(encoding: Any, names: Mapping[int, str]) -> Iterator[tuple[int, ...]]:
    """The subwords of each word of a text, which merges do not go beyond; a word is cut where one
    of its subwords has no name."""
    word: list[int] = []
    before = None
    for id, owner in zip(encoding.ids, encoding.word_ids, strict=True):
        name = names.get(id)
        if name is None or owner != before or name.startswith(WORD_START):
            if len(word) > 1:
                yield tuple(word)
            word.clear()
        if name is not None:
            word.append(id)
        before = owner
    if len(word) > 1:
        yield tuple(word)
