"""Universal Dependencies: one card a treebank."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from xlt import languages

from .tables import Tables

UD = (
    "Nivre et al. 2020. Universal Dependencies v2: An Evergrowing Multilingual Treebank "
    "Collection. LREC 2020."
)
PUD = (
    "Zeman et al. 2017. CoNLL 2017 Shared Task: Multilingual Parsing from Raw Text to Universal "
    "Dependencies. https://aclanthology.org/K17-3001"
)
EWT = "Silveira et al. 2014. A Gold Standard Dependency Corpus for English. LREC 2014."

LICENCES = {
    "Attribution-ShareAlike 4.0": "CC BY-SA 4.0",
    "creativecommons.org/licenses/by-nc-sa/4.0/.": "CC BY-NC-SA 4.0",
    "see LICENSE": "CC BY-SA 3.0",  # Irish-IDT's LICENSE.txt
}
AGREEMENT = {
    "UD_Icelandic-Modern": ".995",
    "UD_Russian-Taiga": ".976",
    "UD_Scottish_Gaelic-ARCOSG": ".973",
    "UD_Armenian-ArmTDP": ".966",
    "UD_Irish-IDT": ".939",
    "UD_Korean-GSD": ".937",
    "UD_Lithuanian-ALKSNIS": ".935",
    "UD_Indonesian-GSD": ".742",
    "UD_Dutch-LassySmall": ".712",
}
"""LAS of the local older train files against today's scheme."""

OVERLAP = {"Dutch-LassySmall": "24 %", "Korean-GSD": "13 %"}
"""Measured by `xlt data check`: sentences moved between the splits of later versions."""

LOCAL = "local copy: DEPS emptied, MISC keeps SpaceAfter and Lang, `# text` dropped"
JAVANESE = {
    "train": [1, 2, 3, 5, 6, 7, 8, 9],
    "dev": [4],
    "test": [0],
}


def cards(tables: Tables) -> Iterator[dict[str, Any]]:
    for row in tables.manifest:
        if row["task"] == "dep":
            yield _card(tables, row)


def _card(tables: Tables, row: dict[str, str]) -> dict[str, Any]:
    repository, _ = tables.repository(row)
    folder = row["path"].rstrip("/")
    treebank = row["dataset"].removeprefix("UD ").replace("EN_GUM_from_gum_repo", "English-GUM")
    names = sorted(p.name for p in (tables.data / folder).glob("*.conllu"))
    published = sorted(path for repo, path in tables.upstream if repo == repository)
    published = [path for path in published if path.endswith(".conllu")]
    # One local copy is named after its treebank; the publisher's names begin with the language.
    prefix = next(name for name in names if name[0].islower())
    language = languages.code(prefix.split("_")[0])
    splits: dict[str, Any] = {}
    caveats = []
    for split in ("train", "dev", "test"):
        local = [n for n in names if f"-ud-{split}" in n]
        there = [p for p in published if f"-ud-{split}" in p]
        files = _files(tables, repository, folder, split, local, there, row)
        if files:
            splits[split] = {"files": files}
    if "train" in splits and (share := AGREEMENT.get(folder.split("/")[-1])):
        caveats.append(f"the local train file is an older version: LAS {share} against today's")
    if share := OVERLAP.get(treebank):
        caveats.append(f"{share} of the test sentences are in the local (older) train file")
    if treebank == "Basque-BDT":
        caveats.append("the local train file is UDv1 converted: LAS .89, UAS .91 against real v2")
    if treebank == "Hindi-HDTB":
        caveats.append("the local dev file is UDv1, converted automatically")
    if treebank == "Dutch-LassySmall":
        caveats.append("two trees of the local train file have a cycle")
        splits["train"]["options"] = {"labelled": False}
        caveats.append("train is read without the check that trees are well formed")
    if treebank == "English-GUM":
        caveats.append("local: every third train document, reddit documents dropped")
    pud = treebank.endswith("-PUD")
    if pud:
        caveats.append(
            "1,000 parallel sentences: 750 written in English, the others in German, French, "
            "Italian and Spanish; translated into the other languages"
        )
    if treebank == "Javanese-CSUI":
        caveats.append("upstream has a test file alone; train, dev and test are index modulo 10")
        whole = splits["test"]["files"]
        splits = {s: {"files": whole, "select": _modulo(r)} for s, r in JAVANESE.items()}
        splits["whole"] = {"files": whole}
    if list(splits) == ["test"]:
        caveats.append("there is no training data")
    return {
        "identifier": "ud-" + re.sub(r"[^a-z0-9-]", "-", treebank.lower()),
        "name": f"UD {treebank}",
        "task": "dependency_parsing",
        "licence": LICENCES.get(row["licence"], row["licence"]),
        "citation": EWT if treebank == "English-EWT" else PUD if pud else UD,
        "homepage": f"https://github.com/{repository}",
        "origin": "translated" if pud and treebank != "English-PUD" else "native",
        "format": "conllu",
        "caveats": caveats,
        "languages": {language: splits},
    }


def _modulo(remainder: list[int]) -> dict[str, Any]:
    return {"modulo": 10, "remainder": remainder}


def _files(
    tables: Tables,
    repository: str,
    folder: str,
    split: str,
    local: list[str],
    published: list[str],
    row: dict[str, str],
) -> list[dict[str, Any]]:
    detail = [part for part in row["note"].split("; ") if part.startswith(f"{split}: ")]
    note = "; ".join([LOCAL, *detail])
    if published and len(published) == len(local) == 1:
        made = tables.file(f"{folder}/{local[0]}", repository, published[0], note=note)
        return [made] if made else []
    if local and not published:
        made = tables.file(f"{folder}/{local[0]}", repository, note=note)
        return [made] if made else []
    # A train set in parts upstream, or absent here: the local file cannot stand for one part.
    files = [tables.file(None, repository, path) for path in published]
    if local and len(published) > 1:
        made = tables.file(f"{folder}/{local[0]}", repository, note=note)
        return [made] if made else []
    return [file for file in files if file]
