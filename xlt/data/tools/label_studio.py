"""Label Studio's JSON: an array of tasks, each with its data, annotations and predictions.

Regions of text (``labels``), relations between them and choices of a whole task are read; an answer
is a list of results, of which each says its type. What is written are tasks with predictions, which
Label Studio imports as pre-annotations; by their scores, means of confidences, it can sort tasks.

Offsets are characters; versions before 1.3 counted UTF-16 code units, which a region's own text
gives away.

https://labelstud.io/guide/export and /guide/predictions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from xlt import __version__
from xlt.data.fields import identifier, mapping, objects, required, text, texts
from xlt.data.jsonl import read_json_array, write_json_array
from xlt.data.numbers import integer
from xlt.data.tools.options import LabelStudioOptions
from xlt.data.tools.record import Link, Mark, Record, check_offsets
from xlt.data.tools.tool import TextTool
from xlt.errors import XltError, choose
from xlt.reader_options import advise

CONTROL = "label"
"""The name of the control in Label Studio's templates; that of the text is the data's field."""

WRITTEN_ANEW = {"id", "data", "annotations", "predictions", "drafts", "completions"}
"""Fields of a task that are not kept as they are: annotation stands on the text as it was."""

UNFINISHED = "tasks without an annotation are left out"
SKIPPED = "annotations that were skipped are left out"
SEVERAL = "tasks have several annotations, of which one is read"
UNLABELLED = "regions without a label are left out"
OTHER = "results of type {} are left out"


class LabelStudio(TextTool):
    """Reads an export in format JSON, and writes tasks with predictions."""

    written = ".json"
    pairs = True
    Options = LabelStudioOptions

    def raw(self, path: Path) -> Iterator[tuple[str, Any]]:
        for number, task in read_json_array(path):
            yield f"{path}:[{number}]", task

    def records(self, where: str, content: Any) -> Iterator[Record]:
        task: Mapping[str, Any] = content
        data = mapping(self._data(task, where), "`data`", where=where)
        names = {name: self.told.columns.get(name, name) for name in self.texts}
        given = {
            name: self.given(self._text(data, theirs, name, where), f"`data.{theirs}`", where=where)
            for name, theirs in names.items()
        }
        number = where.rpartition("[")[2].rstrip("]")
        id = identifier(task.get("id"), number, where=where)
        extra = {key: value for key, value in data.items() if key not in names.values()}
        around = {key: value for key, value in task.items() if key not in WRITTEN_ANEW}
        answers = self._answers(task, where)
        if not answers and not self.told.labelled:
            yield Record(id, given, where, extra=extra, around=around)
        if not answers and self.told.labelled:
            self.tally(UNFINISHED, where)
        for answer in answers:
            one = id if self.told.several != "all" else f"{id}#{answer.get('id', '')}"
            results = objects(required(answer, "result", where=where), "`result`", where=where)
            read = self._record(one, given, where, results, extra)
            yield replace(read, around=around)

    def _data(self, task: Mapping[str, Any], where: str) -> Any:
        if "data" not in task:
            raise XltError(
                "the field 'data' is missing",
                where=where,
                fix="export in the format JSON, not JSON-MIN or CSV",
            )
        return task["data"]

    def _text(self, data: Mapping[str, Any], theirs: str, ours: str, where: str) -> Any:
        if theirs not in data:
            raise XltError(
                f"`data` has no {theirs!r}",
                where=where,
                fix=f"{choose(theirs, map(str, data))}; {advise(f'columns: {{{ours}: THEIRS}}')}",
            )
        return data[theirs]

    def _answers(self, task: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
        """Those annotations, or predictions, that are to be read."""
        if self.told.predictions:
            return objects(task.get("predictions"), "`predictions`", where=where)[-1:]
        answers = []
        for answer in objects(task.get("annotations"), "`annotations`", where=where):
            if answer.get("was_cancelled"):
                self.tally(SKIPPED, where)
            elif self.told.annotator in (None, *_names(answer.get("completed_by"))):
                answers.append(answer)
        if self.told.several == "all":
            return answers
        true = [answer for answer in answers if answer.get("ground_truth")]
        answers = true or answers
        if len(answers) > 1:
            self.tally(SEVERAL, where)
        return answers[:1] if self.told.several == "first" else answers[-1:]

    def _record(
        self,
        id: str,
        given: Mapping[str, str],
        where: str,
        results: list[dict[str, Any]],
        extra: Mapping[str, Any],
    ) -> Record:
        surface = next(iter(given.values()))
        marks: list[Mark] = []
        numbers: dict[str, list[int]] = {}
        classes: list[str] = []
        relations = []
        for result in results:
            kind = result.get("type")
            if kind == "relation":
                relations.append(result)
                continue
            value = mapping(required(result, "value", where=where), "`value`", where=where)
            if kind == "choices" and "start" not in value:
                found = texts(value.get("choices"), "`choices`", where=where)
                classes += [text(one, "a choice", where=where) for one in found]
            elif kind == "labels":
                found = texts(value.get("labels", []), "`labels`", where=where)
                if not found:
                    self.tally(UNLABELLED, where)
                    continue
                place = self._place(value, surface, where)
                region = identifier(result.get("id"), f"#{len(marks)}", where=where)
                for label in found:
                    numbers.setdefault(region, []).append(len(marks))
                    marks.append(Mark(text(label, "a label", where=where), (place,)))
            else:
                self.tally(OTHER.format(f"{kind!r:.40}"), where)
        links = [link for relation in relations for link in self._links(relation, numbers, where)]
        return Record(id, given, where, tuple(marks), tuple(links), None, tuple(classes), extra)

    def _place(self, value: Mapping[str, Any], surface: str, where: str) -> tuple[int, int]:
        start, end = (
            integer(required(value, key, where=where), f"`{key}` of a region", where=where)
            for key in ("start", "end")
        )
        own = value.get("text")
        if own is None:
            return check_offsets(start, end, surface, where=where)
        own = text(own, "`text` of a region", where=where)
        if own.strip() not in surface:  # line ends are shown as they are escaped
            own = own.replace("\\n", "\n")
        own, start = self.locate(own, start, surface, where=where)
        return start, start + len(own)

    def _links(
        self, relation: Mapping[str, Any], numbers: Mapping[str, list[int]], where: str
    ) -> Iterator[Link]:
        ends = []
        for key in ("from_id", "to_id"):
            region = identifier(required(relation, key, where=where), "", where=where)
            if region not in numbers:
                self.tally("relations of what is no labelled region are left out", where)
                return
            ends.append(numbers[region][0])
        if relation.get("direction") == "left":
            ends.reverse()
        for label in texts(relation.get("labels") or ["relation"], "`labels`", where=where):
            yield Link(text(label, "a label of a relation", where=where), *ends)

    @classmethod
    def write(cls, records: Iterable[Record], stream: TextIO) -> None:
        write_json_array(map(_task, records), stream)


def _names(by: Any) -> tuple[str, ...]:
    """What an annotator may be called: the id, or the e-mail address where the file has it."""
    if isinstance(by, dict):
        return tuple(str(by[key]) for key in ("id", "email") if key in by)
    return (str(by),)


def _task(record: Record) -> dict[str, Any]:
    """A task with one prediction."""
    to = next(iter(record.texts))
    results: list[dict[str, Any]] = [
        {
            "id": f"m{number}",
            "from_name": CONTROL,
            "to_name": to,
            "type": "labels",
            "value": {
                "start": mark.start,
                "end": mark.end,
                "text": record.text[mark.start : mark.end],
                "labels": [mark.kind],
            },
        }
        for number, mark in enumerate(record.marks)
    ]
    results += [
        {
            "type": "relation",
            "from_id": f"m{link.head}",
            "to_id": f"m{link.dependent}",
            "direction": "right",
            "labels": [link.kind],
        }
        for link in record.links
    ]
    if record.classes:
        value = {"choices": list(record.classes)}
        results.append(
            {"id": "c", "from_name": CONTROL, "to_name": to, "type": "choices", "value": value}
        )
    prediction: dict[str, Any] = {"model_version": f"xlt {__version__}", "result": results}
    if record.score is not None:
        prediction["score"] = record.score
    data = {**record.extra, **record.texts}
    return {**record.around, "id": record.id, "data": data, "predictions": [prediction]}
