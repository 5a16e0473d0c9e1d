"""Text classification: one label for a whole text, be it its topic, its intent or its sentiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from xlt.document import Document, Label
from xlt.label_task import LabelTask
from xlt.task import Labels

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel


class Classification(LabelTask):
    """Chooses the label of a whole text; a document's groups are what it tests."""

    name = "classification"
    known_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        # What SIB-200, Taxi1500 and MASSIVE call them.
        "id": ("index_id",),
        "text": ("verse", "utt"),
        "label": ("category", "classification", "intent"),
    }
    measured_as = ("topic", "sentiment")
    instruction = "Say which of the labels is right for a text as a whole."

    class Options(LabelTask.Options):
        """Says which labels there are, and what classifies."""

        classifier: Literal["auto", "standard", "pooled"] = Field(
            "auto",
            description="`standard` is the sequence classifier of transformers; `pooled` reads the "
            "mean and the maximum of all subwords; `auto` is the former where transformers has one "
            "for the encoder",
        )

    options: Options

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build a classifier of texts over the backbone."""
        from xlt.model.classifier import build_classifier

        return build_classifier(backbone, labels, self.options.classifier, texts=1)

    def annotate(self, doc: Doc, sentences: Sequence[tuple[Document, Sequence[Token]]]) -> None:
        """Set ``doc.cats``: the label of the text, with its probability, or 1 if none is known."""
        for document, _ in sentences:
            label = document.layer(Label, "label").label
            if label is not None:
                (doc.cats[label],) = document.confidence.get("label", (1.0,))
