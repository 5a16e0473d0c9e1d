"""What the server answers: that of `xlt predict`, errors that can be mended, and pages."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from models import make_model

pytest.importorskip("fastapi")

from fastapi import Request
from fastapi.testclient import TestClient

from xlt.console import console
from xlt.errors import XltError, XltErrors
from xlt.registry import tasks
from xlt.runs.annotate import Annotator
from xlt.runs.predict import predict
from xlt.serve import guard, pages
from xlt.serve.app import make_app
from xlt.serve.limits import Limits, TooSlow
from xlt.serve.request import Predict, parse
from xlt.serve.service import refusal

LIMITS = Limits(size=40_000, texts=10, characters=1000, total=3500, words=50, waiting=1)
LINES = [
    "  Budi bought three books. Sri Mulyani will visit  Yogyakarta!",
    "",
    "\u00a0北京的天气很好。  Ya ",
    "Dr. Abebe\u0301 ist 👩‍🔬 in Köln <b>&amp;",
]
CONLLU = "1\tYa\t_\t_\t_\t_\t_\t_\t_\t_\n\n# sent_id = b\n1\tno\t_\t_\t_\t_\t_\t_\t_\t_\n\n"


class Blocking(Annotator):
    """One that can be made to wait, or to fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, batch_tokens=500)
        self.began, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.fails: Exception | None = None
        self.calls = 0

    def __call__(self, units: Sequence[Any]) -> Any:
        self.calls += 1
        self.began.set()
        assert self.go_on.wait(20)
        if self.fails is not None:
            raise self.fails
        return super().__call__(units)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Annotator]:
    root = tmp_path_factory.mktemp("models")
    return {
        "names": Blocking(make_model(root, "ner", ("eng",))),
        **{
            name: Annotator(make_model(root, name), batch_tokens=500)
            for name in ("dependency_parsing", "nli", "event_extraction")
        },
    }


@pytest.fixture(scope="module")
def client(models: dict[str, Annotator]) -> Iterator[TestClient]:
    with TestClient(make_app(models, LIMITS), base_url="http://localhost:8000") as client:
        yield client


@pytest.mark.parametrize(
    ("model", "key", "suffix", "value"),
    [
        ("names", "texts", "txt", LINES),
        ("dependency_parsing", "texts", "txt", LINES),
        ("event_extraction", "texts", "txt", LINES),
        ("dependency_parsing", "conllu", "conllu", CONLLU),
        ("names", "records", "jsonl", [{"words": ["Ya", "no"]}, {"id": "x", "words": ["Budi"]}]),
        (
            "nli",
            "records",
            "jsonl",
            [
                {"sentence1": "Ana sleeps.", "sentence2": "She does."},
                {"premise": "Ya", "hypothesis": "no", "pairID": "7"},
            ],
        ),
    ],
)
def test_it_answers_what_xlt_predict_writes(client, models, tmp_path, model, key, suffix, value):
    path = tmp_path / f"in.{suffix}"
    lines = value if isinstance(value, str) else "".join(
        f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in value
    )  # fmt: skip
    path.write_text(lines, encoding="utf-8", newline="\n")
    out = tmp_path / "out"
    predict(
        models[model].folder, str(path), str(out), output_format="standoff", language="eng",
        input_format="jsonl" if suffix == "jsonl" else None, batch_tokens=500, quiet=True,
    )  # fmt: skip
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for one in written:
        del one["file"]
        one.pop("line", None)
    answer = client.post("/predict", json={"model": model, "language": "English", key: value})
    assert answer.json() == {"model": model, "language": "eng", "records": written}
    assert answer.status_code == 200
    assert any("confidence" in thing for one in written for thing in _things(one))


def _things(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for value in record.values():
        if isinstance(value, list):
            yield from value


def test_offsets_are_of_the_very_text_whatever_its_lines(client):
    text = "  Budi.\r\n\n\tSri Mulyani\u2028visits \U0001f469 Köln\n"
    request = {"model": "dependency_parsing", "language": "eng", "texts": [text, text + "Ya"]}
    first, second = client.post("/predict", json=request).json()["records"]
    assert (first["text"], second["text"]) == (text, text + "Ya")
    for record in (first, second):
        for word in record["tree"]:
            assert record["text"][word["start"] : word["end"]] == word["text"]
    assert [word["text"] for word in second["tree"]][-2:] == ["Köln", "Ya"]
    assert [word["head"] for word in second["tree"]].count(0) == 3


GOOD: dict[str, Any] = {"model": "names", "texts": ["Ya"]}
GONE = json.dumps(GOOD).encode()
LONG = {"model": "names", "texts": ["Ya", "x" * 1001]}


@pytest.mark.parametrize(
    ("request_", "status", "where", "what"),
    [
        ({"texts": ["Ya"]}, 422, "model", "several models are served"),
        ({**GOOD, "model": "name"}, 422, "model", "there is no model 'name'"),
        ({**GOOD, "model": "../names"}, 422, "model", "there is no model '../names'"),
        ({**GOOD, "model": 3}, 422, "model", "must be text"),
        ({**GOOD, "language": "Klingonish"}, 422, "language", "unknown language"),
        ({"model": "dependency_parsing", "texts": ["Ya"]}, 422, "language", "need a language"),
        ({"model": "names"}, 422, "body", "there is nothing to annotate"),
        ({**GOOD, "texts": []}, 422, "body", "there is nothing to annotate"),
        ({**GOOD, "records": []}, 422, "body", "texts and records are given"),
        ({**GOOD, "conllu": CONLLU}, 422, "body", "texts and conllu are given"),
        ({**GOOD, "textx": ["Ya"]}, 422, "body", "there is no key 'textx'"),
        ({**GOOD, "texts": ["Ya", 3]}, 422, "texts.1", "must be text, not 3"),
        ({**GOOD, "texts": "Ya"}, 422, "texts", "must be a list, not 'Ya'"),
        ({"model": "nli", "texts": ["Ya"]}, 422, "texts", "nli, takes no texts"),
        ({"model": "nli", "records": [{}]}, 422, "records:1", "'premise' is missing"),
        ({"model": "names", "records": [{"words": []}]}, 422, "records:1", "has no words"),
        ({"model": "names", "conllu": "1\tx\n\n"}, 422, "conllu:1", "columns"),
        ({**GOOD, "texts": ["Ya"] * 11}, 413, "texts", "11 are more than the 10"),
        ({"model": "names", "conllu": CONLLU * 6}, 413, "conllu", "12 are more than the 10"),
        (LONG, 413, "texts.1", "1,001 characters are more"),
        (
            {"model": "nli", "records": [{"premise": "x" * 600, "hypothesis": "x" * 600}]},
            413, "records.0", "1,200 characters are more",
        ),
        ({**GOOD, "texts": ["a " * 51]}, 413, "texts.0", "a sentence of 51 words"),
        ({**GOOD, "texts": ["x" * 900] * 4}, 413, "texts", "3,600 characters are more than"),
        (
            {"model": "names", "records": [{"words": ["x" * 900]}] * 4},
            413, "records", "3,600 characters are more than the 3,500",
        ),
        ({**GOOD, "texts": [3] * 11}, 413, "texts", "11 are more than the 10"),
        ({**GOOD, "texts": ["x" * 50_000]}, 413, "body", "more than the 40,000 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_its_place(client, request_, status, where, what):
    answer = client.post("/predict", json=request_)
    (error,) = answer.json()["errors"]
    assert what in error["what"]
    assert error["where"] == where
    assert error["fix"]
    assert "--option" not in error["fix"]  # which is the command line's
    assert "default" not in error["fix"]  # which is a config's
    assert answer.status_code == status


@pytest.mark.parametrize("texts", [["Ya"] * 10, ["x" * 1000], ["a " * 50]])
def test_as_much_as_is_allowed_is_taken(client, texts):
    answer = client.post("/predict", json={"model": "names", "texts": texts})
    assert [one["text"] for one in answer.json()["records"]] == texts


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is empty"),
        (b"\xff{}", "it is not UTF-8"),
        (b'{"texts"', "not JSON"),
        (b"[]", "must be a mapping"),
        (b'{"model": "names", "texts": ["a"], "texts": ["b"]}', "'texts' is there twice"),
        (b'{"model": "names", "texts": ["a\\u0000"]}', "NUL"),
        (b'{"model": "names", "texts": ["\\ud83d"]}', "half of a surrogate pair"),
        (b'{"model": "names", "records": [{"words": NaN}]}', "NaN is no JSON value"),
        (b'{"model": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
    ],
)
def test_bodies_are_read_strictly(client, content, what):
    answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert what in answer.json()["errors"][0]["what"]
    assert answer.status_code == 422


def test_few_of_many_errors_are_said(client):
    """A body of a megabyte may have a hundred thousand."""
    answer = client.post("/predict", json=GOOD | {f"key{n}": n for n in range(1000)})
    said = [one["what"] for one in answer.json()["errors"]]
    assert said == [f"there is no key 'key{n}'" for n in range(20)]
    with pytest.raises(XltErrors) as caught:  # the others are not even made
        parse(json.dumps({f"key{n}": n for n in range(1000)}).encode(), Predict, LIMITS)
    assert len(caught.value.problems) == 20
    assert answer.status_code == 422
    several = refusal(XltErrors(XltError(str(n)) for n in range(30)))
    assert [one["what"] for one in json.loads(several.body)["errors"]] == list(map(str, range(20)))


def test_a_body_has_to_come_to_its_end(monkeypatch):
    monkeypatch.setattr(guard, "MAX_SECONDS", 0.01)
    headers = [(b"content-type", b"application/json")]

    async def receive() -> Any:
        await asyncio.sleep(20)

    request = Request({"type": "http", "headers": headers}, receive)
    with pytest.raises(TooSlow, match="not complete after"):
        asyncio.run(guard.body_of(request, 100))


def test_no_page_from_elsewhere_can_ask(client):
    """Of other types than JSON a browser asks no leave; and names lead here that are not ours."""
    content = json.dumps(GOOD)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/predict", content=content, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (415, "Content-Type")
    for host in ("evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", ""):
        answer = client.post("/predict", json=GOOD, headers={"host": host})
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (421, "Host")
    for host in ("127.0.0.1:80", "LOCALHOST", "[::1]:8000"):
        assert client.post("/predict", json=GOOD, headers={"host": host}).status_code == 200
    assert "access-control-allow-origin" not in client.options("/predict").headers


def test_a_server_for_others_has_any_name(models):
    app = make_app(models, LIMITS, local=False)
    assert TestClient(app, base_url="http://models.example").get("/docs").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/health", "/page.js", "/no", "/predict"])
def test_every_answer_is_guarded(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert ("script-src 'self'" in policy) == (path in ("/", "/docs"))


def test_paths_and_methods_that_are_not_there(client):
    answer = client.get("/predic")
    assert (answer.status_code, answer.json()["errors"][0]["fix"].partition("?")[0]) == (
        404,
        "did you mean '/predict'",
    )
    answer = client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["errors"][0]["fix"] == "send POST"
    answer = client.post("/predict/", json=GOOD, follow_redirects=False)
    assert (answer.status_code, len(answer.json()["errors"])) == (404, 1)


def test_a_text_is_never_a_path(client, models):
    secret = models["names"].folder / "xlt.json"
    text = str(secret)
    answer = client.post("/predict", json={**GOOD, "texts": [text]}).json()
    assert answer["records"][0]["text"] == text
    answer = client.post("/predict", json={**GOOD, "model": str(models["names"].folder)})
    assert answer.status_code == 422
    assert text not in client.get("/health").text


def test_health_says_what_there_is(client):
    health = client.get("/health").json()
    assert health["status"] == "UP"
    assert health["models"][0] == {
        "name": "names",
        "task": "ner",
        "languages": ["eng"],
        "takes": ["texts", "records", "conllu"],
        "texts": ["text"],
    }
    assert [one["takes"] for one in health["models"][1:3]] == [["texts", "conllu"], ["records"]]


def test_health_says_when_nothing_would_be_answered(models):
    """The thread that owns the models runs only within the application's lifespan."""
    ended = TestClient(make_app(models), base_url="http://localhost")
    for path in ("/health", "/label-studio/names/health"):
        answer = ended.get(path)
        assert answer.status_code == 503
        assert "thread" in answer.json()["errors"][0]["what"]


def test_a_full_queue_says_when_to_come_back(client, models):
    names = models["names"]
    names.go_on.clear()
    names.began.clear()
    answers: list[Any] = []

    def ask() -> None:
        answers.append(client.post("/predict", json=GOOD))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    try:
        asking[0].start()
        assert names.began.wait(20)  # it is taken, and the place in the queue is free
        for one in asking[1:]:  # one of them waits, the other is refused
            one.start()
        while not answers:
            time.sleep(0.001)
        (refused,) = answers
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "--max-waiting" in refused.json()["errors"][0]["fix"]
    finally:
        names.go_on.set()
        for one in asking:
            one.join()
    assert sorted(one.status_code for one in answers) == [200, 200, 503]


def test_a_bug_tells_nothing_of_the_text(client, models, caplog, monkeypatch):
    models["names"].fails = ValueError("a secret text")
    try:
        answer = client.post("/predict", json=GOOD)
    finally:
        models["names"].fails = None
    assert answer.status_code == 500
    assert answer.json()["errors"][0]["what"] == "this is a bug of the server: ValueError"
    assert "this is a bug: ValueError" in caplog.text
    assert "secret" not in caplog.text + answer.text
    models["names"].fails = ValueError("a secret text")
    monkeypatch.setattr(console, "debug", True)
    try:
        answer = client.post("/predict", json=GOOD)
    finally:
        models["names"].fails = None
    assert "a secret text" in caplog.text  # whoever runs it has asked for that
    assert "secret" not in answer.text
    assert client.post("/predict", json=GOOD).status_code == 200


async def asgi(app: Any, body: bytes, left: asyncio.Event, *, more: bool = False) -> int:
    """The status of the answer to a client who leaves when this says so; `more` of the body is to
    come then."""
    messages = iter([{"type": "http.request", "body": body, "more_body": more}])
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": "/predict", "raw_path": b"/predict",
        "query_string": b"", "root_path": "", "http_version": "1.1", "scheme": "http",
        "headers": headers,
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        if message := next(messages, None):
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"]


def test_what_was_asked_by_one_who_left_is_not_done(models):
    """The request is in the queue when its connection ends."""
    names, app = models["names"], make_app(models, LIMITS)

    async def both() -> tuple[int, int]:
        async with app.router.lifespan_context(app):
            stays, leaves = asyncio.Event(), asyncio.Event()
            first = asyncio.create_task(asgi(app, GONE, stays))
            assert await asyncio.to_thread(names.began.wait, 20)
            second = asyncio.create_task(asgi(app, GONE, leaves))
            await asyncio.sleep(0.01)
            leaves.set()
            left = await second
            names.go_on.set()
            return await first, left

    names.go_on.clear()
    names.began.clear()
    before = names.calls
    try:
        assert asyncio.run(both()) == (200, 499)
    finally:
        names.go_on.set()
    assert names.calls == before + 1  # all that was taken has been answered by now


def test_what_is_given_up_at_the_end_is_answered(models):
    """What takes longer than a server that ends waits for is cancelled by uvicorn."""
    names, app = models["names"], make_app(models, LIMITS)

    async def cancelled() -> int:
        async with app.router.lifespan_context(app):
            task = asyncio.create_task(asgi(app, GONE, asyncio.Event()))
            assert await asyncio.to_thread(names.began.wait, 20)
            task.cancel()
            status = await task
            names.go_on.set()
        return status

    names.go_on.clear()
    names.began.clear()
    try:
        assert asyncio.run(cancelled()) == 503
    finally:
        names.go_on.set()


def test_who_leaves_in_the_middle_of_a_request_is_no_bug(models, caplog):
    left = asyncio.Event()
    left.set()
    assert asyncio.run(asgi(make_app(models), GONE[:9], left, more=True)) == 499
    assert "bug" not in caplog.text


# Pages -------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_nothing_from_elsewhere(client, path):
    page = client.get(path)
    elements = Elements(page.text)
    named = [
        value
        for _, attributes in elements.found
        for name, value in attributes.items()
        if name in ("src", "href", "action")
    ]
    assert named
    assert not [one for one in named if "//" in one or one.startswith("/")]
    for one in named:
        assert client.get("/" + one).status_code == 200
    assert not [name for _, attributes in elements.found for name in attributes if name[:2] == "on"]
    assert "url(" not in page.text
    assert elements.all("html") == [{"lang": "en"}]


def test_the_page_lets_choose_and_type(client):
    elements = Elements(client.get("/").text)
    assert [one["value"] for one in elements.all("option")][:4] == [
        "names", "dependency_parsing", "nli", "event_extraction",
    ]  # fmt: skip
    takes = {one["value"]: one.get("data-fields") for one in elements.all("option")}
    assert takes["nli"] == "premise hypothesis"
    ids = {attributes.get("id") for _, attributes in elements.found}
    script = client.get("/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    for id in ("form", "model", "language", "inputs", "error", "views", "json", "copy"):
        assert id in ids
        assert f'by("{id}")' in script.text


def test_the_docs_name_every_path_and_key(client):
    docs, api = client.get("/docs").text, client.get("/openapi.json").json()
    assert api["paths"].keys() == {"/health", "/predict"}
    for path in api["paths"]:
        assert path in docs
    body = api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert list(body["schema"]["properties"]) == ["model", "language", "texts", "records", "conllu"]
    for key in body["schema"]["properties"]:
        assert f">{key}</th>" in docs
    assert {"200", "413", "415", "422", "503"} <= api["paths"]["/predict"]["post"][
        "responses"
    ].keys()


def test_a_view_marks_spans_and_escapes_the_text(client):
    text = "Budi <script>alert(1)</script> مكتب الأمم المتحدة في القاهرة"
    for model in ("names", "event_extraction", "dependency_parsing"):
        request = {"model": model, "language": "eng", "texts": [text]}
        answer = client.post("/view", json=request).json()
        plain = client.post("/predict", json=request).json()
        (view,) = answer.pop("views")
        assert answer == plain
        assert "<script" not in view
        assert "alert" in view
        elements = Elements(view)
        assert {one.get("dir") for one in elements.all("p") if one["class"] == "text"} == {"auto"}
        things = [one for layer in ("entities", "events", "tree") for one in
                  plain["records"][0].get(layer, ())]  # fmt: skip
        parts = [part for one in things for part in one.get("parts", ())]
        assert len(elements.all("tr")) == 1 + len(things) + len(parts)
        for one in things:
            assert f"{one['confidence']:.2f}" in view
        assert bool(elements.all("mark")) == (model != "dependency_parsing")
        assert bool(elements.all("svg")) == (model == "dependency_parsing")


def test_a_view_of_an_event_has_its_arguments():
    person = {"label": "PER", "start": 0, "end": 4, "text": "Budi", "confidence": 0.5}
    agent, thing = person | {"label": "Agent"}, {"label": "Patient", "start": 12, "end": 17}
    event = {"label": "Buy", "start": 5, "end": 11, "text": "bought", "confidence": 0.875}
    events = [{**event, "parts": [agent, {**thing, "text": "books"}]}]
    record = {"text": "Budi bought books", "entities": [person], "events": events}
    task = tasks.get("event_extraction")()
    lines, trees, rows = pages._view(task, record, (None, ()))  # type: ignore[arg-type]
    assert trees == []
    assert [(line.name, [tuple(one) for one in line.segments if one.state]) for line in lines] == [
        ("entities", [("Budi", "right", ["PER 0.50"])]),
        (
            "events",
            [
                ("Budi", "right", ["Agent 0.50"]),
                ("bought", "right", ["Buy 0.88"]),
                ("books", "right", ["Patient"]),
            ],
        ),
    ]
    assert rows == [
        ("entities", "PER", "Budi", "", "0.50", False),
        ("events", "Buy", "bought", "", "0.88", False),
        ("events", "Agent", "Budi", "bought", "0.50", True),
        ("events", "Patient", "books", "bought", "", True),
    ]


def test_a_view_of_a_tree_says_on_what_a_word_hangs():
    words = [
        {"id": 1, "head": 2, "label": "nsubj", "start": 0, "end": 4, "text": "Budi"},
        {"id": 2, "head": 0, "label": "root", "start": 5, "end": 7, "text": "ya"},
    ]
    task = tasks.get("dependency_parsing")()
    lines, _, rows = pages._view(task, {"text": "Budi ya", "tree": words}, (None, ()))  # type: ignore[arg-type]
    assert [[tuple(one) for one in line.segments] for line in lines] == [[("Budi ya", "", [])]]
    assert [(row.label, row.text, row.head) for row in rows] == [
        ("nsubj", "Budi", "ya"),
        ("root", "ya", ""),
    ]


def test_views_are_of_few_texts(client):
    """A tree is much larger than its sentence."""
    request = {"model": "names", "texts": ["Ya"] * 8}
    assert len(client.post("/view", json=request).json()["views"]) == 8
    request["texts"].append("Ya")
    assert client.post("/view", json=request).status_code == 413
    assert client.post("/predict", json=request).status_code == 200


def test_a_view_of_a_pair_has_both_texts_and_the_label(client):
    pair = {"premise": "Ana <i>sleeps</i>.", "hypothesis": "She does."}
    answer = client.post("/view", json={"model": "nli", "records": [pair]}).json()
    (view,) = answer["views"]
    assert "Ana &lt;i&gt;sleeps&lt;/i&gt;." in view
    assert "She does." in view
    assert answer["records"][0]["label"][0]["label"] in view


def test_a_view_of_a_text_in_which_nothing_is_found(client):
    (view,) = client.post("/view", json={"model": "names", "texts": [" "]}).json()["views"]
    assert "Nothing was found." in view
