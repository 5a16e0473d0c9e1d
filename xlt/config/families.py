"""Defaults that differ between kinds of encoders: how each learns well without any tuning.

Measured, see docs/results/fine-tuning.md. They are the lowest layer of a config: whatever is
written anywhere wins. Rates belong together: where a config states `learning_rate`, the family's
`head_learning_rate` is not used either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xlt.registry import E5_SMALL, EMBEDDED


@dataclass(frozen=True)
class Family:
    """Encoders that are fine-tuned alike.

    why:     what sets them apart, for people.
    sections: of the config, with defaults for some of their keys.
    """

    name: str
    why: str
    sections: Mapping[str, Mapping[str, Any]]


SENTENCE = Family(
    "sentence encoders (e5-small and the like)",
    "their vectors are nearly alike for all words, so they are standardised, and learn with more "
    "and smaller steps",
    {
        "model": {"standardise": True},
        "training": {"learning_rate": 2e-4, "head_learning_rate": 1e-3, "batch_tokens": 512},
    },
)
MINI = Family(
    EMBEDDED,
    "it is small, and learns at higher rates than large encoders",
    {"training": {"learning_rate": 2e-4, "head_learning_rate": 1e-3, "batch_tokens": 800}},
)

_SENTENCE_NAMES = re.compile(
    r"(^|[/_-])(multilingual-)?e5-|labse|sentence-transformers/|paraphrase-multilingual|"
    r"(^|[/_-])(bge|gte)-",
    re.IGNORECASE,
)


def family(encoder: str, initialise: str = "pretrained") -> Family | None:
    """The family of what a config names as `model.encoder`; None: the schema's defaults are good.

    Random weights have no family: they are as any other model's.
    """
    if initialise == "random":
        return None
    if encoder == EMBEDDED:
        return MINI
    if encoder == E5_SMALL or _SENTENCE_NAMES.search(encoder):
        return SENTENCE
    return None
