"""Arguments by filling a template, the third model (X-GEAR, Huang et al. 2022, arXiv 2203.08308).

For each given trigger a generator reads the sentence, the trigger marked, behind the template of
the event's type: its roles as tags, each with `[None]` inside. It writes the template again with
the arguments in their places; a template names roles and no words of any language. What is between
two tags can only be spans of the sentence (`xlt.model.constrain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.data.prompt import PromptEncoder, collate_prompts, collate_targets, encode_texts, pad_rows
from xlt.document import Document, Span, Structure, Structures
from xlt.errors import XltError
from xlt.model.constrain import FillSlots
from xlt.model.decoder import end_id
from xlt.model.generation import Generation
from xlt.model.seq2seq import Seq2Seq, over_items
from xlt.model.tag_writer import UNLIKELY, tag_subwords, word_subwords
from xlt.task import Example, Labels

from .inventory import Frames, kinds
from .marking import Frame, owners_of
from .records import WordRange, apart, place_of, trigger_places

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone

    from . import EventExtraction

NONE, AND = "[None]", "[and]"


class TemplateWriter(Seq2Seq):
    """Writes the arguments of given triggers into templates; `collate` makes its batches.

    The subwords of the roles' tags, of NONE and of AND are in the model's config, where a trimmed
    vocabulary renumbers them.
    """

    def __init__(
        self, backbone: Backbone, labels: Labels, options: EventExtraction.Options
    ) -> None:
        if set(options.parts) != {"arguments"}:
            raise XltError(
                "templates are filled for given triggers: they find no triggers and no entities",
                where="task.parts",
                fix="say `task.parts: [arguments]`, or choose `task.model: pipeline` or `joint`",
            )
        super().__init__(backbone.seq2seq(), labels, backbone, Generation(beams=options.beams))
        self.levels = options.levels
        self._name_roles()

    def _name_roles(self) -> None:
        subwords = Template(self.tokenizer, self.labels)
        tags = [subwords.tags[role] for role in subwords.roles]
        self.config.role_token_id = [ids.tolist() for pair in tags for ids in pair]
        self.config.none_token_id, self.config.and_token_id = (
            subwords.none.tolist(),
            subwords.and_.tolist(),
        )

    def grow(self, labels: Labels) -> None:
        """Take the new labels and name their roles' tags; no layer has to grow."""
        self.labels = dict(labels)
        self._name_roles()

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        copy_input_ids: torch.Tensor,
        slots: torch.Tensor,
        events: torch.Tensor,
        word_mask: torch.Tensor,
        target_input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Fill the templates, or return the loss: `Seq2Seq.forward` with one record an event, and

        copy_input_ids: (events, words, subwords) the words of its sentence.
        slots:          (events, roles) the numbers of its roles, or -1.
        events:         (events, 3) sentence, first and last-plus-one word of the trigger.
        word_mask:      (sentences, words); weights (sentences,).

        Without labels it returns what the task decodes: scores of all layers, 0 for what was
        written and `UNLIKELY` for the rest.
        """
        if labels is not None:
            assert target_input_ids is not None
            if not len(events):
                return {"loss": 0.0 * next(self.parameters()).sum()}
            sums = self.target_losses(self.read(input_ids, window_of), target_input_ids, labels)
            own = None if weights is None else weights[events[:, 0]]
            return {"loss": over_items(sums, labels, num_items_in_batch, own)}
        sentences, width = word_mask.shape
        tags = self.labels["role"]
        roles = _nothing((len(events), width, len(tags)), events.device)
        if len(events):
            number = {tag: i for i, tag in enumerate(tags)}
            for event, row in enumerate(self._filled(input_ids, window_of, copy_input_ids, slots)):
                for role, (start, end) in row:
                    for word in range(start, end):
                        roles[event, word] = UNLIKELY
                        tag = f"{'B' if word == start else 'I'}-{kinds(tags)[role]}"
                        roles[event, word, number[tag]] = 0
        shape = (sentences, width, len(self.labels["trigger"]))
        entity = (self.levels, sentences, width, len(self.labels["entity"]))
        return {
            "entity": _nothing(entity, events.device),
            "trigger": _nothing(shape, events.device),
            "role": roles,
            "events": events,
        }

    def _filled(
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        copy_input_ids: torch.Tensor,
        slots: torch.Tensor,
    ) -> list[list[tuple[int, tuple[int, int]]]]:
        """Role and span of every argument of each event, no word in two of them."""
        flat = [tuple(ids) for ids in self.config.role_token_id]
        tags = list(zip(flat[::2], flat[1::2], strict=True))
        none, and_ = tuple(self.config.none_token_id), tuple(self.config.and_token_id)
        roles = [[role for role in row if role >= 0] for row in slots.tolist()]
        automata = [
            FillSlots(words, [tags[role] for role in own], none, self.end_id, and_)
            for words, own in zip(word_subwords(copy_input_ids, self.pad_id), roles, strict=True)
        ]
        written = self.generate_allowed(self.read(input_ids, window_of), automata)
        result = []
        rows = zip(automata, roles, written["output_ids"].tolist(), written["lengths"], strict=True)
        for automaton, own, ids, length in rows:
            filled = automaton.spans([*ids[: int(length)], automaton.end])
            if filled is None:
                raise AssertionError("a constrained output is not what was allowed")
            taken: set[int] = set()
            arguments = []
            for role, spans in zip(own, filled, strict=True):
                for span in spans:
                    if not taken & {*range(*span)}:
                        taken |= {*range(*span)}
                        arguments.append((role, span))
            result.append(arguments)
        return result


class Template:
    """Holds the subwords of templates and of what is written into them."""

    def __init__(self, tokenizer: Any, labels: Labels) -> None:
        self.roles = kinds(labels["role"])
        self.tags = tag_subwords(tokenizer, self.roles, "text")
        self.none, self.and_ = encode_texts(tokenizer, [NONE, AND])
        self.frames = Frames.of(labels)

    def roles_of(self, kind: str) -> list[int]:
        """Return the roles that events of a type may have, by number; all for an unknown type."""
        allowed = self.frames.allowed.get(kind, self.frames.any)
        return [n for n in range(len(self.roles)) if allowed[2 * n + 1]]

    def filled(
        self, kind: str, arguments: Sequence[Span], words: Sequence[NDArray[np.int32]]
    ) -> NDArray[np.int32]:
        """Return the template of a type, filled with these arguments; words: subwords of each."""
        # Of arguments that overlap the longer one is learnt, as by the models that tag.
        arguments = apart(arguments)
        parts: list[NDArray[np.int32]] = [self.none[:0]]
        for number in self.roles_of(kind):
            role = self.roles[number]
            spans = sorted({place_of(a) for a in arguments if a.kind == role})
            opening, closing = self.tags[role]
            inside = [ids for a, b in spans for ids in (self.and_, *words[a:b])][1:] or [self.none]
            parts += [opening, *inside, closing]
        return np.concatenate(parts)


def encode(
    documents: Sequence[Document], backbone: Backbone, labels: Labels | None
) -> list[Example]:
    """Encode one prompt for every given trigger; with labels, targets too."""
    if labels:
        backbone.labels = labels
    template = Template(backbone.tokenizer, backbone.labels)
    frame = Frame.of(backbone.words, backbone.pad_id)
    marker = np.array([frame.marker], np.int32)
    prompts = PromptEncoder(backbone.words)
    end = [end_id(backbone)]
    examples = []
    encoded = backbone.words([document.text for document in documents])
    for index, (document, words) in enumerate(zip(documents, encoded, strict=True)):
        owners = owners_of(words)
        cuts = np.searchsorted(owners, np.arange(1, words.n_words))
        copies = np.split(words.subwords, cuts)[: words.n_words]
        known = document.layer(Structures, "events" if labels else "given").structures
        triggers = trigger_places(known)
        events = [_first(known, place) for place in triggers]
        windows, targets = [], []
        for (start, stop), event in zip(triggers, events, strict=True):
            parts = [*copies[:start], marker, *copies[start:stop], marker, *copies[stop:]]
            head = template.filled(event.head.kind, [], copies)
            windows.append(prompts.windows(head, np.concatenate(parts)))
            filled = template.filled(event.head.kind, event.parts, copies)
            targets.append(np.append(filled, end).astype(np.int32))
        inputs: dict[str, Any] = {
            "words": words, "copies": copies, "triggers": triggers, "windows": windows,
            "slots": [template.roles_of(event.head.kind) for event in events],
            "pad": backbone.pad_id, "limit": backbone.max_length,
        }  # fmt: skip
        if labels:
            inputs["targets"] = targets
        length = sum(len(window) for prompt in windows for window in prompt)
        examples.append(Example(index, length, inputs))
    return examples


def collate(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """Pad the examples to a batch for `TemplateWriter.forward`: one record an event."""
    inputs = [example.inputs for example in examples]
    pad, limit = inputs[0]["pad"], inputs[0]["limit"]
    batch = collate_prompts([windows for one in inputs for windows in one["windows"]], pad, limit)
    copies = [one["copies"] for one in inputs for _ in one["triggers"]]
    most = max(1, *(len(one["copies"]) for one in inputs))
    wide = max((len(word) for one in copies for word in one), default=1)
    rows = [word for one in copies for word in [*one, *[np.zeros(0)] * (most - len(one))]]
    batch["copy_input_ids"] = pad_rows(rows, pad, wide).view(len(copies), most, wide)
    slots = [row for one in inputs for row in one["slots"]]
    batch["slots"] = pad_rows(slots, -1, max(map(len, slots), default=1))
    places = [(n, *span) for n, one in enumerate(inputs) for span in one["triggers"]]
    batch["events"] = torch.tensor(places, dtype=torch.long).view(-1, 3)
    counts = torch.tensor([one["words"].n_words for one in inputs])
    batch["word_mask"] = torch.arange(most) < counts[:, None]
    if "targets" in inputs[0]:
        batch |= collate_targets([row for one in inputs for row in one["targets"]], pad)
    return batch


def _first(events: Sequence[Structure], trigger: WordRange) -> Structure:
    """The event of a trigger; of several, the first, with the arguments of all."""
    own = [event for event in events if place_of(event.head) == trigger]
    return Structure(own[0].head, tuple(part for event in own for part in event.parts))


def _nothing(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Scores that say that every word is outside of everything."""
    scores = torch.full(shape, UNLIKELY, device=device)
    scores[..., 0] = 0
    return scores
