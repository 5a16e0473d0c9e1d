"""What aligners and translators do if nothing else is said, and what they refuse to be told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from xlt.registry import aligners, translators

SHARE = (0.0001, 0.9999, 0, 1)
"""Least and most that may be said, and what is less and more than that."""
PSEUDO = (0, 1e6, -0.001, 1e6 + 1)

ALIGNERS = {
    "agreement": {
        "threshold": (0.2, *SHARE),
        "stem": (6, 0, 50, -1, None),
        "lexical": (1.0, *PSEUDO),
        "null": (0.1, *SHARE),
        "max_parallel": (20_000, 1, 10**6, 0, None),
        "parts": ("compounds", "none", "hyphens", "all", None),
        "parallel": ([], [], ["a"], 3, None),
    },
    "eflomal": {
        "symmetrise": ("intersection", "union", "forward", "all", None),
        "runs": (3, 1, 1000, 0, 1001),
        "effort": (1.0, 0.0001, 1000, 0, 1001),
        "null_prior": (0.2, *SHARE),
        "lexical": (1.0, *PSEUDO),
    },
    "encoder": {
        "encoder": ("xlt-mini", "xlt-mini", "e5-small", 1, None),
        "layer": (None, 0, 1000, -1, 1001),
        "method": ("argmax", "itermax", "match", "all", None),
        "unit": ("piece", "word", "piece", "letter", None),
        "lexical": (0.2, *PSEUDO),
        "distortion": (None, 0, 1, -0.001, 1.001),
        "threshold": (0.0, 0, 0.9999, -0.001, 1),
        "batch_tokens": (8192, 1, 10**6, 0, None),
    },
    "given": {"reverse": (False, False, True, "perhaps", None)},
}
COMMON = {
    "sentences": (True, False, True, "perhaps", None),
    "max_ratio": (3.0, 0.0001, 1e6, 0, 1e6 + 1),
    "max_repeats": (4, 1, 1000, 0, None),
}
NEURAL = {
    **COMMON,
    "beams": (4, 1, 128, 0, 129),
    "batch_tokens": (4096, 1, 10**6, 0, None),
    "source_code": (None, "a", "b", 1, None),
    "target_code": (None, "a", "b", 1, None),
    "precision": ("auto", "auto", "auto", "fp64", None),
}
TRANSLATORS = {
    "apertium": {
        **COMMON,
        "timeout": (30.0, 0.0001, 86_400, 0, 86_401),
        "unknown": (0.5, 0, 1, -0.001, 1.001),
    },
    "given": {**COMMON, "originals": (None, "a", "b", 1, None)},
    "transformers": NEURAL,
    "ctranslate2": {**NEURAL, "tokenizer": (None, "a", "b", 1, None)},
}
REQUIRED = {"given": {"file": "f"}, "transformers": {"model": "m"}, "ctranslate2": {"model": "m"}}


def cases():
    for registry, plugins in ((aligners, ALIGNERS), (translators, TRANSLATORS)):
        for plugin, options in plugins.items():
            for option, values in options.items():
                yield pytest.param(registry, plugin, option, *values, id=f"{plugin}-{option}")


@pytest.mark.parametrize(
    ("registry", "plugin", "option", "default", "least", "most", "less", "more"), cases()
)
def test_an_option(registry, plugin, option, default, least, most, less, more) -> None:
    kind = registry.get(plugin).Options
    required = REQUIRED.get(plugin, {})
    assert getattr(kind(**required), option) == default
    for value in (least, most):
        assert getattr(kind(**required, **{option: value}), option) == value
    for value in (less, more):
        if value is not None:
            with pytest.raises(ValidationError):
                kind(**required, **{option: value})
