"""xlt encoders"""

from __future__ import annotations

import json


def test_a_ranking_with_its_recommendation(xlt):
    done = xlt(
        "encoders", "--target", "Yoruba", "--source", "eng", "--task", "ner", "--max-gb", "4"
    )
    assert done.returncode == 0, done.stderr
    assert "AfroXLMR base" in done.stdout
    assert (
        "take AfroXLMR base (`encoder: Davlan/afro-xlmr-base`): it has read Yoruba" in done.stdout
    )
    assert "need more memory: " in done.stdout
    assert "estimates for this processor" in done.stdout


def test_json(xlt):
    asked = ("--target", "hau", "--max-gb", "4", "--top", "2", "--json")
    found = json.loads(xlt("encoders", *asked).stdout)
    assert len(found["encoders"]) == 2
    assert found["recommended"]["encoder"] == found["encoders"][0]["id"]
    assert "FacebookAI/xlm-roberta-large" in found["larger"]


def test_one_encoder(xlt):
    done = xlt("encoders", "UBC-NLP/serengeti", "--target", "hau", "--max-gb", "1")
    assert done.returncode == 0, done.stderr
    assert "for research only" in done.stdout
    assert "88.86 F1 (MasakhaNER 2.0" in done.stdout


def test_without_a_target_none_is_recommended(xlt):
    done = xlt("encoders", "--top", "3", "--max-gb", "4")
    assert "take " not in done.stdout
    assert "give --target" in done.stdout
    assert "none of" in xlt("encoders", "--max-gb", "0.1").stdout


def test_a_text(xlt, tmp_path):
    (tmp_path / "en.txt").write_text("Anna lives in Rome.\n", encoding="utf-8")
    asked = ("encoders", "xlt-mini", "--target", "eng", "--text", "en.txt")
    done = xlt(*asked, cwd=tmp_path, XLT_CACHE=str(tmp_path / "cache"))
    assert "subwords a word, 0.0% unknown" in done.stdout, done.stderr
    (tmp_path / "en.txt").write_text("\n", encoding="utf-8")
    done = xlt(*asked, cwd=tmp_path)
    assert done.returncode == 2
    assert "en.txt: there are no sentences in it" in done.stderr


def test_what_is_not_known_is_an_error(xlt):
    for asked, said in (
        (["--target", "xyzzy"], "unknown language 'xyzzy'"),
        (["roberta-base"], "nothing is known of an encoder called 'roberta-base'"),
        (["--target", "hau", "--task", "cooking"], "there is no task called 'cooking'"),
    ):
        done = xlt("encoders", *asked)
        assert done.returncode == 2
        assert said in done.stderr
        assert "fix: " in done.stderr
