"""Label Studio's requests: its tasks come in, and predictions go out as its own results.

What it sends is read, and what it gets is written, as by ``xlt predict`` with this format; so a
task is one text, whatever sentences it has.

https://labelstud.io/guide/ml_create
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from xml.parsers import expat

from pydantic import ConfigDict, Field

from xlt.data.files import STDIN, standing_in
from xlt.data.tools.formats import layers_of
from xlt.data.tools.label_studio import CONTROL
from xlt.document import Label, Structures
from xlt.errors import XltError
from xlt.model.tag_writer import types
from xlt.options import Section
from xlt.runs.annotate import Annotated
from xlt.runs.reading import Unit, read_units
from xlt.serve.limits import Limits
from xlt.serve.request import of_request
from xlt.task import Labels, Task

FORMAT = "label-studio"


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
    fields: dict[str, str] = {}  # of the texts, by their names
    for tag, own in elements:
        if tag == "Text" and own.get("value", "")[:1] == "$" and "name" in own:
            fields.setdefault(own["name"], own["value"].removeprefix("$"))
    for tag, own in elements:
        if tag == wanted and "name" in own and "toName" in own:
            to = own["toName"].partition(",")[0].strip()
            if to in fields:
                return Names(own["name"], to, fields[to])
    raise XltError(
        f"the labelling interface has no <{wanted}> of a <Text>",
        where="label_config",
        fix=f'add <{wanted} name="{CONTROL}" toName="{first}"> and '
        f'<Text name="{first}" value="${first}"/>',
    )


def check_labels(interface: str, task: Task, known: Labels) -> None:
    """Raise XltError where the labelling interface lacks labels that the model may predict.

    known: the model's. Of events nothing is said: they have labels for what is no region, too.
    """
    names, kinds = names_in(interface, task), layers_of(task).values()
    if not interface.strip() or any(issubclass(kind, Structures) for kind in kinds):
        return
    classes = all(issubclass(kind, Label) for kind in kinds)
    every = list(chain.from_iterable(known.values()))
    tag, values = ("Choice", every) if classes else ("Label", types(every))
    there = {
        text
        for element, own in _elements(interface)
        if element == tag
        for text in (own.get("value"), own.get("alias"))
    }
    if lacking := [value for value in dict.fromkeys(values) if value not in there]:
        raise XltError(
            f"the labelling interface has no label {', '.join(lacking)}, which the model may "
            "predict",
            where="schema",
            fix=f'add <{tag} value="{lacking[0]}"/> (and so on) to the element {names.control!r}',
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
    tasks: Sequence[Mapping[str, Any]],
    names: Names,
    task: Task,
    language: str | None,
    limits: Limits,
) -> list[Unit]:
    """A unit for each task of whose texts none is empty, its position as its id. Raises XltError as
    `xlt predict`."""
    first, *others = task.texts
    given = [
        {"id": n, "data": data}
        for n, data in enumerate(tasks)
        if not any(_is_empty(data.get(key)) for key in (names.field, *others))
    ]
    options = {"columns": {first: names.field}} if names.field != first else {}
    if not given:
        return []
    with of_request(), standing_in(json.dumps(given).encode(), "tasks"):
        units = list(read_units(task, STDIN, FORMAT, language, options))
    limits.check_units(units, "tasks")
    return units


def _is_empty(text: object) -> bool:
    return isinstance(text, str) and not text.strip()


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
        found[str(one["id"])] = {
            "result": prediction["result"],
            "score": prediction.get("score", 0.0),
        }
    return found
