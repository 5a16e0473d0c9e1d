"""Predictions in spaCy documents, by kind of layer, and as pages of displaCy views."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import singledispatch
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import numpy as np
from markupsafe import escape

from xlt.data.segment import with_words
from xlt.document import Document, Layer, Spans, Tags, Tree
from xlt.errors import XltError
from xlt.files import beside, disk_error
from xlt.html import macros
from xlt.task import Annotating, predicted_layers

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

    from xlt.task import Task


def render(documents: Iterable[Document], task: Task, output: str | Path) -> int:
    """Write one HTML page with a view of each document; returns how many there are.

    Entities are marked in the text; trees are drawn as arcs, over the parts of speech if any; the
    label of a whole text stands over it.
    The documents are taken one at a time.
    Raises XltError if the task cannot be shown or the file cannot be written.
    """
    with Page(task, output) as page:
        page.add(documents)
    return page.count


class Page:
    """The page that `render` writes, for documents that come in parts; named when complete."""

    def __init__(self, task: Task, output: str | Path) -> None:
        self.task, self.path = task, Path(output)
        self.count = 0
        self._labels: Counter[str] = Counter()
        self._part = beside(self.path, ".part")
        self._stream: TextIO | None = None

    def __enter__(self) -> Page:
        try:
            self._part.unlink(missing_ok=True)  # which may be a link to anything
            self._stream = self._part.open("x", encoding="utf-8", newline="\n")
            self._stream.write(macros("display").opening(self.path.stem))
        except OSError as error:
            raise disk_error(error, self.path) from error
        return self

    def add(self, documents: Iterable[Document]) -> None:
        assert self._stream is not None, "a page is a context manager"
        for document in documents:
            text = figure(document, self.task, self._labels)
            try:
                self._stream.write(text)
            except OSError as error:
                raise disk_error(error, self.path) from error
            self.count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        try:
            if error is None:
                self._stream.write(macros("display").closing(self._labels.most_common()))
            self._stream.close()
            if error is None:
                self._part.replace(self.path)
        except OSError as failure:
            raise disk_error(failure, self.path) from failure
        finally:
            self._part.unlink(missing_ok=True)


def figure(document: Document, task: Task, labels: Counter[str]) -> str:
    """One document as an HTML figure, entities with how sure the model was of them; the label of
    the whole text stands in its title.

    labels: to which those are added that are shown.
    """
    from spacy import displacy

    doc = spacy_doc(document, task)
    spans = doc.has_annotation("ENT_IOB") and not doc.has_annotation("DEP")
    style = "ent" if spans or doc.cats else "dep"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is nothing to mark is no news
        view = displacy.parse_deps(doc) if style == "dep" else displacy.parse_ents(doc)
    sure = _entity_confidences(document, doc)
    for marked in view["arcs" if style == "dep" else "ents"]:
        labels[marked["label"]] += 1
        confidence = sure.get((marked["start"], marked["end"], marked["label"]), "")
        # displaCy escapes the text only.
        marked["label"] = f"{escape(marked['label'])} {confidence}".rstrip()
    labels.update(doc.cats.keys())
    options = {"compact": True}
    drawn = displacy.render(view, style=style, manual=True, jupyter=False, options=options)
    least = min((one for some in document.confidence.values() for one in some), default=None)
    return str(
        macros("display").figure(
            ": ".join([document.id, *doc.cats]),
            doc.vocab.writing_system["direction"],
            _TREE_SIZE.sub(_scaled, drawn, count=1) if style == "dep" else drawn,
            "" if least is None else f"{least:.2f}",
        )
    )


def _entity_confidences(document: Document, doc: Doc) -> dict[tuple[int, int, str], str]:
    """Characters of the spaCy document and label of every span → how sure the model was of it."""
    return {
        (doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), kind): f"{sure:.2f}"
        for name, layer in document.layers.items()
        if isinstance(layer, Spans) and name in document.confidence
        for (kind, start, end), sure in zip(layer.spans, document.confidence[name], strict=True)
    }


_TREE_SIZE = re.compile(
    r'width="(?P<width>[\d.]+)" height="(?P<height>[\d.]+)" (?P<direction>direction="\w+") '
    r'style="max-width: none; height: [\d.]+px;'
)
"""How large a tree is, as displaCy draws it."""


def _scaled(size: re.Match[str]) -> str:
    """The same tree, as wide as the window at most; of a long one letters stay large enough."""
    width, height, direction = size["width"], size["height"], size["direction"]
    return (
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" {direction} '
        f'style="max-width: max(100%, {float(width) / 2:g}px); height: auto;'
    )


def spacy_doc(document: Document, task: Task) -> Doc:
    """The document as a spaCy document with its annotation, whether gold or predicted."""
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    words = document.words or with_words(document.text.surface).words
    vocab = Vocab(writing_system={"direction": direction(words)})
    # spaCy has no words without characters.
    doc = Doc(vocab, words=[word or "�" for word in words])
    annotate(task, doc, [(document, list(doc))])
    return doc


def annotate(task: Task, doc: Doc, sentences: Sequence[tuple[Document, Sequence[Token]]]) -> None:
    """Put what a task predicts on a spaCy document.

    sentences: each document with the tokens that are its words. They are all the tokens of `doc`
        but its white space.

    Raises XltError for a layer that nothing says how to show.
    """
    if isinstance(task, Annotating):
        task.annotate(doc, sentences)
        return
    for name in predicted_layers(task):
        layers = [(document.layers[name], tokens) for document, tokens in sentences]
        if layers:
            annotate_layer(layers[0][0], doc, layers)


def viewable(task: Task) -> bool:
    """Whether something says how all that the task predicts is shown."""
    kinds = [task.layers[name] for name in predicted_layers(task)]
    unknown = annotate_layer.dispatch(object)
    return isinstance(task, Annotating) or all(
        annotate_layer.dispatch(kind) is not unknown for kind in kinds
    )


@singledispatch
def annotate_layer(
    kind: Layer, doc: Doc, sentences: Sequence[tuple[Layer, Sequence[Token]]]
) -> None:
    """Put the layers of the sentences of a document on it.

    kind: one of the layers, which all are of its kind. Register a function for a kind of yours.
    """
    raise XltError(
        f"there is no view of {type(kind).__name__}",
        fix="leave out --html; or, in a plugin, implement `annotate`",
    )


@annotate_layer.register(Tags)
def _annotate_tags(kind: Tags, doc: Doc, sentences: Sequence[tuple[Tags, Sequence[Token]]]) -> None:
    """Sets the fine-grained tag of every token."""
    for layer, tokens in sentences:
        for token, tag in zip(tokens, layer.tags, strict=True):
            token.tag_ = tag or ""


@annotate_layer.register(Spans)
def _annotate_spans(
    kind: Spans, doc: Doc, sentences: Sequence[tuple[Spans, Sequence[Token]]]
) -> None:
    """Sets ``doc.ents``; of spans that overlap, the longest."""
    from spacy.tokens import Span
    from spacy.util import filter_spans

    doc.set_ents(
        filter_spans(
            Span(doc, tokens[span.start].i, tokens[span.end - 1].i + 1, label=span.kind)
            for layer, tokens in sentences
            for span in layer.spans
        )
    )


@annotate_layer.register(Tree)
def _annotate_tree(kind: Tree, doc: Doc, sentences: Sequence[tuple[Tree, Sequence[Token]]]) -> None:
    """Sets heads, relations and with them the sentences; white space hangs on a neighbour."""
    words = np.array([token.i for _, tokens in sentences for token in tokens], np.int64)
    if not len(words):
        return
    before = np.searchsorted(words, np.arange(len(doc))) - 1
    heads = words[np.maximum(before, 0)]
    relations = ["dep"] * len(doc)
    for tree, tokens in sentences:
        for token, head, relation in zip(tokens, tree.heads, tree.relations, strict=True):
            heads[token.i] = tokens[head - 1].i if head > 0 else token.i
            relations[token.i] = "ROOT" if head == 0 else relation
    offsets = (heads - np.arange(len(doc))).astype(np.int64).view(np.uint64)
    names = np.array([doc.vocab.strings.add(name) for name in relations], np.uint64)
    doc.from_array(["HEAD", "DEP"], np.stack([offsets, names], 1))


def direction(words: Iterable[str]) -> str:
    kinds = [unicodedata.bidirectional(character) for word in words for character in word]
    right = sum(kind in ("R", "AL") for kind in kinds)
    return "rtl" if right > kinds.count("L") else "ltr"
