"""Small runs: generated sentences, tiny encoders, and `xlt` in forked processes.

A fork saves the imports that a new interpreter would spend its time on; what runs in it is the
command line's own `main`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import psutil
from tiny import make_encoder
from warm import import_all

from scripts.reliability.process import fork
from xlt.errors import XltError
from xlt.executors.base import Executor, Job, result_of
from xlt.executors.worker import do

NAMES = {
    "eng": (
        ["Ann", "Bob", "Paris", "Rome"],
        ["sees", "likes", "visits", "near", "the", "old", "red"],
    ),
    "ind": (
        ["Budi", "Siti", "Medan", "Bogor"],
        ["lihat", "suka", "kunjungi", "dekat", "itu", "tua", "merah"],
    ),
    "jav": (
        ["Joko", "Sri", "Solo", "Tuban"],
        ["ndelok", "seneng", "marani", "cedhak", "iku", "tuwa", "abang"],
    ),
}


def sentences(language: str, number: int, seed: int = 0) -> list[list[tuple[str, str]]]:
    """Words with IOB2 tags; the first two names of a language are persons, the others places."""
    draw = random.Random(f"{language}-{seed}")
    names, words = NAMES[language]
    tagged = []
    for _ in range(number):
        sentence = []
        for _ in range(draw.randint(1, 5)):
            name = draw.randrange(len(names))
            sentence.append((names[name], "B-PER" if name < 2 else "B-LOC"))
            if draw.random() < 0.3:
                sentence.append((draw.choice(names), "I-PER" if name < 2 else "I-LOC"))
            sentence += [(draw.choice(words), "O") for _ in range(draw.randint(1, 3))]
        tagged.append(sentence)
    return tagged


def bio(sentences: Sequence[Sequence[tuple[str, str]]]) -> str:
    return "".join("".join(f"{w}\t{t}\n" for w, t in sentence) + "\n" for sentence in sentences)


def conllu(sentences: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Trees in which the first word that is no name is the root and all others hang on it."""
    text = ""
    for number, sentence in enumerate(sentences, 1):
        root = next(i for i, (_, tag) in enumerate(sentence, 1) if tag == "O")
        text += f"# sent_id = {number}\n"
        for i, (word, tag) in enumerate(sentence, 1):
            pos = "VERB" if i == root else "PROPN" if tag != "O" else "ADJ"
            relation = (
                "root" if i == root else "nsubj" if i < root else "obj" if tag != "O" else "amod"
            )
            head = 0 if i == root else root
            text += (
                "\t".join([str(i), word, word, pos, "_", "_", str(head), relation, "_", "_"]) + "\n"
            )
        text += "\n"
    return text


def all_texts() -> list[str]:
    return [
        " ".join(word for word, _ in sentence)
        for language in NAMES
        for sentence in sentences(language, 60, 9)
    ]


@dataclass
class World:
    """A folder with an encoder and the data of three languages, and configs on them."""

    folder: Path
    suffix: str = "bio"

    def config(self, name: str = "run", **changes: Any) -> Path:
        """A config file. Keys of `changes` may be dotted with `__`; YAML contains JSON."""
        config: dict[str, Any] = {
            "name": name,
            "task": {"name": "ner"} if self.suffix == "bio" else SMALL_PARSER,
            "model": {"encoder": str(self.folder / "encoder")},
            "data": {
                language: {
                    split: str(self.folder / f"{language}-{split}.{self.suffix}")
                    for split in ("train", "dev", "test")
                }
                for language in NAMES
            },
            "source": ["eng"],
            "target": ["jav"],
            "strategy": {"name": "hierarchical", "through": ["ind"]},
            "training": {
                "epochs": 2,
                "batch_tokens": 160,
                "learning_rate": 2e-3,
                "precision": "fp32",
                "checkpoint_every": 2,
            },
            "evaluation": {"bootstrap": 10},
            "seeds": [1],
            "output": {"root": str(self.folder / "runs")},
        }
        for key, value in changes.items():
            section = config
            *above, last = key.split("__")
            for part in above:
                section = section.setdefault(part, {})
            section[last] = value
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def runs(self, root: str = "runs") -> Path:
        return self.folder / root


SMALL_PARSER = {"name": "dependency_parsing", "arc_size": 16, "relation_size": 8}


def make_world(folder: Path, kind: str = "bert", *, suffix: str = "bio", size: int = 20) -> World:
    make_encoder(folder / "encoder", all_texts(), kind)
    write_data(folder, suffix, size)
    return World(folder, suffix)


def write_data(folder: Path, suffix: str = "bio", size: int = 20) -> None:
    write = bio if suffix == "bio" else conllu
    for language in NAMES:
        for seed, (split, number) in enumerate({"train": size, "dev": 8, "test": 8}.items()):
            path = folder / f"{language}-{split}.{suffix}"
            path.write_text(write(sentences(language, number, seed)), encoding="utf-8")


# Processes -------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """code: exit status, minus the signal's number for a killed process.
    peak: memory in GiB, beyond what it had from the process of the tests when it was forked.
    """

    code: int
    out: str
    err: str
    peak: float

    @property
    def text(self) -> str:
        return f"exit status {self.code}\n{self.out}\n{self.err}"


def start(work: Callable[[], None], **environment: str) -> Callable[[], Outcome]:
    """Run `work` in a forked process; the result waits for it."""

    def alone() -> None:
        from accelerate.state import AcceleratorState, GradientState, PartialState

        for state in (PartialState, AcceleratorState, GradientState):
            state._reset_state()
        work()

    inherited = psutil.Process().memory_info().rss / 2**30
    pid, texts = fork(alone, environment)

    def wait() -> Outcome:
        _, status, used = os.wait4(pid, 0)
        peak = used.ru_maxrss / 2**20 - inherited
        return Outcome(os.waitstatus_to_exitcode(status), *texts(), peak)

    return wait


def forked(work: Callable[[], None], **environment: str) -> Outcome:
    return start(work, **environment)()


def xlt(
    *arguments: object, before: Callable[[], None] | None = None, **environment: str
) -> Outcome:
    """The command line in a process of its own, after `before` (which may break something)."""
    return start_xlt(*arguments, before=before, **environment)()


def start_xlt(
    *arguments: object, before: Callable[[], None] | None = None, **environment: str
) -> Callable[[], Outcome]:
    import_all()

    def work() -> None:
        from xlt.cli import main

        if before is not None:
            before()
        main(["--quiet", *map(str, arguments)])

    return start(work, **environment)


def until(happened: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for it. Raises AssertionError if it does not happen."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


class Here(Executor):
    """Jobs in this process, after what becomes of them on the way to another."""

    slots = 1

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> Future[Any]:
        self.jobs.append(job)
        future: Future[Any] = Future()
        given = json.loads(json.dumps(asdict(job)))
        try:
            future.set_result(result_of(json.loads(json.dumps(do(given)))))
        except XltError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        pass


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


# What came out ---------------------------------------------------------------------------------


def weights(root: Path) -> dict[str, str]:
    """Every weight file of the stages and runs below `root`, with its SHA-256."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in ("stages/*/selected/*/*.safetensors", "*/seed-*/*/model/*.safetensors")
        for path in sorted(root.glob(pattern))
    }


def result(root: Path, name: str = "run") -> dict[str, Any]:
    return json.loads((root / name / "result.json").read_text(encoding="utf-8"))


def scores(root: Path, name: str = "run") -> Any:
    return result(root, name)["rows"]


# Breaking things -------------------------------------------------------------------------------


def watch(act: Callable[[int, str, Callable[[], Any], Path | None], Any]) -> None:
    """Have `act(number, what, go, path)` called for everything that changes files or weights.

    It calls `go` to let the thing happen. `path` is the file that is about to be written.
    """
    import shutil

    import safetensors.torch

    from xlt.training.trainer import TransferTrainer

    count = 0

    def wrap(owner: Any, name: str, describe: Callable[..., tuple[str, Path | None]]) -> None:
        real = getattr(owner, name)

        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            what, path = describe(*arguments)
            if os.environ["XLT_CACHE"] in what:  # filled only once
                return real(*arguments, **keywords)
            count += 1
            return act(count, what, lambda: real(*arguments, **keywords), path)

        setattr(owner, name, wrapper)

    def step(trainer: Any, *_: Any) -> tuple[str, None]:
        return f"{_stage(trainer.folder)}step {trainer.state.global_step + 1}", None

    wrap(TransferTrainer, "training_step", step)
    wrap(
        safetensors.torch,
        "serialize_file",
        lambda _, path, *a: (f"{_stage(path)}save {path}", path),
    )
    wrap(os, "fsync", lambda number: (f"fsync {Path(f'/proc/self/fd/{number}').readlink()}", None))
    for owner, name in ((Path, "replace"), (Path, "rename"), (shutil, "rmtree"), (os, "link")):
        wrap(owner, name, lambda path, *a, name=name: (f"{_stage(path)}{name} {path}", None))


def _stage(path: Any) -> str:
    parts = Path(path).parts
    return parts[parts.index("stages") + 1][:3] + " " if "stages" in parts else ""


def crash(at: int, *, torn: bool = False) -> Callable[[], None]:
    """kill -9 at the point of this number; `torn` leaves the file there half written."""

    def act(number: int, what: str, go: Callable[[], Any], path: Path | None) -> Any:
        if number != at:
            return go()
        if torn and path is not None:
            go()
            os.truncate(path, Path(path).stat().st_size // 2)
        die()

    return lambda: watch(act)


def trace(into: Path) -> Callable[[], None]:
    """Write down every point, one a line."""

    def act(number: int, what: str, go: Callable[[], Any], path: Path | None) -> Any:
        with into.open("a", encoding="utf-8") as stream:
            stream.write(what + "\n")
        return go()

    return lambda: watch(act)


def _warm_up() -> None:
    """Import here, once, what every forked process needs."""
    import transformers  # noqa: F401
    from transformers.models.bert import modeling_bert  # noqa: F401

    from xlt.config.load import load_config

    with tempfile.TemporaryDirectory() as folder:
        load_config(World(Path(folder)).config())


_warm_up()


# In this process -------------------------------------------------------------------------------


class Stages:
    """The stages of a config for its first target, without a run around them."""

    def __init__(self, path: Path, **settings: Any) -> None:
        from xlt.config.load import load_config
        from xlt.runs.experiment import prepare
        from xlt.runs.sources import Sources
        from xlt.training.stages import StageRunner

        experiment = prepare(load_config(path))
        self.experiment = experiment
        self.config, self.task = experiment.config, experiment.task
        self.plan = experiment.plans[self.config.target[0]].history
        self.sources = Sources(self.config, self.task)
        self.root = self.config.output.root / "stages"
        self.runner = StageRunner(
            self.config, self.task, self.root, self.sources.load, self.config.seeds[0], **settings
        )

    def run(self) -> list[Any]:
        from xlt.runs.execute import run_plan
        from xlt.runs.observed import observed

        return run_plan(self.runner, self.plan[-1], list(observed(self.experiment)))

    def records(self, language: str, split: str = "test") -> list[dict[str, Any]]:
        from xlt.transfer.stage import DataSplit

        return list(self.sources.load(DataSplit(language, split)).records)


def predict_with(folder: Path, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    from xlt.projection.predict import make_predictor

    task, backbone, predictor = make_predictor(folder, batch_tokens=500, precision="fp32")
    return predictor(records, task.encode(records, backbone, None))
