"""What xlt does only with consent: running others' code, sending data out, leaving a folder.

Configs and model folders come from colleagues, papers and hubs. What in them would do one of these
things is collected as a `Request` and said before it is obeyed; it is refused unless it is allowed:
by `--allow NAME`, by the answer to a question on a terminal, by a setting that the user typed on
the command line, or in Python by `allowing`::

    with allowing("push"):
        train(load_config("ner.yaml"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from xlt.errors import XltError, choose, raise_all

REMOTE_CODE, PICKLE, PUSH, REPORT, ONLINE, KEY, STORE, OUTSIDE = (
    "remote-code",
    "pickle",
    "push",
    "report",
    "online",
    "key",
    "store",
    "outside",
)

PERMISSIONS = {
    REMOTE_CODE: "run the code that comes with a model",
    PICKLE: "read weights from pickle files, where a model has no safetensors",
    PUSH: "upload the finished model",
    REPORT: "give settings and scores to an experiment tracker",
    ONLINE: "send texts to a service",
    KEY: "send a key out of the environment to a service that a model's folder names",
    STORE: "keep trained stages in a store on the network, and take them from there",
    OUTSIDE: "use files and models that a model's folder names outside itself",
}
"""Every permission that there is, and what it lets xlt do."""


@dataclass(frozen=True)
class Request:
    """Something that needs a permission.

    what:  in this case, e.g. "uploads the finished model to me/ner".
    where: a config key, a file, or None.
    typed: the user has said it on the command line, which is consent.
    """

    permission: str
    what: str
    where: str | None = None
    typed: bool = False


Ask = Callable[[Request], bool]
"""Asks the user; True if it is allowed."""


@dataclass(frozen=True)
class _Consent:
    """granted: permissions; ask: about all others; answers: what has been asked, and the answer."""

    granted: frozenset[str] = frozenset()
    ask: Ask | None = None
    answers: dict[Request, bool] = field(default_factory=dict)


_consent: ContextVar[_Consent] = ContextVar("consent", default=_Consent())  # noqa: B039


@contextmanager
def allowing(*names: str, ask: Ask | None = None) -> Iterator[None]:
    """Within the ``with`` block, allow what these permissions are for.

    ask: is asked about everything else, once each; by default it is refused.
    Raises XltError for a name that is no permission.
    """
    for name in names:
        if name not in PERMISSIONS:
            raise XltError(
                f"there is no permission {name!r}", where="--allow", fix=choose(name, PERMISSIONS)
            )
    outer = _consent.get()
    inner = replace(outer, granted=outer.granted | set(names))
    with _within(inner if ask is None else replace(inner, ask=ask, answers={})):
        yield


@contextmanager
def obeying(requests: Iterable[Request]) -> Iterator[None]:
    """Within the ``with`` block, do what is requested and allowed.

    Raises XltError as `require` does.
    """
    asked = list(requests)
    require(asked)
    outer = _consent.get()
    with _within(replace(outer, granted=outer.granted | {one.permission for one in asked})):
        yield


def require(requests: Iterable[Request]) -> None:
    """Return if everything that is requested is allowed.

    Raises XltError (XltErrors for several) that says what was asked for and how to allow it.
    """
    raise_all([refusal(one) for one in dict.fromkeys(requests) if not _is_allowed(one)])


def is_granted(name: str) -> bool:
    """Whether this permission has been given already. Asks nobody."""
    return name in _consent.get().granted


def given() -> tuple[str, ...]:
    """Permissions that have been given by name, or by an answer: for processes that go on with
    what was begun here. Asks nobody."""
    consent = _consent.get()
    answered = {request.permission for request, yes in consent.answers.items() if yes}
    return tuple(sorted(consent.granted | answered))


def refusal(request: Request) -> XltError:
    """What a user is told where a request is not allowed."""
    return XltError(
        f"this {request.what}, which needs your consent",
        where=request.where,
        fix=f"if you trust where it comes from, add `--allow {request.permission}` (in Python: "
        f'`with xlt.permissions.allowing("{request.permission}"):`)',
    )


def _is_allowed(request: Request) -> bool:
    consent = _consent.get()
    if request.typed or request.permission in consent.granted:
        return True
    if consent.ask is not None and request not in consent.answers:
        consent.answers[request] = consent.ask(request)
    return consent.answers.get(request, False)


@contextmanager
def _within(consent: _Consent) -> Iterator[None]:
    token = _consent.set(consent)
    try:
        yield
    finally:
        _consent.reset(token)
