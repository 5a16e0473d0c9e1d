"""A trained model as a component of a spaCy pipeline::

    nlp = xlt.spacy_component.pipeline("runs/javanese")  # words and sentences are xlt's
    doc = nlp("Budi tuku buku ing Yogyakarta.")

    nlp = spacy.blank("id")  # or "xx", or any other language that spaCy has: its own words
    nlp.add_pipe("xlt", config={"model": "runs/javanese/seed-1/jav/model"})

What is set on the document is up to the task (`Task.annotate`): entities on ``doc.ents``, trees
as heads and labels, the label of a text in ``doc.cats``. A task of whole texts
(`Task.by_sentence`) is given the document as one. For others, one whose sentences are not known
yet is split by spaCy's rules for the predictions; its own sentence boundaries are left to the task.

As with spaCy's own components, entities that are set already are kept, and of the predicted ones
those that do not touch them or blocked tokens are added; ``overwrite_ents`` replaces them. What
fails is given to the handler of ``nlp.set_error_handler``, one document at a time.

spaCy imports this module for every pipeline, so it imports nothing that takes time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.util import raise_error, registry

from xlt.document import Document, Text

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, Token
    from spacy.vocab import Vocab

    from xlt.inference.base import BatchPredictor
    from xlt.model.backbone import Backbone
    from xlt.projection.predict import ThroughTranslation
    from xlt.task import Task

    ErrorHandler = Callable[[str, "XltComponent", list[Doc], Exception], Any]
    Sentences = list[tuple[Document, list[Token]]]

FOLDER, SETTINGS = "model", "settings.json"


class XltComponent:
    """Annotates documents with a trained model, which is loaded when it is first used.

    model:          a run's folder, or a model folder in it.
    batch_tokens:   subwords in a batch, padding included.
    overwrite_ents: predicted entities replace those that are set, instead of filling the gaps.
    name:           of the component in its pipeline.
    """

    def __init__(
        self,
        model: str | Path,
        batch_tokens: int = 8192,
        *,
        overwrite_ents: bool = False,
        name: str = "xlt",
    ) -> None:
        self.model, self.batch_tokens = str(model), batch_tokens
        self.overwrite_ents, self.name = overwrite_ents, name
        self._error_handler: ErrorHandler = raise_error

    @cached_property
    def _loaded(self) -> tuple[Task, Backbone, BatchPredictor | ThroughTranslation]:
        from xlt.inference.loading import find_model
        from xlt.projection.opening import open_predictor

        return open_predictor(find_model(Path(self.model)), batch_tokens=self.batch_tokens)

    def __call__(self, doc: Doc) -> Doc:
        (sentences,) = self._predict([doc])
        self._annotate(doc, sentences)
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate documents as they come; the sentences of `batch_size` of them are batched.

        A document that fails is given to the error handler and left out, if that raises nothing.
        """
        assert self._loaded  # that there is no model is no fault of a document's
        docs = iter(stream)
        while batch := list(islice(docs, batch_size)):
            predicted: list[Sentences | None]
            try:
                predicted = [*self._predict(batch)]
            except Exception:  # of one of them: each by itself tells of which
                predicted = [None] * len(batch)
            for doc, sentences in zip(batch, predicted, strict=True):
                try:
                    own = self._predict([doc])[0] if sentences is None else sentences
                    self._annotate(doc, own)
                except Exception as error:  # whatever a document may raise
                    self._error_handler(self.name, self, [doc], error)
                else:
                    yield doc

    def set_error_handler(self, error_handler: ErrorHandler) -> None:
        """What `nlp.set_error_handler` calls: see spaCy's `Pipe.set_error_handler`."""
        self._error_handler = error_handler

    def get_error_handler(self) -> ErrorHandler:
        """What documents that fail are given to; by default the error is raised."""
        return self._error_handler

    def _predict(self, docs: list[Doc]) -> list[Sentences]:
        """The predicted sentences of each document, with their tokens."""
        task, backbone, predictor = self._loaded
        sentences = [list(_sentences(doc, task.by_sentence)) for doc in docs]
        surfaces = [doc.text for doc in docs]  # put together at every call
        every = [
            (tokens, s) for s, of_doc in zip(surfaces, sentences, strict=True) for tokens in of_doc
        ]
        records = [_document(task, str(n), *one) for n, one in enumerate(every, 1)]
        predicted = iter(predictor(records, task.encode(records, backbone, None)))
        return [[(next(predicted), tokens) for tokens in of_doc] for of_doc in sentences]

    def _annotate(self, doc: Doc, sentences: Sentences) -> None:
        from xlt.display import annotate

        kept, blocked = doc.ents, _blocked(doc)
        annotate(self._loaded[0], doc, sentences)
        if doc.ents == kept and len(_blocked(doc)) == len(blocked):
            return
        if self.overwrite_ents:
            for token in (token for span in kept for token in span):
                token.ent_id = 0  # spaCy leaves it to the entity that takes the token
        elif kept or blocked:
            taken = {token.i for span in (*kept, *blocked) for token in span}
            new = [e for e in doc.ents if taken.isdisjoint(range(e.start, e.end))]
            doc.set_ents([*kept, *new], blocked=blocked)

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
        (folder / SETTINGS).write_text(json.dumps(self._settings), encoding="utf-8")

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> XltComponent:
        """Take settings and model from a folder that `to_disk` wrote."""
        folder = Path(path)
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        return self._set(str(folder / FOLDER), **settings)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The settings with the model's path: for other processes on this machine."""
        return json.dumps({"model": str(Path(self.model).absolute()), **self._settings}).encode()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> XltComponent:
        return self._set(**json.loads(data))

    @property
    def _settings(self) -> dict[str, Any]:
        return {"batch_tokens": self.batch_tokens, "overwrite_ents": self.overwrite_ents}

    def _set(self, model: str, batch_tokens: int, overwrite_ents: bool = False) -> XltComponent:
        self.model, self.batch_tokens, self.overwrite_ents = model, batch_tokens, overwrite_ents
        self.__dict__.pop("_loaded", None)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_loaded"}


@Language.factory(  # type: ignore[untyped-decorator]
    "xlt", default_config={"batch_tokens": 8192, "overwrite_ents": False}
)
def make_component(
    nlp: Language, name: str, model: str, batch_tokens: int, overwrite_ents: bool
) -> XltComponent:
    """The spaCy factory ``xlt``."""
    return XltComponent(model, batch_tokens, overwrite_ents=overwrite_ents, name=name)


def pipeline(model: str | Path, language: str | None = None, **settings: Any) -> Language:
    """A pipeline with the component alone, whose words and sentences are those of `xlt predict`; so
    what it finds is the same.

    model:    a run's folder, or a model folder in it.
    language: of the text; by default the one that the model is for.
    settings: of the component.

    Raises XltError where there is no model, and where the language is open.
    """
    import spacy

    from xlt import languages
    from xlt.inference.loading import find_model, language_of
    from xlt.model.folder import read_info

    code = None if language is None else languages.code(language, where="language")
    folder = find_model(Path(model), code)
    code = language_of(code, read_info(folder).languages)
    tokenizer = {"@tokenizers": TOKENIZER, "language": code}
    nlp = spacy.blank("xx", config={"nlp": {"tokenizer": tokenizer}})
    nlp.add_pipe("xlt", config={"model": str(folder), **settings})
    return nlp


TOKENIZER = "xlt.Tokenizer.v1"
"""In spaCy's registry of tokenizers."""


class Tokenizer:
    """Splits text as `xlt predict` does, into words by the rules of a language and sentences."""

    def __init__(self, vocab: Vocab, language: str) -> None:
        self.vocab, self.language = vocab, language

    def __call__(self, text: str) -> Doc:
        from spacy.tokens import Doc
        from spacy.util import get_words_and_spaces

        from xlt.data.segment import sentences_of_lines

        placed = list(sentences_of_lines(text, self.language))
        words = [word for _, sentence in placed for word in sentence.words]
        tokens, spaces = get_words_and_spaces(words, text)
        begins = {start for start, _ in placed}
        starts, at = [], 0
        for token, space in zip(tokens, spaces, strict=True):
            starts.append(at in begins)
            at += len(token) + space
        return Doc(self.vocab, words=tokens, spaces=spaces, sent_starts=starts)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        return json.dumps({"language": self.language}).encode()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> Tokenizer:
        self.language = json.loads(data)["language"]
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        Path(path).write_bytes(self.to_bytes())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Tokenizer:
        return self.from_bytes(Path(path).read_bytes())


@registry.tokenizers(TOKENIZER)  # type: ignore[untyped-decorator]
def make_tokenizer(language: str) -> Callable[[Language], Tokenizer]:
    """What spaCy makes the tokenizer of a pipeline with.

    language: in any form that `xlt.languages.code` knows.
    """
    return lambda nlp: Tokenizer(nlp.vocab, language)


def _blocked(doc: Doc) -> list[Span]:
    """Tokens that may be in no entity (`Doc.set_ents`)."""
    iob, kind = doc.to_array(["ENT_IOB", "ENT_TYPE"]).T
    return [doc[i : i + 1] for i in ((iob == _BEGINS) & (kind == 0)).nonzero()[0].tolist()]


_BEGINS = 3
"""What `Token.ent_iob` is at the beginning of an entity, or, without a type, of a blocked token."""


def _sentences(doc: Doc, by_sentence: bool) -> Iterator[list[Token]]:
    """The words of each sentence, or of the whole document: its tokens without white space."""
    every = list(doc)
    if not by_sentence:
        starts = [False] * len(every)
    elif doc.has_annotation("SENT_START"):
        starts = [token.is_sent_start is True for token in every]
    else:
        (starts,) = _sentencizer().predict([doc])
    sentence: list[Token] = []
    for token, begins in zip(every, starts, strict=True):
        if begins and sentence:
            yield sentence
            sentence = []
        if not token.is_space:
            sentence.append(token)
    if sentence:
        yield sentence


@cache
def _sentencizer() -> Any:
    from spacy.pipeline import Sentencizer

    return Sentencizer()


def _document(task: Task, id: str, tokens: list[Token], text: str) -> Document:
    """The record of a sentence. text: of its whole document."""
    places = [(token.idx, token.idx + len(token)) for token in tokens]
    start, end = places[0][0], places[-1][1]
    words = tuple(text[a:b] for a, b in places)
    return task.from_text(
        id, Text(text[start:end], words, tuple((a - start, b - start) for a, b in places))
    )
