"""`xlt merge`: models that load and predict as any other, with what they were made from."""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models import make_model
from records import RECORDS
from safetensors.torch import load_file, save_file

from xlt.errors import XltError, flat
from xlt.export.folder import write as export
from xlt.files import DamagedFile, read_sealed
from xlt.inference.loading import make_direct_predictor
from xlt.merging.information import DRAWN, GOLD, write_information
from xlt.merging.labels import label_axes
from xlt.merging.methods import METHODS
from xlt.merging.settings import WAYS, Settings
from xlt.merging.weights import MERGE, Weights
from xlt.model.calibration import Calibration
from xlt.model.calibration import save as save_calibration
from xlt.model.folder import load_model, read_info, save_model, write_info
from xlt.model.vocabulary import SUBWORDS
from xlt.registry import tasks
from xlt.results import CONFIG, RESULT
from xlt.runs.labelled import Data, records
from xlt.runs.merge import merge


def weights(folder):
    return {
        f"{path.name} {name}": one
        for path in sorted(folder.glob("*.safetensors"))
        for name, one in load_file(path).items()
    }


def changed(folder, target, seed, **info):
    """A copy of a model with other weights, as training it on would make."""
    shutil.copytree(folder, target)
    draw = torch.Generator().manual_seed(seed)
    for path in target.glob("*.safetensors"):
        moved = {
            name: one + 0.1 * torch.randn(one.shape, generator=draw)
            if one.is_floating_point()
            else one
            for name, one in load_file(path).items()
        }
        save_file(moved, path, {"format": "pt"})
    write_info(replace(read_info(target), **info), target)
    return target


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, two that were trained on from it, and labelled data."""
    root = tmp_path_factory.mktemp("merge")
    base = make_model(root, "ner", ("eng",))
    one = changed(base, root / "one", 1)
    two = changed(base, root / "two", 2, languages=["jav"])
    task = tasks.get("ner")()
    with (root / "dev.bio").open("w") as stream:
        task.write(RECORDS["ner"][:8], stream, "bio")
    return root, base, one, two


def predicted(folder, name="ner"):
    task, backbone, predictor = make_direct_predictor(folder, batch_tokens=64, precision="fp32")
    records = RECORDS[name][:3]
    return predictor(records, task.encode(records, backbone, None))


SETTINGS = {
    "wise": {"scales": [0.3]},
    "slerp": {"scales": [0.3]},
    "arithmetic": {"scales": [0.5]},
    "ties": {"settings": Settings(density=0.3)},
    "dare": {"settings": Settings(density=0.5, seed=3)},
    "dare-ties": {},
    "layers": {"settings": Settings(bottom=1, top=0, joint=0)},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_a_model(world, tmp_path, method):
    root, base, one, two = world
    kind = WAYS[method]
    more = dict(SETTINGS.get(method, {}))
    if kind.based:
        more["base"] = str(base)
    if method == "fisher":
        more["information"] = Data(str(root / "dev.bio"), "eng")
    models = [one] if kind.most == 1 else [one, two]
    result = merge(models, tmp_path / "merged", method=method, **more)
    info = read_info(tmp_path / "merged")
    assert info.labels == read_info(one).labels
    assert info.languages == (["eng"] if len(models) == 1 else ["eng", "jav"])
    assert set(info.files) == set(read_info(one).files) | {MERGE}
    said = read_sealed(tmp_path / "merged" / MERGE, fix="")
    assert said["method"] == method
    assert [one["name"] for one in said["models"]] == list(map(str, models))
    assert all(len(one["sha256"]) == 64 for one in said["models"])
    assert (said["base"] is not None) == kind.based
    assert json.loads(json.dumps(result))["output"] == str(tmp_path / "merged")
    made = weights(tmp_path / "merged")
    assert made.keys() == weights(one).keys()
    assert any(not torch.equal(made[name], own) for name, own in weights(one).items())
    assert [doc.words for doc in predicted(tmp_path / "merged")] == [
        doc.words for doc in RECORDS["ner"][:3]
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_the_mean_of_weights(world, tmp_path):
    _, _, one, two = world
    merge([one, two], tmp_path / "mean", settings=Settings(weights=(3.0, 1.0)))
    made, a, b = map(weights, (tmp_path / "mean", one, two))
    for name in made:
        expected = a[name]
        if expected.is_floating_point():
            expected = ((3 * a[name].double() + b[name].double()) / 4).float()
        assert torch.equal(made[name], expected)


def test_a_run_stands_for_its_seeds(world, tmp_path):
    _, base, one, two = world
    for seed, folder in ((10, base), (2, two), (1, one)):
        for target in ("jav", "eng"):
            shutil.copytree(folder, tmp_path / "run" / f"seed-{seed}" / target / "model")
    changed(base, tmp_path / "run" / "seed-3" / "jav" / "model", 7)
    result = merge([tmp_path / "run"], tmp_path / "out", language="jav")
    names = [Path(model["name"]).parent for model in result["models"]]
    assert names == [tmp_path / "run" / f"seed-{seed}" / "jav" for seed in (1, 2, 3, 10)]


def test_a_run_that_lacks_a_seed_is_not_merged(world, tmp_path):
    _, _, one, two = world
    run = tmp_path / "run"
    for seed, folder in ((1, one), (2, two)):
        shutil.copytree(folder, run / f"seed-{seed}" / "eng" / "model")

    def state(keep, seeds):
        stated = {"name": "run", "task": "ner", "source": "eng", "target": "eng", "seeds": seeds}
        data = {"eng": {"train": "x.bio", "dev": "x.bio", "test": "x.bio"}}
        rest = {"data": data, "model": {"encoder": "none"}, "output": {"keep": keep}}
        (run / CONFIG).write_text(json.dumps({**stated, **rest}))

    def refused(what, fix):
        with pytest.raises(XltError) as caught:
            merge([run], tmp_path / "out")
        assert what in caught.value.what
        assert fix in caught.value.fix
        assert caught.value.where == str(run)

    for keep in ("all", "best"):
        state(keep, [1, 2, 3, 10])
        refused("seed 3, 10: the run is not finished", "finish the run")
    state("all", [1, 2])
    assert len(merge([run], tmp_path / "two")["models"]) == 2
    (run / RESULT).write_text("{}")
    state("all", [1, 2, 3])
    refused("no model of seed 3", "name the model folders")
    state("best", [1, 2, 3])
    assert len(merge([run], tmp_path / "kept")["models"]) == 2


def test_a_file_that_a_model_does_not_list_is_not_read(world, tmp_path):
    one = shutil.copytree(world[2], tmp_path / "one")
    save_file({"more": torch.zeros(2)}, one / "more.safetensors", {"format": "pt"})
    (one / SUBWORDS).write_bytes(b"none")
    merge([one, world[3]], tmp_path / "out")
    assert weights(tmp_path / "out").keys() == weights(world[2]).keys()
    assert not (tmp_path / "out" / SUBWORDS).exists()


def test_fisher_draws_labels_with_its_seed(world, tmp_path):
    root, _, one, two = world
    information = Data(str(root / "dev.bio"), "eng")
    made = []
    for seed in (1, 2):
        out, settings = tmp_path / str(seed), Settings(seed=seed)
        said = merge([one, two], out, method="fisher", settings=settings, information=information)
        assert said["settings"]["seed"] == seed
        made.append(weights(out))
    assert any(not torch.equal(own, made[1][name]) for name, own in made[0].items())


def test_a_model_merged_with_itself_is_itself(world, tmp_path):
    _, _, one, _ = world
    merge([one] * 3, tmp_path / "same")
    assert all(torch.equal(own, weights(one)[k]) for k, own in weights(tmp_path / "same").items())
    assert predicted(tmp_path / "same") == predicted(one)


def test_an_encoder_as_base_lacks_the_task_layers(world, tmp_path):
    root, base, one, two = world
    merge([one, two], tmp_path / "out", method="arithmetic", base=str(root / "ner-encoder"))
    made, a, b, start = map(weights, (tmp_path / "out", one, two, base))
    digest = read_sealed(tmp_path / "out" / MERGE, fix="")["base"]["sha256"]
    copied = shutil.copytree(root / "ner-encoder", tmp_path / "encoder")
    for scale in (1, 0.5):
        path = copied / "model.safetensors"
        save_file({k: v * scale for k, v in load_file(path).items()}, path, {"format": "pt"})
        again = merge([one], tmp_path / str(scale), method="arithmetic", base=str(copied))
        assert (again["base"]["sha256"] == digest) == (scale == 1)
    name = next(name for name in made if "word_embeddings" in name)
    expected = a[name].double() + b[name].double() - start[name].double()
    assert torch.allclose(made[name].double(), expected, atol=1e-6)
    head = next(name for name in made if "classifier.weight" in name)
    assert torch.allclose(made[head], (a[head] + b[head]) / 2)
    other = make_model(tmp_path / "other", "nli")
    with pytest.raises(XltError, match="no encoder of this kind"):
        merge([one], tmp_path / "x", method="arithmetic", base=str(other.parent / "nli-encoder"))


@pytest.mark.parametrize("name", ["ner", "nli", "dependency_parsing"])
def test_labels_in_another_order_are_put_in_order(tmp_path, name):
    """The same model with its labels in reverse: the mean is the model."""
    options = {"arc_size": 16, "relation_size": 8} if name == "dependency_parsing" else {}
    folder = make_model(tmp_path, name, **options)
    task, backbone, model = load_model(folder)
    labels = {layer: tuple(reversed(values)) for layer, values in model.labels.items()}
    axes = label_axes(folder)
    assert axes
    state = model.state_dict()
    for key, (axis, _) in axes.items():
        state[key] = state[key].flip(axis)
    other = task.build(backbone, labels)
    other.load_state_dict(state)
    save_model(other, replace(read_info(folder), labels=labels), backbone.tokenizer, tmp_path / "b")
    assert [d.layers for d in predicted(tmp_path / "b", name)] == [
        d.layers for d in predicted(folder, name)
    ]
    merge([folder, tmp_path / "b"], tmp_path / "merged")
    made = weights(tmp_path / "merged")
    assert all(torch.equal(made[key], own) for key, own in weights(folder).items())


def test_information_is_of_one_example_at_a_time(world, tmp_path):
    base = world[1]
    records = RECORDS["ner"][:3]
    assert write_information(base, records, tmp_path / "f", 1) == DRAWN
    found = load_file(tmp_path / "f")
    again = write_information(base, records, tmp_path / "g", 1)
    assert again == DRAWN
    assert all(torch.equal(one, load_file(tmp_path / "g")[k]) for k, one in found.items())
    assert all(bool((one >= 0).all()) for one in found.values())
    # The bias of the last layer, by hand: (p - y)² summed over pairs of words of a sentence.
    task, backbone, model = load_model(base)
    model.eval()
    draw, expected = torch.Generator().manual_seed(1), torch.zeros(len(model.labels["tag"]))
    for example in task.encode(records, backbone, model.labels):
        batch = task.collate([example])
        chances = model(**{k: v for k, v in batch.items() if k != "labels"})["scores"][0].exp()
        y = torch.multinomial(chances.detach(), 1, generator=draw)[:, 0]
        real = batch["labels"][0] != -100
        one_hot = torch.nn.functional.one_hot(y, chances.shape[-1])
        expected += ((chances - one_hot)[real].sum(0) ** 2).detach()
    bias = next(name for name in found if name.endswith("classifier.bias"))
    assert torch.allclose(found[bias], expected / 3, rtol=1e-4)


def test_a_parser_has_the_information_of_its_gold_trees(tmp_path):
    folder = make_model(tmp_path, "dependency_parsing", arc_size=16, relation_size=8)
    records = RECORDS["dependency_parsing"][:2]
    assert write_information(folder, records, tmp_path / "f", 1) == GOLD


def test_of_several_scales_the_best_is_taken(world, tmp_path):
    root, _, one, two = world
    dev = Data(str(root / "dev.bio"), "eng")
    scales = [0.0, 0.5, 1.0]
    result = merge([one, two], tmp_path / "out", method="wise", scales=scales, dev=dev)
    points = result["dev"]["points"]
    assert [point["scale"] for point in points] == scales
    assert points[0]["metrics"] == result["dev"]["models"][0]["metrics"]
    assert points[2]["metrics"] == result["dev"]["models"][1]["metrics"]
    best = max(points, key=lambda point: point["score"])
    assert result["settings"] == {"scale": best["scale"]}
    assert read_sealed(tmp_path / "out" / MERGE, fix="")["dev"] == result["dev"]
    merge([one, two], tmp_path / "again", method="wise", scales=[best["scale"]])
    made = weights(tmp_path / "again")
    assert all(torch.equal(made[key], own) for key, own in weights(tmp_path / "out").items())


def test_calibration_is_of_the_weights_it_was_made_for(world, tmp_path):
    one = changed(world[1], tmp_path / "calibrated", 4)
    save_calibration(one, Calibration({"entities": 2.0}, "dev:eng", {"entities": 3}))
    merge([one, world[2]], tmp_path / "out")
    assert not (tmp_path / "out" / "calibration.json").exists()


def another(tmp_path, world, what):
    """A model that does not go together with the world's."""
    base, target = world[1], tmp_path / "other"
    if what == "task":
        return make_model(tmp_path / "x", "nli")
    if what == "shape":
        return make_model(tmp_path / "x", "ner", family="xlm-roberta")
    if what == "labels":
        labels = {"tag": (*read_info(base).labels["tag"][:-1], "B-NEW")}
        return changed(base, target, 5, labels=labels)
    if what == "config":
        changed(base, target, 5)
        config = json.loads((target / "config.json").read_text())
        (target / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    elif what == "tokenizer":
        changed(base, target, 5)
        path = target / "tokenizer.json"
        vocabulary = json.loads(path.read_text())
        known = vocabulary["model"]["vocab"]  # subwords with their scores, by number
        known[-1], known[-2] = known[-2], known[-1]
        path.write_text(json.dumps(vocabulary))
    else:
        export(base, target, int8=True)
    write_info(read_info(target), target)
    return target


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("task", "`task` in xlt.json is 'ner' there and 'nli' here"),
        ("shape", "`model_type` in config.json"),
        ("labels", "`labels` in xlt.json"),
        ("config", "`hidden_act` in config.json"),
        ("tokenizer", "subwords in the same place"),
        ("int8", "in 8 bits"),
    ],
)
def test_models_that_do_not_go_together(world, tmp_path, what, message):
    other = another(tmp_path, world, what)
    with pytest.raises(XltError) as caught:
        merge([world[2], other], tmp_path / "out")
    (problem,) = flat(caught.value)
    assert message in problem.what
    assert problem.where == str(other)
    assert problem.fix
    assert not (tmp_path / "out").exists()


def test_unequal_shapes_are_listed(world, tmp_path):
    other = changed(world[1], tmp_path / "other", 5)
    tensors = load_file(other / "model.safetensors")
    name = next(name for name in tensors if "word_embeddings" in name)
    tensors[name] = tensors[name][:-1]
    tensors["more"] = torch.zeros(2)
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    write_info(read_info(other), other)
    with pytest.raises(XltError, match=f"{name} is .* there and .* here; more is only here"):
        merge([world[2], other], tmp_path / "out")


def test_a_damaged_model(world, tmp_path):
    other = changed(world[1], tmp_path / "other", 5)
    path = other / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(DamagedFile):
        merge([world[2], other], tmp_path / "out")


def test_what_is_no_number_is_not_written(world, tmp_path):
    other = changed(world[1], tmp_path / "other", 5)
    tensors = load_file(other / "model.safetensors")
    next(iter(tensors.values())).view(-1)[0] = torch.inf
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    write_info(read_info(other), other)
    with pytest.raises(XltError, match="NaN or infinite"):
        merge([world[2], other], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"method": "meen"}, "--method"),
        ({"method": "ties"}, "--base"),
        ({"base": "x"}, "--base"),
        ({"settings": Settings(density=0.5)}, "--density"),
        ({"settings": Settings(scale=0.5)}, "--scale"),
        ({"settings": Settings(weights=(1.0,))}, "--weight"),
        ({"settings": Settings(weights=(0.0, 0.0))}, "--weight"),
        ({"scales": [0.5]}, "--scale"),
        ({"method": "wise", "scales": [0.2, 0.5]}, "--scale"),
        ({"method": "wise", "settings": Settings(seed=2)}, "--seed"),
        ({"method": "fisher"}, "--information"),
        ({"information": Data("x")}, "--information"),
        ({"method": "layers", "base": "base"}, "MODEL"),
        ({"method": "arithmetic", "base": "nobody/nothing"}, "--base"),
        ({"models": 1}, "MODEL"),
        ({"output": "one/x"}, "one/x"),
        ({"output": "one"}, "one"),
        ({"models": "none"}, "none"),
    ],
)
def test_mistakes(world, tmp_path, monkeypatch, given, where):
    root, _, one, two = world
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    more = {"models": 2, "output": "new", **given}
    models, output = more.pop("models"), Path(more.pop("output"))
    chosen = [Path(models)] if isinstance(models, str) else [one, two][:models]
    with pytest.raises(XltError) as caught:
        merge(chosen, output, **more)
    assert caught.value.where == where
    assert caught.value.fix
    assert sorted(root.rglob("*")) == before


def test_a_base_without_safetensors_is_said_to_have_none(world, tmp_path):
    (tmp_path / "encoder").mkdir()
    with pytest.raises(XltError, match=r"no safetensors of .* on this machine") as caught:
        merge([world[2]], tmp_path / "out", method="arithmetic", base=str(tmp_path / "encoder"))
    assert "model.safetensors" in caught.value.fix


def test_a_run_of_several_targets_as_base_is_its_model_for_the_language(world, tmp_path):
    _, base, one, two = world
    run = tmp_path / "run"
    for target, folder in (("eng", one), ("jav", base)):
        shutil.copytree(folder, run / "seed-1" / target / "model")
    (run / CONFIG).write_text("{}")
    made = merge([two], tmp_path / "out", method="arithmetic", base=str(run), language="jav")
    assert made["base"]["name"] == str(run / "seed-1" / "jav" / "model")


def test_settings_that_make_no_sense_are_refused_before_anything_is_scored(
    world, tmp_path, monkeypatch
):
    monkeypatch.setattr("xlt.runs.merge.metrics", lambda *given: pytest.fail("it was scored"))
    root, base, one, _ = world
    with pytest.raises(XltError, match="the model has") as caught:
        merge([one], tmp_path / "out", method="layers", base=str(base),
              settings=Settings(bottom=90), dev=Data(str(root / "dev.bio"), "eng"))  # fmt: skip
    assert caught.value.where == "--bottom"


@pytest.mark.parametrize("what", ["information", "dev"])
def test_a_disk_that_is_full_before_the_model_is_written(world, tmp_path, monkeypatch, what):
    def fail(*given):
        raise OSError(errno.ENOSPC, "no")

    root, _, one, two = world
    monkeypatch.setattr("xlt.merging.information.save_file", fail)
    monkeypatch.setattr("xlt.merging.folder.save_file", fail)
    more = {what: Data(str(root / "dev.bio"), "eng")}
    with pytest.raises(XltError, match="the disk is full") as caught:
        merge([one, two], tmp_path / "out", method="fisher" if what == "information" else "mean",
              **more)  # fmt: skip
    assert caught.value.where == str(tmp_path / "out")
    assert caught.value.fix.endswith("name another folder with --output")
    assert [*tmp_path.iterdir()] == []


def test_a_card_of_which_no_split_is_named_means_its_dev_data(tmp_path):
    folder = make_model(tmp_path, "nli")

    def ids(split):
        return [one.id for one in records(folder, Data(f"sample-nli:jav{split}"))]

    assert ids("") == ids(":dev") != ids(":test")


def test_a_mistyped_file_is_said_to_be_missing(world):
    with pytest.raises(XltError, match=r"there is no file dve\.bio") as caught:
        records(world[1], Data("dve.bio", "eng"))
    assert "--split" not in f"{caught.value.where} {caught.value.fix}"


def test_the_digest_is_of_what_a_folder_holds(world, tmp_path):
    same = shutil.copytree(world[2], tmp_path / "copy")
    with Weights(world[2]) as a, Weights(same) as b, Weights(world[3]) as c:
        assert a.digest == b.digest != c.digest
