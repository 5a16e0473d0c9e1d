"""Spans of given types by filling a skeleton of tags: what T-Projection proposes candidates with.

García-Ferrero et al. 2023 (arXiv 2212.10548): the input is a sentence with `<PER>[None]</PER>` for
each span that is known to be in it, the output the same with the spans' text inside. Here the
output cannot hold anything but spans of the sentence (`FillSlots`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.data.encode import EncodedWords
from xlt.data.prompt import PromptEncoder, collate_prompts, collate_targets, encode_texts, pad_rows
from xlt.document import Span
from xlt.model.backbone import Backbone
from xlt.model.constrain import FillSlots
from xlt.model.decoder import end_id
from xlt.model.generation import Generation
from xlt.model.seq2seq import Seq2Seq
from xlt.model.tag_writer import UNLIKELY, tag_subwords, types, word_subwords
from xlt.task import Example, Labels

Ids = NDArray[np.int32]
NONE = "[None]"

Units = Literal["words", "subwords"]
"""What a span may begin and end with."""


class SlotWriter(Seq2Seq):
    """Batches as `collate_slots` makes them."""

    def __init__(self, backbone: Backbone, labels: Labels, generation: Generation) -> None:
        super().__init__(backbone.seq2seq(), labels, backbone, generation)
        backbone.labels = labels
        self._name_tags()

    def _name_tags(self) -> None:
        skeleton = Skeleton(self.tokenizer, self.labels)
        tags = [ids for kind in skeleton.kinds for ids in skeleton.tags[kind]]
        self.config.tag_token_id = [ids.tolist() for ids in tags]
        self.config.none_token_id = skeleton.none.tolist()

    def grow(self, labels: Labels) -> None:
        self.labels = dict(labels)
        self._name_tags()

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        copy_input_ids: torch.Tensor,
        slots: torch.Tensor,
        labels: torch.Tensor | None = None,
        **learning: Any,
    ) -> dict[str, torch.Tensor]:
        """As `Seq2Seq.forward`, and

        copy_input_ids: (records, units, subwords) what spans are made of: the words.
        slots:          (records, most) the numbers of the types that are asked for, or -1.

        Without labels it returns `filled`, see `fill`, and `scores` (records, words, tags) of the
        best output, as a tagger does.
        """
        if labels is not None:
            return super().forward(input_ids, window_of, labels=labels, **learning)
        filled = self.fill(input_ids, window_of, copy_input_ids, slots)
        tags = self.labels["tag"]
        scores = torch.full((*copy_input_ids.shape[:2], len(tags)), UNLIKELY)
        scores[..., 0] = 0
        kinds = types(tags)
        number = {tag: i for i, tag in enumerate(tags)}
        for record, (kinds_asked, spans) in enumerate(
            zip(slots.tolist(), filled[:, 0].tolist(), strict=True)
        ):
            taken: set[int] = set()
            for kind, (start, end) in zip(kinds_asked, spans, strict=True):
                if start < 0 or taken & {*range(start, end)}:
                    continue
                taken |= {*range(start, end)}
                for word in range(start, end):
                    scores[record, word] = UNLIKELY
                    tag = f"{'B' if word == start else 'I'}-{kinds[kind]}"
                    scores[record, word, number[tag]] = 0
        return {"filled": filled, "scores": scores.to(input_ids.device)}

    def fill(
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        copy_input_ids: torch.Tensor,
        slots: torch.Tensor,
        several: int = 1,
    ) -> torch.Tensor:
        """What each slot holds, its first and last-plus-one unit, -1 for none:
        (records, several, slots, 2)."""
        flat = [tuple(ids) for ids in self.config.tag_token_id]
        tags = list(zip(flat[::2], flat[1::2], strict=True))
        none = tuple(self.config.none_token_id)
        automata = [
            FillSlots(units, [tags[kind] for kind in row if kind >= 0], none, self.end_id)
            for units, row in zip(
                word_subwords(copy_input_ids, self.pad_id), slots.tolist(), strict=True
            )
        ]
        outputs = self.generate_allowed(self.read(input_ids, window_of), automata, several)
        filled = torch.full((len(automata), several, slots.shape[1], 2), -1)
        rows = zip(outputs["output_ids"].tolist(), outputs["lengths"].tolist(), strict=True)
        for n, (ids, length) in enumerate(rows):
            record, rank = divmod(n, several)
            automaton = automata[record]
            # Where there are fewer outputs than beams, the last ones are not outputs.
            spans = automaton.spans([*ids[:length], automaton.end])
            for slot, one in enumerate(spans or ()):
                if one:
                    filled[record, rank, slot] = torch.tensor(one[0])
        return filled


class Skeleton:
    """The subwords of skeletons. kinds: all types, by number."""

    def __init__(self, tokenizer: Any, labels: Labels) -> None:
        self.kinds = types(labels["tag"])
        self.tags = tag_subwords(tokenizer, self.kinds, "text")
        (self.none,) = encode_texts(tokenizer, [NONE])

    def of(self, kinds: Sequence[str], inside: Sequence[Ids] | None = None) -> Ids:
        """The skeleton of these types, empty or with these subwords inside."""
        parts = [self.none[:0]]
        for n, kind in enumerate(kinds):
            opening, closing = self.tags[kind]
            parts += [opening, self.none if inside is None else inside[n], closing]
        return np.concatenate(parts)


def encode_slots(
    sentences: Sequence[EncodedWords],
    asked: Sequence[Sequence[Span]],
    backbone: Backbone,
    labels: Labels | None,
    units: Units = "words",
) -> list[Example]:
    """Examples that ask for spans of these types; with labels, with targets.

    asked: spans of the types, in the order of the skeleton; where they are matters for targets.
        Types that the model has not learnt are left out.
    """
    if labels:
        backbone.labels = labels
    skeleton = Skeleton(backbone.tokenizer, backbone.labels)
    number = {kind: n for n, kind in enumerate(skeleton.kinds)}
    prompts = PromptEncoder(backbone.words)
    end = np.array([end_id(backbone)], np.int32)
    examples = []
    for index, (words, spans) in enumerate(zip(sentences, asked, strict=True)):
        known = [span for span in spans if span.kind in number]
        kinds = [span.kind for span in known]
        owners = np.concatenate([o[o >= 0] for o in words.word_of])
        cuts = np.searchsorted(owners, np.arange(1, words.n_words))
        copies = np.split(words.subwords, cuts)[: words.n_words]
        inputs: dict[str, Any] = {
            "words": words, "pad": backbone.pad_id, "owners": owners,
            "windows": prompts.windows(skeleton.of(kinds), words.subwords),
            "units": copies if units == "words" else np.split(words.subwords, len(owners)),
            "slots": [number[kind] for kind in kinds],
        }  # fmt: skip
        if labels:
            inside = [np.concatenate(copies[span.start : span.end]) for span in known]
            inputs["target"] = np.concatenate([skeleton.of(kinds, inside), end])
        length = sum(map(len, inputs["windows"]))
        examples.append(Example(index, length, inputs))
    return examples


def collate_slots(inputs: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    pad, limit = inputs[0]["pad"], inputs[0]["words"].limit
    batch = collate_prompts([one["windows"] for one in inputs], pad, limit)
    most = max(1, *(len(one["units"]) for one in inputs))
    wide = max((len(unit) for one in inputs for unit in one["units"]), default=1)
    nothing = np.zeros(0, np.int32)
    rows = [
        unit for one in inputs for unit in [*one["units"], *[nothing] * (most - len(one["units"]))]
    ]
    batch["copy_input_ids"] = pad_rows(rows, pad, wide).view(len(inputs), most, wide)
    widest = max(1, *(len(one["slots"]) for one in inputs))
    batch["slots"] = pad_rows([one["slots"] for one in inputs], -1, widest)
    if "target" in inputs[0]:
        batch |= collate_targets([one["target"] for one in inputs], pad)
    return batch


def proposals(
    filled: torch.Tensor, example: Example, labels: Labels, units: Units = "words"
) -> list[Span]:
    """What the outputs for an example hold, each span once, in words.

    filled: (several, slots, 2) as `SlotWriter.fill` has it; others in the batch may have had more
        slots.
    """
    kinds, owners = types(labels["tag"]), example.inputs["owners"]
    spans: dict[Span, None] = {}
    for row in filled.tolist():
        for number, (start, end) in zip(example.inputs["slots"], row, strict=False):
            if start >= 0:
                if units == "subwords":
                    start, end = int(owners[start]), int(owners[end - 1]) + 1
                spans[Span(kinds[number], start, end)] = None
    return list(spans)
