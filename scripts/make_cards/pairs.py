"""Parallel text and word alignments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xlt import languages

from . import references
from .common import Languages, card, make_splits
from .tables import Tables

BIBLES_OF_OLD: dict[str, dict[str, Any]] = {
    code: {"licence": "public domain", "caveats": [translation]}
    for code, translation in {
        "eng": "the Bible in Basic English (1949), in the public domain in the United States",
        "glv": "the Manx Gospels and Acts of the 18th century",
        "heb": "a Hebrew New Testament of the 19th century",
        "ukr": "Kulish and Puluj 1903",
    }.items()
}
"""Translations that were told by their text; of the others it is not known which they are."""


def parallel(tables: Tables) -> Iterator[dict[str, Any]]:
    task = "parallel_text"
    ntrex: Languages = {}
    for path in sorted((tables.data / "parallel/ntrex").glob("newstest2019-*.txt")):
        tag = path.name.split(".")[1]
        code = languages.code(tag)
        splits = ntrex.setdefault(code, {})
        name = "test" if not splits else f"test_{tag.replace('-', '_').lower()}"
        splits |= make_splits(
            tables, "MicrosoftTranslator/NTREX", f"parallel/ntrex/{path.name}",
            f"NTREX-128/{path.name}", names=(name,),
        )  # fmt: skip
    if "eng" in ntrex:
        ntrex["eng"]["test"]["origin"] = "native"
    yield card(
        tables, "ntrex", "NTREX-128", task, "lines", dict(sorted(ntrex.items())),
        origin="translated", caveats=["1,997 lines, parallel over languages"],
    )  # fmt: skip
    for row in tables.rows("LAFAND"):
        yield from _pair(
            tables, row, "lafand", f"parallel/lafand/{row['language']}",
            f"data/text_files/{row['language']}", row["language"].split("-"),
            note="local copy: train at most 4,000 lines (en-swa 6,000)",
        )  # fmt: skip
    for row in tables.rows("AmericasNLP"):
        folder = row["path"].rstrip("/")
        suffixes = {p.suffix[1:] for p in (tables.data / folder).glob("dev.*")}
        yield from _pair(
            tables, row, "americasnlp2021", folder, None, ["es", *sorted(suffixes - {"es"})]
        )
    nusax = {"id": "indonesian", "en": "english", "ace": "acehnese", "ban": "balinese",
             "bjn": "banjarese", "bug": "buginese", "jav": "javanese", "sun": "sundanese",
             "mad": "madurese", "min": "minangkabau", "nij": "ngaju",
             "bbc": "toba_batak"}  # fmt: skip
    file = {"train": "train", "dev": "valid", "test": "test"}
    yield card(
        tables, "nusax-mt", "NusaX-MT", task, "csv",
        {languages.code(code): make_splits(
            tables, "IndoNLP/nusax", "parallel/nusax_mt/{}.csv",
            "datasets/mt/{}.csv", names=file, options={"column": column},
        ) for code, column in nusax.items()},
        origin="translated", caveats=["parallel over languages; written in Indonesian"],
    )  # fmt: skip
    for code in ("jav", "sun"):
        repo, _ = tables.repository(tables.rows("NusaTranslation")[0])
        made = {
            language: make_splits(
                tables,
                repo,
                f"parallel/nusa_kalimat/{code}.{{}}.csv",
                names=file,
                options={"column": column},
            )
            for language, column in (("ind", "ind_text"), (code, "tgt_text"))
        }
        yield card(
            tables, f"nusatranslation-{code}", "NusaTranslation", task, "csv", made,
            licence="CC BY-SA 4.0 / Apache-2.0", origin="translated",
            caveats=["tweets and reviews; written in Indonesian",
                     "Apache-2.0 is the licence in the publisher's repository"],
        )  # fmt: skip
    bible: Languages = {}
    for path in sorted((tables.data / "parallel/bible_nt").glob("???.txt")):
        repo, _ = tables.repository(tables.rows("Bible NT")[0])
        bible[languages.code(path.stem)] = make_splits(
            tables, repo, f"parallel/bible_nt/{path.name}", names=("train",),
            **BIBLES_OF_OLD.get(path.stem, {}),
        )  # fmt: skip
    yield card(
        tables, "bible-nt", "Bible NT", task, "lines", bible, origin="translated",
        caveats=["lines are verses, parallel over languages; empty where a verse is missing"],
    )  # fmt: skip
    yield _declaration(tables)


def _declaration(tables: Tables) -> dict[str, Any]:
    """The Universal Declaration of Human Rights: one table, its versions told apart by a key."""
    path = "parallel/udhr/udhr.tsv"
    repo, _ = tables.repository(tables.rows("UDHR")[0])
    versions: dict[str, tuple[str, str]] = {}
    with (tables.data / path).open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            key, iso, name, _ = line.split("\t", 3)
            versions[key] = (iso, name)
    made: Languages = {}
    for key, (iso, _) in sorted(versions.items()):
        splits = made.setdefault(languages.code(iso), {})
        name = "train" if not splits else f"train_{key}"
        splits |= make_splits(tables, repo, path, names=(name,), options={"key": key})
    return card(
        tables, "udhr", "UDHR", "parallel_text", "udhr", dict(sorted(made.items())),
        name="Universal Declaration of Human Rights", origin="translated",
        caveats=["paragraphs are nearly, not exactly, parallel"],
    )  # fmt: skip


def _pair(
    tables: Tables,
    row: dict[str, str],
    family: str,
    folder: str,
    upstream: str | None,
    suffixes: list[str],
    note: str | None = None,
) -> Iterator[dict[str, Any]]:
    repo, _ = tables.repository(row)
    made: Languages = {}
    for suffix in suffixes:
        made[languages.code(suffix)] = make_splits(
            tables, repo, f"{folder}/{{}}.{suffix}",
            f"{upstream}/{{}}.{suffix}" if upstream else "", note=note,
        )  # fmt: skip
    made = {code: splits for code, splits in made.items() if splits}
    if len(made) == 2:
        identifier = f"{family}-{'-'.join(made)}"
        made_card = card(
            tables, identifier, row["dataset"], "parallel_text", "lines", made,
            name=f"{row['dataset']} {'–'.join(made)}", licence=row["licence"],
            origin="translated", caveats=["line n of one language is line n of the other"],
        )  # fmt: skip
        made_card["citation"] = references.CITATIONS[family]
        yield made_card


def alignments(tables: Tables) -> Iterator[dict[str, Any]]:
    task = "word_alignment"
    xlwa = {}
    for row in tables.rows("XL-WA"):
        code = row["language"].split("-")[1]
        splits = make_splits(
            tables, "SapienzaNLP/XL-WA", f"alignments/xl-wa/{code}/{{}}.tsv",
            f"data/{code}/{{}}.tsv",
        )  # fmt: skip
        if "train" in splits:
            splits["train"]["caveats"] = ["silver: where GIZA++ and FastAlign agree"]
        xlwa[languages.code(code)] = splits
    yield card(
        tables, "xl-wa", "XL-WA", task, "tsv", xlwa, origin="translated",
        options={"source": "eng"}, caveats=["English with each language; dev and test by hand"],
    )  # fmt: skip
    awesome = {}
    for stem, code in (("enfr", "fra"), ("roen", "ron"), ("jaen", "jpn"), ("zhen", "zho")):
        folder = "alignments/awesome_align_examples"
        files = [
            tables.file(f"{folder}/{stem}.{kind}", "neulab/awesome-align")
            for kind in ("src-tgt", "gold")
        ]
        awesome[code] = {"test": {"files": [file for file in files if file]}}
    yield card(
        tables, "awesome-align-examples", "awesome-align examples", task, "pharaoh", awesome,
        caveats=["with English; two files: the sentence pairs, the gold links"],
    )  # fmt: skip
    hindi = [
        tables.file(f"alignments/wpt05_eng_hin/test.{kind}", "robertostling/efmaral")
        for kind in ("eng", "hin", "eng.hin.wa")
    ]
    yield card(
        tables, "wpt05-eng-hin", "WPT-2005 eng-hin", task, "wpt",
        {"hin": {"test": {"files": [file for file in hindi if file]}}},
        caveats=["with English; three files: English, Hindi, numbered links (from 1, S or P)"],
    )  # fmt: skip
