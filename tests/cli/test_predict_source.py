"""xlt predict-source, and `source: auto` in a config."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tiny import make_encoder

AUTO = """\
name: guessed
task: dependency_parsing
model: {encoder: xlm-roberta-base}
data:
  eng: {train: en.conllu, dev: en.conllu}
  ind: {train: id.conllu, dev: id.conllu}
  jav: {test: jv.conllu}
source: auto
target: Javanese
"""


def test_table(xlt):
    done = xlt("predict-source", "eus", "--task", "dependency_parsing", "--top", "3")
    assert done.returncode == 0, done.stderr
    assert "sources for Basque (eus)" in done.stdout
    assert "English" in done.stdout
    assert "best on average" in done.stdout
    assert "langrank_dep (Lin et al. 2019" in done.stdout


def test_json_and_explain(xlt):
    done = xlt("predict-source", "Basque", "--task", "ner", "--sources", "eng,spa,tur", "--json")
    found = json.loads(done.stdout)
    assert [source["rank"] for source in found["sources"]] == [1, 2, 3]
    assert {source["language"] for source in found["sources"]} == {"eng", "spa", "tur"}
    shown = xlt("predict-source", "eus", "--task", "ner", "--sources", "eng", "--explain").stdout
    assert "WALS 81A Order of Subject, Object and Verb: SVO → SOV" in shown


def test_an_encoder_that_needs_consent(xlt, tmp_path):
    torch = pytest.importorskip("torch")
    load_file = pytest.importorskip("safetensors.torch").load_file
    encoder = make_encoder(tmp_path / "encoder", ["Ibu maca buku ing omah."])
    torch.save(load_file(encoder / "model.safetensors"), encoder / "pytorch_model.bin")
    (encoder / "model.safetensors").unlink()
    (tmp_path / "jv.txt").write_text("Ibu maca buku ing omah.\n" * 30, encoding="utf-8")
    asked = ("predict-source", "jav", "--task", "ner", "--available", "sample")
    asked = (*asked, "--text", "jv.txt", "--encoder", "encoder")
    refused = xlt(*asked, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--allow pickle" in refused.stderr
    done = xlt(*asked, "--allow", "pickle", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "neighbours" in done.stdout
    unknown = xlt("predict-source", "jav", "--task", "ner", "--allow", "pikle")
    assert "did you mean 'pickle'" in unknown.stderr


def test_set_and_chain(xlt):
    asked = ("predict-source", "jav", "--task", "dependency_parsing", "--count", "2", "--via")
    done = xlt(*asked, "--sources", "ind,eng,hin")
    assert done.returncode == 0, done.stderr
    assert "together (heuristic" in done.stdout
    assert "→ ind → jav" in done.stdout


def test_text(xlt, tmp_path):
    (tmp_path / "jv.txt").write_text("Ibu maca buku ing omah.\n" * 30, encoding="utf-8")
    asked = ("predict-source", "jav", "--task", "dependency_parsing", "--available", "sample")
    done = xlt(*asked, "--text", "jv.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "text: letters, 30 sentences of jv.txt against text of" in done.stdout
    assert "warning" not in done.stdout
    done = xlt(*asked, "--text", "nowhere.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere.txt: there is no such file" in done.stderr


def test_budget(xlt, tmp_path):
    asked = ("predict-source", "jav", "--task", "dependency_parsing", "--available", "sample")
    done = xlt(*asked, "--budget", "100", "--count", "2", "--write", "b.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "100 training examples, evenly" in done.stdout
    assert "wrote b.yaml" in done.stdout
    checked = json.loads(xlt("config", "check", "b.yaml", "--json", cwd=tmp_path).stdout)
    assert len(checked["stages"]["jav"]) == 1
    climbed = xlt(*asked, "--count", "3", "--set-by", "tower")
    assert "after TOWER" in climbed.stdout
    for wrong, said in [
        (("--write", "c.yaml"), "--write writes the division of a budget"),
        (("--budget", "1"), "fewer than"),
        (("--count", "2", "--set-by", "towre"), "did you mean 'tower'"),
    ]:
        done = xlt(*asked, *wrong, cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr


def test_few_shot(xlt, tmp_path):
    asked = ("predict-source", "jav", "--task", "ner", "--reach", "80", "--top", "1")
    done = xlt(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "with n labelled target examples" in done.stdout
    assert "for a score of 80: " in done.stdout
    assert "(80 %: at best " in done.stdout
    far = xlt(*asked[:4], "--reach", "99.9", "--top", "1", cwd=tmp_path).stdout
    assert "for a score of 99.9: out of reach (80 %: " in far
    assert "at worst never)" in far
    assert "no run of yours" in done.stdout


def test_sizes(xlt, tmp_path):
    """With little of it Portuguese goes down, and leaves the set and the chain into Catalan."""
    asked = ("predict-source", "mwl", "--task", "pos", "--sources", "por,cat,jpn,eng", "--json")
    asked = (*asked, "--count", "2", "--set-by", "tower", "--via")
    (tmp_path / "sizes.csv").write_text("language,examples\nPortuguese,30\n", encoding="utf-8")
    found = [
        json.loads(xlt(*asked, *more, cwd=tmp_path).stdout)
        for more in ((), ("--sizes", "sizes.csv"))
    ]
    assert [one["sources"][0]["language"] for one in found] == ["por", "cat"]
    assert [one["set"] for one in found] == [["cat", "por"], ["cat"]]
    into = [{chain["via"]: chain["source"] for chain in one["chains"]} for one in found]
    assert [chains["cat"] for chains in into] == ["por", "eng"]


def test_analyse_typology(xlt):
    done = xlt("analyse-typology", "eusie_event", "--permutations", "20")
    assert done.returncode == 0, done.stderr
    assert "eusie_event event-argument" in done.stdout
    assert "word order" in done.stdout
    assert "error on targets left out" in done.stdout


def test_pretraining_and_amounts_of_data_are_said(xlt):
    asked = ("predict-source", "jav", "--task", "dependency_parsing", "--json")
    done = xlt(*asked, "--encoder", "xlm-roberta-base", "--available", "sample")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pretraining"]["target"] == "24 million tokens"
    by_code = {source["language"]: source for source in found["sources"]}
    assert by_code["ind"]["pretraining"] == "22,704 million tokens"
    assert by_code["ind"]["data"]["here"]
    assert by_code["ind"]["data"]["bytes"] > 1000
    unread = xlt("predict-source", "yor", "--task", "ner", "--encoder", "xlm-roberta-base").stdout
    assert "XLM-R has never read Yoruba" in unread
    unknown = xlt("predict-source", "yor", "--task", "ner", "--encoder", "foo/bar").stdout
    assert "what foo/bar has read in pretraining is not known here" in unknown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xyzzy", "--task", "ner"), "unknown language"),
        (("eus", "--task", "nre"), "did you mean 'ner'"),
        (("eus", "--task", "ner", "--sources", ""), "--sources is empty"),
        (("eus", "--task", "ner", "--sources", ","), "no source language"),
        (("eus", "--task", "ner", "--sources", "spa,eus"), "is the target"),
        (("eus", "--task", "ner", "--sources", "spa", "--available", "ud"), "exclude"),
        (("eus", "--task", "ner", "--available", "masakhane"), "no data card"),
    ],
)
def test_errors(xlt, arguments, said):
    done = xlt("predict-source", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--map", "--write"])
def test_no_file_that_is_read_is_written_over(xlt, tmp_path, option):
    text = tmp_path / "eus.txt"
    text.write_text("Kaixo, mundua!\n", encoding="utf-8")
    done = xlt(
        *("predict-source", "eus", "--task", "ner", "--text", text, "--budget", "100"),
        *(option, f"{tmp_path}/../{tmp_path.name}/eus.txt"),
    )
    assert done.returncode == 2
    assert f"{option}: the output is a file of the input" in done.stderr
    assert text.read_text(encoding="utf-8") == "Kaixo, mundua!\n"


def test_the_command_imports_no_torch():
    code = (
        "import sys\nfrom xlt.cli import main\n"
        "try: main(['predict-source', 'eus', '--task', 'dependency_parsing'])\n"
        "except SystemExit: print([m for m in ('torch', 'transformers', 'datasets', 'scipy') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "[]\n"


def test_source_auto(xlt, tmp_path):
    (tmp_path / "auto.yaml").write_text(AUTO, encoding="utf-8")
    shown = xlt("config", "show", "auto.yaml", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["source"] == ["ind"]
    checked = json.loads(xlt("config", "check", "auto.yaml", "--json", cwd=tmp_path).stdout)
    assert checked["stages"] == {"jav": ["ind"]}


def test_source_auto_without_candidates(xlt, tmp_path):
    text = AUTO.replace("train: en.conllu, ", "").replace("train: id.conllu, ", "")
    (tmp_path / "auto.yaml").write_text(text, encoding="utf-8")
    done = xlt("config", "show", "auto.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "auto.yaml:8" in done.stderr
    assert "no language with training data" in done.stderr
