"""What scripts/reliability/load.py measures, and what it measures with."""

from __future__ import annotations

import random
import sys

from scripts.reliability import load
from xlt.data.trees import tree_problem


def test_memory_of_its_own_is_told_from_mapped_files(tmp_path):
    code = (
        "import mmap, sys, time; held = b'x' * (80 << 20); f = open(sys.argv[1], 'rb');"
        "mapped = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); mapped.find(b'y'); time.sleep(4)"
    )
    (tmp_path / "file").write_bytes(b"x" * (120 << 20))
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    seconds, peak, own = load.measure(command, tmp_path)
    assert 0 < seconds < 60
    assert 80 < own < 150
    assert peak > own + 100


def test_records_are_trees_with_entities():
    pool = load.realised(1)[:40]
    draw = random.Random(1)
    made = [load.record(pool, draw) for _ in range(200)]
    for rows in made:
        assert tree_problem([head for *_, head, _ in rows]) is None
        relations = [relation for *_, relation in rows]
        assert relations.count("root") == 1
    assert any(tag != "O" for rows in made for _, tag, *_ in rows)
    assert any("parataxis" in [relation for *_, relation in rows] for rows in made)
    again = random.Random(1)
    assert made == [load.record(pool, again) for _ in range(200)]
