"""A study on several processes: the same bits as on one, whatever is killed in between."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from small import make_world, until, xlt

from scripts.reliability.executors import Cluster, content, workers
from xlt.config.study import load_study
from xlt.errors import XltError, flat
from xlt.executors import base, memory, slurm
from xlt.executors.base import ATTEMPTS, Job, Needs, make_executor
from xlt.permissions import allowing
from xlt.runs import jobs, schedule
from xlt.runs.experiment import prepare_cells
from xlt.runs.graph import build
from xlt.runs.jobs import StudyFile
from xlt.runs.study import study, table

STUDY = {
    "training__max_steps": 3,
    "source": "eng",
    "seeds": [1],
    "study": {
        "cells": {
            "zero": {"strategy": "zero_shot"},
            "through": {
                "strategy": {"name": "hierarchical", "through": ["ind"], "target_stage": False}
            },
            "joint": {"strategy": "joint", "source": ["eng", "ind"]},
        }
    },
}


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """A world, and what the study gives in it in one process of one thread."""
    folder = tmp_path_factory.mktemp("one")
    path = make_world(folder, size=6).config(**STUDY)
    done = xlt("study", path, OMP_NUM_THREADS="1")
    assert done.code == 0, done.text
    return path, done, content(folder / "runs")


def again(path: Path, folder: Path) -> Path:
    """The same study with runs elsewhere; relative paths in it are those of its world."""
    made = json.loads(path.read_text(encoding="utf-8"))
    made["output"] = {"root": str(folder / "runs")}
    copy = path.with_name(f"{folder.name}.yaml")
    copy.write_text(json.dumps(made), encoding="utf-8")
    return copy


@pytest.mark.slow
def test_the_same_bits(one_process, tmp_path):
    path, alone, expected = one_process
    done = xlt("study", again(path, tmp_path), "--on", "local:2", OMP_NUM_THREADS="1")
    assert done.code == 0, done.text
    assert content(tmp_path / "runs") == expected
    assert done.out == alone.out


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
@pytest.mark.slow
def test_the_same_bits_after_kills_of_workers_and_of_what_drives_them(one_process, tmp_path):
    path, _, expected = one_process
    copy = again(path, tmp_path)
    command = [sys.executable, "-m", "xlt", "--quiet", "study", str(copy), "--on", "local:2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    stages = tmp_path / "runs" / "stages"

    def begin() -> psutil.Process:
        quiet = subprocess.DEVNULL
        return psutil.Popen(command, env=environment, stdout=quiet, stderr=quiet)

    driver = begin()
    until(lambda: any(stages.glob("*/work")))
    victims = workers(driver)
    victims[0].send_signal(signal.SIGKILL)
    until(lambda: len(list(stages.glob("*/done.json"))) >= 1)
    left = workers(driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until(lambda: not any(one.is_running() for one in left))  # none goes on by itself
    driver = begin()
    assert driver.wait(timeout=300) == 0
    assert content(tmp_path / "runs") == expected


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
@pytest.mark.slow
def test_the_same_bits_on_a_cluster_that_loses_a_node(one_process, tmp_path, monkeypatch):
    path, alone, expected = one_process
    copy = again(path, tmp_path)
    command = [sys.executable, "-m", "xlt", "--quiet", "study", str(copy), "--on", "ray"]
    with (
        Cluster(nodes=2) as cluster,
        subprocess.Popen(
            command, env=cluster.environment, stdout=subprocess.PIPE, text=True
        ) as driver,
    ):
        until(lambda: any((tmp_path / "runs" / "stages").glob("*/work")))
        cluster.lose_a_node()
        out, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0
    assert content(tmp_path / "runs") == expected
    assert out == alone.out


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_jobs_of_slurm_are_those_of_processes_here(tmp_path, monkeypatch):
    """submitit's own stand-in for Slurm: a job that works, one that fails, one that is killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "_SECONDS", 0.2)
    monkeypatch.setattr(base, "ATTEMPTS", 1)
    with make_executor("slurm:cluster=local,slots=3") as executor:
        assert executor.slots == 3
        good = executor.submit(Job("os.path:basename", {"p": "a/b"}, "good"))
        bad = executor.submit(Job("xlt.config.load:load_config", {"path": "none.yaml"}, "bad"))
        killed = executor.submit(Job("os:abort", {}, "killed"))
        assert good.result(timeout=120) == "b"
        with pytest.raises(XltError) as caught:
            bad.result(timeout=120)
        assert "none.yaml" in flat(caught.value)[0].where
        with pytest.raises(XltError, match="lost 1 times") as caught:
            killed.result(timeout=120)
        assert caught.value.where == "killed"


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_a_cell_that_fails_does_not_stop_the_others(tmp_path):
    world = make_world(tmp_path, size=6)
    cells = {"ind": {"source": "ind"}, "eng": {"source": "eng"}}
    path = world.config(strategy="zero_shot", training__max_steps=2, study={"cells": cells})
    (tmp_path / "ind-train.bio").write_text("Joko NO-TAG\n\n", encoding="utf-8")
    told = []
    listeners = [lambda steps, event: told.append((event["event"], event.get("step")))]
    found = study(load_study(path), on="local:1", quiet=True, listeners=listeners)
    done = ("train eng, seed 1", "evaluate eng")
    steps = [(how, step) for step in done for how in ("begun", "done")]
    assert told == [("study", None), ("lost", None), *steps]
    assert found["cells"] == {"ind": False, "eng": True}
    ((problem,),) = found["failed"].values()
    assert problem["what"].startswith("ind: ")
    assert "ind-train.bio:1" in problem["where"]
    assert problem["fix"]


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_a_cell_that_another_process_makes_stops_no_other(tmp_path):
    world = make_world(tmp_path, size=6)
    cells = {"ind": {"source": "ind"}, "eng": {"source": "eng"}}
    path = world.config(strategy="zero_shot", training__max_steps=2, study={"cells": cells})
    runs = tmp_path / "runs"
    (runs / "run-ind").mkdir(parents=True)
    command = [sys.executable, "-m", "xlt", "--quiet", "study", str(path), "--on", "local:2"]
    with FileLock(runs / "run-ind" / ".lock"):
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until((runs / "run-eng" / "result.json").exists)
        assert driver.poll() is None
    assert driver.wait(timeout=120) == 0
    assert (runs / "run-ind" / "result.json").exists()


@pytest.mark.thorough
def test_an_interrupt_takes_no_result_away(tmp_path, monkeypatch):
    cells = {"ind": {"source": "ind"}, "eng": {"source": "eng"}}
    path = make_world(tmp_path, size=6).config(
        strategy="zero_shot", training__max_steps=2, study={"cells": cells}
    )
    before = study(load_study(path, ["seeds=[1]"]), quiet=True)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(schedule, "run_graph", interrupt)
    with pytest.raises(KeyboardInterrupt):
        study(load_study(path, ["seeds=[1,2]"]), on="local:1", quiet=True)
    assert table(load_study(path, ["seeds=[1]"]))["rows"] == before["rows"]


@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_processes_that_train_a_stage_together(tmp_path, monkeypatch):
    """As by torchrun; what goes wrong in one of them is said."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    path = make_world(tmp_path, size=6).config(
        strategy="zero_shot", source="eng", seeds=[1], training__max_steps=2,
        study={"cells": {"eng": {}}, "resources": {"processes": 2}},
    )  # fmt: skip
    found = study(load_study(path), on="local:1", quiet=True)
    assert found["cells"] == {"eng": True}
    assert len(list((tmp_path / "runs" / "stages").glob("eng-*/done.json"))) == 1
    made = StudyFile(str(path), (), ()).arguments("eng", load_study(path).cells["eng"].config)
    (key,) = (k for k, node in build(prepare_cells(load_study(path))).items() if node.stage)
    monkeypatch.setattr(jobs, "_make", refuse)
    with pytest.raises(XltError, match="not this"):
        jobs.make(**made, key=key, reuse=False, quiet=True, processes=2)
    monkeypatch.setattr(jobs, "_make", vanish)
    with pytest.raises(XltError, match="of 2 processes that train together one was lost"):
        jobs.make(**made, key=key, reuse=False, quiet=True, processes=2)


def refuse(*_):
    if os.environ["RANK"] == "1":
        raise XltError("not this", where="here", fix="another")
    time.sleep(60)


def vanish(*_):
    os._exit(3)


def test_what_is_allowed_is_allowed_in_workers(tmp_path, monkeypatch):
    path = make_world(tmp_path, size=6).config(
        strategy="zero_shot", training__max_steps=2, study={"cells": {"eng": {"source": "eng"}}}
    )
    passed_on = []
    monkeypatch.setattr(
        schedule, "run_on", lambda executor, cells, file, **_: passed_on.append(file.granted) or {}
    )
    with allowing("pickle", "outside"):
        study(load_study(path), on="local:1", quiet=True)
    assert passed_on == [("outside", "pickle")]
    job = Job("xlt.permissions:given", {}, "asking")
    with make_executor("local:1") as executor:
        assert executor.submit(job).result() == []  # of itself a worker may nothing


def test_threads_and_devices_of_a_worker(monkeypatch):
    environ = {"OMP_NUM_THREADS": "3,1", "CUDA_VISIBLE_DEVICES": "4,7"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    job = Job("os:getenv", {"key": "MKL_NUM_THREADS"}, "asking")
    with make_executor("local:2") as executor:
        assert executor.submit(job).result() == "3"
        found = [executor._environment(n, Needs())["CUDA_VISIBLE_DEVICES"] for n in range(3)]
        assert found == ["4", "7", "4"]
        both = [executor._environment(n, Needs(gpus=2))["CUDA_VISIBLE_DEVICES"] for n in range(2)]
        assert both == ["4,7", "4,7"]
        with pytest.raises(XltError, match="3 GPUs are wanted, and this machine has 2"):
            executor._environment(0, Needs(gpus=3))
        none = Job("os:getenv", {"key": "CUDA_VISIBLE_DEVICES"}, "asking", needs=Needs(gpus=0))
        assert executor.submit(none).result() == ""
    monkeypatch.delenv("OMP_NUM_THREADS")
    with make_executor("local:1") as executor:
        for cpus in (5, 6):
            more = replace(job, needs=Needs(cpus=cpus))
            assert executor.submit(more).result() == str(cpus)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    with make_executor("local:2") as executor, pytest.raises(XltError, match="no number of thr"):
        executor.submit(job).result()


def is_alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_worker_ends_with_who_gave_it_jobs_though_an_answer_is_unread(tmp_path):
    """As where the command is killed: then the worker's socket is reset, and does not just end."""
    ours, theirs = socket.socketpair()
    command = "import socket; from xlt.executors.worker import work; s = socket.socket(fileno={});"
    command += "work(s.makefile('r', encoding='utf-8'), s.makefile('w', encoding='utf-8'))"
    worker = subprocess.Popen(
        [sys.executable, "-c", command.format(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    job = {"folder": str(tmp_path), "call": "os:getcwd", "arguments": {}, "title": "where"}
    ours.sendall(json.dumps(job).encode() + b"\n")
    assert ours.recv(1, socket.MSG_PEEK) == b"{"
    ours.close()
    try:
        assert worker.wait(timeout=20) == 0
    finally:
        worker.kill()
        worker.wait()


def test_workers_have_what_was_imported_before_them(tmp_path, monkeypatch):
    """And what imports and forks may be lost like any other process."""
    text = "import os\n\nPID = os.getpid()\n\n\ndef which():\n    return PID, os.getpid()\n"
    (tmp_path / "needed.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    which, bad = Job("needed:which", {}, "asking"), Job("os:abort", {}, "a bad one")
    with make_executor("local:1", ["needed"]) as executor:
        server = executor._server._process.pid
        monkeypatch.setenv("ANOTHER", "by a library")  # which is no reason for another worker
        imported, worker = executor.submit(which).result()
        assert imported == server != worker
        assert executor.submit(which).result() == [server, worker]
        os.kill(server, signal.SIGKILL)
        executor._server._process.wait()
        assert executor.submit(which).result() == [server, worker]
        with pytest.raises(XltError, match="nobody knows how, signal SIGABRT, signal SIGABRT"):
            executor.submit(bad).result()
        another, _ = executor.submit(which).result()
        assert another == executor._server._process.pid != server
    assert not is_alive(another)
    until(lambda: not is_alive(worker))


def test_jobs_wait_for_memory(tmp_path, caplog):
    """Where there are 10 GiB: 4 beside 6, and beside what nobody knows; 12 alone."""
    caplog.set_level(logging.INFO)
    free = tmp_path / "go"

    def job(gib: float | None) -> Job:
        arguments = {"args": f"touch {tmp_path}/{gib}; until [ -e {free} ]; do sleep 0.02; done"}
        arguments["shell"] = True
        return Job("subprocess:call", arguments, f"of {gib}", needs=Needs(memory_gib=gib))

    def begun() -> set[str]:
        return {path.name for path in tmp_path.iterdir()}

    with make_executor("local:4") as executor:
        executor.memory_gib = 10.0
        jobs = [executor.submit(job(6.0))]
        until(lambda: begun() == {"6.0"})
        jobs.append(executor.submit(job(4.0)))
        jobs.append(executor.submit(job(None)))  # nobody knows
        until(lambda: begun() == {"6.0", "4.0", "None"})
        jobs.append(executor.submit(job(12.0)))
        until(lambda: caplog.messages)
        assert caplog.messages == ["of 12.0: waits for memory (12.0 GiB, and 0.0 are free)"]
        assert "12.0" not in begun()
        free.touch()
        assert [one.result(timeout=60) for one in jobs] == [0] * 4
    assert "of 12.0: runs alone, though it lacks memory" in caplog.text


def test_closing_stops_what_waits_for_memory():
    with make_executor("local:2") as executor:
        executor.memory_gib = 1.0
        job = Job("signal:pause", {}, "for ever", needs=Needs(memory_gib=1.0))
        jobs = [executor.submit(job) for _ in range(2)]
        until(lambda: executor._processes)
    for one in jobs:
        with pytest.raises(XltError, match="stopped"):
            one.result()


def test_closing_stops_what_is_being_done():
    with make_executor("local:1") as executor:
        future = executor.submit(Job("signal:pause", {}, "for ever"))
        until(lambda: executor._processes)
        began = time.monotonic()
    assert time.monotonic() - began < 30
    with pytest.raises(XltError, match="stopped"):
        future.result()


@pytest.mark.parametrize("full", [False, True], ids=["refused", "no room"])
def test_what_slurm_does_not_take(tmp_path, monkeypatch, full):
    from submitit.core.utils import FailedJobError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "_SECONDS", 0.05)
    with make_executor("slurm:cluster=local,slots=3") as executor:
        theirs = executor._executor({})
        real = theirs.submit
        refused, begun = [], []

        def submit(*arguments):
            if not full or (len(refused) < 3 and begun):
                refused.append(arguments)
                raise FailedJobError("sbatch: error: QOSMaxSubmitJobPerUserLimit")
            begun.append(arguments)
            return real(*arguments)

        monkeypatch.setattr(theirs, "submit", submit)
        jobs = [executor.submit(Job("os.path:basename", {"p": f"a/{n}"}, str(n))) for n in range(2)]
        if full:
            assert [job.result(timeout=120) for job in jobs] == ["0", "1"]
            assert len(refused) == 3
        else:
            for job in jobs:  # though each has another beside it
                with pytest.raises(XltError, match="QOSMax") as caught:
                    job.result(timeout=20)
                assert "slots" in caught.value.fix


@pytest.mark.parametrize(
    ("given", "needs", "asked"),
    [
        ("", Needs(), {}),
        ("", Needs(memory_gib=2.1, cpus=4), {"mem_gb": 3, "cpus_per_task": 4}),
        ("", Needs(memory_gib=0.4, gpus=1), {"mem_gb": 8, "gpus_per_node": 1}),
        (",gpus_per_node=1", Needs(memory_gib=9.5), {"mem_gb": 10}),
        (",mem_gb=2", Needs(memory_gib=9.5), {}),  # the command line wins
    ],
)
def test_what_slurm_is_asked_for(tmp_path, monkeypatch, given, needs, asked):
    monkeypatch.chdir(tmp_path)
    with make_executor(f"slurm:cluster=local{given}") as executor:
        assert executor._needed(needs) == asked


def test_a_study_that_has_changed_meanwhile_is_not_run(tmp_path, monkeypatch):
    path = make_world(tmp_path, size=6).config(
        strategy="zero_shot", training__max_steps=2, study={"cells": {"eng": {"source": "eng"}}}
    )
    asked = StudyFile(str(path), (), ()).arguments("eng", load_study(path).cells["eng"].config)
    path.write_text(path.read_text(encoding="utf-8").replace(": 2", ": 3"), encoding="utf-8")
    with pytest.raises(XltError, match="no longer what it was"):
        jobs.evaluate(**asked, reuse=False, overwrite=False)


def test_a_job_whose_process_is_killed_each_time_fails():
    with make_executor("local:1") as executor:
        lost = executor.submit(Job("os:abort", {}, "a bad one"))
        with pytest.raises(XltError, match=f"lost {ATTEMPTS} times .*SIGABRT") as caught:
            lost.result()
        assert caught.value.where == "a bad one"
        assert executor.submit(Job("os.path:basename", {"p": "a/b"}, "next")).result() == "b"
        assert len(executor._processes) == 1  # of those that ended nothing is kept


def test_a_job_that_lacked_memory_is_told_so_however_it_is_lost_again():
    tries = base.Tries(
        Job("a:b", {"x": 1}, "a job", needs=Needs(memory_gib=3), killed_for_memory={"k": True})
    )
    assert tries.again("preempted").arguments == {"x": 1}
    tries.ends.clear()
    told = tries.again("killed", killed_for_memory=True)
    assert (told.arguments, told.needs.memory_gib) == ({"x": 1, "k": True}, 6)
    assert tries.again("preempted") == told


@pytest.mark.parametrize(
    ("name", "kills", "lacked"), [("KILL", 1, True), ("KILL", 0, False), ("ABRT", 1, False)]
)
def test_a_process_that_is_killed_for_lack_of_memory(monkeypatch, caplog, name, kills, lacked):
    count = iter(range(0, 10 * kills, kills) if kills else [0] * 10)
    monkeypatch.setattr(memory, "kills", lambda: next(count))
    kill = {"args": f"kill -{name} $PPID", "shell": True}
    job = Job("subprocess:call", kill, "a job", killed_for_memory={"args": "exit 5"})
    with make_executor("local:1") as executor:
        future = executor.submit(job)
        if lacked:
            assert future.result() == 5
            assert "lost (signal SIGKILL, for lack of memory); it goes on" in caplog.text
        else:
            with pytest.raises(XltError, match=f"lost {ATTEMPTS} times"):
                future.result()


@pytest.mark.parametrize(
    ("cgroup", "files", "count"),
    [
        ("0::/a\n", {"fs/a/memory.events": "oom 7\noom_kill 3\n"}, 3),
        ("0::/a\n", {"fs/memory.events": "oom_kill 2\noom_group_kill 9\n"}, 2),
        ("4:cpu,memory:/a\n0::/\n", {"fs/memory/a/memory.oom_control": "oom_kill 4\n"}, 4),
        ("0::/\n", {"proc/vmstat": "nr_free 1\noom_kill 5\n"}, 5),
        ("", {}, 0),
        (None, {}, 0),
    ],
)
def test_whom_the_kernel_has_killed(tmp_path, monkeypatch, cgroup, files, count):
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "fs")
    if cgroup is not None:
        files = {**files, "proc/self/cgroup": cgroup}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.kills() == count


def test_a_jobs_errors_are_its_callers():
    job = Job("xlt.config.load:load_config", {"path": "none.yaml"}, "reading")
    with make_executor("local:1") as executor:
        with pytest.raises(XltError) as caught:
            executor.submit(job).result()
        (problem,) = flat(caught.value)
        assert "none.yaml" in problem.where
        assert problem.fix


@pytest.mark.parametrize(
    "text",
    [
        *("local", "local:0", "local:-1", "local:x", "Local:2", "cloud:2"),
        *("slurm:gpu", "slurm:slots=0", "slurm:slots=x", "slurm:cluster=local,no_such=1"),
    ],
)
def test_what_is_no_executor(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(XltError) as caught:
        make_executor(text)
    assert caught.value.where == "--on"
    assert caught.value.fix
