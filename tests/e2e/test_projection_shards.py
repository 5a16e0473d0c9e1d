"""`xlt project --on`: what one process writes, byte for byte, whatever is killed in between."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys

import psutil
import pytest
from small import Here, bio, sentences, until

from scripts.reliability.executors import workers
from xlt.config.load import load_config
from xlt.data import text_store
from xlt.errors import XltError, flat
from xlt.executors.base import Executor
from xlt.executors.local import Local
from xlt.projection import store
from xlt.projection.translate.cache import Cache
from xlt.runs import project, project_shards, shards
from xlt.testing import translation

NUMBER, SIZE = 11, 3
PLAIN = {"translator": {"name": "backwards"}, "aligner": {"name": "same_words"}}
AGREEMENT = {"translator": {"name": "backwards"}, "aligner": {"name": "agreement"}}
GIVEN = {"translator": {"name": "given", "file": "to.txt"}, "aligner": {"name": "agreement"}}
LINES = {
    "translator": {"name": "given", "file": "to.txt"},
    "aligner": {"name": "given", "file": "links.txt"},
}


@pytest.fixture(autouse=True)
def _fakes(monkeypatch, tmp_path):
    monkeypatch.setattr(store, "MAX_DOCUMENTS", SIZE)
    monkeypatch.chdir(tmp_path)
    with translation.registered():
        yield
    project_shards._projector.cache_clear()


@pytest.fixture
def here(monkeypatch):
    executor = Here()
    monkeypatch.setattr(project, "make_executor", lambda *_: executor)
    return executor


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Changes the cache folder: what one process makes is not there for the shards."""

    def use(name):
        monkeypatch.setenv("XLT_CACHE", str(tmp_path / name))
        return tmp_path / name / "projections"

    use("cache")
    return use


def write(folder, number=NUMBER):
    rows = sentences("eng", number)
    texts = [[word for word, _ in row] for row in rows]
    (folder / "in.bio").write_text(bio(rows))
    (folder / "to.txt").write_text("".join(" ".join(text[::-1]) + "\n" for text in texts))
    lines = [" ".join(f"{n}-{len(text) - 1 - n}" for n in range(len(text))) for text in texts]
    (folder / "links.txt").write_text("\n".join(lines) + "\n")


def config(settings, name="in.bio", task="ner"):
    stated = {
        "name": "project", "task.name": task, "source": "eng", "target": "jav",
        "data.eng.train": name, "projection": settings,
    }  # fmt: skip
    return load_config(None, [f"{key}={json.dumps(value)}" for key, value in stated.items()])


def run(output, settings=PLAIN, on=None):
    report = project.project_file(config(settings), output, on=on)
    return {key: value for key, value in report.items() if key not in ("output", "html")}


@pytest.mark.parametrize("settings", [PLAIN, AGREEMENT, GIVEN, LINES], ids="PAGL")
def test_the_bytes_of_one_process(here, cache, tmp_path, settings):
    write(tmp_path)
    cache("alone")
    report = run("alone.bio", settings)
    parts = cache("cache")
    assert run("out.bio", settings, on="here") == report
    assert (tmp_path / "out.bio").read_bytes() == (tmp_path / "alone.bio").read_bytes()
    page = (tmp_path / "alone.bio.html").read_text()
    assert (tmp_path / "out.bio.html").read_text() == page.replace("alone.bio", "out.bio")
    assert report["kept"] > NUMBER
    assert len(here.jobs) == -(-NUMBER // SIZE)
    assert not (tmp_path / "out.bio.shards").exists()
    # One process uses what the shards have made, and they what one process has.
    made = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.gz")}
    assert made.keys() == {path.name for path in (tmp_path / "alone" / "projections").glob("*.gz")}
    assert run("again.bio", settings) == report
    run("again.bio", settings, on="here")
    assert {path.name: path.stat().st_mtime_ns for path in parts.glob("*.gz")} == made
    assert len(here.jobs) == len(made)


@pytest.mark.parametrize(("alone", "mode"), [(False, "delete"), (True, "wal")])
def test_the_cache_is_closed_and_jobs_of_other_machines_can_share_it(
    monkeypatch, here, cache, tmp_path, alone, mode
):
    """Whatever this machine takes its disk for: the others see that it is mounted."""
    write(tmp_path)
    cache("cache")
    seen = []

    def looked(*arguments):
        database = sqlite3.connect(tmp_path / "cache" / "translations.sqlite", timeout=0)
        seen.append(database.execute("PRAGMA journal_mode").fetchone()[0])
        database.execute("PRAGMA journal_mode=delete").fetchone()  # fails where it is kept open
        database.close()
        return make(*arguments)

    make = shards.make
    monkeypatch.setattr(text_store, "of_one_machine", lambda path: True)
    monkeypatch.setattr(type(here), "on_this_machine", alone)
    monkeypatch.setattr(shards, "make", looked)
    assert run("out.bio", on="here")["used"] == NUMBER
    assert seen == [mode]
    assert (Executor.on_this_machine, Local.on_this_machine) == (False, True)


@pytest.mark.parametrize("on", [None, "here"])
def test_a_control_changes_what_is_projected(here, cache, tmp_path, on):
    """With and without a limit, which is larger than what there is."""
    write(tmp_path)
    made = {}
    for name, more in {
        "plain": {},
        "control": {"control": "shuffled_labels"},
        "both": {"control": "shuffled_labels", "limit": 10 * NUMBER},
    }.items():
        loaded = config(PLAIN, {"ref": "in.bio", **more})
        project.project_file(loaded, f"{name}.bio", on=on)
        made[name] = (tmp_path / f"{name}.bio").read_text()
    assert made["plain"] != made["control"] == made["both"]


def test_a_control_that_a_task_does_not_know(here, cache, tmp_path):
    (tmp_path / "in.tsv").write_text("")
    loaded = config(PLAIN, {"ref": "in.tsv", "control": "masked_names"}, task="nli")
    with pytest.raises(XltError, match="does not say which words are names") as caught:
        project.project_file(loaded, "out.tsv")
    assert "data.eng.train.control" in str(caught.value.where)


def test_all_that_a_config_projects(here, cache, tmp_path):
    write(tmp_path)
    (tmp_path / "run.yaml").write_text(
        json.dumps(
            {
                "name": "run",
                "task": "ner",
                "source": "eng",
                "target": "jav",
                "strategy": "projection",
                "projection": PLAIN,
                "model": {"encoder": "nothing"},
                "data": {"eng": {"train": "in.bio", "dev": "in.bio"}, "jav": {"test": "in.bio"}},
                "output": {"root": "runs"},
            }
        )
    )
    cache("alone")
    loaded = load_config(tmp_path / "run.yaml")
    report = project.project_config(loaded)
    folder = tmp_path / "runs" / "run" / "projection"
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(expected) == 4
    cache("cache")
    assert project.project_config(loaded, on="here") == report
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected
    assert len(here.jobs) == -(-NUMBER // SIZE)  # dev is the same text


class Stumbles(translation.SameWords):
    """Fails on what it is told to."""

    on: tuple[str, ...] | None = None

    def align(self, pairs, source, target):
        if any(tuple(words) == Stumbles.on for words, _ in pairs):
            raise XltError("it stumbles", where="aligner", fix="help it up")
        return super().align(pairs, source, target)


@pytest.fixture
def stopped(monkeypatch, here, cache, tmp_path):
    """After a command that the third of four shards has stopped: what one process writes, and the
    folder of the parts that are made."""
    write(tmp_path)
    monkeypatch.setitem(translation.aligners._registered, "same_words", Stumbles)
    cache("alone")
    run("alone.bio")
    parts = cache("cache")
    monkeypatch.setattr(Stumbles, "on", tuple(w for w, _ in sentences("eng", NUMBER)[7]))
    with pytest.raises(XltError, match="stumbles"):
        run("out.bio", on="here")
    monkeypatch.setattr(Stumbles, "on", None)
    assert not [path for path in tmp_path.glob("out.bio*") if path.name != "out.bio.shards"]
    assert len(list(parts.glob("*.gz"))) == 2
    here.jobs.clear()
    return (tmp_path / "alone.bio").read_bytes(), parts


def test_finished_shards_are_used_again(here, stopped, tmp_path):
    run("out.bio", on="here")
    assert [job.title for job in here.jobs] == ["shard 3", "shard 4"]
    assert (tmp_path / "out.bio").read_bytes() == stopped[0]
    assert not (tmp_path / "out.bio.shards").exists()


def test_other_settings_use_nothing_of_the_first(here, stopped):
    run("out.bio", {**PLAIN, "gap": 3}, on="here")
    assert len(here.jobs) == 4


def test_a_damaged_shard_is_made_again(here, stopped, tmp_path, caplog):
    first, second = sorted(stopped[1].glob("*.gz"))
    first.write_bytes(first.read_bytes()[:-9])
    second.write_bytes(gzip.compress(gzip.decompress(second.read_bytes()).splitlines(True)[0]))
    run("out.bio", on="here")
    assert [job.title for job in here.jobs] == ["shard 1", "shard 2", "shard 3", "shard 4"]
    assert len({line for line in caplog.text.splitlines() if "it is made again" in line}) == 2
    assert (tmp_path / "out.bio").read_bytes() == stopped[0]


def test_a_shard_that_is_damaged_before_it_is_used(monkeypatch, here, stopped, tmp_path):
    real = shards.make

    def damaging(*given):
        real(*given)
        path = min(stopped[1].glob("*.gz"))
        path.write_bytes(path.read_bytes()[:-9])

    monkeypatch.setattr(shards, "make", damaging)
    with pytest.raises(XltError, match="a finished shard was damaged") as caught:
        run("out.bio", on="here")
    assert caught.value.fix
    assert not (tmp_path / "out.bio").exists()
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"[3]\n")), "is damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "is not what was written"),
    ],
)
def test_what_a_job_is_told_is_checked(monkeypatch, here, cache, tmp_path, damage, message):
    write(tmp_path)
    real = store.write_begun
    monkeypatch.setattr(
        store, "write_begun", lambda path, *given: real(path, *given) or damage(path)
    )
    with pytest.raises(XltError, match=message) as caught:
        run("out.bio", on="here")
    assert caught.value.where == here.jobs[0].arguments["begun"]
    assert caught.value.fix
    with pytest.raises(XltError, match="another version") as caught:
        project_shards.project_shard(**{**here.jobs[0].arguments, "identity": "other"})
    assert caught.value.fix
    monkeypatch.setattr(store, "write_begun", real)
    assert run("out.bio", on="here")["used"] == NUMBER


@pytest.mark.parametrize("settings", [PLAIN, GIVEN, LINES], ids="PGL")
def test_what_a_part_is_made_from_is_read_as_it_was_written(cache, tmp_path, settings):
    write(tmp_path)
    loaded = config(settings)
    task = project.make_task(loaded.config)
    projector = store.Projector(task, loaded.config.projection, "eng", "jav")
    documents = list(task.read(tmp_path / "in.bio", "bio"))
    with Cache() as open_cache:
        begun = list(projector.begin(documents, part="train", cache=open_cache))
    store.write_begun(tmp_path / "begun", begun, task.schema)
    assert store.read_begun(tmp_path / "begun", projector) == begun


class Fails(translation.Backwards):
    now = True

    def translate(self, texts, source, target):
        made = super().translate(texts, source, target)
        return [
            translation.Translation("", "it crashed", failed=True),
            *made[1:],
        ] * Fails.now or made


def test_what_the_translator_failed_on_is_tried_again(monkeypatch, here, cache, tmp_path, caplog):
    write(tmp_path)
    monkeypatch.setitem(translation.translators._registered, "backwards", Fails)
    monkeypatch.setattr(Fails, "now", True)
    assert run("out.bio", on="here")["used"] < NUMBER
    assert "the translator failed on 1 records" in caplog.text
    here.jobs.clear()
    monkeypatch.setattr(Fails, "now", False)
    assert run("out.bio", on="here")["used"] == NUMBER
    assert len(here.jobs) == -(-NUMBER // SIZE)


@pytest.mark.parametrize(
    ("output", "settings", "where"),
    [
        ("-", PLAIN, "OUT"),
        ("in.bio", PLAIN, "OUT"),
        ("out.bio", {**PLAIN, "aligner": LINES["aligner"]}, "--on"),
    ],
)
def test_what_is_not_done_in_shards(here, cache, tmp_path, output, settings, where):
    write(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(XltError) as caught:
        run(output, settings, on="here")
    (problem,) = flat(caught.value)
    assert problem.where == where
    assert problem.fix
    assert not here.jobs
    assert sorted(tmp_path.iterdir()) == before


COMMAND = (
    "import sys; from xlt.projection import store; store.MAX_DOCUMENTS = 400; "
    "from xlt.cli import main; main(sys.argv[1:])"
)


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
@pytest.mark.slow
def test_the_same_bytes_after_kills_of_a_worker_and_of_the_command(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MAX_DOCUMENTS", 400)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write(tmp_path, 6400)
    command = [*(sys.executable, "-c", COMMAND, "--quiet", "project", "in.bio", "out.bio")]
    command += ["--task", "ner", "--from", "eng", "--to", "jav", "--translator", "given"]
    command += ["projection.translator.file=to.txt"]
    cache("alone")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    out = tmp_path / "out.bio"
    expected = out.read_bytes()
    out.unlink()
    parts = cache("cache")
    command += ["--on", "local:2"]

    def finished():
        return {path.name for path in parts.glob("*.gz")}

    driver = psutil.Popen(command, stdout=subprocess.DEVNULL)
    until(finished)
    workers(driver)[0].send_signal(signal.SIGKILL)
    have = len(finished())
    until(lambda: len(finished()) > have)
    left = workers(driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until(lambda: not any(one.is_running() for one in left))
    assert not out.exists()
    stamps = {path: path.stat().st_mtime_ns for path in parts.glob("*.gz")}
    assert 2 <= len(stamps) < 16
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert all(path.stat().st_mtime_ns == then for path, then in stamps.items())
    assert out.read_bytes() == expected
    assert not (tmp_path / "out.bio.shards").exists()
