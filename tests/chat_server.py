"""A server that speaks the chat protocol on the loopback, and misbehaves on command."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from xlt.chat.endpoint import Endpoint

Reply = Callable[[dict[str, Any]], str]
Fault = Callable[[int, dict[str, Any]], str | None]
"""Number of the request, from 0, and its body → the name of what goes wrong, None for nothing."""

KEY = "sk-QqWweErR1234567890-secret"


class ChatServer(ThreadingHTTPServer):
    """answered: how often each last message got its whole answer. bodies, headers: of all."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, reply: Reply, fault: Fault) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply, self.fault = reply, fault
        self.lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.tokens = [0, 0]
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def endpoint(self, **options: Any) -> Endpoint:
        return Endpoint(**{"base_url": self.url, "model": "test", "tries": 8, **options})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is none."""


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions", self.path
        with server.lock:
            number = len(server.bodies)
            server.bodies.append(body)
            server.headers.append({k.lower(): v for k, v in self.headers.items()})
            fault = server.fault(number, body)
            server.faults[fault or "none"] += 1
        last = body["messages"][-1]["content"]
        usage = {"prompt_tokens": len(str(body["messages"])), "completion_tokens": 7}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": server.reply(body)},
            "finish_reason": "length" if fault == "cut" else "stop",
        }
        choices = {"no choices": [], "two choices": [choice, choice]}.get(fault or "", [choice])
        answer = json.dumps({"choices": choices, "usage": usage}).encode()
        if fault == "no usage":
            answer = json.dumps({"choices": choices}).encode()
        if fault in (None, "cut", "no choices", "two choices"):
            with server.lock:
                server.tokens[0] += usage["prompt_tokens"]
                server.tokens[1] += usage["completion_tokens"]
                server.answered[last] += len(choices) == 1
        if fault == "hangs":
            server.released.wait(30)
        elif fault == "reset":
            self.close_connection = True
        elif fault == "redirect":
            self.send(307, b"", Location="http://192.0.2.1/v1/chat/completions")
        elif fault == "broken JSON":
            self.send(200, answer[:-9])
        elif fault == "truncated":
            self.send(200, answer[:20], size=len(answer))
        elif fault == "drips":
            self.send(200, b"", size=len(answer))
            for byte in answer:
                self.wfile.write(bytes([byte]))
                if server.released.wait(0.05):
                    break
        elif fault == "endless":
            self.send(200, b"", size=1 << 40)
            while True:
                self.wfile.write(b" " * (1 << 16))
        elif fault is not None and fault.startswith("status"):
            _, status, *after = fault.split(maxsplit=2)
            told = {"Retry-After": after[0]} if after else {}
            echoed = self.headers.get("Authorization", "")
            error = {"error": {"message": f"status {status}, you sent {echoed}"}}
            self.send(int(status), json.dumps(error).encode(), **told)
        elif fault == "takes no response_format" and "response_format" in body:
            self.send(400, b'{"error": {"message": "unknown field: response_format"}}')
        else:
            self.send(200, answer)

    def send(self, status: int, content: bytes, *, size: int | None = None, **more: str) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content) if size is None else size))
        self.end_headers()
        self.wfile.write(content)


def echo(body: dict[str, Any]) -> str:
    """The last message in capitals."""
    return str(body["messages"][-1]["content"]).upper()


@contextmanager
def chat_server(
    reply: Reply = echo, fault: Fault = lambda number, body: None
) -> Iterator[ChatServer]:
    """A server while the context lasts."""
    server = ChatServer(reply, fault)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
