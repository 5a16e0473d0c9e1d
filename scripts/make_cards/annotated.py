"""Entities and events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xlt import languages

from .common import Languages, by_language, card, make_splits
from .tables import Tables


def _bio(*types: str) -> dict[str, list[str]]:
    return {"tag": ["O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]}


def entities(tables: Tables) -> Iterator[dict[str, Any]]:
    masakha = by_language(
        tables,
        "MasakhaNER 2.0",
        lambda code, repo: make_splits(
            tables,
            repo,
            f"ner/masakhaner2/{code}/{{}}.txt",
            f"MasakhaNER2.0/data/{code}/{{}}.txt",
        ),
    )
    # Measured by `xlt data check` on the publisher's own files.
    for code, shared in (("ibo", "557 of 2,181 (26 %)"), ("hau", "204 of 1,633 (13 %)")):
        masakha[code]["test"]["caveats"] = [f"{shared} test sentences are in train too"]
    yield card(
        tables, "masakhaner2", "MasakhaNER 2.0", "ner", "bio", masakha, name="MasakhaNER 2.0",
        options={"repair": True, "drop_empty": True}, labels=_bio("DATE", "LOC", "ORG", "PER"),
        caveats=["a few I- tags continue no entity; they are read as B- (`repair`)"],
    )  # fmt: skip
    for row in tables.rows("UNER "):
        if row["language"] == "nob":
            continue
        yield _uner(tables, row)
    yield card(
        tables, "europarl-ner", "Europarl NER", "ner", "bio",
        by_language(
            tables, "Europarl NER",
            lambda code, repo: make_splits(
                tables, repo, f"ner/europarl_ner/{code}-europarl.{{}}.conll02",
                names=("test",),
            ),
        ),
        labels=_bio("LOC", "MISC", "ORG", "PER"),
        caveats=["799 parallel sentences, gold entities in every language"],
    )  # fmt: skip
    repo, _ = tables.repository(tables.rows("BasqueGLUE EIEC")[0])
    file = {"train": "train", "dev": "val", "test": "test"}
    basque = make_splits(tables, repo, "ner/basqueglue/nerc_id/{}.jsonl", names=file)
    yield card(
        tables, "basqueglue-nerc", "BasqueGLUE EIEC", "ner", "jsonl", {"eus": basque},
        options={"columns": {"words": "tokens", "id": "idx"}},
    )  # fmt: skip
    for part in ("nergrit_ner-grit", "nerp_ner-prosa"):
        repo, _ = tables.repository(tables.rows(f"IndoNLU {part}")[0])
        file = {"train": "train", "dev": "valid", "test": "test"}
        yield card(
            tables, f"indonlu-{part.split('_')[0]}", f"IndoNLU {part}", "ner", "bio",
            {"ind": make_splits(
                tables, repo, f"ner/indonlu/{part}/{{}}.txt", names=file
            )},
            options={"repair": True},
            caveats=["I- tags that continue no entity are read as B- (`repair`)"],
        )  # fmt: skip
    wikiann: Languages = {}
    for row in tables.rows("WikiANN"):
        code = row["language"]
        repo, _ = tables.repository(row)
        made = make_splits(tables, repo, f"ner/wikiann/{code}/{{}}")
        for split in made.values():
            split["options"] = {"prefix": f"{code}:", "repair": True}
        wikiann[languages.code(code)] = made
    yield card(
        tables, "wikiann", "WikiANN", "ner", "bio", wikiann,
        licence="CC BY-SA (Wikipedia)", labels=_bio("LOC", "ORG", "PER"),
        caveats=["silver: entities come from links", "local: 5,000/1,000/2,000 sentences"],
    )  # fmt: skip
    repo, _ = tables.repository(tables.rows("GermEval2014")[0])
    yield card(
        tables, "germeval2014", "GermEval2014", "ner", "bio",
        {"deu": make_splits(tables, repo, "ner/germeval2014/NER-de-{}.tsv")},
        options={"word": 1, "tag": 2, "separator": "tab", "repair": True},
        caveats=["outer level of nested entities; types ending in deriv and part are kept"],
    )  # fmt: skip


def _uner(tables: Tables, row: dict[str, str]) -> dict[str, Any]:
    treebank = row["dataset"].removeprefix("UNER ")
    repo, _ = tables.repository(row)
    files = sorted((tables.data / "ner/uner" / treebank).glob("*.iob2"))
    stems = {path.name.rsplit("-", 1)[0] for path in files}
    made: Languages = {}
    for stem in sorted(stems):
        code = languages.code(stem.split("_")[0])
        made[code] = make_splits(
            tables,
            repo,
            f"ner/uner/{treebank}/{stem}-{{}}.iob2",
            f"{stem}-{{}}.iob2",
            note="local copy: train at most 4,000 sentences (English: in full)",
        )
    pud = treebank.endswith("PUD")
    outside = treebank == "Norwegian-NDT"
    other = treebank in ("Croatian-SET", "Serbian-SET")
    kinds = ("LOC", "ORG", "OTH", "PER") if other else ("LOC", "ORG", "PER")
    caveats = ["a few I- tags continue no entity; they are read as B- (`repair`)"]
    if outside:
        caveats.append("words tagged `-` are read as O")
    if other:
        caveats.append("OTH occurs here and not in the other UNER sets")
    if treebank == "English-EWT":
        caveats.append(
            "the local train file is an earlier version (2022) with types OTH and O, read as O"
        )
        made["eng"]["train"]["options"] = {"types": {"OTH": None, "O": None}}
    return card(
        tables, "uner-" + treebank.lower(), row["dataset"], "ner", "bio", made,
        origin="translated" if pud and not treebank.startswith("English") else "native",
        options={"word": 1, "tag": 2, "separator": "tab", "repair": True}
        | ({"outside": ["-"]} if outside else {}),
        labels=_bio(*kinds), caveats=caveats,
    )  # fmt: skip


def events(tables: Tables) -> Iterator[dict[str, Any]]:
    plain = {
        "bkee": ("BKEE", "vie", "event/bkee_vi/{}.jsonl", ["words are segmented with `_`"]),
        "smartdata": (
            "DFKI SmartData", "deu", "event/smartdata_de/{}.jsonl",
            ["tokenised again by a regular expression; documents over 400 tokens dropped"],
        ),
    }  # fmt: skip
    for identifier, (dataset, code, path, caveats) in plain.items():
        repo, _ = tables.repository(tables.rows(dataset)[0])
        splits = make_splits(tables, repo, path)
        yield card(
            tables, identifier, dataset, "event_extraction", "jsonl", {code: splits},
            # Ids of SmartData are addresses, some of them cut to the same length.
            options={"repeated_ids": "number"} if identifier == "smartdata" else {},
            caveats=caveats,
        )  # fmt: skip
    repo, _ = tables.repository(tables.rows("MEANTIME")[0])
    meantime: Languages = {}
    for code in ("en", "es", "it", "nl"):
        meantime[languages.code(code)] = make_splits(
            tables, repo, f"event/meantime/{code}.{{}}.jsonl",
            names=("full", "crossdoc"),
        )  # fmt: skip
    files = meantime["eng"]["crossdoc"]["files"]
    meantime["eng"]["train"] = {
        "files": files, "select": {"modulo": 10, "remainder": list(range(1, 10))}
    }  # fmt: skip
    meantime["eng"]["dev"] = {"files": files, "select": {"modulo": 10, "remainder": [0]}}
    for code in ("spa", "ita", "nld"):
        meantime[code]["test"] = {"files": meantime[code]["crossdoc"]["files"]}
    yield card(
        tables, "meantime", "MEANTIME", "event_extraction", "jsonl", meantime, name="MEANTIME",
        origin="translated",
        caveats=[
            "`full` (English): all gold events; `crossdoc`: only mentions of corpus-level "
            "instances, so recall is incomplete",
            "es, it, nl are sentence-aligned translations of English Wikinews",
            "only the first five or six sentences of each document are annotated across documents",
            "upstream has no splits: English train and dev are sentences of `crossdoc` by index "
            "modulo 10, test in the other languages is all of theirs, of the same articles",
        ],
    )  # fmt: skip
    for version, dataset in (("up1", "Universal PropBank 1.0"), ("up2", "Universal PropBank 2")):

        def splits_of(code: str, repo: str, version: str = version) -> dict[str, Any]:
            return make_splits(tables, repo, f"event/{version}/{code}/{{}}.jsonl")

        made = by_language(tables, dataset, splits_of)
        yield card(
            tables, f"universal-propbank-{version[2]}", dataset, "event_extraction", "jsonl",
            made, name=dataset, caveats=["predicates and roles, projected: silver"],
        )  # fmt: skip
    repo, _ = tables.repository(tables.rows("PropBank (EWT)")[0])
    english = make_splits(tables, repo, "event/up1/en/{}.propbank_release.jsonl")
    yield card(
        tables, "propbank-ewt", "PropBank (EWT)", "event_extraction", "jsonl", {"eng": english},
        caveats=["predicates and roles as events: gold"],
    )  # fmt: skip
