"""Apertium: the real program where it is installed, and programs that misbehave in its place."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from xlt.errors import XltError
from xlt.projection.translate import apertium
from xlt.projection.translate.apertium import Apertium, ApertiumOptions


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a shell script in apertium's place; `$1` is -l, -V or the first flag."""

    def make(script: str, modes: str = "eng-spa") -> Apertium:
        path = tmp_path / "apertium"
        path.write_text(
            f"#!/bin/bash\ncase $1 in -l) echo '  {modes}'; exit;; -V) echo 1; exit;; esac\n"
            + script
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(apertium, "_MAX_START_SECONDS", 0.0)
        apertium._version.cache_clear()
        return Apertium(ApertiumOptions(timeout=80.0))

    yield make
    apertium._modes.cache_clear()
    apertium._version.cache_clear()


@pytest.mark.apertium("eng-spa")
def test_sentences_come_back_one_by_one() -> None:
    texts = ["The house is big.", "Mr Smith", "- 1/2 [of] {it} <is> ^here$ \\ a@b.org.", "Yes!"]
    found = Apertium(ApertiumOptions()).translate(texts, "eng", "spa")
    assert [one.text for one in found[:1]] == ["La casa es grande."]
    assert found[1].text.startswith("Señor")
    for mark in ("- 1/2", "[", "]", "{", "}", "<", ">", "^", "$", "\\"):
        assert mark in found[2].text
    assert not any(one.failed for one in found)


@pytest.mark.apertium("eng-spa")
def test_marks_of_unknown_words_are_no_part_of_the_text() -> None:
    texts = ["Xyzzyq sleeps.", "A *starred* house.", "Qwx zzpq vvk."]
    found = Apertium(ApertiumOptions()).translate(texts, "eng", "spa")
    assert found[0].text.startswith("Xyzzyq ")
    assert found[0].warning is None
    assert found[1].text.count("*") == 2
    assert found[2].warning == "3 of 3 words unknown"
    assert "*" not in found[2].text


@pytest.mark.apertium("eu-en")
def test_a_pair_whose_mode_has_shorter_codes() -> None:
    found = list(Apertium(ApertiumOptions()).stream(["Etxea handia da."], "eus", "eng"))
    assert "house" in found[0].text


def test_languages_in_any_code(program) -> None:
    installed = program("", "eng-spa eu-en spa-eng_US spa-eng")
    assert apertium.mode("eus", "eng") == apertium.mode("Basque", "en") == "eu-en"
    assert apertium.mode("spa", "eng") == "spa-eng"
    with pytest.raises(XltError, match="from English to Wolof") as error:
        installed.check("eng", "wol")
    assert "eng-spa" in error.value.what
    with pytest.raises(XltError) as error:
        installed.check("spa", "por")
    assert "apt-get install apertium-es-pt" in str(error.value.fix)


def test_without_the_program_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(XltError, match="not installed") as error:
        list(Apertium(ApertiumOptions()).stream(["x"], "eng", "spa"))
    assert "apt-get install apertium" in str(error.value.fix)


def test_a_crash_costs_one_sentence(program) -> None:
    found = program('text=$(tr "\\0" "\\1"); case $text in *bad*) exit 3;; esac; '
                    'printf %s "$text" | tr "\\1" "\\0"').translate(
        ["one", "two", "bad", "four", "five"], "eng", "spa"
    )  # fmt: skip
    assert [one.text for one in found] == ["one", "two", "", "four", "five"]
    assert [one.failed for one in found] == [False, False, True, False, False]
    assert found[2].warning == "apertium crashed (exit status 3)"


def test_output_that_breaks_off_is_a_crash(program) -> None:
    found = program('tr -d "\\0" | head -c 20').translate(["one", "two"], "eng", "spa")
    assert [one.text for one in found] == ["one", "two"]  # each alone is short enough


def test_a_program_that_hangs_is_ended_with_its_children(program, tmp_path: Path) -> None:
    script = (
        'text=$(tr "\\0" "\\1"); case $text in *hang*) '
        f"sleep 600 & echo $! >> {tmp_path}/children; wait;; esac; "
        'printf %s "$text" | tr "\\1" "\\0"'
    )
    began = time.monotonic()
    found = program(script).translate(["one", "hang", "three", "four"], "eng", "spa")
    assert time.monotonic() - began < 60
    assert [one.text for one in found] == ["one", "", "three", "four"]
    assert "did not answer" in str(found[1].warning)
    left = [int(child) for child in (tmp_path / "children").read_text().split()]
    assert left
    deadline = time.monotonic() + 60  # whoever inherited them may be slow to bury them
    while left and time.monotonic() < deadline:
        left = [child for child in left if _is_there(child)]
        time.sleep(0.05)
    assert not left


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_identity_tells_versions_apart(program) -> None:
    assert program("").identity("eng", "spa") == "apertium eng-spa 1 unknown=0.5"
