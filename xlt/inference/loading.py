"""Saved models, found and made ready to predict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt import languages
from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.calibration import load as load_calibration
from xlt.model.folder import INFO, load_model, read_info
from xlt.task import Task

if TYPE_CHECKING:
    from xlt.inference.predictor import Predictor


def make_direct_predictor(
    folder: Path,
    *,
    batch_tokens: int,
    precision: str = "auto",
    options: Model | None = None,
    task: Task | None = None,
    confident: bool = False,
) -> tuple[Task, Backbone, Predictor]:
    """A saved model, ready to predict on the text itself on the best device here.

    task: the one that the model was trained for; by default as its folder says.
    confident: its predictions say how sure it is of them, if the task can.
    Raises XltError for a folder that is no model.
    """
    from xlt.inference.device import best_device, cast_for_inference, choose_precision
    from xlt.inference.predictor import Predictor

    task, backbone, model = load_model(folder, options, task)
    device = best_device()
    model.to(device).eval()
    chosen = choose_precision(precision, device)
    cast_for_inference(model, chosen)
    predictor = Predictor(task, model, batch_tokens, chosen, device)
    if confident:
        calibration = load_calibration(folder)
        predictor.temperatures = {} if calibration is None else calibration.temperatures
    return task, backbone, predictor


def find_model(path: Path, target: str | None = None) -> Path:
    """The model folder that the user means: itself, or the first seed's in a run folder.

    target: whose model to take where a run has several.
    Raises XltError where there is none, and where a run has different ones for several targets.
    """
    if (path / INFO).is_file():
        return path
    folders = sorted(path.glob("seed-*/*/model"))
    folders = [p for p in folders if p.parent.name == target] or folders
    first: dict[str, Path] = {}
    for folder in folders:
        first.setdefault(folder.parent.name, folder)
    if len(first) > 1 and len({frozenset(_content(one)) for one in first.values()}) > 1:
        which = f"name one of them, e.g. {folders[0]}"
        raise XltError(
            f"this run has models for several targets: {', '.join(first)}"
            + ("" if target is None else f"; {target} is none of them"),
            where=path,
            fix=f"say for which with --language, or {which}" if target is None else which,
        )
    if folders:
        return folders[0]
    raise XltError(
        "there is no trained model here",
        where=path,
        fix="name a run folder, or a model folder inside it (seed-1/<target>/model); runs with "
        "`output.keep: scores` have none",
    )


def language_of(given: str | None, own: Sequence[str]) -> str:
    """The language of text for a model: the one that is given, in any form that
    `xlt.languages.code` knows, or else the only one of the model's own.

    Raises XltError where it is open, and for an unknown language.
    """
    if given is None and len(own) != 1:
        raise XltError(
            "the text needs a language: its words are split by that language's rules",
            where="language",
            fix='pass language="hau" (say)',
        )
    return languages.code(own[0] if given is None else given, where="language")


def _content(folder: Path) -> Iterable[tuple[object, ...]]:
    """What a model's folder holds: that of two models of one content is equal."""
    files = read_info(folder).files
    return [(name, *file) for name, file in files.items()] or [(folder,)]
