"""Does what the code blocks of a Markdown file say (`scripts.docs.blocks`); executes notebooks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.docs.blocks import Block, as_shown, commands


def execute(block: Block, folder: Path, commands_in: Path | None = None) -> None:
    """Do what the block says in `folder`.

    commands_in: a folder for PATH, before that of what is installed.

    Raises AssertionError with the output of what fails or prints something else than is shown.
    """
    if block.verb == "skip":
        return
    if block.verb == "file":
        path = folder / block.rest
        assert path.resolve().is_relative_to(folder.resolve()), f"{block.rest} leads out"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    if block.language == "python":
        _run([sys.executable, "-c", block.text], [], block, environment(folder), folder)
        return
    own = environment(folder, commands_in)
    for command, shown in commands(block.text):
        _run(["bash", "-euo", "pipefail", "-c", command], shown, block, own, folder)


def _run(
    command: list[str], shown: list[str], block: Block, environment: dict[str, str], folder: Path
) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    expected = int(block.rest) if block.verb == "fails" else 0
    where = f"line {block.line}: `{command[-1]}`"
    assert done.returncode == expected, (
        f"{where} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    printed = done.stderr if expected else done.stdout
    assert not shown or as_shown(shown, printed), f"{where} printed\n{printed}"


def environment(folder: Path, commands_in: Path | None = None) -> dict[str, str]:
    """This interpreter's commands; what pip installs goes into the folder."""
    site = str(folder / ".site")
    before = [] if commands_in is None else [str(commands_in)]
    return {
        **os.environ,
        "XLT_CACHE": str(folder / ".cache"),
        "PATH": os.pathsep.join([*before, str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])),
        "PIP_TARGET": site,
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the other way round
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def execute_notebook(
    path: Path, shown: Sequence[Sequence[str]], folder: Path, commands_in: Path | None = None
) -> None:
    """Execute a notebook, and compare what its code cells print with what is `shown` of each.

    commands_in: as `execute` has it.

    Raises AssertionError with the output of a cell that fails or prints something else.
    """
    copy = folder / path.name
    shutil.copy(path, copy)
    own = {"IPYTHONDIR": str(folder / ".ipython"), "JUPYTER_RUNTIME_DIR": str(folder / ".jupyter")}
    isolated = {
        **environment(folder, commands_in),
        **own,
        "JUPYTER_NO_CONFIG": "1",
    }  # of the tester's home
    # Sockets that are files need no free port; their paths have to be short.
    with tempfile.TemporaryDirectory() as sockets:
        done = subprocess.run(
            [sys.executable, "-c", "from nbclient.cli import main; main()", copy.name, "--inplace",
             "--KernelManager.transport=ipc", f"--KernelManager.ip={sockets}/kernel"],
            cwd=folder, env=isolated, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
    assert done.returncode == 0, f"{path.name}: {done.stderr[-4000:]}"
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell, lines in zip(code, shown, strict=True):
        printed = "".join(
            "".join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout"
        )
        assert not lines or as_shown(list(lines), printed), (
            f"{path.name}: `{''.join(cell['source'])}` printed\n{printed}"
        )
