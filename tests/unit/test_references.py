"""From references to files and records: found, fingerprinted, selected, cached."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from xlt.config.schema import LanguageData, Reference
from xlt.data import cards, references
from xlt.data.checksums import cache_dir, git_blob_sha1, sha256
from xlt.data.hub import _named_files, open_hub
from xlt.data.references import cache_path, for_split, resolve
from xlt.data.resolved import ResolvedData
from xlt.data.store import load_documents, read_documents, sample
from xlt.document import Document, Label, Schema, Text
from xlt.errors import XltError
from xlt.reader_options import ReaderOptions
from xlt.task import TaskOptions

LINES = "".join(f"line {i}\n" for i in range(20))
SHA = hashlib.sha256(LINES.encode()).hexdigest()


class LineOptions(ReaderOptions):
    upper: bool = False


def document(id: str, surface: str) -> Document:
    return Document(id, {"text": Text(surface)}, {"label": Label(None)})


def texts(documents: Iterable[Document]) -> list[str]:
    return [document.text.surface for document in documents]


def ids(documents: Iterable[Document]) -> list[int]:
    return [int(document.id) for document in documents]


class Lines:
    """The part of a task that reads: one document a line."""

    name = "lines"
    columns: ClassVar[tuple[str, ...]] = ("id", "text")
    optional_columns = ("id",)
    label_columns: ClassVar[tuple[str, ...]] = ()
    schema = Schema(("text",), {"label": Label})
    options = TaskOptions()
    reads = 0

    texts: ClassVar[tuple[str, ...]] = ("text",)
    annotated: ClassVar[dict[str, type]] = {}  # no tool of annotation has such files

    def formats_named(self, path: Path) -> list[str]:
        return []

    def options_of(self, format: str) -> type[LineOptions]:
        return LineOptions

    def documents(
        self, path: Path, format: str, *, labelled: bool = True, upper: bool = False
    ) -> Iterator[Document]:
        type(self).reads += 1
        for i, line in enumerate(path.read_text().split("\n")[:-1]):
            if line == "bad":
                raise XltError("a bad line", where=f"{path}:{i + 1}", fix="mend it")
            yield document(str(i), line.upper() if upper else line)

    def format_of(self, path: Path, declared: str | None) -> str:
        return declared or "lines"

    def sizes(self, document: Document) -> dict[str, int]:
        return {"texts": 1, "words": len(document.text.surface.split())}

    def validate_row(self, row: dict[str, Any], *, where: object) -> Document:
        return document(row["id"], row["text"])


def card(files: dict[str, Any], **more: Any) -> dict[str, Any]:
    split = {"files": [files]}
    return {
        "identifier": "toy", "name": "Toy", "task": "lines", "licence": "CC0",
        "citation": "nobody", "origin": "native", "format": "lines",
        "languages": {"swa": {
            "train": split,
            "test": {**split, "select": {"modulo": 10, "remainder": [0]}, "origin": "translated"},
        }},
    } | more  # fmt: skip


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cards").mkdir()
    (tmp_path / "data/toy").mkdir(parents=True)
    (tmp_path / "data/toy/a.txt").write_text(LINES)
    monkeypatch.setenv("XLT_CARDS", str(tmp_path / "cards"))
    monkeypatch.setenv("XLT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    write_card(tmp_path, {"url": "https://x.org/a.txt", "sha256": SHA, "local": ["toy/a.txt"]})
    return tmp_path


def write_card(root: Path, file: dict[str, Any], **more: Any) -> None:
    (root / "cards/toy.yaml").write_text(json.dumps(card(file, **more)))


def get(ref: str = "toy:swa:train", **more: Any) -> ResolvedData:
    return resolve(Reference(ref=ref, **more), "swa", "train", where="data.swa.train")


def test_forms_of_a_card_reference(data: Path) -> None:
    full = get("toy:swa:test")
    assert full.reference == "toy:swa:test"
    assert full.files == (data / "data/toy/a.txt",)
    assert (full.licence, full.origin, full.differs) == ("CC0", "translated", False)
    assert get("toy:swh").reference == get("toy").reference == "toy:swa:train"
    assert get("toy").origin == "native"


def test_for_split(data: Path) -> None:
    both = LanguageData(all="toy", test=[Reference(ref="toy:swa:train", limit=3)])
    assert [r.reference for r in for_split(both, "swh", "train")] == ["toy:swa:train"]
    (listed,) = for_split(both, "swh", "test")
    assert (listed.reference, listed.limit, listed.language) == ("toy:swa:train", 3, "swh")
    with pytest.raises(XltError) as caught:
        for_split(LanguageData(), "swa", "dev")
    assert caught.value.what == "there is no dev data for swa"
    assert caught.value.where == "data.swa.dev"
    assert "all:" in str(caught.value.fix)


def test_a_copy_that_differs_is_used_and_named(data: Path) -> None:
    (data / "data/toy/a.txt").write_text("other\n")
    resolved = get()
    assert resolved.differs
    assert resolved.caveats == ("a.txt differs from the publisher's checksum",)


def test_a_download_that_was_damaged_since_is_refused(data: Path) -> None:
    """In the cache there is nothing but what was once right."""
    write_card(data, {"url": "https://x.org/a.txt", "sha256": SHA})
    path = cache_path(cards.get("toy"), cards.get("toy").split("swa", "train").files[0])
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text(LINES)
    assert not get().differs
    path.write_text(LINES.replace("1", "7"))
    with pytest.raises(XltError, match="the downloaded file is damaged") as caught:
        get()
    assert caught.value.where == str(path)
    assert "xlt data get toy" in str(caught.value.fix)


def test_a_rebuilt_file_says_so(data: Path) -> None:
    write_card(data, {"local": ["toy/a.txt"], "note": "rebuilt from pages"})
    resolved = get()
    assert resolved.differs
    assert resolved.caveats == ("a.txt: not a publisher's file; rebuilt from pages",)


def test_git_blob(data: Path) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(LINES) + LINES.encode()).hexdigest()
    assert git_blob_sha1(data / "data/toy/a.txt") == blob
    write_card(data, {"url": "https://x.org/a", "git_blob_sha1": blob, "local": ["toy/a.txt"]})
    assert not get().differs


def test_checksum_follows_the_content(data: Path) -> None:
    path = data / "data/toy/a.txt"
    assert sha256(path) == SHA
    path.write_text("changed now")
    assert sha256(path) == hashlib.sha256(b"changed now").hexdigest()


def test_fingerprint_depends_on_all_that_records_do(data: Path) -> None:
    base = get().fingerprint
    assert get(limit=3).fingerprint == base
    assert get("toy:swa:test").fingerprint != base
    assert get(options={"upper": True}).fingerprint != base
    write_card(
        data, {"url": "https://x.org/a.txt", "sha256": SHA, "local": ["toy/a.txt"]},
        options={"upper": True},
    )  # fmt: skip
    assert get().fingerprint != base


def test_card_beside_its_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLT_DATA")
    (data / "cards/toy").mkdir()
    (data / "cards/toy/a.txt").write_text(LINES)
    assert get().files == (data / "cards/toy/a.txt",)


def test_cache_is_the_last_place(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLT_DATA")
    with pytest.raises(XltError) as caught:
        get()
    assert caught.value.what == (
        "toy:swa:train: a.txt is neither in XLT_DATA (not set) nor in the cache"
    )
    assert caught.value.where == "data.swa.train"
    assert caught.value.fix == "xlt data get toy, or set XLT_DATA"
    from xlt.data import cards

    toy = cards.get("toy")
    path = references.cache_path(toy, toy.languages["swa"]["train"].files[0])
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text(LINES)
    assert get().files == (path,)


def test_link_out_of_the_data_folder(data: Path) -> None:
    (data / "secret").write_text("x")
    (data / "data/toy/a.txt").unlink()
    (data / "data/toy/a.txt").symlink_to(data / "secret")
    with pytest.raises(XltError) as caught:
        get()
    assert caught.value.what == "toy/a.txt is a link that leads out of the data folder"
    assert "toy" in str(caught.value.where)
    assert "copy the file" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("ref", "what", "fix"),
    [
        ("toys:swa:train", "there is no data card called 'toys'", "toy"),
        ("toy:hau:train", "the card toy has no Hausa (hau)", "it has swa"),
        ("toy:swa:dev", "the card toy has no split 'dev' for swa", "it has train, test"),
        ("toy:xx:dev", "unknown language 'xx'", "ISO 639"),
        ("./no/such.conllu", "there is no file ./no/such.conllu", "check the path"),
        ("such.conllu", "there is no file such.conllu", "check the path"),
        ("hf:a/b/c/d:train", "'hf:a/b/c/d:train' names no data set", "hf:owner/name"),
        ("hf:no/such:train", "no/such (split train) is not in the local cache", "NETWORK=1"),
    ],
)
def test_mistakes(data: Path, ref: str, what: str, fix: str) -> None:
    with pytest.raises(XltError) as caught:
        get(ref)
    assert what in caught.value.what
    assert fix in str(caught.value.fix)
    assert caught.value.where == "data.swa.train" or "xx" in ref


def test_data_folder_must_exist(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLT_DATA", "/nowhere")
    with pytest.raises(XltError, match="XLT_DATA: /nowhere: there is no such folder"):
        get()


def test_records_are_selected_limited_and_cached(data: Path) -> None:
    task: Any = Lines()
    Lines.reads = 0
    test = load_documents(task, get("toy:swa:test"), 1)
    assert ids(test) == [0, 10]
    some = ids(load_documents(task, get(limit=5), 1))
    assert len(some) == 5
    assert some == sorted(some)
    assert some == ids(load_documents(task, get(limit=5), 1))
    assert some != ids(load_documents(task, get(limit=5), 2))
    assert len(load_documents(task, get(limit=99), 1)) == 20
    assert Lines.reads == 2
    (data / "data/toy/a.txt").write_text("new\n")
    assert texts(load_documents(task, get(), 1)) == ["new"]


def test_a_limit_may_count_what_the_task_counts(data, caplog) -> None:
    task: Any = Lines()
    text = "\n".join(" ".join(["w"] * (1 + n % 3)) for n in range(20)) + "\n"
    (data / "data/toy/a.txt").write_text(text)

    def words(limit, seed=1):
        return [len(t.split()) for t in texts(load_documents(task, get(limit=limit), seed))]

    some = words({"words": 12})
    assert 12 <= sum(some) <= 14
    assert words({"words": 12}, 2) != some
    assert words({"words": 12, "texts": 3}) == words({"texts": 3})
    assert not caplog.messages
    assert len(words({"words": 999})) == 20
    assert "toy:swa:train has only 39 words, less than its limit" in caplog.messages
    with pytest.raises(XltError, match="does not count 'wrods'") as error:
        words({"wrods": 3})
    assert "words" in error.value.fix


def test_samples_are_nested() -> None:
    small, large = sample(100, 5, 7), sample(100, 20, 7)
    assert len({*large}) == 20
    assert {*small} <= {*large}


def test_options_of_a_card_reach_the_reader(data: Path) -> None:
    file = {"url": "https://x.org/a.txt", "sha256": SHA, "local": ["toy/a.txt"]}
    write_card(data, file, options={"upper": True})
    assert next(read_documents(Lines(), get())).text.surface == "LINE 0"  # type: ignore[arg-type]
    write_card(data, file, options={"uper": True})
    with pytest.raises(XltError) as caught:
        list(read_documents(Lines(), get()))  # type: ignore[arg-type]
    assert caught.value.what == "the format lines of lines has no option 'uper'"
    assert "did you mean 'upper'" in str(caught.value.fix)


@pytest.mark.parametrize("what", ["*.arrow", "*.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_damaged_records_are_read_again(
    data: Path, what: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    resolved = get()
    before = texts(load_documents(Lines(), resolved, 1))  # type: ignore[arg-type]
    (path,) = (cache_dir() / "records").glob(what)
    content = path.read_bytes()
    if damage == "flip":
        at = content.rindex(b"line 7") if what == "*.arrow" else len(content) // 2
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    elif damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    assert texts(load_documents(Lines(), resolved, 1)) == before  # type: ignore[arg-type]
    assert path.read_bytes() == content
    if (what, damage) != ("*.arrow", "remove"):
        assert "is damaged: it is made again" in caplog.text


def test_a_cache_can_be_shared(data: Path) -> None:
    before = os.umask(0o022)
    try:
        resolved = get()
        load_documents(Lines(), resolved, 1)  # type: ignore[arg-type]
    finally:
        os.umask(before)
    files = [path for path in cache_dir().rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    assert {path.parent.name for path in files} >= {"records"}


def test_what_killed_processes_left_in_the_cache_goes(data: Path) -> None:
    folder = cache_dir() / "records"
    folder.mkdir(parents=True)
    for name, age in (("old.1.part", 2 * 86400), ("new.1.part", 60)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    resolved = get()
    load_documents(Lines(), resolved, 1)  # type: ignore[arg-type]
    assert [path.name for path in folder.glob("*.part")] == ["new.1.part"]


def test_malformed_and_empty_data_leave_no_cache(data: Path) -> None:
    task: Any = Lines()
    path = data / "own.txt"
    path.write_text("good\nbad\n")
    with pytest.raises(XltError, match=f"{path}:2: a bad line"):
        load_documents(task, get(str(path)), 1)
    path.write_text("")
    with pytest.raises(XltError) as caught:
        load_documents(task, get(str(path)), 1)
    assert caught.value.what == "there is no record in this data"
    assert caught.value.where == str(path)
    assert [p for p in (cache_dir() / "records").iterdir() if p.suffix != ".lock"] == []


def test_unwritable_cache(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "file").write_text("")
    monkeypatch.setenv("XLT_CACHE", str(data / "file"))
    with pytest.raises(XltError, match="the cache cannot be written") as caught:
        load_documents(Lines(), get(), 1)  # type: ignore[arg-type]
    assert "set XLT_CACHE" in str(caught.value.fix)


def _load(ref: str) -> int:
    return len(load_documents(Lines(), get(ref), 1))  # type: ignore[arg-type]


@pytest.mark.slow
def test_processes_share_the_cache(data: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_load, ["toy:swa:train"] * 3) == [20, 20, 20]
    assert len(list((cache_dir() / "records").glob("*.arrow"))) == 1


def test_hub_data_in_a_local_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "hub").mkdir()
    rows = [{"sentence": f"s{i}"} for i in range(3)]
    (data / "hub/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", data / "hf")
    resolved = get(f"hf:{data}/hub:train", options={"columns": {"text": "sentence"}})
    records = load_documents(Lines(), resolved, 1)  # type: ignore[arg-type]
    assert texts(records) == ["s0", "s1", "s2"]
    assert ids(records) == [0, 1, 2]
    with pytest.raises(XltError) as caught:
        load_documents(Lines(), get(f"hf:{data}/hub:train"), 1)  # type: ignore[arg-type]
    assert caught.value.what == "the data set has no column 'text'"
    assert "columns:" in str(caught.value.fix)


def test_a_local_folder_is_known_by_its_content(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "hub").mkdir()
    path = data / "hub/train.jsonl"
    path.write_text('{"text": "s0"}\n')
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", data / "hf")

    def read() -> tuple[str, list[str]]:
        resolved = get(f"hf:{data}/hub:train")
        return resolved.fingerprint, texts(load_documents(Lines(), resolved, 1))  # type: ignore[arg-type]

    first, said = read()
    assert said == ["s0"]
    time = path.stat().st_mtime_ns
    os.utime(path, ns=(0, 0))
    assert read() == (first, ["s0"])
    path.write_text('{"text": "s1"}\n')
    os.utime(path, ns=(time, time))  # as `cp -p` and `rsync -t` leave it
    second, said = read()
    assert said == ["s1"]
    assert second != first
    (data / "hub").rename(data / "moved")
    assert get(f"hf:{data}/moved:train").fingerprint == second


@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize(
    "file",
    ["{tmp}/secret.jsonl", "../secret.jsonl", "https://127.0.0.1:9/a.jsonl", "zip://a::/etc/x"],
)
def test_a_data_set_takes_nothing_but_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, name: str
) -> None:
    """The library reads and fetches them, offline or not."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    (tmp_path / "secret.jsonl").write_text('{"text": "a secret"}\n')
    folder = tmp_path / "stranger"
    folder.mkdir()
    where = file.format(tmp=tmp_path)
    card = f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {where}\n"
    (folder / name).write_text(f"---\n{card}---\n" if name == "README.md" else card)
    with pytest.raises(XltError, match="which is no part of it") as caught:
        open_hub((str(folder), None, "train"))
    assert caught.value.where == str(folder / name)
    (folder / "a.jsonl").write_text('{"text": "its own"}\n')
    (folder / name).write_text((folder / name).read_text().replace(where, "a.jsonl"))
    assert open_hub((str(folder), None, "train"))[0]["text"] == "its own"


def test_a_card_of_aliases_of_aliases_takes_no_time() -> None:
    value: Any = ["a.jsonl"]
    for _ in range(200):
        value = [value, value]
    assert list(_named_files({"data_files": value})) == ["a.jsonl"]


def test_what_has_no_end_has_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("/dev/zero")
    with pytest.raises(XltError, match="this is a device, not a file"):
        get(str(tmp_path / "a.txt"))
