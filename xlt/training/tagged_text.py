"""Text whose words have parts of speech, on which it is seen what an encoder knows of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from xlt.config.schema import TAGS, TEXT
from xlt.data.conllu import UPOS, read_conllu
from xlt.document import Document
from xlt.task import Task
from xlt.training.raw_text import RawText
from xlt.word_task import WordLabelTask


class TaggedText(WordLabelTask):
    """The universal part of speech of every word of treebanks, or tags of JSON Lines. Nothing is
    predicted: no model is built of it."""

    name = TAGS
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "conllu": (".conllu",),
        **WordLabelTask.formats,
    }

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        if format == "jsonl":
            yield from super().read(path, format, labelled=labelled, **options)
            return
        for number, sentence in enumerate(read_conllu(path, strict_trees=False), 1):
            id = sentence.comment("sent_id") or str(number)
            tags = [row[UPOS] for row in sentence.words]
            yield self.document(id, sentence.text(), tags, where=f"{path}:{sentence.line}")


def reader(split: str, task: Task) -> Task:
    """What reads a split of a config's data: of what stands beside the splits not its task."""
    if split == TEXT:
        return RawText()
    return TaggedText() if split == TAGS else task
