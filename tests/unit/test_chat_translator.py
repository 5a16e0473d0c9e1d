"""The translator `chat`: context, glossary, suspicious answers, and spans in their context."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from chat_server import KEY, chat_server
from records import documents

from xlt.config.consent import requests
from xlt.config.schema import Plugin, ProjectionSettings
from xlt.errors import XltError
from xlt.permissions import allowing
from xlt.projection import store
from xlt.projection.project import Projector
from xlt.projection.translate.base import MarkedText, Translation
from xlt.projection.translate.cache import Cache
from xlt.projection.translate.chat import Chat, ChatOptions, _found, _unquoted
from xlt.runs.project import project_file
from xlt.runs.project_shards import make_caches
from xlt.tasks.ner import NER

SPANISH = {
    "Ana met Bob in New York.": "Bob fue visto por Ana en Nueva York.",
    "It rains.": "Llueve.",
    "He left.": "Él se fue.",
}
PHRASES = {"Ana": "Ana", "Bob": "Bob", "New York": "Nueva York"}


def reply(body):
    return answer(body, PHRASES)


def answer(body, phrases):
    asked = body["messages"][1]["content"]
    if asked.startswith("{"):
        wanted = json.loads(asked)["phrases"]
        return json.dumps({"translations": [phrases[phrase] for phrase in wanted]})
    return SPANISH[asked]


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    with chat_server(reply) as running:
        yield running


def chat(server, **options) -> Chat:
    return Chat(ChatOptions(base_url=server.url, model="test", concurrency=1, **options))


def translate(translator, *texts):
    with allowing("online"), Cache() as cache:
        return list(translator.stream(texts, "eng", "spa", cache=cache))


def test_sentences_are_translated_once_each(server, caplog):
    caplog.set_level("INFO")
    text = "It rains. He left."
    expected = [Translation("Llueve. Él se fue."), Translation("Llueve.")]
    assert translate(chat(server, price_in=1.0), text, "It rains.") == expected
    assert translate(chat(server), text) == expected[:1]
    assert sorted(server.answered.elements()) == ["He left.", "It rains."]
    system = server.bodies[0]["messages"][0]["content"]
    assert "from English into Spanish" in system
    before, after = (m for m in caplog.messages if m.startswith("127.0.0.1"))
    assert "the next 2 requests: about" in before
    assert "2 requests, 0 answered before" in after
    assert "at the endpoint's prices" in after


def test_context_is_of_the_same_text(server):
    translator = chat(server, context=1)
    assert translate(translator, "It rains. He left.", "It rains.")[0].text == "Llueve. Él se fue."
    told = [body["messages"][0]["content"] for body in server.bodies]
    assert ["not to be translated: It rains." in one for one in told] == [False, True]


def test_the_terms_of_a_sentence_are_told(server, tmp_path):
    glossary = tmp_path / "terms.tsv"
    glossary.write_text("York\tYorca\nrains\tllueve\n\nRain\tlluvia\nains\tx\n", encoding="utf-8")
    translator = chat(server, glossary=str(glossary))
    translate(translator, "It rains.")
    told = server.bodies[0]["messages"][0]["content"]
    assert told.endswith("Use these translations: rains = llueve; Rain = lluvia")
    identity = translator.identity("eng", "spa")
    glossary.write_text("rains\tcae agua\n", encoding="utf-8")
    changed = chat(server, glossary=str(glossary))
    assert changed.identity("eng", "spa") != identity
    glossary.write_text("rains\tllueve\nno pair\n", encoding="utf-8")
    with pytest.raises(XltError, match="no pair of a term") as caught:
        chat(server, glossary=str(glossary)).check("eng", "spa")
    assert caught.value.where == f"{glossary}:2"


def test_a_suspicious_answer_is_asked_for_twice_more(server):
    answers = iter(["", "It rains cats and dogs " * 9, "Llueve."])
    server.reply = lambda body: next(answers)
    translator = chat(server)
    assert translate(translator, "It rains.") == [Translation("Llueve.")]
    roles = [[m["role"] for m in body["messages"]] for body in server.bodies]
    assert roles[2] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "suspicious: empty" in server.bodies[1]["messages"][-1]["content"]
    server.reply = lambda body: "Llueve mucho " * 9
    (kept,) = translate(translator, "He left.")
    assert "as long as the source" in kept.warning
    assert len(server.bodies) == 6
    assert (translator._client.tally.invalid, translator._client.tally.unusable) == (5, 1)


def test_what_was_cut_off_is_no_translation(server):
    server.fault = lambda n, body: "cut"
    assert translate(chat(server), "It rains.") == [Translation("", "cut off")]


def test_a_failure_is_no_translation_and_not_kept(server):
    server.fault = lambda n, body: "status 400"
    (failed,) = translate(chat(server), "It rains.")
    assert failed.failed
    server.fault = lambda n, body: None
    assert translate(chat(server), "It rains.") == [Translation("Llueve.")]


@pytest.mark.parametrize(
    ("answer", "source", "text"),
    [
        ('"Llueve."', "It rains.", "Llueve."),
        ('"Llueve."', '"It rains."', '"Llueve."'),
        ("«Sí» y «no»\n", "Yes", "«Sí» y «no»"),
        ('"Ja" und "nein"', "Yes and no", '"Ja" und "nein"'),
        ("„Ja“ und „nein“", "Yes and no", "„Ja“ und „nein“"),
        ("„Ja.“", "Yes.", "Ja."),
        ("Llueve\nmucho.", "It rains a lot.", "Llueve mucho."),
    ],
)
def test_answers_come_in_one_line_without_added_quotes(answer, source, text):
    assert _unquoted(answer, source) == text


def test_spans_are_found_where_they_stand():
    def found(translation, *phrases):
        marked = MarkedText("abc", translation, tuple((n, n + 1) for n in range(len(phrases))))
        return _found(marked, json.dumps({"translations": phrases}))

    assert found("Ana ve a Ana", "Ana", "Ana") == [(0, 3), (9, 12)]
    assert found("Anabel y Ana", "Ana") == [(9, 12)], "a word before a part of one"
    assert found("Anabel", "Ana") == [(0, 3)]
    assert found("Nueva York, York", "York", "Nueva York") == [(12, 16), (0, 10)]
    assert found("Llueve", "") == [None]


@pytest.mark.parametrize("inner", [(0, 8), (4, 8)])
def test_spans_that_share_characters_may_share_a_place(inner):
    marked = MarkedText("New York", "Nueva York", ((0, 8), inner))
    phrase = "Nueva York" if inner == (0, 8) else "York"
    place = (10 - len(phrase), 10)
    answer = json.dumps({"translations": ["Nueva York", phrase]})
    assert _found(marked, answer) == [(0, 10), place]


@pytest.mark.parametrize(
    ("spans", "phrases", "places"),
    [
        (((0, 14), (10, 14)), ("Bank of Lagos", "Lagos"), [(7, 20), (15, 20)]),
        (((0, 9), (5, 14)), ("Bank of", "of Lagos"), [(7, 14), (12, 20)]),
    ],
)
def test_spans_that_share_characters_are_found_together(spans, phrases, places):
    marked = MarkedText("abcdefghijklmn", "Lagos: Bank of Lagos, Bank", spans)
    assert _found(marked, json.dumps({"translations": phrases})) == places


def test_spans_are_translated_in_context(server):
    server.reply = lambda body: '```json\n{"translations": ["Ana", "Nueva York"]}\n```'
    marked = MarkedText("Ana in New York", "Ana en Nueva York", ((0, 3), (7, 15)))
    with allowing("online"):
        assert chat(server).translate_spans([marked], "eng", "spa") == [[(0, 3), (7, 17)]]
    (body,) = server.bodies
    assert json.loads(body["messages"][1]["content"])["phrases"] == ["Ana", "New York"]
    assert body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("answer", "complaint", "places"),
    [
        ("no JSON", "It is no JSON object", [None, None]),
        ('{"translations": ["Ana"]}', "has 1 strings, not 2", [None, None]),
        ('{"translations": [1, 2]}', "no list of strings", [None, None]),
        ('{"translations": ["Ana", "Quito"]}', "does not hold 'Quito'", [(0, 3), None]),
    ],
)
def test_spans_that_are_not_there_are_asked_for_again(server, answer, complaint, places):
    server.reply = lambda body: answer
    marked = MarkedText("Ana in New York", "Ana en Nueva York", ((0, 3), (7, 15)))
    with allowing("online"):
        assert chat(server).translate_spans([marked], "eng", "spa") == [places]
    assert len(server.bodies) == 3
    assert complaint in server.bodies[-1]["messages"][-1]["content"]


SENTENCE = documents(
    "ner",
    [
        {
            "id": "1",
            "words": ["Ana", "met", "Bob", "in", "New", "York", "."],
            "tags": ["B-PER", "O", "B-PER", "O", "B-LOC", "I-LOC", "O"],
            "space_after": [True, True, True, True, True, False, False],
        }
    ],
)


def settings(server, aligner: Plugin | None = None, **options) -> ProjectionSettings:
    plugin = Plugin(name="chat", base_url=server.url, model="test", **options)
    return ProjectionSettings(translator=plugin, aligner=aligner, method="contextual")


def test_labels_travel_by_what_their_spans_are_called(server):
    projector = Projector(NER(), settings(server), "eng", "spa")
    with allowing("online"):
        ((projected),) = projector.stream(SENTENCE)
    document = projected.projection.document
    assert document.words == ("Bob", "fue", "visto", "por", "Ana", "en", "Nueva", "York", ".")
    assert NER().tags(document) == ["B-PER", "O", "O", "O", "B-PER", "O", "B-LOC", "I-LOC", "O"]


def test_what_is_not_found_is_lost_or_left_to_the_aligner(server):
    server.reply = lambda body: answer(body, {**PHRASES, "New York": "la ciudad"})
    with allowing("online"):
        (lost,) = Projector(NER(), settings(server), "eng", "spa").stream(SENTENCE)
        assert [o.reason for o in lost.projection.outcomes] == [None, None, "unaligned"]
        with_links = settings(server, Plugin(name="agreement"))
        (kept,) = Projector(NER(), with_links, "eng", "spa").stream(SENTENCE)
    assert kept.pairs["text"].links.keys() > lost.pairs["text"].links.keys()


def test_a_place_without_words_is_no_link(server, monkeypatch):
    monkeypatch.setattr(Chat, "translate_spans", lambda *_: [[(3, 4), (0, 3), None]])
    with allowing("online"):
        (found,) = Projector(NER(), settings(server), "eng", "spa").stream(SENTENCE)
    assert [o.reason for o in found.projection.outcomes] == ["unaligned", None, "unaligned"]


def test_a_failure_for_spans_is_tried_again(server, tmp_path):
    """Like one for a text: what was not asked is not `not in the translation`."""
    projector = Projector(NER(), settings(server), "eng", "spa")

    def fault(n, body):
        return "status 400" if body["messages"][1]["content"].startswith("{") else None

    def project():
        ((projected),) = store.project(projector, SENTENCE, folder=tmp_path / "parts")
        return projected

    server.fault = fault
    with allowing("online"):
        assert project().failed
        asked = len(server.bodies)
        with Cache() as cache:
            assert not projector.translates_any(SENTENCE, cache=cache)
        assert len(server.bodies) == asked + 1, "only its spans are asked for again"
        server.fault = lambda n, body: None
        projected = project()
    assert not projected.failed
    assert [o.reason for o in projected.projection.outcomes] == [None] * 3


@pytest.mark.parametrize(
    "options",
    [
        {"max_cost": 9.0, "price_in": 2.0, "price_out": 3.0},
        {"tries": 2, "timeout": 9.0, "concurrency": 7, "requests_per_minute": 6.0},
        {"key_env": "CHAT_KEY"},
    ],
)
def test_what_no_answer_depends_on_makes_no_projection_anew(server, options, monkeypatch):
    monkeypatch.setenv("CHAT_KEY", KEY)
    before = Projector(NER(), settings(server), "eng", "spa")
    after = Projector(NER(), settings(server, **options), "eng", "spa")
    assert after.identity() == before.identity()


@pytest.mark.parametrize("options", [{"max_ratio": 2.0}, {"max_repeats": 2}, {"seed": 1}])
def test_what_decides_on_an_answer_makes_it_anew(server, options):
    before, after = chat(server), chat(server, **options)
    assert after.identity("eng", "spa") != before.identity("eng", "spa")
    before, after = (
        Projector(NER(), settings(server, **more), "eng", "spa") for more in ({}, options)
    )
    assert after.identity() != before.identity()


def test_answers_get_the_journal_of_a_shared_disk_where_jobs_share_it(server, tmp_path):
    projector = Projector(NER(), settings(server), "eng", "spa")
    make_caches(projector, shared=True)
    for name in ("answers.sqlite", "translations.sqlite"):
        with closing(sqlite3.connect(tmp_path / "cache" / name)) as database:
            ((found,),) = database.execute("PRAGMA journal_mode").fetchall()
        assert found == "delete"


def test_a_translator_that_cannot_is_refused():
    given = ProjectionSettings(translator=Plugin(name="given", file="x"), method="contextual")
    with pytest.raises(XltError, match="given cannot say what a span is") as caught:
        Projector(NER(), given, "eng", "spa")
    assert caught.value.where == "projection.method"


def test_a_missing_key_is_said_before_anything_is_sent(server, monkeypatch):
    monkeypatch.delenv("CHAT_KEY", raising=False)
    with pytest.raises(XltError, match="CHAT_KEY") as caught:
        Projector(NER(), settings(server, key_env="CHAT_KEY"), "eng", "spa")
    assert caught.value.where == "projection.translator.key_env"
    assert server.bodies == []


def test_a_config_that_names_an_endpoint_asks_for_consent(server, tmp_path, monkeypatch):
    from xlt.config.load import load_config

    monkeypatch.setenv("CHAT_KEY", KEY)
    (tmp_path / "eng.bio").write_text("Ana\tB-PER\n\n", encoding="utf-8")
    SPANISH["Ana"] = "Ana"
    config = {
        "name": "p", "task": "ner", "source": "eng", "target": "spa",
        "data": {"eng": {"train": "eng.bio"}},
        "projection": {
            "translator": {
                "name": "chat", "base_url": server.url, "model": "test", "key_env": "CHAT_KEY",
            },
            "method": "contextual",
            "aligner": None,
        },
    }  # fmt: skip
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    loaded = load_config(path, ["projection.translator.temperature=0.1"])
    (request,) = requests(loaded)
    host = server.url.split("/")[2]
    assert request.what == (
        f"sends texts to {host}, with what the environment variable CHAT_KEY holds"
    )
    assert not request.typed
    out = tmp_path / "out" / "spa.bio"
    out.parent.mkdir()
    with pytest.raises(XltError, match="needs your consent"):
        project_file(loaded, str(out))
    assert server.bodies == []
    with allowing("online"):
        project_file(loaded, str(out))
    assert out.read_text(encoding="utf-8") == "Ana\tB-PER\n\n"
    written = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert any(one.name == "answers.sqlite" for one in written)
    assert not any(KEY.encode() in one.read_bytes() for one in map(Path, written))
