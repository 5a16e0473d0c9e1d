"""The judge of bad inputs judges as it says."""

from __future__ import annotations

import pytest
from bad_inputs import runner
from bad_inputs.case import Accepted, Case, Either, Outcome, Refused, unique

ERROR = {"what": "wrong", "where": "a.bio:3", "fix": "mend it"}


def judged(expected, code, said="", **error):
    errors = ({**ERROR, **error},) if code == 2 else ()
    outcome = Outcome(code, "", said, errors)
    return runner.judge(Case("case", (), expected), outcome, None)


def test_what_is_as_expected_passes():
    assert judged(Refused("a.bio:3"), 2) is None
    assert judged(Either(), 2) is None
    assert judged(Either(), 0) is None
    assert judged(Accepted("left out"), 0, "2 are left out") is None


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (judged(Either(), 1, "xlt: this is a bug: KeyError"), "traceback"),
        (judged(Either(), 1), "exit status 1"),
        (judged(Refused(), 0), "in silence"),
        (judged(Refused(), 0, "a note"), "accepted"),
        (judged(Refused("a.bio:4"), 2), "a.bio:4"),
        (judged(Either(), 2, where=None), "without a place"),
        (judged(Either(), 2, where="None: x"), "without a place"),
        (judged(Either(), 2, fix=None), "without advice"),
        (judged(Accepted(), 2), "refused"),
        (judged(Accepted("left out"), 0), "nothing is said"),
    ],
)
def test_what_is_not_fails(problem, why):
    assert why in problem


def test_commands_run_in_this_process():
    outcome = runner.xlt(["tasks", "--no-such-option"])
    assert (outcome.code, outcome.errors[0]["what"]) == (2, "No such option: --no-such-option")
    assert '"ner"' in runner.xlt(["tasks"]).out


def test_what_hangs_is_stopped():
    def endless():
        with runner._limited(0.05, ["train"]):
            while True:
                pass

    with pytest.raises(AssertionError, match=r"no end after 0\.05 s: xlt train"):
        endless()


def test_names_are_unique():
    case = Case("a", (), Either())
    with pytest.raises(ValueError, match="'a'"):
        unique([case, case])
