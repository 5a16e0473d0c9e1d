"""A proposed config (`xlt.runs.first_config`) as YAML, commented: every choice with its reason."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xlt import languages
from xlt.config.families import family
from xlt.config.load import load_config
from xlt.errors import XltError
from xlt.files import publishing
from xlt.runs.first_config import Proposal, Reading
from xlt.yaml.write import flow, scalar

MAX_LABELS = 12


def write(proposal: Proposal, path: Path) -> None:
    """Write the config, and check that it is one.

    Raises XltError where it is not, as for an encoder that there is not; what was there stays then.
    """
    with publishing(path) as part:
        part.write_text(render(proposal, path), encoding="utf-8", newline="\n")
        try:
            load_config(part)
        except XltError as error:
            raise error.at(path) from error


def render(proposal: Proposal, path: Path) -> str:
    """The text of the config that is to be at `path`."""
    return "\n".join(_lines(proposal, path)) + "\n"


def _lines(proposal: Proposal, path: Path) -> Iterator[str]:
    source, target = languages.name(proposal.source), languages.name(proposal.target)
    today = datetime.now(UTC).date()
    yield f"# {source} to {target}. Written by `xlt init` on {today}; any line can be changed."
    yield f"name: {scalar(_run_name(path))}"
    yield ""
    yield f"task: {proposal.task}"
    yield from _labels(proposal.readings["train"])
    yield ""
    yield "data:"
    yield f"  {proposal.source}:"
    for split in ("train", "dev"):
        if split in proposal.references:
            yield f"    # {about(proposal.readings[split])}"
            yield f"    {split}: {_flow(proposal.references[split])}"
    if proposal.dev_share is not None:
        yield "    # There are no dev data: from this share of the training data nothing is learnt,"
        yield "    # and the best weights are chosen on it."
        yield f"    dev_share: {proposal.dev_share}"
    if "test" in proposal.references:
        yield f"  {proposal.target}:"
        yield f"    # {about(proposal.readings['test'])}"
        yield f"    test: {_flow(proposal.references['test'])}"
    yield ""
    yield f"source: {proposal.source}"
    if "test" not in proposal.references:
        yield f"# Without test data nothing is measured in {target}; with some:"
        yield f"#   data: {{{proposal.target}: {{test: FILE}}}}"
    yield f"target: {proposal.target}"
    yield ""
    yield from _model(proposal)
    yield ""
    yield from _training(proposal)
    yield ""
    yield "# A seed makes a model: one is enough to use, several say how sure a score is."
    yield "seeds: [1]"


def about(reading: Reading) -> str:
    """What was read, in words."""
    records = f"{reading.records:,} records" if reading.records != 1 else "1 record"
    return f"{records}, {reading.words:,} words, read as {reading.format}"


def _labels(reading: Reading) -> Iterator[str]:
    for layer, counts in reading.labels.items():
        shown = ", ".join(
            f"{_printable(label)} {n:,}" for label, n in counts.most_common(MAX_LABELS)
        )
        more = len(counts) - MAX_LABELS
        yield f"# {layer}: {shown}" + (f" and {more} more" if more > 0 else "")


def _model(proposal: Proposal) -> Iterator[str]:
    yield "model:"
    yield from _comment(proposal.why)
    yield f"  encoder: {scalar(proposal.encoder)}"
    if proposal.others:
        others = ", ".join(
            f"{one.facts.id} ({one.memory_gib:.1f} GiB"
            + ("" if one.here else f", {one.facts.gigabytes:.1f} GB to fetch")
            + ")"
            for one in proposal.others
        )
        yield from _comment(f"Others: {others}; all: `xlt encoders --target {proposal.target}`.")
    kind = family(proposal.encoder)
    for key, value in ({} if kind is None else kind.sections.get("model", {})).items():
        yield f"  {key}: {json.dumps(value)}"


def _training(proposal: Proposal) -> Iterator[str]:
    kind = family(proposal.encoder)
    yield "training:"
    if kind is not None:
        yield from _comment(f"For {kind.name}: {kind.why}.")
    for key, value in proposal.training.items():
        if key == "evaluate_every":
            yield "  # Steps; an epoch has fewer."
        if key == "epochs":
            yield "  # As many as make the steps that a new head needs of this much data."
        yield f"  {key}: {_number(value)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        _printable(text),
        96,
        initial_indent="  # ",
        subsequent_indent="  # ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _run_name(path: Path) -> str:
    """The file's name as a run may be called."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.rsplit(".", 1)[0]).strip("-._")[:100]
    return name if name and name.casefold() != "stages" else "transfer"


def _flow(reference: Mapping[str, Any]) -> str:
    """A reference: a plain string where that says all."""
    if [*reference] == ["ref"]:
        return scalar(reference["ref"])
    parts = [
        f"{key}: {scalar(value) if isinstance(value, str) else flow(value)}"
        for key, value in reference.items()
    ]
    return "{" + ", ".join(parts) + "}"


def _printable(text: str) -> str:
    """Text of the data in a comment: on one line, whatever it holds. A comment, too, may hold only
    characters that YAML takes."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
