"""A real browser: Chromium without a window, driven by the WebDriver protocol (W3C), for which the
standard library is enough. Of Debian's packages: chromium, chromium-driver."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SECONDS = 20.0
"""After which what was waited for is taken never to come."""

CONTROL, ENTER, TAB = "\ue009", "\ue007", "\ue004"
"""How the protocol writes keys; the first one is held to the end of what is typed."""

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def lacking() -> list[str]:
    """The programs that are needed and not there."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


def require() -> None:
    """Skip where they are not there; fail where XLT_REQUIRE_BROWSER is set."""
    if programs := lacking():
        text = f"there is no {' and no '.join(programs)}"
        if os.environ.get("XLT_REQUIRE_BROWSER"):
            pytest.fail(f"{text}, and XLT_REQUIRE_BROWSER is set")
        pytest.skip(text)


class Browser:
    """A window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        return _ask(method, f"{self._session}/{path}", body)

    def open(self, url: str) -> None:
        self._ask("POST", "url", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self._ask("POST", "execute/sync", script=script, args=arguments)

    def until(self, condition: str) -> Any:
        """The value of an expression, once it is true."""
        end = time.monotonic() + SECONDS
        while not (value := self.run(f"return {condition}")):
            assert time.monotonic() < end, f"it is never true: {condition}"
            time.sleep(0.01)
        return value

    def type(self, keys: str) -> None:
        """Press keys, whatever has the focus."""
        active = self._ask_get("element/active")[_ELEMENT]
        self._ask("POST", f"element/{active}/value", text=keys)

    def _ask_get(self, path: str) -> Any:
        return _ask("GET", f"{self._session}/{path}")

    def emulate(self, **features: str) -> None:
        """Media features, as prefers_color_scheme="dark"; without any, those of the machine."""
        named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        parameters = {"features": named}
        self._ask("POST", "goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=parameters)

    def log(self) -> list[dict[str, Any]]:
        """What the console says, the policy's violations among it."""
        return list(self._ask("POST", "se/log", type="browser"))


@contextmanager
def browser() -> Iterator[Browser]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    wanted = {
        "goog:chromeOptions": {
            "args": [
                "--headless=new", "--window-size=1100,1300",
                "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                # No name is looked up: whatever the page wants from elsewhere fails.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ]
        },
        "goog:loggingPrefs": {"browser": "ALL"},
    }  # fmt: skip
    try:
        _until_ready(url)
        asked = {"capabilities": {"alwaysMatch": wanted}}
        session = f"{url}/session/{_ask('POST', f'{url}/session', asked)['sessionId']}"
        try:
            yield Browser(session)
        finally:
            _ask("DELETE", session)
    finally:
        driver.terminate()
        driver.wait(SECONDS)


def _until_ready(url: str) -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            if _ask("GET", f"{url}/status")["ready"]:
                return
        except OSError:
            assert time.monotonic() < end, "chromedriver does not answer"
        time.sleep(0.01)


def _ask(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read())["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(error.read().decode()) from error
