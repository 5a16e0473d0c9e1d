"""`xlt data check FILE`: what one should know of files of annotation before training on them.

Malformed records, a table of labels, labels that are rare or spelt alike, texts that are there
twice or in two files, words in another script than the language's; and, for an encoder, sentences
longer than it reads at once and subwords that it does not know.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import singledispatch
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from xlt import languages
from xlt.config.schema import Model
from xlt.data.inspection import normalised
from xlt.data.malformed import collect_malformed
from xlt.data.recognise import hinted, recognised
from xlt.document import Document, Label, Layer, Spans, Structures, Tags, Tree
from xlt.errors import XltError, flat
from xlt.reader_options import on_command_line, read_with
from xlt.scripts import COMMON, PARTS, name, scripts
from xlt.task import Task

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone

RARE = 10
"""Of a label that stands fewer times in all files a model learns little."""

ALIKE = 0.85
"""Of two labels' letters (Ratcliff and Obershelp, `difflib`): one may be a misspelling."""

MAX_FOREIGN_SHARE = 0.1
"""Of a sentence's letters in other scripts than the language's."""


@singledispatch
def labels_of(layer: Layer) -> Iterator[tuple[str, str]]:
    """The labels of a layer, each as often as it stands, with the part of the layer that it is of
    ("" or ".parts"); none of a kind that no function knows."""
    return iter(())


@labels_of.register
def _tags(layer: Tags) -> Iterator[tuple[str, str]]:
    return (("", tag) for tag in layer.tags if tag is not None)


@labels_of.register
def _spans(layer: Spans) -> Iterator[tuple[str, str]]:
    return (("", span.kind) for span in layer.spans)


@labels_of.register
def _structures(layer: Structures) -> Iterator[tuple[str, str]]:
    for head, parts in layer.structures:
        yield "", head.kind
        yield from ((".parts", part.kind) for part in parts)


@labels_of.register
def _tree(layer: Tree) -> Iterator[tuple[str, str]]:
    pairs = zip(layer.heads, layer.relations, strict=True)
    return (("", relation) for head, relation in pairs if head >= 0)


@labels_of.register
def _label(layer: Label) -> Iterator[tuple[str, str]]:
    return iter(() if layer.label is None else (("", layer.label),))


@dataclass
class FileReport:
    """What was found in one file.

    labels:    layer → label → how often it stands.
    malformed: all problems of its records.
    repeated:  records whose text an earlier one has; contradictory: those whose annotation is
        another one than the earlier one's.
    foreign:   ids of records that are largely in another script than the language's.
    long:      ids of records that are longer than the encoder reads at once; they are divided.
    texts:     digests of the records' texts.
    stopped:   where the reading ended before the end of the file; "" where it did not.
    """

    path: str
    records: int = 0
    words: int = 0
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    malformed: list[XltError] = field(default_factory=list)
    stopped: str = ""
    repeated: int = 0
    contradictory: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    scripts: Counter[str] = field(default_factory=Counter)
    long: list[str] = field(default_factory=list)
    unknown: float | None = None
    texts: set[bytes] = field(default_factory=set, repr=False)


def check_files(
    task: Task,
    paths: Sequence[str],
    *,
    language: str | None = None,
    input_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    encoder: str | None = None,
) -> dict[str, Any]:
    """What is to be said of files of a task's annotation, JSON-able.

    options: of the reader.
    Raises XltError for a format that the task cannot read, options that the reader lacks, and an
    encoder that is not here.
    """
    code = None if language is None else languages.code(language, where="--language")
    backbone = None if encoder is None else _backbone(encoder)
    reports = [_read(task, path, code, input_format, options or {}, backbone) for path in paths]
    overlaps = [
        {"first": one.path, "second": other.path, "texts": both}
        for one, other in combinations(reports, 2)
        if (both := len(one.texts & other.texts))
    ]
    labels: dict[str, dict[str, list[int]]] = {}
    for layer in dict.fromkeys(layer for report in reports for layer in report.labels):
        of_files = [report.labels.get(layer, Counter[str]()) for report in reports]
        every = sorted({label for counts in of_files for label in counts})
        labels[layer] = {label: [counts[label] for counts in of_files] for label in every}
    problems = [f"{r.path}: {len(r.malformed)} malformed record(s)" for r in reports if r.malformed]
    problems += [
        f"{r.path}: it cannot be read further than {r.stopped}; all figures are of what is before"
        for r in reports
        if r.stopped
    ]
    return {
        "files": [_as_json(report) for report in reports],
        "labels": labels,
        "overlaps": overlaps,
        "problems": problems,
        "notes": [
            *_about_labels(labels),
            *(note for report in reports for note in _about_file(report, code, backbone)),
            *(
                f"{one['texts']} texts of {one['second']} are in {one['first']} too"
                for one in overlaps
            ),
        ],
    }


def _backbone(encoder: str) -> Backbone:
    from xlt.model.backbone import Backbone  # needs PyTorch, and the rest does not

    try:
        options = Model(encoder=encoder)
    except ValidationError as error:
        raise XltError(
            f"no encoder is named {encoder[:40]!r}: {error.errors()[0]['msg']}",
            where="--encoder",
            fix="give a folder, a Hugging Face model id, or xlt-mini",
        ) from error
    backbone = Backbone(encoder, options)
    backbone.check_files()
    return backbone


def _read(
    task: Task,
    path: str,
    language: str | None,
    input_format: str | None,
    options: Mapping[str, Any],
    backbone: Backbone | None,
) -> FileReport:
    report = FileReport(path)
    format = task.format_of(Path(path), input_format)
    words: Counter[str] = Counter()
    first: dict[bytes, Document] = {}
    with collect_malformed() as malformed:
        try:
            for document in read_with(
                task,
                Path(path),
                format,
                options,
                where=lambda at: on_command_line(("options", *at)),
                language=language or "",
            ):
                _add(report, task, document, language, first)
                words.update(task.words(document))
                if backbone is not None and _is_long(task, document, backbone):
                    report.long.append(document.id)
        except XltError as error:
            if not report.records and not malformed:
                # Nothing can be read of it: the question is wrong, not the annotation.
                raise _asked_wrongly(error, task, path, input_format) from error
            malformed += flat(error)
            report.stopped = flat(error)[0].where or path
    if malformed and not report.records:
        wrongly = _asked_wrongly(malformed[0], task, path, input_format)
        if wrongly is not malformed[0]:
            raise wrongly
    report.malformed = list(malformed)
    report.words = words.total()
    if backbone is not None:
        from xlt.runs.coverage import unknown_subwords

        report.unknown, _ = unknown_subwords(words, backbone.tokenizer)
    return report


def _asked_wrongly(error: XltError, task: Task, path: str, declared: str | None) -> XltError:
    """The error of a file of which nothing can be read, with the format in which it could be."""
    formats = recognised(task, Path(path)) if declared is None else []
    return hinted(flat(error)[0], formats) if formats else error


def _add(
    report: FileReport,
    task: Task,
    document: Document,
    language: str | None,
    first: dict[bytes, Document],
) -> None:
    report.records += 1
    for layer, value in document.layers.items():
        for part, label in labels_of(value):
            report.labels.setdefault(layer + part, Counter())[label] += 1
    texts = [text.surface for text in task.given_texts(document)]
    digest = hashlib.blake2b(normalised(" ".join(texts)).encode(), digest_size=16).digest()
    if digest in first:
        report.repeated += 1
        if first[digest].words == document.words and first[digest].layers != document.layers:
            report.contradictory.append(document.id)
    first.setdefault(digest, document)
    report.texts.add(digest)
    own = scripts(texts)
    report.scripts.update(own)
    if language is not None and is_foreign(own, language):
        report.foreign.append(document.id)


def is_foreign(letters: Counter[str], language: str) -> bool:
    """Whether text is largely in other scripts than a language's.

    letters: script → how many of the text's letters are in it (`scripts`).
    """
    written = languages.script(language)
    if written is None or not letters:
        return False
    expected = {COMMON, *PARTS.get(written, (written,))}
    foreign = sum(count for code, count in letters.items() if code not in expected)
    return foreign / letters.total() > MAX_FOREIGN_SHARE


def _is_long(task: Task, document: Document, backbone: Backbone) -> bool:
    encoded = backbone.words(task.given_texts(document))
    return any(len(one.windows) > 1 for one in encoded)


def _about_labels(labels: Mapping[str, Mapping[str, Sequence[int]]]) -> Iterator[str]:
    """Labels that are rare, or may be the same."""
    for layer, of_layer in labels.items():
        totals = {label: sum(counts) for label, counts in of_layer.items()}
        for one, other in combinations(totals, 2):
            if _are_alike(one, other):
                yield (
                    f"{layer}: {one!r} ({totals[one]:,}) and {other!r} ({totals[other]:,}) are "
                    "spelt alike"
                )
        rare = [f"{label} ({total})" for label, total in totals.items() if total < RARE]
        if rare:
            yield f"{layer}: fewer than {RARE} times: {', '.join(rare)}"


def _are_alike(one: str, other: str) -> bool:
    a, b = normalised(one), normalised(other)
    return a == b or (
        min(len(a), len(b)) > 3 and SequenceMatcher(None, a, b, autojunk=False).ratio() >= ALIKE
    )


def _about_file(
    report: FileReport, language: str | None, backbone: Backbone | None
) -> Iterator[str]:
    if report.repeated:
        yield f"{report.path}: {report.repeated:,} records have a text that was there before"
    if report.contradictory:
        yield f"{report.path}: the same text has other labels in {_some(report.contradictory)}"
    if report.foreign and language is not None:
        written = languages.script(language) or ""
        there = ", ".join(f"{name(code)} {n:,}" for code, n in report.scripts.most_common(3))
        yield (
            f"{report.path}: {languages.name(language)} is written in {name(written)} letters, and "
            f"{_some(report.foreign)} are largely in others (letters: {there})"
        )
    if report.long and backbone is not None:
        yield (
            f"{report.path}: longer than the {backbone.max_length} subwords that the encoder reads "
            f"at once, so divided: {_some(report.long)}"
        )
    if report.unknown is None:
        return
    from xlt.runs.coverage import MAX_UNKNOWN_SHARE  # needs PyTorch, as the encoder did

    if report.unknown > MAX_UNKNOWN_SHARE:
        yield f"{report.path}: the encoder does not know {report.unknown:.1%} of the subwords"


def _some(ids: Sequence[str], most: int = 5) -> str:
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    return f"record{'s' if len(ids) > 1 else ''} {', '.join(ids[:most])}{more}"


def _as_json(report: FileReport) -> dict[str, Any]:
    return {
        "path": report.path,
        "records": report.records,
        "words": report.words,
        "repeated": report.repeated,
        "contradictory": report.contradictory,
        "scripts": dict(report.scripts.most_common()),
        "foreign": report.foreign,
        "long": report.long,
        "unknown_subwords": report.unknown,
        "stopped": report.stopped or None,
        "malformed": [{"what": p.what, "where": p.where, "fix": p.fix} for p in report.malformed],
    }
