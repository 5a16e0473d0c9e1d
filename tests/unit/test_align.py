"""Aligners: what goes in and comes out, and files of links."""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as given_values
from hypothesis import settings
from hypothesis import strategies as st
from tiny import SHAPES, make_encoder

from xlt.data import cards
from xlt.errors import XltError
from xlt.projection.align import hmm, lexical, parallel
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.align.base import WordPair
from xlt.projection.align.eflomal import Eflomal, EflomalOptions
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.projection.align.given import Given, GivenOptions, parse
from xlt.projection.align.lexical import Forms, similarity
from xlt.projection.pair import Links

PAIRS = [(["a", "b"], ["x"]), ([], ["y"]), (["c"], ["z", "w"])]


def given(tmp_path: Path, content: str, **options: bool) -> Given:
    (tmp_path / "links").write_text(content, encoding="utf-8")
    return Given(GivenOptions(file=str(tmp_path / "links"), **options))


def test_given_links(tmp_path: Path) -> None:
    found = list(given(tmp_path, "0-0 1-0:0.25\n\n0p1\n").stream(PAIRS, "eng", "spa"))
    assert found == [{(0, 0): 1.0, (1, 0): 0.25}, {}, {(0, 1): 0.5}]
    turned = given(tmp_path, "0-1\n\n1-0\n", reverse=True)
    assert list(turned.stream(PAIRS, "eng", "spa")) == [{(1, 0): 1.0}, {}, {(0, 1): 1.0}]


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        ("0-0\n\n0-2\n", "target has 2 words", 3),
        ("2-0\n\n0-1\n", "source has 2 words", 1),
        ("0-0\n0-0\n0-1\n", "source has 0 words", 2),
        ("0-0\n\n0_1\n", "'0_1' is no link", 3),
        ("0-0\n\n0-1:1.5\n", "between 0 and 1", 3),
        ("0-0\n\n", "2 lines, but there is a pair number 3", 3),
        ("0-0\n\n0-1\n\n", "only 3 pairs", 4),
    ],
)
def test_bad_links_are_found_with_their_line(
    tmp_path: Path, content: str, what: str, line: int
) -> None:
    with pytest.raises(XltError, match=what) as error:
        given(tmp_path, content).align(PAIRS, "eng", "spa")
    assert error.value.where == f"{tmp_path / 'links'}:{line}"
    assert error.value.fix


def test_parse_says_where() -> None:
    assert parse("", where="x:1") == {}
    with pytest.raises(XltError, match="x:1"):
        parse("0-0 -1-2", where="x:1")


# Aligners that learn --------------------------------------------------------------------------

WORDS = ["sun", "moon", "river", "tree", "stone", "bird", "fish", "house", "road", "king"]
WORTE = ["sol", "luz", "agua", "madera", "piedra", "ave", "pez", "casa", "via", "rey"]


def toy(number: int, seed: int = 0) -> tuple[list[WordPair], list[set[tuple[int, int]]]]:
    """Sentences of 3 to 7 words, translated word by word, two neighbours swapped, "the" dropped."""
    draw = random.Random(seed)
    pairs, gold = [], []
    for _ in range(number):
        ids = draw.sample(range(10), draw.randint(3, 7))
        order = list(range(len(ids)))
        at = draw.randrange(len(ids) - 1)
        order[at], order[at + 1] = order[at + 1], order[at]
        source = ["the", *(WORDS[i] for i in ids)]
        pairs.append((source, [WORTE[ids[k]] for k in order]))
        gold.append({(k + 1, j) for j, k in enumerate(order)})
    return pairs, gold


def f1(links: Sequence[Links], gold: Sequence[set[tuple[int, int]]]) -> float:
    right = sum(len(set(a) & b) for a, b in zip(links, gold, strict=True))
    return 2 * right / (sum(map(len, links)) + sum(map(len, gold)))


def eflomal() -> Eflomal:
    if importlib.util.find_spec("eflomal") is None:
        if os.environ.get("XLT_REQUIRE_EFLOMAL"):
            pytest.fail("eflomal is not installed, and XLT_REQUIRE_EFLOMAL is set")
        pytest.skip("eflomal is not installed: pip install 'xlt[align]'")
    return Eflomal(EflomalOptions())


@pytest.mark.parametrize("make", [lambda: Agreement(AgreementOptions()), eflomal])
def test_aligners_learn_what_goes_together(make) -> None:
    pairs, gold = toy(300)
    found = make().align([*pairs, ([], ["a"]), (["a"], []), ([" "], ["x y"])], "eng", "spa")
    assert len(found) == 303
    assert f1(found[:300], gold) > 0.9
    assert found[300] == found[301] == {}
    assert all(0 < score <= 1 for links in found for score in links.values())


def test_agreement_is_deterministic_and_knows_names() -> None:
    pairs, _ = toy(50)
    named = (["Prodi", "met", "Köhler"], ["Колер", "con", "Prodis"])
    aligner = Agreement(AgreementOptions())
    found = aligner.align([*pairs, named], "eng", "spa")
    assert {(0, 2), (2, 0)} <= set(found[-1])
    assert aligner.align([*pairs, named], "eng", "spa") == found
    without = Agreement(AgreementOptions(lexical=0)).align([named], "eng", "spa")
    assert without[0] != found[-1]


def test_links_depend_on_the_parallel_text_and_the_chunk_only() -> None:
    pairs, gold = toy(400)
    alone = Agreement(AgreementOptions()).align(pairs[:3], "eng", "spa")
    helped = Agreement(AgreementOptions())
    helped.learn_from(pairs[3:])
    found = helped.align(pairs[:3], "eng", "spa")
    assert found != alone
    assert f1(found, gold[:3]) > 0.9
    helped.align(pairs[100:200], "eng", "spa")
    assert helped.align(pairs[:3], "eng", "spa") == found


def test_a_stream_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agreement, "chunk", 4)
    pairs, _ = toy(10)
    aligner = Agreement(AgreementOptions())
    whole = [one for k in range(0, 10, 4) for one in aligner.align(pairs[k : k + 4], "eng", "spa")]
    assert list(aligner.stream(iter(pairs), "eng", "spa")) == whole


def test_posteriors_are_those_of_the_model() -> None:
    """Forward-backward against the sum over all alignments of a pair, beside a longer one."""
    rng = np.random.default_rng(0)
    pairs = [
        (np.array([0, 1]), np.array([0, 1, 2])),
        (np.array([2, 0, 1, 2]), np.array([2, 1] * 3)),
    ]
    pairs = [(a.astype(np.int32), b.astype(np.int32)) for a, b in pairs]
    data = hmm.corpus(pairs, 3, 3)
    (batch,) = data.batches
    size = len(data.first)
    table = np.append(rng.random(size), 0).astype(np.float32)
    jump = rng.random(2 * hmm.MAX_JUMP + 1).astype(np.float32)
    model = hmm.Direction(table, rng.random(3).astype(np.float32), jump)
    recipe = hmm.Recipe(null=0.3)
    found, _ = hmm.posteriors(batch, model, model, recipe)
    column = int(np.flatnonzero(batch.index == 0)[0])
    source, target = pairs[0]
    lookup = {(int(a), int(b)): table[k] for k, (a, b) in enumerate(zip(data.first, data.second,
                                                                         strict=True))}  # fmt: skip
    expected, total = np.zeros((3, 2)), 0.0
    for states in itertools.product((0, 1, None), repeat=3):
        weight, sums = 0.0, [0.0]
        for first in (0, 1):  # where the walk begins if the first words have no counterpart
            at, value = None, 1.0
            for step, state in enumerate(states):
                to = first if state is None and at is None else (at if state is None else state)
                if at is None:
                    begin = [jump[hmm.MAX_JUMP + 1 + k] for k in (0, 1)]
                    move = begin[to] / sum(begin)
                    value *= move if state is not None or to == first else 0.0
                elif state is not None:
                    out = [jump[hmm.MAX_JUMP + k - at] for k in (0, 1)]
                    value *= out[state] / sum(out)
                value *= (
                    0.3 * model.empty[target[step]]
                    if state is None
                    else (0.7 * lookup[int(source[state]), int(target[step])])
                )
                at = to
            if states[0] is not None and first == 1:
                continue  # counted once already
            weight += value
            sums.append(value)
        total += weight
        for step, state in enumerate(states):
            if state is not None:
                expected[step, state] += weight
    assert np.allclose(found[:3, column, :2], expected / total, atol=1e-4)
    assert not found[3:, column].any()
    assert not found[:, column, 2:].any()


def test_likeness_of_words() -> None:
    ones = ["Москва", "Prodi", "1999", "the", "Parliament", ",", "Europe", "a", "北京", ""]
    others = [
        "Moskva",
        "Prodis",
        "1999",
        "thy",
        "Parlament",
        ".",
        "Europäische",
        "a",
        "Beijing",
        "",
    ]
    ids = np.arange(len(ones))
    found = similarity(Forms.of(ones), Forms.of(others), ids, ids).tolist()
    assert found[0] == found[2] == found[7] == found[8] == 1
    assert found[1] == pytest.approx(0.9)
    assert found[3] == found[5] == found[9] == 0
    assert found[4] == pytest.approx(0.9)
    assert 0.7 < found[6] < 0.9


@given_values(
    st.lists(st.tuples(st.text("abcd", max_size=9), st.text("abcd", max_size=9)), min_size=1)
)
@settings(max_examples=60, deadline=None)
def test_edit_distance(pairs: list[tuple[str, str]]) -> None:
    forms = [Forms.of([pair[side] for pair in pairs]) for side in (0, 1)]
    found = lexical._distance(forms[0].letters, forms[1].letters, forms[0].length, forms[1].length)
    for (one, other), value in zip(pairs, found.tolist(), strict=True):
        row = list(range(len(other) + 1))
        for i, a in enumerate(one, 1):
            before, row[0] = row[0], i
            for j, b in enumerate(other, 1):
                before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
        assert value == row[-1]


# Parallel text --------------------------------------------------------------------------------


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_parallel_text_from_files(tmp_path: Path) -> None:
    table = write(tmp_path / "both.tsv", "A house.\tUna casa.\textra\n\tnada\n")
    assert list(parallel.read([table], "eng", "spa")) == [
        (["A", "house", "."], ["Una", "casa", "."])
    ]
    write(tmp_path / "x.eng", "One\n\nTwo\n")
    write(tmp_path / "x.es", "Uno\n\nDos\n")
    template = str(tmp_path / "x.{language}")
    assert list(parallel.read([template], "eng", "spa")) == [(["One"], ["Uno"]), (["Two"], ["Dos"])]
    before = parallel.fingerprint([template, table], "eng", "spa")
    write(tmp_path / "x.es", "Uno\n\nTres\n")
    assert parallel.fingerprint([template, table], "eng", "spa") != before
    aligner = Agreement(AgreementOptions(parallel=[table]))
    assert aligner.align([(["house"], ["casa"])], "eng", "spa")[0]


@pytest.mark.parametrize(
    ("one", "other", "line"), [("a\nb\n", "x\n", "x.eng:2"), ("a\n", "x\ny\n", "x.spa:2")]
)
def test_files_that_are_not_parallel(tmp_path: Path, one: str, other: str, line: str) -> None:
    write(tmp_path / "x.eng", one)
    write(tmp_path / "x.spa", other)
    with pytest.raises(XltError) as error:
        list(parallel.read([str(tmp_path / "x.{language}")], "eng", "spa"))
    assert str(error.value.where).endswith(line)


def test_parallel_text_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(XltError, match="no tab"):
        list(parallel.read([write(tmp_path / "x.tsv", "only one\n")], "eng", "spa"))
    for bad, what in (("nowhere.tsv", "no such file"), ("udhr-x", "no data card called"),
                      ("masakhaner2", "not parallel text")):  # fmt: skip
        with pytest.raises(XltError, match=what):
            list(parallel.read([bad], "eng", "swa"))
        with pytest.raises(XltError):
            parallel.fingerprint([bad], "eng", "swa")


def test_parallel_text_of_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "parallel" / "ntrex"
    folder.mkdir(parents=True)
    card = cards.get("ntrex")
    for language, text in (("eng", "Good morning.\n"), ("spa", "Buenos días.\n")):
        (path,) = card.languages[language]["test"].files[0].local
        write(tmp_path / path, text)
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    (pair,) = parallel.read(["ntrex"], "eng", "spa")
    assert pair == (["Good", "morning", "."], ["Buenos", "días", "."])
    with pytest.raises(XltError, match="not on this machine"):
        list(parallel.read(["ntrex:test"], "eng", "deu"))


def stored(folder: Path, card: str, language: str, text: str) -> Path:
    """The training file of a card, where XLT_DATA is `folder`."""
    (name,) = cards.get(card).languages[language]["train"].files[0].local
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return Path(write(folder / name, text))


ROWS = "A cat sleeps .\tUn gato duerme .\t0-0 1-1 2-2 3-3\n"


def test_parallel_text_with_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both directions; the links beside the sentences are not read."""
    stored(tmp_path, "xl-wa", "spa", ROWS)
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    one, other = ["A", "cat", "sleeps", "."], ["Un", "gato", "duerme", "."]
    assert list(parallel.read(["xl-wa:train"], "eng", "spa")) == [(one, other)]
    assert list(parallel.read(["xl-wa:train"], "spa", "eng")) == [(other, one)]
    before = parallel.fingerprint(["xl-wa:train"], "eng", "spa")
    stored(tmp_path, "xl-wa", "spa", ROWS * 2)
    assert parallel.fingerprint(["xl-wa:train"], "eng", "spa") != before
    with pytest.raises(XltError, match="xl-wa pairs eng with other languages"):
        list(parallel.read(["xl-wa"], "deu", "spa"))
    with pytest.raises(XltError, match="not on this machine"):
        list(parallel.read(["xl-wa"], "eng", "spa"))  # dev and test


def test_parallel_text_of_labelled_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "eng": ["A cat .\tAn animal .\tentailment", "It rains .\tIt is dry .\tcontradictory"],
        "spa": ["Un gato .\tUn animal .\tentailment", "Llueve .\tEstá seco .\tcontradictory"],
    }
    for language, texts in rows.items():
        table = "\n".join(["premise\thypo\tlabel", *texts, ""])
        stored(tmp_path, "multinli-mt", language, table)
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    assert list(parallel.read(["multinli-mt"], "eng", "spa")) == [
        (["A", "cat", "."], ["Un", "gato", "."]),
        (["An", "animal", "."], ["Un", "animal", "."]),
        (["It", "rains", "."], ["Llueve", "."]),
        (["It", "is", "dry", "."], ["Está", "seco", "."]),
    ]
    assert parallel.fingerprint(["multinli-mt"], "eng", "spa")
    stored(tmp_path, "multinli-mt", "spa", "premise\thypo\tlabel\n" + rows["spa"][0] + "\n")
    with pytest.raises(XltError, match="eng:train has more records than multinli-mt:spa:train"):
        list(parallel.read(["multinli-mt:train"], "eng", "spa"))


def test_pairs_with_bars_between_them(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", "A house . ||| Una casa .\n")
    assert list(parallel.read([path], "eng", "spa")) == [
        (["A", "house", "."], ["Una", "casa", "."])
    ]


# The encoder ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [" ".join(side) for pair in toy(200)[0] for side in pair]
    return make_encoder(tmp_path_factory.mktemp("encoder"), texts)


LONG = (["stone", "bird"] * 60, ["piedra", "ave"] * 55)


@pytest.mark.parametrize("unit", ["piece", "word"])
@pytest.mark.parametrize("method", ["argmax", "itermax", "match"])
def test_encoder_batches_do_not_matter(folder: Path, unit: str, method: str) -> None:
    pairs = [*toy(12)[0], ([], ["x"]), LONG, (["a"], ["a"])]
    options = {"encoder": str(folder), "unit": unit, "method": method, "precision": "fp32"}
    together = Encoder(EncoderOptions(**options)).align(pairs, "eng", "spa")
    aligner = Encoder(EncoderOptions(**options, batch_tokens=1))
    one_by_one = [aligner.align([pair], "eng", "spa")[0] for pair in pairs]
    assert [set(a) for a in together] == [set(b) for b in one_by_one]
    assert together[12] == {}
    for (source, target), links in zip(pairs, together, strict=True):
        assert all(i < len(source) and j < len(target) for i, j in links)
        assert all(0 < score <= 1 for score in links.values())
    assert set(together[-1]) == {(0, 0)}
    assert max(i for i, _ in together[13]) > 64  # beyond the encoder's window


def test_the_layer_is_the_one_that_was_asked_for(folder: Path) -> None:
    import torch

    from xlt.model.hidden import hidden_states

    words = [toy(1)[0][0]]
    for layer in (0, 1, 2):
        aligner = Encoder(EncoderOptions(encoder=str(folder), layer=layer, precision="fp32"))
        ids = torch.tensor([[2, 7, 8, 9, 3]])
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            states = aligner._model(ids, attention_mask=mask, output_hidden_states=True)
            hidden = hidden_states(aligner._model, layer, ids, mask, where="")
        assert torch.allclose(hidden, states.hidden_states[layer], atol=1e-6)
        assert aligner.align(words, "eng", "spa")[0]
    with pytest.raises(XltError, match="there is no layer 3"):
        Encoder(EncoderOptions(encoder=str(folder), layer=3)).check("eng", "spa")


@pytest.mark.parametrize("kind", sorted({*SHAPES} - {"bert"}))
def test_encoders_of_all_families(tmp_path: Path, kind: str) -> None:
    make_encoder(tmp_path, [" ".join(side) for pair in toy(99)[0] for side in pair], kind)
    found = Encoder(EncoderOptions(encoder=str(tmp_path))).align(toy(3)[0], "eng", "spa")
    assert all(found)


def test_names_are_linked_whatever_the_vectors_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    diagonal = torch.eye(4)[None], torch.tensor([3])  # word n is like word n; the last is padding
    monkeypatch.setattr(Encoder, "_vectors", lambda *_: diagonal)
    pair = (["sun", "Prodi", "moon"], ["luz", "sol", "Prodi"])
    for weight, linked in ((3.0, True), (0.0, False)):
        options = EncoderOptions(encoder=str(folder), lexical=weight, method="match", unit="word")
        (found,) = Encoder(options).align([pair], "eng", "spa")
        assert ((1, 2) in found) is linked


def test_distortion_prefers_the_diagonal(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path, [" ".join(WORDS)] * 9, "umt5")  # no places in its embeddings
    pair = (["sun", "moon", "sun"], ["sun", "moon", "sun"])  # alike in two places each
    options = EncoderOptions(encoder=str(folder), layer=0, unit="word", method="argmax")
    (found,) = Encoder(options).align([pair], "eng", "spa")
    assert set(found) == {(0, 0), (1, 1), (2, 2)}
    assert options.distortion is None
    flat = options.model_copy(update={"distortion": 0.0})
    (found,) = Encoder(flat).align([pair], "eng", "spa")
    assert set(found) == {(0, 0), (1, 1)}  # the first of equals
