"""What OpenAI's chat protocol says of one request: its body, its answer, its errors.

Nothing of a service is repeated before the key is taken out of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xlt import __version__
from xlt.chat.cost import TOKENS_A_MESSAGE, Usage, approximate
from xlt.chat.endpoint import Endpoint
from xlt.chat.post import Reply, post
from xlt.errors import XltError

MAX_BYTES = 8 << 20
"""Of an answer."""
MIN_SECRET = 8
"""Characters of a key that is taken out of what is kept; shorter ones are words."""
MAX_SAID = 200
"""Characters of what a service says went wrong."""

_UNKNOWN_OPTION = frozenset({400, 415, 422, 501})


@dataclass(frozen=True)
class Prompt:
    """What is asked.

    messages: (role, content) each.
    schema:   JSON Schema of the answer, if it is to be JSON.
    """

    messages: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None = None

    @property
    def tokens(self) -> int:
        """About how many."""
        texts = [text for _, text in self.messages]
        return approximate(texts) + TOKENS_A_MESSAGE * len(texts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered.

    finish: why it ends there, "length" where it was cut; None where the service does not say.
    failed: why there is none; None where there is one.
    """

    text: str
    finish: str | None = None
    failed: str | None = None


def send(endpoint: Endpoint, prompt: Prompt, key: str | None, *, plain: bool) -> Reply:
    """Ask once. plain: without `response_format`. Raises NoReplyError."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"xlt/{__version__}",
    }
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return post(
        f"{endpoint.base_url}/chat/completions",
        json.dumps(_body(endpoint, prompt, plain)).encode(),
        headers,
        timeout=endpoint.timeout,
        max_bytes=MAX_BYTES,
        proxies=not endpoint.is_local,
    )


def _body(endpoint: Endpoint, prompt: Prompt, plain: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        **endpoint.extra,
        "model": endpoint.model,
        "messages": [{"role": role, "content": text} for role, text in prompt.messages],
        "stream": False,
    }
    for name in ("temperature", "max_tokens", "seed"):
        if (value := getattr(endpoint, name)) is not None:
            body[name] = value
    if not plain and endpoint.structured == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif not plain and endpoint.structured == "json_schema":
        schema = {"name": "answer", "strict": True, "schema": prompt.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def parse(reply: Reply, key: str | None) -> tuple[Answer | str, Usage]:
    """The answer in a reply, or what is wrong with it; and what it cost in any case."""
    try:
        value = json.loads(reply.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return "an answer that is no JSON", Usage()
    if not isinstance(value, dict):
        return "an answer without choices", Usage()
    return _answer(value, key), Usage.told(value.get("usage"))


def _answer(value: Mapping[str, Any], key: str | None) -> Answer | str:
    choices = value.get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        return "an answer that has not one choice"
    (choice,) = choices
    message = choice.get("message") if isinstance(choice, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        return "an answer without text"
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) else None
    whole = text.encode("utf-8", "replace").decode()  # JSON may hold half of a character
    if key is not None and len(key) >= MIN_SECRET:
        whole, finish = without(whole, key), finish and without(finish, key)
    return Answer(whole, finish and finish[:40])


def without(text: str, key: str | None) -> str:
    """The text, of which a service may have made the key a part, without it."""
    return text.replace(key, "[key]") if key else text


def message(reply: Reply, key: str | None) -> str:
    """What a service says went wrong, in one line."""
    text = reply.body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
        error = value.get("error", value) if isinstance(value, dict) else value
        found = error.get("message", error.get("detail")) if isinstance(error, dict) else error
        text = found if isinstance(found, str) else text
    except (ValueError, RecursionError):
        pass
    return " ".join(without(text, key).split())[:MAX_SAID]


def is_about_format(reply: Reply, key: str | None) -> bool:
    """Whether a service refuses `response_format`."""
    if reply.status not in _UNKNOWN_OPTION:
        return False
    said = message(reply, key).lower()
    return any(part in said for part in ("response_format", "json_schema", "json_object"))


def redirected(endpoint: Endpoint, reply: Reply, key: str | None, where: str) -> XltError:
    """The error for an answer that names another address. where: of the endpoint."""
    place = without(reply.headers.get("location", ""), key)[:MAX_SAID]
    return XltError(
        f"{endpoint.host} sends on to {place or 'another address'}, which is not followed",
        where=f"{where}.base_url",
        fix="write the address that is meant, if you trust it",
    )


def unusable(endpoint: Endpoint, status: int, reason: str, where: str) -> XltError:
    """The error for a status that every other request would get, too."""
    if status in (401, 403):
        return XltError(
            f"{endpoint.host} refuses the key, or that there is none: {reason}",
            where=f"{where}.key_env",
            fix="name the environment variable with the key in `key_env`, and see that it is right",
        )
    account = "see to your account there; then the same command goes on"
    address = "correct `base_url` (it usually ends in /v1) or `model`"
    return XltError(
        f"{endpoint.host} does not answer {endpoint.model}: {reason}",
        where=where,
        fix=account if status == 402 else address,
    )
