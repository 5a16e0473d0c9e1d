"""Other tasks of a config, which stages may train on before the config's own."""

from __future__ import annotations

import re

from xlt.config.schema import INTERMEDIATE, Config, LanguageData
from xlt.errors import XltError, choose

_KEY = re.compile(r"^(?=(?:task|data)(?:\.|$))")
_QUOTED = re.compile(r"(?<=`)(?=(?:task|data)(?:`|\.\w))")


def learning(config: Config, name: str | None) -> Config:
    """The config as if one of its other tasks, by its name, were its own; None: as it is.

    Its first metric selects, and nothing of the target; the best weights alone are kept.
    Raises XltError for a task that it has not.
    """
    if name is None:
        return config
    other = config.intermediate.get(name)
    if other is None:
        raise XltError(
            f"there is no other task called {name!r}",
            where=INTERMEDIATE,
            fix=choose(name, config.intermediate)
            if config.intermediate
            else "add it, e.g. `intermediate: {nli: {task: nli, data: {eng: sample-nli}}}`",
        )
    data = {code: LanguageData.model_validate(one.model_dump()) for code, one in other.data.items()}
    on = "last" if config.selection.on == "last" else "source_dev"
    selection = config.selection.model_copy(update={"metric": None, "on": on, "keep": "best"})
    changed = {"task": other.task, "data": data, "selection": selection, INTERMEDIATE: {}}
    return config.model_copy(update=changed)


def of_other_task(error: XltError, name: str | None) -> XltError:
    """An error of `learning(config, name)`, with the keys of its task and data as they stand in the
    config."""
    if name is None:
        return error
    prefix = f"{INTERMEDIATE}.{name}."
    placed = error.placed(lambda one: _KEY.sub(prefix, one.where) if one.where else None)
    return placed.renamed(lambda text: _QUOTED.sub(prefix, text))
