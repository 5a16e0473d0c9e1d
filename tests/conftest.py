"""Tests reach no network but the loopback, and no cache but their own."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
)
# Here and not in a fixture: some of this is read when a library is imported.
for name in ("XLT_CACHE", "HF_HOME"):
    os.environ[name] = tempfile.mkdtemp(prefix=f"test-{name.lower()}-")

import pytest  # noqa: E402

LOOPBACK = ("127.", "::1", "localhost")


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "apertium(mode, ...): needs these of Apertium's modes (`eng-spa`); skipped where one is "
        "not installed, an error where XLT_REQUIRE_APERTIUM is set",
    )
    config.addinivalue_line("markers", "thorough: takes long; runs where XLT_THOROUGH is set")


@pytest.fixture(autouse=True)
def _log_as_before():
    """A test that lets xlt log does not do so for those after it."""
    log = logging.getLogger("xlt")
    handlers, level = [*log.handlers], log.level
    yield
    log.handlers[:] = handlers
    log.setLevel(level)


def pytest_collection_modifyitems(items):
    """Modules with slow tests first, whole: one that is left to the end is waited for by all."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if not os.environ.get("XLT_THOROUGH"):
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker(pytest.mark.skip("takes long; XLT_THOROUGH=1 runs it"))


def pytest_collection_finish():
    """What is imported is no garbage: looking through it takes half a second after a training."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    wanted = {mode for marker in item.iter_markers("apertium") for mode in marker.args}
    if lacking := sorted(wanted - _apertium_modes()):
        text = f"Apertium is not installed for {', '.join(lacking)}"
        if os.environ.get("XLT_REQUIRE_APERTIUM"):
            pytest.fail(f"{text}, and XLT_REQUIRE_APERTIUM is set")
        pytest.skip(text)


@cache
def _apertium_modes() -> frozenset[str]:
    if shutil.which("apertium") is None:
        return frozenset()
    listed = subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=True)
    return frozenset(listed.stdout.split())


@pytest.fixture(autouse=True, scope="session")
def _no_network():
    """A connection to anywhere else is an error, in this process and in those forked from it."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked(real):
        def connect(self, address):
            local = self.family == socket.AF_UNIX or str(address[0]).startswith(LOOPBACK)
            if not local:
                raise OSError(f"a test wants to connect to {address}")
            return real(self, address)

        return connect

    socket.socket.connect, socket.socket.connect_ex = checked(connect), checked(connect_ex)
    yield
    socket.socket.connect, socket.socket.connect_ex = connect, connect_ex


@pytest.fixture(autouse=True, scope="session")
def _clean_up():
    yield
    for name in ("XLT_CACHE", "HF_HOME"):
        shutil.rmtree(Path(os.environ[name]), ignore_errors=True)
