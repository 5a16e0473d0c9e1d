"""A study on several processes: the same bits as on one, though workers and command are killed.

    python -m scripts.reliability.executors [--on local:2] [--cells 120] [--epochs 2]
        [--kills 20] [--seed 1] [--nodes 0]

The study is strategies × sources × learning rates × seeds on a few sentences (`tiny_world`); with
more epochs its steps are longer beside what it takes to begin workers. It is
run in one process, then by the executor, then by the executor while workers, and in one case of
four the command itself, are killed at random times. With --nodes it is run again on a Ray cluster
of so many nodes of one processor, of which one is lost in between. Printed are the seconds of each,
and whether weights, predictions and counts are equal to the last bit. Each process computes with
one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from scripts.reliability.tiny_world import World, make_world

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def content(runs: Path) -> dict[str, str]:
    """What came of a study: file → checksum, without what tells times and places."""
    return {
        str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(runs.rglob("*"))
        if path.suffix in (".safetensors", ".bio", ".ner") or path.name.endswith(".counts.json")
    }


def write(world: World, cells: int, epochs: int) -> Path:
    """The study's file: one run for each strategy, source, learning rate and seed."""
    path = world.config("zero_shot", projection={})
    config = json.loads(path.read_text(encoding="utf-8"))
    config["training"]["epochs"] = epochs
    config["study"] = {
        "matrix": {
            "strategy": ["zero_shot", {"name": "few_shot", "k": 2}],
            "source": ["eng", "ind"],
            "training.learning_rate": [1e-3, 2e-3, 3e-3],
            "seeds": [[seed] for seed in range(1, max(1, cells // 12) + 1)],
        }
    }
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path


def begin(
    path: Path, runs: Path, on: str | None, environment: Mapping[str, str] = ENVIRONMENT
) -> psutil.Popen:
    command = [sys.executable, "-m", "xlt", "--quiet", "study", str(path)]
    command += [f"output.root={json.dumps(str(runs))}"]
    command += [] if on is None else ["--on", on]
    return psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL)


_CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
others = [cluster.add_node(num_cpus=1) for _ in range(int(sys.argv[1]) - 1)]
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(others.pop())
    others.append(cluster.add_node(num_cpus=1))
    print("a node was lost", flush=True)
cluster.shutdown()
"""


class Cluster:
    """A Ray cluster of nodes with one processor each, as a context manager.

    environment: of a command that uses it, with `--on ray`.
    """

    def __init__(self, nodes: int) -> None:
        private = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
        self.environment = {**ENVIRONMENT, **private}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CLUSTER, str(nodes)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.environment["RAY_ADDRESS"] = self._process.stdout.readline().strip()

    def lose_a_node(self) -> None:
        """With what it is doing; another takes its place. Raises RuntimeError if that fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("now\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "a node was lost\n":
            raise RuntimeError("the cluster has ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(timeout=60)


def workers(process: psutil.Process) -> list[psutil.Process]:
    """Of a command, without the process that forks them, if one does."""
    found = []
    for one in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended, or is a zombie
            line = " ".join(one.cmdline())
            forks = "xlt.executors.fork_server" in line and one.ppid() == process.pid
            if "xlt.executors." in line and not forks:
                found.append(one)
    return found


def killed(path: Path, runs: Path, on: str, kills: int, mean: float, draw: random.Random) -> int:
    """Run to the end, with so many kills on the way; how many there was time for."""
    done = 0
    driver = begin(path, runs, on)
    while done < kills:
        try:
            driver.wait(timeout=draw.expovariate(1 / mean))
            break
        except psutil.TimeoutExpired:
            pass
        victims = workers(driver)
        if draw.random() < 0.25 or not victims:
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            driver = begin(path, runs, on)
        else:
            draw.choice(victims).send_signal(signal.SIGKILL)
        done += 1
    if driver.wait() != 0:
        raise SystemExit(f"the study failed: exit status {driver.returncode}")
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", default="local:2")
    parser.add_argument("--cells", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="executors-"))
    path = write(make_world(folder / "world", "ner"), options.cells, options.epochs)

    def timed(name: str, on: str | None) -> tuple[dict[str, str], float]:
        began = time.perf_counter()
        if begin(path, folder / name, on).wait() != 0:
            raise SystemExit(f"the study failed on {on or 'one process'}")
        return content(folder / name), time.perf_counter() - began

    expected, alone = timed("one", None)
    print(f"one process: {alone:.0f} s, {len(expected)} files", flush=True)
    found, together = timed("together", options.on)
    verdict = "equal" if found == expected else "NOT EQUAL"
    print(
        f"{options.on}: {together:.0f} s, {alone / together:.2f} times as fast, {verdict}",
        flush=True,
    )
    equal = found == expected
    if options.kills:
        draw = random.Random(options.seed)
        mean = together / options.kills
        done = killed(path, folder / "killed", options.on, options.kills, mean, draw)
        same = content(folder / "killed") == expected
        equal = equal and same
        print(
            f"{options.on}, {done} kills (seed {options.seed}): {'equal' if same else 'NOT EQUAL'}"
        )
    if options.nodes:
        with Cluster(options.nodes) as cluster:
            began = time.perf_counter()
            driver = begin(path, folder / "ray", "ray", cluster.environment)
            try:
                driver.wait(timeout=together / 2)
            except psutil.TimeoutExpired:
                cluster.lose_a_node()
            if driver.wait() != 0:
                raise SystemExit("the study failed on the cluster")
            took = time.perf_counter() - began
        same = content(folder / "ray") == expected
        equal = equal and same
        print(
            f"Ray, {options.nodes} nodes, one of them lost: {took:.0f} s, "
            f"{alone / took:.2f} times as fast, {'equal' if same else 'NOT EQUAL'}"
        )
    shutil.rmtree(folder)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
