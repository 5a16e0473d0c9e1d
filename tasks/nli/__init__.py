"""Natural language inference: does the premise entail the hypothesis? One label a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from xlt.document import Document, Text
from xlt.errors import XltError
from xlt.label_task import LabelTask
from xlt.label_task.metrics import count_names, metric_names
from xlt.task import Labels

if TYPE_CHECKING:
    from xlt.data.encode_pairs import EncodedPair
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

LABELS = ("entailment", "neutral", "contradiction")


class NLI(LabelTask):
    """Infers a label of premise and hypothesis; a document's groups are what it tests."""

    name = "nli"
    texts = ("premise", "hypothesis")
    inventory = LABELS
    known_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        # What SNLI, MultiNLI, XNLI, ANLI, CLUE and IndoNLI call them.
        "id": ("pairID", "uid"),
        "premise": ("sentence1", "context"),
        "hypothesis": ("sentence2",),
        "label": ("gold_label",),
        "phenomena": ("phenomenon",),
    }
    no_agreement = "-"  # of SNLI, MultiNLI and OCNLI
    noun = "pair"
    controls: ClassVar[Mapping[str, tuple[str, ...]]] = {"hypothesis only": ("premise",)}
    columns = ("id", *texts, "label", "phenomena")
    metrics_reported = metric_names(LABELS)
    count_names = count_names(LABELS)
    instruction = "Say what a premise says about a hypothesis."
    definitions: ClassVar[Mapping[str, str]] = {
        "entailment": "if the premise is true, the hypothesis is true, too",
        "neutral": "if the premise is true, the hypothesis may be true or false",
        "contradiction": "if the premise is true, the hypothesis is false",
    }
    measured_as = ("nli",)

    class Options(LabelTask.Options):
        """Says which labels there are, and whether the premise is hidden from the model."""

        labels: list[str] | None = Field(
            None,
            min_length=2,
            description="all labels; by default entailment, neutral and contradiction",
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

    def from_text(self, id: str, text: Text, language: str = "") -> Document:
        """Raise XltError: a pair needs two texts."""
        raise XltError(
            "a premise and a hypothesis are needed, not one text",
            where="--input-format",
            fix=f"give a file in one of the formats {', '.join(self.formats)}, with the fields "
            "premise and hypothesis",
        )

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build a classifier of pairs over the backbone."""
        from xlt.model.classifier import build_classifier

        return build_classifier(backbone, labels, self.options.classifier)

    def encoded(self, documents: Sequence[Document], backbone: Backbone) -> list[EncodedPair]:
        """Encode premise and hypothesis together; the premise is empty with `hypothesis_only`."""
        if self.options.hypothesis_only:
            documents = [document.with_texts(premise=Text("")) for document in documents]
        return super().encoded(documents, backbone)
