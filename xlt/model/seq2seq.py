"""A generator: an encoder-decoder that reads prompts of any length and writes text.

Saved folders load with `AutoModelForSeq2SeqLM`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import LogitsProcessor

from xlt.data.batch import IGNORED
from xlt.errors import XltError
from xlt.model.backbone import counts_from_padding
from xlt.model.constrain import Automaton, Constrained
from xlt.model.generation import Generation
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import SUBWORDS, Trimmed, narrowed, read_kept

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.backbone import Backbone
    from xlt.task import Labels


class Source(NamedTuple):
    """What a decoder attends to.

    states: (records, subwords, d); mask: (records, subwords).
    bias:   (records, vocabulary), added to the logits; None where copying is not favoured.
    """

    states: torch.Tensor
    mask: torch.Tensor
    bias: torch.Tensor | None = None


class _Biased(LogitsProcessor):  # type: ignore[misc]
    """Scores with a bias for each record; rows are records × beams. Probabilities stay such."""

    def __init__(self, bias: torch.Tensor) -> None:
        self.bias = bias

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        beams = len(scores) // len(self.bias)
        return (scores.float() + self.bias.repeat_interleave(beams, 0)).log_softmax(-1)


class Seq2Seq(TaskModel):
    """Any encoder-decoder; its batches are those of `xlt.data.prompt`.

    encoder:   the whole Hugging Face model, as in every TaskModel.
    tokenizer: the tokenizer of its subwords.
    known:     subwords of the data that it has learnt from; empty for a vocabulary that was never
        trimmed, which predicts with all of its subwords.
    copy:      what is added to the logits of subwords in the input, if `generation.copy_bias`; at
        first 1, or `copy_bias` of the model's config. It is the only thing that the saved model
        lacks without xlt.
    """

    generates: ClassVar[bool] = True

    def __init__(
        self, model: PreTrainedModel, labels: Labels, backbone: Backbone, generation: Generation
    ) -> None:
        super().__init__(model, labels)
        self.tokenizer, self.generation = backbone.tokenizer, generation
        begin = torch.tensor(float(getattr(self.config, "copy_bias", 1.0)))
        self.copy = nn.Parameter(begin) if generation.copy_bias else None
        subwords = Path(backbone.source) / SUBWORDS
        self.known = read_kept(subwords) if subwords.is_file() else np.zeros(0, np.int32)

    def forward(
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        target_input_ids: torch.Tensor | None = None,
        start_input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Shapes as in `xlt.data.prompt`.

        start_input_ids: (records, n) what every output begins with, e.g. its language's subword.
        weights:         (records,) factors of the records' losses.

        Returns the loss with labels; without, `output_ids` and `cut` as `generate` does.
        """
        source = self.read(input_ids, window_of)
        if labels is None:
            return self.generate(source, start_input_ids)
        assert target_input_ids is not None
        sums = self.target_losses(source, target_input_ids, labels)
        return {"loss": over_items(sums, labels, num_items_in_batch, weights)}

    @property
    def pad_id(self) -> int:
        return int(self.config.pad_token_id)

    @property
    def end_id(self) -> int:
        end = self.config.eos_token_id
        return int(end[0] if isinstance(end, list) else end)

    def read(self, input_ids: torch.Tensor, window_of: torch.Tensor) -> Source:
        """What the encoder makes of all windows of each record."""
        mask = (input_ids != self.pad_id).long()
        encoder = self.encoder.get_encoder()
        states = encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        bias = None
        if self.copy is not None:
            size = self.encoder.get_input_embeddings().weight.shape[0]
            there = states.new_zeros(int(window_of[-1]) + 1, size, dtype=torch.float32)
            there[window_of.unsqueeze(1).expand_as(input_ids), input_ids] = 1
            there[:, self.pad_id] = 0
            bias = self.copy * there
        return Source(*join_windows(states, mask, window_of), bias)

    def target_losses(
        self, source: Source, target_input_ids: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Summed cross-entropy of each record's targets, (records,)."""
        from transformers.modeling_outputs import BaseModelOutput

        most = most_subwords(self.config)
        longest = int((labels != IGNORED).sum(1).max())
        if most is not None and target_input_ids.shape[1] > most:
            if longest > most:
                raise XltError(
                    f"a target has {longest} subwords, the decoder can write {most}",
                    where="model.encoder",
                    fix="leave long targets out, or use a model with relative positions (mT5, a T5 "
                    "encoder)",
                )
            target_input_ids, labels = target_input_ids[:, :most], labels[:, :most]
        start = target_input_ids.new_full((len(target_input_ids), 1), start_id(self.config))
        logits = self.encoder(
            encoder_outputs=BaseModelOutput(last_hidden_state=source.states),
            attention_mask=source.mask,
            decoder_input_ids=torch.cat([start, target_input_ids[:, :-1]], 1),
            use_cache=False,
        ).logits
        if source.bias is not None:
            logits = logits + source.bias.unsqueeze(1)
        targets = target_input_ids.masked_fill(labels == IGNORED, IGNORED)
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="none"
        )
        return losses.view_as(targets).sum(1)

    def generate_allowed(
        self, source: Source, automata: Sequence[Automaton], several: int = 1
    ) -> dict[str, torch.Tensor]:
        """As `generate`; each record's outputs are what its automaton reads."""
        room = max(automaton.longest() for automaton in automata)
        room = min(room, most_subwords(self.config) or room)
        return self.generate(
            source, max_pieces=room, processors=[Constrained(automata, 1, room)], several=several
        )

    def generate(
        self,
        source: Source,
        start: torch.Tensor | None = None,
        *,
        max_pieces: int | None = None,
        processors: Sequence[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = (),
        several: int = 1,
    ) -> dict[str, torch.Tensor]:
        """The best outputs by beam search, best first.

        several: outputs of each record.

        Returns output_ids (records * several, length), without the decoder's start and `start`;
        lengths (records * several,), without the padding; and cut (records * several,): whether
        the output ended at `max_pieces`.
        """
        from transformers import GenerationConfig, LogitsProcessorList
        from transformers.modeling_outputs import BaseModelOutput

        states = source.states
        begin = torch.full((len(states), 1), start_id(self.config), device=states.device)
        if start is not None:
            begin = torch.cat([begin, start], 1)
        copying = [] if source.bias is None else [_Biased(source.bias)]
        options = self.generation
        limit = max_pieces or options.max_pieces
        if (most := most_subwords(self.config)) is not None:
            limit = min(limit, most - begin.shape[1] + 1)
        beams = max(options.beams, several)
        generated = self.encoder.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=source.mask,
            decoder_input_ids=begin,
            generation_config=GenerationConfig(
                num_beams=beams,
                num_return_sequences=several,
                max_new_tokens=limit,
                early_stopping=True if beams > 1 else None,
                length_penalty=options.length_penalty if beams > 1 else None,
                repetition_penalty=options.repetition_penalty,
                no_repeat_ngram_size=options.no_repeat_ngram,
                pad_token_id=self.pad_id,
                eos_token_id=self.config.eos_token_id,
                decoder_start_token_id=start_id(self.config),
                use_cache=True,
            ),
            logits_processor=LogitsProcessorList([*copying, *processors]),
        )
        outputs = generated[:, begin.shape[1] :]
        ends = torch.as_tensor(self.config.eos_token_id, device=outputs.device)
        ended = torch.isin(outputs, ends)
        cut = ~ended.any(1)
        lengths = torch.where(cut, outputs.shape[1], ended.int().argmax(1))
        return {"output_ids": outputs, "lengths": lengths, "cut": cut}

    # Vocabulary ----------------------------------------------------------------------------

    def needed(self) -> NDArray[np.int32]:
        return self.known

    @contextmanager
    def narrowed(self, subwords: Callable[[], NDArray[Any]]) -> Iterator[Trimmed | None]:
        """With a vocabulary of what was learnt and of `subwords`; most of a step is the output.

        A model that was trained with its whole vocabulary also predicts with it.
        """
        if not len(self.known):
            yield None
            return
        with narrowed(self.encoder, self.tokenizer, [self.known, subwords()]) as vocabulary:
            yield vocabulary

    def grow(self, labels: Labels) -> None:
        self.labels = dict(labels)


def start_id(config: Any) -> int:
    """The subword that a decoder begins with."""
    start = config.decoder_start_token_id
    return int(config.bos_token_id if start is None else start)


def most_subwords(config: Any) -> int | None:
    """How many subwords the decoder can write; None for relative positions."""
    decoder = getattr(config, "decoder", None) or config
    positions = getattr(decoder, "max_position_embeddings", None)
    if not positions or positions < 0:
        return None
    return int(positions - decoder.pad_token_id - 1 if counts_from_padding(decoder) else positions)


def join_windows(
    states: torch.Tensor, mask: torch.Tensor, window_of: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the windows of each record hold, side by side.

    states (windows, length, d), mask (windows, length), window_of (windows,), ascending from 0
    → (records, subwords, d) and its mask.
    """
    records = int(window_of[-1]) + 1
    if records == len(window_of):
        return states, mask
    kept = mask.flatten().nonzero().squeeze(1)
    owner = window_of.repeat_interleave(mask.shape[1])[kept]
    counts = torch.bincount(owner, minlength=records)
    begins = counts.cumsum(0) - counts
    position = torch.arange(len(kept), device=kept.device) - begins[owner]
    width = int(counts.max())
    joined = states.new_zeros(records * width, states.shape[-1])
    joined = joined.index_copy(0, owner * width + position, states.flatten(0, 1)[kept])
    filled = torch.arange(width, device=kept.device) < counts[:, None]
    return joined.view(records, width, -1), filled.long()


def over_items(
    sums: torch.Tensor,
    labels: torch.Tensor,
    num_items: torch.Tensor | int | None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Weighted losses of the records over `num_items` (default: the targets in `labels`)."""
    if weights is not None:
        sums = sums * weights
    if num_items is None:
        num_items = (labels != IGNORED).sum()
    return sums.sum() / torch.as_tensor(num_items).clamp(min=1)


def minimum_bayes_risk(outputs: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """For each record the output of several models that the others agree with most.

    Agreement is the F1 of subwords: minimum Bayes risk decoding (Kumar & Byrne 2004) with one
    hypothesis a model. A tie goes to the longer output, so the order of the models is no matter.
    """
    said = [subwords(one["output_ids"], one["lengths"]) for one in outputs]
    bags = [[Counter(row) for row in rows] for rows in said]

    def rank(model: int, row: int) -> tuple[float, int, list[int]]:
        agreement = sum(_overlap(bags[model][row], other[row]) for other in bags)
        return agreement, len(said[model][row]), said[model][row]

    models = range(len(said))
    chosen = torch.tensor(
        [max((rank(model, row), model) for model in models)[1] for row in range(len(said[0]))]
    )
    width = max(one["output_ids"].shape[1] for one in outputs)
    rows = torch.arange(len(chosen))
    stacked = {
        key: torch.stack(
            [nn.functional.pad(one[key], (0, width - one[key].shape[-1])) for one in outputs]
            if key == "output_ids"
            else [one[key] for one in outputs]
        )
        for key in outputs[0]
    }
    return {key: tensor[chosen, rows] for key, tensor in stacked.items()}


def subwords(output_ids: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """The subwords of every output, without what comes at and after its end."""
    rows = zip(output_ids.tolist(), lengths.tolist(), strict=True)
    return [row[:length] for row, length in rows]


def texts(tokenizer: Any, output_ids: torch.Tensor, lengths: torch.Tensor) -> list[str]:
    """Outputs (in the tokenizer's own ids) as text."""
    decoded = tokenizer.batch_decode(subwords(output_ids, lengths), skip_special_tokens=True)
    return [" ".join(_SENTINEL.sub("", text).split()) for text in decoded]


_SENTINEL = re.compile(r"<extra_id_\d+>|\0")
"""What mT5 learnt to begin its outputs with, and what bytes can spell and no text has."""


def _overlap(a: Counter[int], b: Counter[int]) -> float:
    return 2 * (a & b).total() / max(1, a.total() + b.total())
