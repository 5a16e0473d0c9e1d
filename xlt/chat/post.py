"""One request over HTTP, bounded in time and size, that goes to the host it was meant for alone."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReplyError(Exception):
    """No whole answer came. lasting: another attempt would end the same way."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: what is sent, and the key with it, is for one host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float,
    max_bytes: int,
    proxies: bool = True,
) -> Reply:
    """Send `body`, and read the answer whatever its status.

    url: http or https.
    timeout: seconds until the last byte has to be there.
    max_bytes: of an answer.
    proxies: whether the environment's (HTTPS_PROXY) are used.

    Raises NoReplyError.
    """
    until = time.monotonic() + timeout
    handlers: list[Any] = [_Stay()]
    if not proxies:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, data=body, method="POST")
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        try:
            response: Any = opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            response = error
        with closing(response):
            told = {name.lower(): value for name, value in response.headers.items()}
            content = _read(response, told, until, max_bytes)
            return Reply(response.status, told, content)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # ValueError: a header that is none.
        cause = getattr(error, "reason", error)
        if isinstance(cause, TimeoutError):
            raise NoReplyError(f"no answer within {timeout:g} s") from error
        lasting = isinstance(cause, ssl.SSLCertVerificationError)
        said = str(cause).strip() or type(cause).__name__
        raise NoReplyError(f"no answer: {said}", lasting=lasting) from error


def _read(response: Any, told: Mapping[str, str], until: float, max_bytes: int) -> bytes:
    """All of the body. A connection that ends early raises no error by itself."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(CHUNK):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise NoReplyError(f"an answer of more than {max_bytes:,} bytes", lasting=True)
        if time.monotonic() > until:
            raise TimeoutError
    length = told.get("content-length", "")
    if length.isdigit() and size < int(length):
        raise NoReplyError(f"an answer that was cut off after {size} of {length} bytes")
    return b"".join(parts)
