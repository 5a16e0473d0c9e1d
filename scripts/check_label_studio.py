"""`xlt serve` beside a real Label Studio: connect, predict, correct, export, and read it back.

    python3 -m venv /tmp/label-studio && /tmp/label-studio/bin/pip install label-studio
    python -m scripts.check_label_studio RUN /tmp/label-studio/bin/label-studio

RUN is a model of entities. Both servers listen on 127.0.0.1 alone, and all that Label Studio keeps
is in a folder that is removed. It is no part of CI, for Label Studio has some 150 packages. Exits
with 1 where Label Studio stores other things than `xlt predict` writes, or its export is not read.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

TEXTS = ("Amina Bello ta tafi Kano jiya.", "Gwamna ya gana da Musa Garba a Sokoto.")
INTERFACE = """<View><Labels name="label" toName="text">{labels}</Labels>
<Text name="text" value="$text"/></View>"""
USER = {"email": "somebody@example.org", "password": "no-secret-of-anybody"}
START_SECONDS = 600
"""The first start makes a database, in a hundred migrations."""


class Studio:
    """Label Studio's API, as its own page uses it: with a session and a token against forgery."""

    def __init__(self, url: str) -> None:
        self.url, self.cookies = url, CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def send(self, method: str, path: str, body: bytes | None, kind: str) -> bytes:
        token = next((one.value for one in self.cookies if one.name == "csrftoken"), None) or ""
        request = urllib.request.Request(
            self.url + path, body, method=method,
            headers={"Content-Type": kind, "X-CSRFToken": token, "Referer": self.url},
        )  # fmt: skip
        try:
            with self.opener.open(request) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path} answers {error.code}: {error.read()[:2000].decode()}")

    def login(self) -> None:
        self.send("GET", "/user/login/", None, "text/html")
        form = urllib.parse.urlencode(USER).encode()
        self.send("POST", "/user/login/", form, "application/x-www-form-urlencoded")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        answer = self.send(method, path, content, "application/json")
        return json.loads(answer) if answer else None


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("label_studio", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = predicted(asked.model, folder)
        with (
            xlt_serve(asked.model) as backend,
            label_studio(asked.label_studio, folder) as studio,
        ):
            stored, export = through(studio, backend, expected)
        if stored != [regions(task["predictions"][0]) for task in expected]:
            sys.exit(f"stored: {stored}\nexpected: {expected}")
        (folder / "export.json").write_text(json.dumps(export), encoding="utf-8")
        xlt("data", "check", str(folder / "export.json"), "--task", "ner",
            "--input-format", "label-studio")  # fmt: skip
    print("Label Studio stores what `xlt predict` writes, and its export is read")


def predicted(model: Path, folder: Path) -> list[dict[str, Any]]:
    """The tasks that `xlt predict` writes."""
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    xlt("predict", str(model), str(folder / "texts.txt"), "--format", "label-studio",
        "--output", str(folder / "tasks.json"), "--quiet")  # fmt: skip
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    return tasks


def through(
    studio: Studio, backend: str, expected: Sequence[Mapping[str, Any]]
) -> tuple[list[list[tuple[Any, ...]]], Any]:
    """What Label Studio stores as predictions of the tasks; its export after one is accepted."""
    regions_of = [task["predictions"][0]["result"] for task in expected]
    labels = sorted({one["value"]["labels"][0] for result in regions_of for one in result})
    interface = INTERFACE.format(labels="".join(f'<Label value="{label}"/>' for label in labels))
    project = studio.ask("POST", "/api/projects/", {"title": "xlt", "label_config": interface})[
        "id"
    ]
    added = studio.ask("POST", "/api/ml/", {"project": project, "url": backend, "title": "xlt"})
    print(f"connected: {backend}, state {added['state']}")
    studio.ask("POST", f"/api/projects/{project}/import", [{"text": text} for text in TEXTS])
    chosen = {"selectedItems": {"all": True, "excluded": []}}
    action = f"/api/dm/actions/?id=retrieve_tasks_predictions&project={project}"
    print("retrieved:", studio.ask("POST", action, chosen))
    found = studio.ask("GET", f"/api/predictions/?project={project}")
    found.sort(key=lambda one: one["task"])
    for one in found:
        print(f"task {one['task']}: {regions(one)}, score {one['score']}, {one['model_version']}")
    first = found[0]
    accepted = {"result": first["result"], "parent_prediction": first["id"]}
    studio.ask("POST", f"/api/tasks/{first['task']}/annotations/", accepted)
    export = studio.ask("GET", f"/api/projects/{project}/export?exportType=JSON")
    return [regions(one) for one in found], export


def regions(prediction: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    values = (one["value"] for one in prediction["result"])
    return [(one["labels"][0], one["start"], one["end"]) for one in values]


# Programs --------------------------------------------------------------------------------------


def xlt(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "xlt", *arguments], check=True)


@contextmanager
def xlt_serve(model: Path) -> Iterator[str]:
    """The URL of the ML backend."""
    port = free_port()
    command = [sys.executable, "-m", "xlt", "serve", str(model), "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}/label-studio/health", os.environ):
        yield f"http://127.0.0.1:{port}/label-studio"


@contextmanager
def label_studio(program: Path, folder: Path) -> Iterator[Studio]:
    """Logged in. It is to ask nobody elsewhere for versions, nor tell them statistics or errors."""
    port = free_port()
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"),
        "USE_DEFAULT_BANNED_SUBNETS": "false",  # else it refuses backends on this machine
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    command = [
        str(program), "start", "--no-browser", "--internal-host", "127.0.0.1",
        "--port", str(port), "--username", USER["email"], "--password", USER["password"],
    ]  # fmt: skip
    with running(command, f"http://127.0.0.1:{port}/health", environment):
        studio = Studio(f"http://127.0.0.1:{port}")
        studio.login()
        yield studio


@contextmanager
def running(command: Sequence[str], health: str, environment: Mapping[str, str]) -> Iterator[None]:
    """A server, from when it is healthy; it is ended with the block."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait(process, health)
            yield
        except BaseException:
            log.seek(0)
            print(log.read()[-4000:].decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            process.terminate()


def wait(process: subprocess.Popen[bytes], health: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"what answers at {health} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(health, timeout=10):
                return
        except OSError:
            time.sleep(1)
    sys.exit(f"{health} does not answer after {START_SECONDS} seconds")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main(sys.argv[1:])
