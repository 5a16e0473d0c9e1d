"""What the layers learn from: English trees, and translations of sentences they understand.

A subword of a translation should have the state of the subword it is aligned with (word-level
distillation over parallel text; compare Cao et al. 2020, arXiv 2002.03518), its words the tree of
the original, and the whole sentence the mean of the original's states rather than of any other's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scripts.build_encoder.build import Parallel
from xlt.data.batch import IGNORED, StepSampler, prediction_batches
from xlt.data.encode import EncodedWords

from .align import encode
from .aligner import Links
from .network import Network
from .training import Losses
from .trees import Tree, Words, batch, carried, parse

log = logging.getLogger(__name__)

MIN_SUBWORDS, MAX_SUBWORDS = 4, 80
"""Subwords of a sentence."""
MIN_LINKS_PER_SUBWORD = 0.3
"""Links a subword that a sentence pair needs to be used."""
HIDDEN = 0.1
"""Share of subwords that are replaced by <unk>: their meaning must be read off their neighbours."""
TEMPERATURE = 0.05
UNKNOWN = 2
WEIGHTS = {"states": 1.0, "trees": 0.5, "sentences": 0.1, "english": 0.3}
SHARE = 3
"""Every so many steps a batch of English trees, too."""


@dataclass(frozen=True)
class Pair:
    """A translation, what its subwords are aligned with, and the original's number."""

    tree: Tree
    here: NDArray[np.integer]
    there: NDArray[np.integer]
    weight: NDArray[np.float32]
    original: int


@dataclass
class Pool:
    """states: of each original's subwords, (subwords, width), half precision."""

    pairs: list[Pair]
    states: list[torch.Tensor]


def english_losses(network: Network, trees: Sequence[Tree], sampler: StepSampler) -> Losses:
    batches = list(sampler)
    return lambda step: _of_trees(network, [trees[i] for i in batches[step]], 1.0)


def _of_trees(
    network: Network, trees: Sequence[Tree], weight: float
) -> Iterator[tuple[str, float, torch.Tensor]]:
    inputs = batch(trees)
    tags = inputs.pop("tags")
    inputs["input_ids"] = hidden(inputs["input_ids"])
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(**inputs, num_items_in_batch=_known(inputs))["loss"]
        tagging = network.tagging_loss(inputs["word_index"], inputs["word_mask"], tags)
    yield "english", weight, loss + tagging


def _known(inputs: Mapping[str, torch.Tensor]) -> int:
    return max(1, int((inputs["labels"] != IGNORED).sum()))


def hidden(ids: torch.Tensor) -> torch.Tensor:
    chosen = (torch.rand(ids.shape) < HIDDEN) & (ids > UNKNOWN)
    return ids.masked_fill(chosen, UNKNOWN)


def pool(
    network: Network,
    parallel: Sequence[Parallel],
    links: Mapping[tuple[str, str], Links],
    tokenizer: Tokenizer,
    *,
    most: int,
    seed: int,
) -> Pool:
    """Sentence pairs of all of `parallel`, at most `most` each; the second side is understood by
    `network`, which says what its states and trees are. English itself is among the languages.
    """
    words = Words(tokenizer)
    originals: dict[tuple[str, str], int] = {}
    waiting = []
    for one in parallel:
        links_here = links[one.source, one.target]
        begins = np.searchsorted(links_here.row, np.arange(len(one.pairs) + 1))
        sides = [encode(tokenizer, side) for side in zip(*one.pairs, strict=True)]
        usable = [
            row
            for row, (a, b) in enumerate(zip(*sides, strict=True))
            if MIN_SUBWORDS <= len(a) <= MAX_SUBWORDS
            and MIN_SUBWORDS <= len(b) <= MAX_SUBWORDS
            and begins[row + 1] - begins[row] > MIN_LINKS_PER_SUBWORD * len(a)
        ]
        random = np.random.default_rng([seed, *one.source.encode(), *one.target.encode()])
        for row in random.permutation(usable)[:most]:
            key = one.target, one.pairs[row][1]
            number = originals.setdefault(key, len(originals))
            part = slice(begins[row], begins[row + 1])
            here, there = (
                side[part].astype(np.int64) for side in (links_here.source, links_here.target)
            )
            waiting.append((np.array(sides[0][row]), here, there, links_here.weight[part], number))
    texts = encode(tokenizer, [text for _, text in originals])
    states, trees = understood(network, [words(np.array(ids)) for ids in texts])
    chosen = np.random.default_rng(seed).permutation(len(texts))[: 3 * most]
    for number in chosen:
        itself = np.arange(len(texts[number]))
        ones = np.ones(len(itself), np.float32)
        waiting.append((np.array(texts[number]), itself, itself, ones, int(number)))
    pairs = []
    for ids, here, there, weight, number in waiting:
        tree = carried(trees[number], words(ids), here, there, weight)
        pairs.append(Pair(tree, here, there, weight, number))
    known = np.mean(np.concatenate([pair.tree.heads for pair in pairs]) != IGNORED)
    log.info("%d pairs of %d originals, %.0f %% of heads", len(pairs), len(texts), 100 * known)
    return Pool(pairs, states)


def understood(
    network: Network, sentences: Sequence[EncodedWords]
) -> tuple[list[torch.Tensor], list[Tree]]:
    """States of the subwords of each sentence, and its tree."""
    network.eval()
    lengths = [one.length for one in sentences]
    states, trees = {}, {}
    for chosen in prediction_batches(lengths, 4000):
        parsed = parse(network, [sentences[i] for i in chosen])
        for row, i in enumerate(chosen):
            states[i] = network.states[row, : lengths[i] - 1].to(torch.float16).clone()
            trees[i] = parsed[row]
    everything = range(len(sentences))
    return [states[i] for i in everything], [trees[i] for i in everything]


def translation_losses(
    network: Network, pooled: Pool, sampler: StepSampler, trees: Sequence[Tree], seed: int
) -> Losses:
    """Batches of `sampler`, now and then some English trees."""
    batches = list(sampler)

    def losses(step: int) -> Iterator[tuple[str, float, torch.Tensor]]:
        yield from _of_pairs(network, pooled, [pooled.pairs[i] for i in batches[step]])
        if step % SHARE == 0:
            chosen = np.random.default_rng([seed, step]).integers(0, len(trees), 48)
            yield from _of_trees(network, [trees[i] for i in chosen], WEIGHTS["english"])

    return losses


def _of_pairs(
    network: Network, pooled: Pool, pairs: Sequence[Pair]
) -> Iterator[tuple[str, float, torch.Tensor]]:
    inputs = batch([pair.tree for pair in pairs])
    mask = (inputs["input_ids"] > 1)[..., None]
    inputs["input_ids"] = hidden(inputs["input_ids"])
    with torch.autocast("cpu", torch.bfloat16):
        arcs = network(**inputs, num_items_in_batch=_known(inputs))["loss"]
    states = network.states.float()
    originals = [pooled.states[pair.original].float() for pair in pairs]
    aligned, weight = _targets(pairs, originals, states.shape)
    used = weight > 0.2
    share = weight[used].clamp(max=1)
    likeness = torch.nn.functional.cosine_similarity(states[used], aligned[used], dim=1)
    loss = WEIGHTS["states"] * ((1 - likeness) * share).sum() / share.sum()
    means = (states * mask).sum(1) / mask.sum(1)
    sentences = _contrast(means, torch.stack([one.mean(0) for one in originals]), pairs)
    yield "pairs", 1.0, loss + WEIGHTS["trees"] * arcs + WEIGHTS["sentences"] * sentences


def _targets(
    pairs: Sequence[Pair], originals: Sequence[torch.Tensor], shape: torch.Size
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean state of the subwords that a subword is aligned with, and the weight of its links."""
    offsets = np.cumsum([0, *map(len, originals)])
    here = np.concatenate([row * shape[1] + pair.here for row, pair in enumerate(pairs)])
    there = np.concatenate([offsets[row] + pair.there for row, pair in enumerate(pairs)])
    weight = torch.from_numpy(np.concatenate([pair.weight for pair in pairs]))
    places = torch.from_numpy(here)
    total = torch.zeros(shape[0] * shape[1])
    total.index_add_(0, places, weight)
    mean = torch.zeros(shape[0] * shape[1], shape[2])
    mean.index_add_(
        0, places, torch.cat(list(originals))[torch.from_numpy(there)] * weight[:, None]
    )
    mean = mean / total.clamp(min=1e-6)[:, None]
    return mean.view(shape), total.view(shape[:2])


def _contrast(means: torch.Tensor, of: torch.Tensor, pairs: Sequence[Pair]) -> torch.Tensor:
    """InfoNCE: the original of each sentence among those of the batch."""
    sides = [torch.nn.functional.normalize(x - x.mean(0), dim=1) for x in (means, of)]
    scores = sides[0] @ sides[1].T / TEMPERATURE
    numbers = torch.tensor([pair.original for pair in pairs])
    same = (numbers[:, None] == numbers) & ~torch.eye(len(pairs), dtype=torch.bool)
    return torch.nn.functional.cross_entropy(
        scores.masked_fill(same, -1e4), torch.arange(len(pairs))
    )
