"""PUD: English trees projected onto 19 languages, and parsers trained on them.

    python -m scripts.experiments.pud FOLDER [LANGUAGE …]

Trees are projected along the links of `agreement` (with NTREX as parallel text). For each of the
languages (by default all), prints coverage and attachment of the projected edges of the last 500
sentences; writes the first 500, projected and with gold trees, the others as a test set, and
FOLDER/pud.yaml: a study of a parser from English (zero-shot), from projected and from gold trees.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from scripts.evaluate_mini import PUD
from xlt.config.schema import ProjectionSettings, Reference
from xlt.data.references import resolve
from xlt.data.store import read_documents
from xlt.document import Document, Tree
from xlt.errors import XltError
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.layers import project_document
from xlt.projection.pair import AlignedPair
from xlt.tasks.dependency_parsing import DependencyParsing

HALF = 500
TASK = DependencyParsing()
NAMES = {code: name for name, code in (pair.split() for pair in PUD.split(", "))}


def sentences(language: str) -> dict[str, Document]:
    """Id → sentence, in the order of the treebank."""
    reference = Reference(ref=f"ud-{NAMES[language]}-pud:{language}:test")
    documents = read_documents(TASK, resolve(reference, language, "test"))
    return {sentence.id: sentence for sentence in documents}


def pairs(
    english: dict[str, Document], other: dict[str, Document], language: str
) -> dict[str, AlignedPair]:
    """Id → the two sentences with links."""
    ids = [id for id in english if id in other]
    options = AgreementOptions(parallel=["ntrex"], max_parallel=2000)
    words = [(english[id].words, other[id].words) for id in ids]
    try:
        links = Agreement(options).align(words, "eng", language)
    except XltError:  # not in NTREX
        links = Agreement(AgreementOptions()).align(words, "eng", language)
    return {
        id: AlignedPair(english[id].text, other[id].text, sentence_links)
        for id, sentence_links in zip(ids, links, strict=True)
    }


def scores(gold: dict[str, Document], projected: dict[str, Document]) -> dict[str, float]:
    """In percent. coverage: of the words, those with a head; uas, las: of these, the right ones."""
    words = known = right = labelled = 0
    for id, made in projected.items():
        tree, wanted = (one.layer(Tree, "tree") for one in (made, gold[id]))
        words += len(wanted.heads)
        for head, relation, h, r in zip(
            *(tree.heads, tree.relations, wanted.heads, wanted.relations), strict=True
        ):
            known += head >= 0
            right += head == h
            labelled += head == h and relation.split(":")[0] == r.split(":")[0]
    return {
        "coverage": 100 * known / words,
        "uas": 100 * right / max(1, known),
        "las": 100 * labelled / max(1, known),
    }


def write(path: Path, trees: list[Document]) -> str:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        TASK.write(trees, stream, "conllu")
    return str(path.absolute())


def main(folder: Path, *languages: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    english = sentences("eng")
    first = list(english)[:HALF]
    targets = list(languages) or [language for language in NAMES if language != "eng"]
    data: dict[str, Any] = {"eng": {"train": write(
        folder / "eng.gold.conllu", [english[id] for id in first]
    )}}  # fmt: skip
    cells: dict[str, Any] = {}
    table = []
    for language in targets:
        gold = sentences(language)
        projected = {}
        for id, pair in pairs(english, gold, language).items():
            made = project_document(TASK, english[id], {"text": pair}, ProjectionSettings())
            if made.document is not None:
                projected[id] = made.document
        row = scores(gold, {id: made for id, made in projected.items() if id not in first})
        table.append(row)
        print(language, " ".join(f"{k} {v:.1f}" for k, v in row.items()), flush=True)
        test = write(folder / f"{language}.test.conllu", [
            tree for id, tree in gold.items() if id not in first
        ])  # fmt: skip
        data[language] = {"test": test}
        for kind, trees in (("projected", projected), ("gold", gold)):
            known = [trees[id] for id in first if id in trees]
            train = write(folder / f"{language}.{kind}.conllu", known)
            cells[f"{kind}-{language}"] = own(language, test, train)
    print("mean", {k: round(float(np.mean([row[k] for row in table])), 1) for k in table[0]})
    study = {
        "name": "pud",
        "task": "dependency_parsing",
        "data": data,
        "source": "eng",
        "target": targets,
        "selection": {"on": "last"},
        "training": {
            "epochs": 4,
            "learning_rate": 2e-4,
            "head_learning_rate": 1e-3,
            "batch_tokens": 800,
            "adam_betas": [0.9, 0.95],
            "max_grad_norm": 5,
            "freeze": ["embeddings"],
        },
        "evaluation": {"bootstrap": 100},
        "seeds": [1],
        "study": {"cells": {"zero-shot": {"strategy": "zero_shot"}, **cells}},
    }
    (folder / "pud.yaml").write_text(json.dumps(study, indent=1), encoding="utf-8")


def own(language: str, test: str, train: str) -> dict[str, Any]:
    return {
        "target": language,
        "strategy": "in_language",
        "data": {language: {"train": train, "test": test}},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
