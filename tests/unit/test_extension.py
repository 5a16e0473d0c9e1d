"""`model.vocabulary`: subwords that an encoder lacks, from text; what they begin as."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import all_texts
from tiny import make_encoder
from tokenizer_families import TEXT, family
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from xlt.config.schema import Model
from xlt.data.subwords import Subwords
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.extension import folder as made_folder
from xlt.model.extension.grow import METHODS, Compared, by_text, new_rows
from xlt.model.extension.initialise import clp_weights, cosines, mean_rows, omp, sparsemax
from xlt.model.extension.pieces import Form, Piece, Splitter
from xlt.model.extension.report import said
from xlt.model.extension.subwords import encoded, extend, uses
from xlt.model.extension.vectors import of_donor, of_text
from xlt.model.vocabulary_tensors import embedding_table

SYLLABLES = ["ku", "ra", "ze", "mo", "tli", "xa", "ngo", "vee", "pu", "shi"]


def invented(lines: int, seed: int = 0) -> list[str]:
    """Sentences of a language that no encoder here has read: of forty words."""
    draw = np.random.default_rng(seed)
    words = ["".join(draw.choice(SYLLABLES, draw.integers(2, 5))) for _ in range(40)]
    return [" ".join(draw.choice(words, 6)) for _ in range(lines)]


LINES = invented(120)


# The formulas ----------------------------------------------------------------------------------


def test_sparsemax():
    scores = np.array([[0.9, 0.7, 0.1, -0.3], [0.5, 0.45, 0.4, 0.35]])
    expected = [[0.6, 0.4, 0, 0], [0.325, 0.275, 0.225, 0.175]]
    np.testing.assert_allclose(sparsemax(scores), expected, atol=1e-12)


def test_sparsemax_is_the_nearest_distribution():
    """Against bisection of the threshold, and no step towards another distribution is nearer."""
    draw = np.random.default_rng(1)
    for scores in draw.normal(size=(20, 7)):
        (found,) = sparsemax(scores[None])
        low, high = scores.min() - 1, scores.max()
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if np.maximum(scores - middle, 0).sum() > 1 else (low, middle)
            )
        np.testing.assert_allclose(found, np.maximum(scores - low, 0), atol=1e-9)
        for other in draw.dirichlet(np.ones(7), 20):
            assert (found - scores) @ (other - found) >= -1e-9


def test_weights_of_clp_are_never_negative():
    weights = clp_weights(np.array([[0.9, 0.1, -0.2], [-1, -0.5, 0], [0.2, 0.2, 0.4]]))
    np.testing.assert_allclose(weights, [[0.9, 0.1, 0], [0, 0, 0], [0.25, 0.25, 0.5]])


def test_omp_finds_a_sparse_sum():
    draw = np.random.default_rng(2)
    atoms = draw.normal(size=(200, 50)) * draw.uniform(0.1, 10, (200, 1))
    true = np.zeros((2, 200))
    true[0, [3, 77, 150]] = 1.5, -2, 0.7
    true[1, 12] = -0.25
    found = omp(true @ atoms, atoms)
    np.testing.assert_allclose(found, true, atol=1e-9)
    few = omp(true @ atoms, atoms, most=2)
    assert (few != 0).sum(1).tolist() == [2, 1]
    assert not omp(np.zeros((1, 50)), atoms).any()


def test_omp_leaves_the_least_of_a_vector():
    """What is left is at right angles to all that was taken: no other weights are better."""
    draw = np.random.default_rng(3)
    atoms, vectors = draw.normal(size=(30, 12)), draw.normal(size=(4, 12))
    for weights, vector in zip(omp(vectors, atoms, most=5), vectors, strict=True):
        taken = atoms[weights != 0]
        assert len(taken) == 5
        np.testing.assert_allclose(taken @ (vector - weights @ atoms), 0, atol=1e-9)


def test_cosines_of_nothing_are_nothing():
    found = cosines(np.array([[2.0, 0], [0, 0]]), np.array([[1.0, 1], [-3, 0]]))
    np.testing.assert_allclose(found, [[0.5**0.5, -1], [0, 0]])


def test_a_row_begins_as_the_method_says():
    table = np.array([[1.0, 0], [0, 2], [4, 4], [9, 9]])
    parts = [[0, 1, 1], [], [2]]
    np.testing.assert_allclose(mean_rows(parts, table)[[0, 2]], [[1 / 3, 4 / 3], [4, 4]])
    compared = Compared(
        np.array([2, 1]), np.array([0, 2]), np.array([[1.0, 0], [0, -1]]), np.eye(2)
    )
    draw = np.random.default_rng
    rows, weighed, drawn = new_rows(table, parts, draw(1), METHODS["focus"], compared)
    np.testing.assert_allclose(rows[[0, 2]], [[1 / 3, 4 / 3], [1, 0]])
    assert (weighed, drawn) == (2, 0)
    rows, weighed, drawn = new_rows(table, parts, draw(1), METHODS["clp"], compared)
    assert (weighed, drawn) == (1, 1)  # nothing is like the second: it is drawn, since unknown
    expected = draw(1).normal(table.mean(0), table.std(0), (1, 2))
    np.testing.assert_allclose(rows, [[1 / 3, 4 / 3], *expected, [1, 0]])


# Vectors -----------------------------------------------------------------------------------------


def test_subwords_in_the_same_places_are_alike():
    """2 and 3 stand between the same neighbours, 4 and 5 between others, 6 hardly anywhere."""
    draw = np.random.default_rng(4)
    lines = [np.array([7, draw.choice([2, 3]), 8]) for _ in range(60)]
    lines += [np.array([9, draw.choice([4, 5]), 10]) for _ in range(60)]
    known, vectors = of_text([*lines, np.array([6, 6])], 12)
    assert known.tolist() == [2, 3, 4, 5, 7, 8, 9, 10]
    alike = dict(zip(known.tolist(), cosines(vectors, vectors), strict=True))
    place = {id: n for n, id in enumerate(known.tolist())}
    assert alike[2][place[3]] > 0.99
    assert alike[4][place[5]] > 0.99
    assert abs(alike[2][place[4]]) < 0.1


def test_too_little_text_has_no_vectors():
    known, vectors = of_text([np.array([1, 2, 3])], 5)
    assert len(known) == len(vectors) == 0


@pytest.mark.parametrize("name", ["xlm-roberta", "bert-cased", "roberta", "llama-2"])
def test_a_donor_s_rows(name):
    tokenizer = family(name)
    table = np.random.default_rng(5).normal(size=(len(tokenizer), 3))
    (ids,) = Subwords(tokenizer).alone(["fox"])
    pieces = [Piece("fox", True), None, Piece("ж", True), Piece("o", False)]
    vectors, whole = of_donor(pieces, tokenizer, table)
    np.testing.assert_allclose(vectors[0], table[ids].mean(0))
    assert whole.tolist() == [len(ids) == 1, False, False, True]
    assert not vectors[1].any()
    assert vectors[2].any() == (name == "roberta")  # which reads bytes


@pytest.mark.parametrize(
    ("form", "piece", "written"),
    [
        (Form(initial="▁"), Piece("ẹ", True), "▁ẹ"),
        (Form(initial="▁"), Piece("ẹ", False), "ẹ"),
        (Form(inner="##"), Piece("ẹ", True), "ẹ"),
        (Form(inner="##"), Piece("ẹ", False), "##ẹ"),
        (Form(initial="Ġ", bytes=True), Piece("ẹ", True), "Ġáº¹"),
        (Form(initial="Ġ", bytes=True), Piece("ẹ", False), "áº¹"),
    ],
)
def test_a_subword_is_the_same_however_it_is_written(form, piece, written):
    assert form.write(piece) == written
    assert form.read(written) == piece


def test_marks_and_halves_of_letters_are_no_subwords():
    assert Form(initial="▁").read("▁") is None
    assert Form(initial="Ġ", bytes=True).read("áº") is None


# Tokenizers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["xlm-roberta", "unigram-never", "llama-2", "gemma", "roberta", "llama-3", "bert-uncased"],
)
def test_new_subwords_stand_beside_the_old(name):
    tokenizer = family(name)
    old = Splitter(tokenizer)
    extension = extend(tokenizer, LINES, 600)
    new = range(extension.first, extension.first + len(extension.new))
    assert extension.first == len(tokenizer)
    assert len(extension.new) > 20
    # The old ones have their places still, and all new ones are used.
    ids = ids_of(extension.state)
    assert {piece: ids[piece] for piece in old.ids} == old.ids
    assert [ids[piece] for piece in extension.new] == list(new)
    counts = uses(extension.state, LINES)
    merged = {half for merge in extension.state["model"].get("merges", []) for half in merge}
    assert all(counts[id] or piece in merged for piece, id in zip(extension.new, new, strict=True))
    # Text that was not learnt from has fewer subwords, and says the same.
    fresh = invented(20)[::-1]
    before, after = (sum(map(len, encoded(state, fresh))) for state in (old.state, extension.state))
    assert after < 0.6 * before
    # Text in the old language is as it was, for the most part.
    same = [
        a.tolist() == b.tolist()
        for a, b in zip(encoded(old.state, TEXT), encoded(extension.state, TEXT), strict=True)
    ]
    assert np.mean(same) > 0.4
    form = old.form
    for piece, parts in zip(extension.new, extension.parts, strict=True):
        names = {id: name for name, id in old.ids.items()}
        read = [form.read(names[id]) for id in parts]
        if parts and all(read) and form.read(piece):
            assert "".join(one.text for one in read if one) == form.read(piece).text


def ids_of(state):
    vocabulary = state["model"]["vocab"]
    if isinstance(vocabulary, dict):
        return vocabulary
    return {piece: id for id, (piece, _) in enumerate(vocabulary)}


def test_scores_are_on_the_scale_of_the_old():
    """Old ones keep theirs; where all old ones are so much less likely, so are the new."""
    tokenizer = family("xlm-roberta")
    lines = [*TEXT, *LINES]
    scores = []
    for less in (0, 3):
        state = Splitter(tokenizer).state
        state["model"]["vocab"] = [[piece, n - less] for piece, n in state["model"]["vocab"]]
        backend = Tokenizer.from_str(json.dumps(state))
        extension = extend(PreTrainedTokenizerFast(tokenizer_object=backend), lines, 400)
        found = dict(extension.state["model"]["vocab"])
        old = dict(state["model"]["vocab"])
        assert {piece: found[piece] for piece in old} == pytest.approx(old)
        scores.append({piece: found[piece] for piece in extension.new})
    both = scores[0].keys() & scores[1].keys()
    assert len(both) > 20
    for piece in both:
        assert scores[1][piece] == pytest.approx(scores[0][piece] - 3, abs=1e-3)


def test_nothing_is_like_the_unknown():
    tokenizer = family("xlm-roberta")
    extension = extend(tokenizer, LINES, 300)
    lines = [f"{line} ⅏" for line in LINES]
    known, compared = (by_text(extension, lines, special) for special in ([], [3]))
    assert tokenizer.unk_token_id == 3
    assert {*known.old} - {*compared.old} == {3}
    assert len(known.new) == len(compared.new) == len(compared.new_vectors) > 5
    assert max(compared.new) < len(extension.new)
    assert len(compared.old) == len(compared.old_vectors)


def test_characters_cannot_be_extended():
    with pytest.raises(XltError, match="cannot be extended") as error:
        extend(family("byt5"), LINES, 300)
    assert error.value.where == "model.vocabulary"


# The encoder -------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "text.txt"
    path.write_text("\n".join([*LINES, "", *LINES[:3]]) + "\n", encoding="utf-8")
    return path


def settings(encoder, text, **options):
    vocabulary = {"extend": str(text), "subwords": 300, **options}
    return Model(encoder=str(encoder), vocabulary=vocabulary)


def extended(encoder, text, **options):
    model = settings(encoder, text, **options)
    return Backbone(model.encoder, model)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "umt5", "modernbert"])
def test_the_encoder_knows_what_it_did(tmp_path, text, kind):
    encoder = make_encoder(tmp_path / kind, all_texts(), kind)
    plain = Backbone(str(encoder), Model(encoder=str(encoder)))
    grown = extended(encoder, text, initialise="mean")
    assert grown.extension["added"] > 20
    number = len(plain.tokenizer)
    before, after = (embedding_table(one.encoder()).weight for one in (plain, grown))
    torch.testing.assert_close(after[:number], before[:number], rtol=0, atol=0)
    assert len(grown.tokenizer) == number + grown.extension["added"]
    assert len(after) == max(len(before), len(grown.tokenizer))
    # A new row is the mean of what the old tokenizer makes of the subword.
    piece, parts = next(
        (piece, plain.tokenizer.backend_tokenizer.model.tokenize(piece))
        for piece in map(grown.tokenizer.convert_ids_to_tokens, range(number, len(after)))
        if len(piece) > 4
    )
    mean = before[[token.id for token in parts]].mean(0)
    row = grown.tokenizer.convert_tokens_to_ids(piece)
    torch.testing.assert_close(after[row], mean)
    # Text of old subwords alone is read as before.
    words = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.ones(1, 3)}
    with torch.no_grad():
        states = [one.encoder().eval()(**words).last_hidden_state for one in (plain, grown)]
    torch.testing.assert_close(*states)
    # Transformers alone reads the folder.
    alone = AutoModel.from_pretrained(grown.source)
    assert alone.config.vocab_size == len(after)
    tokenizer = AutoTokenizer.from_pretrained(grown.source)
    assert tokenizer.tokenize(LINES[0]) == grown.tokenizer.tokenize(LINES[0])
    assert not list(Path(grown.source).glob("*.bin"))


@pytest.mark.parametrize("tied", [True, False])
def test_the_layer_that_writes_subwords_grows_too(tmp_path, text, tied):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    config = AutoModel.from_pretrained(encoder).config
    config.tie_word_embeddings = tied
    model = AutoModelForMaskedLM.from_config(config)
    with torch.no_grad():
        model.get_output_embeddings().bias.normal_()
    model.save_pretrained(encoder)
    grown = AutoModelForMaskedLM.from_pretrained(extended(encoder, text, initialise="mean").source)
    number = config.vocab_size
    for old, new in [
        (model.get_input_embeddings().weight, grown.get_input_embeddings().weight),
        (model.get_output_embeddings().weight, grown.get_output_embeddings().weight),
    ]:
        torch.testing.assert_close(new[:number], old, rtol=0, atol=0)
    bias = grown.get_output_embeddings().bias
    torch.testing.assert_close(bias[:number], model.get_output_embeddings().bias, rtol=0, atol=0)
    expected = model.get_output_embeddings().bias.mean().expand(len(bias) - number)
    torch.testing.assert_close(bias[number:], expected)
    written = grown.get_output_embeddings().weight
    assert torch.equal(written, grown.get_input_embeddings().weight) == tied
    if not tied:  # by the same weights, from its own table
        ids = range(number, len(bias))
        assert not torch.equal(written[ids], grown.get_input_embeddings().weight[ids])


def test_nothing_of_the_encoder_is_lost(tmp_path, text):
    """A pooler, which classes that write subwords leave out, stays; none is made up."""
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    config = AutoModel.from_pretrained(encoder).config
    for kind in (AutoModelForPreTraining, AutoModelForMaskedLM):
        kind.from_config(config).save_pretrained(encoder)
        source = extended(encoder, text, initialise="mean").source
        before, after = (load_file(Path(one) / "model.safetensors") for one in (encoder, source))
        old, new = ({n for n in one if n.startswith("bert.")} for one in (before, after))
        assert old == new
        for name in (name for name in old if "pooler" in name):
            assert torch.equal(before[name], after[name])


@pytest.mark.parametrize("method", ["focus", "omp", "clp"])
def test_methods_that_compare(tmp_path, text, method):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    by_text = extended(encoder, text, initialise=method)
    assert by_text.extension["compared"] > 5
    donor = make_encoder(tmp_path / "donor", [*all_texts(), *LINES], "xlm-roberta")
    by_donor = extended(encoder, text, initialise=method, donor=str(donor))
    assert by_donor.extension["compared"] > 5
    tables = [embedding_table(one.encoder()).weight for one in (by_text, by_donor)]
    assert tables[0].shape == tables[1].shape
    assert torch.isfinite(tables[0]).all()
    assert not torch.equal(*tables)


def test_it_is_made_once_for_what_it_is_made_of(tmp_path, text, monkeypatch):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    first = extended(encoder, text)
    assert first.content != Backbone(str(encoder), Model(encoder=str(encoder))).content
    assert (first.options.vocabulary, first.options.encoder) == (None, str(encoder))
    with monkeypatch.context() as patched:
        patched.setattr(made_folder, "_write", None)  # nothing is made again
        copy = tmp_path / "copy.txt"
        copy.write_bytes(text.read_bytes())
        assert extended(encoder, copy).source == first.source
    shutil.rmtree(first.source)
    assert extended(encoder, text).content == first.content  # made anew, it is the same
    others = [
        extended(encoder, text, subwords=200).source,
        extended(encoder, text, seed=2).source,
        extended(encoder, text, initialise="mean").source,
    ]
    text.write_text("\n".join(LINES[:110]), encoding="utf-8")
    others.append(extended(encoder, text).source)
    assert len({first.source, *others}) == 5
    assert not list(Path(first.source).parent.glob("*.part"))


def test_a_damaged_one_is_refused(tmp_path, text):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    folder = Path(extended(encoder, text).source)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(XltError, match=r"damaged: tokenizer\.json") as error:
        extended(encoder, text)
    assert "rm -r" in error.value.fix


def test_half_precision_stays_half(tmp_path, text):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    AutoModel.from_pretrained(encoder).half().save_pretrained(encoder)
    grown = AutoModel.from_pretrained(extended(encoder, text, initialise="mean").source)
    assert grown.dtype == torch.float16


def test_fertility_is_of_lines_that_nothing_was_learnt_from(tmp_path, text):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    plain = Backbone(str(encoder), Model(encoder=str(encoder)))
    grown = extended(encoder, text)
    learnt, held = made_folder._divide(LINES, 1)
    assert (len(learnt), len(held)) == (114, 6)
    assert sorted([*learnt, *held]) == sorted(LINES)
    assert (grown.extension["lines"], grown.extension["held_out"]) == (120, 6)
    words = sum(len(line.split()) for line in held)
    for tokenizer, fertility, unknown in zip(
        (plain.tokenizer, grown.tokenizer),
        grown.extension["fertility"],
        grown.extension["unknown"],
        strict=True,
    ):
        ids = [id for line in held for id in tokenizer(line, add_special_tokens=False)["input_ids"]]
        assert fertility == pytest.approx(len(ids) / words)
        assert unknown == pytest.approx(ids.count(tokenizer.unk_token_id) / len(ids))
    assert grown.extension["fertility"][1] < 0.6 * grown.extension["fertility"][0]


def test_text_without_new_subwords_leaves_the_encoder_as_it_is(tmp_path, text):
    lines = [f"Ann sees {n % 10} {n // 10 % 10} {n // 100}" for n in range(150)]
    text.write_text("\n".join(lines), encoding="utf-8")
    encoder = make_encoder(tmp_path / "bert", lines * 3, "bert")
    grown = extended(encoder, text, subwords=100)
    plain = Backbone(str(encoder), Model(encoder=str(encoder)))
    assert (grown.source, grown.content) == (plain.source, plain.content)
    assert said(grown.extension).startswith("the text has no subwords")


def test_too_little_text(tmp_path, text):
    text.write_text("\n".join(LINES[:99] * 3), encoding="utf-8")
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    with pytest.raises(XltError, match="only 99 different lines") as error:
        extended(encoder, text)
    assert error.value.where == "model.vocabulary.extend"


def test_a_donor_has_nothing_to_say_to_a_mean():
    with pytest.raises(ValueError, match="leave `donor` out"):
        settings("e", "t", initialise="mean", donor="d")


def test_a_donor_that_is_missing(tmp_path, text):
    encoder = make_encoder(tmp_path / "bert", all_texts(), "bert")
    with pytest.raises(XltError) as error:
        extended(encoder, text, donor="nobody/nothing")
    assert error.value.where == "model.vocabulary.donor"
