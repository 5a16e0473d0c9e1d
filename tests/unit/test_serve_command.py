"""`xlt serve` from its start to its end: addresses, names, signals."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from models import make_model
from small import xlt

from scripts.reliability.process import fork
from xlt.cli import command_tree
from xlt.errors import XltError

pytest.importorskip("uvicorn")

import uvicorn
from uvicorn.server import ServerState

from xlt.serve import server

SECONDS = 30.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"), "ner", ("eng",))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def until(there: Callable[[], Any]) -> None:
    end = time.monotonic() + SECONDS
    while not there():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.005)


def open_at(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Served:
    """The command in a process of its own, which may be told to wait before it annotates."""

    def __init__(self, model: Path, folder: Path, *, waits: bool = False) -> None:
        self.port, self.began, self.go_on = free_port(), folder / "began", folder / "go-on"
        if not waits:
            self.go_on.touch()

        def work() -> None:
            from xlt.cli import main
            from xlt.runs.annotate import Annotator

            call = Annotator.__call__

            def waiting(annotator: Any, units: Any) -> Any:
                self.began.touch()
                until(self.go_on.exists)
                return call(annotator, units)

            Annotator.__call__ = waiting  # type: ignore[method-assign]
            main(["serve", f"names={model}", "--port", str(self.port)])

        self.pid, self.printed = fork(work, {"CUDA_VISIBLE_DEVICES": ""})
        until(lambda: open_at(self.port))

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"content-type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as ours:
            ours.request(method, path, body and json.dumps(body), headers)
            answer = ours.getresponse()
            return answer.status, json.loads(answer.read())

    def stopped(self, how: signal.Signals) -> tuple[int, str]:
        """The exit status once it has been told to stop, and what it said."""
        os.kill(self.pid, how)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), "".join(self.printed())


def test_it_answers_what_it_has_taken_and_ends(model, tmp_path):
    served = Served(model, tmp_path, waits=True)
    answers = []

    def ask() -> None:
        answers.append(served.ask("POST", "/predict", {"texts": ["Ya", "Budi"]}))

    asking = threading.Thread(target=ask)
    asking.start()
    until(served.began.exists)
    os.kill(served.pid, signal.SIGTERM)
    until(lambda: not open_at(served.port))  # it takes no more
    assert not answers
    served.go_on.touch()
    asking.join()
    code, said = served.ended()
    ((status, answer),) = answers
    assert (status, [one["text"] for one in answer["records"]]) == (200, ["Ya", "Budi"])
    assert code == 0, said
    assert f"http://127.0.0.1:{served.port}/ answers for names" in said
    assert "Traceback" not in said


def test_it_ends_when_interrupted(model, tmp_path):
    served = Served(model, tmp_path)
    assert served.ask("GET", "/health")[1]["status"] == "UP"
    code, said = served.stopped(signal.SIGINT)
    assert code == 0, said


def test_answers_do_not_wait_for_acknowledgements():
    """40 ms each, where asyncio does not know that its sockets are TCP's."""
    with server._bound("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_an_address_that_is_taken_is_said_before_models_are_loaded():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = xlt("serve", "/no/such/model", "--port", port)
    assert outcome.code == 2
    assert f"--host: nothing can be served at '127.0.0.1', port {port}: Address " in outcome.err
    assert "fix: pass another --port" in outcome.err
    outcome = xlt("serve", "/no/such/model", "--port", free_port())
    assert outcome.code == 2
    assert "there is no trained model here" in outcome.err


def test_models_are_called_as_their_folders_or_as_one_says(tmp_path, monkeypatch):
    (tmp_path / "a=b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert server.named(["."]) == {tmp_path.name: Path()}
    given = ["runs/names", f"{tmp_path}/a=b", "trees=runs/x/seed-1/jav/model"]
    assert server.named(given) == {
        "names": Path("runs/names"),
        "a=b": tmp_path / "a=b",
        "trees": Path("runs/x/seed-1/jav/model"),
    }
    with pytest.raises(XltError, match="two models are called 'model'") as caught:
        server.named(["a/model", "b/model"])
    assert caught.value.fix == "give one another name: other=b/model"
    (tmp_path / "newest").symlink_to("a=b")
    assert server.named(["a=b/..", "newest"]).keys() == {tmp_path.name, "newest"}
    for text in ("=", "=x", "name=", ""):
        with pytest.raises(XltError, match="names no model"):
            server.named([text])
    for text in ("a/b=x", "..=x", ".=x", "/"):
        with pytest.raises(XltError, match=r"names no model|cannot be the name"):
            server.named([text])


class Loop:
    """An event loop in which time passes when it is told to."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, seconds: float, call: Callable[..., None], *args: Any) -> Any:
        assert seconds == server.MAX_SECONDS
        self.due.append(lambda: call(*args))
        return SimpleNamespace(cancel=self.due.clear)

    def pass_time(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


@pytest.fixture
def connection() -> Any:
    """One on which nothing has come yet."""
    config = uvicorn.Config(lambda: None, log_config=None)  # type: ignore[arg-type]
    made = server.Prompt(config, ServerState(), {}, Loop())  # type: ignore[arg-type]
    made.connection_made(Mock(**{"get_extra_info.return_value": None}))
    return made


def test_a_connection_on_which_no_request_begins_is_closed(connection):
    connection.data_received(b"GET / HTTP/1.1\r\nHost: ")  # and nothing more
    assert not connection.transport.close.called
    connection.loop.pass_time()
    assert connection.transport.close.called


def test_a_connection_with_requests_stays(connection):
    for done in (False, False, True):  # a long one, and then a second
        connection.cycle = SimpleNamespace(response_complete=done) if done else (
            connection.cycle or SimpleNamespace(response_complete=False)
        )  # fmt: skip
        connection.loop.pass_time()
        assert not connection.transport.close.called
    connection.loop.pass_time()
    assert connection.transport.close.called


def test_what_looks_at_a_connection_ends_with_it(connection):
    connection.cycle = SimpleNamespace(response_complete=True, message_event=Mock())
    connection.connection_lost(OSError())
    assert not connection.loop.due


@pytest.mark.parametrize(
    ("address", "local"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False)]
)
def test_only_on_this_machine_names_are_checked(monkeypatch, caplog, address, local):
    """A server that others can reach is called by names that it does not know."""

    class Listener:
        def getsockname(self) -> tuple[str, int]:
            return address, 8000

    app = server.application(Listener(), {}, server.Limits())  # type: ignore[arg-type]
    (guard,) = (one for one in app.user_middleware if "local" in one.kwargs)
    assert guard.kwargs["local"] == local
    assert ("no password" in caplog.text) != local


def test_the_limits_of_the_command_are_those_of_the_server():
    options = {one.name: one.default for one in command_tree().commands["serve"].params}
    named = ("max_bytes", "max_texts", "max_characters", "max_total", "max_words", "max_waiting")
    assert server.Limits() == server.Limits(*(options[name] for name in named))
