"""Stages beyond this machine: what training asks of a store that it shares with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from transformers import TrainerCallback

from xlt.training.finished import Observed
from xlt.training.identity import Identity


class StageStore:
    """A store of stages: none, which has nothing and keeps nothing.

    A subclass has one. Whatever becomes of it, training goes on: no method but `check` raises more
    than what this machine's own disk is to blame for. All are called by the main process alone,
    which has the stage's lock.
    """

    def check(self) -> None:
        """Raise XltError for a store that cannot be used."""

    def fetch(self, folder: Path, wanted: Identity, needed: Observed) -> bool:
        """Put a finished stage into `folder`, if there is one with scores of all that is needed, or
        with the weights to get them."""
        return False

    def publish(self, folder: Path, *, anew: bool = False) -> None:
        """Have others find the finished stage in `folder`.

        anew: whatever there is; else only if that has no scores of what this one has.
        """

    def resume(self, folder: Path, goes_on: Callable[[Path], bool]) -> None:
        """Put the newest checkpoint of an unfinished stage into its folder, unless one that is as
        new is there.

        goes_on: whether training can go on from what is in a folder of checkpoints.
        """

    def forget(self, folder: Path) -> None:
        """Remove the checkpoints of a stage that begins again."""

    @contextmanager
    def keeping(self, folder: Path) -> Iterator[Sequence[TrainerCallback]]:
        """Within the block, in which the stage is trained with these callbacks, others get its
        checkpoints, and the last one where it ends before the stage does."""
        yield ()
