"""A tokenizer with fewer subwords, that splits the text they were chosen for just as before.

Three kinds of vocabularies are known. Unigram takes the best path through the text's subwords,
WordPiece the longest subword at each place: what was best or longest among all is so among some,
if it is one of them. BPE merges what its merges say: those that lead to a kept subword have to
stay, and all subwords on the way. What comes of it is compared with the whole tokenizer
(`reduced`), so that another kind, or an unusual one, is refused and not cut wrongly.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xlt.data.subwords import OWN_TEXTS, Ids, Subwords, merge_parts
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.model.tokenizer_files import BYTE, read, rebuilt
from xlt.scripts import COMMON, script

_INHERITED = "Zinh"


class Heard(Subwords):
    """`Subwords` that counts the subwords of all that it encodes, on its own account, too."""

    def __init__(self, tokenizer: Any) -> None:
        self.counts: Counter[int] = Counter()
        super().__init__(tokenizer)

    def _encode_flat(self, texts: Sequence[str]) -> Any:
        ids, offsets, counts = super()._encode_flat(texts)
        self.counts.update(ids.tolist())
        return ids, offsets, counts


class Vocabulary:
    """The subwords of a fast tokenizer, and which of them need which others.

    Raises XltError for a tokenizer that has no such list, or one of an unknown kind.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.state, self.ids = read(tokenizer, _refusal)
        self.model = self.state["model"]
        self._bytes = "ByteLevel" in json.dumps(self.state["pre_tokenizer"])
        self.prefix: str = self.model.get("continuing_subword_prefix") or ""
        self.suffix: str = self.model.get("end_of_word_suffix") or ""

    def needed(self, seen: Iterable[int], texts: Iterable[str]) -> set[int]:
        """The ids to keep: those seen, those that they are made of, and the single characters of
        the scripts of `texts`, so that no word in them becomes unknown."""
        found = {script(c) for c in {c for text in texts for c in text}}
        kept = {*seen, *self._characters(found | {COMMON, _INHERITED})}
        kept |= {id for piece, id in self.ids.items() if BYTE.fullmatch(piece)}
        if self.model["type"] == "Unigram":
            # What an unknown character costs is reckoned from the least likely subword.
            scores = [score for _, score in self.model["vocab"]]
            kept.add(int(np.argmin(scores)))
        return kept | self._on_the_way(kept)

    def _characters(self, scripts: Collection[str]) -> set[int]:
        """Single characters, or bytes, as they are inside of words and at either end."""
        found = set()
        for piece, id in self.ids.items():
            bare = piece.removeprefix("▁") or piece
            if self.prefix:
                bare = bare.removeprefix(self.prefix) or bare
            if self.suffix:
                bare = bare.removesuffix(self.suffix) or bare
            if len(bare) == 1 and (self._bytes or script(bare) in scripts):
                found.add(id)
        return found

    def _merges(self) -> list[tuple[str, str, str]]:
        """The halves of each merge of BPE, and what it makes."""
        split = (merge_parts(merge) for merge in self.model.get("merges", ()))
        return [(a, b, a + b[len(self.prefix) :]) for a, b, _ in split]

    def _on_the_way(self, kept: set[int]) -> set[int]:
        """The subwords from which merges make the kept ones."""
        made: dict[str, set[str]] = {}
        for left, right, whole in self._merges():
            made.setdefault(whole, set()).update((left, right))
        names = {id: piece for piece, id in self.ids.items()}
        open_, found = [names[id] for id in kept if id in names], set[str]()
        while open_:
            new = made.get(open_.pop(), set()) - found
            found |= new
            open_ += new
        return {self.ids[piece] for piece in found}

    def reduced(self, kept: Ids) -> Any:
        """The tokenizer with these subwords alone; each one's place in `kept` is its id there.

        kept: ascending, special tokens and what `needed` says among them.
        """
        state = json.loads(json.dumps(self.state))
        new = {int(id): place for place, id in enumerate(kept)}
        model = state["model"]
        if model["type"] == "Unigram":
            model["vocab"] = [one for id, one in enumerate(model["vocab"]) if id in new]
            model["unk_id"] = new.get(model["unk_id"])
        else:
            model["vocab"] = {piece: new[id] for piece, id in self.ids.items() if id in new}
        if model["type"] == "BPE":
            model["merges"] = [
                [left, right]
                for left, right, whole in self._merges()
                if {left, right, whole} <= model["vocab"].keys()
            ]
        state["added_tokens"] = [
            {**token, "id": new[token["id"]]}
            for token in state["added_tokens"]
            if token["id"] in new
        ]
        state["post_processor"] = renumbered(state["post_processor"], new)
        return rebuilt(self.tokenizer, state, new)


def renumbered(processor: Any, new: Mapping[int, int]) -> Any:
    """A post-processor with the new ids of its special tokens."""
    if isinstance(processor, list):
        return [renumbered(one, new) for one in processor]
    if not isinstance(processor, dict):
        return processor
    changed = {key: renumbered(value, new) for key, value in processor.items()}
    match processor.get("type"):
        case "TemplateProcessing":
            changed["special_tokens"] = {
                name: {**token, "ids": [new[id] for id in token["ids"]]}
                for name, token in processor["special_tokens"].items()
            }
        case "BertProcessing" | "RobertaProcessing":
            for key in ("sep", "cls"):
                token, id = processor[key]
                changed[key] = [token, new[id]]
    return changed


def heard(tokenizer: Any, texts: Sequence[Text]) -> Counter[int]:
    """Id → how often it is among the subwords of the texts; 0 for those that only the encoding of
    text itself needs (what is put before a word that is encoded alone)."""
    subwords = Heard(tokenizer)
    surfaces = [text.surface for text in texts]
    subwords.of_words(texts)
    counts = Counter(subwords.counts)
    # As texts without words, as pairs are, and what either encoder asks of a tokenizer.
    subwords(surfaces)
    for text in OWN_TEXTS:
        subwords.counts.update(tokenizer(text)["input_ids"])
    return Counter({id: counts[id] for id in {*subwords.counts, subwords.unknown}})


def check_same(old: Any, new: Any, kept: Ids, texts: Sequence[Text]) -> None:
    """Raise XltError if the reduced tokenizer splits one of the texts otherwise than the whole."""
    surfaces = [text.surface for text in texts]
    before, after = Subwords(old), Subwords(new)
    pairs = [
        *zip(before.of_words(texts), after.of_words(texts), strict=True),
        *(
            ((ids, ids), (again, again))
            for ids, again in zip(before(surfaces), after(surfaces), strict=True)
        ),
    ]
    for (ids, owners), (again, owners_again) in pairs:
        same_words = ids is owners or np.array_equal(owners, owners_again)
        if not (same_words and np.array_equal(ids, kept[again])):
            raise _refusal("splits the text otherwise when it is trimmed to its subwords")
    roles = [(one.pad_token_id, one.cls_token_id, one.sep_token_id) for one in (old, new)]
    moved = tuple(None if id is None else int(kept[id]) for id in roles[1])
    if roles[0] != moved:
        raise _refusal("has special tokens that cannot be renumbered")


def _refusal(what: str) -> XltError:
    return XltError(
        f"the tokenizer of the model {what}, so it cannot be trimmed",
        where="--trim",
        fix="export it without --trim",
    )
