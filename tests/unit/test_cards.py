"""Data cards: read strictly, found in several folders, and all of ours are sound."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from xlt.data import cards
from xlt.errors import XltError
from xlt.registry import data_cards

CARD = """\
identifier: toy
name: Toy
task: tagging
licence: CC0
citation: nobody
origin: native
format: bio
languages:
  swa:
    train:
      files:
        - url: https://example.org/a.txt
          sha256: {sha}
          local: [toy/a.txt]
""".format(sha="0a" * 32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    return tmp_path


def save(folder: Path, text: str = CARD, name: str = "toy") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_all_packaged_cards_are_sound() -> None:
    found = {identifier: cards.get(identifier) for identifier in data_cards()}
    assert {"ud-javanese-csui", "ud-english-ewt", "masakhaner2", "uner-english-ewt"} <= {*found}
    for card in found.values():
        for language, name, split in card.splits():
            for file in split.files:
                assert file.url is None or file.sha256 or file.git_blob_sha1, (language, name)


def test_javanese_is_split_by_the_readme_s_rule() -> None:
    card = cards.get("ud-javanese-csui")
    chosen = {name: split.select for _, name, split in card.splits()}
    assert chosen["test"] == cards.Select(modulo=10, remainder=[0])
    assert chosen["dev"] == cards.Select(modulo=10, remainder=[4])
    assert chosen["train"] == cards.Select(modulo=10, remainder=[1, 2, 3, 5, 6, 7, 8, 9])
    assert chosen["whole"] is None


def test_own_cards_are_found_first(folder: Path) -> None:
    save(folder)
    assert cards.get("toy").name == "Toy"
    path = save(folder, CARD.replace("Toy", "Changed"))
    os.utime(path, ns=(1, 1))
    assert cards.get("toy").name == "Changed"


def test_languages_match_by_their_standard_member(folder: Path) -> None:
    save(folder)
    card = cards.get("toy")
    assert card.language("swh") == card.language("Swahili") == "swa"
    with pytest.raises(XltError) as caught:
        card.language("hau", where="data.hau")
    assert caught.value.what == "the card toy has no Hausa (hau)"
    assert caught.value.where == "data.hau"
    assert caught.value.fix == "it has swa"
    with pytest.raises(XltError) as caught:
        card.split("swa", "test", where="x")
    assert caught.value.what == "the card toy has no split 'test' for swa"
    assert caught.value.fix == "it has train"


def test_unknown_card_names_the_nearest() -> None:
    with pytest.raises(XltError) as caught:
        cards.get("ud-javanese", where="data.jav.test")
    assert caught.value.what == "there is no data card called 'ud-javanese'"
    assert caught.value.where == "data.jav.test"
    assert "ud-javanese-csui" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("change", "line", "what", "fix"),
    [
        (("licence:", "lisence:"), 4, "unknown key 'lisence'", "did you mean 'licence'?"),
        (("task: tagging\n", ""), 1, "the key 'task' is missing", "add `task:`"),
        (("origin: native", "origin: native-ish"), 6, "must be", "native"),
        (("sha256: 0a", "sha256: ga"), 13, "must be 64 hexadecimal digits", ""),
        (("toy/a.txt", "../a.txt"), 14, "the path '../a.txt' leaves the data folder", ""),
        (("toy/a.txt", "/etc/passwd"), 14, "leaves the data folder", ""),
        (("toy/a.txt", "a\\\\..\\\\b"), 14, "leaves the data folder", ""),
        (("          local", "          locale"), 14, "unknown key 'locale'", "'local'"),
        (("  swa:", "  sw:"), None, "language 'sw' must be written 'swa'", ""),
        (("https://", "file://"), 12, "https?", ""),
        (("identifier: toy", "identifier: toys"), 1, "must be the file's name, 'toy'", "lower"),
        (("name: Toy", "name: Toy\nname: Two"), 3, "", ""),
        (("name: Toy", "name: [Toy"), None, "not valid YAML", ""),
    ],
)
def test_mistakes(
    folder: Path, change: tuple[str, str], line: int | None, what: str, fix: str
) -> None:
    text = CARD.replace(*change)
    assert text != CARD
    path = save(folder, text)
    with pytest.raises(XltError) as caught:
        cards.get("toy")
    assert what in str(caught.value)
    assert f"{path}:{line}" in str(caught.value) if line else str(path) in str(caught.value)
    assert fix in str(caught.value)
    assert "fix: " in str(caught.value)


def test_all_mistakes_at_once(folder: Path) -> None:
    save(folder, CARD.replace("licence: CC0", "licence: ''").replace("origin: native", "x: 1"))
    with pytest.raises(XltError) as caught:
        cards.get("toy")
    text = str(caught.value)
    assert "unknown key 'x'" in text
    assert "'origin' is missing" in text
    assert "licence" in text


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ({}, "a file needs `url` or `local`"),
        ({"local": ["a"]}, "a file without `url` needs a `note`"),
    ],
)
def test_a_file_must_be_obtainable(file: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        cards.File(**file)


def test_select_is_checked() -> None:
    with pytest.raises(ValueError, match="between 0 and 9"):
        cards.Select(modulo=10, remainder=[10])


def test_missing_folder_of_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLT_CARDS", "/nowhere")
    with pytest.raises(XltError) as caught:
        data_cards()
    assert caught.value.what == "there is no such folder of cards"
    assert caught.value.where == "XLT_CARDS: /nowhere"
    assert caught.value.fix
