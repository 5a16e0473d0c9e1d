from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import scripts.evaluate_ranker
from scripts.evaluate_ranker.methods import METHODS, OURS, WITHIN, lang_rank
from scripts.evaluate_ranker.report import expected_scores, noise, report, sample, write
from scripts.evaluate_ranker.world import Row, World, leave_one_out, world


def constant(text: str) -> tuple[ModuleType, str, float]:
    """A module of xlt.typology, a number that it has, and another value for it."""
    try:
        where, value = text.split("=")
        place, name = where.split(".")
        module = import_module(f"xlt.typology.{place}")
        float(getattr(module, name))
        return module, name, float(value)
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no MODULE.NAME=VALUE: {error}") from error


def rest_of(
    over: World, rows: Sequence[Row], paper: str, known: Mapping[str, bool], nested: bool
) -> Iterable[Row]:
    """The rows of other papers; nested: predicted as if the paper were not there, either."""
    if nested:
        kept = [matrix for matrix in over.matrices if matrix.about["paper"] != paper]
        return leave_one_out(world(kept), **known)
    return (row for row in rows if row.paper != paper)


def main() -> None:
    about = scripts.evaluate_ranker.__doc__ or ""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--langrank", type=int, metavar="N")
    for flag in ("within", "encoder", "no-sizes", "per-matrix", "noise", "nested", "write"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument(
        "--set", action="append", default=[], type=constant, metavar="MODULE.NAME=VALUE"
    )
    asked = parser.parse_args()
    for module, name, value in asked.set:
        setattr(module, name, value)
    over = world()
    known = {"own": asked.within, "encoder": asked.encoder, "sizes": not asked.no_sizes}
    rows = list(leave_one_out(over, **known))
    methods = METHODS | (WITHIN if asked.within else {})
    predicted = {name: [method(over, row) for row in rows] for name, method in methods.items()}
    report(rows, predicted, asked.per_matrix)
    if not asked.within:
        expected_scores(rows, lambda paper: rest_of(over, rows, paper, known, asked.nested))
    if asked.noise:
        noise(over, rows, predicted[OURS])
    if asked.write:
        write(over, rows, Path(__file__).parents[2] / "xlt" / "typology" / "weights.json")
    if asked.langrank is not None:
        some = sample(rows, asked.langrank)
        few = [rows[n] for n in some]
        same = {name: [values[n] for n in some] for name, values in predicted.items()}
        recipes = {
            "LangRank": lang_rank(over, few, sizes=False),
            "LangRank with sizes": lang_rank(over, few, sizes=True),
        }
        print()
        report(few, recipes | same, asked.per_matrix)


if __name__ == "__main__":
    main()
