"""A trained model that annotates what was read, and what it says as records with offsets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.data.fields import id_as_given
from xlt.document import Document
from xlt.runs.reading import Unit
from xlt.standoff import entries
from xlt.task import confident, predicted_layers

if TYPE_CHECKING:
    from xlt.task import Task

log = logging.getLogger(__name__)

Annotated = tuple[Unit, Sequence[Document]]
"""A unit of the input, and its documents as they were predicted."""


class Annotator:
    """A trained model, ready to annotate.

    folder:    of the model that was found.
    labels:    that it knows.
    languages: those that it is for.
    language:  of texts that do not say it, an ISO 639-3 code; None where it is open.
    sure:      whether its predictions have confidences.
    apart:     whether what is predicted of a document may depend on the others that are given with
        it: an aligner of translations may learn from all of them.

    Raises XltError for a folder that is no model, and for an unknown language.
    """

    def __init__(self, model: Path, language: str | None = None, *, batch_tokens: int) -> None:
        from xlt.inference.base import BatchPredictor
        from xlt.inference.loading import find_model
        from xlt.model.calibration import load as load_calibration
        from xlt.model.folder import read_info
        from xlt.projection.opening import open_predictor

        spoken = None if language is None else languages.code(language, where="--language")
        self.folder = find_model(model, spoken)
        self.task, self._backbone, self._predictor = open_predictor(
            self.folder, batch_tokens=batch_tokens, confident=True
        )
        self.labels = self._predictor.labels
        self.languages = tuple(read_info(self.folder).languages)
        if spoken is None and len(self.languages) == 1:
            (spoken,) = self.languages
            log.info("language: %s, which the model was trained for", languages.name(spoken))
        self.language = spoken
        # What comes back from a translation has none.
        direct = isinstance(self._predictor, BatchPredictor) or self._predictor.ensemble
        self.sure = direct and confident(self.task) is not None
        self.apart = self._predictor.window is None
        if confident(self.task) and load_calibration(self.folder) is None:
            log.info("note: confidences are not calibrated: no dev data selected this model")

    def __call__(self, units: Sequence[Unit]) -> list[Annotated]:
        """The units, in order, with what is predicted of all their documents together."""
        documents = [document for unit in units for document in unit.documents]
        encoded = self.task.encode(documents, self._backbone, None)
        predicted = self._predictor(documents, encoded)
        for before, after in zip(documents, predicted, strict=True):
            assert before.words == after.words
        rest = iter(predicted)
        return [(unit, [next(rest) for _ in unit.documents]) for unit in units]

    def coverage_warnings(self, documents: Sequence[Document]) -> list[str]:
        """What to know before trusting this model with the text of these documents."""
        from xlt.runs.coverage import count_words, warnings

        words = count_words(self.task, documents)
        return warnings(self.language or "und", words, self._backbone.tokenizer)


def record(task: Task, unit: Unit, documents: Sequence[Document]) -> dict[str, Any]:
    """One JSON-able object for one unit of the input, whatever sentences it has: its id, if it has
    one, its texts, and what was predicted at character offsets of the first of them."""
    made: dict[str, Any] = {} if unit.id is None else {"id": id_as_given(unit.id)}
    first, *others = task.texts
    made[first] = unit.surface
    for document in [*documents, *([] if unit.blank is None else [unit.blank])]:
        made |= {name: document.texts[name].surface for name in others}
    kinds = set()
    for name in predicted_layers(task):
        found = entries(name, zip(documents, unit.starts, strict=True))
        # A further layer of one kind holds what only gold data say, such as given triggers.
        if found or task.layers[name] not in kinds:
            made[name] = found
        kinds.add(task.layers[name])
    return made
