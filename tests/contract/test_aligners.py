"""What every registered aligner promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tiny import make_encoder

from xlt.projection.align.base import Aligner, WordPair
from xlt.registry import aligners

SENTENCES: list[WordPair] = [
    (["Ana", "Lima", "lives", "in", "Quito"], ["Ana", "Lima", "vive", "en", "Quito"]),
    (["Quito", "is", "old"], ["Quito", "es", "antigua"]),
    (["Ana", "is", "old"], ["Ana", "es", "vieja"]),
]
PAIRS: list[WordPair] = [
    SENTENCES[0],
    ([], ["nada"]),
    SENTENCES[1],
    (["nothing"], []),
    ([], []),
    SENTENCES[2],
    ([" ", "a b", "\x00"], ["\u200b", "ą́b", "𝔘"]),
]
LINKS = ["0-0 1-1:0.5", "", "0-0", "", "", "2p2", "1-1"]
"""What `given` reads, of PAIRS."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("aligners")
    make_encoder(made / "encoder", (" ".join(side) for pair in SENTENCES for side in pair))
    (made / "links").write_text("\n".join(LINKS) + "\n", encoding="utf-8")
    return made


@pytest.fixture(params=aligners.names())
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "eflomal" and find_spec("eflomal") is None:
        pytest.skip("eflomal is not installed: pip install 'xlt[align]'")
    return str(request.param)


def of(chosen: Callable[[str], bool]) -> pytest.MarkDecorator:
    """For a promise that some aligners alone can make."""
    return pytest.mark.parametrize("name", filter(chosen, aligners.names()), indirect=True)


def options(name: str, folder: Path) -> dict[str, Any]:
    return {
        "combined": {"encoder": str(folder / "encoder")},
        "encoder": {"encoder": str(folder / "encoder")},
        "given": {"file": str(folder / "links")},
    }.get(name, {})


def make(name: str, folder: Path) -> Aligner:
    kind = aligners.get(name)
    assert issubclass(kind, Aligner)
    return kind(kind.Options(**options(name, folder)))


def test_every_pair_has_its_links_in_order(name: str, folder: Path) -> None:
    aligner = make(name, folder)
    aligner.check("eng", "spa")
    found = list(aligner.stream(iter(PAIRS), "eng", "spa", part="train"))
    assert len(found) == len(PAIRS)
    for (source, target), links in zip(PAIRS, found, strict=True):
        for (i, j), score in links.items():
            assert type(i) is type(j) is int
            assert 0 <= i < len(source)
            assert 0 <= j < len(target)
            assert 0 < score <= 1
    assert found[1] == found[3] == found[4] == {}
    assert (0, 0) in found[2], "a name is a name"


@of(lambda name: name != "eflomal")  # which has no seed
def test_equal_calls_give_equal_links(name: str, folder: Path) -> None:
    found = make(name, folder).align(PAIRS, "eng", "spa")
    aligner = make(name, folder)
    assert aligner.align(PAIRS, "eng", "spa") == found
    assert aligner.align(PAIRS, "eng", "spa") == found, "nothing is left of the first call"
    assert list(aligner.stream(iter(PAIRS), "eng", "spa")) == found


@of(lambda name: name != "given")  # whose file has lines
def test_no_pairs_no_links(name: str, folder: Path) -> None:
    aligner = make(name, folder)
    assert aligner.align([], "eng", "spa") == []
    assert aligner.align([([], []), (["a"], [])], "eng", "spa") == [{}, {}]


def test_what_it_is_goes_by_its_options(name: str, folder: Path) -> None:
    kind = aligners.get(name)
    one = make(name, folder).identity("eng", "spa")
    assert one == make(name, folder).identity("eng", "spa")
    field, value = ("reverse", True) if name == "given" else ("lexical", 0.125)
    other = kind(kind.Options(**options(name, folder), **{field: value}))
    assert other.identity("eng", "spa") != one
    assert one not in {
        make(n, folder).identity("eng", "spa") for n in aligners.names() if n != name
    }


@of(lambda name: "encoder" in aligners.get(name).Options.model_fields)
def test_another_encoder_under_its_name_is_another(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make(name, folder).identity("eng", "spa")
    monkeypatch.setattr("xlt.model.backbone.Backbone.content", "other weights")
    assert make(name, folder).identity("eng", "spa") != one


def test_what_it_does_not_know_it_refuses(name: str, folder: Path) -> None:
    with pytest.raises(ValidationError, match="colour"):
        aligners.get(name).Options(**options(name, folder), colour="red")
