"""xlt-mini is computed from text that may be used commercially, and from no other."""

from __future__ import annotations

import pytest

from scripts.pretrain_mini import licences, trees
from scripts.pretrain_mini.corpus import Corpus, card_pairs
from xlt.data import cards
from xlt.registry import data_cards

FREE = [
    "public domain", "CC0", "CC0 1.0", "CC BY 4.0", "CC BY-SA 3.0", "CC BY-SA (Wikipedia)",
    "Apache-2.0", "MIT", "BSD-3-Clause", "OANC", "CC BY-SA 4.0 / Apache-2.0",
    "BSD-3-Clause (translations), OANC, CC BY-SA 3.0, public domain (MultiNLI text)",
]  # fmt: skip
NOT_FREE = [
    "CC BY-NC 4.0", "CC BY-NC-SA 3.0", "CC BY-ND 4.0", "CC BY-SA-NC", "",
    "CC BY-NC 4.0 (Korean: CC BY-SA 4.0)",
    "CC BY 4.0 annotations; texts CC BY / BY-SA / BY-NC-SA per genre",
    "mixed, see repo pdf", "see LICENSE (repo)", "shared-task data", "CC BY-SA 4.0 (see README)",
    "Apache-2.0/MIT repo", "CC BY-SA 4.0 / repo LICENSE", "LGPL-LR", "GPL-3 (repo LICENSE)",
    "mostly public domain / CC (per-translation licences, see eBible metadata)", "MITRE",
    "Europarl terms (no known restriction)", "non-commercial, CC BY 4.0 annotations", "and text",
]  # fmt: skip


@pytest.mark.parametrize("statement", FREE)
def test_free(statement):
    assert licences.is_free(statement)


@pytest.mark.parametrize("statement", NOT_FREE)
def test_what_forbids_commercial_use_or_leaves_a_doubt_is_not_free(statement):
    assert not licences.is_free(statement)


def test_no_card_that_names_a_non_commercial_licence_is_read():
    restricted = 0
    for name in data_cards():
        card = cards.get(name)
        for _, _, split in card.splits():
            stated = split.licence or card.licence
            if "BY-NC" in stated:
                restricted += 1
                assert licences.obstacle(card, split)
    assert restricted > 50


def test_a_split_may_be_freer_than_its_card():
    bible = cards.get("bible-nt")
    assert licences.obstacle(bible, bible.split("glv", "train")) is None
    assert licences.obstacle(bible, bible.split("bre", "train")) == bible.licence


def test_what_was_made_from_text_that_is_not_free_is_not_free():
    card = cards.get("americasnli")
    assert licences.is_free(card.licence)
    (reason,) = {licences.obstacle(card, split) for _, _, split in card.splits()}
    assert reason is not None
    assert "XNLI" in reason
    assert set(data_cards()) >= set(licences.DOUBTFUL)


def test_the_english_trees_are_free():
    for reference in trees.TREEBANKS:
        name, language, split = reference.split(":")
        card = cards.get(name)
        assert licences.obstacle(card, card.split(language, split)) is None


PAIR = """
identifier: pair
name: A pair of languages
task: parallel_text
licence: {licence}
citation: nobody
origin: translated
format: lines
languages:
  eng: {{train: {{files: [{{local: [eng.txt], note: made up}}]}}}}
  zul: {{train: {{files: [{{local: [zul.txt], note: made up}}], licence: {split}}}}}
"""


@pytest.mark.parametrize(
    ("licence", "split", "read", "left_out"),
    [
        ("CC BY 4.0", "CC0", {"CC BY 4.0": {"eng"}, "CC0": {"zul"}}, {}),
        ("CC BY 4.0", "CC BY-NC 4.0", {}, {"CC BY-NC 4.0": {"zul"}}),
        ("unknown", "CC0", {}, {"unknown": {"eng"}}),
    ],
)
def test_pairs_are_read_where_both_sides_are_free(
    tmp_path, monkeypatch, licence, split, read, left_out
):
    (tmp_path / "pair.yaml").write_text(PAIR.format(licence=licence, split=split))
    (tmp_path / "eng.txt").write_text("One line.\n")
    (tmp_path / "zul.txt").write_text("Umugqa owodwa.\n")
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    noted = Corpus()
    pairs = list(card_pairs("pair", noted, "train"))
    assert pairs == ([("zul", "eng", [("Umugqa owodwa.", "One line.")])] if read else [])
    assert noted.read == {("pair", k): v for k, v in read.items()}
    assert noted.left_out == {("pair", k): v for k, v in left_out.items()}
