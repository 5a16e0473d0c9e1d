"""`xlt init`: from annotated files to a config that runs, with the reason for each choice.

What a file holds is found by reading it in each format that its name may mean, for each task: the
reading that takes every record counts. What cannot be found is asked for, not guessed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from xlt import languages
from xlt.config.families import family
from xlt.config.schema import Training
from xlt.data.malformed import collect_malformed, untold
from xlt.data.recognise import possible_formats
from xlt.errors import XltError, flat, raise_all
from xlt.extras import installed
from xlt.model.pretrained import offline
from xlt.reader_options import on_command_line, read_with
from xlt.registry import tasks
from xlt.runs.check_files import is_foreign, labels_of
from xlt.runs.encoders import Advice, advise, reason, recommended
from xlt.scripts import scripts
from xlt.task import predicted_layers

SNIFFED = 2000
"""Records that are read to find out what a file holds."""

DEV_SHARE = 0.15
"""Of the annotated records, where no dev data are given; of few more, up to `MAX_DEV_SHARE`, until
they are `MIN_DEV`."""
MAX_DEV_SHARE = 0.3
MIN_DEV = 100

STEPS = 800
"""Steps that a new head takes to learn, in which the epochs of a small file add up to."""
MAX_EPOCHS = 30
MIN_EPOCHS = 3
FEW = 40_000
"""Subwords of training data, about a thousand sentences, below which `Family.few` counts."""
MIN_BATCH = 512
"""Subwords in a batch."""
MIN_BETWEEN = 20
"""Steps between evaluations: each stores weights, which takes longer than so few steps."""

MAX_HOURS = 3.0
"""Of training on a processor without accelerator; a larger encoder is not chosen by itself."""

SUBWORDS = 1.6
"""A word, where the encoder's tokenizer is not here to count them."""


@dataclass
class Reading:
    """What a file holds, read in one way.

    labels: layer → label → how often it stands; "ner.parts" are parts of structures.
    empty: how many of the layers that the task predicts have nothing in them.
    foreign: share of its records that are largely in another script than the language's.
    """

    task: str
    format: str
    declared: bool
    records: int = 0
    words: int = 0
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    empty: int = 0
    foreign: float = 0.0

    @property
    def annotated(self) -> int:
        return sum(counts.total() for counts in self.labels.values())


@dataclass(frozen=True)
class Proposal:
    """A config, and why it says what it says.

    readings: by the names of the splits.
    others: encoders that come next.
    """

    source: str
    target: str
    references: Mapping[str, dict[str, Any]]
    readings: Mapping[str, Reading]
    encoder: str
    advice: Advice | None
    why: str
    others: tuple[Advice, ...]
    dev_share: float | None
    training: Mapping[str, Any]

    @property
    def task(self) -> str:
        return self.readings["train"].task


def read_files(
    files: Mapping[str, Path],
    *,
    task: str | None,
    input_format: str | None,
    options: Mapping[str, Any],
    source: str,
    target: str,
    empty: bool = False,
    fix: str = "say what it is with --task and --input-format; `xlt tasks` lists both",
) -> dict[str, Reading]:
    """What is in the files of a task; all are read in the same way.

    files: by the names of the splits; "train" has to be among them.
    empty: a file may be without annotation.
    fix:   what the user can do where nothing can be learnt from a file.
    Raises XltError for files that no task reads, that several read, or that hold no annotation.
    """
    names = tasks.names() if task is None else [task]
    train = files["train"]
    found = _sniff(train, names, input_format, options, source, empty)
    if not found:
        _complain(train, names, input_format, options, source, fix)
    by_task = {one.task for one in found}
    if len(by_task) > 1:
        raise XltError(
            f"it can be read for several tasks: {', '.join(sorted(by_task))}",
            where=train,
            fix=f"add --task {min(by_task)} (say)",
        )
    best = found[0]
    kind = tasks.get(best.task)()
    return {
        split: _read(
            path,
            best.task,
            best.format,
            input_format is not None or kind.formats_named(path)[:1] != [best.format],
            options,
            target if split == "test" else source,
        )
        for split, path in files.items()
    }


def _sniff(
    path: Path,
    names: Sequence[str],
    input_format: str | None,
    options: Mapping[str, Any],
    source: str,
    empty: bool,
) -> list[Reading]:
    """The ways to read a file that find the most annotation in it; of those, where they leave the
    fewest layers of their task empty; the one that the file's name means first."""
    found = []
    for name in names:
        for format, declared in possible_formats(tasks.get(name)(), path, input_format):
            try:
                with untold():
                    reading = _read(path, name, format, declared, options, source, SNIFFED)
            except XltError:
                continue  # it is not in this format; `_complain` says why, if it is in none
            if reading.annotated or (empty and reading.records):
                found.append(reading)
    ranks = [(-one.annotated, one.empty) for one in found]
    best = [one for one, rank in zip(found, ranks, strict=True) if rank == min(ranks)]
    return sorted(best, key=lambda one: one.declared)


def _read(
    path: Path,
    name: str,
    format: str,
    declared: bool,
    options: Mapping[str, Any],
    language: str,
    limit: int | None = None,
) -> Reading:
    task = tasks.get(name)()
    reading = Reading(name, format, declared)
    foreign = 0
    documents = read_with(
        task,
        path,
        format,
        options,
        where=lambda at: on_command_line(("options", *at)),
        language=language,
    )
    for document in islice(documents, limit):
        reading.records += 1
        words = task.words(document)
        reading.words += len(words)
        foreign += is_foreign(scripts(words), language)
        for layer in predicted_layers(task):
            for part, label in labels_of(document.layers[layer]):
                reading.labels.setdefault(layer + part, Counter())[label] += 1
    filled = {layer.partition(".")[0] for layer in reading.labels}
    reading.empty = sum(layer not in filled for layer in predicted_layers(task))
    reading.foreign = foreign / max(1, reading.records)
    return reading


def _complain(
    path: Path,
    names: Sequence[str],
    input_format: str | None,
    options: Mapping[str, Any],
    source: str,
    fix: str,
) -> None:
    """Raise XltError: why a file cannot be read. Of one that is plainly of some format, and has
    some wrong records, that is what is wrong with them."""
    if not path.exists():
        raise XltError("there is no such file", where=path, fix="check the path")
    tried: list[str] = []
    nearly: list[tuple[Reading, list[XltError]]] = []
    for name in names:
        for format, declared in possible_formats(tasks.get(name)(), path, input_format):
            reading = Reading(name, format, declared)
            with untold(), collect_malformed() as problems:
                try:
                    reading = _read(path, name, format, declared, options, source, SNIFFED)
                except XltError as error:
                    problems += flat(error)
            if problems and reading.annotated and reading.records >= len(problems):
                nearly.append((reading, problems))
            if problems and input_format is not None and len(names) == 1:
                raise_all(problems)
            place = f"{problems[0].where}: " if problems and problems[0].where else ""
            why = problems[0].what if problems else "there is no annotation in what begins it"
            tried.append(f"as {format} for {name}: {place}{why}")
    if nearly:  # it is plain what the file is, and some of its records are wrong
        raise_all(max(nearly, key=lambda one: one[0].annotated)[1])
    if len(names) == 1 and not tried:
        task = tasks.get(names[0])()
        raise XltError(
            "the name does not say what is in the file",
            where=path,
            fix=f"add --input-format, one of {', '.join(task.readable())}",
        )
    raise XltError(
        "\n  ".join(["no task can be learnt from it", *tried]),
        where=path,
        fix=fix,
    )


# The choices -----------------------------------------------------------------------------------


def propose(
    files: Mapping[str, Path],
    *,
    target: str,
    source: str,
    task: str | None = None,
    input_format: str | None = None,
    options: Mapping[str, Any] | None = None,
    text: Sequence[str] | None = None,
    encoder: str | None = None,
    max_gib: float | None = None,
    folder: Path,
) -> Proposal:
    """A config for these files.

    files: split → file, "train" among them. source, target: codes.
    text: sentences of the target, by which tokenizers are compared.
    folder: of the config, from which paths are taken.
    Raises XltError where the files cannot be read, or are in another script than the source's, and
    where source and target are the same.
    """
    if source == target:
        raise XltError(
            f"source and target are both {languages.name(source)}: there is nothing to transfer",
            where="--source",
            fix="say with --source what language the annotated data are in",
        )
    given = options or {}
    readings = read_files(
        files, task=task, input_format=input_format, options=given, source=source, target=target
    )
    train = readings["train"]
    if train.foreign > 0.5:
        raise XltError(
            f"most of its sentences are not in a script of {languages.name(source)}",
            where=files["train"],
            fix="say with --source what language they are in",
        )
    advice: Advice | None = None
    others: tuple[Advice, ...] = ()
    why = "as you say"
    if encoder is None:
        advice, others, why = _choose(train, source, target, text, max_gib)
        encoder = advice.facts.id
    dev_share = None
    if "dev" not in files and train.records > 1:
        dev_share = max(DEV_SHARE, min(MAX_DEV_SHARE, MIN_DEV / train.records))
    return Proposal(
        source,
        target,
        {split: reference(path, readings[split], given, folder) for split, path in files.items()},
        readings,
        encoder,
        advice,
        why,
        others,
        None if dev_share is None else round(dev_share, 2),
        _training(train.words * SUBWORDS, encoder),
    )


def _training(subwords: float, encoder: str) -> dict[str, Any]:
    """`training` for so much data: a small file is read more often, in smaller steps."""
    kind = family(encoder)
    stated = dict({} if kind is None else kind.sections.get("training", {}))
    if kind is not None and subwords < FEW:
        stated |= kind.few
    usual = stated.get("batch_tokens", Training().batch_tokens)
    wanted = 2 ** int(math.log2(max(1.0, subwords * MAX_EPOCHS / STEPS)))
    batch = max(min(MIN_BATCH, usual), min(usual, wanted))
    if batch != usual:
        stated["batch_tokens"] = batch
    steps = max(1, round(subwords / batch))
    epochs = max(MIN_EPOCHS, min(MAX_EPOCHS, math.ceil(STEPS / steps)))
    if steps < MIN_BETWEEN:
        stated |= dict.fromkeys(("evaluate_every", "checkpoint_every"), MIN_BETWEEN)
    return {**stated, "epochs": epochs}


def reference(
    path: Path, reading: Reading, options: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """How the config names a file: relative to itself, if it lies below it."""
    full = path.absolute()  # not resolved: a link is a name that somebody chose
    base = folder.absolute()
    named = full.relative_to(base) if full.is_relative_to(base) else full
    reference: dict[str, Any] = {"ref": named.as_posix()}
    if reading.declared:
        reference["format"] = reading.format
    if options:
        reference["options"] = dict(options)
    return reference


def _choose(
    train: Reading,
    source: str,
    target: str,
    text: Sequence[str] | None,
    max_gib: float | None,
) -> tuple[Advice, tuple[Advice, ...], str]:
    """The encoder, those that come next, and why."""
    ranked, _ = advise(target, source=source, task=train.task, text=text, max_gib=max_gib)
    usable = [one for one in ranked if one.here] if offline() else ranked
    if not accelerated():
        soon = [one for one in usable if hours(train, one) <= MAX_HOURS]
        usable = soon or sorted(usable, key=lambda one: hours(train, one))[:1]
    best = recommended(usable)
    if best is None:
        raise XltError(
            "no encoder can be fine-tuned in so little memory",
            where="--max-gb" if max_gib is not None else None,
            fix="name one with --encoder; `xlt encoders` lists what each needs",
        )
    said = reason(best, usable, target)
    if offline():
        said += "; chosen among those on this machine, as the hub is switched off (HF_HUB_OFFLINE)"
    next_ = tuple(one for one in ranked if one is not best)[:3]
    return best, next_, said


def accelerated() -> bool:
    """Whether there is a device that is faster than this processor."""
    if installed("torch") is None:
        return False
    from xlt.inference.device import best_device  # needs PyTorch

    return best_device() != "cpu"


def hours(train: Reading, one: Advice) -> float:
    """To train it on this processor, roughly, one seed."""
    subwords = train.words * (one.fertility or SUBWORDS)
    epochs: int = _training(subwords, one.facts.id)["epochs"]
    return subwords * epochs / one.subwords_per_second / 3600
