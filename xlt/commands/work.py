"""xlt evaluate | predict | select | compare | report | tasks"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlt.commands.arguments import Allow, ReaderOptions, read_options
from xlt.console import console

Model = Annotated[Path, typer.Argument(help="A run's folder, or a model folder in it.")]
Run = Annotated[Path, typer.Argument(help="A run's folder.")]
Language = Annotated[str | None, typer.Option(help="Code or English name.")]
Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE]...", help="Files, or folders of them; by default standard input (-)."
    ),
]
TextLanguage = Annotated[
    str | None, typer.Option(help="Code or English name; by default the one that the model is for.")
]
TextFormat = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        help="text, words, conllu, or a format of the task; by default what the file's suffix "
        "says (.txt and standard input are text).",
    ),
]
BatchTokens = Annotated[int, typer.Option(help="Subwords in a batch.", min=1, max=2**31 - 1)]


def add_to(app: typer.Typer) -> None:
    """Register the commands; in this order they are listed."""
    for command in (evaluate, predict, select, compare, report, tasks):
        app.command()(command)


def evaluate(
    model: Model,
    data: Annotated[str, typer.Argument(help="card:language:split, a path, or hf:...")],
    language: Language = None,
    split: Annotated[
        str | None, typer.Option(help="Of a card or a data set; by default test.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "--input-format", help="A format of the task.")
    ] = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Score a trained model on labelled data."""
    from xlt.runs.evaluate import evaluate

    with console.consent(allow):
        evaluation = evaluate(
            model,
            data,
            language=language,
            split=split,
            format=format,
            options=read_options(option),
            batch_tokens=batch_tokens,
        )
    console.result(evaluation, lambda _: _evaluation(evaluation))


def predict(
    model: Model,
    source: Sources = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="- is standard output; a folder gets a file for each of the input's.",
        ),
    ] = "-",
    language: TextLanguage = None,
    input_format: TextFormat = None,
    option: ReaderOptions = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "--output-format",
            help="What to write: a format of the task or of an annotation tool, or standoff: a "
            "JSON object for each line or record of the input, with character offsets of it; by "
            "default what the output's suffix says.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Only so many lines or records of the input.", min=1, max=2**31 - 1),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also a page to look at (displaCy).")] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="EXECUTOR",
            help="Text or words to standoff in shards, several at the same time: `local:4` is four "
            "processes on this machine; what was interrupted goes on.",
        ),
    ] = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Annotate raw or pre-tokenised text."""
    from xlt.errors import XltError
    from xlt.runs.predict import predict

    console.log()
    common: dict[str, Any] = {
        "language": language,
        "input_format": input_format,
        "output_format": format,
        "batch_tokens": batch_tokens,
    }
    options = read_options(option)
    with console.consent(allow):
        if on is None:
            common |= {"options": options, "limit": limit, "html": html, "quiet": console.quiet}
            summary = predict(model, source or "-", output, **common)
        else:
            for name, value in (("--limit", limit), ("--html", html), ("--option", option)):
                if value:
                    raise XltError(
                        "this is not for text in shards",
                        where=name,
                        fix=f"leave out {name}, or leave out --on",
                    )
            from xlt.runs.predict_shards import predict_on

            summary = predict_on(on, model, source or ["-"], output, **common)
    if output != "-":  # standard output belongs to the predictions
        console.result(summary, lambda _: f"{summary['records']} sentences → {summary['output']}")


def select(
    model: Model,
    source: Sources = None,
    count: Annotated[
        int, typer.Option("--count", "-n", help="How many to choose.", min=1, max=1_000_000)
    ] = 100,
    output: Annotated[
        str, typer.Option("--output", "-o", help="A file; - is standard output.")
    ] = "-",
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "--output-format",
            help="Of an annotation tool or of the task; by default what the output's suffix says, "
            "or label-studio if that can hold the annotation.",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="mixed (expected errors a word, less what similar ones teach that are chosen), "
            "uncertainty, diversity or random."
        ),
    ] = "mixed",
    max_words: Annotated[
        int | None,
        typer.Option(help="Of all that are chosen together.", min=1, max=1_000_000_000),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides between equals.", min=0, max=2**32 - 1)] = 1,
    language: TextLanguage = None,
    input_format: TextFormat = None,
    option: ReaderOptions = None,
    batch_tokens: BatchTokens = 8192,
    allow: Allow = None,
) -> None:
    """Choose the texts that are worth correcting first, with what the model predicts."""
    from xlt.runs.select import select

    options = read_options(option)
    console.log()
    with console.consent(allow):
        summary = select(
            model,
            source or "-",
            output,
            number=count,
            by=by,
            max_words=max_words,
            language=language,
            input_format=input_format,
            output_format=format,
            options=options,
            seed=seed,
            batch_tokens=batch_tokens,
            quiet=console.quiet,
        )
    if output != "-":  # standard output belongs to the texts
        console.result(
            summary,
            lambda _: (
                f"{summary['records']} of {summary['of']} texts, {summary['words']} words → "
                f"{summary['output']}"
            ),
        )


def compare(
    a: Run,
    b: Run,
    metric: Annotated[
        str | None, typer.Option(help="This one alone: p is adjusted for all rows shown.")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Of the records.", min=2, max=1_000_000)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the resampling.", min=0, max=2**32 - 1)] = 0,
) -> None:
    """Test whether two runs differ by more than chance: other seeds, other records.

    Of runs with one seed the intervals speak of other records alone, and nothing is called sure.
    """
    from xlt.evaluation.report import comparison_table, scope
    from xlt.evaluation.source_choice import choice_table, notes
    from xlt.runs.compare import compare

    comparison = compare(a, b, metric=metric, resamples=resamples, seed=seed)
    sources = comparison["sources"]
    console.result(
        comparison,
        lambda _: [
            f"A = {comparison['a']}, B = {comparison['b']}",
            comparison_table(comparison["rows"]).text(),
            *scope(comparison["rows"]),
            *(f"not compared, the records differ: {data}" for data in comparison["differing"]),
            *(["", choice_table(sources).text(), *notes(sources)] if sources else []),
        ],
    )


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... | STUDY.yaml [KEY=VALUE]...",
            help="A run; or several; or a study's file, with the settings that it was run with.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="By default report.html in the run's folder; of several, NAME.html beside them.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Of one run this one alone: code or English name.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of one run whose errors; by default the first one's.", min=0, max=2**32 - 1
        ),
    ] = None,
    max_errors: Annotated[
        int | None,
        typer.Option(help="Records with errors on the page of one run.", min=1, max=100_000),
    ] = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="Of several: their tables for a paper, too.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Of several: their tables in Markdown, too.")
    ] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Of several: all numbers for a spreadsheet, too.")
    ] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Every figure as a file, too.")] = False,
    png: Annotated[bool, typer.Option("--png", help="The same as PNG (extra png).")] = False,
) -> None:
    """Look at what came out, in one page that needs no network.

    Of one run: what it got wrong: scores, confusions, errors and learning curves. It sets the
    predictions that the run has stored beside the gold data; no model is run.
    Of a study, or of several runs: what to use for which target, scores, differences with their
    intervals, cost, regret of the predicted source, labels, learning curves, stages, data.
    """
    from xlt.commands.report import of_several, of_the_run

    console.log()
    paths = [text for text in runs if "=" not in text]
    asked = {"latex": latex, "markdown": markdown, "csv": csv, "svg": svg, "png": png}
    formats = [name for name, wanted in asked.items() if wanted]
    one = {"--target": target, "--seed": seed, "--max-errors": max_errors}
    if len(runs) == 1 and not Path(runs[0]).is_file():
        of_the_run(Path(runs[0]), output, target, seed, max_errors, formats)
    else:
        settings = [text for text in runs if "=" in text]
        of_one = [name for name, value in one.items() if value is not None]
        of_several([Path(path) for path in paths], settings, output, formats, of_one)


def tasks() -> None:
    """List the tasks, third parties' included."""
    from xlt.commands.tasks import tasks

    console.result(tasks(), _tasks)


def _evaluation(evaluation: dict[str, Any]) -> list[str]:
    from xlt.evaluation.report import Table, confidence_table

    confidence = confidence_table([{"target": "", "split": "", **evaluation}])
    rows = [
        (name, f"{value:.2f}", "[{:.2f}, {:.2f}]".format(*evaluation["interval"][name]))
        for name, value in evaluation["metrics"].items()
    ]
    subwords = evaluation["pieces"]
    return [
        Table(("metric", "score", "95 % over records"), tuple(rows), frozenset((1, 2))).text(),
        f"{evaluation['records']} records of {evaluation['data']}; "
        f"{subwords['fertility']:.2f} subwords a word, "
        f"{subwords['unknown_pieces']:.2%} unknown, {subwords['truncated_words']} words truncated",
        *([confidence.part(2).text()] if confidence.rows else []),
        *(f"note: {caveat}" for caveat in evaluation["caveats"]),
        *(f"warning: {text}" for text in subwords["warnings"]),
    ]


def _tasks(listed: list[dict[str, Any]]) -> str:
    from xlt.evaluation.report import Table

    rows = [(t["name"], " ".join(t["metrics"]), " ".join(t["formats"]), t["what"]) for t in listed]
    return Table(("task", "metrics", "formats", "what"), tuple(rows)).text()
