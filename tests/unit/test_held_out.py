"""Runs without dev or test data, and dev data that are a share of the training data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bad_inputs.runner import command_of_its_own
from small import World, make_world

from xlt.cli import main
from xlt.config.load import load_config
from xlt.data.held_out import hold_out
from xlt.document import Document, Text
from xlt.errors import XltError
from xlt.inference.loading import find_model
from xlt.model import calibration
from xlt.registry import tasks
from xlt.runs.experiment import prepare
from xlt.runs.listing import list_runs
from xlt.runs.plan import plan
from xlt.runs.sources import Sources
from xlt.runs.train import train
from xlt.transfer.stage import DataSplit


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=30)


def config(world: World, name: str, data: dict[str, object], **changes: object):
    settings = {
        "strategy": {"name": "zero_shot"},
        "data": data,
        "training__epochs": 1,
        "training__batch_tokens": 300,
    }
    return load_config(world.config(name, **settings | changes))


def sentences(*texts: str, document: int | None = None) -> list[Document]:
    meta = {} if document is None else {"document": str(document)}
    return [Document(t, {"text": Text(t)}, meta=meta) for t in texts]


def test_a_share_is_held_out():
    parts = [sentences(*"abcdefgh"), sentences(*"ijklmnopqrst")]
    train, dev = hold_out(parts, 0.2, 1, where="")
    assert len(dev) == 4
    assert sorted([*train, *dev]) == list(range(20))
    assert (train, dev) == ([*sorted(train)], [*sorted(dev)])
    assert hold_out(parts, 0.2, 1, where="") == (train, dev)
    assert hold_out(parts, 0.2, 2, where="") != (train, dev)
    assert hold_out(parts, 0.999, 1, where="")[0]
    assert len(hold_out(parts, 0.001, 1, where="")[1]) == 1


def test_documents_stay_whole(caplog):
    """The same number in another file is another document; equal texts go together anywhere."""
    one = [s for n in range(4) for s in sentences(*(f"{n}{c}" for c in "abc"), document=n)]
    two = sentences("x", "y", document=0)
    for seed in range(8):
        train, dev = hold_out([one, two], 0.3, seed, where="")
        every = [("one", d.meta["document"]) for d in one] + [("two", "0")] * 2
        assert not {every[n] for n in train} & {every[n] for n in dev}
        assert len(dev) == 5  # of 4.2: 6 are further away
    passages = sentences("p", "p", "q", "q", "p")
    assert hold_out([passages], 0.5, 1, where="") in (([0, 1, 4], [2, 3]), ([2, 3], [0, 1, 4]))
    assert not caplog.records
    train, dev = hold_out([sentences("a", "b", "c", document=1)], 0.4, 1, where="data.eng")
    assert len(dev) == 2
    assert "all is one document" in caplog.text
    with pytest.raises(XltError, match="there is one record"):
        hold_out([sentences("a")], 0.5, 1, where="data.eng.dev_share")


def test_a_large_group_is_left_where_it_is(caplog):
    """Held out last, equal texts could make a share much larger than was asked for."""
    records = sentences(*["again"] * 40, *map(str, range(100)))
    for seed in range(20):
        _, dev = hold_out([records], 0.2, seed, where="data.eng.dev_share")
        assert len(dev) == 28
    assert not caplog.records
    _, dev = hold_out([sentences(*"aaaaaaaa", *"bbbbbbb")], 0.1, 1, where="data.eng")
    assert len(dev) == 7  # at least one group is
    assert "7 of 15 records are held out, 47 % and not 10 %" in caplog.text


def test_readers_say_what_is_a_document(tmp_path: Path):
    bio = "Ana O\n\n-DOCSTART- O\n\nBudi O\n\nSri O\n\n# newdoc id = x\nYa O\n"
    (tmp_path / "a.bio").write_text(bio)
    found = [one.meta.get("document") for one in tasks.get("ner")().read(tmp_path / "a.bio", "bio")]
    assert found == [None, "1", "1", "2"]
    word = "1\tYa\t_\t_\t_\t_\t0\troot\t_\t_\n\n"
    (tmp_path / "a.conllu").write_text(
        f"# newdoc\n{word}{word}# newdoc id = b\n# text = Ya\n{word}"
    )
    parser = tasks.get("dependency_parsing")()
    found = [one.meta.get("document") for one in parser.read(tmp_path / "a.conllu", "conllu")]
    assert found == ["1", "1", "2"]


def test_what_is_held_out_is_not_trained_on(world):
    data = {"eng": {"train": str(world.folder / "eng-train.bio"), "dev_share": 0.2}}
    loaded = config(world, "share", data)
    experiment = prepare(loaded)
    assert experiment.notes == ("no test data for jav: there are no scores on it",)
    sources = Sources(loaded.config, experiment.task)
    train, dev = (sources.load(DataSplit("eng", split)) for split in ("train", "dev"))
    whole = [d.id for d in experiment.task.read(world.folder / "eng-train.bio", "bio")]
    assert len(train.records) + len(dev.records) == len(whole)
    ids = [{one.id for one in data.records} for data in (train, dev)]
    assert ids[0] | ids[1] == {*whole}
    assert not ids[0] & ids[1]
    assert len({train.fingerprint, dev.fingerprint}) == 2
    other = config(world, "other", {"eng": data["eng"] | {"dev_share": 0.3}})
    assert Sources(other.config, experiment.task).load(DataSplit("eng", "train")).fingerprint != (
        train.fingerprint
    )


def test_dev_is_one_of_both(world):
    path = str(world.folder / "eng-train.bio")
    with pytest.raises(XltError, match="`dev` and `dev_share` are both there"):
        config(world, "both", {"eng": {"train": path, "dev": path, "dev_share": 0.1}})
    with pytest.raises(XltError, match=r"dev_share.*less than 1"):
        config(world, "all", {"eng": {"train": path, "dev_share": 1.5}})


def test_a_run_without_dev_and_test_data(world, capsys):
    """It is trained, keeps its last checkpoint, and says what it lacks."""
    data = {"eng": {"train": str(world.folder / "eng-train.bio")}}
    loaded = config(world, "bare", data)
    planned = plan(loaded)
    assert planned["missing"] == []
    assert planned["stages"][0]["dev"] == []
    told = "\n".join(planned["notes"])
    assert "no dev data for eng: stage eng keeps its last checkpoint" in told
    assert "no test data for jav: there are no scores on it" in told
    result = train(loaded, quiet=True)
    assert result["notes"] == planned["notes"]
    assert (result["rows"], result["summary"]) == ([], [])
    model = find_model(world.runs() / "bare")
    assert calibration.load(model) is None
    card = (world.runs() / "bare" / "README.md").read_text(encoding="utf-8")
    assert "## Confidence" not in card  # nothing was scored
    assert train(loaded, quiet=True)["notes"] == planned["notes"]
    for arguments, shown in (
        (["train", str(world.folder / "bare.yaml")], "there is nothing to score on"),
        (["plan", str(world.folder / "bare.yaml"), "name=again"], "note: no test data for jav"),
        (["config", "check", str(world.folder / "bare.yaml")], "note: no dev data for eng"),
    ):
        with command_of_its_own(), pytest.raises(SystemExit) as ended:
            main([*arguments, "--quiet"])
        out = capsys.readouterr().out
        assert ended.value.code == 0, arguments
        assert shown in out
    (run,) = [row for row in list_runs(world.runs()) if row["name"] == "bare"]
    assert (run["state"], run["scores"]) == ("finished", [])


def test_selection_on_those_that_have_dev_data(world):
    files = {s: str(world.folder / f"eng-{s}.bio") for s in ("train", "dev")}
    data = {"eng": files, "ind": {"train": str(world.folder / "ind-train.bio")}}
    joint = {"strategy": {"name": "joint"}, "source": ["eng", "ind"]}
    experiment = prepare(config(world, "joint", data, **joint))
    (stage,) = experiment.plans["jav"].history
    assert [one.language for one in stage.dev] == ["eng"]
    assert experiment.notes[0] == "no dev data for ind: stage eng+ind is selected on eng"
    with pytest.raises(XltError, match="there is no dev data for jav"):
        prepare(config(world, "target", data, **joint, selection__on="target_dev"))


def test_dev_share_of_a_card(world):
    data = {"eng": {"all": "sample-ner", "dev_share": 0.1}}
    experiment = prepare(config(world, "card", data))
    sources = Sources(experiment.config, experiment.task)
    dev = sources.load(DataSplit("eng", "dev"))
    assert {one.split for one in sources.used["eng", "dev"]} == {"train"}
    whole = len(dev.records) + len(sources.load(DataSplit("eng", "train")).records)
    assert len(dev.records) == -(-whole // 10)
    assert json.dumps(experiment.notes).count("dev data") == 0
