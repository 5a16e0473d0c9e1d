"""Which model answers, where, and how it is asked."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from xlt.errors import XltError
from xlt.options import Count, Section

RESERVED = frozenset({"messages", "model", "n", "stream", "temperature", "max_tokens", "seed"})
"""Keys of a request that `extra` may not hold; those of options are set by these."""

NO_ANSWER = frozenset(
    {
        *("key_env", "concurrency", "requests_per_minute", "timeout", "tries"),
        *("price_in", "price_out", "max_cost"),
    }
)
"""Options of which no answer depends: how it is asked for, and at what price."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _base_url(value: Any) -> Any:
    """The address without a slash at its end. What is refused is not repeated: a key may be in it.

    Raises ValueError.
    """
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("is no address") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("is no address that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password: name an environment variable in `key_env`")
    if parts.query or parts.fragment or not value.isascii() or not value.isprintable():
        raise ValueError("holds more than a host and a path")
    if " " in value or "\\" in value:
        raise ValueError("holds a space or a backslash")
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise ValueError("ends in /chat/completions, which is added to it")
    return value.rstrip("/")


def _variable(value: Any) -> Any:
    """A name in capitals. Anything else may be the key itself, and is not repeated."""
    if isinstance(value, str) and not _NAME.fullmatch(value):
        raise ValueError(
            "is no name of an environment variable in capitals, e.g. MY_KEY; a key itself stands "
            "in no file"
        )
    return value


def _extra(value: dict[str, Any]) -> dict[str, Any]:
    held = sorted(RESERVED & value.keys())
    if held:
        raise ValueError(f"holds {held[0]!r}, which is an option of its own or is always the same")
    return value


class Endpoint(Section):
    """A model behind ``{base_url}/chat/completions``."""

    base_url: Annotated[str, BeforeValidator(_base_url)] = Field(
        max_length=2000,
        description="address of the service up to /v1, e.g. http://127.0.0.1:8080/v1",
    )
    model: str = Field(min_length=1, max_length=500, description="its name for the model")
    key_env: Annotated[str, BeforeValidator(_variable)] | None = Field(
        default=None,
        description="name of the environment variable that holds the key, if it needs one",
    )
    temperature: float | None = Field(
        default=0.0, ge=0, le=2, description="null: not sent, for services that refuse it"
    )
    max_tokens: Count | None = Field(
        default=1024, description="of an answer; null: not sent, for services that refuse it"
    )
    seed: int | None = Field(default=None, ge=0, lt=2**31, description="of the service's sampling")
    extra: Annotated[dict[str, Any], AfterValidator(_extra)] = Field(
        default_factory=dict, description="what else stands in a request, e.g. {top_p: 0.9}"
    )
    structured: Literal["json_schema", "json_object", "none"] = Field(
        default="json_schema",
        description="how JSON is asked for; a service that refuses it is asked without",
    )
    concurrency: int = Field(default=4, ge=1, le=256, description="requests at the same time")
    requests_per_minute: float | None = Field(
        default=None, gt=0, le=1e6, description="at most; null: as many as are answered"
    )
    timeout: float = Field(
        default=120.0, gt=0, le=86_400, description="seconds until an answer has to be there"
    )
    tries: int = Field(
        default=6, ge=1, le=20, description="of a request that is not answered properly"
    )
    price_in: float | None = Field(
        default=None, ge=0, le=1e6, description="of a million tokens of requests, in any currency"
    )
    price_out: float | None = Field(
        default=None, ge=0, le=1e6, description="of a million tokens of answers"
    )

    max_cost: float | None = Field(
        default=None, gt=0, le=1e9, description="after which nothing more is sent by one process"
    )

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.max_cost is not None and not (self.price_in or self.price_out):
            raise ValueError("`max_cost` needs a price: `price_in` and `price_out`")
        return self

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return urlsplit(self.base_url).netloc

    @property
    def recipient(self) -> str:
        """Who gets texts, and what goes with them, for the question whether they may."""
        if self.key_env is None:
            return self.host
        return f"{self.host}, with what the environment variable {self.key_env} holds"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.base_url).hostname in _LOOPBACK

    def answers_of(self) -> dict[str, Any]:
        """What an answer depends on beside the messages, JSON-able."""
        named = ("base_url", "model", "temperature", "max_tokens", "seed", "extra")
        return {name: getattr(self, name) for name in named}

    def key(self) -> str | None:
        """The key. Raises XltError, without it, where the variable is not set or holds none."""
        if self.key_env is None:
            return None
        value = os.environ.get(self.key_env, "").strip()
        if not value:
            raise XltError(
                f"the environment variable {self.key_env}, which is to hold the key, is not set",
                where="key_env",
                fix=f"export {self.key_env}=…, or leave out `key_env` for a service without keys",
            )
        if not value.isascii() or not value.isprintable() or " " in value:
            raise XltError(
                f"what the environment variable {self.key_env} holds cannot be a key",
                where="key_env",
                fix="set it to the key alone: ASCII characters without spaces",
            )
        return value
