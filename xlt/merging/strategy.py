"""Several models made into one by their weights: of several sources, or of several seeds.

A model is trained on each, from the same weights, the task's own layers too: the mean of layers
that have nothing in common may be worth nothing (Schmidt et al. 2023, arXiv 2305.16834).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from xlt.config.schema import Config
from xlt.errors import XltError
from xlt.merging.options import MergeOptions, Merging
from xlt.merging.stage import merged, say
from xlt.transfer.item import StageItem
from xlt.transfer.kind import planned
from xlt.transfer.stage import (
    Repetition,
    Stage,
    Strategy,
    StrategyOptions,
    data_splits,
    selection_data,
)

MEMBERS = 3
"""Models of `of: seeds` where nobody says how many."""


class Merged(Strategy):
    class Options(MergeOptions, StrategyOptions):
        of: Literal["sources", "seeds"] = Field(
            "sources",
            description="what models are trained on: each source alone; or all sources together, "
            "several times, with the data in another order and other dropout",
        )
        members: int | None = Field(
            None, ge=2, le=100, description=f"for `of: seeds`: how many; by default {MEMBERS}"
        )
        base: StageItem | None = Field(
            None,
            description="for `layers`: the stage whose encoder it takes layers from, e.g. "
            "`{pretrain: target}`; by default the encoder that the model was trained from",
        )

    options: Options

    def plan(self, config: Config, target: str) -> Stage:
        options = self.options
        dev = bool(selection_data(config, config.source, target))
        options.checked(base=options.base is not None, dev=dev, say=say)
        if options.base is not None and options.method != "layers":
            raise XltError(
                f"the base of {options.method} is what the models were trained from",
                where="strategy.base",
                fix="leave it out: a stage that all are to begin with stands in `before`",
            )
        if options.of == "sources" and options.members is not None:
            raise XltError(
                "there is a model for each source",
                where="strategy.members",
                fix="leave it out, or say `strategy.of: seeds`",
            )
        members = self._members(config)
        options.check_number(
            len(members),
            where="source" if options.of == "sources" else "strategy.of",
            fix="name as many sources as there are to be models, or say `strategy.of: seeds`"
            if options.of == "sources"
            else "say `strategy.of: sources`",
            say=say,
        )
        base: tuple[Stage, ...] = ()
        if options.base is not None:
            base = (planned(options.base, config, target, (), where="strategy.base"),)
        return merged(config, target, members, _merging(options), base=base)

    def _members(self, config: Config) -> tuple[Stage, ...]:
        """The stages whose models are merged."""
        if not config.source:
            raise XltError(
                "there is nothing to train on", where="source", fix="name at least one language"
            )
        if self.options.of == "sources":
            return tuple(self._trained(config, [source]) for source in config.source)
        return tuple(
            self._trained(config, config.source, number)
            for number in range(self.options.members or MEMBERS)
        )

    @staticmethod
    def _trained(config: Config, sources: list[str], number: int = 0) -> Stage:
        name = "+".join(sources)
        return Stage(
            name=f"{name}-{number + 1}" if number else name,
            train=tuple(
                split
                for source in sources
                for split in data_splits(config, source, "train", required=True)
            ),
            # Data of the target choose the last stage alone.
            dev=selection_data(config, sources, None),
            training=config.training,
            options=Repetition(number=number) if number else None,
        )


def _merging(options: Merged.Options) -> Merging:
    stated: dict[str, Any] = options.model_dump(include=set(MergeOptions.model_fields))
    return Merging.model_validate(stated)
