"""`xlt evaluate`: score a trained model on labelled data that its run did not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.errors import XltError
from xlt.reader_options import UNSAID
from xlt.registry import data_cards

if TYPE_CHECKING:
    from xlt.data.resolved import ResolvedData
    from xlt.document import Document
    from xlt.task import Labels, Task


def evaluate(
    model: Path,
    reference: str,
    *,
    language: str | None = None,
    split: str | None = None,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_tokens: int = 8192,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Metrics with bootstrap intervals, and subword statistics, of a model on a data reference.

    reference: ``card:language:split``, a path, or ``hf:…``.
    language: of the data; by default what the reference says, or the only one of the model's.
    split: of a card or a hub's data set, where the reference does not say it; by default test.
    format, options: of its reader, over what a card says.
    Raises XltError as the data and the model loaders do, and for labels the model does not know.
    """
    from xlt.evaluation.reliability import reliability
    from xlt.inference.loading import find_model
    from xlt.model.calibration import load as load_calibration
    from xlt.model.folder import read_info
    from xlt.projection.opening import open_predictor
    from xlt.runs.coverage import MAX_COUNTED_RECORDS, count_words, warnings
    from xlt.runs.score import predict_and_count, scores, subword_statistics

    folder = find_model(model, None if language is None else languages.code(language))
    task, backbone, predictor = open_predictor(folder, batch_tokens=batch_tokens, confident=True)
    calibration = load_calibration(folder)
    resolved, records, code = labelled(
        task,
        predictor.labels,
        read_info(folder).languages,
        reference,
        language=language,
        split=split,
        format=format,
        options=options,
    )
    counts, worth = predict_and_count(predictor, backbone, records)
    return {
        "model": str(folder),
        "data": resolved.reference,
        "caveats": list(resolved.caveats),
        "records": len(records),
        **scores(task, counts, resamples, 1),
        "reliability": reliability(worth),
        "calibrated_on": None if calibration is None else calibration.fitted_on,
        "pieces": {
            **subword_statistics(task, records, backbone),
            "warnings": warnings(
                code, count_words(task, records[:MAX_COUNTED_RECORDS]), backbone.tokenizer
            ),
        },
    }


def labelled(
    task: Task,
    labels: Labels,
    languages_of_model: Sequence[str],
    reference: str,
    *,
    language: str | None,
    split: str | None,
    format: str | None,
    options: Mapping[str, Any] | None,
    default: str = "test",
) -> tuple[ResolvedData, Sequence[Document], str]:
    """The data that a command names to score a model on, their records and their language
    (`spoken_language`).

    labels: of the model.
    default: the split of a card or a hub's data set where nobody says which.
    Other arguments and errors as of `evaluate`.
    """
    resolved, records, code = referenced(
        task,
        languages_of_model,
        reference,
        language=language,
        split=split,
        format=format,
        options=options,
        default=default,
    )
    task.check_labels(labels, task.labels(records), where=reference)
    return resolved, records, code


def referenced(
    task: Task,
    languages_of_model: Sequence[str],
    reference: str,
    *,
    language: str | None,
    split: str | None,
    format: str | None,
    options: Mapping[str, Any] | None,
    default: str,
) -> tuple[ResolvedData, Sequence[Document], str]:
    """As `labelled`, whatever labels the data have."""
    from xlt.data.references import check_reference, reference_to, resolve
    from xlt.data.store import held, load_documents
    from xlt.reader_options import on_command_line

    parts = reference.split(":")
    open_to_splits = parts[0] in data_cards() or parts[0] == "hf"
    if split is not None and (len(parts) > 2 or not open_to_splits):
        raise XltError(
            f"{reference} is {'of one split' if open_to_splits else 'one file'} already",
            where="--split",
            fix="leave --split out",
        )
    split = split or default
    named = parts[1] if len(parts) > 1 and not reference.startswith("hf:") else None
    code = spoken_language(language or named, languages_of_model)
    asked = reference_to(reference, format=format, options=dict(options or {}))
    check_reference(task, asked, code, split, on_command_line)
    resolved = resolve(asked, code, split, where=reference)
    return resolved, held(load_documents(task, resolved, 1)), code


def spoken_language(given: str | None, own: Sequence[str]) -> str:
    """The code of the language of data: the one that is given, or else the only one of the model's
    own; "und" where neither says it, which readers refuse that split text by its rules.

    Raises XltError for an unknown language.
    """
    if given is None:
        return own[0] if len(own) == 1 else UNSAID
    return languages.code(given)
