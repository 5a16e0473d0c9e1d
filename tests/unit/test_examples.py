"""The configs that users copy: each is valid and says what it shows, on what data, for how long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xlt.config.load import load_config
from xlt.config.study import is_study, load_study
from xlt.registry import data_cards
from xlt.runs.experiment import check

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "scripts" / "examples"
EXPERIMENTS = sorted((ROOT / "scripts" / "experiments").glob("*.yaml"))
BASE = EXAMPLES / "demo" / "base.yaml"
"""What the others of its folder extend; no example by itself."""
CONFIGS = sorted(set(EXAMPLES.rglob("*.yaml")) - {BASE})


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def about(path: Path) -> dict[str, str]:
    """The comment that a config begins with: what it shows under ``""``, then its headings."""
    comment = re.match(r"(?:#.*\n)+", path.read_text(encoding="utf-8"))
    assert comment, f"{name(path)} does not begin with what it shows"
    text = re.sub(r"^# ?", "", comment[0], flags=re.M)
    shown, *parts = re.split(r"^(Data|First|Run|Time): +", text, flags=re.M)
    return {"": shown.strip(), **dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))}


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_is_valid_and_names_its_data(path: Path) -> None:
    told, read = about(path)["Data"], set()
    for loaded in load_study(path).cells.values() if is_study(path) else [load_config(path)]:
        for target, stages in check(loaded)["stages"].items():
            used = {(target, split) for split in loaded.config.evaluation.splits}
            for language in re.findall(r"[a-z]{3}", " ".join(stages)):
                used |= {(language, "train"), (language, "dev")}
            for language, split in used:
                references = getattr(loaded.config.data.get(language), split, ())
                read |= {reference.ref.partition(":")[0] for reference in references}
    published = {card for card in read & set(data_cards()) if not card.startswith("sample-")}
    assert {card for card in published if card not in told} == set()


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_says_what_it_is(path: Path) -> None:
    told = about(path)
    assert {"", "Data", "Run", "Time"} <= told.keys()
    assert all(told.values())
    verb = "study" if is_study(path) else "train"
    assert told["Run"].startswith(f"xlt {verb} {name(path)}")
    for script in re.findall(r"python -m scripts\.(\S+)", told.get("First", "") + told["Run"]):
        assert (ROOT / "scripts" / f"{script.replace('.', '/')}.py").is_file(), script


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_configs_of_experiments_are_valid(path: Path) -> None:
    """Of what the documentation reports: whoever measures it again can still read it."""
    for loaded in load_study(path).cells.values() if is_study(path) else [load_config(path)]:
        assert check(loaded)["stages"]


def test_there_are_experiments() -> None:
    assert ROOT / "scripts/experiments/selection-trees.yaml" in EXPERIMENTS
