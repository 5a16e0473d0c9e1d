"""A network as ONNX: the part of it that ends where its rows are put together."""

from __future__ import annotations

import inspect
import logging
import math
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xlt.data.encode_pairs import FIRST, OUTSIDE, SECOND
from xlt.errors import XltError, first_line
from xlt.files import DamagedFile, write_sealed
from xlt.inference.onnx import FILE, NETWORK, Network, open_network

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

OPSET = 17
"""What ONNX Runtime reads from 1.13 on."""
MAX_BYTES = 2_000_000_000
"""Of one file in ONNX's format (protobuf)."""
TOLERANCE = 1e-3
"""Largest difference from PyTorch's rows, in standard deviations of these; rounding makes 1e-6."""
_SHAPES = ((3, 12), (1, 5), (4, 32))
"""Rows and lengths: of the example that is traced, and of those that it is compared on."""


def write_network(model: TaskModel, backbone: Backbone, folder: Path, *, int8: bool) -> None:
    """Write the network of a model, on the CPU, and what puts its rows together.

    int8: the weights of products and the embeddings in 8 bits; what comes in is rounded as it
        comes ("dynamic quantisation"), so that products are those of whole numbers.

    Raises XltError for a network that cannot be exported, and for one that gives other numbers
    than PyTorch's.
    """
    import onnx  # noqa: F401 (the exporter wants it, and says so less well)
    import onnxruntime  # noqa: F401

    if model.pooling is None:
        raise XltError(
            f"a network of this kind ({type(model).__name__}) cannot be written as ONNX",
            where="--format",
            fix="export it with --format torch",
        )
    if sum(4 * one.numel() for one in model.parameters()) > MAX_BYTES:
        raise XltError(
            "the network is too large for a file of ONNX's (2 GB)",
            where="--format",
            fix="add --trim, or export with --format torch",
        )
    rows = _Rows(model, backbone).eval()
    path = folder / NETWORK
    _trace(rows, path)
    _compare(rows, path, TOLERANCE)
    if int8:
        _in_8_bits(path)
        _compare(rows, path, math.inf)  # rounding may do anything but break it
    write_sealed(folder / FILE, asdict(Network(model.pooling, int8)))


class _Rows(nn.Module):
    """The network up to its rows, with its inputs in a fixed order."""

    def __init__(self, model: TaskModel, backbone: Backbone) -> None:
        super().__init__()
        self.model, self._pad = model, backbone.pad_id
        self._vocabulary = int(getattr(model.config, "vocab_size", None) or 2)
        unused = (
            set()
            if "segments" in _parameters(model) and backbone.pairs.types
            else {"token_type_ids"}
        )
        self.inputs = [name for name in _parameters(model) if name not in unused]

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.model.rows(**dict(zip(self.inputs, tensors, strict=True)))
        return rows.float()

    def example(self, shape: tuple[int, int], seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Any subwords, the last rows with padding."""
        draw = torch.Generator().manual_seed(seed)
        number, length = shape
        lengths = torch.linspace(length, max(2, length // 2), number).long().unsqueeze(1)
        place = torch.arange(length).expand(number, length)
        inside = place < lengths
        ids = torch.randint(self._vocabulary, shape, generator=draw)
        first = torch.where(place < lengths // 2, FIRST, SECOND)
        values = {
            "input_ids": ids.masked_fill(~inside, self._pad),
            "attention_mask": inside.long(),
            "segments": first.masked_fill(~inside, OUTSIDE),
            "token_type_ids": (first - FIRST).masked_fill(~inside, 0),
        }
        return tuple(values[name] for name in self.inputs)


def _parameters(model: TaskModel) -> list[str]:
    return list(inspect.signature(model.rows).parameters)


def _trace(rows: _Rows, path: Path) -> None:
    # The exporter by tracing: that by torch.export takes a minute, and onnxscript, for the same.
    axes = {name: {0: "rows", 1: "length"} for name in rows.inputs}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of shapes it takes for constants: they are compared
        try:
            torch.onnx.export(
                rows,
                rows.example(_SHAPES[0]),
                str(path),
                input_names=rows.inputs,
                output_names=["rows_out"],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise _refusal(first_line(error)) from error


def _compare(rows: _Rows, path: Path, tolerance: float) -> None:
    """Raise XltError for a file that is no graph of the network, or whose outputs have other
    shapes, are not finite, or differ by more standard deviations."""
    try:
        session = open_network(path)
    except DamagedFile as error:
        raise _refusal(error.what) from error
    for seed, shape in enumerate(_SHAPES):
        tensors = rows.example(shape, seed)
        with torch.no_grad():
            expected = rows(*tensors).numpy()
        try:
            found = _run(session, rows.inputs, tensors)
        except Exception as error:  # of kinds of its own, which it does not publish
            raise _refusal(first_line(error)) from error
        if found.shape != expected.shape:
            raise _refusal("its outputs have other shapes than PyTorch's")
        difference = float(np.abs(found - expected).max() / max(float(expected.std()), 1e-6))
        if not difference < tolerance:
            raise _refusal(f"its outputs differ from PyTorch's by {difference:.2g} of their spread")


def _run(session: Any, names: Sequence[str], tensors: Sequence[torch.Tensor]) -> NDArray[Any]:
    read = {one.name for one in session.get_inputs()}
    feed = {n: t.numpy() for n, t in zip(names, tensors, strict=True) if n in read}
    (found,) = session.run(None, feed)
    result: NDArray[Any] = found
    return result


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
