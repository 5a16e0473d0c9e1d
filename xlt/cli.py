"""The command line. A command parses, calls the function of the same name, and prints.

Functions are imported inside the commands: `xlt --help` must not wait for torch.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from xlt import __version__
from xlt.commands import (
    annotate,
    config,
    data,
    diff,
    encoders,
    estimate,
    export,
    init,
    merge,
    plan,
    probe,
    project,
    runs,
    scores,
    serve,
    sources,
    store,
    study,
    train,
    work,
)
from xlt.console import console
from xlt.errors import XltError
from xlt.extras import missing_package

app = typer.Typer(
    name="xlt",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DISK = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "give a place you may write to"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "name a folder, or move the file away"),
    errno.EISDIR: "name a file, or move the folder away",
    errno.ENOENT: "check the path; its folder has to be there",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "the link leads to itself; name the file that is meant",
    errno.EIO: "the disk cannot be read or written; copy the file elsewhere",
}
"""What to do where the operating system refuses a file, whoever asked for it."""
_GLOBAL_FLAGS = {"--debug", "--quiet", "--json"}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"xlt {__version__}")
        raise typer.Exit


@app.callback()
def flags(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only results.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Results and errors as JSON.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Cross-lingual transfer: labels in one language, a model for another.

    The options below may stand anywhere on the line.
    """
    console.debug, console.quiet, console.json = debug, quiet, json
    _check(context.obj or ())


app.command()(init.init)
app.command()(plan.plan)
app.command()(train.train)
work.add_to(app)
app.command()(estimate.estimate)
app.command()(annotate.annotate)
app.command()(serve.serve)
project.add_to(app)
app.command()(export.export)
app.command()(merge.merge)
app.add_typer(diff.app, name="diff")
app.command()(study.study)
app.command()(probe.probe)
app.add_typer(runs.app, name="runs")
app.add_typer(store.app, name="store")
sources.add_to(app)
app.command()(encoders.encoders)
app.add_typer(scores.app, name="scores")
app.add_typer(data.app, name="data")
app.add_typer(config.app, name="config")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 a bug, 2 an error to mend, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # text in any script, in any locale
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding="utf-8")
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


@cache
def command_tree() -> typer.core.TyperGroup:
    """All commands, as the parser has them; made once, which takes as long as a short command."""
    found = typer.main.get_command(app)
    assert isinstance(found, typer.core.TyperGroup)
    return found


def _run(arguments: Sequence[str]) -> int:
    command = command_tree()
    if os.environ.get("_XLT_COMPLETE"):  # a shell asks how a line may go on
        command.main(prog_name="xlt")
    # Not the framework's own main(): it words errors and picks exit codes by itself.
    try:
        with command.make_context("xlt", _flags_first(arguments), obj=arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as request:
        return request.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("xlt: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has left, as in `xlt runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        known = _to_mend(error)
        if known is None:
            console.bug(error)
            return 1
        if known is not error:
            known.__cause__ = error
        console.error(_placed(known, _command(command, arguments)))
        return 2
    return 0


def _check(arguments: Sequence[str]) -> None:
    """Raises XltError for an argument that says nothing, or that no file can be called.

    What is empty comes of a variable that is not set (`--language "$LANGUAGE"`), and would count as
    an option that was not given.
    """
    for before, text in zip(["", *arguments], arguments, strict=False):
        if not text or (text.startswith("--") and text.endswith("=")):
            option = text.rstrip("=") or (before if before.startswith("-") else "")
            raise XltError(
                f"{option or 'an argument'} is empty", fix="give it a value, or leave it out"
            )
        try:
            whole = "\0" not in os.fsdecode(os.fsencode(text))
        except UnicodeEncodeError:
            whole = False
        if not whole:
            raise XltError(
                f"an argument holds NUL or half of a character: {text!r:.60}", fix="write it anew"
            )


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global flags in front, where the parser wants them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    global_flags = [text for text in arguments[:end] if text in _GLOBAL_FLAGS]
    rest = [text for text in arguments[:end] if text not in _GLOBAL_FLAGS]
    return [*global_flags, *rest, *arguments[end:]]


def _command(command: Any, arguments: Sequence[str]) -> str:
    """The command that was given, as it is called: `xlt data get`; `xlt` if there was none."""
    path = ["xlt"]
    for text in _flags_first(arguments):
        if text in getattr(command, "commands", {}):
            command = command.commands[text]
            path.append(text)
    return " ".join(path)


def _placed(error: XltError, command: str) -> XltError:
    """The error with the command as its place, where it has no better one."""
    return error.placed(lambda one: command if one.where is None else one.where)


def _to_mend(error: Exception) -> XltError | None:
    """What the user can do about it; None where it is our fault."""
    if isinstance(error, XltError):
        return error
    if hasattr(error, "format_message"):  # a usage error; its class moves between typer's versions
        return _usage(error)
    if isinstance(error, OSError) and error.errno in _DISK:
        where = error.filename or "the disk"
        return XltError(str(error.strerror), where=where, fix=_DISK[error.errno])
    return missing_package(error)


def _usage(error: Any) -> XltError:
    path = error.ctx.command_path if error.ctx else "xlt"
    if type(error).__name__ == "NoArgsIsHelpError":
        return XltError(
            error.format_message() + "\n\nno command was given", where=path, fix="add one"
        )
    what, _, advice = error.format_message().partition(". Did you mean")
    close = advice.strip(" ?'")
    fix = f"did you mean `{path} {close}`?" if close else f"see `{path} --help`"
    return XltError(what.rstrip("."), where=path, fix=fix)
