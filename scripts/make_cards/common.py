"""What the cards of all kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import references
from tables import Tables

from xlt import languages

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
    local: Callable[[str], str],
    upstream: Callable[[str], str] | None = None,
    *,
    names: tuple[str, ...] = ("train", "dev", "test"),
    note: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    made = {}
    for name in names:
        path = upstream(name) if upstream else ""
        if file := tables.file(local(name), repository, path, note=note):
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
