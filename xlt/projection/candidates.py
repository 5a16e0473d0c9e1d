"""Spans that a trained model proposes on translations, for `matching.match_candidates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xlt.config.schema import ProjectionSettings
from xlt.document import Document, Span
from xlt.errors import XltError
from xlt.inference.loading import find_model, make_direct_predictor
from xlt.model.content import folder_hash
from xlt.model.folder import read_info
from xlt.model.slot_writer import SlotWriter, Units, encode_slots, proposals
from xlt.projection.layers import spans_of, translated
from xlt.projection.pair import AlignedPair
from xlt.task import Task


class Candidates:
    """The spans that the model in a folder finds.

    target: whose model to take from a run with several.
    Raises XltError if there is no model, or one of another task.
    """

    def __init__(
        self,
        task: Task,
        folder: str,
        *,
        target: str | None = None,
        within_words: bool = False,
        batch_tokens: int = 8192,
    ) -> None:
        self.within_words = within_words
        where = "projection.candidates"
        path = find_model(Path(folder), target)
        info = read_info(path)
        if info.task != task.name:
            raise XltError(
                f"the model does {info.task}, not {task.name}",
                where=where,
                fix=f"name a run or a model of {task.name}",
            )
        self.identity = folder_hash(path)
        self.task, self.backbone, self.predictor = make_direct_predictor(
            path, batch_tokens=batch_tokens
        )

    def __call__(
        self, projected: Sequence[tuple[Document, Mapping[str, AlignedPair], bool]]
    ) -> list[Sequence[Span]]:
        """Of each document, the spans on the translation of its first text.

        A model that fills slots is asked for the types of the document's own spans, and all that
        its search finds are proposed.
        """
        if isinstance(self.predictor.model, SlotWriter):
            return self._filled(self.predictor.model, projected)
        documents: dict[int, Document] = {}
        for n, (document, pairs, _) in enumerate(projected):
            if all(pair.target.words for pair in pairs.values()):
                moved = translated(self.task, document, pairs, ProjectionSettings(guard="keep"))
                if moved is not None:
                    documents[n] = moved
        given = list(documents.values())
        predicted = self.predictor(given, self.task.encode(given, self.backbone, None))
        spans: list[Sequence[Span]] = [() for _ in projected]
        for n, document in zip(documents, predicted, strict=True):
            spans[n] = spans_of(self.task, document)
        return spans

    def _filled(
        self,
        model: SlotWriter,
        projected: Sequence[tuple[Document, Mapping[str, AlignedPair], bool]],
    ) -> list[Sequence[Span]]:
        first = self.task.texts[0]
        asked = [
            (n, pairs[first].target, spans)
            for n, (document, pairs, _) in enumerate(projected)
            if pairs[first].target.words and (spans := spans_of(self.task, document))
        ]
        encoded = self.backbone.words([text for _, text, _ in asked])
        units: Units = "subwords" if self.within_words else "words"
        examples = encode_slots(encoded, [spans for *_, spans in asked], self.backbone, None, units)
        proposed: list[Sequence[Span]] = [() for _ in projected]
        filled = self.predictor.each(
            examples, lambda batch: model.fill(**batch, several=model.generation.beams)
        )
        for position, rows in filled:
            n = asked[position][0]
            proposed[n] = proposals(rows, examples[position], model.labels, units)
        return proposed
