"""Errors a user can cause: each says what is wrong, where, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


class XltError(Exception):
    """An error a user can cause and mend.

    what:  one sentence, no full stop needed.
    where: ``file:line``, a config key such as ``training.epochs``, or a path.
    fix:   what to do about it.

    The command line prints the three and exits with 2; ``--debug`` adds the traceback.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(self.render())

    def render(self) -> str:
        lines = [self.what if self.where is None else f"{self.where}: {self.what}"]
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    def at(self, where: object) -> XltError:
        """The same error at another place, with its traceback and what caused it (``--debug``)."""
        return self.placed(lambda _: where)

    def placed(self, where: Callable[[XltError], object]) -> XltError:
        """As `at`; of several errors, each is where this says of it."""
        return _for(self, type(self)(self.what, where=where(self), fix=self.fix))

    def renamed(self, rename: Callable[[str], str]) -> XltError:
        """The same error, where keys that it speaks of have other names. rename: of each text."""
        where, fix = (None if one is None else rename(one) for one in (self.where, self.fix))
        return _for(self, type(self)(rename(self.what), where=where, fix=fix))

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments need help to cross a process boundary (datasets, accelerate).
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _for(old: XltError, new: XltError) -> XltError:
    """The new error, as if it had been raised where the old one was."""
    new.__cause__, new.__context__ = old.__cause__, old.__context__
    new.__suppress_context__ = old.__suppress_context__
    return new.with_traceback(old.__traceback__)


def _rebuild(kind: type[XltError], what: str, where: str | None, fix: str | None) -> XltError:
    return kind(what, where=where, fix=fix)


def first_line(error: BaseException) -> str:
    """Of another library's message, which may have many lines or none: then the error's kind."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


MAX_SHOWN = 100
"""Problems that are shown at once; `--json` lists them all."""


class XltErrors(XltError):
    """Several problems found together (a config, a data file), reported at once."""

    def __init__(self, problems: Iterable[XltError]) -> None:
        self.problems = list(problems)
        super().__init__(f"{len(self.problems)} problems")

    def render(self) -> str:
        shown = [problem.render() for problem in self.problems[:MAX_SHOWN]]
        more = len(self.problems) - len(shown)
        return "\n".join([*shown, f"... and {more} more problems"] if more else shown)

    def placed(self, where: Callable[[XltError], object]) -> XltError:
        return _for(self, XltErrors(problem.placed(where) for problem in self.problems))

    def renamed(self, rename: Callable[[str], str]) -> XltError:
        return _for(self, XltErrors(problem.renamed(rename) for problem in self.problems))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.problems,))


def flat(error: XltError) -> list[XltError]:
    """The problems in an error that may hold several."""
    return list(error.problems) if isinstance(error, XltErrors) else [error]


def described(error: XltError) -> dict[str, list[dict[str, str | None]]]:
    """The problems as JSON says them."""
    listed = [{"what": one.what, "where": one.where, "fix": one.fix} for one in flat(error)]
    return {"errors": listed}


def raise_all(problems: list[XltError]) -> None:
    """Raise what was collected: nothing for none, the error itself for one."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise XltErrors(problems)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice most like `name`, or None when nothing is close."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None


def choose(name: str, choices: Iterable[str]) -> str:
    """Text for `fix`: the nearest valid name first, then all of them."""
    options = sorted(choices)
    close = nearest(name, options)
    listed = ", ".join(options) if options else "none are available"
    return f"did you mean {close!r}? Valid: {listed}" if close else f"valid: {listed}"
