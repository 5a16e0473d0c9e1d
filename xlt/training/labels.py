"""What labels a stage brings to a model that has learnt others before it."""

from __future__ import annotations

from xlt.errors import XltError
from xlt.model.bio import OUTSIDE
from xlt.task import Labels
from xlt.transfer.stage import Stage


def check_overlap(known: Labels, new: Labels, stage: Stage) -> None:
    """Raise XltError if the stage's labels have nothing in common with those learnt before it."""
    for layer, values in new.items():
        # To have the label of what is not annotated in common is to have nothing in common.
        before = set(known.get(layer, ())) - {OUTSIDE}
        fresh = set(values) - {OUTSIDE}
        if before and fresh and not before & fresh:
            raise XltError(
                f"the labels of stage {stage.name} ({', '.join(sorted(fresh)[:6])}) share none "
                f"with those of the stages before it ({', '.join(sorted(before)[:6])})",
                where=f"data.{stage.train[0].origin.language}.train",
                fix="map the labels to one inventory (see the task's options)",
            )
