"""Dependency parsing: biaffine scores over words, one-root maximum spanning trees."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

import numpy as np
from pydantic import Field

from xlt.data.rows import OPTIONAL
from xlt.document import Document, Layer, Tags, Text, Tree
from xlt.document.document import Row
from xlt.errors import XltError
from xlt.options import Width
from xlt.task import Example, Labels, Network, Task, TaskOptions

from . import records
from .inventory import RELATIONS, UPOS
from .metrics import COUNT_NAMES, METRICS, punctuation, tree_counts, tree_metrics, universal

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xlt.data.batch import Arrays
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

log = logging.getLogger(f"xlt.{__name__}")


class DependencyParsing(Task):
    """Parses dependencies: documents of one text with parts of speech and a tree.

    `meta["lines"]` is the sentence as it was read.
    """

    name = "dependency_parsing"
    layers: ClassVar[Mapping[str, type[Layer]]] = {"upos": Tags, "tree": Tree}
    reads = ("upos",)
    columns = ("id", "words", "upos", "heads", "relations", *OPTIONAL)
    optional_columns = ("id", "upos", *OPTIONAL)
    label_columns = ("upos", "relations")
    metrics_reported = METRICS
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"conllu": (".conllu", ".conllup", ".cupt")}
    count_names = COUNT_NAMES
    measured_as = ("dep",)

    class Options(TaskOptions):
        """Says what the parser reads, how large its layers are, and whether subtypes count."""

        upos: Literal["none", "gold"] = Field(
            "none", description="`gold`: the UPOS column is an input, in training and prediction"
        )
        subtypes: bool = Field(False, description="learn and score `nsubj:pass` apart from `nsubj`")
        characters: int = Field(
            0,
            ge=0,
            le=4096,
            description="size of a vector from the word's characters; for small encoders",
        )
        layers: int = Field(
            0,
            ge=0,
            le=32,
            description="bidirectional LSTM layers over the words; for small encoders",
        )
        layer_size: Width = Field(192, description="of each direction")
        arc_size: Width = 400
        relation_size: Width = 128
        upos_size: Width = 64
        dropout: float = Field(0.33, ge=0, lt=1)
        upos_dropout: float = Field(0.1, ge=0, lt=1, description="share of tags hidden in training")
        piece_dropout: float = Field(0.0, ge=0, lt=1, description="share of subwords left out")

    options: Options

    # Data ----------------------------------------------------------------------------------

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Document]:
        """Read CoNLL-U or CoNLL-U Plus; a tree may be partial, and without `labelled` need be none.

        Relations that are not universal are taken as they are, and a log names them.
        Raises XltError with ``path:line`` for anything malformed.
        """
        return records.read(path, labelled=labelled)

    def validate_row(self, row: Row, *, where: object) -> Document:
        """Check that tags, heads and relations are one for each word, and the heads a tree.

        Heads count words from 1; 0 is the root, -1 a head that is not known. Raises XltError.
        """
        return records.from_row(row, where=where)

    def to_row(self, document: Document) -> Row:
        """Return the row of a document, heads as in `validate_row`; ``_`` is written for no tag."""
        return records.to_row(document)

    def write(self, documents: Iterable[Document], stream: TextIO, format: str) -> None:
        """Write CoNLL-U; comments, multiword tokens and empty nodes come out as they went in."""
        from xlt.data.conllu import write_conllu

        write_conllu(map(records.to_sentence, documents), stream)

    def from_text(self, id: str, text: Text, language: str = "") -> Document:
        """Return a document without tags and heads.

        Raises XltError if the parser reads gold UPOS, which plain text lacks.
        """
        if self.options.upos == "gold":
            raise XltError(
                "this parser reads UPOS tags, which plain text does not have",
                where="task.upos",
                fix="give it CoNLL-U with the UPOS column, or train with `task.upos: none`",
            )
        return super().from_text(id, text, language)

    def names(self, document: Document) -> list[tuple[int, int]]:
        """Return where proper nouns stand, by the UPOS column."""
        tags = document.layer(Tags, "upos").tags
        return [(n, n + 1) for n, tag in enumerate(tags) if tag == "PROPN"]

    # Projection ----------------------------------------------------------------------------

    def project_predictions(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """Project the heads alone: the other model chooses relations, once the tree is known.

        Returns arcs: log-probabilities (1 + words, 1 + words) of head given word, the root first.
        """
        from xlt.projection.words import log_probabilities

        shares = pairs["text"].shares(extra=1)
        arcs = np.exp(outputs["arcs"][row].numpy().astype(np.float64))
        mass = shares @ arcs[: shares.shape[1], : shares.shape[1]] @ shares.T
        np.fill_diagonal(mass, 0)
        return {"arcs": log_probabilities(mass)}

    # Labels --------------------------------------------------------------------------------

    def labels(self, documents: Iterable[Document]) -> Labels:
        """Return all universal relations, and what else the trees have: relations of another
        scheme, and with `subtypes` subtypes."""
        trees = (document.layer(Tree, "tree") for document in documents)
        seen = {
            self._relation(relation)
            for tree in trees
            for head, relation in zip(tree.heads, tree.relations, strict=True)
            if head >= 0
        }
        return {"relation": (*RELATIONS, *sorted(seen - set(RELATIONS)))}

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        """Log relations that the model is never taught: each is a wrong answer, not an error.

        Subtypes that the source lacks are too usual to be told.
        """
        known = set(map(universal, labels["relation"]))
        if unknown := sorted(set(map(universal, data["relation"])) - known):
            log.warning(
                "%s: the model is never taught the relations %s, which count as wrong answers",
                where,
                ", ".join(unknown),
            )

    def _relation(self, relation: str) -> str:
        return relation if self.options.subtypes else universal(relation)

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build a biaffine parser (`model.Parser`) over the encoder, its own layers random."""
        from .model import Parser

        return Parser(backbone.encoder(), labels, self.options)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        """Build the parser and load the layers that were saved to `folder`."""
        model = self.build(backbone, labels)
        model.load_head(folder)
        return model

    def encode(
        self, documents: Sequence[Document], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        """Encode the words, and UPOS and characters where the options ask for them.

        With labels: heads, counted from 1, and relation ids, each (words,); -1 for no head. The
        labels have every relation of the documents (`labels`).
        """
        encoded = backbone.words([document.text for document in documents])
        ids = {relation: i for i, relation in enumerate(labels["relation"])} if labels else {}
        tags: dict[str | None, int] = {tag: i + 1 for i, tag in enumerate(UPOS)}
        examples = []
        for index, (document, words) in enumerate(zip(documents, encoded, strict=True)):
            inputs: dict[str, Any] = {"words": words, "pad": backbone.pad_id}
            if self.options.upos == "gold":
                upos = document.layer(Tags, "upos").tags
                inputs["upos"] = np.array([tags.get(tag, 0) for tag in upos], np.int64)
            if self.options.characters:
                inputs["characters"] = document.words
            if labels:
                tree = document.layer(Tree, "tree")
                inputs["heads"] = np.array(tree.heads, np.int64)
                pairs = zip(tree.heads, tree.relations, strict=True)
                inputs["relations"] = np.array(
                    [ids[self._relation(r)] if h >= 0 else 0 for h, r in pairs],
                    np.int64,
                )
            examples.append(Example(index, words.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Pad the examples to a batch for `model.Parser.forward`; `labels` are the heads."""
        import torch

        from xlt.data.batch import IGNORED

        from .encoding import column

        batch = self.arrays(examples)
        shape = batch["word_mask"].shape
        if "heads" in examples[0].inputs:
            heads = column(examples, "heads", shape, IGNORED)
            heads[heads < 0] = IGNORED  # a partial tree: words without a head are not learnt from
            relations = column(examples, "relations", shape, 0)
            batch |= {"labels": heads, "relations": relations}
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def arrays(self, examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
        """Pad the examples to a batch without labels."""
        from .encoding import arrays

        return arrays(examples)

    def outputs(self, network: Network, arrays: Arrays, labels: Labels) -> Arrays:
        """Compute the log-probabilities of arcs; relations are scored when the tree is known."""
        from .decoding import outputs

        size, relations = self.options.relation_size, len(labels["relation"])
        return outputs(network, arrays, size, relations)

    def decode(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Document]:
        """Choose each sentence's best tree with one root, then the relations of its arcs."""
        from xlt.model.mst import decode_trees

        from .decoding import relations_of

        lengths = np.array([e.inputs["words"].n_words for e in examples])
        trees = decode_trees(np.asarray(outputs["arcs"]), lengths)
        names = labels["relation"]
        chosen = relations_of(trees, outputs, names.index("root"))
        decoded = []
        for document, heads, relations, length in zip(
            documents, trees, chosen, lengths, strict=True
        ):
            if length != len(document.words):
                raise AssertionError(f"{len(document.words)} words in, {length} heads out")
            tree = Tree(tuple(heads[:length].tolist()), tuple(names[i] for i in relations[:length]))
            decoded.append(document.with_layers(tree=tree))
        return decoded

    def confidence(
        self,
        predicted: Sequence[Document],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
        temperatures: Mapping[str, float],
    ) -> list[Mapping[str, Sequence[float]]]:
        """Return the probability of each word's arc: of its head, over all trees with one root,
        times that of the relation to this head."""
        from xlt.model.arrays import softmax
        from xlt.model.marginals import arc_marginals

        from .decoding import relation_scores

        temperature = temperatures.get("tree", 1.0)
        names = {relation: number for number, relation in enumerate(labels["relation"])}
        lengths = [len(document.words) for document in predicted]
        arcs = arc_marginals(np.asarray(outputs["arcs"]), lengths, temperature)
        trees = np.full((len(predicted), arcs.shape[1] - 1), -1)
        for row, (document, length) in enumerate(zip(predicted, lengths, strict=True)):
            trees[row, :length] = document.layer(Tree, "tree").heads
        relations = softmax(relation_scores(trees, outputs, names["root"]) / temperature)
        found: list[Mapping[str, Sequence[float]]] = []
        for row, document in enumerate(predicted):
            tree = document.layer(Tree, "tree")
            chances = [
                arcs[row, word + 1, head] * (relations[row, word, names[name]] if head else 1.0)
                for word, (head, name) in enumerate(zip(tree.heads, tree.relations, strict=True))
            ]
            found.append({"tree": [float(chance) for chance in chances]})
        return found

    def combine(self, outputs: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """Average the arcs and keep the rest apart: every model scores the tree's relations."""
        import torch

        combined = {k: torch.stack([one[k] for one in outputs]) for k in outputs[0]}
        return {**combined, "arcs": combined["arcs"].mean(0)}

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Document, predicted: Document) -> NDArray[np.float64]:
        """Count right heads and arcs of one sentence, shape (9,) (`metrics.tree_counts`)."""
        right, tree = gold.layer(Tree, "tree"), predicted.layer(Tree, "tree")
        return tree_counts(
            right.heads,
            right.relations,
            tree.heads,
            tree.relations,
            punctuation(gold.words, gold.layer(Tags, "upos").tags),
            subtypes=self.options.subtypes,
        )

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute LAS, UAS and CLAS in percent from counts of shape (..., 9)."""
        return tree_metrics(counts)
