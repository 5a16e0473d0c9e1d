"""An encoder that learns from parallel text: what is made small, and what is kept of it."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from test_align import WORDS, WORTE, f1, toy
from tiny import make_encoder

from xlt.errors import XltError
from xlt.projection.align import combined, fine_tuning
from xlt.projection.align.base import WordPair
from xlt.projection.align.combined import Combined, CombinedOptions
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.projection.align.fine_tuning import objective, standardised
from xlt.projection.pair import Links

pytest.importorskip("peft")

SETTINGS = {"steps": 30, "batch_tokens": 400, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fine-tuned-aligners"


# What is made small -----------------------------------------------------------------------------


def tables() -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    return [torch.randn(m, n, generator=draw) for m, n in ((4, 3), (2, 5), (1, 1))]


def batch(found: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """In one table, with something else as padding."""
    padded = torch.full((len(found), 5, 6), 7.0)
    for n, one in enumerate(found):
        padded[n, : one.shape[0], : one.shape[1]] = one
    return padded, *(torch.tensor([one.shape[k] for one in found]) for k in (0, 1))


def in_loops(table: torch.Tensor, threshold: float, consistency: float) -> float:
    """The definition, for one pair."""
    m, n = table.shape
    self_training = agreed = 0.0
    for i in range(m):
        for j in range(n):
            own = math.exp(table[i, j])
            ahead = own / sum(math.exp(table[i, k]) for k in range(n))
            back = own / sum(math.exp(table[k, j]) for k in range(m))
            if ahead > threshold and back > threshold:
                self_training += (ahead / m + back / n) / 2
            agreed += ahead * back
    return -(self_training + consistency * agreed / min(m, n))


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("consistency", [0.0, 1.0, 2.5])
def test_the_objective_is_that_of_the_paper(threshold: float, consistency: float) -> None:
    scores = batch(tables())
    found = objective(*scores, consistency=consistency, threshold=threshold)
    expected = [in_loops(table, threshold, consistency) for table in tables()]
    assert float(found) == pytest.approx(sum(expected) / 3, abs=1e-6)


def test_what_is_a_link_is_no_matter_of_learning() -> None:
    """Only the probabilities of links are: the gradient is that of given ones."""
    (table,) = tables()[:1]
    scores, rows, columns = batch([table.requires_grad_()])
    objective(scores, rows, columns, consistency=0.0, threshold=0.3).backward()
    learnt = table.grad
    ahead, back = table.detach().softmax(1), table.detach().softmax(0)
    links = (ahead > 0.3) & (back > 0.3)
    assert 0 < links.sum() < links.numel()
    again = table.detach().clone().requires_grad_()
    sure = (again.softmax(1) * links).sum() / 4 + (again.softmax(0) * links).sum() / 3
    (-sure / 2).backward()
    assert torch.allclose(learnt, again.grad, atol=1e-6)


def test_scores_are_standardised_as_those_of_combined() -> None:
    found = standardised(*batch(tables()[:2]))
    for n, table in enumerate(tables()[:2]):
        m, k = table.shape
        expected = combined.SHARPNESS * combined._centred(table.numpy())
        assert np.allclose(found[n, :m, :k].numpy(), expected, atol=1e-4)
        assert not found[n, m:].any()
        assert not found[n, :, k:].any()


# What it does for links -------------------------------------------------------------------------

GREEK = str.maketrans("abcdefghijklmnopqrstuvwxyz", "αβγδεζηθικλμνξοπρστυφχψωϊϋ")
LATIN = {greek: latin for latin, greek in GREEK.items()}
GREEK_WORDS = {other: word.translate(GREEK) for word, other in zip(WORDS, WORTE, strict=True)}

OPTIONS = {"layer": 2, "precision": "fp32", "lexical": 0.0, "unit": "word"}
NOISE = 1.4


def ciphered(number: int, seed: int = 0) -> tuple[list[WordPair], list[set[tuple[int, int]]]]:
    """`toy`, with the words of the source in other letters on the target side."""
    pairs, gold = toy(number, seed)
    return [(one, [GREEK_WORDS[word] for word in other]) for one, other in pairs], gold


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder to which a letter and its cipher are somewhat alike."""
    from transformers import AutoTokenizer

    texts = [" ".join(side) for pair in ciphered(200)[0] for side in pair]
    made = make_encoder(tmp_path_factory.mktemp("encoder"), texts)
    weights = load_file(made / "model.safetensors")
    table = weights["embeddings.word_embeddings.weight"]
    subwords = AutoTokenizer.from_pretrained(made).get_vocab()
    draw = torch.Generator().manual_seed(3)
    for subword in sorted(subwords):  # the tokenizer numbers them as it likes
        plain = subword.translate(LATIN)
        if plain == subword or plain not in subwords:
            table[subwords[subword]] = torch.randn(table.shape[1], generator=draw)
        else:  # which comes after the Latin one
            noise = NOISE * torch.randn(table.shape[1], generator=draw)
            table[subwords[subword]] = table[subwords[plain]] + noise
    save_file(weights, made / "model.safetensors", {"format": "pt"})
    return made


def plain(folder: Path) -> Encoder:
    return Encoder(EncoderOptions(encoder=str(folder), **OPTIONS))


def tuned(folder: Path, number: int = 200, **changes: Any) -> Encoder:
    made = Encoder(EncoderOptions(encoder=str(folder), **OPTIONS, fine_tune=SETTINGS | changes))
    made.learn_from([*ciphered(number)[0], ([], ["nothing"]), (["nothing"], [])])
    return made


def align(aligner: Encoder) -> list[Links]:
    return aligner.align(ciphered(40, seed=1)[0], "eng", "spa")


def stored(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.glob("*.safetensors")}


def test_links_are_better_afterwards(folder: Path) -> None:
    _, gold = ciphered(40, seed=1)
    learnt = tuned(folder, steps=60, learning_rate=0.005)
    before, after = (f1(align(one), gold) for one in (plain(folder), learnt))
    assert before < 0.92
    assert after > before + 0.05


def test_what_was_learnt_is_used_again(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = align(tuned(folder))
    (file,) = stored(cache).values()
    monkeypatch.setattr(fine_tuning, "objective", None)  # nobody may learn now
    assert align(tuned(folder)) == links
    assert stored(cache) == {next(iter(stored(cache))): file}
    aligner = tuned(folder)
    assert align(aligner) == align(aligner) == links
    monkeypatch.undo()
    monkeypatch.setenv("XLT_CACHE", str(cache.parent))
    for other in ({"number": 100}, {"consistency": 0.0}, {"seed": 2}, {"rank": 2}):
        assert align(tuned(folder, **other)) != links
    assert len(stored(cache)) == 5


def test_each_pair_of_languages_has_its_own(folder: Path, cache: Path, tmp_path: Path) -> None:
    """Made of the encoder as it was first, not of the last one."""
    for code, size in (("eng", 0), ("spa", 200), ("deu", 100)):
        pairs = ciphered(200)[0][: size or 200]
        lines = [" ".join(pair[code != "eng"]) for pair in pairs]
        (tmp_path / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    english = (tmp_path / "eng.txt").read_text(encoding="utf-8").splitlines(keepends=True)

    def aligner() -> Encoder:
        text = f"{tmp_path}/{{language}}.txt"
        own = {**OPTIONS, "fine_tune": SETTINGS, "parallel": text}
        return Encoder(EncoderOptions(encoder=str(folder), **own))

    pairs, _ = ciphered(40, seed=1)
    one = aligner()
    one.check("eng", "spa")
    spanish = one.align(pairs, "eng", "spa")
    (tmp_path / "eng.txt").write_text("".join(english[:100]), encoding="utf-8")
    german = one.align(pairs, "eng", "deu")
    assert german != spanish
    assert aligner().align(pairs, "eng", "deu") == german
    assert len(stored(cache)) == 2


@pytest.mark.parametrize(
    "steps", [7, *(pytest.param(n, marks=pytest.mark.thorough) for n in (1, 29))]
)
def test_interrupted_training_goes_on_with_the_same_result(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    links = align(tuned(folder))
    whole = stored(cache)
    shutil.rmtree(cache)
    monkeypatch.setattr(fine_tuning, "SAVE_INTERVAL", 0.0)
    real, calls = objective, []

    def interrupted(*given: Any, **settings: Any) -> torch.Tensor:
        calls.append(None)
        if len(calls) == steps + 1:
            raise KeyboardInterrupt
        return real(*given, **settings)

    monkeypatch.setattr(fine_tuning, "objective", interrupted)
    with pytest.raises(KeyboardInterrupt):
        align(tuned(folder))
    assert stored(cache).keys() == whole.keys()
    assert stored(cache) != whole
    calls.clear()
    done, steps = steps, SETTINGS["steps"] + 1
    assert align(tuned(folder)) == links
    assert stored(cache) == whole
    assert len(calls) == SETTINGS["steps"] - done  # what was done is not done again


def test_memory_that_runs_out_while_it_learns_names_the_size_of_its_steps(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> torch.Tensor:
        raise MemoryError

    monkeypatch.setattr(fine_tuning, "objective", fail)
    with pytest.raises(XltError, match="out of memory fine-tuning") as caught:
        align(tuned(folder))
    assert caught.value.where == "projection.aligner.fine_tune.batch_tokens"


@pytest.mark.parametrize(
    "damage",
    ["cut", *(pytest.param(n, marks=pytest.mark.thorough) for n in ("empty", "changed", "text"))],
)
def test_a_damaged_file_is_made_again(
    folder: Path, cache: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    links = align(tuned(folder))
    whole = stored(cache)
    (file,) = cache.glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(
        {"cut": content[:-9], "empty": b"", "changed": content, "text": b"{}" * 90}[damage]
    )
    assert align(tuned(folder)) == links
    assert "is damaged" in caplog.text
    assert stored(cache) == whole


def test_how_far_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_LOG_INTERVAL", 0.0)
    with caplog.at_level("INFO", logger="xlt.projection.align.fine_tuning"):
        align(tuned(folder, steps=2))
    first, *steps = [record.getMessage() for record in caplog.records]
    assert "on 200 pairs of parallel text, from step 0 of 2" in first
    assert [line.split(",")[0] for line in steps] == ["step 1 of 2", "step 2 of 2"]


def test_only_what_is_compared_learns(folder: Path, cache: Path) -> None:
    made = Encoder(
        EncoderOptions(encoder=str(folder), **{**OPTIONS, "layer": 1}, fine_tune=SETTINGS)
    )
    made.learn_from(ciphered(50)[0])
    align(made)
    (file,) = cache.glob("*.safetensors")
    assert {name.split("layer.")[1][0] for name in load_file(file)} == {"0"}


def test_the_rate_rises_and_falls() -> None:
    shares = [fine_tuning._share(step, 30) for step in range(30)]
    assert shares[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert shares[3:] == pytest.approx([k / 27 for k in range(27, 0, -1)])
    assert fine_tuning._share(0, 1) == 1


# What is refused --------------------------------------------------------------------------------


def refused(folder: Path, **options: Any) -> XltError:
    with pytest.raises(XltError) as caught:
        Encoder(EncoderOptions(encoder=str(folder), **options)).check("eng", "spa")
    assert caught.value.where == "projection.aligner.fine_tune"
    assert caught.value.fix
    return caught.value


def test_what_cannot_be_fine_tuned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no parallel text" in refused(folder, fine_tune={}).what
    options = {"fine_tune": {}, "parallel": ["some.tsv"]}
    assert "layer 0" in refused(folder, **options, layer=0).what
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "peft" in refused(folder, **options).what
    with pytest.raises(ValidationError, match="only where it is fine-tuned"):
        EncoderOptions(parallel=["some.tsv"])


def test_a_loss_that_is_no_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fine_tuning, "objective", lambda *_, **__: torch.tensor(math.nan, requires_grad=True)
    )
    with pytest.raises(XltError, match="the loss of step 1 is nan") as caught:
        align(tuned(folder))
    assert "learning_rate" in str(caught.value.fix)


def test_other_text_is_another_aligner(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("a\tb\n", encoding="utf-8")
    made = Encoder(EncoderOptions(encoder=str(folder), fine_tune={}, parallel=str(file)))
    before = made.identity("eng", "spa")
    file.write_text("a\tc\n", encoding="utf-8")
    assert made.identity("eng", "spa") != before


def test_combined_reads_the_text_once_for_both(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"encoder": str(folder), "layer": 2, "precision": "fp32"}
    pairs, _ = ciphered(10, seed=1)
    found = []
    for settings in (SETTINGS, None):
        made = Combined(CombinedOptions(**options, fine_tune=settings))
        made.learn_from(ciphered(50)[0])
        made.check("eng", "spa")
        found.append(made.align(pairs, "eng", "spa"))
    assert found[0] != found[1]
    assert len(stored(cache)) == 1
