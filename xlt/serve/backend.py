"""The paths at which the server is an ML backend of Label Studio.

Label Studio adds what it asks for to the URL that it is given: ``/label-studio`` where one model is
served, or ``/label-studio/NAME``.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from xlt import __version__
from xlt.errors import XltError
from xlt.runs.annotate import Annotator
from xlt.serve.guard import body_of
from xlt.serve.label_studio import FORMAT, Predict, Setup, check_labels, names_in, read, results
from xlt.serve.limits import NotDone
from xlt.serve.request import chosen, parse
from xlt.serve.service import Service, answer
from xlt.serve.worker import Job

PATHS = (f"/{FORMAT}", f"/{FORMAT}/{{model}}")


def add_label_studio(app: FastAPI, service: Service) -> None:
    """Let the application answer to Label Studio."""

    async def health(request: Request) -> Response:
        async def made() -> dict[str, Any]:
            service.worker.check()
            name, annotator = annotator_of(service, request)
            return {"status": "UP", "model_class": f"{annotator.task.name} ({name})"}

        return await answer(made())

    async def setup(request: Request) -> Response:
        async def made() -> dict[str, Any]:
            name, annotator = annotator_of(service, request)
            asked = parse(await body_of(request, service.limits.size), Setup, service.limits)
            check_labels(asked.interface, annotator.task, annotator.labels)
            return {"model_version": version(name)}

        return await answer(made())

    async def predict(request: Request) -> Response:
        return await answer(predicted(service, request))

    async def train() -> Response:
        async def made() -> dict[str, Any]:
            raise NotDone(
                "the server trains no model",
                fix="export the project as JSON, train with `format: label-studio` (`xlt train`), "
                "and serve the new run",
            )

        return await answer(made())

    for path in PATHS:
        app.add_api_route(f"{path}/health", health, include_in_schema=False)
        for end, endpoint in (
            ("setup", setup), ("predict", predict), ("train", train), ("webhook", train),
        ):  # fmt: skip
            app.add_api_route(f"{path}/{end}", endpoint, methods=["POST"], include_in_schema=False)


def annotator_of(service: Service, request: Request) -> tuple[str, Annotator]:
    """The model that a path names, with its name. Raises XltError where it is open, unknown, or
    predicts what Label Studio cannot show."""
    name = chosen(service.annotators, request.path_params.get("model"))
    annotator = service.annotators[name]
    if FORMAT not in annotator.task.writable():
        raise XltError(
            f"what {annotator.task.name} predicts cannot be shown in Label Studio",
            where="model",
            fix="ask for a model of entities, events or classes",
        )
    return name, annotator


def version(name: str) -> str:
    """By what Label Studio tells predictions of several models apart."""
    return f"{name} (xlt {__version__})"


async def predicted(service: Service, request: Request) -> dict[str, Any]:
    """What a model predicts of tasks, one result for each, in order."""
    name, annotator = annotator_of(service, request)
    asked = parse(await body_of(request, service.limits.size), Predict, service.limits)
    names = names_in(asked.interface or "", annotator.task)
    tasks = [one.data for one in asked.tasks]
    texts = [data.get(names.field) for data in tasks]
    service.limits.check_lengths([len(x) if isinstance(x, str) else 0 for x in texts], "tasks")
    job = Job(
        annotator,
        sum(len(str(data)) for data in tasks),
        lambda: read(tasks, names, annotator.task, annotator.language, service.limits),
        lambda annotated: results(annotated, names, annotator.task),
    )
    found = await service.done(request, job)
    nothing: dict[str, Any] = {"result": [], "score": 0.0}
    listed = [found.get(str(n), nothing) for n in range(len(tasks))]
    return {
        "results": [one | {"model_version": version(name)} for one in listed],
        "model_version": version(name),
    }
