"""Text to subwords with any Hugging Face tokenizer, and which word each subword belongs to.

Whatever data hold goes through here, because a tokenizer that is called as it is takes text that
spells one of its control tokens (`</s>`, `[SEP]`, `<extra_id_0>`) for that token. Text is never
special here.

A sentence is tokenised as it is written, once, as the encoder read text when it was pretrained.
Tokenising word by word is another thing: the mark of a word's beginning (`▁`, `Ġ`, the lack of
`##`) is lost with some families and comes before every Chinese word with others.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.document.text import Offsets, Text
from xlt.errors import XltError

Ids = NDArray[np.int32]

WORD_BY_WORD, IN_PLACE = 1, 2
"""How words become subwords: each by itself, or by its place in the surface of the text."""

TOKENISATION = IN_PLACE
"""How they do here."""

_MARKUP = re.compile(r"[<\[{|].*[>\]}|]", re.DOTALL)
"""An added token of this shape stands for something else than its letters."""

_ROLES = ("pad", "bos", "eos", "cls", "sep", "mask")

_ANCHORS = ("1", "x", "。", ".", "的", ")", "ا", "क")
"""What may stand before a word while it is encoded. A letter or digit comes first: after
punctuation WordPiece begins a new word."""

_STAND_INS = ("\ufffd", "?", *_ANCHORS)
"""Whose subword is put where there is none and the tokenizer has no unknown one."""

PROBES = ("a", "1", ".", "的", "ا", "क")
"""Texts of which any tokenizer has a subword for one, if it has one for any script."""

OWN_TEXTS = tuple(dict.fromkeys((*_STAND_INS, *PROBES)))
"""All that is encoded beside what data hold: a smaller vocabulary keeps their subwords, too."""

_BATCH = 1024
"""Texts that are tokenised at once."""

_SPACES = np.array([c for c in range(0x3001) if chr(c).isspace()], np.uint32)
"""U+3000 is the last."""


class Subwords:
    """A tokenizer for data. Use `subwords_of`, which makes one per tokenizer.

    tokenizer: of Hugging Face, fast or slow.
    unknown:   the id that stands for what the tokenizer has no subword for; never a control token.

    Raises XltError if the tokenizer knows no character of any script.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        roles = {getattr(tokenizer, f"{role}_token_id", None) for role in _ROLES}
        unknown = tokenizer.unk_token_id
        # GPT-2 calls its end of text the unknown token, too, and needs none: it knows every byte.
        self._unknown = None if unknown in roles else unknown
        self._words: dict[tuple[str, bool], Ids] = {}
        self._look(len(tokenizer))

    @cached_property
    def unknown(self) -> int:
        if self._unknown is not None:
            return int(self._unknown)
        for text in _STAND_INS:
            ids = self._raw([text])[0]
            usable = ids[~np.isin(ids, self._control)]
            if len(usable):
                return int(usable[0])
        raise unusable(self.tokenizer, "has no subwords for any script")

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        """The subwords of each text, without special tokens; nothing is cut."""
        return [
            ids
            for start in range(0, len(texts), _BATCH)
            for ids in self._encode(texts[start : start + _BATCH])
        ]

    def of_words(self, texts: Sequence[Text]) -> list[tuple[Ids, Ids]]:
        """The subwords of each text, and the word that each of them belongs to.

        Every word has at least one. White space and characters of no word belong to the word that
        follows, or to the last one; in a text without words they belong to none, -1. Where the
        words cannot be told apart in the subwords of the surface (a subword spans two of them, or
        they are those of a multiword token), each is encoded by itself: with the mark of a word's
        beginning where white space comes before it or could, between the words of a multiword
        token, and without one elsewhere.
        """
        place = self._one_by_one if self._backend is None else self._in_place
        split = [text for text in texts if text.words]
        placed = (
            pair
            for start in range(0, len(split), _BATCH)
            for pair in place(split[start : start + _BATCH])
        )
        unsplit = iter(self([text.surface for text in texts if not text.words]))
        return [next(placed) if text.words else _unowned(next(unsplit)) for text in texts]

    def alone(self, words: Sequence[str]) -> list[Ids]:
        """The subwords of each word by itself, as it is in running text but not at its beginning:
        after white space, or in scripts that write none after another character."""
        return self._separate(
            [(Text.from_words(("。", word)).surface[1:], False) for word in words]
        )

    def is_unknown(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of the ids stand for characters that the tokenizer does not know; none of a
        tokenizer that knows every byte."""
        unknown: NDArray[np.bool_] = ids == (-1 if self._unknown is None else self._unknown)
        return unknown

    # Words in their places ---------------------------------------------------------------------

    def _in_place(self, texts: Sequence[Text]) -> list[tuple[Ids, Ids]]:
        """`of_words` with a fast tokenizer: by the offsets of subwords.

        Characters and words are numbered through all texts, so that this is a few array
        operations for all of them.
        """
        ids, offsets, n_subwords = self._encode_flat([text.surface for text in texts])
        n_words = np.array([len(text.words) for text in texts], np.int64)
        words = np.concatenate([[0], np.cumsum(n_words)])
        lengths = [len(text.surface) + 1 for text in texts]
        shifts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
        places = _pairs((text.offsets for text in texts), words[-1])
        starts, ends = (places + np.repeat(shifts, n_words)[:, None]).T
        text_of = np.repeat(np.arange(len(texts)), n_subwords)
        first, last = _touched(texts, offsets + shifts[text_of, None], ends)
        # What comes after the last word of a text is its, not the next text's first one's.
        for touched in (first, last):
            np.minimum(touched, words[text_of + 1] - 1, out=touched)

        # together[w]: words w and w + 1 have to be encoded one by one.
        together = np.zeros(words[-1], bool)
        together[:-1] = starts[1:] < ends[:-1]
        spanning = first < last
        for begin, end in zip(first[spanning].tolist(), last[spanning].tolist(), strict=True):
            together[begin:end] = True
        alone = together | (np.bincount(first, minlength=words[-1]) == 0)
        alone[1:] |= together[:-1]

        if alone.any():
            again = np.flatnonzero(alone)
            owner = np.repeat(np.arange(len(texts)), n_words)[again]
            separate = self._separate(
                [
                    (_written(texts[n], word), word == 0)
                    for n, word in zip(owner.tolist(), (again - words[owner]).tolist(), strict=True)
                ]
            )
            kept = ~alone[first]
            ids = np.concatenate([ids[kept], *separate])
            first = np.concatenate([first[kept], np.repeat(again, list(map(len, separate)))])
            order = np.argsort(first, kind="stable")
            ids, first = ids[order], first[order]
        bounds = np.searchsorted(first, words).tolist()
        return [
            (ids[start:end], (first[start:end] - begin).astype(np.int32))
            for (start, end), begin in zip(pairwise(bounds), words[:-1].tolist(), strict=True)
        ]

    def _one_by_one(self, texts: Sequence[Text]) -> list[tuple[Ids, Ids]]:
        """`of_words` with a slow tokenizer, which tells no offsets."""
        result = []
        for text in texts:
            words = range(len(text.words))
            own = self._separate([(_written(text, word), word == 0) for word in words])
            owners = np.repeat(np.arange(len(own), dtype=np.int32), list(map(len, own)))
            result.append((np.concatenate(own), owners))
        return result

    def _separate(self, words: Sequence[tuple[str, bool]]) -> list[Ids]:
        """The subwords of words with the white space before them; at least one of each.

        words: each with whether nothing is before it. If something is, the word is encoded after
            an anchor whose own subwords can be cut off: then no subword spans both, and the
            word's are what they are after anything else.
        """
        new = [word for word in dict.fromkeys(words) if word not in self._words]
        encoded: dict[tuple[str, bool], Ids] = {}
        left = [word for word in new if not word[1]]
        for anchor, before in self._anchors if left else ():
            for word, ids in zip(left, self([anchor + text for text, _ in left]), strict=True):
                if np.array_equal(ids[: len(before)], before):
                    encoded[word] = ids[len(before) :]
            left = [word for word in left if word not in encoded]
        left = [word for word in new if word not in encoded]
        encoded |= zip(left, self([text for text, _ in left]), strict=True)
        for word, ids in encoded.items():
            self._words[word] = ids if len(ids) else np.array([self.unknown], np.int32)
        return [self._words[word] for word in words]

    @cached_property
    def _anchors(self) -> list[tuple[str, Ids]]:
        """The anchors that the tokenizer knows, and their subwords."""
        every = zip(_ANCHORS, self._encode(_ANCHORS), strict=True)
        return [(text, ids) for text, ids in every if len(ids) and not self.is_unknown(ids).any()]

    # Text is never special ---------------------------------------------------------------------

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        if self._backend is None:
            return [self._harmless(ids) for ids in self._raw(texts)]
        ids, _, counts = self._encode_flat(texts)
        return np.split(ids, np.cumsum(counts))[:-1]

    def _encode_flat(self, texts: Sequence[str]) -> tuple[Ids, NDArray[np.int64], NDArray[Any]]:
        """All texts' subwords in a row, their offsets (subwords, 2), and how many each has."""
        encodings = _plain(self._backend, texts)
        ids, counts = _flat_ids(encodings)
        if ids.max(initial=0) >= self._size:  # tokens have been added since
            self._look(int(ids.max()) + 1)
        suspect = np.isin(ids, self._control) | self.is_unknown(ids)
        if suspect.any():
            owners = np.unique(np.repeat(np.arange(len(texts)), counts)[suspect])
            # Such texts are rare, and so is the time to make a tokenizer without control tokens.
            again = [n for n in owners.tolist() if self._spells_control(texts[n], encodings[n].ids)]
            if again and self._strict is not None:
                strict = _plain(self._strict, [texts[n] for n in again])
                for n, encoding in zip(again, strict, strict=True):
                    encodings[n] = encoding
                ids, counts = _flat_ids(encodings)
            ids = self._harmless(ids)
        return ids, _pairs((encoding.offsets for encoding in encodings), len(ids)), counts

    def _spells_control(self, text: str, ids: Sequence[int]) -> bool:
        """Whether ids that have a control token or the unknown one have it by its name."""
        if not self._control_set.isdisjoint(ids):
            return True
        name = str(self.tokenizer.unk_token).casefold()
        return name in unicodedata.normalize("NFKC", text).casefold()

    def _raw(self, texts: Sequence[str]) -> list[Ids]:
        """What the tokenizer itself makes."""
        if self._backend is not None:
            return [np.asarray(e.ids, np.int32) for e in _plain(self._backend, texts)]
        encode = self.tokenizer.encode
        return [
            np.asarray(encode(text, add_special_tokens=False, split_special_tokens=True), np.int32)
            for text in texts
        ]

    def _look(self, size: int) -> None:
        """See which control tokens the tokenizer has, up to this number of tokens."""
        self._size = max(size, len(self.tokenizer))
        self._control = _control_ids(self.tokenizer, self._unknown)
        self._control_set = frozenset(self._control.tolist())
        self.__dict__.pop("_strict", None)
        self._words.clear()

    def _harmless(self, ids: Ids) -> Ids:
        """The ids with the unknown one for what can only be read as a control token, as CANINE's
        from Unicode's private use."""
        control = np.isin(ids, self._control)
        return np.where(control, np.int32(self.unknown), ids) if control.any() else ids

    @cached_property
    def _strict(self) -> Any:
        """The backend without control tokens; None for one with parts in Python, which cannot be
        copied."""
        try:
            state = self._backend.to_str()  # type: ignore[union-attr]
        except Exception as error:  # of no kind of its own
            if "cannot be serialized" not in str(error):
                raise
            return None
        hidden = self._control.tolist()
        if self._unknown is not None:
            hidden.append(self._unknown)
        return _without(json.loads(state), hidden)


@lru_cache(maxsize=4)
def subwords_of(tokenizer: Any) -> Subwords:
    """The `Subwords` of a tokenizer: the same for the same one, with what it has encoded."""
    return Subwords(tokenizer)


def unusable(tokenizer: Any, what: str) -> XltError:
    """What a user is told of a tokenizer that cannot be used."""
    return XltError(
        f"the tokenizer of {tokenizer.name_or_path} {what}",
        where="model.encoder",
        fix="name another encoder, or get the tokenizer's files again: they may be another model's",
    )


def _control_ids(tokenizer: Any, unknown: int | None) -> Ids:
    """Sorted ids of all tokens that are no text, but for the unknown one."""
    added = tokenizer.added_tokens_decoder.items()
    control = {id for id, token in added if token.special or _MARKUP.fullmatch(token.content)}
    return np.array(sorted({*control, *tokenizer.all_special_ids} - {unknown}), np.int32)


def _without(state: dict[str, Any], hidden: Iterable[int]) -> Any:
    """A tokenizer of the tokenizers library without some tokens; all others keep their ids.

    state: what the library writes as JSON.
    """
    from tokenizers import Tokenizer

    hidden = set(hidden)
    state["added_tokens"] = [one for one in state["added_tokens"] if one["id"] not in hidden]
    state |= dict.fromkeys(("truncation", "padding", "post_processor", "decoder"))
    model = state["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # Unigram: the index is the id
        for id in hidden:
            if id < len(vocabulary):
                vocabulary[id][0] = _unspoken(id)
    else:
        merged = {part for merge in model.get("merges", ()) for part in merge_parts(merge)}
        names = {
            token: _unspoken(id)
            for token, id in vocabulary.items()
            if id in hidden and token not in merged
        }
        model["vocab"] = {names.get(token, token): id for token, id in vocabulary.items()}
        if "unk_token" in model:
            model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    return Tokenizer.from_str(json.dumps(state, ensure_ascii=False))


def _unspoken(id: int) -> str:
    """A name that no text has: Unicode keeps this character out of texts."""
    return f"\U0010ffff{id}\U0010ffff"


def merge_parts(merge: str | Sequence[str]) -> tuple[str, str, str]:
    """The two halves of a merge of BPE, and what it makes."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right, left + right


def _plain(backend: Any, texts: Sequence[str]) -> list[Any]:
    backend.no_truncation()
    backend.no_padding()
    encodings: list[Any] = backend.encode_batch(list(texts), add_special_tokens=False)
    return encodings


def _flat_ids(encodings: Sequence[Any]) -> tuple[Ids, NDArray[np.int64]]:
    every = [encoding.ids for encoding in encodings]
    counts = np.array(list(map(len, every)), np.int64)
    return np.fromiter(chain.from_iterable(every), np.int32, counts.sum()), counts


def _pairs(rows: Iterable[Iterable[Offsets]], total: int) -> NDArray[np.int64]:
    """All rows' pairs, one row after the other: (total, 2)."""
    numbers = chain.from_iterable(chain.from_iterable(rows))
    return np.fromiter(numbers, np.int64, 2 * total).reshape(total, 2)


def _unowned(ids: Ids) -> tuple[Ids, Ids]:
    return ids, np.full(len(ids), -1, np.int32)


def _touched(
    texts: Sequence[Text], offsets: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last word that each subword touches, white space at its ends aside.

    offsets: (subwords, 2) of characters; ends: of all words. Both count through all texts, which
        have one character between them.
    """
    characters = "\n".join([*(text.surface for text in texts), ""])
    codes = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
    space, places = np.isin(codes, _SPACES), np.arange(len(codes))
    following = np.minimum.accumulate(np.where(space, len(codes), places)[::-1])[::-1]
    preceding = np.maximum.accumulate(np.where(space, -1, places))
    start, end = offsets.T
    head = np.where(following[start] < end, following[start], start)
    tail = np.maximum(preceding[np.maximum(end - 1, 0)], head)
    # A character belongs to the first word that ends after it, so white space to the next one.
    return np.searchsorted(ends, head, "right"), np.searchsorted(ends, tail, "right")


def _written(text: Text, word: int) -> str:
    """A word as it is written, with all that comes before it since the last word.

    A word of a multiword token is not what is written there (Italian *delle*: *di*, *le*), so it is
    the word itself, as it is written where it stands alone: after white space.
    """
    start, end = text.offsets[word]
    before = text.offsets[word - 1] if word else (0, 0)
    after = text.offsets[word + 1] if word + 1 < len(text.words) else None
    if start < end and before == (start, end):
        return " " + text.words[word] + (text.surface[end:] if not after else "")
    content = text.words[word] if start < end and after == (start, end) else text.surface[start:end]
    return text.surface[before[1] : start] + content + (text.surface[end:] if not after else "")
