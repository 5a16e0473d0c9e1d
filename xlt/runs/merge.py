"""`xlt merge`: trained models of one shape made into one, by their weights alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.errors import XltError
from xlt.files import writing
from xlt.merging.settings import Settings, check, check_number
from xlt.runs.labelled import Data, metrics, records
from xlt.runs.models import models_of
from xlt.runs.new_folder import ELSEWHERE, publishing_new, refuse_existing, refuse_inside

if TYPE_CHECKING:
    from xlt.merging.folder import Merging
    from xlt.merging.methods import Method

log = logging.getLogger(__name__)


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
    from xlt.merging.choose import informed
    from xlt.merging.folder import described, opened

    settings = settings or Settings()
    target = None if language is None else languages.code(language, where="--language")
    usual = asdict(Settings())
    stated = [name for name, value in asdict(settings).items() if value != usual[name]]
    stated += ["scale"] if scales else []
    way = check(
        method,
        [*stated, *([] if base is None else ["base"])],
        informed=information is not None,
        scales=len(scales),
        scored=dev is not None,
        say=_say,
    )
    if way.based and base is None:
        raise XltError(
            f"{method} merges what models have learnt since they were one: it needs that one",
            where="--base",
            fix="name with --base the encoder, or the model, that all were trained from",
        )
    refuse_existing(output)
    folders = [folder for model in models for folder in models_of(model, target)]
    for folder in folders:
        refuse_inside(output, folder)
    check_number(
        method,
        len(folders),
        settings.weights,
        scaled="scale" in stated,
        where="MODEL",
        fix="name models, or runs of several seeds",
        say=_say,
    )
    with opened(folders, _base(base, target)) as merging, publishing_new(output) as part:
        check_prediction(folders)
        temporary = part.parent
        about: dict[str, Any] = {}
        learnt = [] if information is None else records(folders[0], information)
        judged = [] if dev is None else records(folders[0], dev)
        with writing(output, fix=ELSEWHERE):
            if information is not None:
                merging, whose, number = informed(merging, learnt, settings.seed, temporary)
                said = {"data": information.reference, "records": number, "labels": whose}
                about["information"] = said
            points = [replace(settings, scale=scale) for scale in scales] or [settings]
            try:  # all before anything is scored: one whose settings make no sense is refused
                methods = [merging.method(method, one) for one in points]
            except XltError as error:
                raise error.at(_say(str(error.where))) from error
            best, scored = 0, dict[str, Any]()
            if dev is not None:

                def score(folder: Path) -> dict[str, float]:
                    return metrics(folder, judged, batch_tokens)

                scored = _scored(merging, points, methods, score, temporary)
                scores = [point["score"] for point in scored["points"]]
                best, scored = scores.index(max(scores)), {"data": dev.reference, **scored}
            about |= {**described(method, points[best]), **({"dev": scored} if scored else {})}
            merging.write(part, methods[best], about)
        return {"output": str(output), **merging.lineage(), **about}


def _say(name: str) -> str:
    """How an option is written."""
    return f"--{name}"


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


def _scored(
    merging: Merging,
    points: Sequence[Settings],
    methods: Sequence[Method],
    score: Callable[[Path], dict[str, float]],
    temporary: Path,
) -> dict[str, Any]:
    """Scores of the models, and of what comes of each method."""
    from xlt.merging.choose import scores

    own = [score(one.folder) for one in merging.models]
    name = next(iter(own[0]))
    found: list[dict[str, Any]] = []
    for settings, scored in zip(points, scores(merging, methods, score, temporary), strict=True):
        found.append({"scale": settings.scale, "score": scored[name], "metrics": scored})
        log.info("merge: scale %s: %s %.2f", settings.scale, name, scored[name])
    return {
        "metric": name,
        "models": [{"score": one[name], "metrics": one} for one in own],
        "points": found,
    }
