"""Spans that a trained model proposes on translations, for `matching.match_candidates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xlt.errors import XltError
from xlt.inference.loading import find_model, make_direct_predictor
from xlt.model.folder import fingerprint_folder, read_info
from xlt.model.slot_writer import SlotWriter, Units, encode_slots, proposals
from xlt.projection.pair import AlignedPair, Span
from xlt.task import Record, Task


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
        self.identity = fingerprint_folder(path)
        self.task, self.backbone, self.predictor = make_direct_predictor(
            path, batch_tokens=batch_tokens
        )

    def __call__(
        self, found: Sequence[tuple[Record, Mapping[str, AlignedPair], bool]]
    ) -> list[dict[str, list[Span]]]:
        """Of each record, the spans on its translations, by text.

        A model that fills slots is asked for the types of the record's own spans, and all that its
        search finds are proposed.
        """
        if isinstance(self.predictor.model, SlotWriter):
            return self._filled(self.predictor.model, found)
        records: dict[int, Record] = {}
        for n, (record, pairs, _) in enumerate(found):
            if all(pair.target for pair in pairs.values()):
                translated = self.task.translated(record, pairs)
                if translated is not None:
                    records[n] = translated
        given = list(records.values())
        predicted = self.predictor(given, self.task.encode(given, self.backbone, None))
        spans: list[dict[str, list[Span]]] = [{} for _ in found]
        for n, record in zip(records, predicted, strict=True):
            spans[n] = self.task.spans(record)
        return spans

    def _filled(
        self,
        model: SlotWriter,
        found: Sequence[tuple[Record, Mapping[str, AlignedPair], bool]],
    ) -> list[dict[str, list[Span]]]:
        texts = [
            (n, name, pair.target, self.task.spans(record)[name])
            for n, (record, pairs, _) in enumerate(found)
            for name, pair in pairs.items()
            if pair.target and self.task.spans(record).get(name)
        ]
        encoded = self.backbone.words([words for _, _, words, _ in texts])
        units: Units = "pieces" if self.within_words else "words"
        examples = encode_slots(encoded, [a for *_, a in texts], self.backbone, None, units)
        spans: list[dict[str, list[Span]]] = [{} for _ in found]
        filled = self.predictor.each(
            examples, lambda batch: model.fill(**batch, several=model.generation.beams)
        )
        for position, rows in filled:
            n, name, *_ = texts[position]
            spans[n][name] = proposals(rows, examples[position], model.labels, units)
        return spans
