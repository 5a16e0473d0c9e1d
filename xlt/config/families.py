"""Defaults that differ between kinds of encoders: how each learns well without any tuning.

What e5-small and xlt-mini learn well with was measured (docs/results/fine-tuning.md); the other
sentence encoders are taken to be like e5-small. Defaults are the lowest layer of a config: whatever
is written anywhere wins. Rates belong together: where a config states `learning_rate`, the family's
`head_learning_rate` is not used either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from xlt.registry import EMBEDDED


@dataclass(frozen=True)
class Family:
    """Encoders that are fine-tuned alike.

    why:     what sets them apart, for people.
    sections: of the config, with defaults for some of their keys.
    few:     what `training` should have otherwise where there are only a few hundred sentences.
    """

    name: str
    why: str
    sections: Mapping[str, Mapping[str, Any]]
    few: Mapping[str, Any] = field(default_factory=dict)


SENTENCE = Family(
    "sentence encoders (e5-small and the like)",
    "their vectors are nearly alike for all words, so they are standardised, and learn with more "
    "and smaller steps",
    {
        "model": {"standardise": True},
        "training": {"learning_rate": 2e-4, "head_learning_rate": 1e-3, "batch_tokens": 512},
    },
    # 500 sentences read 23 times: at least as good in seven other languages as twice this rate, and
    # seeds differ less (docs/results/fine-tuning.md).
    few={"learning_rate": 1e-4},
)
MINI = Family(
    EMBEDDED,
    "it is small, and learns at higher rates than large encoders",
    {"training": {"learning_rate": 2e-4, "head_learning_rate": 1e-3, "batch_tokens": 800}},
)

_SENTENCE_NAMES = re.compile(
    r"(multilingual-)?e5-(small|base|large)\b|labse\b|bge-m3\b|bge-(small|base|large)\b|"
    r"gte-(small|base|large|multilingual-base)\b|(paraphrase|distiluse|stsb)-.*multilingual\b",
    re.IGNORECASE,
)
"""How the names of those begin that end in a layer norm. Others of these makers do not, and cannot
be standardised: decoders (e5-mistral, bge-multilingual-gemma2, gte-Qwen2), T5, ModernBERT."""


def family(encoder: str, initialise: str = "pretrained") -> Family | None:
    """The family of what a config names as `model.encoder`; None: the schema's defaults are good.

    Of a path it is the last part that counts. Random weights have no family: they are as any other
    model's.
    """
    if initialise == "random":
        return None
    if encoder == EMBEDDED:
        return MINI
    if _SENTENCE_NAMES.match(PurePath(encoder).name):
        return SENTENCE
    return None
