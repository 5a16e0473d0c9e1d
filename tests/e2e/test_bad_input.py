"""What users get wrong: said with what, where and a fix; exit status 2; nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from small import (
    Outcome,
    World,
    bio,
    conllu,
    make_world,
    result,
    sentences,
    start_xlt,
    watch,
    weights,
    xlt,
)

ALL = os.environ.get("XLT_ALL_BAD_INPUTS")


@pytest.fixture(scope="module")
def ner(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("ner"), size=6)


@pytest.fixture(scope="module")
def parsing(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("parsing"), suffix="conllu", size=6)


ONE_STAGE = {"strategy": {"name": "zero_shot"}, "training__epochs": 1}


@pytest.fixture
def config(ner, tmp_path):
    def config(name: str = "run", **changes) -> Path:
        settings = {"output__root": str(tmp_path / "runs")} | ONE_STAGE | changes
        return ner.config(name, **settings)

    return config


def assert_said(outcome: Outcome, *words: str) -> None:
    """A mistake of the user's, with everything that helps to mend it and nothing else."""
    assert outcome.code == 2, outcome.text
    assert "Traceback" not in outcome.err
    assert "bug" not in outcome.err
    assert "fix: " in outcome.err
    for word in words:
        assert word in outcome.err, outcome.err


# Data ----------------------------------------------------------------------------------------


def with_file(world: World, tmp_path: Path, content: bytes | None, split: str = "train") -> Path:
    """A config in which one file of the source is this one."""
    path = tmp_path / f"given.{world.suffix}"
    if content is not None:
        path.write_bytes(content)
    return world.config(
        "given",
        output__root=str(tmp_path / "runs"),
        **ONE_STAGE | {f"data__eng__{split}": str(path)},
    )


GOOD = conllu(sentences("eng", 2))


def edited(row: int, column: int, value: str | None) -> bytes:
    """The good CoNLL-U with one column of one word of the first sentence changed or dropped."""
    lines = GOOD.split("\n")
    columns = lines[row].split("\t")
    columns[column : column + 1] = [] if value is None else [value]
    lines[row] = "\t".join(columns)
    return "\n".join(lines).encode()


TREES = {
    "nine columns": (edited(2, 9, None), "given.conllu:3", "9 columns"),
    "head out of range": (edited(2, 6, "77"), "given.conllu:3", "77"),
    "two roots": (edited(1, 6, "0"), "given.conllu", "root"),
    "cycle": (
        b"1\ta\t_\t_\t_\t_\t2\tdep\t_\t_\n2\tb\t_\t_\t_\t_\t1\tdep\t_\t_\n"
        b"3\tc\t_\t_\t_\t_\t0\troot\t_\t_\n\n",
        "given.conllu",
        "cycle",
    ),
    "empty": (b"", "given.conllu", "empty"),
    "missing": (None, "given.conllu", "no file"),
    "wrong encoding": ("1\tfaçade\n".encode("latin-1"), "given.conllu:1", "UTF-8"),
}


@pytest.mark.parametrize("name", TREES)
def test_trees(parsing, tmp_path, name):
    content, *words = TREES[name]
    assert_said(xlt("train", with_file(parsing, tmp_path, content)), *words)


TAGS = {
    "tag without type": (b"Ann\tB\nsees\tO\n\n", "given.bio:1", "type"),
    "no tag": (b"Ann\tB-PER\nsees\n\n", "given.bio:2", "column"),
    "nonsense tag": (b"Ann\tX-PER\n\n", "given.bio:1", "X-PER"),
    "empty": (b"", "given.bio", "empty"),
    "wrong encoding": ("Zoë\tB-PER\n".encode("utf-16"), "given.bio", "UTF-"),
}


@pytest.mark.parametrize("name", TAGS)
def test_tags(ner, tmp_path, name):
    content, *words = TAGS[name]
    assert_said(xlt("train", with_file(ner, tmp_path, content)), *words)


def test_unknown_type_in_the_target(ner, config, tmp_path):
    path = tmp_path / "other.bio"
    path.write_text("Solo\tB-CITY\niku\tO\n\n")
    outcome = xlt("train", config(data__jav__test=str(path)))
    assert_said(outcome, "CITY", "data.jav.test", "task.rename", "task.types")


def test_no_overlap_of_labels_between_stages(ner, config, tmp_path):
    text = bio(sentences("ind", 6)).replace("-PER", "-PERSON").replace("-LOC", "-PLACE")
    (tmp_path / "ind.bio").write_text(text)
    changes = {"strategy": {"name": "hierarchical", "through": ["ind"]}}
    outcome = xlt("train", config(data__ind__train=str(tmp_path / "ind.bio"), **changes))
    assert_said(outcome, "share none", "PERSON", "LOC")
    assert not (tmp_path / "runs" / "stages").exists()


def test_all_problems_of_the_data_at_once(ner, config, tmp_path):
    (tmp_path / "one.bio").write_text("Solo\tB-CITY\n\n")
    changes = {
        "source": ["eng"],
        "target": ["jav", "ind"],
        "data__jav__test": str(tmp_path / "one.bio"),
        "data__ind__test": str(tmp_path / "two.bio"),
    }
    assert_said(xlt("train", config(**changes)), "CITY", "two.bio")


def test_unknown_language(config):
    assert_said(xlt("train", config(target=["Javaneese"])), "Javaneese", "run.yaml")


def test_mending_the_config_after_an_error_in_the_data_needs_no_flag(config, ner):
    assert xlt("train", config(data__jav__test="/nowhere.bio")).code == 2
    assert xlt("train", config()).code == 0


# Models --------------------------------------------------------------------------------------


def test_unknown_model_id_while_offline(config):
    outcome = xlt("train", config(model__encoder="no-such/encoder"))
    assert_said(outcome, "no-such/encoder", "HF_HUB_OFFLINE", "model.encoder")


def damaged_encoder(ner, tmp_path, damage) -> Path:
    folder = tmp_path / "encoder"
    shutil.copytree(ner.folder / "encoder", folder)
    damage(folder)
    return folder


def cut_off(folder):
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size // 2)


def broken_header(folder):
    path = folder / "model.safetensors"
    path.write_bytes(b"\xff" * 200 + path.read_bytes()[200:])


def no_config(folder):
    (folder / "config.json").unlink()


def bad_config(folder):
    (folder / "config.json").write_text("{")


def no_tokenizer(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()


def other_weights(folder):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    kept = {k: v for k, v in state.items() if "layer.1." not in k}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    "damage", [cut_off, broken_header, no_config, bad_config, no_tokenizer, other_weights]
)
def test_damaged_encoder(ner, config, tmp_path, damage):
    folder = damaged_encoder(ner, tmp_path, damage)
    outcome = xlt("train", config(model__encoder=str(folder)))
    assert_said(outcome, str(folder), "model.encoder")


def test_fp16_and_t5(tmp_path):
    world = make_world(tmp_path, "umt5", size=3)
    outcome = xlt("train", world.config(training__precision="fp16", **ONE_STAGE))
    assert_said(outcome, "T5", "bf16", "training.precision")


@pytest.fixture(scope="module")
def trained(ner) -> Path:
    outcome = xlt("train", ner.config("trained", output__root=str(ner.folder / "t"), **ONE_STAGE))
    assert outcome.code == 0, outcome.text
    return ner.folder / "t" / "trained"


@pytest.mark.parametrize("damage", [cut_off, broken_header, no_config, no_tokenizer])
def test_predict_with_a_damaged_model(trained, tmp_path, damage):
    folder = tmp_path / "model"
    shutil.copytree(trained / "seed-1" / "jav" / "model", folder)
    damage(folder)
    (tmp_path / "in.txt").write_text("Joko lihat\n")
    outcome = xlt("predict", folder, tmp_path / "in.txt", "--input-format", "words")
    assert_said(outcome, str(folder))
    assert outcome.out == ""


# Numbers and memory --------------------------------------------------------------------------


def at_rate(rate: float):
    """The optimiser's learning rate; a config may not say one that is bound to end like this."""

    def install() -> None:
        from xlt.training import trainer

        real = trainer.parameter_groups

        def groups(model, training):
            return [{**group, "lr": rate} for group in real(model, training)]

        trainer.parameter_groups = groups

    return install


def test_loss_that_is_not_a_number(config):
    changes = {"training__warmup": 0.0, "training__epochs": 3}
    outcome = xlt("train", config(**changes), before=at_rate(1e30))
    assert_said(outcome, "the loss is nan", "at step", "records [", "training.learning_rate")


def test_weights_that_only_the_last_step_broke(config):
    changes = {"training__warmup": 0.0, "training__max_steps": 1}
    outcome = xlt("train", config(selection__on="last", **changes), before=at_rate(1e39))
    assert_said(outcome, "after step 1", "training.learning_rate")


def failing(error: Exception, method: str = "training_step"):
    """The n-th forward pass fails as it does where memory is short."""

    def install() -> None:
        from xlt.model.tagger import Tagger

        real = Tagger.forward

        def forward(self, *arguments, **keywords):
            training = keywords.get("labels") is not None
            if training == (method == "training_step"):
                raise error
            return real(self, *arguments, **keywords)

        Tagger.forward = forward

    return install


def out_of_memory_errors() -> list[Exception]:
    import torch

    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 40000000000 bytes. Error code 12 (Cannot allocate)"
        ),
        MemoryError(),
    ]


@pytest.mark.parametrize("error", out_of_memory_errors(), ids=lambda e: type(e).__name__)
def test_out_of_memory_in_training(config, error):
    outcome = xlt("train", config(), before=failing(error))
    assert_said(outcome, "out of memory at step 1", "training.batch_tokens", "accumulate")


def test_out_of_memory_in_evaluation(config):
    error = out_of_memory_errors()[1]
    outcome = xlt("train", config(), before=failing(error, "evaluate"))
    assert_said(outcome, "out of memory predicting", "evaluation.batch_tokens")


def test_other_errors_are_not_taken_for_memory(config):
    outcome = xlt("train", config(), before=failing(RuntimeError("shapes do not match")))
    assert outcome.code == 1
    assert "shapes do not match" in outcome.err


# Folders -------------------------------------------------------------------------------------


def test_output_folder_below_a_file(config, tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcome = xlt("train", config(output__root=str(tmp_path / "file" / "runs")))
    assert_said(outcome, str(tmp_path / "file"), "output.root")


def test_read_only_output_folder(config, tmp_path):
    """Also for root, whom permissions do not stop."""

    def install() -> None:
        real = Path.mkdir

        def mkdir(self, *arguments, **keywords):
            if self.is_relative_to(tmp_path / "runs"):
                raise PermissionError(13, "Permission denied", str(self))
            return real(self, *arguments, **keywords)

        Path.mkdir = mkdir

    assert_said(xlt("train", config(), before=install), "Permission denied", "output.root")


def test_two_processes_in_one_run_folder(config, tmp_path):
    """The second is told; the first does not notice."""
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)

    def wait_in_step_two() -> None:
        def act(number, what, go, path):
            if what.endswith(" step 2"):
                (tmp_path / "waiting").touch()
                go_on.read_bytes()
            return go()

        watch(act)

    path = config()
    first = start_xlt("train", path, before=wait_in_step_two)
    while not (tmp_path / "waiting").exists():
        os.sched_yield()
    second = xlt("train", path)
    assert_said(second, "another process is using this run folder", str(tmp_path / "runs" / "run"))
    go_on.write_bytes(b"")
    outcome = first()
    assert outcome.code == 0, outcome.text


def test_two_runs_with_a_common_stage_at_the_same_time(ner, config, tmp_path):
    """Whoever comes second waits, and takes what the first has trained."""
    chain = {"name": "hierarchical", "through": []}
    waiting = [
        start_xlt("train", config(name, strategy=chain, target=[target]))
        for name, target in (("a", "jav"), ("b", "ind"))
    ]
    outcomes = [wait() for wait in waiting]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes[0].text + outcomes[1].text
    root = tmp_path / "runs"
    lineages = [result(root, n)["lineage"][f"seed-1/{t}"] for n, t in (("a", "jav"), ("b", "ind"))]
    assert lineages[0][0]["folder"] == lineages[1][0]["folder"]
    assert sorted(lineage[0]["reused"] for lineage in lineages) == [False, True]
    again = tmp_path / "alone"
    alone = xlt("train", config("b", strategy=chain, target=["ind"], output__root=str(again)))
    assert alone.code == 0, alone.text
    assert weights(again).items() <= weights(root).items()


def test_a_changed_config_in_the_same_folder_is_refused(config):
    assert xlt("train", config()).code == 0
    changed = config(training__learning_rate=1e-4)
    assert_said(xlt("train", changed), "different config", "--overwrite")
    assert_said(xlt("train", changed, "--resume"), "different config")
    assert xlt("train", changed, "--overwrite").code == 0
    assert xlt("train", config()).code == 2  # now the first one is the different one


def test_a_finished_run_is_not_trained_again(config, tmp_path):
    path = config()
    first = xlt("train", path)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.*") if p.is_file()}
    second = xlt("train", path, before=failing(RuntimeError("trained again")))
    assert (second.code, second.out) == (0, first.out)
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.*") if p.is_file()}
    log = tmp_path / "runs" / "run" / "log.txt"
    assert {p: t for p, t in after.items() if p != log} == {
        p: t for p, t in before.items() if p != log
    }


# Strange text --------------------------------------------------------------------------------

STRANGE = {
    "right to left": "ישראל היא מדינה",
    "arabic": "العربية لغة سامية",
    "cjk": "我 喜欢 北京",
    "thai": "ภาษา ไทย",
    "emoji": "👩‍👩‍👧 🇮🇩 ok",
    "combining": "e\u0301tude a\u030a \u0301",
    "control": "a\u200b \u200d b\ufeff",
    "unknown": "\U0001f9ff\U00012000 ꙮ",
    "long word": "x" * 3000 + " y",
}


def test_strange_words_all_get_a_prediction(trained, tmp_path):
    lines = list(STRANGE.values())
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    outcome = xlt("predict", trained, tmp_path / "in.txt", "--input-format", "words")
    assert outcome.code == 0, outcome.text
    blocks = outcome.out.strip("\n").split("\n\n")
    for line, block in zip(lines, blocks, strict=True):
        assert [row.split("\t")[0] for row in block.split("\n")] == line.split()


def test_words_without_letters(trained, tmp_path):
    """JSONL can say what columns cannot: words that are empty or only white space."""
    records = [
        {"words": ["", "Joko", " ", "\u200b"]},
        {"words": [""]},
        {"words": ["\t", "Sri"]},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "in.jsonl").write_text(text)
    outcome = xlt("predict", trained, tmp_path / "in.jsonl", "--format", "jsonl")
    if outcome.code == 2:  # refused by the reader: then with its line
        assert_said(outcome, "in.jsonl:1")
        return
    assert outcome.code == 0, outcome.text
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert [row["words"] for row in found] == [record["words"] for record in records]
    assert all(len(row["tags"]) == len(row["words"]) for row in found)


def test_a_sentence_of_ten_thousand_words(ner, config, tmp_path):
    """Tagged in windows: memory does not grow with the square of the length."""
    words = [pair for sentence in sentences("eng", 2000) for pair in sentence][:10_000]
    (tmp_path / "long.bio").write_text(bio([words, words[:5]]))
    path = config(data__eng__train=str(tmp_path / "long.bio"), training__epochs=1)
    outcome = xlt("train", path)
    assert outcome.code == 0, outcome.text
    (tmp_path / "in.txt").write_text(" ".join(word for word, _ in words) + "\n")
    predicted = xlt(
        *("predict", tmp_path / "runs" / "run", tmp_path / "in.txt", "--input-format", "words"),
    )
    assert predicted.code == 0, predicted.text
    assert len(predicted.out.strip("\n").split("\n")) == 10_000
    assert max(outcome.peak, predicted.peak) < 1.2


@pytest.mark.parametrize(
    ("length", "gigabytes"),
    [
        (3000, 1.2),
        pytest.param(
            10_000,
            6,
            marks=pytest.mark.skipif(not ALL, reason="half a minute; XLT_ALL_BAD_INPUTS=1 runs it"),
        ),
    ],
)
def test_parsing_a_very_long_sentence(parsing, tmp_path, length, gigabytes):
    """Every word with every word as its head: of 10,000 words 10⁸ scores, within 6 GiB."""
    words = [pair for sentence in sentences("eng", 2500) for pair in sentence][:length]
    path = with_file(parsing, tmp_path, conllu([words, words[:6]]).encode())
    outcome = xlt("train", path)
    assert outcome.code == 0, outcome.text
    (tmp_path / "in.txt").write_text(" ".join(word for word, _ in words) + "\n")
    predicted = xlt(
        *("predict", tmp_path / "runs" / "given", tmp_path / "in.txt", "--input-format", "words"),
    )
    assert predicted.code == 0, predicted.text
    rows = [row.split("\t") for row in predicted.out.splitlines() if row and row[0].isdigit()]
    assert [row[1] for row in rows] == [word for word, _ in words]
    assert sum(row[6] == "0" for row in rows) == 1
    assert max(outcome.peak, predicted.peak) < gigabytes
