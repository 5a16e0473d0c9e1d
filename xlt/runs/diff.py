"""`xlt diff`: what a task has changed in an encoder, put onto another one of the same descent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.errors import XltError
from xlt.files import remove, writing
from xlt.runs.labelled import Data, metrics, records
from xlt.runs.merge import check_prediction
from xlt.runs.new_folder import ELSEWHERE, publishing_new, refuse_existing, refuse_inside

if TYPE_CHECKING:
    import torch

    from xlt.document import Document
    from xlt.merging.difference import Difference
    from xlt.merging.weights import Place, Read

log = logging.getLogger(__name__)

_WITHOUT = "leave out --dev, or write the difference again with `xlt diff save`"

CONNECTED = 0.05
"""The share of its score that the model between the two encoders may lack at most (2503.20110)."""


def save(model: Path, base: str, output: Path, *, language: str | None = None) -> dict[str, Any]:
    """Write what a model has learnt since it was `base` to a folder that is not there yet.

    model: a run's folder (its first seed's model is meant), or a model's folder.
    base: the encoder that it was trained from: a name, a folder, or a hub id in the cache.
    language: whose model to take where a run has several targets.

    Returns what was written. Raises XltError for an encoder of another kind than the model's.
    """
    from xlt.inference.loading import find_model
    from xlt.merging.difference import save
    from xlt.merging.weights import Weights, base_of

    target = None if language is None else languages.code(language, where="--language")
    refuse_existing(output)
    folder = find_model(model, target)
    refuse_inside(output, folder)
    with Weights(folder) as weights, publishing_new(output) as part:
        found, digest = base_of(base, weights.shapes, folder)
        # As it is called from everywhere.
        name = str(Path(base).resolve()) if Path(base).is_dir() else base
        about = {"name": name, "sha256": digest}
        with writing(output, fix=ELSEWHERE):
            save(weights, found, about, part)
    return {"output": str(output), "model": str(folder), "base": about}


def apply(
    differences: Sequence[Path],
    onto: str,
    output: Path,
    *,
    scale: float = 1.0,
    dev: Data | None = None,
    batch_tokens: int = 8192,
) -> dict[str, Any]:
    """Write the model that an encoder becomes by the sum of differences.

    differences: folders that `save` wrote, all of one task with the same labels.
    onto: an encoder of the same shape, as `base` of `save`.
    scale: of the sum.
    dev: is scored with what comes of it, with what the differences make of their own base, and of
        the mean of the two encoders. Where that is much worse than both, no straight way leads
        from one encoder to the other, and a difference of the one is worth little on the other.

    Returns what was put together, and the scores. Raises XltError for what does not go together.
    """
    from xlt.merging.difference import CHANGED, MODEL, Difference, apply, check_alike
    from xlt.merging.weights import base_of

    refuse_existing(output)
    with ExitStack() as stack:
        read = [stack.enter_context(Difference(folder)) for folder in differences]
        for one in read:
            refuse_inside(output, one.folder)
        check_alike(read)
        check_prediction([one.folder / MODEL for one in read])
        found, digest = base_of(
            onto,
            read[0].shapes[CHANGED],
            read[0].folder,
            where="--onto",
            fix="name an encoder of the same architecture and vocabulary, or the folder with its "
            "model.safetensors",
            complete=True,
        )
        about = {
            "differences": [
                {"name": str(one.folder), "model": one.model, "base": one.base} for one in read
            ],
            "onto": {"name": onto, "sha256": digest},
        }
        with publishing_new(output) as part:

            def write(encoder: Read, folder: Path, said: Mapping[str, Any]) -> None:
                with writing(output, fix=ELSEWHERE):
                    apply(read, encoder, scale, said, folder)

            scored = {}
            if dev is not None:
                scored = {"dev": _scores(read, found, write, dev, part.parent, batch_tokens)}
            write(found, part, {**about, **scored})
    return {"output": str(output), "scale": scale, **about, **scored}


def _scores(
    read: Sequence[Difference],
    onto: Read,
    write: Callable[[Read, Path, Mapping[str, Any]], None],
    dev: Data,
    temporary: Path,
    batch_tokens: int,
) -> dict[str, Any]:
    """On their own base, on the other encoder and on the mean of both; are these connected?"""
    own = _own_base(read)

    def between(place: Place) -> torch.Tensor:
        one, other = own(place), onto(place)
        assert one is not None
        assert other is not None  # both have all that is changed
        return (one.double() + other.double()) / 2

    documents: Sequence[Document] | None = None
    found: dict[str, dict[str, float]] = {}
    for name, encoder in (("base", own), ("between", between), ("onto", onto)):
        candidate = temporary / "candidate"
        write(encoder, candidate, {})
        documents = records(candidate, dev) if documents is None else documents
        found[name] = metrics(candidate, documents, batch_tokens)
        remove(candidate)
    metric = next(iter(found["onto"]))
    scores = {name: one[metric] for name, one in found.items()}
    connected = scores["between"] >= (1 - CONNECTED) * min(scores["base"], scores["onto"])
    if not connected:
        log.warning(
            "warning: between the two encoders %s falls to %.2f: they are not connected, and what "
            "is learnt on one is worth little on the other",
            metric,
            scores["between"],
        )
    return {"data": dev.reference, "metric": metric, "scores": found, "connected": connected}


def _own_base(read: Sequence[Difference]) -> Read:
    """The encoder that all of the differences are from, if it is as it was."""
    from xlt.merging.difference import CHANGED
    from xlt.merging.weights import base_of

    first = read[0]
    name = str(first.base["name"])
    own, digest = base_of(
        name, first.shapes[CHANGED], first.folder, where=first.folder, fix=_WITHOUT, complete=True
    )
    for one in read:
        if one.base["sha256"] != digest:
            raise XltError(
                f"it is from {one.base['name']} as it was then, not from what {name} is now, so "
                "that nothing can be scored beside it",
                where=one.folder,
                fix=_WITHOUT,
            )
    return own
