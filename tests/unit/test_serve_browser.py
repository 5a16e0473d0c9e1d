"""The page in a real browser: skipped where there is none, unless XLT_REQUIRE_BROWSER is set."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from browser import CONTROL, ENTER, TAB, Browser, browser, require
from models import make_model

pytest.importorskip("uvicorn")

import uvicorn

from xlt.runs.annotate import Annotator
from xlt.serve.app import make_app

TEXT = "Budi <img src=x onerror=document.title='bad'> ya"
ARABIC = "مكتب الأمم المتحدة"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require()
    root = tmp_path_factory.mktemp("models")
    annotators = {
        name: Annotator(make_model(root, name, ("eng",)), batch_tokens=500)
        for name in ("ner", "dependency_parsing", "nli", "question_generation")
    }
    config = uvicorn.Config(make_app(annotators), port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def window(url: str) -> Iterator[Browser]:
    with browser() as window:
        yield window


def choose(window: Browser, model: str) -> None:
    window.run(
        "const m = document.getElementById('model'); m.value = arguments[0];"
        "m.dispatchEvent(new Event('change')); document.querySelector('textarea').focus()",
        model,
    )


def answer(window: Browser) -> dict[str, Any]:
    """What is shown, once it is."""
    window.until("document.getElementById('status').textContent === 'Done.'")
    return json.loads(window.run("return document.getElementById('json').textContent"))


def test_a_text_is_typed_and_annotated_by_keyboard_alone(window, url):
    window.open(url)
    assert window.run("return document.querySelector('label').textContent").startswith("Model")
    window.type(TAB)  # to the model
    assert window.run("return document.activeElement.id") == "model"
    window.type(TAB + TAB)  # language, text
    assert window.run("return document.activeElement.labels[0].textContent") == "Text"
    window.type(TEXT)
    window.type(CONTROL + ENTER)
    record = answer(window)["records"][0]
    assert record["text"] == TEXT
    marks = window.run("return [...document.querySelectorAll('mark')].map(one => one.textContent)")
    assert marks == [one["text"] for one in record["entities"]]
    shown = window.run(
        "const text = document.querySelector('#views .text').cloneNode(true);"
        "text.querySelectorAll('.label').forEach(one => one.remove()); return text.textContent"
    )
    assert shown == TEXT
    assert window.run("return document.querySelectorAll('#views img').length") == 0
    assert window.run("return document.title") == "xlt: try a model"
    assert window.run("return document.activeElement.id") == "result-title"
    assert window.log() == []  # nothing that the policy had to stop


def test_arabic_stands_from_right_to_left_and_trees_are_drawn(window, url):
    window.open(url)
    choose(window, "dependency_parsing")
    window.type(ARABIC)
    style = "getComputedStyle(document.querySelector('{}')).direction"
    assert window.run(f"return {style.format('textarea')}") == "rtl"
    window.type(CONTROL + ENTER)
    tree = answer(window)["records"][0]["tree"]
    assert window.run(f"return {style.format('#views .text')}") == "rtl"
    words = window.run(
        "return [...document.querySelectorAll('svg .displacy-word')].map(one => one.textContent)"
    )
    assert words == [word["text"] for word in tree]
    width = window.run(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width[0] == width[1]  # nothing makes the page itself wider than the window


def test_a_pair_has_two_texts_and_records_are_json(window, url):
    window.open(url)
    choose(window, "nli")
    window.type("Ana sleeps.")
    window.type(TAB)
    window.type("She does.")
    window.type(CONTROL + ENTER)
    record = answer(window)["records"][0]
    assert (record["premise"], record["hypothesis"]) == ("Ana sleeps.", "She does.")
    choose(window, "question_generation")
    window.type("{")
    window.type(CONTROL + ENTER)
    window.until("!document.getElementById('error').hidden")
    assert "JSON" in window.run("return document.getElementById('error').textContent")


def test_what_is_wrong_is_said_in_place_of_a_result(window, url):
    window.open(url)
    choose(window, "ner")
    window.type("Ya")
    window.run("document.getElementById('language').value = 'Klingonish'")
    window.type(CONTROL + ENTER)
    said = window.until("document.getElementById('error').textContent")
    assert said.startswith("unknown language 'Klingonish' (language)\n")
    assert window.run("return document.getElementById('result').hidden")
    window.run("document.getElementById('language').value = ''")
    window.type(CONTROL + ENTER)
    answer(window)
    window.until("document.getElementById('error').hidden")


def test_an_older_answer_does_not_replace_a_newer(window, url):
    window.open(url)
    window.run(
        "const real = window.fetch; let first = true; window.ended = 0;"
        "window.fetch = async (...given) => {"
        "  if (first) { first = false; await new Promise(go => { window.goOn = go; }); }"
        "  const answer = real(...given);"
        "  answer.catch(() => null).finally(() => setTimeout(() => { window.ended += 1; }, 50));"
        "  return answer;"
        "}"
    )
    choose(window, "ner")
    window.type("Ya")
    window.type(CONTROL + ENTER)
    window.until("window.goOn !== undefined")
    window.type(" Budi")
    window.type(CONTROL + ENTER)
    assert answer(window)["records"][0]["text"] == "Ya Budi"
    window.run("window.goOn()")
    window.until("window.ended === 2")
    assert answer(window)["records"][0]["text"] == "Ya Budi"
    assert window.run("return document.getElementById('error').hidden")


def test_the_answer_is_copied_as_json(window, url):
    window.open(url)
    choose(window, "ner")
    window.type("Budi")
    window.type(CONTROL + ENTER)
    said = answer(window)
    window.run("document.querySelector('details:has(#json)').open = true")
    window.run("document.getElementById('copy').click()")
    window.until("document.getElementById('copied').textContent")
    assert json.loads(window.run("return String(getSelection())")) == said
