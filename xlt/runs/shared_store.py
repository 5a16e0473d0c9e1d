"""What `xlt store` does with a store that machines share: what there is, whether it is as it was
written, what of it may go, and what is to go there."""

from __future__ import annotations

import logging
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from xlt.errors import XltError
from xlt.files import DamagedFile, write_sealed
from xlt.runs.object_store import ObjectStore, Record
from xlt.runs.shared_stages import FINISHED, SharedStages, about, opened
from xlt.runs.store import Keep, stage_folders
from xlt.training.finished import DONE, read_done
from xlt.training.selected import EVALUATED

log = logging.getLogger(__name__)


def find_store(place: str) -> ObjectStore | None:
    """The store at a path or URL; None for a path that leads to something else.

    Raises XltError for a URL at which there is none.
    """
    if "://" not in place and not Path(place).is_dir():
        return None
    store = opened(place)
    if store.is_store():
        return store
    if "://" not in place:
        return None
    raise XltError(
        "there is no store of stages here",
        where=place,
        fix="name the `output.store` of runs; the first that is trained with it makes one",
    )


def list_stages(store: ObjectStore) -> list[dict[str, Any]]:
    """As `xlt.runs.store.list_stages`, by the records alone; "runs" is None: they do not know."""
    rows = []
    for stage, records in _stages(store).items():
        finished = records.get(FINISHED)
        state = "finished" if finished else "damaged" if FINISHED in records else "unfinished"
        known = [record for record in records.values() if record is not None]
        rows.append(
            {
                "stage": stage,
                "state": state,
                "bytes": sum(record.bytes for record in known),
                "later": 0 if finished is None else finished.bytes - _selected(finished).bytes,
                "runs": None,
            }
        )
    return rows


def verify(store: ObjectStore) -> list[dict[str, str]]:
    """What is not as it was written, checkpoints among it: "stage", "what"; all files are read."""
    found = []
    for stage, records in _stages(store).items():
        for name, record in records.items():
            if record is None:
                found.append({"stage": stage, "what": f"{name}: its record is damaged"})
                continue
            wrong = store.damage(f"{stage}/{name}", record)
            found += [{"stage": stage, "what": f"{name}: {one}"} for one in wrong]
    return found


def prune(store: ObjectStore, keep: Keep, *, dry_run: bool = False) -> dict[str, Any]:
    """As `xlt.runs.store.prune`; nothing in a store says who uses it, so nothing is in use.

    What is left of publications that did not come to their end goes after a day. Raises XltError
    for "used".
    """
    if keep == "used":
        raise XltError(
            "which runs a stage is part of is not known in a store",
            where="--keep",
            fix="`--keep best` frees what no run has selected, `--keep none` everything",
        )
    removed = []
    for stage, records in _stages(store).items():
        finished = records.get(FINISHED)
        if finished is None:
            continue
        selected = _selected(finished)
        whole = keep == "none"
        size = finished.bytes - (0 if whole else selected.bytes)
        if whole or size:
            what = "the stage" if whole else "weights for later dev sets"
            removed.append({"stage": stage, "what": what, "bytes": size})
        if dry_run:
            continue
        for name in records.keys() - {FINISHED}:  # of a machine that was killed at the very end
            store.remove(f"{stage}/{name}")
        if whole:
            store.remove(f"{stage}/{FINISHED}")
        elif size:
            _forget_evaluated(store, f"{stage}/{FINISHED}", finished, selected)
    if not dry_run:
        store.sweep()
    return {"removed": removed, "in_use": [], "bytes": sum(one["bytes"] for one in removed)}


def push(root: Path, place: str) -> list[dict[str, str]]:
    """Publish every finished stage below `root` that the store lacks: "stage" of each. Damaged ones
    stay here, and warnings say so (`verify` says more).

    Raises XltError for a store that refuses, or does not answer.
    """
    stages = SharedStages(opened(place), every=0.0)
    stages.check()
    return [{"stage": folder.name} for folder in stage_folders(root) if stages.push(folder)]


def _stages(store: ObjectStore) -> dict[str, dict[str, Record | None]]:
    """Stage → its bundles by name; None for one whose record is damaged."""
    found: dict[str, dict[str, Record | None]] = defaultdict(dict)
    for bundle in store.bundles():
        stage, _, name = bundle.partition("/")
        try:
            record = store.record(bundle)
        except DamagedFile as error:
            log.warning("%s: %s", error.where, error.what)
            found[stage][name] = None
            continue
        if record is not None:  # else it has just been removed
            found[stage][name] = record
    return found


def _selected(record: Record) -> Record:
    """Without the weights that only later dev sets have use for."""
    files = {n: one for n, one in record.files.items() if n.partition("/")[0] != EVALUATED}
    return Record(files, record.about)


def _forget_evaluated(store: ObjectStore, bundle: str, record: Record, left: Record) -> None:
    """Have a stage say that it has no weights for later dev sets; then remove them."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store.fetch(bundle, Record({DONE: record.files[DONE]}, {}), folder)
        done = read_done(folder)
        assert done is not None
        done["keep"] = "best"
        write_sealed(folder / DONE, done)
        store.publish(bundle, {DONE: folder / DONE}, about(done), kept=left.files)
        digests = {digest for _, digest in record.files.values()}
        now = store.record(bundle)
        if now is not None:
            store.discard(bundle, digests - {digest for _, digest in now.files.values()})
