"""The built encoder as it is packaged: half precision, with its card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from xlt import languages
from xlt.data import cards
from xlt.files import write_json

from .corpus import Sources

FORMAT = 1
CARD = """---
library_name: transformers
license: cc-by-sa-4.0
language: {codes}
---

# xlt-mini {version}

A small multilingual encoder ({millions:.0f} M parameters, T5 encoder, {layers} layers of {width},
{subwords:,} subwords) for demonstrations and for machines without a model hub. `AutoTokenizer` and
`AutoModelForTextEncoding` load this folder; in an xlt config it is `encoder: xlt-mini`.

How it was made (`python -m scripts.pretrain_mini`, one core, about half an hour):

1. The subwords of English got vectors from their contexts (PPMI, SVD); those of {others} other
   languages are averages of the vectors of the subwords they are aligned with in parallel text,
   through Indonesian where there is none with English.
2. The layers learnt parts of speech and dependency trees of an **English** treebank (EWT, train).
3. On translations of English sentences they learnt that a subword has the state of the English
   subword it is aligned with, that its word has that word's place in the tree, and that a sentence
   means what its original means (contrastive loss); last on translations of Indonesian, too.

**No labels of any language but English were used**, so that a transfer from English to any language
is zero-shot. It knows how English is parsed, though: compare it with other encoders accordingly.

What transfers with it, measured: `docs/results/xlt-mini.md` in the repository.

**Not for**: production where a large multilingual model (XLM-R, mDeBERTa, Glot500) can be had; it
is far behind all of those. There was no masked-language-model pretraining. Social biases of news
and web text were neither measured nor removed.

## Licence

CC BY-SA 4.0: whoever passes the weights or the tokenizer on, changed or not, names xlt-mini and
the data sets below, says what was changed, and does so under the same licence. Commercial use is
allowed. What a model says about a text is not the model, and is yours.

Weights and tokenizer were computed from text that its publishers allow to be used commercially, and
from no other: train and dev splits of the data sets below, and all but the last 197 lines of
NTREX-128; no test split of any task. Many of these texts ask for attribution and the same licence.
The weights hold statistics of them, no text. The licences are those that the publishers state.

| data set | licence | languages |
|---|---|---|
{licences}

Left out, because the licence forbids commercial use, is not clear, or has conditions of its own:

| data set | licence | languages |
|---|---|---|
{left_out}

## Languages

| language | script | words |
|---|---|---|
{words}
"""


def pack(
    model: Path, out: Path, words: Mapping[str, int], read: Sources, left_out: Sources, version: str
) -> None:
    """Write `out` from the float32 folder `model`. words: language → how many were read."""
    encoder = T5EncoderModel.from_pretrained(model).to(torch.float16)
    encoder.save_pretrained(out)
    PreTrainedTokenizerFast.from_pretrained(model).save_pretrained(out)
    described: dict[str, dict[str, Any]] = {
        code: {"tokens": count, "script": languages.script(code) or "Zyyy"}
        for code, count in sorted(words.items())
    }
    scripts: Counter[str] = Counter()
    for one in described.values():
        scripts[one["script"]] += one["tokens"]
    stated = {"format": FORMAT, "version": version, "languages": described}
    write_json(out / "mini.json", {**stated, "scripts": dict(sorted(scripts.items()))})
    config = encoder.config
    text = CARD.format(
        codes=json.dumps(list(described)),
        version=version,
        millions=sum(p.numel() for p in encoder.parameters()) / 1e6,
        layers=config.num_layers,
        width=config.d_model,
        subwords=config.vocab_size,
        others=len(described) - 1,
        licences=_table(read),
        left_out=_table(left_out),
        words="\n".join(
            f"| {languages.name(code)} ({code}) | {one['script']} | {one['tokens']:,} |"
            for code, one in described.items()
        ),
    )
    (out / "README.md").write_text(text, encoding="utf-8")


def _table(sources: Sources) -> str:
    return "\n".join(
        f"| {cards.get(card).name} | {licence} | {' '.join(sorted(codes))} |"
        for (card, licence), codes in sorted(sources.items())
    )
