"""What a config asks for is said before it is obeyed."""

from __future__ import annotations

import os
import pty
from contextlib import contextmanager, suppress
from pathlib import Path

import huggingface_hub
import pytest
from small import World, make_world, xlt

from xlt.config.consent import requests
from xlt.config.load import load_config
from xlt.config.study import load_study
from xlt.console import Console
from xlt.errors import XltError, XltErrors, flat
from xlt.permissions import (
    ONLINE,
    PERMISSIONS,
    PUSH,
    REMOTE_CODE,
    REPORT,
    Request,
    allowing,
    given,
    is_granted,
    obeying,
    require,
)
from xlt.runs.plan import plan
from xlt.runs.project import project_config, project_file
from xlt.runs.study import study
from xlt.runs.train import train
from xlt.testing import translation

CODE = """
import pathlib
pathlib.Path({marker!r}).write_text("run")
from transformers import BertConfig
class Config(BertConfig):
    model_type = "stranger"
"""

GREEDY = {
    "model__trust_remote_code": True,
    "output__push_to_hub": "thief/ner",
    "training__report_to": ["tensorboard", "wandb"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), size=6)


def greedy(world, *overrides, **changes):
    changes = {"strategy": {"name": "zero_shot"}, "training__max_steps": 1, **changes}
    return load_config(world.config("greedy", **changes), overrides)


def test_every_request_of_a_config_has_its_line(world):
    found = requests(greedy(world, **GREEDY))
    assert [one.permission for one in found] == [REMOTE_CODE, PUSH, REPORT]
    assert all(f"greedy.yaml:1 ({key.replace('__', '.')})" in one.where
               for one, key in zip(found, GREEDY, strict=True))  # fmt: skip
    assert "thief/ner" in found[1].what
    assert found[2].what == "gives settings and scores to wandb"


def test_an_ordinary_config_needs_no_permission(world):
    assert requests(greedy(world, training__report_to=["tensorboard"])) == []


def test_what_one_stage_reports_is_asked_for_as_well(world):
    stages = {"source": {"report_to": ["tensorboard"]}, "jav": {"report_to": ["wandb"]}}
    strategy = {"name": "hierarchical", "stages": stages}
    (request,) = requests(greedy(world, strategy=strategy))
    assert request.permission == REPORT
    assert "greedy.yaml:1 (strategy.stages.jav.report_to)" in request.where
    typed = greedy(world, "strategy.stages.jav.report_to=[mlflow]", strategy=strategy)
    assert [(one.what, one.typed) for one in requests(typed)] == [
        ("gives settings and scores to mlflow", True)
    ]


def test_what_is_asked_for_and_not_allowed_is_refused_before_anything_is_done(world):
    with pytest.raises(XltErrors) as caught, allowing(REPORT):
        train(greedy(world, **GREEDY), quiet=True)
    refused = flat(caught.value)
    assert [(one.where.partition("(")[2], one.fix) for one in refused] == [
        ("model.trust_remote_code)", refused[0].fix),
        ("output.push_to_hub)", refused[1].fix),
    ]
    assert "--allow remote-code" in refused[0].fix
    assert "--allow push" in refused[1].fix
    assert not (world.runs() / "greedy").exists()


def test_what_is_allowed_is_done_and_nothing_more(world, monkeypatch):
    pushed = []

    class Hub:
        def create_repo(self, name, exist_ok):
            pushed.append(name)

        def upload_folder(self, **_): ...

        def upload_file(self, **_): ...

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    settings = {"output__push_to_hub": "me/ner", "output__root": str(world.runs("pushed"))}
    with allowing(PUSH):
        result = train(greedy(world, **settings), quiet=True)
    assert result["pushed"] == {"jav": "me/ner"}
    assert pushed == ["me/ner"]
    assert not is_granted(PUSH)


def test_what_is_typed_on_the_command_line_is_consent(world):
    typed = greedy(world, "output.push_to_hub=me/ner", **GREEDY)
    assert [one.typed for one in requests(typed)] == [False, True, False]
    with pytest.raises(XltErrors) as caught:
        train(typed, quiet=True)
    assert "push" not in str(caught.value)


def test_a_file_called_like_the_command_line_is_none(world, monkeypatch):
    monkeypatch.chdir(world.folder)
    real = world.config("greedy", **GREEDY)
    (world.folder / "command line").write_bytes(real.read_bytes())
    (world.folder / "a.yaml").write_text("extends: command line\n")
    assert [one.typed for one in requests(load_config("a.yaml"))] == [False] * 3


def test_a_plan_lists_what_is_asked_for(world):
    with allowing(REPORT):
        planned = plan(greedy(world, "output.push_to_hub=me/ner", **GREEDY))
    assert [one["permission"] for one in planned["allowed"]] == [PUSH, REPORT]
    # What the machine lacks (wandb, which is not installed here) stands there, too.
    (missing,) = (one for one in planned["missing"] if "consent" in one["what"])
    assert "runs the Python code" in missing["what"]
    assert missing["fix"].startswith("if you trust where it comes from, add `--allow remote-code`")


def test_a_study_asks_for_all_cells_at_first(world):
    path = world.config(
        "cells",
        strategy={"name": "zero_shot"},
        study={"cells": {"modest": {}, "greedy": {"output": {"push_to_hub": "thief/ner"}}}},
    )
    with pytest.raises(XltError, match="thief/ner"):
        study(load_study(path), quiet=True)
    assert not (world.runs() / "cells-modest").exists()


class Remote(translation.Backwards):
    online = True

    def translate(self, texts, source, target):
        raise AssertionError("texts have left the machine")


def test_texts_are_sent_nowhere_unasked(world):
    projected = {
        "strategy": {"name": "projection"},
        "projection": {"translator": "remote"},
    }
    with translation.registered():
        translation.translators.register("remote", Remote)
        loaded = greedy(world, **projected)
        (request,) = requests(loaded)
        assert request.permission == ONLINE
        for command in (
            lambda: train(loaded, quiet=True),
            lambda: project_config(loaded),
            lambda: project_file(loaded, str(world.folder / "out.bio")),
        ):
            with pytest.raises(XltError, match=r"sends texts .* remote, which needs your consent"):
                command()


def test_code_of_a_model_is_run_neither_by_plan_nor_by_training(world, tmp_path):
    marker = tmp_path / "ran"
    encoder = tmp_path / "stranger"
    encoder.mkdir()
    for file in (world.folder / "encoder").iterdir():
        (encoder / file.name).write_bytes(file.read_bytes())
    (encoder / "evil.py").write_text(CODE.format(marker=str(marker)))
    config = (encoder / "config.json").read_text().replace('"bert"', '"stranger"')
    (encoder / "config.json").write_text(
        config.replace("{", '{"auto_map": {"AutoConfig": "evil.Config"},', 1)
    )
    changes = {"model__encoder": str(encoder)}
    path = world.config("stranger", model__trust_remote_code=True, **changes)
    assert xlt("plan", path).code == 2
    assert "--allow remote-code" in xlt("train", path).err
    assert not marker.exists()
    # And without asking for it, transformers says no.
    refused = xlt("train", world.config("modest", **changes))
    assert "runs code of its own" in refused.err
    assert not marker.exists()
    allowed = xlt("plan", path, "--allow", REMOTE_CODE)
    assert marker.exists(), f"the attack would not have worked: {allowed.text}"


def test_an_unknown_permission_is_named(world):
    refused = xlt("train", world.config(), "--allow", "pish")
    assert refused.code == 2
    assert "there is no permission 'pish'" in refused.err
    assert "did you mean 'push'?" in refused.err


def read_all(terminal):
    os.set_blocking(terminal, False)
    said = b""
    with suppress(BlockingIOError):
        while part := os.read(terminal, 4096):
            said += part
    return said.decode()


@contextmanager
def terminal(monkeypatch):
    """Standard input and error are a terminal; yields the end at which somebody sits."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin, os.fdopen(os.dup(theirs), "w") as stderr:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stderr", stderr)
        yield ours
    os.close(ours)


@pytest.mark.parametrize(
    ("answer", "given"), [("y", True), ("yes", True), ("n", False), ("", False)]
)
def test_a_terminal_is_asked_once(monkeypatch, answer, given):
    request = Request(PUSH, "uploads the finished model to thief/ner", "a.yaml:3")
    with terminal(monkeypatch) as ours:
        with Console().consent(None):
            os.write(ours, f"{answer}\n".encode())
            for _ in range(2):
                if given:
                    require([request])
                else:
                    with pytest.raises(XltError, match="needs your consent"):
                        require([request])
            with obeying([request] if given else []):
                assert is_granted(PUSH) is given
        said = read_all(ours)
    assert said.count("a.yaml:3: this uploads the finished model to thief/ner.") == 1
    assert "Allow it? [y/N]" in said


def test_of_several_processes_none_waits_for_an_answer(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        terminal(monkeypatch),
        Console().consent(None),
        pytest.raises(XltError, match="consent"),
    ):
        require([Request(PUSH, "uploads")])


def test_one_answer_is_for_one_request():
    asked = []

    def ask(request):
        asked.append(request.what)
        return request.what == "pushes to me"

    with allowing(ask=ask):
        require([Request(PUSH, "pushes to me")])
        with pytest.raises(XltError, match="pushes to a thief"):
            require([Request(PUSH, "pushes to a thief")])
    assert asked == ["pushes to me", "pushes to a thief"]


def test_the_permissions_are_documented():
    text = Path(__file__).parents[2].joinpath("SECURITY.md").read_text(encoding="utf-8")
    for name in PERMISSIONS:
        assert f"`{name}`" in text


def test_what_is_given_on_to_other_processes_was_granted_or_answered_with_yes():
    assert given() == ()
    with allowing("pickle", ask=lambda request: request.permission == "online"):
        require([Request("online", "sends texts")])
        with pytest.raises(XltError):
            require([Request("push", "uploads the model")])
        assert given() == ("online", "pickle")
