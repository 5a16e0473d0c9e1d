"""A stage is a value: what data, from which stages, trained how, selected on what.

A plan is its last stage: the others are its parents, and theirs. Stages that are equal, with all
that they come from, are the same stage, whoever plans them, and are trained once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from xlt import languages
from xlt.config.schema import INTERMEDIATE, TEXT, Config, Training
from xlt.data.references import has_split, key_of
from xlt.errors import XltError
from xlt.options import Section
from xlt.transfer.item import StageItems, StageOptions

STRATEGY = "strategy"
"""The key of a config."""

Split = str
"""train, dev, test, or a name in `tests` of the language's data."""


@dataclass(frozen=True)
class DataSplit:
    """One language's split, or `limit` records of it drawn with `seed`.

    projected_from: the records are those of this language, translated into `language` and their
        annotation projected.
    unlabelled: whatever annotation it has is not used.
    task: whose data they are, by its name in `intermediate`; None: the config's own task's.
    """

    language: str
    split: Split
    limit: int | None = None
    seed: int | None = None
    projected_from: str | None = None
    unlabelled: bool = False
    task: str | None = None

    @property
    def name(self) -> str:
        """The name of the data in results: "spa", "eng>spa" for what is projected, "nli:spa" for
        what is another task's."""
        if self.task is not None:
            return f"{self.task}:{self.language}"
        return f"{self.projected_from}>{self.language}" if self.projected_from else self.language

    @property
    def key(self) -> str:
        """Where a config says what it is read from."""
        key = key_of(self.origin.language, self.split)
        return key if self.task is None else f"{INTERMEDIATE}.{self.task}.{key}"

    @property
    def origin(self) -> DataSplit:
        """What has to be read for it: itself, or what it is projected from."""
        if self.projected_from is None:
            return self
        return replace(self, language=self.projected_from, projected_from=None)


@dataclass(frozen=True)
class Stage:
    """One model that is made, mostly by training.

    temperature: language l is sampled in proportion to size(l) ** (1 / temperature);
        1.0 takes every example exactly once an epoch.
    dev: what the checkpoint is selected on; empty keeps the last.
    from_scratch: start from random weights instead of the pretrained encoder.
    parents: what its weights start from; without any, the pretrained encoder.
    kind: what is done with all that, by its name in `xlt.registry.stage_kinds`.
    options: what its kind has to know beside.
    where: the key of a config under which its options stand; stages that differ in it are equal.
    """

    name: str
    train: tuple[DataSplit, ...]
    dev: tuple[DataSplit, ...]
    training: Training
    temperature: float = 1.0
    from_scratch: bool = False
    parents: tuple[Stage, ...] = ()
    kind: str = "train"
    options: StageOptions | None = None
    where: str = field(default=STRATEGY, compare=False, repr=False)

    @property
    def task(self) -> str | None:
        """The task that it trains on, by its name in `intermediate`; None: the config's own, or
        none at all."""
        return next((one.task for one in self.train), None)

    @property
    def history(self) -> tuple[Stage, ...]:
        """All that it takes, itself last: each stage once, after its parents."""
        found: list[Stage] = []
        for parent in self.parents:
            found += (one for one in parent.history if one not in found)
        return (*found, self)


class Repetition(StageOptions):
    """Of a stage that trains: it is done once more, from the same weights, those of the task's own
    layers too, but with the data in another order and other dropout.

    number: which time it is; 0 is what it would be without.
    """

    number: int


@dataclass(frozen=True)
class Prediction:
    """How a model is used on text.

    direct:    on the text itself.
    translate: on its translation into `through`; what it predicts there is projected back, and
        what it predicts directly fills what is missing then.
    ensemble:  on both, and its log-probabilities are averaged.
    """

    mode: Literal["direct", "translate", "ensemble"] = "direct"
    through: str | None = None

    def describe(self) -> str:
        if self.mode == "direct":
            return "on the text"
        both = " and on the text itself" if self.mode == "ensemble" else ""
        return f"on its translation into {self.through}{both}"


class StrategyOptions(Section):
    """Base of every strategy's `Options`."""

    before: StageItems = Field(
        default_factory=list,
        description="stages of other kinds that come before all others, in order: what their "
        "weights start from",
    )

    @model_serializer(mode="wrap")
    def _without_nothing_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Runs of an xlt that did not know the key are no others for it.
        return {key: value for key, value in dump(self).items() if key != "before" or value}


def _without_defaults(schema: dict[str, Any]) -> None:
    for one in schema["properties"].values():
        one.pop("default", None)


class StageOverrides(Training):
    """The part of `training` that one stage does differently.

    A `learning_rate` is for all layers, the task's own too, unless `head_learning_rate` is there.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    @model_serializer(mode="wrap")
    def _only_what_was_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What a stage does not set is the run's `training`, not `Training`'s own default.
        return {key: value for key, value in dump(self).items() if key in self.model_fields_set}


class Strategy(ABC):
    """Turns a config into stages. A strategy knows no task.

    Register a subclass under the entry-point group ``xlt.strategies``.
    """

    Options: ClassVar[type[StrategyOptions]] = StrategyOptions
    example: ClassVar[Mapping[str, Any]] = {}
    """Options to test tasks with (`xlt.testing`): sources are eng and ind, the target is jav."""

    def __init__(self, options: StrategyOptions) -> None:
        self.options = options

    def needs(self) -> tuple[type, ...]:
        """What a task has to be able to do for it (the protocols in `xlt.task`)."""
        return ()

    @abstractmethod
    def plan(self, config: Config, target: str) -> Stage:
        """The stage whose model is used on a target, with those that it comes from as `parents`.

        Targets that have equal stages share their training.
        Raises XltError where the config lacks what the strategy needs.
        """

    def prediction(self, config: Config, target: str) -> Prediction:
        """How the last stage's model predicts on the target."""
        return Prediction()


def data_splits(
    config: Config, language: str, split: Split, *, required: bool
) -> tuple[DataSplit, ...]:
    """The language's split as a one-element tuple; empty (or an error) if there is no data."""
    data = config.data.get(language)
    if data is None or not has_split(data, language, split):
        if required:
            raise XltError(
                f"there is no {split} data for {language}",
                where=key_of(language, split),
                fix=f"add `{language}: {{{split}: ...}}` under `data`, or change source/target",
            )
        return ()
    return (DataSplit(language, split),)


def step(value: Any) -> Any:
    """The data of a stage as a config names them, with ISO 639-3 codes: `ind`; or `eng>ind`, what
    English data become in Indonesian; or `eng>target`."""
    if not isinstance(value, str):
        return value
    try:
        left, arrow, right = (part.strip() for part in value.partition(">"))
        if not arrow:
            return languages.code(left)
        return f"{languages.code(left)}>{right if right == 'target' else languages.code(right)}"
    except XltError as error:
        raise ValueError(str(error)) from error


def step_data(
    config: Config, name: str, target: str, split: Split, *, required: bool
) -> tuple[DataSplit, ...]:
    """The splits that a `step` means, as `data_splits`."""
    source, arrow, into = name.partition(">")
    if not arrow:
        return data_splits(config, name, split, required=required)
    into = target if into == "target" else into
    return projected(config, source, into, split, required=required)


def stage_name(data: Iterable[DataSplit]) -> str:
    """The name of a stage that trains on these, fit for a folder."""
    return "+".join(data_split.name.replace(">", "-to-") for data_split in data)


def projected(
    config: Config, source: str, target: str, split: Split, *, required: bool
) -> tuple[DataSplit, ...]:
    """The source's split projected onto the target, as `data_splits`."""
    if source == target:
        raise XltError(
            f"{source} is to be projected onto itself",
            where="source",
            fix=f"take {target} out of the sources, or out of the targets",
        )
    originals = data_splits(config, source, split, required=required)
    return tuple(
        replace(data_split, language=target, projected_from=source) for data_split in originals
    )


def source_dev(config: Config) -> tuple[DataSplit, ...]:
    """The dev data of the sources that there are."""
    return tuple(
        one for code in config.source for one in data_splits(config, code, "dev", required=False)
    )


def selection_data(config: Config, trained: list[str], target: str | None) -> tuple[DataSplit, ...]:
    """The dev data that selects a stage's checkpoint; without any, the last one is kept.

    trained: what the stage trains on, as `DataSplit.name` has it.
    target:  given for the last stage, where `selection.on: target_dev` or `target_text` may apply,
        which has to be there. With the text are the sources' dev data, by which it is judged.
    """
    if config.selection.on == "last":
        return ()
    if config.selection.on == "target_dev" and target is not None:
        return data_splits(config, target, "dev", required=True)
    if config.selection.on == "target_text" and target is not None:
        return (*data_splits(config, target, TEXT, required=True), *_needed_dev(config))
    return tuple(p for name in trained for p in step_data(config, name, "", "dev", required=False))


def _needed_dev(config: Config) -> tuple[DataSplit, ...]:
    found = source_dev(config)
    if not found:
        raise XltError(
            "text is judged by what the model does on dev data of the sources, and there are none",
            where="selection.on",
            fix="add `dev` or `dev_share` to a source under `data`, or write `last`",
        )
    return found


def override(training: Training, overrides: StageOverrides | None) -> Training:
    """`training` with the fields that a stage's overrides set.

    Rates belong together: without a head's rate of its own, a stage with a `learning_rate` has that
    for the head, and not the run's `head_learning_rate`, which was chosen beside another.
    """
    if overrides is None:
        return training
    own = overrides.model_dump()
    if "learning_rate" in own:
        own.setdefault("head_learning_rate", None)
    return Training.model_validate({**training.model_dump(), **own})
