"""The ways to merge: their names, and what each looks at. Nothing here computes, or needs torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from xlt.errors import XltError, choose

Name = Literal[
    "mean", "wise", "slerp", "arithmetic", "ties", "dare", "dare-ties", "fisher", "layers"
]
"""As the command line and a config write them."""

Say = Callable[[str], str]
"""How an option is written, for errors: `density` → `--density`, or `strategy.density`."""

MAX_INFORMED = 500
"""Records from which Fisher information is taken; more say little more."""


@dataclass(frozen=True)
class Settings:
    """weights: one of each model; None: all equal.
    scale: of what is added to the base (arithmetic, ties, dare, dare-ties); the second model's
        share (wise, slerp, fisher of two models).
    density: the share of a difference's entries that is kept (ties, dare, dare-ties).
    seed: of what DARE drops, and of the labels that are drawn for Fisher information.
    bottom, top: how many of the lowest and highest layers are the base's (layers); joint: how many
        beside them are the mean of both.
    """

    weights: tuple[float, ...] | None = None
    scale: float | None = None
    density: float | None = None
    seed: int = 1
    bottom: int = 2
    top: int = 2
    joint: int = 1

    @property
    def swapped(self) -> int:
        """Layers that are the base's, or shared with it (layers)."""
        return self.bottom + self.top + self.joint * (bool(self.bottom) + bool(self.top))


@dataclass(frozen=True)
class Way:
    """takes: those of `Settings` that it looks at.
    based: whether it needs a base, what the models were trained from.
    least, most: how many models it takes.
    scale, density: `Settings.scale` and `density` where they are not said.
    """

    takes: frozenset[str]
    based: bool = False
    least: int = 2
    most: int | None = None
    scale: float = 1.0
    density: float = 1.0


WAYS: dict[Name, Way] = {
    "mean": Way(frozenset({"weights"})),
    "wise": Way(frozenset({"scale"}), most=2, scale=0.5),
    "slerp": Way(frozenset({"scale"}), most=2, scale=0.5),
    "arithmetic": Way(frozenset({"weights", "scale"}), based=True, least=1),
    "ties": Way(frozenset({"weights", "scale", "density"}), based=True, least=1, density=0.2),
    "dare": Way(
        frozenset({"weights", "scale", "density", "seed"}), based=True, least=1, density=0.1
    ),
    "dare-ties": Way(
        frozenset({"weights", "scale", "density", "seed"}), based=True, least=1, density=0.1
    ),
    "fisher": Way(frozenset({"weights", "scale", "seed"})),
    "layers": Way(frozenset({"bottom", "top", "joint"}), based=True, least=1, most=1),
}


def way_of(method: str, say: Say) -> Way:
    """Raises XltError for a method that there is none of."""
    for name, way in WAYS.items():
        if name == method:
            return way
    raise XltError(
        f"there is no way to merge called {method!r}",
        where=say("method"),
        fix=choose(method, WAYS),
    )


def check(
    method: str, stated: Collection[str], *, informed: bool, scales: int, scored: bool, say: Say
) -> Way:
    """The way of a method, if it looks at all that was said.

    stated: those of `Settings` that were said, and `base`. informed: whether there are data for
    Fisher information. scales: how many there are to choose from. scored: whether there are data to
    choose on.
    Raises XltError.
    """
    way = way_of(method, say)
    for name in stated:
        if name not in way.takes and not (name == "base" and way.based):
            raise not_for(method, name, say)
    if informed != (method == "fisher"):
        if informed:
            raise not_for(method, "information", say)
        raise XltError(
            "fisher weighs by what is learnt from texts",
            where=say("information"),
            fix=f"name labelled data with {say('information')}; {MAX_INFORMED} records are enough",
        )
    if scales > 1 and not scored:
        raise XltError(
            f"of {scales} scales one has to be chosen",
            where=say("scale"),
            fix=f"name labelled data with {say('dev')}, or give one scale",
        )
    return way


def not_for(method: str, option: str, say: Say) -> XltError:
    """The error for an option that a method does not look at."""
    option = say(option.removesuffix("s"))
    return XltError(
        f"{method} does not look at this",
        where=option,
        fix=f"leave out {option}, or choose another {say('method')}",
    )


def check_number(
    method: str,
    number: int,
    weights: Sequence[float] | None,
    *,
    scaled: bool,
    where: object,
    fix: str,
    say: Say,
) -> None:
    """Raise XltError unless a method takes so many models, with these weights.

    scaled: a scale was said. where, fix: for another number of models.
    """
    way = way_of(method, say)
    if number < way.least or (way.most is not None and number > way.most):
        wanted = f"{way.least}" if way.most == way.least else f"at least {way.least}"
        raise XltError(
            f"{method} merges {wanted} model{'s' * (wanted != '1')}, and there "
            f"{'is 1' if number == 1 else f'are {number}'}",
            where=where,
            fix=fix,
        )
    if weights is not None and (len(weights) != number or not sum(weights)):
        raise XltError(
            f"there are {number} models and {sum(one > 0 for one in weights)} weights above 0"
            if len(weights) == number
            else f"there are {len(weights)} weights and {number} models",
            where=say("weight"),
            fix=f"give {say('weight')} one value for each model, in their order",
        )
    if method == "fisher" and scaled and (number != 2 or weights is not None):
        raise XltError(
            "a share is of two models without weights of their own",
            where=say("scale"),
            fix=f"give each model its {say('weight')} instead",
        )


def check_layers(settings: Settings, layers: int, say: Say) -> None:
    """Raise XltError where more layers are to be the base's than the model has (layers)."""
    if settings.swapped > layers:
        raise XltError(
            f"{settings.swapped} layers are the base's or shared, and the model has {layers}",
            where=say("bottom"),
            fix=f"lower {say('bottom')}, {say('top')} or {say('joint')}",
        )
