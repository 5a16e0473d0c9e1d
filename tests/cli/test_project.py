"""`xlt project`, as a user runs it."""

from __future__ import annotations

import json
import os

import pytest
import small

from xlt.tasks.ner import NER

DATA = """\
Emma\tB-PER
lives\tO
in\tO
Rome\tB-LOC
.\tO

The\tO
old\tO
bridge\tO
was\tO
red\tO
.\tO

"""
SPANISH = "Emma vive en Roma.\nEl viejo puente era rojo.\n"
LINKS = "0-0 1-1 2-2 3-3 4-4\n0-0 1-1 2-2 3-3 4-4 5-5\n"

CONFIG = """\
name: spanish
task: ner
model: {encoder: nothing}
data:
  eng: {train: eng.bio, dev: eng.bio}
  spa: {test: eng.bio}
source: eng
target: spa
strategy: {name: projection, with_source: true}
projection:
  translator: {name: given, file: "{target}.txt"}
  aligner: {name: given, file: "links.txt"}
output: {root: runs}
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in {
        "eng.bio": DATA, "spa.txt": SPANISH, "links.txt": LINKS, "spanish.yaml": CONFIG
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.apertium("eng-spa")
def test_english_entities_in_spanish(xlt, folder):
    command = ("project", "eng.bio", "spa.bio", "--task", "ner", "--from", "en", "--to", "Spanish")
    done = xlt(*command, "--json", cwd=folder, XLT_CACHE=str(folder / "cache"))
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    assert (report["from"], report["to"]) == ("eng", "spa")
    assert (report["records"], report["used"], report["kept"]) == (2, 2, 2)
    first, second = NER().read(folder / "spa.bio", "bio")
    entities = first.layers["entities"].spans
    assert [(s.kind, first.words[s.start]) for s in entities] == [
        ("PER", "Emma"),
        ("LOC", "Roma"),
    ]
    assert "puente" in second.words
    page = (folder / "spa.bio.html").read_text(encoding="utf-8")
    assert "<mark>" in page
    assert "Roma" in page
    written = (folder / "spa.bio").read_bytes()
    again = xlt(*command, cwd=folder, XLT_CACHE=str(folder / "cache"))
    assert again.returncode == 0
    assert "translated" not in again.stderr  # all of it is there already
    assert (folder / "spa.bio").read_bytes() == written
    assert "2 of 2 records (100.0 %), 2 of 2 labels (100.0 %)" in again.stdout


@pytest.mark.apertium("eng-spa")
def test_a_pair_that_is_not_installed(xlt, folder):
    done = xlt(
        *("project", "eng.bio", "out.bio", "--task", "ner", "--from", "eng", "--to", "fin"),
        cwd=folder,
    )
    assert done.returncode == 2
    assert "no translation from English to Finnish" in done.stderr
    assert "fix:" in done.stderr
    assert not (folder / "out.bio").exists()


def test_what_a_config_projects(xlt, folder):
    done = xlt("project", "spanish.yaml", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "eng → spa" in done.stdout
    made = folder / "runs" / "spanish" / "projection"
    assert sorted(path.name for path in made.iterdir()) == [
        *("eng-to-spa.dev.bio", "eng-to-spa.dev.html"),
        *("eng-to-spa.train.bio", "eng-to-spa.train.html"),
    ]
    first, _ = NER().read(made / "eng-to-spa.train.bio", "bio")
    assert NER().tags(first) == ["B-PER", "O", "O", "B-LOC", "O"]
    stdout = xlt(
        *("project", "eng.bio", "-", "--task", "ner", "--from", "eng", "--to", "spa"),
        *("--translator", "given", "--aligner", "given", "--quiet"),
        *("projection.translator.file=spa.txt", "projection.aligner.file=links.txt"),
        cwd=folder,
    ).stdout
    assert stdout.startswith("Emma\tB-PER\nvive\tO\n")


def test_bad_links_and_line_counts(xlt, folder):
    (folder / "links.txt").write_text("0-0 9-1\n0-0\n", encoding="utf-8")
    done = xlt("project", "spanish.yaml", "--quiet", cwd=folder)
    assert done.returncode == 2
    assert "links.txt:1: link 9-1: the source has 5 words" in done.stderr
    (folder / "links.txt").write_text(LINKS, encoding="utf-8")
    (folder / "spa.txt").write_text(SPANISH * 2, encoding="utf-8")
    done = xlt("project", "spanish.yaml", "--quiet", cwd=folder)
    assert done.returncode == 2
    assert "spa.txt" in done.stderr
    assert "fix:" in done.stderr
    made = folder / "runs" / "spanish" / "projection"
    assert {path.suffix for path in made.iterdir()} <= {".part"}  # nothing looks complete


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.yaml", "b.yaml"], "2 files, and no --task"),
        (["a", "b", "--task", "ner"], "--from and --to missing"),
        (["a", "--task", "ner", "--from", "eng", "--to", "spa"], "1 files, not IN and OUT"),
        (["a.bio", "b.bio", "--task", "nr", "--from", "eng", "--to", "spa"], "did you mean 'ner'"),
        (["spanish.yaml", "strategy=zero_shot"], "the strategy zero_shot projects no data"),
        (["spanish.yaml", "projection.translator=null"], "no translator is chosen"),
        pytest.param(
            ["eng.bio", "b.xyz", *("--task", "ner", "--from", "eng", "--to", "spa")],
            "b.xyz",
            marks=pytest.mark.apertium("eng-spa"),
        ),
    ],
)
def test_mistakes(folder, arguments, message):
    done = small.xlt("project", *arguments, before=lambda: os.chdir(folder))
    assert done.code == 2, done.text
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("output", ["./eng.bio", "spa.txt", "links.txt"])
def test_nothing_that_is_read_is_written_over(folder, output):
    for path in folder.glob("*.txt"):
        (folder / f"{path.name}.bio").symlink_to(path)
    output = output if output.endswith(".bio") else f"{output}.bio"
    for chosen in (
        ["eng.bio", output],
        ["eng.bio", "out.bio", "--html", output],
        ["eng.bio", "out.bio", "--html", "./out.bio"],  # which is not there yet
    ):
        done = small.xlt(
            *("project", *chosen, "--task", "ner", "--from", "eng", "--to", "spa"),
            *("--translator", "given", "--aligner", "given"),
            *('projection.translator.file="{target}.txt"', "projection.aligner.file=links.txt"),
            before=lambda: os.chdir(folder),
        )
        assert done.code == 2, done.text
        assert "the output is a file of the input" in done.err
    assert (folder / "eng.bio").read_text(encoding="utf-8") == DATA
    assert (folder / "spa.txt").read_text(encoding="utf-8") == SPANISH
    assert not (folder / "out.bio").exists()


def test_options_of_the_reader_of_in(xlt, folder):
    text = DATA.replace("B-", "I-")
    (folder / "iob1.bio").write_text(text, encoding="utf-8")
    given = ("--task", "ner", "--from", "eng", "--to", "spa", "--translator", "given")
    settings = ("projection.translator.file=spa.txt", "projection.aligner.name=given",
                "projection.aligner.file=links.txt")  # fmt: skip
    command = ("project", "iob1.bio", "out.bio", *given, *settings)
    refused = xlt(*command, "--option", "scheme=IOB2", cwd=folder)
    assert refused.returncode == 2
    assert "`--option repair=true`" in refused.stderr
    wrong = xlt(*command, "--option", "shceme=IOB1", cwd=folder)
    assert wrong.returncode == 2
    assert "--option (shceme): the format bio of ner has no option 'shceme'" in wrong.stderr
    done = xlt(*command, "--option", "scheme=IOB1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Emma\tB-PER" in (folder / "out.bio").read_text(encoding="utf-8")
    config = xlt("project", "spanish.yaml", "--option", "scheme=IOB1", cwd=folder)
    assert config.returncode == 2
    assert "--option is for the data IN" in config.stderr
