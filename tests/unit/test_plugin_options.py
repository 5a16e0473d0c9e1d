"""What aligners and translators do if nothing else is said, and what they refuse to be told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from xlt.projection.align.agreement import AgreementOptions
from xlt.projection.align.base import FineTune
from xlt.projection.align.combined import CombinedOptions
from xlt.projection.align.eflomal import EflomalOptions
from xlt.projection.align.encoder import EncoderOptions
from xlt.projection.align.given import GivenOptions as GivenLinks
from xlt.projection.align.statistical import StatisticalOptions
from xlt.projection.translate.apertium import ApertiumOptions
from xlt.projection.translate.base import TranslatorOptions
from xlt.projection.translate.ctranslate2 import CTranslate2Options
from xlt.projection.translate.given import GivenOptions as GivenTranslations
from xlt.projection.translate.neural import NeuralOptions
from xlt.projection.translate.transformers import TransformersOptions

SHARE = (0.0001, 0.9999, 0, 1)
"""Least and most that may be said, and what is less and more than that."""
PSEUDO = (0, 1e6, -0.001, 1e6 + 1)

OPTIONS = {
    StatisticalOptions: {
        "max_parallel": (20_000, 1, 10**6, 0, None),
        "parts": ("compounds", "none", "hyphens", "all", None),
        "parallel": ([], [], ["a"], 3, None),
    },
    AgreementOptions: {
        "threshold": (0.2, *SHARE),
        "stem": (6, 0, 50, -1, None),
        "lexical": (1.0, *PSEUDO),
        "null": (0.1, *SHARE),
    },
    CombinedOptions: {
        "threshold": (0.4, *SHARE),
        "encoder": ("e5-small", "xlt-mini", "e5-small", 1, None),
    },
    EflomalOptions: {
        "symmetrise": ("intersection", "union", "forward", "all", None),
        "runs": (3, 1, 1000, 0, 1001),
        "effort": (1.0, 0.0001, 1000, 0, 1001),
        "null_prior": (0.2, *SHARE),
        "lexical": (1.0, *PSEUDO),
    },
    EncoderOptions: {
        "encoder": ("xlt-mini", "xlt-mini", "e5-small", 1, None),
        "layer": (None, 0, 1000, -1, 1001),
        "method": ("argmax", "itermax", "softmax", "all", None),
        "unit": ("piece", "word", "piece", "letter", None),
        "lexical": (None, *PSEUDO),
        "distortion": (None, 0, 1, -0.001, 1.001),
        "threshold": (None, 0, 0.9999, -0.001, 1),
        "batch_tokens": (8192, 1, 10**6, 0, None),
        "fine_tune": (None, FineTune(), FineTune(rank=2), True, {"layers": 2}),
    },
    FineTune: {
        "steps": (300, 1, 10**6, 0, None),
        "batch_tokens": (1024, 1, 10**6, 0, None),
        "learning_rate": (1e-3, 1e-6, 1, 0, 1.001),
        "rank": (8, 1, 4096, 0, 4097),
        "consistency": (1.0, 0, 1e6, -0.001, 1e6 + 1),
        "seed": (1, 0, 2**32 - 1, -1, 2**32),
    },
    GivenLinks: {"reverse": (False, False, True, "perhaps", None)},
    TranslatorOptions: {
        "sentences": (True, False, True, "perhaps", None),
        "max_ratio": (3.0, 0.0001, 1e6, 0, 1e6 + 1),
        "max_repeats": (4, 1, 1000, 0, None),
    },
    ApertiumOptions: {
        "timeout": (30.0, 0.0001, 86_400, 0, 86_401),
        "unknown": (0.5, 0, 1, -0.001, 1.001),
    },
    GivenTranslations: {"originals": (None, "a", "b", 1, None)},
    NeuralOptions: {
        "beams": (4, 1, 128, 0, 129),
        "batch_tokens": (4096, 1, 10**6, 0, None),
        "source_code": (None, "a", "b", 1, None),
        "target_code": (None, "a", "b", 1, None),
    },
    TransformersOptions: {"precision": ("auto", "bf16", "fp32", "fp64", None)},
    CTranslate2Options: {
        "precision": ("auto", "int8", "float32", "fp64", None),
        "tokenizer": (None, "a", "b", 1, None),
    },
}
REQUIRED = {
    GivenLinks: {"file": "f"}, GivenTranslations: {"file": "f"}, NeuralOptions: {"model": "m"},
    TransformersOptions: {"model": "m"}, CTranslate2Options: {"model": "m"},
}  # fmt: skip


def cases():
    for kind, options in OPTIONS.items():
        for option, values in options.items():
            yield pytest.param(kind, option, *values, id=f"{kind.__module__[15:]}-{option}")


@pytest.mark.parametrize(("kind", "option", "default", "least", "most", "less", "more"), cases())
def test_an_option(kind, option, default, least, most, less, more) -> None:
    required = REQUIRED.get(kind, {})
    assert getattr(kind(**required), option) == default
    for value in (least, most):
        assert getattr(kind(**required, **{option: value}), option) == value
    for value in (less, more):
        if value is not None:
            with pytest.raises(ValidationError):
                kind(**required, **{option: value})
