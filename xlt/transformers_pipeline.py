"""A trained tagger as a pipeline of transformers, with the very spans that xlt predicts::

    from transformers import pipeline
    from xlt.transformers_pipeline import EntityPipeline

    find = pipeline(
        "token-classification", "runs/names/seed-1/hau/model", pipeline_class=EntityPipeline
    )
    find("Shugaba Tinubu ya isa Kano.")  # [{"entity_group": "PER", "score": 0.98, …}, …]

transformers' own pipeline loads the same folder and finds others: it takes punctuation for a part
of the word before it, decides subword by subword or by a word's first, and joins whatever tags come
out. xlt classifies the mean of a word's subwords, with words by the rules of the language, and
takes the best tags that are valid.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

from transformers import TokenClassificationPipeline

from xlt.document import Document, Spans
from xlt.errors import XltError
from xlt.inference.loading import language_of, make_direct_predictor
from xlt.model import int8  # noqa: F401 (transformers reads its weights from here on)
from xlt.model.folder import read_info
from xlt.model.tagger import Tagger
from xlt.runs.reading import sentences_of
from xlt.standoff import entries
from xlt.task import predicted_layers


class EntityPipeline(TokenClassificationPipeline):  # type: ignore[misc]
    """Finds the spans of running text; for `pipeline_class` of `transformers.pipeline`.

    Options of transformers that say how subwords become spans have no effect.
    Raises XltError for a folder that is no tagger of spans of xlt's.
    """

    def __init__(self, *, model: Any, batch_tokens: int = 8192, **options: Any) -> None:
        super().__init__(model=model, **options)
        folder = Path(model.name_or_path)
        task, self._backbone, self._predictor = make_direct_predictor(
            folder, batch_tokens=batch_tokens, confident=True
        )
        self._languages = read_info(folder).languages
        spans = [name for name in predicted_layers(task) if issubclass(task.layers[name], Spans)]
        if not isinstance(self._predictor.model, Tagger) or len(spans) != 1:
            raise XltError(
                f"this model of {task.name} tags no spans",
                where=folder,
                fix="use xlt.runs.predict, or a model of `ner`",
            )
        (self._layer,) = spans
        self.model = self._predictor.model.encoder

    def __call__(
        self, inputs: str | Iterable[str], language: str | None = None, **options: Any
    ) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
        """The spans of a text, or of each of several. A line end ends a sentence.

        language: whose rules split the text into sentences and words; by default the one that the
            model is for.

        Returns a dict for each span: "entity_group", "score" (its probability), "word" (the very
        text), "start" and "end" (characters).
        """
        spoken = language_of(language, self._languages)
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        task, numbers = self._predictor.task, count(1)
        placed = [sentences_of(task, text, spoken, numbers) for text in texts]
        documents = [document for some, _ in placed for document in some]
        predicted = iter(self._predictor(documents, task.encode(documents, self._backbone, None)))
        found = [
            self._spans([(next(predicted), start) for start in starts]) for _, starts in placed
        ]
        return found[0] if isinstance(inputs, str) else found

    def _spans(self, sentences: Iterable[tuple[Document, int]]) -> list[dict[str, Any]]:
        return [
            {
                "entity_group": one["label"],
                "score": one["confidence"],
                "word": one["text"],
                "start": one["start"],
                "end": one["end"],
            }
            for one in entries(self._layer, sentences)
        ]
