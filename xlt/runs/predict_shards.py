"""`xlt predict --on`: text in shards, each a job of an executor, and what one process would write.

A shard is `SHARD` lines of the input, counted through all its files, so that batches, and with them
the rounding of confidences, are those of one process. What comes of it lies in ``OUTPUT.shards``
under a key of all that decides it, its very text among that: the same command goes on where it was
stopped, and another one finds nothing that is not its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from xlt.data.code import code_hashes
from xlt.data.files import STDIN, check_regular, lines_between, open_bytes, unpacked_name
from xlt.data.jsonl import write_jsonl
from xlt.errors import XltError
from xlt.executors.base import Job, make_executor
from xlt.files import (
    DamagedFile,
    damage,
    entry,
    listing,
    publishing,
    read_sealed,
    refuse_overwriting,
    write_sealed,
    writing,
)
from xlt.permissions import allowing, given
from xlt.runs import predict, shards
from xlt.runs.annotate import Annotator
from xlt.runs.predict import STANDOFF, FileAnnotator, chunks, output_format_of, record_in_file
from xlt.runs.reading import TEXT, WORDS, Unit, format_of, line_units, no_text
from xlt.training.identity import environment

log = logging.getLogger(__name__)

_READ = 1 << 20


class Piece(NamedTuple):
    """Whole lines of a file: bytes from `start` to `stop`, of which `first` is the first line."""

    file: str
    format: str
    start: int
    stop: int
    first: int


class Shard(NamedTuple):
    """Lines that one job takes, and the SHA-256 of their bytes."""

    pieces: tuple[Piece, ...]
    sha256: str


def predict_on(
    on: str,
    model: Path,
    sources: Sequence[str],
    output: str,
    *,
    language: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    batch_tokens: int = 8192,
) -> dict[str, Any]:
    """`xlt.runs.predict.predict` of text or words to standoff in one file, by an executor.

    The output is that of one process byte for byte, where all compute alike (threads, device). Held
    here is no more than the names of the shards.

    Raises XltError as `predict` does, and for what cannot be done in shards.
    """
    with make_executor(on, (__name__, "xlt.inference.loading")) as executor:
        files, settings, identity = _examined(
            model, sources, output, language, input_format, output_format, batch_tokens
        )
        with shards.folder_for(Path(output)) as folder:
            names: list[str] = []

            def jobs() -> Iterator[tuple[str, Job]]:
                for number, shard in enumerate(_shards(files), 1):
                    names.append(f"{number:06}-{_key(identity, shard)}")
                    if _made(folder, names[-1]) is None:
                        place = str(folder / names[-1])
                        arguments = {**settings, "shard": shard, "place": place}
                        call = "xlt.runs.predict_shards:predict_shard"
                        yield names[-1], Job(call, arguments, f"shard {number}")

            shards.make(executor, jobs(), "predict", folder)
            return _joined(folder, names, output) | {"model": settings["model"], "output": output}


def predict_shard(
    model: str,
    language: str | None,
    batch_tokens: int,
    granted: Sequence[str],
    shard: Sequence[Any],
    place: str,
) -> None:
    """Annotate a shard; `place` with a suffix has the records, and what there is to say of them.

    Raises XltError for malformed lines, and for other bytes than those that are meant.
    """
    with allowing(*granted):
        annotator = _annotator(model, language, batch_tokens)
    pieces = [Piece(*one) for one in shard[0]]
    if _sha256(pieces) != shard[1]:
        raise XltError(
            "it has changed since the command began",
            where=" and ".join(dict.fromkeys(one.file for one in pieces)),
            fix="run the same command again when nobody writes to it",
        )
    sentences = dict.fromkeys((one.file for one in pieces), 0)

    def records() -> Iterator[dict[str, Any]]:
        for chunk in chunks(_units(annotator, pieces)):
            for unit, documents in annotator(chunk):
                sentences[unit.source] += len(documents)
                yield record_in_file(annotator.task, unit, documents)

    path = Path(f"{place}.jsonl")
    with writing(path):
        # As in a cache: a job whose process seems to be lost may run a second time beside itself.
        with (
            publishing(path, cache=True) as part,
            part.open("x", encoding="utf-8", newline="\n") as stream,
        ):
            write_jsonl(records(), stream)
        size, digest = entry(path)
        about = {"size": size, "sha256": digest, "sentences": sentences}
        write_sealed(Path(f"{place}.json"), about, cache=True)


@lru_cache(maxsize=1)
def _annotator(model: str, language: str | None, batch_tokens: int) -> Annotator:
    return Annotator(Path(model), language, batch_tokens=batch_tokens)


def _units(annotator: Annotator, pieces: Sequence[Piece]) -> Iterator[Unit]:
    numbers = count(1)  # standoff has no ids of sentences
    for file, format, start, stop, first in pieces:
        lines = lines_between(Path(file), start, stop, first)
        spoken = annotator.language or ""
        yield from line_units(annotator.task, lines, file, format, spoken, numbers)


# Before ----------------------------------------------------------------------------------------


def _examined(
    model: Path,
    sources: Sequence[str],
    output: str,
    language: str | None,
    input_format: str | None,
    output_format: str | None,
    batch_tokens: int,
) -> tuple[list[tuple[str, str]], dict[str, Any], dict[str, Any]]:
    """Files with their formats; what each job is told; what decides the predictions.

    The model is opened here once, so that what is wrong is known, and consent asked for, before
    there is any job. Raises XltError.
    """
    annotator = FileAnnotator(
        model,
        sources,
        language=language,
        input_format=input_format,
        options=None,
        batch_tokens=batch_tokens,
    )
    task = annotator.task
    if annotator.apart:
        raise XltError(
            "this model predicts through a translation, whose aligner learns from all texts "
            "together: there are no shards of them",
            where="--on",
            fix="leave out --on",
        )
    if output == "-" or output.endswith("/") or Path(output).is_dir():
        raise XltError(
            "shards are put together in one file", where="--output", fix="name a file with --output"
        )
    written = output_format_of(task, output_format, output, (*task.writable(), STANDOFF))
    if written != STANDOFF:
        raise XltError(
            f"{written} is not written in shards: its writer sees all records",
            where="--format",
            fix=f"add `--format {STANDOFF}`, or leave out --on",
        )
    files = [(file, _format(annotator, file, input_format)) for file in annotator.files]
    refuse_overwriting(output, annotator.files)
    annotator.tell(next(chunks(annotator.units(annotator.files)), []))
    settings = {
        "model": str(annotator.folder),
        "language": annotator.language,
        "batch_tokens": batch_tokens,
        "granted": given(),
    }
    identity = {
        "model": listing(annotator.folder),
        "language": annotator.language,
        "batch_tokens": batch_tokens,
        "code": code_hashes(type(task), "runs", "standoff"),
        # Where the workers are is not known here, and what is there is taken to be the same.
        "environment": environment([type(task)], "auto", "any", lora=True),
    }
    return files, settings, identity


def _format(annotator: FileAnnotator, file: str, input_format: str | None) -> str:
    """How a file is read in shards. Raises XltError where it is not, and for what is wrong with its
    beginning."""
    if file == STDIN:
        raise XltError(
            "standard input is not read in shards",
            where="--on",
            fix="save it in a file and name that, or leave out --on",
        )
    format = input_format or format_of(annotator.task, file)
    if format in (TEXT, WORDS):
        check_regular(Path(file))
        if unpacked_name(Path(file)) != Path(file).name:
            raise XltError(
                "a compressed file is not read in shards",
                where=file,
                fix="unpack it and name what comes out, or leave out --on",
            )
    next(annotator.units([file]), None)
    if format not in (TEXT, WORDS):
        raise XltError(
            f"{format} is not read in shards: only {TEXT} and {WORDS} are, which have lines",
            where=file,
            fix="leave out --on",
        )
    return format


def _shards(files: Sequence[tuple[str, str]]) -> Iterator[Shard]:
    """The shards of files with their formats, as they are read; of a long line no more than a part
    is held."""
    pieces: list[Piece] = []
    digest, held = hashlib.sha256(), 0
    for file, format in files:
        start, at, first, line, whole = 0, 0, 1, 1, True
        with open_bytes(Path(file)) as stream:
            while part := stream.readline(_READ):
                digest.update(part)
                at += len(part)
                whole = part.endswith(b"\n")
                if whole:
                    held, line = held + 1, line + 1
                if held == predict.SHARD:
                    pieces.append(Piece(file, format, start, at, first))
                    yield Shard(tuple(pieces), digest.hexdigest())
                    pieces, digest, held = [], hashlib.sha256(), 0
                    start, first = at, line
        held += not whole  # the last line has no end
        if at > start:
            pieces.append(Piece(file, format, start, at, first))
        if held == predict.SHARD:
            yield Shard(tuple(pieces), digest.hexdigest())
            pieces, digest, held = [], hashlib.sha256(), 0
    if pieces:
        yield Shard(tuple(pieces), digest.hexdigest())


def _key(identity: Mapping[str, Any], shard: Shard) -> str:
    """Of all that decides what is written of a shard; where in its file it begins does not."""
    places = [[one.file, one.format, one.stop - one.start, one.first] for one in shard.pieces]
    text = json.dumps([identity, places, shard.sha256], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _sha256(pieces: Sequence[Piece]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        with open_bytes(Path(piece.file)) as stream:
            stream.seek(piece.start)
            left = piece.stop - piece.start
            while left and (part := stream.read(min(left, _READ))):
                digest.update(part)
                left -= len(part)
    return digest.hexdigest()


# After -----------------------------------------------------------------------------------------


def _made(folder: Path, name: str) -> dict[str, Any] | None:
    """What is said of a finished shard; None of one that is not there as it was written."""
    try:
        about = read_sealed(folder / f"{name}.json", fix="it is made again")
    except FileNotFoundError:
        return None
    except DamagedFile as error:
        log.warning("%s: %s: it is made again", error.where, error.what)
        return None
    wrong = damage(folder, {f"{name}.jsonl": (about["size"], about["sha256"])})
    if wrong is not None:
        log.warning("%s: %s: it is made again", folder, wrong)
    return about if wrong is None else None


def _joined(folder: Path, names: Sequence[str], output: str) -> dict[str, Any]:
    """Write the output, and say how many sentences it has ("records").

    Raises XltError for a file of the input without any, and for a shard that is not there as it was
    written.
    """
    sentences: dict[str, int] = {}
    path = Path(output)
    with writing(path), publishing(path) as part, part.open("xb") as stream:
        for name in names:
            about = _made(folder, name)
            if about is None:
                raise shards.damaged(folder / f"{name}.jsonl")
            for file, found in about["sentences"].items():
                sentences[file] = sentences.get(file, 0) + found
            with (folder / f"{name}.jsonl").open("rb") as shard:
                shutil.copyfileobj(shard, stream, _READ)
        for file, found in sentences.items():
            if not found:
                raise no_text(file)
    return {"records": sum(sentences.values())}
