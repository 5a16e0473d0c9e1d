"""A model exported as ONNX predicts what it does in PyTorch, also where that is not installed."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from models import make_model
from records import RECORDS, WORDS

from xlt.config.schema import Model
from xlt.data.encode import pool_words
from xlt.document import Document, Text
from xlt.errors import XltError
from xlt.export.folder import size, write
from xlt.export.onnx import write_network
from xlt.extras import missing_package
from xlt.files import DamagedFile, write_sealed
from xlt.inference.onnx import FILE, NETWORK, make_onnx_predictor
from xlt.model.arrays import biaffine, log_softmax, means_of_windows, means_of_words, softmax
from xlt.model.backbone import Backbone
from xlt.model.calibration import Calibration, save
from xlt.model.folder import load_model, read_info, write_info
from xlt.model.layers import Biaffine
from xlt.permissions import allowing
from xlt.projection.opening import open_predictor
from xlt.runs.export import export
from xlt.runs.reading import read_input
from xlt.spacy_component import pipeline
from xlt.task import Task

PARSER = {"arc_size": 16, "relation_size": 8}
SMALL = {"characters": 12, "layers": 1, "layer_size": 16}
NETWORKS = {
    "tagger": ("ner", "xlm-roberta", {}),
    "classifier": ("nli", "bert", {}),
    "aligned": ("nli", "umt5", {}),
    "pooled": ("classification", "umt5", {}),
    "parser": ("dependency_parsing", "bert", PARSER),
    "small-parser": ("dependency_parsing", "xlm-roberta", {**PARSER, **SMALL, "upos": "gold"}),
    "joint": ("event_extraction", "bert", {"role_size": 16, "levels": 2}),
    "pipeline": (
        "event_extraction",
        "bert",
        {"model": "pipeline", "layers": 1, "layer_size": 16},
    ),
}


def long_documents(task: Task):
    """Records, and one that is longer than the encoder's window."""
    records = RECORDS[task.name]
    if len(task.texts) > 1:
        premise = " ".join(records[0].texts["premise"].surface for _ in range(9))
        return [*records, records[0].with_texts(premise=Text(premise))]
    text = Text.from_words(WORDS[1] * 9)
    layers = {name: kind.empty(len(text.words)) for name, kind in task.layers.items()}
    return [*records, Document("long", {"text": text}, layers)]


def windows(example):
    return (example.inputs.get("words") or example.inputs["pair"]).windows


def predict(folder):
    """What the decoder reads of each batch; and the documents."""
    task, backbone, predictor = open_predictor(
        folder, batch_tokens=200, precision="fp32", confident=True
    )
    documents = long_documents(task)
    examples = task.encode(documents, backbone, None)
    assert backbone.max_length > 100 or max(len(windows(e)) for e in examples) > 1
    outputs = [
        {name: np.asarray(array) for name, array in found.items()}
        for _, found in predictor.batches(examples)
    ]
    assert len(outputs) > 1
    return outputs, predictor(documents, examples)


def possible(scores):
    """Those that are not of what cannot be."""
    return scores[scores > -1e8]


def assert_same(whole, again):
    """The outputs of two networks, but for rounding."""
    for one, other in zip(whole, again, strict=True):
        assert one.keys() == other.keys()
        for name, scores in one.items():
            found = other[name]
            assert scores.shape == found.shape
            assert ((scores > -1e8) == (found > -1e8)).all()
            scores, found = possible(scores), possible(found)
            if scores.size:
                assert np.abs(scores - found).max() < 1e-4 * scores.std() + 1e-6, name


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory):
    """A model, and the same as ONNX."""
    name, family, options = NETWORKS[request.param]
    root = tmp_path_factory.mktemp("onnx")
    folder = make_model(root, name, ("eng",), family, **options)
    layers = {"entities": 1.5, "label": 2.0, "tree": 1.2, "events": 1.3, "events.parts": 1.1}
    save(folder, Calibration(layers, "dev:eng", {"entities": 10}))
    write(folder, root / "made", onnx=True)
    return folder, root / "made"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("onnx")
    folder = make_model(root, "ner", ("eng",))
    write(folder, root / "made", onnx=True)
    return folder, root / "made"


def test_it_predicts_what_the_model_does(made):
    (whole, documents), (again, same) = map(predict, made)
    assert not [path for path in made[1].iterdir() if path.suffix == ".safetensors"]
    assert_same(whole, again)
    for one, other in zip(documents, same, strict=True):
        assert one.layers == other.layers
        for name, chances in one.confidence.items():
            np.testing.assert_allclose(other.confidence[name], chances, rtol=1e-3, atol=1e-6)


def test_in_8_bits_it_is_smaller_and_close(tmp_path, made):
    write(made[0], tmp_path / "int8", onnx=True, int8=True)
    # The tables and matrices of so small a network are a fifth of it; the graph is the rest.
    assert size(tmp_path / "int8") < size(made[1]) - 10_000
    (whole, _), (close, documents) = predict(made[0]), predict(tmp_path / "int8")
    assert all(document.confidence for document in documents)
    for name in whole[0].keys() & {"scores", "arcs", "entity", "trigger"}:
        pairs = [(possible(a[name]), possible(b[name])) for a, b in zip(whole, close, strict=True)]
        before, after = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
        assert 0 < np.sqrt(np.square(after - before).mean()) < 0.3 * before.std()


def test_trimmed_it_predicts_the_same(tmp_path, exported):
    write(exported[0], tmp_path / "made", texts=[d.text for d in RECORDS["ner"]], onnx=True)
    (whole, documents), (again, same) = predict(exported[0]), predict(tmp_path / "made")
    assert_same(whole, again)
    assert [one.layers for one in documents] == [one.layers for one in same]


def test_the_command_and_spacy(tmp_path, exported):
    result = export(exported[0], tmp_path / "made", format="onnx", quantise="int8")
    assert (result["format"], result["quantised"]) == ("onnx", "int8")
    text = "Budi bought three books in Yogyakarta."
    docs = [pipeline(folder)(text) for folder in exported]
    assert [e.text for e in docs[0].ents] == [e.text for e in docs[1].ents]


HIDE = """\
import sys
from importlib.machinery import PathFinder

real = PathFinder.find_spec
hidden = {"torch", "accelerate", "datasets", "onnx"}

def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in hidden else real(name, path, target)

PathFinder.find_spec = classmethod(find_spec)
from xlt.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("network", "suffix"),
    [
        ("tagger", "bio"),
        pytest.param("parser", "conllu", marks=pytest.mark.thorough),
        pytest.param("joint", "jsonl", marks=pytest.mark.thorough),
        pytest.param("pipeline", "jsonl", marks=pytest.mark.thorough),
    ],
)
def test_without_pytorch(tmp_path, network, suffix):
    name, family, options = NETWORKS[network]
    folder = make_model(tmp_path, name, ("eng",), family, **options)
    write(folder, tmp_path / "made", onnx=True)
    (tmp_path / "a.txt").write_text("\n".join(" ".join(words) for words in WORDS))
    words = [tmp_path / "made", "a.txt", "--input-format", "words", "--output", f"a.{suffix}"]
    done = subprocess.run(
        [sys.executable, "-c", HIDE, "predict", *words],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "PyTorch" not in done.stderr
    task, backbone, predictor = open_predictor(folder, batch_tokens=200, precision="fp32")
    documents = list(read_input(task, str(tmp_path / "a.txt"), "words", None))
    predicted = predictor(documents, task.encode(documents, backbone, None))
    with (tmp_path / f"b.{suffix}").open("w", encoding="utf-8") as stream:
        task.write(predicted, stream, suffix)
    found, expected = (
        [document.layers for document in task.read(tmp_path / f"{name}.{suffix}", suffix)]
        for name in "ab"
    )
    assert found == expected
    assert len(found) == len(WORDS)


def test_code_of_its_own_runs_where_it_was_allowed(tmp_path, monkeypatch, exported):
    def stop(folder, options):
        raise XltError(f"code: {options.trust_remote_code}")

    monkeypatch.setattr("xlt.export.folder.load_model", stop)
    with pytest.raises(XltError, match="code: False"):
        write(exported[0], tmp_path / "made", onnx=True)
    with allowing("remote-code"), pytest.raises(XltError, match="code: True"):
        write(exported[0], tmp_path / "made", onnx=True)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [NETWORK, FILE, "tokenizer.json"])
def test_a_damaged_file(tmp_path, exported, file):
    shutil.copytree(exported[1], tmp_path / "made")
    content = bytearray((tmp_path / "made" / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "made" / file).write_bytes(content)
    with pytest.raises(DamagedFile, match="damaged"):
        make_onnx_predictor(tmp_path / "made", batch_tokens=100)


@pytest.mark.parametrize(
    ("file", "damage", "error"),
    [
        (NETWORK, lambda path: path.write_bytes(b"no network"), "the network cannot be read"),
        (NETWORK, lambda path: path.unlink(), "the network cannot be read"),
        (FILE, lambda path: write_sealed(path, {"int8": "yes"}), "int8: must be true or false"),
        (FILE, lambda path: write_sealed(path, {"a": 1}), "int8: Field required"),
        (FILE, lambda path: path.write_text("{}"), "no seal"),
    ],
)
def test_other_files_on_purpose(tmp_path, exported, file, damage, error):
    """Of a folder whose list of files was made anew: nobody vouches for what is in them."""
    shutil.copytree(exported[1], tmp_path / "made")
    damage(tmp_path / "made" / file)
    write_info(read_info(tmp_path / "made"), tmp_path / "made")
    with pytest.raises(DamagedFile, match=error):
        make_onnx_predictor(tmp_path / "made", batch_tokens=100)


def graph(
    path, *nodes, inputs=("input_ids",), dims=("rows", "length"), out=("scores",), **constants
):
    """A network of these nodes (operator, inputs, output), float numbers given by name."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = helper.make_graph(
        [helper.make_node(kind, read, [write], **more) for kind, read, write, more in nodes],
        "made",
        [helper.make_tensor_value_info(name, TensorProto.INT64, dims) for name in inputs],
        [onnx.ValueInfoProto(name=name) for name in out],
        [numpy_helper.from_array(np.array(array), name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=8), path)


def scores(value, labels=7, dtype=np.float32):
    """A network that gives each label of each subword this score."""
    return {"table": np.full((1, labels), value, dtype), "zero": np.int64(0)}, [
        ("Mul", ["input_ids", "zero"], "first", {}),
        ("Gather", ["table", "first"], "scores", {}),
    ]


def test_a_graph_of_a_stranger_that_computes_scores(stranger):
    constants, nodes = scores(1.0)
    assert stranger(*nodes, **constants)


@pytest.mark.parametrize(
    ("made", "changes", "error"),
    [
        (scores(np.nan), {}, "NaN or infinite"),
        (scores(-np.inf), {}, "NaN or infinite"),
        (scores(2e38), {}, "NaN or infinite"),  # the sum of two is
        (scores(1.0, 5), {}, "its scores are not .* × 7 numbers"),
        (scores(1.0, dtype=np.float64), {}, "its scores are not .* × 7 numbers"),
        (scores(1.0), {"out": ("first",)}, "it does not give scores"),
        (scores(1.0), {"inputs": ("input_ids", "ids")}, "it reads ids"),
        (scores(1.0), {"dims": (1, 1, 1)}, "Invalid rank"),
        (
            ({"size": np.array([1 << 60])}, [("ConstantOfShape", ["size"], "scores", {})]),
            {},
            "allocate",
        ),
    ],
)
def test_a_graph_that_computes_something_else(stranger, made, changes, error):
    constants, nodes = made
    with pytest.raises(DamagedFile, match=f"does not compute what .* says: .*{error}"):
        stranger(*nodes, **changes, **constants)


@pytest.mark.parametrize("link", [False, True])
def test_a_graph_reads_no_file_outside_its_folder(tmp_path, exported, link):
    import onnx

    (tmp_path / "secret.bin").write_bytes(bytes(4))
    shutil.copytree(exported[1], tmp_path / "made")
    path = tmp_path / "made" / NETWORK
    graph(
        path, ("Gather", ["table", "input_ids"], "scores", {}), table=np.zeros((1, 1), np.float32)
    )
    model = onnx.load(path)
    place = "weights.bin" if link else "../secret.bin"
    (tmp_path / "made" / "weights.bin").symlink_to("../secret.bin")
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], place)
    model.graph.initializer[0].ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    write_info(read_info(tmp_path / "made"), tmp_path / "made")
    with pytest.raises(DamagedFile, match=r"cannot be read: .*escapes model directory"):
        make_onnx_predictor(tmp_path / "made", batch_tokens=100)


@pytest.fixture
def stranger(tmp_path, exported):
    """Predicts with a network that is put in the place of the exported one."""

    def run(*nodes, **parts):
        shutil.copytree(exported[1], tmp_path / "made")
        graph(tmp_path / "made" / NETWORK, *nodes, **parts)
        write_info(read_info(tmp_path / "made"), tmp_path / "made")
        task, backbone, predictor = make_onnx_predictor(tmp_path / "made", batch_tokens=200)
        documents = RECORDS["ner"][:2]
        return predictor(documents, task.encode(documents, backbone, None))

    return run


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("event_extraction", {"model": "templates", "parts": ["arguments"]}),
        ("ner", {"model": "text_to_text"}),
        ("question_generation", {}),
    ],
)
def test_a_network_that_is_no_graph(tmp_path, name, options):
    folder = make_model(tmp_path, name, family="umt5", **options)
    with pytest.raises(XltError, match=f"a {name} model .* writes text") as error:
        write(folder, tmp_path / "made", onnx=True)
    assert error.value.fix == "export it with --format torch"


def test_a_graph_that_fits_one_shape_alone(tmp_path, exported):
    """Tracing takes for a constant what is computed from a shape in Python."""
    task, backbone, model = load_model(exported[0])
    real = model.graph

    def graph(input_ids, attention_mask):
        scores = real(input_ids, attention_mask)["scores"]
        return {"scores": scores + float(input_ids.shape[1])}

    model.graph = graph
    with pytest.raises(XltError, match=r"differ from PyTorch's by"):
        write_network(task, model, backbone, tmp_path, int8=False)


@pytest.mark.parametrize(
    ("made", "error"), [(scores(np.nan), "differ"), (scores(1.0, 9), "other shapes"), (None, "")]
)
def test_in_8_bits_a_graph_is_still_one(tmp_path, monkeypatch, exported, made, error):
    def broken(path):
        if made is None:
            path.write_bytes(b"")
        else:
            graph(path, *made[1], **made[0])

    monkeypatch.setattr("xlt.export.onnx._in_8_bits", broken)
    task, backbone, model = load_model(exported[0])
    with pytest.raises(XltError, match=f"cannot be written as ONNX: .*{error}"):
        write_network(task, model, backbone, tmp_path, int8=True)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_what_is_not_installed(tmp_path, monkeypatch, exported, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as error:
        write(exported[0], tmp_path / "made", onnx=True)
    assert missing_package(error.value).fix == "pip install 'xlt[onnx]'"


def test_what_needs_the_weights_says_so(tmp_path, exported):
    with pytest.raises(XltError, match="exported as ONNX"):
        export(exported[1], tmp_path / "made")
    place = str(exported[1])
    with pytest.raises(XltError, match=r"model\.encoder: .* was exported as ONNX"):
        Backbone(place, Model(encoder=place)).encoder()


# Beside the graph -------------------------------------------------------------------------------


def test_words_are_pooled_as_in_pytorch():
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(4, 6, 3)).astype(np.float32)
    batch = {
        "word_mask": np.array([[True, True, False], [True, True, True]]),
        "word_index": draw.integers(-1, 6, (4, 6)),
    }
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    expected = pool_words(torch.from_numpy(rows), **tensors)
    np.testing.assert_allclose(means_of_words(rows, batch), expected, rtol=1e-5, atol=1e-6)


def test_windows_are_pooled_to_their_mean():
    rows = np.array([[1.0, 3.0], [3.0, 1.0], [5.0, 1.0], [2.0, 0.0]], np.float32)
    found = means_of_windows(rows, {"windows": np.array([1, 2, 1])})
    assert found.tolist() == [[1, 3], [4, 1], [2, 0]]


def test_a_biaffine_layer_scores_as_in_pytorch():
    torch.manual_seed(1)
    layer = Biaffine(3, 4)
    torch.nn.init.normal_(layer.weight)
    x, y = torch.randn(2, 3), torch.randn(2, 5, 3)
    with torch.no_grad():
        expected = layer(x.unsqueeze(1), y).squeeze(2).transpose(1, 2)
        weight = layer.weight.numpy()
    np.testing.assert_allclose(biaffine(x.numpy(), y.numpy(), weight), expected, 1e-5, 1e-6)


def test_probabilities_of_large_scores():
    assert softmax([[1000.0, 1000.0]]).tolist() == [[0.5, 0.5]]
    assert np.isfinite(log_softmax([[-1e6, 0.0]])).all()
