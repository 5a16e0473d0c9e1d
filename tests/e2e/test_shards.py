"""`xlt predict --on`: what one process writes, byte for byte, whatever is killed in between."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
import torch
from models import make_model
from small import Here, until

from scripts.reliability.executors import workers
from xlt.data.files import lines, lines_between
from xlt.errors import XltError, flat
from xlt.executors.base import Job
from xlt.runs import predict, predict_shards, shards
from xlt.runs.predict_shards import predict_on

LINES = [
    "Budi bought three books. Sri Mulyani will visit  Yogyakarta!",
    "",
    "\u00a0北京的天气很好。  Ya ",
    "\ufeffSiti lunga menyang Solo, lan Slamet uga menyang Solo karo Budi Santoso.",
    "   ",
    "Dr. Abebe\u0301 ist 👩‍🔬 in Köln\r",
    "Ana Smith lives in Rome. Bob does not. Who does?",
]
SHARD = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), "ner", ("eng",))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(predict, "SHARD", SHARD)


@pytest.fixture
def here(monkeypatch):
    executor = Here()
    monkeypatch.setattr(predict_shards, "make_executor", lambda *_: executor)
    yield executor
    predict_shards._annotator.cache_clear()


def write(path: Path, number: int, *, end: str = "\n", start: str = "") -> Path:
    text = "\n".join(LINES[n % len(LINES)] + f" {n}" * (n % 3) for n in range(number))
    path.write_bytes((start + text + end).encode())
    return path


def alone(model: Path, files: list[Path], output: Path, **more) -> tuple[bytes, int]:
    """What one process writes, and how many sentences it counts."""
    made = predict.predict(
        model, list(map(str, files)), str(output), output_format="standoff", quiet=True, **more
    )
    return output.read_bytes(), made["records"]


def in_shards(model: Path, files: list[Path], output: Path, on: str = "here", **more) -> dict:
    more = {"output_format": "standoff"} | more
    return predict_on(on, model, list(map(str, files)), str(output), **more)


@pytest.mark.parametrize("format", ["text", "words"])
@pytest.mark.parametrize("sizes", [(25,), (6,), (12, 1), (4, 9, 2, 6), (5, 1, 1)])
def test_the_bytes_of_one_process(model, here, tmp_path, format, sizes):
    files = [
        write(tmp_path / f"{n}.txt", size, end="" if n % 2 else "\n", start="\ufeff" if n else "")
        for n, size in enumerate(sizes)
    ]
    expected, sentences = alone(model, files, tmp_path / "alone.jsonl", input_format=format)
    made = in_shards(model, files, tmp_path / "out.jsonl", input_format=format)
    assert (tmp_path / "out.jsonl").read_bytes() == expected
    assert len(here.jobs) == -(-sum(sizes) // SHARD)
    records = [json.loads(line) for line in expected.splitlines()]
    assert any("confidence" in entity for one in records for entity in one["entities"])
    assert made["records"] == sentences
    assert not list(tmp_path.glob("*.shards"))


def test_what_is_held_ends_with_a_shard(monkeypatch):
    """Else batches, and the last digit of confidences, would be others than in a shard."""
    from xlt.runs.reading import Unit

    def sizes(held: int) -> list[int]:
        monkeypatch.setattr(predict, "MAX_SENTENCES_HELD", held)
        units = [Unit("-", n, None, "", (), ()) for n in range(15)]
        return [len(chunk) for chunk in predict.chunks(units)]

    assert sizes(100) == [6, 6, 3]
    assert sizes(4) == [4, 2, 4, 2, 3]


@pytest.fixture
def stopped(model, here, tmp_path):
    """A file, and what one process writes of it, after a command that a line in the third of four
    shards has stopped."""
    file = write(tmp_path / "in.txt", 20)
    expected, _ = alone(model, [file], tmp_path / "alone.jsonl", input_format="words")
    good = file.read_bytes()
    bad = good.split(b"\n")
    bad[14] = b"a\tb"
    file.write_bytes(b"\n".join(bad))
    with pytest.raises(XltError, match="tab") as caught:
        in_shards(model, [file], tmp_path / "out.jsonl", input_format="words")
    assert caught.value.where == f"{file}:15"
    assert not (tmp_path / "out.jsonl").exists()
    assert len(list((tmp_path / "out.jsonl.shards").glob("*.jsonl"))) == 2
    file.write_bytes(good)
    here.jobs.clear()
    return file, expected


def test_finished_shards_are_used_again(model, here, stopped, tmp_path):
    (file, expected), out = stopped, tmp_path / "out.jsonl"
    in_shards(model, [file], out, input_format="words")
    assert [job.title for job in here.jobs] == ["shard 3", "shard 4"]
    assert out.read_bytes() == expected


@pytest.mark.parametrize(
    "other", [{"batch_tokens": 64}, {"language": "ind"}, {"input_format": "text"}]
)
def test_another_command_uses_nothing_of_the_first(model, here, stopped, tmp_path, other):
    in_shards(model, [stopped[0]], tmp_path / "out.jsonl", **({"input_format": "words"} | other))
    assert [job.title for job in here.jobs] == ["shard 1", "shard 2", "shard 3", "shard 4"]
    assert not (tmp_path / "out.jsonl.shards").exists()


def test_a_damaged_shard_is_made_again(model, here, stopped, tmp_path, caplog):
    (file, expected), out = stopped, tmp_path / "out.jsonl"
    first, second = sorted((tmp_path / "out.jsonl.shards").glob("*.jsonl"))
    first.write_bytes(first.read_bytes().replace(b"Budi", b"Bubi"))
    second.with_suffix(".json").write_text("{}")
    in_shards(model, [file], out, input_format="words")
    assert [job.title for job in here.jobs] == ["shard 1", "shard 2", "shard 3", "shard 4"]
    assert caplog.text.count("it is made again") == 2
    assert out.read_bytes() == expected


@pytest.mark.parametrize("bad", [b"\xff", b"\xff\xfe", b"\0"])
def test_lines_of_a_part_are_named_by_their_numbers_in_the_file(tmp_path, bad):
    file = write(tmp_path / "in.txt", 20)
    data = file.read_bytes()
    begin = data.index(b"\n") + 1
    end = data.index(b"\n", begin) + 1
    file.write_bytes(data[:begin] + bad + data[end - 1 :])
    with pytest.raises(XltError, match=r"UTF-8|NUL") as caught:
        list(lines_between(file, begin, file.stat().st_size, 2))
    assert caught.value.where == f"{file}:2"


def test_a_file_that_changes_meanwhile_is_refused(model, here, tmp_path):
    file = write(tmp_path / "in.txt", 7)
    submit = here.submit

    def changed(job: Job) -> Future:
        file.write_bytes(file.read_bytes().replace(b"Budi", b"Bubi"))
        return submit(job)

    here.submit = changed
    with pytest.raises(XltError, match="has changed since") as caught:
        in_shards(model, [file], tmp_path / "out.jsonl")
    assert caught.value.where == str(file)
    assert caught.value.fix


def test_a_file_without_text_is_refused_but_not_a_shard_without(model, here, tmp_path):
    file = tmp_path / "in.txt"
    file.write_text("\n" * 2 * SHARD + "Ana\n" + "\n" * 3 * SHARD)
    expected, _ = alone(model, [file], tmp_path / "alone.jsonl")
    assert in_shards(model, [file], tmp_path / "out.jsonl")["records"] == 1
    assert (tmp_path / "out.jsonl").read_bytes() == expected
    file.write_text("\n" * 2 * SHARD)
    with pytest.raises(XltError, match="no text") as caught:
        in_shards(model, [file], tmp_path / "none.jsonl")
    assert caught.value.where == str(file)
    assert not (tmp_path / "none.jsonl").exists()


def test_two_at_once(model, here, tmp_path):
    file = write(tmp_path / "in.txt", 7)
    with (
        shards.folder_for(tmp_path / "out.jsonl"),
        pytest.raises(XltError, match="another process") as caught,
    ):
        in_shards(model, [file], tmp_path / "out.jsonl")
    assert caught.value.fix
    assert not here.jobs


def test_nothing_of_others_is_removed(model, here, tmp_path):
    file, folder = write(tmp_path / "in.txt", 7), tmp_path / "out.jsonl.shards"
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(XltError, match="no folder of shards") as caught:
        in_shards(model, [file], tmp_path / "out.jsonl")
    assert caught.value.where == str(folder)
    assert (folder / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("names", "more", "where"),
    [
        (["-"], {}, "--on"),
        (["in.txt.gz"], {}, "in.txt.gz"),
        (["in.bio"], {}, "in.bio"),
        (["in.txt"], {"output_format": "bio"}, "--format"),
        (["in.txt"], {"output_format": None, "output": "out.bio"}, "--format"),
        (["in.txt"], {"output": "-"}, "--output"),
        (["in.txt"], {"output": "."}, "--output"),
        (["in.txt"], {"output": "in.txt"}, "--output"),
        (["none.txt"], {}, "none.txt"),
    ],
)
def test_what_is_not_done_in_shards(model, here, tmp_path, monkeypatch, names, more, where):
    monkeypatch.chdir(tmp_path)
    text = write(tmp_path / "in.txt", 7).read_bytes()
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(text))
    (tmp_path / "in.bio").write_text("Ana\tB-PER\n\n")
    before = sorted(tmp_path.iterdir())
    more = {"output": "out.jsonl"} | more
    output = Path(more.pop("output"))
    with pytest.raises(XltError) as caught:
        predict_on("here", model, names, str(output), **({"output_format": "standoff"} | more))
    (problem,) = flat(caught.value)
    assert problem.where == where
    assert problem.fix
    assert not here.jobs
    assert sorted(tmp_path.iterdir()) == before


def test_a_part_of_a_file_is_read_as_in_the_whole(tmp_path):
    file = write(tmp_path / "in.txt", 20, start="\ufeff")
    whole, data = list(lines(file)), file.read_bytes()
    at = [0, *(n + 1 for n, byte in enumerate(data) if byte == 10)]
    for first, last in ((0, 1), (0, 20), (3, 4), (7, 19)):
        assert list(lines_between(file, at[first], at[last], first + 1)) == whole[first:last]


COMMAND = (
    "import sys; from xlt.runs import predict; predict.SHARD = 200; "
    "from xlt.cli import main; main(sys.argv[1:])"
)


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
@pytest.mark.slow
def test_the_same_bytes_after_kills_of_a_worker_and_of_the_command(model, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "SHARD", 200)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file, out = write(tmp_path / "in.txt", 2400), tmp_path / "out.jsonl"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected, _ = alone(model, [file], tmp_path / "alone.jsonl")
    torch.set_num_threads(threads)
    folder = tmp_path / "out.jsonl.shards"
    command = [*(sys.executable, "-c", COMMAND, "--quiet", "predict", str(model), str(file))]
    command += ["-o", str(out), "--format", "standoff", "--on", "local:2"]

    def finished() -> set[str]:
        return {path.name for path in folder.glob("*.json")}

    driver = psutil.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: finished())
    victims = workers(driver)
    victims[0].send_signal(signal.SIGKILL)
    have = len(finished())
    until(lambda: len(finished()) > have)
    left = workers(driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until(lambda: not any(one.is_running() for one in left))
    assert not out.exists()
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert 2 <= len(stamps) < 12
    driver = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
    until(lambda: len(finished()) > len(stamps) or driver.poll() is not None)
    assert all(path.stat().st_mtime_ns == then for path, then in stamps.items() if path.exists())
    printed, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0
    assert out.read_bytes() == expected
    assert not folder.exists()
    assert "sentences" in printed
