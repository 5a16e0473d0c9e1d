"""What a model got wrong: gold and predicted annotation set side by side, thing by thing.

What a thing is depends on the kind of a layer alone (`things`): a span, a tagged word, a word's
arc, a head or a part of a structure, an answer, the label of a document. How they are paired is the
same for all: first what is equal, then what stands at the same place, then what overlaps. What is
called right is what `xlt.evaluation.reliability` calls so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch

from xlt.document import Answers, Document, Label, Layer, Offsets, Spans, Structures, Tags, Tree

RIGHT, MISSED, SPURIOUS = "right", "missed", "spurious"
KINDS = {
    "label": "the right place, another label",
    "boundary": "the right label, other words of the same place",
    "label and boundary": "another label, other words of the same place",
    "head": "the right relation, another head",
    "label and head": "another relation, another head",
    MISSED: "gold has it, the prediction has not",
    SPURIOUS: "the prediction has it, gold has not",
    "text": "another text was written",
}
"""Kinds of errors, and what they mean."""
_ELSEWHERE = ("boundary", "label and boundary")
_COUNTED = ("gold", "predicted", "right")


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that a layer says.

    label: what it is.
    place: the words that it stands on, from the first, counted from 0, to the last, exclusive;
        characters, of an answer; None where it is said of the whole document.
    head:  of a word in a tree the number of its head, from 1; 0 for the root.
    group: what else has to be the same for it to be the same thing: of a part of a structure, the
        kind of its head.
    """

    label: str
    place: tuple[int, int] | None = None
    head: int | None = None
    group: str = ""
    confidence: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Pair:
    """What gold says and what the prediction says instead; one of them may be None.

    kind: `RIGHT`, or one of `KINDS`.
    """

    kind: str
    gold: Thing | None
    predicted: Thing | None

    @property
    def confidence(self) -> float | None:
        return None if self.predicted is None else self.predicted.confidence


Things = Mapping[str, Sequence[Thing | None]]
"""Key of `Document.confidence` behind the layer's name ("" or ".parts") → its things in the order
of the confidences; None where nothing is said, as of a word without a tag."""


@singledispatch
def things(layer: Layer) -> Things:
    """What a layer says; nothing of a kind that no function knows."""
    return {}


def comparable(kind: type[Layer]) -> bool:
    """Whether something says what the things of such a layer are."""
    return things.dispatch(kind) is not things.dispatch(object)


@things.register
def _tags(layer: Tags) -> Things:
    return {
        "": [None if tag is None else Thing(tag, (n, n + 1)) for n, tag in enumerate(layer.tags)]
    }


@things.register
def _spans(layer: Spans) -> Things:
    return {"": [Thing(kind, (start, end)) for kind, start, end in layer.spans]}


@things.register
def _structures(layer: Structures) -> Things:
    return {
        "": [Thing(head.kind, (head.start, head.end)) for head, _ in layer.structures],
        ".parts": [
            Thing(part.kind, (part.start, part.end), group=head.kind)
            for head, parts in layer.structures
            for part in parts
        ],
    }


@things.register
def _tree(layer: Tree) -> Things:
    """A relation's subtype does not count."""
    return {
        "": [
            None if head < 0 else Thing(relation.partition(":")[0], (n, n + 1), head)
            for n, (head, relation) in enumerate(zip(layer.heads, layer.relations, strict=True))
        ]
    }


@things.register
def _label(layer: Label) -> Things:
    return {"": [None if layer.label is None else Thing(layer.label)]}


@things.register
def _answers(layer: Answers) -> Things:
    return {"": [Thing("answer", offsets) for offsets in layer.offsets]}


# Pairing -----------------------------------------------------------------------------------------


def compared(gold: Document, predicted: Document, layer: str) -> dict[str, list[Pair]]:
    """The things of a layer of both documents, right ones too, in the order of the text.

    Returns the layer's name, and "<layer>.parts" for the parts of structures, → pairs. Where gold
    does not say what is right (a word without a tag), what is predicted is left out.
    """
    truth, found = gold.layers[layer], things(predicted.layers[layer])
    pairs = {}
    for suffix, wanted in things(truth).items():
        sure = predicted.confidence.get(layer + suffix) or [None] * len(found[suffix])
        ours = list(dict.fromkeys(one for one in wanted if one is not None))
        theirs = list(
            dict.fromkeys(
                replace(one, confidence=confidence)
                for one, confidence in zip(found[suffix], sure, strict=True)
                if one is not None
            )
        )
        if isinstance(truth, Answers):
            ours, theirs = _one_answer(ours, theirs[:1])
        elif truth.partial or not truth.positional:
            known = {one.place for one in ours}
            theirs = [one for one in theirs if one.place in known]
        pairs[layer + suffix] = sorted(_paired(ours, theirs), key=_order)
    return pairs


def _one_answer(
    gold: Sequence[Thing], predicted: Sequence[Thing]
) -> tuple[list[Thing], list[Thing]]:
    """Any gold answer will do: the one that is most like the prediction, else the first."""
    if not gold or not predicted:
        return [*gold[:1]], [*predicted]
    (said,) = predicted
    return [max(gold, key=lambda one: (one == said, _overlap(one, said)))], [said]


def _paired(gold: Sequence[Thing], predicted: Sequence[Thing]) -> Iterator[Pair]:
    ours, theirs = list(gold), list(predicted)
    for one in gold:
        if one in theirs:
            yield Pair(RIGHT, one, theirs.pop(theirs.index(one)))
            ours.remove(one)
    for one in list(ours):
        same = (two for two in theirs if (two.place, two.group) == (one.place, one.group))
        if (other := next(same, None)) is not None:
            yield Pair(_difference(one, other), one, other)
            ours.remove(one)
            theirs.remove(other)
    near = [(one, two) for one in ours for two in theirs if _overlap(one, two)]
    near.sort(key=lambda both: (both[0].label != both[1].label, -_overlap(*both)))
    for one, other in near:
        if one in ours and other in theirs:
            both = "boundary" if one.label == other.label else "label and boundary"
            yield Pair(both, one, other)
            ours.remove(one)
            theirs.remove(other)
    yield from (Pair(MISSED, one, None) for one in ours)
    yield from (Pair(SPURIOUS, None, one) for one in theirs)


def _difference(one: Thing, other: Thing) -> str:
    """Of two that stand at the same place."""
    if one.head == other.head:
        return "label"
    return "head" if one.label == other.label else "label and head"


def _overlap(one: Thing, other: Thing) -> int:
    """How many words (or characters) both stand on."""
    if one.place is None or other.place is None or one.group != other.group:
        return 0
    return max(0, min(one.place[1], other.place[1]) - max(one.place[0], other.place[0]))


def _order(pair: Pair) -> tuple[Offsets, str]:
    thing = pair.gold or pair.predicted
    assert thing is not None
    return thing.place or (0, 0), thing.label


# Sums --------------------------------------------------------------------------------------------


@dataclass
class LabelScore:
    """How often gold has a label, how often it was predicted, and how often that was right."""

    gold: int = 0
    predicted: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """In percent; 0 where nothing was predicted."""
        return 100 * self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """In percent; 0 where gold has none."""
        return 100 * self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """In percent."""
        both = self.gold + self.predicted
        return 200 * self.right / both if both else 0.0


@dataclass
class Tally:
    """What was found of one key, over all records.

    labels:    label → its score.
    confusion: (gold label, predicted label) at the same place → how often; None where one of them
        has nothing there.
    elsewhere: gold label → how often the prediction has other words of that place.
    kinds:     kind of error → how often.
    """

    labels: dict[str, LabelScore] = field(default_factory=dict)
    confusion: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, pair: Pair) -> None:
        if pair.gold is not None:
            self.labels.setdefault(pair.gold.label, LabelScore()).gold += 1
        if pair.predicted is not None:
            self.labels.setdefault(pair.predicted.label, LabelScore()).predicted += 1
        if pair.kind == RIGHT:
            assert pair.gold is not None
            self.labels[pair.gold.label].right += 1
        else:
            self.kinds[pair.kind] += 1
        gold = None if pair.gold is None else pair.gold.label
        if gold is not None and pair.kind in _ELSEWHERE:
            self.elsewhere[gold] += 1
        else:
            predicted = None if pair.predicted is None else pair.predicted.label
            self.confusion[gold, predicted] += 1

    @property
    def total(self) -> LabelScore:
        """Of all labels together."""
        every = self.labels.values()
        return LabelScore(*(sum(getattr(one, name) for one in every) for name in _COUNTED))
