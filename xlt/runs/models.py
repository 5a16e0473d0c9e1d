"""The trained models that a user means by a run's folder."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.inference.loading import find_model
from xlt.model.folder import INFO
from xlt.results import CONFIG, RESULT


def models_of(path: Path, target: str | None) -> list[Path]:
    """The model folders that the user means; of a run all seeds'.

    Raises XltError for none, and for a run that lacks some.
    """
    if (path / INFO).is_file():
        return [path]
    first = find_model(path, target)
    found = sorted(path.glob(f"seed-*/{first.parent.name}/model"), key=_seed)
    _check_seeds(path, {one.parents[1].name for one in found})
    return found


def run_of(model: Path, named: Path) -> Path:
    """The folder of the run that a model is in. named: what the user has named.

    Raises XltError where it is in none.
    """
    above = model.resolve().parents[2:3]  # none of a folder near the root
    if not above or not (above[0] / CONFIG).is_file():
        raise XltError(
            "what this model does on the dev data of its sources is not known: it is not in the "
            "folder of its run",
            where=named,
            fix="name the run, or the model's folder in it (seed-1/<target>/model)",
        )
    return above[0]


def _check_seeds(run: Path, found: Set[str]) -> None:
    """Raise XltError for a run that has not the models that its config says."""
    if not (run / CONFIG).is_file():
        return
    config = load_config(run / CONFIG).config
    missing = [str(seed) for seed in config.seeds if f"seed-{seed}" not in found]
    finished = (run / RESULT).is_file()
    if not missing or (finished and config.output.keep == "best"):
        return
    raise XltError(
        f"there is no model of seed {', '.join(missing)}"
        + ("" if finished else ": the run is not finished"),
        where=run,
        fix="name the model folders that you mean (seed-1/<target>/model)"
        if finished
        else "finish the run (`xlt train CONFIG --resume`), or name the model folders",
    )


def _seed(folder: Path) -> tuple[int, str]:
    name = folder.parents[1].name
    return len(name), name
