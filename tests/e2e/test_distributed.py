"""Two processes do what one does: the same data once, the same weights, one run folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import Outcome, World, make_world, result, scores, start_xlt, watch, xlt

from xlt.training.optim import parameter_groups
from xlt.training.trainer import TransferTrainer

SETTINGS = {
    "training__batch_tokens": 200,
    "training__schedule": "constant",
    # With plain gradient descent and no clipping a gradient that is too large or too small by any
    # factor shows in the weights.
    "training__learning_rate": 0.1,
    "training__max_grad_norm": 1e6,
}


def descend() -> None:
    """Put plain gradient descent in AdamW's place, in this process.

    Adam divides by the gradient's size. Where the true gradient is 0 (the bias of an attention's
    keys, a parser's score that all heads share) it makes whole steps of what rounding leaves, and
    that depends on the processor and on how a batch is divided.
    """

    def create_optimizer(trainer: TransferTrainer, model: object = None) -> torch.optim.Optimizer:
        if trainer.optimizer is None:
            groups = parameter_groups(trainer.model, trainer.training)
            trainer.optimizer = torch.optim.SGD(groups)
        return trainer.optimizer

    TransferTrainer.create_optimizer = create_optimizer


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("world")
    world = make_world(folder, size=9)
    config = json.loads((folder / "encoder" / "config.json").read_text(encoding="utf-8"))
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps(config | without))
    return world


def config(world: World, name: str, **changes) -> Path:
    changes = SETTINGS | {"strategy": {"name": "zero_shot"}} | changes
    return world.config(name, output__root=str(world.folder / f"{name}-runs"), **changes)


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def together(*arguments: object, number: int = 2, before=lambda rank: None) -> list[Outcome]:
    """The same command in several processes, with the environment that torchrun gives them."""
    common = {
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": free_port(),
        "ACCELERATE_USE_CPU": "true",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    waiting = [
        start_xlt(
            *arguments,
            before=lambda rank=rank: before(rank),
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            **common,
        )
        for rank in range(number)
    ]
    return [wait() for wait in waiting]


def final(root: Path) -> dict[str, torch.Tensor]:
    weights = {}
    for path in sorted(root.glob("stages/*/selected/*/*.safetensors")):
        stage = path.relative_to(root).parts[1].partition("-")[0]
        weights |= {f"{stage}.{path.stem}.{k}": v for k, v in load_file(path).items()}
    assert weights
    return weights


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Equal but for rounding: about 3e-6 here. A mistake in a gradient moves weights by 0.01."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(
            value, other[name], rtol=0, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def selections(root: Path, name: str) -> list[object]:
    return [
        {selector: best["step"] for selector, best in stage["selected"].items()}
        for stage in result(root, name)["lineage"]["seed-1/jav"]
    ]


def processes(run: Path) -> int:
    return json.loads((run / "manifest.json").read_text(encoding="utf-8"))["processes"]


SELDOM = {
    "plain": {},
    "accumulate": {"training__accumulate": 2},
    "infobatch": {"training__epochs": 3, "training__weighting": "infobatch"},
}
VARIANTS = {
    "hierarchical": {"strategy": {"name": "hierarchical", "through": ["ind"]}},
    "distil": {"strategy": {"name": "distil", "on": "train"}},
}


def begin(rank: int) -> None:
    """Gradient descent; and teachers that tell the second process something else, as if it rounded
    very much otherwise."""
    from xlt.training import distillation

    descend()
    real = distillation.probabilities

    def turned(*given: object) -> object:
        return [[part[:, ::-1].copy() for part in parts] for parts in real(*given)]

    if rank:
        distillation.probabilities = turned


@pytest.mark.parametrize(
    "name", [*VARIANTS, *(pytest.param(name, marks=pytest.mark.thorough) for name in SELDOM)]
)
def test_two_processes_train_the_weights_of_one(world, name):
    single, double = f"{name}-1", f"{name}-2"
    one = xlt("train", config(world, single, **(SELDOM | VARIANTS)[name]), before=descend)
    assert one.code == 0, one.text
    both = together("train", config(world, double, **(SELDOM | VARIANTS)[name]), before=begin)
    assert [outcome.code for outcome in both] == [0, 0], both[0].text + both[1].text
    roots = [world.folder / f"{run}-runs" for run in (single, double)]
    assert_close(final(roots[0]), final(roots[1]))
    assert selections(roots[0], single) == selections(roots[1], double)
    rows = [
        [(row["step"], row["metrics"]) for row in scores(root, run)]
        for root, run in zip(roots, (single, double), strict=True)
    ]
    assert rows[0] == rows[1]
    # One run folder, the same files in it, nothing left over, one table printed.
    files = [sorted(str(p.relative_to(root)) for p in root.glob("*/**/*")) for root in roots]
    names = [{Path(f).name for f in listed} - {single, double, ".lock"} for listed in files]
    assert {n.partition(".lock")[0] for n in names[0]} == {
        n.partition(".lock")[0] for n in names[1]
    }
    assert not list(roots[1].rglob("work"))
    assert "jav" in both[0].out
    assert both[1].out == ""


def test_parser_under_two_processes(tmp_path):
    """A head that reads no pooler, and steps of fewer sentences than there are parts."""
    world = make_world(tmp_path, suffix="conllu", size=5)
    changes = {"training__batch_tokens": 60, "training__max_steps": 4, "task__dropout": 0.0}
    path = tmp_path / "encoder" / "config.json"
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | without))
    one = xlt("train", config(world, "one", **changes), before=descend)
    assert one.code == 0, one.text
    parts = config(world, "two", **changes, training__accumulate=2)
    both = together("train", parts, before=lambda _: descend())
    assert [outcome.code for outcome in both] == [0, 0], both[0].text + both[1].text
    assert_close(final(tmp_path / "one-runs"), final(tmp_path / "two-runs"))


def test_finished_run_returns_at_once(world):
    path = config(world, "again")
    assert xlt("train", path).code == 0
    stamp = (world.folder / "again-runs" / "again" / "result.json").stat().st_mtime_ns
    both = together("train", path)
    assert [outcome.code for outcome in both] == [0, 0], both[0].text + both[1].text
    assert (world.folder / "again-runs" / "again" / "result.json").stat().st_mtime_ns == stamp


def test_resume_with_two_processes(world):
    """Both die; both go on, from generators of their own."""
    path = config(world, "whole2")
    assert [o.code for o in together("train", path)] == [0, 0]

    def die_in_step_four(rank: int) -> None:
        def act(number, what, go, path):
            if what.endswith(" step 4"):
                os.kill(os.getpid(), signal.SIGKILL)
            return go()

        watch(act)

    path = config(world, "broken2", training__checkpoint_every=2)
    assert [o.code for o in together("train", path, before=die_in_step_four)] == [-9, -9]
    both = together("train", path, "--resume")
    assert [o.code for o in both] == [0, 0], both[0].text + both[1].text
    roots = [world.folder / f"{name}-runs" for name in ("whole2", "broken2")]
    whole, broken = final(roots[0]), final(roots[1])
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_in_one_process_ends_all(world, rank):
    def fail(own: int) -> None:
        def act(number, what, go, path):
            if own == rank and what.endswith(" step 2"):
                raise RuntimeError("broken on purpose")
            return go()

        watch(act)

    both = together("train", config(world, f"error-{rank}"), before=fail)
    assert all(outcome.code != 0 for outcome in both)
    assert "broken on purpose" in both[rank].err


def test_bad_input_ends_all(world):
    path = config(world, "bad", data__jav__test=str(world.folder / "nowhere.bio"))
    both = together("train", path)
    assert both[0].code == 2
    assert "nowhere.bio" in both[0].err
    assert both[1].code != 0


@pytest.mark.slow
@pytest.mark.skipif("XLT_THOROUGH" not in os.environ, reason="slow; XLT_THOROUGH=1 runs it")
def test_accelerate_launch(world, tmp_path):
    path = config(world, "launched", training__max_steps=3)
    program = tmp_path / "descending.py"
    program.write_text(
        "from test_distributed import descend\nfrom xlt.cli import main\ndescend()\nmain()\n"
    )
    # With --cpu, accelerate starts one process whatever --num_processes says.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    settings = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command = [*launch, *settings, "--main_process_port", free_port(), str(program), "--quiet"]
    done = subprocess.run(
        [sys.executable, *command, "train", str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("target") == 1
    assert processes(world.folder / "launched-runs" / "launched") == 2
    one = xlt("train", config(world, "alone", training__max_steps=3), before=descend)
    assert one.code == 0, one.text
    assert_close(final(world.folder / "launched-runs"), final(world.folder / "alone-runs"))
