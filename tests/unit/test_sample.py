"""The packaged sample corpus is what its script makes, and every layer of it is sound."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "xlt" / "sample" / "data"
LANGS = ("eng", "spa", "eus", "ind", "jav", "tur", "zho", "fin")
SPLITS = ("train", "dev", "test")
MAX_BYTES = 6_000_000
EACH = pytest.mark.parametrize("lang", LANGS)


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def blocks(lang: str, split: str, kind: str) -> list[list[str]]:
    text = gzip.decompress((DATA / lang / f"{split}.{kind}.gz").read_bytes()).decode()
    return [block.splitlines() for block in text.rstrip("\n").split("\n\n")]


def rows(lang: str, split: str, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(DATA / lang / f"{split}.{kind}.jsonl.gz")]


@cache
def trees(lang: str, split: str) -> tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...]:
    """(sent_id, text, rows) of each sentence; rows include the multiword tokens."""
    out = []
    for block in blocks(lang, split, "conllu"):
        meta = dict(line[2:].split(" = ", 1) for line in block if line.startswith("#"))
        table = tuple(tuple(line.split("\t")) for line in block if not line.startswith("#"))
        out.append((meta["sent_id"], meta["text"], table))
    return tuple(out)


def words(table: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    return [row for row in table if row[0].isdigit()]


def every(lang: str) -> Iterator[tuple[str, str, str, tuple[tuple[str, ...], ...]]]:
    for split in SPLITS:
        for sent_id, text, table in trees(lang, split):
            yield split, sent_id, text, table


def test_script_makes_the_packaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    # Another test may have imported another `scripts`.
    for name in [m for m in sys.modules if m == "scripts" or m.startswith("scripts.")]:
        monkeypatch.delitem(sys.modules, name)
    from scripts.make_sample.corpus import write

    write(tmp_path)
    made, packaged = contents(tmp_path), contents(DATA)
    assert sorted(made) == sorted(packaged)
    assert [name for name in sorted(made) if made[name] != packaged[name]] == []


def contents(folder: Path) -> dict[str, bytes]:
    """Unpacked files: what the script decides. How well zlib packs them differs by its build."""
    out = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        if path.suffix == ".gz":
            assert raw[3:8] == bytes(5), f"{path}: a file name or time in the gzip header"
            raw = gzip.decompress(raw)
        out[path.relative_to(folder).as_posix()] = raw
    return out


def test_size_and_counts() -> None:
    files = [p for p in DATA.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= MAX_BYTES
    for lang in LANGS:
        assert [len(trees(lang, s)) for s in SPLITS] == [2000, 200, 200]


@EACH
def test_trees_are_trees(lang: str) -> None:
    leaves = {"case", "cop", "aux", "mark", "cc", "punct", "expl"}
    for _, sent_id, _, table in every(lang):
        tokens = words(table)
        assert [r[0] for r in tokens] == [str(i + 1) for i in range(len(tokens))], sent_id
        assert all(len(r) == 10 for r in table), sent_id
        heads = [int(r[6]) for r in tokens]
        assert heads.count(0) == 1, sent_id
        assert all(0 <= h <= len(tokens) and h != i + 1 for i, h in enumerate(heads)), sent_id
        assert (tokens[heads.index(0)][7]) == "root", sent_id
        for i, r in enumerate(tokens):
            seen, node = set(), i + 1
            while node:
                assert node not in seen, f"{sent_id}: cycle"
                seen.add(node)
                node = heads[node - 1]
            if heads[i]:
                assert r[7] != "root", sent_id
                parent = tokens[heads[i] - 1][7].split(":")[0]
                assert parent not in leaves, f"{sent_id}: {r[1]} hangs on a {parent}"
        # Projective: every word between a word and its head hangs below that head.
        for i, head in enumerate(heads):
            for j in range(min(i + 1, head), max(i, head - 1)) if head else ():
                node = j + 1
                while node not in (0, head):
                    node = heads[node - 1]
                assert node == head, f"{sent_id}: not projective"


@EACH
def test_text_is_the_forms(lang: str) -> None:
    for _, sent_id, text, table in every(lang):
        built, skip = "", 0
        for r in table:
            if "-" in r[0]:
                skip = int(r[0].split("-")[1])
            elif int(r[0]) <= skip:
                continue
            built += r[1] + ("" if r[9] == "SpaceAfter=No" else " ")
        assert built.strip() == text, sent_id


def test_multiword_tokens_are_exercised() -> None:
    with_mwt = {
        lang for lang in LANGS if any("-" in r[0] for _, _, _, table in every(lang) for r in table)
    }
    assert {"eng", "spa", "ind", "jav", "tur"} <= with_mwt


@EACH
def test_ner_is_iob2_over_the_same_words(lang: str) -> None:
    kinds = set()
    for split in SPLITS:
        found = blocks(lang, split, "ner")
        assert len(found) == len(trees(lang, split))
        for block, (sent_id, _, table) in zip(found, trees(lang, split), strict=True):
            pairs = [line.split("\t") for line in block]
            assert [p[0] for p in pairs] == [r[1] for r in words(table)], sent_id
            before = "O"
            for _, tag in pairs:
                kinds.add(tag)
                if tag.startswith("I-"):
                    assert before[2:] == tag[2:], sent_id
                before = tag
    assert {k[2:] for k in kinds if k != "O"} == {"PER", "ORG", "LOC", "DATE"}


@EACH
def test_events_point_into_the_sentence(lang: str) -> None:
    for split in SPLITS:
        for row, (sent_id, _, table), block in zip(
            rows(lang, split, "events"), trees(lang, split), blocks(lang, split, "ner"), strict=True
        ):
            assert row["id"] == sent_id
            assert row["lang"] == lang
            assert row["tokens"] == [r[1] for r in words(table)]
            tags = ["O"] * len(row["tokens"])
            for e in row["entities"]:
                assert 0 <= e["start"] < e["end"] <= len(tags)
                tags[e["start"]] = "B-" + e["type"]
                tags[e["start"] + 1 : e["end"]] = ["I-" + e["type"]] * (e["end"] - e["start"] - 1)
            assert tags == [line.split("\t")[1] for line in block], sent_id
            for event in row["events"]:
                trigger = event["trigger"]
                assert words(table)[trigger["start"]][3] == "VERB", sent_id
                assert trigger["end"] == trigger["start"] + 1
                for a in event["arguments"]:
                    assert 0 <= a["start"] < a["end"] <= len(tags), sent_id
                    inside = range(a["start"], a["end"])
                    assert trigger["start"] not in inside, sent_id


def test_scenes_are_shared_by_languages_and_by_no_two_splits() -> None:
    for split in SPLITS:
        for kind in ("events", "nli", "qa"):
            names = [[r["id"] for r in rows(lang, split, kind)] for lang in LANGS]
            assert all(n == names[0] for n in names)
            assert len(set(names[0])) == len(names[0])
        events = [
            [
                (len(r["entities"]), sorted(e["type"] for e in r["events"]))
                for r in rows(lang, split, "events")
            ]
            for lang in LANGS
        ]
        assert all(e == events[0] for e in events)
    for lang in LANGS:
        texts = {s: {text for _, text, _ in trees(lang, s)} for s in SPLITS}
        # Stronger than the scenes: a language may not express what tells two scenes apart.
        assert not texts["train"] & (texts["dev"] | texts["test"]), lang


@EACH
def test_inference_pairs(lang: str) -> None:
    for split in SPLITS:
        labels = [r["label"] for r in rows(lang, split, "nli")]
        assert set(labels) == {"entailment", "neutral", "contradiction"}
        assert min(labels.count(x) for x in set(labels)) > 0.25 * len(labels)
        for r in rows(lang, split, "nli"):
            assert r["premise"]
            assert r["hypothesis"]
            assert r["phenomenon"]


@EACH
def test_answers_are_in_the_context(lang: str) -> None:
    for split in SPLITS:
        for r in rows(lang, split, "qa"):
            (text,), (start,) = r["answers"]["text"], r["answers"]["answer_start"]
            assert text
            assert r["context"][start : start + len(text)] == text, r["id"]
            assert text == text.strip()
            assert r["question"][-1] in "?？"


@pytest.mark.parametrize("lang", LANGS[1:])
def test_alignments_are_in_range(lang: str) -> None:
    for split in SPLITS:
        found = lines(DATA / "alignments" / f"{split}.eng-{lang}.pharaoh.gz")
        assert len(found) == (500 if split == "train" else 200)
        for line, (name, _, a), (_, _, b) in zip(
            found, trees("eng", split), trees(lang, split), strict=split != "train"
        ):
            links = [tuple(map(int, pair.split("-"))) for pair in line.split()]
            assert links, name
            assert len(set(links)) == len(links)
            assert all(0 <= i < len(words(a)) and 0 <= j < len(words(b)) for i, j in links), name


def test_overlap_is_controlled() -> None:
    figures = json.loads((DATA / "figures.json").read_text(encoding="utf-8"))
    for lang in LANGS:
        known = {(r[2], r[3]) for _, _, t in trees(lang, "train") for r in words(t)}
        for split in ("dev", "test"):
            content = [
                (r[2], r[3])
                for _, _, t in trees(lang, split)
                for r in words(t)
                if r[3] in ("NOUN", "PROPN", "VERB", "ADJ")
            ]
            rate = 100 * sum(x not in known for x in content) / len(content)
            assert 5 < rate < 25, (lang, split)
            stated = figures["languages"][lang][split]["unseen_content_words"]
            assert abs(stated - rate) < 0.1
