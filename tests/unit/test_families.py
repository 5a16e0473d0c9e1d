"""Defaults by the kind of encoder: below everything that is written, above the schema's."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from xlt.config.families import MINI, SENTENCE, family
from xlt.config.load import dump, load_config
from xlt.config.schema import Config
from xlt.errors import XltErrors
from xlt.runs.train import say_defaults

BASIC = """\
name: a
task: ner
data: {eng: sample-ner, jav: sample-ner}
source: eng
target: jav
"""


def load(tmp_path: Path, text: str = "", *overrides: str):
    path = tmp_path / "a.yaml"
    path.write_text(BASIC + text, encoding="utf-8")
    return load_config(path, overrides)


@pytest.mark.parametrize(
    ("encoder", "found"),
    [
        ("e5-small", SENTENCE),
        ("intfloat/multilingual-e5-base", SENTENCE),
        ("sentence-transformers/LaBSE", SENTENCE),
        ("BAAI/bge-m3", SENTENCE),
        ("sentence-transformers/distiluse-base-multilingual-cased-v2", SENTENCE),
        ("models/multilingual-e5-small/", SENTENCE),
        ("experiments/e5-small-against-others/xlm-roberta-base", None),
        ("labse-data/bert", None),
        ("intfloat/e5-mistral-7b-instruct", None),
        ("BAAI/bge-multilingual-gemma2", None),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", None),
        ("Alibaba-NLP/gte-modernbert-base", None),
        ("sentence-transformers/sentence-t5-base", None),
        ("xlt-mini", MINI),
        ("xlm-roberta-base", None),
        ("bert-base-multilingual-cased", None),
    ],
)
def test_families(encoder, found):
    assert family(encoder) is found
    assert family(encoder, "random") is None


def test_they_are_keys_of_the_config():
    for one in (SENTENCE, MINI):
        for section, values in one.sections.items():
            fields = Config.model_fields[section].annotation.model_fields
            assert set(values) <= set(fields)


def test_what_is_written_wins(tmp_path):
    loaded = load(tmp_path, "model: {encoder: e5-small}\n", "training.batch_tokens=300")
    training = loaded.config.training
    assert loaded.config.model.standardise
    assert (training.learning_rate, training.head_learning_rate) == (2e-4, 1e-3)
    assert training.batch_tokens == 300
    assert set(loaded.family_defaults) == {
        "model.standardise",
        "training.learning_rate",
        "training.head_learning_rate",
    }


def test_a_rate_of_ones_own_is_for_all_layers(tmp_path):
    loaded = load(tmp_path, "model: {encoder: e5-small}\ntraining: {learning_rate: 1e-5}\n")
    assert loaded.config.training.head_learning_rate is None
    assert "training.head_learning_rate" not in loaded.family_defaults


def test_without_a_model_section(tmp_path):
    assert load(tmp_path).family is MINI
    assert load(tmp_path).config.training.learning_rate == 2e-4
    other = load(tmp_path, "", "model.encoder=xlm-roberta-base")
    assert other.family_defaults == {}
    assert other.config.training.learning_rate == 3e-5


def test_a_complete_config_says_the_same_again(tmp_path):
    loaded = load(tmp_path, "model: {encoder: e5-small}\n")
    path = tmp_path / "complete.yaml"
    path.write_text(dump(loaded.config), encoding="utf-8")
    again = load_config(path)
    assert again.config == loaded.config
    assert again.family_defaults == {}


def test_errors_keep_their_lines(tmp_path):
    with pytest.raises(XltErrors) as error:
        load(tmp_path, "model: {encoder: e5-small, standardise: 3}\ntraining: {epochs: -1}\n")
    assert [problem.where.rpartition("/")[2] for problem in error.value.problems] == [
        "a.yaml:6 (model.standardise)",
        "a.yaml:7 (training.epochs)",
    ]


def test_train_says_them(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        say_defaults(load(tmp_path, "model: {encoder: e5-small}\n"))
    (said,) = [record.getMessage() for record in caplog.records]
    assert "model.standardise true" in said
    assert "training.learning_rate 0.0002" in said
    assert SENTENCE.why in said
