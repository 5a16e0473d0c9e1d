"""The encoder in the package: found by its name, refused when broken, honest about languages."""

from __future__ import annotations

import json
import logging
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from small import make_world, write_data, xlt
from tiny import MINI_LANGUAGES, make_mini

from xlt import languages
from xlt.config.load import dump, load_config
from xlt.config.schema import Model
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.model import embedded
from xlt.model.backbone import Backbone
from xlt.model.content import folder_hash
from xlt.registry import EMBEDDED
from xlt.runs.coverage import unknown_subwords, warnings
from xlt.runs.estimate import encoder_shape
from xlt.runs.manifest import describe_encoder
from xlt.runs.plan import plan
from xlt.runs.train import train

TEXTS = ["Ann sees the old Paris .", "Joko ndelok Solo iku tuwa ."] * 12

MINIMAL = """\
name: minimal
task: ner
data: {eng: {train: eng-train.bio, dev: eng-dev.bio}, jav: {test: jav-test.bio}}
source: eng
target: jav
training: {max_steps: 2, learning_rate: 1e-3}
seeds: [1, 2]
"""


@pytest.fixture
def mini(tmp_path, monkeypatch) -> Path:
    folder = make_mini(tmp_path / "mini", TEXTS)
    monkeypatch.setattr(embedded, "FOLDER", folder)
    return folder


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path, size=4)
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


# Found --------------------------------------------------------------------------------------


def test_a_config_without_a_model_means_the_embedded_one(config, mini):
    loaded = load_config(config).config
    assert loaded.model.encoder == "xlt-mini"
    assert "encoder: xlt-mini" in dump(loaded)


def test_the_name_is_never_a_path(config, mini):
    (config.parent / "xlt-mini").mkdir()
    for text, value in [("xlt-mini", "xlt-mini"), ("./xlt-mini", str(config.parent / "xlt-mini"))]:
        config.write_text(MINIMAL + f"model: {{encoder: {text}}}\n", encoding="utf-8")
        assert load_config(config).config.model.encoder == value


def test_it_loads_like_any_encoder(mini):
    import torch
    from transformers import AutoModelForTextEncoding, AutoTokenizer

    folder = embedded.folder()
    assert AutoModelForTextEncoding.from_pretrained(folder).dtype == torch.float16
    assert AutoTokenizer.from_pretrained(folder)("Paris")["input_ids"]
    backbone = Backbone("xlt-mini", Model())
    assert backbone.encoder().dtype == torch.float32  # half the disk, all of the precision
    assert backbone.words([Text.from_words(["Ann", "sees", "Paris"])])[0].n_words == 3
    shape = encoder_shape(Model())
    assert shape is not None
    assert shape.rest + shape.embeddings == sum(p.numel() for p in backbone.encoder().parameters())


def test_the_manifest_says_what_the_name_stood_for(mini):
    assert describe_encoder(Model()) == {
        "name": "xlt-mini",
        "revision": None,
        "version": "0-test",
        "sha256": folder_hash(mini),
    }
    elsewhere = describe_encoder(Model(encoder=str(mini)))
    assert elsewhere["sha256"] == folder_hash(mini)
    assert describe_encoder(Model(encoder="org/model")) == {"name": "org/model", "revision": None}


# Refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", embedded.FILES)
def test_an_installation_without_the_files(mini, name):
    (mini / name).unlink()
    with pytest.raises(XltError, match=f"lacks {name} of its encoder xlt-mini") as caught:
        Backbone("xlt-mini", Model())
    assert caught.value.where == "model.encoder"
    assert "install xlt again" in caught.value.fix


def test_an_installation_without_the_folder(config, monkeypatch, tmp_path):
    monkeypatch.setattr(embedded, "FOLDER", tmp_path / "nowhere")
    with pytest.raises(XltError) as caught:
        train(load_config(config), quiet=True)
    for name in embedded.FILES:
        assert name in caught.value.what
    assert "minimal.yaml" in caught.value.where
    (problem,) = plan(load_config(config))["missing"]
    assert "mini.json" in problem["what"]


def change(path: Path, **values) -> None:
    stated = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(stated | values), encoding="utf-8")


@pytest.mark.parametrize("name", ["mini.json", "config.json"])
def test_a_model_of_a_newer_version(mini, name):
    change(mini / name, format=embedded.FORMAT + 1)
    with pytest.raises(XltError, match=f"{name} was written by a newer xlt") as caught:
        embedded.folder()
    assert "upgrade" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mini.json", "{"),
        ("mini.json", "[]"),
        ("mini.json", '{"format": "x"}'),
        ("mini.json", '{"format": 1, "version": "1"}'),
        ("config.json", "\udcff"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1\n"),
        ("model.safetensors", ""),
    ],
)
def test_damaged_files(mini, name, content):
    (mini / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(XltError, match=f"{name} is damaged") as caught:
        embedded.folder()
    assert "install xlt again" in caught.value.fix


def test_weights_that_were_cut_off(mini):
    path = mini / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(XltError, match=r"model\.safetensors is damaged"):
        embedded.folder()


def test_the_command_line_says_so_before_any_training(config, mini):
    (mini / "model.safetensors").write_bytes(b"nothing")
    done = xlt("train", config)
    assert done.code == 2, done.text
    assert "is damaged" in done.err
    assert "fix: install xlt again" in done.err
    assert "Traceback" not in done.err
    assert not list((config.parent / "runs" / "stages").glob("*"))


# Honest about languages ---------------------------------------------------------------------

READ = Counter(["Ann", "sees", "Paris"])
CHEROKEE = Counter({"ᏣᎳᎩ": 3, "ᎦᏬᏂᎯᏍᏗ": 2})


def told(language: str, words: Counter[str], **model) -> list[str]:
    options = Model(**model)
    return warnings(language, words, Backbone(options.encoder, options).tokenizer, options)


def test_a_language_that_it_has_seen(mini):
    for language in MINI_LANGUAGES:
        assert told(language, READ) == []
    assert told("swh", READ) == []  # under its macrolanguage's code


def test_a_language_that_it_has_never_seen(mini):
    (said,) = told("kat", READ)
    assert said == "xlt-mini 0-test has never seen Georgian (kat): 0.0% of its subwords are unknown"
    assert told("kat", READ, initialise="random") == []
    assert told("kat", READ, encoder=str(mini)) == []


def test_text_in_a_script_without_subwords(mini):
    unseen, script = told("chr", CHEROKEE)
    share, scripts = unknown_subwords(CHEROKEE, Backbone("xlt-mini", Model()).tokenizer)
    assert share > 0.3
    assert scripts == ["Cherokee"]
    assert f"{share:.1%} of its subwords are unknown" in unseen
    assert "in Cherokee letters" in script
    # Any encoder's tokenizer is asked, a language it should know is told of as well.
    for language, encoder in [("eng", "xlt-mini"), ("chr", str(mini))]:
        (said,) = told(language, CHEROKEE, encoder=encoder)
        assert f"{share:.1%} of the subwords are unknown" in said


def test_a_run_warns_once_a_language_and_records_it(config, mini, caplog):
    change(mini / "mini.json", languages={"eng": {"tokens": 9, "script": "Latn"}})
    loaded = load_config(config)
    with caplog.at_level(logging.WARNING, "xlt"):
        result = train(loaded, quiet=True)
    said = [record.getMessage() for record in caplog.records if "never seen" in record.getMessage()]
    assert len(said) == 1  # of two seeds and two languages
    assert "never seen Javanese (jav)" in said[0]
    assert result["languages"]["jav"]["test"]["warnings"] == result["warnings"]["jav"]
    assert result["languages"]["jav"]["test"]["unknown_pieces"] < 0.2
    assert list(result["warnings"]) == ["jav"]
    run = config.parent / "runs" / "minimal"
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["encoder"]["version"] == "0-test"
    assert "encoder: xlt-mini" in (run / "config.yaml").read_text(encoding="utf-8")
    assert plan(loaded)["warnings"] == result["warnings"]


def test_another_version_of_the_model_is_another_stage(config, mini):
    def keys(name: str) -> list[str]:
        result = train(load_config(config, [f"name={name}", "seeds=[1]"]), quiet=True)
        return [stage["key"] for stages in result["lineage"].values() for stage in stages]

    first = keys("first")
    assert keys("again") == first
    change(mini / "mini.json", version="1-test")
    assert keys("changed") != first


@pytest.mark.parametrize("suffix", ["bio", "conllu"])
def test_predict_and_evaluate_warn_of_unreadable_text(tmp_path, suffix):
    world = make_world(tmp_path, suffix=suffix, size=4)
    done = xlt("train", world.config(training__epochs=1, seeds=[1], target=["jav"]))
    assert done.code == 0, done.text
    text = tmp_path / "text.txt"
    text.write_text("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ\n", encoding="utf-8")
    done = xlt("predict", world.runs() / "run", text, "--input-format", "words")
    assert done.code == 0, done.text
    assert done.err.count("no subwords for much of the Javanese (jav) in Cherokee letters") == 1
    data = world.folder / f"jav-test.{suffix}"
    words = data.read_text(encoding="utf-8").replace("ndelok", "ᏣᎳᎩ").replace("Joko", "ᎦᏬ")
    for word in ("seneng", "marani", "cedhak", "iku", "tuwa", "abang", "Sri", "Solo", "Tuban"):
        words = words.replace(word, "ᎦᏬᏂ")
    data.write_text(words, encoding="utf-8")
    done = xlt("evaluate", world.runs() / "run", data, "--language", "jav")
    assert done.code == 0, done.text
    assert "warning: the tokenizer has no subwords for much of the Javanese (jav)" in done.out


# What is in the package ---------------------------------------------------------------------

WANTED = (
    *("eng", "spa", "deu", "fra", "ita", "eus", "ind", "jav", "tur", "fin", "hun", "rus", "zho"),
    *("jpn", "kor", "hin", "tam", "tel", "ara", "heb", "fas", "swa", "hau", "ibo", "yor", "wol"),
    "zul",
)


def test_the_model_in_the_package():
    files = [path for path in embedded.folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40_000_000
    info = embedded.info()
    assert len(info.languages) >= 60
    assert len(info.scripts) >= 8
    lacking = [code for code in WANTED if languages.match(code, info.languages) is None]
    assert lacking == []
    assert all(about["tokens"] > 0 for about in info.languages.values())
    assert {about["script"] for about in info.languages.values()} <= set(info.scripts)


def test_the_model_in_the_package_reads_its_languages():
    backbone = Backbone(EMBEDDED, Model())
    assert backbone.encoder().config.model_type == "t5"
    words = Counter(
        [
            "The",
            "teacher",
            "reads",
            "a",
            "book",
            ".",
            "Ibu",
            "guru",
            "maca",
            "buku",
            ".",
            "老师",
            "读",
            "书",
            "。",
        ]
    )
    share, _ = unknown_subwords(words, backbone.tokenizer)
    assert share < 0.05
    card = (embedded.FOLDER / "README.md").read_text(encoding="utf-8")
    assert "licen" in card.lower()


def test_the_wheel_takes_the_model_along():
    root = Path(embedded.__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["xlt"]
    for name in (*embedded.FILES, "README.md"):
        assert any(Path("mini", name).match(pattern) for pattern in patterns), name
