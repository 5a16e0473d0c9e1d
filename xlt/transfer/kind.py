"""What a stage does: train on the task, or what else makes a model of others and of data.

A stage is a value (`xlt.transfer.stage`); its kind knows how its model is made of it, what of a
config decides the result, and what it costs. Whatever runs stages finds, locks, shares and resumes
them alike, and knows none of the kinds.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.registry import stage_kinds
from xlt.task import Labels, Task
from xlt.transfer.item import StageOptions, of_item
from xlt.transfer.stage import STRATEGY, Stage

if TYPE_CHECKING:
    from xlt.training.making import Making


@dataclass(frozen=True)
class Effort:
    """What is computed for a stage, for estimates.

    subwords: of an epoch; records: in how many rows.
    evaluated: subwords that are scored, over the whole stage.
    predicted: share of the subwords that are predicted among the whole vocabulary.
    """

    subwords: int
    records: int
    evaluated: int
    predicted: float = 0.0


class StageKind(ABC):
    """What a kind of stages does. It has no state: there is one instance of a class.

    Its errors name an option as if the strategy had it, `strategy.OPTION`, and the stage as a whole
    `strategy`; of a stage that stands elsewhere, such as in `strategy.before`, they are told with
    the full key (`with_full_keys`).

    Register a subclass under the entry-point group ``xlt.stages``. Its module is imported whenever
    a plan has such a stage: torch and transformers belong into the methods that use them.
    """

    Options: ClassVar[type[StageOptions] | None] = None
    """What a config may say of such a stage; None where only strategies plan them."""
    several_parents: ClassVar[bool] = False
    """Whether a stage may have more than one parent."""
    scored: ClassVar[bool] = False
    """Whether its models are scored on dev data of the task while they are made."""
    selected_on_sources: ClassVar[bool] = False
    """Whether dev data of the sources select its model, whatever it is made from; if not, those of
    the languages that it trains on."""
    learns_labels: ClassVar[bool] = True
    """Whether its models know the labels of its training data; if not, those of its parents
    alone, and the data may have no others."""

    def plan(
        self,
        options: Any,
        config: Config,
        target: str,
        parents: tuple[Stage, ...],
        *,
        from_scratch: bool = False,
    ) -> Stage:
        """The stage that a config asks for with `Options`, after `parents`.

        from_scratch: what `Stage.from_scratch` is to be.
        Raises XltError where the config lacks what it needs.
        """
        raise NotImplementedError(f"{type(self).__name__} has Options, but no `plan`")

    def solves(self, stage: Stage) -> bool:
        """Whether its model has the task's layers: if not, it is an encoder, whose making does not
        depend on the task. By default whether one of its parents has them."""
        return any(solves(parent) for parent in stage.parents)

    def begins(self, stage: Stage) -> bool:
        """Whether its weights start from the encoder although it has parents. Where stages come
        before all others, the encoder that they make is one more parent, the last."""
        return False

    def settings(self, config: Config, stage: Stage) -> Mapping[str, Any]:
        """What of a config decides the result, JSON-able: stages that differ in it are others.

        Beside what counts anyway: kind, options, parents, data, `training`, `temperature` and
        `from_scratch` of the stage, `model` of the config with the encoder's files, the seed, and
        the task, if its model has layers for it.
        """
        return {}

    def check(
        self, config: Config, task: Task, stage: Stage, labels: Labels | None, *, local: bool
    ) -> Iterator[XltError]:
        """What would stop it, in a moment and before anything is trained.

        labels: what its model knows of the task; None where its data cannot be read.
        local: nothing may be fetched.
        """
        return iter(())

    def check_parents(self, stage: Stage, known: Sequence[Labels]) -> Iterator[XltError]:
        """What would stop it of what its parents' models know of the task, each in turn; {} of an
        encoder."""
        return iter(())

    def effort(self, stage: Stage, train: Effort) -> Effort | None:
        """What is computed. train: for training on the same data; None: nothing is known."""
        return train

    @abstractmethod
    def make(self, making: Making) -> None:
        """Make the stage's model from what `making` has, in its folder, and end with
        `making.finish`. Whatever is left of a process that was killed may be there.

        Raises XltError where that cannot be done.
        """


def kind_of(stage: Stage) -> StageKind:
    """What the stage does. Raises XltError for a kind that is not installed."""
    kind: type[StageKind] = stage_kinds.get(stage.kind)
    return kind()


def solves(stage: Stage) -> bool:
    """Whether its model has the task's layers."""
    return kind_of(stage).solves(stage)


def planned(
    item: dict[str, Any],
    config: Config,
    target: str,
    parents: tuple[Stage, ...],
    *,
    from_scratch: bool = False,
    last: bool = True,
    where: str | None = None,
) -> Stage:
    """The stage that an item of a config means, after `parents`.

    last: none that learns from annotated data comes after it; if not, nothing of the target selects
        among its weights, whatever `selection.on` says.
    where: the key under which the item stands; None of one that a strategy makes of its own
        options.
    """
    name, options = of_item(item)
    kind: type[StageKind] = stage_kinds.get(name)
    if not last and config.selection.on in ("target_dev", "target_text"):
        selection = config.selection.model_copy(update={"on": "source_dev"})
        config = config.model_copy(update={"selection": selection})
    key = STRATEGY if where is None else f"{where}.{name}"
    try:
        stage = kind().plan(options, config, target, parents, from_scratch=from_scratch)
    except XltError as error:
        raise _with_full_keys(error, kind, key) from error
    return replace(stage, where=key)


def with_full_keys(error: XltError, stage: Stage) -> XltError:
    """An error of the stage's kind, with the keys of its options as the config has them."""
    return _with_full_keys(error, type(kind_of(stage)), stage.where)


def _with_full_keys(error: XltError, kind: type[StageKind], where: str) -> XltError:
    names = "|".join(map(re.escape, () if kind.Options is None else kind.Options.model_fields))
    # Other options are the strategy's; and a file may be called anything.
    own = re.compile(rf"(?<![\w./-]){STRATEGY}\.(?=(?:{names})\b)")

    def rename(text: str) -> str:
        return where if text == STRATEGY else own.sub(lambda _: f"{where}.", text)

    return error.renamed(rename)


def preceded(plan: Stage, items: Sequence[dict[str, Any]], config: Config, target: str) -> Stage:
    """The plan with stages before those of its own that start from the encoder."""
    if not items:
        return plan
    if plan.parents:
        parents = tuple(preceded(parent, items, config, target) for parent in plan.parents)
        if kind_of(plan).begins(plan):
            parents += _first(plan, items, config, target)
            plan = replace(plan, from_scratch=False)
        return replace(plan, parents=parents)
    return replace(plan, parents=_first(plan, items, config, target), from_scratch=False)


def _first(
    plan: Stage, items: Sequence[dict[str, Any]], config: Config, target: str
) -> tuple[Stage, ...]:
    """The last of the stages before a stage that starts from the encoder."""
    first: tuple[Stage, ...] = ()
    for number, item in enumerate(items):
        scratch = plan.from_scratch and not first
        where = f"{STRATEGY}.before.{number}"
        stage = planned(item, config, target, first, from_scratch=scratch, last=False, where=where)
        first = (stage,)
    return first
