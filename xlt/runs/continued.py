"""`xlt train --from RUN FILE …`: the config of a run, going on with labelled texts of its target.

What comes out is a config like any other: few-shot, whose first stage is the run's own and is not
trained again. Going on from that run adds further files to those it has learnt from.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from xlt.config.load import LoadedConfig, dump, load_config
from xlt.config.schema import Config
from xlt.config.stored import config_values, differing_keys
from xlt.data.store import load_documents
from xlt.document import Document
from xlt.errors import XltError, choose
from xlt.results import CONFIG, read_result
from xlt.runs.check_files import labels_of
from xlt.runs.first_config import read_files, reference
from xlt.runs.sources import Sources
from xlt.task import Task, make_task, predicted_layers
from xlt.transfer.stage import DataSplit

log = logging.getLogger(__name__)

_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*\s*=")
"""How ``key.key=value`` begins; a file of such a name is given as ``./a=b``."""

GOES_ON = {"zero_shot": False, "few_shot": True}
"""Strategies of runs that labelled texts can follow → whether some have already."""

_OF_ALL_STAGES = ("task", "model", "training", "selection", "data_seed")
"""How keys begin that decide the weights of every stage, but for `_OF_NO_WEIGHTS`."""

_OF_NO_WEIGHTS = {"training.report_to", "training.checkpoint_every", "selection.keep"}


def continued(
    run: Path,
    arguments: Sequence[str],
    *,
    input_format: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """The config that follows a run.

    run:       its folder.
    arguments: files with labelled texts of the run's target, in any order with overrides such as
        ``strategy.target_stage.epochs=3``.
    input_format, options: of the files; the format is found in them by default.

    Warns of labels that the run has not learnt: they may be misspelt; and of overrides with which
    the source is trained again. Raises XltError for a run that is not finished, has several targets
    or another strategy, or has learnt from a part of its target's data; where no file is given; and
    for files that its task cannot read, that hold no annotation that counts, texts that the run has
    learnt from, or texts of one another.
    """
    read_result(run)  # only a finished run
    config = load_config(run / CONFIG).config
    overrides = [text for text in arguments if _OVERRIDE.match(text)]
    files = [text for text in arguments if text not in overrides]
    if not files:
        raise XltError(
            "there are no labelled texts to go on with",
            where="--from",
            fix="name files: `xlt train --from RUN corrected.json`",
        )
    if config.strategy.name not in GOES_ON:
        raise XltError(
            f"the run's strategy is {config.strategy.name}, which labelled texts cannot follow",
            where=run / CONFIG,
            fix=f"go on from one of {' or '.join(GOES_ON)}; or write a config with "
            "`strategy: in_language`, or with the files among the data",
        )
    if len(config.target) > 1:
        raise XltError(
            f"the run has several targets: {', '.join(config.target)}",
            where=run / CONFIG,
            fix="write a config for each with `strategy: {name: few_shot, k: …}`",
        )
    (target,) = config.target
    again = GOES_ON[config.strategy.name]
    earlier = _earlier(config, run) if again else []
    added = _added(config, files, input_format, options or {})
    strategy = {**(config.strategy.options if again else {}), "name": "few_shot"}
    data = [
        f"output.root={json.dumps(str(run.absolute().parent))}",  # where its stages are
        f"name={json.dumps(next_name(config.name))}",
        f"data.{target}.train={json.dumps([*earlier, *added])}",
    ]
    _refuse_set(overrides, target)

    def with_k(k: int, more: Sequence[str]) -> LoadedConfig:
        chosen = f"strategy={json.dumps({**strategy, 'k': k})}"
        return load_config(run / CONFIG, [*data, chosen, *more])

    reading = [text for text in overrides if _key(text).partition(".")[0] == "task"]
    k = _count(with_k(1, reading).config, len(earlier), run, files)
    following = with_k(k, overrides)
    _check_overrides(run / CONFIG, following)
    return following


def _key(override: str) -> str:
    return override.partition("=")[0].strip()


def _refuse_set(overrides: Sequence[str], target: str) -> None:
    """Raise XltError for keys that --from itself sets."""
    for override in overrides:
        key = _key(override)
        if key == "target" or f"data.{target}.train.".startswith(f"{key}."):
            raise XltError(
                "the run and the files say this",
                where=f"--from, {key}",
                fix=f"leave {key} out; or write a config with `strategy: {{name: few_shot, k: …}}`",
            )


def _check_overrides(path: Path, following: LoadedConfig) -> None:
    """Warn of overrides with which the finished stage on the source cannot be used again."""
    before = config_values(path.read_text(encoding="utf-8"), path)
    differ = [
        key
        for key in differing_keys(before, config_values(dump(following.config), following.path))
        if key.startswith(_OF_ALL_STAGES) and key not in _OF_NO_WEIGHTS
    ]
    if differ:
        log.warning(
            "%s: not as in the run, so its first stage is trained again, too; what "
            "`strategy.target_stage` says is of the given texts alone",
            ", ".join(differ),
        )


def next_name(name: str) -> str:
    """The name of the run that follows: "hausa-2" after "hausa", "hausa-3" after that."""
    stem, number = re.fullmatch(r"(.+?)(?:-([1-9]\d{0,5}))?", name).groups()  # type: ignore[union-attr]
    return f"{stem}-{int(number or 1) + 1}"


def _earlier(config: Config, run: Path) -> list[dict[str, Any]]:
    """References to what the run has learnt from of its target, which is all of it."""
    (target,) = config.target
    k = config.strategy.options["k"]
    there = len(Sources(config, make_task(config)).load(DataSplit(target, "train")).records)
    if there != k:
        raise XltError(
            f"the run has learnt from {k} of the {there} records of data.{target}.train, or the "
            "files have changed since; with others to draw from, it would be other ones",
            where=run / CONFIG,
            fix="write a config, with the files among the data and `strategy.k`",
        )
    return [one.model_dump(mode="json") for one in config.data[target].train]


def _added(
    config: Config, files: Sequence[str], input_format: str | None, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """References to the files. One may be without annotation, where nothing had to be marked."""
    (target,) = config.target
    references, annotated = [], 0
    for name in files:
        (reading,) = read_files(
            {"train": Path(name)},
            task=config.task.name,
            input_format=input_format,
            options=options,
            source=target,
            target=target,
            empty=True,
            fix="say what it is with --input-format; `xlt tasks` lists the formats of each task",
        ).values()
        references.append(reference(Path(name), reading, options, Path.cwd()))
        annotated += reading.annotated
    if not annotated:
        raise XltError(
            "there is no annotation in what is given",
            where=", ".join(files),
            fix="export the annotation with the texts; if it is there, say the format with "
            "--input-format",
        )
    return references


def _count(config: Config, earlier: int, run: Path, files: Sequence[str]) -> int:
    """Records to learn from of the target.

    earlier: how many of the references are those of the run itself; the others are the files.
    Raises XltError for texts that are in both, since an export of a whole project has both.
    """
    task, (target,) = make_task(config), config.target
    sources, split = Sources(config, task), DataSplit(target, "train")
    read = [load_documents(task, one, config.data_seed) for one in sources.resolve(split)]
    learnt = {_surfaces(document) for part in read[:earlier] for document in part}
    given = [
        (_surfaces(document), name)
        for name, part in zip(files, read[earlier:], strict=True)
        for document in part
    ]
    if again := sum(texts in learnt for texts, _ in given):
        raise XltError(
            f"{again} of {len(given)} texts are among those that the run has learnt from",
            where=f"--from {run}",
            fix="if the files have all that is corrected, go on from the run before; else leave "
            "these texts out",
        )
    by_file: dict[tuple[str, ...], set[str]] = {}
    for texts, name in given:
        by_file.setdefault(texts, set()).add(name)
    if shared := [names for names in by_file.values() if len(names) > 1]:
        raise XltError(
            f"{len(shared)} of {len(by_file)} texts are in several of the files",
            where=", ".join(name for name in files if any(name in names for names in shared)),
            fix="give one of these files alone, or take the texts out of the others",
        )
    known_labels = _labels(task, chain(_of_source(config, sources), *read[:earlier]))
    _check_labels(known_labels, _labels(task, chain(*read[earlier:])), files)
    return len(sources.load(split).records)


def _surfaces(document: Document) -> tuple[str, ...]:
    return tuple(text.surface for text in document.texts.values())


def _of_source(config: Config, sources: Sources) -> Iterator[Document]:
    for language in config.source:
        yield from sources.load(DataSplit(language, "train")).records


def _labels(task: Task, documents: Iterable[Document]) -> dict[str, set[str]]:
    """Layer → the labels that stand in it, of the layers that the task predicts."""
    found: dict[str, set[str]] = {}
    for document in documents:
        for layer in predicted_layers(task):
            if layer in document.layers:
                for part, label in labels_of(document.layers[layer]):
                    found.setdefault(layer + part, set()).add(label)
    return found


def _check_labels(
    known: Mapping[str, set[str]], new: Mapping[str, set[str]], files: Sequence[str]
) -> None:
    """Warn of labels that are new; raise XltError where nothing is left of the annotation."""
    where = ", ".join(files)
    if known and not new:
        raise XltError(
            "nothing of the annotation counts for the task as the run has it",
            where=where,
            fix=f"the run has learnt {', '.join(sorted(set().union(*known.values())))}; correct "
            "the labels, or give the task's options (`task.…`) that take these",
        )
    for layer, labels in new.items():
        for label in sorted(labels - known.get(layer, set())):
            log.warning(
                "%s: the run has not learnt the label %r (%s), so it is learnt from these texts "
                "alone: %s",
                where,
                label,
                layer,
                choose(label, known.get(layer, ())),
            )
