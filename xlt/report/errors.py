"""What the models of a run got wrong: their stored predictions beside the gold of its data."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.config.load import LoadedConfig
from xlt.document import Document, Layer
from xlt.errors import XltError
from xlt.evaluation.counts import count_matrix
from xlt.report.pairs import RIGHT, Pair, Tally, Thing, comparable, compared, things
from xlt.results import check_file, read_confidence, read_counts
from xlt.runs.sources import Sources
from xlt.task import Task, generated_texts, predicted_layers
from xlt.transfer.stage import DataSplit

_WINDOW = 1000
"""Records in memory at once, while they are counted."""


@dataclass(frozen=True)
class Record:
    """A record of which something was predicted wrong.

    number: its place in the data, from 1.
    pairs:  layer, "<layer>.parts", or the name of a text that is written → what gold has and what
        was predicted, right things too.
    words:  how long it is.
    """

    number: int
    gold: Document
    predicted: Document
    pairs: Mapping[str, Sequence[Pair]]
    words: int

    @property
    def errors(self) -> list[tuple[str, Pair]]:
        return [(key, pair) for key, some in self.pairs.items() for pair in some if _wrong(pair)]

    @property
    def surest(self) -> float:
        """The confidence of the error of which the model was surest; -1 where none is known."""
        known = [pair.confidence for _, pair in self.errors if pair.confidence is not None]
        return max(known, default=-1.0)


@dataclass
class Found:
    """What was found of one target and split.

    tallies:   layer, or "<layer>.parts" → sums; of texts that are written, without labels.
    wrong:     records with errors.
    records:   those of them that are kept: of which the model was surest first, then in the order
        of the data.
    unpredicted: layers of which the model predicts nothing, while it does of others.
    unknown:     layers of a kind that nothing says how to compare.
    confident: whether the run knows how sure the model was.
    """

    target: str
    split: str
    total: int = 0
    wrong: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    unpredicted: Sequence[str] = ()
    unknown: Sequence[str] = ()
    confident: bool = False


def read_errors(
    run: Path,
    loaded: LoadedConfig,
    task: Task,
    result: dict[str, Any],
    row: Mapping[str, Any],
    most: int,
) -> Found:
    """The errors of one model on one split.

    row:  of the result's rows, the one about them.
    most: so many records are kept; all are counted.

    Raises XltError where the gold data are not there or not those that were scored; DamagedFile
    where the run's own files are not as they were written.
    """
    target, split = row["target"], row["split"]
    base = f"seed-{row['seed']}/{target}/{split}"
    counts = read_counts(run / f"{base}.counts.json")
    task = task.for_labels({k: tuple(v) for k, v in counts.get("labels", {}).items()})
    gold = _gold(loaded, task, target, split, counts["data"])
    format = next(iter(task.formats))
    path = run / f"{base}{task.formats[format][0]}"
    check_file(run, result, str(path.relative_to(run)))
    sure = read_confidence(run, result, f"{base}.confidence.json")

    def predictions() -> Iterator[Document]:
        read = task.documents(path, format, labelled=False)
        if sure is None:
            return read
        return (one.with_confidence(own) for one, own in zip(read, sure, strict=True))

    said = _checked(task, gold, predictions(), np.asarray(counts["counts"], float), path)
    layers = layers_compared(task, said)
    found = Found(
        target,
        split,
        len(gold),
        unpredicted=[name for name in layers if name not in said and not said.isdisjoint(layers)],
        unknown=[name for name in predicted_layers(task) if not comparable(task.layers[name])],
        confident=sure is not None,
    )
    shown = [name for name in layers if name not in found.unpredicted]
    records = erring(task, shown, gold, predictions(), found)
    # Asked for none, it would not look at any, and nothing be counted.
    found.records = heapq.nlargest(max(1, most), records, key=lambda one: one.surest)[:most]
    return found


def _gold(
    loaded: LoadedConfig, task: Task, target: str, split: Any, fingerprint: str
) -> Sequence[Document]:
    key = f"data.{target}.{split}"
    try:
        data = Sources(loaded.config, task).load(DataSplit(target, split))
    except XltError as error:
        raise loaded.locate(error) from error
    if data.fingerprint != fingerprint:
        raise XltError(
            f"the {split} data of {target} are not those that the run was scored on",
            where=loaded.where(key),
            fix="put the old files back; or score the new ones with `xlt train CONFIG --overwrite`",
        )
    return data.records


def _checked(
    task: Task,
    gold: Sequence[Document],
    predicted: Iterable[Document],
    counts: NDArray[np.float64],
    path: Path,
) -> set[str]:
    """The layers of which something is predicted, when the predictions are those that were scored.

    Raises XltError where they are of other records, or do not count as they did. Of texts that are
    written not all that is counted need be in the file.
    """
    said: set[str] = set()
    counted = [np.zeros((0, len(task.count_names)))]
    answers = iter(predicted)
    for start in range(0, len(gold), _WINDOW):
        window = gold[start : start + _WINDOW]
        some = list(islice(answers, len(window)))
        counted.append(count_matrix(task, window, some))
        said |= {name for one in some for name, layer in one.layers.items() if _says(layer)}
    again = np.concatenate(counted)
    if not generated_texts(task) and not (
        again.shape == counts.shape and np.allclose(again, counts)
    ):
        raise XltError(
            "read again, the predictions do not get the score that the run has",
            where=path,
            fix="with another version of the task, run the config again (--overwrite); a `rename` "
            "that maps a label to one that it renames, too, cannot be undone: write it otherwise",
        )
    return said


def _says(layer: Layer) -> bool:
    return any(one is not None for some in things(layer).values() for one in some)


def layers_compared(task: Task, said: set[str]) -> list[str]:
    """The layers that are compared, of a kind that can be.

    said: those of which something is predicted. What people do not annotate, such as the arguments
        of given triggers, is compared only where it is.
    """
    own = task.layers if task.annotated is None else task.annotated
    return [
        name
        for name in predicted_layers(task)
        if comparable(task.layers[name]) and (name in own or name in said)
    ]


def erring(
    task: Task,
    layers: Sequence[str],
    gold: Sequence[Document],
    predicted: Iterable[Document],
    found: Found,
) -> Iterator[Record]:
    """The records with errors, in the order of the data; all records are added to the tallies."""
    texts = generated_texts(task)
    for number, (right, answer) in enumerate(zip(gold, predicted, strict=True), 1):
        pairs: dict[str, Sequence[Pair]] = {}
        for layer in layers:
            pairs |= compared(right, answer, layer)
        for name in texts:
            pairs[name] = [_written(right, answer, name)]
        for key, some in pairs.items():
            tally = found.tallies.setdefault(key, Tally())
            for pair in some:
                tally.add(_without_texts(pair) if key in texts else pair)
        if any(_wrong(pair) for some in pairs.values() for pair in some):
            found.wrong += 1
            yield Record(number, right, answer, pairs, len(task.words(right)))


def _written(gold: Document, predicted: Document, name: str) -> Pair:
    """A text that the model writes, beside the one that a person wrote."""
    ours, theirs = (Thing(one.texts[name].surface) for one in (gold, predicted))
    return Pair(RIGHT if ours == theirs else "text", ours, theirs)


def _without_texts(pair: Pair) -> Pair:
    """For a tally, which keeps every label that it has met."""
    return replace(pair, gold=Thing(""), predicted=Thing(""))


def _wrong(pair: Pair) -> bool:
    return pair.kind != RIGHT
