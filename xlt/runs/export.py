"""`xlt export`: a trained model made smaller, and what that cost in size, score and speed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.errors import XltError, choose
from xlt.files import remove, writing
from xlt.runs.new_folder import ELSEWHERE, publishing_new, refuse_existing, refuse_inside

if TYPE_CHECKING:
    from xlt.document import Document
    from xlt.document.text import Text
    from xlt.export.trim import Cut

TORCH, ONNX = FORMATS = ("torch", "onnx")
INT8 = "int8"
MB = 1_000_000


@dataclass(frozen=True)
class Steps:
    """What is done to a model."""

    trim: bool
    int8: bool

    def __str__(self) -> str:
        done = ["with a trimmed vocabulary"] * self.trim + ["in int8"] * self.int8
        return " ".join(done) or "as it is"


def export(
    model: Path,
    output: Path,
    *,
    format: str = "torch",
    quantise: str | None = None,
    trim: Sequence[str] = (),
    max_mb: float | None = None,
    data: str | None = None,
    language: str | None = None,
    input_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_tokens: int = 8192,
) -> dict[str, Any]:
    """Write a trained model as a smaller one to a folder that is not there yet.

    format: `torch`, a model's folder as any other; or `onnx`, which predicts without PyTorch.
    trim: text files, data cards (``card:language[:split]``), or languages, whose text is then that
        of all cards on this machine: the vocabulary is reduced to their subwords, and the letters
        of their scripts.
    quantise: `int8`, weights in 8 bits, of the encoder's linear layers and embeddings.
    max_mb: of the folder, in 10⁶ bytes: only so much is done that it fits: trimming, if there is
        `trim`, before int8, which changes predictions on the text itself.
    data: labelled data, as `evaluate` takes them, with input_format and options of their reader:
        the model is scored on them before and after, and timed.
    language: of running text in `trim` and of the data; by default the one the model is for.

    Returns both sizes, what was trimmed, and, with data, scores and speed.
    Raises XltError for a folder that is no model, for text and data that cannot be read, for a
    model that cannot be made so, and where it does not get as small as `max_mb`.
    """
    from xlt.export.folder import size
    from xlt.inference.loading import find_model
    from xlt.model.folder import read_info, task_of
    from xlt.projection.predict import load as load_prediction
    from xlt.runs.trim_text import trim_texts

    _check(format, quantise, output, data, input_format, options)
    spoken = None if language is None else languages.code(language, where="--language")
    folder = find_model(model, spoken)
    refuse_inside(output, folder)
    info = read_info(folder)
    if load_prediction(folder) is not None:
        raise XltError(
            "the model predicts on translations of its input",
            where=folder,
            fix="export one that reads the text itself",
        )
    own = info.languages[0] if len(info.languages) == 1 else None
    task = task_of(info, folder)
    texts = [text for asked in trim for text in trim_texts(task, asked, spoken or own)]
    with publishing_new(output) as part:
        steps, cut = _write(
            folder,
            output,
            part,
            texts if trim else None,
            quantise == INT8,
            max_mb,
            onnx=format == ONNX,
        )
        before: dict[str, Any] = {"bytes": size(folder)}
        after: dict[str, Any] = {"bytes": size(part)}
        if data is not None:
            both = _scored(
                (folder, part),
                data=data,
                language=language,
                input_format=input_format,
                options=options,
                batch_tokens=batch_tokens,
            )
            before |= both[0]
            after |= both[1]
    return {
        "model": str(folder),
        "output": str(output),
        "format": format,
        "trimmed": asdict(cut) | {"text": list(trim)} if cut else None,
        "quantised": INT8 if steps.int8 else None,
        "data": data,
        "before": before,
        "after": after,
    }


def _check(
    format: str,
    quantise: str | None,
    output: Path,
    data: str | None,
    input_format: str | None,
    options: Mapping[str, Any] | None,
) -> None:
    """Raise XltError for what cannot be, before anything is loaded."""
    if format not in FORMATS:
        raise XltError(
            f"models are not written as {format!r}", where="--format", fix=choose(format, FORMATS)
        )
    if quantise not in (None, INT8):
        raise XltError(
            f"weights are not stored as {quantise!r}",
            where="--quantise",
            fix=choose(quantise, [INT8]),
        )
    if data is None and (input_format is not None or options):
        raise XltError(
            f"{'--option' if options else '--input-format'} is for the data to score on",
            where="xlt export",
            fix="name them with --data, or leave it out",
        )
    refuse_existing(output)


def _write(
    folder: Path,
    output: Path,
    part: Path,
    texts: Sequence[Text] | None,
    int8: bool,
    max_mb: float | None,
    *,
    onnx: bool,
) -> tuple[Steps, Cut | None]:
    """Write the model with all that is asked for; where there is a limit with the least that fits.

    part: the folder to write, which is to become `output`.

    Raises XltError if nothing does.
    """
    from xlt.export.folder import size, write

    trim = texts is not None
    ways = [Steps(trim, int8)]
    if max_mb is not None:
        ways = [Steps(False, int8), Steps(trim, int8), Steps(trim, True)]
    tried: list[str] = []
    for steps in dict.fromkeys(ways):
        remove(part)
        chosen = texts if steps.trim else None
        with writing(output, fix=ELSEWHERE):  # what cannot be read is an XltError
            cut = write(folder, part, texts=chosen, int8=steps.int8, onnx=onnx)
        megabytes = size(part) / MB
        if max_mb is None or megabytes <= max_mb:
            return steps, cut
        tried.append(f"{megabytes:.1f} MB {steps}")
    assert max_mb is not None
    raise XltError(
        f"the model does not get as small as {max_mb:g} MB: it has {', '.join(tried)}",
        where="--max-mb",
        fix="; ".join(
            [
                *([] if texts is not None else ["add --trim with text of the kind it is for"]),
                "allow more, or train a smaller encoder (`xlt encoders`)",
            ]
        ),
    )


def _scored(
    folders: tuple[Path, Path],
    *,
    data: str,
    language: str | None,
    input_format: str | None,
    options: Mapping[str, Any] | None,
    batch_tokens: int,
) -> list[dict[str, Any]]:
    """Scores and speed of two models on data, and of the second one how often it predicts what the
    first does.

    They take turns, so that whatever else the machine does, it does to both.
    """
    from xlt.evaluation.counts import count_matrix, score
    from xlt.model.folder import read_info
    from xlt.projection.opening import open_predictor
    from xlt.runs.evaluate import labelled

    opened = [open_predictor(folder, batch_tokens=batch_tokens) for folder in folders]
    task, _, first = opened[0]
    _, records, _ = labelled(
        task,
        first.labels,
        read_info(folders[0]).languages,
        data,
        language=language,
        split=None,
        format=input_format,
        options=options,
    )
    predicted: list[list[Document]] = [[], []]
    seconds, cpu = [0.0, 0.0], [0.0, 0.0]
    for start in range(-_TURN, len(records), _TURN):
        some = records[max(start, 0) : max(start, 0) + _TURN]
        for number, (_, backbone, predictor) in enumerate(opened):
            begun, cpu_begun = time.perf_counter(), time.process_time()
            found = predictor(some, task.encode(some, backbone, None))
            if start >= 0:  # before, kernels are compiled
                seconds[number] += time.perf_counter() - begun
                cpu[number] += time.process_time() - cpu_begun
                predicted[number] += found
    both: list[dict[str, Any]] = [
        {
            "metrics": score(task, count_matrix(task, records, found)),
            "texts_per_second": _rate(len(records), taken),
            "texts_per_cpu_second": _rate(len(records), computed),
        }
        for found, taken, computed in zip(predicted, seconds, cpu, strict=True)
    ]
    alike = sum(a.layers == b.layers for a, b in zip(*predicted, strict=True))
    both[1]["same"] = alike / len(records)
    return both


def _rate(number: int, seconds: float) -> float | None:
    """None where the clock is too coarse for so little: that of a processor may count in ticks."""
    return number / seconds if seconds else None


_TURN = 128
"""Records that a model predicts before it is the other one's turn."""
