"""`xlt select`: the texts that are worth correcting first, with what a model predicts in them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xlt.data.files import label
from xlt.data.tools.layers import FIELDS
from xlt.data.tools.prodigy import meta_of
from xlt.document import Document
from xlt.errors import XltError, choose
from xlt.files import refuse_overwriting
from xlt.runs.acquisition import (
    BY_CONFIDENCE,
    BY_SIMILARITY,
    WAYS,
    Pick,
    expected_errors,
    greedy,
    values,
    vectors,
)
from xlt.runs.predict import FileAnnotator, open_target, output_format_of
from xlt.runs.reading import Unit, files_read

log = logging.getLogger(__name__)

USUAL = "label-studio"
"""The format that is written where nothing says which, by tasks whose annotation it can hold."""

FIELD = "selection"
"""Where a text stands in the files of annotation tools why it was chosen."""


def select(
    model: Path,
    source: str | Sequence[str] = "-",
    output: str = "-",
    *,
    number: int = 100,
    by: str = "mixed",
    max_words: int | None = None,
    language: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 1,
    batch_tokens: int = 8192,
    quiet: bool = False,
) -> dict[str, Any]:
    """Read `source`, annotate it, and write the texts that are worth correcting first, the best
    first; all are held in memory.

    model, source, language, input_format, options: as of `xlt.runs.predict.predict`.
    output: a file or "-".
    number: how many to choose; there are fewer where the others are near duplicates of these.
    by: ``mixed``, most expected errors a word (`acquisition.values`) times 1 − the similarity to
        what is chosen; ``uncertainty``, the errors alone; ``diversity``, the similarity alone; or
        ``random``.
    max_words: of all that are chosen together.
    output_format: a format of the task or of an annotation tool; by default what the output's
        suffix says, or ``label-studio`` if that can hold the annotation. In the tools' files each
        text has in the field ``selection`` (of Prodigy: in ``meta``) its rank, score, number of
        words, expected errors and where it was read.
    seed: of the random choice, and between texts that are worth the same.

    Returns how many were chosen, how many words they have, and of how many they were chosen.
    Raises XltError as `predict` does; for a model without confidences, unless `by` needs none; and
    for an output that is a file of the input.
    """
    if by not in WAYS:
        raise XltError(f"nothing is chosen by {by!r}", where="--by", fix=choose(by, WAYS))
    annotator = FileAnnotator(
        model,
        source,
        language=language,
        input_format=input_format,
        options=options,
        batch_tokens=batch_tokens,
    )
    task = annotator.task
    if by in BY_CONFIDENCE and not annotator.sure:
        raise XltError(
            f"this model does not say how sure it is of what it predicts ({task.name})",
            where="--by",
            fix="pass --by diversity or --by random",
        )
    formats = [*task.writable()]
    format = output_format_of(
        task, output_format, output, formats, otherwise=USUAL if USUAL in formats else None
    )
    if output != "-":
        refuse_overwriting(output, files_read(task, annotator.files, input_format))
    with open_target(output, format) as target:  # which says at once if it cannot be
        documents: list[Document] = []
        places: list[str] = []
        units = annotator.units(annotator.files)
        for chunk in annotator.annotated(units, quiet=quiet or output == "-"):
            for unit, of_unit in chunk:
                documents += of_unit
                places += [_place(unit)] * len(of_unit)
        words = [len(task.words(document)) for document in documents]
        errors = [expected_errors(document) if annotator.sure else None for document in documents]
        texts = [" ".join(one.surface for one in task.given_texts(d)) for d in documents]
        picks = greedy(
            vectors(texts),
            values(by, [error or 0.0 for error in errors], words),
            words,
            number,
            diverse=by in BY_SIMILARITY,
            max_words=max_words,
            seed=seed,
        )
        if len(picks) < min(number, len(documents)):
            log.warning(
                "%d of %d texts are chosen: the others %s",
                *(len(picks), len(documents)),
                _others(picks, max_words),
            )
        chosen = [
            _explained(documents[pick.text], format, _reason(pick, rank, words, errors, places))
            for rank, pick in enumerate(picks, 1)
        ]
        task.write_any(chosen, target, format)
    return {
        "records": len(picks),
        "words": sum(words[pick.text] for pick in picks),
        "of": len(documents),
        "model": str(annotator.folder),
        "output": output,
    }


def _others(picks: Sequence[Pick], max_words: int | None) -> str:
    """Why the other texts were not chosen."""
    long = [] if max_words is None else ["have too many words"]
    return " or ".join([*(["are near duplicates of these"] if picks else []), *long])


def _place(unit: Unit) -> str:
    """Where a unit was read, as far as its reader says."""
    at = unit.line if unit.line is not None else unit.id
    return f"{label(unit.source)}:{at}"


def _reason(
    pick: Pick,
    rank: int,
    words: Sequence[int],
    errors: Sequence[float | None],
    places: Sequence[str],
) -> dict[str, Any]:
    reason = {"rank": rank, "score": round(pick.score, 4), "words": words[pick.text]}
    wrong = errors[pick.text]
    if wrong is not None:
        reason["expected_errors"] = round(wrong, 4)
    return {**reason, "from": places[pick.text]}


def _explained(document: Document, format: str, reason: Mapping[str, Any]) -> Document:
    """The document with why it was chosen, among what else a tool's file has of it."""
    fields = dict(document.meta.get(FIELDS, {}))
    if format == "prodigy":  # shows this beside the text
        fields["meta"] = {**meta_of(fields), **reason}
    else:
        fields[FIELD] = dict(reason)
    return replace(document, meta={**document.meta, FIELDS: fields})
