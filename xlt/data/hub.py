"""Data sets of the Hugging Face hub, without scripts, and from the local cache by default."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.config.schema import Reference
from xlt.data.checksums import sha256
from xlt.data.fields import mapping, objects, required, sequence, text
from xlt.data.jsonl import load_json
from xlt.data.resolved import ResolvedData
from xlt.errors import XltError, choose, first_line
from xlt.files import files_below, is_outside
from xlt.reader_options import advise

if TYPE_CHECKING:
    from datasets import Dataset

    from xlt.document.document import Row
    from xlt.task import Task


def parse_hub(ref: str, split: str, *, where: object = None) -> tuple[str, str | None, str]:
    """Path, configuration and split of ``hf:owner/name[/configuration][:split]``.

    A local folder works too, of data files or as `save_to_disk` writes it:
    ``hf:./folder:train``, ``hf:/folder``.
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
    folder = Path(hub[0])
    known = _content(folder) if folder.is_dir() else dataset._fingerprint
    content = json.dumps([hub[1:], known, reference.options], sort_keys=True)
    return ResolvedData(
        reference=reference.ref,
        language=language,
        split=hub[2],
        files=(),
        hub=hub,
        format=None,
        options=reference.options,
        limit=reference.limit,
        control=reference.control,
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        licence=dataset.info.license or None,
        citation=dataset.info.citation or None,
    )


def open_hub(
    hub: tuple[str, str | None, str], *, allow_network: bool = False, where: object = None
) -> Dataset:
    """The data set itself.

    Raises XltError if it is not cached and the network not allowed, and for a data set whose files
    are elsewhere than itself.
    """
    import datasets

    path, configuration, split = hub
    shown = path if configuration is None else f"{path}/{configuration}"
    network = allow_network or os.environ.get("XLT_ALLOW_NETWORK") == "1"
    cache: str | None = None
    if Path(path).is_dir():
        _check_folder(Path(path))
        # The library knows files by name and time, and would give back what they held before.
        cache = f"{datasets.config.HF_DATASETS_CACHE}/folder-{_content(Path(path))[:16]}"
    saved = _saved(Path(path), split)
    if saved is not None and configuration is not None:
        raise XltError(
            f"{path} is one saved data set, and has no configurations",
            where=where,
            fix=f"write hf:{path}:{split}",
        )
    try:
        with _quiet(), _offline(not network):
            if saved is not None:
                return datasets.Dataset.load_from_disk(str(saved))
            if network and not Path(path).exists():
                _check_files(datasets.load_dataset_builder(path, configuration), path)
            return datasets.load_dataset(
                path, configuration, split=split, cache_dir=cache, streaming=False
            )
    except (OSError, ValueError, RuntimeError) as error:
        if network or Path(path).exists():
            what, fix = f"the data set {shown} cannot be loaded: {error}", "check name and split"
        else:
            what = f"the data set {shown} (split {split}) is not in the local cache"
            fix = "set XLT_ALLOW_NETWORK=1 to fetch it, or fetch it on a machine with network"
        raise XltError(what, where=where, fix=fix) from error


def _saved(folder: Path, split: str) -> Path | None:
    """The folder of a split that the library has written (`save_to_disk`); None for other data.

    Raises XltError if there is no such split, or if its files are no part of the folder.
    """
    parts = folder / "dataset_dict.json"
    saved = folder
    if parts.is_file():
        splits = sequence(
            required(load_json(parts, fix="save it again"), "splits", where=parts),
            "`splits`",
            where=parts,
        )
        if split not in splits:
            raise XltError(
                f"there is no split {split!r}", where=parts, fix=choose(split, map(str, splits))
            )
        saved = folder / split
    state = saved / "state.json"
    if not state.is_file():
        return None
    stated = load_json(state, fix="save it again")
    if saved is folder and (own := mapping(stated, "it", where=state).get("_split")) not in (
        None,
        split,
    ):
        raise XltError(
            f"this is the split {own!r}, not {split!r}",
            where=state,
            fix=f"write `:{own}` behind the folder",
        )
    for file in objects(required(stated, "_data_files", where=state), "files", where=state):
        name = text(required(file, "filename", where=state), "`filename`", where=state)
        if Path(name).name != name or not (saved / name).is_file():
            raise XltError(
                f"the data set takes {name} for its data, which is no part of it",
                where=state,
                fix="save the data set again",
            )
    return saved


def _content(folder: Path) -> str:
    """SHA-256 of the files of a folder, by their names in it."""
    named = [(name, sha256(path)) for name, path in files_below(folder).items()]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _check_folder(folder: Path) -> None:
    """Refuse a folder whose card names files outside it, or on the network: the library looks for
    them as soon as it sees them, whatever it is told of being offline."""
    import yaml
    from huggingface_hub import DatasetCard

    for name in ("README.md", ".huggingface.yaml"):
        path = folder / name
        if not path.is_file():
            continue
        try:  # read as the library does, so that nothing has two meanings
            if name == "README.md":
                stated = DatasetCard.load(path).data.to_dict()
            else:
                stated = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (ValueError, OSError, yaml.YAMLError) as error:
            raise XltError(
                f"the card of the data set cannot be read: {first_line(error)}",
                where=path,
                fix="mend it, or remove it: the data are read without it",
            ) from error
        for file in _named_files(stated):
            if is_outside(file) or ":" in file or file.startswith("~"):
                raise XltError(
                    f"the data set takes {file} for its data, which is no part of it",
                    where=path,
                    fix="copy the data into the folder and name them there",
                )


def _named_files(stated: Any) -> Iterator[str]:
    """What stands under `data_files` and `data_dir`, at whatever depth."""
    todo, seen = [(stated, False)], set()
    while todo:
        value, named = todo.pop()
        if isinstance(value, str) and named:
            yield value
        if not isinstance(value, dict | list) or (id(value), named) in seen:
            continue  # aliases can make a short file expand without bounds
        seen.add((id(value), named))
        if isinstance(value, dict):
            todo += [(v, named or key in ("data_files", "data_dir")) for key, v in value.items()]
        else:
            todo += [(one, named) for one in value]


def _check_files(builder: Any, path: str) -> None:
    """Refuse a data set of the hub that takes other files for its own."""
    for files in (builder.config.data_files or {}).values():
        for file in files:
            if not str(file).startswith((f"hf://datasets/{path}@", f"hf://datasets/{path}/")):
                raise XltError(
                    f"the data set takes {file} for its data, which is no part of it",
                    where=f"hf:{path}",
                    fix="name another data set",
                )


def hub_rows(
    dataset: Dataset,
    task: Task,
    columns: Mapping[str, str],
    label_names: Mapping[str, Sequence[str]] | None = None,
    *,
    where: str = "hf:",
) -> Iterator[Row]:
    """The rows as `Task.validate_row` takes them.

    Columns are renamed, the numbers of classes are turned into their names: those of the data set
    (ClassLabel), or of `label_names`, by our name for the column; less than 0 is no class.

    Raises XltError for a column that is lacking, and for numbers without a name.
    """
    source = {ours: columns.get(ours, ours) for ours in task.columns}
    missing = [theirs for ours, theirs in source.items() if theirs not in dataset.column_names]
    lacking = [name for name in missing if name not in task.optional_columns]
    if lacking:
        raise XltError(
            f"the data set has no column {lacking[0]!r}",
            where=where,
            fix=f"{choose(lacking[0], dataset.column_names)}; "
            + advise(f"columns: {{{lacking[0]}: THEIRS}}"),
        )
    there = {ours: theirs for ours, theirs in source.items() if theirs in dataset.column_names}
    given = label_names or {}
    for ours in given:
        if ours not in task.label_columns or ours not in there:
            raise XltError(
                f"`label_names` names {ours!r}, which is no column of labels here",
                where=where,
                fix=choose(ours, [one for one in task.label_columns if one in there]),
            )
    features = {ours: dataset.features[theirs] for ours, theirs in there.items()}
    for ours in there:
        if ours in task.label_columns:
            _check_classes(ours, features[ours], given.get(ours), where)
    for index, row in enumerate(dataset):
        renamed = {
            ours: _named(row[theirs], features[ours], given.get(ours), f"{where}[{index}]: {ours}")
            for ours, theirs in there.items()
        }
        yield {**renamed, "id": str(renamed.get("id", index))}


def _check_classes(column: str, feature: Any, given: Sequence[str] | None, where: str) -> None:
    """Raises XltError for a column of labels that are mere numbers, and for names of what has
    none."""
    from datasets import ClassLabel

    while hasattr(feature, "feature"):  # lists
        feature = feature.feature
    stated = feature.names if isinstance(feature, ClassLabel) else None
    numbers = stated is not None or "int" in str(getattr(feature, "dtype", ""))
    if given is not None and not numbers:
        raise XltError(
            f"`label_names` gives names to {column}, which has no numbers",
            where=where,
            fix=f"remove `label_names.{column}`",
        )
    # The library names classes so of which it knows but how many there are.
    unnamed = not stated or stated == [str(number) for number in range(len(stated))]
    if numbers and not given and unnamed:
        raise XltError(
            f"the labels in {column} are numbers, and the data set does not say what they mean",
            where=where,
            fix="name them in their order, from 0: "
            + advise(f"label_names: {{{column}: [NAME, NAME]}}"),
        )


def _named(value: Any, feature: Any, given: Sequence[str] | None, where: str) -> Any:
    """A value whose classes, within lists and objects too, have their names instead of numbers.

    given: the names, over those of the feature. Raises XltError for a number without a name.
    """
    from datasets import ClassLabel

    if isinstance(value, dict) and isinstance(feature, dict):
        return {key: _named(one, feature[key], given, where) for key, one in value.items()}
    inner = getattr(feature, "feature", None)
    if isinstance(value, list) and inner is not None:
        return [_named(one, inner, given, where) for one in value]
    names = given or (feature.names if isinstance(feature, ClassLabel) else None)
    if names is None or value is None:
        return value
    if value >= len(names):
        raise XltError(
            f"class {value}, but names of {len(names)} classes alone, from 0",
            where=where,
            fix="name all classes in `label_names`",
        )
    return names[value] if value >= 0 else None


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
