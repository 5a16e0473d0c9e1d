"""`xlt annotate`: what a language model is asked, and what of its answers is taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_server import KEY, chat_server
from records import documents

from xlt.chat.annotation import Teacher, question
from xlt.chat.checked import InvalidAnswerError, plain, read_object
from xlt.chat.phrases import find
from xlt.cli import _run
from xlt.errors import XltError, flat
from xlt.permissions import allowing
from xlt.registry import tasks
from xlt.runs import ask
from xlt.runs.acquisition import vectors
from xlt.runs.ask import annotate
from xlt.tasks.ner import NER
from xlt.tasks.nli import NLI
from xlt.yaml.section import read_section

TEXTS = ["Ana saw Bob .", "It rains .", "Bob left Rome ."]
NAMES = {"Ana": "PER", "Bob": "PER", "Rome": "LOC"}
EXAMPLES = "\n\n".join(
    ["Eve\tB-PER\nsaw\tO\nIda\tB-PER\n.\tO", "Snow\tO\nfell\tO", "Eve\tB-PER\nleft\tO\nOslo\tB-LOC"]
)


def names(body):
    text = body["messages"][-1]["content"]
    found = [{"text": word, "label": NAMES[word]} for word in text.split() if word in NAMES]
    return json.dumps({"spans": found})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.words").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    (tmp_path / "examples.bio").write_text(EXAMPLES + "\n\n", encoding="utf-8")
    return tmp_path


def teacher(folder: Path, server, **more) -> Path:
    path = folder / "teacher.yaml"
    stated = {"base_url": server.url, "model": "test", "concurrency": 1, **more}
    path.write_text(json.dumps(stated), encoding="utf-8")
    return path


def run(folder, server, output="out.bio", *, options=None, task="ner", source="text.words", **more):
    more = {"language": "eng", "input_format": "words", **more}
    with allowing("online"):
        return annotate(
            teacher(folder, server, **(options or {})),
            task, str(folder / source), str(folder / output), **more,
        )  # fmt: skip


def tags(folder, output="out.bio"):
    return [NER().tags(one) for one in NER().read(folder / output, "bio")]


def test_what_a_model_answers_is_written(folder):
    with chat_server(names) as server:
        report = run(folder, server, options={"price_in": 1.0, "price_out": 2.0})
        assert tags(folder) == [
            ["B-PER", "O", "B-PER", "O"],
            ["O"] * 3,
            ["B-PER", "O", "B-LOC", "O"],
        ]
        assert (report["records"], report["annotated"], report["left_out"]) == (3, 3, [])
        assert report["labels"] == {"LOC": 1, "PER": 3}
        assert [report["tokens_in"], report["tokens_out"]] == server.tokens
        assert report["cost"] == pytest.approx((server.tokens[0] + 2 * server.tokens[1]) / 1e6)
        assert report["expected"]["requests"] == 3
        system = server.bodies[0]["messages"][0]["content"]
        assert "named entities" in system
        assert "in English" in system
        assert "- PER: names of people" in system
        schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["spans"]["items"]["properties"]["label"]["enum"] == [
            "PER", "LOC", "ORG",
        ]  # fmt: skip
        again = run(folder, server, output="again.bio")
        assert (again["requests"], again["reused"]) == (0, 3)
        assert len(server.bodies) == 3
    assert (folder / "again.bio").read_bytes() == (folder / "out.bio").read_bytes()


def test_the_most_similar_examples_are_shown_the_nearest_last(folder):
    with chat_server(names) as server:
        run(folder, server, options={"shots": 2}, examples=str(folder / "examples.bio"))
        shown = [[m["content"] for m in body["messages"][1:]] for body in server.bodies]
        last = [one[-3] for one in shown]
        assert last[0] == "Eve saw Ida ."
        assert last[2] == "Eve left Oslo"
        assert json.loads(shown[0][-2]) == {
            "spans": [{"text": "Eve", "label": "PER"}, {"text": "Ida", "label": "PER"}]
        }
        assert [len(one) for one in shown] == [5, 5, 5]
        before = len(server.bodies)
        run(folder, server, options={"shots": 2}, examples=str(folder / "examples.bio"), limit=1)
        assert len(server.bodies) == before, "other texts do not change what is shown with one"
        own = folder / "own.words"
        own.write_text("Eve saw Ida .\n", encoding="utf-8")
        server.reply = lambda body: '{"spans": []}'
        run(folder, server, source="own.words", examples=str(folder / "examples.bio"))
        assert "Eve saw Ida ." not in [m["content"] for m in server.bodies[-1]["messages"][:-1]]


def test_what_is_rare_is_so_in_the_examples(folder, monkeypatch):
    """So that a longer file asks for nothing anew."""
    calls = []

    def spy(texts, among=None):
        calls.append((list(texts), among))
        return vectors(texts, among)

    monkeypatch.setattr(ask, "vectors", spy)
    with chat_server(names) as server:
        run(folder, server, examples=str(folder / "examples.bio"))
    shown = ["Eve saw Ida .", "Snow fell", "Eve left Oslo"]
    assert calls == [(shown, None), (TEXTS, shown)]


def test_a_pair_gets_the_label_that_is_answered(folder):
    pairs = folder / "pairs.jsonl"
    rows = [{"id": str(n), "premise": f"P{n}.", "hypothesis": f"H{n}."} for n in range(3)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def reply(body):
        text = body["messages"][-1]["content"]
        return json.dumps(
            {"label": "neutral" if text == "premise: P1.\nhypothesis: H1." else "entailment"}
        )

    with chat_server(reply) as server:
        report = run(
            folder, server, "out.jsonl", task="nli", source="pairs.jsonl", input_format=None
        )
        assert "contradiction" in server.bodies[0]["messages"][0]["content"]
    assert report["labels"] == {"entailment": 2, "neutral": 1}
    written = list(NLI().read(folder / "out.jsonl", "jsonl"))
    assert [one.layers["label"].label for one in written] == ["entailment", "neutral", "entailment"]


def test_who_gives_no_valid_answer_is_left_out_and_said(folder):
    answers = {"It rains .": ["so", '{"spans": [{"text": "sun", "label": "PER"}]}', '{"spans": 3}']}

    def reply(body):
        left = answers.get(body["messages"][1]["content"])
        return left.pop(0) if left else names({"messages": body["messages"][:2]})

    with chat_server(reply) as server:
        report = run(folder, server)
        assert report["annotated"] == 2
        assert report["left_out"] == [
            {"id": "2", "reason": '"spans" is no list of objects with "text" and "label".'}
        ]
        assert report["invalid_answers"] == 3
        assert len(tags(folder)) == 2
        told = [body["messages"][-1]["content"] for body in server.bodies]
        assert any("'sun' is not in the text" in one for one in told)
        answers["It rains ."] = ["so"] * 3
        run(folder, server, "out.jsonl", output_format="standoff")
        assert len(server.bodies) == 5
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == [TEXTS[0], TEXTS[2]]
    assert [one["label"] for one in rows[1]["entities"]] == ["PER", "LOC"]


def test_where_nothing_is_valid_there_is_an_error_and_no_file(folder):
    with (
        chat_server(lambda body: "I cannot.") as server,
        pytest.raises(XltError, match="no record could be annotated: It is no JSON object"),
    ):
        run(folder, server)
    assert not (folder / "out.bio").exists()


def test_the_advice_is_about_what_went_wrong(folder):
    with chat_server(lambda body: "I cannot.") as server:
        with pytest.raises(XltError, match="It is no JSON object") as invalid:
            run(folder, server)
        server.fault = lambda n, body: "status 400"
        with pytest.raises(XltError, match=r"no record .* status 400") as failed:
            run(folder, server, options={"temperature": 0.5})
    assert "another model" in invalid.value.fix
    assert "the same command asks again" in failed.value.fix


def test_errors_name_the_line_of_the_file(folder, monkeypatch):
    monkeypatch.delenv("CHAT_KEY", raising=False)
    with chat_server(names) as server, pytest.raises(XltError, match="CHAT_KEY") as caught:
        run(folder, server, options={"key_env": "CHAT_KEY"})
    assert caught.value.where == f"{folder / 'teacher.yaml'}:1 (key_env)"
    assert server.bodies == []


@pytest.mark.parametrize("output", ["teacher.yaml", "examples.bio"])
def test_nothing_that_is_read_is_overwritten(folder, output):
    with chat_server(names) as server:
        with pytest.raises(XltError, match="the output is a file of the input"):
            run(folder, server, output, output_format="bio", examples=str(folder / "examples.bio"))
        assert server.bodies == []


def test_a_record_is_written_whole_or_left_out_whole(folder):
    """As standoff: one of its sentences without an answer takes the others with it."""
    (folder / "text.txt").write_text("Ana slept. It rains.\nBob slept.\n", encoding="utf-8")

    def reply(body):
        return "so" if "rains" in body["messages"][1]["content"] else names(body)

    with chat_server(reply) as server:
        report = run(
            folder, server, "out.jsonl",
            source="text.txt", input_format="text", output_format="standoff",
        )  # fmt: skip
        by_sentence = run(folder, server, source="text.txt", input_format="text")
    assert (report["records"], report["annotated"], report["labels"]) == (3, 1, {"PER": 1})
    assert [one["reason"] for one in report["left_out"]] == [
        "another part of its record is left out", "It is no JSON object.",
    ]  # fmt: skip
    (row,) = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(row)["text"] == "Bob slept."
    assert (by_sentence["annotated"], len(by_sentence["left_out"])) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "reason", "advice"),
    [("status 400", "status 400", "asks again"), (None, "It is no JSON object", "another model")],
)
def test_where_each_record_lacks_one_answer_the_reason_is_that_of_the_lacking(
    folder, fault, reason, advice
):
    (folder / "text.txt").write_text("Ana slept. It rains.\n", encoding="utf-8")

    def rains(body):
        return "rains" in body["messages"][1]["content"]

    with (
        chat_server(
            lambda body: "so" if rains(body) else names(body),
            lambda n, body: fault if rains(body) else None,
        ) as server,
        pytest.raises(XltError, match=f"no record could be annotated: {reason}") as caught,
    ):
        run(
            folder, server, "out.jsonl",
            source="text.txt", input_format="text", output_format="standoff",
        )  # fmt: skip
    assert advice in caught.value.fix


def test_what_goes_to_standard_output_is_reported_beside_it(folder, capsys):
    with chat_server(names) as server:
        line = [
            "annotate", str(folder / "text.words"), "--task", "ner", "--input-format", "words",
            "--endpoint", str(teacher(folder, server)), "--format", "bio", "--allow", "online",
        ]  # fmt: skip
        assert _run(line) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Ana\tB-PER\n")
    assert "records" not in said.out
    assert "3 of 3 records → standard output\nLOC 1, PER 3\n" in said.err


def test_a_run_that_was_ended_goes_on(folder):
    with chat_server(names, lambda n, body: None if n < 2 else "status 401") as server:
        with pytest.raises(XltError, match="refuses the key"):
            run(folder, server)
        assert not (folder / "out.bio").exists()
        server.fault = lambda n, body: None
        report = run(folder, server)
    assert (report["annotated"], report["reused"]) == (3, 2)
    assert set(server.answered.values()) == {1}


def test_the_command_sends_nothing_unasked(folder, monkeypatch, capsys):
    monkeypatch.setenv("CHAT_KEY", KEY)
    with chat_server(names) as server:
        path = teacher(folder, server, key_env="CHAT_KEY")
        line = [
            "annotate", str(folder / "text.words"), "--task", "ner", "--endpoint", str(path),
            "--input-format", "words", "--output", str(folder / "out.bio"),
        ]  # fmt: skip
        assert _run([*line, "--dry-run"]) == 0
        assert "3 requests for 3 records: about" in capsys.readouterr().out
        assert _run(line) == 2
        assert f"{path}: this sends texts to 127.0.0.1" in capsys.readouterr().err
        assert server.bodies == []
        assert _run([*line, "--allow", "online"]) == 0
        said = capsys.readouterr()
        assert "3 of 3 records" in said.out
        assert "LOC 1, PER 3" in said.out
    written = [one.read_bytes() for one in folder.rglob("*") if one.is_file()]
    assert not any(KEY.encode() in content for content in written)
    assert KEY not in said.out + said.err


@pytest.mark.parametrize("name", ["dependency_parsing", "event_extraction", "question_generation"])
def test_a_task_that_cannot_be_asked_for_is_refused(name):
    with pytest.raises(XltError, match=f"cannot be asked for {name}"):
        question(tasks.get(name)(), Teacher(base_url="http://h/v1", model="m"))


def asked(**options):
    return question(NER(), Teacher(base_url="http://h/v1", model="m", **options))


def test_labels_are_those_that_somebody_names():
    examples = documents("ner", [{"id": "1", "words": ["a", "b"], "tags": ["B-DATE", "B-PER"]}])
    plain_teacher = Teacher(base_url="http://h/v1", model="m")
    assert list(asked().labels) == ["PER", "LOC", "ORG"]
    assert list(question(NER(), plain_teacher, examples).labels) == ["DATE", "PER"]
    assert asked(labels={"X": "what x is"}).labels == {"X": "what x is"}
    named = asked(labels=["PER", "DATE"])
    assert named.labels == {"PER": NER.definitions["PER"], "DATE": ""}
    assert named.answer(examples[0]) == {
        "spans": [{"text": "a", "label": "DATE"}, {"text": "b", "label": "PER"}]
    }
    assert asked(labels=["LOC"]).answer(examples[0]) == {"spans": []}


def spans(text: str, *found: tuple[str, str]):
    (document,) = documents(
        "ner", [{"id": "1", "words": text.split(), "tags": ["O"] * len(text.split())}]
    )
    answer = json.dumps({"spans": [{"text": a, "label": b} for a, b in found]})
    return [tuple(one) for one in asked().read(document, answer).layers["entities"].spans]


def test_spans_stand_where_the_text_has_them():
    assert spans("Ana saw Ana", ("Ana", "PER"), ("Ana", "PER")) == [("PER", 0, 1), ("PER", 2, 3)]
    assert spans("New York and York", ("York", "LOC"), ("New York", "LOC")) == [
        ("LOC", 0, 2), ("LOC", 3, 4),
    ]  # fmt: skip
    assert spans("Ana's cat", ("Ana", "PER")) == [("PER", 0, 1)], "all of the word"
    assert spans("Ana sleeps", ("na", "PER"), ("A", "PER")) == [("PER", 0, 1)], "one of them"


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([("Eve", "PER")], "'Eve' is not in the text"),
        ([("Ana", "CAT")], "'CAT' is none of the labels"),
        ([("Ana", "PER"), ("Ana", "LOC")], "not apart from the other spans"),
        ([("", "PER")], "'' is not in the text"),
        ([("na", "PER"), ("A", "LOC")], "Two of the spans are in one word"),
    ],
)
def test_answers_that_do_not_fit_the_text_are_invalid(found, complaint):
    with pytest.raises(InvalidAnswerError, match=complaint):
        spans("Ana sleeps", *found)


@pytest.mark.parametrize("label", [["neutral"], {"neutral": 1}, None, 0, True])
def test_a_label_that_is_no_text_is_none_of_the_labels(label):
    of_pairs = question(NLI(), Teacher(base_url="http://h/v1", model="m"))
    (pair,) = documents("nli", [{"id": "1", "premise": "P.", "hypothesis": "H.", "label": None}])
    with pytest.raises(InvalidAnswerError, match="none of the labels"):
        of_pairs.read(pair, json.dumps({"label": label}))


def test_json_is_read_from_what_stands_around_it():
    assert read_object(plain('<think>{no}</think>\n```json\n{"a": 1}\n```')) == {"a": 1}
    assert read_object('Here: {"a": {"b": 2}}.') == {"a": {"b": 2}}
    for text in ("", "none", "[1]", '{"a": 1', "{" * 100_000 + "}" * 100_000):
        with pytest.raises(InvalidAnswerError):
            read_object(text)


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("model: m\n", "the key 'base_url' is missing", 1),
        ("base_url: http://h/v1\nmodel: m\nshot: 3\n", "unknown key 'shot'", 3),
        ("base_url: http://h/v1\nmodel: m\n\nshots: many\n", "must be a whole number", 4),
        (f"base_url: http://h/v1\nmodel: m\nkey_env: {KEY}\n", "no name of an environment", 3),
        ("base_url: http://h/v1\nmodel: m\nlabels: 3\n", "must be", 3),
        ("base_url: http://h/v1\nmodel: m\nmax_cost: 1\n", "`max_cost` needs a price", 1),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_line(text, what, line, tmp_path):
    path = tmp_path / "teacher.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError) as caught:
        read_section(path, Teacher, "base_url: …")
    (error,) = flat(caught.value)
    assert what in error.what
    assert error.where.startswith(f"{path}:{line}")
    assert error.fix
    assert KEY not in error.render()


@pytest.mark.parametrize("text", ["", "- a\n", "3\n"])
def test_a_file_that_is_no_section_is_refused(text, tmp_path):
    path = tmp_path / "teacher.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XltError, match=r"the file is empty|no mapping"):
        read_section(path, Teacher, "base_url: …")


@pytest.mark.parametrize(
    ("output", "more", "complaint"),
    [
        ("-", {"output_format": "docbin"}, "docbin is not text"),
        ("missing/out.bio", {}, "there is no such folder"),
        ("full", {"output_format": "brat"}, "something of this name"),
        ("full", {"output_format": "bio"}, "this is a folder"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_where_nothing_can_be_written_nothing_is_asked(folder, output, more, complaint, dry_run):
    (folder / "full").mkdir()
    (folder / "full" / "file").touch()
    with chat_server(names) as server:
        with pytest.raises(XltError, match=complaint), allowing("online"):
            annotate(
                teacher(folder, server), "ner", str(folder / "text.words"),
                output if output == "-" else str(folder / output),
                language="eng", input_format="words", dry_run=dry_run, **more,
            )  # fmt: skip
        assert server.bodies == []


def test_a_vowel_sign_is_part_of_its_word():
    text = "रामायण और राम"  # "Ramayana and Ram"
    assert find("राम", text, []) == (10, 13)
