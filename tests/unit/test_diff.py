"""`xlt diff`: what a model has learnt, kept, and put onto another encoder."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from models import make_model
from records import RECORDS
from safetensors.torch import load_file, save_file
from test_merge import changed, predicted, weights

from xlt.errors import XltError
from xlt.files import DamagedFile, read_sealed, write_sealed
from xlt.merging.difference import CHANGED, FILE, WHOLE
from xlt.merging.weights import MERGE
from xlt.model.folder import add_file, read_info
from xlt.projection.predict import FILE as PREDICTION
from xlt.registry import tasks
from xlt.runs.diff import apply, save
from xlt.runs.labelled import Data


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An encoder, two models that were trained from it, another encoder that has gone on from it,
    and what the models have learnt."""
    root = tmp_path_factory.mktemp("diff")
    model = make_model(root, "ner", ("eng",))
    base = root / "ner-encoder"
    one = changed(model, root / "one", 1)
    two = changed(model, root / "two", 2, languages=["jav"])
    onto = shutil.copytree(base, root / "onto")
    path = onto / "model.safetensors"
    save_file({name: 1.5 * own for name, own in load_file(path).items()}, path, {"format": "pt"})
    task = tasks.get("ner")()
    with (root / "dev.bio").open("w") as stream:
        task.write(RECORDS["ner"][:8], stream, "bio")
    for name, model in (("from-one", one), ("from-two", two)):
        save(model, str(base), root / name)
    return root, base, one, two, onto


def test_on_its_own_base_it_is_the_model(world, tmp_path):
    root, base, one, _, _ = world
    result = apply([root / "from-one"], str(base), tmp_path / "again")
    made, own = weights(tmp_path / "again"), weights(one)
    assert made.keys() == own.keys()
    for name in own:
        assert made[name].dtype == own[name].dtype
        assert torch.allclose(made[name], own[name], rtol=1e-5, atol=1e-6)
    assert set(read_info(tmp_path / "again").files) == {*read_info(one).files, MERGE}
    assert predicted(tmp_path / "again") == predicted(one)
    assert json.loads(json.dumps(result))["onto"]["name"] == str(base)


def test_what_was_learnt_is_added_to_another_encoder(world, tmp_path):
    root, base, one, two, onto = world
    apply([root / "from-one", root / "from-two"], str(onto), tmp_path / "made", scale=0.5)
    made = weights(tmp_path / "made")
    a, b = map(weights, (one, two))
    start, other = (_as_in_the_model(folder) for folder in (base, onto))
    moved = 0
    for name, own in made.items():
        if not own.is_floating_point():
            assert torch.equal(own, a[name])
            continue
        if name not in start:  # no encoder has a task's layers
            assert "classifier" in name
            expected = (a[name].double() + b[name].double()) / 2
        else:
            learnt = a[name].double() + b[name].double() - 2 * start[name].double()
            expected = other[name].double() + 0.5 * learnt
            moved += 1
        assert torch.allclose(own.double(), expected, rtol=1e-5, atol=1e-5)
    assert moved > 3
    said = read_sealed(tmp_path / "made" / MERGE, fix="")
    assert said["scale"] == 0.5
    assert [each["model"]["name"] for each in said["differences"]] == [str(one), str(two)]
    assert all(len(each["base"]["sha256"]) == 64 for each in said["differences"])
    assert read_info(tmp_path / "made").languages == ["eng", "jav"]


@pytest.mark.parametrize(("between", "connected"), [(76.1, True), (75.9, False)])
def test_between_encoders_that_are_not_connected_scores_fall(
    world, tmp_path, monkeypatch, caplog, between, connected
):
    root, _, _, _, onto = world
    scored = iter([90.0, between, 80.0])  # 95 % of the lower is 76
    read = []

    def metrics(folder, records, batch_tokens):
        read.append(weights(folder))
        return {"f1": next(scored)}

    monkeypatch.setattr("xlt.runs.diff.metrics", metrics)
    result = apply(
        [root / "from-one"], str(onto), tmp_path / "made", dev=Data(str(root / "dev.bio"), "eng")
    )
    assert result["dev"]["connected"] is connected
    assert ("not connected" in caplog.text) is not connected
    on_base, middle, on_other = read
    for name in on_base:
        if on_base[name].is_floating_point():
            mean = (on_base[name].double() + on_other[name].double()) / 2
            assert torch.allclose(middle[name].double(), mean, rtol=1e-4, atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert read_sealed(tmp_path / "made" / MERGE, fix="")["dev"]["scores"]["between"] == {
        "f1": between
    }


def _as_in_the_model(encoder):
    return {
        f"model.safetensors bert.{name.removeprefix('bert.')}": own
        for name, own in load_file(encoder / "model.safetensors").items()
    }


def test_real_scores(world, tmp_path):
    root, _, _, _, onto = world
    result = apply(
        [root / "from-one"], str(onto), tmp_path / "made", dev=Data(str(root / "dev.bio"), "eng")
    )
    assert {*result["dev"]["scores"]} == {"base", "between", "onto"}


def test_what_is_refused(world, tmp_path):
    root, _, one, _, onto = world
    learnt = root / "from-one"
    with pytest.raises(XltError, match=r"(?s)there is no difference\.json.*xlt diff save"):
        apply([one], str(onto), tmp_path / "made")
    with pytest.raises(XltError, match="no encoder of this kind") as refused:
        apply([learnt], "xlt-mini", tmp_path / "made")
    assert refused.value.where == "--onto"
    with pytest.raises(XltError, match="no encoder of this kind"):
        save(one, "xlt-mini", tmp_path / "learnt")
    other = make_model(tmp_path, "nli", ("eng",))
    save(other, str(other), tmp_path / "of-another-task")
    with pytest.raises(XltError, match=r"`task` in xlt\.json"):
        apply([learnt, tmp_path / "of-another-task"], str(onto), tmp_path / "made")
    with pytest.raises(XltError, match="already"):
        apply([learnt], str(onto), learnt)
    with pytest.raises(XltError, match="NaN or infinite"):
        apply([learnt], str(onto), tmp_path / "made", scale=1e39)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "name", [FILE, f"{CHANGED}/model.safetensors", f"{WHOLE}/model.safetensors"]
)
def test_a_damaged_one_is_not_used(world, tmp_path, name):
    root, base, *_ = world
    shutil.copytree(root / "from-one", tmp_path / "learnt")
    content = bytearray((tmp_path / "learnt" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "learnt" / name).write_bytes(content)
    with pytest.raises(DamagedFile):
        apply([tmp_path / "learnt"], str(base), tmp_path / "made")


def test_a_base_that_has_changed_is_not_scored_beside(world, tmp_path):
    root, base, one, _, onto = world
    moved = tmp_path / "base"
    shutil.copytree(base, moved)
    save(one, str(moved), tmp_path / "learnt")
    shutil.rmtree(moved)
    shutil.copytree(onto, moved)
    with pytest.raises(XltError, match="as it was then"):
        apply(
            [tmp_path / "learnt"],
            str(onto),
            tmp_path / "made",
            dev=Data(str(root / "dev.bio"), "eng"),
        )


def lacking(encoder, target, *names):
    """A copy of an encoder without these tensors."""
    shutil.copytree(encoder, target)
    path = target / "model.safetensors"
    kept = {n: own for n, own in load_file(path).items() if not n.endswith(names)}
    save_file(kept, path, {"format": "pt"})
    return target


def test_an_encoder_that_lacks_what_has_changed_is_refused(world, tmp_path):
    root, _, one, _, onto = world
    name = "layer.0.output.LayerNorm.bias"
    less = lacking(onto, tmp_path / "less", name)
    with pytest.raises(XltError, match=f"{name} is not in it") as refused:
        apply([root / "from-one"], str(less), tmp_path / "made")
    assert refused.value.where == "--onto"
    save(one, str(less), tmp_path / "from-less")
    both = [root / "from-one", tmp_path / "from-less"]
    for some, how in ((both, "not here"), (both[::-1], "only here")):
        with pytest.raises(XltError, match=f"changed .*{name} is {how}"):
            apply(some, str(onto), tmp_path / "made")


def test_what_came_into_its_folder_does_not_come_into_the_model(world, tmp_path):
    root, _, one, _, onto = world
    learnt = shutil.copytree(root / "from-one", tmp_path / "learnt")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (learnt / "model" / "note.txt").symlink_to(tmp_path / "secret")
    (learnt / CHANGED / "more.safetensors").write_bytes(b"no tensors")
    apply([learnt], str(onto), tmp_path / "made")
    assert set(read_info(tmp_path / "made").files) == {*read_info(one).files, MERGE}
    assert not (tmp_path / "made" / "note.txt").exists()


def test_what_leads_out_of_its_folder_is_refused(world, tmp_path):
    root, _, _, _, onto = world
    learnt = shutil.copytree(root / "from-one", tmp_path / "learnt")
    stated = read_sealed(learnt / FILE, fix="")
    stated["files"]["model/../../secret"] = (1, "0" * 64)
    write_sealed(learnt / FILE, stated)
    with pytest.raises(DamagedFile, match="secret is outside of it"):
        apply([learnt], str(onto), tmp_path / "made")


def test_models_that_read_other_text_are_not_put_together(world, tmp_path):
    root, base, one, _, onto = world
    through = shutil.copytree(one, tmp_path / "through")
    add_file(through, PREDICTION, {"mode": "translate"})
    save(through, str(base), tmp_path / "translated")
    with pytest.raises(XltError, match="it reads other text than"):
        apply([root / "from-one", tmp_path / "translated"], str(onto), tmp_path / "made")


def test_the_base_is_found_from_another_folder(world, tmp_path, monkeypatch):
    root, base, one, _, onto = world
    monkeypatch.chdir(base.parent)
    save(one, base.name, tmp_path / "learnt")
    monkeypatch.chdir(tmp_path)
    dev = Data(str(root / "dev.bio"), "eng")
    apply([tmp_path / "learnt"], str(onto), tmp_path / "made", dev=dev)
    stated = read_sealed(tmp_path / "learnt" / FILE, fix="")
    write_sealed(tmp_path / "learnt" / FILE, {**stated, "base": {**stated["base"], "name": "gone"}})
    with pytest.raises(XltError, match="no safetensors of gone") as refused:
        apply([tmp_path / "learnt"], str(onto), tmp_path / "again", dev=dev)
    assert "leave out --dev" in refused.value.fix
