"""A base for tasks that give every document one label: most of the protocol, written once.

A document has one text, or two that are classified together. A subclass says its name, its texts,
and what published data sets call its fields; the labels are a fixed inventory, those that
`task.labels` lists, or those of the training data::

    class Register(LabelTask):
        name = "register"

reads and writes ``{"id": "1", "text": "Dear all", "label": "formal"}`` lines and tables, and
reports accuracy and macro F1. The model loads with AutoModelForSequenceClassification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from xlt.document import Document, Label
from xlt.errors import XltError
from xlt.label_task.metrics import COUNTED, class_counts, class_metrics, count_names, metric_names
from xlt.label_task.records import LabelRecords
from xlt.task import Example, Labels, Network, TaskOptions

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xlt.data.batch import Arrays
    from xlt.data.encode_pairs import EncodedPair
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection


class LabelTask(LabelRecords):
    """Documents with one label; a document's groups are the phenomena that it tests."""

    metrics_reported: ClassVar[tuple[str, ...]] = metric_names(())
    count_names: ClassVar[tuple[str, ...]] = COUNTED

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        # Every label has columns and, if it is listed, a score of its own.
        self.metrics_reported = metric_names(self.listed)  # type: ignore[misc]
        self._count(self.listed)

    def _count(self, labels: tuple[str, ...]) -> None:
        self.all_labels = labels
        """Those that are counted."""
        self.count_names = count_names(labels) or COUNTED  # type: ignore[misc]

    # Projection ----------------------------------------------------------------------------

    def project_predictions(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """Return the record's scores as they are: a translation keeps its label."""
        return {"scores": outputs["scores"][row].numpy()}

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        """Return the labels that the documents have: in the order of those that are known, the
        others sorted behind them."""
        seen = {document.layer(Label, "label").label for document in documents}
        known = [label for label in self.all_labels if label in seen]
        others = sorted(label for label in seen if label is not None and label not in known)
        return {"label": (*known, *others)}

    def for_labels(self, labels: Labels) -> Self:
        """Return a task that counts all these labels. One whose options list labels is made to list
        these where it lacks one, and reads no others; another reads what it read before."""
        values = labels.get("label", ())
        if set(values) <= set(self.all_labels):
            return self
        if self.listed:
            return type(self)(self.options.model_copy(update={"labels": list(values)}))
        task = copy(self)
        task._count(tuple(values))
        return task

    # Model ---------------------------------------------------------------------------------

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the classifier and load its head from `folder`, if it has one."""
        model = self.build(backbone, labels)
        if model.head_state():
            model.load_head(folder)
        return model

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build a classifier of the texts over the backbone."""
        from xlt.model.classifier import build_classifier

        return build_classifier(backbone, labels, texts=len(self.texts))

    def encoded(self, documents: Sequence[Document], backbone: Backbone) -> list[EncodedPair]:
        """The subwords of each document's texts, two of them together."""
        surfaces = [[one.texts[name].surface for one in documents] for name in self.texts]
        return backbone.texts(*surfaces) if len(surfaces) == 1 else backbone.pairs(*surfaces)

    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Encode the texts (`encoded`), with the ids of the labels if these are given."""
        from xlt.data.batch import IGNORED

        ids: dict[str | None, int] = {None: IGNORED}
        ids |= {label: i for i, label in enumerate(labels["label"])} if labels else {}
        examples = []
        encoded = self.encoded(documents, backbone)
        for index, (document, pair) in enumerate(zip(documents, encoded, strict=True)):
            inputs: dict[str, Any] = {"pair": pair, "pad": backbone.pad_id}
            if labels:
                inputs["label"] = ids[document.layer(Label, "label").label]
            examples.append(Example(index, pair.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Pad the records to a batch; `labels` (records,) are label ids."""
        import torch

        batch = {name: torch.from_numpy(array) for name, array in self.arrays(examples).items()}
        if "label" in examples[0].inputs:
            batch["labels"] = torch.tensor([e.inputs["label"] for e in examples])
        return batch

    def arrays(self, examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
        """Pad the records to a batch without labels."""
        from xlt.data.encode_pairs import pair_arrays

        return pair_arrays([e.inputs["pair"] for e in examples], examples[0].inputs["pad"])

    def outputs(self, network: Network, arrays: Arrays, labels: Labels) -> Arrays:
        """Average the scores of each record's windows."""
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
        """Give each record the label with the highest score."""
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
        """Return the probability of each record's label."""
        from xlt.model.arrays import softmax

        chances = softmax(np.asarray(outputs["scores"]) / temperatures.get("label", 1.0))
        return [{"label": [chance]} for chance in chances.max(-1).tolist()]

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Count one record for each label, shape (3 * labels,) (`metrics.class_counts`).

        Raises XltError for a label that the task does not know: it would count for nothing.
        """
        right, answer = (one.layer(Label, "label").label or "" for one in (gold, predicted))
        for label in (right, answer):
            if label and label not in self.all_labels:
                raise XltError(
                    f"the label {label!r} is counted, which is none of "
                    f"{', '.join(self.all_labels) or 'no labels'}",
                    where=f"record {gold.id!r}",
                    fix="list all labels in `task.labels`",
                )
        return class_counts(right, answer, self.all_labels)

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute accuracy and F1 in percent from counts of shape (..., 3 * labels)."""
        return class_metrics(counts, self.listed)
