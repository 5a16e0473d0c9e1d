"""Requests a second and how long they take, of `xlt serve` against one request at a time.

Two servers of the same model in processes of their own, which differ in one thing: what waits is
one batch, or each request is a batch. Clients send a text each and wait for the answer before they
send the next; both servers are asked in turn, twice for each number of clients.

    python -m scripts.benchmark_serving MODEL TEXTS [--language LANGUAGE]

MODEL: a run's folder, or a model folder in it. TEXTS: a file of a text a line.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import quantiles

from scripts.reliability.process import fork

CLIENTS = (1, 8, 32)
ROUNDS = 2
BATCHED, ALONE = "batches", "one at a time"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--language", default=None)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round [5]")
    options = parser.parse_args()
    texts = texts_of(options.texts)
    taken: dict[tuple[int, str], list[float]] = defaultdict(list)
    with ExitStack() as stack:
        import transformers  # noqa: F401  # once, for both

        ports = {
            how: stack.enter_context(served(options.model, options.language, how == ALONE))
            for how in (ALONE, BATCHED)
        }
        for port in ports.values():
            load(port, texts, 1, 1.0)  # what is made only once
        for number in CLIENTS:
            for _ in range(ROUNDS):
                for how, port in ports.items():
                    taken[number, how] += load(port, texts, number, options.seconds)
    print(f"{'clients':>7}  {'':13}  requests/s  median ms  p95 ms")
    for (number, how), seconds in taken.items():
        rate = len(seconds) / (ROUNDS * options.seconds)
        cuts = quantiles(seconds, n=100)
        print(f"{number:7}  {how:13}  {rate:10.1f}  {1e3 * cuts[49]:9.1f}  {1e3 * cuts[94]:6.1f}")


def texts_of(path: Path) -> list[str]:
    """A text a line; other line ends, such as U+2028, may be part of one."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.strip()]


@contextmanager
def served(model: str, language: str | None, alone: bool) -> Iterator[int]:
    """The port at which the model answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def work() -> None:
        from xlt.cli import main
        from xlt.serve import worker

        if alone:
            worker.MAX_TOGETHER = 0
        spoken = [] if language is None else ["--language", language]
        main(["--quiet", "serve", f"model={model}", "--port", str(port), *spoken])

    pid, printed = fork(work)
    while not is_open(port):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise RuntimeError("the server has ended: " + "".join(printed()))
        time.sleep(0.05)
    try:
        yield port
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        if status:
            print(*printed())


def is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def load(port: int, texts: Sequence[str], clients: int, seconds: float) -> list[float]:
    """How long each request took, of so many clients in so many seconds."""
    taken: list[float] = []
    failed: list[BaseException] = []
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                at = number
                while time.monotonic() < end:
                    taken.append(_ask(connection, texts[at % len(texts)]))
                    at += clients
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return taken


def _ask(connection: http.client.HTTPConnection, text: str) -> float:
    """How long one request takes. Raises AssertionError where the answer is to another text."""
    body = json.dumps({"texts": [text]})
    begin = time.perf_counter()
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer = connection.getresponse().read()
    seconds = time.perf_counter() - begin
    (record,) = json.loads(answer)["records"]
    assert record["text"] == text
    return seconds


if __name__ == "__main__":
    main()
