"""The records a config talks about, each portion read once and remembered."""

from __future__ import annotations

import hashlib

from xlt.config.schema import Config
from xlt.data.references import ResolvedData, for_split
from xlt.data.store import load_records, sample
from xlt.errors import XltError
from xlt.task import Record, Task
from xlt.training.data import Data
from xlt.transfer.stage import Portion


class Sources:
    """Loads portions of a config's data.

    `used` collects what was resolved, for the manifest and the model card.
    """

    def __init__(self, config: Config, task: Task) -> None:
        self.config, self.task = config, task
        self.used: dict[tuple[str, str], list[ResolvedData]] = {}
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

    def load(self, portion: Portion) -> Data:
        """The records of a portion. Raises XltError for missing, malformed or empty data."""
        if portion in self._loaded:
            return self._loaded[portion]
        records: list[Record] = []
        digest = hashlib.sha256(repr((portion.limit, portion.seed)).encode())
        for resolved in self.resolve(portion):
            rows = load_records(self.task, resolved, self.config.data_seed)
            records += rows.to_list()
            digest.update(repr((resolved.fingerprint, resolved.limit)).encode())
            if resolved.limit:
                digest.update(str(self.config.data_seed).encode())
        if portion.limit is not None and portion.limit < len(records):
            records = [records[i] for i in sample(len(records), portion.limit, portion.seed or 0)]
        self._loaded[portion] = Data(portion, digest.hexdigest(), records)
        return self._loaded[portion]
