"""The stage in which several models become one."""

from __future__ import annotations

from xlt.config.schema import Config, Training
from xlt.merging.options import Merging
from xlt.transfer.stage import DataSplit, Stage, data_splits, selection_data


def say(name: str) -> str:
    """The key of an option, and of what a scale is chosen on (`xlt.merging.settings.Say`)."""
    return "selection.on" if name == "dev" else f"strategy.{name}"


def merged(
    config: Config,
    target: str,
    members: tuple[Stage, ...],
    options: Merging,
    *,
    base: tuple[Stage, ...] = (),
) -> Stage:
    """The stage that merges these.

    base: what they are merged with, where that is not what they were trained from.
    """
    splits: tuple[DataSplit, ...] = ()
    if options.method == "fisher":
        language = options.information or config.source[0]
        splits = data_splits(config, language, "train", required=True)
    return Stage(
        name=f"merged-{options.method}",
        train=splits,
        dev=selection_data(config, config.source, target),
        # Nothing is trained; in this precision information is found and scales are chosen.
        training=Training(epochs=1, precision=config.training.precision),
        parents=(*members, *base),
        kind="merge",
        options=options,
    )
