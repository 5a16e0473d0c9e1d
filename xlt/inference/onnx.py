"""A model that was exported as ONNX: predicts with ONNX Runtime, and PyTorch need not be there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from xlt.data.batch import Arrays, prediction_batches
from xlt.errors import XltError, first_line
from xlt.files import DamagedFile, read_sealed
from xlt.inference.base import BatchPredictor
from xlt.model.backbone import Backbone
from xlt.model.calibration import load as load_calibration
from xlt.model.folder import open_folder, read_info
from xlt.task import Example, Labels, Portable, Task
from xlt.yaml.problems import in_one_line

FILE = "network.json"
"""In the folder of an exported model: what the network is (`Info`)."""
NETWORK = "network.onnx"
LARGEST = 1e9
"""Of its outputs, in absolute value: sums of products of three of them are finite in fp32."""


@dataclass(frozen=True)
class Info:
    """int8: whether its weights are of 8 bits; for people, nothing here depends on it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    int8: bool


_INFO = TypeAdapter(Info)


def is_exported(folder: Path) -> bool:
    """Whether the model in a folder was exported as ONNX."""
    return (folder / FILE).is_file()


def read_network(folder: Path) -> Info:
    """Check the file, and say what it holds. Raises DamagedFile if it is not as it was written."""
    fix = "export the model again"
    try:
        value = read_sealed(folder / FILE, fix=fix)
        return _INFO.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        what = f"the file is damaged: {in_one_line(error)}"
        raise DamagedFile(what, where=folder / FILE, fix=fix) from error


class OnnxPredictor(BatchPredictor):
    """path: where the network lies. budget: subwords in a batch, padding included.

    The graph may be a stranger's: what comes out of it is checked for each batch, and predicting
    raises DamagedFile for a graph that does not compute finite scores of each label.
    """

    def __init__(
        self,
        task: Task,
        labels: Labels,
        path: Path,
        budget: int,
        temperatures: Mapping[str, float] | None = None,
    ) -> None:
        self.task, self._labels, self.budget, self.temperatures = task, labels, budget, temperatures
        self._path, self._session = path, open_network(path)
        self._inputs = {one.name for one in self._session.get_inputs()}
        self._outputs = {one.name for one in self._session.get_outputs()}

    @property
    def labels(self) -> Labels:
        return self._labels

    def batches(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Positions of examples of about equal length, and the outputs for them, arrays."""
        assert isinstance(self.task, Portable)
        for batch in prediction_batches([e.length for e in examples], self.budget):
            arrays = self.task.arrays([examples[i] for i in batch])
            outputs = self.task.outputs(self._network, arrays, self._labels)
            yield [int(i) for i in batch], dict(outputs)

    def _network(self, arrays: Arrays, **shapes: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
        """What the graph computes, as an `xlt.task.Network`."""
        for what, names in (
            ("it reads", self._inputs - arrays.keys()),
            ("it does not give", shapes.keys() - self._outputs),
        ):
            if names:
                raise _damaged(f"{what} {', '.join(sorted(names))}", self._path)
        read = {name: arrays[name] for name in self._inputs}
        try:
            found = self._session.run(list(shapes), read)
        except Exception as error:  # of kinds of its own, which it does not publish
            raise _damaged(first_line(error), self._path) from error
        outputs = dict(zip(shapes, found, strict=True))
        for name, shape in shapes.items():
            match outputs[name]:
                case np.ndarray(dtype=np.float32, shape=own) as array if own == shape:
                    pass
                case _:
                    size = " × ".join(map(str, shape))
                    raise _damaged(f"its {name} are not {size} numbers", self._path)
            if not (np.abs(array) < LARGEST).all():
                raise _damaged(f"it gives {name} that are NaN or infinite", self._path)
        return outputs


def make_onnx_predictor(
    folder: Path, *, batch_tokens: int, confident: bool = False
) -> tuple[Task, Backbone, OnnxPredictor]:
    """An exported model, ready to predict on the CPU.

    confident: its predictions say how sure it is of them.

    Raises XltError for a folder that is no model, DamagedFile if a file is not as it was written.
    """
    # It says that models are not available without PyTorch, which nobody asked for.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    with open_folder(folder) as (task, backbone):
        if not isinstance(task, Portable):
            raise XltError(
                f"models of {task.name} do not run without PyTorch",
                where=folder,
                fix="export the model with --format torch",
            )
        read_network(folder)
        labels = read_info(folder).labels
        temperatures = None
        if confident:
            calibration = load_calibration(folder)
            temperatures = {} if calibration is None else calibration.temperatures
        path = folder / NETWORK
        predictor = OnnxPredictor(task, labels, path, batch_tokens, temperatures)
    return task, backbone, predictor


def open_network(path: Path) -> Any:
    """The network, on as many threads as OMP_NUM_THREADS says, as PyTorch takes them.

    Raises DamagedFile for what is none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of kinds of its own, which it does not publish
        raise DamagedFile(
            f"the network cannot be read: {first_line(error)}",
            where=path,
            fix="export the model again, or upgrade onnxruntime",
        ) from error


def _damaged(how: str, path: Path) -> DamagedFile:
    return DamagedFile(
        f"the network does not compute what the model's folder says: {how}",
        where=path,
        fix="export the model again",
    )
