"""A network as ONNX: its model's `graph`, traced on batches that its task makes of some words."""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xlt.data.batch import Arrays
from xlt.document import Document, Text
from xlt.errors import XltError, first_line
from xlt.files import DamagedFile, write_sealed
from xlt.inference.onnx import FILE, NETWORK, Info, open_network
from xlt.model.task_model import graph_inputs
from xlt.task import Portable, Task

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

OPSET = 17
"""What ONNX Runtime reads from 1.13 on."""
MAX_BYTES = 2_000_000_000
"""Of one file in ONNX's format (protobuf)."""
TOLERANCE = 1e-3
"""Largest difference from PyTorch's outputs, in standard deviations of these; rounding makes
1e-6."""
_WORDS = ((9, 4, 1), (2,), (26, 26, 14, 5))
"""Of the documents of a batch: of the one that is traced, and of those that it is compared on."""
_LETTERS = "etaoi"


@dataclass(frozen=True)
class Call:
    """What the network was given and gave, in PyTorch."""

    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[np.float32]]


def write_network(
    task: Task, model: TaskModel, backbone: Backbone, folder: Path, *, int8: bool
) -> None:
    """Write the network of a model, on the CPU.

    int8: the weights of products and the embeddings in 8 bits; what comes in is rounded as it
        comes ("dynamic quantisation"), so that products are those of whole numbers.

    Raises XltError for a network that cannot be exported, and for one that gives other numbers
    than PyTorch's.
    """
    import onnx  # noqa: F401 (the exporter wants it, and says so less well)
    import onnxruntime  # noqa: F401

    if not isinstance(task, Portable) or model.graph is None:
        what = f"a {task.name} model of this kind ({type(model).__name__})"
        raise XltError(
            f"{what} writes text, which takes more than a graph"
            if model.generates
            else f"{what} cannot be written as ONNX",
            where="--format",
            fix="export it with --format torch",
        )
    if sum(4 * one.numel() for one in model.parameters()) > MAX_BYTES:
        raise XltError(
            "the network is too large for a file of ONNX's (2 GB)",
            where="--format",
            fix="add --trim, or export with --format torch",
        )
    model.eval()
    calls = [one for lengths in _WORDS for one in _calls(task, model, backbone, lengths)]
    path = folder / NETWORK
    _trace(model, calls, path)
    _compare(calls, path, TOLERANCE)
    if int8:
        _in_8_bits(path)
        _compare(calls, path, math.inf)  # rounding may do anything but break it
    write_sealed(folder / FILE, asdict(Info(int8)))


def _calls(
    task: Portable, model: TaskModel, backbone: Backbone, words: Sequence[int]
) -> list[Call]:
    """What the network is asked to predict for documents of so many words, which are any subwords
    of its vocabulary."""
    assert isinstance(task, Task)
    texts = [Text.from_words([_LETTERS[: 1 + n % 5] for n in range(length)]) for length in words]
    documents = [
        Document(
            str(number),
            dict.fromkeys(task.texts, text),
            {name: kind.empty(len(text.words)) for name, kind in task.layers.items()},
        )
        for number, text in enumerate(texts)
    ]
    arrays = task.arrays(task.encode(documents, backbone, None))
    draw = np.random.default_rng(len(words))
    vocabulary = int(getattr(model.config, "vocab_size", None) or 2)
    for name in [name for name in arrays if name.endswith("input_ids")]:
        drawn = draw.integers(vocabulary, size=arrays[name].shape)
        inside = arrays.get(name.replace("input_ids", "attention_mask"), np.ones_like(drawn)) == 1
        arrays[name] = np.where(inside, drawn, arrays[name])
    calls = []

    def network(arrays: Arrays, **shapes: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
        with torch.no_grad():
            found = model.network(arrays, **shapes)
        inputs = {name: arrays[name] for name in graph_inputs(model) if name in arrays}
        calls.append(Call(inputs, found))
        return found

    task.outputs(network, arrays, model.labels)
    return calls


class _Traced(nn.Module):
    """A model's graph, with inputs and outputs in a fixed order."""

    def __init__(self, model: TaskModel, example: Call) -> None:
        super().__init__()
        self.model, self.inputs, self.outputs = model, list(example.inputs), list(example.outputs)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        assert self.model.graph is not None
        found = self.model.graph(**dict(zip(self.inputs, tensors, strict=True)))
        return tuple(found[name].float() for name in self.outputs)


def _trace(model: TaskModel, calls: Sequence[Call], path: Path) -> None:
    # The exporter by tracing. PyTorch prefers that by torch.export, which takes a minute, and
    # onnxscript, for the same graph.
    traced = _Traced(model, calls[0])
    axes = {
        name: {
            axis: f"{name}_{axis}"
            for axis, size in enumerate(array.shape)
            if any(call.inputs[name].shape[axis] != size for call in calls)
        }
        for name, array in calls[0].inputs.items()
    }
    with warnings.catch_warnings(), torch.no_grad(), _index_add():
        warnings.simplefilter("ignore")  # of shapes it takes for constants: they are compared
        try:
            torch.onnx.export(
                traced,
                tuple(torch.from_numpy(array) for array in calls[0].inputs.values()),
                str(path),
                input_names=traced.inputs,
                output_names=traced.outputs,
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise _refusal(first_line(error)) from error
    _name_outputs(path, traced.outputs)


def _name_outputs(path: Path, names: Sequence[str]) -> None:
    """Have outputs that are weights computed, too: the exporter calls them by the weights' names,
    and ONNX Runtime does not find them."""
    import onnx

    model = onnx.load(path)
    for output, name in zip(model.graph.output, names, strict=True):
        if output.name != name:
            model.graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
            output.name = name
    onnx.save(model, path)


@contextmanager
def _index_add() -> Iterator[None]:
    """Have `index_add` exported as a sum: of values for one place the exporter's own takes one."""

    from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

    def symbolic(g: Any, total: Any, dim: Any, index: Any, values: Any, alpha: Any = None) -> Any:
        for _ in range(values.type().dim() - 1):  # rows of a table: over its first axis
            index = g.op("Unsqueeze", index, g.op("Constant", value_t=torch.tensor([-1])))
        index = g.op("Expand", index, g.op("Shape", values))
        return g.op("ScatterElements", total, index, values, axis_i=0, reduction_s="add")

    register_custom_op_symbolic("aten::index_add", symbolic, OPSET)
    try:
        yield
    finally:
        unregister_custom_op_symbolic("aten::index_add", OPSET)


def _compare(calls: Sequence[Call], path: Path, tolerance: float) -> None:
    """Raise XltError for a file that is no graph of the network, or whose outputs have other
    shapes, are not finite, or differ by more standard deviations."""
    try:
        session = open_network(path)
    except DamagedFile as error:
        raise _refusal(error.what) from error
    read = {one.name for one in session.get_inputs()}
    for call in calls:
        feed = {name: array for name, array in call.inputs.items() if name in read}
        try:
            outputs = session.run(list(call.outputs), feed)
        except Exception as error:  # of kinds of its own, which it does not publish
            raise _refusal(first_line(error)) from error
        for expected, found in zip(call.outputs.values(), outputs, strict=True):
            if found.shape != expected.shape:
                raise _refusal("its outputs have other shapes than PyTorch's")
            difference = float(np.abs(found - expected).max() / max(float(expected.std()), 1e-6))
            if not difference < tolerance:
                raise _refusal(
                    f"its outputs differ from PyTorch's by {difference:.2g} of their spread"
                )


def _refusal(why: str) -> XltError:
    return XltError(
        f"the network cannot be written as ONNX: {why}",
        where="--format",
        fix="export it with --format torch",
    )


# In 8 bits -------------------------------------------------------------------------------------


def _in_8_bits(path: Path) -> None:
    """Replace a network by one with int8 products and embeddings."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    _quantise_rows(model)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        whole = Path(temporary) / NETWORK
        onnx.save(model, whole)
        logger = logging.getLogger()  # which it tells that models may be preprocessed
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            quantize_dynamic(
                whole,
                path,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                # 7 bits, so that sums do not overflow on processors without VNNI.
                reduce_range=True,
                weight_type=QuantType.QInt8,
            )
        finally:
            logger.setLevel(level)


def _quantise_rows(model: Any) -> None:
    """Store the tables that rows are taken from in 8 bits, each row with a scale of its own."""
    from onnx import TensorProto, helper, numpy_helper

    from xlt.model.int8 import quantised

    graph = model.graph
    tables = {one.name: one for one in graph.initializer if len(one.dims) == 2}
    read = {name for node in graph.node if node.op_type != "Gather" for name in node.input}
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != TensorProto.FLOAT or table.name in read:
            nodes.append(node)
            continue
        numbers, scale, out = (f"{table.name}.{what}" for what in ("int8", "scale", node.output[0]))
        if numbers not in {one.name for one in graph.initializer}:
            whole, scales = quantised(torch.from_numpy(numpy_helper.to_array(table).copy()))
            graph.initializer.append(numpy_helper.from_array(whole.squeeze(0).numpy(), numbers))
            graph.initializer.append(numpy_helper.from_array(scales.numpy(), scale))
        nodes += [
            helper.make_node("Gather", [numbers, node.input[1]], [f"{out}.int8"], axis=0),
            helper.make_node("Cast", [f"{out}.int8"], [f"{out}.float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [scale, node.input[1]], [f"{out}.scale"], axis=0),
            helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [node.output[0]]),
        ]
    left = [one for one in graph.initializer if any(one.name in node.input for node in nodes)]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(left)
