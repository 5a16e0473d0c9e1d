"""An `xlt` for the shell whose imports are done: each command is a fork of one process.

PyTorch and transformers take longer to import than most commands of the docs take to run. What only
a fresh Python shows does not show here; pages that `test_readme.py` names run what is installed.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # this file is run as a script

from warm import import_all

from xlt.cli import main

COMMAND = """\
#!{python} -ISs
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"."], [0, 1, 2])
request = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
server.sendall(json.dumps(request).encode())
server.shutdown(socket.SHUT_WR)
code = server.recv(16)
sys.exit(int(code) if code else 70)
"""


@contextmanager
def installed() -> Iterator[Path]:
    """A folder for PATH, with the command `xlt`."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/socket"
        command = Path(folder) / "xlt"
        command.write_text(COMMAND.format(python=sys.executable, address=address), encoding="utf-8")
        command.chmod(0o755)
        server = subprocess.Popen(
            [sys.executable, __file__, address], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        with server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == b"ready\n", "there is no server of commands"
                yield Path(folder)
            finally:
                server.kill()


def serve(address: str) -> None:
    """Fork for each command, until killed."""
    import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    print("ready", flush=True)
    while True:
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(client)
        client.close()


def _answer(client: socket.socket) -> None:
    """Run what is asked for in another process, which ends with the one that asks."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(client, 1, 3)
    request = json.loads(client.makefile("rb").read())
    running = os.fork()
    if running == 0:
        client.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        _run(**request)
    for file in (0, 1, 2, *files):  # a pipe ends when the command does
        os.close(file)
    ended = os.pidfd_open(running)
    # A hang-up, not the end of the request: the command was killed.
    gone = select.poll()
    gone.register(client, select.POLLHUP)
    gone.register(ended, select.POLLIN)
    if ended not in dict(gone.poll()):
        os.kill(running, signal.SIGKILL)
    _, status = os.waitpid(running, 0)
    code = os.waitstatus_to_exitcode(status)
    client.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _run(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    sys.argv = ["xlt", *arguments]
    # Anew: those that are there believe that they write to what the server's wrote to.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    code: object = 1
    try:
        main(arguments)
    except SystemExit as ended:
        code = 0 if ended.code is None else ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
