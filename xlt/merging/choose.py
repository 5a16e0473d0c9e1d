"""What a merge is told by data: Fisher information, and which of several scales is best."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from xlt.document import Document
from xlt.files import remove
from xlt.merging.folder import Merging
from xlt.merging.information import write_information
from xlt.merging.methods import Method
from xlt.merging.settings import MAX_INFORMED

log = logging.getLogger(__name__)

Scores = Mapping[str, float]
"""Metric → score; the one that counts first."""


def informed(
    merging: Merging, documents: Sequence[Document], seed: int, folder: Path
) -> tuple[Merging, str, int]:
    """The models with the information of their weights, from the first `MAX_INFORMED` documents.

    folder: for files that are needed as long as the models are.
    Returns also whose labels were used (`write_information`), and the number of documents.
    """
    files, whose = [], ""
    documents = documents[:MAX_INFORMED]
    for number, model in enumerate(merging.models):
        files.append(folder / f"information-{number}.safetensors")
        log.info("merge: information of %s from %d records", model.folder, len(documents))
        whose = write_information(model.folder, documents, files[-1], seed)
    return merging.informed(files), whose, len(documents)


def scores(
    merging: Merging, methods: Sequence[Method], score: Callable[[Path], Scores], folder: Path
) -> Iterator[Scores]:
    """Of what comes of each method. folder: for one model at a time."""
    for method in methods:
        candidate = folder / "candidate"
        remove(candidate)
        merging.write(candidate, method, {})
        yield score(candidate)
        remove(candidate)
