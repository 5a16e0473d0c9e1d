"""English trees, and what of them is found again in a translation."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scripts.build_encoder.text import paths
from xlt.data.batch import IGNORED
from xlt.data.conllu import UPOS as UPOS_COLUMN
from xlt.data.conllu import read_conllu
from xlt.data.encode import EncodedWords, WordEncoder, collate_words
from xlt.model.mst import decode_trees
from xlt.tasks.dependency_parsing.decoding import relations_of
from xlt.tasks.dependency_parsing.inventory import RELATIONS, UPOS
from xlt.tasks.dependency_parsing.metrics import universal

from .network import Network, fast

TREEBANKS = ("ud-english-ewt:eng:train",)
"""English trees whose text may be used commercially; not so GUM's, some of whose genres may not."""
MAX_WORDS = 60
"""Words of a sentence of the treebanks."""
MIN_ARC_PROBABILITY = 0.6
"""Probability that the parser must give to an arc before it is carried over."""
MIN_LINK_WEIGHT = 0.3
"""Weight of the links between two words from which on they count as each other's translation."""
SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


@dataclass(frozen=True)
class Tree:
    """heads, relations, tags: of each word; IGNORED where unknown."""

    words: EncodedWords
    heads: NDArray[np.int64]
    relations: NDArray[np.int64]
    tags: NDArray[np.int64] | None = None


def english(tokenizer: Tokenizer) -> list[Tree]:
    """The training sentences of the English treebanks."""
    relations = {name: i for i, name in enumerate(RELATIONS)}
    tags = {name: i for i, name in enumerate(UPOS)}
    sentences = [
        sentence
        for reference in TREEBANKS
        for path, _ in paths(reference)
        for sentence in read_conllu(path, strict_trees=True)
        if len(sentence.forms) <= MAX_WORDS
    ]
    encoded = WordEncoder(fast(tokenizer), 512)([sentence.text() for sentence in sentences])
    return [
        Tree(
            words,
            np.array(sentence.heads),
            np.array([relations[universal(r)] for r in sentence.deprels]),
            np.array([tags.get(row[UPOS_COLUMN], IGNORED) for row in sentence.words]),
        )
        for words, sentence in zip(encoded, sentences, strict=True)
    ]


def batch(trees: Sequence[Tree]) -> dict[str, torch.Tensor]:
    """`collate_words`' tensors with labels (heads), relations and, if all have some, tags."""
    result = collate_words([tree.words for tree in trees], 0)
    shape = result["word_mask"].shape
    columns = {"labels": IGNORED, "relations": 0, "tags": IGNORED}
    for name, padding in columns.items():
        values = [tree.heads if name == "labels" else getattr(tree, name) for tree in trees]
        if any(one is None for one in values):
            continue
        filled = np.full(shape, padding, np.int64)
        for row, one in enumerate(values):
            filled[row, : len(one)] = one
        result[name] = torch.from_numpy(filled)
    return result


class Words:
    """Subwords of raw text as words, so that a parser of words can read it.

    A word begins at a mark, at punctuation, and at each subword in a script without spaces.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        subwords = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
        alone = [
            bool(SPACELESS.search(p)) or not any(map(_in_word, p.lstrip("▁"))) for p in subwords
        ]
        self.begins = np.array([p.startswith("▁") for p in subwords]) | np.array(alone)
        self.alone = np.array(alone) & np.array([p != "▁" for p in subwords])
        end = tokenizer.token_to_id("</s>")
        assert end is not None, "the tokenizer of xlt-mini ends sentences"
        self.end = end

    def owners(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of each subword's word."""
        begins = self.begins[ids]
        begins[1:] |= self.alone[ids[:-1]]
        begins[0] = True
        return np.cumsum(begins) - 1

    def __call__(self, ids: NDArray[np.int64]) -> EncodedWords:
        owners = self.owners(ids)
        window = np.append(ids, self.end).astype(np.int32)
        of = np.append(owners, -1).astype(np.int32)
        return EncodedWords((window,), (of,), int(owners[-1]) + 1, 512)


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def parse(network: Network, sentences: Sequence[EncodedWords]) -> list[Tree]:
    """The network's trees; arcs that it is not sure of have IGNORED as head."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        outputs = {k: v.float() for k, v in network(**collate_words(sentences, 0)).items()}
    lengths = np.array([one.n_words for one in sentences])
    heads = decode_trees(outputs["arcs"].numpy(), lengths)
    relations = relations_of(heads, outputs, RELATIONS.index("root"))
    trees = []
    for row, (words, n) in enumerate(zip(sentences, lengths, strict=True)):
        chosen = heads[row, :n].astype(np.int64)
        sure = outputs["arcs"][row].exp().numpy()[np.arange(1, n + 1), chosen] > MIN_ARC_PROBABILITY
        trees.append(Tree(words, np.where(sure, chosen, IGNORED), relations[row, :n]))
    return trees


def carried(
    tree: Tree,
    words: EncodedWords,
    here: NDArray[np.integer],
    there: NDArray[np.integer],
    weight: NDArray[np.float32],
) -> Tree:
    """`tree` on its translation `words`, as far as links lead from word to word and back.

    here, there, weight: links between subwords of the translation and of the tree's sentence. Where
    several words of the original are one in the translation, arcs between them are skipped.
    """
    size = words.n_words, tree.words.n_words
    table = np.zeros(size, np.float32)
    np.add.at(table, (words.word_of[0][here], tree.words.word_of[0][there]), weight)
    original = np.where(table.max(1) > MIN_LINK_WEIGHT, table.argmax(1), -1)
    translation = np.where(table.max(0) > MIN_LINK_WEIGHT, table.argmax(0), -1)
    heads = np.full(size[0], IGNORED)
    relations = np.zeros(size[0], np.int64)
    for word, of in enumerate(original):
        if of < 0 or translation[of] != word:
            continue
        top, head = of, tree.heads[of]
        while head > 0 and translation[head - 1] == word:
            top, head = head - 1, tree.heads[head - 1]
        if head > 0 and translation[head - 1] >= 0:
            heads[word] = translation[head - 1] + 1
        elif head == 0:
            heads[word] = 0
        relations[word] = tree.relations[top]
    return Tree(words, heads, relations)
