"""What a constrained generator says is always what it may say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from records import documents
from small import all_texts, sentences
from tiny import make_encoder

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.constrain import DONE, Constrained, CopyTags, FillSlots
from xlt.model.tag_writer import TagWriter, TagWriting, collate_tagged, types
from xlt.tasks.ner import NER

END = 0
SUBWORD = st.integers(1, 5)
WORDS = st.lists(st.lists(SUBWORD, min_size=1, max_size=3).map(tuple), max_size=6)
TAG = st.lists(st.integers(4, 8), min_size=1, max_size=3).map(tuple)
TAGS = st.lists(st.tuples(TAG, TAG), max_size=3)
"""Subwords 4 and 5 are in words and in tags: much is ambiguous."""


def say(automaton, choose, limit):
    """An output, each subword chosen from what is allowed."""
    state, said = automaton.start, []
    while not said or said[-1] != END:
        allowed = automaton.allowed(state, limit - len(said))
        assert allowed, f"nothing may follow {said}"
        said.append(choose(sorted(allowed)))
        state = automaton.step(state, said[-1])
        assert state
    return said


def words_in(automaton, output):
    """The words of an output, by what it read: each move that went on by a word."""
    way = automaton.read(output)
    assert way is not None
    assert way[-1] == DONE
    steps = pairwise(way[:-1])
    return [automaton.words[a[0]] for a, b in steps if b[0] == a[0] + 1]


@settings(max_examples=100, deadline=None)
@given(WORDS, TAGS, st.data())
def test_any_output_is_all_words_with_balanced_tags(words, tags, data):
    automaton = CopyTags(words, tags, END)
    limit = automaton.rest(automaton.initial) + data.draw(st.integers(0, 12))
    output = say(automaton, lambda some: data.draw(st.sampled_from(some)), limit)
    assert len(output) <= limit
    assert words_in(automaton, output) == words
    found = automaton.spans(output)
    ends = [0]
    for kind, start, end in found:
        assert 0 <= kind < len(tags)
        assert ends[-1] <= start < end <= len(words)
        ends.append(end)


@settings(max_examples=80, deadline=None)
@given(WORDS, TAGS, st.data())
def test_every_labelling_can_be_said(words, tags, data):
    automaton = CopyTags(words, tags, END)
    gold, start = [], 0
    while tags and start < len(words):
        end = data.draw(st.integers(start + 1, len(words)))
        if data.draw(st.booleans()):
            gold.append((data.draw(st.integers(0, len(tags) - 1)), start, end))
        start = end
    output = []
    for position in range(len(words) + 1):
        output += [p for kind, _, end in gold if end == position for p in tags[kind][1]]
        output += [p for kind, start, _ in gold if start == position for p in tags[kind][0]]
        output += [*words[position]] if position < len(words) else []
    state = automaton.start
    for number, subword in enumerate([*output, END]):
        assert subword in automaton.allowed(state, automaton.longest() - number)
        state = automaton.step(state, subword)
    assert [reading for reading, _, _ in state] == [DONE]
    assert len(output) + 1 <= automaton.longest()
    if not {*sum(words, ())} & {p for pair in tags for tag in pair for p in tag}:
        opened = [p for opening, closing in tags for p in (opening[0], closing[0])]
        if len({*opened}) == len(opened):  # otherwise it may mean something else as well
            assert automaton.spans([*output, END]) == gold


@pytest.mark.parametrize(
    "output",
    [[], [1], [1, 2], [1, 2, 3, END, 1], [7, 1, 2, 3, END], [7, 8, 1, 2, 3, END], [1, 8, 2, 3, END],
     [2, 1, 3, END], [7, 1, 2, 8, 3, END], [1, 7, 2, END, 3, 8]],
)  # fmt: skip
def test_what_is_not_an_output(output):
    automaton = CopyTags([(1,), (2, 3)], [((7,), (8,))], END)
    assert automaton.spans(output) is None


def test_room_for_the_end_is_kept():
    automaton = CopyTags([(1,), (2,)], [((7,), (8,))], END)
    assert automaton.allowed(automaton.start, 3) == [1]
    assert automaton.allowed(automaton.start, 5) == [1, 7]
    with pytest.raises(XltError, match="needs 3 subwords, the decoder can write 2"):
        Constrained([automaton], 1, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=3), TAGS, st.integers(1, 3), st.integers(0, 10**6))
def test_rows_follow_their_own_automata(records, tags, beams, seed):
    """Random scores; beams are reordered at random, as a search does."""
    draw = np.random.default_rng(seed)
    automata = [CopyTags(words, tags, END) for words in records]
    limit = max(one.rest(one.initial) for one in automata) + int(draw.integers(0, 8))
    process = Constrained(automata, 1, limit)
    ids = torch.full((len(records) * beams, 1), 9)
    finished: dict[int, list[int]] = {}
    for _ in range(limit):
        scores = process(ids, torch.from_numpy(draw.normal(size=(len(ids), 10))))
        assert scores.isfinite().any(1).all()
        following = scores.argmax(1)
        for row, subword in enumerate(following.tolist()):
            said = [*ids[row, 1:].tolist(), subword]
            if subword == END and said.count(END) == 1:
                finished.setdefault(row // beams, said)
        ids = torch.cat([ids, following[:, None]], 1)
        order = [r * beams + int(draw.integers(0, beams)) for r in range(len(records))
                 for _ in range(beams)]  # fmt: skip
        ids = ids[order]
    assert {*finished} == {*range(len(records))}
    for record, output in finished.items():
        assert words_in(automata[record], output) == records[record]


NONE, AND = (6, 9), (9,)


@settings(max_examples=100, deadline=None)
@given(WORDS, TAGS, st.booleans(), st.data())
def test_slots_hold_spans_of_the_words_or_nothing(words, slots, several, data):
    automaton = FillSlots(words, slots, NONE, END, AND if several else None)
    limit = automaton.rest(automaton.initial) + data.draw(st.integers(0, 12))
    output = say(automaton, lambda some: data.draw(st.sampled_from(some)), limit)
    assert len(output) <= limit
    found = automaton.spans(output)
    assert len(found) == len(slots)
    said = []
    for (before, after), spans_ in zip(slots, found, strict=True):
        inside = [list(sum(words[a:b], ())) for a, b in spans_]
        said += [*before, *(inside[0] if inside else NONE)]
        for more in inside[1:]:
            said += [*AND, *more]
        said += after
        assert several or len(spans_) <= 1
        assert all(0 <= a < b <= len(words) for a, b in spans_)
    assert [*said, END] == output


def test_slots_filled():
    automaton = FillSlots([(1,), (2, 3), (4,)], [((7,), (8,)), ((7,), (8,))], (6,), END, (9,))
    assert automaton.spans([7, 2, 3, 4, 8, 7, 6, 8, END]) == [[(1, 3)], []]
    assert automaton.spans([7, 1, 9, 4, 8, 7, 1, 8, END]) == [[(0, 1), (2, 3)], [(0, 1)]]
    assert automaton.spans([7, 2, 4, 8, 7, 6, 8, END]) is None
    assert automaton.spans([7, 8, 7, 6, 8, END]) is None


@pytest.fixture(scope="module", params=["umt5", "bert"])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "encoder"
    return make_encoder(path, all_texts(), request.param)


LABELS = {"tag": ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")}


def records(number=6):
    rows = [
        {"id": str(n), "words": [w for w, _ in s], "tags": [t for _, t in s]}
        for n, s in enumerate(sentences("eng", number, 3))
    ]
    return documents("ner", rows)


@pytest.mark.parametrize("tags", ["tokens", "text"])
@pytest.mark.parametrize("beams", [1, 3])
def test_an_untrained_model_tags_every_word(folder, tags, beams):
    task = NER(NER.Options(model="text_to_text", tags=tags, beams=beams))
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    torch.manual_seed(2)
    model = task.build(backbone, LABELS).eval()
    words = ["<PER>", "ሀ", " ", "</LOC>", "a<LOC>", "</s>", "<pad>", "<unk>", "a</s>b", "<s>"]
    strange = {"id": "x", "words": words, "tags": ["O"] * len(words)}
    only = {"id": "y", "words": ["<pad>"], "tags": ["O"]}
    gold = [*records(), *documents("ner", [strange, only])]
    examples = task.encode(gold, backbone, None)
    with torch.inference_mode():
        outputs = model(**task.collate(examples))
    found = task.decode(gold, examples, outputs, LABELS)
    for record, before in zip(found, gold, strict=True):
        assert record.text == before.text
        assert all(span.end <= len(before.words) for span in record.layers["entities"].spans)


@pytest.mark.parametrize("tags", ["tokens", "text"])
def test_targets_are_what_may_be_said(folder, tags):
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    torch.manual_seed(2)
    from xlt.model.generation import Generation

    model = TagWriter(backbone, LABELS, Generation(), tags)
    writing = TagWriting(backbone, LABELS, tags)
    gold = records()
    encoded = backbone.words([record.text for record in gold])
    entities = [record.layers["entities"].spans for record in gold]
    inputs = [writing.inputs(*pair) for pair in zip(encoded, entities, strict=True)]
    targets = [one.pop("target") for one in inputs]
    automata = model.automata(collate_tagged(inputs)["copy_input_ids"])
    kinds = types(LABELS["tag"])
    for automaton, target, gold_spans in zip(automata, targets, entities, strict=True):
        found = [(kinds[kind], start, end) for kind, start, end in automaton.spans(target.tolist())]
        assert found == [tuple(span) for span in gold_spans]


def test_text_that_is_longer_than_the_decoder(tmp_path):
    folder = make_encoder(tmp_path / "bert", all_texts())
    task = NER(NER.Options(model="text_to_text"))
    backbone = Backbone(str(folder), Model(encoder=str(folder)))
    model = task.build(backbone, LABELS).eval()
    (long,) = documents("ner", [{"id": "1", "words": ["Paris"] * 90, "tags": ["O"] * 90}])
    with pytest.raises(XltError, match="the decoder can write 64"):
        model(**task.collate(task.encode([long], backbone, None)))
    with pytest.raises(XltError, match="the decoder can write 64"):
        model(**task.collate(task.encode([long], backbone, LABELS)))
