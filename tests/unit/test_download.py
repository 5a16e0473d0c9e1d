"""Downloads over the loopback: verified, resumed, retried, and never half a file."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from xlt.data import cards, download
from xlt.data.download import fetch, get
from xlt.errors import XltError

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Serves BODY. /cut breaks off half-way; /flaky fails twice; /plain knows no ranges."""

    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.asked.append((self.path, asked))
        times = sum(path == self.path for path, _ in self.asked)
        if self.path == "/endless":
            self._endless()
        elif self.path == "/large":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/gone":
            self.send_error(404)
        elif self.path == "/flaky" and times < 3:
            self.send_error(503)
        elif self.path == "/plain":
            self._send(200, BODY)
        elif self.path == "/cut" and times < 3:
            self._send(200 if asked is None else 206, BODY[self._start(asked) :], cut=300_000)
        elif self._start(asked) >= len(BODY):
            self.send_error(416)
        else:
            self._send(200 if asked is None else 206, BODY[self._start(asked) :])

    @staticmethod
    def _start(asked: str | None) -> int:
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0

    def _send(self, status: int, body: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])

    def _endless(self) -> None:
        """Bytes without a length, until nobody listens any more."""
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(bytes(1 << 16))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(download, "PAUSE", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Publisher.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def file(url: str, **more: Any) -> cards.File:
    return cards.File(url=url, **({"sha256": SHA, "size": len(BODY)} | more))


def test_whole_file_with_progress(url: str, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = tmp_path / "deep/a.bin"
    fetch(file(f"{url}/a"), path, lambda *state: seen.append(state))
    assert path.read_bytes() == BODY
    assert seen[-1] == ("a", len(BODY), len(BODY))
    assert [s[1] for s in seen] == sorted(s[1] for s in seen)
    assert not path.with_name("a.bin.part").exists()
    fetch(file(f"{url}/a"), path)
    assert len(Publisher.asked) == 1


def test_a_partial_file_is_continued(url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    (tmp_path / "a.bin.part").write_bytes(BODY[:1000])
    fetch(file(f"{url}/a"), path)
    assert path.read_bytes() == BODY
    assert Publisher.asked == [("/a", "bytes=1000-")]


def test_a_server_without_ranges_sends_all(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(BODY[:1000])
    fetch(file(f"{url}/plain"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("part", [b"another version", b"x" * len(BODY), b"x" * (len(BODY) + 9)])
def test_a_part_of_another_version_is_thrown_away(url: str, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "a.bin.part").write_bytes(part)
    fetch(file(f"{url}/a"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_broken_connections_are_continued(url: str, tmp_path: Path) -> None:
    fetch(file(f"{url}/cut"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [asked for _, asked in Publisher.asked] == [None, "bytes=300000-", "bytes=600000-"]


def test_passing_failures_are_retried(url: str, tmp_path: Path) -> None:
    fetch(file(f"{url}/flaky"), tmp_path / "a.bin")
    assert len(Publisher.asked) == 3


def test_an_interrupted_download_leaves_no_file(url: str, tmp_path: Path) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.bin"
    with pytest.raises(KeyboardInterrupt):
        fetch(file(f"{url}/a"), path, interrupt)
    assert not path.exists()
    kept = (tmp_path / "a.bin.part").stat().st_size
    assert 0 < kept < len(BODY)
    fetch(file(f"{url}/a"), path)
    assert Publisher.asked[-1] == ("/a", f"bytes={kept}-")
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"sha256": "0" * 64}, "wrong checksum: SHA-256"),
        ({"sha256": None, "git_blob_sha1": "0" * 40}, "wrong checksum: git blob"),
        ({"size": 5}, "wrong size: 1024000 bytes or more instead of 5"),
    ],
)
def test_wrong_content(url: str, tmp_path: Path, more: dict[str, Any], what: str) -> None:
    with pytest.raises(XltError) as caught:
        fetch(file(f"{url}/a", **more), tmp_path / "a.bin")
    assert what in caught.value.what
    assert caught.value.where == f"{url}/a"
    assert "publisher" in str(caught.value.fix)
    assert [p.suffix for p in tmp_path.iterdir()] in ([], [".lock"])


def test_git_blob_is_verified(url: str, tmp_path: Path) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest()
    fetch(file(f"{url}/a", sha256=None, git_blob_sha1=blob), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_missing_at_the_publisher(url: str, tmp_path: Path) -> None:
    with pytest.raises(XltError) as caught:
        fetch(file(f"{url}/gone"), tmp_path / "a.bin")
    assert caught.value.what == "the server answers 404 Not Found"
    assert caught.value.where == f"{url}/gone"
    assert "correct the URL" in str(caught.value.fix)
    assert len(Publisher.asked) == 1


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.01)
    with pytest.raises(XltError) as caught:
        fetch(file("http://127.0.0.1:9/a"), tmp_path / "a.bin")
    assert "the download failed 4 times" in caught.value.what
    assert "continues where this one stopped" in str(caught.value.fix)


def test_unwritable_cache(url: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(XltError, match="the download cannot be written") as caught:
        fetch(file(f"{url}/a"), tmp_path / "f/a.bin")
    assert "XLT_CACHE" in str(caught.value.fix)


def test_get_by_language_and_split(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    split = {"files": [{"url": f"{url}/a", "sha256": SHA}]}
    own = {"files": [{"local": ["x"], "note": "made here"}]}
    card = {
        "identifier": "toy", "name": "Toy", "task": "t", "licence": "CC0", "citation": "nobody",
        "origin": "native", "format": "lines",
        "languages": {"swa": {"train": split, "test": own}, "hau": {"train": split}},
    }  # fmt: skip
    (tmp_path / "toy.yaml").write_text(json.dumps(card))
    (first,) = get("toy", languages=["sw"], splits=["train"])
    assert (first.language, first.status, first.verified) == ("swa", "fetched", True)
    assert first.path is not None
    assert first.path.read_bytes() == BODY
    everything = get("toy")
    assert [f.status for f in everything] == ["present", "unpublished", "present"]
    with pytest.raises(XltError, match="no split 'dev'"):
        get("toy", splits=["dev"])
    assert len(Publisher.asked) == 1


# Hostile ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["endless", "large"])
@pytest.mark.parametrize("size", [1_000_000, None])
def test_no_more_is_fetched_than_there_may_be(
    url: str, tmp_path: Path, path: str, size: int | None
) -> None:
    at = tmp_path / "a.bin"
    with pytest.raises(XltError, match="bytes or more") as caught:
        fetch(file(f"{url}/{path}", size=size), at, max_bytes=1_000_000)
    assert ("--max-gib" in str(caught.value.fix)) == (size is None)
    assert len(Publisher.asked) == 1
    assert not at.with_name("a.bin.part").exists()


def test_never_more_than_that_is_written(url: str, tmp_path: Path) -> None:
    written: list[int] = []
    with pytest.raises(XltError, match="bytes or more"):
        fetch(file(f"{url}/endless"), tmp_path / "a", lambda _, done, __: written.append(done))
    assert max(written) <= len(BODY)


def test_nothing_is_written_through_a_link(url: str, tmp_path: Path) -> None:
    mine, also = tmp_path / "mine", tmp_path / "also"
    for precious in (mine, also):
        precious.write_bytes(b"precious")
    (tmp_path / "a.bin.part").symlink_to(mine)
    fetch(file(f"{url}/a"), tmp_path / "a.bin")
    (tmp_path / "b.bin.part").hardlink_to(also)
    fetch(file(f"{url}/b"), tmp_path / "b.bin")
    (tmp_path / "c.bin.part").symlink_to(tmp_path / "new")
    fetch(file(f"{url}/c"), tmp_path / "c.bin")
    assert mine.read_bytes() == also.read_bytes() == b"precious"
    assert not (tmp_path / "new").exists()
    for name in "abc":
        assert not (tmp_path / f"{name}.bin").is_symlink()
        assert (tmp_path / f"{name}.bin").read_bytes() == BODY
    # Nor if the link is put there after it was looked for.
    (tmp_path / "d.part").symlink_to(mine)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        download._open(tmp_path / "d.part", append=True)


def test_what_has_no_checksum_comes_by_https_alone(url: str, tmp_path: Path) -> None:
    with pytest.raises(XltError, match="without a checksum"):
        fetch(file(f"{url}/a", sha256=None), tmp_path / "a.bin")
    assert Publisher.asked == []


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://example.org/a", "gopher://x/"])
def test_a_redirect_leads_to_the_web_alone(url: str, tmp_path: Path, to: str) -> None:
    with pytest.raises(XltError, match=r"redirects to|Redirection to url .* is not allowed"):
        fetch(file(f"{url}/to/{to}"), tmp_path / "a.bin")


def test_a_redirect_is_followed_but_never_from_https_to_http(url: str, tmp_path: Path) -> None:
    fetch(file(f"{url}/to/{url}/a"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    asked = urllib.request.Request("https://example.org/a")
    with pytest.raises(XltError, match="which is no https"):
        download._Redirects().redirect_request(asked, io.BytesIO(), 302, "", {}, f"{url}/a")


@pytest.mark.parametrize("end", ["", "..", ".", "a\x1b[2J", "x" * 300])
def test_a_url_names_no_other_file(
    end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from xlt.data.references import cache_path

    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    card = cards.Card.model_construct(identifier="toy")
    path = cache_path(card, file(f"https://example.org/{end}"))
    assert path is not None
    assert path.name == "file"
    assert path.parents[1] == tmp_path / "data" / "toy"
