"""`xlt project`: records in one language written as records in another, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.consent import requests
from xlt.document import Document
from xlt.errors import XltError
from xlt.executors.base import Executor, make_executor
from xlt.files import refuse_overwriting
from xlt.permissions import ONLINE, obeying
from xlt.projection import page, store
from xlt.projection.filled import filled
from xlt.projection.project import Projected, Projector
from xlt.projection.report import ProjectionStatistics
from xlt.runs import project_shards
from xlt.runs.experiment import control_problem, prepare
from xlt.runs.predict import open_target
from xlt.runs.sources import Sources
from xlt.task import make_task
from xlt.transfer.stage import DataSplit

if TYPE_CHECKING:
    from xlt.config.load import LoadedConfig
    from xlt.data.resolved import ResolvedData
    from xlt.task import Task

DEFAULT_EXAMPLES = 50
"""Records on a page, unless asked otherwise."""


def project_config(
    loaded: LoadedConfig, *, examples: int = DEFAULT_EXAMPLES, on: str | None = None
) -> list[dict[str, Any]]:
    """Make everything that a config projects, without training: what `xlt train` would use.

    Writes a data file and a page for each language and split into ``projection`` in the run's
    folder. Returns a report for each.
    on: an executor, which projects in shards (`xlt.runs.project_shards`).
    Raises XltError for a config that projects nothing, and as reading and projecting do.
    """
    with _sending(loaded), _executor(on) as executor:
        return _project_config(loaded, examples, executor)


def _sending(loaded: LoadedConfig) -> AbstractContextManager[None]:
    """A block in which texts may be sent, if the config asks for that and it is allowed."""
    return obeying(one for one in requests(loaded) if one.permission == ONLINE)


def _project_config(
    loaded: LoadedConfig, examples: int, executor: Executor | None
) -> list[dict[str, Any]]:
    try:
        experiment = prepare(loaded)
        config, task = experiment.config, experiment.task
        data_splits = [p for p in experiment.data_splits if p.projected_from]
        if not data_splits:
            raise XltError(
                f"the strategy {config.strategy.name} projects no data",
                where="strategy",
                fix="use `strategy: projection`, or `xlt project IN OUT --task … --from … --to …`",
            )
        sources = Sources(config, task)
        folder = config.output.root / config.name / "projection"
        folder.mkdir(parents=True, exist_ok=True)
        reports = []
        for data_split in data_splits:
            assert data_split.projected_from is not None
            projector = Projector(
                task, config.projection, data_split.projected_from, data_split.language
            )
            suffix = task.formats[next(iter(task.formats))][0]
            name = f"{data_split.projected_from}-to-{data_split.language}.{data_split.split}"
            reports.append(
                _project(
                    projector,
                    sources.load(data_split.origin).records,
                    folder / f"{name}{suffix}",
                    page_at=folder / f"{name}.html",
                    part=data_split.split,
                    examples=examples,
                    executor=executor,
                )
            )
        return reports
    except XltError as error:
        raise loaded.locate(error) from error


def project_file(
    loaded: LoadedConfig,
    output: str,
    *,
    html: Path | None = None,
    examples: int = DEFAULT_EXAMPLES,
    on: str | None = None,
) -> dict[str, Any]:
    """Project the config's training data, of any size, into a file; "-" is standard output.

    html: where the page of examples goes; by default beside the output.
    on: as of `project_config`.
    Raises XltError as `project_config` does, and for an output that is a file that is read.
    """
    with _sending(loaded), _executor(on) as executor:
        return _project_file(loaded, output, html, examples, executor)


def _project_file(
    loaded: LoadedConfig,
    output: str,
    html: Path | None,
    examples: int,
    executor: Executor | None,
) -> dict[str, Any]:
    from xlt.data.references import check_reference, key_of
    from xlt.reader_options import on_command_line

    try:
        config = loaded.config
        task = make_task(config)
        (source,), (target,) = config.source, config.target
        for n, reference in enumerate(config.data[source].train):
            check_reference(task, reference, source, "train", on_command_line)
            key = f"{key_of(source, 'train')}.{n}"
            if (problem := control_problem(task, reference, "train", key)) is not None:
                raise problem
        projector = Projector(task, config.projection, source, target)
        resolved = Sources(config, task).resolve(DataSplit(source, "train"))
        records = _records(task, resolved, config.data_seed)
        page_at = html or (None if output == "-" else Path(f"{output}.html"))
        inputs = [path for data in resolved for path in data.files]
        inputs += (
            filled(name, source, target, "train")
            for name in _named_files(config.projection.model_dump(mode="json"))
        )
        if output != "-":
            refuse_overwriting(output, inputs, where="OUT")
        if page_at is not None:
            refuse_overwriting(page_at, [*inputs, output], where="--html")
        return _project(
            projector, records, output, page_at=page_at, examples=examples, executor=executor
        )
    except XltError as error:
        raise loaded.locate(error) from error


def _executor(on: str | None) -> AbstractContextManager[Executor | None]:
    return nullcontext() if on is None else make_executor(on, ("xlt.runs.project_shards",))


def _named_files(settings: Any) -> Iterator[str]:
    """The files that settings name: translations and links that are given, parallel text."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if key in ("file", "originals", "parallel"):
                yield from [value] if isinstance(value, str) else value or ()
            yield from _named_files(value)


def _records(task: Task, data: Iterable[ResolvedData], seed: int) -> Iterator[Document]:
    """One at a time: straight from the files; from disk a sample, and what a control changes."""
    from xlt.data.store import load_documents, read_documents

    for resolved in data:
        if resolved.limit is None and resolved.control is None:
            yield from read_documents(task, resolved)
        else:
            yield from load_documents(task, resolved, seed)


def _project(
    projector: Projector,
    records: Iterable[Document],
    output: Path | str,
    *,
    page_at: Path | None,
    examples: int,
    executor: Executor | None,
    part: str = "train",
) -> dict[str, Any]:
    task = projector.task
    format = next(iter(task.formats)) if output == "-" else task.format_of(Path(output))
    counted, sample = ProjectionStatistics(), page.Sample(examples)
    projecting: AbstractContextManager[Iterator[Projected]]
    if executor is None:
        projecting = nullcontext(store.project(projector, records, part=part))
    else:
        projecting = project_shards.projecting(executor, projector, records, str(output), part=part)

    def used(stream: Iterable[Projected]) -> Iterator[Document]:
        for one in stream:
            counted.add(one)
            sample.add(one)
            if one.projection.document is not None:
                yield one.projection.document

    with projecting as projected, open_target(str(output), format) as target:
        # One call for all: a writer may number what it writes.
        task.write_any(used(projected), target, format)
    if page_at is not None:
        page.write(sample.records(), page_at)
    return {
        "from": projector.source,
        "to": projector.target,
        "output": str(output),
        "html": None if page_at is None else str(page_at),
        **counted.as_dict(),
    }
