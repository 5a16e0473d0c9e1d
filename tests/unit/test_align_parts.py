"""Words split into parts for alignment, and links of parts made links of words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.align.parts import FILLERS, SplitPairs, Splitter

TEXT = [s.split() for s in (
    "die Mitglieder und ein Mitglied der Staaten",
    "ein Mitglied der Staaten hat den Rat und die Ausschüsse des Rates",
    "der Rat hat die Region und die Politik der Region", "Politik der Ausschüsse",
    "Tabelle und Tabelle und Rates",
)]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("Mitgliedstaaten", ["Mitglied", "staaten"]),
        ("EU-Mitgliedstaaten", ["EU", "Mitglied", "staaten"]),
        ("Regionspolitik", ["Region", "politik"]),  # a filler
        ("Mitglieder", ["Mitglieder"]),  # -er is no word
        ("Ratspolitik", ["Ratspolitik"]),  # Rat is too short
        ("Tabelle", ["Tabelle"]),
        ("12-15", ["12", "15"]),
        ("-", ["-"]),
        ("--a-", ["--a-"]),
    ],
)
def test_split(word, parts):
    assert Splitter(TEXT, compounds=True).split(word) == parts


def test_a_frequent_compound_is_a_word():
    text = [*TEXT, *([["Mitgliedstaaten"]] * 5)]
    assert Splitter(text, compounds=True).split("Mitgliedstaaten") == ["Mitgliedstaaten"]


def test_hyphens_only():
    found = Splitter(TEXT, compounds=False).split("EU-Mitgliedstaaten")
    assert found == ["EU", "Mitgliedstaaten"]


def test_a_very_long_word_takes_no_longer_than_it_has_letters():
    text = [["a" * n] * 2 for n in range(4, 12)]
    assert len("".join(Splitter(text, compounds=True).split("a" * 400))) == 400


@given(st.lists(st.text("abs-–1ßİ", min_size=1, max_size=12), min_size=1, max_size=8))
def test_parts_are_the_word_without_hyphens_and_fillers(words):
    splitter = Splitter([words, [w[:4] for w in words], [w[4:] for w in words]], compounds=True)
    for word in words:
        parts = splitter.split(word)
        assert parts
        assert all(parts)
        at = 0
        for part in parts:
            found = word.index(part, at)
            assert word[at:found] in (*FILLERS, "-", "–")
            at = found + len(part)
        assert at == len(word)


def test_links_of_words():
    pair = (["EU", "Member", "States"], ["die", "EU-Mitgliedstaaten"])
    more = [([], sentence) for sentence in TEXT]
    split = SplitPairs([pair, *more], "compounds")
    assert split.pairs[0] == (pair[0], ["die", "EU", "Mitglied", "staaten"])
    links = split.joined(0, {(0, 1): 0.9, (1, 2): 0.5, (1, 3): 0.7, (2, 3): 0.8})
    assert links == {(0, 1): 0.9, (1, 1): 0.7, (2, 1): 0.8}
    assert SplitPairs([pair], "none").pairs == [pair]


def test_all_of_a_compound_is_aligned():
    """Without parts, one of the two English words is left for the verb."""
    pairs = [
        (["Region"], ["Region"]), (["policy"], ["Politik"]), (["Region"], ["Region"]),
        (["policy"], ["Politik"]), (["this", "Region", "policy"], ["diese", "Regionspolitik"]),
    ]  # fmt: skip
    links = Agreement(AgreementOptions()).align(pairs, "eng", "deu")[-1]
    assert {(1, 1), (2, 1)} <= set(links)
