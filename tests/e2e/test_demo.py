"""The demonstration from start to end on a small encoder, and its configs on other data."""

from __future__ import annotations

import json
import shutil

import pytest
from small import write_data, xlt
from tiny import make_encoder, make_mini

from scripts.demo import __main__ as demo
from xlt.config.load import load_config, resolved
from xlt.model import embedded
from xlt.runs.experiment import prepare

TEXTS = ["Ibu guru maca buku ing omah .", "The teacher reads a book at home ."] * 12
FEW = [
    "seeds=[1]", "training.max_steps=2", "evaluation.bootstrap=20", "evaluation.batch_tokens=20000",
    "selection.on=last",
]  # fmt: skip


@pytest.fixture
def forked(monkeypatch):
    def run(*arguments: str) -> str:
        done = xlt(*arguments)
        assert done.code == 0, done.text
        return done.out

    monkeypatch.setattr(demo, "xlt", run)


@pytest.mark.slow
def test_the_demonstration(tmp_path, monkeypatch, capsys, forked):
    monkeypatch.setattr(embedded, "FOLDER", make_mini(tmp_path / "mini", TEXTS))
    demo.main([str(tmp_path / "demo"), *FEW])
    said = capsys.readouterr().out
    for labels in {labels for _, labels in demo.RUNS.values()}:
        assert labels in said
    for words in ("dependency parsing", "ner", "unknown subwords", "Going through Indonesian"):
        assert words in said
    for name in demo.RUNS:
        run = demo.run_folder(tmp_path / "demo", name)
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["encoder"]["name"] == "xlt-mini"


def test_what_is_said_of_the_comparisons():
    def row(low: float, high: float, sure: bool = True) -> dict[str, object]:
        middle = (low + high) / 2
        return {"metric": "las", "difference": middle, "low": low, "high": high, "sure": sure}

    zero = row(-30, -20)
    for through, verdict in [
        (row(1, 3), "helped: +2.0 LAS [95 % interval +1.0, +3.0]"),
        (row(1, 3, sure=False), "made no sure difference: +2.0"),
        (row(-3, -1), "hurt: -2.0"),
    ]:
        said = demo.sentence({"hierarchical": through, "zero_shot": zero}, [])
        assert verdict in said
        assert "English without any Javanese label reaches -25.0 LAS" in said
        assert "predicted" not in said
    order = ["Indonesian", "Spanish", "English"]
    for ranking, better in [(order, "better"), (order[::-1], "worse")]:
        said = demo.sentence({"hierarchical": row(1, 2), "zero_shot": zero}, ranking)
        assert f"predicted to be the {better} source" in said


# Other data, by changing nothing but the references ---------------------------------------------

PARSING = [
    "data.eng=ud-english-ewt",
    "data.ind=ud-indonesian-gsd",
    "data.jav.train={ref: ud-javanese-csui:jav:train, limit: 60}",
    "data.jav.dev=ud-javanese-csui:jav:dev",
    "data.jav.test=ud-javanese-csui:jav:test",
]
NER = ["data.eng=uner-english-ewt", "data.jav.test=./jav-test.bio"]


@pytest.mark.parametrize("name", demo.RUNS)
def test_the_configs_on_real_data(name):
    loaded = load_config(demo.CONFIGS / f"{name}.yaml", NER if name == "ner" else PARSING)
    assert list(prepare(loaded).plans) == ["jav"]
    assert "sample" not in json.dumps(resolved(loaded.config)["data"])


def test_a_config_runs_on_files(tmp_path):
    suffix = "conllu"
    write_data(tmp_path, suffix, size=6)
    make_encoder(tmp_path / "encoder", TEXTS, "umt5")
    for file in demo.CONFIGS.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    files = [
        f"data.{language}.{split}={tmp_path / f'{language}-{split}.{suffix}'}"
        for language in ("eng", "ind", "jav")
        for split in ("train", "dev", "test")
    ]
    folders = [f"model.encoder={tmp_path / 'encoder'}", f"output.root={tmp_path / 'runs'}"]
    done = xlt("train", tmp_path / "hierarchical.yaml", *files, *FEW, *folders)
    assert done.code == 0, done.text
    result = json.loads((tmp_path / "runs/demo-hierarchical/result.json").read_text("utf-8"))
    stages = [stage["stage"] for stage in result["lineage"]["seed-1/jav"]]
    assert stages == ["eng", "ind", "jav"]
