"""The packaged sample corpus: the files are those of its checksums, its script makes them, and
what is wrong with a sample is found."""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "xlt" / "sample" / "data"
PART = ("jav", "test")


@pytest.fixture(autouse=True)
def _our_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    # Another test may have imported another `scripts`.
    for name in [m for m in sys.modules if m == "scripts" or m.startswith("scripts.")]:
        monkeypatch.delitem(sys.modules, name)


def unpacked(name: str, folder: Path = DATA) -> str:
    """What the script decides: how well zlib packs it differs by its build."""
    return gzip.decompress((folder / name).read_bytes()).decode()


def test_files_have_their_checksums() -> None:
    lines = (DATA / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    stated = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.is_file()}
    assert files - {"SHA256SUMS"} == set(stated)
    for name, digest in stated.items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest, name


def test_script_makes_a_part_again() -> None:
    from scripts.make_sample import corpus

    language, split = PART
    drawn = corpus.draw([split])[split]
    english, sentences = (corpus.realise(split, drawn, code) for code in ("eng", language))
    made = {
        f"{language}/{split}.{suffix}.gz": text
        for suffix, text in corpus.annotation(split, drawn, sentences).items()
    }
    made[f"alignments/{split}.eng-{language}.pharaoh.gz"] = corpus.links(split, english, sentences)
    assert len(made) == 5
    assert {name: unpacked(name) for name in made} == made


def test_equal_text_is_equal_bytes(tmp_path: Path) -> None:
    from scripts.make_sample.corpus import write_gz

    write_gz(tmp_path / "a.gz", "a")
    header = (tmp_path / "a.gz").read_bytes()[3:8]
    assert header == bytes(5), "a file name or a time"


FAULTS = {
    "conllu": [
        ("\troot\t", "\tnsubj\t", "not one root"),
        ("# text = ", "# text = A", "the forms give"),
        ("\t2\tnsubj", "\t1\tnsubj", "a cycle"),
    ],
    "ner": [("B-PER", "I-PER", "I-PER after O"), ("\tO\n", "\tX\n", "X after")],
    "events.jsonl": [
        ('"type":"PER"', '"type":"LOC"', "the entities of events and tags differ"),
        ('"trigger":{"start":', '"trigger":{"start":1', "not one verb"),
    ],
    "nli.jsonl": [("entailment", "neutral", "pairs are entailment")],
    "qa.jsonl": [
        ('"answer_start":[', '"answer_start":[1', "is not at 1"),
        ('?","answers"', '!","answers"', "not a question"),
    ],
}


@pytest.mark.parametrize(
    ("suffix", "old", "new", "found"),
    [(suffix, *fault) for suffix, faults in FAULTS.items() for fault in faults],
)
def test_faults_are_found(suffix: str, old: str, new: str, found: str, tmp_path: Path) -> None:
    from scripts.make_sample.corpus import write_gz
    from scripts.make_sample.soundness import Part, of_part

    language, split = PART
    for path in (DATA / language).glob(f"{split}.*"):
        name = f"{language}/{path.name}"
        text = unpacked(name)
        if path.name == f"{split}.{suffix}.gz":
            assert list(of_part(Part(DATA, language, split))) == []
            assert old in text
            text = text.replace(old, new) if suffix == "nli.jsonl" else text.replace(old, new, 1)
        write_gz(tmp_path / name, text)
    assert any(found in fault for fault in of_part(Part(tmp_path, language, split)))
