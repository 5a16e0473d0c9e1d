"""The records a config talks about, each data_split read once and remembered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xlt.config.intermediate import learning, of_other_task
from xlt.config.schema import INTERMEDIATE, Config
from xlt.data.held_out import hold_out
from xlt.data.references import for_split, key_of
from xlt.data.resolved import ResolvedData
from xlt.data.store import MAX_HELD, held, load_documents, sample
from xlt.document import Documents
from xlt.errors import XltError
from xlt.projection import store
from xlt.projection.project import Projector
from xlt.projection.report import ProjectionStatistics
from xlt.task import Labels, Task, make_task
from xlt.training.data import Data
from xlt.training.tagged_text import reader
from xlt.transfer.stage import DataSplit

if TYPE_CHECKING:
    from xlt.projection.project import Projector


def reads(config: Config) -> str:
    """What the config says of data, of their projection and of the encoder."""
    parts = {"data", "data_seed", "task", "projection", "model", INTERMEDIATE}
    return json.dumps(config.model_dump(mode="json", include=parts), sort_keys=True)


class Sources:
    """Loads data_splits of a config's data.

    `used` collects what was resolved, for the manifest and the model card; `yields` what came of
    each data_split that was projected.
    """

    def __init__(self, config: Config, task: Task) -> None:
        self.config, self.task = config, task
        self.used: dict[tuple[str, str], list[ResolvedData]] = {}
        self.yields: dict[DataSplit, dict[str, Any]] = {}
        self._loaded: dict[DataSplit, Data] = {}
        self._labels: dict[DataSplit, Labels] = {}
        self._others: dict[str, Sources] = {}
        self._divided: dict[str, tuple[list[int], list[int]]] = {}  # by `dev_share`
        self._room = MAX_HELD

    @property
    def others(self) -> Mapping[str, Sources]:
        """Of other tasks, by their names in `intermediate`, of those that were asked for."""
        return self._others

    def of(self, name: str) -> Sources:
        """Those of another task, whose errors have keys as if it were the config's own."""
        if name not in self._others:
            config = learning(self.config, name)
            self._others[name] = Sources(config, make_task(config))
        return self._others[name]

    @contextmanager
    def _whose(self, data_split: DataSplit) -> Iterator[tuple[Sources, DataSplit]]:
        """Who reads a data_split, and what it is there; in the block, errors of another task's data
        get their full keys."""
        if data_split.task is None:
            yield self, data_split
            return
        try:
            yield self.of(data_split.task), replace(data_split, task=None)
        except XltError as error:
            raise of_other_task(error, data_split.task) from error

    def resolve(self, data_split: DataSplit) -> list[ResolvedData]:
        """Files and readers of a data_split; nothing is read yet."""
        with self._whose(data_split) as (own, split):
            return own._resolve(split)

    def _resolve(self, data_split: DataSplit) -> list[ResolvedData]:
        key = (data_split.language, data_split.split)
        if key not in self.used:
            data = self.config.data.get(data_split.language)
            if data is None:
                raise XltError(
                    f"there is no data for {data_split.language}",
                    where="data",
                    fix=f"add `{data_split.language}:` with train, dev or test under `data`",
                )
            self.used[key] = for_split(data, data_split.language, data_split.split)
        return self.used[key]

    def task_of(self, data_split: DataSplit) -> Task:
        """What reads it: of what stands beside the splits not the config's task."""
        if data_split.task is not None:
            return self.of(data_split.task).task
        return reader(data_split.split, self.task)

    def check(self, data_split: DataSplit) -> None:
        """Raise XltError where a data_split cannot be projected on this machine."""
        if data_split.projected_from is not None:
            self._projector(data_split)

    def projections(self) -> list[dict[str, Any]]:
        """What came of every data_split that was projected, JSON-able."""
        return [
            {"from": p.projected_from, "to": p.language, "split": p.split, **report}
            for p, report in self.yields.items()
        ]

    def load(self, data_split: DataSplit) -> Data:
        """The records of a data_split. Raises XltError for missing, malformed or empty data, and
        where there are fewer records than are wanted."""
        if data_split not in self._loaded:
            with self._whose(data_split) as (own, split):
                read = own._project(split) if split.projected_from else own._read(split)
            self._loaded[data_split] = replace(read, data_split=data_split)
        return self._loaded[data_split]

    def labels(self, data_split: DataSplit) -> Labels:
        """The labels in the records of a data_split, none if it counts as unlabelled. Raises
        XltError as `load`."""
        if data_split.unlabelled:
            return {}
        if data_split not in self._labels:
            read = self.load(data_split).records
            self._labels[data_split] = self.task_of(data_split).labels(read)
        return self._labels[data_split]

    def _read(self, data_split: DataSplit) -> Data:
        parts: list[Documents] = []
        task = self.task_of(data_split)
        digest = hashlib.sha256(repr((data_split.limit, data_split.seed)).encode())
        for resolved in self.resolve(data_split):
            parts.append(load_documents(task, resolved, self.config.data_seed))
            digest.update(repr((resolved.fingerprint, resolved.limit)).encode())
            if resolved.limit or resolved.control:
                digest.update(str(self.config.data_seed).encode())
            if resolved.control:
                digest.update(resolved.control.encode())
        documents = Documents.joined(parts)
        share = self.config.data[data_split.language].dev_share
        if share is not None and data_split.split in ("train", "dev"):
            if data_split.language not in self._divided:
                where = f"data.{data_split.language}.dev_share"
                divided = hold_out(parts, share, self.config.data_seed, where=where)
                self._divided[data_split.language] = divided
            train, dev = self._divided[data_split.language]
            documents = documents.select(dev if data_split.split == "dev" else train)
            digest.update(repr((data_split.split, share, self.config.data_seed)).encode())
        if data_split.limit is not None and data_split.limit > len(documents):
            raise XltError(
                f"{data_split.limit} records are wanted, and there are {len(documents)}",
                where=key_of(data_split.language, data_split.split),
                fix=f"ask for {len(documents)} at most (`strategy.k`, `strategy.replay`), or add "
                "data",
            )
        if data_split.limit is not None and data_split.limit < len(documents):
            documents = documents.select(
                sample(len(documents), data_split.limit, data_split.seed or 0)
            )
        records = held(documents, self._room)
        if records is not documents:
            self._room -= len(records)
        return Data(data_split, digest.hexdigest(), records)

    def _project(self, data_split: DataSplit) -> Data:
        """What `data_split.origin` becomes in another language, with weights if asked for."""
        origin, settings = data_split.origin, self.config.projection
        projector = self._projector(data_split)
        counted = ProjectionStatistics()
        originals = self.load(origin).records
        projections = counted.watch(store.project(projector, originals, part=data_split.split))
        kept = [one.projection for one in projections if one.projection.document is not None]
        self.yields[data_split] = {**projector.describe(), **counted.as_dict()}
        if not kept:
            lost = ", ".join(f"{n} {reason}" for reason, n in counted.labels.lost.items())
            raise XltError(
                f"nothing of the {origin.split} data of {origin.language} is left in "
                f"{data_split.language} (labels lost: {lost or 'none'})",
                where="projection",
                fix="look at some with `xlt project`; try another translator, aligner or filter",
            )
        records = [p.document for p in kept if p.document is not None]
        weights = [p.confidence for p in kept] if settings.weighting == "confidence" else None
        labels = dict(self.task.labels(originals))
        rows = [self.task.schema.to_row(document) for document in records]
        content = json.dumps([rows, weights, labels], sort_keys=True, ensure_ascii=False)
        fingerprint = hashlib.sha256(content.encode()).hexdigest()
        return Data(data_split, fingerprint, records, weights, originals)

    def _projector(self, data_split: DataSplit) -> Projector:
        origin = data_split.origin
        return Projector(self.task, self.config.projection, origin.language, data_split.language)
