"""xlt data list | show | check | get"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlt.commands.arguments import InputFormat, ReaderOptions, read_options
from xlt.console import console
from xlt.errors import XltError
from xlt.escape import for_terminal

if TYPE_CHECKING:
    from xlt.data.inspection import CheckReport, SplitReport

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Data cards and their files.")

Card = Annotated[str, typer.Argument(help="The identifier of a card.")]
Languages = Annotated[
    list[str] | None, typer.Option("--language", help="Only this one; may be repeated.")
]
Splits = Annotated[
    list[str] | None, typer.Option("--split", help="Only this one; may be repeated.")
]


@app.command("list")
def list_(
    task: Annotated[str | None, typer.Option(help="Only cards of this task.")] = None,
    language: Annotated[str | None, typer.Option(help="Only cards with this language.")] = None,
) -> None:
    """List the data cards."""
    from xlt.data.inspection import list_cards
    from xlt.evaluation.report import Table

    cards = list_cards(task=task, language=language)
    header = ("card", "task", "languages", "splits", "licence", "origin", "files here")
    rows = [
        (
            card.identifier,
            card.task,
            _some(card.languages),
            _some(card.splits, 3),
            card.licence.split(";")[0][:30],
            card.origin,
            f"{card.available}/{card.files}",
        )
        for card in cards
    ]
    console.result(
        [asdict(card) for card in cards],
        lambda _: Table(header, tuple(rows)).text() if rows else "no such cards",
    )


@app.command()
def show(card: Card) -> None:
    """Show a card, and where its files are on this machine."""
    from xlt.data.inspection import show

    data_card, splits = show(card)
    console.result(
        {"card": data_card.model_dump(mode="json"), "splits": [_split(split) for split in splits]},
        lambda _: [
            f"{data_card.identifier}: {data_card.name}",
            f"  task:     {data_card.task} ({data_card.format})",
            f"  licence:  {data_card.licence}",
            f"  origin:   {data_card.origin}",
            f"  citation: {data_card.citation}",
            *(f"  caveat:   {text}" for text in data_card.caveats),
            *(
                f"  {split.language} {split.split}: {file.path or f'not here ({file.url})'}"
                for split in splits
                for file in split.files
            ),
        ],
    )


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Identifiers of cards, by default every card; or files, with --task.",
            metavar="[CARD|FILE]...",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Only this one of a card; the one that files are in.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of files: the task to read them for.")] = None,
    input_format: InputFormat = None,
    option: ReaderOptions = None,
    encoder: Annotated[
        str | None, typer.Option(help="Of files: also what this encoder makes of them.")
    ] = None,
) -> None:
    """Execute cards: files, checksums, licence, labels, malformed records, overlap of splits. Or
    look through files of annotation: labels, repeated texts, scripts, an encoder's subwords."""
    from xlt.data.inspection import check
    from xlt.registry import data_cards

    files = [name for name in names or () if Path(name).exists()]
    if task is not None:
        for name in names or ():
            if name in data_cards() and name not in files:
                raise XltError(
                    f"{name} is a data card, and says itself for which task it is",
                    where="--task",
                    fix="leave --task out, or name files",
                )
        _check_files(task, names or [], language, input_format, option, encoder)
        return
    for name in files:
        if name not in data_cards():
            raise XltError(
                "a file does not say for which task it is", where=name, fix="add --task ner (say)"
            )
    for value, name in (
        (input_format, "--input-format"), (option, "--option"), (encoder, "--encoder")
    ):  # fmt: skip
        if value:
            raise XltError(
                "it is for files, and cards say themselves how they are read",
                where=name,
                fix="leave it out, or name files and add --task ner (say)",
            )
    reports = []
    for card in names or data_cards():
        console.note(f"checking {card}")
        reports.append(check(card, language=language))
    console.result(
        [_report(report) for report in reports],
        lambda _: [line for report in reports for line in _report_lines(report)],
    )
    if not all(report.ok for report in reports):
        raise typer.Exit(2)


def _check_files(
    task: str,
    paths: list[str],
    language: str | None,
    input_format: str | None,
    option: list[str] | None,
    encoder: str | None,
) -> None:
    from xlt.registry import tasks
    from xlt.runs.check_files import check_files

    if not paths:
        raise XltError("no file is named", where="xlt data check", fix="name one or more")
    checked = check_files(
        tasks.get(task, where="--task")(),
        paths,
        language=language,
        input_format=input_format,
        options=read_options(option),
        encoder=encoder,
    )
    console.result(checked, _file_lines)
    if checked["problems"]:
        raise typer.Exit(2)


def _file_lines(checked: dict[str, Any]) -> Iterator[str]:
    from xlt.evaluation.report import Table

    for file in checked["files"]:
        yield f"{file['path']}: {file['records']:,} records, {file['words']:,} words"
    rows = [
        (layer, label, *(f"{count:,}" for count in counts))
        for layer, labels in checked["labels"].items()
        for label, counts in labels.items()
    ]
    if rows:
        names = tuple(Path(file["path"]).name for file in checked["files"])
        yield Table(
            ("layer", "label", *names), tuple(rows), frozenset(range(2, 2 + len(names)))
        ).text()
    for file in checked["files"]:
        for problem in file["malformed"][:20]:
            yield f"problem: {problem['where']}: {problem['what']}"
    yield from (f"problem: {text}" for text in checked["problems"])
    yield from (f"note: {text}" for text in checked["notes"])


@app.command()
def get(
    card: Card,
    language: Languages = None,
    split: Splits = None,
    max_gib: Annotated[
        float,
        typer.Option(help="Of a file whose size the card does not say.", min=0, max=1_000_000),
    ] = 4.0,
) -> None:
    """Download a card's files into the cache; resumes, and verifies checksums."""
    from xlt.data.download import get

    files = get(
        card,
        languages=language,
        splits=split,
        progress=_Progress(),
        max_bytes=int(max_gib * 2**30),
    )
    console.result(
        [asdict(file) for file in files],
        lambda _: [
            f"{file.language} {file.split}: {file.path or 'has no publisher'} ({file.status}"
            f"{'' if file.verified or file.path is None else ', no checksum is known'})"
            for file in files
        ],
    )


class _Progress:
    """Bytes of a download on stderr, a few times a second."""

    def __init__(self) -> None:
        self.shown = 0.0

    def __call__(self, name: str, done: int, total: int | None) -> None:
        complete = done == total
        if console.quiet or (time.monotonic() - self.shown < 0.2 and not complete):
            return
        self.shown = time.monotonic()
        share = f" of {total / 1e6:.1f} MB" if total else " MB"
        name = for_terminal(name)  # of the card's URL
        typer.echo(f"\r{name}: {done / 1e6:.1f}{share}", nl=complete, err=True)


def _some(values: tuple[str, ...], most: int = 6) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return " ".join(values[:most]) + more


def _split(split: SplitReport) -> dict[str, Any]:
    malformed = [{"what": p.what, "where": p.where, "fix": p.fix} for p in split.malformed]
    rest = {
        name: value for name, value in vars(split).items() if name not in ("files", "malformed")
    }
    return {**rest, "files": [asdict(file) for file in split.files], "malformed": malformed}


def _report(report: CheckReport) -> dict[str, Any]:
    return {
        "card": report.card.identifier,
        "ok": report.ok,
        "problems": report.problems,
        "notes": report.notes,
        "overlaps": [asdict(overlap) for overlap in report.overlaps],
        "splits": [_split(split) for split in report.splits],
    }


def _report_lines(report: CheckReport) -> list[str]:
    counts = [
        f"  {split.language} {split.split}: "
        + ("not read" if split.records is None else f"{split.records:,} records")
        + (f", {split.duplicates:,} repeated texts" if split.duplicates else "")
        for split in report.splits
    ]
    malformed = [f"  {problem.render()}" for split in report.splits for problem in split.malformed]
    return [
        f"{report.card.identifier}: {'ok' if report.ok else 'not ok'} ({report.card.licence})",
        *counts,
        *(f"  problem: {text}" for text in report.problems),
        *malformed,
        *(f"  note: {text}" for text in report.notes),
    ]
