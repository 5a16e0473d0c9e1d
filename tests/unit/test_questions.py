"""Question generation: files, types, exemplars, filters, what it says of bad input."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from records import RECORDS, documents

from xlt.data.segment import with_words
from xlt.document import Text
from xlt.errors import XltError
from xlt.projection.layers import project_document
from xlt.projection.pair import AlignedPair
from xlt.tasks.question_generation import QuestionGeneration, exemplars, filters, metrics
from xlt.tasks.question_generation.exemplars import TYPES
from xlt.tasks.question_generation.interrogatives import english_type, question_types
from xlt.tasks.question_generation.records import note_of

TASK = QuestionGeneration()
CONTEXT = "Ada was born in London. She died in London, too."


def squad(qas, context=CONTEXT, **paragraph):
    article = {"title": "Ada", "paragraphs": [{"context": context, "qas": qas, **paragraph}]}
    return json.dumps({"version": "1.1", "data": [article]})


def qa(question="Where was Ada born?", text="London", start=16, **more):
    return {"id": "1", "question": question, "answers": [{"text": text, "answer_start": start}],
            **more}  # fmt: skip


def read(tmp_path, text, name="data.json", **options):
    """The rows of a file."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [TASK.to_row(one) for one in TASK.read(path, TASK.format_of(path), **options)]


ROWS = [TASK.to_row(document) for document in RECORDS["question_generation"]]


def changed(number=0, **columns):
    """A question of the records with other columns."""
    return documents("question_generation", [{**ROWS[number], **columns}])[0]


# Files ---------------------------------------------------------------------------------------


def test_squad(tmp_path):
    (record,) = read(tmp_path, squad([qa()], language="en"))
    assert record["title"] == "Ada"
    assert record["language"] == "eng"
    assert record["answers"] == {"text": ["London"], "answer_start": [16]}


def test_a_list_of_paragraphs(tmp_path):
    (record,) = read(tmp_path, json.dumps([{"context": CONTEXT, "qas": [qa()]}]))
    assert record["context"] == CONTEXT


def test_unanswerable_questions_are_left_out(tmp_path):
    impossible = {"id": "2", "question": "Why?", "answers": [], "is_impossible": True}
    assert len(read(tmp_path, squad([impossible, qa()]))) == 1


@pytest.mark.parametrize(("start", "found"), [(17, 16), (30, 36), (None, 16), (-1, 16), (999, 36)])
def test_an_offset_that_is_wrong(tmp_path, start, found):
    (record,) = read(tmp_path, squad([qa(start=start)]))
    assert record["answers"]["answer_start"] == [found]


PARIS = "Paris is old. People like Paris because Paris has parks."
FORMS = [
    ({"text": "Paris", "answer_start": 0}, [0]),
    ({"text": "Paris", "answer_start": 40}, [40]),
    ({"text": ["Paris", "People"], "answer_start": [26.0, "14"]}, [26, 14]),
    ([{"text": "Paris", "answer_start": 40.0}], [40]),
    ([{"text": "Paris", "answer_start": "40"}], [40]),
    ([{"text": "Paris"}], [0]),
    (["old", "parks"], [9, 50]),
    ("parks", [50]),
    ({"text": ["parks"]}, [50]),
    ({"text": ["parks"], "answer_start": None}, [50]),
]
"""`answers` as files give them → where the answers begin."""


def written(row, form):
    """A row as a file of that form has it: its name and text."""
    if form == "jsonl":
        return json.dumps(row), "data.jsonl"
    return squad([row], row["context"]), "data.json"


@pytest.mark.parametrize("form", ["squad", "jsonl"])
@pytest.mark.parametrize(("answers", "starts"), FORMS)
def test_forms_of_answers(tmp_path, answers, starts, form):
    row = {"context": PARIS, "question": "Which?", "answers": answers}
    (record,) = read(tmp_path, *written(row, form))
    assert record["answers"]["answer_start"] == starts
    assert all(
        PARIS.startswith(text, start)
        for text, start in zip(record["answers"]["text"], starts, strict=True)
    )


MALFORMED = [
    ([{"text": "Paris", "answer_start": True}], "the start of the answer 'Paris' is True"),
    ([{"text": "Paris", "answer_start": 40.5}], "is 40.5, not a whole number"),
    ([{"text": "Paris", "answer_start": "forty"}], "is 'forty', not a whole number"),
    ([{"text": "Paris", "answer_start": [40]}], r"is \[40\], not a whole number"),
    ({"text": ["Paris", "old"], "answer_start": [0]}, "2 in `text`, 1 in `answer_start`"),
    ({"text": ["Paris"], "answer_start": [0, 26]}, "1 in `text`, 2 in `answer_start`"),
    ({"text": ["Paris"], "answer_start": 0}, "`text` is a list and `answer_start` is not"),
    ({"text": "Paris", "answer_start": [0]}, r"is \[0\], not a whole number"),
    ({"answer": "Paris"}, "an answer is None, not a text"),
    ([5], "an answer is 5, not a text"),
    ([None], "an answer is None, not a text"),
    (True, "an answer is True, not a text"),
    (["Paris", " "], "answer 2 is empty"),
    ("", "there is no answer"),
    (None, "there is no answer"),
]


@pytest.mark.parametrize("form", ["squad", "jsonl"])
@pytest.mark.parametrize(("answers", "complaint"), MALFORMED)
def test_malformed_answers(tmp_path, answers, complaint, form):
    row = {"id": "q7", "context": PARIS, "question": "Which?", "answers": answers}
    with pytest.raises(XltError, match=complaint) as error:
        read(tmp_path, *written(row, form))
    assert error.value.where == str(tmp_path) + (
        "/data.jsonl:1" if form == "jsonl" else "/data.json: question q7"
    )
    assert error.value.fix


@pytest.mark.parametrize("form", ["squad", "jsonl"])
def test_moved_answers_are_reported_once_a_file(tmp_path, caplog, form):
    context = "🙂 Ada was born in London. She died in London."
    answers = [("London", 18), ("London", 19), (" London", 17), ("Ada", 0), ("London", None)]
    stated = [{"text": text, "answer_start": start} for text, start in answers]
    row = {"context": context, "question": "Where?", "answers": stated}
    (record,) = read(tmp_path, *written(row, form))
    assert record["answers"] == {
        "text": ["London", "London", "London", "Ada", "London"],
        "answer_start": [18, 18, 18, 2, 18],
    }
    (message,) = caplog.messages
    assert message.startswith(str(tmp_path / "data.json"))
    assert message.split(": ", 1)[1] == (
        "3 of 5 answers moved: 1 counted in UTF-16 code units, 1 with stray white space, "
        "1 to the only occurrence; 1 of 5 answers without a start, in several places: the first "
        "one is taken"
    )


def test_answers_of_a_hub(caplog):
    row = {"id": 1, "context": PARIS, "question": "Which?"}
    stated = {"text": ["Paris"], "answer_start": [41]}
    document = TASK.validate_row(row | {"answers": stated}, where="hub[3]")
    assert document.layers["answers"].offsets == ((40, 45),)
    assert caplog.messages == ["hub[3]: 1 of 1 answer moved: 1 to the nearest occurrence"]


def test_published_types(tmp_path):
    answers = [{"text": "London", "answer_start": 16, "label": "where"}]
    rows = [qa() | {"answers": answers}, qa() | {"answers": [answers[0] | {"label": "NONE"}]}]
    assert [r["question_type"] for r in read(tmp_path, squad(rows))] == ["where", ""]


def test_lines_with_their_own_names(tmp_path):
    row = {"passage": CONTEXT, "q": "Where was Ada born?", "answers": {"text": ["London"]},
           "lang": "en", "question_type": "where_to"}  # fmt: skip
    columns = {"context": "passage", "question": "q", "language": "lang"}
    (record,) = read(
        tmp_path, json.dumps(row), "data.jsonl", columns=columns, types={"where_to": "where"}
    )
    assert (record["id"], record["language"], record["question_type"]) == ("1", "eng", "where")


def test_afriqa(tmp_path):
    rows = [
        {"context": None, "answer_pivot": {"text": ["x"], "answer_start": []}, "question_lang": ""},
        {"context": CONTEXT, "answer_pivot": {"text": ["yes"], "answer_start": [-1]},
         "question_lang": "Je?"},
        {"context": CONTEXT, "answer_pivot": {"text": ["London"], "answer_start": [16]},
         "question_lang": "Ada alizaliwa wapi?"},
    ]  # fmt: skip
    path = tmp_path / "a.json"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (document,) = TASK.read(path, "afriqa")
    assert document.texts["question"].surface == "Ada alizaliwa wapi?"


BAD = {
    "empty context": (squad([qa()], context=" "), "question 1: the context is empty"),
    "answer elsewhere": (squad([qa(text="Paris")]), "'Paris' is not in the context"),
    "no answer": (squad([qa() | {"answers": [{"text": ""}]}]), "there is no answer to ask for"),
    "no question": (squad([qa("")]), "there is no question"),
    "type": (squad([qa(question_type="whence")]), "no type 'whence'"),
    "language": (squad([qa(language="Klingonish")]), "unknown language 'Klingonish'"),
    "not SQuAD": ('{"questions": []}', "no list of articles"),
    "not JSON": ('{"data": [', "not JSON"),
}


@pytest.mark.parametrize(("text", "complaint"), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, text, complaint):
    with pytest.raises(XltError, match=complaint) as error:
        read(tmp_path, text)
    assert "data.json" in str(error.value.where)
    assert error.value.fix


def test_answers_that_are_nowhere_may_be_dropped(tmp_path):
    rows = [qa(text="Paris"), qa()]
    assert len(read(tmp_path, squad(rows), drop=True)) == 1


def test_no_question_is_needed_to_predict_one(tmp_path):
    (record,) = read(tmp_path, squad([qa("")]), labelled=False)
    assert record["question"] == ""


def test_plain_text_does_not_say_the_answer():
    with pytest.raises(XltError, match="does not say which answer"):
        TASK.from_text("1", Text("Ada slept"))


# Prompts -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """It reads 64 subwords at once."""
    from tiny import make_encoder

    from xlt.config.schema import Model
    from xlt.model.backbone import Backbone

    texts = [CONTEXT, MIXED, "Examples: Answer: Context: [", *exemplars.get("eng").questions["who"]]
    folder = make_encoder(tmp_path_factory.mktemp("questions") / "encoder", texts)
    return Backbone(str(folder), Model(encoder=str(folder)))


MIXED = "Ada war in London. 她去了伦敦。 Потом она уехала. في لندن مرة أخرى."


def prompts(backbone, record, **options):
    """What the encoder reads of a record, window by window, as text."""
    task = QuestionGeneration(QuestionGeneration.Options(**{"exemplars": 0, **options}))
    (example,) = task.encode([record], backbone, None)
    shown = max(map(len, example.inputs["exemplars"]), default=0)
    assert (shown > 0) == (task.options.exemplars > 0)
    assert max(map(len, example.inputs["windows"])) + shown <= 64
    return [backbone.tokenizer.decode(window.tolist()) for window in example.inputs["windows"]]


@pytest.mark.parametrize("shown", [0, 1])
def test_an_answer_at_the_border_of_a_window(backbone, shown):
    """Wherever it is: each window is told the answer, and one of them has it whole."""
    answers = {"text": ["London,"], "answer_start": [0]}
    for before in range(24):
        context = f"{'She died, too. ' * (before // 2)}{'She ' * (before % 2)}in London, too. "
        context += "Ada was born. " * (12 - before // 2)
        record = changed(title="", context=context, answers=answers)
        found = [window.count("London,") for window in prompts(backbone, record, exemplars=shown)]
        assert len(found) >= 3
        assert min(found) == 1
        assert max(found) == 2


@pytest.mark.parametrize(
    ("answer", "near", "read"),
    [("London", 2, "born in London. She"), ("Ada", 1, "Ada was"), ("too.", 3, "in London, too."),
     (CONTEXT, 1, CONTEXT)],
)  # fmt: skip
def test_the_words_about_the_answer(answer, near, read):
    task = QuestionGeneration(QuestionGeneration.Options(context_words=near))
    answers = {"text": [answer], "answer_start": [CONTEXT.index(answer)]}
    record = changed(title="Ada", context=CONTEXT, answers=answers)
    assert task.body(record) == f"Context: [Ada] {read}"


def test_a_context_in_several_languages(backbone):
    """It is read whole; the question is to be in the record's language, whatever the context's."""
    answers = {"text": ["伦敦"], "answer_start": [MIXED.index("伦敦")]}
    record = changed(
        title="", context=MIXED, language="deu", question="Wohin ging Ada dann?", answers=answers
    )
    read = "".join("".join(prompts(backbone, record)).split())
    assert all(part in read for part in ("她", "伦", "敦", "уехала", "لندن"))

    def said(question):
        return TASK.metrics(TASK.counts(record, record.with_texts(question=Text(question))))

    right, wrong = said("Wohin ist Ada später gegangen?"), said("她后来去了哪里？")
    assert (right["language"], right["question_word"]) == (100, 100)
    assert (wrong["language"], wrong["question_word"]) == (0, 0)
    assert filters.reason("她去了伦敦", record, cut=False) == "copied"
    assert filters.reason("Wohin ging Ada?", record, cut=False) == "generated"


# Filters -------------------------------------------------------------------------------------


def predicted(question, cut=False, **columns):
    gold = changed(**columns)
    note = filters.reason(question, gold, cut=cut)
    return replace(gold.with_texts(question=Text(question)), meta={"note": note})


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("When was the bridge built?", "generated"),
        ("?!", "empty"),
        ("The bridge over the river", "copied"),
        ("What happened in 1932 to it?", "gives_answer"),
        ("El puente fue construido por muchos obreros", "language"),
    ],
)
def test_reasons(question, note):
    assert note_of(predicted(question)) == note


def test_reasons_in_a_language_without_spaces():
    record = {
        "context": "许多孩子回到了公园。",
        "answers": {"text": ["许多孩子"], "answer_start": [0]},
    }
    assert note_of(predicted("谁是许多孩子？", language="zho", **record)) == "gives_answer"
    assert note_of(predicted("回到了公园", language="zho", **record)) == "copied"
    assert note_of(predicted("谁回来了？", language="zho", **record)) == "generated"


def test_a_cut_question_is_marked():
    assert note_of(predicted("When was the bridge", cut=True)) == "cut"


def test_output_is_a_training_set_with_reasons(tmp_path):
    rows = [
        predicted("When was it built?"),
        predicted("when was it built"),
        predicted("?"),
        predicted("Who crossed it?"),
    ]
    stream = io.StringIO()
    TASK.write(rows, stream, "squad")
    (paragraph,) = json.loads(stream.getvalue())["data"][0]["paragraphs"]
    assert [q["question"] for q in paragraph["qas"]] == ["When was it built?", "Who crossed it?"]
    assert [q["note"] for q in paragraph["filtered"]] == ["duplicate", "empty"]
    assert len(read(tmp_path, stream.getvalue())) == 2
    everything = read(tmp_path, stream.getvalue(), labelled=False)
    assert [r["question"] for r in everything] == [d.texts["question"].surface for d in rows]
    lines = io.StringIO()
    TASK.write(rows, lines, "jsonl")
    assert len(read(tmp_path, lines.getvalue(), "data.jsonl")) == 2
    assert len(read(tmp_path, lines.getvalue(), "data.jsonl", labelled=False)) == 4


@pytest.fixture(scope="module")
def answerer(tmp_path_factory):
    """A model that answers with the subword of the context most like "London"."""
    import torch
    from small import all_texts
    from tiny import make_encoder
    from transformers import AutoModelForQuestionAnswering

    folder = tmp_path_factory.mktemp("answerer") / "model"
    make_encoder(folder, [*all_texts(), CONTEXT])
    torch.manual_seed(0)
    model, info = AutoModelForQuestionAnswering.from_pretrained(folder, output_loading_info=True)
    assert info["missing_keys"] == {"qa_outputs.weight", "qa_outputs.bias"}
    model.save_pretrained(folder)
    return str(folder)


def test_questions_that_are_answered_otherwise(answerer, monkeypatch):
    from xlt.tasks.question_generation.answering import Answerer

    task = QuestionGeneration(QuestionGeneration.Options(answerer=answerer))
    found = {"text": ["London"], "answer_start": [16]}
    long = changed(context=f"{CONTEXT} " * 30, answers=found)
    asked = Text("Where was it?")
    records = [d.with_texts(question=asked) for d in (*RECORDS["question_generation"], long)]
    answers = Answerer(answerer)(records)
    pairs = zip(records, answers, strict=True)
    assert all(answer in record.text.surface for record, answer in pairs)
    assert any(answers)
    assert [Answerer(answerer)([record])[0] for record in records] == answers

    said = {"When was it built?": "in 1932", "Who built it?": "the bridge", "Why?": ""}

    def answer(_, some):
        return [said[document.texts["question"].surface] for document in some]

    monkeypatch.setattr(Answerer, "__call__", answer)
    rows = [changed(question=text) for text in (*said, "?")]
    rows = task._noted(rows, [False] * 4)
    assert [note_of(d) for d in rows] == ["generated", "unanswerable", "unanswerable", "empty"]
    sums = sum(task.counts(RECORDS["question_generation"][0], row) for row in rows)
    assert float(task.metrics(sums)["usable"]) == 25


def test_answerers_that_are_none(tmp_path):
    from tiny import make_encoder

    folder = make_encoder(tmp_path / "encoder", [CONTEXT])
    task = QuestionGeneration(QuestionGeneration.Options(answerer=str(folder)))
    row = changed(question="When was it built?")
    with pytest.raises(XltError, match="is no question answering model") as error:
        task._noted([row], [False])
    assert error.value.where == "task.answerer"


def test_gold_questions_are_never_duplicates():
    rows = [RECORDS["question_generation"][0]] * 2
    assert [note_of(d) for d in filters.without_duplicates(rows)] == ["", ""]


# Types and exemplars -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Whose book is it?", "who"),
        ("To whom did he write?", "who"),
        ("How did it end?", "how-way"),
        ("How tall is it?", "how-num"),
        ("What's new?", "what"),
        ("In what year did it end?", None),
        ("", None),
    ],
)
def test_english_types(question, kind):
    assert english_type(question) == kind


@pytest.mark.parametrize(
    ("question", "language", "kinds"),
    [
        ("¿En qué año nació?", "spa", {"when"}),
        ("¿Qué río cruza la ciudad?", "spa", {"what", "which"}),
        ("Di manakah dia lahir?", "ind", {"where"}),
        ("Seberapakah beratnya?", "ind", {"how-num"}),
        ("Sapa sing teka?", "jav", {"who"}),
        ("Dia lahir di Jakarta.", "ind", set()),
        ("What is it?", "ind", set()),
        ("Was ist das?", "xho", set()),
    ],
)
def test_types_in_other_languages(question, language, kinds):
    assert question_types(question, language) == kinds


@pytest.mark.parametrize("language", exemplars.available())
def test_built_in_exemplars(language):
    known = exemplars.get(language)
    every = [question for kind in TYPES for question in known.questions[kind]]
    assert {kind: len(known.questions[kind]) for kind in TYPES} == dict.fromkeys(TYPES, 15)
    assert len({*every}) == len(every)
    for kind in TYPES:
        wrong = [q for q in known.questions[kind] if kind not in question_types(q, language)]
        assert not wrong, f"these do not ask {kind}: {wrong}"
    marks = {question[-1] for question in every}
    assert len(marks) == 1 or language == "tha"
    right = [metrics.alike(metrics.identify(question), language) for question in every]
    assert sum(right) > 0.75 * len(right) or language not in metrics.identifiable()


def test_language_without_exemplars(tmp_path):
    with pytest.raises(XltError, match="no exemplar questions in Xhosa") as error:
        exemplars.get("xho")
    assert "xho.yaml" in error.value.fix
    assert "eng" in error.value.fix
    with pytest.raises(XltError, match="not known which language") as error:
        exemplars.get("")
    assert "--language" in error.value.fix


def test_exemplars_of_ones_own(tmp_path):
    lists = "\n".join(f"  {kind}: [{kind} yintoni na?]" for kind in TYPES)
    (tmp_path / "xho.yaml").write_text(f"exemplars:\n{lists}\n", encoding="utf-8")
    assert exemplars.get("xho", str(tmp_path)).questions["who"] == ("who yintoni na?",)
    assert exemplars.get("spa", str(tmp_path)) == exemplars.get("spa")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "it is no mapping"),
        ("exemplars: {who: [a]}", "no exemplars for what, which"),
        ("exemplars: {whence: [a]}", "no type 'whence'"),
        ("exemplars: {who: a}", "`exemplars.who` is no list"),
        ("exemplars: [", "not valid YAML"),
        ("exemplars: {who: [a]}\nexemplars: {}", "stands here twice"),
    ],
)
def test_malformed_exemplars(tmp_path, text, complaint):
    (tmp_path / "xho.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(XltError, match=complaint):
        exemplars.get("xho", str(tmp_path))


# Scores --------------------------------------------------------------------------------------


def scores(*questions):
    golds = RECORDS["question_generation"][: len(questions)]
    pairs = zip(golds, questions, strict=True)
    rows = [TASK.counts(g, g.with_texts(question=Text(q))) for g, q in pairs]
    return {name: float(value) for name, value in TASK.metrics(sum(rows)).items()}


def test_what_goes_wrong_in_transfer_is_counted():
    right = scores(*(r["question"] for r in ROWS))
    assert all(value == pytest.approx(100) for name, value in right.items() if name != "meteor")
    assert right["meteor"] > 95
    # Spanish asked in English, Indonesian with the wrong word, a copy, an empty one.
    wrong = scores(
        "When was the bridge built?",
        "The bridge over the river was built",
        "Where does the family live with all of their children?",
        "Siapa yang membuat gunung itu meletus lagi?",
        "",
        "Name the thing that whales use.",
    )
    assert wrong["question_word"] == pytest.approx(100 * 1 / 5)
    assert wrong["not_copied"] == pytest.approx(100 * 5 / 6)
    assert wrong["language"] == pytest.approx(100 * 4 / 6)


# Projection ----------------------------------------------------------------------------------


def projected(links, target, question="Où?", warning=None):
    from xlt.config.schema import ProjectionSettings

    record = changed(
        title="", context=CONTEXT, question="Where was Ada born?",
        answers={"text": ["in London", "London"], "answer_start": [13, 16]},
    )  # fmt: skip
    pairs = {
        "context": AlignedPair(with_words(CONTEXT), with_words(target), links),
        "question": AlignedPair(record.texts["question"], Text(question), {}, warning),
    }
    return project_document(TASK, record, pairs, ProjectionSettings())


def test_answers_on_a_translation():
    links = {(0, 0): 1, (2, 2): 1, (3, 3): 1, (4, 4): 1}
    found = projected(links, "Ada est née à Londres.")
    row = TASK.to_row(found.document)
    assert row["context"] == "Ada est née à Londres."
    assert row["question"] == "Où?"
    assert row["answers"] == {"text": ["à Londres", "Londres"], "answer_start": [12, 14]}
    assert found.confidence == 1


@pytest.mark.parametrize(
    ("links", "target", "question", "warning", "reason"),
    [
        ({(0, 0): 1}, "Ada", "Où", None, "unaligned"),
        ({(3, 0): 1}, "Londres", "", None, "empty"),
        ({(3, 0): 1}, "Londres", "Où", "too long", "guard"),
    ],
)
def test_answers_that_are_lost(links, target, question, warning, reason):
    found = projected(links, target, question, warning)
    assert found.document is None
    assert [o.reason for o in found.outcomes] == [reason]


class Echo:
    """Asks what it is given, in place of a trained model."""

    task = TASK

    def __call__(self, documents, examples):
        assert not any("SECRET" in str(d.texts) for d in documents if d.language == "eng")
        answers = [d.layers["answers"].texts(d.text.surface)[0] for d in documents]
        return [
            replace(d.with_texts(question=Text(f"q1 q2 {a}")), meta={"note": "generated"})
            for d, a in zip(documents, answers, strict=True)
        ]


def test_questions_about_a_translation_are_translated_back(tmp_path, monkeypatch):
    from xlt.config.schema import Plugin, ProjectionSettings
    from xlt.projection.predict import projector_of, through_translation
    from xlt.testing import translation
    from xlt.transfer.stage import Prediction

    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    monkeypatch.setattr(TASK, "encode", lambda records, *_: list(records), raising=False)
    nowhere = {"context": "…", "answers": {"text": ["…"], "answer_start": [0]}}
    gold = [changed(2, question="SECRET?"), changed(3, question="SECRET?", **nowhere)]
    with translation.registered():
        settings = ProjectionSettings(
            translator=Plugin(name="backwards"), aligner=Plugin(name="same_words")
        )
        how = Prediction("translate", "eng")
        projector_of(TASK, how, settings, "spa")
        predictor = through_translation(Echo(), None, how, settings, "spa")
        found = predictor(gold, TASK.encode(gold))
    # "q1 q2 Sevilla", asked about the translation, and backwards again.
    assert found[0].texts["question"].surface == "Sevilla q2 q1"
    assert note_of(found[0]) == "gives_answer"
    assert found[0].text == gold[0].text
    assert found[0].language == "spa"
    assert found[1].texts["question"].surface == "… q2 q1"
