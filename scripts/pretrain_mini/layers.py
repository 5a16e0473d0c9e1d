"""The transformer layers of xlt-mini learn word classes from treebanks; the vectors stay fixed.

All languages share the space of the vectors, so that layers which learn what word classes look
like in some languages know them in the others. The languages of the parallel treebanks (PUD) and
Javanese, on which zero-shot transfer is measured, are left out, except English.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from scripts.build_encoder.text import paths
from xlt.data import cards
from xlt.data.batch import StepSampler
from xlt.data.conllu import UPOS, read_conllu
from xlt.data.encode import WordEncoder, collate_words, pool_words
from xlt.errors import XltError

log = logging.getLogger(__name__)

LEFT_OUT = [
    "ara",
    "ces",
    "cmn",
    "deu",
    "fin",
    "fra",
    "hin",
    "ind",
    "isl",
    "ita",
    "jav",
    "jpn",
    "kor",
    "pol",
    "por",
    "rus",
    "spa",
    "swe",
    "tha",
    "tur",
    "yue",
    "zho",
]
CLASSES = [
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
]
PER_LANGUAGE = 4000
HIDDEN = 0.15
"""Share of pieces that are replaced by <unk>: their class must be read off their neighbours."""


@dataclass(frozen=True)
class Sentence:
    language: str
    words: list[str]
    classes: list[int]


def treebanks(seed: int) -> list[Sentence]:
    """Sentences of the train and dev files, at most `PER_LANGUAGE` a language."""
    found: dict[str, list[Sentence]] = {}
    for name in sorted(cards.paths()):
        card = cards.get(name)
        if card.task != "dependency_parsing" or name.startswith("sample-"):
            continue
        for language, split, _ in card.splits():
            if split == "test" or language in LEFT_OUT:
                continue
            found.setdefault(language, []).extend(_read(name, language, split))
    chosen = []
    for language, sentences in sorted(found.items()):
        order = np.random.default_rng([seed, *language.encode()]).permutation(len(sentences))
        chosen += [sentences[i] for i in order[:PER_LANGUAGE]]
        log.info("%s: %d sentences with word classes", language, min(len(order), PER_LANGUAGE))
    return chosen


def _read(name: str, language: str, split: str) -> Iterator[Sentence]:
    try:
        files = paths(f"{name}:{language}:{split}")
    except XltError as error:
        log.warning("%s", error)
        return
    for path, chosen in files:
        for number, sentence in enumerate(read_conllu(path, strict_trees=False)):
            if chosen.select and number % chosen.select.modulo not in chosen.select.remainder:
                continue
            tags = [row[UPOS] for row in sentence.words]
            classes = [CLASSES.index(tag) if tag in CLASSES else -100 for tag in tags]
            if 2 < len(classes) < 80:
                yield Sentence(language, sentence.forms, classes)


def train(
    folder: Path, sentences: list[Sentence], *, epochs: int, seed: int, rate: float = 1e-3
) -> None:
    """Train the encoder in `folder` in place. Prints the loss and the accuracy as it goes."""
    torch.manual_seed(seed)
    encoder = T5EncoderModel.from_pretrained(folder, attn_implementation="eager")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    words = WordEncoder(tokenizer, 512)
    encoded = words([s.words for s in sentences])
    head = torch.nn.Linear(encoder.config.d_model, len(CLASSES))
    encoder.shared.weight.requires_grad_(False)
    learnt = [p for p in encoder.parameters() if p.requires_grad] + list(head.parameters())
    optimizer = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.01, fused=True)
    lengths = [one.length for one in encoded]
    sampler = StepSampler(lengths, [np.arange(len(encoded))], budget=4096, epochs=epochs, seed=seed)
    steps = len(sampler)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    encoder.train()
    random = torch.Generator().manual_seed(seed)
    right = total = 0
    for step, chosen in enumerate(sampler, 1):
        batch = collate_words([encoded[i] for i in chosen], 0)
        gold = torch.full(batch["word_mask"].shape, -100)
        for row, i in enumerate(chosen):
            gold[row, : len(sentences[i].classes)] = torch.tensor(sentences[i].classes)
        ids = batch["input_ids"]
        hidden = (torch.rand(ids.shape, generator=random) < HIDDEN) & (batch["word_index"] >= 0)
        with torch.autocast("cpu", torch.bfloat16):
            states = encoder(
                input_ids=ids.masked_fill(hidden, tokenizer.unk_token_id),
                attention_mask=batch["attention_mask"],
            ).last_hidden_state
            scores = head(pool_words(states, batch["word_index"], batch["word_mask"]))
        loss = torch.nn.functional.cross_entropy(scores.float().flatten(0, 1), gold.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        known = gold >= 0
        right += int((scores.argmax(-1) == gold)[known].sum())
        total += int(known.sum())
        if step % 50 == 0 or step == steps:
            log.info(
                "step %d of %d: loss %.3f, accuracy %.1f", step, steps, loss, 100 * right / total
            )
            right = total = 0
    encoder.save_pretrained(folder)
