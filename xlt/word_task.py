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

from xlt.errors import XltError
from xlt.task import Example, Labels, Record, Task

if TYPE_CHECKING:
    import torch
    from datasets import Features
    from numpy.typing import NDArray

    from xlt.config.schema import ProjectionSettings
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection


class WordLabelTask(Task):
    """Records: {id, words, tags}, one tag a word."""

    metrics_reported: ClassVar[tuple[str, ...]] = ("accuracy",)
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"jsonl": (".jsonl",)}
    count_names: ClassVar[tuple[str, ...]] = ("right", "words")
    partial: ClassVar[bool] = True
    untagged: ClassVar[str] = "_"
    """What words without annotation have for a tag. Unless it is one of the labels, they are
    neither learnt from nor scored."""

    # Data ----------------------------------------------------------------------------------

    def features(self) -> Features:
        from datasets import Features, List, Value

        text = Value("string")
        return Features({"id": text, "words": List(text), "tags": List(text)})

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Record]:
        from xlt.data.jsonl import read_jsonl

        required = ("words", "tags") if labelled else ("words",)
        for number, row in read_jsonl(path, required=required, **options):
            row.setdefault("id", str(number))
            yield self.adopt(row, where=f"{path}:{number}")

    def adopt(self, row: Record, *, where: object) -> Record:
        words, tags = row["words"], row.get("tags")
        if tags is None:
            tags = [self.untagged] * len(words)
        for name, values in ("words", words), ("tags", tags):
            if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
                raise XltError(f"`{name}` is no list of texts", where=where, fix="give one a word")
        return self.record(row["id"], words, tags, where=where)

    def record(self, id: object, words: list[str], tags: list[str], *, where: object) -> Record:
        """The record of a sentence that was read; the place for a task's options."""
        if len(tags) != len(words):
            raise XltError(
                f"{len(words)} words but {len(tags)} tags", where=where, fix="give one tag a word"
            )
        return {"id": str(id), "words": words, "tags": tags}

    def write(self, records: Iterable[Record], stream: TextIO, format: str) -> None:
        from xlt.data.jsonl import write_jsonl

        write_jsonl(records, stream)

    def from_words(self, id: str, words: list[str], space_after: list[bool]) -> Record:
        return {"id": id, "words": words, "tags": [self.untagged] * len(words)}

    def words(self, record: Record) -> list[str]:
        return list(record["words"])

    # Projection ----------------------------------------------------------------------------

    def project(
        self, record: Record, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        from xlt.projection.pair import Projection
        from xlt.projection.words import project_words

        tags = [None if tag == self.untagged else tag for tag in record["tags"]]
        found, outcomes = project_words(tags, pairs["text"], settings)
        if not any(found):
            return Projection(None, tuple(outcomes))
        words = list(pairs["text"].target)
        projected = [self.untagged if tag is None else tag for tag in found]
        return Projection({"id": record["id"], "words": words, "tags": projected}, tuple(outcomes))

    def complete(self, own: Record, carried: Record) -> Record:
        pairs = zip(own["tags"], carried["tags"], strict=True)
        if not self.partial:
            return {**own, "tags": carried["tags"]}
        return {**own, "tags": [mine if tag == self.untagged else tag for mine, tag in pairs]}

    def carry(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        from xlt.projection.words import carry_scores

        return {"scores": carry_scores(outputs["scores"][row].numpy(), pairs["text"])}

    # Labels --------------------------------------------------------------------------------

    def labels(self, records: Iterable[Record]) -> Labels:
        seen = {tag for record in records for tag in record["tags"]}
        return {"tag": tuple(sorted(seen - {self.untagged}))}

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        from xlt.model.tagger import Tagger

        return Tagger.build(backbone, labels)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        # All weights are in the Hugging Face model that the backbone reads.
        return self.build(backbone, labels)

    def encode(
        self, records: Sequence[Record], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        from xlt.data.batch import IGNORED

        encoded = backbone.words([record["words"] for record in records])
        known = {tag: i for i, tag in enumerate(labels["tag"])} if labels else {}
        ids = {self.untagged: IGNORED, **known}
        examples = []
        for index, (record, words) in enumerate(zip(records, encoded, strict=True)):
            inputs: dict[str, Any] = {"words": words, "pad": backbone.pad_id}
            if labels:
                inputs["tags"] = np.array([ids[tag] for tag in record["tags"]], np.int64)
            examples.append(Example(index, words.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        import torch

        from xlt.data.batch import IGNORED
        from xlt.data.encode import collate_words

        batch = collate_words([e.inputs["words"] for e in examples], examples[0].inputs["pad"])
        if "tags" in examples[0].inputs:
            gold = np.full(batch["word_mask"].shape, IGNORED, np.int64)
            for row, example in enumerate(examples):
                gold[row, : len(example.inputs["tags"])] = example.inputs["tags"]
            batch["labels"] = torch.from_numpy(gold)
        return batch

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
        records: Sequence[Record],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Record]:
        tags = labels["tag"]
        mask = np.zeros(outputs["scores"].shape[:2], bool)
        for row, example in enumerate(examples):
            mask[row, : example.inputs["words"].n_words] = True
        decoded = []
        for record, ids in zip(
            records, self.best(outputs["scores"].numpy(), mask, tags), strict=True
        ):
            if len(ids) != len(record["words"]):
                raise AssertionError(f"{len(record['words'])} words in, {len(ids)} tags out")
            decoded.append({**record, "tags": [tags[i] for i in ids]})
        return decoded

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Record, predicted: Record) -> NDArray[np.float64]:
        pairs = [
            (a, b)
            for a, b in zip(gold["tags"], predicted["tags"], strict=True)
            if a != self.untagged
        ]
        return np.array([sum(a == b for a, b in pairs), len(pairs)], np.float64)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {"accuracy": 100 * counts[..., 0] / np.maximum(counts[..., 1], 1)}
