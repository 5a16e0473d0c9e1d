"""The ways to merge: from the places of tensors to merged tensors, one at a time."""

from __future__ import annotations

import hashlib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.merging import formulas
from xlt.merging.settings import WAYS, Name, Settings, check_layers
from xlt.merging.weights import Place, Read
from xlt.model.task_model import HEAD_FILE


@dataclass(frozen=True)
class Members:
    """models: what lies at a place of each, in the first one's order of labels.
    base: of what they were trained from; None where there is none.
    information: the Fisher information of each model's weights; empty unless asked for.
    """

    models: Sequence[Callable[[Place], torch.Tensor]]
    base: Read | None = None
    information: Sequence[Callable[[Place], torch.Tensor]] = ()

    def tensors(self, place: Place) -> list[torch.Tensor]:
        return [model(place).double() for model in self.models]

    def pair(self, place: Place) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
        """The base, None where it has nothing there, and the differences from it; or, without it,
        the tensors themselves."""
        assert self.base is not None
        base = self.base(place)
        if base is None:
            return None, self.tensors(place)
        base = base.double()
        return base, [tensor - base for tensor in self.tensors(place)]


class Method(ABC):
    """One way to merge, with its settings.

    places: of all floating-point tensors, in their order.
    Raises XltError for settings that make no sense with it.
    """

    name: ClassVar[Name]

    def __init__(self, members: Members, places: Sequence[Place], settings: Settings) -> None:
        self.members, self.places, self.settings = members, places, settings
        self.weights = settings.weights or (1.0,) * len(members.models)
        usual = WAYS[self.name]
        self.scale = usual.scale if settings.scale is None else settings.scale
        self.density = usual.density if settings.density is None else settings.density

    @abstractmethod
    def __call__(self, place: Place) -> torch.Tensor:
        """What lies at a place of the merged model, fp64."""


class Mean(Method):
    """The weighted mean."""

    name = "mean"

    def __call__(self, place: Place) -> torch.Tensor:
        return formulas.mean(self.members.tensors(place), self.weights)


class Wise(Method):
    """Between two models, `scale` of the way to the second."""

    name = "wise"

    def __call__(self, place: Place) -> torch.Tensor:
        return formulas.mean(self.members.tensors(place), [1 - self.scale, self.scale])


class Slerp(Method):
    """On the arc between two models, tensor by tensor, `scale` of the way to the second."""

    name = "slerp"

    def __call__(self, place: Place) -> torch.Tensor:
        first, second = self.members.tensors(place)
        return formulas.slerp(first, second, self.scale)


class Differences(Method):
    """What is added to a base. Tensors that it lacks (a task's layers over an encoder) become their
    mean."""

    def __call__(self, place: Place) -> torch.Tensor:
        base, found = self.members.pair(place)
        if base is None:
            return formulas.mean(found, self.weights)
        return base + self.scale * self.merged(place, found)

    @abstractmethod
    def merged(self, place: Place, differences: list[torch.Tensor]) -> torch.Tensor:
        """Of the differences that the models have learnt."""


class Arithmetic(Differences):
    """Their weighted sum."""

    name = "arithmetic"

    def merged(self, place: Place, differences: list[torch.Tensor]) -> torch.Tensor:
        return formulas.weighted_sum(differences, self.weights)


class Ties(Differences):
    """The largest entries of each, of all its weights together; those of the elected sign."""

    name = "ties"

    def __init__(self, members: Members, places: Sequence[Place], settings: Settings) -> None:
        super().__init__(members, places, settings)
        assert members.base is not None
        self._based = [place for place in places if members.base(place) is not None]
        self._limits = [self._limit(number) for number in range(len(members.models))]

    def merged(self, place: Place, differences: list[torch.Tensor]) -> torch.Tensor:
        kept = [
            formulas.largest(difference, threshold, at_it[place])
            for difference, (threshold, at_it) in zip(differences, self._limits, strict=True)
        ]
        return formulas.elected(kept, self.weights)

    def _limit(self, number: int) -> tuple[float, Mapping[Place, int]]:
        """Of a model's entries the size above which all are kept, and at each place how many that
        are exactly of this size, so that there are as many as `density` says."""
        sizes = np.empty(sum(len(self._sizes(number, place)) for place in self._based), np.float32)
        start = 0
        for place in self._based:
            own = self._sizes(number, place)
            sizes[start : start + len(own)] = own
            start += len(own)
        kept = max(1, round(self.density * len(sizes)))
        sizes.partition(len(sizes) - kept)
        threshold = sizes[len(sizes) - kept]
        left = kept - int((sizes > threshold).sum())
        at_it: dict[Place, int] = {}
        for place in self._based:
            at_it[place] = min(left, int((self._sizes(number, place) == threshold).sum()))
            left -= at_it[place]
        return float(threshold), at_it

    def _sizes(self, number: int, place: Place) -> NDArray[np.float32]:
        """Of a model's differences from the base, which has something at this place."""
        assert self.members.base is not None
        base = self.members.base(place)
        assert base is not None
        difference = self.members.models[number](place).double() - base.double()
        return formulas.size(difference).numpy().reshape(-1)


class Dare(Differences):
    """Entries dropped at random, the others made larger; their weighted sum."""

    name: ClassVar[Name] = "dare"

    def merged(self, place: Place, differences: list[torch.Tensor]) -> torch.Tensor:
        return formulas.weighted_sum(self.dropped(place, differences), self.weights)

    def dropped(self, place: Place, differences: list[torch.Tensor]) -> list[torch.Tensor]:
        return [
            formulas.dropped(difference, self.density, self._generator(number, place))
            for number, difference in enumerate(differences)
        ]

    def _generator(self, number: int, place: Place) -> torch.Generator:
        """The same whatever else is merged, and in whatever order."""
        text = f"{self.settings.seed} {number} {place}"
        digest = hashlib.sha256(text.encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


class DareTies(Dare):
    """Entries dropped at random, the others made larger; those of the elected sign."""

    name = "dare-ties"

    def merged(self, place: Place, differences: list[torch.Tensor]) -> torch.Tensor:
        return formulas.elected(self.dropped(place, differences), self.weights)


class Fisher(Method):
    """The mean weighted by how much each model's predictions depend on each weight."""

    name = "fisher"

    def __init__(self, members: Members, places: Sequence[Place], settings: Settings) -> None:
        super().__init__(members, places, settings)
        if settings.scale is not None:  # of two models
            self.weights = (1 - self.scale, self.scale)
        self._norms = [
            math.sqrt(math.fsum(float((self._raw(n, place) ** 2).sum()) for place in places))
            for n in range(len(members.models))
        ]

    def __call__(self, place: Place) -> torch.Tensor:
        information = [self._raw(n, place) / (norm or 1) for n, norm in enumerate(self._norms)]
        return formulas.by_information(self.members.tensors(place), information, self.weights)

    def _raw(self, number: int, place: Place) -> torch.Tensor:
        """Before it is divided by its norm. The first's is at least `FLOOR`: of weights of which no
        model says anything, it has the word."""
        found = self.members.information[number](place).double()
        return found.clamp(min=FLOOR) if number == 0 else found


FLOOR = 1e-6
"""Of the first model's Fisher information."""

_NUMBERED = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")


class Layers(Method):
    """One model with the lowest and highest layers, and the embeddings, of its base.

    Layer swapping (Bandarkar et al. 2024, arXiv 2410.01335): the base has learnt a language, the
    model a task.
    """

    name = "layers"

    def __init__(self, members: Members, places: Sequence[Place], settings: Settings) -> None:
        super().__init__(members, places, settings)
        found = [layer for place in places if (layer := _layer(place)) is not None]
        self._layers = max(found, default=-1) + 1
        check_layers(settings, self._layers, say=str)

    def __call__(self, place: Place) -> torch.Tensor:
        assert self.members.base is not None
        (own,), base = self.members.tensors(place), self.members.base(place)
        share = 0.0 if base is None else self.share(place)
        return (
            own
            if base is None or not share
            else formulas.mean([own, base.double()], [1 - share, share])
        )

    def share(self, place: Place) -> float:
        """How much of what lies at a place is the base's."""
        layer, joint = _layer(place), self.settings.joint
        if layer is None:  # embeddings are below all layers, all else is above
            embeddings = place.file != HEAD_FILE and "embed" in place.name
            return float(embeddings and self.settings.bottom > 0)
        for distance, taken in (
            (layer, self.settings.bottom),
            (self._layers - 1 - layer, self.settings.top),
        ):
            if distance < taken:
                return 1.0
            if taken and distance < taken + joint:
                return 0.5
        return 0.0


def _layer(place: Place) -> int | None:
    """The number of the layer of the encoder that a tensor is of."""
    found = None if place.file == HEAD_FILE else _NUMBERED.search(place.name)
    return None if found is None else int(found[1])


METHODS: dict[str, type[Method]] = {
    one.name: one for one in (Mean, Wise, Slerp, Arithmetic, Ties, Dare, DareTies, Fisher, Layers)
}
"""By their names."""
