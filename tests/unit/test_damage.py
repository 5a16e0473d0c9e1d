"""What was damaged since it was written is noticed, named, and made again where that can be."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small import World, make_world, weights

from xlt import files
from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.files import DamagedFile, damage, listing, read_sealed, write_sealed
from xlt.inference.loading import make_direct_predictor
from xlt.model.folder import add_file, read_info, write_info
from xlt.results import finished_runs, read_counts, read_result
from xlt.runs.compare import compare
from xlt.runs.listing import list_runs
from xlt.runs.train import train


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def nothing(path: Path) -> None:
    path.write_text("{}")


DAMAGE = [cut, empty, zero, flip, remove, nothing]
Damage = Callable[[Path], None]


def crossed(names: Sequence[str]) -> pytest.MarkDecorator:
    """Each file, and each damage; each damage of each file where XLT_THOROUGH is set."""
    return pytest.mark.parametrize(
        ("name", "break_"),
        [
            pytest.param(name, break_, marks=() if j % len(names) == i else pytest.mark.thorough)
            for i, name in enumerate(names)
            for j, break_ in enumerate(DAMAGE)
        ],
    )


# Sealed files ----------------------------------------------------------------------------------

VALUE = {"score": 12.5, "name": "ä\n", "nested": {"seal": [1, None]}, "seam": 1}


def test_what_is_sealed_is_plain_json(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a.json", VALUE)
    assert read_sealed(tmp_path / "a.json", fix="") == VALUE
    loaded = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert loaded.pop("seal").startswith("sha256:")
    assert loaded == VALUE


def test_no_bit_of_a_sealed_file_can_change(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_sealed(path, VALUE)
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(DamagedFile, match="damaged"):
                read_sealed(path, fix="mend it", older=True)


@pytest.mark.parametrize("length", range(0, 120, 7))
def test_a_sealed_file_cannot_be_cut(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.json"
    write_sealed(path, VALUE)
    os.truncate(path, length)
    with pytest.raises(DamagedFile, match="damaged"):
        read_sealed(path, fix="", older=True)


def test_files_of_an_older_xlt_have_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"score": 1}))
    assert read_sealed(path, fix="", older=True) == {"score": 1}
    with pytest.raises(DamagedFile, match="no seal"):
        read_sealed(path, fix="")
    with pytest.raises(FileNotFoundError):
        read_sealed(tmp_path / "b.json", fix="")


# Lists of files --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name in ("a", "below/b"):
        (folder / name).write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.mark.parametrize("break_", DAMAGE)
@pytest.mark.parametrize("name", ["a", "below/b"])
def test_no_listed_file_can_change(folder: Path, break_: Damage, name: str) -> None:
    listed = listing(folder)
    assert damage(folder, listed) is None
    break_(folder / name)
    assert name in str(damage(folder, listed))


def test_a_file_that_was_right_is_not_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = listing(folder)
    monkeypatch.setattr(files, "_RESOLUTION", 0)
    assert damage(folder, listed) is None
    read = []
    real = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or real(path))
    assert damage(folder, listed) is None
    assert read == []
    times = (folder / "a").stat()
    flip(folder / "a")
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "a is damaged" in str(damage(folder, listed))


def test_what_is_published_is_readable_by_all_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        (tmp_path / "part").mkdir()
        for name in ("one", "two"):
            (tmp_path / "part" / name).touch(mode=0o600)
        files.publish_folder(tmp_path / "part", tmp_path / "final")
        files.write_text(tmp_path / "three", "")
    finally:
        os.umask(before)
    for path in (tmp_path / "final" / "one", tmp_path / "three"):
        assert path.stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "old")

    def fail() -> None:
        with files.publishing(tmp_path / "a") as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_copies_are_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    files.copy_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "one"
    (tmp_path / "b").write_text("two")
    assert (tmp_path / "a").read_text() == "one"


# Runs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=8)


@dataclass
class Run:
    """A finished run of two stages; `weights` are those that it has."""

    config: Path
    root: Path
    weights: dict[str, str]

    @property
    def folder(self) -> Path:
        return self.root / "run"

    @property
    def model(self) -> Path:
        return self.folder / "seed-1" / "jav" / "model"

    def again(self) -> dict[str, Any]:
        return train(load_config(self.config), quiet=True)

    def is_whole(self) -> bool:
        return weights(self.root) == self.weights and read_result(self.folder) is not None


@pytest.fixture(scope="module")
def finished(world: World) -> Run:
    chain = {"name": "hierarchical", "through": ["ind"], "target_stage": False}
    config = world.config(strategy=chain)
    train(load_config(config), quiet=True)
    shutil.copytree(world.runs(), world.folder / "backup")
    return Run(config, world.runs(), weights(world.runs()))


@pytest.fixture
def run(finished: Run, world: World) -> Run:
    shutil.rmtree(finished.root)
    shutil.copytree(world.folder / "backup", finished.root)
    return finished


def test_a_runs_model_is_not_the_stages(run: Run) -> None:
    (stage,) = run.root.glob("stages/ind-*/selected/*")
    for path in stage.iterdir():
        assert not path.samefile(run.model / path.name)
    assert {p.stat().st_mode & 0o777 for p in run.root.rglob("*.safetensors")} == {0o644}


def test_targets_with_one_model_have_its_weights_once(world: World) -> None:
    settings = {"strategy": "zero_shot", "target": ["jav", "ind"], "training__max_steps": 1}
    train(load_config(world.config("several", **settings)), quiet=True)
    folder = world.folder / "runs" / "several"
    first, second = (folder / f"seed-1/{target}/model" for target in ("jav", "ind"))
    weights = [name.name for name in first.glob("*.safetensors")]
    assert weights
    for name in weights:
        assert (first / name).samefile(second / name)
        assert (first / name).stat().st_mode & 0o777 == 0o444  # what is written to one, is to both
    assert not (first / "config.json").samefile(second / "config.json")
    for model, language in ((first, "jav"), (second, "ind")):
        assert read_info(model).languages == [language]
    shutil.rmtree(first)
    make_direct_predictor(second, batch_tokens=100)


MODEL_FILES = ["model.safetensors", "config.json", "tokenizer.json", "xlt.json"]


@crossed(MODEL_FILES)
def test_a_damaged_model_is_refused_and_made_again(run: Run, name: str, break_: Damage) -> None:
    break_(run.model / name)
    with pytest.raises(XltError) as refused:
        make_direct_predictor(run.model, batch_tokens=100)
    assert name in str(refused.value)
    if (name, break_) != ("xlt.json", remove):  # then it is no model of ours
        assert f"`xlt train {run.folder / 'config.yaml'}` makes it again" in str(refused.value)
        assert isinstance(refused.value, DamagedFile)
    run.again()
    make_direct_predictor(run.model, batch_tokens=100)
    assert run.is_whole()


@pytest.mark.parametrize("name", ["moved", "1e3"])
def test_a_run_that_was_moved_is_made_again_where_it_is(
    run: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = run.folder.rename(run.folder.with_name(name))
    model = home / run.model.relative_to(run.folder)
    counts = next(home.glob("*/*/*.counts.json"))
    monkeypatch.chdir(home.parent.parent)
    for path, ask in (
        (model / "model.safetensors", lambda: make_direct_predictor(model, batch_tokens=100)),
        (counts, lambda: read_counts(counts.relative_to(Path.cwd()))),
    ):
        remove(path)
        with pytest.raises(DamagedFile) as refused:
            ask()
        command = re.fullmatch("`xlt train (.*)` makes it again", refused.value.fix or "")
        assert command is not None
        train(load_config(*_config_and_overrides(command[1])), quiet=True)
        ask()
    assert not run.folder.exists()


def _config_and_overrides(arguments: str) -> tuple[str, list[str]]:
    config, *overrides = shlex.split(arguments)
    return config, overrides


@crossed(["selected/*/model.safetensors", "selected/*/xlt.json", "done.json"])
def test_a_damaged_stage_is_trained_again(
    run: Run, name: str, break_: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    for path in run.root.glob(f"stages/ind-*/{name}"):
        break_(path)
    shutil.rmtree(run.folder)
    reused = [stage["reused"] for stage in run.again()["lineage"]["seed-1/jav"]]
    assert reused == [True, False]
    assert run.is_whole()
    if (name, break_) != ("done.json", remove):  # then it is not finished
        assert Path(name).name in caplog.text
        assert "the stage is trained again" in caplog.text


RUN_FILES = ["result.json", "manifest.json", "seed-1/jav/test.counts.json", "seed-1/jav/test.bio"]


@crossed(RUN_FILES)
def test_a_damaged_file_of_a_run_is_named_and_made_again(
    run: Run, name: str, break_: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    path = run.folder / name
    content = path.read_bytes()
    break_(path)
    if (name, break_) == ("result.json", remove):  # then it is not finished
        with pytest.raises(XltError, match="did not finish"):
            run.again()
        return
    result = run.again()
    assert path.name in caplog.text
    assert "it is made again" in caplog.text
    assert all(stage["reused"] for stage in result["lineage"]["seed-1/jav"])
    if "jav" in name:
        assert path.read_bytes() == content


@pytest.mark.parametrize("break_", DAMAGE)
def test_a_damaged_config_of_a_run_is_named(run: Run, break_: Damage) -> None:
    break_(run.folder / "config.yaml")
    if break_ is remove:
        run.again()
        assert run.is_whole()
        return
    for use in (run.again, lambda: compare(run.folder, run.folder)):
        with pytest.raises(XltError, match=r"config\.yaml") as named:
            use()
        assert "damaged" in str(named.value)
    train(load_config(run.config), overwrite=True, quiet=True)
    assert run.is_whole()


@pytest.mark.parametrize("break_", DAMAGE)
def test_counts_are_checked_when_compared(run: Run, break_: Damage) -> None:
    break_(run.folder / "seed-1" / "jav" / "test.counts.json")
    with pytest.raises(DamagedFile, match=r"test\.counts\.json"):
        compare(run.folder, run.folder)


@pytest.mark.parametrize("name", ["result.json", "manifest.json"])
@pytest.mark.parametrize("break_", [cut, empty, zero, flip, nothing])
def test_runs_are_listed_whatever_is_damaged(
    run: Run, name: str, break_: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(run.folder, run.root / "other")
    break_(run.folder / name)
    states = {one["name"]: one["state"] for one in list_runs(run.root)}
    assert states == {"run": "damaged", "other": "finished"}
    assert name in caplog.text
    if name == "result.json":
        assert finished_runs(run.root) == [run.root / "other"]


def test_how_a_model_predicts_is_part_of_it(run: Run) -> None:
    add_file(run.model, "prediction.json", {"language": "jav"})
    assert "prediction.json" in read_info(run.model).files
    (run.model / "prediction.json").unlink()
    with pytest.raises(DamagedFile, match=r"prediction\.json is missing"):
        make_direct_predictor(run.model, batch_tokens=100)
    write_info(read_info(run.model), run.model)  # on purpose
    make_direct_predictor(run.model, batch_tokens=100)


def test_a_model_of_format_1_is_read(run: Run) -> None:
    raw = json.loads((run.model / "xlt.json").read_text(encoding="utf-8"))
    old = {key: raw[key] for key in raw if key not in ("files", "seal")} | {"format": 1}
    (run.model / "xlt.json").write_text(json.dumps(old))
    make_direct_predictor(run.model, batch_tokens=100)
    assert read_info(run.model).files == {}


def test_what_killed_processes_left_goes(run: Run) -> None:
    left = [
        run.folder / "result.json.part",
        run.folder / "seed-1" / "jav" / "test.counts.json.part",
        run.folder / "seed-1" / "jav" / "model.part" / "config.json",
    ]
    done = next(run.root.glob("stages/*/done.json"))
    done.unlink()
    stage = done.parent
    left += [stage / "selecting-1.part" / "x", stage / "work" / "writing-1.part" / "x"]
    for path in left:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    (run.folder / "result.json").unlink()
    train(load_config(run.config), resume=True, quiet=True)
    assert not list(run.root.rglob("*.part"))
