"""Tokens and money: what is to be expected, and what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xlt.chat.endpoint import Endpoint

MILLION = 1_000_000

BYTES_A_TOKEN = 4
"""Of UTF-8: about right for English, and too few tokens by up to a half for scripts that a
tokenizer has read little of."""

TOKENS_A_MESSAGE = 4
"""What the protocol puts around each."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of requests and of answers.

    answers: so many whole answers came; unknown: so many of them did not say their tokens, which
        are estimated.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    answers: int = 0
    unknown: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.answers + other.answers,
            self.unknown + other.unknown,
        )

    @classmethod
    def told(cls, usage: Any) -> Usage:
        """Of one answer, from its field `usage`; without tokens where that does not say them."""
        given = usage if isinstance(usage, dict) else {}
        counts = [given.get(name) for name in ("prompt_tokens", "completion_tokens")]
        if not all(type(count) is int and 0 <= count < 2**53 for count in counts):
            return cls(answers=1, unknown=1)
        return cls(int(counts[0] or 0), int(counts[1] or 0), answers=1)

    def cost(self, endpoint: Endpoint) -> float | None:
        """In the currency of the prices; None where the endpoint has none."""
        if endpoint.price_in is None and endpoint.price_out is None:
            return None
        paid = self.tokens_in * (endpoint.price_in or 0) + self.tokens_out * (
            endpoint.price_out or 0
        )
        return paid / MILLION


def approximate(texts: Sequence[str]) -> int:
    """About how many tokens texts are."""
    return sum(-(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN) for text in texts)


def described(usage: Usage, endpoint: Endpoint, *, about: bool = False) -> str:
    """For people. about: these are expectations."""
    sign = "about " if about else ""
    parts = [f"{sign}{usage.tokens_in:,} tokens in and {usage.tokens_out:,} out"]
    cost = usage.cost(endpoint)
    if cost is not None:
        parts.append(f"{sign}{cost:,.4f} at the endpoint's prices")
    if usage.unknown:
        parts.append(
            f"{usage.unknown:,} of {usage.answers:,} answers did not say their tokens: estimated"
        )
    return "; ".join(parts)
