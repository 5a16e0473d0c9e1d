"""Prediction and projection in shards against one process: time, memory, and are they equal?

    python -m scripts.reliability.shards --records 40000
    python -m scripts.reliability.shards --records 1000000 --commands predict --encoder random

Predicted is English text from the grammars of the sample corpus, by xlt-mini (or another encoder;
`random` is that of `scripts.reliability.load`) after a few steps of training; projected are its
entities onto the Spanish of the same grammars, by `agreement`. Each command is run in one process,
then by the executor, then by the executor while one of its workers is killed when a third of the
shards are finished. Each process computes with one thread.

Printed of each: seconds by the clock; the peak of the resident set (VmHWM) and of the part of it
that is its own ("anonymous"), in MiB, of the command and of the largest of its workers; and whether
the output is that of one process, byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from scripts.reliability import load
from scripts.reliability.executors import workers
from xlt.projection.store import MAX_DOCUMENTS
from xlt.runs.predict import SHARD

STEPS = 30
"""Of training: enough for a model that finds something."""
TRAINED_ON = 200
"""Records."""


class Measured(NamedTuple):
    """seconds: by the clock; peaks in MiB, of the command and of its largest worker."""

    seconds: float
    peak: float
    own: float
    worker_peak: float
    worker_own: float
    sha256: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--on", default="local:2")
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--encoder", default="xlt-mini")
    parser.add_argument("--folder", type=Path, help="to keep what is made; by default temporary")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, options.records, options.seed, options.encoder)
        print(f"{options.records:,} records, {options.encoder}, {options.on}, seed {options.seed}")
        print(f"{'':36}{'seconds':>9}{'peak':>7}{'own':>7}{'worker':>8}{'own':>7} MiB", flush=True)
        results = [compare(folder, name, options.on, options.records) for name in options.commands]
    sys.exit(0 if all(results) else 1)


def make(folder: Path, records: int, seed: int, encoder: str) -> None:
    """Text, data, translations, and a model."""
    from scripts.make_sample.corpus import GRAMMARS
    from scripts.make_sample.generate import scenes
    from scripts.make_sample.layers import iob

    made = []
    for number, scene in enumerate(scenes("train", load.POOL, seed, set())):
        english, spanish = (GRAMMARS[lang].realise(scene, str(number)) for lang in ("eng", "spa"))
        words = [token.form for token in english.toks]
        translation = " ".join(token.form for token in spanish.toks)
        made.append((words, iob(english), translation))
    draw = random.Random(seed)
    with contextlib.ExitStack() as stack:
        text, data, target, some = (
            stack.enter_context((folder / name).open("w", encoding="utf-8"))
            for name in ("in.txt", "in.bio", "to.txt", "train.bio")
        )
        for number in range(records):
            drawn = [made[draw.randrange(len(made))] for _ in range(draw.choice((1, 2, 2)))]
            words = [word for one in drawn for word in one[0]]
            rows = [row for one in drawn for row in zip(one[0], one[1], strict=True)]
            text.write(" ".join(words).replace(" .", ".").replace(" ,", ",") + "\n")
            target.write(" ".join(one[2] for one in drawn) + "\n")
            tagged = "".join(f"{word}\t{tag}\n" for word, tag in rows) + "\n"
            data.write(tagged)
            if number < TRAINED_ON:
                some.write(tagged)
    if encoder == "random":
        from xlt.testing import make_encoder

        encoder = str(folder / "encoder")
        make_encoder(folder / "encoder", [" ".join(words) for words, *_ in made], **load.ENCODER)
    split = {"ref": str(folder / "train.bio")}
    config = {
        "name": "model",
        "task": "ner",
        "target": "eng",
        "strategy": {"name": "in_language"},
        "data": {"eng": {"train": split, "dev": split, "test": split}},
        "model": {"encoder": encoder},
        "training": {"max_steps": STEPS},
        "output": {"root": str(folder / "runs")},
    }
    (folder / "config.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")
    if not (folder / "runs" / "model").exists():
        run(load.xlt("train", folder / "config.yaml"), folder, "cache")


def _predict(folder: Path, output: Path) -> list[str]:
    source = (folder / "runs" / "model", folder / "in.txt", "-o", output)
    return load.xlt("predict", *source, "--format", "standoff", "--language", "eng")


def _project(folder: Path, output: Path) -> list[str]:
    return load.xlt(
        *("project", folder / "in.bio", output, "--task", "ner", "--from", "eng", "--to", "spa"),
        *("--translator", "given", f"projection.translator.file={folder / 'to.txt'}"),
    )


COMMANDS: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {
    "predict": (_predict, ".jsonl"),
    "project": (_project, ".bio"),
}
"""Command → what makes its command line, and the suffix of its output."""


def compare(folder: Path, name: str, on: str, records: int) -> bool:
    """Print the lines of a command; whether all outputs are equal."""
    line, suffix = COMMANDS[name]
    number = 0

    def one(what: str, *more: str, kill: bool = False) -> Measured:
        nonlocal number
        number += 1
        output = folder / f"{name}-{number}{suffix}"
        killed: list[int] = []

        def then(driver: psutil.Process) -> None:
            if kill and not killed and finished(folder, name, number) >= records / 3:
                for victim in workers(driver)[:1]:
                    victim.send_signal(signal.SIGKILL)
                    killed.append(victim.pid)

        got = run([*line(folder, output), *more], folder, f"cache-{number}", then, output)
        own = f"{got.worker_peak:8.0f}{got.worker_own:7.0f}" if more else ""
        print(
            f"{name}, {what:{34 - len(name)}}{got.seconds:9.1f}{got.peak:7.0f}{got.own:7.0f}{own}",
            flush=True,
        )
        if kill and not killed:
            sys.exit("it was over before a third of its shards were seen: take more records")
        return got

    alone = one("one process")
    together = one(on, "--on", on)
    killed = one(f"{on}, a worker killed", "--on", on, kill=True)
    equal = alone.sha256 == together.sha256 == killed.sha256
    print(f"{name}: {alone.seconds / together.seconds:.2f} times as fast, "
          f"{'equal' if equal else 'NOT EQUAL'}", flush=True)  # fmt: skip
    return equal


def finished(folder: Path, name: str, number: int) -> float:
    """How many shards of the n-th run of a command are finished, as records."""
    if name == "predict":
        return SHARD * len(list((folder / f"predict-{number}.jsonl.shards").glob("*.json")))
    return MAX_DOCUMENTS * len(list((folder / f"cache-{number}" / "projections").glob("*.gz")))


def run(
    command: list[str],
    folder: Path,
    cache: str,
    then: Callable[[psutil.Process], None] = lambda driver: None,
    output: Path | None = None,
) -> Measured:
    """Run a command; `then` is called again and again while it runs."""
    environment = {
        **os.environ,
        "XLT_CACHE": str(folder / cache),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    peaks: dict[int, tuple[float, float]] = {}
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        driver = psutil.Popen(command, stdout=log, stderr=log, env=environment)
        while driver.poll() is None:
            for pid in (driver.pid, *(one.pid for one in workers(driver))):
                peak, own = peaks.get(pid, (0.0, 0.0))
                peaks[pid] = (
                    max(peak, load.kib(pid, "status", "VmHWM") / 1024),
                    max(own, load.kib(pid, "smaps_rollup", "Anonymous") / 1024),
                )
            then(driver)
            with contextlib.suppress(psutil.TimeoutExpired):
                driver.wait(1)
    seconds = time.perf_counter() - began
    if driver.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'log').read_text()[-4000:]}")
    peak, own = peaks.pop(driver.pid, (0.0, 0.0))
    largest = max((one for one, _ in peaks.values()), default=0.0)
    largest_own = max((one for _, one in peaks.values()), default=0.0)
    digest = ""
    if output is not None:
        with output.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Measured(seconds, peak, own, largest, largest_own, digest)


if __name__ == "__main__":
    main()
