"""Many requests to one endpoint: paced, tried again, each answer kept as it comes.

An answer is kept in SQLite under all that it depends on (endpoint, model, settings, messages), by
the thread that asked for it, before the next is waited for: what was paid for is paid for once,
whatever ends the process, and the same request again sends nothing.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Event, Lock

from xlt.chat import protocol
from xlt.chat.cost import Usage, approximate, described
from xlt.chat.endpoint import Endpoint
from xlt.chat.pace import Pace, retry_after
from xlt.chat.post import NoReplyError, Reply
from xlt.chat.protocol import Answer, Prompt
from xlt.data.checksums import cache_dir
from xlt.data.text_store import TextStore, content_key
from xlt.errors import XltError
from xlt.permissions import ONLINE, Request, given, require

log = logging.getLogger(__name__)

MAX_FAILURES = 8
"""Requests in a row without an answer after which no more are sent."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled for each further one, up to `MAX_PAUSE`."""
MAX_PAUSE = 60.0
MAX_WAIT = 600.0
"""Seconds that a service may ask to wait; who asks for more is not asked again."""
MAX_REASONS = 5
"""Reasons that a summary names."""
MIN_LOG_INTERVAL = 20.0

_AGAIN = frozenset({408, 409, 425, 429})
_FATAL = frozenset({401, 402, 403, 404, 405})


class Answers(TextStore):
    """A file of answers, by default ``answers.sqlite`` in the cache. shared: as of `TextStore`."""

    what = "answers"
    made_again = "asked for again"

    def __init__(self, path: Path | None = None, *, shared: bool = False) -> None:
        super().__init__(path or cache_dir() / "answers.sqlite", shared=shared)


class _Service:
    """What all clients of a model behind an endpoint share within this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spent = Usage()
        self.pace = Pace()

    def spend(self, usage: Usage) -> None:
        with self._lock:
            self._spent += usage

    @property
    def spent(self) -> Usage:
        """What their requests took so far."""
        with self._lock:
            return self._spent


@cache
def _service(base_url: str, model: str) -> _Service:
    return _Service()


@dataclass
class Tally:
    """What has come of the requests of a client so far.

    reused:  answers that were there already.
    again:   attempts that had to be repeated, by reason.
    failed:  requests that stay without an answer, by reason.
    invalid, unusable: answers that say nothing usable, and those of them that were the last
        (`xlt.chat.checked`).
    """

    usage: Usage = field(default_factory=Usage)
    asked: int = 0
    reused: int = 0
    again: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    invalid: int = 0
    unusable: int = 0


class _Refused(Exception):
    """A request that no attempt will have answered. ends: nor will any other request be."""

    def __init__(self, reason: str, *, ends: XltError | None = None) -> None:
        super().__init__(reason)
        self.ends = ends


class Client:
    """Asks an endpoint.

    Turns (`requests_per_minute`, `Retry-After`) and what is spent (`max_cost`) are shared by all
    clients of a model in this process; of those that ask at the same time, the lowest
    `requests_per_minute` holds for all. The tally is of this one.

    path:  of the answers that are kept, by default those of `Answers`.
    where: of the endpoint in a config, for errors.
    pause: for tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        path: Path | None = None,
        where: str = "endpoint",
        pause: float = PAUSE,
    ) -> None:
        self.endpoint, self.where = endpoint, where
        self.path = path
        self.tally = Tally()
        self._pause = pause
        self._stop = Event()
        self._service = _service(endpoint.base_url, endpoint.model)
        self._pace = self._service.pace
        self._lock = Lock()
        self._plain = False
        self._failures = 0

    def key(self, prompt: Prompt) -> bytes:
        """What the answer to a prompt is filed under."""
        asked = {"messages": prompt.messages, **self.endpoint.answers_of()}
        if prompt.schema is not None:
            asked |= {"schema": prompt.schema, "structured": self.endpoint.structured}
        return content_key(json.dumps(asked, sort_keys=True, ensure_ascii=True))

    def known(self, prompts: Sequence[Prompt]) -> set[bytes]:
        """The keys of those prompts that have been answered."""
        with Answers(self.path) as answers:
            return set(answers.known([self.key(one) for one in prompts]))

    def expect(self, prompts: Sequence[Prompt], tokens_out: Sequence[int]) -> Usage:
        """About what asking these takes; those with an answer, and repeated ones, take nothing.

        tokens_out: about how many each answer will have.
        """
        keys = [self.key(one) for one in prompts]
        missing = dict(zip(keys, zip(prompts, tokens_out, strict=True), strict=True))
        for known in self.known(prompts):
            missing.pop(known, None)
        return Usage(
            sum(one.tokens for one, _ in missing.values()),
            sum(tokens for _, tokens in missing.values()),
            answers=len(missing),
        )

    def ask(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """The answers, in order; equal prompts are asked once, answered ones not at all.

        Raises XltError without consent (`xlt.permissions`), before anything is sent; for a key
        that is not there; and where the service answers no request, or asks to wait for long. What
        was answered until then is kept.
        """
        keys = [self.key(one) for one in prompts]
        with Answers(self.path) as store:
            done = {key: _read(text) for key, (text, _) in store.known(keys).items()}
            missing = {k: p for k, p in zip(keys, prompts, strict=True) if k not in done}
            self.tally.reused += len(done)
            if missing:
                if ONLINE not in given():  # whoever was asked before is not asked again
                    what = f"sends texts to {self.endpoint.recipient}"
                    require([Request(ONLINE, what, self.where)])
                key = self._key()
                with self._pace.keeping(self.endpoint.requests_per_minute):
                    for answered, answer in self._answers(missing, key, store):
                        done[answered] = answer
        return [done[one] for one in keys]

    def summary(self) -> str:
        """What was asked so far, for people."""
        tally = self.tally
        parts = [f"{tally.asked:,} requests, {tally.reused:,} answered before"]
        if tally.usage.answers:
            parts.append(described(tally.usage, self.endpoint))
        if tally.invalid:
            parts.append(f"{tally.invalid:,} invalid answers, {tally.unusable:,} to the last")
        for what, counted in (("tried again", tally.again), ("failed", tally.failed)):
            often = sorted(counted.items(), key=lambda one: -one[1])[:MAX_REASONS]
            parts += [f"{count:,} {what}: {why}" for why, count in often]
        return "; ".join(parts)

    def _key(self) -> str | None:
        try:
            key = self.endpoint.key()
        except XltError as error:
            raise error.at(f"{self.where}.key_env") from error
        if key and self.endpoint.base_url.startswith("http:") and not self.endpoint.is_local:
            log.warning("warning: the key goes to %s unencrypted (http)", self.endpoint.host)
        return key

    # Threads -------------------------------------------------------------------------------

    def _answers(
        self, missing: Mapping[bytes, Prompt], key: str | None, store: Answers
    ) -> Iterator[tuple[bytes, Answer]]:
        """Every answer as it comes and is kept. What is on its way is waited for in any case."""
        waiting = iter(missing.items())
        running: dict[Future[Answer], bytes] = {}
        self._stop.clear()
        said = time.monotonic()
        done = 0
        with ThreadPoolExecutor(self.endpoint.concurrency) as pool:
            try:
                while True:
                    while len(running) < self.endpoint.concurrency:
                        found = next(waiting, None)
                        if found is None:
                            break
                        self._check_cost()
                        running[pool.submit(self._answer, found[1], key, found[0])] = found[0]
                    if not running:
                        return
                    ready, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in ready:
                        asked = running.pop(future)
                        yield asked, self._kept(asked, future, store)
                        done += 1
                    if time.monotonic() - said >= MIN_LOG_INTERVAL:
                        said = time.monotonic()
                        log.info("%d of %d answers: %s", done, len(missing), self.summary())
            finally:
                self._stop.set()  # nothing is tried again
                for future, asked in running.items():
                    if not future.cancel() and future.exception() is None:
                        self._keep(asked, future.result(), store)

    def _check_cost(self) -> None:
        """Raises XltError where what came has cost as much as it may."""
        limit, cost = self.endpoint.max_cost, self._service.spent.cost(self.endpoint)
        if limit is not None and cost is not None and cost >= limit:
            raise XltError(
                f"{cost:,.4f} has been spent, and no more than {limit:,g} was to be",
                where=f"{self.where}.max_cost",
                fix="raise it; the same command goes on, for every answer so far is kept",
            )

    def _kept(self, asked: bytes, future: Future[Answer], store: Answers) -> Answer:
        """An answer that is kept; one without text where the request failed.

        Raises XltError where no other request is to be sent.
        """
        self.tally.asked += 1
        try:
            answer = future.result()
        except _Refused as refused:
            reason = str(refused)
            self.tally.failed[reason] = self.tally.failed.get(reason, 0) + 1
            self._failures += 1
            if refused.ends is not None:
                raise refused.ends from refused
            if self._failures >= MAX_FAILURES:
                raise XltError(
                    f"{self.endpoint.host} has answered none of the last {MAX_FAILURES} requests: "
                    f"{reason}",
                    where=self.where,
                    fix="see that the service runs and takes such requests; then the same command "
                    "goes on, for every answer so far is kept",
                ) from refused
            return Answer("", failed=reason)
        self._failures = 0
        return self._keep(asked, answer, store)

    def _keep(self, asked: bytes, answer: Answer, store: Answers) -> Answer:
        text = json.dumps({"text": answer.text, "finish": answer.finish}, ensure_ascii=True)
        there = store.keep({asked: (text, None)})
        return _read(there[asked][0]) if asked in there else answer

    def _answer(self, prompt: Prompt, key: str | None, asked: bytes) -> Answer:
        """The answer, after as many attempts as it takes and there may be. Raises _Refused."""
        jitter = random.Random(asked)
        reason = ""
        for attempt in range(self.endpoint.tries):
            if attempt:
                with self._lock:
                    self.tally.again[reason] = self.tally.again.get(reason, 0) + 1
                pause = min(MAX_PAUSE, self._pause * 2 ** (attempt - 1))
                self._stop.wait(pause * (0.5 + jitter.random() / 2))
            self._pace.turn(self._stop.wait)
            if self._stop.is_set():
                raise _Refused(reason or "not sent")
            plain = self._plain or prompt.schema is None
            try:
                reply = protocol.send(self.endpoint, prompt, key, plain=plain)
                if not plain and protocol.is_about_format(reply, key):
                    # The instructions alone say what the answer is to look like.
                    self._plain = True
                    log.info("%s takes no `response_format`: asked without", self.endpoint.host)
                    self._pace.turn(self._stop.wait)
                    reply = protocol.send(self.endpoint, prompt, key, plain=True)
            except NoReplyError as error:
                reason = protocol.without(str(error), key)
                if error.lasting:
                    raise _Refused(reason) from error
                continue
            if 300 <= reply.status < 400:
                raise _Refused(
                    "a redirect", ends=protocol.redirected(self.endpoint, reply, key, self.where)
                )
            if reply.status == 200:
                found, usage = protocol.parse(reply, key)
                if usage.unknown:
                    said = approximate([found.text]) if isinstance(found, Answer) else 0
                    usage = replace(usage, tokens_in=prompt.tokens, tokens_out=said)
                self._service.spend(usage)
                with self._lock:
                    self.tally.usage += usage
                if isinstance(found, Answer):
                    return found
                reason = found
                continue
            why = protocol.message(reply, key)
            reason = f"status {reply.status}" + (f" ({why})" if why else "")
            if reply.status in _AGAIN or reply.status >= 500:
                reason = f"status {reply.status}"
                self._hold(reply, reason)
                continue
            if reply.status in _FATAL:
                raise _Refused(
                    reason, ends=protocol.unusable(self.endpoint, reply.status, reason, self.where)
                )
            raise _Refused(reason)
        raise _Refused(f"{reason}, {self.endpoint.tries} times")

    def _hold(self, reply: Reply, reason: str) -> None:
        """Let all requests wait for as long as the service asks."""
        seconds = retry_after(reply.headers.get("retry-after"))
        if seconds is None:
            return
        if seconds > MAX_WAIT:
            raise _Refused(
                reason,
                ends=XltError(
                    f"{self.endpoint.host} asks to wait for {seconds:,.0f} s ({reason})",
                    where=self.where,
                    fix="run the same command then: it goes on, for every answer so far is kept",
                ),
            )
        self._pace.hold(seconds)


def _read(kept: str) -> Answer:
    value = json.loads(kept)
    return Answer(value["text"], value["finish"])
