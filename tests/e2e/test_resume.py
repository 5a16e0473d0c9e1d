"""Kill at any point + --resume = the uninterrupted run, bit for bit; nothing is ever half there."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from small import World, crash, die, make_world, result, scores, trace, watch, weights, xlt

STAGES = ("eng", "ind", "jav")


def seldom(names: Iterable[str], *thorough: str) -> list[Any]:
    """Parameters, some of which are thorough."""
    marks = dict.fromkeys(thorough, pytest.mark.thorough)
    return [pytest.param(name, marks=marks.get(name, ())) for name in names]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


SETTINGS = {
    "training__batch_tokens": 200,
    "training__checkpoint_every": 2,
    "training__epochs": 2,
}

ONE_STAGE = {"strategy": {"name": "zero_shot"}}

VARIANTS = {
    "accumulate": {
        "training__accumulate": 2,
        "training__checkpoint_every": 1,
        "training__sharpness": {"method": "asam", "radius": 0.5},
    },
    "lora": {"model__lora": {"rank": 2, "dropout": 0.1}},
    "bf16": {"training__precision": "bf16"},
    "layers": {
        "training__layer_decay": 0.8,
        "training__head_learning_rate": 1e-2,
        "training__schedule": "cosine",
        "training__freeze": ["embeddings"],
    },
    "average": {"training__average": 0.9},
    "checkpointing": {"training__gradient_checkpointing": True},
    "infobatch": {"training__epochs": 3, "training__weighting": "infobatch"},
    "untrimmed": {"model__trim_vocabulary": False},
    "joint": {
        "source": ["eng", "ind"],
        "strategy": {"name": "joint", "temperature": 2},
        "training__checkpoint_every": 1,
    },
}


class Reference:
    """An uninterrupted run, and what it did in which order."""

    def __init__(self, world: World, name: str, **changes) -> None:
        self.world, self.name, self.changes = world, name, SETTINGS | changes
        points = world.folder / f"{name}.trace"
        outcome = xlt("train", self.config("whole"), before=trace(points))
        assert outcome.code == 0, outcome.text
        self.points = points.read_text(encoding="utf-8").splitlines()
        self.weights = weights(self.root("whole"))
        self.scores = scores(self.root("whole"))
        assert self.weights

    def root(self, kind: str) -> Path:
        return self.world.folder / f"{self.name}-{kind}"

    def config(self, kind: str) -> Path:
        return self.world.config(output__root=str(self.root(kind)), **self.changes)

    def point(self, *words: str, last: bool = False) -> int:
        found = [i for i, p in enumerate(self.points, 1) if all(w in p for w in words)]
        return found[-1 if last else 0]

    def interrupted(self, before, *, code: int = -9, then=None) -> str:
        """Interrupt, resume, compare; returns what was said while resuming."""
        root = self.root("broken")
        shutil.rmtree(root, ignore_errors=True)
        config = self.config("broken")
        first = xlt("train", config, before=before)
        assert first.code == code, first.text
        if then is not None:
            then(root)
        second = xlt("train", config, "--resume")
        assert second.code == 0, second.text
        self.compare(root)
        return first.err + second.err

    def compare(self, root: Path) -> None:
        assert weights(root) == self.weights
        assert scores(root) == self.scores
        remains = [p for p in root.rglob("*") if p.suffix == ".part" or p.name == "work"]
        assert not remains


@pytest.fixture(scope="module")
def reference(world) -> Reference:
    """Three stages with dropout (the encoder's own 0.1)."""
    return Reference(world, "plain")


@pytest.mark.parametrize("stage", seldom(STAGES, "eng", "ind"))
def test_killed_in_a_step(reference, stage):
    steps = [p for p in reference.points if p.startswith(f"{stage} step")]
    assert len(steps) >= 4
    chosen = random.Random(stage).choice(steps[1:])
    reference.interrupted(crash(reference.point(chosen)))


_THOROUGH = {"marks": pytest.mark.thorough}
KILLS = [
    # a torn file in a checkpoint
    pytest.param("ind save optimizer", True, **_THOROUGH),
    # all files there, but not listed
    ("jav replace complete.json", False),
    # listed, but not in its place
    pytest.param("eng rename writing", False, **_THOROUGH),
    # in its place, the oldest still there
    pytest.param("ind rmtree work/checkpoint", False, **_THOROUGH),
    pytest.param("jav save snapshot", True, **_THOROUGH),
    # the stage's model, half written
    ("ind save selecting", True),
    # the model there, the stage not yet finished
    ("jav replace done.json", False),
    # finished, but not tidied up
    pytest.param("eng rmtree /work", False, **_THOROUGH),
    # the run's copy of the model, not in its place
    ("rename seed-1/jav/model", False),
    ("result.json", False),
]


@pytest.mark.parametrize(("words", "torn"), KILLS)
def test_killed_while_writing(reference, words, torn):
    reference.interrupted(crash(reference.point(*words.split(), last=True), torn=torn))


def test_killed_twice(reference):
    root = reference.root("broken")
    shutil.rmtree(root, ignore_errors=True)
    config = reference.config("broken")
    assert xlt("train", config, before=crash(reference.point("eng step 4"))).code == -9
    # Few points later: the resumed process repeats a step or two.
    assert xlt("train", config, "--resume", before=crash(reference.point("eng step 1") + 30)).code
    assert xlt("train", config, "--resume").code == 0
    reference.compare(root)


@pytest.mark.parametrize(
    "name", seldom(VARIANTS, *VARIANTS.keys() - {"accumulate", "bf16", "infobatch"})
)
def test_resume_with(world, name):
    reference = Reference(world, name, **ONE_STAGE | VARIANTS[name])
    last = reference.points[reference.point("step", last=True) - 1]
    stage = last.split()[0]
    steps = sum(p.startswith(f"{stage} step") for p in reference.points)
    assert steps > 2
    middle = [i for i, p in enumerate(reference.points, 1) if p.startswith(f"{stage} step")]
    reference.interrupted(crash(middle[len(middle) // 2 + 1]))


PATIENCE = {
    "selection__patience": 2,
    "training__evaluate_every": 1,
    "training__epochs": 12,
    "training__learning_rate": 1e-5,
    "training__warmup": 0.0,
} | ONE_STAGE


@pytest.fixture(scope="module")
def patient(world) -> Reference:
    return Reference(world, "patience", **PATIENCE)


def test_patience_ends_the_stage(patient):
    steps = [p for p in patient.points if " step " in p]
    lineage = result(patient.root("whole"))["lineage"]["seed-1/jav"]
    assert len(steps) == lineage[0]["selected"]["dev:eng"]["step"] + 2


@pytest.mark.parametrize("point", ["step", "done.json"])
def test_patience_survives(patient, point):
    """Also where the stage had stopped already and only its end was lost."""
    patient.interrupted(crash(patient.point("eng", point, last=True)))


# Damage --------------------------------------------------------------------------------------


def newest(root: Path) -> Path:
    checkpoints = root.glob("stages/*/work/checkpoint-*")
    return max(checkpoints, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def cut(root: Path) -> None:
    path = newest(root) / "weights.safetensors"
    os.truncate(path, path.stat().st_size // 2)


def flip(root: Path) -> None:
    path = newest(root) / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)


def damage_all(root: Path) -> None:
    for path in root.glob("stages/*/work/checkpoint-*/trainer_state.json"):
        path.write_bytes(b"{")


@pytest.mark.parametrize(
    "damage", [cut, *(pytest.param(d, marks=pytest.mark.thorough) for d in (flip, damage_all))]
)
def test_damaged_checkpoint_is_not_used(reference, damage):
    said = reference.interrupted(crash(reference.point("ind step 6")), then=damage)
    assert "going back to the checkpoint before it" in said
    assert ("starts again" in said) == (damage is damage_all)


def test_damaged_snapshot_is_noticed(patient):
    """The best weights so far are no part of the current ones, but of what a resume needs."""

    def damage(root: Path) -> None:
        snapshots = list(root.glob("stages/*/work/snapshot-*.safetensors"))
        assert snapshots
        for path in snapshots:
            content = bytearray(path.read_bytes())
            content[-1] ^= 64
            path.write_bytes(content)

    patient.interrupted(crash(patient.point("eng", "step", last=True)), then=damage)


# The disk ------------------------------------------------------------------------------------


def full_at(word: str, occurrence: int):
    """Writing fails from the given write on: half of the file is there, the rest is not."""

    def install() -> None:
        seen = 0

        def act(number, what, go, path):
            nonlocal seen
            seen += word in what
            if seen <= occurrence:
                return go()
            if path is not None:
                go()
                os.truncate(path, Path(path).stat().st_size // 2)
                # What safetensors raises is not an OSError.
                raise RuntimeError("I/O error: No space left on device (os error 28)")
            if "fsync" in what or "rename" in what or "link" in what:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return go()

        watch(act)

    return install


@pytest.mark.parametrize(
    ("word", "occurrence"),
    [
        pytest.param("eng save", 1, marks=pytest.mark.thorough),
        ("ind save", 6),
        pytest.param("jav save", 3, marks=pytest.mark.thorough),
        pytest.param("selecting", 0, marks=pytest.mark.thorough),
        ("fsync", 25),
    ],
)
def test_full_disk(reference, word, occurrence):
    said = reference.interrupted(full_at(word, occurrence), code=2)
    assert "the disk is full" in said
    assert "--resume" in said
    assert "Traceback" not in said


def test_really_full_disk(reference, tmp_path):
    """A file system of its own, too small; then a larger one with the same files."""
    root = reference.root("broken")
    shutil.rmtree(root, ignore_errors=True)
    config = reference.config("broken")
    small = tmp_path / "small"
    small.mkdir()
    root.symlink_to(small)
    if os.system(f"mount -t tmpfs -o size=600k tmpfs {small} 2>/dev/null"):
        root.unlink()
        pytest.skip("mounting needs root")
    try:
        first = xlt("train", config)
        assert first.code == 2, first.text
        assert "the disk is full" in first.err
        assert "Traceback" not in first.err
        assert os.system(f"mount -o remount,size=64m {small}") == 0
        second = xlt("train", config, "--resume")
        assert second.code == 0, second.text
        reference.compare(root)
    finally:
        os.system(f"umount {small}")
        root.unlink()


# The run's folder ----------------------------------------------------------------------------


def test_an_unfinished_run_wants_resume(reference):
    root = reference.root("broken")
    shutil.rmtree(root, ignore_errors=True)
    config = reference.config("broken")
    assert xlt("train", config, before=crash(reference.point("ind step 3"))).code == -9
    again = xlt("train", config)
    assert again.code == 2
    assert "--resume" in again.err
    over = xlt("train", config, "--overwrite")
    assert over.code == 0, over.text
    reference.compare(root)
    lineage = result(root)["lineage"]["seed-1/jav"]
    assert [stage["reused"] for stage in lineage] == [True, False, False]


def test_resume_of_nothing_is_a_start(reference):
    root = reference.root("broken")
    shutil.rmtree(root, ignore_errors=True)
    assert xlt("train", reference.config("broken"), "--resume").code == 0
    reference.compare(root)


def test_a_stage_in_which_nothing_was_saved_starts_again(reference):
    reference.interrupted(lambda: watch(_die_at("jav step 1")))


def _die_at(word: str):
    return lambda number, what, go, path: die() if word in what else go()
