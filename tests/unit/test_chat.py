"""The client of chat endpoints, against a server that misbehaves."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chat_server import KEY, ChatServer, chat_server
from pydantic import ValidationError

from xlt.chat import client as client_module
from xlt.chat import protocol
from xlt.chat.client import Client
from xlt.chat.cost import Usage, described
from xlt.chat.endpoint import Endpoint
from xlt.chat.pace import Pace, retry_after
from xlt.chat.post import Reply
from xlt.chat.protocol import MAX_SAID, Prompt
from xlt.errors import XltError
from xlt.permissions import allowing

SCHEMA = {"type": "object"}


def prompt(text: str) -> Prompt:
    return Prompt((("system", "Shout."), ("user", text)))


def client(server: ChatServer, folder: Path, **options) -> Client:
    return Client(server.endpoint(**options), path=folder / "answers.sqlite", pause=0.001)


def ask(one: Client, *texts: str) -> list[str]:
    with allowing("online"):
        return [answer.text for answer in one.ask([prompt(text) for text in texts])]


def test_an_answer_is_asked_for_once(tmp_path):
    with chat_server() as server:
        assert ask(client(server, tmp_path), "a", "b", "a") == ["A", "B", "A"]
        again = client(server, tmp_path)
        assert ask(again, "b", "c") == ["B", "C"]
        assert server.answered == {"a": 1, "b": 1, "c": 1}
        assert (again.tally.asked, again.tally.reused) == (1, 1)
        other = client(server, tmp_path, temperature=0.5)
        assert ask(other, "b") == ["B"]
    assert server.answered["b"] == 2
    body = server.bodies[0]
    assert body["messages"][0] == {"role": "system", "content": "Shout."}
    assert (body["temperature"], body["stream"], body["max_tokens"]) == (0.0, False, 1024)


FAULTS = [
    "status 500", "status 503", "status 429", "status 429 0", "broken JSON", "truncated", "reset",
    "no choices", "two choices",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_tried_again(fault, tmp_path):
    with chat_server(fault=lambda n, body: fault if n < 2 else None) as server:
        asked = client(server, tmp_path)
        assert ask(asked, "a") == ["A"]
    assert len(server.bodies) == 3
    ((reason, count),) = asked.tally.again.items()
    assert count == 2
    assert ("cut off after 20 of" in reason) == (fault == "truncated")
    assert asked.tally.failed == {}


def test_who_does_not_answer_in_time_is_asked_again(tmp_path):
    for fault in ("hangs", "drips"):
        with chat_server(fault=lambda n, body, f=fault: f if n == 0 else None) as server:
            asked = client(server, tmp_path / fault, timeout=0.3, tries=20)
            assert ask(asked, "a") == ["A"]
            assert any("no answer within 0.3 s" in reason for reason in asked.tally.again)


def test_no_more_is_read_than_an_answer_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "MAX_BYTES", 1 << 17)
    with chat_server(fault=lambda n, body: "endless") as server, allowing("online"):
        (answer,) = client(server, tmp_path).ask([prompt("a")])
        assert "more than 131,072 bytes" in answer.failed
    assert len(server.bodies) == 1


def test_a_request_is_tried_so_often_and_no_more(tmp_path):
    def fault(number, body):
        return "status 500" if body["messages"][-1]["content"] == "bad" else None

    with chat_server(fault=fault) as server, allowing("online"):
        asked = client(server, tmp_path, tries=3, concurrency=1)
        good, bad, last = asked.ask([prompt("good"), prompt("bad"), prompt("last")])
        assert (good.text, last.text) == ("GOOD", "LAST")
        assert bad.failed == "status 500, 3 times"
        assert len(server.bodies) == 5
        server.fault = lambda number, body: None
        assert client(server, tmp_path).ask([prompt("bad")])[0].text == "BAD", "never kept"


def test_a_service_that_is_down_ends_it_and_what_came_is_kept(tmp_path):
    texts = [f"text {n}" for n in range(100)]
    with chat_server(fault=lambda n, body: None if n < 20 else "status 500") as server:
        asked = client(server, tmp_path, tries=2, concurrency=2)
        with pytest.raises(XltError, match="none of the last 8 requests") as caught:
            ask(asked, *texts)
        assert caught.value.fix
        assert len(server.bodies) < 50
        server.fault = lambda n, body: None
        assert ask(client(server, tmp_path), *texts) == [text.upper() for text in texts]
    assert set(server.answered.values()) == {1}
    with pytest.raises(XltError, match="none of the last 8"):
        ask(client(server, tmp_path / "new", tries=1), *texts)  # nobody listens there now


@pytest.mark.parametrize(
    ("fault", "what", "where"),
    [
        ("status 401", "refuses the key", "endpoint.key_env"),
        ("status 404", "does not answer test", "endpoint"),
        ("redirect", "sends on to http://192.0.2.1/", "endpoint.base_url"),
        ("status 429 86400", "asks to wait for 86,400 s", "endpoint"),
    ],
)
def test_what_no_other_request_would_mend_ends_it(fault, what, where, tmp_path):
    with chat_server(fault=lambda n, body: fault) as server:
        with pytest.raises(XltError, match=what) as caught:
            ask(client(server, tmp_path, concurrency=1), "a", "b")
        assert caught.value.where == where
        assert len(server.bodies) == 1


def test_what_is_on_its_way_when_it_ends_is_kept(tmp_path):
    sent = threading.Event()

    def reply(body):
        if body["messages"][-1]["content"] == "slow":
            sent.wait(10)
        return "done"

    def fault(number, body):
        if body["messages"][-1]["content"] != "bad":
            return None
        threading.Timer(0.1, sent.set).start()
        return "status 401"

    with chat_server(reply, fault) as server:
        with pytest.raises(XltError, match="refuses the key"):
            ask(client(server, tmp_path, concurrency=2), "slow", "bad")
        assert ask(client(server, tmp_path), "slow") == ["done"]
    assert server.answered["slow"] == 1


class Clock:
    """Time that passes only while somebody waits for a turn."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """That of all clients."""
    clock = Clock()

    class Timed(Pace):
        def __init__(self):
            super().__init__(clock=clock)

        def turn(self, wait):
            super().turn(clock.wait)

    monkeypatch.setattr(client_module, "Pace", Timed)
    client_module._service.cache_clear()
    yield clock
    client_module._service.cache_clear()


def test_who_asks_to_wait_is_given_the_time(tmp_path, clock):
    with chat_server(fault=lambda n, body: "status 429 7" if n == 0 else None) as server:
        assert ask(client(server, tmp_path), "a") == ["A"]
    assert clock.now == 107


def test_failures_apart_from_each_other_end_nothing(tmp_path):
    with chat_server(fault=lambda n, body: "status 400" if n % 2 else None) as server:
        with allowing("online"):
            answers = client(server, tmp_path, concurrency=1).ask(
                [prompt(c) for c in "a" * 2 + "bcdefghijklmnopqrstuvwx"]
            )
        assert sum(answer.failed is not None for answer in answers) > client_module.MAX_FAILURES


def test_an_answer_in_another_form_is_another_answer(tmp_path):
    endpoint = Endpoint(base_url="http://host/v1", model="m")
    plain = Client(endpoint.model_copy(update={"structured": "none"}))
    messages = (("user", "a"),)
    keys = {
        Client(endpoint).key(Prompt(messages)),
        Client(endpoint).key(Prompt(messages, SCHEMA)),
        Client(endpoint).key(Prompt(messages, {"type": "array"})),
        plain.key(Prompt(messages, SCHEMA)),
        plain.key(Prompt((("system", "a"),))),
    }
    assert len(keys) == 5
    assert plain.key(Prompt(messages)) == Client(endpoint).key(Prompt(messages))


def test_no_more_is_spent_than_may_be(tmp_path):
    texts = [f"text {n}" for n in range(20)]
    with chat_server() as server:
        asked = client(server, tmp_path, concurrency=1, price_out=1.0, max_cost=5 * 7e-6)
        with pytest.raises(XltError, match="has been spent") as caught:
            ask(asked, *texts)
        assert caught.value.where == "endpoint.max_cost"
        assert len(server.bodies) == 5
        again = client(server, tmp_path, concurrency=1, price_out=1.0, max_cost=1.0)
        assert ask(again, *texts) == [text.upper() for text in texts]
    assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("fault", [None, "no usage"])
def test_what_may_be_spent_is_spent_by_all_clients_together(fault, tmp_path):
    with chat_server(fault=lambda n, body: fault) as server:
        limit = {"concurrency": 1, "price_out": 1.0, "max_cost": 1e-6}
        ask(client(server, tmp_path, **limit), "a")
        other = client(server, tmp_path, **limit)
        with pytest.raises(XltError, match="has been spent"):
            ask(other, "b")
        assert (other.tally.asked, len(server.bodies)) == (0, 1)


def test_turns_are_shared_by_all_clients_of_a_model(tmp_path, clock):
    with chat_server() as server:
        for texts, options, now in (
            ("ab", {"requests_per_minute": 30}, 102),
            ("cd", {"requests_per_minute": 6}, 114),
            ("e", {"model": "m"}, 114),  # its first
            ("fg", {"requests_per_minute": 30}, 126),
        ):
            asked = client(server, tmp_path, concurrency=1, **options)
            assert ask(asked, *texts) == [*texts.upper()]
            assert clock.now == now


def test_every_request_takes_a_turn(tmp_path, clock):
    with chat_server(fault=lambda n, body: "takes no response_format") as server:
        asked = client(server, tmp_path, requests_per_minute=30)
        with allowing("online"):
            asked.ask([Prompt((("user", "a"),), SCHEMA)])
    assert len(server.bodies) == 2
    assert clock.now == 102


@pytest.mark.parametrize("begins", [30, 37])
def test_of_a_key_that_is_cut_off_nothing_is_left(begins):
    choice = {"message": {"content": "x"}, "finish_reason": "f" * begins + KEY}
    body = json.dumps({"choices": [choice]}).encode()
    answer, _ = protocol.parse(Reply(200, {}, body), KEY)
    assert "sk-" not in answer.finish
    place = "http://h/" + "p" * (MAX_SAID - 49 + begins) + KEY
    endpoint = Endpoint(base_url="http://h/v1", model="m")
    error = protocol.redirected(endpoint, Reply(307, {"location": place}, b""), KEY, "endpoint")
    assert "sk-" not in error.what


def test_what_is_on_this_machine_is_asked_without_a_proxy(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with chat_server() as server:
        assert ask(client(server, tmp_path, tries=1), "a") == ["A"]


def test_nothing_is_sent_unasked(tmp_path):
    with chat_server() as server:
        asked = client(server, tmp_path)
        with pytest.raises(XltError, match=r"sends texts to 127\.0\.0\.1:.*consent") as caught:
            asked.ask([prompt("a")])
        assert "--allow online" in caught.value.fix
        assert server.bodies == []
        ask(asked, "a")
        assert asked.ask([prompt("a")])[0].text == "A", "what is known needs no consent"


def test_the_key_stands_in_nothing_that_is_written(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("CHAT_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    errors = []
    with chat_server(reply=lambda body: f"your key is {KEY}, is it?") as server:
        assert ask(client(server, tmp_path, key_env="CHAT_KEY"), "a") == [
            "your key is [key], is it?"
        ]
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        for fault in ("status 401", "status 400", "status 500", "redirect"):
            server.fault = lambda n, body, fault=fault: fault
            asked = client(server, tmp_path / fault, key_env="CHAT_KEY", tries=2)
            try:
                errors.append(str(ask(asked, *"abcdefghij")))
            except XltError as error:
                errors.append(error.render())
            errors.append(asked.summary())
    assert any("[key]" in text for text in errors)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    for text in [*errors, caplog.text]:
        assert KEY not in text
    for content in written:
        assert KEY.encode() not in content


@pytest.mark.parametrize("value", ["", "a b", "schlüssel", "a\nb"])
def test_a_key_that_is_none_is_an_error_without_it(value, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAT_KEY", value)
    with chat_server() as server:
        with pytest.raises(XltError, match="CHAT_KEY") as caught:
            ask(client(server, tmp_path, key_env="CHAT_KEY"), "a")
        assert caught.value.where == "endpoint.key_env"
        assert not value or value not in caught.value.render()
        assert server.bodies == []


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "ftp://host/v1"},
        {"base_url": "file:///etc/passwd"},
        {"base_url": f"http://me:{KEY}@host/v1"},
        {"base_url": f"http://host/v1?key={KEY}"},
        {"base_url": "http://host/v1/chat/completions"},
        {"base_url": "http:// host/v1"},
        {"base_url": "http://host:port/v1"},
        {"base_url": "host/v1"},
        {"key_env": KEY},
        {"key_env": "gsk_abcDEF123"},
        {"extra": {"stream": True}},
        {"max_cost": 1},
        {"concurrency": 0},
        {"tries": 0},
        {"requests_per_minute": 0},
        {"temperature": 3},
        {"unknown": 1},
    ],
)
def test_bad_options_are_refused_without_repeating_a_key(options):
    with pytest.raises(ValidationError) as caught:
        Endpoint(**{"base_url": "http://host/v1", "model": "m", **options})
    (problem,) = caught.value.errors()
    assert KEY not in problem["msg"]


def test_a_service_without_response_format_is_asked_without(tmp_path):
    with chat_server(fault=lambda n, body: "takes no response_format") as server:
        asked = client(server, tmp_path, concurrency=1, tries=1)
        with allowing("online"):
            for text in "ab":
                assert asked.ask([Prompt((("user", text),), SCHEMA)])[0].text == text.upper()
    assert ["response_format" in body for body in server.bodies] == [True, False, False]
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == SCHEMA


def test_turns_are_as_far_apart_as_asked_and_of_several_limits_the_lowest_holds_for_all():
    clock = Clock()

    def turns(number):
        times = []
        for _ in range(number):
            pace.turn(clock.wait)
            times.append(clock.now)
        return times

    pace = Pace(clock=clock)
    with pace.keeping(30):
        assert turns(2) == [100, 102]
        pace.hold(60)
        assert turns(2) == [162, 164]
        with pace.keeping(6), pace.keeping(None):
            assert turns(3) == [166, 176, 186]
        assert turns(2) == [196, 198], "who has gone slows nobody"
    assert turns(3) == [200, 200, 200]


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert retry_after("7", now) == 7
    assert retry_after("Thu, 01 Jan 2026 12:00:30 GMT", now) == 30
    assert retry_after("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    strange = "Thu, 01 Jan 2026 12:00:30 +9999999999999"
    assert [retry_after(one) for one in (None, "", "soon", "-1", strange)] == [None] * 5


def test_what_it_will_cost_and_what_it_has_cost(tmp_path):
    with chat_server(fault=lambda n, body: "no usage" if n == 2 else None) as server:
        asked = client(server, tmp_path, price_in=2.0, price_out=10.0, concurrency=1)
        prompts = [prompt("x" * 40), prompt("y" * 40)]
        expected = asked.expect([*prompts, prompts[0]], [7, 7, 7])
        assert expected == Usage(2 * (2 + 10 + 8), 14, answers=2)
        ask(asked, "x" * 40)
        assert asked.expect(prompts, [7, 7]).answers == 1
        ask(asked, "y" * 40, "z")
    usage = asked.tally.usage
    estimated = prompt("z").tokens, 1
    tokens = [a + b for a, b in zip(server.tokens, estimated, strict=True)]
    assert [usage.tokens_in, usage.tokens_out] == tokens
    assert (usage.answers, usage.unknown) == (3, 1)
    assert usage.cost(asked.endpoint) == pytest.approx((2 * tokens[0] + 10 * tokens[1]) / 1e6)
    assert "1 of 3 answers did not say" in described(usage, asked.endpoint)


@pytest.mark.parametrize("requests", [300, pytest.param(10_000, id="thorough")])
def test_of_many_requests_none_is_lost_and_none_doubled(requests, tmp_path):
    """5 % faults of all kinds, the first pass ended in the middle."""
    if requests > 1000 and not os.environ.get("XLT_THOROUGH"):
        pytest.skip("XLT_THOROUGH is not set")
    chance = random.Random(1)
    kinds = [fault for fault in FAULTS if fault != "status 429 0"]

    def fault(number, body):
        return chance.choice(kinds) if chance.random() < 0.05 else None

    texts = [f"text {n}" for n in range(requests)]
    with chat_server(fault=fault) as server:
        first = client(server, tmp_path, concurrency=8, tries=20)

        def stops(number, body):
            return "status 401" if number > requests // 2 else fault(number, body)

        server.fault = stops
        with pytest.raises(XltError, match="refuses the key"):
            ask(first, *texts)
        server.fault = fault
        second = client(server, tmp_path, concurrency=8, tries=20)
        assert ask(second, *texts) == [text.upper() for text in texts]
    assert server.answered == dict.fromkeys(texts, 1)
    assert second.tally.reused > requests // 4
    spent = first.tally.usage + second.tally.usage
    assert [spent.tokens_in, spent.tokens_out] == server.tokens
    assert sum(server.faults[kind] for kind in kinds) > requests * 0.02
