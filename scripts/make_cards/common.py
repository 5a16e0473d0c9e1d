"""What the cards of all kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xlt import languages

from . import references
from .tables import Tables

Languages = dict[str, dict[str, Any]]


def card(
    tables: Tables,
    identifier: str,
    dataset: str,
    task: str,
    format: str,
    splits: Languages,
    *,
    name: str | None = None,
    licence: str | None = None,
    origin: str = "native",
    **more: Any,
) -> dict[str, Any]:
    row = tables.rows(dataset)[0]
    repository, _ = tables.repository(row)
    more = {key: value for key, value in more.items() if value}
    return {
        "identifier": identifier,
        "name": name or row["dataset"],
        "task": task,
        "licence": licence or row["licence"] or "see the repository",
        "citation": references.UNER
        if identifier.startswith("uner-")
        else references.CITATIONS.get(identifier, f"https://github.com/{repository}"),
        "homepage": f"https://github.com/{repository}",
        "origin": origin,
        "format": format,
        **more,
        "languages": splits,
    }


def make_splits(
    tables: Tables,
    repository: str,
    local: str,
    upstream: str = "",
    *,
    names: Sequence[str] | Mapping[str, str] = ("train", "dev", "test"),
    note: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Splits of one file each, those that there are.

    local, upstream: paths here and at the publisher's, with {} for what the split is called there.
    names: of the splits; a mapping where the publisher's differ from ours.
    """
    made = {}
    for name in names:
        theirs = names[name] if isinstance(names, Mapping) else name
        file = tables.file(local.format(theirs), repository, upstream.format(theirs), note=note)
        if file:
            made[name] = {"files": [file], **more}
    return made


def by_language(
    tables: Tables, dataset: str, build: Callable[[str, str], dict[str, Any]]
) -> Languages:
    """Language → splits, from the rows of a data set; `build` gets their code and repository."""
    made: Languages = {}
    for row in tables.rows(dataset):
        repository, _ = tables.repository(row)
        splits = build(row["language"], repository)
        if splits:
            made.setdefault(languages.code(row["language"]), {}).update(splits)
    return made
