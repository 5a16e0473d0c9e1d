"""Data sets of the Hugging Face hub, without scripts, and from the local cache by default."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Reference
from xlt.data.resolved import ResolvedData
from xlt.errors import XltError, choose
from xlt.reader_options import advise

if TYPE_CHECKING:
    from datasets import Dataset

    from xlt.document.document import Row
    from xlt.task import Task


def parse_hub(ref: str, split: str, *, where: object = None) -> tuple[str, str | None, str]:
    """Path, configuration and split of ``hf:owner/name[/configuration][:split]``.

    A local folder of data files works too: ``hf:./folder:train``, ``hf:/folder``.
    """
    body = ref.removeprefix("hf:")
    name, _, given = body.partition(":")
    split = given or split
    if name.startswith((".", "/", "~")):
        return str(Path(name).expanduser()), None, split
    parts = name.split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise XltError(
            f"{ref!r} names no data set",
            where=where,
            fix="write `hf:owner/name:split` or `hf:owner/name/configuration:split`",
        )
    return "/".join(parts[:2]), parts[2] if len(parts) == 3 else None, split


def resolve_hub(
    reference: Reference, language: str, split: str, *, where: object, allow_network: bool
) -> ResolvedData:
    """See `xlt.data.references.resolve`."""
    hub = parse_hub(reference.ref, split, where=where)
    if reference.format is not None:
        raise XltError(
            "data of the hub have columns, not a format",
            where=where,
            fix="remove `format`; `columns: {ours: theirs}` names the columns",
        )
    dataset = open_hub(hub, allow_network=allow_network, where=where)
    content = json.dumps([hub[1:], dataset._fingerprint, reference.options], sort_keys=True)
    return ResolvedData(
        reference=reference.ref,
        language=language,
        split=hub[2],
        files=(),
        hub=hub,
        format=None,
        options=reference.options,
        limit=reference.limit,
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        licence=dataset.info.license or None,
        citation=dataset.info.citation or None,
    )


def open_hub(
    hub: tuple[str, str | None, str], *, allow_network: bool = False, where: object = None
) -> Dataset:
    """The data set itself. Raises XltError if it is not cached and the network not allowed."""
    import datasets

    path, configuration, split = hub
    shown = path if configuration is None else f"{path}/{configuration}"
    network = allow_network or os.environ.get("XLT_ALLOW_NETWORK") == "1"
    try:
        with _quiet(), _offline(not network):
            return datasets.load_dataset(path, configuration, split=split, streaming=False)
    except (OSError, ValueError, RuntimeError) as error:
        if network or Path(path).exists():
            what, fix = f"the data set {shown} cannot be loaded: {error}", "check name and split"
        else:
            what = f"the data set {shown} (split {split}) is not in the local cache"
            fix = "set XLT_ALLOW_NETWORK=1 to fetch it, or fetch it on a machine with network"
        raise XltError(what, where=where, fix=fix) from error


def hub_rows(dataset: Dataset, task: Task, columns: dict[str, str]) -> Iterator[Row]:
    """The rows as `Task.validate_row` takes them.

    Columns are renamed, the numbers of classes are turned into their names.
    """
    from datasets import ClassLabel

    source = {ours: columns.get(ours, ours) for ours in task.columns}
    missing = [theirs for ours, theirs in source.items() if theirs not in dataset.column_names]
    required = [name for name in missing if name not in task.optional_columns]
    if required:
        raise XltError(
            f"the data set has no column {required[0]!r}",
            where=dataset.info.dataset_name or "hf:",
            fix=f"{choose(required[0], dataset.column_names)}; "
            + advise(f"columns: {{{required[0]}: THEIRS}}"),
        )

    def plain(value: Any, feature: Any) -> Any:
        if isinstance(feature, ClassLabel):
            return None if value is None or value < 0 else feature.int2str(value)
        inner = getattr(feature, "feature", None)
        if isinstance(value, list) and inner is not None:
            return [plain(item, inner) for item in value]
        return value

    for index, row in enumerate(dataset):
        renamed = {
            ours: plain(row[theirs], dataset.features[theirs])
            for ours, theirs in source.items()
            if theirs in row
        }
        yield {**renamed, "id": str(renamed.get("id", index))}


@contextmanager
def _offline(yes: bool) -> Iterator[None]:
    """Keep the hub libraries off the network: they read the variable only when imported."""
    import datasets.config
    import huggingface_hub.constants

    modules: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = yes or module.HF_HUB_OFFLINE
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value


@contextmanager
def _quiet() -> Iterator[None]:
    import datasets.utils.logging as hub_logging
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    level, bars = hub_logging.get_verbosity(), not are_progress_bars_disabled()
    hub_logging.set_verbosity_error()
    disable_progress_bars()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)
        if bars:
            enable_progress_bars()
