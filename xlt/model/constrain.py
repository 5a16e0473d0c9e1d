"""Generation that can only say what may be said: automata as a transformers LogitsProcessor.

An automaton reads subwords one by one. Where subwords are ambiguous (a word that looks like a tag)
it follows all readings at once; the first that reaches the end is what an output means.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from transformers import LogitsProcessor

from xlt.errors import XltError

Subwords = tuple[int, ...]

Reading = tuple[int, ...]
"""A position in an automaton, between two moves."""

Pending = tuple[Reading, Subwords, int]
"""The reading after a move, the subwords of the move, and how many of them have come; there are
no subwords between moves."""

State = tuple[Pending, ...]

DONE: Reading = (-1,)


class Automaton(ABC):
    """What an output may be. A state is a tuple of hashable readings, best first.

    end: the subword that ends an output.
    """

    def __init__(self, end: int) -> None:
        self.end = end

    @property
    @abstractmethod
    def initial(self) -> Reading: ...

    @abstractmethod
    def moves(self, reading: Reading) -> Iterator[tuple[Subwords, Reading]]:
        """What may come next as a whole, and the reading after it; ((end,), DONE) ends."""

    @abstractmethod
    def longest(self) -> int:
        """Subwords that an output is given."""

    @abstractmethod
    def rest(self, reading: Reading) -> int:
        """The fewest subwords, the end included, with which the output can still be completed."""

    @cached_property
    def start(self) -> State:
        return ((self.initial, (), 0),)

    def step(self, state: State, subword: int) -> State:
        """The state after one more subword; empty if it was not allowed."""
        pending: dict[Pending, None] = {}
        for reading, whole, done in state:
            if whole:
                if whole[done] == subword:
                    after = (reading, whole, done + 1)
                    pending[after if done + 1 < len(whole) else (reading, (), 0)] = None
                continue
            for subwords, following in self._moves(reading):
                if subwords[0] == subword:
                    pending[
                        (following, subwords, 1) if len(subwords) > 1 else (following, (), 0)
                    ] = None
        return tuple(pending)

    def allowed(self, state: State, room: int) -> list[int]:
        """The subwords that may follow where `room` more subwords are left, the end included."""
        allowed: dict[int, None] = {}
        for reading, whole, done in state:
            if whole:
                if len(whole) - done + self.rest(reading) <= room:
                    allowed[whole[done]] = None
                continue
            for subwords, following in self._moves(reading):
                if len(subwords) + self.rest(following) <= room:
                    allowed[subwords[0]] = None
        return list(allowed)

    def read(self, output: Sequence[int]) -> list[Reading] | None:
        """The readings that a complete output went through, after each move; None if it is none."""
        # Every reading with the way that first led there.
        ways: dict[Pending, list[Reading]] = {self.start[0]: [self.initial]}
        for subword in output:
            after: dict[Pending, list[Reading]] = {}
            for pending, way in ways.items():
                for one in self.step((pending,), subword):
                    if one not in after:
                        after[one] = way if one[1] else [*way, one[0]]
            ways = after
        return next((way for (reading, _, _), way in ways.items() if reading == DONE), None)

    def _moves(self, reading: Reading) -> Sequence[tuple[Subwords, Reading]]:
        if reading not in self._known:
            self._known[reading] = () if reading == DONE else tuple(self.moves(reading))
        return self._known[reading]

    @cached_property
    def _known(self) -> dict[Reading, Sequence[tuple[Subwords, Reading]]]:
        return {}


class CopyTags(Automaton):
    """All words, each whole and in order, with tags around spans: never nested, never empty.

    As in Sequence-Labeling-LLMs (García-Ferrero): outside of a span the next word, an opening tag,
    or the end if no word is left; right after an opening tag a word; within a span the next word or
    its closing tag.

    words: the subwords of every word.
    tags:  the subwords that open and close a span of each type.
    """

    def __init__(
        self, words: Sequence[Subwords], tags: Sequence[tuple[Subwords, Subwords]], end: int
    ) -> None:
        super().__init__(end)
        self.words, self.tags = words, tags
        self._left = [0]
        for word in reversed(words):
            self._left.append(self._left[-1] + len(word))
        self._left.reverse()

    # A reading: (word to come, type of the open span or -1, 1 if the span is still empty)

    @property
    def initial(self) -> Reading:
        return (0, -1, 0)

    def moves(self, reading: Reading) -> Iterator[tuple[Subwords, Reading]]:
        word, kind, empty = reading
        if word < len(self.words):
            yield self.words[word], (word + 1, kind, 0)
        if kind >= 0:
            if not empty:
                yield self.tags[kind][1], (word, -1, 0)
        elif word < len(self.words):
            for number, (opening, _) in enumerate(self.tags):
                yield opening, (word, number, 1)
        else:
            yield (self.end,), DONE

    def rest(self, reading: Reading) -> int:
        if reading == DONE:
            return 0
        word, kind, _ = reading
        return self._left[word] + (len(self.tags[kind][1]) if kind >= 0 else 0) + 1

    def longest(self) -> int:
        """Subwords of the longest output: every word a span of the longest tags."""
        around = max((len(a) + len(b) for a, b in self.tags), default=0)
        return self._left[0] + around * len(self.words) + 1

    def spans(self, output: Sequence[int]) -> list[Tagged] | None:
        """The spans of a complete output; None if it is none."""
        way = self.read(output)
        if way is None:
            return None
        spans, begin = [], 0
        for before, after in pairwise(way[:-1]):
            if after[1] >= 0 and before[1] < 0:
                begin = after[0]
            elif after[1] < 0 and before[1] >= 0:
                spans.append(Tagged(before[1], begin, after[0]))
        return spans


class Tagged(NamedTuple):
    """Words `start` (from 0) to `end` (exclusive) and the number of their type."""

    kind: int
    start: int
    end: int


class FillSlots(Automaton):
    """A template whose slots hold spans of the words, letter for letter, or say that there is none.

    words:    the subwords of every word; where a span may begin and end within a word, subwords.
    slots:    what stands before and after each slot.
    none:     what an empty slot holds.
    and_:     what stands between two spans of a slot, which come in order; None: one span at most.
    """

    # A reading: (slot, word to come, what there is of the slot)
    _OPEN, _EMPTY, _SPAN, _MORE, _NONE = range(5)

    def __init__(
        self,
        words: Sequence[Subwords],
        slots: Sequence[tuple[Subwords, Subwords]],
        none: Subwords,
        end: int,
        and_: Subwords | None = None,
    ) -> None:
        super().__init__(end)
        self.words, self.slots, self.none, self.and_ = words, slots, none, and_
        self._left = [1]
        for before, after in reversed(slots):
            self._left.append(self._left[-1] + len(before) + len(none) + len(after))
        self._left.reverse()

    @property
    def initial(self) -> Reading:
        return (0, 0, self._OPEN)

    def moves(self, reading: Reading) -> Iterator[tuple[Subwords, Reading]]:
        slot, word, there = reading
        if there == self._OPEN:
            if slot == len(self.slots):
                yield (self.end,), DONE
            else:
                yield self.slots[slot][0], (slot, 0, self._EMPTY)
            return
        if there in (self._SPAN, self._NONE):
            yield self.slots[slot][1], (slot + 1, 0, self._OPEN)
        if there == self._SPAN:
            if word < len(self.words):
                yield self.words[word], (slot, word + 1, self._SPAN)
                if self.and_ is not None:
                    yield self.and_, (slot, word, self._MORE)
        elif there != self._NONE:
            if there == self._EMPTY:
                yield self.none, (slot, 0, self._NONE)
            for first in range(word, len(self.words)):
                yield self.words[first], (slot, first + 1, self._SPAN)

    def rest(self, reading: Reading) -> int:
        if reading == DONE:
            return 0
        slot, _, there = reading
        if there == self._OPEN:
            return self._left[slot]
        inside = {self._EMPTY: len(self.none), self._MORE: self._longest}.get(there, 0)
        return inside + len(self.slots[slot][1]) + self._left[slot + 1]

    def longest(self) -> int:
        """Subwords of an output that has room for every word twice."""
        return self.rest(self.initial) + 2 * sum(map(len, self.words))

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.words), default=0)

    def spans(self, output: Sequence[int]) -> list[list[tuple[int, int]]] | None:
        """The spans in each slot of a complete output; None if it is none."""
        way = self.read(output)
        if way is None:
            return None
        spans: list[list[tuple[int, int]]] = [[] for _ in self.slots]
        for before, after in pairwise(way[:-1]):
            slot, word, there = after
            if there != self._SPAN:
                continue
            if before[2] == self._SPAN:
                spans[slot][-1] = (spans[slot][-1][0], word)
            else:
                spans[slot].append((word - 1, word))
        return spans


class Constrained(LogitsProcessor):  # type: ignore[misc]
    """Allows only what the automaton of each record does; rows are records × beams.

    begin:      subwords that are there before an output begins.
    max_pieces: of an output, its end included; there is always room left to complete it.

    Raises XltError if the shortest output of an automaton is longer than that.
    """

    def __init__(self, automata: Sequence[Automaton], begin: int, max_pieces: int) -> None:
        for automaton in automata:
            shortest = automaton.rest(automaton.initial)
            if shortest > max_pieces:
                raise XltError(
                    f"an output needs {shortest} subwords, the decoder can write {max_pieces}",
                    where="model.encoder",
                    fix="split the text into shorter parts, or use a model with relative positions "
                    "(mT5, a T5 encoder)",
                )
        self.automata, self.begin, self.max_pieces = automata, begin, max_pieces
        self._states: dict[tuple[int, Subwords], State] = {}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        beams = len(input_ids) // len(self.automata)
        said = [tuple(row) for row in input_ids[:, self.begin :].tolist()]
        room = self.max_pieces - len(said[0])
        states: dict[tuple[int, Subwords], State] = {}
        rows: list[int] = []
        columns: list[int] = []
        for row, output in enumerate(said):
            record = row // beams
            automaton = self.automata[record]
            key = (record, output)
            if key not in states:
                if output:
                    before = self._states.get((record, output[:-1]), ())
                    states[key] = automaton.step(before, output[-1])
                else:
                    states[key] = automaton.start
            # A beam that has ended, or that holds nothing allowed: its score is minus infinity.
            allowed = automaton.allowed(states[key], room) or [automaton.end]
            rows += [row] * len(allowed)
            columns += allowed
        self._states = states
        index = torch.tensor([rows, columns], device=scores.device)
        masked = torch.full_like(scores, -torch.inf)
        masked[index[0], index[1]] = scores[index[0], index[1]]
        return masked
