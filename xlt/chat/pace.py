"""When the next request may be sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock


class Pace:
    """Turns for threads: so many a minute, and none while the service asks to wait.

    Of several that keep to different numbers at the same time, the lowest holds for all: it is
    what the service takes, whoever asks.

    clock: seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._between: list[float] = []
        self._clock = clock
        self._next = 0.0
        self._lock = Lock()

    @contextmanager
    def keeping(self, per_minute: float | None) -> Iterator[None]:
        """No more turns a minute than these within the block; None: as many as there are."""
        own = 0.0 if per_minute is None else 60.0 / per_minute
        with self._lock:
            self._between.append(own)
        try:
            yield
        finally:
            with self._lock:
                self._between.remove(own)

    def turn(self, wait: Callable[[float], object]) -> None:
        """Return when it is this thread's turn. wait: pauses for so many seconds."""
        with self._lock:
            at = max(self._clock(), self._next)
            self._next = at + max(self._between, default=0.0)
        seconds = at - self._clock()
        if seconds > 0:
            wait(seconds)

    def hold(self, seconds: float) -> None:
        """Give no turn for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds in a header `Retry-After`, which has these or a date (RFC 9110, 10.2.3).

    None without it, and for what is neither.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
