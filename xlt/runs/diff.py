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
from xlt.runs.new_folder import ELSEWHERE, publishing_new, refuse_existing, refuse_inside

if TYPE_CHECKING:
    from xlt.merging.difference import Difference
    from xlt.merging.weights import Read

log = logging.getLogger(__name__)

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
        about = {"name": base, "sha256": digest}
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
    from xlt.merging.difference import Difference, apply, check_alike
    from xlt.merging.weights import base_of

    refuse_existing(output)
    with ExitStack() as stack:
        read = [stack.enter_context(Difference(folder)) for folder in differences]
        for one in read:
            refuse_inside(output, one.folder)
        check_alike(read)
        shapes = read[0].shapes
        found, digest = base_of(onto, shapes, read[0].folder, where="--onto")
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

    def between(place: Any) -> Any:
        one, other = own(place), onto(place)
        return None if one is None or other is None else (one.double() + other.double()) / 2

    documents: Any = None
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
    from xlt.merging.weights import base_of

    first = read[0]
    name = str(first.base["name"])
    own, digest = base_of(name, first.shapes, first.folder, where=f"{first.folder}: base")
    for one in read:
        if one.base["sha256"] != digest:
            raise XltError(
                f"it is from {one.base['name']} as it was then, not from what {name} is now, so "
                "that nothing can be scored beside it",
                where=one.folder,
                fix="leave out --dev, or write the difference again with `xlt diff save`",
            )
    return own
