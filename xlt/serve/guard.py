"""What holds for every request and answer, whatever is asked for: ASGI middleware."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xlt.errors import XltError, described
from xlt.serve.limits import NoJson, TooLarge, TooSlow

JSON = "application/json"

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of all answers, so that none of them is more than it says, wherever it is opened."""

PAGE_POLICY = f"{POLICY}; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'"
"""Of the pages: their own script, which asks this server alone. displaCy writes styles inline."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

MAX_SECONDS = 30
"""In which a body is to come: who sends none for long would hold a connection."""

_LOCAL = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?")
"""How a server of this machine is called by those on it."""


class Guard:
    """Puts `HEADERS` on answers that do not say otherwise.

    local: only requests to this machine's own names are answered. A page from elsewhere could
        else be made to read what is served here alone, by giving its own name this address.
    """

    def __init__(self, app: ASGIApp, local: bool) -> None:
        self.app, self.local = app, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.setdefault("headers", [])
                names = {name.lower() for name, _ in own}
                wanted = {name.encode(): text.encode() for name, text in HEADERS.items()}
                own += [(name, text) for name, text in wanted.items() if name not in names]
            await send(message)

        host = Request(scope).headers.get("host", "")
        if self.local and not _LOCAL.fullmatch(host.lower()):
            error = XltError(
                f"this server is not called {host!r:.60}",
                where="Host",
                fix="ask for localhost or 127.0.0.1; a proxy has to send Host: localhost",
            )
            await JSONResponse(described(error), 421)(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request, which says that it is JSON. No page from elsewhere can send that: its
    browser asks first, and is answered nothing.

    most: bytes. Raises TooLarge for more, TooSlow for what does not end, NoJson for another type of
    content.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise NoJson(
            f"the body is {kind or 'of no type':.60}, not JSON",
            where="Content-Type",
            fix=f"send the header Content-Type: {JSON}",
        )
    chunks = bytearray()
    try:
        async with asyncio.timeout(MAX_SECONDS):
            async for chunk in request.stream():
                chunks += chunk
                if len(chunks) > most:
                    raise TooLarge(
                        f"the request has more than the {most:,} bytes that it may have",
                        where="body",
                        fix="send several, or start the server with a higher --max-bytes",
                    )
    except TimeoutError as error:
        raise TooSlow(
            f"the request is not complete after {MAX_SECONDS} seconds",
            where="body",
            fix="send all of it at once",
        ) from error
    return bytes(chunks)
