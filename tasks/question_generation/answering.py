"""Whether a question is answered by what it asks for: an extractive question answering model reads
it (round-trip consistency, Alberti et al. 2019, arXiv 1906.05416)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.config.schema import Model
from xlt.document import Document
from xlt.errors import XltError

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone

MAX_ANSWER_SUBWORDS = 40
"""Subwords of the longest answer that is considered."""
_BATCH = 16


class Answerer:
    """Answers questions by a Hugging Face model, which may know the answer "there is none".

    Raises XltError where it cannot be loaded, or is no such model.
    """

    def __init__(self, model: str) -> None:
        self.name = model

    def __call__(self, documents: Sequence[Document]) -> list[str]:
        """Return each document's answer in its context; "" where the model finds none."""
        import torch

        tokenizer = self._backbone.tokenizer
        answers = [""] * len(documents)
        best = [-np.inf] * len(documents)
        for begin in range(0, len(documents), _BATCH):
            some = documents[begin : begin + _BATCH]
            room = min(self._backbone.max_length, 384)
            encoded = tokenizer(
                [document.texts["question"].surface for document in some],
                [document.text.surface for document in some],
                truncation="only_second", max_length=room, stride=room // 4, padding=True,
                return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors="pt",
            )  # fmt: skip
            owners = encoded.pop("overflow_to_sample_mapping").tolist()
            offsets = encoded.pop("offset_mapping").tolist()
            with torch.inference_mode():
                outputs = self._model(**encoded)
            for row, owner in enumerate(owners):
                inside = np.array([part == 1 for part in encoded.sequence_ids(row)])
                score, first, last = _best(
                    outputs.start_logits[row].double().numpy(),
                    outputs.end_logits[row].double().numpy(), inside,
                )  # fmt: skip
                if score > best[begin + owner]:
                    best[begin + owner] = score
                    text = some[owner].text.surface
                    answer = text[offsets[row][first][0] : offsets[row][last][1]]
                    answers[begin + owner] = answer if inside[first] else ""
        return answers

    @cached_property
    def _backbone(self) -> Backbone:
        from xlt.model.backbone import Backbone

        return Backbone(self.name, Model(encoder=self.name))

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModelForQuestionAnswering

        where = "task.answerer"
        try:
            known = self._backbone.config.architectures or []
            if not any(name.endswith("ForQuestionAnswering") for name in known):
                raise XltError(
                    f"{self.name} is no question answering model", where=where,
                    fix="name one whose config.json says …ForQuestionAnswering, or leave it out",
                )  # fmt: skip
            return self._backbone.model(AutoModelForQuestionAnswering).eval()
        except XltError as error:
            raise error.at(where) from error


def _best(starts: Any, ends: Any, inside: Any) -> tuple[float, int, int]:
    """Score, first and last subword of the best answer; both 0 where "none" (subword 0) wins."""
    length = len(starts)
    scores = starts[:, None] + ends[None, :]
    first, last = np.indices((length, length))
    allowed = (
        inside[:, None] & inside[None, :] & (first <= last) & (last < first + MAX_ANSWER_SUBWORDS)
    )
    allowed[0, 0] = True
    scores = np.where(allowed, scores, -np.inf)
    place = int(scores.argmax())
    return float(scores.flat[place]), place // length, place % length


def overlap(answer: Sequence[str], gold: Sequence[str]) -> float:
    """Compute SQuAD's F1 of two answers, given as their words, from 0 to 1."""
    common = (Counter(answer) & Counter(gold)).total()
    return 2 * common / max(1, len(answer) + len(gold))
