"""Scripts of characters."""

from __future__ import annotations

from collections import Counter

import pytest

from xlt import scripts


@pytest.mark.parametrize(
    ("character", "code"),
    [("a", "Latn"), ("ж", "Cyrl"), ("あ", "Hira"), ("中", "Hani"), ("ꦗ", "Java"), ("1", "Zyyy")],
)
def test_a_character_has_one_script(character: str, code: str) -> None:
    assert scripts.script(character) == code


def test_letters_are_counted_and_nothing_else() -> None:
    assert scripts.scripts(["日本の, 12", "no"]) == Counter(Hani=2, Hira=1, Latn=2)


def test_a_script_has_an_english_name() -> None:
    assert [scripts.name(code) for code in ("Cher", "Java")] == ["Cherokee", "Javanese"]


@pytest.mark.parametrize("character", ["中", "の", "ー", "。", "ไ", "ꦗ", "a", ".", ""])
def test_no_space_beside_characters_of_spaceless_scripts(character: str) -> None:
    assert scripts.is_spaceless(character) == (character in {"中", "の", "ー", "。", "ไ"})
