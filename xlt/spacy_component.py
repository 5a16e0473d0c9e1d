"""A trained model as a component of a spaCy pipeline::

    nlp = spacy.blank("jv")  # or "xx", or any other language
    nlp.add_pipe("xlt", config={"model": "runs/javanese/seed-1/jav/model"})
    doc = nlp("Budi tuku buku ing Yogyakarta.")

What is set on the document is up to the task (`Task.annotate`): entities on ``doc.ents``, trees
as heads and labels. A document whose sentences are not known yet is split by spaCy's rules for
the predictions; its own sentence boundaries are left to the task.

spaCy imports this module for every pipeline, so it imports nothing that takes time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.language import Language

from xlt.document import Document, Text

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

    from xlt.inference.predictor import Predictor
    from xlt.model.backbone import Backbone
    from xlt.projection.predict import ThroughTranslation
    from xlt.task import Task

FOLDER, SETTINGS = "model", "settings.json"


class XltComponent:
    """Annotates documents with a trained model, which is loaded when it is first used.

    model:        a run's folder, or a model folder in it.
    batch_tokens: subwords in a batch, padding included.
    """

    def __init__(self, model: str | Path, batch_tokens: int = 8192) -> None:
        self.model, self.batch_tokens = str(model), batch_tokens

    @cached_property
    def _loaded(self) -> tuple[Task, Backbone, Predictor | ThroughTranslation]:
        from xlt.inference.loading import find_model
        from xlt.projection.predict import make_predictor

        return make_predictor(find_model(Path(self.model)), batch_tokens=self.batch_tokens)

    def __call__(self, doc: Doc) -> Doc:
        self._annotate([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate documents as they come; the sentences of `batch_size` of them are batched."""
        docs = iter(stream)
        while batch := list(islice(docs, batch_size)):
            self._annotate(batch)
            yield from batch

    def _annotate(self, docs: list[Doc]) -> None:
        from xlt.display import annotate

        task, backbone, predictor = self._loaded
        sentences = [list(_sentences(doc)) for doc in docs]
        records = [
            _document(task, str(number), tokens)
            for number, tokens in enumerate(
                (t for doc_sentences in sentences for t in doc_sentences), 1
            )
        ]
        predicted = iter(predictor(records, task.encode(records, backbone, None)))
        for doc, doc_sentences in zip(docs, sentences, strict=True):
            annotate(task, doc, [(next(predicted), tokens) for tokens in doc_sentences])

    # Serialisation -------------------------------------------------------------------------

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the settings and a copy of the model, so that the pipeline can be moved."""
        from xlt.inference.loading import find_model

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        source, target = find_model(Path(self.model)), folder / FOLDER
        if source.resolve() != target.resolve():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        settings = json.dumps({"batch_tokens": self.batch_tokens})
        (folder / SETTINGS).write_text(settings, encoding="utf-8")

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> XltComponent:
        """Take settings and model from a folder that `to_disk` wrote."""
        folder = Path(path)
        return self._set(
            model=str(folder / FOLDER),
            **json.loads((folder / SETTINGS).read_text(encoding="utf-8")),
        )

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The settings with the model's path: for other processes on this machine."""
        settings = {"model": str(Path(self.model).absolute()), "batch_tokens": self.batch_tokens}
        return json.dumps(settings).encode()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> XltComponent:
        return self._set(**json.loads(data))

    def _set(self, *, model: str, batch_tokens: int) -> XltComponent:
        self.model, self.batch_tokens = model, batch_tokens
        self.__dict__.pop("_loaded", None)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "batch_tokens": self.batch_tokens}


@Language.factory("xlt", default_config={"batch_tokens": 8192})  # type: ignore[untyped-decorator]
def make_component(nlp: Language, name: str, model: str, batch_tokens: int) -> XltComponent:
    """The spaCy factory ``xlt``."""
    return XltComponent(model, batch_tokens)


def _sentences(doc: Doc) -> Iterator[list[Token]]:
    """The words of each sentence: its tokens without white space."""
    if doc.has_annotation("SENT_START"):
        starts = [token.is_sent_start is True for token in doc]
    else:
        from spacy.pipeline import Sentencizer

        (starts,) = Sentencizer().predict([doc])
    sentence: list[Token] = []
    for token, begins in zip(doc, starts, strict=True):
        if begins and sentence:
            yield sentence
            sentence = []
        if not token.is_space:
            sentence.append(token)
    if sentence:
        yield sentence


def _document(task: Task, id: str, tokens: list[Token]) -> Document:
    start = tokens[0].idx
    end = tokens[-1].idx + len(tokens[-1])
    offsets = tuple((token.idx - start, token.idx + len(token) - start) for token in tokens)
    surface = tokens[0].doc.text[start:end]
    return task.from_text(id, Text(surface, tuple(token.text for token in tokens), offsets))
