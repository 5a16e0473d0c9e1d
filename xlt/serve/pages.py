"""The pages of the server: one to try its models, and one that lists what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from xlt import __version__
from xlt.display import figure
from xlt.document import Tree
from xlt.html import macros, template
from xlt.report.record_view import Line, Mark, segments
from xlt.runs.annotate import Annotated, Annotator, record
from xlt.serve.guard import PAGE_POLICY
from xlt.serve.service import Service, answer
from xlt.task import Task, generated_texts, predicted_layers

MAX_TEXTS = 8
"""Of a request for views: a tree takes a thousand times the characters of its sentence."""


class Row(NamedTuple):
    """A thing that was predicted. part: whether it belongs to the one before."""

    layer: str
    label: str
    text: str
    head: str
    confidence: str
    part: bool = False


def add_pages(app: FastAPI, service: Service) -> None:
    """Let the application answer with pages, and with what they ask for."""
    listed = [
        one | {"fields": fields_of(service.annotators[one["name"]].task)}
        for one in service.models()
    ]
    first = template("serve").render(models=listed, version=__version__)

    few = replace(service.limits, texts=min(MAX_TEXTS, service.limits.texts))
    viewing = replace(service, limits=few)

    async def page() -> Response:
        return _page(first)

    async def script() -> Response:
        return Response(_script(), media_type="text/javascript")

    async def docs() -> Response:
        return _page(template("serve_docs").render(api=app.openapi(), version=__version__))

    async def view_of(request: Request) -> Response:
        return await answer(viewing.predict(request, view))

    for path, answers in (("/", page), ("/page.js", script), ("/docs", docs)):
        app.add_api_route(path, answers, include_in_schema=False)
    app.add_api_route("/view", view_of, methods=["POST"], include_in_schema=False)


def fields_of(task: Task) -> list[str]:
    """The texts that make a record for the task; none where it takes more than texts."""
    return [] if generated_texts(task) or task.reads else list(task.texts)


def _page(html: str) -> Response:
    return HTMLResponse(html, headers={"content-security-policy": PAGE_POLICY})


@cache
def _script() -> str:
    return (files("xlt") / "templates" / "serve.js").read_text(encoding="utf-8")


def view(annotated: Sequence[Annotated], annotator: Annotator) -> dict[str, Any]:
    """The records, and a view of each as HTML."""
    task = annotator.task
    records = [record(task, *one) for one in annotated]
    shown = zip(records, annotated, strict=True)
    views = [str(macros("serve_parts").record(*_view(task, *one))) for one in shown]
    return {"records": records, "views": views}


def _view(
    task: Task, record: Mapping[str, Any], annotated: Annotated
) -> tuple[list[Line], list[str], list[Row]]:
    """The texts of a record with marks, its trees, and all that was predicted."""
    first, *others = task.texts
    names = [name for name in predicted_layers(task) if name in record]
    trees = [name for name in names if issubclass(task.layers[name], Tree)]
    surface = record[first]
    marked = {name: list(_marks(record[name])) for name in names if name not in trees}
    marked = {name: marks for name, marks in marked.items() if marks} or {first: []}
    named = bool(others) or len(marked) > 1
    lines = [
        Line(name if named else "", segments(surface, marks, most=len(surface)))
        for name, marks in marked.items()
    ]
    lines += [Line(name, segments(record.get(name, ""), ())) for name in others]
    drawn = [figure(document, task, Counter()) for document in annotated[1]] if trees else []
    return lines, drawn, [row for name in names for row in _rows(name, record[name])]


def _marks(entries: Iterable[Mapping[str, Any]]) -> Iterator[Mark]:
    for entry in entries:
        if "start" in entry:
            label = " ".join(filter(None, (entry.get("label", ""), _confidence(entry))))
            yield Mark(entry["start"], entry["end"], label, False)
        yield from _marks(entry.get("parts", ()))


def _rows(layer: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    words = {entry["id"]: entry["text"] for entry in entries if "head" in entry}
    for entry in entries:
        head = words.get(entry.get("head"), "")
        yield _row(layer, entry, head)
        for part in entry.get("parts", ()):
            yield _row(layer, part, entry["text"])._replace(part=True)


def _row(layer: str, entry: Mapping[str, Any], head: str) -> Row:
    label, text = entry.get("label") or "", entry.get("text", "")
    return Row(layer, label, text, head, _confidence(entry))


def _confidence(entry: Mapping[str, Any]) -> str:
    return f"{entry['confidence']:.2f}" if "confidence" in entry else ""
