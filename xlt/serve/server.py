"""`xlt serve`: load models, listen, and stop when told to, with all answered that was taken."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from xlt.errors import XltError
from xlt.runs.annotate import Annotator
from xlt.serve.app import make_app
from xlt.serve.guard import MAX_SECONDS
from xlt.serve.limits import Limits

__all__ = ["Limits", "serve"]

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
"""At once; with the size of a request it bounds what their bodies take of the memory."""
GRACE = 60
"""Seconds in which what was taken is to be answered once the server is told to stop."""


class Prompt(H11Protocol):
    """A connection that ends where no request begins on it within `MAX_SECONDS`: `MAX_CONNECTIONS`
    of them would keep all others out. uvicorn has a limit only after an answer, and for the time in
    which nothing of a request has come."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        self._timer = self.loop.call_later(MAX_SECONDS, self._end_if_idle, self.cycle)

    def _end_if_idle(self, last: object) -> None:
        """last: the request that had begun last when it was looked before."""
        done = self.cycle is None or self.cycle.response_complete
        if done and self.cycle is last:
            self.transport.close()
        else:
            self._look_again()


def serve(
    models: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    language: str | None = None,
    limits: Limits | None = None,
    batch_tokens: int = 8192,
) -> None:
    """Answer requests until SIGTERM or SIGINT.

    models:   run or model folders, each perhaps with a name before it, ``NAME=FOLDER``; by default
        it is called as its folder.
    port:     0 for any that is free.
    language: of texts that do not say it; by default the one that the model is for.

    Raises XltError for an address that cannot be had, for folders that are no models, and for two
    models of one name.
    """
    with _bound(host, port) as listener:  # first, as models take time to load
        folders = named(models)
        annotators = {
            name: Annotator(folder, language, batch_tokens=batch_tokens)
            for name, folder in folders.items()
        }
        config = uvicorn.Config(
            application(listener, annotators, limits or Limits()),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
            http=Prompt,
        )
        server = uvicorn.Server(config)
        with _stopping(server):
            server.run([listener])


def application(
    listener: socket.socket, annotators: Mapping[str, Annotator], limits: Limits
) -> FastAPI:
    """The application for who can reach this socket."""
    address, port = listener.getsockname()[:2]
    local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    if not local:
        log.warning(
            "warning: whoever reaches %s may use the models: there is no password and no TLS",
            address,
        )
    shown = f"[{address}]" if ":" in address else address
    log.info("http://%s:%d/ answers for %s; Ctrl+C stops it", shown, port, ", ".join(annotators))
    return make_app(annotators, limits, local=local)


def named(models: Sequence[str]) -> dict[str, Path]:
    """Name → folder of each model. Raises XltError for two of one name."""
    found: dict[str, Path] = {}
    for text in models:
        name, equals, rest = text.partition("=")
        folder = Path(text if not equals or Path(text).exists() else rest)
        if folder == Path(text):
            name = folder.name if folder.name not in ("", "..") else folder.resolve().name
        if not name or not text.strip("=") or text.endswith("="):
            raise XltError(f"{text!r:.60} names no model", where="MODEL", fix="write NAME=FOLDER")
        if "/" in name or name in (".", ".."):
            raise XltError(
                f"{name!r:.60} cannot be the name of a model: it is part of an address",
                where="MODEL",
                fix=f"write a name without /, as model={folder}",
            )
        if name in found:
            raise XltError(
                f"two models are called {name!r:.60}",
                where="MODEL",
                fix=f"give one another name: other={folder}",
            )
        found[name] = folder
    return found


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at the address; who connects waits until the models are loaded. Raises XltError if
    it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Not socket.create_server, which leaves the protocol open: asyncio does not know then that
        # it is TCP, leaves Nagle's algorithm on, and answers wait 40 ms for an acknowledgement.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise XltError(
            f"nothing can be served at {host!r:.60}, port {port}: {why}",
            where="--host",
            fix="pass another --port (0: any that is free), or an address of this machine",
        ) from error
    with listener:
        yield listener


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Signals stop the server also before it listens to them; and once it has stopped, nothing:
    it gives them on then."""

    def stop(*_: object) -> None:
        server.should_exit = True

    before: Mapping[signal.Signals, object] = {
        one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)  # type: ignore[arg-type]
