"""From an HTTP request to a job for the models, and from what comes of it to an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from xlt.console import console
from xlt.errors import XltError, described
from xlt.runs.annotate import Annotated, Annotator
from xlt.serve.guard import body_of
from xlt.serve.limits import MAX_ERRORS, Busy, Down, Limits, NoJson, NotDone, TooLarge, TooSlow
from xlt.serve.request import (
    Predict,
    check,
    chosen,
    input_of,
    inputs_of,
    language_of,
    parse,
    read,
)
from xlt.serve.worker import Job, Worker

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_AFTER = 1
"""Seconds after which there may be a place in the queue."""

STATUS = {TooSlow: 408, TooLarge: 413, NoJson: 415, NotDone: 501, Busy: 503, Down: 503}
"""Of errors that are not 422: the request cannot be done as it is."""


@dataclass(frozen=True)
class Service:
    """annotators: the models, by the names under which they are asked for."""

    annotators: Mapping[str, Annotator]
    limits: Limits
    worker: Worker

    def models(self) -> list[dict[str, Any]]:
        """What there is to ask for."""
        return [
            {
                "name": name,
                "task": one.task.name,
                "languages": list(one.languages),
                "takes": inputs_of(one.task),
                "texts": list(one.task.texts),
            }
            for name, one in self.annotators.items()
        ]

    async def predict(
        self,
        request: Request,
        make: Callable[[Sequence[Annotated], Annotator], dict[str, Any]],
    ) -> dict[str, Any]:
        """Which model was asked, the texts' language, and what `make` makes of its predictions.

        Raises XltError for what cannot be done.
        """
        asked = parse(await body_of(request, self.limits.size), Predict, self.limits)
        name = chosen(self.annotators, asked.model)
        annotator = self.annotators[name]
        key = input_of(asked, annotator.task)
        language = language_of(asked.language, annotator)
        job = Job(
            annotator,
            check(asked, key, language, self.limits),
            lambda: read(asked, key, annotator.task, language, self.limits),
            lambda annotated: make(annotated, annotator),
        )
        made = await self.done(request, job)
        return {"model": name, "language": language, **made}

    async def done(self, request: Request, job: Job[T]) -> T:
        """What comes of the job. If nobody waits for it any more, it is not done, or not to its
        end.

        Raises what it raises, and Busy and Down.
        """
        future = asyncio.wrap_future(self.worker.submit(job))
        gone = asyncio.create_task(_disconnected(request))
        either: list[asyncio.Future[Any]] = [future, gone]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise Gone
            return future.result()
        except asyncio.CancelledError as error:  # by the server, once it has waited for `GRACE`
            raise Down("the server ends", fix="ask again once it has started anew") from error
        finally:
            gone.cancel()
            future.cancel()


class Gone(Exception):
    """Whoever asked has left."""


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def answer(made: Awaitable[dict[str, Any]]) -> Response:
    """The answer that this comes to, or why there is none."""
    try:
        return JSONResponse(await made)
    except XltError as error:
        return refusal(error)
    except (Gone, ClientDisconnect):
        return Response(status_code=499)  # which nobody reads
    except Exception as error:
        # Its message may hold text of the request, which is not to be in a log unasked.
        shown = error if console.debug else None
        log.error("this is a bug: %s", type(error).__name__, exc_info=shown)
        what = f"this is a bug of the server: {type(error).__name__}"
        return refusal(
            XltError(what, fix="tell who runs it: started with --debug, it prints where"), 500
        )


def refusal(error: XltError, status: int | None = None) -> Response:
    """The error as JSON, of many the first; by default with the status of its kind."""
    code = status or STATUS.get(type(error), 422)
    headers = {"retry-after": str(RETRY_AFTER)} if code == 503 else None
    listed = {"errors": described(error)["errors"][:MAX_ERRORS]}
    return JSONResponse(listed, code, headers)
