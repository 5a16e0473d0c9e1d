"""xlt probe and xlt study: what they refuse, as users see it."""

from __future__ import annotations


def test_an_answer_that_maps_nothing(xlt, tmp_path):
    done = xlt("probe", ".", "some-suite", "--answer", "neutral", cwd=tmp_path)
    assert done.returncode == 2
    assert "write OURS=THEIRS" in done.stderr


def test_no_model_and_no_study(xlt, tmp_path, config):
    done = xlt("probe", "somewhere", "some-suite", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no trained model here" in done.stderr
    done = xlt("study", str(config / "transfer.yaml"))
    assert done.returncode == 2
    assert "the key 'study' is missing" in done.stderr
