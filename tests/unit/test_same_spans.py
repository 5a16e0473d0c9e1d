"""transformers and spaCy find what `xlt predict` finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from models import make_model
from transformers import pipeline as transformers_pipeline

from xlt.errors import XltError
from xlt.runs.predict import predict
from xlt.spacy_component import pipeline
from xlt.transformers_pipeline import EntityPipeline

TEXTS = [
    "Budi bought three books in Yogyakarta. Dr. Sri Mulyani will visit the United Nations!!",
    "Joko visits Sri in Kano",
    "  Ya\u00a0 Budi (Solo),  on Monday… Joko's? ",
    "ዶክተር አበበ ወደ አዲስ አበባ ሄደ። 北京的天气很好。",
    "",
    "œuvre\u200b 👩‍🔬 e\u0301té Kano.",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "ner": make_model(root, "ner", ("hau",)),
        "dependency_parsing": make_model(root, "dependency_parsing", ("hau",)),
    }


@pytest.fixture(scope="module")
def expected(models, tmp_path_factory) -> dict[str, list[list[dict[str, Any]]]]:
    """Task → what xlt predicts of each text."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "in.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8", newline="\n")
    found = {}
    for (name, model), layer in zip(models.items(), ("entities", "tree"), strict=True):
        out = folder / f"{name}.out"
        predict(model, str(folder / "in.txt"), str(out), output_format="standoff", quiet=True)
        lines = out.read_text(encoding="utf-8").splitlines()
        found[name] = [json.loads(line)[layer] for line in lines]
    assert sum(map(len, found["ner"])) > 5
    return found


def test_transformers(models, expected):
    find = transformers_pipeline(
        "token-classification", str(models["ner"]), pipeline_class=EntityPipeline
    )
    found = find(TEXTS)
    same = [
        [
            {"label": e["entity_group"], "confidence": e["score"], "text": e["word"]}
            | {"start": e["start"], "end": e["end"]}
            for e in of_text
        ]
        for of_text in found
    ]
    assert same == expected["ner"]
    assert find(TEXTS[0]) == found[0]
    lines = find("\n".join(TEXTS))
    assert [e["word"] for e in lines] == [e["word"] for of_text in found for e in of_text]
    assert find(TEXTS[0], language="eng") is not None


def test_transformers_needs_a_tagger(models):
    name, folder = "token-classification", str(models["dependency_parsing"])
    with pytest.raises(XltError, match="this model of dependency_parsing tags no spans"):
        transformers_pipeline(name, folder, pipeline_class=EntityPipeline)


def test_spacy(models, expected):
    nlp = pipeline(models["ner"])
    for doc, text, entities in zip(nlp.pipe(TEXTS), TEXTS, expected["ner"], strict=True):
        assert doc.text == text
        assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == [
            (e["start"], e["end"], e["label"]) for e in entities
        ]
    lines = nlp("\n".join(TEXTS))
    assert [e.text for e in lines.ents] == [e["text"] for some in expected["ner"] for e in some]


def test_trees_of_spacy(models, expected):
    nlp = pipeline(models["dependency_parsing"], batch_tokens=99)
    assert nlp.get_pipe("xlt").batch_tokens == 99
    for doc, words in zip(nlp.pipe(TEXTS), expected["dependency_parsing"], strict=True):
        tokens = [token for token in doc if not token.is_space]
        assert [token.idx for token in tokens] == [word["start"] for word in words]
        for token, word in zip(tokens, words, strict=True):
            head = words[word["head"] - 1] if word["head"] else word
            assert token.head.idx == head["start"]
            assert token.dep_.lower() == (word["label"] if word["head"] else "root")


def test_the_pipeline_can_be_moved(models, tmp_path):
    nlp = pipeline(models["ner"], "eng")
    nlp.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    assert again.tokenizer.language == "eng"
    one, other = nlp(TEXTS[0]), again(TEXTS[0])
    assert [str(e) for e in one.ents] == [str(e) for e in other.ents]
    third = pipeline(models["ner"], "hau").from_bytes(nlp.to_bytes())
    assert third.tokenizer.language == "eng"


def test_the_language_has_to_be_known(tmp_path):
    model = make_model(tmp_path, "ner")
    with pytest.raises(XltError, match="the text needs a language"):
        pipeline(model)
    find = transformers_pipeline("token-classification", str(model), pipeline_class=EntityPipeline)
    with pytest.raises(XltError, match="the text needs a language"):
        find("Ana.")
