"""xlt init"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xlt.commands.arguments import InputFormat, ReaderOptions, read_options
from xlt.console import console
from xlt.errors import XltError

if TYPE_CHECKING:
    from xlt.runs.first_config import Proposal

ENGLISH = "eng"


def init(
    train: Annotated[Path, typer.Argument(metavar="FILE", help="Annotated data to learn from.")],
    target: Annotated[
        str | None, typer.Option(help="The language that a model is for: code or English name.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The language of the annotated data; by default English.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="By default the one whose annotation the file holds.")
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Annotated data to choose the best weights on."),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Annotated data of the target, to measure on."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sentences of the target, one a line: what encoders' tokenizers make of them.",
        ),
    ] = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    encoder: Annotated[
        str | None, typer.Option(help="By default chosen, as `xlt encoders` does.")
    ] = None,
    max_gb: Annotated[
        float | None,
        typer.Option(
            help="What training may take of memory (GiB); by default this machine's.",
            min=0.1,
            max=100_000,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The config to write.")] = Path(
        "transfer.yaml"
    ),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over a config that is there.")
    ] = False,
) -> None:
    """Write a config for annotated files and a target language, with the reason for each choice.

    On a terminal it asks for what is not said.
    """
    from xlt import languages
    from xlt.files import refuse_overwriting
    from xlt.runs.first_config import propose
    from xlt.runs.write_config import write
    from xlt.typology.text import read_sentences

    if not overwrite and output.exists():
        raise XltError(
            "there is a file of this name", where=output, fix="add --overwrite, or --output OTHER"
        )
    refuse_overwriting(output, [path for path in (train, dev, test, text) if path is not None])
    if target is None:
        target = _ask("--target", "For which language is the model?", "the language of the model")
    if source is None:
        source = ENGLISH
        console.note("the annotated data are taken to be in English; --source says another")
    files = {"train": train, "dev": dev, "test": test}
    proposal = propose(
        {split: path for split, path in files.items() if path is not None},
        target=languages.code(target, where="--target"),
        source=languages.code(source, where="--source"),
        task=task,
        input_format=input_format,
        options=read_options(option),
        text=None if text is None else read_sentences(text),
        encoder=encoder,
        max_gib=max_gb,
        folder=output.parent,
    )
    write(proposal, output)
    result = {
        "config": str(output),
        "task": proposal.task,
        "source": proposal.source,
        "target": proposal.target,
        "encoder": proposal.encoder,
        "reason": proposal.why,
        "data": {
            split: {"format": one.format, "records": one.records, "words": one.words}
            for split, one in proposal.readings.items()
        },
        "dev_share": proposal.dev_share,
        "training": dict(proposal.training),
    }
    console.result(result, lambda _: _lines(proposal, output))


def _ask(option: str, question: str, what: str) -> str:
    """The answer of whoever sits at the terminal.

    Raises XltError where nobody does.
    """
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        answer: str = typer.prompt(question, err=True)
        return answer
    raise XltError(f"{what} is not said", where=option, fix=f"add {option} Hausa (say)")


def _lines(proposal: Proposal, output: Path) -> list[str]:
    from xlt.runs.write_config import about

    return [
        *(f"{split}: {about(one)}" for split, one in proposal.readings.items()),
        f"encoder: {proposal.encoder}: {proposal.why}",
        f"{output} is written; next:",
        f"  xlt plan {_quoted(output)}     # what it takes",
        f"  xlt train {_quoted(output)}",
    ]


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
