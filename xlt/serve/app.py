"""The server's paths: what each is asked, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from xlt import __version__
from xlt.errors import XltError, choose
from xlt.options import Section
from xlt.runs.annotate import Annotated, Annotator, record
from xlt.serve.backend import add_label_studio
from xlt.serve.guard import JSON, Guard
from xlt.serve.limits import Limits
from xlt.serve.pages import add_pages
from xlt.serve.request import Predict
from xlt.serve.service import Service, answer, refusal
from xlt.serve.worker import Worker


class Answer(BaseModel):
    """What a model says of a request."""

    model: str = Field(description="The name of the model.")
    language: str | None = Field(description="ISO 639-3; null where it is not known.")
    records: list[dict[str, Any]] = Field(
        description="One for each text, record or sentence, in order: its texts, and its layers "
        "with offsets in characters of the first, as `xlt predict --format standoff` writes it. Of "
        "questions, one for each answer: a record without answers has none, ids join the others."
    )


class Problem(BaseModel):
    """What is wrong, where in the request, and how to mend it."""

    what: str
    where: str | None
    fix: str | None


class Problems(BaseModel):
    """What is answered where something is wrong."""

    errors: list[Problem]


class Model(BaseModel):
    """A model that is served."""

    name: str
    task: str
    languages: list[str] = Field(description="Those that it is for, ISO 639-3.")
    takes: list[str] = Field(description="Keys under which a request may have what to annotate.")
    texts: list[str] = Field(description="The texts of a record.")


class Health(BaseModel):
    """That the server is there."""

    status: str
    models: list[Model]


_REFUSED: dict[int | str, dict[str, Any]] = {
    408: {"model": Problems, "description": "The request does not come to its end."},
    413: {"model": Problems, "description": "More than the server takes at once."},
    415: {"model": Problems, "description": "No JSON."},
    422: {"model": Problems, "description": "Not what the model takes."},
    503: {"model": Problems, "description": "Too many requests wait; try again later."},
}


def make_app(
    annotators: Mapping[str, Annotator], limits: Limits | None = None, *, local: bool = True
) -> FastAPI:
    """The server's application.

    annotators: the models, by the names under which they are asked for.
    local:      whether only the names of this machine itself are its own (`Guard`).
    """
    limits = limits or Limits()
    worker = Worker(limits.waiting)
    service = Service(annotators, limits, worker)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with worker:
            yield

    app = FastAPI(
        title="xlt",
        version=__version__,
        description="Annotates text with trained models.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirection would have no JSON
    )
    app.add_middleware(Guard, local=local)
    app.add_exception_handler(HTTPException, _http_error)

    async def health() -> Response:
        async def made() -> dict[str, Any]:
            worker.check()
            return {"status": "UP", "models": service.models()}

        return await answer(made())

    async def predict(request: Request) -> Response:
        return await answer(service.predict(request, records))

    app.add_api_route(
        "/health",
        health,
        summary="Whether the server is there, and its models",
        response_model=Health,
        responses={503: {"model": Problems, "description": "The models have ended."}},
    )
    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        summary="Annotate texts",
        response_model=Answer,
        responses=_REFUSED,
        openapi_extra={"requestBody": body_schema(Predict)},
    )
    add_label_studio(app, service)
    add_pages(app, service)
    return app


def body_schema(kind: type[Section]) -> dict[str, Any]:
    """What OpenAPI says of a body, which is not read by FastAPI."""
    return {"content": {JSON: {"schema": kind.model_json_schema()}}, "required": True}


def records(annotated: Sequence[Annotated], annotator: Annotator) -> dict[str, Any]:
    """What `/predict` answers, but for what was asked."""
    return {"records": [record(annotator.task, *one) for one in annotated]}


async def _http_error(request: Request, error: Exception) -> Response:
    """Of a path that is not there, or that does not take the method."""
    assert isinstance(error, HTTPException)
    path, methods = request.url.path, (error.headers or {}).get("Allow")
    paths = [*request.app.openapi()["paths"], "/", "/docs"]
    refused = refusal(
        XltError(
            f"{error.detail}: {request.method} {path!r:.60}",
            fix=f"send {methods}" if methods else choose(path, paths),
        ),
        error.status_code,
    )
    refused.headers.update(error.headers or {})
    return refused
