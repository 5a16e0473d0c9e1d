"""The records a config talks about, each portion read once and remembered."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Config
from xlt.data.references import for_split
from xlt.data.resolved import ResolvedData
from xlt.data.store import load_documents, sample
from xlt.document import Document
from xlt.errors import XltError
from xlt.projection import store
from xlt.projection.project import Projector
from xlt.projection.report import Yield
from xlt.task import Task
from xlt.training.data import Data
from xlt.transfer.stage import Portion

if TYPE_CHECKING:
    from xlt.projection.project import Projector


class Sources:
    """Loads portions of a config's data.

    `used` collects what was resolved, for the manifest and the model card; `yields` what came of
    each portion that was projected.
    """

    def __init__(self, config: Config, task: Task) -> None:
        self.config, self.task = config, task
        self.used: dict[tuple[str, str], list[ResolvedData]] = {}
        self.yields: dict[Portion, dict[str, Any]] = {}
        self._loaded: dict[Portion, Data] = {}

    def resolve(self, portion: Portion) -> list[ResolvedData]:
        """Files and readers of a portion; nothing is read yet."""
        key = (portion.language, portion.split)
        if key not in self.used:
            data = self.config.data.get(portion.language)
            if data is None:
                raise XltError(
                    f"there is no data for {portion.language}",
                    where="data",
                    fix=f"add `{portion.language}:` with train, dev or test under `data`",
                )
            self.used[key] = for_split(data, portion.language, portion.split)
        return self.used[key]

    def check(self, portion: Portion) -> None:
        """Raise XltError where a portion cannot be projected on this machine."""
        if portion.projected_from is not None:
            self._projector(portion)

    def projections(self) -> list[dict[str, Any]]:
        """What came of every portion that was projected, JSON-able."""
        return [
            {"from": p.projected_from, "to": p.language, "split": p.split, **report}
            for p, report in self.yields.items()
        ]

    def load(self, portion: Portion) -> Data:
        """The records of a portion. Raises XltError for missing, malformed or empty data."""
        if portion not in self._loaded:
            self._loaded[portion] = (
                self._project(portion) if portion.projected_from else (self._read(portion))
            )
        return self._loaded[portion]

    def _read(self, portion: Portion) -> Data:
        records: list[Document] = []
        digest = hashlib.sha256(repr((portion.limit, portion.seed)).encode())
        for resolved in self.resolve(portion):
            rows = load_documents(self.task, resolved, self.config.data_seed)
            records += rows
            digest.update(repr((resolved.fingerprint, resolved.limit)).encode())
            if resolved.limit:
                digest.update(str(self.config.data_seed).encode())
        if portion.limit is not None and portion.limit < len(records):
            records = [records[i] for i in sample(len(records), portion.limit, portion.seed or 0)]
        return Data(portion, digest.hexdigest(), records)

    def _project(self, portion: Portion) -> Data:
        """What `portion.origin` becomes in another language, with weights if they are asked for."""
        origin, settings = portion.origin, self.config.projection
        projector = self._projector(portion)
        counted = Yield()
        originals = self.load(origin).records
        found = counted.watch(store.project(projector, originals, part=portion.split))
        kept = [one.projection for one in found if one.projection.document is not None]
        self.yields[portion] = {**projector.describe(), **counted.as_dict()}
        if not kept:
            lost = ", ".join(f"{n} {reason}" for reason, n in counted.labels.lost.items())
            raise XltError(
                f"nothing of the {origin.split} data of {origin.language} is left in "
                f"{portion.language} (labels lost: {lost or 'none'})",
                where="projection",
                fix="look at some with `xlt project`; try another translator, aligner or filter",
            )
        records = [p.document for p in kept if p.document is not None]
        weights = [p.confidence for p in kept] if settings.weighting == "confidence" else None
        labels = dict(self.task.labels(originals))
        rows = [self.task.schema.to_row(document) for document in records]
        content = json.dumps([rows, weights, labels], sort_keys=True, ensure_ascii=False)
        fingerprint = hashlib.sha256(content.encode()).hexdigest()
        return Data(portion, fingerprint, records, weights, originals)

    def _projector(self, portion: Portion) -> Projector:
        origin = portion.origin
        return Projector(self.task, self.config.projection, origin.language, portion.language)
