"""Named entity recognition: token classification, valid IOB2 by Viterbi, strict span F1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

import numpy as np
from pydantic import Field

from xlt.errors import XltError, choose
from xlt.task import Example, Labels, Record, Task, TaskOptions

from .spans import COUNT_NAMES, span_counts, span_metrics

if TYPE_CHECKING:
    import torch
    from datasets import Features
    from numpy.typing import NDArray

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

OUTSIDE = "O"


class NER(Task):
    """Records: {id, words, tags}; `tags` is IOB2."""

    name = "ner"
    metrics_reported = ("f1", "precision", "recall")
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "bio": (".bio", ".iob2", ".ner", ".conll", ".tsv", ".txt"),
        "jsonl": (".jsonl",),
    }
    count_names = COUNT_NAMES

    class Options(TaskOptions):
        types: list[str] | None = Field(
            None, description="entity types to learn and score; others in the data become O"
        )
        rename: dict[str, str] = Field(
            default_factory=dict, description="type in the data → our type, before `types`"
        )

    options: Options

    # Data ----------------------------------------------------------------------------------

    def features(self) -> Features:
        from datasets import Features, List, Value

        text = Value("string")
        return Features({"id": text, "words": List(text), "tags": List(text)})

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Record]:
        if format == "jsonl":
            from xlt.data.jsonl import read_jsonl

            for number, row in read_jsonl(path, required=("words",)):
                yield self._record(row.get("id", str(number)), row["words"], row.get("tags"), path)
            return
        from xlt.data.columns import read_columns

        for number, sentence in enumerate(read_columns(path, **options), 1):
            id = sentence.comment("sent_id") or str(number)
            yield self._record(id, sentence.words, sentence.tags, path)

    def _record(self, id: Any, words: Any, tags: Any, path: Path) -> Record:
        if tags is not None and len(tags) != len(words):
            raise XltError(
                f"record {id}: {len(words)} words but {len(tags)} tags",
                where=path,
                fix="give one tag a word",
            )
        kept = [self._mapped(tag) for tag in tags] if tags else [OUTSIDE] * len(words)
        return {"id": str(id), "words": list(words), "tags": kept}

    def _mapped(self, tag: str) -> str:
        if tag == OUTSIDE:
            return tag
        prefix, _, kind = tag.partition("-")
        kind = self.options.rename.get(kind, kind)
        wanted = self.options.types is None or kind in self.options.types
        return f"{prefix}-{kind}" if wanted else OUTSIDE

    def write(self, records: Iterable[Record], stream: TextIO, format: str) -> None:
        if format == "jsonl":
            from xlt.data.jsonl import write_jsonl

            write_jsonl(records, stream)
            return
        for number, record in enumerate(records, 1):
            if record["id"] != str(number):  # what `read` calls a sentence without a name
                stream.write(f"# sent_id = {record['id']}\n")
            for word, tag in zip(record["words"], record["tags"], strict=True):
                stream.write(f"{word}\t{tag}\n")
            stream.write("\n")

    def from_words(self, id: str, words: list[str], space_after: list[bool]) -> Record:
        return {"id": id, "words": words, "tags": [OUTSIDE] * len(words)}

    def words(self, record: Record) -> list[str]:
        return list(record["words"])

    # Labels --------------------------------------------------------------------------------

    def labels(self, records: Iterable[Record]) -> Labels:
        kinds = {tag[2:] for record in records for tag in record["tags"] if tag != OUTSIDE}
        return {"tag": (OUTSIDE, *(f"{p}-{kind}" for kind in sorted(kinds) for p in "BI"))}

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        known = {tag[2:] for tag in labels["tag"] if tag != OUTSIDE}
        for kind in sorted({tag[2:] for tag in data["tag"] if tag != OUTSIDE} - known):
            raise XltError(
                f"the data hold entities of type {kind!r}, which the model is never taught",
                where=where,
                fix=f"{choose(kind, known)}. Map it with `task.rename`, or leave it out of the "
                f"score with `task.types: [{', '.join(sorted(known))}]`",
            )

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        from .model import Tagger

        return Tagger.build(backbone, labels)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        from .model import Tagger

        return Tagger.build(backbone, labels)

    def encode(
        self, records: Sequence[Record], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        encoded = backbone.words([record["words"] for record in records])
        ids = {tag: i for i, tag in enumerate(labels["tag"])} if labels else {}
        examples = []
        for index, (record, words) in enumerate(zip(records, encoded, strict=True)):
            inputs: dict[str, Any] = {"words": words, "pad": backbone.pad_id}
            if labels:
                inputs["tags"] = np.array([ids[tag] for tag in record["tags"]], np.int64)
            examples.append(Example(index, words.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        import torch

        from xlt.data.encode import collate_words
        from xlt.model.task_model import IGNORED

        batch = collate_words([e.inputs["words"] for e in examples], examples[0].inputs["pad"])
        if "tags" in examples[0].inputs:
            gold = np.full(batch["word_mask"].shape, IGNORED, np.int64)
            for row, example in enumerate(examples):
                gold[row, : len(example.inputs["tags"])] = example.inputs["tags"]
            batch["labels"] = torch.from_numpy(gold)
        return batch

    def decode(
        self,
        records: Sequence[Record],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Record]:
        from xlt.model.bio import decode_bio

        tags = labels["tag"]
        mask = np.zeros(outputs["scores"].shape[:2], bool)
        for row, example in enumerate(examples):
            mask[row, : example.inputs["words"].n_words] = True
        best = decode_bio(outputs["scores"].numpy(), mask, tags)
        decoded = []
        for record, ids in zip(records, best, strict=True):
            if len(ids) != len(record["words"]):
                raise AssertionError(f"{len(record['words'])} words in, {len(ids)} tags out")
            decoded.append({**record, "tags": [tags[i] for i in ids]})
        return decoded

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Record, predicted: Record) -> NDArray[np.float64]:
        return span_counts(gold["tags"], predicted["tags"])

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return span_metrics(counts)
