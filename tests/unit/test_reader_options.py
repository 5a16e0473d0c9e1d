"""What readers may be told: in data references, in cards, on the command line; and advice on it."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from xlt.commands.arguments import read_options
from xlt.config.load import dump, load_config
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.columns import read_columns
from xlt.data.references import resolve
from xlt.data.store import read_documents
from xlt.errors import XltError, flat
from xlt.reader_options import ColumnOptions, advise, merge_options, without_advice
from xlt.registry import data_cards, tasks
from xlt.runs.evaluate import labelled
from xlt.runs.experiment import check
from xlt.tasks.ner import NER

IOB1 = "-DOCSTART- -X- O O\n\nUN I-ORG\nman O\nEkeus I-PER\nin O\nBaghdad I-LOC\n"

CONFIG = """\
name: options
task: {task}
data:
  eng:
    train:
{reference}
source: eng
target: eng
strategy: in_language
selection: {{on: last}}
evaluation: {{splits: []}}
"""


def config(folder: Path, reference: str, task: str = "ner") -> Path:
    path = folder / "options.yaml"
    indented = "\n".join(f"      {line}" for line in reference.split("\n"))
    path.write_text(CONFIG.format(task=task, reference=indented), encoding="utf-8")
    return path


def problems(path: Path) -> list[XltError]:
    with pytest.raises(XltError) as caught:
        check(load_config(path))
    return flat(caught.value)


def records(reference: Reference, task: str = "ner") -> list[dict[str, Any]]:
    return list(read_documents(tasks.get(task)(), resolve(reference, "eng", "train")))


def of_config(path: Path, task: str = "ner") -> list[dict[str, Any]]:
    check(loaded := load_config(path))
    return records(loaded.config.data["eng"].train[0], task)


# References ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        "{ref: train.conll, scheme: IOB1}",
        "{ref: train.conll, options: {scheme: IOB1}}",
        "- {ref: train.conll, repair: false, options: {scheme: IOB1}}",
    ],
)
def test_both_forms_in_a_config(tmp_path: Path, reference: str) -> None:
    (tmp_path / "train.conll").write_text(IOB1)
    path = config(tmp_path, reference)
    assert NER().tags(of_config(path)[0]) == ["B-ORG", "O", "B-PER", "O", "B-LOC"]
    again = tmp_path / "again.yaml"
    again.write_text(dump(load_config(path).config))
    assert load_config(again).config == load_config(path).config


@pytest.mark.parametrize(
    ("reference", "line", "what", "fix"),
    [
        ("ref: a.bio\nshceme: IOB1", 7, "unknown key 'shceme'", "data.eng.train.scheme"),
        ("ref: a.bio\nlimt: 3", 7, "unknown key 'limt'", "data.eng.train.limit"),
        ("ref: a.bio\noptions:\n  shceme: IOB1", 8, "has no option 'shceme'", "'scheme'"),
        ("ref: a.bio\nscheme: IOB", 7, "'BIOES' or 'types', not 'IOB'", "'IOB2'"),
        ("ref: a.jsonl\nscheme: IOB1", 7, "the format jsonl of ner has no option", "columns"),
        ("ref: a.bio\nword: '1'", 7, "must be a whole number", "remove the quotes"),
        ("ref: sample-ner:eng:dev\ncolumns: {a: b}", 7, "the format bio of ner has", "scheme"),
        ("ref: hf:a/b:dev\nscheme: IOB1", 7, "data of the hub has no option", "columns"),
        ("ref: a.bio\nword: 1\noptions: {word: 2}", 7, "stands in `options` too", "one of the two"),
        ("ref: a.bio\noptions: 3", 7, "must be a mapping", "mapping"),
    ],
)
def test_mistakes_have_their_line(
    tmp_path: Path, reference: str, line: int, what: str, fix: str
) -> None:
    path = config(tmp_path, reference)
    (problem,) = problems(path)
    assert str(problem.where).startswith(f"{path}:{line} (data.eng.train")
    assert what in problem.what
    assert fix in str(problem.fix)


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        ("{ref: a.bio, options: {scheme: IOB}}", "data.eng.train.options.scheme"),
        ("{ref: a.bio, options: {shceme: IOB1}}", "data.eng.train.options.shceme"),
        ("{ref: a.bio, scheme: IOB}", "data.eng.train.scheme"),
        ("{ref: a.bio, tag: [1]}", "data.eng.train.tag"),
        ("{ref: a.bio, format: xml}", "data.eng.train.format"),
        ("- {ref: a.bio, options: {scheme: IOB}}", "data.eng.train.0.options.scheme"),
        ("- {ref: a.bio}\n- {ref: b.bio, scheme: IOB}", "data.eng.train.1.scheme"),
    ],
)
def test_the_key_is_shown_as_it_was_written(tmp_path: Path, reference: str, key: str) -> None:
    (problem,) = problems(config(tmp_path, reference))
    assert str(problem.where).endswith(f" ({key})")


def test_options_of_an_unknown_task_are_not_what_is_wrong(tmp_path: Path) -> None:
    (problem,) = problems(config(tmp_path, "{ref: a.bio, any: 3}", task="nre"))
    assert "there is no task called 'nre'" in problem.what


def test_options_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.bio").write_text(IOB1)
    ref = str(tmp_path / "a.bio")
    prints = {
        resolve(Reference(ref=ref, options=options), "eng", "train").fingerprint
        for options in ({}, {"scheme": "IOB1"}, {"repair": True})
    }
    assert len(prints) == 3


def test_a_format_without_a_model_takes_nothing(tmp_path: Path) -> None:
    path = config(tmp_path, "ref: a.conllu\ncolumns: {}", task="dependency_parsing")
    (problem,) = problems(path)
    assert "the format conllu of dependency_parsing has no option 'columns'" in problem.what


def test_models_say_what_readers_take() -> None:
    parameters = inspect.signature(read_columns).parameters.values()
    stated = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    empty = {"types": {}, "outside": []}
    fields = ColumnOptions.model_fields.items()
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields}
    del stated["problems"], defaults["labelled"]
    assert {**stated, **empty} == defaults


# Cards ---------------------------------------------------------------------------------------


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XLT_CARDS", str(tmp_path))
    monkeypatch.setenv("XLT_DATA", str(tmp_path))
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "toy.conll").write_text(IOB1)

    def write(*lines: str, split: str = "", task: str = "ner", format: str = "bio") -> Path:
        path = tmp_path / "toy.yaml"
        path.write_text(
            f"identifier: toy\nname: Toy\ntask: {task}\nlicence: CC0\ncitation: nobody\n"
            f"origin: native\nformat: {format}\n" + "".join(f"{line}\n" for line in lines) +
            "languages:\n  eng:\n    train:\n"
            f"      files: [{{local: [toy.conll], note: made here}}]\n{split}"
        )  # fmt: skip
        return path

    return write


def test_a_reference_extends_and_overrides_a_card(card: Any) -> None:
    card("options: {scheme: IOB1, types: {ORG: null}}")
    plain = Reference(ref="toy")
    more = Reference(ref="toy", options={"types": {"PER": "HUM"}})
    other = Reference(ref="toy", options={"scheme": "IOB2", "repair": True})
    assert NER().tags(records(plain)[0]) == ["O", "O", "B-PER", "O", "B-LOC"]
    assert NER().tags(records(more)[0]) == ["O", "O", "B-HUM", "O", "B-LOC"]
    assert NER().tags(records(other)[0]) == ["O", "O", "B-PER", "O", "B-LOC"]
    assert merge_options({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}) == {
        "a": 1,
        "b": {"c": 1, "d": 2},
    }


@pytest.mark.parametrize(
    ("lines", "split", "line", "key"),
    [
        (["options:", "  shceme: IOB1"], "", 9, "options.shceme"),
        ([], "      options:\n        shceme: IOB1\n", 13, "languages.eng.train.options.shceme"),
        (
            ["options: {scheme: IOB1}"], "      options: {shceme: IOB1}\n",
            13, "languages.eng.train.options.shceme",
        ),
    ],
)  # fmt: skip
def test_a_typo_in_a_card_has_its_line(
    card: Any, lines: list[str], split: str, line: int, key: str
) -> None:
    from xlt.data.inspection import check

    path = card(*lines, split=split)
    with pytest.raises(XltError, match="the format bio of ner has no option 'shceme'") as caught:
        records(Reference(ref="toy"))
    assert caught.value.where == f"{path}:{line} ({key})"
    assert "did you mean 'scheme'" in str(caught.value.fix)
    report = check("toy")
    assert not report.ok
    assert report.problems == [caught.value.render()]


def test_a_format_that_the_cards_task_lacks(card: Any) -> None:
    path = card(format="boi")
    with pytest.raises(XltError, match="ner has no format called 'boi'") as caught:
        records(Reference(ref="toy"))
    assert caught.value.where == f"{path}:7 (format)"
    assert "did you mean 'bio'" in str(caught.value.fix)


def test_options_of_a_card_without_plugin_cannot_be_checked(card: Any) -> None:
    from xlt.data.inspection import check

    card("options: {shceme: IOB1}", task="parallel_text", format="lines")
    assert not cards.check_reader(cards.get("toy"), "eng", "train")
    notes = check("toy").notes
    assert "nor were the reader's options checked: the plugin knows them" in notes


def test_all_cards_say_what_their_readers_take() -> None:
    checked = set()
    for identifier in data_cards():
        card = cards.get(identifier)
        for language, split, _ in card.splits():
            if cards.check_reader(card, language, split):
                checked.add(card.task)
    assert checked == {
        "dependency_parsing", "event_extraction", "ner", "nli", "question_generation"
    }  # fmt: skip


# The command line ----------------------------------------------------------------------------


def test_options_of_the_command_line_are_yaml() -> None:
    given = ["scheme=IOB1", "word=1", "types={ORG: null}", "types.PER=HUM", "prefix=no"]
    assert read_options(given) == {
        "scheme": "IOB1", "word": 1, "types": {"ORG": None, "PER": "HUM"}, "prefix": "no"
    }  # fmt: skip
    assert read_options(None) == {}
    for text in ("scheme", "=3", "types={"):
        with pytest.raises(XltError) as caught:
            read_options([text])
        assert str(caught.value.where).startswith("--option")


# Advice --------------------------------------------------------------------------------------

PAIR = {"premise": "It rains.", "hypothesis": "It is wet.", "label": "entailment"}
ASKED = {
    "id": "1", "context": "Paris is old.", "question": "What is old?",
    "answers": {"text": ["Paris"], "answer_start": [0]},
}  # fmt: skip
ACE = {
    "words": ["They", "left", "Rome"],
    "golden-entity-mentions": [{"text": "Rome", "start": 2, "end": 2, "entity-type": "GPE"}],
    "golden-event-mentions": [],
}
EVENT = {"id": "1", "words": ["He", "left"], "entities": [], "events": []}
ONEIE = {"tokens": ["He", "left"], "entity_mentions": [], "event_mentions": []}
PROPOSITION = "1\tHe\t_\t(A0*)\n2\tleft\tleave.01\t*\n"
ASKED_TOO = {**ASKED, "id": "2"}
LOST = {**ASKED, "answers": {"text": ["Lyon"], "answer_start": [0]}}


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


ADVICE: dict[str, tuple[str, str, str, str, dict[str, str]]] = {
    # name: task, file, content, reference's further keys, what stands for a word of the advice
    "iob1": ("ner", "a.bio", IOB1, "scheme: IOB2", {}),
    "bioes": ("ner", "a.bio", "Ana S-PER\n", "scheme: IOB2", {}),
    "prefixes": ("ner", "a.bio", "Ana B-PER\n", "scheme: types", {}),
    "bioes order": ("ner", "a.bio", "a O\nAna E-PER\n", "scheme: BIOES", {}),
    "column": (
        "ner", "a.bio", "Ana\tB-PER\n", "word: 3",
        {"word: COLUMN": "word: 0", "word=COLUMN": "word=0"},
    ),
    "nested": ("ner", "a.bio", "1\tAna\tB-PER\tO\n", "", {}),
    "numbers": ("ner", "a.bio", "1\ta\tO\n2\tb\tO\n2\tc\tO\n", "", {}),
    "label": ("nli", "a.jsonl", lines({**PAIR, "label": "yes"}), "", {"OURS": "entailment"}),
    "no label": ("nli", "a.jsonl", lines({**PAIR, "label": None}), "", {"OURS": "entailment"}),
    "empty label": ("nli", "a.jsonl", lines({**PAIR, "label": ""}), "", {"OURS": "entailment"}),
    "label with a blank": (
        "nli", "a.jsonl", lines({**PAIR, "label": "neutral "}), "", {"OURS": "neutral"},
    ),
    "label that is YAML": (
        "nli", "a.jsonl", lines({**PAIR, "label": "it's: no"}), "", {"OURS": "neutral"},
    ),
    "field": (
        "nli", "a.jsonl", lines({"p": "It rains.", "hypothesis": "It is wet.", "label": "neutral"}),
        "", {"THEIRS": "p"},
    ),
    "pairs a line": ("nli", "a.json", lines(PAIR, PAIR), "", {}),
    "one pair a file": ("nli", "a.json", lines(PAIR), "", {}),
    "answer": ("question_generation", "a.jsonl", lines(LOST, ASKED), "", {}),
    "question type": (
        "question_generation", "a.jsonl", lines({**ASKED, "question_type": "whom"}), "",
        {"OURS": "who"},
    ),
    "questions a line": ("question_generation", "a.json", lines(ASKED, ASKED_TOO), "", {}),
    "repeated id": ("event_extraction", "a.jsonl", lines(EVENT, EVENT), "", {}),
    "another format": ("event_extraction", "a.jsonl", lines(ONEIE), "", {}),
    "ends": ("event_extraction", "a.json", lines(ACE), "format: ace", {}),
    "predicate": (
        "event_extraction", "a.conllup", PROPOSITION, "", {"COLUMN": "2"},
    ),
    "suffix": ("ner", "a.html", "Ana B-PER\n", "", {}),
}  # fmt: skip

_SET = re.compile(r"set (`[^`]+`(?: or `[^`]+`)*) beside `ref:` in the config")
_FORMAT = re.compile(r"say `format: (\w+)` beside `ref:` in the config, or `--input-format (\w+)`")
_COMMAND = re.compile(r"on the command line `--option ([^`]+)`")


@pytest.mark.parametrize("name", ADVICE)
def test_advice_can_be_followed_as_it_stands(tmp_path: Path, name: str) -> None:
    task, file, content, more, meant = ADVICE[name]
    (tmp_path / file).write_text(content, encoding="utf-8")
    more = more and f"\n{more}"
    with pytest.raises(XltError) as caught:
        of_config(config(tmp_path, f"ref: {file}{more}", task), task)
    advice = str(caught.value.fix)
    if name == "suffix":
        assert (
            "say `format:` beside `ref:` in the config, or `--input-format` (bio, jsonl," in advice
        )
        assert of_config(config(tmp_path, f"ref: {file}\nformat: bio"))
        return
    for word, value in meant.items():
        advice = advice.replace(word, value)
    kept = _plain(more)
    if formats := _FORMAT.search(advice):
        assert formats[1] == formats[2]
        assert of_config(config(tmp_path, f"ref: {file}\nformat: {formats[1]}", task), task)
        return
    (group,) = _SET.findall(advice)
    for option in re.findall(r"`([^`]+)`", group):
        if "COLUMN" in option:  # another way, of which the case says nothing
            continue
        stated = [f"{key}: {value}" for key, value in kept.items() if not option.startswith(key)]
        written = "\n".join([f"ref: {file}", *stated, option])
        assert of_config(config(tmp_path, written, task), task), option
    (command,) = _COMMAND.findall(advice)
    options = {k: v for k, v in kept.items() if k != "format"} | read_options(shlex.split(command))
    given = {"format": kept.get("format"), "options": options}
    assert records(Reference(ref=str(tmp_path / file), **given), task), command


def _plain(text: str) -> dict[str, Any]:
    from xlt.yaml.nodes import parse

    node = parse(text, "x", Path()) if text else None
    return {} if node is None else dict(node.plain())


def test_a_type_that_a_model_was_not_taught_can_be_left_out_of_its_scores(tmp_path: Path) -> None:
    """`xlt evaluate` reads no config: what it advises is an option of its own."""
    path = tmp_path / "a.bio"
    path.write_text("Ana B-PER\n\nMay B-on\n", encoding="utf-8")

    def read(options: list[str]) -> list[list[str]]:
        _, records, _ = labelled(
            NER(), {"tag": ("O", "B-PER", "I-PER")}, ["eng"], str(path),
            language=None, split=None, format=None, options=read_options(options),
        )  # fmt: skip
        return [NER().tags(one) for one in records]

    with pytest.raises(XltError, match="type 'on', which the model is never taught") as caught:
        read([])
    (option,) = _COMMAND.findall(str(caught.value.fix))
    assert read(shlex.split(option)) == [["B-PER"], ["O"]]


def test_advice_for_data_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub").mkdir()
    row = {"tokens": ["Ana"], "tags": ["B-PER"]}
    (tmp_path / "hub/train.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    ref = f"hf:{tmp_path}/hub:train"
    with pytest.raises(XltError, match="has no column 'words'") as caught:
        records(Reference(ref=ref))
    ((option,),) = ([found] for found in _SET.findall(str(caught.value.fix)))
    written = option.strip("`").replace("THEIRS", "tokens")
    (record,) = of_config(config(tmp_path, f"ref: {ref}\n{written}"))
    assert record.words == ("Ana",)
    with pytest.raises(XltError, match="not a format"):
        resolve(Reference(ref=ref, format="bio"), "eng", "train")


def test_the_schema_for_editors_has_the_options() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from xlt.config.editor import schema

    validator = jsonschema.Draft202012Validator(schema())

    def valid(reference: Any) -> bool:
        data = {"eng": {"train": reference}}
        return validator.is_valid({"name": "a", "task": "ner", "data": data, "target": "eng"})

    assert valid({"ref": "a", "scheme": "IOB1"})
    assert valid({"ref": "a", "options": {"scheme": "IOB1", "types": {"ORG": None}}})
    assert not valid({"ref": "a", "shceme": "IOB1"})
    assert not valid({"ref": "a", "options": {"shceme": "IOB1"}})
    assert not valid({"ref": "a", "scheme": "IOB3"})


@pytest.mark.parametrize(
    ("fix", "left"),
    [
        (f"valid: a, b; {advise('columns: {a: THEIRS}')}", "valid: a, b"),
        (f"mend it; or, to leave it out, {advise('drop: true')}", "mend it"),
        (f"mend it; or {advise('a: 1', 'b: 2')}; or not", "mend it; or not"),
        (advise("drop: true"), ""),
        ("mend it; or not", "mend it; or not"),
    ],
)
def test_advice_can_be_left_out(fix, left):
    assert without_advice(fix) == left
