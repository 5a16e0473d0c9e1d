"""xlt.config: YAML 1.2, all problems at once with their lines, layers, plugins, round trip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlt.config.editor import schema
from xlt.config.load import LoadedConfig, dump, load_config, resolved
from xlt.config.schema import Training
from xlt.errors import XltError, XltErrors
from xlt.runs.experiment import check, make_strategy, prepare
from xlt.transfer.stage import StageOverrides, override
from xlt.yaml.nodes import parse, resolve
from xlt.yaml.write import to_yaml

BASIC = """\
name: javanese
task: ner
model: {encoder: xlm-roberta-base}
data:
  en: {train: en.bio, dev: en-dev.bio}
  jv: {test: jv.bio}
source: en
target: jv
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes, name: str = "transfer.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def problems(path: Path, *overrides: str) -> list[XltError]:
    with pytest.raises(XltError) as caught:
        load_config(path, overrides)
    error = caught.value
    found = error.problems if isinstance(error, XltErrors) else [error]
    for problem in found:
        assert problem.what
        assert problem.where
        assert problem.fix, problem.render()
    return found


def only(path: Path, *overrides: str) -> XltError:
    found = problems(path, *overrides)
    assert len(found) == 1, "\n".join(p.render() for p in found)
    return found[0]


# YAML 1.2 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"), ("1_000", "1_000"), ("1e-5", 1e-5), ("1.", 1.0), (".5", 0.5),
        ("-3", -3), ("007", 7), ("0o17", 15), ("0xff", 255), ("true", True), ("False", False),
        ("", None), ("~", None), ("null", None), ("Null", None), ("nULL", "nULL"),
        (".inf", float("inf")), ("-.INF", float("-inf")), ("+1", 1), (".", "."), ("1e", "1e"),
    ],
)  # fmt: skip
def test_scalars_are_read_by_the_core_schema(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_norwegian_is_a_language_and_1e5_a_number(write):
    path = write(BASIC.replace("jv", "no") + "training: {learning_rate: 1e-5}\n")
    config = load_config(path).config
    assert config.target == ["nor"]
    assert list(config.data) == ["eng", "nor"]
    assert config.training.learning_rate == 1e-5


def test_a_quoted_number_stays_text(write):
    error = only(write(BASIC + 'seeds: ["1"]\n'))
    assert error.where.endswith("transfer.yaml:9 (seeds.0)")
    assert "remove the quotes" in error.fix


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!x", "!!str", "!"])
def test_tags_are_errors(write, tag):
    error = only(write(BASIC + f"output:\n  root: {tag} x\n"))
    assert "tags are not allowed" in error.what
    assert error.where.endswith(":10")


def test_a_repeated_key_is_an_error_that_names_both_lines(write):
    error = only(write(BASIC + "seeds: [1]\nseeds: [2]\n"))
    assert error.where.endswith(":10")
    assert ":9" in error.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("---\n...\n", "empty"),
        ("- a\n- b\n", "mapping"),
        ("just text\n", "mapping"),
        ("a: [1, 2\nb: 3\n", "not valid YAML"),
        ("a:\n\tb: 1\n", "not valid YAML"),
        ("a: *b\n", "nothing is named &b"),
        ("a: &a [*a]\n", "nothing is named &a"),
        ("a: \x01\n", "not allowed"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        (b"name: caf\xe9\n", "not UTF-8"),
        (BASIC.encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_cannot_be_read(write, text, what):
    assert what in only(write(text)).what


def test_aliases_of_aliases_do_not_explode(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "values" in only(write("\n".join(lines))).what


def test_a_byte_order_mark_is_not_part_of_the_first_key(write):
    assert load_config(write(b"\xef\xbb\xbf" + BASIC.encode())).config.name == "javanese"


def test_missing_file_names_the_nearest(write, tmp_path):
    write(BASIC)
    assert "transfer.yaml" in only(tmp_path / "tranfser.yaml").fix
    assert only(tmp_path).what.startswith("cannot be read")


# Problems ----------------------------------------------------------------------------------


def test_every_problem_is_listed_at_once_in_the_order_of_the_file(write):
    path = write("""\
name: bad name
task: {name: ner, shceme: x}
model: {encoder: x, max_lenght: 3}
data:
  en: {train: a, dev: [b, {ref: c, limit: "3"}]}
  eng: {train: a}
  Klingonese: {}
sorce: en
target: []
strategy: {name: hierarchical, through: [Klingonese], stages: {en: {epochs: -1}}}
training:
  epochs: three
  epoch: 3
  learning_rate: .nan
  precision: bf61
  gradient_checkpointing: no
epochs: 3
selection: source_dev
""")
    found = problems(path)
    assert [p.where.removeprefix(f"{path}:") for p in found] == [
        "1 (name)", "2 (task.shceme)", "3 (model.max_lenght)", "5 (data.eng.dev.1.limit)",
        "6 (data.eng)", "7 (data.Klingonese)", "8 (sorce)", "9 (target)",
        "10 (strategy.through.0)", "10 (strategy.stages.eng.epochs)",
        "12 (training.epochs)", "13 (training.epoch)", "14 (training.learning_rate)",
        "15 (training.precision)", "16 (training.gradient_checkpointing)", "17 (epochs)",
        "18 (selection)",
    ]  # fmt: skip
    fixes = {p.where.partition("(")[2].rstrip(")"): p.fix for p in found}
    assert "model.max_length" in fixes["model.max_lenght"]
    assert "source" in fixes["sorce"]
    assert "training.epochs" in fixes["training.epoch"]
    assert "training.epochs" in fixes["epochs"]
    assert "bf16" in fixes["training.precision"]
    assert "write false" in fixes["training.gradient_checkpointing"]


@pytest.mark.parametrize(
    ("addition", "key", "what"),
    [
        ("seeds: []", "seeds", "must be 1 or more, not an empty list"),
        ("seeds: [1, 1]", "seeds", "names 1 twice"),
        ("seeds: 1", "seeds", "must be a list, not 1"),
        ("training: {epochs: true}", "training.epochs", "must be a whole number, not true"),
        ("training: {epochs: 1.5}", "training.epochs", "must be a whole number, not 1.5"),
        ("training: {warmup: 1}", "training.warmup", "must be less than 1.0, not 1"),
        ("training: {adam_betas: [0.9]}", "training.adam_betas.1", "missing"),
        ("training:", "training", "must be a mapping (`key: value`), not null"),
        ("evaluation: {splits: [tset]}", "evaluation.splits.0", "must be 'dev' or 'test'"),
        ("model: {encoder: 3}", "model.encoder", "must be text, not 3"),
        ("model: {encoder: x, lora: {modules: 3}}", "model.lora.modules", "a list or 'auto'"),
        ("source: [en, English]", "source", "names 'eng' twice"),
        ("target: Klingonese", "target", "unknown language"),
        ("strategy: {name: few_shot}", "strategy.k", "missing"),
        (
            "strategy: {name: hierarchical, stages: {Klingonese: {epochs: 1}}}",
            "strategy.stages.Klingonese",
            "unknown language",
        ),
        ("strategy: zero_shto", "strategy", "no strategy called 'zero_shto'"),
        ("strategy: {name: [a]}", "strategy.name", "must be text, not a list of 1"),
        ("task: {}", "task.name", "missing"),
        ("data: {jv: {train: {limit: 3}}}", "data.jav.train.ref", "missing"),
        ("<<: {seeds: [1]}", "<<", "unknown key '<<'"),
    ],
)
def test_single_problems(write, addition, key, what):
    first = addition.partition(":")[0]
    kept = [line for line in BASIC.splitlines() if not line.startswith(f"{first}:")]
    if first == "data":
        kept = [line for line in kept if not line.startswith(" ")]
    error = only(write("\n".join([*kept, addition, ""])))
    assert error.where.endswith(f":{len(kept) + 1} ({key})")
    assert what in error.what


def test_a_misspelt_required_key_is_one_problem(write):
    error = only(write(BASIC.replace("target:", "tagret:")))
    assert "target" in error.fix


def test_problems_of_plugin_validators_keep_their_own_words(write):
    from xlt.registry import tasks
    from xlt.task import TaskOptions

    class Options(TaskOptions):
        size: int = 1

        def model_post_init(self, context):
            raise XltError("sizes are out of stock", fix="order some")

    class Stub:
        @staticmethod
        def readable() -> dict[str, tuple[str, ...]]:
            return {}

    Stub.Options = Options
    tasks.register("stub", Stub)
    try:
        found = problems(write(BASIC.replace("ner", "stub") + "seeds: []\n"))
    finally:
        tasks.unregister("stub")
    assert (found[0].what, found[0].fix) == ("sizes are out of stock", "order some")
    assert len(found) == 2


# Layers ------------------------------------------------------------------------------------


def test_extends_merges_mappings_and_replaces_lists(write, tmp_path):
    write(BASIC + "training: {epochs: 7, warmup: 0.2}\nseeds: [1, 2]\n", "base/base.yaml")
    write("extends: base/base.yaml\nname: middle\nseeds: [3]\n", "middle.yaml")
    loaded = load_config(write("extends: middle.yaml\ntraining: {warmup: 0}\n"))
    config = loaded.config
    assert (config.name, config.seeds) == ("middle", [3])
    assert (config.training.epochs, config.training.warmup) == (7, 0)
    assert [p.name for p in loaded.files] == ["base.yaml", "middle.yaml", "transfer.yaml"]
    assert config.data["eng"].train[0].ref == str(tmp_path / "base" / "en.bio")
    assert loaded.where("training.epochs").endswith("base.yaml:9 (training.epochs)")
    assert loaded.where("training.warmup").endswith("transfer.yaml:2 (training.warmup)")


def test_layers_that_spell_a_language_differently_are_merged(write):
    write(BASIC, "base.yaml")
    path = write("extends: base.yaml\ndata: {Javanese: {train: x:y:z}}\n")
    data = load_config(path, ["data.jav.dev=hf:a:b"]).config.data["jav"]
    assert [r[0].ref for r in (data.train, data.dev)] == ["x:y:z", "hf:a:b"]
    assert data.test[0].ref.endswith("jv.bio")


def test_another_plugin_does_not_inherit_the_options_of_the_first(write):
    write(BASIC + "strategy: {name: hierarchical, through: [id]}\n", "base.yaml")
    path = write("extends: base.yaml\nstrategy: zero_shot\n")
    assert load_config(path).config.strategy.options == {}
    path = write("extends: base.yaml\nstrategy: {target_stage: false}\n")
    options = load_config(path).config.strategy.options
    assert (options["through"], options["target_stage"]) == ([["ind"]], False)
    options = load_config(path, ["strategy.k=3", "strategy.name=few_shot"]).config.strategy
    assert (options.name, options.options["k"]) == ("few_shot", 3)


def test_plugins_inside_a_section(write):
    write(BASIC + "projection:\n  translator: {name: apertium, timeout: 3}\n", "base.yaml")
    path = write("extends: base.yaml\nprojection: {aligner: {name: given, file: a.txt}}\n")
    projection = load_config(path, ["projection.translator.unknown=1"]).config.projection
    assert projection.translator.options["timeout"] == 3
    assert projection.translator.options["unknown"] == 1
    assert projection.translator.options["sentences"] is True  # a default of the plugin
    assert projection.aligner.options["file"] == str(path.parent / "a.txt")
    other = load_config(path, ["projection.translator={name: given, file: b}"]).config.projection
    assert "timeout" not in other.translator.options
    wrong = write(BASIC + "projection:\n  translator: {name: apertium, timeot: 3}\n  gapp: 1\n")
    assert [p.where.split()[1] for p in problems(wrong)] == [
        "(projection.translator.timeot)",
        "(projection.gapp)",
    ]
    unknown = only(write(BASIC + "projection: {aligner: givn}\n"))
    assert "did you mean 'given'" in unknown.fix
    assert load_config(write(BASIC)).config.projection.translator is None


def test_extends_in_a_circle(write):
    write("extends: b.yaml\n", "a.yaml")
    error = only(write("extends: a.yaml\n", "b.yaml"))
    assert "b.yaml → a.yaml → b.yaml" in error.what
    assert error.where.endswith("a.yaml:1 (extends)")


@pytest.mark.parametrize("value", ["missing.yaml", "[a.yaml]", "3"])
def test_extends_of_something_else(write, value):
    assert "transfer.yaml:1 (extends)" in only(write(f"extends: {value}\n")).where


def test_problems_of_a_base_file_carry_its_name(write):
    write(BASIC + "training: {epoch: 3}\n", "base.yaml")
    found = problems(write("extends: base.yaml\nseed: [1]\n"))
    assert [Path(p.where).name for p in found] == [
        "base.yaml:9 (training.epoch)",
        "transfer.yaml:2 (seed)",
    ]


@pytest.mark.parametrize(
    ("text", "get", "value"),
    [
        ("training.epochs=3", lambda c: c.training.epochs, 3),
        ("training.learning_rate=1e-5", lambda c: c.training.learning_rate, 1e-5),
        ("model.trim_vocabulary=false", lambda c: c.model.trim_vocabulary, False),
        ("training.warmup=0", lambda c: c.training.warmup, 0),
        ("training.max_steps=null", lambda c: c.training.max_steps, None),
        ("training.max_steps=", lambda c: c.training.max_steps, None),
        ("training.freeze=[]", lambda c: c.training.freeze, []),
        ("seeds=[4, 5]", lambda c: c.seeds, [4, 5]),
        ("target=[no, on_]", None, "unknown language"),
        ("target=no", lambda c: c.target, ["nor"]),
        ("model.lora.rank=2", lambda c: c.model.lora.rank, 2),
        ("data.Norwegian.test=a:b:c", lambda c: c.data["nor"].test[0].ref, "a:b:c"),
        ("training={epochs: 4}", lambda c: (c.training.epochs, c.training.max_steps), (4, 9)),
    ],
)
def test_overrides_are_typed_falsy_values_included(write, text, get, value):
    path = write(BASIC + "training: {max_steps: 9, freeze: [embeddings]}\n")
    if get is None:
        assert value in only(path, text).what
    else:
        assert get(load_config(path, [text]).config) == value


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("training.epoch=3", "command line (training.epoch)", "training.epochs"),
        ("training.epochs=x", "command line (training.epochs)", "whole number"),
        ("training.epochs", "command line", "key.key=value"),
        ("=3", "command line", "key.key=value"),
        ("training..epochs=3", "command line", "key.key=value"),
        ("training.epochs=[1", "command line (training.epochs)", "not valid YAML"),
        ("training.epochs=!!int 3", "command line (training.epochs)", "tags"),
        ("extends=a.yaml", "command line (extends)", "file"),
        ("data.Klingonese.train=x", "command line (data.Klingonese)", "unknown language"),
    ],
)
def test_bad_overrides(write, text, where, said):
    error = only(write(BASIC), text)
    assert error.where == where
    assert said in error.render()


def test_overrides_resolve_paths_against_the_working_directory(write, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_config(write(BASIC), ["data.jav.test=x.bio"]).config
    assert config.data["jav"].test[0].ref == str(tmp_path / "elsewhere" / "x.bio")


def test_the_encoder_is_a_path_only_where_it_must_be(write, tmp_path):
    (tmp_path / "models" / "small").mkdir(parents=True)
    for text, value in [
        ("models/small", str(tmp_path / "models" / "small")),
        ("./missing", str(tmp_path / "missing")),
        ("org/model", "org/model"),
    ]:
        config = load_config(write(BASIC.replace("xlm-roberta-base", text))).config
        assert config.model.encoder == value


# The result --------------------------------------------------------------------------------

FULL = """\
name: full
task: dependency_parsing
model: {encoder: ./encoder, lora: {rank: 4}, trim_vocabulary: false}
data:
  en: {train: [en.conllu, {ref: ud:eng:train, limit: 5}], dev: x:eng:dev}
  Indonesian: {train: hf:a/b:train, dev: {ref: c.jsonl, columns: {words: tokens, tags: "no"}}}
  jv: {all: card, train: jv.conllu, dev: jv.conllu}
source: [en]
target: [jv]
strategy:
  name: hierarchical
  through: [id]
  stages: {id: {epochs: 2, max_steps: null}, target: {learning_rate: 1e-4, freeze: []}}
training: {warmup: 0, adam_betas: [0.9, 0.98], freeze: ["layers:3"]}
selection: {on: target_dev}
output: {root: out}
"""


@pytest.mark.parametrize("text", [BASIC, FULL])
def test_a_dumped_config_reads_back_as_an_equal_one(write, text):
    config = load_config(write(text)).config
    again = load_config(write(dump(config), "elsewhere/config.yaml")).config
    assert again == config
    assert resolved(again) == resolved(config)
    assert dump(again) == dump(config)


def test_a_resolved_config_holds_every_default_of_the_plugins(write):
    options = resolved(load_config(write(FULL)).config)["strategy"]
    assert options["target_stage"] is True
    assert options["stages"] == {
        "ind": {"epochs": 2, "max_steps": None},
        "target": {"learning_rate": 1e-4, "freeze": []},
    }


def test_stage_overrides_change_only_what_they_set():
    training = Training(epochs=3, max_steps=7)
    changed = override(training, StageOverrides(max_steps=None, warmup=0))
    assert (changed.epochs, changed.max_steps, changed.warmup) == (3, None, 0)
    assert type(changed) is Training


def test_rates_of_a_stage_belong_together():
    training = Training(learning_rate=2e-4, head_learning_rate=1e-3)
    assert override(training, StageOverrides(epochs=1)).head_learning_rate == 1e-3
    assert override(training, StageOverrides(learning_rate=1e-5)).head_learning_rate is None
    both = StageOverrides(learning_rate=1e-5, head_learning_rate=1e-4)
    assert override(training, both).head_learning_rate == 1e-4
    head = override(training, StageOverrides(head_learning_rate=1e-4))
    assert (head.learning_rate, head.head_learning_rate) == (2e-4, 1e-4)


def test_stages_of_a_hierarchy_follow_the_overrides(write):
    config = load_config(write(FULL)).config
    stages = make_strategy(config).plan(config, "jav").history
    assert [(s.name, s.training.epochs) for s in stages] == [("eng", 10), ("ind", 2), ("jav", 10)]


def test_check_plans_every_target_and_lists_what_is_lacking(write):
    text = BASIC.replace("target: jv", "target: [jv, su]") + "selection: {metric: f2}\n"
    with pytest.raises(XltErrors) as caught:
        prepare(load_config(write(text), ["data.en.dev=[]", "data.en.train=[]"]))
    found = caught.value.problems
    assert len(found) == 2  # not once for each target
    assert "(selection.metric)" in found[0].where
    assert "transfer.yaml:9" in found[0].where
    assert "data.eng.train" in found[1].where


def test_check_reports_stages(write):
    loaded = load_config(write(BASIC))
    assert isinstance(loaded, LoadedConfig)
    assert check(loaded)["stages"] == {"jav": ["eng"]}


def test_the_json_schema_accepts_what_the_loader_accepts(write):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    for text in (BASIC, FULL, "extends: a.yaml\ntraining: {epochs: 3}\n"):
        root = parse(text, "x", Path())
        assert root is not None
        validator.validate(root.plain())
    kinds = "extends: a\nstrategy: {{name: zero_shot, before: {}}}\n"
    for stage in (
        "{pretrain: hau}",
        "[{pretrain: [hau, eng]}]",
        "{pretrain: {on: hau, mask: 0.2}}",
    ):
        root = parse(kinds.format(stage), "x", Path())
        assert root is not None
        validator.validate(root.plain())
    for wrong in (
        *("training: {epoch: 3}", "strategy: {name: few_shot}", "strategy: nothing"),
        *("strategy: {name: zero_shot, before: {pretrain: {mask: 0.2}}}",),
        *("strategy: {name: zero_shot, before: {no_such: hau}}",),
    ):
        root = parse(f"extends: a\n{wrong}\n", "x", Path())
        assert root is not None
        assert not validator.is_valid(root.plain())


def test_the_json_schema_describes_plugins():
    text = json.dumps(schema())
    for words in ("dependency_parsing", "hierarchical", "intermediate languages", "extends",
                  "translator_apertium", "slowest batch"):  # fmt: skip
        assert words in text


# Text that YAML readers like to misread.
_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.sampled_from(["no", "1e-5", "~", "null", "0x1f", "2024-01-01", ": ", "- a", "#", "&a", "%"]),
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(_TEXT, _VALUES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read_back(value):
    root = parse(to_yaml(value), "x", Path())
    assert root is not None
    assert root.plain() == value
