"""Push a run's models to the Hugging Face hub, each with the run's model card."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from xlt.errors import XltError, first_line
from xlt.escape import without_folders
from xlt.files import PART, link_or_copy, read_sealed
from xlt.model.folder import INFO, add_file, read_info, write_info
from xlt.model.pretrained import offline
from xlt.projection.predict import FILE
from xlt.results import CARD
from xlt.runs.folder import model_folder


def check_reachable() -> None:
    """Raise XltError where nothing can be pushed from this machine; asks nobody."""
    if offline():
        raise XltError(
            "the model cannot be pushed: HF_HUB_OFFLINE is set",
            where="output.push_to_hub",
            fix="unset it, and run the same command with --resume",
        )


def repositories(repository: str, targets: Sequence[str]) -> dict[str, str]:
    """Target → where its model goes: `owner/name`; with several targets, `owner/name-<target>`."""
    return {
        target: repository if len(targets) == 1 else f"{repository}-{target}" for target in targets
    }


def publish(run: Path, repository: str, seeds: Mapping[str, int]) -> dict[str, str]:
    """Upload a model for every target; target → repository (`repositories`).

    seeds: target → the seed whose model it is.
    Of paths on this machine that a model's folder names, others get the last part alone.
    Raises XltError if the hub cannot be reached or does not let the user write. The run itself is
    finished by then, and the same command with `--resume` tries again.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    check_reachable()
    api = HfApi()
    pushed = {}
    for target, name in repositories(repository, list(seeds)).items():
        try:
            api.create_repo(name, exist_ok=True)
            with _shareable(run / model_folder(seeds[target], target)) as folder:
                api.upload_folder(repo_id=name, folder_path=folder)
            api.upload_file(repo_id=name, path_in_repo="README.md", path_or_fileobj=run / CARD)
        except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
            raise XltError(
                f"the finished model cannot be pushed to {name}: {first_line(error)}",
                where="output.push_to_hub",
                fix="log in (`hf auth login`), check the name, and run again with --resume",
            ) from error
        pushed[target] = name
    return pushed


@contextmanager
def _shareable(model: Path) -> Iterator[Path]:
    """A copy of a model's folder that does not say where files lie on this machine.

    Its files are second names of the model's own; those that change are written anew.
    """
    with tempfile.TemporaryDirectory(dir=model.parent, suffix=PART) as temporary:
        folder = Path(temporary) / "model"
        shutil.copytree(model, folder, copy_function=link_or_copy)
        through = folder / FILE
        if through.is_file():
            add_file(folder, FILE, _stripped(read_sealed(through, fix="train again", older=True)))
        if (folder / INFO).is_file():
            info = read_info(folder)
            options, encoder = _stripped(info.options), _stripped(info.encoder)
            write_info(replace(info, options=options, encoder=encoder), folder)
        yield folder


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_stripped(one) for one in value]
    is_path = isinstance(value, str) and Path(value).is_absolute()
    return without_folders(value) if is_path else value
