"""What an export writes: a model's folder as training writes it, of a smaller model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Model
from xlt.document.text import Text
from xlt.export.trim import Cut, trim
from xlt.files import files_below
from xlt.model.calibration import load as load_calibration
from xlt.model.calibration import save as save_calibration
from xlt.model.folder import load_model, read_info, save_model, write_info
from xlt.model.int8 import matrices, quantise
from xlt.permissions import REMOTE_CODE, is_granted
from xlt.task import Task

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel


def write(
    source: Path,
    target: Path,
    *,
    texts: Sequence[Text] | None = None,
    int8: bool = False,
    onnx: bool = False,
) -> Cut | None:
    """Write the model of a folder into another one.

    texts: those whose subwords it keeps (`trim`); None: all subwords stay.
    int8: whether its weights are stored in 8 bits (`xlt.model.int8`).
    onnx: whether its network is written as ONNX (`xlt.export.onnx`).

    Returns what is left of the vocabulary, if it was trimmed. Raises XltError as `load_model` and
    `trim` do.
    """
    # Whatever kernels this machine has: those that a graph can be made of.
    plain = (
        Model(encoder=str(source), attention="eager", trust_remote_code=is_granted(REMOTE_CODE))
        if onnx
        else None
    )
    task, backbone, model = load_model(source, plain)
    tokenizer, cut = backbone.tokenizer, None
    if texts is not None:
        tokenizer, cut = trim(task, backbone, model, texts)
    if onnx:
        _write_onnx(task, backbone, model, tokenizer, source, target, int8=int8)
    else:
        save_model(model, read_info(source), tokenizer, target)
        if int8:
            quantise(target, matrices(model.encoder))
            write_info(read_info(target), target)
    calibration = load_calibration(source)
    if calibration is not None:
        save_calibration(target, calibration)
    return cut


def _write_onnx(
    task: Task,
    backbone: Backbone,
    model: TaskModel,
    tokenizer: Any,
    source: Path,
    target: Path,
    *,
    int8: bool,
) -> None:
    """A folder with everything but PyTorch's weights."""
    from xlt.export.onnx import write_network

    target.mkdir(parents=True, exist_ok=True)
    write_network(task, model, backbone, target, int8=int8)
    model.config.save_pretrained(target)
    tokenizer.save_pretrained(target)
    write_info(read_info(source), target)


def size(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in files_below(folder).values())
