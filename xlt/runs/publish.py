"""Push a run's models to the Hugging Face hub, each with the run's model card."""

from __future__ import annotations

import os
from pathlib import Path

from xlt.errors import XltError
from xlt.results import CARD


def publish(run: Path, repository: str, targets: list[str], seed: int) -> dict[str, str]:
    """Upload the model of `seed` for every target; target → repository.

    repository: `owner/name`; with several targets, each gets `owner/name-<target>`.
    Raises XltError if the hub cannot be reached or does not let the user write. The run itself is
    finished by then, and the same command with `--resume` tries again.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if os.environ.get("HF_HUB_OFFLINE"):
        raise XltError(
            "the finished model cannot be pushed: HF_HUB_OFFLINE is set",
            where="output.push_to_hub",
            fix="unset it, and run the same command with --resume",
        )
    api = HfApi()
    pushed = {}
    for target in targets:
        name = repository if len(targets) == 1 else f"{repository}-{target}"
        try:
            api.create_repo(name, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=run / f"seed-{seed}/{target}/model")
            api.upload_file(repo_id=name, path_in_repo="README.md", path_or_fileobj=run / CARD)
        except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
            raise XltError(
                f"the finished model cannot be pushed to {name}: {str(error).splitlines()[0]}",
                where="output.push_to_hub",
                fix="log in (`hf auth login`), check the name, and run again with --resume",
            ) from error
        pushed[target] = name
    return pushed
