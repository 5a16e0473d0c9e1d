"""What `training.report_to` names is told of each stage and seed as one run, with its config.

The callbacks of transformers do the reporting. Left alone, TensorBoard's files would lie beside the
checkpoints, which go when the stage is finished, and W&B would put all that a process trains into
one run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xlt.config.schema import Config, Training
from xlt.errors import XltError
from xlt.transfer.stage import Stage

study: ContextVar[str | None] = ContextVar("study", default=None)
"""What the run that a stage is trained for is part of: its stages are reported together."""

FOLDER = "reports"
"""In a stage's folder: files of TensorBoard, and of W&B without a network."""


def stage_reporting(
    config: Config, stage: Stage, training: Training, seed: int, folder: Path, *, resumed: bool
) -> AbstractContextManager[None]:
    """`reporting` for one training of a stage, in the process that reports; in others nothing.

    training: the stage's, or that at lower rates. folder: of the stage.
    """
    from accelerate import PartialState

    if not PartialState().is_main_process:
        return nullcontext()
    settings = config.model_dump(mode="json") | {
        "stage": stage.name,
        "seed": seed,
        "training": training.model_dump(mode="json"),
    }
    title = f"{config.name}/{stage.name}/seed-{seed}"
    return reporting(training.report_to, folder, title, settings, resumed=resumed)


@contextmanager
def part_of(name: str) -> Iterator[None]:
    """A block in which what is trained is part of the study of this name."""
    token = study.set(name)
    try:
        yield
    finally:
        study.reset(token)


@contextmanager
def reporting(
    names: Sequence[str],
    folder: Path,
    title: str,
    config: Mapping[str, Any],
    *,
    resumed: bool = False,
) -> Iterator[None]:
    """A block in which one stage is trained, from the making of its trainer to its last step.

    folder: of the stage.
    title: of the run in W&B and MLflow, as "african-ner/eng/seed-1".
    config: all settings, JSON's types alone.
    resumed: what was reported before goes on; else TensorBoard's files of an earlier try go.
    Raises XltError for a service that does not take it.
    """
    here = folder / FOLDER
    if not resumed:
        shutil.rmtree(here, ignore_errors=True)
    with ExitStack() as open_runs:
        for name, begin in BEGIN.items():
            if name in names:
                try:
                    open_runs.enter_context(begin(here, title, config))
                except Exception as error:  # of whatever kind the package has
                    first = (str(error).splitlines() or [type(error).__name__])[0]
                    raise XltError(
                        f"{name} does not take what is to be reported: {first}",
                        where="training.report_to",
                        fix=f"remove {name}, or {ADVICE[name]}",
                    ) from error
        yield


@contextmanager
def _tensorboard(here: Path, title: str, config: Mapping[str, Any]) -> Iterator[None]:
    # As transformers does, which takes either.
    package = import_module(
        "torch.utils.tensorboard" if find_spec("tensorboard") else "tensorboardX"
    )

    variable = "TENSORBOARD_LOGGING_DIR"  # which transformers' callback reads
    before = os.environ.get(variable)
    logs = here / "tensorboard"
    if before is not None:
        logs = Path(before).expanduser() / (study.get() or "") / title
    with package.SummaryWriter(str(logs)) as writer:
        writer.add_text("config", f"```json\n{json.dumps(config, indent=1)}\n```")
    os.environ[variable] = str(logs)
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


@contextmanager
def _wandb(here: Path, title: str, config: Mapping[str, Any]) -> Iterator[None]:
    import wandb

    here.mkdir(parents=True, exist_ok=True)
    with wandb.init(
        project=os.environ.get("WANDB_PROJECT", "xlt"),
        name=title,
        group=study.get() or title.partition("/")[0],
        config={"xlt": dict(config)},  # beside it stand the arguments of transformers
        dir=os.environ.get("WANDB_DIR", str(here)),
    ):
        yield


@contextmanager
def _mlflow(here: Path, title: str, config: Mapping[str, Any]) -> Iterator[None]:
    import mlflow

    name = study.get()
    if name is not None and not {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & {*os.environ}:
        mlflow.set_experiment(name)
    with mlflow.start_run(run_name=title, tags={} if name is None else {"study": name}):
        mlflow.log_dict(dict(config), "config.json")
        yield


BEGIN: dict[str, Callable[[Path, str, Mapping[str, Any]], AbstractContextManager[None]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
"""As transformers names them → a block that is one run. Others get what transformers gives them."""

ADVICE = {
    "tensorboard": "make the folder writable",
    "wandb": "`wandb login`, or set WANDB_MODE=offline and `wandb sync` later",
    "mlflow": "set MLFLOW_TRACKING_URI to a server that answers, or to a file, as sqlite:///mlflow.db",
}
