"""Time and memory of every command on many records: does it hold them all?

Makes records from the grammars of the sample corpus (no text of anybody's), a small random encoder,
and runs xlt's own commands on them, one process each:

    python -m scripts.reliability.load --records 100000
    python -m scripts.reliability.load --records 1000000 --task ner --folder /tmp/load
    python -m scripts.reliability.load --records 100000 --task dependency_parsing
    python -m scripts.reliability.load --records 10000 --spacy

Of each process: seconds of processor time (one thread; others may use the machine), the peak of
its resident set (VmHWM), and the peak of the part of it that is its own ("anonymous", from
/proc/PID/smaps_rollup, looked at once a second). The rest are pages of files, above all of
the Arrow files that are mapped: the kernel takes them back when somebody else needs the memory, so
what a machine must have is the second number.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import IO, Any

TASKS = {"ner": "bio", "dependency_parsing": "conllu"}
"""Task → suffix of its files."""

POOL = 3000
"""Scenes that are realised; a record is one of them, or two joined."""

STEPS = 30
"""Optimisation steps that are timed: how long training is depends on the encoder, not on this."""

ENCODER: dict[str, Any] = {
    "hidden_size": 64,
    "max_position_embeddings": 512,
    "intermediate_size": 128,
}

Row = tuple[str, str, str, int, str]
"""Word, IOB2 tag, part of speech, head (from 1), relation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--task", default="ner", choices=list(TASKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="to keep what is made; by default temporary")
    parser.add_argument("--steps", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--spacy", action="store_true", help="only spaCy against xlt predict")
    parser.add_argument("--repeat", type=int, default=3, help="of --spacy, in turn")
    parser.add_argument("--worker", choices=list(WORKERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        WORKERS[options.worker](options)
        return
    with contextlib.ExitStack() as stack:
        if options.folder is None:
            options.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run(options)


def run(options: argparse.Namespace) -> None:
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "config.yaml").exists():
        measure(worker("make", options), folder)
    print(f"{options.records:,} records, {options.task}, seed {options.seed}")
    if options.spacy:
        compare(options)
        return
    print(f"{'':32}{'seconds':>9}{'peak MiB':>10}{'own MiB':>10}")
    for name in options.steps:
        command, stdin = COMMANDS[name](options)
        seconds, peak, own = measure(command, folder, stdin)
        print(f"{name:32}{seconds:9.1f}{peak:10.0f}{own:10.0f}", flush=True)


# Processes -----------------------------------------------------------------------------------


def measure(
    command: list[str], folder: Path, stdin: Path | None = None
) -> tuple[float, float, float]:
    """Seconds of processor time, and the peaks of the resident set and of its anonymous part, in
    MiB, of a command."""
    environment = {
        **os.environ,
        "XLT_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with contextlib.ExitStack() as stack:
        source: IO[bytes] | None = stack.enter_context(stdin.open("rb")) if stdin else None
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(
            command, stdin=source or subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
        peak = own = 0.0
        ended = 0
        while not ended:
            peak = max(peak, kib(process.pid, "status", "VmHWM") / 1024)
            own = max(own, kib(process.pid, "smaps_rollup", "Anonymous") / 1024)
            time.sleep(1)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'log').read_text()[-4000:]}")
    return usage.ru_utime + usage.ru_stime, peak, own


def kib(pid: int, file: str, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
    except OSError:  # it has just ended
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(field)), 0)


def worker(name: str, options: argparse.Namespace) -> list[str]:
    return [
        *(sys.executable, "-m", "scripts.reliability.load", "--worker", name),
        *("--records", str(options.records), "--task", options.task),
        *("--seed", str(options.seed), "--folder", str(options.folder)),
    ]


def xlt(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "xlt", "--quiet", *map(str, arguments)]


Command = tuple[list[str], Path | None]


def _read(options: argparse.Namespace) -> Command:
    return worker("read", options), None


def _encode(options: argparse.Namespace) -> Command:
    return worker("encode", options), None


def _train(options: argparse.Namespace, seed: int = 1) -> Command:
    name = f"name=seed{seed}"
    return xlt(
        "train", options.folder / "config.yaml", f"seeds=[{seed}]", name, "--overwrite"
    ), None


def _train_again(options: argparse.Namespace) -> Command:
    return _train(options, 2)


def _evaluate(options: argparse.Namespace) -> Command:
    data = options.folder / f"train.{TASKS[options.task]}"
    return xlt("evaluate", model(options), data, "--language", "eng"), None


def _predict(options: argparse.Namespace) -> Command:
    data = options.folder / f"train.{TASKS[options.task]}"
    output = options.folder / f"predicted.{TASKS[options.task]}"
    return xlt("predict", model(options), data, "-o", output, "--language", "eng"), None


def _predict_stdin(options: argparse.Namespace) -> Command:
    suffix = TASKS[options.task]
    data, output = options.folder / f"train.{suffix}", options.folder / f"piped.{suffix}"
    told = ("--input-format", suffix, "--language", "eng")
    return xlt("predict", model(options), "-", "-o", output, *told), data


COMMANDS = {
    "read into Arrow": _read,
    "encode": _encode,
    f"train {STEPS} steps, evaluate": _train,
    "the same, another seed": _train_again,
    "evaluate": _evaluate,
    "predict a file": _predict,
    "predict standard input": _predict_stdin,
}


def model(options: argparse.Namespace) -> Path:
    folder: Path = options.folder / "runs" / "seed1"
    return folder


# In a process of their own -------------------------------------------------------------------


def make(options: argparse.Namespace) -> None:
    """Write train (all records), dev and test (a twentieth), an encoder and a config."""
    from xlt.testing import make_encoder

    pool = realised(options.seed)
    small = max(100, options.records // 20)
    for number, (split, size) in enumerate(
        {"train": options.records, "dev": small, "test": small}.items()
    ):
        path = options.folder / f"{split}.{TASKS[options.task]}"
        draw = random.Random(options.seed + number)
        with path.open("w", encoding="utf-8") as stream:
            for _ in range(size):
                stream.write(_written(record(pool, draw), options.task))
    texts = (" ".join(word for word, *_ in rows) for rows in pool)
    make_encoder(options.folder / "encoder", texts, **ENCODER)
    files = {
        split: {"ref": str(options.folder / f"{split}.{TASKS[options.task]}")}
        for split in ("train", "dev", "test")
    }
    config = {
        "name": "load",
        "task": {"name": options.task},
        "target": "eng",
        "strategy": {"name": "in_language"},
        "data": {"eng": files},
        "model": {"encoder": str(options.folder / "encoder")},
        "training": {"max_steps": STEPS},
        "output": {"root": str(options.folder / "runs")},
    }
    (options.folder / "config.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")


def read(options: argparse.Namespace) -> None:
    """The Arrow files of the training data."""
    from xlt.config.schema import Reference
    from xlt.data.references import resolve
    from xlt.data.store import load_documents
    from xlt.registry import tasks

    path = options.folder / f"train.{TASKS[options.task]}"
    resolved = resolve(Reference(ref=str(path)), "eng", "train")
    found = len(load_documents(tasks.get(options.task)(), resolved, 1))
    assert found == options.records, f"{found} records are stored"


def encode(options: argparse.Namespace) -> None:
    """The encodings of the training data, as the first stage makes them."""
    from xlt.config.load import load_config
    from xlt.model.backbone import Backbone
    from xlt.runs.experiment import prepare
    from xlt.runs.sources import Sources
    from xlt.training.encodings import encode
    from xlt.transfer.stage import DataSplit

    experiment = prepare(load_config(options.folder / "config.yaml"))
    config, task = experiment.config, experiment.task
    data = Sources(config, task).load(DataSplit("eng", "train"))
    backbone = Backbone(config.model.encoder, config.model)
    found = encode(task, [data], backbone, task.labels(data.inventory))
    assert len(found) == options.records


def texts(options: argparse.Namespace) -> None:
    """The training data as running text, one record a line."""
    pool, draw = realised(options.seed), random.Random(options.seed)
    with (options.folder / "train.txt").open("w", encoding="utf-8") as stream:
        for _ in range(options.records):
            words = " ".join(word for word, *_ in record(pool, draw))
            stream.write(words.replace(" .", ".").replace(" ,", ",") + "\n")


def with_spacy(options: argparse.Namespace) -> None:
    import spacy

    start = time.process_time()
    nlp = spacy.blank("en")
    nlp.add_pipe("xlt", config={"model": str(model(options))})
    with (options.folder / "train.txt").open(encoding="utf-8") as stream:
        found = sum(len(doc.ents) >= 0 for doc in nlp.pipe(line.rstrip("\n") for line in stream))
    assert found == options.records
    print(json.dumps(time.process_time() - start))


def with_xlt(options: argparse.Namespace) -> None:
    from xlt.runs.predict import predict

    start = time.process_time()
    source, output = options.folder / "train.txt", options.folder / "predicted.out"
    predict(model(options), str(source), str(output), language="eng", quiet=True)
    print(json.dumps(time.process_time() - start))


def compare(options: argparse.Namespace) -> None:
    """Seconds of processor time of `nlp.pipe` and of `xlt predict` for the same texts, in turn."""
    if not model(options).exists():
        measure(_train(options)[0], options.folder)
    measure(worker("texts", options), options.folder)
    seconds: dict[str, list[float]] = {"with_spacy": [], "with_xlt": []}
    for _ in range(options.repeat):
        for name, taken in seconds.items():
            measure(worker(name, options), options.folder)
            taken.append(json.loads((options.folder / "log").read_text().splitlines()[-1]))
    spacy, xlt = (median(taken) for taken in seconds.values())
    print(f"nlp.pipe {spacy:.1f} s, xlt predict {xlt:.1f} s: {spacy / xlt:.2f} times as long")


def realised(seed: int) -> list[list[Row]]:
    """English sentences of the sample corpus's grammar, with all their annotation."""
    from scripts.make_sample.corpus import GRAMMARS
    from scripts.make_sample.generate import scenes
    from scripts.make_sample.layers import iob

    rows = []
    for number, scene in enumerate(scenes("train", POOL, seed, set())):
        sentence = GRAMMARS["eng"].realise(scene, str(number))
        columns = zip(sentence.toks, iob(sentence), sentence.heads, strict=True)
        rows.append([(t.form, tag, t.upos, head, t.rel) for t, tag, head in columns])
    return rows


def record(pool: list[list[Row]], draw: random.Random) -> list[Row]:
    """One sentence, or two joined: the second's root hangs on the first's."""
    first = pool[draw.randrange(len(pool))]
    if draw.random() < 0.3:
        return first
    second, shift = pool[draw.randrange(len(pool))], len(first)
    root = next(i for i, row in enumerate(first, 1) if row[3] == 0)
    moved: Iterator[Row] = (
        (word, tag, upos, head + shift if head else root, relation if head else "parataxis")
        for word, tag, upos, head, relation in second
    )
    return [*first, *moved]


def _written(rows: list[Row], task: str) -> str:
    if task == "ner":
        return "".join(f"{word}\t{tag}\n" for word, tag, *_ in rows) + "\n"
    cells = (
        (i, word, "_", upos, "_", "_", head, relation, "_", "_")
        for i, (word, _, upos, head, relation) in enumerate(rows, 1)
    )
    return "".join("\t".join(map(str, row)) + "\n" for row in cells) + "\n"


WORKERS: dict[str, Any] = {
    one.__name__: one for one in (make, read, encode, texts, with_spacy, with_xlt)
}

if __name__ == "__main__":
    main()
