"""A base for tasks that give every word one label: most of the protocol, written once.

A subclass says its name, and reads what is not JSON Lines; it may also replace how labels are
chosen and how they are scored::

    class Honorifics(WordLabelTask):
        name = "honorifics"

reads and writes ``{"id": "1", "words": ["Bu", "Sri"], "tags": ["title", "name"]}`` lines, and
reports accuracy. The model loads with AutoModelForTokenClassification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

import numpy as np

from xlt.data.fields import Ids, identifier, texts
from xlt.data.malformed import malformed
from xlt.data.rows import OPTIONAL, text_columns, text_from_columns, with_confidence
from xlt.document import Document, Layer, Tags, Text
from xlt.document.document import Row
from xlt.errors import XltError
from xlt.reader_options import JsonlOptions, ReaderOptions
from xlt.task import Example, Labels, Network, Task

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xlt.data.batch import Arrays
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection


class WordLabelTask(Task):
    """Documents of one text with a tag a word."""

    layers: ClassVar[Mapping[str, type[Layer]]] = {"tags": Tags}
    metrics_reported: ClassVar[tuple[str, ...]] = ("accuracy",)
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"jsonl": (".jsonl",)}
    columns: ClassVar[tuple[str, ...]] = ("id", "words", "tags", *OPTIONAL)
    optional_columns: ClassVar[tuple[str, ...]] = ("id", *OPTIONAL)
    label_columns: ClassVar[tuple[str, ...]] = ("tags",)
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {"jsonl": JsonlOptions}
    count_names: ClassVar[tuple[str, ...]] = ("right", "words")
    untagged: ClassVar[str] = "_"
    """What files have for the tag of a word without annotation; such words are neither learnt from
    nor scored."""

    # Data ----------------------------------------------------------------------------------

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        from xlt.data.jsonl import read_jsonl

        required = ("words", "tags") if labelled else ("words",)
        ids = Ids()
        for number, row in read_jsonl(path, required=required, **options):
            where = f"{path}:{number}"
            try:
                row["id"] = identifier(row.get("id"), number, where=where)
                if labelled:
                    ids.add(row["id"], where)
                    texts(row["tags"], "`tags`", where=where)
                document = self.validate_row(row, where=where)
            except XltError as error:
                malformed(error)
                continue
            yield document

    def validate_row(self, row: Row, *, where: object) -> Document:
        text = text_from_columns(row, where=where)
        tags = row.get("tags")
        if tags is None:
            tags = [self.untagged] * len(text.words)
        return self.document(row["id"], text, texts(tags, "`tags`", where=where), where=where)

    def document(self, id: object, text: Text, tags: Sequence[str], *, where: object) -> Document:
        """The document of a sentence that was read; the place for a task's options."""
        if len(tags) != len(text.words):
            raise XltError(
                f"{len(text.words)} words but {len(tags)} tags",
                where=where,
                fix="give one tag a word",
            )
        return self.with_tags(Document(str(id), {"text": text}), tags)

    def to_row(self, document: Document) -> Row:
        return {"id": document.id, **text_columns(document.text), "tags": self.tags(document)}

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        from xlt.data.jsonl import write_jsonl

        write_jsonl((with_confidence(self.to_row(one), one) for one in documents), stream)

    def tags(self, document: Document) -> list[str]:
        """The tag of every word; `untagged` where there is none."""
        tags = document.layer(Tags, "tags").tags
        return [self.untagged if tag is None else tag for tag in tags]

    def with_tags(self, document: Document, tags: Sequence[str]) -> Document:
        """A copy of the document with these tags."""
        known = (None if tag == self.untagged else tag for tag in tags)
        return document.with_layers(tags=Tags(tuple(known)))

    # Projection ----------------------------------------------------------------------------

    def project_predictions(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        from xlt.projection.words import project_scores

        return {"scores": project_scores(outputs["scores"][row].numpy(), pairs["text"])}

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        seen = {tag for document in documents for tag in self.tags(document)}
        return {"tag": tuple(sorted(seen - {self.untagged}))}

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        from xlt.model.tagger import Tagger

        return Tagger.build(backbone, labels)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        # All weights are in the Hugging Face model that the backbone reads.
        return self.build(backbone, labels)

    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        from xlt.data.batch import IGNORED

        encoded = backbone.words([document.text for document in documents])
        known = {tag: i for i, tag in enumerate(labels["tag"])} if labels else {}
        ids = {self.untagged: IGNORED, **known}
        examples = []
        for index, (document, words) in enumerate(zip(documents, encoded, strict=True)):
            inputs: dict[str, Any] = {"words": words, "pad": backbone.pad_id}
            if labels:
                inputs["tags"] = np.array([ids[tag] for tag in self.tags(document)], np.int64)
            examples.append(Example(index, words.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        import torch

        from xlt.data.batch import IGNORED

        batch = {name: torch.from_numpy(array) for name, array in self.arrays(examples).items()}
        if "tags" in examples[0].inputs:
            gold = np.full(batch["word_mask"].shape, IGNORED, np.int64)
            for row, example in enumerate(examples):
                gold[row, : len(example.inputs["tags"])] = example.inputs["tags"]
            batch["labels"] = torch.from_numpy(gold)
        return batch

    def arrays(self, examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
        from xlt.data.encode import word_arrays

        return word_arrays([e.inputs["words"] for e in examples], examples[0].inputs["pad"])

    def outputs(self, network: Network, arrays: Arrays, labels: Labels) -> Arrays:
        from xlt.model.arrays import log_softmax, means_of_words

        shape = (*arrays["input_ids"].shape, len(labels["tag"]))
        found = network(arrays, scores=shape)
        return {"scores": log_softmax(means_of_words(found["scores"], arrays))}

    def best(
        self, scores: NDArray[np.float32], mask: NDArray[np.bool_], tags: Sequence[str]
    ) -> list[list[int]]:
        """The tags of every sentence, as indices.

        scores: log-probabilities (sentences, words, tags); mask: which words there are.
        """
        chosen = scores.argmax(-1)
        return [row[is_word].tolist() for row, is_word in zip(chosen, mask, strict=True)]

    def decode(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Document]:
        tags = labels["tag"]
        scores = np.asarray(outputs["scores"])
        chosen = self.best(scores, word_mask(examples, scores.shape[1]), tags)
        decoded = []
        for document, ids in zip(documents, chosen, strict=True):
            if len(ids) != len(document.words):
                raise AssertionError(f"{len(document.words)} words in, {len(ids)} tags out")
            decoded.append(self.with_tags(document, [tags[i] for i in ids]))
        return decoded

    def confidence(
        self,
        predicted: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
        temperatures: Mapping[str, float],
    ) -> list[Mapping[str, Sequence[float]]]:
        """The probability of each word's tag."""
        ids = {tag: number for number, tag in enumerate(labels["tag"])}
        from xlt.model.arrays import softmax

        scores = softmax(np.asarray(outputs["scores"]) / temperatures.get("tags", 1.0))
        return [
            {"tags": [float(row[n, ids[tag]]) for n, tag in enumerate(self.tags(document))]}
            for document, row in zip(predicted, scores, strict=True)
        ]

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        pairs = [
            (a, b)
            for a, b in zip(self.tags(gold), self.tags(predicted), strict=True)
            if a != self.untagged
        ]
        return np.array([sum(a == b for a, b in pairs), len(pairs)], np.float64)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {"accuracy": 100 * counts[..., 0] / np.maximum(counts[..., 1], 1)}


def word_mask(examples: Sequence[Example], width: int) -> NDArray[np.bool_]:
    """Which words there are in a batch, (examples, width)."""
    lengths = np.array([example.inputs["words"].n_words for example in examples])
    mask: NDArray[np.bool_] = np.arange(width) < lengths[:, None]
    return mask
