"""Finished stages: what is left of one, and whether it is still as it was written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.files import DamagedFile, read_sealed, remove
from xlt.model.folder import check_model
from xlt.task import Labels
from xlt.training.selected import EVALUATED, SELECTED, selected_folder

log = logging.getLogger(__name__)

DONE = "done.json"

Observed = Mapping[str, list[str]]
"""Selector → fingerprints of the dev sets that it is the mean score of."""

Selected = Mapping[str, Mapping[str, float]]
"""Selector → {"step", "score"}; each step has a folder."""


@dataclass(frozen=True)
class StageResult:
    """A stage that has run.

    labels:   what its model knows; None of an encoder without task layers.
    selected: those whose weights are intact.
    reused:   it had run before.
    differs:  what it was trained with that is otherwise now (`identity.differences`); the user
        said that it may be used all the same.
    about:    what its kind says of what came out; `note` is a sentence for people.
    changed:  setting of `training` → its value, of those that are not as was asked for
        (`attempts.Attempts`).
    """

    key: str
    folder: Path
    labels: Labels | None
    selected: Selected
    primary: str
    reused: bool = False
    differs: tuple[str, ...] = ()
    changed: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def model_folder(self, selector: str | None = None) -> Path:
        return selected_folder(self.folder, int(self.selected[selector or self.primary]["step"]))


def find(folder: Path, key: str, needed: Observed, *, reused: bool = True) -> StageResult | None:
    """The stage in a folder, if it is finished and what is needed of it is as it was written.

    What is not is said in a warning.

    needed: dev sets that it has to have scores of.
    reused: False for what this process has just written.
    """
    try:
        done = read_done(folder)
    except DamagedFile as error:
        log.warning("%s: %s: the stage is trained again", error.where, error.what)
        return None
    if done is None:
        return None
    lacking = [
        name for name, content in needed.items() if done.get("observed", {}).get(name) != content
    ]
    if lacking:
        log.warning("%s lacks scores of %s: it is trained again", folder.name, ", ".join(lacking))
        return None
    problems = damaged(folder, done["selected"]) if reused else {}
    own = next((problems[name] for name in (done["primary"], *needed) if name in problems), None)
    if own is not None:
        log.warning("%s: %s: the stage is trained again", folder.name, own)
        return None
    for name, problem in problems.items():
        others = "%s: %s: only runs that select by %s have use for it, and train the stage again"
        log.warning(others, folder.name, problem, name)
    selected = {name: best for name, best in done["selected"].items() if name not in problems}
    labels = done["labels"]
    if labels is not None:
        labels = {layer: tuple(values) for layer, values in labels.items()}
    changed = done.get("changed", {})
    about = done.get("about", {})
    primary = done["primary"]
    return StageResult(key, folder, labels, selected, primary, reused, changed=changed, about=about)


def damaged(folder: Path, selected: Selected) -> dict[str, str]:
    """Selector → what is wrong with its weights, of those in a stage's folder that are damaged."""
    steps = {int(best["step"]) for best in selected.values()}
    problems = {step: check_model(selected_folder(folder, step)) for step in steps}
    found = {name: problems[int(best["step"])] for name, best in selected.items()}
    return {name: problem for name, problem in found.items() if problem is not None}


def read_done(folder: Path) -> dict[str, Any] | None:
    """What a finished stage says of itself; None for one that is not finished.

    Raises DamagedFile.
    """
    try:
        return read_sealed(folder / DONE, fix="the stage has to be trained again")
    except FileNotFoundError:
        return None


def finished_before(folder: Path) -> dict[str, Any] | None:
    """What a stage that is trained says of an earlier time; None where that cannot be read, which
    is said when it is not used (`find`)."""
    try:
        return read_done(folder)
    except DamagedFile:
        return None


def discard(folder: Path) -> None:
    """Remove the models of a stage, and then what says that it is finished.

    In this order what a killed process leaves is a stage with damaged models, not one with others.
    """
    for name in (SELECTED, EVALUATED, DONE):
        remove(folder / name)


def intact(folder: Path, done: dict[str, Any]) -> dict[str, Any]:
    """What a stage that was finished before has of other runs' selectors, but for damaged weights.

    A run that needs those finds that the stage lacks them.
    """
    lost = damaged(folder, done["selected"])
    return {
        part: {name: value for name, value in done.get(part, {}).items() if name not in lost}
        for part in ("selected", "observed")
    }
