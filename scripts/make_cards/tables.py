"""MANIFEST.tsv and UPSTREAM.tsv, and the two joined into a card's `file`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

File = dict[str, Any]


class Tables:
    def __init__(self, tables: Path, data: Path) -> None:
        self.data = data
        self.manifest = self._read(tables / "MANIFEST.tsv")
        self.upstream = {
            (row["repository"], row["path"]): row for row in self._read(tables / "UPSTREAM.tsv")
        }

    @staticmethod
    def _read(path: Path) -> list[dict[str, str]]:
        header, *lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        names = header.split("\t")
        rows = []
        for line in lines:
            fields = line.split("\t")
            if "(" in fields[3] and ")" not in fields[3]:  # "en.(dev|test).tsv", its bar a tab
                fields[3:5] = ["|".join(fields[3:5])]
            rows.append(dict(zip(names, fields, strict=False)))
        return rows

    def rows(self, dataset: str) -> list[dict[str, str]]:
        return [row for row in self.manifest if row["dataset"].startswith(dataset)]

    def repository(self, row: dict[str, str]) -> tuple[str, str]:
        """Name and commit; the first, where a data set joins several repositories."""
        name, _, commit = row["source@commit"].partition("@")
        return name.split(" + ")[0], commit

    def file(
        self,
        local: str | None,
        repository: str = "",
        path: str = "",
        *,
        note: str | None = None,
    ) -> File | None:
        """A file with the publisher's address where the table has it, else with a note."""
        made: File = {}
        row = self.upstream.get((repository, path))
        if row:
            made["url"] = (
                f"https://raw.githubusercontent.com/{repository}/{row['commit']}/"
                + path.replace(" ", "%20")
            )
            if row["bytes"]:
                made["size"] = int(row["bytes"])
            if row["sha256"]:
                made["sha256"] = row["sha256"]
            else:
                made["git_blob_sha1"] = row["git_blob_sha1"]
        if local and (self.data / local).is_file():
            made["local"] = [local]
        if not made:
            return None
        if note and "local" in made:
            made["note"] = note
        if "url" not in made:
            made.setdefault("note", f"edited copy; from https://github.com/{repository}")
        return made
