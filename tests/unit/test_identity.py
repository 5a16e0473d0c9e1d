"""What makes a stage or a run another one, though its config is the same."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from small import Stages, World, bio, make_world, sentences

from xlt import files
from xlt.config.load import load_config
from xlt.data import checksums, code, store
from xlt.data.checksums import code_sha256, sha256
from xlt.data.code import code_hashes
from xlt.data.resolved import ResolvedData
from xlt.errors import XltError
from xlt.model.content import folder_hash
from xlt.results import read_result
from xlt.runs.plan import plan
from xlt.runs.train import train
from xlt.tasks.ner import NER
from xlt.training import identity, stages

# Checksums -------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Files that are read for their checksum, in a cache of their own."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checksums, "_known", {})
    read: list[Path] = []
    real = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or real(path))
    return read


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RESOLUTION", 0)


def forget() -> None:
    checksums._known.clear()


def test_a_file_put_in_the_place_of_another(
    reads: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With its size and its times, as `cp -p`, `rsync -t` and `tar` do."""
    settle(monkeypatch)
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("old")
    first = sha256(path)
    assert sha256(path) == first
    forget()
    assert sha256(path) == first
    assert len(reads) == 1
    other.write_text("new")
    shutil.copystat(path, other)
    other.replace(path)
    assert sha256(path) != first


def test_a_file_changed_in_place_with_its_time_set_back(
    reads: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_text("old")
    first, times = sha256(path), path.stat()
    path.write_text("new")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha256(path) != first


def test_a_file_changed_just_now_is_not_remembered(reads: list[Path], tmp_path: Path) -> None:
    """The next change could get the same time."""
    path = tmp_path / "a"
    path.write_text("old")
    first = sha256(path)
    same = files.stamp(path)
    path.write_text("new")
    real = files.stamp
    try:
        checksums.stamp = lambda path: same  # a clock that ticks once in two seconds
        assert sha256(path) != first
    finally:
        checksums.stamp = real
    assert len(reads) == 2


def test_a_damaged_note_is_not_believed(
    reads: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_text("old")
    first = sha256(path)
    (note,) = (tmp_path / "cache" / "checksums").iterdir()
    content = note.read_text()
    for place in (0, 30, 63, 64, 70):
        note.write_text(
            content[:place] + ("0" if content[place] != "0" else "1") + content[place + 1 :]
        )
        forget()
        assert sha256(path) == first
    assert len(reads) == 6


# Code ------------------------------------------------------------------------------------------

CODE = '''
"""Labels."""

LABELS = {"A": "B"}


class Task:
    """A task."""

    name = "a"  # its name

    def read(self):
        """Read."""
        return "a text"
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""Labels."""', '"""Other words."""', True),
        ("  # its name", "", True),
        ('        """Read."""\n', "", True),
        ('    """A task."""\n\n', "\n\n\n", True),
        ('{"A": "B"}', '{"A": "C"}', False),
        ('return "a text"', 'return "another"', False),
        ('name = "a"', 'name = "b"', False),
    ],
)
def test_code_is_what_it_does(tmp_path: Path, old: str, new: str, same: bool) -> None:
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    path.write_text(CODE)
    assert old in CODE
    other.write_text(CODE.replace(old, new))
    assert (code_sha256(path) == code_sha256(other)) == same


def test_what_is_no_python_is_taken_as_it_stands(tmp_path: Path) -> None:
    for name, text in (("a.py", "print 'x' # a"), ("b.py", "print 'x' # b")):
        (tmp_path / name).write_text(text)
    assert code_sha256(tmp_path / "a.py") != code_sha256(tmp_path / "b.py")


PLUGIN = (
    "from xlt.tasks.ner import NER\nfrom .labels import MAP\n\n\nclass Mine(NER):\n    map = MAP\n"
)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder of an installed plugin, whose label map is in a module and a file of its own."""
    folder = tmp_path / "site" / "my_plugin"
    (folder / "tasks").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "tasks" / "__init__.py").write_text(PLUGIN.replace(".labels", "..labels"))
    (folder / "labels.py").write_text("MAP = {'PER': 'PERSON'}\n")
    (folder / "map.json").write_text("{}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_plugin"]:
        del sys.modules[name]


def test_a_plugin_is_its_whole_package(plugin: Path) -> None:
    from my_plugin.tasks import Mine

    first = code_hashes(Mine, "document")
    assert set(first) == {"xlt.document", "my_plugin", "xlt.tasks.ner", "xlt.word_task", "xlt.task"}
    (plugin / "labels.py").write_text("MAP = {'PER': 'PERSON'}  # people\n")
    (plugin / "__pycache__").mkdir(exist_ok=True)
    (plugin / "__pycache__" / "x.pyc").touch()
    assert code_hashes(Mine, "document") == first
    for name, text in (("labels.py", "MAP = {'PER': 'MAN'}\n"), ("map.json", "[]")):
        (plugin / name).write_text(text)
        changed = code_hashes(Mine, "document")
        assert changed != first
        assert {key for key in first if changed[key] != first[key]} == {"my_plugin"}
        first = changed


def test_a_class_without_a_file_is_its_source() -> None:
    made = []
    for value in (1, 1, 2):
        space: dict[str, object] = {"__name__": "notebook", "NER": NER}
        exec(f"class Mine(NER):\n    value = {value}\n    def f(self): return {value}\n", space)
        made.append(code_hashes(space["Mine"])["notebook"])
    assert made[0] == made[1] != made[2]


# Stages ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=6)


@pytest.fixture
def config(world: World, tmp_path: Path):
    def config(name: str = "run", **changes):
        settings = {
            "output__root": str(tmp_path / "runs"),
            "strategy": {"name": "zero_shot"},
            "training__max_steps": 2,
        }
        return world.config(name, **settings | changes)

    return config


ENVIRONMENTS = {
    "torch": {"versions": {"torch": "1.0"}},
    "precision": {"precision": "bf16"},
    "device": {"device": "cuda"},
    "xlt.model": {"code": {"xlt.model": "0"}},
    "my_plugin": {"code": {"my_plugin": "0"}},
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch):
    """Train with something else."""
    real = identity.environment

    def change(name: str | None) -> None:
        def environment(*arguments, **keywords):
            made = real(*arguments, **keywords)
            for part, value in ENVIRONMENTS.get(name or "", {}).items():
                made[part] = {**made[part], **value} if isinstance(value, dict) else value
            return made

        monkeypatch.setattr(stages, "environment", environment)

    return change


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_a_stage_was_made_with_is_part_of_it(
    config, elsewhere, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = config(strategy={"name": "hierarchical", "through": ["ind"], "target_stage": False})
    elsewhere(name)
    first = Stages(path).run()
    assert [stage.reused for stage in Stages(path).run()] == [True, True]
    elsewhere(None)
    despite = Stages(path, reuse=True).run()
    assert [stage.folder for stage in despite] == [stage.folder for stage in first]
    assert all(name in stage.differs[0] for stage in despite)
    assert "it is used all the same (--reuse)" in caplog.text
    caplog.clear()
    again = Stages(path).run()
    assert [stage.reused for stage in again] == [False, False]
    assert {stage.folder for stage in again}.isdisjoint({stage.folder for stage in first})
    assert f"{first[0].folder.name} was trained with " in caplog.text
    assert name in caplog.text
    assert Stages(path, reuse=True).run()[0].folder == again[0].folder  # what differs in nothing


def test_what_was_asked_for_is_no_matter_of_reuse(config, elsewhere) -> None:
    elsewhere("torch")
    Stages(config()).run()
    elsewhere(None)
    (stage,) = Stages(config(training__learning_rate=1e-4), reuse=True).run()
    assert not stage.reused


def test_the_result_says_what_was_used_all_the_same(config, elsewhere) -> None:
    elsewhere("torch")
    Stages(config()).run()
    elsewhere(None)
    result = train(load_config(config()), reuse=True, quiet=True)
    (told,) = result["lineage"]["seed-1/jav"][0]["differs"]
    assert told.startswith("torch 1.0 (now ")


def test_differences_in_words() -> None:
    then = {
        "code": {"a": "1", "b": "1"},
        "versions": {"torch": "2", "old": "1"},
        "precision": "fp32",
        "device": "cpu",
    }
    now = {
        "code": {"a": "2", "c": "1"},
        "versions": {"torch": "3"},
        "precision": "bf16",
        "device": "cuda",
    }
    assert identity.differences(then, now) == [
        "device cpu (now cuda)",
        "precision fp32 (now bf16)",
        "torch 2 (now 3)",
        "old 1 (now absent)",
        "other code in a, b, c",
    ]
    assert identity.differences(then, then) == []


@pytest.mark.parametrize("name", ["data", "document", "languages", "reader_options", "scripts"])
def test_whatever_reads_data_is_part_of_what_is_made_of_them(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    task = NER()
    resolved = ResolvedData("a", "eng", "train", (), format=None, fingerprint="of the files")

    def keys() -> tuple[str, str]:
        made = identity.environment([type(task)], "fp32", "cpu", lora=False)
        return str(made), store._cache_path(task, resolved).name

    before = keys()
    real = code._loaded
    monkeypatch.setattr(code, "_loaded", lambda at: "changed" if at.name == name else real(at))
    assert all(one != other for one, other in zip(before, keys(), strict=True))


def test_the_encoder_is_known_by_its_files(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(world.folder / "encoder", folder)
    first = folder_hash(folder)
    assert first == folder_hash(world.folder / "encoder")
    for name in ("README.md", ".gitattributes", "tf_model.h5", "pytorch_model.bin"):
        (folder / name).write_text(name)
    assert folder_hash(folder) == first
    for name in ("modeling_own.py", "merges.txt"):
        (folder / name).write_text(name)
        assert (first := first) != folder_hash(folder)
        first = folder_hash(folder)


# Runs ------------------------------------------------------------------------------------------


@pytest.fixture
def own_data(world: World, tmp_path: Path, config):
    """A config on data that a test may change."""
    path = tmp_path / "eng.bio"
    path.write_text(bio(sentences("eng", 6)), encoding="utf-8")
    return config(data__eng__train=str(path)), path


def test_other_data_are_another_run(own_data) -> None:
    config, path = own_data
    first = train(load_config(config), quiet=True)
    before = path.read_text(encoding="utf-8")
    path.write_text(bio(sentences("eng", 6, seed=7)), encoding="utf-8")
    for flags in ({}, {"resume": True}):
        with pytest.raises(XltError, match="made from other files") as told:
            train(load_config(config), quiet=True, **flags)
        assert f"eng train ({path}) changed" in told.value.what
        assert "--overwrite" in str(told.value.fix)
    (problem,) = plan(load_config(config))["missing"]
    assert problem["what"] == told.value.what
    again = train(load_config(config), quiet=True, overwrite=True)
    assert plan(load_config(config))["missing"] == []
    assert again["lineage"] != first["lineage"]
    path.write_text(before, encoding="utf-8")
    with pytest.raises(XltError, match="made from other files"):
        train(load_config(config), quiet=True)


def test_an_unfinished_run_does_not_go_on_with_other_data(own_data) -> None:
    config, path = own_data
    train(load_config(config), quiet=True)
    root = load_config(config).config.output.root
    (root / "run" / "result.json").unlink()
    path.write_text(bio(sentences("eng", 6, seed=7)), encoding="utf-8")
    with pytest.raises(XltError, match="made from other files"):
        train(load_config(config), quiet=True, resume=True)


def test_a_finished_run_whose_data_are_gone_is_finished(
    own_data, caplog: pytest.LogCaptureFixture
) -> None:
    config, path = own_data
    first = train(load_config(config), quiet=True)
    path.unlink()
    assert train(load_config(config), quiet=True)["rows"] == json.loads(json.dumps(first["rows"]))
    assert "nobody can say whether the data" in caplog.text


def test_another_encoder_under_the_same_name_is_another_run(
    world: World, config, tmp_path: Path
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(world.folder / "encoder", folder)
    path = config(model__encoder=str(folder))
    train(load_config(path), quiet=True)
    (folder / "vocab.extra").write_text("x")
    with pytest.raises(XltError, match=f"the encoder {folder} changed"):
        train(load_config(path), quiet=True)


def test_another_donor_of_subwords_is_another_run(tmp_path: Path, monkeypatch) -> None:
    from xlt.config.schema import Model
    from xlt.runs import inputs, manifest

    monkeypatch.setattr(manifest, "Pretrained", Mock())  # nothing is extended
    donor, text = tmp_path / "donor", tmp_path / "text.txt"
    donor.mkdir()
    text.write_text("Budi mangan sega .")
    model = Model(vocabulary={"extend": str(text), "donor": str(donor)})

    def described() -> dict:
        about = manifest.describe_encoder(model)
        return {"data": [], "projection_files": {}, "environment": {}, "encoder": about}

    then = described()
    (donor / "config.json").write_text("{}")
    now = described()
    assert inputs._changed(then, now) == [f"the donor {donor}"]
    del then["encoder"]["donor"]  # of an older xlt
    assert inputs._changed(then, now) == []


def test_a_finished_run_says_what_it_was_made_with(
    config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from xlt.runs import inputs

    train(load_config(config()), quiet=True)
    real = inputs.environment

    def newer(*arguments, **keywords):
        made = real(*arguments, **keywords)
        return {**made, "versions": {**made["versions"], "torch": "99"}}

    monkeypatch.setattr(inputs, "environment", newer)
    train(load_config(config()), quiet=True)
    assert "(now 99); --overwrite runs it again" in caplog.text


def test_a_run_of_an_older_xlt_is_read(config) -> None:
    train(load_config(config()), quiet=True)
    folder = load_config(config()).config.output.root / "run"
    for name, later in (
        ("manifest.json", ("seal", "environment", "projection_files")),
        ("result.json", ("seal", "files")),
    ):
        raw = json.loads((folder / name).read_text(encoding="utf-8"))
        old = {key: value for key, value in raw.items() if key not in later}
        (folder / name).write_text(json.dumps(old), encoding="utf-8")
    assert train(load_config(config()), quiet=True)["task"] == read_result(folder)["task"] == "ner"


def test_files_of_the_projection_are_part_of_a_run(tmp_path: Path) -> None:
    from xlt.runs.inputs import _files

    for name in ("eng-jav.txt", "eng-ind.txt", "links.txt"):
        (tmp_path / name).write_text(name)
    settings = {
        "translator": {"name": "given", "file": str(tmp_path / "{source}-{target}.txt")},
        "aligner": {"file": str(tmp_path / "links.txt"), "nested": [None, 3, "no file", ""]},
    }
    found = dict(_files(settings))
    assert sorted(Path(path).name for path in found) == ["eng-ind.txt", "eng-jav.txt", "links.txt"]
    (tmp_path / "[1]").mkdir()
    (tmp_path / "1").mkdir()
    for folder in ("[1]", "1"):
        (tmp_path / folder / "engjav.txt").write_text(folder)
    pattern = tmp_path / "[1]" / "{source}{target}.txt"
    assert [Path(path).parent.name for path, _ in _files(str(pattern))] == ["[1]"]
    assert not list(_files([".", "/"]))
    (tmp_path / "links.txt").write_text("other")
    assert dict(_files(settings)) != found


def test_a_stage_of_very_many_sources_has_a_folder(tmp_path: Path) -> None:
    """A file name has 255 bytes; seventy languages joined by `+` have more."""
    name = "+".join(f"{n:03}" for n in range(70))
    one, other = (identity.Identity({"seed": 1}, {"device": device}) for device in ("cpu", "gpu"))
    folder = tmp_path / identity.folder_name(name, one)
    folder.mkdir()
    one.write(folder)
    assert len(folder.name) < 160
    assert identity.folder_name(name, other) != folder.name
    assert list(identity.made_otherwise(tmp_path, name, other)) == [(folder, one)]
