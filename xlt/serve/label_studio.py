"""Label Studio's ML backend: its tasks come in, and predictions go out as its own results.

Label Studio adds paths to the URL that it is given: ``/label-studio`` where one model is served, or
``/label-studio/NAME``. What it sends is read, and what it gets is written, as by ``xlt predict``
with this format; so a task is one text, whatever sentences it has.

https://labelstud.io/guide/ml_create
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from xlt import __version__
from xlt.data.files import STDIN, standing_in
from xlt.data.tools.formats import layers_of
from xlt.data.tools.label_studio import CONTROL
from xlt.document import Label
from xlt.errors import XltError
from xlt.options import Section
from xlt.runs.annotate import Annotated, Annotator
from xlt.runs.reading import Unit, read_units
from xlt.serve.guard import body_of
from xlt.serve.limits import Limits, NotDone
from xlt.serve.request import chosen, parse
from xlt.serve.service import Service, answer
from xlt.serve.worker import Job
from xlt.task import Task

FORMAT = "label-studio"
PATHS = (f"/{FORMAT}", f"/{FORMAT}/{{model}}")


class Message(Section):
    """What Label Studio sends has more than is needed here, such as a token for its API."""

    model_config = ConfigDict(extra="ignore")


class Setup(Message):
    """What it says of a project when it is connected."""

    interface: str = Field("", alias="schema", description="The labelling interface, in XML.")


class One(Message):
    """A task of a project."""

    data: dict[str, Any] = Field(description="Its fields.")


class Predict(Message):
    """Tasks to predict."""

    tasks: list[One] = Field(description="Tasks of a project.")
    interface: str | None = Field(
        None, alias="label_config", description="The labelling interface, in XML."
    )


def add_label_studio(app: FastAPI, service: Service) -> None:
    """Let the application answer to Label Studio."""

    async def health(model: str | None = None) -> Response:
        async def made() -> dict[str, Any]:
            name, annotator = annotator_of(service, model)
            return {"status": "UP", "model_class": f"{annotator.task.name} ({name})"}

        return await answer(made())

    async def setup(request: Request, model: str | None = None) -> Response:
        async def made() -> dict[str, Any]:
            name, annotator = annotator_of(service, model)
            asked = parse(await body_of(request, service.limits.size), Setup)
            names_in(asked.interface, annotator.task)
            return {"model_version": version(name)}

        return await answer(made())

    async def predict(request: Request, model: str | None = None) -> Response:
        return await answer(predicted(service, request, model))

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


def annotator_of(service: Service, model: str | None) -> tuple[str, Annotator]:
    """The model of a path, with its name. Raises XltError where it is open, unknown, or predicts
    what Label Studio cannot show."""
    name = chosen(service.annotators, model)
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


async def predicted(service: Service, request: Request, model: str | None) -> dict[str, Any]:
    """What a model predicts of tasks, one result for each, in order."""
    name, annotator = annotator_of(service, model)
    asked = parse(await body_of(request, service.limits.size), Predict)
    names = names_in(asked.interface or "", annotator.task)
    tasks = [one.data for one in asked.tasks]
    service.limits.check_number(len(tasks), "tasks")
    job = Job(
        annotator,
        sum(len(str(data)) for data in tasks),
        lambda: read(tasks, names, annotator, service.limits),
        lambda annotated: results(annotated, names, annotator.task),
    )
    found = await service.done(request, job)
    nothing: dict[str, Any] = {"result": [], "score": 0.0}
    listed = [found.get(str(n), nothing) for n in range(len(tasks))]
    return {
        "results": [one | {"model_version": version(name)} for one in listed],
        "model_version": version(name),
    }


@dataclass(frozen=True)
class Names:
    """How a labelling interface calls things.

    control: the element that has the labels. to: the text that they stand on.
    field:   of the tasks' data, that holds that text.
    """

    control: str
    to: str
    field: str


def names_in(interface: str, task: Task) -> Names:
    """The names in a labelling interface; those that `xlt predict` writes where there is none.

    Raises XltError for what is no XML, and where it has no place for what the task predicts.
    """
    first = task.texts[0]
    if not interface.strip():
        return Names(CONTROL, first, first)
    classes = all(issubclass(kind, Label) for kind in layers_of(task).values())
    wanted = "Choices" if classes else "Labels"
    elements = _elements(interface)
    for tag, own in elements:
        if tag == wanted and "name" in own and "toName" in own:
            to = own["toName"].partition(",")[0].strip()
            fields = [
                one["value"].removeprefix("$")
                for kind, one in elements
                if kind == "Text" and one.get("name") == to and one.get("value", "")[:1] == "$"
            ]
            if fields:
                return Names(own["name"], to, fields[0])
    raise XltError(
        f"the labelling interface has no <{wanted}> of a <Text>",
        where="label_config",
        fix=f'add <{wanted} name="{CONTROL}" toName="{first}"> and '
        f'<Text name="{first}" value="${first}"/>',
    )


def _elements(interface: str) -> list[tuple[str, dict[str, str]]]:
    """The elements of an XML text, each with its attributes. Entities are not expanded."""
    found: list[tuple[str, dict[str, str]]] = []

    def refuse(*_: object) -> None:
        raise XltError(
            "the labelling interface declares a document type",
            where="label_config",
            fix="remove <!DOCTYPE …>",
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda tag, own: found.append((tag, own))
    try:
        parser.Parse(interface, True)
    except expat.ExpatError as error:
        raise XltError(
            f"the labelling interface is no XML: {error}",
            where="label_config",
            fix="copy it from the project's settings",
        ) from error
    return found


def read(
    tasks: Sequence[Mapping[str, Any]], names: Names, annotator: Annotator, limits: Limits
) -> list[Unit]:
    """A unit for each task with text, its position as its id. Raises XltError as `xlt predict`."""
    first = annotator.task.texts[0]
    given = [{"id": n, "data": data} for n, data in enumerate(tasks) if data.get(names.field) != ""]
    options = {"columns": {first: names.field}} if names.field != first else {}
    if not given:
        return []
    with standing_in(json.dumps(given).encode(), "tasks"):
        units = list(read_units(annotator.task, STDIN, FORMAT, annotator.language, options))
    limits.check_units(units, "tasks")
    return units


def results(annotated: Sequence[Annotated], names: Names, task: Task) -> dict[str, dict[str, Any]]:
    """Position of a task → its result and score, as Label Studio imports them."""
    stream = io.StringIO()
    documents = (document for _, some in annotated for document in some)
    task.write_any(documents, stream, FORMAT)
    found = {}
    for one in json.loads(stream.getvalue()):
        (prediction,) = one["predictions"]
        for result in prediction["result"]:
            if "from_name" in result:
                result |= {"from_name": names.control, "to_name": names.to}
        found[one["id"]] = {"result": prediction["result"], "score": prediction.get("score", 0.0)}
    return found
