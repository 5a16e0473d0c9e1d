"""A stage that is being made: what from, what with, and how it says that it is finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import PartialState

from xlt.config.schema import Config
from xlt.files import remove, write_sealed, writing
from xlt.task import Labels, Task
from xlt.training.data import Data
from xlt.training.finished import DONE, StageResult, discard, finished_before
from xlt.training.scoring import LAST, contents, selector
from xlt.training.selected import part_folder, publish_selected
from xlt.training.stage_store import StageStore
from xlt.transfer.stage import Stage


@dataclass(frozen=True)
class Making:
    """What a kind of stages is given to make one of them.

    metric:  what selects among weights.
    parents: the results of the stage's parents, in their order.
    train, dev: the records of the stage's data.
    watched: further dev sets, whose scores are wanted along the way.
    folder:  of the stage. `work` below it is for what an unfinished stage keeps.
    resume:  go on from there; if not, it starts anew.
    title:   to show progress under; None: it is not shown.
    killed_for_memory: the process that made it before was.
    store:   where checkpoints go for other machines, and come from.
    """

    config: Config
    task: Task
    seed: int
    metric: str
    stage: Stage
    parents: Sequence[StageResult]
    train: Sequence[Data]
    dev: Sequence[Data]
    watched: Sequence[Sequence[Data]]
    folder: Path
    key: str
    resume: bool = False
    title: str | None = None
    killed_for_memory: bool = False
    store: StageStore = field(default_factory=StageStore)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def parent(self) -> StageResult | None:
        """The one that weights start from; None without any."""
        (parent,) = self.parents or (None,)
        return parent

    def save(
        self,
        write: Callable[[Path], Mapping[str, Any] | None],
        labels: Labels | None,
        score: Callable[[Path], Mapping[str, float]] = lambda _: {},
    ) -> None:
        """Finish a stage that has one model, which `write` puts into a folder that it makes.

        write: may return what there is to say of it (`StageResult.about`).
        labels: what the model knows; None of an encoder without task layers.
        score: of a kind that is `scored`: selector → score of the model in a folder, of the dev
            data and of all that is watched; it may add to the folder.
        """
        if PartialState().is_main_process:
            with writing(self.folder, resumes=True):
                if finished_before(self.folder) is not None:
                    discard(self.folder)
                part = part_folder(self.folder, 0)
                remove(part)
                about, scores = write(part), dict(score(part))
                publish_selected(part, self.folder, 0)
                primary = selector(self.stage.dev) if scores else LAST
                self.finish(
                    {
                        "primary": primary,
                        "selected": {
                            name: {"step": 0, "score": scores.get(name)}
                            for name in {primary: None, **scores}
                        },
                        "observed": contents(self.watched) if scores else {},
                        "labels": labels,
                        "history": [{"step": 0, **scores}] if scores else [],
                        "keep": "all" if scores else "best",
                        "log": [],
                        "steps": 0,
                        "precision": self.config.training.precision,
                        **({"about": dict(about)} if about else {}),
                    }
                )
        PartialState().wait_for_everyone()

    def finish(self, made: Mapping[str, Any]) -> None:
        """Say that the stage is finished, and what came out (`xlt.training.finished`)."""
        parents = [parent.folder.name for parent in self.parents]
        about = {
            "key": self.key,
            "stage": self.stage.name,
            "parent": parents[0] if len(parents) == 1 else parents or None,
        }
        write_sealed(self.folder / DONE, {**about, **made})
        remove(self.work)
