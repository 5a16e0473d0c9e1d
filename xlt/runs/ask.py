"""`xlt annotate`: text annotated by a large language model that is asked.

What comes out is silver: as good as the model, and no test data. Every answer is kept, so that the
same command again sends nothing, and what is interrupted goes on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt import languages
from xlt.chat.annotation import Question, Teacher, question
from xlt.chat.checked import Checked, ask_checked
from xlt.chat.client import Client
from xlt.chat.cost import described
from xlt.chat.protocol import Prompt
from xlt.document import Document, Label, Spans
from xlt.errors import XltError
from xlt.files import refuse_overwriting
from xlt.registry import tasks
from xlt.runs.acquisition import vectors
from xlt.runs.annotate import Annotated
from xlt.runs.evaluate import referenced
from xlt.runs.predict import (
    STANDOFF,
    check_target,
    open_target,
    output_format_of,
    write_annotated,
)
from xlt.runs.reading import Unit, files_of, files_read, read_units
from xlt.yaml.section import read_section

if TYPE_CHECKING:
    from xlt.task import Task
    from xlt.yaml.nodes import Node

log = logging.getLogger(__name__)

CHUNK = 1024
"""Records whose examples are looked for together."""

SIBLING = "another part of its record is left out"
"""Why what was annotated is left out, where a format takes whole records."""

EXAMPLE = "base_url: http://127.0.0.1:8080/v1"


def annotate(
    endpoint: Path,
    task_name: str,
    source: str | Sequence[str] = "-",
    output: str = "-",
    *,
    examples: str | None = None,
    examples_format: str | None = None,
    language: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Ask a model for the annotation of every record of `source`, and write what it says.

    endpoint: a file with a `Teacher`.
    source, output, input_format, output_format, options, limit: as of `xlt.runs.predict.predict`;
        the output is one file.
    examples: annotated data, as a reference; of these the most similar ones are shown.
    language: of the text.
    dry_run: say what it would take, and send nothing.

    Returns a report: what was annotated, what is left out and why, tokens and cost.
    Raises XltError as reading does; without consent (`online`); for a task that cannot be asked for
    (`xlt.chat.annotation.question`); and where nothing could be annotated.
    """
    teacher, written_at = read_section(endpoint, Teacher, EXAMPLE)
    kind: type[Task] = tasks.get(task_name, where="--task")
    task = kind()
    shown: Sequence[Document] = ()
    read_too: set[Path] = {endpoint}
    if examples is not None:
        data, shown, _ = referenced(
            task, (), examples,
            language=None, split=None, format=examples_format, options=None, default="train",
        )  # fmt: skip
        read_too |= files_read(task, map(str, data.files), data.format)
    asked = question(task, teacher, shown, endpoint)
    writing = output_format_of(task, output_format, output, (*task.writable(), STANDOFF))
    files = files_of(task, [source] if isinstance(source, str) else source, input_format)
    check_target(output, writing)  # before anything is asked, which may take hours and money
    if output != "-":
        refuse_overwriting(output, files_read(task, files, input_format) | read_too)
    units = _units(task, files, input_format, language, options, limit)
    documents = [document for unit in units for document in unit.documents]
    client = Client(teacher, where=str(endpoint))
    prompts = _prompts(asked, documents, shown, teacher)
    expected = client.expect(prompts, [asked.tokens(document) for document in documents])
    text = described(expected, teacher, about=True)
    log.info("%s: %s requests to send: %s", teacher.host, f"{expected.answers:,}", text)
    report = {
        "task": task.name,
        "model": teacher.model,
        "endpoint": teacher.host,
        "records": len(documents),
        "expected": {
            "requests": expected.answers,
            "tokens_in": expected.tokens_in,
            "tokens_out": expected.tokens_out,
            "cost": expected.cost(teacher),
        },
    }
    if dry_run:
        return report

    def read(n: int, answer: str) -> Document:
        return asked.read(documents[n], answer)

    try:
        results = ask_checked(client, prompts, read)
    except XltError as error:
        raise error.placed(lambda one: _place(one.where, endpoint, written_at)) from error
    annotated, left_out = _annotated(units, results, whole=writing == STANDOFF)
    if left_out and not annotated:
        # With records that are left out whole, some have a valid answer and no reason.
        reasons = Counter(
            (one.failed is not None, reason)
            for one in results
            if (reason := _reason(one)) is not None
        )
        ((failed, reason), _), *_ = reasons.most_common()
        raise XltError(
            f"no record could be annotated: {reason}",
            where=endpoint,
            fix="see that the service takes such requests; then the same command asks again"
            if failed
            else "try another model, or examples (--examples); what it has answered is kept",
        )
    with open_target(output, writing) as target:
        write_annotated(task, iter(annotated), target, writing)
    good = [document for _, documents in annotated for document in documents]
    tally = client.tally
    return report | {
        "output": output,
        "annotated": len(good),
        "left_out": left_out,
        "labels": dict(sorted(_labels(asked, good).items())),
        "requests": tally.asked,
        "reused": tally.reused,
        "invalid_answers": tally.invalid,
        "tokens_in": tally.usage.tokens_in,
        "tokens_out": tally.usage.tokens_out,
        "answers_without_tokens": tally.usage.unknown,
        "cost": tally.usage.cost(teacher),
        "summary": client.summary(),
    }


def _units(
    task: Task,
    files: Sequence[str],
    input_format: str | None,
    language: str | None,
    options: Mapping[str, Any] | None,
    limit: int | None,
) -> list[Unit]:
    """The units with text of all files, up to the limit. Raises XltError as `read_units`."""
    code = None if language is None else languages.code(language, where="--language")
    numbers = count(1)
    units: list[Unit] = []
    for file in files:
        for unit in read_units(task, file, input_format, code, options, numbers):
            if limit is not None and len(units) == limit:
                return units
            if unit.documents:
                units.append(unit)
    return units


def _prompts(
    asked: Question, documents: Sequence[Document], examples: Sequence[Document], teacher: Teacher
) -> list[Prompt]:
    """A prompt for each document, with the examples that are most like it, the nearest last.

    An example with the very text is not shown: its annotation would be the answer.
    """
    usable = [one for one in examples if asked.answer(one) is not None]
    texts = [asked.text(one) for one in usable]
    if not texts or not teacher.shots:
        return [asked.prompt(one, (), teacher.instructions) for one in documents]
    rows = vectors(texts)
    prompts = []
    for start in range(0, len(documents), CHUNK):
        some = documents[start : start + CHUNK]
        own = [asked.text(document) for document in some]
        # Rarity is that in the examples: what is shown with a text depends on no other text.
        similar = (vectors(own, among=texts) @ rows.T).toarray()
        for document, text, row in zip(some, own, similar, strict=True):
            nearest = np.argsort(-row, kind="stable")
            shots = [usable[n] for n in nearest if texts[n] != text][: teacher.shots]
            prompts.append(asked.prompt(document, shots[::-1], teacher.instructions))
    return prompts


def _annotated(
    units: Sequence[Unit], results: Sequence[Checked[Document]], *, whole: bool
) -> tuple[list[Annotated], list[dict[str, Any]]]:
    """The units with those of their documents that were annotated, and what is left out and why.

    whole: only units of which all were.
    """
    annotated: list[Annotated] = []
    left_out: list[dict[str, Any]] = []
    rest = iter(results)
    for unit in units:
        of_unit = [(document, next(rest)) for document in unit.documents]
        reasons = [_reason(one) for _, one in of_unit]
        if whole and any(reason is not None for reason in reasons):
            reasons = [SIBLING if reason is None else reason for reason in reasons]
        good = []
        for (document, one), reason in zip(of_unit, reasons, strict=True):
            if reason is not None:
                left_out.append({"id": document.id, "reason": reason})
            elif one.value is not None:
                good.append(one.value)
        if good:
            annotated.append((unit, good))
    return annotated, left_out


def _reason(one: Checked[Document]) -> str | None:
    """Why there is no valid answer."""
    return one.complaint if one.failed is None else one.failed


def _place(where: str | None, endpoint: Path, written_at: Node) -> str | None:
    """The line of a key of the teacher's file, which the client names as `FILE.KEY`."""
    if where is None or not where.startswith(f"{endpoint}."):
        return where
    key = where.removeprefix(f"{endpoint}.")
    node, _, _ = written_at.find((key,))
    return node.at.of(key)


def _labels(asked: Question, documents: Sequence[Document]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for document in documents:
        layer = document.layers[asked.layer]
        if isinstance(layer, Spans):
            counted.update(span.kind for span in layer.spans)
        elif isinstance(layer, Label) and layer.label is not None:
            counted[layer.label] += 1
    return counted
