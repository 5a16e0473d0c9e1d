from __future__ import annotations

import argparse
import importlib
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import scripts.mutate
from scripts.mutate.faults import Mutant, count_faults, mutant
from scripts.mutate.tests import InMemory, Only, Reach, matching_tests, record, run_tests

MIN_SECONDS, TIMES = 30.0, 5.0
"""CPU seconds that a mutant has at least, and in times what its tests take without a fault."""


def examine(
    path: Path, tests: Sequence[Path], reach: Reach, number: int, seed: int, folder: Path
) -> tuple[int, list[Mutant]]:
    """How many mutants of a module were tried, and those that its tests did not catch."""
    source = path.read_text(encoding="utf-8")
    name = ".".join(path.with_suffix("").parts)
    total = count_faults(source)
    drawn = sorted(random.Random(f"{seed} {path}").sample(range(total), min(number, total)))
    survivors = []
    for one in (mutant(source, place) for place in drawn):
        finder = InMemory(name, path, compile(one.tree, str(path), "exec"))
        chosen = reach.of(path, one.lines, tests)
        files = sorted({Path(test.partition("::")[0]) for test in chosen})
        limit = max(MIN_SECONDS, TIMES * sum(reach.seconds[test] for test in chosen))
        if run_tests(files, folder, finder, limit, [Only(chosen)]) == 0:
            survivors.append(one)
            print(f"  survived  {path}:{one.line}: {one.change}", flush=True)
    return len(drawn), survivors


AHEAD = ("langcodes", "numpy", "pydantic", "scipy.stats", "torch", "datasets", "hypothesis",
         "pandas", "peft", "regex", "sentencepiece", "transformers.trainer",
         "transformers.models.auto.modeling_auto", "transformers.generation.utils")  # fmt: skip
"""What takes long to import, and many tests do."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(scripts.mutate.__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="+", type=Path, help="files or folders of xlt")
    parser.add_argument("--number", type=int, default=60, help="mutants of each module [60]")
    parser.add_argument("--seed", type=int, default=0, help="of the sample [0]")
    parser.add_argument("--tests", type=Path, nargs="+", help="run these instead")
    given = parser.parse_args()
    paths = [
        path
        for one in given.modules
        for path in (sorted(one.rglob("*.py")) if one.is_dir() else [one])
        if count_faults(path.read_text(encoding="utf-8"))
    ]
    tried = caught = 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        os.environ |= {"TMPDIR": folder, "HF_HOME": folder}
        _import_ahead()
        tests = {path: given.tests or matching_tests(path) for path in paths}
        reach = record(
            paths, sorted({test for some in tests.values() for test in some}), Path(folder)
        )
        for path in paths:
            if not tests[path]:
                print(f"{path}: no test file imports it", flush=True)
                continue
            number, survivors = examine(
                path, tests[path], reach, given.number, given.seed, Path(folder)
            )
            killed = number - len(survivors)
            print(f"{path}: {killed} of {number} killed ({killed / number:.0%})", flush=True)
            tried, caught = tried + number, caught + killed
    print(f"together: {caught} of {tried} killed ({caught / max(tried, 1):.0%})")


def _import_ahead() -> None:
    """Import what most tests need, once; nothing of xlt, which is to be imported mutated."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for name in AHEAD:
        importlib.import_module(name)
    if "xlt" in sys.modules:
        raise SystemExit("xlt is imported already")


if __name__ == "__main__":
    main()
