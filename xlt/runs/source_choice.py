"""Which of several runs that differ in their source is to be taken, by what each says of itself.

A run has scores on dev data of its sources, which are of another language in each run; scores on
dev data of the target, if there are any; and what is expected of its models on text of the target
without labels (`xlt.runs.unlabelled`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from xlt import languages
from xlt.results import measured
from xlt.runs.cells import SOURCE, Cells

WAYS = ("source_dev", "target_dev", "target_text")
"""To choose a source, as they are called where they choose a checkpoint (`selection.on`)."""


def figures(result: Mapping[str, Any], target: str) -> dict[str, float]:
    """Way → what a run's models score for a target by it, the mean over seeds, in percent; without
    those that are not known."""
    found = {}
    for way, languages_ in (("source_dev", result["source"]), ("target_dev", [target])):
        selector = f"dev:{'+'.join(languages_)}"
        last = [
            stages[-1].get("selected", {})
            for place, stages in result.get("lineage", {}).items()
            if place.endswith(f"/{target}") and stages
        ]
        if last and all(selector in selected for selected in last):
            found[way] = fmean(selected[selector]["score"] for selected in last)
    for row in result.get("estimates", ()):
        if row["target"] == target and row["expected"] is not None:
            found["target_text"] = row["expected"]
    return found


def choices(
    known: Mapping[str, Mapping[str, float]], scores: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Way → the candidate that has most by it, of ways by which all of two or more are known:
    "choice"; "figure", what it has, in percent; and "regret", how many points it scores less than
    the best one, None where not all were measured.

    known: candidate → its `figures`. scores: candidate → what it was measured to score.
    """
    found: dict[str, dict[str, Any]] = {}
    if len(known) < 2:
        return found
    complete = known.keys() <= scores.keys()
    for way in WAYS:
        if all(way in one for one in known.values()):
            choice = max(sorted(known), key=lambda name: known[name][way])
            best = max(scores[name] for name in known) if complete else None
            found[way] = {
                "choice": choice,
                "figure": known[choice][way],
                "regret": None if best is None else best - scores[choice],
            }
    return found


def source_choices(cells: Cells) -> list[dict[str, Any]]:
    """The `choices` among finished cells that differ in their source alone, for each target that
    two or more of them have: "target", "factors", factor → value that these have in common, and
    "choices". Cells whose source is the target itself are no candidates.
    """
    factors = cells.factors
    if SOURCE not in factors:
        return []
    others = {factor: values for factor, values in factors.items() if factor != SOURCE}
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in cells.finished:
        alike[tuple(values[name] for values in others.values())].append(name)
    found = []
    for values, names in alike.items():
        if len({factors[SOURCE][name] for name in names}) < len(names):
            continue  # they differ in what is no factor, and none stands for its source
        results = {name: cells.finished[name].result for name in names}
        for target in dict.fromkeys(t for one in results.values() for t in _targets(one)):
            asked = {name: one for name, one in results.items() if target in _targets(one)}
            chosen = choices(
                {name: figures(one, target) for name, one in asked.items()}, _scores(asked, target)
            )
            if chosen:
                common = dict(zip(others, values, strict=True))
                found.append({"target": target, "factors": common, "choices": chosen})
    return found


def _targets(result: Mapping[str, Any]) -> list[str]:
    """Those of a run that none of its sources is."""
    every = dict.fromkeys(place.partition("/")[2] for place in result.get("lineage", {}))
    return [t for t in every if not any(languages.same(t, one) for one in result["source"])]


def _scores(results: Mapping[str, dict[str, Any]], target: str) -> dict[str, float]:
    """Run → the mean of its first metric."""
    return {
        name: row["metrics"][result["metrics"][0]]["mean"]
        for name, result in results.items()
        for row in measured(result)
        if row["target"] == target
    }
