"""Cells of a study that read the same data for the same encoder share what is known of those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from xlt.permissions import obeying
from xlt.runs.experiment import Experiment
from xlt.runs.plan import allowed
from xlt.runs.sizes import count_words, find_tokenizer, measure_sizes
from xlt.runs.sources import Sources, reads
from xlt.runs.steps import Group, StageCosts


class Groups:
    """The cells of a study in groups, each of which reads its data when it is first asked for."""

    def __init__(self, experiments: Mapping[str, Experiment]) -> None:
        self._experiments = experiments
        self._made: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        return map(self.of, [next(iter(cells)) for cells in self._alike.values()])

    def of(self, cell: str) -> Group:
        """The group of a cell."""
        about = self._about[cell]
        if about not in self._made:
            self._made[about] = _group(self._alike[about])
        return self._made[about]

    @cached_property
    def _about(self) -> dict[str, str]:
        """Cell → what its config says of data and encoder."""
        return {name: reads(one.config) for name, one in self._experiments.items()}

    @cached_property
    def _alike(self) -> dict[str, dict[str, Experiment]]:
        alike: dict[str, dict[str, Experiment]] = {}
        for name, experiment in self._experiments.items():
            alike.setdefault(self._about[name], {})[name] = experiment
        return alike


def _group(experiments: Mapping[str, Experiment]) -> Group:
    first = next(iter(experiments.values()))
    sources = Sources(first.config, first.task)
    with obeying(allowed(first.loaded)):
        splits = dict.fromkeys(one for each in experiments.values() for one in each.data_splits)
        counted = count_words(sources, splits)
        tokenizer = find_tokenizer(first.config.model)
        sizes, vocabulary = measure_sizes(counted, tokenizer)
        costs = StageCosts(first.config.model, sizes, vocabulary, usable=tokenizer is not None)
    return Group(experiments, sources, costs)
