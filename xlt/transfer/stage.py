"""A stage is a value: what data, from which weights, trained how, selected on what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict, create_model
from pydantic.fields import FieldInfo

from xlt.config.schema import Config, Section, Training
from xlt.errors import XltError

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Portion:
    """One language's split, or `limit` records of it drawn with `seed`."""

    language: str
    split: Split
    limit: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Stage:
    """One training run. Its weights start from the stage before it in the plan.

    temperature: language l is sampled in proportion to size(l) ** (1 / temperature);
        1.0 takes every example exactly once an epoch.
    dev: what the checkpoint is selected on; empty keeps the last.
    from_scratch: start from random weights instead of the pretrained encoder.
    """

    name: str
    train: tuple[Portion, ...]
    dev: tuple[Portion, ...]
    training: Training
    temperature: float = 1.0
    from_scratch: bool = False


class StrategyOptions(Section):
    """Base of every strategy's `Options`."""


_overrides = {
    name: (field.annotation | None, FieldInfo(default=None, description=field.description))
    for name, field in Training.model_fields.items()
}
StageOverrides = create_model(
    "StageOverrides", __config__=ConfigDict(extra="forbid", frozen=True), **_overrides
)  # type: ignore[call-overload]
StageOverrides.__doc__ = "The part of `training` that one stage does differently."


class Strategy(ABC):
    """Turns a config into stages. A strategy knows no task.

    Register a subclass under the entry-point group ``xlt.strategies``.
    """

    Options: ClassVar[type[StrategyOptions]] = StrategyOptions

    def __init__(self, options: StrategyOptions) -> None:
        self.options = options

    @abstractmethod
    def plan(self, config: Config, target: str) -> list[Stage]:
        """The stages for one target, in the order they run; the last one's model is used.

        Targets whose plans begin with equal stages share their training.
        Raises XltError where the config lacks what the strategy needs.
        """


def portions(config: Config, language: str, split: Split, *, required: bool) -> tuple[Portion, ...]:
    """The language's split as a one-element tuple; empty (or an error) if there is no data."""
    data = config.data.get(language)
    if data is None or not (getattr(data, split) or data.all):
        if required:
            raise XltError(
                f"there is no {split} data for {language}",
                where=f"data.{language}.{split}",
                fix=f"add `{language}: {{{split}: ...}}` under `data`, or change source/target",
            )
        return ()
    return (Portion(language, split),)


def selection_data(config: Config, trained: list[str], target: str | None) -> tuple[Portion, ...]:
    """The dev data that selects a stage's checkpoint.

    trained: the languages the stage trains on.
    target:  given for the last stage, where `selection.on: target_dev` may apply.
    """
    if config.selection.on == "last":
        return ()
    if config.selection.on == "target_dev" and target is not None:
        return portions(config, target, "dev", required=True)
    return tuple(p for lang in trained for p in portions(config, lang, "dev", required=True))


def override(training: Training, overrides: object | None) -> Training:
    """`training` with the fields that a stage's overrides set."""
    if overrides is None:
        return training
    changed = overrides.model_dump(exclude_unset=True)  # type: ignore[attr-defined]
    return Training.model_validate({**training.model_dump(), **changed})
