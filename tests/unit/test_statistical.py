"""What statistical aligners learn from, and eflomal with a program that answers as it is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xlt.errors import XltError
from xlt.projection.align import eflomal
from xlt.projection.align.base import Aligner, AlignerOptions, WordPair
from xlt.projection.align.eflomal import Eflomal, EflomalOptions
from xlt.projection.align.statistical import Statistical, StatisticalOptions


class Program:
    """In eflomal's place. answers: for each run, the lines of both directions."""

    def __init__(self, *answers: tuple[str, str]) -> None:
        self.answers = list(answers)
        self.made: list[dict[str, float]] = []
        self.priors: list[list[str] | None] = []
        self.texts: list[tuple[list[str], list[str]]] = []

    def Aligner(self, **options: float) -> Program:
        self.made.append(options)
        return self

    def align(self, source, target, forward, reverse, priors_input) -> None:
        self.texts.append((source, target))
        self.priors.append(priors_input)
        for path, text in zip((forward, reverse), self.answers.pop(0), strict=True):
            Path(path).write_text(text, encoding="utf-8")


PAIRS: list[WordPair] = [
    (["a b", "c", "Hamburg"], ["x", "y"]),
    (["d"], ["Hamburgs", " ", "e"]),
]


def run(monkeypatch, program: Program, **options) -> list:
    monkeypatch.setattr(eflomal, "_package", lambda: program)
    aligner = Eflomal(EflomalOptions(parts="none", **options))
    aligner.learn_from([(["more"], ["text"]), ([], ["none"]), (["none"], [])])
    return aligner.align(PAIRS, "eng", "deu")


def test_runs_vote_and_a_link_has_the_share_of_samplers_that_say_it(monkeypatch) -> None:
    program = Program(
        ("0-0 1-1\n0-0\n0-0\n", "0-0 1-1\n0-2\n\n"),
        ("0-0 2-1\n0-2\n0-0\n", "0-0\n0-2\n\n"),
        ("0-0 1-1\n0-2\n0-0\n", "1-1 2-1\n0-1\n\n"),
    )
    # Forward: 0-0 has 3 of 3, 1-1 has 2, 2-1 has 1. In reverse 0-0 and 1-1 have 2 each.
    assert run(monkeypatch, program, runs=3) == [
        {(0, 0): pytest.approx(5 / 6), (1, 1): pytest.approx(4 / 6)},
        {(0, 2): pytest.approx(4 / 6)},
    ]
    assert program.made == [{"n_samplers": 1, "rel_iterations": 1.0, "null_prior": 0.2}]
    # Words of two words, and of none, are one word; the parallel text is learnt from.
    assert program.texts == [(["a_b c Hamburg", "d", "more"], ["x y", "Hamburgs _ e", "text"])] * 3
    assert program.priors == [None] * 3, "these two look alike, but are of different pairs"


def test_half_of_the_runs_are_not_most(monkeypatch) -> None:
    answers = [("0-0 1-1\n\n\n", "0-0 1-1\n\n\n"), ("0-0\n\n\n", "0-0 1-1\n\n\n")]
    assert run(monkeypatch, Program(*answers), runs=2) == [{(0, 0): 1.0}, {}]


def test_one_run_averages_by_itself(monkeypatch) -> None:
    program = Program(("0-0 2-1\n0-0\n0-0\n", "0-0 2-1\n\n\n"))
    assert run(monkeypatch, program, runs=1, effort=2.5, null_prior=0.4) == [
        {(0, 0): 1.0, (2, 1): 1.0},
        {},
    ]
    assert program.made == [{"n_samplers": 3, "rel_iterations": 2.5, "null_prior": 0.4}]


def test_words_that_look_alike_are_told(monkeypatch) -> None:
    pairs: list[WordPair] = [(["Hamburg"], ["HAMBURG", "1"]), (["Berlin", "x"], ["Berlins"])]
    for weight, lines in (
        (2.0, ["LEX\tberlin\tberlins\t1.8\n", "LEX\thamburg\thamburg\t2\n"]),
        (0.0, None),
    ):
        program = Program(("\n\n", "\n\n"))
        monkeypatch.setattr(eflomal, "_package", lambda program=program: program)
        options = EflomalOptions(lexical=weight, parts="none", runs=1)
        assert Eflomal(options).align(pairs, "eng", "deu") == [{}, {}]
        (told,) = program.priors
        assert (told and sorted(told)) == lines


def test_a_program_that_fails_is_said(monkeypatch) -> None:
    program = Program()

    def fail(*texts: object, **options: object) -> None:
        raise subprocess.CalledProcessError(-9, "eflomal")

    monkeypatch.setattr(program, "align", fail)
    with pytest.raises(XltError, match=r"eflomal failed: .*SIGKILL") as error:
        run(monkeypatch, program)
    assert error.value.where == "aligner eflomal"


# All of them ----------------------------------------------------------------------------------


class Recording(Statistical):
    """Remembers what it is given, and links the first words."""

    def __init__(self, options: AlignerOptions) -> None:
        super().__init__(options)
        self.calls: list[tuple[list[WordPair], list[WordPair]]] = []

    def align_together(self, pairs, more):
        self.calls.append((list(pairs), list(more)))
        return [{(0, 0): 0.5 + n / 10} for n in range(len(pairs))]


def test_empty_pairs_are_left_out_and_the_others_keep_their_places() -> None:
    aligner = Recording(StatisticalOptions(parts="none"))
    given = [(["a"], []), (["b"], ["c"]), ([], ["d"]), (["e"], ["f"])]
    assert aligner.align(given, "eng", "deu") == [{}, {(0, 0): 0.5}, {}, {(0, 0): 0.6}]
    assert aligner.align([([], ["x"])], "eng", "deu") == [{}]
    assert aligner.calls == [([given[1], given[3]], [])]


def test_parallel_text_is_read_once_for_two_languages_and_no_more_than_asked(tmp_path) -> None:
    file = tmp_path / "text.tsv"
    file.write_text("a\tx\nb\ty\nc\tz\n", encoding="utf-8")
    options = StatisticalOptions(parallel=str(file), max_parallel=2, parts="none")
    assert options.parallel == [str(file)]
    aligner = Recording(options)
    more = [(["a"], ["x"]), (["b"], ["y"])]
    aligner.align([(["1"], ["2"])], "eng", "deu")
    file.write_text("d\tw\n", encoding="utf-8")
    aligner.align([(["1"], ["2"])], "eng", "deu")
    assert [given for _, given in aligner.calls] == [more, more]
    aligner.align([(["1"], ["2"])], "eng", "spa")
    assert aligner.calls[-1][1] == [(["d"], ["w"])]


def test_what_is_read_of_parallel_text_is_neither_empty_nor_very_long(tmp_path) -> None:
    from xlt.projection.align.parallel import read

    file = tmp_path / "text.tsv"
    rows = [("a " * 120, "x"), ("a " * 121, "x"), ("a", "x " * 121), ("a", ""), ("b", "y ")]
    file.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    found = [tuple(map(len, pair)) for pair in read([str(file)], "eng", "deu")]
    assert found == [(120, 1), (1, 1)]


class Plain(Aligner):
    """Remembers how many pairs come at once."""

    def align(self, pairs, source, target):
        self.sizes = [*getattr(self, "sizes", ()), len(pairs)]
        return [{} for _ in pairs]


def test_a_stream_is_in_constant_memory() -> None:
    aligner = Plain(AlignerOptions())
    taken = 0

    def pairs():
        nonlocal taken
        for _ in range(2001):
            taken += 1
            yield ["a"], ["b"]

    stream = aligner.stream(pairs(), "eng", "deu")
    next(stream)
    assert taken == 1000
    assert len(list(stream)) == 2000
    assert aligner.sizes == [1000, 1000, 1]
    assert not aligner.in_order
    # What learns from what it aligns takes more of it.
    learning = Recording(StatisticalOptions(parts="none"))
    list(learning.stream(((["a"], ["b"]) for _ in range(10_001)), "eng", "deu"))
    assert [len(one) for one, _ in learning.calls] == [10_000, 1]
