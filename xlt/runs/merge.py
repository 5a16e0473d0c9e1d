"""`xlt merge`: trained models of one shape made into one, by their weights alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.errors import XltError, choose
from xlt.files import remove, writing
from xlt.runs.labelled import Data, metrics, records
from xlt.runs.models import models_of
from xlt.runs.new_folder import ELSEWHERE, publishing_new, refuse_existing, refuse_inside

if TYPE_CHECKING:
    from xlt.merging.folder import Merging
    from xlt.merging.methods import Method, Settings

log = logging.getLogger(__name__)

MAX_INFORMED = 500
"""Records from which Fisher information is taken; more say little more."""


def merge(
    models: Sequence[Path],
    output: Path,
    *,
    method: str = "mean",
    base: str | None = None,
    settings: Settings | None = None,
    scales: Sequence[float] = (),
    dev: Data | None = None,
    information: Data | None = None,
    language: str | None = None,
    batch_tokens: int = 8192,
) -> dict[str, Any]:
    """Write one model of several to a folder that is not there yet.

    models: run folders, each standing for the models of all its seeds, or model folders.
    method: a key of `xlt.merging.methods.METHODS`.
    base: what the models were trained from: a run, a model's folder, or an encoder.
    settings: of the method; a setting that it does not look at is an error.
    scales: `Settings.scale`; of several, that which scores best on `dev` is taken.
    dev: is scored with each of the models and with what comes of each scale.
    information: from whose first records Fisher information is taken (fisher).
    language: whose models to take where a run has several targets.

    Returns what was merged, how, and the scores.
    Raises XltError for models that do not go together, with all that differs, and for settings that
    make no sense.
    """
    from xlt.merging.folder import described, opened
    from xlt.merging.methods import Settings

    settings = settings or Settings()
    target = None if language is None else languages.code(language, where="--language")
    _check(method, base, settings, scales, dev, information)
    refuse_existing(output)
    folders = [folder for model in models for folder in models_of(model, target)]
    for folder in folders:
        refuse_inside(output, folder)
    _check_number(method, folders, settings)
    with opened(folders, _base(base, target)) as merging, publishing_new(output) as part:
        check_prediction(folders)
        temporary = part.parent
        whose: dict[str, Any] = {}
        if information is not None:
            merging, whose = _informed(merging, information, settings.seed, temporary, output)
        points = [replace(settings, scale=scale) for scale in scales] or [settings]
        # All of them before anything is scored: one whose settings make no sense is refused.
        methods = [merging.method(method, one) for one in points]
        scored = _scores(merging, points, methods, dev, temporary, output, batch_tokens)
        best = max(range(len(points)), key=lambda n: scored["points"][n]["score"] if scored else 0)
        about = {**described(method, points[best]), **whose, **({"dev": scored} if scored else {})}
        with writing(output, fix=ELSEWHERE):
            merging.write(part, methods[best], about)
        return {"output": str(output), **merging.lineage(), **about}


def _check(
    method: str,
    base: str | None,
    settings: Settings,
    scales: Sequence[float],
    dev: Data | None,
    information: Data | None,
) -> None:
    """Raise XltError for what cannot be, before anything is read."""
    from xlt.merging.methods import METHODS, Settings

    if method not in METHODS:
        raise XltError(
            f"there is no way to merge called {method!r}",
            where="--method",
            fix=choose(method, METHODS),
        )
    kind = METHODS[method]
    for name, usual in asdict(Settings()).items():
        if getattr(settings, name) != usual and name not in kind.takes:
            raise _not_for(method, f"--{name.removesuffix('s')}")
    if scales and "scale" not in kind.takes:
        raise _not_for(method, "--scale")
    if (base is not None) != kind.based:
        if base is not None:
            raise _not_for(method, "--base")
        raise XltError(
            f"{method} merges what models have learnt since they were one: it needs that one",
            where="--base",
            fix="name with --base the encoder, or the model, that all were trained from",
        )
    if (information is not None) != (method == "fisher"):
        if information is not None:
            raise _not_for(method, "--information")
        raise XltError(
            "fisher weighs by what is learnt from texts",
            where="--information",
            fix="name labelled data with --information; 500 records are enough",
        )
    if len(scales) > 1 and dev is None:
        raise XltError(
            f"of {len(scales)} scales one has to be chosen",
            where="--scale",
            fix="name labelled data with --dev, or give one scale",
        )


def _not_for(method: str, option: str) -> XltError:
    return XltError(
        f"{method} does not look at this", where=option, fix=f"leave out {option}, or choose "
        "another --method"
    )  # fmt: skip


def _check_number(method: str, folders: Sequence[Path], settings: Settings) -> None:
    from xlt.merging.methods import METHODS

    least, most = METHODS[method].number
    if len(folders) < least or (most is not None and len(folders) > most):
        wanted = f"{least}" if most == least else f"at least {least}"
        raise XltError(
            f"{method} merges {wanted} model{'s' * (wanted != '1')}, and there "
            f"{'is 1' if len(folders) == 1 else f'are {len(folders)}'}",
            where="MODEL",
            fix="name models, or runs of several seeds",
        )
    weights = settings.weights
    if weights is not None and (len(weights) != len(folders) or not sum(weights)):
        raise XltError(
            f"there are {len(folders)} models and {sum(one > 0 for one in weights)} weights above 0"
            if len(weights) == len(folders)
            else f"there are {len(weights)} weights and {len(folders)} models",
            where="--weight",
            fix="give --weight once for each model, in their order",
        )


def _base(base: str | None, target: str | None) -> str | None:
    """A run's first model for the target; another folder, and a name, are an encoder's."""
    from xlt.inference.loading import find_model
    from xlt.results import CONFIG

    if base is None or not (Path(base) / CONFIG).is_file():
        return base
    return str(find_model(Path(base), target))


def check_prediction(folders: Sequence[Path]) -> None:
    """Raise XltError unless all models read the same: the text, or its translation."""
    from xlt.projection.predict import FILE

    read = [(one / FILE).read_bytes() if (one / FILE).is_file() else None for one in folders]
    for folder, own in zip(folders, read, strict=True):
        if own != read[0]:
            raise XltError(
                f"it reads other text than {folders[0]}: one of them predicts through a "
                "translation, or through another one",
                where=folder,
                fix="merge models of one strategy",
            )


def _informed(
    merging: Merging, data: Data, seed: int, temporary: Path, output: Path
) -> tuple[Merging, dict[str, Any]]:
    """With Fisher information, and what is to be said of it."""
    from xlt.merging.information import write_information

    files, documents = [], records(merging.models[0].folder, data)[:MAX_INFORMED]
    whose = ""
    for number, model in enumerate(merging.models):
        files.append(temporary / f"information-{number}.safetensors")
        log.info("merge: information of %s from %d records", model.folder, len(documents))
        with writing(output, fix=ELSEWHERE):
            whose = write_information(model.folder, documents, files[-1], seed)
    said = {"data": data.reference, "records": len(documents), "labels": whose}
    return merging.informed(files), {"information": said}


def _scores(
    merging: Merging,
    points: Sequence[Settings],
    methods: Sequence[Method],
    dev: Data | None,
    temporary: Path,
    output: Path,
    batch_tokens: int,
) -> dict[str, Any]:
    """Of the models, and of what comes of each method, with its settings; {} without data."""
    if dev is None:
        return {}
    folder = merging.models[0].folder
    documents = records(folder, dev)
    own = [metrics(one.folder, documents, batch_tokens) for one in merging.models]
    name = next(iter(own[0]))
    found: list[dict[str, Any]] = []
    for settings, method in zip(points, methods, strict=True):
        candidate = temporary / "candidate"
        with writing(output, fix=ELSEWHERE):
            merging.write(candidate, method, {})
        scored = metrics(candidate, documents, batch_tokens)
        remove(candidate)
        found.append({"scale": settings.scale, "score": scored[name], "metrics": scored})
        log.info("merge: scale %s: %s %.2f", settings.scale, name, scored[name])
    return {
        "data": dev.reference,
        "metric": name,
        "models": [{"score": one[name], "metrics": one} for one in own],
        "points": found,
    }
