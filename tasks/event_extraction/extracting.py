"""What the extractors predict: their network read once, then roles of the triggers that are there.

In NumPy around the network, whether PyTorch computes that or ONNX Runtime: how many triggers there
are is known only when they were decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.data.batch import Arrays, prediction_batches
from xlt.data.encode import word_arrays
from xlt.model.arrays import Scores, biaffine, log_softmax
from xlt.task import Labels, Network

from .decoding import decode_spans
from .marking import Frame, marked_in_batch

if TYPE_CHECKING:
    from . import EventExtraction

BatchRange = tuple[int, int, int]
"""Sentence of the batch, first word, last word + 1."""


def outputs(
    network: Network, arrays: Arrays, labels: Labels, options: EventExtraction.Options
) -> dict[str, NDArray[Any]]:
    """Score all tags of a batch of `encoding.arrays`.

    network: `model.Extractor.graph`.

    Returns log-probabilities: entity (levels, sentences, words, tags), trigger (sentences, words,
    tags), role (events, words, tags); and events (events, 3): the given triggers, then those
    predicted besides.
    """
    mask, given = arrays["word_mask"], arrays["triggers"]
    sentences, words = mask.shape
    pipeline = options.model == "pipeline"
    read = np.concatenate([mask, mask[given[:, 0]]]) if pipeline else mask
    shape, roles = (len(read), words), len(labels["role"])
    size = options.role_size
    found = network(
        {**arrays, "word_mask": read},
        entity=(options.levels, *shape, len(labels["entity"])),
        trigger=(*shape, len(labels["trigger"])),
        **{"role": (*shape, roles)}
        if pipeline
        else {
            "role_trigger": (*shape, size),
            "role_word": (*shape, size),
            "role_weight": (roles, size + 1, size + 1),
        },
    )
    trigger = log_softmax(found["trigger"][:sentences])
    predicted: list[BatchRange] = []
    if {"triggers", "arguments"} <= {*options.parts}:
        spans = decode_spans(trigger, mask, labels["trigger"])
        known = {*map(tuple, given.tolist())}
        places = [(s, a, b) for s, of_sentence in enumerate(spans) for _, a, b in of_sentence]
        predicted = [place for place in places if place not in known]
    events = np.concatenate([given, np.array(predicted, np.int64).reshape(-1, 3)])
    if pipeline:
        again = _marked_roles(network, arrays, predicted, roles)
        role = np.concatenate([found["role"][sentences:], again])
    else:
        role = _paired_roles(found, events)
    return {
        "entity": log_softmax(found["entity"][:, :sentences]),
        "trigger": trigger,
        "role": log_softmax(role),
        "events": events,
    }


def _marked_roles(
    network: Network, arrays: Arrays, predicted: Sequence[BatchRange], roles: int
) -> Scores:
    """Mark each trigger in its sentence, read all of these again: (predicted, words, tags)."""
    lengths, width = arrays["word_mask"].sum(1).tolist(), arrays["word_mask"].shape[1]
    scores = np.zeros((len(predicted), width, roles), np.float32)
    frame = Frame.unpacked(arrays["frame_input_ids"], arrays["frame"])
    ids, index = arrays["input_ids"], arrays["word_index"].copy()
    index[index >= len(lengths) * width] = -1  # sentences that are marked already
    marked = marked_in_batch(ids, index, lengths, width, predicted, frame)
    for part in prediction_batches([one.length for one in marked], budget=max(ids.size, 1)):
        batch = word_arrays([marked[i] for i in part], frame.pad)
        shape = batch["word_mask"].shape
        scores[part, : shape[1]] = network(batch, role=(*shape, roles))["role"]
    return scores


def _paired_roles(found: Arrays, events: NDArray[np.int64]) -> Scores:
    """Score each word of a trigger's sentence against the mean of the trigger's words: (events,
    words, tags)."""
    sentence, start, end = events.T
    positions = np.arange(found["role_word"].shape[1])
    inside = (positions >= start[:, None]) & (positions < end[:, None])
    share = (inside / inside.sum(1, keepdims=True)).astype(np.float32)
    means = (share[:, None] @ found["role_trigger"][sentence]).squeeze(1)
    activated = np.where(means > 0, means, np.expm1(np.minimum(means, 0)))  # ELU
    return biaffine(activated, found["role_word"][sentence], found["role_weight"])
