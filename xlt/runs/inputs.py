"""What a run was made from and with, so that it is not taken for another that asks for the same."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xlt.data.checksums import sha256
from xlt.errors import XltError
from xlt.files import DamagedFile
from xlt.inference.device import best_device, choose_precision
from xlt.model.content import folder_hash
from xlt.results import read_manifest
from xlt.runs.experiment import Experiment
from xlt.runs.manifest import describe_encoder
from xlt.runs.report import describe_data
from xlt.runs.sources import Sources
from xlt.training.identity import differences, environment

log = logging.getLogger(__name__)


def describe(experiment: Experiment, sources: Sources) -> dict[str, Any]:
    """For the manifest: "data", "encoder", "projection_files" and "environment", JSON-able.

    Raises XltError where data cannot be found. Nothing is read but for its checksum.
    """
    config = experiment.config
    for data_split in experiment.data_splits:
        sources.resolve(data_split.origin)
    device = best_device()
    precision = choose_precision(config.training.precision, device)
    lora = config.model.lora is not None
    return {
        "encoder": describe_encoder(config.model),
        "data": describe_data(sources),
        "projection_files": dict(_files(config.projection.model_dump(mode="json"))),
        "environment": environment([type(experiment.task)], precision, device, lora=lora),
    }


def check(folder: Path, experiment: Experiment, sources: Sources, *, finished: bool) -> None:
    """Compare what a run in a folder was made from with what is there now.

    Other code, libraries or devices than then are a warning for a finished run: its stages are
    looked at one by one where anything is trained.

    Raises XltError where data, the encoder or files of the projection have changed since.
    """
    try:
        then = read_manifest(folder)
    except FileNotFoundError:  # killed before anything began
        return
    except DamagedFile as error:
        log.warning("%s: %s: nobody can say what the run began with", error.where, error.what)
        return
    try:
        now = describe(experiment, sources)
    except XltError as error:
        if not finished:
            raise
        log.warning("nobody can say whether the data of %s have changed: %s", folder, error.what)
        return
    if changed := _changed(then, now):
        raise XltError(
            f"this run was made from other files than are there now: {', '.join(changed)} changed",
            where=folder,
            fix="--overwrite runs it with what is there now, another `name` keeps both; or put the "
            "old files back",
        )
    if finished and "environment" in then:
        differs = differences(then["environment"], now["environment"])
        if differs:
            log.warning(
                "%s was made with %s; --overwrite runs it again", folder, ", ".join(differs)
            )


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of what was made from other content."""
    before, after = _hashes(then), _hashes(now)
    return [name for name, digest in after.items() if before.get(name, digest) != digest]


def _hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    hashes = {
        f"{row['language']} {row['split']} ({row['reference']})": row["sha256"]
        for row in manifest["data"]
    }
    if "environment" not in manifest:  # an older xlt hashed other files of an encoder
        return hashes
    hashes |= manifest["projection_files"]
    encoder = manifest["encoder"]
    hashes |= {f"the text {path}": digest for path, digest in encoder.get("text", {}).items()}
    for role, one in (("encoder", encoder), ("donor", encoder.get("donor", {}))):
        if content := one.get("sha256") or one.get("commit"):
            hashes[f"the {role} {one['name']}"] = content
    return hashes


def _files(value: Any) -> Iterator[tuple[str, str]]:
    """Path → hash of every file and folder that settings name, with `{source}` and the like."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _files(one)
    if isinstance(value, str) and value:
        pattern = Path("*".join(map(glob.escape, re.split(r"(?:\{\w+\})+", value))))
        if not pattern.name:  # "." or "/": no file
            return
        root = Path(pattern.anchor)
        for path in sorted(root.glob(str(pattern.relative_to(root)))):
            if path.is_dir():
                yield str(path), folder_hash(path)
            elif path.is_file():
                yield str(path), sha256(path)
