"""Natural language inference: does the premise entail the hypothesis? One label a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

import numpy as np
from pydantic import Field

from xlt.data.fields import Ids, identifier, texts
from xlt.data.malformed import malformed, tell
from xlt.data.rows import with_confidence
from xlt.document import Document, Label, Layer, Text
from xlt.document.document import Row
from xlt.errors import XltError, choose
from xlt.reader_options import ReaderOptions, TableOptions, advise
from xlt.task import Example, Labels, Network, Task, TaskOptions
from xlt.yaml.write import scalar

from .metrics import class_counts, class_metrics, count_names, metric_names
from .options import PairCsvOptions, PairObjectOptions, PairOptions, PairTsvOptions

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xlt.data.batch import Arrays
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

LABELS = ("entailment", "neutral", "contradiction")
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
    """Infers a label of premise and hypothesis; a document's groups are what it tests."""

    name = "nli"
    texts = TEXTS
    layers: ClassVar[Mapping[str, type[Layer]]] = {"label": Label}
    controls: ClassVar[Mapping[str, tuple[str, ...]]] = {"hypothesis only": ("premise",)}
    columns = ("id", *TEXTS, "label", "phenomena")
    metrics_reported = metric_names(LABELS)
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "jsonl": (".jsonl",),
        "tsv": (".tsv",),
        "csv": (".csv",),
        "json": (".json",),
    }
    reader_options: ClassVar[Mapping[str, type[ReaderOptions]]] = {
        "jsonl": PairObjectOptions,
        "tsv": PairTsvOptions,
        "csv": PairCsvOptions,
        "json": PairObjectOptions,
    }
    count_names = count_names(LABELS)
    instruction = "Say what a premise says about a hypothesis."
    definitions: ClassVar[Mapping[str, str]] = {
        "entailment": "if the premise is true, the hypothesis is true, too",
        "neutral": "if the premise is true, the hypothesis may be true or false",
        "contradiction": "if the premise is true, the hypothesis is false",
    }
    measured_as = ("nli",)
    optional_columns = ("id", "phenomena")
    label_columns = ("label",)

    class Options(TaskOptions):
        """Says which labels there are, and whether the premise is hidden from the model."""

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
        classifier: Literal["auto", "standard", "aligned"] = Field(
            "auto",
            description="`standard` is the sequence classifier of transformers; `aligned` compares "
            "each subword with what it attends to in the other text; `auto` is the former where "
            "transformers has one for the encoder",
        )

    options: Options

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        self.all_labels = tuple(self.options.labels or LABELS)
        # Every label has columns and a score of its own.
        self.metrics_reported = metric_names(self.all_labels)  # type: ignore[misc]
        self.count_names = count_names(self.all_labels)  # type: ignore[misc]

    # Data ----------------------------------------------------------------------------------

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """Read pairs, but for those without an agreed label (``-``), which a log counts.

        Raises XltError with the place of a pair that lacks a text or a label, or whose id was used
        before; and if no pair is as `where` says.
        """
        told = self.reader_options[format](**options)
        assert isinstance(told, PairOptions)
        ids = Ids()
        left_out: Counter[str] = Counter()
        unmatched = dict(told.where)
        for place, row in self._rows(path, format, told):
            if any(str(row.get(column)) != value for column, value in told.where.items()):
                continue
            unmatched.clear()
            at = f"{path}:{place}"
            try:
                if labelled and _field(row, "label", at) == NO_AGREEMENT:
                    left_out["without an agreed label (-)"] += 1
                    continue
                if told.drop_empty and any(_is_blank(_field(row, name, at)) for name in TEXTS):
                    left_out["that lack a text"] += 1
                    continue
                document = self._document(row, place, at, labelled, told.label_names)
                ids.add(document.id, at)
            except XltError as error:
                malformed(error)
                continue
            yield document
        if unmatched:
            wanted = ", ".join(f"{column}: {value}" for column, value in unmatched.items())
            raise XltError(
                f"no pair has {wanted}",
                where=path,
                fix="check the columns and the values of `where`",
            )
        for why, count in left_out.items():
            tell(path, f"{count} pairs {why} are left out")

    def _rows(self, path: Path, format: str, told: PairOptions) -> Iterator[tuple[str, Row]]:
        """The place in the file and the fields of every row."""
        from xlt.data.jsonl import read_json_array, read_jsonl
        from xlt.data.table import DELIMITERS, NO_HEADER, read_table

        rows: Iterator[tuple[int, Row]]
        if isinstance(told, PairObjectOptions):
            reader = read_jsonl if format == "jsonl" else read_json_array
            rows = reader(path, columns=told.columns)
        elif isinstance(told, PairCsvOptions):
            rows = read_table(
                path,
                columns=told.columns,
                delimiter=None if told.delimiter == "auto" else DELIMITERS[told.delimiter],
                quoted=True,
                header=told.header,
            )
        else:
            assert isinstance(told, PairTsvOptions)
            rows = read_table(path, columns=told.columns, quoted=told.quoted, header=told.header)
        for number, row in rows:
            if isinstance(told, TableOptions):
                for name in TEXTS:
                    _field(row, name, f"{path}:{number}", NO_HEADER * told.header)
            yield f"[{number}]" if format == "json" else str(number), row

    def _document(
        self, row: Row, place: str, at: str, labelled: bool, names: Mapping[str, str]
    ) -> Document:
        label = _field(row, "label", at if labelled else None)
        label = names.get("" if label is None else str(label), label)
        if not labelled and label not in [*self.all_labels, *self.options.rename]:
            label = None
        given = {
            "id": identifier(_field(row, "id", None), place.strip("[]"), where=at),
            **{name: _field(row, name, at) for name in TEXTS},
            "label": label,
            "phenomena": _field(row, "phenomena", None),
        }
        return self._checked(given, at, labelled)

    def validate_row(self, row: Row, *, where: object) -> Document:
        """Check the texts, the label and the phenomena of a pair, whose label may be missing.

        Raises XltError.
        """
        given = {"label": None, "phenomena": None, **row}
        return self._checked(given, where, False)

    def _checked(self, row: Row, where: object, labelled: bool) -> Document:
        for name in TEXTS:
            if not isinstance(row[name], str):
                raise XltError(f"the {name} is no text", where=where, fix="write a string")
            if not row[name].strip():
                raise XltError(
                    f"the {name} is empty", where=where, fix="leave the pair out, or complete it"
                )
        label = row["label"]
        if isinstance(label, str):
            label = self.options.rename.get(label, label) or None
        if label not in self.all_labels and (labelled or label is not None):
            raise self._unknown(label, where, labelled)
        phenomena = row["phenomena"]
        if isinstance(phenomena, str):  # in a table
            phenomena = phenomena.split("|") if phenomena else []
        groups = [] if phenomena is None else texts(phenomena, "`phenomena`", where=where)
        return Document(
            str(row["id"]),
            {name: Text(row[name]) for name in TEXTS},
            {"label": Label(label)},
            groups=tuple(groups),
        )

    def _unknown(self, label: object, where: object, labelled: bool) -> XltError:
        """Return the error of a pair with this label, or with none."""
        if label in (None, ""):
            may_lack = advise("labelled: false", 'label_names: {"": OURS}')
            return XltError(
                "the pair has no label",
                where=where,
                fix=f"give it one of {', '.join(self.all_labels)}; or, to neither learn from nor "
                f"score pairs without a known label, or to say what none means, {may_lack}",
            )
        return XltError(
            f"there is no label {label!r:.60}",
            where=where,
            fix=f"{choose(str(label), self.all_labels)}; or map it with `task.rename`; or list all "
            "labels in `task.labels`"
            + (f"; or {advise(f'label_names: {{{scalar(str(label))}: OURS}}')}" * labelled),
        )

    def to_row(self, document: Document) -> Row:
        """Return the row of a pair; a missing label is empty text."""
        return {
            "id": document.id,
            **{name: document.texts[name].surface for name in TEXTS},
            "label": document.layer(Label, "label").label or "",
            "phenomena": list(document.groups),
        }

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write JSON Lines, one JSON array or a table; a table joins phenomena with ``|``."""
        from xlt.data.jsonl import write_json_array, write_jsonl
        from xlt.data.table import write_table

        rows = (with_confidence(self.to_row(document), document) for document in documents)
        if format in ("tsv", "csv"):
            joined = ({**row, "phenomena": _joined(row)} for row in rows)
            write_table(joined, stream, self.columns, quoted=format == "csv")
        else:
            (write_jsonl if format == "jsonl" else write_json_array)(rows, stream)

    def from_text(self, id: str, text: Text, language: str = "") -> Document:
        """Raise XltError: a pair needs two texts."""
        raise XltError(
            "a premise and a hypothesis are needed, not one text",
            where="--input-format",
            fix=f"give a file in one of the formats {', '.join(self.formats)}, with the fields "
            "premise and hypothesis",
        )

    # Projection ----------------------------------------------------------------------------

    def project_predictions(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """Return the pair's scores as they are: a translation keeps its label."""
        return {"scores": outputs["scores"][row].numpy()}

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        """Return those labels of the task that the documents have, in the task's order."""
        seen = {document.layer(Label, "label").label for document in documents}
        return {"label": tuple(label for label in self.all_labels if label in seen)}

    def for_labels(self, labels: Labels) -> NLI:
        """Return a task for all these labels where the options do not list one of them."""
        values = labels.get("label", ())
        if set(values) <= set(self.all_labels):
            return self
        return NLI(self.options.model_copy(update={"labels": list(values)}))

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build a classifier of pairs over the backbone."""
        from xlt.model.classifier import build_classifier

        return build_classifier(backbone, labels, self.options.classifier)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the classifier and load its head from `folder`, if it has one."""
        model = self.build(backbone, labels)
        if model.head_state():
            model.load_head(folder)
        return model

    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Encode premise and hypothesis together; the premise is empty with `hypothesis_only`."""
        from xlt.data.batch import IGNORED

        hidden = self.options.hypothesis_only
        encoded = backbone.pairs(
            ["" if hidden else document.texts["premise"].surface for document in documents],
            [document.texts["hypothesis"].surface for document in documents],
        )
        ids: dict[str | None, int] = {None: IGNORED}
        ids |= {label: i for i, label in enumerate(labels["label"])} if labels else {}
        examples = []
        for index, (document, pair) in enumerate(zip(documents, encoded, strict=True)):
            inputs: dict[str, Any] = {"pair": pair, "pad": backbone.pad_id}
            if labels:
                inputs["label"] = ids[document.layer(Label, "label").label]
            examples.append(Example(index, pair.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Pad the pairs to a batch; `labels` (pairs,) are label ids."""
        import torch

        batch = {name: torch.from_numpy(array) for name, array in self.arrays(examples).items()}
        if "label" in examples[0].inputs:
            batch["labels"] = torch.tensor([e.inputs["label"] for e in examples])
        return batch

    def arrays(self, examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
        """Pad the pairs to a batch without labels."""
        from xlt.data.encode_pairs import pair_arrays

        return pair_arrays([e.inputs["pair"] for e in examples], examples[0].inputs["pad"])

    def outputs(self, network: Network, arrays: Arrays, labels: Labels) -> Arrays:
        """Average the scores of each pair's windows."""
        from xlt.model.arrays import log_softmax, means_of_windows

        shape = (len(arrays["input_ids"]), len(labels["label"]))
        found = network(arrays, scores=shape)
        return {"scores": log_softmax(means_of_windows(found["scores"], arrays))}

    def decode(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Document]:
        """Give each pair the label with the highest score."""
        chosen = outputs["scores"].argmax(-1).tolist()
        return [
            document.with_layers(label=Label(labels["label"][best]))
            for document, best in zip(documents, chosen, strict=True)
        ]

    def confidence(
        self,
        predicted: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
        temperatures: Mapping[str, float],
    ) -> list[Mapping[str, Sequence[float]]]:
        """Return the probability of each pair's label."""
        from xlt.model.arrays import softmax

        chances = softmax(np.asarray(outputs["scores"]) / temperatures.get("label", 1.0))
        return [{"label": [chance]} for chance in chances.max(-1).tolist()]

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Count one pair for each label, shape (3 * labels,) (`metrics.class_counts`)."""
        right, answer = (one.layer(Label, "label").label or "" for one in (gold, predicted))
        return class_counts(right, answer, self.all_labels)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute accuracy and F1 in percent from counts of shape (..., 3 * labels)."""
        return class_metrics(counts, self.all_labels)


def _joined(row: Row) -> str:
    """The phenomena of a row in one cell. Raises XltError for what is not read back so."""
    phenomena = row["phenomena"]
    if not all(phenomena) or any("|" in one for one in phenomena):
        raise XltError(
            f"a phenomenon that is empty or has a |, which a table cannot hold: {phenomena}",
            where=f"record {row['id']!r}",
            fix="write JSON Lines (format jsonl)",
        )
    return "|".join(phenomena)


def _is_blank(text: object) -> bool:
    return text is None or (isinstance(text, str) and not text.strip())


def _field(row: Row, name: str, where: object, more: str = "") -> Any:
    """A field by our name or one that known data sets give it.

    Raises XltError, with `more` advice, if it is missing and `where` is given.
    """
    for candidate in (name, *KNOWN_NAMES[name]):
        if candidate in row:
            return row[candidate]
    if where is None:
        return None
    raise XltError(
        f"the field {name!r} is missing",
        where=where,
        fix=f"{choose(name, row)}; " + advise(f"columns: {{{name}: THEIRS}}") + more,
    )
