"""Which encoder: the packaged facts, what the points rest on, and the ranking."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xlt import registry
from xlt.errors import XltError
from xlt.model import facts
from xlt.runs import encoders
from xlt.runs.encoders import advise, better_encoder, reason, recommended
from xlt.typology.pretraining import of_encoder
from xlt.typology.scores import matrices, measured_tasks


def ranked(**asked):
    fitting, _ = advise(**{"max_gib": 16, **asked})
    return {one.facts.name: one for one in fitting}


# Facts -----------------------------------------------------------------------------------------


def test_every_encoder_says_what_it_is_and_whence_that_is_known():
    known = facts.encoders()
    assert len(known) >= 30
    names = [name.casefold() for one in known for name in one.ids]
    assert len(names) == len(set(names))
    for one in known:
        assert one.licence
        assert len(one.source) > 20
        assert min(one.layers, one.width, one.heads) > 0
        assert all(of_encoder(name) is not None for name in one.ids), one.name


def test_scores_are_of_tables_and_tasks_that_there_are():
    tables = {table.about["model"] for table in matrices()}
    for one in facts.encoders():
        assert set(one.measured_as) <= tables, one.name
        assert {p.task for p in one.published} <= {*registry.tasks.names(), *measured_tasks()}


@pytest.mark.parametrize("one", facts.encoders(), ids=lambda one: one.name)
def test_the_architecture_has_so_many_parameters(one):
    torch = pytest.importorskip("torch")
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

    config = AutoConfig.for_model(**one.config)
    half = "t5" in config.model_type
    with torch.device("meta"):
        model = (AutoModelForTextEncoding if half else AutoModel).from_config(config)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total == one.parameters
    if config.model_type == "canine":
        tables = [p for n, p in model.named_parameters() if "HashBucketCodepointEmbedder" in n]
    else:
        tables = [model.get_input_embeddings().weight]
    assert sum(table.numel() for table in tables) == one.embeddings
    assert (config.num_hidden_layers, config.hidden_size) == (one.layers, one.width)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("FacebookAI/xlm-roberta-base", "XLM-R base"),
        ("xlm-roberta-base", "XLM-R base"),
        ("/models/mDeBERTa-v3-base/", "mDeBERTa v3 base"),
        ("e5-small", "multilingual-e5-small"),
        ("xlt-mini", "xlt-mini"),
        ("RemBERT", "RemBERT"),
    ],
)
def test_an_encoder_is_found_by_its_name(name, found):
    assert facts.get(name).name == found


def test_of_others_nothing_is_known():
    assert facts.find("roberta-base") is None
    assert facts.find(None) is None
    with pytest.raises(XltError, match="roberta-base"):
        facts.get("roberta-base")


@pytest.mark.parametrize("content", ["a: [", "name: x\n", "- 1\n"])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, content):
    (tmp_path / "bad.yaml").write_text(content, encoding="utf-8")
    monkeypatch.setattr(facts, "FOLDER", tmp_path)
    facts.encoders.cache_clear()
    try:
        with pytest.raises(XltError, match=r"bad\.yaml"):
            facts.encoders()
    finally:
        facts.encoders.cache_clear()


# What the points rest on -----------------------------------------------------------------------


def gains(axis: int) -> list[float]:
    """Of every language that one alone of XLM-R and mBERT has read: how much better that one is.

    axis: 0 for targets, 1 for sources.
    """
    by_name = {table.name: table for table in matrices()}
    xlmr, mbert = of_encoder("xlm-roberta-base"), of_encoder("bert-base-multilingual-cased")
    assert xlmr is not None
    assert mbert is not None
    found = []
    for task in ("ner", "pos"):
        a, b = by_name[f"nnrank_{task}_xlmr"], by_name[f"nnrank_{task}_mbert"]
        assert (a.sources, a.targets) == (b.sources, b.targets)
        difference = np.nanmean(a.scores - b.scores, axis)
        for code, points in zip((a.targets, a.sources)[axis], difference, strict=True):
            if xlmr.has_read(code) != mbert.has_read(code):
                found.append(float(points if xlmr.has_read(code) else -points))
    return found


def test_an_encoder_that_has_read_the_target_is_better():
    targets = gains(0)
    assert len(targets) == 24
    assert min(targets) > 0
    assert np.mean(targets) == pytest.approx(encoders.READ_TARGET, abs=0.5)


def test_one_that_has_read_the_source_is_a_little_better():
    sources = gains(1)
    assert len(sources) == 5
    assert sum(points > 0 for points in sources) == 4
    assert np.mean(sources) == pytest.approx(encoders.READ_SOURCE, abs=0.5)


# The ranking -----------------------------------------------------------------------------------


def test_what_has_read_the_target_comes_first():
    by_name = ranked(target="Yoruba")
    assert {one.points["target"] for one in list(by_name.values())[:15]} == {0}
    assert list(by_name.values())[-1].points["target"] == -encoders.READ_TARGET
    assert by_name["XLM-R base"].points["target"] == -encoders.READ_TARGET
    assert by_name["XLM-R base"].read == {"target": "never read"}
    assert by_name["AfroXLMR base"].points == {
        "target": 0, "adapted": encoders.ADAPTED, "size": pytest.approx(0)
    }  # fmt: skip
    assert by_name["mmBERT base"].read["target"] == "147 million tokens"
    # 52,000 tokens
    assert by_name["xlt-mini"].points["target"] == -encoders.READ_TARGET / 2


def test_what_is_not_known_to_have_been_read_does_not_count_as_read():
    advice = ranked(target="eus")["SERENGETI"]
    assert advice.read["target"] == "not known"
    assert advice.points["target"] == -encoders.READ_TARGET


def test_an_adapted_encoder_is_no_better_elsewhere():
    names = list(ranked(target="deu", task="ner"))
    assert "adapted" not in ranked(target="deu")["AfroXLMR base"].points
    assert ranked(target="hau")["AfroXLMR base"].read["target"] == "adapted to it"
    assert names.index("mDeBERTa v3 base") < names.index("AfroXLMR base")


def test_the_source_counts_less():
    one = ranked(target="swa", source="yor")["XLM-R base"]
    assert one.points["target"] == 0
    assert one.points["source"] == -encoders.READ_SOURCE


def test_size_is_what_was_published_where_something_was():
    by_name = ranked(target="deu", task="nli")
    assert by_name["XLM-R large"].points["size"] == pytest.approx(80.9 - 76.2)
    assert by_name["mBERT"].points["size"] == pytest.approx(66.3 - 76.2)
    assert by_name["multilingual-e5-large"].points["size"] == pytest.approx(4.73, abs=0.01)
    assert ranked(target="deu", task="ner")["mBERT"].points["size"] == pytest.approx(84.82 - 87.17)
    assert ranked(target="deu")["ByT5 small (encoder)"].points["size"] == 0  # it reads bytes


def test_measured_scores_are_shown():
    by_name = ranked(target="jav", source="ind", task="ner")
    measured = by_name["XLM-R base"].measured
    assert measured is not None
    table = next(t for t in matrices() if t.name == measured["table"])
    own = table.scores[table.sources.index("ind"), table.targets.index("jav")]
    assert measured["score"] == pytest.approx(own, abs=0.01)
    assert by_name["LaBSE"].measured is None
    assert ranked(target="jav", source="tlh", task="ner")["XLM-R base"].measured is None


def test_what_does_not_fit_is_set_aside():
    fitting, larger = advise("deu", max_gib=4)
    assert "XLM-R base" in [one.facts.name for one in fitting]
    assert all(one.memory_gib <= 4 for one in fitting)
    assert all(one.memory_gib > 4 for one in larger)
    assert len(fitting) + len(larger) == len(facts.encoders())
    assert "XLM-R large" in [one.facts.name for one in larger]
    assert advise("deu", max_gib=0.1)[0] == []
    assert recommended([]) is None


def test_memory_is_at_least_that_of_the_weights_their_gradients_and_adam_s_two_moments():
    fitting, larger = advise(max_gib=1e6)
    assert (len(fitting), larger) == (len(facts.encoders()), [])
    for one in fitting:
        assert one.memory_gib > 4 * 4 * one.facts.rest / 2**30  # all but the embeddings
        assert one.memory_gib >= 4 * one.facts.parameters / 2**30  # as they are loaded
        assert one.subwords_per_second > 0


def test_research_only_is_not_recommended():
    fitting, _ = advise("din", max_gib=4)  # Dinka
    assert fitting[0].facts.name == "SERENGETI"
    best = recommended(fitting)
    assert best is not None
    assert not best.facts.research_only
    alone = recommended([fitting[0]])
    assert alone is fitting[0]


def test_the_reason_is_said():
    fitting, _ = advise("yor", max_gib=4)
    best = recommended(fitting)
    assert best is not None
    said = reason(best, fitting, "yor")
    assert said.startswith("it has read Yoruba")
    lacking = [one for one in fitting if one.points["target"] < 0]
    assert any("tokens" in one.read["target"] for one in lacking)  # it was read, though little
    assert f"{len(lacking)} of the {len(fitting)} have read little or nothing of it" in said
    assert "none of the others is expected to be better" in said
    assert "as far as is known" not in reason(best, [best], "yor")
    assert "none of the others" not in reason(fitting[-1], fitting, "yor")
    assert "licence" in reason(best, fitting, "yor")
    none, _ = advise("ain", max_gib=4)
    assert "none that fits is known to have read much of Ainu" in reason(none[0], none, "ain")


def test_a_text_is_split_by_what_is_here(monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr(encoders, "is_here", lambda one: one.id == registry.EMBEDDED)
    advice = ranked(target="eng", text=["The cat sat there .", "ᐃᓄᒃᑎᑐᑦ ᐃᓄᒃᑎᑐᑦ"])["xlt-mini"]
    assert advice.here
    assert advice.fertility is not None
    assert advice.fertility >= 1
    assert advice.unknown is not None
    assert 0 < advice.unknown < 1
    assert advice.points["text"] == pytest.approx(-encoders.READ_TARGET * advice.unknown)
    absent = ranked(target="eng", text=["a b"])["LaBSE"]
    assert absent.fertility is None
    assert "text" not in absent.points


def test_advice_is_json():
    (one, *_), _ = advise("hau", source="eng", task="ner", max_gib=4)
    stored = json.loads(json.dumps(one.as_dict()))
    assert stored["id"] == one.facts.id
    assert stored["points"].keys() >= {"target", "source", "size"}


@pytest.mark.parametrize(
    "asked", [{"target": "xyzzy"}, {"source": "xyzzy"}, {"target": "hau", "task": "cooking"}]
)
def test_what_is_not_known_is_refused(asked):
    with pytest.raises(XltError, match=r"xyzzy|cooking"):
        advise(**asked)


def test_a_better_encoder_for_a_target_that_was_not_read():
    better = better_encoder("xlm-roberta-base", "yor", "ner")
    assert better is not None
    assert better.points["target"] == 0
    assert better_encoder("xlm-roberta-base", "deu", "ner") is None
    assert better_encoder("./my-encoder", "yor", "ner") is None
    assert better_encoder("xlm-roberta-base", "ain", "ner") is None  # none has read it
