"""`xlt train --from RUN FILE`: the first stage is that of the run, and is not trained again."""

from __future__ import annotations

from small import bio, make_world, result, sentences, xlt


def test_corrected_texts_follow_a_run(tmp_path):
    world = make_world(tmp_path)
    config = world.config(training__epochs=1, strategy={"name": "zero_shot"})
    trained = xlt("train", config)
    assert trained.code == 0, trained.text
    (tmp_path / "corrected.bio").write_text(bio(sentences("jav", 5, seed=7)), encoding="utf-8")
    runs = world.runs()
    followed = xlt("train", "--from", runs / "run", tmp_path / "corrected.bio")
    assert followed.code == 0, followed.text
    assert len([path for path in (runs / "stages").glob("eng-*") if path.is_dir()]) == 1
    assert result(runs, "run-2")["strategy"] == "few_shot"
