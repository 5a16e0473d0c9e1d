"""What a config may say of a stage that merges, under the names that `xlt merge` has for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from xlt.merging.settings import Name, Say, Settings, Way, check, check_number
from xlt.options import LanguageCode, Section, Seed, number_as_list
from xlt.transfer.item import StageOptions

Scale = Annotated[float, Field(ge=0, le=100)]
Layers = Annotated[int, Field(ge=0, le=1000)]

_RENAMED = {"weights": "weight"}
"""Name in `Settings` → that of the option."""


class MergeOptions(Section):
    """How models are made into one."""

    method: Name = Field("mean", description="how weights become one's")
    weight: list[Annotated[float, Field(ge=0, le=1e6)]] | None = Field(
        None, description="of each model, in their order; by default equal"
    )
    scale: (
        Annotated[
            list[Scale],
            BeforeValidator(number_as_list, json_schema_input_type=Scale | list[Scale]),
        ]
        | None
    ) = Field(
        None,
        min_length=1,
        description="of what is added to the base, or the second model's share; of several, the "
        "best on the dev data of the source is taken (`selection.on: target_dev`: on the target's; "
        "`target_text`: by the expected score on its text)",
    )
    density: float | None = Field(
        None, ge=1e-6, le=1, description="the share of a difference that is kept (ties, dare)"
    )
    seed: Seed | None = Field(
        None, description="of what dare drops, or fisher's labels; by default the run's"
    )
    bottom: Layers | None = Field(
        None, description="lowest layers that are the base's (layers); by default 2"
    )
    top: Layers | None = Field(None, description="highest layers, likewise; by default 2")
    joint: Layers | None = Field(
        None, description="layers beside these that are the mean of both; by default 1"
    )
    information: LanguageCode | None = Field(
        None,
        description="language from whose training data fisher learns what counts; by default the "
        "first source",
    )

    @property
    def scales(self) -> list[float]:
        return self.scale or []

    def checked(self, *, base: bool = False, dev: bool, say: Say) -> Way:
        """The way of the method. base: one is named; dev: there are data to choose a scale on.

        Raises XltError for an option that the method does not look at.
        """
        names = [*Settings.__dataclass_fields__]
        stated = [n for n in names if getattr(self, _RENAMED.get(n, n)) is not None]
        informed = self.information is not None or self.method == "fisher"
        return check(
            self.method,
            [*stated, *(["base"] if base else [])],
            informed=informed,
            scales=len(self.scales),
            scored=dev,
            say=say,
        )

    def check_number(self, number: int, *, where: object, fix: str, say: Say) -> None:
        """Raise XltError unless the method takes so many models."""
        check_number(
            self.method,
            number,
            self.weight,
            scaled=bool(self.scales),
            where=where,
            fix=fix,
            say=say,
        )

    def settings(self, seed: int) -> list[Settings]:
        """One for each scale. seed: the run's."""
        more = {
            name: value
            for name in ("density", "bottom", "top", "joint")
            if (value := getattr(self, name)) is not None
        }
        weights = None if self.weight is None else tuple(self.weight)
        own = seed if self.seed is None else self.seed
        scales: list[float | None] = [*self.scales] or [None]
        return [Settings(weights=weights, scale=scale, seed=own, **more) for scale in scales]


class Merging(MergeOptions, StageOptions):
    """Of a stage."""
