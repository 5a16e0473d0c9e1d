"""All that xlt stores, made once: what `damage` damages, and the commands that read it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.reliability import process, scenario, trace
from scripts.reliability.scenario import Scenario
from scripts.reliability.tiny_world import LANGUAGES, SPLITS, TARGET, World
from scripts.reliability.trace import Kind

TASK = "ner"
CARD = "made"
"""The identifier of a data card whose files are downloaded (from this machine)."""

SCORES = "task,source,target,score\nner,eng,jav,41.5\nner,ind,jav,62.25\nner,spa,eus,38\n"


@dataclass(frozen=True)
class Command:
    """A command that reads what is stored.

    lists: it reads several runs, or files, and may leave one out if it says so.
    """

    name: str
    arguments: tuple[object, ...]
    lists: bool = False


class Stored:
    """Three finished runs, one that was interrupted, a study, and a cache with all it can hold."""

    def __init__(self, folder: Path) -> None:
        self.study: Scenario = scenario.make(f"{TASK}/{scenario.STUDY}", folder)
        self.world: World = self.study.world
        self.configs = [
            self.world.config("zero_shot"),
            self.world.config("translate_ensemble"),
            self._with_card(),
        ]
        self.interrupted = self.world.config("joint", name="interrupted", seeds=[2])
        self.intact = self.world.folder / "intact"

    def make(self) -> None:
        """Run everything, and keep a copy."""
        if self.intact.is_dir():
            return
        self.world.clear()
        self._download()
        for config in self.configs:
            self._must("train", config)
        self._must("study", self.study.config)
        self._interrupt()
        self._must("project", self.configs[1])
        scores = self.world.folder / "scores.csv"
        scores.write_text(SCORES, encoding="utf-8")
        self._must("scores", "add", scores, "--name", "own")
        for command in self.commands():  # whatever else they store is stored now
            if self.interrupted not in command.arguments:
                self._must(*command.arguments)
        shutil.copytree(self.world.place, self.intact)

    def restore(self) -> None:
        shutil.rmtree(self.world.place)
        shutil.copytree(self.intact, self.world.place)

    def commands(self) -> list[Command]:
        runs = self.world.runs
        data = self.world.data(TARGET, "test")
        commands = []
        for config in self.configs:
            run = runs / config.stem
            commands += [
                Command(f"train {run.name}", ("train", config)),
                Command(f"train --resume {run.name}", ("train", config, "--resume")),
                Command(f"train --overwrite {run.name}", ("train", config, "--overwrite")),
                Command(f"predict {run.name}", ("predict", run, data, "--language", TARGET)),
                Command(f"evaluate {run.name}", ("evaluate", run, data, "--language", TARGET)),
            ]
        first, second, _ = (runs / config.stem for config in self.configs)
        return [
            *commands,
            Command("train --resume interrupted", ("train", self.interrupted, "--resume")),
            Command("compare", ("compare", first, second)),
            Command("evaluate on the card", ("evaluate", first, f"{CARD}:{TARGET}:test")),
            Command("data check", ("data", "check", CARD), lists=True),
            Command("project", ("project", self.configs[1])),
            Command("study", ("study", self.study.config)),
            Command("study --table", ("study", self.study.config, "--table"), lists=True),
            Command("runs", ("runs", runs), lists=True),
            Command("runs regret", ("runs", "regret", runs), lists=True),
            Command("scores list", ("scores", "list"), lists=True),
            Command(
                "predict-source",
                ("predict-source", TARGET, "--task", TASK, "--runs", runs, "--few-shot"),
                lists=True,
            ),
        ]

    def ask(self, command: Command, *, traced: bool = False) -> process.Ended:
        record = self.study.record()
        record.unlink(missing_ok=True)

        def before() -> None:
            trace.start(self.world.place, self.world.graveyard, record, reads=True)

        return process.xlt(
            "--json", "--quiet", *command.arguments,
            environment=self.world.environment, before=before if traced else None,
        )  # fmt: skip

    def opened(self) -> set[Path]:
        """What the command that was traced last has read, relative to what is stored."""
        place = self.world.place.resolve()
        done = trace.read_record(self.study.record())
        return {one.path.relative_to(place) for one in done if one.kind is Kind.READ}

    def _must(self, *arguments: object, code: int = 0, **settings: Any) -> None:
        environment = self.world.environment
        ended = process.xlt("--quiet", *arguments, environment=environment, **settings)
        assert ended.code == code, f"{arguments}: {ended.text}"

    def _interrupt(self) -> None:
        """Begin a run, and kill it where its second checkpoint has just become one."""
        before = set(self.world.runs.glob("stages/*"))

        def begin(at: int, code: int) -> None:
            made = {self.world.runs / "interrupted", *self.world.runs.glob("stages/*")} - before
            for path in made:
                shutil.rmtree(path, ignore_errors=True) if path.suffix != ".lock" else path.unlink()
            self._must("train", self.interrupted, before=self.study.begin_record(at), code=code)

        begin(0, 0)  # its data are cached then, so that the next one does the same as the last
        begin(0, 0)
        published = [
            one.number
            for one in trace.read_record(self.study.record())
            if one.kind is Kind.RENAME and one.path.name.startswith("checkpoint-")
        ]
        begin(published[1] + 1, -9)

    def _with_card(self) -> Path:
        """A config whose data are those of the card."""
        references = {
            language: {split: f"{CARD}:{language}:{split}" for split in SPLITS}
            for language in LANGUAGES
        }
        return self.world.config("zero_shot", name="card", data=references)

    def _download(self) -> None:
        """Write the card, and fetch its files over HTTP from a server in this process."""
        handler = functools.partial(_Quiet, directory=self.world.folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._write_card(server.server_port)
            self._must("data", "get", CARD)
            server.shutdown()

    def _write_card(self, port: int) -> None:
        languages: dict[str, dict[str, object]] = {}
        for language in LANGUAGES:
            for split in SPLITS:
                path = self.world.data(language, split)
                file = {
                    "url": f"http://127.0.0.1:{port}/{path.name}",
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "size": path.stat().st_size,
                }
                languages.setdefault(language, {})[split] = {"files": [file]}
        card = {
            "identifier": CARD, "name": "Downloaded", "task": TASK, "licence": "Apache-2.0",
            "citation": "none", "origin": "native", "format": "bio", "languages": languages,
        }  # fmt: skip
        path = self.world.folder / "cards" / f"{CARD}.yaml"
        path.write_text(json.dumps(card, indent=1), encoding="utf-8")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said of a request."""
