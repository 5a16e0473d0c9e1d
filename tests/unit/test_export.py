"""What is exported predicts what the model does, is smaller, and is whole or not there."""

from __future__ import annotations

import errno
import json

import pytest
import torch
from models import make_model
from records import RECORDS
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from xlt.document import Document
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.export.folder import size, write
from xlt.export.tokenizer import Vocabulary, heard
from xlt.files import DamagedFile, listing
from xlt.inference.loading import make_direct_predictor
from xlt.model.calibration import Calibration, load, save
from xlt.model.folder import load_model, read_info, write_info
from xlt.model.int8 import quantised
from xlt.registry import tasks
from xlt.runs.export import export
from xlt.runs.trim_text import trim_texts

SMALL_PARSER = {"arc_size": 16, "relation_size": 8}


def texts_of(name: str, number: int = 3) -> list[Text]:
    task = tasks.get(name)()
    return [text for document in RECORDS[name][:number] for text in task.given_texts(document)]


def predict(folder, documents):
    """What the decoders read of each document, and what they make of it, in fp32."""
    task, backbone, predictor = make_direct_predictor(folder, batch_tokens=64, precision="fp32")
    examples = task.encode(documents, backbone, None)
    return [outputs for _, outputs in predictor.batches(examples)], predictor(documents, examples)


@pytest.fixture(scope="module")
def ner(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("export"), "ner", ("eng",))


# Trimmed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family", "options"),
    [
        ("ner", "xlm-roberta", {}),
        ("nli", "bert", {}),
        ("dependency_parsing", "umt5", SMALL_PARSER),
        ("event_extraction", "roberta", {}),
    ],
)
def test_on_the_text_a_trimmed_model_computes_the_same(tmp_path, name, family, options):
    folder, made = make_model(tmp_path, name, family=family, **options), tmp_path / "made"
    cut = write(folder, made, texts=texts_of(name))
    assert cut is not None
    assert cut.kept < cut.of
    assert len(AutoTokenizer.from_pretrained(made)) == cut.kept
    assert size(made) < size(folder)
    whole, trimmed = (predict(one, RECORDS[name][:3]) for one in (folder, made))
    for one, other in zip(whole[0], trimmed[0], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert whole[1] == trimmed[1]


def test_a_tokenizer_that_splits_the_text_otherwise_is_refused(tmp_path, ner, monkeypatch):
    monkeypatch.setattr(Vocabulary, "needed", lambda self, seen, texts: {*sorted(seen)[::2]})
    with pytest.raises(XltError, match="splits the text otherwise"):
        write(ner, tmp_path / "made", texts=texts_of("ner"))


def test_it_reads_other_text_too(tmp_path, ner):
    write(ner, tmp_path / "made", texts=texts_of("ner", 1))
    task, backbone, _ = load_model(tmp_path / "made")
    (example,) = task.encode(
        [Document("1", {"text": Text.from_words(["Mulyani"])})], backbone, None
    )
    assert not backbone.words.subwords.is_unknown(example.inputs["words"].subwords).any()


def test_what_belongs_to_the_model_goes_along(tmp_path):
    folder = make_model(tmp_path, "ner", ("eng", "jav"))
    save(folder, Calibration({"entities": 1.5}, "dev:eng", {"entities": 10}))
    write(folder, tmp_path / "made", texts=texts_of("ner"))
    assert load(tmp_path / "made") == load(folder)
    old, new = read_info(folder), read_info(tmp_path / "made")
    assert (new.languages, new.labels, new.options) == (old.languages, old.labels, old.options)


def test_a_model_that_writes_is_not_trimmed(tmp_path):
    folder = make_model(tmp_path, "ner", family="umt5", model="text_to_text")
    with pytest.raises(XltError, match="what it can say"):
        write(folder, tmp_path / "made", texts=texts_of("ner"))


def test_how_much_of_further_text_will_be_new(tmp_path, ner):
    """The subwords that were seen once, of all that were seen: counted by hand."""
    texts = [Text.from_words(words) for words in (["Budi", "bought"], ["Budi", "Ya"])]
    backbone = load_model(ner)[1]
    ids = [int(i) for words, _ in backbone.subwords.of_words(texts) for i in words]
    cut = write(ner, tmp_path / "made", texts=texts)
    assert cut.new == sum(ids.count(i) == 1 for i in ids) / len(ids) > 0
    assert heard(backbone.tokenizer, texts).total() == len(ids)
    assert write(ner, tmp_path / "again", texts=texts * 2).new == cut.new


# In 8 bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family"),
    [("ner", "xlm-roberta"), ("nli", "umt5")],  # the latter's embeddings are tied
)
def test_in_8_bits_weights_are_right_to_half_a_step(tmp_path, name, family):
    folder, made = make_model(tmp_path, name, family=family), tmp_path / "made"
    write(folder, made, int8=True)
    stored = load_file(made / "model.safetensors")
    before, after = (dict(load_model(one)[2].named_parameters()) for one in (folder, made))
    assert before.keys() == after.keys()
    in_8_bits = [key for key in after if not torch.equal(before[key], after[key])]
    assert len(in_8_bits) > 10
    for key in in_8_bits:
        steps = before[key].abs().amax(1, keepdim=True) / 127
        assert ((after[key] - before[key]).abs() <= 0.501 * steps).all(), key
        assert stored[key.removeprefix("encoder.")].dtype == torch.int8
    assert size(made) < 0.6 * size(folder)  # its tokenizer and its config are as large
    whole, close = (predict(one, RECORDS[name][:3])[0] for one in (folder, made))
    for one, other in zip(whole, close, strict=True):
        for key in one:
            error = (one[key] - other[key]).abs().max()
            assert 0 < error < 0.1 * one[key].std(), key


def test_a_row_of_zeros_stays_one():
    numbers, scale = quantised(torch.tensor([[0.0, 0.0], [-2.0, 1.0]]))
    assert numbers.tolist() == [[[0, 0], [-127, 64]]]
    assert (numbers * scale)[0].isfinite().all()


def test_an_exported_model_can_be_exported_again(tmp_path, ner):
    write(ner, tmp_path / "a", int8=True)
    write(tmp_path / "a", tmp_path / "b", texts=texts_of("ner"))
    assert "quantization_config" not in (tmp_path / "b" / "config.json").read_text()
    one, other = (predict(tmp_path / name, RECORDS["ner"][:3])[1] for name in "ab")
    assert one == other


def test_elsewhere_they_are_not_taken_for_weights(tmp_path, ner):
    write(ner, tmp_path / "made", int8=True)
    path = tmp_path / "made" / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"]["quant_method"] = "unknown"  # as without xlt
    path.write_text(json.dumps(config))
    with pytest.raises(RuntimeError, match="mismatch"):
        AutoModelForTokenClassification.from_pretrained(tmp_path / "made")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"modules": ["bert.no.such"]}, "does not load"),
        ({"modules": 3}, "does not load"),
        ({"modules": None}, "does not load"),
        ({"modules": ["bert.embeddings.LayerNorm"]}, "LayerNorm is no linear layer"),
        ({"quant_method": "bitsandbytes_4bit"}, r"are quantised \('bitsandbytes_4bit'\)"),
    ],
)
def test_a_config_of_a_stranger(tmp_path, ner, changes, error):
    write(ner, tmp_path / "made", int8=True)
    path = tmp_path / "made" / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"] |= changes
    path.write_text(json.dumps(config))
    write_info(read_info(tmp_path / "made"), tmp_path / "made")
    with pytest.raises(XltError, match=error):
        load_model(tmp_path / "made")


# The text ----------------------------------------------------------------------------------------


def test_a_file_in_a_format_of_the_task(tmp_path):
    path = tmp_path / "a.bio"
    path.write_text("Budi\tB-PER\nsees\tO\n\nYa\tO\n", encoding="utf-8")
    texts = trim_texts(tasks.get("ner")(), str(path), None)
    assert [text.words for text in texts] == [("Budi", "sees"), ("Ya",)]


@pytest.mark.parametrize("task", ["ner", "nli"])
def test_running_text(tmp_path, task):
    path = tmp_path / "a.txt"
    path.write_text("Budi sees it. Ya!\n\nShe left.\n", encoding="utf-8")
    task = tasks.get(task)()
    lines = trim_texts(task, str(path), None)
    assert [text.surface for text in lines] == ["Budi sees it. Ya!", "She left."]
    sentences = trim_texts(task, str(path), "eng")
    assert [text.surface for text in sentences] == ["Budi sees it.", "Ya!", "She left."]


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A card of two splits, of which one is here."""
    card = tmp_path / "mine.yaml"
    train, dev = ({"files": [{"local": [f"{n}.bio"], "note": "made here"}]} for n in "ab")
    card.write_text(
        json.dumps(
            {
                "identifier": "mine", "name": "Mine", "task": "ner", "licence": "CC0",
                "citation": "none", "origin": "native", "format": "bio",
                "languages": {"jav": {"train": train, "dev": dev}},
            }
        )
    )  # fmt: skip
    (tmp_path / "a.bio").write_text("Joko\tB-PER\nlihat\tO\n\n" * 3, encoding="utf-8")
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    monkeypatch.setattr("xlt.runs.trim_text.data_cards", lambda: ["mine", "sample-ner"])


def test_a_language_of_which_there_is_text(card, monkeypatch):
    task = tasks.get("ner")()
    with pytest.raises(XltError, match="there are 6 words of Javanese"):
        trim_texts(task, "jav", None)
    monkeypatch.setattr("xlt.runs.trim_text.MIN_WORDS", 6)
    assert [text.words for text in trim_texts(task, "Javanese", None)] == [("Joko", "lihat")] * 3


def test_a_card(card):
    task = tasks.get("ner")()
    for asked in ("mine:jav", "mine:jav:train"):
        assert [text.words for text in trim_texts(task, asked, None)] == [("Joko", "lihat")] * 3


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("mine", "several languages"),
        ("mine:eng", "no English"),
        ("mine:jav:test", "no split 'test'"),
        ("mine:jav:dev", "not on this machine"),
    ],
)
def test_a_card_without_such_text(card, asked, error):
    with pytest.raises(XltError, match=error):
        trim_texts(tasks.get("ner")(), asked, None)


@pytest.mark.parametrize(
    ("asked", "error"),
    [("no/such.txt", "no such file"), ("nolanguage", "unknown language"), (".", "a folder")],
)
def test_neither_text_nor_language(tmp_path, asked, error):
    with pytest.raises(XltError, match=error):
        trim_texts(tasks.get("ner")(), asked, None)


def test_a_file_without_text(tmp_path):
    (tmp_path / "a.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(XltError, match="no text"):
        trim_texts(tasks.get("ner")(), str(tmp_path / "a.txt"), "eng")


# The command -------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("Budi bought three books in Yogyakarta.\n", encoding="utf-8")
    return str(path)


def test_a_clock_that_did_not_move_says_nothing_of_speed(tmp_path, ner, text, monkeypatch):
    from xlt.commands.export import _shown

    data = tmp_path / "gold.bio"
    data.write_text("Budi\tB-PER\nbought\tO\nbooks\tO\n\n", encoding="utf-8")
    monkeypatch.setattr("time.process_time", lambda: 1.0)
    result = export(ner, tmp_path / "made", trim=[text], data=str(data))
    assert result["after"]["texts_per_cpu_second"] is None
    assert any(line.split()[-2:] == ["?", "?"] for line in _shown(result)[0].splitlines())


def test_before_and_after(tmp_path, ner, text):
    data = tmp_path / "gold.bio"
    data.write_text("Budi\tB-PER\nbought\tO\nbooks\tO\n\n" * 2, encoding="utf-8")
    result = export(ner, tmp_path / "made", trim=[text], data=str(data))
    before, after = result["before"], result["after"]
    assert after["bytes"] == size(tmp_path / "made") < before["bytes"] == size(ner)
    assert before["metrics"] == after["metrics"]
    assert after["same"] == 1
    assert min(one["texts_per_second"] for one in (before, after)) > 0
    assert result["trimmed"]["text"] == [text]
    assert [path.name for path in tmp_path.glob("made*")] == ["made"]
    json.dumps(result)


def test_no_more_than_the_limit_needs(tmp_path, ner, text):
    whole = size(ner) / 1e6
    done = [
        export(ner, tmp_path / name, trim=trim, max_mb=limit)
        for name, trim, limit in [
            ("a", [text], whole),
            ("b", [text], whole - 0.001),
            ("d", [text], whole / 2),
            ("e", (), whole - 0.001),
        ]
    ]
    assert [(bool(one["trimmed"]), one["quantised"]) for one in done] == [
        (False, None),
        (True, None),
        (True, "int8"),
        (False, "int8"),
    ]
    assert size(tmp_path / "d") / 1e6 <= whole / 2
    with pytest.raises(
        XltError,
        match=r"as small as 0.01 MB: it has 0\.1 MB as it is, 0\.1 MB with a trimmed vocabulary, "
        r"0\.0 MB with a trimmed vocabulary in int8",
    ):
        export(ner, tmp_path / "c", trim=[text], max_mb=0.01)
    assert [path.name for path in tmp_path.glob("c*")] == []


def test_nothing_is_overwritten(tmp_path, ner, text):
    (tmp_path / "made").mkdir()
    with pytest.raises(XltError, match="already"):
        export(ner, tmp_path / "made", trim=[text])


def test_what_is_there_meanwhile_stays(tmp_path, ner, monkeypatch):
    theirs, output = tmp_path / "made.part" / "a.txt", tmp_path / "made"
    theirs.parent.mkdir()
    theirs.write_text("theirs")

    def and_somebody_else(*args, **options):
        write(*args, **options)
        output.mkdir()

    monkeypatch.setattr("xlt.export.folder.write", and_somebody_else)
    with pytest.raises(XltError, match="already"):
        export(ner, output)
    assert theirs.read_text() == "theirs"
    assert {path.name for path in tmp_path.glob("made*")} == {"made", "made.part"}
    assert [*output.iterdir()] == []


def test_not_into_the_model_itself(ner):
    with pytest.raises(XltError, match="inside the model's own folder"):
        export(ner, ner / "made")
    assert read_info(ner).files == listing(ner, without=["xlt.json"])


@pytest.mark.parametrize(
    ("number", "what"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "cannot write")]
)
def test_what_cannot_be_written(tmp_path, ner, monkeypatch, number, what):
    def fail(*args, **options):
        raise OSError(number, "no")

    monkeypatch.setattr("xlt.export.folder.save_model", fail)
    with pytest.raises(XltError, match=what) as error:
        export(ner, tmp_path / "made")
    assert error.value.where == str(tmp_path / "made")
    assert error.value.fix.endswith("name another folder with --output")
    assert [*tmp_path.iterdir()] == []


def test_what_cannot_be_read_to_score_on_is_not_called_writing(tmp_path, ner, monkeypatch):
    def fail(*args, **options):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr("xlt.runs.export._scored", fail)
    with pytest.raises(OSError, match="no"):
        export(ner, tmp_path / "made", data="a.bio")
    assert [*tmp_path.iterdir()] == []


def test_the_exported_files_are_checked_when_they_are_used(tmp_path, ner):
    write(ner, tmp_path / "made", texts=texts_of("ner"))
    path = tmp_path / "made" / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"tokenizer.json is damaged"):
        load_model(tmp_path / "made")


def test_pipelines_of_transformers_and_spacy_read_it(tmp_path, ner):
    from xlt.spacy_component import pipeline as of_spacy
    from xlt.transformers_pipeline import EntityPipeline

    made = tmp_path / "made"
    write(ner, made, texts=texts_of("ner"), int8=True)
    text = "Budi bought three books in Yogyakarta."
    find = pipeline("token-classification", str(made), pipeline_class=EntityPipeline)
    found = [(one["word"], one["entity_group"]) for one in find(text)]
    assert found == [(entity.text, entity.label_) for entity in of_spacy(made)(text).ents]
