"""Events in every format: what is read, and what is refused with file and line."""

from __future__ import annotations

import json

import pytest
from records import documents, row

from xlt.data.conllu import read_conllu
from xlt.errors import XltError
from xlt.tasks.event_extraction import EventExtraction
from xlt.tasks.event_extraction.propositions import subtree

WORDS = ["Ana", "Ruiz", "bought", "a", "house", "in", "Lima"]
EXPECTED = {
    "id": "d-1",
    "words": WORDS,
    "entities": [{"start": 0, "end": 2, "type": "PER"}, {"start": 6, "end": 7, "type": "LOC"}],
    "events": [
        {
            "trigger": {"start": 2, "end": 3},
            "type": "Buy",
            "arguments": [
                {"start": 0, "end": 2, "role": "Buyer"},
                {"start": 6, "end": 7, "role": "Place"},
            ],
        }
    ],
}
EXPECTED |= {"given": EXPECTED["events"], "unknown": []}

OURS = {"id": "d-1", "tokens": WORDS, **{k: EXPECTED[k] for k in ("entities", "events")}}
ONEIE = {
    "doc_id": "d", "wnd_id": "d-1", "tokens": WORDS,
    "entity_mentions": [
        {"id": "E2", "start": 6, "end": 7, "entity_type": "LOC", "text": "Lima"},
        {"id": "E1", "start": 0, "end": 2, "entity_type": "PER", "text": "Ana Ruiz",
         "head": {"start": 1, "end": 2, "text": "Ruiz"}},
    ],
    "event_mentions": [{
        "id": "V1", "event_type": "Buy", "trigger": {"start": 2, "end": 3, "text": "bought"},
        "arguments": [
            {"entity_id": "E1", "role": "Buyer", "text": "Ana Ruiz"},
            {"entity_id": "E2", "role": "Place", "text": "Lima"},
        ],
    }],
}  # fmt: skip
DYGIE = {
    "doc_key": "d", "sentences": [["Hello", "."], WORDS],
    "ner": [[], [[2, 3, "PER"], [8, 8, "LOC"]]],
    "events": [[], [[[4, "Buy"], [2, 3, "Buyer"], [8, 8, "Place"]]]],
}  # fmt: skip
ACE = {
    "id": "d-1", "words": WORDS,
    "golden-entity-mentions": [
        {"start": 0, "end": 2, "text": "Ana Ruiz", "entity-type": "PER"},
        {"start": 6, "end": 7, "text": "Lima", "entity-type": "LOC"},
    ],
    "golden-event-mentions": [{
        "event_type": "Buy", "trigger": {"start": 2, "end": 3, "text": "bought"},
        "arguments": [
            {"start": 0, "end": 2, "text": "Ana Ruiz", "role": "Buyer"},
            {"start": 6, "end": 7, "text": "Lima", "role": "Place"},
        ],
    }],
}  # fmt: skip
MEE = {
    "id": "d-1", "tokens": WORDS,
    "entities": {
        "T1": {"start": "0", "end": "8", "type": "PER", "text": "Ana Ruiz"},
        "T2": {"start": "27", "end": "29;31", "type": "LOC", "text": "Lima"},
    },
    "triggers": {"T3": {"start": 9, "end": 15, "type": "Buy", "text": "bought"}},
    "arguments": [
        {"trigger": "T3", "argument": "T1", "role": "Buyer"},
        {"trigger": "T3", "argument": "T2", "role": "Place"},
    ],
}  # fmt: skip


def read(tmp_path, content, format="jsonl", options=None, **reader):
    task, read = reading(tmp_path, content, format, options, **reader)
    return [row(task, document) for document in read]


def reading(tmp_path, content, format="jsonl", options=None, **reader):
    """The task, and the documents that it reads from a file of this content."""
    rows = content if isinstance(content, list) else [content]
    text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / "data.jsonl"
    path.write_text(text, encoding="utf-8")
    task = EventExtraction(EventExtraction.Options(**(options or {})))
    return task, list(task.read(path, format, **reader))


def texts(tmp_path, content):
    return [document.text for document in reading(tmp_path, content, "conllup")[1]]


@pytest.mark.parametrize(
    ("format", "row"),
    [("jsonl", OURS), ("oneie", ONEIE), ("ace", ACE), ("mee", MEE)],
)
def test_formats_agree(tmp_path, format, row):
    assert read(tmp_path, row, format) == [EXPECTED]
    if format != "jsonl":
        assert read(tmp_path, json.dumps([row]), format) == [EXPECTED]


def test_dygie_counts_words_of_the_document(tmp_path):
    hello, bought = read(tmp_path, DYGIE, "dygie")
    assert (hello["id"], hello["words"], hello["events"]) == ("d#0", ["Hello", "."], [])
    assert bought == EXPECTED | {"id": "d#1"}
    two = json.loads(json.dumps(DYGIE))
    two["events"][1][0][0] = [4, 5, "Buy"]  # a trigger of two words
    assert read(tmp_path, two, "dygie")[1]["events"][0]["trigger"] == {"start": 2, "end": 4}


EMOJI = ["🙂", "Ana", "Ruiz", "knows", "Ana"]
MENTIONS = [
    # start, end, text → words, what is said of it
    (2, 10, "Ana Ruiz", (1, 3), ""),
    (2, 10, "AnaRuiz", (1, 3), ""),
    (2.0, "10", "Ana Ruiz", (1, 3), ""),
    (3, 11, "Ana Ruiz", (1, 3), "1 counted in UTF-16 code units"),
    (20, 23, "Ana", (4, 5), "1 counted in UTF-8 bytes"),
    (1, 10, " Ana Ruiz", (1, 3), "1 with stray white space"),
    (16, 19, "Ana", (4, 5), "1 to the nearest occurrence"),
]


@pytest.mark.parametrize(("start", "end", "text", "words", "moved"), MENTIONS)
def test_mentions_are_where_their_text_is(tmp_path, caplog, start, end, text, words, moved):
    mention = {"start": start, "end": end, "type": "PER", "text": text}
    row = {"tokens": EMOJI, "entities": {"T1": mention}, "triggers": {}}
    (record,) = read(tmp_path, row, "mee")
    (entity,) = record["entities"]
    assert (entity["start"], entity["end"]) == words
    assert [moved] * bool(moved) == [m.split("moved: ")[1] for m in caplog.messages]


def test_inclusive_ends(tmp_path):
    row = json.loads(json.dumps(ACE))
    for mention in (*row["golden-entity-mentions"], row["golden-event-mentions"][0]["trigger"],
                    *row["golden-event-mentions"][0]["arguments"]):  # fmt: skip
        mention["end"] -= 1
    assert read(tmp_path, row, "ace", ends="inclusive") == [EXPECTED]
    with pytest.raises(XltError, match="ends one word away") as error:
        read(tmp_path, row, "ace")
    assert "ends: inclusive" in error.value.fix
    with pytest.raises(XltError, match="ends one word away"):
        read(tmp_path, ACE, "ace", ends="inclusive")


def test_heads(tmp_path):
    (record,) = read(tmp_path, ONEIE, "oneie", {"spans": "head"})
    assert record["entities"][0] == {"start": 1, "end": 2, "type": "PER"}
    assert record["events"][0]["arguments"][0] == {"start": 1, "end": 2, "role": "Buyer"}
    with pytest.raises(XltError, match="jsonl:1: the entity from word 0 to 2 says no head"):
        read(tmp_path, OURS, options={"spans": "head"})


def test_labels_are_renamed_and_chosen_by_patterns(tmp_path):
    options = {
        "rename": {"events": {"*": "event"}, "roles": {"B*": "Agent"}},
        "types": {"entities": ["L*"], "roles": ["Agent"]},
    }
    (record,) = read(tmp_path, OURS, options=options)
    assert [e["type"] for e in record["entities"]] == ["LOC"]
    assert record["events"][0]["type"] == "event"
    assert record["events"][0]["arguments"] == [{"start": 0, "end": 2, "role": "Agent"}]
    (record,) = read(tmp_path, OURS, options={"types": {"events": ["Sell"]}})
    assert record["events"] == []


def test_one_place_for_each_thing(tmp_path):
    """Repeated annotation is one: two events of a type on one trigger have their arguments
    together, and everything comes in the order of the text."""
    event = OURS["events"][0]
    split = [{**event, "arguments": [a]} for a in reversed(event["arguments"])]
    row = {**OURS, "entities": OURS["entities"][::-1] * 2, "events": split}
    assert read(tmp_path, row) == [EXPECTED]


UP2 = """\
# global.columns = ID FORM HEAD UP:PRED UP:ARGHEADS UP:ARGSPANS
# sent_id = d-1
1\tAna\t3\t_\t_\t_
2\tRuiz\t1\t_\t_\t_
3-4\tboughta\t_\t_\t_\t_
3\tbought\t0\tbuy.01\tA0:1|AM-LOC:7\tA0:1-2|AM-LOC:6-7
4\ta\t5\t_\t_\t_
4.1\tnew\t_\t_\t_\t_
5\thouse\t3\t_\t_\t_
6\tin\t7\t_\t_\t_
7\tLima\t3\t_\t_\t_

# sent_id = d-2
1\tYes\t0\t_\t_\t_

"""
FRAMES = {
    "trigger": {"start": 2, "end": 3},
    "type": "buy.01",
    "arguments": [
        {"start": 0, "end": 2, "role": "A0"},
        {"start": 5, "end": 7, "role": "AM-LOC"},
    ],
}


def up1(flag: bool) -> str:
    heads, roles = [3, 1, 0, 5, 3, 7, 3], ["A0", "_", "_", "_", "_", "_", "AM-LOC"]
    text = "# sent_id = d-1\n"
    for i, (word, head, role) in enumerate(zip(WORDS, heads, roles, strict=True), 1):
        cells = [str(i), word, *"____", str(head), *"___"]
        frame = "buy.01" if i == 3 else "_"
        cells += [*(["Y" if i == 3 else "_"] if flag else []), frame, role]
        text += "\t".join(cells) + "\n"
    return text + "\n"


CONLL05 = (
    "Ana - (A0*\nRuiz - *)\nbought buy.01 (V*)\na - *\nhouse - *\nin - (AM-LOC*\nLima - *)\n\n"
)


@pytest.mark.parametrize(
    ("text", "reader"),
    [(UP2, {}), (up1(True), {}), (up1(False), {}), (CONLL05, {"word": 0, "predicate": 1})],
    ids=["up2", "up1-flags", "up1", "conll05"],
)
def test_columns_of_predicates(tmp_path, text, reader):
    record, *more = read(tmp_path, text, "conllup", **reader)
    assert (record["words"], record["entities"]) == (WORDS, [])
    assert record["events"] == record["given"] == [FRAMES]
    assert [r["id"] for r in more] == (["d-2"] if more else [])


SURFACE = """\
# global.columns = ID FORM MISC UP:PRED UP:ARGSPANS
# sent_id = 1
1\tAna\tSpaceAfter=No\t_\t_
2\t,\t_\t_\t_
3-4\tdelle\t_\t_\t_
3\tdi\t_\t_\t_
4\tle\t_\t_\t_
4.1\tnulla\t_\t_\t_
5-6\tdarlo\tSpaceAfter=No\t_\t_
5\tdare\t_\tgive.01\tA0:1
6\tlo\t_\t_\t_
7\t!\t_\t_\t_

"""
PLACES = ((0, 3), (3, 4), (5, 10), (5, 10), (11, 16), (11, 16), (16, 17))


def as_table(text: str) -> str:
    """The same sentence as a table: ten columns of CoNLL-U, the frame, one column of roles."""
    rows = [line.split("\t") for line in text.splitlines() if line[:1].isdigit()]
    lines = [
        "\t".join([id, form, *"_" * 7, misc, frame, "A0" if id == "1" else "_"])
        for id, form, misc, frame, _ in rows
    ]
    heads = dict(zip("1234567", "5545055", strict=True))
    cells = [line.split("\t") for line in lines]
    for line in cells:
        line[6] = heads.get(line[0], "_")
    return "# sent_id = 1\n" + "\n".join(map("\t".join, cells)) + "\n\n"


@pytest.mark.parametrize("text", [SURFACE, as_table(SURFACE)], ids=["plus", "table"])
def test_columns_of_predicates_keep_the_text(tmp_path, text):
    """As a treebank does: SpaceAfter, multiword tokens, the comment `text`."""
    (record,) = read(tmp_path, text, "conllup")
    (event,) = record["events"]
    assert event["trigger"] == {"start": 4, "end": 5}
    assert event["arguments"] == [{"start": 0, "end": 1, "role": "A0"}]
    (written,) = texts(tmp_path, text)
    assert written.words == ("Ana", ",", "di", "le", "dare", "lo", "!")
    assert written.surface == "Ana, delle darlo!"
    assert written.offsets == PLACES
    stated = text.replace("# sent_id = 1\n", "# sent_id = 1\n# text = Ana,  delle darlo !\n")
    (written,) = texts(tmp_path, stated)
    assert written.surface == "Ana,  delle darlo !"
    assert written.offsets[-1] == (18, 19)


def test_the_text_of_columns_is_that_of_the_treebank(tmp_path):
    rows = [line.split("\t") for line in SURFACE.splitlines() if line[:1].isdigit()]
    treebank = ["\t".join([id, form, *"_" * 7, misc]) for id, form, misc, *_ in rows]
    path = tmp_path / "tree.conllu"
    path.write_text("\n".join(treebank) + "\n\n", encoding="utf-8")
    (sentence,) = read_conllu(path, strict_trees=False)
    assert texts(tmp_path, SURFACE) == [sentence.text()]


def test_where_no_column_says_where_spaces_are_the_words_are_joined(tmp_path):
    assert [text.joined for text in texts(tmp_path, UP2)] == [True, True]
    comment = "# text = Ana Ruiz boughta house inLima\n"
    stated = texts(tmp_path, UP2.replace("# sent_id = d-1\n", "# sent_id = d-1\n" + comment))
    assert [text.joined for text in stated] == [False, True]
    assert stated[0].surface == "Ana Ruiz boughta house inLima"


def test_a_first_column_of_words_is_not_taken_for_ids(tmp_path):
    """Words that look like multiword tokens or empty nodes are words, if they are the words."""
    text = "3-4 - *\n4.1 win.01 (V*)\n1 - (A1*)\n\n"
    (record,) = read(tmp_path, text, "conllup", word=0, predicate=1)
    assert record["words"] == ["3-4", "4.1", "1"]


def test_heads_of_arguments(tmp_path):
    for text in UP2, up1(True):
        event = read(tmp_path, text, "conllup", {"spans": "head"})[0]["events"][0]
        assert [a["start"] for a in event["arguments"]] == [0, 6]


def test_an_argument_above_its_predicate_ends_before_it():
    # "the man (1) who sings (3) here (4)": the man governs the clause that he is an argument of
    heads = [1, -1, 3, 1, 3]
    assert subtree(heads, 1, 3) == (0, 2)
    assert subtree(heads, 4, 3) == (4, 5)


def event(trigger=(2, 3), kind="Buy", *arguments):
    return {
        "trigger": {"start": trigger[0], "end": trigger[1]}, "type": kind,
        "arguments": list(arguments),
    }  # fmt: skip


BRACKETS = (
    "\t".join([*"12345678", "w", "1", "f", "(A0*"])
    + "\n"
    + "\t".join([*"12345678", "w", "1", "_", "*)"])
    + "\n\n"
)
BAD = [
    ("jsonl", {"id": "1", "events": []}, "`words` is missing"),
    ("jsonl", {"words": [], "events": []}, "the sentence has no words"),
    ("jsonl", {"words": [1], "events": []}, "no list of texts"),
    ("jsonl", {"words": WORDS}, "the field 'events' is missing"),
    ("jsonl", {"words": WORDS, "events": {}, "entities": "x"}, "`entities` is 'x', not a list"),
    ("jsonl", {"words": WORDS, "events": [{"type": "Buy"}]}, "an event has no trigger"),
    ("jsonl", {"words": WORDS, "events": [event((6, 8))]}, "trigger from word 6 to 8 is not in"),
    ("jsonl", {"words": WORDS, "events": [event((3, 3))]}, "trigger from word 3 to 3 is not in"),
    ("jsonl", {"words": WORDS, "events": [event((-1, 1))]}, "trigger from word -1 to 1"),
    ("jsonl", {"words": WORDS, "events": [event((0, True))]}, "`end` of a trigger is True"),
    ("jsonl", {"words": WORDS, "events": [event(kind="")]}, "has no `type`"),
    ("jsonl", {"words": WORDS, "events": [event((2, 3), "X", {"start": 0, "end": 9, "role": "A"})]},
     "argument from word 0 to 9"),
    ("jsonl", {"words": WORDS, "events": [event((2, 3), "Buy", {"start": 0, "end": 1})]},
     "has no `role`"),
    ("jsonl", {"words": WORDS, "events": [], "entities": [{"start": "0", "end": 1, "type": "P"}]},
     "`start` of an entity is '0'"),
    ("jsonl", [OURS, OURS], "data.jsonl:2: the id 'd-1' was there before (.*data.jsonl:1)"),
    ("jsonl", ONEIE, "'event_mentions' where `events` was expected"),
    ("jsonl", "{\n", "jsonl:1: not JSON"),
    ("oneie", {**ONEIE, "entity_mentions": ONEIE["entity_mentions"][:1]},
     "points to the entity 'E1', which is not there"),
    ("oneie", {"tokens": WORDS}, "'entity_mentions' is missing"),
    ("oneie", "[1]", "record 1: this is no object"),
    ("dygie", {**DYGIE, "events": [[], [[[4], [2, 3]]]]}, "not as DyGIE"),
    ("dygie", {**DYGIE, "ner": [[], [[0, 3, "PER"]]]}, "entity from word -2 to 2"),
    ("mee", {**MEE, "arguments": [{"trigger": "T9", "argument": "T1", "role": "R"}]},
     "points to the trigger 'T9', which is not there"),
    ("mee", {**MEE, "arguments": [{"trigger": "T3", "argument": "T9", "role": "R"}]},
     "points to the entity 'T9', which is not there"),
    ("mee", {**MEE, "triggers": {"T3": {"start": 9, "end": 99, "type": "Buy"}}},
     "characters from 9 to 99 are not in the text of 31"),
    ("mee", {**MEE, "triggers": {"T3": {"start": "x", "end": 99, "type": "Buy"}}},
     "`start` of a mention is 'x', not a whole number"),
    ("mee", {**MEE, "triggers": {"T3": {"start": True, "end": 9, "type": "Buy"}}},
     "`start` of a mention is True, not a whole number"),
    ("mee", {**MEE, "triggers": {"T3": {"start": 9, "end": 15, "type": "Buy", "text": "sold"}}},
     "the mention 'sold' is not in the joined tokens"),
    ("mee", {**MEE, "tokens": "Ana"}, "`tokens` is 'Ana', not a list of texts"),
    ("mee", {**MEE, "triggers": {"T3": {"start": 9, "end": 15, "type": "Buy", "text": 7}}},
     "`text` of a mention is 7, not a text"),
    ("oneie", {**ONEIE, "wnd_id": {}}, "the id is {}, not a text or number"),
    ("ace", {**ACE, "id": [], "sent_id": "d-1"}, "the id is .., not a text or number"),
    ("dygie", {**DYGIE, "_sentence_start": ""}, "`_sentence_start` is '', not a list"),
    ("ace", {**ACE, "golden-entity-mentions": [{"start": 0, "end": "two", "entity-type": "P"}]},
     "`end` of .* is 'two', not a whole number"),
    ("ace", {**ACE, "golden-entity-mentions": [{"start": 0, "end": True, "entity-type": "P"}]},
     "`end` of .* is True, not a whole number"),
    ("conllup", UP2.replace("FORM", "WORD"), "jsonl:1: the columns lack FORM"),
    ("conllup", UP2.replace("A0:1-2", "A0:x"), "jsonl:6: 'A0:x' is no argument"),
    ("conllup", UP2.replace("2\tRuiz\t1\t", "2\tRuiz\t"), "jsonl:4: 5 columns where 6"),
    ("conllup", up1(True).replace("\tA0", ""), "jsonl:3: 13 columns where 12"),
    ("conllup", "1\ta\n\n", "2 columns where 11 were expected"),
    ("conllup", SURFACE.replace("3-4\tdelle", "4-5\tdelle"), "jsonl:5: multiword token 4-5 after"),
    ("conllup", SURFACE.replace("5-6\tdarlo", "5-9\tdarlo"), "jsonl:9: a multiword token up to"),
    ("conllup", SURFACE.replace("7\t!", "8\t!"), "jsonl:12: ID '8' where 7 was expected"),
    ("conllup", as_table(SURFACE).replace("3-4\td", "2-4\td"), "jsonl:4: multiword token 2-4"),
    ("conllup", up1(False).replace("\tA0", "\t(A0*"), "jsonl:3: '_' is no bracketed role"),
    ("conllup", BRACKETS.replace("(A0*", "*)"), "jsonl:1: '.*' closes what was not opened"),
    ("conllup", BRACKETS.replace("*)", "*"), r"jsonl:1: \(A0 is not closed"),
    ("conllup", up1(False).replace("\t5\t_", "\t55\t_"), "column 7 is no head"),
]  # fmt: skip


@pytest.mark.parametrize(("format", "content", "what"), BAD)
def test_what_is_refused(tmp_path, format, content, what):
    with pytest.raises(XltError, match=what) as error:
        read(tmp_path, content, format)
    assert str(tmp_path) in error.value.where


@pytest.mark.parametrize("format", ["jsonl", "oneie", "conllup"])
def test_mixed_encodings(tmp_path, format):
    path = tmp_path / "data.txt"
    path.write_bytes("# é\n".encode() + b"\xe9\n")
    with pytest.raises(XltError, match="byte 0xe9"):
        list(EventExtraction().read(path, format))


def test_repeated_ids_may_be_numbered(tmp_path):
    ids = [r["id"] for r in read(tmp_path, [OURS, OURS, OURS], repeated_ids="number")]
    assert ids == ["d-1", "d-1#2", "d-1#3"]


def test_predictions_keep_what_gold_triggers_were_given(tmp_path):
    task = EventExtraction()
    rows = [{**EXPECTED, "events": []}, EXPECTED | {"id": "2"}]
    path = tmp_path / "predicted.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        task.write(documents(task.name, rows), stream, "jsonl")
    assert [row(task, document) for document in task.read(path, "jsonl")] == rows
    assert "given" not in json.loads(path.read_text().split("\n")[1])


def test_a_label_the_model_does_not_know():
    task = EventExtraction()
    known = task.labels(documents(task.name, [EXPECTED]))
    event = {**EXPECTED["events"][0], "type": "Sell"}
    rows = [EXPECTED, {**EXPECTED, "events": [event]}]
    other = task.labels(documents(task.name, rows))
    with pytest.raises(XltError, match="trigger type 'Sell', which the model") as error:
        task.check_labels(known, other, where="here")
    assert "In a config, map it with `task.rename.events`" in error.value.fix
    assert error.value.fix.endswith("for a command without one, rename it in the data")
    task.check_labels(known, known, where="here")


def test_sizes_are_what_a_limit_counts():
    (document,) = documents("event_extraction", [EXPECTED])
    assert EventExtraction().sizes(document) == {
        "words": 7, "entities": 2, "triggers": 1, "arguments": 2,
    }  # fmt: skip


def test_a_wrong_number_makes_a_table_no_table_without_numbers(tmp_path):
    path = tmp_path / "data.conllu"
    rows = [f"{n}\tw\t_\t_\t_\t_\t0\t_\t_\t_\t_" for n in (1, "٢", 3)]
    path.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(XltError, match=r"data\.conllu:2: ID"):
        list(EventExtraction().read(path, "conllup"))
    path.write_text("# no sentence\n", encoding="utf-8")
    with pytest.raises(XltError, match="there is no sentence in it"):
        list(EventExtraction().read(path, "conllup"))
