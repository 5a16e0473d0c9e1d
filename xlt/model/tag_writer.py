"""Sequence labelling by writing the words again with tags around the spans.

Decoding is constrained (`xlt.model.constrain`): whatever the weights, every word is there and the
tags are balanced. Targets and outputs are subwords, so nothing depends on how text is detokenised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.data.encode import EncodedWords
from xlt.data.prompt import collate_prompts, collate_targets, encode_texts, pad_rows
from xlt.model.backbone import Backbone
from xlt.model.constrain import CopyTags
from xlt.model.decoder import end_id
from xlt.model.generation import Generation
from xlt.model.seq2seq import Seq2Seq
from xlt.task import Labels

Ids = NDArray[np.int32]

UNLIKELY = -20.0
"""Log-probability that stands for "not this tag"."""


class TagWriter(Seq2Seq):
    """A generator whose outputs are tags of the words in its input.

    labels: one layer of IOB2 tags, {"tag": ("O", "B-X", "I-X", …)}.
    tags:   `tokens` gives every tag a new subword of its own, `text` writes it with what there is.

    The subwords of the tags are in the model's config, where a trimmed vocabulary renumbers them.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        generation: Generation,
        tags: Literal["text", "tokens"],
    ) -> None:
        super().__init__(backbone.seq2seq(), labels, backbone, generation)
        self.tags = tags
        self._name_tags()

    def _name_tags(self) -> None:
        kinds = types(self.labels["tag"])
        subwords = tag_subwords(self.tokenizer, kinds, self.tags)
        missing = len(self.tokenizer) - self.encoder.get_input_embeddings().weight.shape[0]
        if self.tags == "tokens" and missing > 0:
            _resize(self.encoder, len(self.tokenizer))
        self.config.tag_token_id = [ids.tolist() for kind in kinds for ids in subwords[kind]]

    def grow(self, labels: Labels) -> None:
        self.labels = dict(labels)
        self._name_tags()

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        copy_input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **learning: Any,
    ) -> dict[str, torch.Tensor]:
        """As `Seq2Seq.forward`, and

        copy_input_ids: (records, words, subwords) the words to be written; without labels.

        Without labels it returns `scores` (records, words, tags) as a tagger does, 0 for the tags
        that were written and `UNLIKELY` for others.
        """
        if labels is not None:
            return super().forward(input_ids, window_of, labels=labels, **learning)
        assert copy_input_ids is not None
        automata = self.automata(copy_input_ids)
        outputs = self.generate_allowed(self.read(input_ids, window_of), automata)
        scores = torch.full(
            (*copy_input_ids.shape[:2], len(self.labels["tag"])), UNLIKELY, device=input_ids.device
        )
        scores[..., 0] = 0
        number = {tag: i for i, tag in enumerate(self.labels["tag"])}
        kinds = types(self.labels["tag"])
        rows = zip(
            automata, outputs["output_ids"].tolist(), outputs["lengths"].tolist(), strict=True
        )
        for record, (automaton, ids, length) in enumerate(rows):
            spans = automaton.spans([*ids[:length], automaton.end])
            if spans is None:
                raise AssertionError("a constrained output is not what was allowed")
            for kind, start, end in spans:
                for word in range(start, end):
                    tag = number[f"{'B' if word == start else 'I'}-{kinds[kind]}"]
                    scores[record, word] = UNLIKELY
                    scores[record, word, tag] = 0
        return {"scores": scores}

    def automata(self, copy_input_ids: torch.Tensor) -> list[CopyTags]:
        """What may be written of each record."""
        ids = [tuple(row) for row in self.config.tag_token_id]
        tags = list(zip(ids[::2], ids[1::2], strict=True))
        every = word_subwords(copy_input_ids, self.pad_id)
        return [CopyTags(words, tags, self.end_id) for words in every]


def types(tags: Sequence[str]) -> list[str]:
    """The types of IOB2 tags, in the order of the tags."""
    return list(dict.fromkeys(tag[2:] for tag in tags if tag[:2] in ("B-", "I-")))


def word_subwords(copy_input_ids: torch.Tensor, pad_id: int) -> list[list[tuple[int, ...]]]:
    """The subwords of each record's words, from a padded (records, words, subwords)."""
    by_record = []
    for record in copy_input_ids.tolist():
        words = [tuple(subword for subword in word if subword != pad_id) for word in record]
        by_record.append([word for word in words if word])
    return by_record


def tag_subwords(
    tokenizer: Any, kinds: Sequence[str], tags: Literal["text", "tokens"]
) -> dict[str, tuple[Ids, Ids]]:
    """Type → the subwords of its opening and closing tag; `tokens` are added to the tokenizer."""
    texts = [text for kind in kinds for text in (f"<{kind}>", f"</{kind}>")]
    if tags == "tokens":
        tokenizer.add_tokens(texts, special_tokens=False)
        ids = [np.array([i], np.int32) for i in tokenizer.convert_tokens_to_ids(texts)]
    else:
        ids = encode_texts(tokenizer, texts)
    return dict(zip(kinds, zip(ids[::2], ids[1::2], strict=True), strict=True))


def _resize(model: Any, size: int) -> None:
    halves = (model.encoder, model.decoder) if model.config.model_type == _TWO_STACKS else (model,)
    for half in halves:  # the pair of two models cannot do it as a whole
        half.resize_token_embeddings(size, mean_resizing=False)


_TWO_STACKS = "encoder-decoder"


class TagWriting:
    """Words and their tags as the batches of a `TagWriter`; for a task's encode and collate.

    labels: None where there are no tags, because they are to be predicted.
    """

    def __init__(
        self, backbone: Backbone, labels: Labels | None, tags: Literal["text", "tokens"]
    ) -> None:
        self.pad = backbone.pad_id
        kinds = types(labels["tag"]) if labels else []
        self.subwords = tag_subwords(backbone.tokenizer, kinds, tags)
        self.end = np.array([end_id(backbone)], np.int32)

    def inputs(
        self, words: EncodedWords, spans: Sequence[tuple[str, int, int]] | None
    ) -> dict[str, Any]:
        """What an `Example` of these words holds. spans: the gold ones (type, start, end)."""
        owners = np.concatenate([o[o >= 0] for o in words.word_of])
        cuts = np.searchsorted(owners, np.arange(1, words.n_words))
        copies = np.split(words.subwords, cuts)[: words.n_words]
        inputs: dict[str, Any] = {"words": words, "pad": self.pad, "copies": copies}
        if spans is None:
            return inputs
        begins = {start: self.subwords[kind][0] for kind, start, _ in spans}
        ends = {end: self.subwords[kind][1] for kind, _, end in spans}
        parts: list[Ids] = []
        for position in range(len(copies) + 1):
            parts += [tags[position] for tags in (ends, begins) if position in tags]
            parts += copies[position : position + 1]
        return {**inputs, "target": np.concatenate([*parts, self.end]).astype(np.int32)}


def collate_tagged(inputs: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch for `TagWriter.forward`; with targets if the examples have them."""
    pad = inputs[0]["pad"]
    limit = inputs[0]["words"].limit
    batch = collate_prompts([one["words"].windows for one in inputs], pad, limit)
    if "target" in inputs[0]:
        return batch | collate_targets([one["target"] for one in inputs], pad)
    copies = [one["copies"] for one in inputs]
    most = max(1, *map(len, copies))
    wide = max((len(word) for one in copies for word in one), default=1)
    nothing = np.zeros(0, np.int32)
    rows = [word for one in copies for word in [*one, *[nothing] * (most - len(one))]]
    batch["copy_input_ids"] = pad_rows(rows, pad, wide).view(len(copies), most, wide)
    return batch
