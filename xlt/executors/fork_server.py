"""A process that has imported what jobs need, and forks workers: they begin at once and share it.

    python -m xlt.executors.fork_server SOCKET MODULE...

SOCKET is the file descriptor of a Unix socket that it has inherited: each request is JSON, and its
answer a line. {"begin": environment}, with a socket on which the worker is to talk, is answered by
the worker's process id; {"wait": process id}, of a worker that has ended or is about to, by its
exit status, negative for a signal. Once nobody asks any more, it ends; workers end for themselves.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from xlt.collection import freeze_existing
from xlt.executors.worker import work

MAX_REQUEST = 4096
"""Bytes."""


def main() -> None:
    asked = socket.socket(fileno=int(sys.argv[1]))
    _import(sys.argv[2:])
    while True:
        request, files, _, _ = socket.recv_fds(asked, MAX_REQUEST, 1)
        if not request:
            return
        question = json.loads(request)
        if "begin" in question:
            (file,) = files
            answer = os.fork()
            if answer == 0:
                asked.close()
                _begin(file, question["begin"])
            os.close(file)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1])
        asked.sendall(f"{answer}\n".encode())


def _import(modules: Sequence[str]) -> None:
    """These modules, where a fork can go on with them.

    It cannot with CUDA once somebody has looked for devices, as libraries do on being imported, nor
    on macOS with what uses Apple's frameworks: there each worker imports for itself.
    """
    if not modules or sys.platform != "linux":
        return
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # looks without beginning CUDA
    from torch.cuda import device_count

    if device_count():
        return
    for module in modules:
        import_module(module)
    freeze_existing()


def _begin(file: int, environment: Mapping[str, str]) -> None:
    """In the fork: be a worker to the end."""
    os.setsid()  # an interrupt at the terminal is for the process that began it
    os.environ.update(environment)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"].partition(",")[0]))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    os.set_inheritable(file, False)
    with socket.socket(fileno=file) as talks:
        work(talks.makefile("r", encoding="utf-8"), talks.makefile("w", encoding="utf-8"))


if __name__ == "__main__":
    main()
