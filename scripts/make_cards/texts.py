"""Inference and questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xlt import languages

from .common import Languages, by_language, card, make_splits
from .tables import Tables

NLI = {"label": ["entailment", "neutral", "contradiction"]}


def inference(tables: Tables) -> Iterator[dict[str, Any]]:
    xnli = by_language(
        tables, "XNLI",
        lambda code, repo: make_splits(
            tables, repo, f"nli/xnli/{code}.{{}}.tsv", names=("dev", "test")
        ),
    )  # fmt: skip
    shuffled = tables.file("nli/xnli/de.dev_shuffled.tsv", "LSX-UniWue/SuperGLEBer")
    if shuffled and "deu" in xnli:
        xnli["deu"]["dev_shuffled"] = {"files": [shuffled]}
    if "eng" in xnli:
        for split in xnli["eng"].values():
            split["origin"] = "native"
    yield card(
        tables, "xnli", "XNLI", "nli", "tsv", xnli, name="XNLI and its extensions",
        licence="CC BY-NC 4.0 (Korean: CC BY-SA 4.0)", origin="translated", labels=NLI,
        caveats=[
            "rows are parallel over languages, but for deu `dev_shuffled`",
            "hrv, kor, eus and mya come from extensions of XNLI by others",
            "zho: dev only, labels joined from another language's file",
        ],
    )  # fmt: skip
    extension = by_language(
        tables, "MultiNLI-15k MT",
        lambda code, repo: make_splits(
            tables, repo, f"nli/xnli_extension/multinli.{{}}.{code}.tsv",
            f"data/multinli.{{}}.{code}.tsv", names=("train",),
            note="local copy: the first 6,000 rows",
        ),
    )  # fmt: skip
    if "eng" in extension:
        extension["eng"]["train"]["origin"] = "native"
    yield card(
        tables, "multinli-mt", "MultiNLI-15k MT", "nli", "tsv", extension,
        licence="BSD-3-Clause (translations), OANC, CC BY-SA 3.0, CC BY 3.0, public domain "
        "(MultiNLI text)",
        origin="machine-translated", labels=NLI,
        options={"columns": {"hypothesis": "hypo"},
                 "label_names": {"contradictory": "contradiction"}},
        parallel=True,
    )  # fmt: skip
    yield card(
        tables, "esxnli", "esXNLI", "nli", "tsv",
        by_language(
            tables, "esXNLI",
            lambda code, repo: make_splits(
                tables, repo, f"nli/esxnli/{code}.tsv", names=("test",)
            ),
        ),
        labels=NLI, caveats=["written in Spanish; English is its translation"],
    )  # fmt: skip
    yield card(
        tables, "americasnli", "AmericasNLI", "nli", "tsv",
        by_language(
            tables, "AmericasNLI",
            lambda code, repo: make_splits(
                tables, repo, f"nli/americasnli/{code}.{{}}.tsv", names=("dev", "test")
            ),
        ),
        origin="translated", labels=NLI, options={"drop_empty": True},
        caveats=["translated from the Spanish XNLI",
                 "nah test: pairs that lack a text are left out"],
    )  # fmt: skip
    repo = "ir-nlp-csui/indonli"
    indo = {"train": "train", "dev": "val", "test_lay": "test_lay",
            "test_expert": "test_expert", "diagnostic": "diagnostic"}  # fmt: skip
    indonesian = make_splits(
        tables, repo, "nli/indonli/{}.jsonl",
        "data/indonli/{}.jsonl", names=indo,
    )  # fmt: skip
    if "diagnostic" in indonesian:  # in spite of its name one JSON array
        indonesian["diagnostic"]["format"] = "json"
        indonesian["diagnostic"]["options"] = {"columns": {"phenomena": "inference_phenomena"}}
    yield card(
        tables, "indonli", "IndoNLI", "nli", "jsonl", {"ind": indonesian},
        options={"label_names": {"e": "entailment", "n": "neutral", "c": "contradiction"}},
        labels=NLI,
    )  # fmt: skip
    ocnli = {"train": "train.10k", "dev": "dev"}
    yield card(
        tables, "ocnli", "OCNLI", "nli", "tsv",
        {"zho": make_splits(
            tables, "CLUEbenchmark/OCNLI", "nli/ocnli/{}.tsv",
            names=ocnli,
        )},
        labels=NLI,
        caveats=["rows labelled `-` have no agreement and are left out: 15 in train, 50 in dev",
                 "the local files are TSV made of the publisher's JSON Lines"],
    )  # fmt: skip
    suites = sorted((tables.data / "nli/chinese_nli_probing").glob("*.json"))
    parts = {"chinese_hans": "category", "new_logic_test": "category", "antonym": "condition",
             "synonym": "condition"}  # fmt: skip
    probes: dict[str, Any] = {}
    for path in suites:
        inner = "" if path.name in (
            "chinese-hans-full.json", "diagnostics-new-with-categories.json", "new_logic_test.json"
        ) else "stress_data_final/"  # fmt: skip
        name = path.stem.removesuffix("_final").removesuffix("-full").replace("-", "_")
        made = make_splits(
            tables, "huhailinguist/ChineseNLIProbing",
            f"nli/chinese_nli_probing/{path.name}",
            f"data/{inner}{path.name}", names=(name,),
        )  # fmt: skip
        if name in parts:
            made[name]["options"] = {"columns": {"phenomena": parts[name]}}
        probes |= made
    yield card(
        tables, "chinese-nli-probing", "ChineseNLIProbing", "nli", "jsonl", {"zho": probes},
        name="Chinese NLI challenge sets", licence="see README.src.md of the repository",
        labels=NLI,
        caveats=["a split is a suite of challenge items, not a sample of a distribution",
                 "rows labelled `-` are left out: 94 in spelling"],
    )  # fmt: skip
    farstail = {"train": "Train", "dev": "Val", "test": "Test"}
    yield card(
        tables, "farstail", "FarsTail", "nli", "tsv",
        {"fas": make_splits(
            tables, "dml-qom/FarsTail", "nli/farstail/{}-word.csv",
            "data/{}-word.csv", names=farstail,
        )},
        options={"label_names": {"e": "entailment", "n": "neutral", "c": "contradiction"},
                 "quoted": True},
        labels=NLI,
    )  # fmt: skip
    qnli = {"train": "train", "dev": "val", "test": "test"}
    repo, _ = tables.repository(tables.rows("QNLIeu")[0])
    yield card(
        tables, "qnli-eu", "QNLIeu", "nli", "jsonl",
        {"eus": make_splits(tables, repo, "nli/qnli_eu/{}.jsonl", names=qnli)},
        options={"columns": {"premise": "sentence", "hypothesis": "question", "id": "idx"}},
        labels={"label": ["entailment", "not_entailment"]},
    )  # fmt: skip


DAMAGED = ("cmrc2018", "faquad", "squad-it")
"""Data sets in which some answers are empty or not in their context; those are left out."""


def questions(tables: Tables) -> Iterator[dict[str, Any]]:
    task, format = "question_generation", "squad"
    yield card(
        tables, "xquad", "XQuAD", task, format,
        by_language(
            tables, "XQuAD",
            lambda code, repo: make_splits(
                tables, repo, f"qg/xquad/xquad.{code}.json",
                f"xquad.{code}.json", names=("test",),
            ),
        ),
        origin="translated", caveats=["1,190 parallel questions from SQuAD's dev set"],
    )  # fmt: skip
    simple: list[tuple[str, str, str, str, dict[str, str], list[str]]] = [
        ("squad", "SQuAD v1.1", "eng", "qg/squad_v1.1/{}-v1.1.rebuilt.json",
         {"train": "train", "dev": "dev"},
         ["rebuilt from the explorer's pages: answer_start is the first occurrence, train ids are "
          "synthetic"]),
        ("idk-mrc", "IDK-MRC", "ind", "qg/idk_mrc_id/{}.json",
         {"train": "train", "dev": "valid", "test": "test"}, ["has unanswerable questions"]),
        ("tydiqa-id", "TyDiQA-id", "ind", "qg/tydiqa_id/{}.json",
         {"train": "train", "dev": "valid", "test": "test"}, ["has unanswerable questions"]),
        ("faquad", "FaQuAD", "por", "qg/faquad/{}.json", {"train": "train", "dev": "dev"}, []),
        ("drcd", "DRCD", "zho", "qg/drcd/DRCD_{}.json", {"dev": "dev"},
         ["traditional characters"]),
        ("cmrc2018", "CMRC2018", "zho", "qg/cmrc2018/{}.json",
         {"dev": "dev", "trial": "trial"}, []),
        ("persianqa", "PersianQA", "fas", "qg/persianqa/pqa_{}.json", {"test": "test"}, []),
        ("squad-it", "SQuAD-it", "ita", "qg/squad_it/SQuAD_it-{}.json", {"test": "test"},
         ["local: every third article"]),
        ("jsquad", "JSQuAD", "jpn", "qg/jsquad/{}-v1.3.json", {"dev": "valid"}, []),
    ]  # fmt: skip
    upstream = {"drcd": "DRCD_{}.json", "cmrc2018": "squad-style-data/cmrc2018_{}.json",
                "squad": "dataset/{}-v1.1.json"}  # fmt: skip
    for identifier, dataset, code, path, names, caveats in simple:
        repo, _ = tables.repository(tables.rows(dataset)[0])
        splits = make_splits(
            tables, repo, path, upstream.get(identifier, ""), names=names
        )  # fmt: skip
        if identifier in DAMAGED:
            caveats = [*caveats, "questions whose answer is not in the context are left out"]
        yield card(
            tables, identifier, dataset, task, format, {code: splits}, caveats=caveats,
            origin="machine-translated" if identifier == "squad-it" else "native",
            options={"drop": True} if identifier in DAMAGED else None,
        )  # fmt: skip
    japanese = {}
    for split, count in (("train", 5), ("dev", 1)):
        parts = [f"jaquad_{split}_{i:04}.json" for i in range(count)]
        files = [
            tables.file(f"qg/jaquad/{part}", "SkelterLabsInc/JaQuAD", f"data/{split}/{part}")
            for part in parts
        ]
        japanese[split] = {"files": [file for file in files if file]}
    yield card(
        tables, "jaquad", "JaQuAD", task, format, {"jpn": japanese},
        options={"types": {"*": ""}},  # of reasoning, not of questions
        caveats=["the first 5 of 30 train files and the first of 6 dev files"],
    )  # fmt: skip
    afriqa: Languages = {}
    for row in tables.rows("AfriQA"):
        code = row["language"]
        pivot = "fr" if code == "fon" else "en"
        stem = f"gold_span_passages.afriqa.{code}.{pivot}"
        afriqa[languages.code(code)] = make_splits(
            tables, "masakhane-io/afriqa", f"qg/afriqa/{stem}.{{}}.json",
            f"data/gold_passages/{code}/{stem}.{{}}.json",
        )  # fmt: skip
    yield card(
        tables, "afriqa", "AfriQA", task, "afriqa", afriqa, name="AfriQA gold passages",
        caveats=["the passage is in English (fon: French), the question in the language"],
    )  # fmt: skip
    quist = {"eng": make_splits(
        tables, "SeonjeongHwang/QuIST", "qg/quist/squad_qt_dev.json", names=("dev",)
    )}  # fmt: skip
    yield card(
        tables, "quist", "QuIST", task, format, quist, name="SQuAD-QT, questions with their types"
    )
