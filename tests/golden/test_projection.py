"""Projection along the sample corpus' gold alignments gives the gold of the other language."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from xlt.config.schema import ProjectionSettings
from xlt.document import FlatSpans, Tree
from xlt.projection.layers import project_document
from xlt.projection.pair import AlignedPair
from xlt.tasks.dependency_parsing import DependencyParsing
from xlt.tasks.ner import NER

DATA = Path(__file__).resolve().parents[2] / "xlt" / "sample" / "data"
SETTINGS = ProjectionSettings()
SPLITS = ("dev", "test")
LANGUAGES = ("spa", "eus", "ind", "jav", "tur", "zho", "fin")


def parallel(task, language: str, suffix: str):
    format = next(iter(task.formats))
    for split in SPLITS:
        path = DATA / "alignments" / f"{split}.eng-{language}.pharaoh.gz"
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        english = task.read(DATA / "eng" / f"{split}.{suffix}.gz", format)
        other = task.read(DATA / language / f"{split}.{suffix}.gz", format)
        for source, target, line in zip(english, other, lines, strict=True):
            links = {tuple(map(int, link.split("-"))): 1.0 for link in line.split()}
            yield source, target, AlignedPair(source.text, target.text, links)


@pytest.mark.parametrize("language", LANGUAGES)
def test_entities(language):
    """Names exactly; dates inside the gold ones, which may say `year` or `day` in addition."""
    task = NER()
    found = 0
    for source, target, pair in parallel(task, language, "ner"):
        projection = project_document(task, source, {"text": pair}, SETTINGS)
        assert not [o for o in projection.outcomes if o.reason]
        projected, gold = (
            one.layer(FlatSpans, "entities").spans for one in (projection.document, target)
        )
        assert len(projected) == len(gold)
        for a, b in zip(projected, gold, strict=True):
            assert a.kind == b.kind
            assert a == b if a.kind != "DATE" else (b.start <= a.start and a.end <= b.end)
        found += len(gold)
    assert found == 467


HEADS = {  # coverage, and share of the projected heads that are gold: typology is the rest
    "spa": (0.92, 0.98),
    "fin": (0.94, 0.97),
    "zho": (0.77, 0.93),
    "jav": (0.93, 0.90),
    "ind": (0.93, 0.91),
    "eus": (0.87, 0.83),
    "tur": (0.94, 0.79),
}


@pytest.mark.parametrize("language", HEADS)
def test_trees(language):
    task = DependencyParsing()
    words = covered = right = 0
    for source, target, pair in parallel(task, language, "conllu"):
        projected = project_document(task, source, {"text": pair}, SETTINGS).document
        if projected is None:
            continue
        words += len(target.words)
        trees = (one.layer(Tree, "tree").heads for one in (projected, target))
        pairs = zip(*trees, strict=True)
        known = [(a, b) for a, b in pairs if a >= 0]
        covered += len(known)
        right += sum(a == b for a, b in known)
    coverage, accuracy = HEADS[language]
    assert covered / words > coverage
    assert right / covered > accuracy
