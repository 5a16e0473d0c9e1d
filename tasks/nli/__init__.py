"""Natural language inference: does the premise entail the hypothesis? One label a pair."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

import numpy as np
from pydantic import Field

from xlt.data.options import ReaderOptions, advise
from xlt.errors import XltError, choose
from xlt.task import Example, Labels, Record, Task, TaskOptions

from .metrics import class_counts, class_metrics, count_names, metric_names
from .options import PairOptions, PairTableOptions

if TYPE_CHECKING:
    import torch
    from datasets import Features
    from numpy.typing import NDArray

    from xlt.config.schema import ProjectionSettings
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

log = logging.getLogger(f"xlt.{__name__}")

LABELS = ("entailment", "neutral", "contradiction")
UNKNOWN = ""
"""The label of a pair that has none: neither learnt from nor scored."""
NO_AGREEMENT = "-"
"""What SNLI, MultiNLI and OCNLI write where the annotators chose no label by majority."""
TEXTS = ("premise", "hypothesis")
KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("pairID", "uid"),
    "premise": ("sentence1", "context"),
    "hypothesis": ("sentence2",),
    "label": ("gold_label",),
    "phenomena": ("phenomenon",),
}
"""Our field → what SNLI, MultiNLI, XNLI, ANLI, CLUE and IndoNLI call it."""


class NLI(Task):
    """Records: {id, premise, hypothesis, label, phenomena}; `phenomena` are what a pair tests."""

    name = "nli"
    metrics_reported = metric_names(LABELS)
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "jsonl": (".jsonl",),
        "tsv": (".tsv",),
        "json": (".json",),
    }
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        "jsonl": PairOptions,
        "tsv": PairTableOptions,
        "json": PairOptions,
    }
    count_names = count_names(LABELS)
    measured_as = ("nli",)
    optional_columns = ("id", "phenomena")
    aligned = False
    ablation = "hypothesis only"

    class Options(TaskOptions):
        labels: list[str] | None = Field(
            None,
            min_length=2,
            description="all labels; by default entailment, neutral and contradiction",
        )
        rename: dict[str, str] = Field(
            default_factory=dict, description="label in the data → our label"
        )
        hypothesis_only: bool = Field(
            False, description="the model never sees a premise: what the hypotheses give away"
        )

    options: Options

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        self.all_labels = tuple(self.options.labels or LABELS)
        # Every label has columns and a score of its own.
        self.metrics_reported = metric_names(self.all_labels)  # type: ignore[misc]
        self.count_names = count_names(self.all_labels)  # type: ignore[misc]

    # Data ----------------------------------------------------------------------------------

    def features(self) -> Features:
        from datasets import Features, List, Value

        text = Value("string")
        return Features(
            {"id": text, "premise": text, "hypothesis": text, "label": text}
            | {"phenomena": List(text)}
        )

    def read(
        self,
        path: Path,
        format: str,
        *,
        labelled: bool = True,
        columns: Mapping[str, str] | None = None,
        quoted: bool = False,
        where: Mapping[str, str] | None = None,
        drop_empty: bool = False,
        label_names: Mapping[str, str] | None = None,
    ) -> Iterator[Record]:
        """columns: our field → theirs, where it is none of `KNOWN_NAMES`; quoted: see `read_tsv`.

        where:       column → value: only such rows (the original XNLI has all languages in a file).
        drop_empty:  leave out pairs that lack a text, instead of raising.
        label_names: label in the file → our label.

        Pairs without an agreed label (``-``) are left out. How many are left out is logged.
        """
        seen: dict[str, str] = {}
        left_out: Counter[str] = Counter()
        for place, row in self._rows(path, format, columns, quoted):
            if any(str(row.get(column)) != value for column, value in (where or {}).items()):
                continue
            at = f"{path}:{place}"
            if labelled and _field(row, "label", at) == NO_AGREEMENT:
                left_out["without an agreed label (-)"] += 1
                continue
            if drop_empty and not all(str(_field(row, name, at)).strip() for name in TEXTS):
                left_out["that lack a text"] += 1
                continue
            record = self._record(row, place, at, labelled, label_names or {})
            if record["id"] in seen:
                raise XltError(
                    f"the id {record['id']!r} has been used before, in {seen[record['id']]}",
                    where=at,
                    fix="give every pair an id of its own, or none",
                )
            seen[record["id"]] = at
            yield record
        for why, count in left_out.items():
            log.warning("%s: %d pairs %s are left out", path, count, why)

    def _rows(
        self, path: Path, format: str, columns: Mapping[str, str] | None, quoted: bool
    ) -> Iterator[tuple[str, Record]]:
        """The place in the file and the fields of every row."""
        from xlt.data.jsonl import read_json_array, read_jsonl
        from xlt.data.table import read_tsv

        if format == "tsv":
            rows: Iterator[tuple[int, Record]] = read_tsv(path, columns=columns, quoted=quoted)
        else:
            rows = (read_jsonl if format == "jsonl" else read_json_array)(path, columns=columns)
        for number, row in rows:
            yield f"[{number}]" if format == "json" else str(number), row

    def _record(
        self, row: Record, place: str, at: str, labelled: bool, names: Mapping[str, str]
    ) -> Record:
        label = _field(row, "label", at if labelled else None)
        label = names.get(str(label), label)
        if not labelled and label not in {*self.all_labels, *self.options.rename}:
            label = UNKNOWN
        id = _field(row, "id", None)
        given = {
            "id": place.strip("[]") if id is None else str(id),
            **{name: _field(row, name, at) for name in TEXTS},
            "label": label,
            "phenomena": _field(row, "phenomena", None),
        }
        return self._checked(given, at, labelled)

    def adopt(self, row: Record, *, where: object) -> Record:
        given = {"label": UNKNOWN, "phenomena": None, **row}
        return self._checked(given, where, False)

    def _checked(self, row: Record, where: object, labelled: bool) -> Record:
        for name in TEXTS:
            if not isinstance(row[name], str):
                raise XltError(f"the {name} is no text", where=where, fix="write a string")
            if not row[name].strip():
                raise XltError(
                    f"the {name} is empty", where=where, fix="leave the pair out, or complete it"
                )
        label = row["label"]
        label = UNKNOWN if label is None or label == "" else self.options.rename.get(label, label)
        if label not in self.all_labels and (labelled or label != UNKNOWN):
            raise XltError(
                f"there is no label {label!r}",
                where=where,
                fix=f"{choose(str(label), self.all_labels)}; or map it with `task.rename`; or list "
                "all labels in `task.labels`"
                + (f"; or {advise(f'label_names: {{{label}: OURS}}')}" if labelled else ""),
            )
        phenomena = row["phenomena"] or []
        if isinstance(phenomena, str):
            phenomena = phenomena.split("|")
        return {**row, "label": label, "phenomena": [str(one) for one in phenomena]}

    def write(self, records: Iterable[Record], stream: TextIO, format: str) -> None:
        from xlt.data.jsonl import write_json_array, write_jsonl
        from xlt.data.table import write_tsv

        if format == "tsv":
            rows = ({**record, "phenomena": _joined(record)} for record in records)
            write_tsv(rows, stream, ("id", *TEXTS, "label", "phenomena"))
        else:
            (write_jsonl if format == "jsonl" else write_json_array)(records, stream)

    def from_words(self, id: str, words: list[str], space_after: list[bool]) -> Record:
        raise XltError(
            "a premise and a hypothesis are needed, not one text",
            where="--input-format",
            fix=f"give a file in one of the formats {', '.join(self.formats)}, with the fields "
            "premise and hypothesis",
        )

    def words(self, record: Record) -> list[str]:
        from xlt.data.segment import words

        return [word for name in TEXTS for word in words(record[name])]

    def text(self, record: Record) -> str:
        return " ".join(record[name] for name in TEXTS)

    # Projection ----------------------------------------------------------------------------

    def texts(self, record: Record) -> dict[str, list[str]]:
        from xlt.data.segment import words

        return {name: words(record[name]) for name in TEXTS}

    def project(
        self, record: Record, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        """The label holds for the translations, unless either text has none worth the name."""
        from xlt.data.segment import join
        from xlt.projection.pair import Projection
        from xlt.projection.spans import project_label, whole_loss

        outcome = project_label(record["label"], pairs["hypothesis"], settings, text="hypothesis")
        if reason := outcome.reason or whole_loss(pairs["premise"], settings):
            return Projection(None, (outcome if outcome.reason else outcome.lost(reason),))
        texts = {name: join(pairs[name].target, pairs[name].spaces) for name in TEXTS}
        return Projection({**record, **texts}, (outcome,))

    def translated(self, record: Record, pairs: Mapping[str, AlignedPair]) -> Record:
        from xlt.data.segment import join

        return {**record, **{name: join(pairs[name].target, pairs[name].spaces) for name in TEXTS}}

    def complete(self, own: Record, carried: Record) -> Record:
        return {**own, "label": carried["label"]}

    def carry(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        return {"scores": outputs["scores"][row].numpy()}

    # Labels --------------------------------------------------------------------------------

    def labels(self, records: Iterable[Record]) -> Labels:
        seen = {record["label"] for record in records}
        return {"label": tuple(label for label in self.all_labels if label in seen)}

    def for_labels(self, labels: Labels) -> NLI:
        values = labels.get("label", ())
        if set(values) <= set(self.all_labels):
            return self
        return NLI(self.options.model_copy(update={"labels": list(values)}))

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        from xlt.model.classifier import build_classifier

        return build_classifier(backbone, labels)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        model = self.build(backbone, labels)
        if model.head_state():
            model.load_head(folder)
        return model

    def encode(
        self, records: Sequence[Record], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        from xlt.model.task_model import IGNORED

        hidden = self.options.hypothesis_only
        encoded = backbone.pairs(
            ["" if hidden else record["premise"] for record in records],
            [record["hypothesis"] for record in records],
        )
        ids = {label: i for i, label in enumerate(labels["label"])} if labels else {}
        ids[UNKNOWN] = IGNORED
        examples = []
        for index, (record, pair) in enumerate(zip(records, encoded, strict=True)):
            inputs: dict[str, Any] = {"pair": pair, "pad": backbone.pad_id}
            if labels:
                inputs["label"] = ids[record["label"]]
            examples.append(Example(index, pair.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        import torch

        from xlt.data.encode_pairs import collate_pairs

        batch = collate_pairs([e.inputs["pair"] for e in examples], examples[0].inputs["pad"])
        if "label" in examples[0].inputs:
            batch["labels"] = torch.tensor([e.inputs["label"] for e in examples])
        return batch

    def decode(
        self,
        records: Sequence[Record],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Record]:
        chosen = outputs["scores"].argmax(-1).tolist()
        return [
            self.answered(record, labels["label"][best])
            for record, best in zip(records, chosen, strict=True)
        ]

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Record, predicted: Record) -> NDArray[np.float64]:
        return class_counts(gold["label"], predicted["label"], self.all_labels)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return class_metrics(counts, self.all_labels)

    # Probing -------------------------------------------------------------------------------

    def groups(self, record: Record) -> tuple[str, ...]:
        return tuple(record["phenomena"])

    def answer(self, record: Record) -> str:
        return str(record["label"])

    def answered(self, record: Record, label: str) -> Record:
        return {**record, "label": label}

    def ablated(self, record: Record) -> Record:
        """Without its premise: a model that still answers has learnt from hypotheses alone."""
        return {**record, "premise": ""}


def _joined(record: Record) -> str:
    """The phenomena of a record in one cell. Raises XltError for what is not read back so."""
    phenomena = record["phenomena"]
    if not all(phenomena) or any("|" in one for one in phenomena):
        raise XltError(
            f"a phenomenon that is empty or has a |, which a table cannot hold: {phenomena}",
            where=f"record {record['id']!r}",
            fix="write JSON Lines (format jsonl)",
        )
    return "|".join(phenomena)


def _field(row: Record, name: str, where: object) -> Any:
    """A field by our name or one that known data sets give it.

    Raises XltError if it is missing and `where` is given.
    """
    for candidate in (name, *KNOWN_NAMES[name]):
        if candidate in row:
            return row[candidate]
    if where is None:
        return None
    raise XltError(
        f"the field {name!r} is missing",
        where=where,
        fix=f"{choose(name, row)}; " + advise(f"columns: {{{name}: THEIRS}}"),
    )
