"""What an export writes: a model's folder as training writes it, of a smaller model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xlt.document.text import Text
from xlt.export.trim import Cut, trim
from xlt.files import files_below
from xlt.model.calibration import load as load_calibration
from xlt.model.calibration import save as save_calibration
from xlt.model.folder import load_model, read_info, save_model, write_info


def write(
    source: Path, target: Path, *, texts: Sequence[Text] | None = None, int8: bool = False
) -> Cut | None:
    """Write the model of a folder into another one.

    texts: those whose subwords it keeps (`trim`); None: all subwords stay.
    int8: whether its weights are stored in 8 bits (`xlt.model.int8`).

    Returns what is left of the vocabulary, if it was trimmed. Raises XltError as `load_model` and
    `trim` do.
    """
    task, backbone, model = load_model(source)
    tokenizer, cut = backbone.tokenizer, None
    if texts is not None:
        tokenizer, cut = trim(task, backbone, model, texts)
    save_model(model, read_info(source), tokenizer, target)
    if int8:
        from xlt.model.int8 import matrices, quantise

        quantise(target, matrices(model.encoder))
        write_info(read_info(target), target)
    calibration = load_calibration(source)
    if calibration is not None:
        save_calibration(target, calibration)
    return cut


def size(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in files_below(folder).values())
