"""A model with the subwords of some text alone (Abdaoui et al. 2020, arXiv 2010.05609).

Training trims a vocabulary and gives it back (`xlt.model.vocabulary`); here it stays trimmed, and
the tokenizer with it, so that the model needs nothing else to read text of the kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.document import Document
from xlt.document.text import Text
from xlt.errors import XltError
from xlt.export.tokenizer import Vocabulary, check_same, heard
from xlt.inference.predictor import subwords_in
from xlt.model.vocabulary import Trimmed
from xlt.model.vocabulary_tensors import embedding_table
from xlt.task import Task

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel


@dataclass(frozen=True)
class Cut:
    """What is left of a vocabulary.

    kept, of: subwords.
    new: the share of the subwords of more such text that will not be among the kept ones, by Good
        and Turing's estimate (Good 1953, "The Population Frequencies of Species"): of those seen,
        the share that was seen once. Such words are read in smaller parts.
    """

    kept: int
    of: int
    new: float


def trim(
    task: Task, backbone: Backbone, model: TaskModel, texts: Sequence[Text]
) -> tuple[Any, Cut]:
    """Reduce the model, in place, to the subwords of the texts; and its tokenizer, which is new.

    On these texts it computes what the whole model does. One that is there twice counts once: it
    says nothing more of what is to come.

    Raises XltError for a model that writes text, and for a tokenizer that cannot be trimmed
    (`xlt.export.tokenizer`).
    """
    if model.generates:
        raise XltError(
            "the model writes text: its subwords are what it can say",
            where="--trim",
            fix="export it without --trim",
        )
    texts = list(dict.fromkeys(texts))
    tokenizer = backbone.tokenizer
    vocabulary = Vocabulary(tokenizer)
    if embedding_table(model.encoder) is None:
        raise XltError(
            "the encoder has no table of subwords", where="--trim", fix="export without --trim"
        )
    counts = heard(tokenizer, texts)
    seen = {*counts, *model.needed().tolist(), *_of_task(task, backbone, texts)}
    ids = vocabulary.needed(seen, [text.surface for text in texts])
    trimmed = Trimmed(model.encoder, tokenizer, np.array(sorted(ids)))
    reduced = vocabulary.reduced(trimmed.kept)
    check_same(tokenizer, reduced, trimmed.kept, texts)
    once = sum(count == 1 for count in counts.values())
    return reduced, Cut(len(trimmed), trimmed.full_size, once / max(1, counts.total()))


def _of_task(task: Task, backbone: Backbone, texts: Sequence[Text]) -> list[int]:
    """What the task puts beside the text: marks around words, prompts."""
    if len(task.texts) > 1:  # put between the texts by the tokenizer alone
        return []
    documents: list[Document] = [task.from_text(str(n), text) for n, text in enumerate(texts)]
    return [int(id) for id in subwords_in(task, [task.encode(documents, backbone, None)])]
